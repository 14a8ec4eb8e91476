//! How many workers there are to be: the one function that lets the pool grow and shrink.
//!
//! It knows no clock and no process: it is shown what the pool is like ([`Look`]) and answers what
//! is wanted ([`Want`]), when it wants to look again, and whether it wants to hear of connections.
//!
//! | the pool is | it grows | it shrinks |
//! |---|---|---|
//! | [`Size::Fixed`] | to its number | to its number |
//! | [`Size::Spare`] | when fewer than `min` are idle beside those that the queue will take | when more than `max` have been idle for `idle_timeout` without a break: one a second |
//! | [`Size::OnDemand`] | by what waits and nobody will take | by those that nobody needed for `idle_timeout`, down to none |
//!
//! The whole shortage is started at once where the listen queue can be measured, and when a
//! connection has just arrived. Where only idle workers can be counted it is 1, 2, 4 … 32 for each
//! tenth of a second, as Apache's prefork does each second.
//!
//! # Limits of growth
//! * `max_workers` and `max_memory` always, and `max_spawn_rate`: a bucket that holds one second's
//!   worth of starts.
//! * CPU pressure above `max_pressure`: spares are not refilled, for nobody waits for them. For
//!   connections that wait there are 1, 2, 4 … 32 more workers a tenth of a second as long as each
//!   step makes the queue shorter, one while it becomes longer nevertheless, and one a second while
//!   it stays as it is: workers that fight for a processor serve no more by being more, but a pool
//!   whose workers all wait for something else must not starve.
//! * A pool of which nothing but the queue can be seen (every worker [unknown](Look::unknown))
//!   follows the queue alone. It would reach `max_workers` otherwise, its idle workers being
//!   counted as busy ones.
//!
//! ```
//! use std::time::Duration;
//! use reaper::Moment;
//! use superdaemon::prefork::config::{PoolRules, Size};
//! use superdaemon::prefork::pool::{Look, Pool, Want};
//!
//! let mut pool = Pool::new(PoolRules {
//!     size: Size::Spare { min: 1, max: 5 },
//!     start_workers: 1,
//!     max_workers: 150,
//!     max_spawn_rate: 0,
//!     idle_timeout: Duration::from_secs(10),
//!     max_memory: None,
//!     max_pressure: 90,
//! });
//! let burst = Look { members: 1, busy: 1, queue: Some(31), arrived: true, ..Look::default() };
//! // 31 wait, and one is to be idle beside them.
//! assert_eq!(pool.decide(Moment::ZERO, &burst).want, Want::Grow(32));
//! ```

use std::time::Duration;

use reaper::Moment;

use super::config::{PoolRules, Size};

mod growth;
mod pace;
mod shrink;
#[cfg(test)]
mod tests;

use growth::{Goal, Growth};
use pace::{Pace, Situation};
use shrink::Shrinkage;

/// Between two looks at a pool that does something, and between two steps of growth where only
/// idle workers can be counted.
const TICK: Duration = Duration::from_millis(100);
/// Between two workers of a shrinking pool, and between two looks where nothing is urgent.
const SECOND: Duration = Duration::from_secs(1);

/// What the pool is like at one instant. `members` is `starting` + `idle` + `busy`; what is missing
/// from that sum counts as busy and unknown.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Look {
    /// Workers in the pool: starting and serving ones, no draining ones.
    pub members: u32,
    /// Those that are to be idle soon. One that is seen serving belongs to `busy`, proven or not.
    pub starting: u32,
    /// Those that wait for a request.
    pub idle: u32,
    /// Those that serve one, with the unknown ones.
    pub busy: u32,
    /// Those of the busy ones that nothing tells of.
    pub unknown: u32,
    /// Connections that nobody has accepted; `None` where that cannot be told.
    pub queue: Option<u32>,
    /// Percent of the last ten seconds in which somebody waited for a CPU.
    pub pressure: Option<u32>,
    /// The pool's memory in bytes, as it was last measured.
    pub memory: Option<u64>,
    /// A connection caused this look.
    pub arrived: bool,
}

impl Look {
    /// The same with every member in its place.
    fn complete(mut self) -> Look {
        let told = self.available().saturating_add(self.busy);
        let missing = self.members.saturating_sub(told);
        self.busy = self.busy.saturating_add(missing);
        self.unknown = self.unknown.saturating_add(missing);
        self
    }

    /// Workers that will take a connection by themselves.
    fn available(&self) -> u32 {
        self.idle.saturating_add(self.starting)
    }

    /// Idle workers that the queue leaves.
    fn spare(&self) -> u32 {
        self.idle.saturating_sub(self.queue.unwrap_or(0))
    }

    /// Nothing can be told of any worker that serves.
    fn blind(&self) -> bool {
        self.idle == 0 && self.busy > 0 && self.unknown >= self.busy
    }
}

/// What is to be done.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Want {
    /// Nothing.
    Stay,
    /// Start so many workers. It is asked for again while they are missing.
    Grow(u32),
    /// Retire so many workers if as many are idle. It is asked for again while it is wanted.
    Shrink(u32),
}

/// The answer to a look.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// What is to be done.
    pub want: Want,
    /// True once when `max_workers` begins to hold the pool back.
    pub held_back: bool,
    /// Look again then. `None`: when a connection arrives or a worker comes or goes.
    pub next: Option<Moment>,
    /// The next connection is to be reported (once).
    pub listen: bool,
}

/// How many workers there are to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pool {
    rules: PoolRules,
    /// The number of a fixed pool, the ceiling of the others.
    goal: u32,
    /// What `goal` may be raised to.
    limit: u32,
    /// `start_workers` have been there.
    begun: bool,
    /// `max_workers` holds the pool back, and that has been said.
    held: bool,
    growth: Growth,
    shrinkage: Shrinkage,
    pace: Pace,
}

impl Pool {
    /// A pool that has not started anybody.
    #[must_use]
    pub fn new(rules: PoolRules) -> Pool {
        let goal = match rules.size {
            Size::Fixed(workers) => workers,
            Size::Spare { .. } | Size::OnDemand => rules.max_workers,
        };
        Pool {
            goal,
            limit: goal.max(rules.max_workers),
            begun: false,
            held: false,
            growth: Growth::new(),
            shrinkage: Shrinkage::new(),
            pace: Pace::default(),
            rules,
        }
    }

    /// How many workers there are to be at least: the number of a fixed pool; otherwise
    /// `start_workers` until they are there, and then as many as are to be idle.
    #[must_use]
    pub fn target(&self) -> u32 {
        let floor = match self.rules.size {
            Size::Fixed(_) => return self.goal,
            Size::Spare { min, .. } => min,
            Size::OnDemand => 0,
        };
        let start = if self.begun { 0 } else { self.rules.start_workers };
        floor.max(start).min(self.goal)
    }

    /// The most workers that there may be now.
    #[must_use]
    pub fn ceiling(&self) -> u32 {
        self.goal
    }

    /// Wants `start_workers` again, as after a reload.
    pub fn restart(&mut self) {
        self.begun = false;
    }

    /// So many workers more or fewer: a fixed pool's number, the others' `max_workers`. Returns
    /// what it is now.
    ///
    /// # Errors
    /// When it would leave the range from 1 to what it may be: `max_workers` as given at the start,
    /// for the scoreboard has slots for so many.
    pub fn adjust(&mut self, by: i64) -> Result<u32, String> {
        let wanted = i64::from(self.goal).saturating_add(by);
        match u32::try_from(wanted.max(0)) {
            Ok(0) => Err(format!("one worker has to stay, there are to be {} now", self.goal)),
            Ok(goal) if goal <= self.limit => {
                self.goal = goal;
                Ok(goal)
            }
            _ => Err(format!("there may be {} workers at most (max-workers)", self.limit)),
        }
    }

    /// What follows from a look. It is to be asked after each look, and a look is to be taken at
    /// [`Decision::next`], when a connection arrives, and when a worker has come, has become ready
    /// or has gone. Moments must not go backwards.
    pub fn decide(&mut self, now: Moment, look: &Look) -> Decision {
        let look = &look.complete();
        match self.rules.size {
            Size::Fixed(_) => self.fixed(now, look),
            Size::Spare { min, max } => {
                let min = min.min(self.goal);
                self.elastic(now, look, min, Some(max.max(min)))
            }
            Size::OnDemand => self.elastic(now, look, 0, None),
        }
    }

    fn fixed(&mut self, now: Moment, look: &Look) -> Decision {
        let mut decision =
            Decision { want: Want::Stay, held_back: false, next: None, listen: false };
        if look.members > self.goal {
            decision.want = Want::Shrink(look.members.saturating_sub(self.goal));
            // Perhaps nobody is idle now, and nothing else tells when somebody is.
            decision.next = Some(now.saturating_add(TICK));
        } else {
            let lack = self.goal.saturating_sub(look.members);
            let grant = self.growth.grant(now, lack, look, &self.rules);
            decision.next = grant.more_at;
            if grant.workers > 0 {
                decision.want = Want::Grow(grant.workers);
                // Starts may be put off, and nothing else tells when they are not any more.
                decision.next.get_or_insert(now.saturating_add(SECOND));
            }
        }
        decision
    }

    /// `max`: more idle ones are too many; `None`: any that nobody needs.
    fn elastic(&mut self, now: Moment, look: &Look, min: u32, max: Option<u32>) -> Decision {
        if look.members >= self.target() {
            self.begun = true;
        }
        let goal = Goal { floor: self.target(), min, max: max.unwrap_or(self.goal) };
        let need = self.growth.need(now, look, &goal, self.rules.max_pressure);
        let room = self.goal.saturating_sub(look.members);
        let held_back = self.hold(need.shortage, need.wish > 0, room);
        let grant = self.growth.grant(now, need.wish.min(room), look, &self.rules);
        if grant.workers > 0 {
            self.growth.grew(now, look, need.counted);
            if need.shortage > 0 && look.members >= goal.floor {
                self.shrinkage.came_back(now, self.rules.idle_timeout);
            }
        }
        let surplus = match max {
            Some(max) => {
                let surplus = look.spare().saturating_sub(max);
                self.shrinkage.spare(now, surplus, self.rules.idle_timeout)
            }
            None => self.shrinkage.unneeded(now, look.spare(), self.rules.idle_timeout),
        };
        let over = look.members.saturating_sub(self.goal);
        let want = if grant.workers > 0 {
            Want::Grow(grant.workers)
        } else if need.wish == 0 || room == 0 {
            match over.max(surplus) {
                0 => Want::Stay,
                workers => Want::Shrink(workers),
            }
        } else {
            Want::Stay
        };
        let situation = Situation {
            grew: grant.workers > 0,
            full: room == 0,
            short: look.spare() < min || look.available() == 0,
            refused: grant.more_at.is_some(),
            tick: if grant.workers > 0 { Some(TICK) } else { self.tick(look, over, max.is_some()) },
        };
        let (next, listen) = self.pace.plan(now, look, situation);
        let next = [next, grant.more_at, self.shrinkage.due()].into_iter().flatten().min();
        Decision { want, held_back, next, listen }
    }

    /// Notes whether the ceiling holds the pool back; true when it begins to.
    fn hold(&mut self, shortage: u32, wished: bool, room: u32) -> bool {
        if wished && shortage > room {
            return !std::mem::replace(&mut self.held, true);
        }
        if room > 0 && shortage <= room {
            self.held = false;
        }
        false
    }

    /// How often to look while nothing is reported that could change the decision.
    fn tick(&self, look: &Look, over: u32, spare: bool) -> Option<Duration> {
        if over > 0 || look.starting > 0 || look.queue.unwrap_or(0) > 0 {
            Some(TICK)
        } else if look.busy == 0 {
            None
        } else if look.blind() {
            Some(SECOND)
        } else if spare {
            Some(TICK)
        } else {
            // Only to see when they become idle.
            let quarter = self.rules.idle_timeout.checked_div(4).unwrap_or(TICK);
            Some(quarter.clamp(TICK, SECOND))
        }
    }
}
