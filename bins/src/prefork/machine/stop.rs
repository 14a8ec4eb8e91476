//! The end of the pool: the command before it, the signal, KILL, the last line.

use reaper::{Moment, Pid};
use sigpolicy::Signal;

use super::trap::Sequence;
use super::{Action, Cause, Id, Leave, Line, Machine, Notice, Phase};

/// How the pool is stopped; later ones are stronger.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Level {
    /// The signal, and all the time they need.
    Quit,
    /// The signal, and KILL after the die timeout.
    Term,
    /// KILL.
    Kill,
}

/// A stop under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stop {
    pub(super) level: Level,
    pub(super) cause: Cause,
    /// 1 when some had to be killed, or the pool gave up.
    pub(super) code: u8,
}

impl Machine {
    /// Somebody wants the pool to stop.
    pub(super) fn ask_stop(
        &mut self,
        now: Moment,
        cause: Cause,
        level: Level,
        out: &mut Vec<Action>,
    ) {
        match self.phase {
            Phase::Fresh | Phase::Running => self.begin_stop(now, cause, level, 0, out),
            Phase::Preparing(_) | Phase::Stopping => self.insist(now, cause, level, out),
            Phase::Ended => {}
        }
    }

    pub(super) fn begin_stop(
        &mut self,
        now: Moment,
        cause: Cause,
        level: Level,
        code: u8,
        out: &mut Vec<Action>,
    ) {
        self.stop = Some(Stop { level, cause, code });
        if self.phase == Phase::Fresh {
            self.phase = Phase::Stopping;
            return;
        }
        let reload = self.reload.take().into_iter().flat_map(|run| run.clients);
        let pending = self.pending.take().into_iter().flatten();
        let leaving = std::mem::take(&mut self.leaving).into_iter().map(|(client, ..)| client);
        for client in reload.chain(pending).chain(leaving) {
            out.push(Action::Report(client, Err("the pool is stopping".to_owned())));
        }
        self.first = 0;
        self.sequences.clear();
        let reason = format!("stopping: {cause}");
        out.push(Action::Notify(Notice::Stopping(reason)));
        if self.policy.before_shutdown {
            out.push(Action::Log(Line::Preparing(cause)));
            out.push(Action::Prepare);
            let until = now.saturating_add(self.policy.conduct.die_timeout);
            self.phase = Phase::Preparing(until);
        } else {
            self.stop_all(now, cause, out);
        }
    }

    /// Another wish to stop while the pool stops.
    fn insist(&mut self, now: Moment, cause: Cause, level: Level, out: &mut Vec<Action>) {
        let Some(stop) = &mut self.stop else { return };
        match (stop.level, level, cause) {
            (Level::Quit, Level::Term, _) => {
                stop.level = Level::Term;
                if self.phase == Phase::Stopping {
                    self.stop_all(now, cause, out);
                }
            }
            (Level::Term, Level::Term, Cause::Received(_))
                if matches!(stop.cause, Cause::Received(_)) =>
            {
                stop.level = Level::Kill;
                self.phase = Phase::Stopping;
                self.kill_all(now, cause, out);
            }
            (_, _, Cause::Received(signal)) => {
                if level == Level::Term {
                    stop.cause = cause;
                }
                out.push(Action::Log(Line::WhileStopping(signal)));
            }
            _ => {}
        }
    }

    pub(super) fn prepared(&mut self, now: Moment, out: &mut Vec<Action>) {
        if let (Phase::Preparing(_), Some(stop)) = (self.phase, &self.stop) {
            let cause = stop.cause;
            self.stop_all(now, cause, out);
        }
    }

    pub(super) fn prepare_timeout(&mut self, now: Moment, out: &mut Vec<Action>) {
        if let Phase::Preparing(until) = self.phase {
            if now >= until {
                let limit = self.policy.conduct.die_timeout;
                out.push(Action::Log(Line::PrepareTimeout(limit)));
                self.prepared(now, out);
            }
        }
    }

    /// The signal to everybody, one by one if the trap of TERM says so.
    fn stop_all(&mut self, now: Moment, cause: Cause, out: &mut Vec<Action>) {
        self.phase = Phase::Stopping;
        let (signal, interval) = self.stop_signal();
        let ids = self.by_pid(|worker| !matches!(worker.leave, Leave::Killed { .. }));
        out.push(Action::Log(Line::Stopping(cause, signal, self.pids(&ids))));
        self.sequences.clear();
        self.sequences.push_back(Sequence { ids: ids.into(), signal, interval, next: now });
        self.go_on_with_sequences(now, out);
    }

    /// What workers get when the pool stops.
    fn stop_signal(&self) -> (Signal, std::time::Duration) {
        let conduct = &self.policy.conduct;
        let trap = conduct.traps.iter().find(|trap| trap.received == Signal::TERM);
        let interval = trap.map(|trap| trap.interval).unwrap_or_default();
        (trap.and_then(|trap| trap.sent).unwrap_or(conduct.stop_signal), interval)
    }

    /// One that was being started when the stop began.
    pub(super) fn stop_newcomer(&mut self, now: Moment, id: Id, out: &mut Vec<Action>) {
        match self.stop.as_ref().map(|stop| stop.level) {
            Some(Level::Kill) => {
                self.kill(now, id, out);
            }
            level => {
                let limit = self.policy.conduct.die_timeout;
                let limit = (level != Some(Level::Quit)).then_some(limit);
                let (signal, _) = self.stop_signal();
                self.tell_with(now, id, signal, limit, out);
            }
        }
    }

    fn kill_all(&mut self, now: Moment, cause: Cause, out: &mut Vec<Action>) {
        self.sequences.clear();
        let ids = self.by_pid(|_| true);
        out.push(Action::Log(Line::Killing(cause, self.pids(&ids))));
        if let Some(stop) = &mut self.stop {
            stop.code = if ids.is_empty() && self.asked.is_empty() { stop.code } else { 1 };
        }
        for id in ids {
            self.kill(now, id, out);
        }
    }

    pub(super) fn pids(&self, ids: &[Id]) -> Vec<Pid> {
        ids.iter().filter_map(|id| self.workers.get(id)).map(|worker| worker.pid).collect()
    }

    pub(super) fn end_if_alone(&mut self, out: &mut Vec<Action>) {
        if self.phase == Phase::Stopping && self.workers.is_empty() && self.asked.is_empty() {
            self.phase = Phase::Ended;
            out.push(Action::Log(Line::Exiting));
        }
    }
}
