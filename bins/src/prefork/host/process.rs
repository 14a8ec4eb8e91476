//! Workers' processes: how they are made, what they say, and their end.

use std::collections::HashMap;
use std::os::fd::AsFd;

use fdpass::notify::Receiver;
use reaper::{Exit, Interest, Key, Moment, Pid};
use scoreboard::Occupant;
use sigpolicy::Signal;

use super::commands::Running;
use super::{Host, Source, pause};
use crate::prefork::hooks::Facts;
use crate::prefork::machine::{Input, StartError};
use crate::prefork::maker::Order;
use crate::prefork::view::Id;

/// Messages from one worker before the others get their turn.
const MESSAGES: usize = 64;
/// Rounds of KILL for descendants that make new ones faster than they are found.
const ROUNDS: usize = 100;

/// Where each worker speaks.
pub(super) type Receivers = HashMap<Id, Receiver>;

/// A worker's process and what belongs to it.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) key: Key,
    pub(super) pid: Pid,
    pub(super) slot: u32,
    pub(super) generation: u64,
    pub(super) notify: Option<Key>,
    /// The connection that it serves and since when, where only that tells how long a request takes.
    pub(super) serving: Option<(u64, Moment)>,
    /// It has said something on NOTIFY_SOCKET, and that it is ready.
    pub(super) spoke: bool,
    pub(super) ready: bool,
    /// The text that it said there.
    pub(super) text: Option<String>,
}

impl Host {
    pub(super) fn spawn_worker(&mut self, id: Id, slot: u32, generation: u64) {
        if let Some(callback) = &mut self.callbacks.before_fork {
            if let Err(reason) = callback() {
                return self.not_started(id, format!("before-fork failed: {reason}"));
            }
        }
        if let Some(command) = self.config.hooks.before_fork.clone() {
            let facts = Facts::of("before-fork").slot(slot, generation);
            let running = Running::BeforeFork(id, slot, generation);
            if let Err(error) = self.run_command(&command, facts, running) {
                self.not_started(id, format!("before-fork failed: {error}"));
            }
            return;
        }
        match self.make(id, slot, generation) {
            Ok(pid) => self.state.inputs.push_back(Input::Spawned(id, pid)),
            Err(error) => self.state.inputs.push_back(Input::SpawnFailed(id, error)),
        }
    }

    fn not_started(&mut self, id: Id, text: String) {
        let error = StartError { text, transient: true };
        self.state.inputs.push_back(Input::SpawnFailed(id, error));
    }

    /// After the command before the fork.
    pub(super) fn make_or_tell(&mut self, id: Id, slot: u32, generation: u64) {
        let input = match self.make(id, slot, generation) {
            Ok(pid) => Input::Spawned(id, pid),
            Err(error) => Input::SpawnFailed(id, error),
        };
        self.feed(input);
    }

    fn make(&mut self, id: Id, slot: u32, generation: u64) -> Result<Pid, StartError> {
        let receiver = match Receiver::bind() {
            Ok(receiver) => Some(receiver),
            Err(error) => {
                self.tell_once(format!("no NOTIFY_SOCKET for workers: {error}"));
                None
            }
        };
        if let Some((board, _)) = &mut self.board {
            if let Err(error) = board.prepare(slot) {
                self.tell_once(format!("the scoreboard's slot {slot} cannot be used: {error}"));
            }
        }
        let order = Order {
            id,
            slot,
            generation,
            sockets: &self.sockets,
            notify: receiver.as_ref().map(Receiver::address),
            board: self.board.as_ref().and_then(|(board, _)| board.slots_fd(slot).ok()),
            life: self.life.as_ref().map(|(read, _)| read.as_fd()),
            access_log: self.access_log.as_ref().map(AsFd::as_fd),
            ignored: self.ignored,
            mask: self.mask,
            open_files: self.open_files,
        };
        let child = self.maker.make(&order)?;
        let pid = child.pid();
        if let Some((board, _)) = &mut self.board {
            let mut occupant = Occupant::new(pid.as_raw().unsigned_abs()).generation(generation);
            if let Some(pidfd) = child.pidfd() {
                occupant = occupant.pidfd(pidfd);
            }
            if let Err(error) = board.occupy(slot, &occupant) {
                self.tell_once(format!("the scoreboard's slot {slot} cannot be used: {error}"));
            }
        }
        let key = self.events.child(child);
        self.state.sources.insert(key, Source::Worker(id));
        let notify = receiver.and_then(|receiver| self.watch_notify(id, receiver));
        let process = Process {
            key,
            pid,
            slot,
            generation,
            notify,
            serving: None,
            spoke: false,
            ready: false,
            text: None,
        };
        self.state.workers.insert(id, process);
        Ok(pid)
    }

    fn watch_notify(&mut self, id: Id, receiver: Receiver) -> Option<Key> {
        let handle = receiver.as_fd().try_clone_to_owned();
        let key = handle.and_then(|fd| self.events.watch(fd, Interest::Read)).ok()?;
        self.state.sources.insert(key, Source::Notify(id));
        self.state.receivers.insert(id, receiver);
        Some(key)
    }

    pub(super) fn hear_worker(&mut self, key: Key, id: Id) {
        for _ in 0..MESSAGES {
            let Some(receiver) = self.state.receivers.get(&id) else { return };
            let (message, sender) = match receiver.recv() {
                Ok(Some(heard)) => heard,
                Ok(None) => return,
                Err(error) => {
                    self.tell_once(format!("a NOTIFY_SOCKET failed: {error}"));
                    self.deafen(key, id);
                    return;
                }
            };
            if !self.trusts(sender.uid) {
                continue;
            }
            if let (Some(text), Some(process)) = (message.status, self.state.workers.get_mut(&id)) {
                process.text = Some(text);
            }
            // Whoever repeats itself keeps nobody busy.
            let Some(process) = self.state.workers.get_mut(&id) else { return };
            let news = !process.spoke || message.ready && !process.ready;
            (process.spoke, process.ready) = (true, process.ready || message.ready);
            if news {
                self.feed(Input::Notified(id, message.ready));
            }
        }
    }

    fn deafen(&mut self, key: Key, id: Id) {
        self.state.sources.remove(&key);
        self.state.receivers.remove(&id);
        drop(self.events.unwatch(key));
    }

    /// The socket has a guessable name; the workers' user, our own, and root may speak.
    fn trusts(&self, uid: u32) -> bool {
        let own = rustix::process::geteuid().as_raw();
        uid == 0 || uid == own || self.worker_uid == Some(uid)
    }

    pub(super) fn worker_exited(&mut self, id: Id, exit: Exit) {
        if let Some(key) = self.state.workers.get(&id).and_then(|process| process.notify) {
            // Its last words may be READY=1.
            self.hear_worker(key, id);
            self.deafen(key, id);
        }
        let Some(process) = self.state.workers.remove(&id) else { return };
        // What it started and did not wait for goes with it.
        end_group(process.pid);
        self.observer.forget(process.pid);
        self.reaped(id, &process, exit);
        // What it did since the last look is still in its slot.
        let requests = self.count_gone(process.slot);
        if let Some((board, _)) = &mut self.board {
            if let Err(error) = board.release(process.slot) {
                let slot = process.slot;
                self.tell_once(format!("the scoreboard's slot {slot} cannot be used: {error}"));
            }
        }
        self.feed(Input::Exited(id, exit, requests));
    }

    pub(super) fn signal_worker(&mut self, id: Id, signal: Signal) {
        let Some(process) = self.state.workers.get(&id) else { return };
        match self.events.signal(process.key, signal) {
            // It has died; its exit is on the way.
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            Err(error) => {
                let line = format!("failed to send {signal} to worker {}: {error}", process.pid);
                self.tell_once(line);
            }
        }
    }

    pub(super) fn kill_worker(&mut self, id: Id) {
        let key = self.state.workers.get(&id).map(|process| process.key);
        if let Some(child) = key.and_then(|key| self.events.get(key)) {
            // Both: it may have left its group.
            let _ = child.signal_group(Signal::KILL);
        }
        self.signal_worker(id, Signal::KILL);
    }

    /// After the last worker: whoever of their descendants is left. Each round's victims become
    /// orphans' parents no more, so that their children come to us and into the next round.
    pub(super) fn end_descendants(&mut self) {
        let logger = self
            .state
            .sources
            .iter()
            .find(|(_, source)| **source == Source::Logger)
            .and_then(|(key, _)| self.events.get(*key))
            .map(reaper::Child::pid);
        for _ in 0..ROUNDS {
            let strangers: Vec<Pid> = children()
                .into_iter()
                .filter(|pid| Some(*pid) != logger && !self.state.before.contains(pid))
                .collect();
            if strangers.is_empty() {
                return;
            }
            for pid in strangers {
                if let Some(pid) = rustix::process::Pid::from_raw(pid.as_raw()) {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
            }
            let now = self.events.now();
            let soon = now.saturating_add(std::time::Duration::from_millis(5));
            if self.events.wait(Some(soon), &mut Vec::new()).is_err() {
                pause(std::time::Duration::from_millis(5));
            }
        }
    }
}

/// All children of this process, which has one thread.
pub(super) fn children() -> Vec<Pid> {
    let own = Pid::own();
    let path = format!("/proc/{own}/task/{own}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// KILL to what is left of the process group of a worker that was reaped just now. A number is
/// not given to a new process while a group of that number has members; if it has none, nobody
/// else can have become its leader since the reaping a moment ago.
fn end_group(leader: Pid) {
    if let Some(leader) = rustix::process::Pid::from_raw(leader.as_raw()) {
        if !leader.is_init() {
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}
