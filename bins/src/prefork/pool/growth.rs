//! How many more workers are needed, and how many of them may be started now.

use std::time::Duration;

use reaper::Moment;

use super::{Look, SECOND, TICK};
use crate::prefork::config::PoolRules;

/// Apache's limit, too (MAX_SPAWN_RATE).
const MOST_COUNTED: u32 = 32;

/// What the pool is to have.
#[derive(Copy, Clone, Debug)]
pub(super) struct Goal {
    /// Members at least.
    pub floor: u32,
    /// Idle ones at least.
    pub min: u32,
    /// Idle ones at most.
    pub max: u32,
}

/// What growth would be right if nothing limited it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// Workers to start now.
    pub wish: u32,
    /// Workers that are missing, of which `wish` may be a part; under pressure no more than that.
    pub shortage: u32,
    /// The wish is a step of growth by counting idle workers.
    pub counted: bool,
}

/// What may be started.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    /// Workers.
    pub workers: u32,
    /// When there may be more; `None` when everything was granted.
    pub more_at: Option<Moment>,
}

/// What growth remembers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Growth {
    /// Workers of the next step of growth by counting.
    rate: u32,
    /// The last such step, and how many members there were then.
    counted: Option<(Moment, u32)>,
    /// The last growth of any kind.
    grew_at: Option<Moment>,
    /// The queue at the last growth under pressure, and how many workers that was.
    pressed_queue: u32,
    pressed_step: u32,
    /// When the spawn bucket is full.
    full_at: Moment,
}

impl Growth {
    pub(super) fn new() -> Growth {
        Growth {
            rate: 1,
            counted: None,
            grew_at: None,
            pressed_queue: 0,
            pressed_step: 0,
            full_at: Moment::ZERO,
        }
    }

    /// What the look shows to be missing.
    pub(super) fn need(&mut self, now: Moment, look: &Look, goal: &Goal, limit: u32) -> Need {
        let available = look.available();
        let lack = goal.floor.saturating_sub(look.members);
        if look.spare() >= goal.min {
            self.rate = 1;
            // The next series is not to be compared with this one.
            self.counted = self.counted.map(|(last, _)| (last, 0));
        }
        let hot = look.pressure.is_some_and(|pressure| pressure > limit);
        if !hot {
            (self.pressed_queue, self.pressed_step) = (0, 0);
        }
        // Where the queue cannot be seen, a connection that arrived may be waiting if nobody is there to take it.
        let unseen = u32::from(look.queue.is_none() && look.arrived && available == 0);
        let queue = look.queue.unwrap_or(unseen);
        let waiting = queue.saturating_sub(available);
        let shortage = if look.blind() {
            waiting
        } else {
            queue.saturating_add(goal.min).saturating_sub(available)
        };
        let mut need = Need { wish: 0, shortage: shortage.max(lack), counted: false };
        if shortage == 0 {
            need.wish = lack;
        } else if hot {
            let starving = waiting > 0 || (look.queue.is_none() && available == 0);
            let step = if starving { self.pressed(now, queue, look.starting > 0) } else { 0 };
            need.wish = lack.max(step.min(waiting.max(1)));
            need.shortage = need.wish;
        } else if look.queue.is_some() || look.arrived {
            need.wish = shortage.max(lack);
        } else {
            need.counted = self.counted.is_none_or(|(last, _)| now >= last.saturating_add(TICK));
            // More than max would have to leave again.
            let step = self.rate.min(goal.max.saturating_sub(available));
            need.wish = lack.max(if need.counted { step } else { 0 });
        }
        need
    }

    /// How many more workers may be tried although the processors are busy. As long as the last ones
    /// made the queue shorter, what they do is waiting rather than computing, and twice as many
    /// follow; if they did not, it is one at a time, and a rare one when nothing changes at all. Those
    /// that are on their way are not judged yet.
    fn pressed(&mut self, now: Moment, queue: u32, coming: bool) -> u32 {
        let pause = if coming || queue == self.pressed_queue { SECOND } else { TICK };
        if self.grew_at.is_some_and(|last| now < last.saturating_add(pause)) {
            return 0;
        }
        let helped = queue < self.pressed_queue;
        let step = if helped { self.pressed_step.saturating_mul(2).min(MOST_COUNTED) } else { 1 };
        self.pressed_step = step.max(1);
        self.pressed_step
    }

    /// What of `wish` memory and the spawn rate allow; it is taken from the bucket.
    pub(super) fn grant(
        &mut self,
        now: Moment,
        wish: u32,
        look: &Look,
        rules: &PoolRules,
    ) -> Grant {
        if wish == 0 {
            return Grant { workers: 0, more_at: None };
        }
        let memory = look.memory.filter(|_| look.members > 0);
        if rules.max_memory.zip(memory).is_some_and(|(most, memory)| memory > most) {
            return Grant { workers: 0, more_at: Some(now.saturating_add(SECOND)) };
        }
        let Some(each) = SECOND.checked_div(rules.max_spawn_rate) else {
            return Grant { workers: wish, more_at: None };
        };
        let each = each.max(Duration::from_nanos(1));
        let owed = self.full_at.saturating_since(now);
        let left = SECOND.saturating_sub(owed).as_nanos().checked_div(each.as_nanos());
        let left = u32::try_from(left.unwrap_or(0)).unwrap_or(u32::MAX);
        let workers = wish.min(left).min(rules.max_spawn_rate);
        self.full_at = now.max(self.full_at).saturating_add(each.saturating_mul(workers));
        let mut more_at = None;
        if workers < wish {
            // The next is there when what is owed and its own share fit into the second.
            let owed = self.full_at.saturating_since(now).saturating_add(each);
            let pause = owed.saturating_sub(SECOND).max(Duration::from_millis(1));
            more_at = Some(now.saturating_add(pause));
        }
        Grant { workers, more_at }
    }

    /// Workers are being started.
    pub(super) fn grew(&mut self, now: Moment, look: &Look, counted: bool) {
        self.grew_at = Some(now);
        self.pressed_queue = look.queue.unwrap_or(0);
        if counted {
            // A pool that does not become larger cannot start anybody: 32 at once would not help.
            let helped = self.counted.is_none_or(|(_, members)| look.members > members);
            self.rate = if helped { self.rate.saturating_mul(2).min(MOST_COUNTED) } else { 1 };
            self.counted = Some((now, look.members));
        }
    }
}
