//! What a look found, and what the pool makes of it.

use std::time::Duration;

use reaper::Moment;

use super::start::count;
use super::worker::WISH;
use super::{Action, Id, Leave, Line, Machine, Phase, Size};
use crate::prefork::pool::{Look, Want};
use crate::prefork::view::{Activity, Seen, View};

/// The pool's own next look comes no sooner.
const LEAST: Duration = Duration::from_millis(1);

impl Machine {
    pub(super) fn arrived(&mut self) {
        self.listening = false;
        if self.phase == Phase::Running {
            self.arrived = true;
            self.look(false);
        }
    }

    pub(super) fn looked(&mut self, now: Moment, view: &View, out: &mut Vec<Action>) {
        self.queue = view.queue;
        self.pressure = view.pressure;
        self.last_look = now;
        for seen in &view.workers {
            self.note(now, seen, out);
        }
        for worker in self.workers.values_mut().filter(|worker| worker.seen != Some(now)) {
            worker.request = None;
        }
        if self.phase == Phase::Running && self.first == 0 {
            self.dirty = false;
            self.weigh(now, true, out);
        }
    }

    /// What was seen of one worker.
    fn note(&mut self, now: Moment, seen: &Seen, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&seen.id) else { return };
        worker.activity = seen.activity;
        worker.source = seen.source;
        worker.seen = Some(now);
        worker.served |=
            seen.activity == Activity::Busy || seen.requests.is_some_and(|count| count > 0);
        if let Some(memory) = seen.memory {
            worker.pss = Some(memory.pss);
        }
        let shows = seen.activity != Activity::Unknown;
        worker.shown |= shows;
        if shows && !worker.ready && !worker.spoke && worker.stays() {
            self.became_ready(seen.id, out);
        }
        self.watch_request(now, seen, out);
        self.watch_limits(seen);
    }

    /// Asks the pool what it wants, and does it. `fresh`: a look has just been taken.
    pub(super) fn weigh(&mut self, now: Moment, fresh: bool, out: &mut Vec<Action>) {
        let look = self.pool_look();
        let decision = self.pool.decide(now, &look);
        self.arrived = false;
        self.blocked_until = None;
        self.pool_next = decision.next.map(|at| at.max(now.saturating_add(LEAST)));
        if decision.held_back {
            self.held_back = self.held_back.saturating_add(1);
            out.push(Action::Log(Line::HeldBack(self.pool.ceiling())));
        }
        if decision.listen && !self.listening {
            self.listening = true;
            out.push(Action::Listen);
        }
        match decision.want {
            Want::Stay => {}
            Want::Grow(n) => {
                let left = self.start_members(now, n, out);
                let gate = self.gate();
                if left > 0 && gate > now {
                    self.blocked_until = Some(gate);
                }
            }
            Want::Shrink(n) => self.shrink(now, n, fresh, out),
        }
    }

    fn pool_look(&self) -> Look {
        let members = self.workers.values().filter(|worker| worker.is_member());
        let mut look = Look {
            members: self.members(),
            starting: count(self.asked.iter().filter(|asked| !asked.joiner).count()),
            idle: 0,
            busy: 0,
            unknown: 0,
            queue: self.queue,
            pressure: self.pressure,
            memory: None,
            arrived: self.arrived,
        };
        for worker in members {
            let one = match (worker.ready, worker.activity) {
                (false, Activity::Idle | Activity::Unknown) => &mut look.starting,
                (true, Activity::Idle) => &mut look.idle,
                (_, Activity::Busy) => &mut look.busy,
                (true, Activity::Unknown) => {
                    look.busy = look.busy.saturating_add(1);
                    &mut look.unknown
                }
            };
            *one = one.saturating_add(1);
        }
        let shares = self.workers.values().filter_map(|worker| worker.pss);
        look.memory = shares.reduce(u64::saturating_add);
        look
    }

    /// Asks idle workers to leave, the longest-lived first.
    fn shrink(&mut self, now: Moment, n: u32, fresh: bool, out: &mut Vec<Action>) {
        let fixed = matches!(self.policy.pool.size, Size::Fixed(_));
        if !fresh {
            self.look(false);
            return;
        }
        let mut order: Vec<(u8, Moment, Id)> = Vec::new();
        for (id, worker) in self.workers.iter().filter(|(_, worker)| worker.is_member()) {
            let asked = matches!(worker.leave, Leave::Wished(at)
                if now.saturating_since(at) < WISH);
            let rank = match (worker.ready, worker.activity) {
                _ if asked => continue,
                (_, Activity::Busy) => continue,
                (true, Activity::Idle) => 1,
                // A size that was asked for is reached, too, if nobody can tell who is idle.
                (_, Activity::Unknown) if fixed && (worker.ready || worker.shown) => 2,
                (false, Activity::Idle | Activity::Unknown) if fixed => 0,
                (true, Activity::Unknown) | (false, _) => continue,
            };
            order.push((rank, worker.since, *id));
        }
        order.sort_unstable();
        for (_, _, id) in order.into_iter().take(usize::try_from(n).unwrap_or(usize::MAX)) {
            let Some(worker) = self.workers.get_mut(&id) else { continue };
            let idle = worker.activity == Activity::Idle;
            if idle && !worker.patience(&self.policy.conduct).is_zero() {
                worker.leave = Leave::Wished(now);
                out.push(Action::Retire(id));
            } else {
                out.push(Action::Log(Line::Surplus(worker.pid)));
                self.retire(now, id, out);
            }
        }
    }
}
