//! Commands at certain points, files that are watched, clients that leave.

use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

use reaper::{Exit, Interest, Moment};

use super::commands::{ON_CLIENT_DISCONNECT, Running};
use super::process::Process;
use super::{Host, Source};
use crate::prefork::callbacks::Disconnect;
use crate::prefork::client_gone::{ClientWatch, Gone};
use crate::prefork::config::ClientGone;
use crate::prefork::hooks::Facts;
use crate::prefork::machine::Input;
use crate::prefork::slow_log::{SlowFacts, SlowLog, describe};
use crate::prefork::view::Id;
use crate::prefork::watch::Watch;

/// Between two looks for clients of busy workers.
const CLIENT_LOOK: Duration = Duration::from_millis(50);

/// The parts that not every pool has.
#[derive(Default)]
pub(super) struct Around {
    watch: Option<Watch>,
    clients: Option<ClientWatch>,
    next_client_look: Option<Moment>,
    slow_log: Option<SlowLog>,
}

impl Host {
    pub(super) fn start_around(&mut self) {
        if !self.config.auto_reload.paths.is_empty() {
            let watch = Watch::new(&self.config.auto_reload).and_then(|watch| {
                let fd = watch.as_fd().try_clone_to_owned()?;
                let key = self.events.watch(fd, Interest::Read)?;
                self.state.sources.insert(key, Source::Watch);
                Ok(watch)
            });
            match watch {
                Ok(watch) => self.state.around.watch = Some(watch),
                Err(error) => self.err.line(&format!("--auto-reload does not work: {error}")),
            }
        }
        let wanted = self.config.on_client_disconnect.is_some()
            || self.callbacks.on_client_disconnect.is_some();
        if wanted {
            let clients = ClientWatch::new(&self.sockets).and_then(|clients| {
                let fd = clients.as_fd().try_clone_to_owned()?;
                Ok((self.events.watch(fd, Interest::Read)?, clients))
            });
            match clients {
                Ok((key, clients)) => {
                    self.state.sources.insert(key, Source::Clients);
                    self.state.around.clients = Some(clients);
                    self.state.around.next_client_look = Some(self.events.now());
                }
                Err(error) => {
                    self.err.line(&format!("--on-client-disconnect does not work: {error}"));
                }
            }
        }
        self.reopen_slow_log();
        self.tell_notes();
    }

    pub(super) fn around_deadline(&self) -> Option<Moment> {
        let watch = self.state.around.watch.as_ref().and_then(Watch::deadline);
        watch.into_iter().chain(self.state.around.next_client_look).min()
    }

    /// What is due without the machine.
    pub(super) fn around_due(&mut self, now: Moment) {
        if let Some(watch) = &mut self.state.around.watch {
            if watch.due(now) {
                self.files_changed();
            }
            self.tell_notes();
        }
        if self.state.around.next_client_look.is_some_and(|at| at <= now) {
            self.look_for_clients(now);
        }
    }

    pub(super) fn read_watch(&mut self) {
        let now = self.events.now();
        if let Some(watch) = &mut self.state.around.watch {
            watch.read(now);
        }
    }

    fn tell_notes(&mut self) {
        let notes = match &mut self.state.around.watch {
            Some(watch) => watch.notes(),
            None => return,
        };
        for note in notes {
            self.tell_once(note);
        }
    }

    fn files_changed(&mut self) {
        if let Some(callback) = &mut self.callbacks.auto_reload {
            callback();
        } else if let Some(command) = self.config.auto_reload.command.clone() {
            let running = Running::Other("auto-reload");
            let _ = self.run_command(&command, Facts::of("auto-reload"), running);
        } else {
            self.feed(Input::Changed);
        }
    }

    pub(super) fn prepare_shutdown(&mut self) {
        if let Some(callback) = &mut self.callbacks.before_shutdown {
            callback();
        } else if let Some(command) = self.config.hooks.before_shutdown.clone() {
            let facts = Facts::of("before-shutdown");
            if self.run_command(&command, facts, Running::BeforeShutdown).is_ok() {
                return;
            }
        }
        self.state.inputs.push_back(Input::Prepared);
    }

    /// A worker has gone; its slot still holds what it said last.
    pub(super) fn reaped(&mut self, id: Id, process: &Process, exit: Exit) {
        if let Some(callback) = &mut self.callbacks.on_reap {
            callback(process.pid, exit);
        }
        let Some(command) = self.config.hooks.on_reap.clone() else { return };
        let snapshot = self.board.as_ref().map(|(_, reader)| reader.snapshot());
        let slot = snapshot.as_ref().and_then(|snapshot| snapshot.get(process.slot));
        let facts = Facts::of("on-reap")
            .slot(process.slot, process.generation)
            .worker(id, process.pid)
            .exit(exit)
            .requests(slot.as_ref().map(scoreboard::SlotView::requests))
            .text(slot.as_ref().and_then(|slot| slot.text()).map(|text| text.as_bytes()));
        let _ = self.run_command(&command, facts, Running::Other("on-reap"));
    }

    /// Clients are looked for all the time: nothing else tells that a worker has a new one.
    fn look_for_clients(&mut self, now: Moment) {
        let Some(clients) = &mut self.state.around.clients else { return };
        let workers: Vec<_> = self
            .state
            .workers
            .iter()
            .filter_map(|(id, process)| Some((*id, self.events.get(process.key)?)))
            .collect();
        clients.look(&workers);
        let notes = clients.notes();
        self.state.around.next_client_look = Some(now.saturating_add(CLIENT_LOOK));
        for note in notes {
            self.tell_once(note);
        }
        self.clients_left();
    }

    pub(super) fn clients_left(&mut self) {
        let Some(clients) = &mut self.state.around.clients else { return };
        for gone in clients.events() {
            self.client_left(&gone);
        }
    }

    fn client_left(&mut self, gone: &Gone) {
        if !self.state.workers.contains_key(&gone.id) {
            return;
        }
        if let Some(callback) = &mut self.callbacks.on_client_disconnect {
            callback(&Disconnect {
                worker: gone.pid,
                protocol: gone.proto,
                local: gone.local.clone(),
                peer: gone.peer.clone(),
            });
        }
        match self.config.on_client_disconnect.clone() {
            None => {}
            Some(ClientGone::Log) => {
                let (pid, proto, local, peer) = (gone.pid, gone.proto, &gone.local, &gone.peer);
                self.err.line(&format!(
                    "the client of worker {pid} has left: {proto}, from {peer} to {local}"
                ));
            }
            Some(ClientGone::Signal(signal)) => {
                self.signal_worker(gone.id, signal);
                self.feed(Input::Sent(gone.id, signal));
            }
            Some(ClientGone::Command(command)) => {
                let facts = Facts::of(ON_CLIENT_DISCONNECT).gone(gone);
                self.run_or_queue(command, facts);
            }
        }
    }

    pub(super) fn slow(&mut self, id: Id) {
        let Some(process) = self.state.workers.get(&id) else { return };
        let seen = self.state.view.workers.iter().find(|seen| seen.id == id);
        let snapshot = self.board.as_ref().map(|(_, reader)| reader.snapshot());
        let slot = snapshot.as_ref().and_then(|snapshot| snapshot.get(process.slot));
        let took = seen.and_then(|seen| seen.in_request);
        let facts = SlowFacts {
            time: SystemTime::now(),
            id,
            slot: process.slot,
            generation: process.generation,
            took: took.unwrap_or_default(),
            letter: slot.as_ref().map(|slot| slot.state().letter()),
            text: slot.as_ref().and_then(|slot| slot.text()).map(|text| text.as_bytes().to_vec()),
            requests: seen.and_then(|seen| seen.requests),
        };
        let record = describe(process.pid, &facts);
        match &mut self.state.around.slow_log {
            Some(log) => {
                if let Err(error) = log.write(&record) {
                    self.tell_once(error);
                }
            }
            None => self.err.bytes(record.into_bytes()),
        }
    }

    pub(super) fn reopen_slow_log(&mut self) {
        let Some(path) = self.config.slow_log.clone() else { return };
        match SlowLog::open(&path) {
            Ok(log) => self.state.around.slow_log = Some(log),
            Err(error) => {
                self.err.line(&format!("failed to open the slow log {}: {error}", path.display()));
            }
        }
    }
}
