//! When a worker is replaced although it works, and what happens to a request that takes too long.

use std::time::Duration;

use reaper::Moment;
use sigpolicy::Signal;

use super::start::count;
use super::{Action, Id, Leave, Line, Machine, Phase, Reload, Request, Worker};
use crate::prefork::lines::Limit;
use crate::prefork::view::{Activity, Memory, Seen};

/// How often limits that have to be looked for are looked for.
const EVERY: Duration = Duration::from_secs(1);
/// Between two workers that are replaced because of a limit.
const APART: Duration = Duration::from_millis(100);
/// Two looks see the start of one request this far apart at most.
const SAME_REQUEST: Duration = Duration::from_millis(20);
/// Between two looks at a request whose time is over.
const LOOK_APART: Duration = Duration::from_millis(10);

impl Machine {
    fn looks_for_limits(&self) -> bool {
        let limits = &self.policy.limits;
        limits.max_requests.is_some()
            || limits.request_timeout.is_some()
            || limits.slow_after.is_some()
    }

    fn looks_at_memory(&self) -> bool {
        let limits = &self.policy.limits;
        let own = [limits.max_rss, limits.max_pss, limits.max_unshared, limits.min_shared];
        self.policy.pool.max_memory.is_some() || own.iter().any(Option::is_some)
    }

    /// Takes the looks that limits ask for.
    pub(super) fn look_for_limits(&mut self, now: Moment) {
        let alive = self.phase == Phase::Running && !self.workers.is_empty();
        let memory_every = self.policy.limits.memory_every.max(EVERY);
        let memory = alive && self.looks_at_memory();
        let limits = alive && self.looks_for_limits();
        let (next, due) = timer(self.memory_next, memory.then_some(memory_every), now);
        self.memory_next = next;
        if due {
            self.look(true);
        }
        let (next, due) = timer(self.limits_next, limits.then_some(EVERY), now);
        self.limits_next = next;
        if due || self.request_due().is_some_and(|at| now >= at) {
            self.look(false);
        }
    }

    /// When the present request of some worker has to be looked at again.
    pub(super) fn request_due(&self) -> Option<Moment> {
        if self.phase != Phase::Running {
            return None;
        }
        let limits = &self.policy.limits;
        let due = |worker: &Worker| {
            let request = worker.request.filter(|_| !is_killed(worker))?;
            let slow = limits.slow_after.filter(|_| !request.slow);
            let slow = slow.map(|limit| request.since.saturating_add(limit));
            let timeout = limits.request_timeout.map(|limit| match request.soft {
                None => request.since.saturating_add(limit),
                Some(at) => at.saturating_add(limits.request_grace),
            });
            [slow, timeout].into_iter().flatten().min()
        };
        let earliest = self.last_look.saturating_add(LOOK_APART);
        self.workers.values().filter_map(due).min().map(|at| at.max(earliest))
    }

    /// The slow log, the soft and the hard request timeout.
    pub(super) fn watch_request(&mut self, now: Moment, seen: &Seen, out: &mut Vec<Action>) {
        let limits = &self.policy.limits;
        let Some(worker) = self.workers.get_mut(&seen.id) else { return };
        let Some(age) = seen.in_request.filter(|_| !is_killed(worker)) else {
            worker.request = None;
            return;
        };
        let nanos = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
        let since = Moment::from_nanos(now.as_nanos().saturating_sub(nanos));
        let mut request = match worker.request {
            Some(known) if since <= known.since.saturating_add(SAME_REQUEST) => known,
            _ => Request { since, slow: false, soft: None },
        };
        let age = now.saturating_since(request.since);
        if limits.slow_after.is_some_and(|limit| age >= limit) && !request.slow {
            request.slow = true;
            out.push(Action::Slow(seen.id));
        }
        let (mut soft, mut kill) = (None, false);
        if let Some(limit) = limits.request_timeout {
            match request.soft {
                None if age >= limit => {
                    let signal = limits.request_signal.unwrap_or(Signal::TERM);
                    request.soft = Some(now);
                    out.push(Action::Log(Line::RequestTimeout(worker.pid, limit, signal)));
                    if !request.slow {
                        request.slow = true;
                        out.push(Action::Slow(seen.id));
                    }
                    soft = Some(signal);
                }
                Some(at) if now >= at.saturating_add(limits.request_grace) => {
                    kill = true;
                    out.push(Action::Log(Line::RequestKill(worker.pid, limits.request_grace)));
                }
                _ => {}
            }
        }
        worker.request = Some(request);
        if let Some(signal) = soft {
            self.pass(now, seen.id, signal, out);
        }
        if kill {
            self.kill(now, seen.id, out);
        }
    }

    /// Marks a worker that has reached a limit.
    pub(super) fn watch_limits(&mut self, seen: &Seen) {
        let Some(worker) = self.workers.get_mut(&seen.id) else { return };
        if worker.due.is_some() {
            return;
        }
        let limits = &self.policy.limits;
        let requests = seen.requests.zip(worker.max_requests);
        let requests = requests.filter(|(count, max)| count >= max);
        let above = |of: fn(&Memory) -> u64, max: Option<u64>| {
            seen.memory.as_ref().map(of).zip(max).filter(|(size, max)| size > max).map(|it| it.0)
        };
        // A share of nothing is a system that does not tell it.
        let shared = seen.memory.map(|memory| memory.shared).zip(limits.min_shared);
        let shared = shared.filter(|(size, min)| *size > 0 && size < min);
        worker.due = requests
            .map(|(count, _)| Limit::Requests(count))
            .or_else(|| above(|memory| memory.rss, limits.max_rss).map(Limit::Rss))
            .or_else(|| above(|memory| memory.pss, limits.max_pss).map(Limit::Pss))
            .or_else(|| above(|memory| memory.unshared, limits.max_unshared).map(Limit::Unshared))
            .or_else(|| shared.map(|(size, _)| Limit::Shared(size)));
    }

    /// When a worker is too old, if that is not known yet.
    pub(super) fn aged_at(worker: &Worker) -> Option<Moment> {
        worker.old_at.filter(|_| worker.serves() && worker.due.is_none())
    }

    /// The next worker to be replaced because of a limit, when one may be: one at a time, and
    /// never more than half of the pool together.
    fn recyclable(&self) -> Option<Id> {
        let busy = self.reload.as_ref().is_some_and(|run| run.way != Reload::All);
        let leaving = self.workers.values().filter(|it| it.recycled && !it.stays()).count();
        let half = self.members().checked_div(2).unwrap_or(0).max(1);
        let extra = self.policy.conduct.max_extra.max(1);
        if busy || count(leaving) >= half || self.draining() >= extra {
            return None;
        }
        let due =
            self.workers.iter().filter(|(_, it)| it.due.is_some() && it.serves() && !it.joiner);
        let order = due.map(|(id, it)| (it.activity != Activity::Idle, it.since, *id));
        order.min().map(|(_, _, id)| id)
    }

    pub(super) fn recycle_due(&self) -> Option<Moment> {
        let running = self.phase == Phase::Running;
        running.then(|| self.recyclable()).flatten().map(|_| self.recycle_at)
    }

    pub(super) fn recycle(&mut self, now: Moment, out: &mut Vec<Action>) {
        if now < self.recycle_at {
            return;
        }
        let Some(id) = self.recyclable() else { return };
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let Some(limit) = worker.due else { return };
        worker.recycled = true;
        self.recycle_at = now.saturating_add(APART);
        out.push(Action::Log(Line::Recycling(worker.pid, limit)));
        self.retire(now, id, out);
    }

    pub(super) fn note_age(&mut self, now: Moment, id: Id) {
        if let Some(worker) = self.workers.get_mut(&id) {
            if Self::aged_at(worker).is_some_and(|at| now >= at) {
                worker.due = Some(Limit::Lifetime(now.saturating_since(worker.since)));
            }
        }
    }
}

fn is_killed(worker: &Worker) -> bool {
    matches!(worker.leave, Leave::Killed { .. })
}

/// A timer that starts when there is a period: its next time, and whether it has come.
fn timer(next: Option<Moment>, every: Option<Duration>, now: Moment) -> (Option<Moment>, bool) {
    match (next, every) {
        (_, None) => (None, false),
        (Some(at), Some(_)) if now < at => (Some(at), false),
        (Some(_), Some(every)) => (Some(now.saturating_add(every)), true),
        (None, Some(every)) => (Some(now.saturating_add(every)), false),
    }
}
