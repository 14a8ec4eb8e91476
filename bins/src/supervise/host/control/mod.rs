//! The control protocol: who comes in by which socket, and what becomes of it.
//!
//! Everything here runs between two waits of the one loop. A client costs a descriptor and a bounded
//! buffer; one that is slow, silent or gone is nobody's concern but its own.

mod client;
mod clients;
mod doors;
mod follow;
mod later;
mod lock;
mod routes;
mod world;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use reaper::{Key, Moment};

use super::{Host, Source};
use crate::supervise::config::model::{Level, Server};
use crate::supervise::machine::types::ProcId;
use crate::supervise::web::Restarts;
use client::Client;
use doors::{Door, take_reports, watch};

/// How soon what could not be opened is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// The sockets and their clients.
pub(super) struct Control {
    doors: Vec<Door>,
    clients: HashMap<Key, Client>,
    /// What a form must bring along.
    token: String,
    /// Watches the directories of the sockets.
    directories: Option<Key>,
    /// When to look after doors that are closed, or were left alone for want of descriptors.
    retry_at: Option<Moment>,
    /// Servers of a configuration that could not be opened.
    shut: Vec<Server>,
    /// Processes that have changed since those who wait were told.
    news: BTreeSet<ProcId>,
    /// Everything is being stopped: those who wait are to look whatever has changed.
    pub(super) stirred: bool,
    /// Processes that the page is to start when they have stopped.
    restarts: Restarts,
}

impl Control {
    /// Binds all sockets.
    ///
    /// # Errors
    /// One line on the first that cannot be bound; none is left open then.
    pub(super) fn open(servers: Vec<Server>) -> Result<Self, String> {
        let mut doors = Vec::new();
        for server in servers {
            match Door::open(server) {
                Ok(door) => doors.push(door),
                Err(text) => {
                    doors.into_iter().for_each(Door::close);
                    return Err(text);
                }
            }
        }
        Ok(Self {
            doors,
            clients: HashMap::new(),
            token: token(),
            directories: None,
            retry_at: None,
            shut: Vec::new(),
            news: BTreeSet::new(),
            stirred: false,
            restarts: Restarts::default(),
        })
    }

    /// Closes all sockets before anybody came in.
    pub(super) fn close(self) {
        self.doors.into_iter().for_each(Door::close);
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        self.clients.values().filter_map(Client::deadline).chain(self.retry_at).min()
    }

    /// A process has changed its state, or has gone.
    pub(super) fn changed(&mut self, id: ProcId) {
        self.news.insert(id);
    }
}

/// Nobody can guess it.
fn token() -> String {
    let mut bytes = [0_u8; 16];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    if got != Ok(bytes.len()) {
        // A kernel that has not collected its randomness yet: no form is taken then.
        return String::new();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Host {
    /// Watches the sockets that are bound.
    pub(super) fn open_doors(&mut self) {
        if !self.control.doors.is_empty() {
            self.line(Level::Info, "RPC interface 'supervisor' initialized");
        }
        for index in 0..self.control.doors.len() {
            let Some(door) = self.control.doors.get(index) else { continue };
            if door.entrance.login.is_none() {
                let kind = if door.entrance.tcp { "inet_http_server" } else { "unix_http_server" };
                let text =
                    format!("Server '{kind}' running without any HTTP authentication checking");
                self.line(Level::Critical, text);
            }
            self.watch_door(index);
        }
        self.watch_directories();
    }

    fn watch_door(&mut self, index: usize) {
        let Some(door) = self.control.doors.get(index) else { return };
        let watched = door.descriptor().ok().and_then(|fd| self.watch(fd, Source::Door(index)));
        if watched.is_none() {
            self.look_again();
        }
        if let Some(door) = self.control.doors.get_mut(index) {
            door.key = watched;
        }
    }

    fn unwatch_door(&mut self, index: usize) {
        let key = self.control.doors.get_mut(index).and_then(|door| door.key.take());
        if let Some(key) = key {
            self.forget(key);
        }
    }

    fn look_again(&mut self) {
        self.control.retry_at = Some(self.events.now().saturating_add(AGAIN));
    }

    fn watch_directories(&mut self) {
        if let Some(key) = self.control.directories.take() {
            self.forget(key);
        }
        let directories: BTreeSet<_> =
            self.control.doors.iter().filter_map(Door::directory).collect();
        if directories.is_empty() {
            return;
        }
        let directories: Vec<_> = directories.into_iter().collect();
        match watch(&directories) {
            Ok(fd) => self.control.directories = self.watch(fd, Source::Directories),
            Err(error) => {
                self.warn_once(format!("sockets are not watched: {error}"));
                self.look_again();
            }
        }
    }

    /// Some file has gone from where a socket has its own.
    pub(super) fn look_at_doors(&mut self, key: Key) {
        let gone = self.events.fd(key).is_some_and(take_reports);
        self.renew_doors();
        if gone {
            self.look_again();
        }
    }

    fn renew_doors(&mut self) {
        for index in 0..self.control.doors.len() {
            let renewed = self.control.doors.get_mut(index).and_then(Door::renew);
            match renewed {
                None => {}
                Some(Ok(())) => {
                    // Who came by the old one while it was there.
                    self.admit(index);
                    self.unwatch_door(index);
                    self.watch_door(index);
                    let section = self.control.doors.get(index).map(|door| &door.server.section);
                    let text = format!(
                        "the socket of [{}] had gone: made again",
                        section.map_or("", |s| s)
                    );
                    self.line(Level::Warn, text);
                }
                Some(Err(text)) => {
                    if !self.control.doors.get(index).is_some_and(Door::is_open) {
                        self.admit(index);
                        self.unwatch_door(index);
                    }
                    self.warn_once(format!("cannot make a socket again: {text}"));
                    self.look_again();
                }
            }
        }
    }

    /// Tries what failed again.
    pub(super) fn retry_doors(&mut self) {
        let now = self.events.now();
        if self.control.retry_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        self.renew_doors();
        for server in std::mem::take(&mut self.control.shut) {
            self.open_door(server);
        }
        for index in 0..self.control.doors.len() {
            if self.control.doors.get(index).is_some_and(|door| door.key.is_none()) {
                self.watch_door(index);
            }
        }
        self.watch_directories();
    }

    /// Opens a server of another configuration, now or later.
    fn open_door(&mut self, server: Server) {
        match Door::open(server.clone()) {
            Ok(door) => self.control.doors.push(door),
            Err(text) => {
                self.warn_once(text);
                self.control.shut.push(server);
                self.look_again();
            }
        }
    }

    /// The servers of another configuration; those that stay the same are left alone.
    pub(super) fn change_servers(&mut self, servers: Vec<Server>) {
        self.control.shut.clear();
        if self.control.doors.iter().map(|door| &door.server).eq(servers.iter()) {
            self.renew_doors();
            return;
        }
        for index in 0..self.control.doors.len() {
            self.unwatch_door(index);
        }
        let mut former = std::mem::take(&mut self.control.doors);
        let kept: Vec<Option<Door>> = servers
            .iter()
            .map(|server| {
                let at = former.iter().position(|door| door.server == *server)?;
                Some(former.remove(at))
            })
            .collect();
        former.into_iter().for_each(Door::close);
        for (server, kept) in servers.into_iter().zip(kept) {
            match kept {
                Some(door) => self.control.doors.push(door),
                None => self.open_door(server),
            }
        }
        self.dismiss_strangers();
        for index in 0..self.control.doors.len() {
            self.watch_door(index);
        }
        self.watch_directories();
    }

    /// Some time has passed.
    pub(super) fn look_after_clients(&mut self) {
        self.dismiss_silent();
        self.retry_doors();
    }

    /// The end: nobody comes in, those who are in get their answers.
    pub(super) fn close_doors(&mut self) {
        self.answer_waiting();
        for index in 0..self.control.doors.len() {
            self.unwatch_door(index);
        }
        std::mem::take(&mut self.control.doors).into_iter().for_each(Door::close);
        self.drain_clients();
    }
}
