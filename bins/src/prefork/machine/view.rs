//! What can be asked of the machine.

use crate::prefork::config::{PoolRules, Size};

use super::{Action, Id, Machine, Member, Notice, Phase, Stage, Summary, Worker};

impl Machine {
    /// The pool for the status.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut members: Vec<Member> = self
            .workers
            .iter()
            .map(|(id, worker)| Member {
                id: *id,
                slot: worker.slot,
                pid: worker.pid,
                generation: worker.generation,
                stage: worker.stage(),
                since: worker.since,
            })
            .collect();
        members.sort_by_key(|member| member.slot);
        Summary {
            generation: self.generation,
            members,
            spawned: self.spawned,
            reaped: self.reaped,
            failed: self.failed,
            most: self.most,
            held_back: self.held_back,
            reloading: self.reload.is_some(),
            stopping: self.stop.is_some(),
        }
    }

    /// How many workers there are to be now, after all that was added and removed.
    #[must_use]
    pub fn rules(&self) -> PoolRules {
        let mut rules = self.policy.pool.clone();
        match rules.size {
            Size::Fixed(_) => rules.size = Size::Fixed(self.pool.target()),
            Size::Spare { .. } | Size::OnDemand => rules.max_workers = self.pool.ceiling(),
        }
        rules
    }

    /// Where this worker stands; `None` when it has gone.
    #[must_use]
    pub fn stage(&self, id: Id) -> Option<Stage> {
        self.workers.get(&id).map(Worker::stage)
    }

    /// The living worker in this slot.
    #[must_use]
    pub fn id_of_slot(&self, slot: u32) -> Option<Id> {
        self.workers.iter().find(|(_, worker)| worker.slot == slot).map(|(id, _)| *id)
    }

    /// How many slots there are: the workers of a full pool, and those that drain beside it.
    #[must_use]
    pub fn slot_count(&self) -> u32 {
        self.slots()
    }

    pub(super) fn status_text(&self) -> String {
        let serving = self.serving();
        let s = if serving == 1 { "" } else { "s" };
        format!("serving with {serving} worker{s}, generation {}", self.generation)
    }

    /// Says so when the number of workers has come to rest at another one.
    pub(super) fn notify_status(&mut self, out: &mut Vec<Action>) {
        let rests = self.asked.is_empty()
            && self.reload.is_none()
            && self.workers.values().all(|worker| worker.ready || !worker.stays());
        let now = (self.serving(), self.generation);
        if !self.announced || self.phase != Phase::Running || !rests || self.told_status == now {
            return;
        }
        self.told_status = now;
        let said = |action: &Action| matches!(action, Action::Notify(Notice::Ready(_)));
        if !out.iter().any(said) {
            out.push(Action::Notify(Notice::Status(self.status_text())));
        }
    }
}
