//! One process: what is wanted of it, where it stands, and when to look at it again.

use std::sync::Arc;
use std::time::Duration;

use reaper::{Moment, Pid};

use super::types::{Action, Policy, ProcId, State, Transition, View};
use crate::supervise::config::model::Type;
use crate::supervise::lines::Line;

/// A timer that is not set.
pub(super) const NEVER: Moment = Moment::MAX;
/// What is taken for a shorter wait where a wait of nothing would be a busy loop.
pub(super) const SHORTEST: Duration = Duration::from_millis(100);
/// `startsecs` must have passed, not just be reached.
const INSTANT: Duration = Duration::from_nanos(1);

/// Why a process that nobody told to stop is being killed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Doom {
    No,
    /// It was not ready in time: a failed start.
    NotReady,
    /// The watchdog: an unexpected exit, whatever its code.
    Silent,
}

/// Whether it was told to end.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Halt {
    No,
    /// Also: as soon as its process is known.
    Stop,
    /// The same at once with KILL.
    Kill,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) id: ProcId,
    pub(super) policy: Arc<Policy>,
    pub(super) state: State,
    pub(super) pid: Option<Pid>,
    /// [`Action::Spawn`] is not answered yet.
    pub(super) spawning: bool,
    pub(super) halt: Halt,
    pub(super) doom: Doom,
    pub(super) by_hand: bool,
    /// It starts as soon as what it depends on allows it.
    pub(super) waiting: bool,
    /// What it waits for does not come without somebody's doing.
    pub(super) held: bool,
    /// The log has said so since it was told to start.
    pub(super) told: bool,
    /// Once it has stopped it is started again.
    pub(super) again: bool,
    /// It is no longer part of the configuration.
    pub(super) removed: bool,
    /// It has just ended by itself, for good.
    pub(super) ended: bool,
    /// Its last end was as expected.
    pub(super) completed: bool,
    /// What the supervisor leaves with if it leaves because of this one.
    pub(super) code: u8,
    pub(super) tries: u32,
    pub(super) starts: u32,
    pub(super) exitstatus: i32,
    pub(super) spawnerr: Option<Box<str>>,
    pub(super) started: Moment,
    pub(super) last_exit: Option<Moment>,
    /// The next signal of a stop; 0 before the first.
    pub(super) signals: usize,
    /// When something is to happen; what, the state tells.
    pub(super) due: Moment,
    /// When to say again that somebody waits.
    pub(super) report: Moment,
    /// The earlier of both, as the table of timers has it.
    pub(super) armed: Moment,
    /// The machine has counted it as one that runs or will run.
    pub(super) counted: bool,
}

impl Process {
    pub(super) fn new(id: ProcId, policy: Arc<Policy>) -> Self {
        Self {
            id,
            policy,
            state: State::Stopped,
            pid: None,
            spawning: false,
            halt: Halt::No,
            doom: Doom::No,
            by_hand: false,
            waiting: false,
            held: false,
            told: false,
            again: false,
            removed: false,
            ended: false,
            completed: false,
            code: 0,
            tries: 0,
            starts: 0,
            exitstatus: 0,
            spawnerr: None,
            started: Moment::ZERO,
            last_exit: None,
            signals: 0,
            due: NEVER,
            report: NEVER,
            armed: NEVER,
            counted: false,
        }
    }

    /// There is, or may be, a process.
    pub(super) fn has_process(&self) -> bool {
        self.pid.is_some() || self.spawning
    }

    /// Not in one of supervisord's STOPPED_STATES.
    pub(super) fn is_unstopped(&self) -> bool {
        match self.state {
            State::Starting | State::Running | State::Backoff | State::Stopping => true,
            State::Stopped | State::Exited | State::Fatal | State::Unknown => false,
        }
    }

    /// It runs, or will without anybody's doing.
    pub(super) fn is_busy(&self) -> bool {
        self.is_unstopped() || self.due < NEVER
    }

    /// It could start now, and is to.
    pub(super) fn waits(&self) -> bool {
        self.waiting && matches!(self.state, State::Stopped | State::Exited | State::Fatal)
    }

    /// Those that wait for it may hope.
    pub(super) fn comes(&self) -> bool {
        self.waiting || self.is_busy()
    }

    pub(super) fn view(&self) -> View {
        View {
            state: self.state,
            pid: self.pid,
            spawnerr: self.spawnerr.as_deref().unwrap_or_default().to_owned(),
            exitstatus: self.exitstatus,
            starts: self.starts,
            tries: self.tries,
            by_hand: self.by_hand,
            waiting: self.waiting,
            held: self.held && self.waiting,
            served: false,
            completed: self.completed,
            due: Some(self.due).filter(|due| *due < NEVER),
        }
    }

    pub(super) fn name(&self) -> String {
        self.policy.name.clone()
    }

    pub(super) fn change(&mut self, to: State, out: &mut Vec<Action>) {
        let from = std::mem::replace(&mut self.state, to);
        out.push(Action::Changed(Transition {
            id: self.id,
            from,
            to,
            tries: self.tries,
            pid: self.pid,
            expected: to == State::Exited && self.completed,
        }));
    }

    /// It is to start as soon as it may.
    pub(super) fn want(&mut self) {
        self.waiting = true;
        (self.held, self.told) = (false, false);
        self.by_hand = false;
    }

    pub(super) fn spawn(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.waiting = false;
        self.again = false;
        self.by_hand = false;
        self.halt = Halt::No;
        self.doom = Doom::No;
        self.spawnerr = None;
        self.exitstatus = 0;
        self.due = NEVER;
        self.report = NEVER;
        self.started = now;
        self.spawning = true;
        self.change(State::Starting, out);
        out.push(Action::Spawn(self.id));
    }

    pub(super) fn spawned(&mut self, now: Moment, pid: Pid, out: &mut Vec<Action>) {
        if !self.spawning {
            return;
        }
        self.spawning = false;
        self.pid = Some(pid);
        self.starts = self.starts.saturating_add(1);
        self.started = now;
        out.push(Action::Log(Line::Spawned { name: self.name(), pid }));
        match self.halt {
            Halt::Stop => self.stop(now, false, out),
            Halt::Kill => self.kill_now(now, out),
            Halt::No if self.policy.announces => {
                self.due =
                    self.policy.ready_timeout.map_or(NEVER, |limit| now.saturating_add(limit));
            }
            Halt::No if self.policy.startsecs.is_zero() => self.proven(now, out),
            Halt::No => {
                self.due = now.saturating_add(self.policy.startsecs.saturating_add(INSTANT));
            }
        }
    }

    pub(super) fn spawn_failed(&mut self, now: Moment, why: String, out: &mut Vec<Action>) {
        if !self.spawning {
            return;
        }
        self.spawning = false;
        self.code = 127;
        out.push(Action::Log(Line::SpawnError(why.clone())));
        self.spawnerr = Some(why.into());
        self.fail(now, None, out);
    }

    /// It has been up for `startsecs`.
    fn proven(&mut self, now: Moment, out: &mut Vec<Action>) {
        let startsecs = self.policy.startsecs;
        self.run(now, Line::Success { name: self.name(), startsecs }, out);
    }

    fn run(&mut self, now: Moment, line: Line, out: &mut Vec<Action>) {
        // A oneshot has achieved nothing yet: its failures go on to count.
        if self.policy.kind != Type::Oneshot {
            self.tries = 0;
        }
        self.due = NEVER;
        self.change(State::Running, out);
        out.push(Action::Log(line));
        self.alive(now);
    }

    pub(super) fn ready(&mut self, now: Moment, out: &mut Vec<Action>) {
        let awaited = self.state == State::Starting && self.pid.is_some() && self.policy.announces;
        if awaited && self.doom == Doom::No {
            self.run(now, Line::Ready { name: self.name() }, out);
        }
    }

    pub(super) fn alive(&mut self, now: Moment) {
        if self.state == State::Running && self.doom == Doom::No {
            let limit = self.policy.watchdog.filter(|limit| !limit.is_zero());
            self.due = limit.map_or(NEVER, |limit| now.saturating_add(limit));
        }
    }

    /// What was planned for now.
    pub(super) fn tick(&mut self, now: Moment, may_start: bool, out: &mut Vec<Action>) {
        if self.report <= now {
            self.repeat_report(now, out);
        }
        if self.due > now {
            return;
        }
        self.due = NEVER;
        match (self.state, self.doom) {
            (State::Stopping, _) => self.next_signal(now, out),
            (State::Starting | State::Running, Doom::NotReady | Doom::Silent) => {
                self.kill(now, out);
            }
            (State::Starting, Doom::No) if self.policy.announces => self.not_ready(now, out),
            (State::Starting, Doom::No) => self.proven(now, out),
            (State::Running, Doom::No) => self.silent(now, out),
            (State::Backoff | State::Exited | State::Stopped, _) => {
                if may_start {
                    self.spawn(now, out);
                }
            }
            (State::Fatal | State::Unknown, _) => {}
        }
    }
}
