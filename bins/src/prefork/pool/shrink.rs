//! When workers are too many.

use std::time::Duration;

use reaper::Moment;

use super::{SECOND, TICK};

/// The longest hold-off, in idle timeouts.
const MOST_PATIENCE: u32 = 8;
/// So many idle timeouts without a worker coming back too soon halve the hold-off.
const CALM: u32 = 16;

/// What shrinking remembers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shrinkage {
    /// When the next worker leaves if there are too many until then.
    due: Option<Moment>,
    /// The fewest that were too many since the time began that ends at `due`.
    low: u32,
    /// The last time that one left and has not been missed yet.
    left_at: Option<Moment>,
    /// The hold-off, in idle timeouts.
    patience: u32,
    /// Since when nobody came back too soon, as far as `patience` is concerned.
    calm_since: Moment,
}

impl Shrinkage {
    pub(super) fn new() -> Shrinkage {
        Shrinkage { due: None, low: 0, left_at: None, patience: 1, calm_since: Moment::ZERO }
    }

    /// When there is something to decide.
    pub(super) fn due(&self) -> Option<Moment> {
        self.due
    }

    /// How many leave of a pool with this many more idle workers than it may have.
    pub(super) fn spare(&mut self, now: Moment, surplus: u32, idle_timeout: Duration) -> u32 {
        self.calm_down(now, idle_timeout);
        if surplus == 0 {
            self.due = None;
            return 0;
        }
        let hold_off = idle_timeout.saturating_mul(self.patience);
        let due = *self.due.get_or_insert(now.saturating_add(hold_off));
        if now < due {
            return 0;
        }
        self.due = Some(now.saturating_add(idle_timeout.clamp(TICK, SECOND)));
        self.left_at = Some(now);
        1
    }

    /// How many leave of a pool that needs nobody but those who serve. Each leaves one to two idle
    /// timeouts after it was needed for the last time.
    pub(super) fn unneeded(&mut self, now: Moment, idle: u32, idle_timeout: Duration) -> u32 {
        if idle == 0 {
            self.due = None;
            return 0;
        }
        let pause = idle_timeout.max(TICK);
        let Some(due) = self.due else {
            self.due = Some(now.saturating_add(pause));
            self.low = idle;
            return 0;
        };
        self.low = self.low.min(idle);
        if now < due {
            return 0;
        }
        self.due = Some(now.saturating_add(pause));
        std::mem::replace(&mut self.low, idle)
    }

    /// The pool grows. If a worker left a short while ago, the next one waits longer.
    pub(super) fn came_back(&mut self, now: Moment, idle_timeout: Duration) {
        let soon = idle_timeout.saturating_mul(2);
        if self.left_at.take().is_some_and(|left| now.saturating_since(left) <= soon) {
            self.patience = self.patience.saturating_mul(2).min(MOST_PATIENCE);
            self.calm_since = now;
        }
    }

    fn calm_down(&mut self, now: Moment, idle_timeout: Duration) {
        let calm = idle_timeout.saturating_mul(CALM);
        while self.patience > 1 && now.saturating_since(self.calm_since) >= calm {
            self.patience = self.patience.checked_div(2).unwrap_or(1);
            self.calm_since = self.calm_since.saturating_add(calm);
        }
    }
}
