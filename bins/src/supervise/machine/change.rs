//! A configuration that was read again.

use std::sync::Arc;

use reaper::Moment;

use super::process::Process;
use super::types::{Action, Change, General, Policy, ProcId, State};
use super::{Machine, Phase, Rank};

impl Machine {
    pub(super) fn apply(
        &mut self,
        now: Moment,
        general: General,
        changes: Vec<Change>,
        out: &mut Vec<Action>,
    ) {
        self.general = general;
        let begun = self.phase == Phase::Running;
        let mut wanted = Vec::new();
        for change in changes {
            match change {
                Change::Add(id, policy) => {
                    let starts = policy.autostart;
                    if self.insert(id, policy) && starts {
                        wanted.push(id);
                    }
                }
                Change::Remove(id) => {
                    self.retire_predecessors(now, id, out);
                    self.retire(now, id, out);
                }
                Change::Replace(old, new, policy) => {
                    if self.replace(now, old, new, policy, out) {
                        wanted.push(new);
                    }
                }
            }
        }
        self.relink();
        if begun {
            for id in wanted {
                self.with(id, Process::want);
            }
            self.consider_all(now, out);
        }
    }

    pub(super) fn rank(&self, id: ProcId) -> Option<Rank> {
        let policy = Arc::clone(&self.table.get(&id)?.policy);
        Some(Rank { policy, id })
    }

    fn insert(&mut self, id: ProcId, policy: Arc<Policy>) -> bool {
        if self.table.contains_key(&id) {
            return false;
        }
        self.order.insert(Rank { policy: Arc::clone(&policy), id });
        self.table.insert(id, Process::new(id, policy));
        true
    }

    /// True if the new one is to start by itself.
    fn replace(
        &mut self,
        now: Moment,
        old: ProcId,
        new: ProcId,
        policy: Arc<Policy>,
        out: &mut Vec<Action>,
    ) -> bool {
        let (hot, autostart) = (policy.hot, policy.autostart);
        if !self.insert(new, policy) {
            return false;
        }
        let Some(process) = self.table.get(&old) else { return autostart };
        let by_hand = process.by_hand;
        let runs = process.waiting || process.again || process.is_busy();
        let starts = !by_hand && (autostart || runs && process.state != State::Unknown);
        self.with(new, |process| process.by_hand = by_hand);
        // What the old one has not outlived yet is now outlived by the new one.
        let mut olds = self.predecessors.remove(&old).unwrap_or_default();
        olds.push(old);
        for old in &olds {
            if let Some(former) = self.successors.insert(*old, new) {
                self.release(former, *old);
            }
        }
        self.predecessors.insert(new, olds.clone());
        for old in olds {
            let serves = self.table.get(&old).is_some_and(Process::has_process);
            if !(hot && starts && serves) {
                self.retire(now, old, out);
            }
        }
        starts
    }

    /// It is no longer part of the configuration: stopped if need be, then forgotten.
    pub(super) fn retire(&mut self, now: Moment, id: ProcId, out: &mut Vec<Action>) {
        let report = self.phase == Phase::Running;
        let stops = self.phase != Phase::Stopping;
        self.with(id, |process| {
            process.removed = true;
            if stops {
                process.halt(now, report, out);
            }
        });
        self.changed.push_back(id);
    }

    pub(super) fn retire_predecessors(&mut self, now: Moment, id: ProcId, out: &mut Vec<Action>) {
        for old in self.predecessors.get(&id).cloned().unwrap_or_default() {
            self.retire(now, old, out);
        }
    }

    /// One that was removed has no process any more.
    pub(super) fn forget(&mut self, now: Moment, id: ProcId, out: &mut Vec<Action>) {
        if let Some(rank) = self.rank(id) {
            self.order.remove(&rank);
        }
        let Some(process) = self.table.remove(&id) else { return };
        self.timers.remove(&(process.armed, id));
        if process.counted {
            self.busy = self.busy.saturating_sub(1);
        }
        out.push(Action::Gone(id));
        for old in self.predecessors.remove(&id).unwrap_or_default() {
            self.successors.remove(&old);
        }
        if let Some(new) = self.successors.remove(&id) {
            self.release(new, id);
            self.consider(now, new, out);
        }
    }

    /// The new one need not wait for the old one.
    fn release(&mut self, new: ProcId, old: ProcId) {
        if let Some(olds) = self.predecessors.get_mut(&new) {
            olds.retain(|id| *id != old);
            if olds.is_empty() {
                self.predecessors.remove(&new);
            }
        }
    }
}
