//! Signals with a meaning of the user's, and signals that go from worker to worker.

use std::collections::VecDeque;
use std::time::Duration;

use reaper::Moment;
use sigpolicy::Signal;

use super::stop::Level;
use super::{Action, Id, Line, Machine, Phase, Worker};
use crate::prefork::config::Trap;

/// A signal that goes to one worker after the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sequence {
    pub(super) ids: VecDeque<Id>,
    pub(super) signal: Signal,
    pub(super) interval: Duration,
    /// When the first of `ids` gets it.
    pub(super) next: Moment,
}

impl Machine {
    /// Parallel::Prefork's `trap_signals`: the workers of before get the signal, those that are
    /// started from now on are of another generation.
    pub(super) fn trapped(&mut self, now: Moment, trap: Trap, out: &mut Vec<Action>) {
        self.generation = self.generation.saturating_add(1);
        self.accepted = self.generation;
        let Some(signal) = trap.sent else {
            out.push(Action::Log(Line::TrappedOnly(trap.received)));
            return;
        };
        let ids = self.by_pid(Worker::stays);
        let pids = self.pids(&ids);
        out.push(Action::Log(Line::Trapped(trap.received, signal, trap.interval, pids)));
        if self.asks_to_leave(signal) {
            self.abort_reload(now, format!("received {}", trap.received), out);
        }
        let interval = trap.interval;
        self.sequence = Some(Sequence { ids: ids.into(), signal, interval, next: now });
        self.go_on_with_sequence(now, out);
    }

    /// Whether a worker that gets it is expected to leave. Others, such as USR1, may mean
    /// something else to it, so it stays in the pool and is not killed.
    fn asks_to_leave(&self, signal: Signal) -> bool {
        signal == self.policy.conduct.stop_signal
            || [Signal::TERM, Signal::INT, Signal::QUIT, Signal::KILL].contains(&signal)
    }

    pub(super) fn go_on_with_sequence(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(mut sequence) = self.sequence.take() else { return };
        while now >= sequence.next {
            let Some(id) = sequence.ids.pop_front() else { return };
            if !self.workers.contains_key(&id) {
                continue;
            }
            self.pass_on(now, id, sequence.signal, out);
            sequence.next = now.saturating_add(sequence.interval);
        }
        let workers = &self.workers;
        sequence.ids.retain(|id| workers.contains_key(id));
        if !sequence.ids.is_empty() {
            self.sequence = Some(sequence);
        }
    }

    fn pass_on(&mut self, now: Moment, id: Id, signal: Signal, out: &mut Vec<Action>) {
        let quit = self.stop.as_ref().is_some_and(|stop| stop.level == Level::Quit);
        if self.phase == Phase::Stopping || self.asks_to_leave(signal) {
            let limit = self.policy.conduct.die_timeout;
            self.tell_with(now, id, signal, (!quit).then_some(limit), out);
        } else if let Some(worker) = self.workers.get_mut(&id) {
            worker.signalled = true;
            out.push(Action::Signal(id, signal));
        }
    }

    /// Workers for which `choose` holds, by ascending pid.
    pub(super) fn by_pid(&self, choose: impl Fn(&Worker) -> bool) -> Vec<Id> {
        let chosen = self.workers.iter().filter(|(_, worker)| choose(worker));
        let mut order: Vec<_> = chosen.map(|(id, worker)| (worker.pid, *id)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, id)| id).collect()
    }
}
