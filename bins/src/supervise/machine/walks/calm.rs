//! What holds between the steps, and when all has come to rest.

use reaper::{Moment, Pid};

use super::invariants::Watch;
use super::kernel::Kernel;
use super::rules::{Hand, Known, holds};
use crate::supervise::config::model::Type;
use crate::supervise::machine::Machine;
use crate::supervise::machine::types::{Mood, State, Transition};

impl Watch {
    /// When a state may be entered.
    pub(super) fn proves(
        &mut self,
        now: Moment,
        change: &Transition,
        known: &Known,
        pid: Option<Pid>,
    ) {
        let policy = &known.policy;
        match change.to {
            State::Running if !policy.announces && policy.kind == Type::Simple => {
                let due = known.born.unwrap_or(Moment::MAX) + policy.startsecs;
                self.rule(now >= due, || format!("{change:?} before {due:?}"));
            }
            State::Fatal if !self.ending && !known.retired => {
                let most = policy.startretries.map(|retries| retries.saturating_add(1));
                let counts = [Some(known.failures), Some(known.failures_by_hand)];
                self.rule(counts.contains(&most), || {
                    format!("{change:?} after {counts:?} failures, not {most:?}")
                });
            }
            State::Exited | State::Stopped | State::Backoff => {
                self.rule(pid.is_none(), || format!("{change:?} while {pid:?} lives"));
            }
            _ => {}
        }
    }

    /// After the actions of one step.
    pub(super) fn stepped(&mut self, machine: &Machine) {
        let untold = self.untold;
        self.rule(untold == 0, || format!("{untold} starts or ends have no line in the log"));
        let leaves = self.ending || !self.must_leave;
        self.rule(leaves, || "a reason to leave, and it stays".into());
        let wanted = self.ending;
        let mood = machine.mood();
        self.rule(wanted == (mood != Mood::Running), || format!("{mood:?}, ending: {wanted}"));
    }

    /// When nothing is left to be told.
    pub(super) fn rests(&mut self, machine: &Machine, kernel: &Kernel) {
        if self.violated.is_some() || self.finished.is_some() {
            return;
        }
        let all = std::mem::take(&mut self.known);
        for known in &all {
            self.agrees(known, machine, kernel);
        }
        let stopping = |known: &Known| known.state == State::Stopping && !known.gone;
        if all.iter().any(stopping) {
            let waits = machine.deadline().is_some();
            self.rule(waits, || "a process is STOPPING and nothing is waited for".into());
        }
        self.known = all;
        let mut count = 0;
        let mut last = None;
        for (id, policy) in machine.processes() {
            count += 1;
            let this = (policy.group_priority, &policy.group, policy.priority, &policy.name);
            let ordered = last.is_none_or(|last| last <= this);
            self.rule(ordered, || format!("{id:?} is not in start order"));
            last = Some(this);
        }
        let there = self.known.iter().filter(|known| !known.gone).count();
        self.rule(count == there, || format!("{count} processes, not {there}"));
    }

    fn agrees(&mut self, known: &Known, machine: &Machine, kernel: &Kernel) {
        let id = known.id;
        let view = machine.view(id);
        let Some(view) = view.filter(|_| !known.gone) else {
            return self.rule(known.gone, || format!("{id:?} has no view"));
        };
        let pid = kernel.pid(id);
        let state = known.state;
        self.rule(view.state == state, || format!("{id:?} is {:?}, not {state:?}", view.state));
        self.rule(view.pid == pid, || format!("{id:?} has {pid:?}, not {:?}", view.pid));
        self.rule(view.starts == known.starts, || {
            format!("{id:?} was started {} times, not {}", known.starts, view.starts)
        });
        let has_process = matches!(state, State::Starting | State::Running | State::Stopping);
        self.rule(has_process == pid.is_some() || state == State::Unknown, || {
            format!("{id:?} is {state:?} with {pid:?}")
        });
    }

    /// All processes have behaved for long: nothing is under way any more.
    pub(super) fn settled(&mut self, machine: &Machine) {
        if self.ending {
            return self.rule(self.finished.is_some(), || "the shutdown goes on for ever".into());
        }
        let all = std::mem::take(&mut self.known);
        for known in all.iter().filter(|known| !known.gone) {
            let id = known.id;
            let state = known.state;
            let moving = matches!(state, State::Starting | State::Stopping | State::Backoff);
            self.rule(!moving, || format!("{id:?} is still {state:?}"));
            let new = known.successor.and_then(|id| all.iter().find(|new| new.id == id));
            let serves = new.is_some_and(|new| new.policy.hot && new.state != State::Running);
            let stays = known.retired && !serves && state != State::Unknown;
            self.rule(!stays, || format!("{id:?} was never forgotten"));
            let older = |one: &&Known| all.iter().find(|old| one.predecessor == Some(old.id));
            let replaces = std::iter::successors(older(&known), older).any(|old| !old.gone);
            let waits =
                known.policy.depends_on.iter().any(|wanted| !holds(&all, wanted, true)) || replaces;
            let hopes = |known: &Known| {
                machine.view(known.id).is_some_and(|view| view.waiting && !view.held)
            };
            // What runs may yet do its work.
            let comes = |on: &Known| {
                hopes(on) || matches!(on.state, State::Running | State::Unknown) && !on.gone
            };
            let needs = |on: &&Known| {
                let mut names = known.policy.depends_on.iter().map(|wanted| &*wanted.name);
                names.any(|name| on.is_named(name) || on.policy.group == name)
            };
            let stuck = state == State::Unknown;
            let vain = hopes(known) && !stuck && !replaces && !all.iter().filter(needs).any(comes);
            self.rule(!vain, || format!("{id:?} waits, and nothing comes"));
            let wanted = match known.hand {
                Some(Hand::Up) => !waits,
                Some(Hand::Down) => false,
                None => known.policy.autostart && known.predecessor.is_none() && !waits,
            };
            let idle = state == State::Stopped && wanted && !known.retired && !known.lost;
            self.rule(!idle, || format!("{id:?} is to run and does not"));
            let ended = state == State::Exited && known.restarts() && !known.retired;
            let down = known.hand == Some(Hand::Down) || waits;
            self.rule(!ended || down, || format!("{id:?} is to be started again and is not"));
        }
        self.known = all;
    }
}
