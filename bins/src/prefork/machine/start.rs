//! Starting workers: when one may be started, and what becomes of it until it serves.

use std::time::Duration;

use reaper::{Moment, Pid};

use super::ends::Failure;
use super::stop::Level;
use super::{Action, Asked, Cause, Id, Leave, Line, Machine, Phase, Size, StartError, Worker};
use crate::prefork::view::{Activity, Source};

/// Failures in a row before starts become rare.
pub(super) const FREE_FAILURES: u32 = 3;

impl Machine {
    /// Workers in the pool at the most.
    pub(super) fn cap(&self) -> u32 {
        match self.policy.pool.size {
            Size::Fixed(count) => self.policy.pool.max_workers.max(count),
            Size::Spare { .. } | Size::OnDemand => self.policy.pool.max_workers,
        }
    }

    /// Slots, and so processes at the most.
    pub(super) fn slots(&self) -> u32 {
        self.cap().saturating_add(self.policy.conduct.max_extra)
    }

    pub(super) fn total(&self) -> u32 {
        count(self.workers.len().saturating_add(self.asked.len()))
    }

    /// Those in the pool, starts under way included.
    pub(super) fn members(&self) -> u32 {
        let living = self.workers.values().filter(|worker| worker.is_member()).count();
        let asked = self.asked.iter().filter(|asked| !asked.joiner).count();
        count(living.saturating_add(asked))
    }

    /// Those beyond the pool: on their way out, or made by a reload and not in their place yet.
    pub(super) fn beyond(&self) -> u32 {
        self.total().saturating_sub(self.members())
    }

    pub(super) fn draining(&self) -> u32 {
        count(self.workers.values().filter(|worker| !worker.stays()).count())
    }

    pub(super) fn serving(&self) -> u32 {
        count(self.workers.values().filter(|worker| worker.serves()).count())
    }

    /// Whether the pool has a seat: workers beyond the pool take one each when there are more of
    /// them than `max_extra`.
    pub(super) fn has_seat(&self) -> bool {
        let wanted = self.pool.ceiling().min(self.cap());
        let over = self.beyond().saturating_sub(self.policy.conduct.max_extra);
        let taken = self.members().saturating_add(count(self.resting.len()));
        taken < wanted.saturating_sub(over) && self.total() < self.slots()
    }

    /// No start before.
    pub(super) fn gate(&self) -> Moment {
        let conduct = &self.policy.conduct;
        let pause = if self.first > 0 { conduct.start_delay } else { conduct.respawn_interval };
        let paced = self.last_start.map_or(Moment::ZERO, |at| at.saturating_add(pause));
        paced.max(self.error_until).max(self.pause_until)
    }

    /// After some failures in a row one worker alone is tried at a time.
    pub(super) fn braked(&self) -> bool {
        self.young >= FREE_FAILURES
            && (!self.asked.is_empty() || self.workers.values().any(|worker| self.is_try(worker)))
    }

    /// It was started after the last failure, so it can show that starts work again.
    pub(super) fn is_try(&self, worker: &Worker) -> bool {
        worker.stays() && worker.asked >= self.last_failure
    }

    /// Starts members as far as that is allowed now; how many are left over.
    pub(super) fn start_members(&mut self, now: Moment, n: u32, out: &mut Vec<Action>) -> u32 {
        let mut left = n;
        while left > 0 && now >= self.gate() && !self.braked() && self.has_seat() {
            if !self.spawn(now, false, out) {
                break;
            }
            left = left.saturating_sub(1);
        }
        let seats = left == 0 || self.has_seat();
        let drains = self.draining() > self.policy.conduct.max_extra;
        if !seats && drains && !self.extra_full {
            out.push(Action::Log(Line::ExtraFull(self.policy.conduct.max_extra)));
        }
        self.extra_full = drains && (!seats || self.extra_full);
        left
    }

    pub(super) fn start_first(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.first > 0 {
            let missing = self.first.min(self.pool.target().saturating_sub(self.members()));
            self.first = missing;
            self.first = self.start_members(now, missing, out);
        }
    }

    /// Asks for one worker; false when there is no slot for it.
    pub(super) fn spawn(&mut self, now: Moment, joiner: bool, out: &mut Vec<Action>) -> bool {
        let Some(slot) = (0..self.slots()).find(|slot| !self.in_use(*slot)) else { return false };
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        self.last_start = Some(now);
        self.asked.push(Asked { id, slot, generation: self.generation, joiner, at: now });
        self.most = self.most.max(self.total());
        out.push(Action::Spawn(id, slot, self.generation));
        true
    }

    fn in_use(&self, slot: u32) -> bool {
        self.workers.values().any(|worker| worker.slot == slot)
            || self.asked.iter().any(|asked| asked.slot == slot)
    }

    pub(super) fn take_asked(&mut self, id: Id) -> Option<Asked> {
        let index = self.asked.iter().position(|asked| asked.id == id)?;
        Some(self.asked.remove(index))
    }

    pub(super) fn spawned(&mut self, now: Moment, id: Id, pid: Pid, out: &mut Vec<Action>) {
        let Some(asked) = self.take_asked(id) else {
            // Nobody asked for it, or its end came first.
            if !self.workers.contains_key(&id) {
                out.push(Action::Kill(id));
            }
            return;
        };
        self.spawned = self.spawned.saturating_add(1);
        self.refused = 0;
        self.told_errors.clear();
        let jitter = self.policy.limits.max_requests_jitter;
        let extra = self.draw_up_to(jitter);
        let lifetime = self.policy.limits.max_lifetime.map(|age| self.shortened(age));
        let worker = Worker {
            slot: asked.slot,
            pid,
            generation: asked.generation,
            asked: asked.at,
            since: now,
            ready: false,
            spoke: false,
            joiner: asked.joiner,
            said: false,
            shown: false,
            served: false,
            signalled: false,
            sent: Vec::new(),
            settled: false,
            proofs: 0,
            leave: Leave::No,
            recycled: false,
            activity: Activity::Unknown,
            source: Source::Nothing,
            seen: None,
            pss: None,
            request: None,
            due: None,
            max_requests: self.policy.limits.max_requests.map(|max| max.saturating_add(extra)),
            old_at: lifetime.map(|age| now.saturating_add(age)),
        };
        self.workers.insert(id, worker);
        out.push(Action::Log(Line::Starting(pid, asked.slot, asked.generation)));
        match self.phase {
            Phase::Stopping => self.stop_newcomer(now, id, out),
            Phase::Running if id < self.told_before => self.tell(now, id, out),
            Phase::Fresh | Phase::Running | Phase::Preparing(_) | Phase::Ended => {}
        }
    }

    /// A lifetime with up to a tenth taken off, so that workers of one start do not leave as one.
    fn shortened(&mut self, age: Duration) -> Duration {
        let nanos = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
        let off = self.draw_up_to(nanos.checked_div(10).unwrap_or(0));
        Duration::from_nanos(nanos.saturating_sub(off))
    }

    pub(super) fn spawn_failed(
        &mut self,
        now: Moment,
        id: Id,
        error: StartError,
        out: &mut Vec<Action>,
    ) {
        let Some(asked) = self.take_asked(id) else { return };
        self.dirty = true;
        if !self.told_errors.contains(&error.text) {
            out.push(Action::Log(Line::CannotStart(error.text.clone())));
            self.told_errors.push(error.text.clone());
        }
        if error.transient {
            // Starts that are refused together are one refusal.
            if self.refused == 0 || asked.at >= self.last_refusal {
                self.refused = self.refused.saturating_add(1);
                self.last_refusal = now.saturating_add(Duration::from_nanos(1));
                self.pause(now, self.refused, self.policy.conduct.backoff_max, out);
            }
        } else if !asked.joiner {
            self.failed_start(now, asked.at, Failure::Unproven, out);
            let first = self.spawned == 0 && self.policy.pool.size != Size::OnDemand;
            if first && self.phase == Phase::Running {
                // Nothing that a first worker needs will appear by trying again.
                out.push(Action::Log(Line::GaveUp(self.unproven)));
                self.begin_stop(now, Cause::Failures, Level::Term, 1, out);
            }
        }
        if asked.joiner {
            let text = format!("no new worker could be made: {}", error.text);
            let failure = (!error.transient).then_some(Failure::Unproven);
            self.joiner_failed(now, asked.at, text, failure, out);
        }
    }

    pub(super) fn notified(&mut self, id: Id, ready: bool, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.said |= ready;
        if worker.ready || !worker.stays() {
            return;
        }
        worker.spoke = true;
        if ready {
            self.became_ready(id, out);
        }
    }

    pub(super) fn became_ready(&mut self, id: Id, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.ready = true;
        out.push(Action::Log(Line::Ready(worker.pid)));
        self.dirty = true;
        if self.phase == Phase::Running {
            self.announce(out);
        }
    }

    /// It spoke, but not the word.
    pub(super) fn not_ready(&mut self, now: Moment, id: Id, out: &mut Vec<Action>) {
        let limit = self.policy.conduct.start_timeout;
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let (pid, asked, joiner) = (worker.pid, worker.asked, worker.joiner);
        let proven = worker.is_proven();
        let failure = Failure::of(proven);
        out.push(Action::Log(Line::NotReady(pid, limit)));
        self.tell(now, id, out);
        self.dirty = true;
        if joiner || (self.is_of_reload(id) && !proven) {
            let text = format!("new worker {pid} was not ready in time");
            self.joiner_failed(now, asked, text, Some(failure), out);
        }
        if !joiner && self.phase == Phase::Running {
            self.failed_start(now, asked, failure, out);
        }
    }
}

/// A count of workers; there are never more than slots, whose number is a `u32`.
pub(super) fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
