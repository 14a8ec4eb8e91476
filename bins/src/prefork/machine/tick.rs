//! What time alone brings about.

use reaper::Moment;

use super::{Action, Id, Machine, Phase};

impl Machine {
    /// Does everything that is due by now.
    pub(super) fn tick(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.prepare_timeout(now, out);
        self.go_on_with_sequences(now, out);
        self.end_rests(now);
        self.end_pace(now);
        self.enforce_kill_limit(now, out);
        let ids: Vec<Id> = self.workers.keys().copied().collect();
        for id in ids {
            self.tick_worker(now, id, out);
        }
        if self.phase != Phase::Running {
            return;
        }
        if self.pool_next.is_some_and(|at| now >= at) {
            self.pool_next = None;
            self.look(false);
        }
        if self.blocked_until.is_some_and(|at| now >= at) {
            self.blocked_until = None;
            self.dirty = true;
        }
        self.look_for_limits(now);
    }

    fn tick_worker(&mut self, now: Moment, id: Id, out: &mut Vec<Action>) {
        self.lead_out(now, id, out);
        self.note_age(now, id);
        let conduct = &self.policy.conduct;
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if worker.settles_at(conduct).is_some_and(|at| now >= at) {
            worker.settled = true;
        }
        let mut prove = false;
        while worker.proof_at(conduct).is_some_and(|at| now >= at) {
            worker.proofs = worker.proofs.saturating_add(1);
            prove = true;
        }
        if worker.decided_at(conduct).is_some_and(|at| now >= at) {
            if worker.spoke {
                self.not_ready(now, id, out);
            } else {
                self.became_ready(id, out);
            }
        } else if prove {
            self.look(false);
        }
    }

    /// The next moment at which time alone changes something.
    pub(super) fn next_due(&self) -> Option<Moment> {
        let conduct = &self.policy.conduct;
        let running = self.phase == Phase::Running;
        let mut due: Vec<Option<Moment>> = Vec::new();
        for worker in self.workers.values() {
            due.push(worker.leave_at(conduct));
            due.push(worker.proof_at(conduct));
            due.push(worker.decided_at(conduct));
            due.push(worker.settles_at(conduct));
            if running {
                due.push(Self::aged_at(worker));
            }
        }
        due.push(self.sequence_due());
        if let Phase::Preparing(until) = self.phase {
            due.push(Some(until));
        }
        if running {
            let first = self.first > 0 && !self.braked() && self.has_seat();
            due.push(first.then(|| self.gate()));
            due.extend([self.pool_next, self.blocked_until, self.limits_next, self.memory_next]);
            due.extend([self.request_due(), self.recycle_due(), self.joiner_at()]);
            due.push(self.forgiven_at());
            due.push(self.resting.iter().min().copied());
            due.push(self.reload.as_ref().and_then(|run| run.pace_until));
        }
        due.into_iter().flatten().filter(|at| *at < Moment::MAX).min()
    }
}
