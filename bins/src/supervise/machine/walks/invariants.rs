//! What a walk may not do, told from inputs and actions alone.

use std::sync::Arc;

use reaper::Moment;

use super::kernel::Kernel;
use super::rules::{Hand, Known, is_allowed, rests_on_what_has_ended};
use crate::supervise::config::model::{ExitOn, Type};
use crate::supervise::lines::Line;
use crate::supervise::machine::types::{
    Action, After, Change, General, Input, Mood, Order, Policy, ProcId, State, Transition,
};

/// Everything that was seen, and the first thing that was wrong.
pub(super) struct Watch {
    pub(super) known: Vec<Known>,
    general: General,
    pub(super) order: Option<Order>,
    /// An order of starts: of one step that starts everything.
    pub(super) in_order: Option<(i64, String, i64, String)>,
    /// Everything is to be stopped, by these words if somebody said them.
    pub(super) ending: bool,
    pub(super) asked: Option<After>,
    /// From when on everything is killed.
    overdue: Option<Moment>,
    /// A reason to leave by itself.
    reason: bool,
    /// A reason to leave in this very step.
    pub(super) must_leave: bool,
    pub(super) finished: Option<After>,
    pub(super) changes: u32,
    /// Starts and ends that were told, less those that the log has a line for.
    pub(super) untold: i32,
    pub(super) violated: Option<String>,
}

impl Watch {
    pub(super) fn new(general: General) -> Self {
        Self {
            known: Vec::new(),
            general,
            order: None,
            in_order: None,
            ending: false,
            asked: None,
            overdue: None,
            reason: false,
            must_leave: false,
            finished: None,
            changes: 0,
            untold: 0,
            violated: None,
        }
    }

    pub(super) fn rule(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds && self.violated.is_none() {
            self.violated = Some(otherwise());
        }
    }

    pub(super) fn at(&self, id: ProcId) -> Option<usize> {
        self.known.iter().position(|known| known.id == id)
    }

    pub(super) fn policy(&self, id: ProcId) -> Option<Arc<Policy>> {
        self.at(id).map(|at| Arc::clone(&self.known[at].policy))
    }

    /// A process that has a name; now and then one that has not, if it is not replaced just now: of
    /// two processes with one name the host means the new one.
    pub(super) fn some(&self, nth: u8) -> Option<ProcId> {
        let named = |known: &&Known| !known.retired || nth > 250 && known.successor.is_none();
        let there: Vec<ProcId> = self.known.iter().filter(named).map(|known| known.id).collect();
        let of = usize::from(nth);
        there.get(of.checked_rem(there.len())?).copied()
    }

    pub(super) fn watchdogs(&self) -> u32 {
        let watched = |known: &&Known| known.policy.watchdog.is_some() && !known.gone;
        u32::try_from(self.known.iter().filter(watched).count()).unwrap()
    }

    pub(super) fn hears(&mut self, now: Moment, input: &Input) {
        self.in_order = None;
        match input {
            Input::Begin => self.in_order = Some((i64::MIN, String::new(), 0, String::new())),
            Input::Spawned(id, _) | Input::SpawnFailed(id, _) => {
                let is_up = matches!(input, Input::Spawned(..));
                self.untold += 1;
                if let Some(known) = self.at(*id).map(|at| &mut self.known[at]) {
                    known.spawning = false;
                    known.died = (!is_up).then_some(now);
                    known.starts += u32::from(is_up);
                }
            }
            Input::Exited(id, exit) => {
                self.untold += 1;
                if let Some(known) = self.at(*id).map(|at| &mut self.known[at]) {
                    known.died = Some(now);
                    let codes = &known.policy.exitcodes;
                    known.listed = codes.iter().any(|code| exit.code() == Some((*code).into()));
                }
            }
            Input::Apply(general, changes) => {
                self.general = *general;
                changes.iter().for_each(|change| self.changes_to(now, change));
            }
            Input::Unhealthy(id) => {
                if let Some(known) = self.at(*id).map(|at| &mut self.known[at]) {
                    known.again |= known.state == State::Running && !known.killed;
                }
            }
            Input::Shutdown(after) => {
                self.begins_to_end(now);
                self.asked = self.asked.or(Some(*after));
            }
            _ => {}
        }
    }

    fn changes_to(&mut self, now: Moment, change: &Change) {
        match change {
            Change::Add(id, policy) => {
                let mut new = Known::new(*id, Arc::clone(policy), now);
                // Its name may still belong to one that is being forgotten.
                let newest = self.known.iter_mut().rev().find(|old| {
                    let same = old.policy.name == policy.name && old.policy.group == policy.group;
                    same && !old.gone && old.retired
                });
                if let Some(old) = newest {
                    new.predecessor = Some(old.id);
                    old.successor = Some(*id);
                }
                self.known.push(new);
            }
            Change::Remove(id) => {
                if let Some(at) = self.at(*id) {
                    self.known[at].retired = true;
                    self.known[at].early = true;
                }
            }
            Change::Replace(old, id, policy) => {
                let mut new = Known::new(*id, Arc::clone(policy), now);
                new.predecessor = Some(*old);
                if let Some(at) = self.at(*old) {
                    self.known[at].retired = true;
                    self.known[at].early = true;
                    self.known[at].successor = Some(*id);
                    self.known[at].replaced = true;
                    new.hand = self.known[at].hand.filter(|hand| *hand == Hand::Down);
                }
                self.known.push(new);
            }
        }
    }

    fn begins_to_end(&mut self, now: Moment) {
        if !self.ending {
            self.ending = true;
            self.overdue = self.general.shutdown_timeout.map(|limit| now + limit);
            for known in &mut self.known {
                known.early |= known.state == State::Stopping;
            }
        }
    }

    pub(super) fn is_overdue(&self, now: Moment) -> bool {
        self.overdue.is_some_and(|at| now >= at)
    }

    pub(super) fn sees(&mut self, now: Moment, action: &Action, kernel: &Kernel) {
        match action {
            Action::Spawn(id) => self.spawns(now, *id, kernel),
            Action::Signal { id, signal, group } => {
                self.signals(now, *id, Some(*signal), *group, kernel);
            }
            Action::StopCommand(id) => self.signals(now, *id, None, false, kernel),
            Action::Changed(transition) => self.changed(now, transition, kernel),
            Action::Gone(id) => {
                let there = kernel.pid(*id).is_some();
                let Some(at) = self.at(*id) else { return };
                let known = &mut self.known[at];
                let right = known.retired && !known.gone;
                known.gone = true;
                let stuck = known.state == State::Unknown;
                self.rule(right, || format!("{id:?} is gone without leave, or twice"));
                self.rule(!there || stuck, || format!("{id:?} is gone, its process is not"));
            }
            Action::Mood(Mood::Running) => {
                let first = self.in_order.is_some();
                self.rule(first, || "RUNNING again".into());
            }
            Action::Mood(mood) => {
                let reason = self.asked.is_some() || self.reason;
                self.rule(reason, || format!("{mood:?} without a reason"));
                self.begins_to_end(now);
            }
            Action::Finished(after) => {
                let before = self.finished.replace(*after);
                self.rule(before.is_none(), || "finished twice".into());
                self.rule(self.ending, || "finished without a shutdown".into());
                let alive: Vec<ProcId> = kernel
                    .ids()
                    .filter(|id| {
                        self.at(*id).is_some_and(|at| self.known[at].state != State::Unknown)
                    })
                    .collect();
                self.rule(alive.is_empty(), || format!("finished while {alive:?} live"));
            }
            Action::Log(
                Line::Spawned { .. }
                | Line::SpawnError(_)
                | Line::Exited { .. }
                | Line::Stopped { .. },
            ) => self.untold -= 1,
            // What an essential one needs has ended for good, or what that needs.
            Action::Log(Line::Held { name, .. }) => {
                let named = self.known.iter().filter(|known| known.policy.name == *name);
                let mut named = named.filter(|known| known.policy.essential);
                self.reason |= named.any(|known| rests_on_what_has_ended(&self.known, known));
            }
            Action::Held(_) | Action::Log(_) => {}
        }
    }

    fn changed(&mut self, now: Moment, change: &Transition, kernel: &Kernel) {
        self.changes += 1;
        let Some(at) = self.at(change.id) else {
            return self.rule(false, || format!("{change:?} of an unknown process"));
        };
        let known = self.known[at].clone();
        let right = known.state == change.from && !known.gone;
        self.rule(right, || format!("{change:?}, but it was {:?}", known.state));
        let allowed = is_allowed(change.from, change.to, known.policy.kind);
        self.rule(allowed, || format!("{change:?} is no transition of supervisord"));
        let pid = kernel.pid(change.id);
        self.proves(now, change, &known, pid);
        let general = self.general;
        let known = &mut self.known[at];
        if change.to == State::Starting {
            known.before = (change.from, known.since);
        }
        if change.to == State::Stopping {
            known.served = change.from == State::Running;
        }
        known.state = change.to;
        known.since = now;
        match change.to {
            State::Backoff => {
                known.failures += 1;
                known.failures_by_hand += 1;
                known.completed = false;
            }
            State::Running if known.policy.kind == Type::Oneshot => {}
            State::Running | State::Fatal | State::Exited => {
                (known.failures, known.failures_by_hand) = (0, 0);
            }
            State::Stopped => {
                known.failures_by_hand = 0;
                known.completed = false;
            }
            State::Unknown => known.lost = true,
            _ => {}
        }
        if change.to == State::Exited {
            known.expected = change.expected;
            known.completed = change.expected;
        }
        let final_exit = change.to == State::Exited && !known.restarts() && !known.again;
        let fatal = change.to == State::Fatal;
        let completed = known.policy.kind == Type::Oneshot && known.expected;
        let essential = known.policy.essential && (fatal || final_exit);
        self.reason |= essential
            || fatal && general.exit_on != ExitOn::Never
            || final_exit && general.exit_on != ExitOn::Never
            || general.exit_on == ExitOn::All;
        let must = essential && !(final_exit && completed)
            || fatal && matches!(general.exit_on, ExitOn::Fatal | ExitOn::Exit)
            || final_exit && !completed && general.exit_on == ExitOn::Exit;
        let retired = known.retired;
        let replaces = self.older(at).skip(1).any(|old| !old.gone);
        self.must_leave |= must && !retired && !replaces;
    }
}
