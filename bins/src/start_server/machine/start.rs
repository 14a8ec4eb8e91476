//! Starting workers: the first, the replacement, the new generation.

use std::time::Duration;

use reaper::{Backoff, Exit, Moment, Pid};
use sigpolicy::Signal;

use super::types::{FREE_FAILURES, LEAST_PAUSE, UNREADY_GRACE};
use super::{
    Action, Cause, Failure, Line, Machine, Notice, Phase, RestartOutcome, StartError, Worker,
};

/// What the shell and Perl leave behind when exec fails: `exit(255)`.
const EXEC_FAILED: i32 = 65280;

impl Machine {
    pub(super) fn spawn(&mut self, now: Moment, cause: Cause, out: &mut Vec<Action>) {
        self.generation = self.generation.saturating_add(1);
        self.last_spawn = Some(now);
        self.phase = Phase::Forking { cause };
        out.push(Action::Spawn(self.generation));
    }

    pub(super) fn spawned(
        &mut self,
        now: Moment,
        generation: u64,
        pid: Pid,
        out: &mut Vec<Action>,
    ) {
        let mut worker = Worker::new(generation, pid, now);
        out.push(Action::Log(Line::Starting(pid)));
        match &self.phase {
            Phase::Forking { cause } => {
                let cause = *cause;
                self.last_spawn = Some(now);
                let limit = self.policy.start_timeout.max(self.policy.interval);
                self.phase = Phase::Starting {
                    worker,
                    cause,
                    prove_at: now.saturating_add(self.policy.interval),
                    ready_by: now.saturating_add(limit),
                    spoke: false,
                };
                if self.policy.interval.is_zero() {
                    self.prove(now, out);
                }
            }
            Phase::Stopping { signal, .. } => {
                let signal = *signal;
                self.phase = Phase::Stopping { forking: false, signal };
                self.old.push(worker);
                self.signal_old(now, signal, out);
            }
            Phase::Idle
            | Phase::Starting { .. }
            | Phase::Waiting { .. }
            | Phase::Serving { .. }
            | Phase::Delaying { .. }
            | Phase::Ended => {
                // Nobody asked for it: it is led out like any other.
                worker.signalled = true;
                self.old.push(worker);
                out.push(Action::Signal(generation, Signal::TERM));
            }
        }
    }

    pub(super) fn spawn_failed(
        &mut self,
        now: Moment,
        generation: u64,
        error: StartError,
        out: &mut Vec<Action>,
    ) {
        out.extend(error.pid.map(|pid| Action::Log(Line::Starting(pid))));
        out.push(Action::Log(Line::CannotStart(error.text.clone())));
        match &self.phase {
            Phase::Forking { cause } => {
                let cause = *cause;
                // Nothing that a first worker needs will appear by trying again.
                if generation == 1 && !error.transient {
                    self.waiting.append(&mut self.pending_clients);
                    let failure = Failure::Spawn(generation, error.text, None);
                    self.report_failed("start failed", &failure, out);
                    self.stop_code = u8::try_from(error.errno).unwrap_or(255);
                    self.phase = Phase::Ended;
                    return;
                }
                if let Some(pid) = error.pid {
                    let exit = Exit::from_raw(EXEC_FAILED);
                    out.push(Action::Log(Line::FailedToStart(pid, exit)));
                }
                let failure = Failure::Spawn(generation, error.text, self.serving_old());
                self.failed_start(now, cause, &failure, out);
            }
            Phase::Stopping { signal, .. } => {
                self.phase = Phase::Stopping { forking: false, signal: *signal };
                self.end_if_alone(out);
            }
            Phase::Idle
            | Phase::Starting { .. }
            | Phase::Waiting { .. }
            | Phase::Serving { .. }
            | Phase::Delaying { .. }
            | Phase::Ended => {}
        }
    }

    pub(super) fn not_ready(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Phase::Starting { worker, cause, ready_by, .. } = &self.phase else { return };
        let (mut worker, cause) = (worker.clone(), *cause);
        let limit = ready_by.saturating_since(worker.spawned);
        let (generation, pid) = (worker.generation, worker.pid);
        out.push(Action::Log(Line::NotReady(pid, limit)));
        out.push(Action::Signal(generation, self.policy.signal_on_term));
        let grace = self.policy.kill_timeout.unwrap_or(UNREADY_GRACE);
        worker.signalled = true;
        worker.limit = grace;
        worker.kill_at = Some(now.saturating_add(grace));
        let failure = Failure::NotReady(generation, pid, limit, self.serving_old());
        self.old.push(worker);
        self.failed_start(now, cause, &failure, out);
    }

    pub(super) fn prove(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Phase::Starting { worker, cause, .. } = &self.phase else { return };
        let (mut worker, cause) = (worker.clone(), *cause);
        let (generation, pid) = (worker.generation, worker.pid);
        worker.proven = true;
        let waiting = std::mem::take(&mut self.waiting);
        self.draining.extend(waiting.into_iter().map(|client| (client, generation, pid)));
        self.last_success = now;
        self.phase = Phase::Serving { current: worker.clone() };
        out.push(Action::Status(self.status_entries()));
        out.push(Action::Notify(Notice::Ready(self.status_text())));
        if cause == Cause::Restart || self.serving_old().is_some() {
            let pids = self.old.iter().map(|worker| worker.pid).collect();
            out.push(Action::Log(Line::NowRunning(self.policy.signal_on_hup, pids)));
            let delay = self.settings.kill_old_delay;
            if !delay.is_zero() {
                out.push(Action::Log(Line::Sleeping(delay)));
                let until = now.saturating_add(delay);
                self.phase = Phase::Delaying { current: worker, until };
                return;
            }
            self.kill_old(now, out);
        } else {
            self.settle(now, out);
        }
    }

    /// A start that came to nothing: give up, or try again in time.
    pub(super) fn failed_start(
        &mut self,
        now: Moment,
        cause: Cause,
        failure: &Failure,
        out: &mut Vec<Action>,
    ) {
        self.failures = self.failures.saturating_add(1);
        self.attempts = self.attempts.saturating_add(1);
        let attempts = self.attempts;
        let reached = |limit: Option<u32>| limit.is_some_and(|limit| attempts >= limit);
        let decided = |limit: Option<u32>| limit.is_none() || reached(limit);
        match cause {
            Cause::First if reached(self.policy.first_attempts) => {
                self.waiting.append(&mut self.pending_clients);
                self.report_failed("start failed", failure, out);
                out.push(Action::Log(Line::StartAbandoned(self.attempts)));
                self.stop_code = 1;
                self.phase = Phase::Stopping { forking: false, signal: self.policy.signal_on_term };
                self.end_if_alone(out);
                return;
            }
            // Nobody may wait for an outcome that may never come.
            Cause::Restart if decided(self.policy.restart_attempts) => {
                self.report_failed("restart failed", failure, out);
                if reached(self.policy.restart_attempts) && self.give_up(now, out) {
                    return;
                }
            }
            Cause::Replace if decided(self.policy.restart_attempts) => {
                self.report_failed("start failed", failure, out);
            }
            Cause::First if self.policy.first_attempts.is_none() => {
                self.report_failed("start failed", failure, out);
            }
            Cause::First | Cause::Restart | Cause::Replace => {}
        }
        self.retry(now, cause, out);
    }

    fn report_failed(&mut self, what: &str, failure: &Failure, out: &mut Vec<Action>) {
        let status = format!("{what}: {failure}");
        out.push(Action::Notify(match self.serving_old() {
            Some(_) => Notice::StillReady(status),
            None => Notice::Status(status),
        }));
        for client in std::mem::take(&mut self.waiting) {
            out.push(Action::Report(client, RestartOutcome::Failed(failure.clone())));
        }
    }

    /// Back to the newest worker that was not signalled; false when there is none.
    fn give_up(&mut self, now: Moment, out: &mut Vec<Action>) -> bool {
        let Some(index) = self.old.iter().rposition(|worker| !worker.signalled) else {
            return false;
        };
        let current = self.old.remove(index);
        out.push(Action::Log(Line::GaveUp(self.attempts, current.pid)));
        self.phase = Phase::Serving { current };
        self.failures = 0;
        self.attempts = 0;
        self.last_success = now;
        out.push(Action::Status(self.status_entries()));
        self.settle(now, out);
        true
    }

    /// The next start: no sooner than `interval` after the last, later in a crash loop.
    pub(super) fn retry(&mut self, now: Moment, cause: Cause, out: &mut Vec<Action>) {
        self.start_after(now, cause, self.policy.interval, out);
    }

    /// The next start: no sooner than `pause` after the last, later in a crash loop.
    pub(super) fn start_after(
        &mut self,
        now: Moment,
        cause: Cause,
        pause: Duration,
        out: &mut Vec<Action>,
    ) {
        // A start that lies ahead is as good as the restart that somebody asked for meanwhile.
        if std::mem::take(&mut self.pending) {
            self.failures = 0;
            self.attempts = 0;
            self.announce(out);
        }
        self.waiting.append(&mut self.pending_clients);
        let pause = pause.max(LEAST_PAUSE);
        let mut until = self.last_spawn.map_or(now, |spawn| spawn.saturating_add(pause));
        if let Some(delay) = self.backoff() {
            until = until.max(now.saturating_add(delay));
            let wait = until.saturating_since(now);
            out.push(Action::Log(Line::BackingOff(self.failures, wait)));
        }
        if until <= now {
            self.spawn(now, cause, out);
        } else {
            self.phase = Phase::Waiting { cause, until, asked: false };
        }
    }

    fn backoff(&mut self) -> Option<Duration> {
        let max = self.policy.backoff_max;
        if self.failures < FREE_FAILURES || max.is_zero() {
            return None;
        }
        // Knuth's LCG: the machine stays pure and two servers still do not march in step.
        self.jitter = self.jitter.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let base = self.policy.interval.max(Duration::from_millis(500)).saturating_mul(2).min(max);
        let step = self.failures.saturating_sub(FREE_FAILURES).saturating_add(1);
        Some(Backoff::new(base, max).delay(step, self.jitter))
    }

    pub(super) fn begin_restart(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Phase::Serving { current } = &self.phase else { return };
        self.old.push(current.clone());
        self.failures = 0;
        self.attempts = 0;
        self.announce(out);
        self.spawn(now, Cause::Restart, out);
    }

    /// A service manager that sent HUP waits for this, and then for READY.
    pub(super) fn announce(&self, out: &mut Vec<Action>) {
        let next = self.generation.saturating_add(1);
        out.push(Action::Notify(Notice::Reloading(format!("starting generation {next}"))));
    }

    pub(super) fn auto_restart(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(interval) = self.settings.auto_restart else { return };
        if self.auto_restart_at().is_some_and(|at| now >= at) {
            out.push(Action::Log(Line::AutoRestart(interval, !self.old.is_empty())));
            self.begin_restart(now, out);
        }
    }
}
