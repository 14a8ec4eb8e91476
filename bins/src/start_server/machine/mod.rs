//! The policy of `start_server`: which worker runs, which is old, who is
//! signalled when. Pure: no clock, no descriptor, no process.
//!
//! ```text
//!            Begin                 lived the interval, or READY=1
//!   Idle ───────────▶ Forking ─▶ Starting ──────────────▶ Serving ◀────────┐
//!                        ▲          │ died, or never ready   │ HUP, died    │
//!                        │          ▼                        ▼              │
//!                        └────── Waiting ◀────────────── (old workers) ─▶ Delaying
//!                                                                delay over: old signalled
//!   any ── TERM, INT, QUIT ─▶ Stopping ── the last worker left ─▶ Ended
//! ```
//!
//! Two rules hold everywhere: an old worker that was not signalled yet stays
//! until a successor is proven, and every event is served in the state in which
//! it arrives.

mod retire;
mod start;
mod types;
mod view;

#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walks;

use reaper::{Exit, Moment, Pid};
use sigpolicy::Signal;

use super::lines::Line;
pub use types::{
    Action, Failure, Input, LAUNCHER, Note, Notice, Outcome, Policy, RestartOutcome, Settings,
    StartError,
};
pub(crate) use types::{Cause, Phase, Worker};
pub use view::{Role, View, WorkerView};

/// The state machine of one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    policy: Policy,
    settings: Settings,
    phase: Phase,
    /// Workers of earlier generations, oldest first.
    old: Vec<Worker>,
    generation: u64,
    last_spawn: Option<Moment>,
    last_success: Moment,
    /// Failed starts in a row, for the backoff.
    failures: u32,
    /// Failed starts of this restart, for giving up.
    attempts: u32,
    jitter: u32,
    /// A HUP came during a restart.
    pending: bool,
    /// Clients of the restart under way.
    waiting: Vec<u64>,
    /// Clients of the restart that follows it.
    pending_clients: Vec<u64>,
    /// Clients whose new generation is proven while older ones still leave.
    draining: Vec<(u64, u64, Pid)>,
    watchdog_at: Option<Moment>,
    stop_code: u8,
}

impl Machine {
    /// A machine that waits for [`Input::Begin`].
    #[must_use]
    pub fn new(policy: Policy, settings: Settings) -> Self {
        Self {
            jitter: policy.jitter_seed,
            policy,
            settings,
            phase: Phase::Idle,
            old: Vec::new(),
            generation: 0,
            last_spawn: None,
            last_success: Moment::ZERO,
            failures: 0,
            attempts: 0,
            pending: false,
            waiting: vec![LAUNCHER],
            pending_clients: Vec::new(),
            draining: Vec::new(),
            watchdog_at: None,
            stop_code: 0,
        }
    }

    fn signal(&mut self, now: Moment, signal: Signal, out: &mut Vec<Action>) {
        match signal {
            Signal::HUP => self.hup(now, None, out),
            Signal::TERM | Signal::INT | Signal::QUIT => self.stop(now, signal, out),
            Signal::USR1 => {
                out.push(Action::Log(Line::ReopeningLog));
                out.push(Action::ReopenLog);
            }
            Signal::USR2 => out.push(Action::Log(Line::ReservedSignal(signal))),
            _ => {}
        }
    }

    fn hup(&mut self, now: Moment, client: Option<u64>, out: &mut Vec<Action>) {
        match &mut self.phase {
            Phase::Idle | Phase::Stopping { .. } | Phase::Ended => {
                let failed = RestartOutcome::Failed(Failure::Stopping);
                out.extend(client.map(|client| Action::Report(client, failed)));
            }
            Phase::Forking { .. } | Phase::Starting { .. } | Phase::Delaying { .. } => {
                if !self.pending {
                    out.push(Action::Log(Line::HupPending));
                }
                self.pending = true;
                self.pending_clients.extend(client);
            }
            Phase::Waiting { asked: true, .. } => self.waiting.extend(client),
            Phase::Waiting { cause, .. } => {
                let cause = *cause;
                out.push(Action::Log(Line::ReceivedHup));
                self.waiting.extend(client);
                self.failures = 0;
                self.attempts = 0;
                self.announce(out);
                self.retry(now, cause, out);
                if let Phase::Waiting { asked, .. } = &mut self.phase {
                    *asked = true;
                }
            }
            Phase::Serving { .. } => {
                out.push(Action::Log(Line::ReceivedHup));
                self.waiting.extend(client);
                self.begin_restart(now, out);
            }
        }
    }

    fn exited(
        &mut self,
        now: Moment,
        generation: u64,
        exit: Exit,
        in_use: bool,
        out: &mut Vec<Action>,
    ) {
        match &self.phase {
            Phase::Starting { worker, cause, .. } if worker.generation == generation => {
                let (pid, cause) = (worker.pid, *cause);
                out.push(Action::Log(Line::FailedToStart(pid, exit)));
                if in_use {
                    out.push(Action::Log(Line::AddressInUse));
                }
                let failure = Failure::Died(generation, pid, exit, self.serving_old());
                self.failed_start(now, cause, &failure, out);
            }
            Phase::Serving { current } if current.generation == generation => {
                let (pid, lived) = (current.pid, now.saturating_since(current.spawned));
                out.push(Action::Log(Line::DiedUnexpectedly(pid, exit)));
                let stable = lived >= self.policy.interval.max(types::STABLE);
                self.failures = if stable { 0 } else { self.failures.saturating_add(1) };
                self.attempts = 0;
                // It was proven, perhaps long before the interval was over: nobody serves now.
                let pause = self.policy.interval.min(types::STABLE);
                self.start_after(now, Cause::Replace, pause, out);
            }
            Phase::Delaying { current, .. } if current.generation == generation => {
                let pid = current.pid;
                out.push(Action::Log(Line::DiedUnexpectedly(pid, exit)));
                let undone = std::mem::take(&mut self.draining);
                self.waiting.extend(undone.iter().map(|(client, _, _)| *client));
                let failure = Failure::Died(generation, pid, exit, self.serving_old());
                self.failed_start(now, Cause::Restart, &failure, out);
            }
            Phase::Idle
            | Phase::Forking { .. }
            | Phase::Starting { .. }
            | Phase::Waiting { .. }
            | Phase::Serving { .. }
            | Phase::Delaying { .. }
            | Phase::Stopping { .. }
            | Phase::Ended => self.old_left(now, generation, exit, out),
        }
    }

    fn notified(&mut self, now: Moment, generation: u64, note: Note, out: &mut Vec<Action>) {
        match &mut self.phase {
            Phase::Starting { worker, ready_by, spoke, .. } if worker.generation == generation => {
                *spoke = true;
                if let Some(extend) = note.extend {
                    *ready_by = (*ready_by).max(now.saturating_add(extend));
                }
                if note.ready {
                    self.prove(now, out);
                }
            }
            Phase::Idle
            | Phase::Forking { .. }
            | Phase::Starting { .. }
            | Phase::Waiting { .. }
            | Phase::Serving { .. }
            | Phase::Delaying { .. }
            | Phase::Stopping { .. }
            | Phase::Ended => {}
        }
    }

    fn deadline_passed(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.enforce_kill_limit(now, out);
        match &self.phase {
            Phase::Starting { prove_at, ready_by, spoke, .. } => {
                if !spoke && now >= *prove_at {
                    self.prove(now, out);
                } else if *spoke && now >= *ready_by {
                    self.not_ready(now, out);
                }
            }
            Phase::Waiting { cause, until, .. } if now >= *until => {
                let cause = *cause;
                self.spawn(now, cause, out);
            }
            Phase::Delaying { until, .. } if now >= *until => self.kill_old(now, out),
            Phase::Serving { .. } => self.auto_restart(now, out),
            Phase::Idle
            | Phase::Forking { .. }
            | Phase::Waiting { .. }
            | Phase::Delaying { .. }
            | Phase::Stopping { .. }
            | Phase::Ended => {}
        }
        if let (Some(at), Some(every)) = (self.watchdog_at, self.policy.watchdog) {
            if now >= at {
                out.push(Action::Notify(Notice::Watchdog));
                self.watchdog_at = Some(now.saturating_add(every));
            }
        }
    }
}

impl reaper::Machine for Machine {
    type Input = Input;
    type Action = Action;
    type Outcome = Outcome;

    fn step(&mut self, now: Moment, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Begin => {
                if self.phase == Phase::Idle {
                    self.watchdog_at = self.policy.watchdog.map(|every| now.saturating_add(every));
                    self.spawn(now, Cause::First, out);
                }
            }
            Input::Spawned(generation, pid) => self.spawned(now, generation, pid, out),
            Input::SpawnFailed(generation, error) => self.spawn_failed(now, generation, error, out),
            Input::Exited(generation, exit, in_use) => {
                self.exited(now, generation, exit, in_use, out)
            }
            Input::Notified(generation, note) => self.notified(now, generation, note, out),
            Input::Signal(signal) => self.signal(now, signal, out),
            Input::Restart(client) => self.hup(now, Some(client), out),
            Input::Settings(settings) => self.settings = settings,
            Input::Deadline => self.deadline_passed(now, out),
        }
    }

    fn deadline(&self) -> Option<Moment> {
        view::deadline(self)
    }

    fn outcome(&self) -> Option<Outcome> {
        (self.phase == Phase::Ended).then_some(Outcome { code: self.stop_code })
    }
}
