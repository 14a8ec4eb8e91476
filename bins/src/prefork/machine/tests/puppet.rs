//! A worker's process as a test plays it.

use std::time::Duration;

use reaper::Moment;

use crate::prefork::view::{Activity, Memory, Source};

/// How a worker behaves.
#[derive(Clone, Debug)]
pub(super) struct Nature {
    /// When it stands in accept for the first time; `None`: that is never seen.
    pub(super) up_after: Option<Duration>,
    pub(super) source: Source,
    /// From the stop signal to its end, when idle; `None`: it takes no notice.
    pub(super) leaves_after: Option<Duration>,
    /// It dies by itself, with this status.
    pub(super) dies_after: Option<(Duration, i32)>,
    /// A signal is lost on it unless it comes again.
    pub(super) deaf_once: bool,
}

impl Default for Nature {
    fn default() -> Self {
        Self {
            up_after: Some(Duration::from_millis(3)),
            source: Source::Syscall,
            leaves_after: Some(Duration::from_millis(1)),
            dies_after: None,
            deaf_once: false,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Puppet {
    pub(super) nature: Nature,
    pub(super) since: Moment,
    /// When its request ends; `MAX`: it hangs.
    pub(super) busy_until: Option<(Moment, Moment)>,
    pub(super) requests: u64,
    pub(super) memory: Memory,
    pub(super) told: bool,
    pub(super) ends: Option<(Moment, i32)>,
    /// What the machine was told about it last.
    pub(super) shown: Activity,
}

impl Puppet {
    pub(super) fn activity(&self, now: Moment) -> Activity {
        let up = self.nature.up_after.is_some_and(|after| now >= self.since.saturating_add(after));
        match (up, self.busy_until) {
            (false, _) => Activity::Unknown,
            (true, Some(_)) => Activity::Busy,
            (true, None) => Activity::Idle,
        }
    }

    /// The requests that its slot shows, if it keeps one.
    pub(super) fn in_slot(&self, now: Moment) -> Option<u64> {
        let keeps = self.nature.source == Source::Scoreboard;
        (keeps && self.activity(now) != Activity::Unknown).then_some(self.requests)
    }

    pub(super) fn obey(&mut self, now: Moment) {
        if std::mem::take(&mut self.nature.deaf_once) {
            return;
        }
        self.told = true;
        if let Some(after) = self.nature.leaves_after {
            let from = self.busy_until.map_or(now, |(_, end)| end.max(now));
            let end = from.saturating_add(after);
            if end < Moment::MAX && self.ends.is_none_or(|(at, _)| end < at) {
                self.ends = Some((end, 0));
            }
        }
    }
}
