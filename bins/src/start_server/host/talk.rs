//! Hearing workers on their NOTIFY_SOCKET, and clients on the control socket.

use std::os::fd::OwnedFd;
use std::time::Duration;

use reaper::{Interest, Key, Pid};

use super::{Host, Source};
use crate::control::{self, Client, Heard, MOST_CLIENTS};
use crate::start_server::PROGRAM;
use crate::start_server::machine::{Failure, Input, LAUNCHER, Note, RestartOutcome};
use crate::start_server::status::{ListenerStatus, Status, WorkerStatus};

/// Messages from one worker before the others get their turn.
const MESSAGES: usize = 64;

impl Host {
    pub(super) fn open_control(&mut self) {
        match control::open(PROGRAM, Pid::own()) {
            Ok(control) => self.watch_control(control),
            Err(error) => self.no_control(&error),
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
        self.tell_once(format!("no control socket, --restart will not tell failures: {error}"));
    }

    pub(super) fn hear_worker(&mut self, key: Key) {
        for _ in 0..MESSAGES {
            let Some(Source::Notify(generation, receiver)) = self.state.sources.get(&key) else {
                return;
            };
            let generation = *generation;
            let (message, sender) = match receiver.recv() {
                Ok(Some(heard)) => heard,
                Ok(None) => return,
                Err(error) => {
                    self.tell_once(format!("a NOTIFY_SOCKET failed: {error}"));
                    self.dismiss(key);
                    return;
                }
            };
            if !self.trusts(sender.uid) {
                continue;
            }
            if let (Some(text), Some(process)) =
                (&message.status, self.state.workers.get_mut(&generation))
            {
                process.text = Some(text.clone());
            }
            let note = Note { ready: message.ready, extend: message.extend_timeout };
            self.feed(Input::Notified(generation, note));
        }
    }

    /// The socket has a guessable name; its worker's user, our own, and root may speak.
    fn trusts(&self, uid: u32) -> bool {
        let own = rustix::process::geteuid().as_raw();
        let worker = self.launch.credentials.as_ref().map(|credentials| credentials.uid());
        uid == 0 || uid == own || Some(uid) == worker
    }

    /// Whether a start is watched by somebody who wants to hear why it failed.
    pub(super) fn somebody_waits(&self) -> bool {
        self.state
            .sources
            .values()
            .any(|source| matches!(source, Source::Client(client) if client.asked))
    }

    pub(super) fn welcome(&mut self, listener: Key) {
        let Some(fd) = self.events.fd(listener) else { return };
        match control::accept(fd) {
            Ok(Some(client)) => {
                self.make_room();
                if let Ok(key) = self.events.watch(client, Interest::Read) {
                    self.state.sources.insert(key, Source::Client(Client::default()));
                }
            }
            Ok(None) => {}
            // No descriptor for it. It stays in the queue, and would wake us for ever.
            Err(_) => {
                self.state.sources.remove(&listener);
                self.state.parked = self.events.unwatch(listener);
                self.state.settled = false;
            }
        }
    }

    /// Whoever asks gets a place; who has been silent longest loses one.
    fn make_room(&mut self) {
        let mut clients = 0_usize;
        let mut silent: Option<Key> = None;
        for (key, source) in &self.state.sources {
            if let Source::Client(client) = source {
                clients = clients.saturating_add(1);
                if !client.asked && silent.is_none_or(|other| key.as_raw() < other.as_raw()) {
                    silent = Some(*key);
                }
            }
        }
        if clients >= MOST_CLIENTS {
            if let Some(key) = silent {
                self.dismiss(key);
            }
        }
    }

    pub(super) fn hear_client(&mut self, key: Key) {
        let Some(fd) = self.events.fd(key) else { return };
        let Some(Source::Client(client)) = self.state.sources.get_mut(&key) else { return };
        match client.read(fd) {
            Heard::More => {}
            Heard::Gone => self.dismiss(key),
            Heard::Request(request) => match request.as_str() {
                "restart" => self.feed(Input::Restart(key.as_raw())),
                "status" => {
                    control::answer(fd, &self.status().encode());
                    self.dismiss(key);
                }
                _ => self.dismiss(key),
            },
        }
    }

    pub(super) fn dismiss(&mut self, key: Key) {
        self.state.settled = true;
        self.state.sources.remove(&key);
        drop(self.events.unwatch(key));
    }

    pub(super) fn report(&mut self, client: u64, outcome: &RestartOutcome) {
        if client == LAUNCHER {
            return self.report_to_launcher(outcome);
        }
        let key = Key::from_raw(client);
        let text = match outcome {
            RestartOutcome::Done(generation, pid) => {
                format!("done\ngeneration {generation} serves with worker {pid}\n")
            }
            RestartOutcome::Failed(failure) => {
                format!("failed\nrestart failed: {}", self.explain(failure))
            }
        };
        if let Some(fd) = self.events.fd(key) {
            control::answer(fd, &text);
        }
        self.dismiss(key);
    }

    fn report_to_launcher(&mut self, outcome: &RestartOutcome) {
        match outcome {
            RestartOutcome::Done(..) => {
                if let Some(launcher) = self.launcher.take() {
                    launcher.report(0, "");
                }
            }
            // Told at the very end, when nothing is left behind.
            RestartOutcome::Failed(failure) => {
                self.state.farewell = Some(format!("start failed: {}", self.explain(failure)));
            }
        }
    }

    /// The failure, and what the worker wrote last.
    fn explain(&self, failure: &Failure) -> String {
        let mut text = format!("{failure}\n");
        let generation = match failure {
            Failure::Died(generation, ..) | Failure::NotReady(generation, ..) => *generation,
            Failure::Spawn(..) | Failure::Stopping => return text,
        };
        let mut lines = self.last_lines(generation);
        lines.retain(|line| !self.state.recent.contains(line));
        if !lines.is_empty() {
            text.push_str("its last output:\n");
            for line in lines {
                text.push_str("  ");
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    }

    fn status(&self) -> Status {
        let now = self.events.now();
        let view = self.machine.view(now);
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let workers = view.workers.iter().map(|worker| WorkerStatus {
            generation: worker.generation,
            pid: worker.pid.as_raw(),
            state: worker.role.word().to_owned(),
            age: Some(millis(worker.age)),
            text: self.state.workers.get(&worker.generation).and_then(|p| p.text.clone()),
        });
        let listeners = self.sockets.infos().map(|socket| ListenerStatus {
            name: socket.name.to_string_lossy().into_owned(),
            fd: socket.fd,
            kind: socket.kind.to_string(),
            address: socket.address.to_string(),
        });
        Status {
            pid: Some(Pid::own().as_raw()),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            phase: view.phase.to_owned(),
            generation: view.generation,
            failures: u64::from(view.failures),
            next_start: view.next_start.map(millis),
            uptime: Some(millis(now.saturating_since(self.state.begun))),
            last_failure: self.state.last_failure.clone(),
            workers: workers.collect(),
            listeners: listeners.collect(),
        }
    }
}
