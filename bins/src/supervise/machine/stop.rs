//! How one process is brought to its end.

use std::time::Duration;

use reaper::Moment;
use sigpolicy::Signal;

use super::process::{Doom, Halt, NEVER, Process, SHORTEST};
use super::types::{Action, State};
use crate::supervise::lines::Line;

/// From one `waiting for N to stop` to the next.
const REPORT: Duration = Duration::from_secs(2);

impl Process {
    /// It is to end, and not to come back by itself. With `report` the log says every two seconds
    /// that somebody waits for it.
    pub(super) fn halt(&mut self, now: Moment, report: bool, out: &mut Vec<Action>) {
        self.waiting = false;
        self.again = false;
        match self.state {
            State::Starting if self.spawning => {
                if self.halt == Halt::No {
                    self.halt = Halt::Stop;
                }
            }
            State::Starting | State::Running => self.stop(now, report, out),
            State::Backoff => {
                out.push(Action::Log(Line::InBackoff { name: self.name() }));
                self.due = NEVER;
                self.tries = 0;
                self.change(State::Stopped, out);
            }
            State::Stopped | State::Exited => self.due = NEVER,
            State::Stopping => {}
            State::Fatal => {}
            // There is a process that could not be signalled. When it goes, it has been stopped.
            State::Unknown => self.halt = Halt::Stop,
        }
    }

    /// Everything is being stopped: what has no process ends at once, and nothing waits to start.
    pub(super) fn abandon(&mut self, out: &mut Vec<Action>) {
        self.waiting = false;
        self.again = false;
        self.report = NEVER;
        match self.state {
            State::Backoff => self.give_up(out),
            State::Stopped | State::Exited => self.due = NEVER,
            State::Starting | State::Running | State::Stopping | State::Fatal | State::Unknown => {}
        }
    }

    /// STOPPING: the first signal, or the command in its place.
    pub(super) fn stop(&mut self, now: Moment, report: bool, out: &mut Vec<Action>) {
        if self.doom != Doom::No {
            return self.kill_now(now, out);
        }
        self.halt = Halt::Stop;
        self.signals = 0;
        self.due = NEVER;
        self.change(State::Stopping, out);
        self.next_signal(now, out);
        if report {
            self.repeat_report(now, out);
        }
    }

    /// STOPPING at once with KILL.
    pub(super) fn kill_now(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.spawning {
            self.halt = Halt::Kill;
            return;
        }
        if self.pid.is_none() || self.state == State::Unknown {
            return;
        }
        self.halt = Halt::Kill;
        if self.state != State::Stopping {
            self.change(State::Stopping, out);
        }
        self.kill(now, out);
    }

    /// The next step of the sequence.
    pub(super) fn next_signal(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(&(signal, wait)) = self.policy.stop.get(self.signals) else {
            return self.kill(now, out);
        };
        if self.signals == 0 && self.policy.stop_command {
            out.push(Action::StopCommand(self.id));
        } else {
            self.send(signal, self.policy.stop_as_group, out);
        }
        self.signals = self.signals.saturating_add(1);
        self.due = now.saturating_add(wait);
    }

    /// KILL, and again after a while: a process can be slow to go, and a group can have got a new
    /// member in between.
    pub(super) fn kill(&mut self, now: Moment, out: &mut Vec<Action>) {
        if let Some(pid) = self.pid {
            out.push(Action::Log(Line::KillingHard { name: self.name(), pid }));
        }
        self.send(Signal::KILL, self.policy.kill_as_group, out);
        self.signals = self.policy.stop.len();
        self.due = now.saturating_add(self.kill_wait());
    }

    pub(super) fn not_ready(&mut self, now: Moment, out: &mut Vec<Action>) {
        let limit = self.policy.ready_timeout.unwrap_or_default();
        out.push(Action::Log(Line::NotReady { name: self.name(), limit }));
        self.doom = Doom::NotReady;
        self.kill(now, out);
    }

    /// The watchdog: ABRT for the sake of the core dump, then KILL.
    pub(super) fn silent(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(limit) = self.policy.watchdog else { return };
        out.push(Action::Log(Line::Silent { name: self.name(), limit }));
        self.doom = Doom::Silent;
        self.send(Signal::ABRT, self.policy.kill_as_group, out);
        self.due = now.saturating_add(self.kill_wait());
    }

    pub(super) fn repeat_report(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.report = NEVER;
        if self.state == State::Stopping {
            out.push(Action::Log(Line::WaitingToStop { name: self.name() }));
            self.report = now.saturating_add(REPORT);
        }
    }

    /// The kernel refused a signal.
    pub(super) fn signal_failed(&mut self, why: String, out: &mut Vec<Action>) {
        let Some(pid) = self.pid else { return };
        if self.state == State::Unknown {
            return;
        }
        out.push(Action::Log(Line::UnknownProblem { name: self.name(), pid, why }));
        self.due = NEVER;
        self.report = NEVER;
        self.change(State::Unknown, out);
    }

    fn send(&self, signal: Signal, group: bool, out: &mut Vec<Action>) {
        if let Some(pid) = self.pid {
            out.push(Action::Log(Line::Killing { name: self.name(), pid, group, signal }));
            out.push(Action::Signal { id: self.id, signal, group });
        }
    }

    fn kill_wait(&self) -> Duration {
        self.policy.kill_wait.max(SHORTEST)
    }
}
