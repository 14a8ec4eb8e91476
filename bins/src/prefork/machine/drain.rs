//! How a worker leaves: told now, or as soon as it is idle; nudged, and killed in the end.

use std::time::Duration;

use reaper::{Moment, Pid};
use sigpolicy::Signal;

use super::stop::Level;
use super::worker::{KILL_AGAIN, nudge_at, retry_at};
use super::{Action, Id, Leave, Line, Machine, Phase};
use crate::prefork::view::Source;

impl Machine {
    /// The stop signal now, KILL after the die timeout.
    pub(super) fn tell(&mut self, now: Moment, id: Id, out: &mut Vec<Action>) {
        let conduct = &self.policy.conduct;
        let (signal, limit) = (conduct.stop_signal, conduct.die_timeout);
        self.tell_with(now, id, signal, Some(limit), out);
    }

    /// A signal that asks to leave; a limit that runs already is never put off. Unless the pool
    /// stops, it is the first such signal that is sent again.
    pub(super) fn tell_with(
        &mut self,
        now: Moment,
        id: Id,
        signal: Signal,
        limit: Option<Duration>,
        out: &mut Vec<Action>,
    ) {
        if signal == Signal::KILL {
            self.kill(now, id, out);
            return;
        }
        let insists = self.phase == Phase::Stopping;
        if self.mark_told(now, id, signal, limit, insists) {
            out.push(Action::Signal(id, signal));
        }
    }

    /// As [`Self::tell_with`], for a signal that does not come from who stops the pool.
    pub(super) fn ask_with(&mut self, now: Moment, id: Id, signal: Signal, out: &mut Vec<Action>) {
        if signal == Signal::KILL {
            self.kill(now, id, out);
        } else if self.mark_told(now, id, signal, self.drain_limit(), false) {
            out.push(Action::Signal(id, signal));
        }
    }

    /// How long those who are told to leave have; `None` while the pool waits for all.
    fn drain_limit(&self) -> Option<Duration> {
        let quit = self.stop.as_ref().is_some_and(|stop| stop.level == Level::Quit);
        let waits = quit && self.phase == Phase::Stopping;
        (!waits).then_some(self.policy.conduct.die_timeout)
    }

    /// False when it has gone or KILL was sent.
    fn mark_told(
        &mut self,
        now: Moment,
        id: Id,
        signal: Signal,
        limit: Option<Duration>,
        insists: bool,
    ) -> bool {
        let Some(worker) = self.workers.get_mut(&id) else { return false };
        let (before, first) = match worker.leave {
            Leave::Killed { .. } => return false,
            Leave::Told { signal, kill_at, limit, .. } => {
                (kill_at.map(|at| (at, limit)), Some(signal))
            }
            Leave::No | Leave::Wished(_) | Leave::Retiring { .. } => (None, None),
        };
        let new = limit.map(|limit| (now.saturating_add(limit), limit));
        let kill = [before, new].into_iter().flatten().min();
        worker.signalled = true;
        worker.leave = Leave::Told {
            since: now,
            signal: first.filter(|_| !insists).unwrap_or(signal),
            nudges: 0,
            kill_at: kill.map(|(at, _)| at),
            limit: kill.map_or(Duration::ZERO, |(_, limit)| limit),
        };
        self.dirty = true;
        true
    }

    /// The host has sent it a signal.
    pub(super) fn sent(&mut self, now: Moment, id: Id, signal: Signal) {
        let asks = self.asks_to_leave(signal);
        let limit = self.drain_limit();
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if signal == Signal::KILL {
            worker.signalled = true;
            worker.leave = Leave::Killed { again: now.saturating_add(KILL_AGAIN) };
            self.dirty = true;
        } else if asks {
            self.mark_told(now, id, signal, limit, false);
        } else if !worker.sent.contains(&signal) {
            worker.sent.push(signal);
        }
    }

    pub(super) fn kill(&mut self, now: Moment, id: Id, out: &mut Vec<Action>) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.signalled = true;
            worker.leave = Leave::Killed { again: now.saturating_add(KILL_AGAIN) };
            self.dirty = true;
            out.push(Action::Kill(id));
        }
    }

    /// It is to leave as soon as it is idle.
    pub(super) fn retire(&mut self, now: Moment, id: Id, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if !worker.stays() {
            return;
        }
        if worker.is_stale(now) {
            // What it was seen doing long ago does not tell how it is to be led out.
            worker.source = Source::Nothing;
        }
        worker.leave = Leave::Retiring { since: now, next: now };
        self.dirty = true;
        self.lead_out(now, id, out);
    }

    /// Does what is due for one that leaves.
    pub(super) fn lead_out(&mut self, now: Moment, id: Id, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        match worker.leave {
            Leave::No | Leave::Wished(_) => {}
            Leave::Retiring { since, next } => {
                let patience = worker.patience(&self.policy.conduct);
                if now >= since.saturating_add(patience) {
                    if !patience.is_zero() {
                        let signal = self.policy.conduct.stop_signal;
                        out.push(Action::Log(Line::RetireGivenUp(worker.pid, patience, signal)));
                    }
                    self.tell(now, id, out);
                } else if now >= next {
                    worker.leave = Leave::Retiring { since, next: retry_at(since, now) };
                    out.push(Action::Retire(id));
                    if worker.is_stale(now) && worker.source == Source::Nothing {
                        self.look(false);
                    }
                }
            }
            Leave::Told { since, signal, mut nudges, kill_at, limit } => {
                if nudge_at(since, nudges) > now {
                    return;
                }
                while nudge_at(since, nudges) <= now && nudges < u32::MAX {
                    nudges = nudges.saturating_add(1);
                }
                worker.leave = Leave::Told { since, signal, nudges, kill_at, limit };
                out.push(Action::Nudge(id, signal));
            }
            Leave::Killed { again } => {
                if now >= again {
                    self.kill(now, id, out);
                }
            }
        }
    }

    /// KILL for those whose time is over.
    pub(super) fn enforce_kill_limit(&mut self, now: Moment, out: &mut Vec<Action>) {
        let mut longest = Duration::ZERO;
        let mut late: Vec<(Id, Pid)> = Vec::new();
        for (id, worker) in &self.workers {
            if let Leave::Told { kill_at: Some(at), limit, .. } = worker.leave {
                if now >= at && at < Moment::MAX {
                    longest = longest.max(limit);
                    late.push((*id, worker.pid));
                }
            }
        }
        if late.is_empty() {
            return;
        }
        let pids = late.iter().map(|(_, pid)| *pid).collect();
        out.push(Action::Log(Line::KillLimit(longest, pids)));
        for (id, _) in late {
            self.kill(now, id, out);
        }
        if let Some(stop) = &mut self.stop {
            stop.code = 1;
        }
    }

    /// The answer to [`Action::Retire`].
    pub(super) fn retired(&mut self, now: Moment, id: Id, told: bool, out: &mut Vec<Action>) {
        let limit = self.drain_limit();
        let signal = self.policy.conduct.stop_signal;
        let Some(worker) = self.workers.get_mut(&id) else { return };
        match (worker.leave, told) {
            (Leave::No | Leave::Wished(_) | Leave::Retiring { .. }, true) => {
                if worker.stays() {
                    out.push(Action::Log(Line::Surplus(worker.pid)));
                }
                worker.signalled = true;
                worker.leave = Leave::Told {
                    since: now,
                    signal,
                    nudges: 0,
                    kill_at: limit.map(|limit| now.saturating_add(limit)),
                    limit: limit.unwrap_or_default(),
                };
                self.dirty = true;
            }
            (Leave::Wished(_), false) => {
                worker.leave = Leave::No;
            }
            (Leave::No | Leave::Retiring { .. } | Leave::Told { .. } | Leave::Killed { .. }, _) => {
            }
        }
    }
}
