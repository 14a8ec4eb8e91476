//! One worker as the machine knows it, and the times at which something is due for it.

use std::time::Duration;

use reaper::{Moment, Pid};
use sigpolicy::Signal;

use super::Stage;
use crate::prefork::config::Conduct;
use crate::prefork::lines::Limit;
use crate::prefork::view::{Activity, Id, Source};

/// Between two tries to retire a worker, at first and after [`PATIENT`].
const RETRY: Duration = Duration::from_millis(20);
const SLOW_RETRY: Duration = Duration::from_millis(100);
const PATIENT: Duration = Duration::from_secs(2);
/// KILL is sent again after this time: a worker in an uninterruptible sleep takes it late.
pub(super) const KILL_AGAIN: Duration = Duration::from_secs(5);
/// An event loop, or a worker of which nothing can be told, is tried for so long before it gets
/// the plain signal.
const HIDDEN: Duration = Duration::from_secs(1);
/// A worker that has lived so long after its proof did not fail to start.
pub(super) const STABLE: Duration = Duration::from_secs(1);
/// A shrink wish nobody answered is forgotten after this time.
pub(super) const WISH: Duration = Duration::from_secs(1);

/// Whether a worker is to leave, and how far that has come.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Leave {
    /// It stays.
    No,
    /// It may leave if it is idle; asked then.
    Wished(Moment),
    /// It is to leave as soon as it is idle.
    Retiring { since: Moment, next: Moment },
    /// It has been told to, by this signal.
    Told { since: Moment, signal: Signal, nudges: u32, kill_at: Option<Moment>, limit: Duration },
    /// KILL was sent, and will be again.
    Killed { again: Moment },
}

/// What a worker serves at the moment.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Request {
    pub(super) since: Moment,
    /// It is in the slow log.
    pub(super) slow: bool,
    /// Its worker got the signal of the request timeout.
    pub(super) soft: Option<Moment>,
}

/// A living worker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Worker {
    pub(super) slot: u32,
    pub(super) pid: Pid,
    pub(super) generation: u64,
    /// When its start was asked for.
    pub(super) asked: Moment,
    pub(super) since: Moment,
    pub(super) ready: bool,
    /// It has said something on NOTIFY_SOCKET: only READY=1 counts then.
    pub(super) spoke: bool,
    /// Made by a reload, not yet in the place of an old one.
    pub(super) joiner: bool,
    /// It has said READY=1.
    pub(super) said: bool,
    /// It has been seen idle or busy.
    pub(super) shown: bool,
    /// It has been seen at work.
    pub(super) served: bool,
    /// Somebody here sent it a signal: its death is no failure.
    pub(super) signalled: bool,
    /// Signals that the host sent it: its death by one of them is no failure.
    pub(super) sent: Vec<Signal>,
    /// Made by a reload and ready by its silence alone, it has lived long enough for a seat.
    pub(super) settled: bool,
    /// Looks that were taken to see it come up.
    pub(super) proofs: u32,
    pub(super) leave: Leave,
    /// It leaves because of a limit.
    pub(super) recycled: bool,
    pub(super) activity: Activity,
    pub(super) source: Source,
    /// When it was last looked at.
    pub(super) seen: Option<Moment>,
    pub(super) pss: Option<u64>,
    pub(super) request: Option<Request>,
    /// The limit it has reached while it waits for its turn to leave.
    pub(super) due: Option<Limit>,
    pub(super) max_requests: Option<u64>,
    /// When it is too old.
    pub(super) old_at: Option<Moment>,
}

/// A start that the host has not answered yet.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) id: Id,
    pub(super) slot: u32,
    pub(super) generation: u64,
    pub(super) joiner: bool,
    pub(super) at: Moment,
}

impl Worker {
    /// It is not on its way out.
    pub(super) fn stays(&self) -> bool {
        matches!(self.leave, Leave::No | Leave::Wished(_))
    }

    /// It takes a seat of the pool.
    pub(super) fn is_member(&self) -> bool {
        self.stays() && !self.joiner
    }

    /// It serves, in the pool or to be.
    pub(super) fn serves(&self) -> bool {
        self.stays() && self.ready
    }

    /// There is evidence that it has come up: not only that it was silent for a while. A look at
    /// one that spoke and is not ready shows what it waits for at most.
    pub(super) fn is_proven(&self) -> bool {
        self.said || self.served || (self.shown && (self.ready || !self.spoke))
    }

    /// From when on its life, not its death, is what counts of its start: it has served for a
    /// while, or nobody can see what it does and it goes on.
    pub(super) fn stable_at(&self, conduct: &Conduct) -> Option<Moment> {
        let silence = if self.is_proven() { Duration::ZERO } else { conduct.ready_after };
        self.ready.then(|| self.since.saturating_add(silence).saturating_add(STABLE))
    }

    /// Made by a reload, it may take the seat of an old one.
    pub(super) fn may_join(&self) -> bool {
        self.joiner && self.serves() && (self.is_proven() || self.settled)
    }

    /// When its silence has lasted long enough for that.
    pub(super) fn settles_at(&self, conduct: &Conduct) -> Option<Moment> {
        let silent = self.joiner && self.serves() && !self.settled && !self.is_proven();
        silent.then(|| self.stable_at(conduct)).flatten()
    }

    /// How long it is left alone when it is to leave and is not idle; one that nobody can see need not
    /// be busy, and one that has never shown itself is still starting. The host tells one at once
    /// that handles the signal.
    pub(super) fn patience(&self, conduct: &Conduct) -> Duration {
        match self.source {
            _ if !self.ready && !self.shown => Duration::ZERO,
            Source::Nothing => HIDDEN.min(conduct.die_timeout),
            Source::Sockets | Source::Scoreboard | Source::Syscall => conduct.die_timeout,
        }
    }

    /// What was seen of it is too old to go by.
    pub(super) fn is_stale(&self, now: Moment) -> bool {
        self.seen.is_none_or(|at| now.saturating_since(at) >= SLOW_RETRY)
    }

    pub(super) fn stage(&self) -> Stage {
        match self.leave {
            Leave::No | Leave::Wished(_) if self.ready => Stage::Serving,
            Leave::No | Leave::Wished(_) => Stage::Starting,
            Leave::Retiring { .. } | Leave::Told { .. } => Stage::Draining,
            Leave::Killed { .. } => Stage::Killed,
        }
    }

    /// The look that tells soonest whether it has come up. One that counts as ready without a word
    /// is looked at until it is stable: its death before would be a failure.
    pub(super) fn proof_at(&self, conduct: &Conduct) -> Option<Moment> {
        if self.shown || self.said || self.spoke || !self.stays() {
            return None;
        }
        let millis = match self.proofs {
            0..=5 => 2_u64.checked_shl(self.proofs).unwrap_or(100),
            later => u64::from(later.saturating_sub(5)).saturating_mul(100),
        };
        let at = self.since.saturating_add(Duration::from_millis(millis));
        Some(at).filter(|at| self.stable_at(conduct).is_none_or(|stable| *at <= stable))
    }

    /// When its start is decided: it counts as ready without a word, or it has had its time.
    pub(super) fn decided_at(&self, conduct: &Conduct) -> Option<Moment> {
        if self.ready || !self.stays() {
            return None;
        }
        let limit = if self.spoke { conduct.start_timeout } else { conduct.ready_after };
        Some(self.since.saturating_add(limit))
    }

    /// What is due next on its way out.
    pub(super) fn leave_at(&self, conduct: &Conduct) -> Option<Moment> {
        match self.leave {
            Leave::No | Leave::Wished(_) => None,
            Leave::Retiring { since, next } => {
                Some(next.min(since.saturating_add(self.patience(conduct))))
            }
            Leave::Told { since, nudges, kill_at, .. } => {
                let nudge = nudge_at(since, nudges);
                Some(kill_at.map_or(nudge, |at| at.min(nudge)))
            }
            Leave::Killed { again } => Some(again),
        }
    }
}

/// When to try again to retire a worker that was to leave at `since`.
pub(super) fn retry_at(since: Moment, now: Moment) -> Moment {
    let patient = now.saturating_since(since) >= PATIENT;
    now.saturating_add(if patient { SLOW_RETRY } else { RETRY })
}

/// The nudge after so many: each 10 ms for 300 ms, each 40 ms for 10 s, then each 250 ms. A worker
/// that misses the signal between its check and accept is to leave within 50 ms of the latter.
pub(super) fn nudge_at(since: Moment, nudges: u32) -> Moment {
    let step = |from: u32, most: u32, millis: u64| {
        u64::from(nudges.saturating_sub(from).min(most)).saturating_mul(millis)
    };
    let quick = u64::from(nudges.saturating_add(1).min(30)).saturating_mul(10);
    let later = step(29, 250, 40).saturating_add(step(279, u32::MAX, 250));
    since.saturating_add(Duration::from_millis(quick.saturating_add(later)))
}
