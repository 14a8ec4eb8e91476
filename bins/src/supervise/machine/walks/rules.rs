//! What is always so, each rule by itself.

use std::sync::Arc;
use std::time::Duration;

use reaper::Moment;
use sigpolicy::Signal;

use crate::supervise::config::model::{AutoRestart, Dependency, Type, Until};
use crate::supervise::machine::types::{Order, Policy, ProcId, Refusal, State};

/// What a watcher knows of a process.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) id: ProcId,
    pub(super) policy: Arc<Policy>,
    pub(super) state: State,
    /// When it came to be so.
    pub(super) since: Moment,
    /// The state before STARTING, and since when.
    pub(super) before: (State, Moment),
    /// It is to be stopped and forgotten.
    pub(super) retired: bool,
    /// By another, not without one.
    pub(super) replaced: bool,
    pub(super) gone: bool,
    pub(super) predecessor: Option<ProcId>,
    pub(super) successor: Option<ProcId>,
    /// The last order that was followed.
    pub(super) hand: Option<Hand>,
    /// Somebody wants it to start, at once or when it can.
    pub(super) wanted: bool,
    /// It is stopped in order to be started again.
    pub(super) again: bool,
    /// It was asked to stop and had nothing to stop: it may not start by itself.
    pub(super) idle: bool,
    /// It could not be signalled: whatever was wanted of it is forgotten.
    pub(super) lost: bool,
    /// It was RUNNING before it was stopped.
    pub(super) served: bool,
    /// A spawn that was not answered.
    pub(super) spawning: bool,
    pub(super) born: Option<Moment>,
    pub(super) died: Option<Moment>,
    pub(super) starts: u32,
    /// Failed starts in a row, and those since it was last started by hand.
    pub(super) failures: u32,
    pub(super) failures_by_hand: u32,
    /// Its last end was an exit as expected.
    pub(super) completed: bool,
    pub(super) expected: bool,
    /// The code of its last end is in `exitcodes`.
    pub(super) listed: bool,
    pub(super) stopping: Option<Stopping>,
    /// KILL was ordered, or it is overdue.
    pub(super) killed: bool,
    /// It was to be stopped before everything was.
    pub(super) early: bool,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    Up,
    Down,
}

/// How far the stop of a process is.
#[derive(Copy, Clone, Debug)]
pub(super) struct Stopping {
    pub(super) sent: usize,
    pub(super) last: Moment,
}

impl Known {
    pub(super) fn new(id: ProcId, policy: Arc<Policy>, now: Moment) -> Self {
        Self {
            id,
            policy,
            state: State::Stopped,
            since: now,
            before: (State::Stopped, now),
            retired: false,
            replaced: false,
            gone: false,
            predecessor: None,
            successor: None,
            hand: None,
            wanted: false,
            again: false,
            idle: false,
            lost: false,
            served: false,
            spawning: false,
            born: None,
            died: None,
            starts: 0,
            failures: 0,
            failures_by_hand: 0,
            completed: false,
            expected: false,
            listed: false,
            stopping: None,
            killed: false,
            early: false,
        }
    }

    pub(super) fn is_named(&self, name: &str) -> bool {
        self.policy.name == name
            || name.split_once(':') == Some((&self.policy.group, &self.policy.name))
    }

    fn fulfils(&self, until: Until) -> bool {
        let completed = self.completed && self.policy.kind == Type::Oneshot;
        match until {
            Until::Started => matches!(self.state, State::Starting | State::Running) || completed,
            Until::Ready if self.policy.kind == Type::Oneshot => self.completed,
            Until::Ready => self.state == State::Running,
            Until::Completed => self.completed,
        }
    }

    /// Whether it is started again after this end, by its own policy.
    pub(super) fn restarts(&self) -> bool {
        if self.policy.kind == Type::Oneshot {
            return false;
        }
        match self.policy.autorestart {
            AutoRestart::Never => false,
            AutoRestart::Always => true,
            AutoRestart::Unexpected => !self.expected,
            AutoRestart::Listed => self.listed,
        }
    }

    /// A start that nobody asked for may not come earlier.
    pub(super) fn earliest(&self) -> Moment {
        let (Some(born), Some(died)) = (self.born, self.died.or(self.born)) else {
            return Moment::ZERO;
        };
        let second = Duration::from_secs(1);
        match self.before {
            (State::Backoff, since) => {
                let wait = Duration::from_secs(self.failures_by_hand.min(self.failures).into());
                let wait = wait.max(self.policy.backoff_min.unwrap_or_default());
                since + wait.min(self.policy.backoff_max.unwrap_or(wait))
            }
            _ => {
                let soon = died.saturating_since(born) < second;
                let pace = if soon { born + second } else { Moment::ZERO };
                pace.max(died + self.policy.restart_pause)
            }
        }
    }
}

/// supervisord's own table; that a oneshot may still fail to start when it is RUNNING; and that the
/// end of a process that could not be signalled may be seen.
pub(super) fn is_allowed(from: State, to: State, kind: Type) -> bool {
    use State::*;
    match (from, to) {
        (Stopped | Exited | Fatal | Backoff, Starting)
        | (Starting, Running | Backoff | Stopping | Unknown)
        | (Running, Exited | Stopping | Unknown)
        | (Backoff, Fatal | Stopped)
        | (Stopping, Stopped | Unknown) => true,
        (Running, Backoff) => kind == Type::Oneshot,
        (Unknown, Stopped | Exited | Backoff) => true,
        _ => false,
    }
}

/// Whether what a process waits for has come, as far as it can be seen. While a process is
/// replaced, either of the two may do, or only what takes its place (`newest`).
pub(super) fn holds(all: &[Known], dependency: &Dependency, newest: bool) -> bool {
    let there = |known: &&Known| !known.gone && is_named_still(all, known);
    let counts = |known: &&Known| there(known) && !(newest && known.successor.is_some());
    let fulfilled = |name: &dyn Fn(&Known) -> bool| {
        all.iter().filter(counts).any(|known| name(known) && known.fulfils(dependency.until))
    };
    if all.iter().filter(there).any(|known| known.is_named(&dependency.name)) {
        return fulfilled(&|known| known.is_named(&dependency.name));
    }
    let named = |known: &&Known| known.policy.group == dependency.name;
    let mut members = all.iter().filter(there).filter(named);
    members.all(|member| {
        fulfilled(&|known| {
            known.policy.group == member.policy.group && known.policy.name == member.policy.name
        })
    })
}

/// Whether something that it waits for, itself or through others, has ended and does not run again.
pub(super) fn rests_on_what_has_ended(all: &[Known], known: &Known) -> bool {
    let mut open = vec![known];
    let mut seen = vec![known.id];
    while let Some(known) = open.pop() {
        let names = known.policy.depends_on.iter().map(|wanted| &wanted.name);
        for name in names {
            for on in all.iter().filter(|on| on.is_named(name) || on.policy.group == *name) {
                if matches!(on.state, State::Fatal | State::Exited) {
                    return true;
                }
                if !seen.contains(&on.id) {
                    seen.push(on.id);
                    open.push(on);
                }
            }
        }
    }
    false
}

/// Whether there is such a process in the configuration, this one or what takes its place.
fn is_named_still(all: &[Known], known: &Known) -> bool {
    let next = |known: &Known| all.iter().find(|new| known.successor == Some(new.id));
    let last = std::iter::successors(Some(known), |known| next(known)).last();
    last.is_some_and(|last| !last.retired)
}

/// Whether `one` waits for `other`, directly.
pub(super) fn depends(one: &Known, other: &Known) -> bool {
    one.policy.depends_on.iter().any(|dependency| is_meant(dependency, other))
}

/// Whether `one` waits for `other`, which is not so far.
pub(super) fn lacks(one: &Known, other: &Known) -> bool {
    let unmet =
        |dependency: &&Dependency| is_meant(dependency, other) && !other.fulfils(dependency.until);
    !other.gone && other.id != one.id && one.policy.depends_on.iter().any(|it| unmet(&it))
}

fn is_meant(dependency: &Dependency, other: &Known) -> bool {
    other.is_named(&dependency.name) || other.policy.group == dependency.name
}

/// Whether an order may be answered so in a state, as supervisord answers it. What waits for its
/// start, or to come back, can be stopped in any state.
pub(super) fn is_answer(order: &Order, state: State, got: Result<(), Refusal>) -> bool {
    use State::*;
    let wanted = match (order, state) {
        (Order::Start(_), Starting | Running | Backoff) => Err(Refusal::AlreadyStarted),
        (Order::Start(_), Stopping) => Err(Refusal::AbnormalTermination),
        (Order::Start(_), Unknown) => Err(Refusal::Failed),
        (Order::Start(_), _) => Ok(()),
        (Order::Stop(_) | Order::Kill(_), Starting | Running | Backoff) => Ok(()),
        (Order::Kill(_), Stopping) => Ok(()),
        (Order::Stop(_) | Order::Kill(_), _) if got.is_ok() => Ok(()),
        (Order::Signal(..) | Order::Reload(_), Starting | Running | Stopping) => Ok(()),
        _ => Err(Refusal::NotRunning),
    };
    got == wanted
}

/// The next signal of a stop: which (`None`: the command), whether to the group, and not before.
pub(super) fn next_signal(known: &Known) -> (Option<Signal>, bool, Moment) {
    let policy = &known.policy;
    let Some(stopping) = known.stopping else {
        let signal = policy.stop.first().map(|(signal, _)| *signal);
        return (signal.filter(|_| !policy.stop_command), policy.stop_as_group, Moment::ZERO);
    };
    let waited = match policy.stop.get(stopping.sent.saturating_sub(1)) {
        Some((_, wait)) if stopping.sent <= policy.stop.len() => *wait,
        _ => policy.kill_wait,
    };
    let due = stopping.last + waited;
    match policy.stop.get(stopping.sent) {
        Some((signal, _)) => (Some(*signal), policy.stop_as_group, due),
        None => (Some(Signal::KILL), policy.kill_as_group, due),
    }
}

/// Whether this ends a process that nobody told to stop: it is not ready in time (KILL), or the
/// watchdog has heard nothing (ABRT, for the sake of the core dump).
pub(super) fn is_doomed(known: &Known, now: Moment, signal: Option<Signal>) -> bool {
    let passed = |limit: Option<Duration>| limit.is_some_and(|limit| now >= known.since + limit);
    match (known.state, signal) {
        (State::Starting, Some(Signal::KILL)) => passed(known.policy.ready_timeout),
        (State::Running, Some(Signal::ABRT)) => passed(known.policy.watchdog),
        _ => false,
    }
}
