//! A program that is stopped with all of its process group has not stopped
//! before the last of them has.

use reaper::{Exit, Pid};
use rustix::process::{Pid as Number, kill_process_group, test_kill_process_group};
use sigpolicy::Signal;

use super::Host;
use crate::supervise::machine::types::{ProcId, State};

impl Host {
    /// Whether a program that was told to stop left members of its group behind: a shell, for
    /// example, that died of the signal before its commands did. They come to us when they end, and
    /// KILL comes to them when the time for a stop is over.
    pub(super) fn leaves_a_group(&mut self, id: ProcId, exit: Exit) -> bool {
        let Some(process) = self.processes.get(&id) else { return false };
        let Some(run) = &process.run else { return false };
        let stopping = self.machine.view(id).is_some_and(|view| view.state == State::Stopping);
        let leaves = stopping && process.spec.process.killasgroup && lives(run.pid);
        if leaves {
            self.state.groups.push((id, exit));
        }
        leaves
    }

    /// Some orphan has ended: was it the last of a group?
    pub(super) fn look_at_groups(&mut self) {
        for (id, exit) in std::mem::take(&mut self.state.groups) {
            let run = self.processes.get(&id).and_then(|process| process.run.as_ref());
            if run.is_some_and(|run| lives(run.pid)) {
                self.state.groups.push((id, exit));
            } else {
                self.program_ended(id, exit);
            }
        }
    }

    /// A signal for what is left of a group whose leader has gone.
    pub(super) fn send_to_rest(&mut self, id: ProcId, signal: Signal) {
        if !self.state.groups.iter().any(|(of, _)| *of == id) {
            return;
        }
        let run = self.processes.get(&id).and_then(|process| process.run.as_ref());
        let group = run.and_then(|run| number(run.pid));
        let signal = rustix::process::Signal::from_named_raw(signal.as_raw());
        if let (Some(group), Some(signal)) = (group, signal) {
            if kill_process_group(group, signal).is_err() {
                // The last of them may have been somebody else's child.
                self.look_at_groups();
            }
        }
    }
}

/// The number of a process group, which nobody else gets while it has a member.
pub(super) fn number(pid: Pid) -> Option<Number> {
    Number::from_raw(pid.as_raw()).filter(|_| pid.as_raw() > 1)
}

fn lives(group: Pid) -> bool {
    number(group).is_some_and(|group| test_kill_process_group(group).is_ok())
}
