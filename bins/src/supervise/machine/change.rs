//! A configuration that was read again.

use std::collections::BTreeMap;
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
        let (mut wanted, mut added) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                Change::Add(id, policy) => {
                    let starts = policy.autostart;
                    if self.insert(id, policy) {
                        added.push(id);
                        wanted.extend(starts.then_some(id));
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
        self.take_names(&added);
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
            self.succeed(*old, new);
        }
        // One old and one new process at the most: the best of the old ones serves on.
        let known = olds.iter().filter_map(|old| self.table.get(old));
        let serving = known.filter(|old| hot && starts && !old.removed && old.has_process());
        let keeper = serving.max_by_key(|old| old.state == State::Running).map(|old| old.id);
        for old in olds.into_iter().filter(|old| keeper != Some(*old)) {
            self.retire(now, old, out);
        }
        starts
    }

    /// What has just been added waits for those of the same name that are on their way out.
    fn take_names(&mut self, added: &[ProcId]) {
        if added.is_empty() || self.table.values().all(|process| !process.removed) {
            return;
        }
        let mut leaving: BTreeMap<(&str, &str), Vec<ProcId>> = BTreeMap::new();
        for process in self.table.values().filter(|process| process.removed) {
            let successor = self.successors.get(&process.id).and_then(|new| self.table.get(new));
            if successor.is_none_or(|new| new.removed) {
                let name = (process.policy.group.as_str(), process.policy.name.as_str());
                leaving.entry(name).or_default().push(process.id);
            }
        }
        let mut pairs = Vec::new();
        for new in added.iter().filter_map(|id| self.table.get(id)) {
            let olds = leaving.get(&(new.policy.group.as_str(), new.policy.name.as_str()));
            pairs.extend(olds.into_iter().flatten().map(|old| (*old, new.id)));
        }
        for (old, new) in pairs {
            self.succeed(old, new);
        }
    }

    fn succeed(&mut self, old: ProcId, new: ProcId) {
        if let Some(former) = self.successors.insert(old, new) {
            self.release(former, old);
        }
        self.predecessors.entry(new).or_default().push(old);
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
