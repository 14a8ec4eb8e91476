//! The deeds that the machine asks for.

use std::time::Duration;

use reaper::Pid;
use sigpolicy::Signal;

use super::Host;
use crate::start_server::lines::Line;
use crate::start_server::machine::{Action, Notice};

/// Own lines to remember: a worker's last output is cut from a log that both write to, and this is
/// more than the server says around the end of a worker.
const RECENT: usize = 32;

/// Between attempts to write a status file that could not be written.
const STATUS_PAUSE: Duration = Duration::from_secs(5);
const STATUS_FAILED: &str = "failed to write the status file";

impl Host {
    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Spawn(generation) => {
                self.reload();
                self.spawn_worker(generation);
            }
            Action::Signal(generation, signal) => self.signal_worker(generation, signal),
            Action::Log(line) => {
                if let Line::FailedToStart(..) | Line::CannotStart(_) | Line::NotReady(..) = &line {
                    self.state.last_failure = Some(line.to_string());
                }
                self.state.recent.push_back(line.to_string());
                if self.state.recent.len() > RECENT {
                    self.state.recent.pop_front();
                }
                self.err.line(&line);
            }
            Action::Status(entries) => self.write_status(entries),
            Action::Notify(notice) => {
                if let Notice::Ready(_) = &notice {
                    self.state.settled = true;
                    self.state.last_failure = None;
                }
                self.notify(&notice);
            }
            Action::Report(client, outcome) => self.report(client, &outcome),
            Action::ReopenLog => {
                if let Err(error) = self.log.reopen() {
                    self.err.line(&format!("failed to reopen the log file: {error}"));
                }
            }
        }
    }

    fn write_status(&mut self, entries: Vec<(u64, Pid)>) {
        self.state.unwritten = None;
        match self.files.status.as_mut().map(|file| file.write(&entries)) {
            None => {}
            Some(Ok(())) => self.state.told.retain(|line| !line.starts_with(STATUS_FAILED)),
            Some(Err(error)) => {
                self.tell_once(format!("{STATUS_FAILED}: {error}"));
                let again = self.events.now().saturating_add(STATUS_PAUSE);
                self.state.unwritten = Some((again, entries));
            }
        }
    }

    /// A full disk has room again some day.
    pub(super) fn retry_status(&mut self) {
        let now = self.events.now();
        if let Some((_, entries)) = self.state.unwritten.take_if(|(at, _)| *at <= now) {
            self.write_status(entries);
        }
    }

    fn signal_worker(&mut self, generation: u64, signal: Signal) {
        let Some(key) = self.state.workers.get(&generation).map(|process| process.key) else {
            return;
        };
        match self.events.signal(key, signal) {
            // It has died; its exit is on the way.
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            Err(error) => {
                let line = format!(
                    "failed to send {signal} to the worker of generation {generation}: {error}"
                );
                self.err.line(&line);
            }
        }
    }

    /// Tells the service manager that started us.
    fn notify(&mut self, notice: &Notice) {
        let Some(socket) = self.service_manager.as_deref() else { return };
        let micros = self.events.now().as_nanos() / 1000;
        let text = match notice {
            Notice::Ready(status) | Notice::StillReady(status) => {
                format!("READY=1\nSTATUS={status}")
            }
            Notice::Reloading(status) => {
                format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS={status}")
            }
            Notice::Stopping(status) => format!("STOPPING=1\nSTATUS={status}"),
            Notice::Status(status) => format!("STATUS={status}"),
            Notice::Watchdog => "WATCHDOG=1".to_owned(),
        };
        if let Err(error) = fdpass::notify::send_to(socket, &text) {
            self.tell_once(error.to_string());
        }
    }
}
