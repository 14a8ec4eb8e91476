//! Old workers: signalling them, the kill limit, the stop, and the end.

use reaper::{Exit, Moment, Pid};
use sigpolicy::Signal;

use super::{Action, Failure, Line, Machine, Notice, Phase, RestartOutcome, Worker};

impl Machine {
    /// The newest old worker that nobody has signalled: it still serves.
    pub(super) fn serving_old(&self) -> Option<Pid> {
        self.old.iter().rev().find(|worker| !worker.signalled).map(|worker| worker.pid)
    }

    /// Sends `signal` to every old worker; a kill limit that runs already goes on.
    pub(super) fn signal_old(&mut self, now: Moment, signal: Signal, out: &mut Vec<Action>) {
        let mut order: Vec<(String, u64)> =
            self.old.iter().map(|worker| (worker.pid.to_string(), worker.generation)).collect();
        order.sort();
        out.extend(order.into_iter().map(|(_, generation)| Action::Signal(generation, signal)));
        for worker in &mut self.old {
            worker.signalled = true;
            if let (None, Some(limit)) = (worker.kill_at, self.policy.kill_timeout) {
                worker.limit = limit;
                worker.kill_at = Some(now.saturating_add(limit));
            }
        }
    }

    /// The new worker is proven and the delay is over.
    pub(super) fn kill_old(&mut self, now: Moment, out: &mut Vec<Action>) {
        if let Phase::Delaying { current, .. } = &self.phase {
            self.phase = Phase::Serving { current: current.clone() };
        }
        out.push(Action::Log(Line::KillingOld));
        self.enforce_max_generations(out);
        self.signal_old(now, self.policy.signal_on_hup, out);
        self.settle(now, out);
    }

    /// KILL for those that were signalled by an earlier restart, oldest first, above the cap.
    fn enforce_max_generations(&mut self, out: &mut Vec<Action>) {
        let Some(max) = self.policy.max_generations else { return };
        let alive = self.old.iter().filter(|worker| !worker.killed).count();
        let excess = alive.saturating_sub(max);
        let drained = self.old.iter_mut().filter(|worker| worker.signalled && !worker.killed);
        for worker in drained.take(excess) {
            worker.killed = true;
            out.push(Action::Log(Line::TooManyGenerations(worker.pid, max)));
            out.push(Action::Signal(worker.generation, Signal::KILL));
        }
    }

    /// Sends KILL to whoever is due, and again after the same time: a limit is a state, not a shot.
    pub(super) fn enforce_kill_limit(&mut self, now: Moment, out: &mut Vec<Action>) {
        for worker in &mut self.old {
            if worker.kill_at.is_some_and(|at| now >= at) {
                if !worker.killed {
                    out.push(Action::Log(Line::KillLimit(worker.pid, worker.limit)));
                }
                worker.killed = true;
                out.push(Action::Signal(worker.generation, Signal::KILL));
                let again = worker.limit.max(super::types::STABLE);
                worker.kill_at = Some(now.saturating_add(again));
            }
        }
    }

    pub(super) fn old_left(
        &mut self,
        now: Moment,
        generation: u64,
        exit: Exit,
        out: &mut Vec<Action>,
    ) {
        let Some(index) = self.old.iter().position(|worker| worker.generation == generation) else {
            return;
        };
        let Worker { pid, proven, .. } = self.old.remove(index);
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        out.push(Action::Log(if stopping {
            Line::WorkerDied(pid, exit)
        } else {
            Line::OldDied(pid, exit)
        }));
        if proven {
            out.push(Action::Status(self.status_entries()));
        }
        if stopping {
            self.end_if_alone(out);
        } else {
            self.settle(now, out);
        }
    }

    /// Reports restarts that are complete and begins the one that was asked for meanwhile.
    pub(super) fn settle(&mut self, now: Moment, out: &mut Vec<Action>) {
        let oldest = self.old.iter().map(|worker| worker.generation).min().unwrap_or(u64::MAX);
        self.draining.retain(|(client, generation, pid)| {
            let done = *generation <= oldest;
            if done {
                out.push(Action::Report(*client, RestartOutcome::Done(*generation, *pid)));
            }
            !done
        });
        if self.pending && matches!(self.phase, Phase::Serving { .. }) {
            self.pending = false;
            self.waiting.append(&mut self.pending_clients);
            out.push(Action::Log(Line::ReceivedHup));
            self.begin_restart(now, out);
        }
    }

    pub(super) fn stop(&mut self, now: Moment, received: Signal, out: &mut Vec<Action>) {
        let signal =
            if received == Signal::INT { Signal::TERM } else { self.policy.signal_on_term };
        let forking = match &self.phase {
            Phase::Idle => {
                self.phase = Phase::Ended;
                return;
            }
            Phase::Stopping { .. } | Phase::Ended => return,
            Phase::Forking { .. } => true,
            Phase::Waiting { .. } => false,
            Phase::Starting { worker, .. }
            | Phase::Serving { current: worker }
            | Phase::Delaying { current: worker, .. } => {
                self.old.push(worker.clone());
                false
            }
        };
        self.phase = Phase::Stopping { forking, signal };
        let pids = self.old.iter().map(|worker| worker.pid).collect();
        out.push(Action::Log(Line::Stopping(received, signal, pids)));
        out.push(Action::Notify(Notice::Stopping(format!("stopping after {received}"))));
        let clients = self.waiting.drain(..).chain(self.pending_clients.drain(..));
        for client in clients.chain(self.draining.drain(..).map(|(client, _, _)| client)) {
            out.push(Action::Report(client, RestartOutcome::Failed(Failure::Stopping)));
        }
        self.pending = false;
        self.signal_old(now, signal, out);
        self.end_if_alone(out);
    }

    pub(super) fn end_if_alone(&mut self, out: &mut Vec<Action>) {
        if self.old.is_empty() && matches!(self.phase, Phase::Stopping { forking: false, .. }) {
            out.push(Action::Log(Line::Exiting));
            self.phase = Phase::Ended;
        }
    }
}
