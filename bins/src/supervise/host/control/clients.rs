//! Connections: bytes in, requests out, answers back, and nobody waits for anybody.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use reaper::Key;
use rustix::io::Errno;
use rustix::net::{Shutdown, SocketFlags, accept_with, shutdown};

use super::super::{Host, Source};
use super::client::{AHEAD, Client, Doing};
use crate::supervise::http::{Refusal, Response};

/// Connections at a time.
const MOST: usize = 256;
/// How much of what a refused client still sends is taken.
const LEFT_OVER: usize = 16 << 20;
/// Requests of one client that are answered before others have their turn.
const IN_TURN: u32 = 4;

impl Host {
    /// Takes whoever knocks.
    pub(in super::super) fn admit(&mut self, index: usize) {
        for _ in 0..MOST {
            let Some(door) = self.control.doors.get(index) else { return };
            let Some(fd) = door.key.and_then(|key| self.events.fd(key)) else { return };
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match accept_with(fd, flags) {
                Ok(fd) => self.let_in(index, fd),
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED | Errno::PROTO | Errno::PERM) => {}
                Err(error) => {
                    if self.make_room() {
                        continue;
                    }
                    self.warn_once(format!("cannot take a connection: {error}"));
                    self.unwatch_door(index);
                    return self.look_again();
                }
            }
        }
    }

    fn let_in(&mut self, index: usize, fd: OwnedFd) {
        let Some(door) = self.control.doors.get(index).filter(|door| door.lets_in(&fd)) else {
            return;
        };
        let entrance = Rc::clone(&door.entrance);
        if entrance.tcp {
            let _ = rustix::net::sockopt::set_tcp_nodelay(&fd, true);
            let _ = rustix::net::sockopt::set_socket_keepalive(&fd, true);
        }
        if self.control.clients.len() >= self.most_clients() && !self.make_room() {
            // All are waited for; who comes now tries again.
            return;
        }
        if let Some(key) = self.watch(fd, Source::Client) {
            let client = Client::new(entrance, self.events.now());
            self.control.clients.insert(key, client);
        }
    }

    /// There is room for one more whose answer has no end, and for others to come and go beside it.
    pub(super) fn takes_guests(&self) -> bool {
        let stays =
            |client: &&Client| !matches!(client.doing, Doing::Nothing | Doing::Lingering(_));
        let guests = self.control.clients.values().filter(stays).count();
        guests < self.most_clients().saturating_mul(3) / 4
    }

    /// Most descriptors are for programs.
    fn most_clients(&self) -> usize {
        let share = self.descriptors.map(|most| usize::try_from(most / 4).unwrap_or(MOST));
        share.map_or(MOST, |share| share.clamp(4, MOST))
    }

    /// Hangs up on whoever has been silent for the longest time; false: all are busy.
    fn make_room(&mut self) -> bool {
        let clients = self.control.clients.iter();
        let idle = clients.filter(|(_, client)| match client.doing {
            Doing::Nothing => client.is_sent(),
            Doing::Lingering(_) => true,
            Doing::Waiting(..) | Doing::Following(..) => false,
        });
        let oldest = idle.min_by_key(|(_, client)| client.since).map(|(key, _)| *key);
        let Some(key) = oldest else { return false };
        self.hang_up(key);
        true
    }

    fn hang_up(&mut self, key: Key) {
        self.control.clients.remove(&key);
        self.forget(key);
    }

    /// Reads what a client has sent, and answers.
    pub(in super::super) fn hear_client(&mut self, key: Key) {
        let Some(client) = self.control.clients.get_mut(&key) else { return };
        let Some(fd) = self.events.fd(key) else { return };
        let mut buffer = [0_u8; 16 << 10];
        let read = match rustix::io::read(fd, buffer.as_mut_slice()) {
            Err(Errno::AGAIN | Errno::INTR) => return,
            Ok(0) | Err(_) => None,
            Ok(count) => buffer.get(..count),
        };
        match (&mut client.doing, read) {
            // Half a connection is enough to be sent what has been asked for; who waits has gone.
            (Doing::Nothing, None) => client.ended = true,
            (_, None) => return self.hang_up(key),
            (Doing::Following(..), Some(_)) => return,
            (Doing::Lingering(left), Some(bytes)) => {
                *left = left.saturating_sub(bytes.len());
                if *left == 0 {
                    self.hang_up(key);
                }
                return;
            }
            (Doing::Waiting(..), Some(bytes)) => {
                client.parser.feed(bytes);
                if client.parser.buffered() > AHEAD {
                    self.hang_up(key);
                }
                return;
            }
            (Doing::Nothing, Some(bytes)) => {
                let idle = client.parser.is_idle();
                client.parser.feed(bytes);
                if idle && !client.parser.is_idle() {
                    client.since = self.events.now();
                }
            }
        }
        self.serve_client(key);
    }

    /// Answers the requests that are there.
    pub(super) fn serve_client(&mut self, key: Key) {
        let Some(mut client) = self.control.clients.remove(&key) else { return };
        client.drained = false;
        // Who is left with requests is woken as soon as there is room for answers.
        for _ in 0..IN_TURN {
            if !client.is_free() {
                break;
            }
            let entrance = Rc::clone(&client.entrance);
            match client.parser.next(&mut |head| entrance.gate(head)) {
                Ok(Some(request)) => {
                    client.since = self.events.now();
                    self.respond(&mut client, request);
                    // What has gone makes room for the next answer.
                    let now = client.since;
                    if !self.events.fd(key).is_some_and(|fd| client.flush(fd, now)) {
                        return self.forget(key);
                    }
                }
                Ok(None) => {
                    (client.drained, client.closing) = (true, client.ended);
                    if client.parser.wants_continue() {
                        client.queue(Response::CONTINUE);
                    }
                    break;
                }
                Err(refusal) => {
                    client.queue(&refusal.bytes());
                    client.closing = true;
                }
            }
        }
        self.keep(key, client);
    }

    /// Sends what a client takes, and puts it back among the others unless it is done with.
    pub(super) fn keep(&mut self, key: Key, mut client: Client) {
        let Some(fd) = self.events.fd(key) else { return };
        // Whoever stopped for want of room is to go on even if all of it goes now.
        let unsent = !client.is_sent();
        if !client.flush(fd, self.events.now()) {
            return self.forget(key);
        }
        if client.closing && client.is_sent() && matches!(client.doing, Doing::Nothing) {
            // A socket that is closed before all has been read takes its last words back.
            if shutdown(fd, Shutdown::Write).is_err() {
                return self.forget(key);
            }
            client.doing = Doing::Lingering(LEFT_OVER);
            client.since = self.events.now();
        }
        let wants = client.wants(unsent);
        if wants != client.interest {
            if self.events.set_interest(key, wants).is_err() {
                return self.forget(key);
            }
            client.interest = wants;
        }
        self.control.clients.insert(key, client);
    }

    /// A client takes more.
    pub(in super::super) fn send_to_client(&mut self, key: Key) {
        let Some(mut client) = self.control.clients.remove(&key) else { return };
        let now = self.events.now();
        if !self.events.fd(key).is_some_and(|fd| client.flush(fd, now)) {
            return self.forget(key);
        }
        self.control.clients.insert(key, client);
        self.serve_client(key);
    }

    /// Hangs up on those who have been silent for too long.
    pub(super) fn dismiss_silent(&mut self) {
        let now = self.events.now();
        let clients = self.control.clients.iter();
        let over = clients.filter(|(_, client)| client.deadline().is_some_and(|at| at <= now));
        for key in over.map(|(key, _)| *key).collect::<Vec<_>>() {
            let Some(mut client) = self.control.clients.remove(&key) else { continue };
            let begun = matches!(client.doing, Doing::Nothing) && client.is_sent();
            if begun && client.drained && !client.parser.is_idle() && !client.closing {
                client.queue(&Refusal::timeout().bytes());
                client.closing = true;
                self.keep(key, client);
            } else {
                self.forget(key);
            }
        }
    }

    /// Hangs up on those who came in by a door that is no more, when they have their answers.
    pub(super) fn dismiss_strangers(&mut self) {
        let doors = &self.control.doors;
        let known =
            |client: &Client| doors.iter().any(|d| Rc::ptr_eq(&d.entrance, &client.entrance));
        let mut strangers = Vec::new();
        for (key, client) in &mut self.control.clients {
            if !known(client) {
                client.closing = true;
                strangers.push((*key, matches!(client.doing, Doing::Following(..))));
            }
        }
        for (key, follows) in strangers {
            match follows {
                true => self.hang_up(key),
                false => self.serve_client(key),
            }
        }
    }
}
