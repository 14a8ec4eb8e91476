//! What follows from a change: for those who wait, for the whole, and for its end.

use reaper::Moment;

use super::process::NEVER;
use super::types::{Action, After, ProcId, State};
use super::{Machine, Phase};
use crate::supervise::config::model::{ExitOn, Type};
use crate::supervise::lines::Line;

impl Machine {
    /// Does everything that is due, until nothing is.
    pub(super) fn follow_up(&mut self, now: Moment, out: &mut Vec<Action>) {
        loop {
            self.tick(now, out);
            self.settle(now, out);
            if self.timers.first().is_none_or(|(at, _)| *at > now) {
                return;
            }
        }
    }

    fn tick(&mut self, now: Moment, out: &mut Vec<Action>) {
        let may_start = self.phase == Phase::Running;
        while let Some((_, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.pop_first();
            if let Some(process) = self.table.get_mut(&id) {
                process.armed = NEVER;
            }
            self.with(id, |process| process.tick(now, may_start, out));
        }
    }

    fn settle(&mut self, now: Moment, out: &mut Vec<Action>) {
        loop {
            while let Some(id) = self.changed.pop_front() {
                self.settle_one(now, id, out);
            }
            self.weigh_all(now, out);
            self.advance(now, out);
            self.tick_shutdown(now, out);
            if self.changed.is_empty() {
                return;
            }
        }
    }

    fn settle_one(&mut self, now: Moment, id: ProcId, out: &mut Vec<Action>) {
        if self.phase == Phase::Stopping {
            self.with(id, |process| process.abandon(out));
        }
        let Some(process) = self.table.get_mut(&id) else { return };
        let ended = std::mem::take(&mut process.ended);
        let (state, removed, lives) = (process.state, process.removed, process.has_process());
        if !process.is_unstopped() {
            self.has_come_to_rest(id);
        }
        self.tell(now, id, false, out);
        if removed && !lives {
            self.forget(now, id, out);
        } else {
            if state == State::Running {
                self.retire_predecessors(now, id, out);
            }
            self.consider(now, id, out);
            if ended {
                self.keep_predecessors(id, state, out);
                self.weigh(now, id, out);
            }
        }
        self.consider_dependents(now, id, out);
    }

    /// A new process has not made it: what it was to replace stays.
    fn keep_predecessors(&self, id: ProcId, state: State, out: &mut Vec<Action>) {
        let kept = self.serving(id).filter(|old| state == State::Fatal && old.is_busy());
        out.extend(kept.map(|old| Action::Log(Line::Kept { name: old.name(), pid: old.pid })));
    }

    /// One has ended by itself and is not started again: does that end everything?
    fn weigh(&mut self, now: Moment, id: ProcId, out: &mut Vec<Action>) {
        if self.phase != Phase::Running || self.is_served(id) {
            return;
        }
        let succeeds = self.successors.get(&id).and_then(|new| self.table.get(new));
        if succeeds.is_some_and(|new| new.waiting || new.is_busy()) {
            return;
        }
        let given_up = succeeds.is_some_and(|new| new.state == State::Fatal);
        let Some(process) = self.table.get(&id) else { return };
        let state = process.state;
        let done = process.policy.kind == Type::Oneshot && process.completed;
        let (name, code, rule) = (process.name(), process.code, self.general.exit_on);
        let by_rule = match rule {
            ExitOn::Never => false,
            ExitOn::Fatal => state == State::Fatal || given_up,
            ExitOn::Exit => !done,
            ExitOn::All => {
                self.last_end = Some(id);
                false
            }
        };
        if process.policy.essential && !done {
            out.push(Action::Log(Line::Essential { name, state, code }));
        } else if by_rule {
            out.push(Action::Log(Line::ExitOn { name, state, rule, code }));
        } else {
            return;
        }
        self.begin_shutdown(now, After::Leave(code), out);
    }

    /// `exit_on=all`, once everything that the end of the last one led to has begun.
    fn weigh_all(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(last) = self.last_end.take() else { return };
        let all = self.general.exit_on == ExitOn::All && self.phase == Phase::Running;
        let Some(process) = self.table.get(&last).filter(|_| all && self.busy == 0) else { return };
        let failed =
            self.order.iter().filter_map(|rank| self.table.get(&rank.id)).find(|process| {
                let failed = match process.state {
                    State::Fatal => true,
                    State::Exited => !process.completed,
                    _ => false,
                };
                failed && process.code != 0
            });
        let (name, state, code) = (process.name(), process.state, process.code);
        let code = failed.map_or(code, |failed| failed.code);
        out.push(Action::Log(Line::ExitOn { name, state, rule: ExitOn::All, code }));
        self.begin_shutdown(now, After::Leave(code), out);
    }

    /// Whether a timer of the whole has come; one that is never set never does.
    pub(super) fn is_due(at: Moment, now: Moment) -> bool {
        at < NEVER && at <= now
    }
}
