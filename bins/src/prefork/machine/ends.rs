//! Ends of workers, and the brake on starts that fail.

use std::time::Duration;

use reaper::{Backoff, Exit, Moment};

use super::start::FREE_FAILURES;
use super::stop::Level;
use super::{Action, Cause, Id, Line, Machine, Phase, Worker};

/// The first pause of the brake.
const BASE: Duration = Duration::from_millis(100);
/// Between starts that the brake lets pass.
const LEAST_PAUSE: Duration = Duration::from_millis(10);
/// A worker that has lived so long did not fail to start.
const STABLE: Duration = Duration::from_secs(1);

impl Machine {
    pub(super) fn exited(&mut self, now: Moment, id: Id, exit: Exit, out: &mut Vec<Action>) {
        if let Some(asked) = self.take_asked(id) {
            // Its end overtook the news of its start.
            self.reaped = self.reaped.saturating_add(1);
            self.dirty = true;
            if asked.joiner {
                self.joiner_failed(now, format!("a new worker died, {exit}"), true, out);
            } else if self.phase == Phase::Running {
                self.failed_start(now, now, out);
            }
            return;
        }
        let Some(worker) = self.workers.remove(&id) else { return };
        self.reaped = self.reaped.saturating_add(1);
        self.dirty = true;
        let told = !worker.stays();
        let ours = told || worker.signalled;
        if if ours { exit.code().is_some_and(|code| code != 0) } else { !exit.success() } {
            self.failed = self.failed.saturating_add(1);
        }
        let pid = worker.pid;
        out.push(Action::Log(match (told, exit.success()) {
            (true, _) => Line::Left(pid, exit),
            (false, true) if worker.ready => Line::Left(pid, exit),
            (false, true) => Line::LeftEarly(pid, exit),
            (false, false) => Line::Died(pid, exit),
        }));
        if told || self.phase != Phase::Running {
            return;
        }
        if worker.joiner {
            let text = format!(
                "new worker {} (generation {}) died, {exit}",
                worker.pid, worker.generation
            );
            self.joiner_failed(now, text, true, out);
        } else {
            self.died(now, &worker, exit, out);
            self.promote_one();
        }
    }

    /// A member has left that nobody told to.
    fn died(&mut self, now: Moment, worker: &Worker, exit: Exit, out: &mut Vec<Action>) {
        let conduct = &self.policy.conduct;
        if !exit.success() && worker.generation >= self.accepted && !worker.signalled {
            let until = now.saturating_add(conduct.error_respawn_interval);
            self.error_until = self.error_until.max(until);
        }
        let lived = now.saturating_since(worker.since);
        let young = !worker.ready || (lived < STABLE && !worker.served);
        if young && !worker.signalled {
            self.failed_start(now, worker.since, out);
        }
    }

    /// Counts a start that has failed. Workers that were started before the last failure was
    /// counted belong to it: deaths together do not add up.
    pub(super) fn failed_start(&mut self, now: Moment, since: Moment, out: &mut Vec<Action>) {
        if self.young > 0 && since < self.last_failure {
            return;
        }
        self.young = self.young.saturating_add(1);
        self.last_failure = now.saturating_add(Duration::from_nanos(1));
        self.pause(now, self.young.saturating_sub(FREE_FAILURES), out);
    }

    /// No start for a while; longer after more failures.
    pub(super) fn pause(&mut self, now: Moment, failures: u32, out: &mut Vec<Action>) {
        let jitter = self.draw();
        let backoff = Backoff::new(BASE, self.policy.conduct.backoff_max);
        let delay = backoff.delay(failures, jitter).max(LEAST_PAUSE);
        let until = now.saturating_add(delay);
        if until > self.pause_until {
            self.pause_until = until;
            if failures > 0 && self.refused == 0 {
                out.push(Action::Log(Line::BackingOff(self.young, delay)));
            }
        }
    }

    /// A worker that came up after the last failure and has lived for a while ends the row.
    pub(super) fn forgive(&mut self, now: Moment) {
        if self.forgiven_at().is_some_and(|at| now >= at) {
            self.young = 0;
            self.pause_until = Moment::ZERO;
            self.dirty = true;
        }
    }

    pub(super) fn forgiven_at(&self) -> Option<Moment> {
        if self.young == 0 {
            return None;
        }
        let tries = self.workers.values().filter(|worker| worker.ready && self.is_try(worker));
        tries.map(|worker| worker.since.saturating_add(STABLE)).min()
    }

    pub(super) fn give_up(&mut self, now: Moment, out: &mut Vec<Action>) {
        let conduct = &self.policy.conduct;
        let launching = self.policy.launcher && !self.announced;
        let (failures, limit) = match (launching, conduct.give_up) {
            (true, 0) => (self.young.saturating_add(self.refused), FREE_FAILURES),
            (true, limit) => (self.young.saturating_add(self.refused), limit),
            (false, 0) => return,
            (false, limit) => (self.young, limit),
        };
        if failures >= limit && self.serving() == 0 {
            out.push(Action::Log(Line::GaveUp(failures)));
            self.begin_stop(now, Cause::Failures, Level::Term, 1, out);
        }
    }
}
