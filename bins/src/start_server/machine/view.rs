//! What can be asked of the machine: its next deadline, its status.

use std::fmt;
use std::time::Duration;

use reaper::{Moment, Pid};

use super::{Failure, Machine, Phase, Worker};
use crate::start_server::lines::Seconds;

/// What a worker is at the moment.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Started and not proven.
    Starting,
    /// Proven, the newest.
    Current,
    /// Of an earlier generation, serving until its successor is proven.
    Old,
    /// Signalled: it serves what it has and leaves.
    Draining,
}

impl Role {
    /// The word for tables and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Current => "current",
            Self::Old => "old",
            Self::Draining => "draining",
        }
    }
}

/// One worker as the status shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WorkerView {
    /// Its generation.
    pub generation: u64,
    /// Its pid.
    pub pid: Pid,
    /// What it is.
    pub role: Role,
    /// How long it has lived.
    pub age: Duration,
}

/// The whole state for people.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// `starting`, `waiting`, `serving`, `delaying`, `stopping`.
    pub phase: &'static str,
    /// The newest generation.
    pub generation: u64,
    /// Failed starts in a row.
    pub failures: u32,
    /// Time to the next start, when one is planned.
    pub next_start: Option<Duration>,
    /// Everybody alive, oldest first.
    pub workers: Vec<WorkerView>,
}

impl Machine {
    /// The state for a status report.
    #[must_use]
    pub fn view(&self, now: Moment) -> View {
        let (phase, newest, next) = match &self.phase {
            Phase::Idle | Phase::Forking { .. } => ("starting", None, None),
            Phase::Starting { worker, .. } => ("starting", Some((worker, Role::Starting)), None),
            Phase::Waiting { until, .. } => ("waiting", None, Some(until.saturating_since(now))),
            Phase::Serving { current } => ("serving", Some((current, Role::Current)), None),
            Phase::Delaying { current, .. } => ("delaying", Some((current, Role::Current)), None),
            Phase::Stopping { .. } | Phase::Ended => ("stopping", None, None),
        };
        let old = self
            .old
            .iter()
            .map(|worker| (worker, if worker.signalled { Role::Draining } else { Role::Old }));
        let workers = old
            .chain(newest)
            .map(|(worker, role)| WorkerView {
                generation: worker.generation,
                pid: worker.pid,
                role,
                age: now.saturating_since(worker.spawned),
            })
            .collect();
        View {
            phase,
            generation: self.generation,
            failures: if self.current().is_some() { 0 } else { self.failures },
            next_start: next,
            workers,
        }
    }

    /// When the automatic restart is due; while old workers live, twice as late.
    pub(super) fn auto_restart_at(&self) -> Option<Moment> {
        let interval = self.settings.auto_restart?;
        let due = if self.old.is_empty() { interval } else { interval.saturating_mul(2) };
        Some(self.last_success.saturating_add(due))
    }

    fn current(&self) -> Option<&Worker> {
        match &self.phase {
            Phase::Serving { current } | Phase::Delaying { current, .. } => Some(current),
            Phase::Idle
            | Phase::Forking { .. }
            | Phase::Starting { .. }
            | Phase::Waiting { .. }
            | Phase::Stopping { .. }
            | Phase::Ended => None,
        }
    }

    /// The lines of the status file: proven and old workers, as Server::Starter writes them.
    pub(super) fn status_entries(&self) -> Vec<(u64, Pid)> {
        let all = self.old.iter().chain(self.current());
        all.filter(|worker| worker.proven).map(|worker| (worker.generation, worker.pid)).collect()
    }

    pub(super) fn status_text(&self) -> String {
        match self.current() {
            Some(worker) => {
                format!("serving with worker {} (generation {})", worker.pid, worker.generation)
            }
            None => "no worker".to_owned(),
        }
    }
}

/// The earliest moment at which time alone changes something.
pub(super) fn deadline(machine: &Machine) -> Option<Moment> {
    let phase = match &machine.phase {
        Phase::Starting { prove_at, ready_by, spoke, .. } => {
            Some(if *spoke { *ready_by } else { *prove_at })
        }
        Phase::Waiting { until, .. } | Phase::Delaying { until, .. } => Some(*until),
        Phase::Serving { .. } => machine.auto_restart_at(),
        Phase::Idle | Phase::Forking { .. } | Phase::Stopping { .. } | Phase::Ended => None,
    };
    let kills = machine.old.iter().filter_map(|worker| worker.kill_at);
    phase.into_iter().chain(kills).chain(machine.watchdog_at).min()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stays = match self {
            Self::Died(generation, pid, exit, stays) => {
                write!(f, "new worker {pid} (generation {generation}) died: {exit}")?;
                stays
            }
            Self::Spawn(generation, text, stays) => {
                write!(f, "no worker for generation {generation}: {text}")?;
                stays
            }
            Self::NotReady(generation, pid, limit, stays) => {
                let limit = Seconds(*limit);
                write!(
                    f,
                    "new worker {pid} (generation {generation}) was not ready within {limit} secs"
                )?;
                stays
            }
            Self::Stopping => return f.write_str("the server is stopping"),
        };
        match stays {
            Some(pid) => write!(f, "; worker {pid} still serves"),
            None => f.write_str("; no worker serves"),
        }
    }
}
