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
        self.sequences.push_back(Sequence { ids: ids.into(), signal, interval, next: now });
        self.go_on_with_sequences(now, out);
    }

    /// Whether a worker that gets it is expected to leave. Others, such as USR1, may mean
    /// something else to it, so it stays in the pool and is not killed.
    pub(super) fn asks_to_leave(&self, signal: Signal) -> bool {
        signal == self.policy.conduct.stop_signal
            || [Signal::TERM, Signal::INT, Signal::QUIT, Signal::KILL].contains(&signal)
    }

    /// Sequences go on side by side, but those that ask to leave one after the other, or their
    /// intervals would mean nothing.
    pub(super) fn go_on_with_sequences(&mut self, now: Moment, out: &mut Vec<Action>) {
        let mut left = VecDeque::new();
        let mut busy = false;
        let mut free_at = Moment::ZERO;
        for mut sequence in std::mem::take(&mut self.sequences) {
            let leads_out = self.asks_to_leave(sequence.signal);
            if leads_out {
                sequence.next = sequence.next.max(free_at);
            }
            if !(leads_out && busy) {
                self.go_on(now, &mut sequence, out);
            }
            if leads_out {
                free_at = sequence.next;
            }
            if !sequence.ids.is_empty() {
                busy |= leads_out;
                left.push_back(sequence);
            }
        }
        self.sequences = left;
    }

    fn go_on(&mut self, now: Moment, sequence: &mut Sequence, out: &mut Vec<Action>) {
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
    }

    pub(super) fn sequence_due(&self) -> Option<Moment> {
        let leads_out = |sequence: &&Sequence| self.asks_to_leave(sequence.signal);
        let first = self.sequences.iter().find(leads_out);
        let others = self.sequences.iter().filter(|sequence| !leads_out(sequence));
        first.into_iter().chain(others).map(|sequence| sequence.next).min()
    }

    fn pass_on(&mut self, now: Moment, id: Id, signal: Signal, out: &mut Vec<Action>) {
        let quit = self.stop.as_ref().is_some_and(|stop| stop.level == Level::Quit);
        if self.phase == Phase::Stopping {
            let limit = self.policy.conduct.die_timeout;
            self.tell_with(now, id, signal, (!quit).then_some(limit), out);
        } else {
            self.pass(now, id, signal, out);
        }
    }

    /// A signal of somebody's for one worker; when it asks to leave, it is seen to that it does.
    pub(super) fn pass(&mut self, now: Moment, id: Id, signal: Signal, out: &mut Vec<Action>) {
        if self.asks_to_leave(signal) {
            self.ask_with(now, id, signal, out);
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
