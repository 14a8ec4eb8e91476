//! How a process ends by itself, and whether it is tried again.

use std::time::Duration;

use reaper::{Exit, Moment};

use super::process::{Doom, Halt, NEVER, Process, SHORTEST};
use super::types::{Action, State};
use crate::supervise::config::model::{AutoRestart, Type};
use crate::supervise::lines::Line;

/// A program that lives for less is not started more often than this.
const SECOND: Duration = Duration::from_secs(1);

impl Process {
    /// Its process was reaped.
    pub(super) fn exited(
        &mut self,
        now: Moment,
        exit: Exit,
        may_start: bool,
        out: &mut Vec<Action>,
    ) {
        if self.pid.is_none() {
            return;
        }
        self.last_exit = Some(now);
        self.code = leaving(exit);
        self.due = NEVER;
        self.report = NEVER;
        let told = self.state == State::Unknown && self.halt != Halt::No;
        if self.state == State::Stopping || told {
            self.has_stopped(now, exit, may_start, out);
        } else {
            self.has_ended(now, exit, may_start, out);
        }
    }

    fn has_stopped(&mut self, now: Moment, exit: Exit, may_start: bool, out: &mut Vec<Action>) {
        self.exitstatus = exit.code().unwrap_or(-1);
        self.tries = 0;
        self.completed = false;
        self.change(State::Stopped, out);
        self.pid = None;
        let expected = self.lists(exit);
        out.push(Action::Log(Line::Stopped { name: self.name(), exit, expected }));
        if std::mem::take(&mut self.again) && may_start {
            self.restart(now, out);
        }
    }

    fn has_ended(&mut self, now: Moment, exit: Exit, may_start: bool, out: &mut Vec<Action>) {
        let doomed = self.doom != Doom::No;
        let oneshot = self.policy.kind == Type::Oneshot;
        let done = oneshot && !doomed && (exit.success() || self.lists(exit));
        let lived = now.saturating_since(self.started);
        let early = self.state == State::Starting
            && (self.policy.announces || doomed || lived < self.policy.startsecs);
        let status = exit.code().unwrap_or(-1);
        if !done && (early || oneshot) {
            self.spawnerr = Some(match self.doom {
                Doom::NotReady => "Not ready in time (process log may have details)".into(),
                Doom::No | Doom::Silent if oneshot => bad_exit(status),
                Doom::No | Doom::Silent => {
                    "Exited too quickly (process log may have details)".into()
                }
            });
            let line = Line::Exited { name: self.name(), exit, expected: false };
            return self.fail(now, Some(line), out);
        }
        self.tries = 0;
        if self.state == State::Starting {
            self.change(State::Running, out);
        }
        self.exitstatus = status;
        self.completed = done || (!doomed && self.lists(exit));
        if !self.completed {
            self.spawnerr = Some(bad_exit(status));
            if doomed {
                self.code = self.code.max(1);
            }
        }
        let expected = self.completed;
        self.change(State::Exited, out);
        self.pid = None;
        out.push(Action::Log(Line::Exited { name: self.name(), exit, expected }));
        if may_start && self.is_to_restart(exit) {
            self.restart(now, out);
        } else {
            self.ended = true;
        }
    }

    /// A failed start: BACKOFF, and FATAL when it was the last.
    pub(super) fn fail(&mut self, now: Moment, line: Option<Line>, out: &mut Vec<Action>) {
        self.tries = self.tries.saturating_add(1);
        self.completed = false;
        self.due = NEVER;
        self.change(State::Backoff, out);
        self.pid = None;
        out.extend(line.map(Action::Log));
        if self.halt != Halt::No {
            self.tries = 0;
            self.change(State::Stopped, out);
        } else if self.policy.startretries.is_some_and(|retries| self.tries > retries) {
            self.give_up(out);
            out.push(Action::Log(Line::GaveUp { name: self.name() }));
        } else {
            self.due = self.retry_at(now);
        }
    }

    /// BACKOFF to FATAL: the last try has failed, or there is to be no other.
    pub(super) fn give_up(&mut self, out: &mut Vec<Action>) {
        self.tries = 0;
        self.due = NEVER;
        self.code = self.code.max(1);
        self.ended = true;
        self.change(State::Fatal, out);
    }

    fn retry_at(&self, now: Moment) -> Moment {
        let least = self.policy.backoff_min.unwrap_or_default();
        let delay = Duration::from_secs(u64::from(self.tries)).max(least);
        let delay = self.policy.backoff_max.map_or(delay, |most| delay.min(most)).max(SHORTEST);
        let pause =
            self.last_exit.map_or(now, |exit| exit.saturating_add(self.policy.restart_pause));
        now.saturating_add(delay).max(pause)
    }

    /// Starts it again: at once if it has lived for a while and no pause is asked for.
    fn restart(&mut self, now: Moment, out: &mut Vec<Action>) {
        let mut at = now.saturating_add(self.policy.restart_pause);
        if now.saturating_since(self.started) < SECOND {
            at = at.max(self.started.saturating_add(SECOND));
        }
        if at <= now {
            self.spawn(now, out);
        } else {
            self.due = at;
        }
    }

    fn is_to_restart(&self, exit: Exit) -> bool {
        if self.policy.kind == Type::Oneshot {
            return false;
        }
        match self.policy.autorestart {
            AutoRestart::Never => false,
            AutoRestart::Always => true,
            AutoRestart::Unexpected => !self.completed,
            AutoRestart::Listed => self.lists(exit),
        }
    }

    fn lists(&self, exit: Exit) -> bool {
        let code = exit.code().and_then(|code| u8::try_from(code).ok());
        code.is_some_and(|code| self.policy.exitcodes.contains(&code))
    }
}

fn bad_exit(status: i32) -> Box<str> {
    format!("Bad exit code {status}").into()
}

/// What a shell would make of an end: the code, or 128 and the signal.
fn leaving(exit: Exit) -> u8 {
    let signal = || exit.signal().map(|signal| signal.as_raw().saturating_add(128));
    exit.code().or_else(signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
