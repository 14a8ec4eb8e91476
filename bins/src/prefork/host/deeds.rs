//! The deeds that the machine asks for.

use scoreboard::{Order, State as Letter};
use sigpolicy::Signal;

use super::Host;
use crate::prefork::machine::{Action, Input, Notice, Stage};
use crate::prefork::observe::{self, Doing};
use crate::prefork::view::Id;

impl Host {
    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Spawn(id, slot, generation) => self.spawn_worker(id, slot, generation),
            Action::Signal(id, signal) => self.signal_worker(id, signal),
            Action::Kill(id) => self.kill_worker(id),
            Action::Retire(id) => {
                let left = self.retire(id);
                self.state.inputs.push_back(Input::Retired(id, left));
            }
            Action::Nudge(id, signal) => self.nudge(id, signal),
            Action::Look(memory) => self.look(memory),
            Action::Listen => self.listen(),
            Action::Slow(id) => self.slow(id),
            Action::Log(line) => {
                if line.is_failure() {
                    self.state.last_failure = Some(line.to_string());
                }
                self.err.line(&line);
            }
            Action::Notify(notice) => self.notify(&notice),
            Action::Report(client, result) => self.report(client, &result),
            Action::ReopenLogs => self.reopen_logs(),
            Action::Prepare => self.prepare_shutdown(),
        }
    }

    /// Has an idle worker leave; false if it is not idle for sure.
    fn retire(&mut self, id: Id) -> bool {
        let signal = self.config.conduct.stop_signal;
        let Some(process) = self.state.workers.get(&id) else { return false };
        let (key, pid, slot) = (process.key, process.pid, process.slot);
        if self.maker.finishes_requests() {
            self.signal_worker(id, signal);
            return true;
        }
        let Some(child) = self.events.get(key) else { return false };
        match observe::retire(&mut self.observer, child, signal) {
            Ok(true) => {
                self.order_to_leave(slot);
                return true;
            }
            Ok(false) => {}
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return false,
            Err(error) => {
                self.tell_once(format!("failed to stop worker {pid} for a look: {error}"))
            }
        }
        // An event loop that keeps its slot: it knows what the signal means.
        let handles = self.observer.handles(pid, signal) == Some(true);
        if handles && self.says_idle(slot) && self.observer.doing(pid) == Doing::Polling {
            self.signal_worker(id, signal);
            return true;
        }
        if self.machine.stage(id) != Some(Stage::Draining) {
            return false;
        }
        // An event loop may never be without a connection, and sees to its own drain if it has a
        // handler. That of another worker may just exit: it leaves when it is idle, or by itself.
        if handles && self.observer.is_event_loop(pid) {
            self.signal_worker(id, signal);
            return true;
        }
        self.order_to_leave(slot);
        false
    }

    fn order_to_leave(&mut self, slot: u32) {
        if let Some((board, _)) = &mut self.board {
            if let Err(error) = board.order(slot, Order::Leave) {
                self.tell_once(format!("the scoreboard's slot {slot} cannot be used: {error}"));
            }
        }
    }

    fn says_idle(&self, slot: u32) -> bool {
        let Some((_, reader)) = &self.board else { return false };
        let mut idle = false;
        reader.each_state(&mut |view| {
            if view.number() == slot {
                idle = view.said_state().is_some_and(Letter::is_idle);
            }
        });
        idle
    }

    /// The signal again for one that stands in accept: it came between the worker's look at its
    /// flag and the accept, or before there was a handler.
    fn nudge(&mut self, id: Id, signal: Signal) {
        let Some(process) = self.state.workers.get(&id) else { return };
        let Some(child) = self.events.get(process.key) else { return };
        // It may have gone meanwhile. A connection that arrives at the same time must not be hit.
        let _ = match self.observer.doing(process.pid) {
            Doing::Accepting => observe::retire(&mut self.observer, child, signal),
            Doing::Receiving => observe::nudge(&mut self.observer, child, signal),
            _ => Ok(false),
        };
    }

    /// Tells the service manager that started us, and the launcher once.
    fn notify(&mut self, notice: &Notice) {
        if let Notice::Ready(_) = notice {
            self.state.last_failure = None;
            if let Some(launcher) = self.launcher.take() {
                launcher.report(0, "");
            }
            crate::footprint::forget_the_start();
        }
        if let Notice::Stopping(_) = notice {
            self.end_preparations();
        }
        let micros = self.events.now().as_nanos() / 1000;
        let text = match notice {
            Notice::Ready(status) => format!("READY=1\nSTATUS={status}"),
            Notice::Reloading(status) => {
                format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS={status}")
            }
            Notice::Stopping(status) => format!("STOPPING=1\nSTATUS={status}"),
            Notice::Status(status) => format!("STATUS={status}"),
        };
        self.state.again.notice = None;
        self.tell_service_manager(text);
    }

    pub(super) fn tell_service_manager(&mut self, text: String) {
        let Some(socket) = self.service_manager.as_deref() else { return };
        if let Err(error) = fdpass::notify::send_to(socket, &text) {
            self.tell_once(error.to_string());
            // The latest word counts.
            self.state.again.notice = Some(text);
            self.try_again_later();
        }
    }

    fn reopen_logs(&mut self) {
        if let Err(error) = self.log.reopen() {
            self.err.line(&format!("failed to reopen the error log: {error}"));
        }
        if let Some(path) = self.config.access_log.as_deref() {
            match crate::log::open_log(path) {
                Ok(file) => self.access_log = Some(file),
                Err(failed) => self.err.line(&failed),
            }
        }
        self.reopen_slow_log();
    }
}
