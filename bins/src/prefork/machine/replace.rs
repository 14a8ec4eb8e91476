//! The two reloads without a gap: one after the other, and all new ones before the old ones go.

use std::time::Duration;

use reaper::Moment;

use super::ends::Failure;
use super::reload::ATTEMPTS;
use super::start::count;
use super::worker::STABLE;
use super::{Action, Id, Machine, Reload, Worker};
use crate::prefork::view::Activity;

/// What can be done about new workers now.
enum Room {
    /// One can be started.
    Yes,
    /// Later: a pause, or others have to leave first.
    Later,
    /// There is none and nobody leaves.
    Never,
}

impl Machine {
    /// One new worker, and when it is ready one old one less.
    pub(super) fn roll(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.note_proof();
        let ready = self.joiners().find(|(_, worker)| worker.may_join()).map(|(id, _)| *id);
        if let Some(id) = ready {
            let interval = self.policy.conduct.reload_interval;
            if let Some(run) = &mut self.reload {
                run.pause_until = now.saturating_add(interval);
            }
            self.change_over(now, id, out);
        }
        if self.old_count() == 0 {
            self.seat_all(now, out);
            self.end_reload(now, out);
        } else if self.joiner_count() == 0 {
            self.start_joiner(now, out);
        }
    }

    /// As many new ones as there are old ones, and when all are ready the old ones leave. Where
    /// there is no room for all, as many at once as there is room for; and those of which silence
    /// is all that is known take their seats one after the other.
    pub(super) fn replace(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.note_proof();
        let old = self.old_count();
        let Some(run) = &mut self.reload else { return };
        run.need = run.need.min(old);
        let need = run.need;
        let ready = count(self.joiners().filter(|(_, worker)| worker.may_join()).count());
        let mut full = false;
        if ready < need {
            while self.reload.is_some() && self.joiner_count() < need && !full {
                full = !self.start_joiner(now, out);
            }
            let stuck = full && matches!(self.room(now), Room::Never);
            full = stuck && ready > 0 && ready == self.joiner_count();
        }
        if self.reload.is_none() || (ready < need && !full) {
            return;
        }
        let mut silent = 0_u32;
        let joiners = self.joiners().filter(|(_, worker)| worker.may_join());
        let order: Vec<(bool, Id)> = joiners.map(|(id, it)| (it.is_proven(), *id)).collect();
        for (proven, id) in order {
            let paced = self.reload.as_ref().is_some_and(|run| run.pace_until.is_some());
            if !proven && paced {
                silent = silent.saturating_add(1);
                continue;
            }
            self.change_over(now, id, out);
        }
        if !full && silent == 0 {
            // Those in whose place a new one has come and gone.
            while let Some(id) = self.next_old() {
                self.retire(now, id, out);
            }
        }
        if self.old_count() == 0 {
            self.seat_all(now, out);
            self.end_reload(now, out);
        }
    }

    /// A new one takes the place of an old one.
    fn change_over(&mut self, now: Moment, id: Id, out: &mut Vec<Action>) {
        let proven = self.workers.get(&id).is_some_and(Worker::is_proven);
        let pace = self.policy.conduct.ready_after.saturating_add(STABLE);
        if let Some(run) = &mut self.reload {
            if proven {
                run.failures = 0;
            } else {
                run.pace_until = Some(now.saturating_add(pace));
            }
        }
        if let Some(old) = self.next_old() {
            self.retire(now, old, out);
        }
        self.seat(now, id, out);
    }

    /// What has been seen of any worker of the reload, in a seat or not, is evidence.
    fn note_proof(&mut self) {
        let Some(run) = &mut self.reload else { return };
        run.proven = run.proven || self.workers.range(run.mark..).any(|(_, it)| it.is_proven());
    }

    pub(super) fn end_pace(&mut self, now: Moment) {
        if let Some(run) = &mut self.reload {
            run.pace_until = run.pace_until.filter(|at| *at > now);
        }
    }

    /// It was started by or during the reload under way, which has old ones to fall back on.
    pub(super) fn is_of_reload(&self, id: Id) -> bool {
        self.reload.as_ref().is_some_and(|run| run.way != Reload::All && id >= run.mark)
    }

    fn joiners(&self) -> impl Iterator<Item = (&Id, &Worker)> {
        self.workers.iter().filter(|(_, worker)| worker.joiner && worker.stays())
    }

    /// New workers that have no seat yet, starts under way included.
    fn joiner_count(&self) -> u32 {
        let asked = self.asked.iter().filter(|asked| asked.joiner).count();
        count(self.joiners().count().saturating_add(asked))
    }

    fn mark(&self) -> Id {
        self.reload.as_ref().map_or(0, |run| run.mark)
    }

    /// Old ones that have not been told yet, starts under way included.
    fn old_count(&self) -> u32 {
        let mark = self.mark();
        let asked = self.asked.iter().filter(|asked| asked.id < mark).count();
        let living = self.workers.iter().filter(|(id, it)| **id < mark && it.stays()).count();
        count(living.saturating_add(asked))
    }

    /// The old one to go next: one that is idle, the longest-lived of those.
    fn next_old(&self) -> Option<Id> {
        let mark = self.mark();
        let old = self.workers.iter().filter(|(id, worker)| **id < mark && worker.stays());
        let occupied = |it: &Worker| it.activity != Activity::Idle && (it.ready || it.shown);
        let order = old.map(|(id, it)| (occupied(it), it.since, *id));
        order.min().map(|(_, _, id)| id)
    }

    fn room(&self, now: Moment) -> Room {
        let pause = self.reload.as_ref().map_or(Moment::ZERO, |run| run.pause_until);
        let extra = self.policy.conduct.max_extra.max(1);
        if self.total() >= self.slots() || self.beyond() >= extra {
            let moves = self.draining() > 0 || !self.asked.is_empty();
            return if moves { Room::Later } else { Room::Never };
        }
        if now < pause.max(self.gate()) { Room::Later } else { Room::Yes }
    }

    /// When a new worker can be started that only waits for its time.
    pub(super) fn joiner_at(&self) -> Option<Moment> {
        let run = self.reload.as_ref().filter(|run| run.way != Reload::All)?;
        let want = if run.way == Reload::Rolling { 1 } else { run.need };
        let extra = self.policy.conduct.max_extra.max(1);
        let room = self.total() < self.slots() && self.beyond() < extra;
        let wanted = self.joiner_count() < want && self.old_count() > 0;
        (room && wanted).then(|| run.pause_until.max(self.gate()))
    }

    /// Starts a new worker beside the old ones; false when that cannot be now.
    fn start_joiner(&mut self, now: Moment, out: &mut Vec<Action>) -> bool {
        match self.room(now) {
            Room::Yes => self.spawn(now, true, out),
            Room::Later => false,
            Room::Never if self.joiner_count() == 0 => {
                let text = "there is no room for a new worker beside the old ones (max-extra)";
                self.abort_reload(now, text.to_owned(), out);
                false
            }
            Room::Never => false,
        }
    }

    /// A new worker takes its seat; without one it leaves again.
    fn seat(&mut self, now: Moment, id: Id, out: &mut Vec<Action>) {
        let free = self.members() < self.pool.ceiling();
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.joiner = false;
            self.dirty = true;
            if !free {
                self.retire(now, id, out);
            }
        }
    }

    fn seat_all(&mut self, now: Moment, out: &mut Vec<Action>) {
        let joiners: Vec<Id> = self.joiners().map(|(id, _)| *id).collect();
        for id in joiners {
            self.seat(now, id, out);
        }
        let ceiling = self.pool.ceiling();
        let mut members = self.members();
        for asked in self.asked.iter_mut().filter(|asked| asked.joiner) {
            if members < ceiling {
                asked.joiner = false;
                members = members.saturating_add(1);
            }
        }
    }

    /// A member has died: a new worker that is there already takes its seat.
    pub(super) fn promote_one(&mut self) {
        let first = self.joiners().map(|(id, _)| *id).next();
        if let Some(id) = first {
            if let Some(worker) = self.workers.get_mut(&id) {
                worker.joiner = false;
            }
        } else if let Some(asked) = self.asked.iter_mut().find(|asked| asked.joiner) {
            asked.joiner = false;
        }
    }

    /// A new worker has come up, and left with success before it had a seat: as if it had left
    /// just after. Nobody waits for another one in its place.
    pub(super) fn joiner_done(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(run) = &mut self.reload else { return };
        run.proven = true;
        run.failures = 0;
        run.need = run.need.saturating_sub(1);
        if run.way == Reload::Rolling {
            run.pause_until = now.saturating_add(self.policy.conduct.reload_interval);
            if let Some(old) = self.next_old() {
                self.retire(now, old, out);
            }
        }
    }

    /// A new worker of a reload has not come up. The first such failure ends the reload when
    /// it was its own and no other new one has; later ones are tried again.
    pub(super) fn joiner_failed(
        &mut self,
        now: Moment,
        since: Moment,
        reason: String,
        failure: Option<Failure>,
        out: &mut Vec<Action>,
    ) {
        let Some(run) = &mut self.reload else { return };
        if since >= run.failed_at {
            run.failures = run.failures.saturating_add(1);
            run.failed_at = now.saturating_add(Duration::from_nanos(1));
        }
        let hopeless = failure.is_some() && !run.proven;
        if hopeless || run.failures >= ATTEMPTS {
            self.abort_reload(now, reason, out);
        } else if let Some(failure) = failure {
            self.failed_start(now, since, failure, out);
        }
    }
}
