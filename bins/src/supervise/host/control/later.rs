//! Answers that come later: of methods that wait for processes, and of logs without an end.

use std::time::Duration;

use reaper::Key;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::super::Host;
use super::client::{AHEAD, Client, Doing, ENOUGH};
use crate::supervise::http::{Manner, Response};
use crate::supervise::machine::types::ProcId;
use crate::supervise::rpc::{Fault, Value, write_answer};

impl Host {
    /// Tells those who wait what has changed.
    pub(in super::super) fn answer_waiting(&mut self) {
        while !self.control.news.is_empty() || self.control.stirred {
            self.control.stirred = false;
            let news: Vec<ProcId> = std::mem::take(&mut self.control.news).into_iter().collect();
            let mut restarts = std::mem::take(&mut self.control.restarts);
            restarts.changed(self, &news);
            self.control.restarts = restarts;
            let waits = |client: &Client| matches!(client.doing, Doing::Waiting(..));
            let clients = self.control.clients.iter();
            let keys: Vec<Key> = clients.filter(|(_, c)| waits(c)).map(|(key, _)| *key).collect();
            for key in keys {
                self.tell(key, &news);
            }
        }
    }

    fn tell(&mut self, key: Key, news: &[ProcId]) {
        let Some(mut client) = self.control.clients.remove(&key) else { return };
        let doing = std::mem::replace(&mut client.doing, Doing::Nothing);
        let Doing::Waiting(mut waiting, manner) = doing else { return self.forget(key) };
        match waiting.changed(self, &mut client.caller, news) {
            Some(answer) => {
                self.answer_call(&mut client, &answer, manner);
                client.since = self.events.now();
                self.control.clients.insert(key, client);
                // What it has sent meanwhile.
                self.serve_client(key);
            }
            None => {
                client.doing = Doing::Waiting(waiting, manner);
                self.control.clients.insert(key, client);
            }
        }
    }

    pub(super) fn answer_call(
        &mut self,
        client: &mut Client,
        answer: &Result<Value, Fault>,
        manner: Manner,
    ) {
        let body = write_answer(answer);
        client.answer(&Response::xml(body), manner);
    }

    /// Sends followers what has been added to their logs.
    pub(in super::super) fn feed_followers(&mut self) {
        let follows = |client: &Client| matches!(client.doing, Doing::Following(..));
        let clients = self.control.clients.iter();
        let keys: Vec<Key> = clients.filter(|(_, c)| follows(c)).map(|(key, _)| *key).collect();
        for key in keys {
            let Some(mut client) = self.control.clients.remove(&key) else { continue };
            let (now, mut budget) = (self.events.now(), ENOUGH);
            while client.left() < AHEAD {
                let Doing::Following(follow, stream) = &mut client.doing else { break };
                let bytes = follow.read();
                if bytes.is_empty() {
                    break;
                }
                let chunk = stream.chunk(&bytes);
                client.queue_log(&chunk, now);
                budget = budget.saturating_sub(bytes.len());
                let Some(fd) = self.events.fd(key) else { break };
                // What is left unsent at the end is what brings us back here.
                if budget == 0 || !client.flush(fd, now) {
                    break;
                }
            }
            self.keep(key, client);
        }
    }

    /// Sends what is left for as long as somebody takes it, a second at most.
    pub(super) fn drain_clients(&mut self) {
        for client in self.control.clients.values_mut() {
            if let Doing::Following(_, stream) = &client.doing {
                let end = stream.end();
                client.queue(end);
            }
        }
        let until = self.events.now().saturating_add(Duration::from_secs(1));
        loop {
            let (events, now) = (&self.events, self.events.now());
            self.control.clients.retain(|key, client| {
                events.fd(*key).is_some_and(|fd| client.flush(fd, now)) && !client.is_sent()
            });
            let left = until.checked_since(now);
            let fds = self.control.clients.keys().filter_map(|key| self.events.fd(*key));
            let mut fds: Vec<_> =
                fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::OUT)).collect();
            let Some(left) = left.filter(|left| !left.is_zero() && !fds.is_empty()) else { return };
            let Ok(timeout) = left.try_into() else { return };
            if !matches!(poll(&mut fds, Some(&timeout)), Ok(1..) | Err(Errno::INTR)) {
                return;
            }
        }
    }
}
