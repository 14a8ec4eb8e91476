//! The control socket: who asks, and what they are told.

use std::os::fd::OwnedFd;

use reaper::{Interest, Key, Pid};

use super::{Host, Source};
use crate::control::{self, Client, Heard, MOST_CLIENTS, PathSocket, Sent};
use crate::prefork::PROGRAM;
use crate::prefork::control::{Request, parse, reply};
use crate::prefork::machine::{Command, Input};

impl Host {
    pub(super) fn open_control(&mut self) {
        match control::open(PROGRAM, Pid::own()) {
            Ok(control) => self.watch_control(control),
            Err(error) => self.no_control(&error),
        }
        match self.control_path.as_ref().map(PathSocket::try_clone) {
            None => {}
            Some(Ok(control)) => self.watch_control(control),
            Some(Err(error)) => self.no_control(&error),
        }
    }

    pub(super) fn watch_control(&mut self, control: OwnedFd) {
        match self.events.watch(control, Interest::Read) {
            Ok(key) => {
                self.state.sources.insert(key, Source::Control);
            }
            Err(error) => self.no_control(&error),
        }
    }

    fn no_control(&mut self, error: &std::io::Error) {
        self.tell_once(format!("no control socket, status will be incomplete: {error}"));
    }

    pub(super) fn welcome(&mut self, listener: Key) {
        let Some(fd) = self.events.fd(listener) else { return };
        match control::accept(fd) {
            Ok(Some(client)) => {
                self.make_room();
                if let Ok(key) = self.events.watch(client, Interest::Read) {
                    self.state.sources.insert(key, Source::Client);
                    self.state.clients.insert(key, Client::default());
                }
            }
            Ok(None) => {}
            // No descriptor for it. It stays in the queue, and would wake us for ever.
            Err(_) => {
                self.state.sources.remove(&listener);
                self.state.again.parked.extend(self.events.unwatch(listener));
                self.try_again_later();
            }
        }
    }

    /// Whoever asks gets a place; who has been silent longest loses one.
    fn make_room(&mut self) {
        if self.state.clients.len() < MOST_CLIENTS {
            return;
        }
        let silent = self.state.clients.iter().filter(|(_, client)| !client.asked);
        if let Some(key) = silent.map(|(key, _)| *key).min_by_key(|key| key.as_raw()) {
            self.dismiss(key);
        }
    }

    pub(super) fn hear_client(&mut self, key: Key) {
        let Some(fd) = self.events.fd(key) else { return };
        let Some(client) = self.state.clients.get_mut(&key) else { return };
        let request = match client.read(fd) {
            Heard::More => return,
            Heard::Gone => return self.dismiss(key),
            Heard::Request(line) => parse(&line),
        };
        let command = match request {
            Err(reason) => return self.answer(key, reply(&Err(reason))),
            Ok(Request::Status) => {
                let status = self.status();
                return self.answer(key, status.encode());
            }
            Ok(Request::Reload) => Command::Reload,
            Ok(Request::Stop) => Command::Stop,
            Ok(Request::Add(count)) => Command::Add(count),
            Ok(Request::Remove(count)) => Command::Remove(count),
            Ok(Request::Signal(signal)) => Command::Signal(signal),
        };
        self.feed(Input::Command(key.as_raw(), command));
    }

    pub(super) fn answer(&mut self, key: Key, text: String) {
        let Some(fd) = self.events.fd(key) else { return };
        let Some(client) = self.state.clients.get_mut(&key) else { return };
        match client.answer(fd, text) {
            Sent::All | Sent::Gone => self.dismiss(key),
            Sent::Part => {
                if self.events.set_interest(key, Interest::Both).is_err() {
                    self.dismiss(key);
                }
            }
        }
    }

    pub(super) fn answer_more(&mut self, key: Key) {
        let Some(fd) = self.events.fd(key) else { return };
        let Some(client) = self.state.clients.get_mut(&key) else { return };
        if client.send_more(fd) != Sent::Part {
            self.dismiss(key);
        }
    }

    pub(super) fn report(&mut self, client: u64, result: &Result<String, String>) {
        self.answer(Key::from_raw(client), reply(result));
    }

    pub(super) fn dismiss(&mut self, key: Key) {
        self.state.sources.remove(&key);
        self.state.clients.remove(&key);
        drop(self.events.unwatch(key));
        self.unpark();
    }
}
