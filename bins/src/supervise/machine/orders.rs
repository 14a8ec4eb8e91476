//! What somebody wants of one process.

use reaper::Moment;
use sigpolicy::Signal;

use super::process::{Halt, NEVER, Process};
use super::types::{Action, Order, ProcId, Refusal, State};
use super::{Machine, Phase};
use crate::supervise::lines::Line;

impl Machine {
    pub(super) fn obey(
        &mut self,
        now: Moment,
        order: Order,
        out: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        let (Order::Start(id)
        | Order::Stop(id)
        | Order::Kill(id)
        | Order::Signal(id, _)
        | Order::Reload(id)) = order;
        if matches!(self.phase, Phase::Stopping | Phase::Finished(_)) {
            return Err(Refusal::ShutdownState);
        }
        let process = self.table.get(&id).filter(|process| !process.removed);
        let process = process.ok_or(Refusal::BadName)?;
        if process.state == State::Unknown && matches!(order, Order::Stop(_) | Order::Kill(_)) {
            // It is not possible; but when its end is seen, that is what was wanted.
            self.with(id, |process| {
                process.by_hand = true;
                process.halt(now, false, out);
            });
            return Err(Refusal::NotRunning);
        }
        match order {
            Order::Start(_) => {
                startable(process)?;
                self.start_chain(now, id, out);
            }
            Order::Stop(_) => {
                let serves = self.is_served(id);
                if !serves && !stoppable(process) {
                    return Err(Refusal::NotRunning);
                }
                self.retire_predecessors(now, id, out);
                self.with(id, |process| {
                    process.by_hand = true;
                    process.halt(now, true, out);
                });
            }
            Order::Kill(_) => {
                let serves = self.is_served(id);
                if !serves && !stoppable(process) && process.state != State::Stopping {
                    return Err(Refusal::NotRunning);
                }
                for old in self.predecessors.get(&id).cloned().unwrap_or_default() {
                    self.retire(now, old, out);
                    self.with(old, |process| process.kill_now(now, out));
                }
                self.with(id, |process| kill(process, now, out));
            }
            Order::Signal(_, signal) => self.signal(id, signal, out)?,
            Order::Reload(_) => {
                let signal = process.policy.reload.unwrap_or(Signal::HUP);
                self.signal(id, signal, out)?;
            }
        }
        Ok(())
    }

    /// A process that it is to replace runs.
    pub(super) fn is_served(&self, id: ProcId) -> bool {
        self.serving(id).any(Process::is_busy)
    }

    fn start_chain(&mut self, now: Moment, id: ProcId, out: &mut Vec<Action>) {
        let chain = self.chain(id);
        for id in &chain {
            self.with(*id, |process| {
                process.want();
                if process.state != State::Stopping {
                    process.due = NEVER;
                }
                process.tries = 0;
            });
        }
        for id in chain {
            self.consider(now, id, out);
        }
    }

    fn signal(&mut self, id: ProcId, signal: Signal, out: &mut Vec<Action>) -> Result<(), Refusal> {
        let process = self.table.get(&id).ok_or(Refusal::BadName)?;
        // Of a hot program the one that serves hears it, as long as there is no other.
        let process = if process.has_process() {
            process
        } else {
            self.serving(id).find(|old| old.state == State::Running).unwrap_or(process)
        };
        let id = process.id;
        let pid = match process.state {
            State::Starting | State::Running | State::Stopping => process.pid,
            State::Stopped | State::Backoff | State::Exited | State::Fatal | State::Unknown => None,
        };
        let pid = pid.ok_or(Refusal::NotRunning)?;
        out.push(Action::Log(Line::Sending { name: process.name(), pid, signal }));
        out.push(Action::Signal { id, signal, group: false });
        Ok(())
    }
}

fn startable(process: &Process) -> Result<(), Refusal> {
    match process.state {
        State::Stopped | State::Exited | State::Fatal => Ok(()),
        State::Starting | State::Running | State::Backoff => Err(Refusal::AlreadyStarted),
        State::Stopping => Err(Refusal::AbnormalTermination),
        State::Unknown => Err(Refusal::Failed),
    }
}

/// It runs, or would by itself.
fn stoppable(process: &Process) -> bool {
    match process.state {
        State::Starting => process.halt == Halt::No,
        State::Running | State::Backoff => true,
        State::Stopping => process.again || process.waiting,
        State::Stopped | State::Exited | State::Fatal => process.waiting || process.due < NEVER,
        State::Unknown => false,
    }
}

/// KILL, whatever it is doing.
fn kill(process: &mut Process, now: Moment, out: &mut Vec<Action>) {
    process.by_hand = true;
    process.waiting = false;
    process.again = false;
    match process.state {
        State::Starting | State::Running | State::Stopping => process.kill_now(now, out),
        State::Stopped | State::Backoff | State::Exited | State::Fatal | State::Unknown => {
            process.halt(now, false, out);
        }
    }
}

impl Process {
    /// RUNNING, and nobody is killing it.
    pub(super) fn is_sound(&self) -> bool {
        self.state == State::Running && self.doom == super::process::Doom::No
    }
}
