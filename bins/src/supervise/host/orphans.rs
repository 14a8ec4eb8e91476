//! What a program leaves behind: processes of its group, and daemons that it
//! made, which come to the supervisor as a subreaper.

use std::fs;
use std::path::Path;
use std::time::Duration;

use reaper::orphans::is_init;
use reaper::{Pid, Wakeup};
use rustix::io::Errno;
use rustix::process::{Pid as Number, Signal as Kill, kill_process, kill_process_group};

use super::Host;
use crate::supervise::config::model::Level;
use crate::supervise::machine::types::ProcId;

/// How long orphans may take to leave when everything else has gone.
const LAST_GRACE: Duration = Duration::from_secs(2);

impl Host {
    /// With `kill_orphans` nothing that descends from a program outlives it.
    pub(super) fn kill_remains(&mut self, id: ProcId, pid: Pid) {
        let Some(process) = self.processes.get(&id) else { return };
        if !process.spec.process.extra.kill_orphans {
            return;
        }
        // The group's number stays taken while it has a member.
        if let Some(group) = number(pid).filter(|_| pid.as_raw() > 1) {
            match kill_process_group(group, Kill::KILL) {
                Ok(()) => {
                    let name = self.name(id);
                    self.line(
                        Level::Info,
                        format!("killed what '{name}' left in its process group"),
                    );
                }
                Err(Errno::SRCH) => {}
                Err(errno) => {
                    self.warn_once(format!("cannot kill process group {pid}: {errno}"));
                }
            }
        }
        self.state.bereaved.push(id);
        self.kill_further_remains();
    }

    /// Orphans of programs that have ended are known by the names in their environment. When they
    /// die their children come to us in turn, so this is asked again after each.
    pub(super) fn kill_further_remains(&mut self) {
        // A program that runs again owns whatever bears its name now.
        let running = |id: &ProcId| self.processes.get(id).is_some_and(|p| p.run.is_some());
        let bereaved: Vec<ProcId> =
            self.state.bereaved.iter().copied().filter(|id| !running(id)).collect();
        if bereaved.is_empty() {
            self.state.bereaved.clear();
            return;
        }
        let (mut killed, mut left) = (Vec::new(), false);
        for pid in strangers(&|pid| self.is_child(pid)) {
            let Some((group, name)) = names(pid) else { continue };
            let of = |id: &&ProcId| {
                self.processes.get(id).is_some_and(|process| {
                    *process.spec.group == *group && process.spec.process.name == name
                })
            };
            if bereaved.iter().any(|id| of(&id)) {
                if number(pid).is_some_and(|number| kill_process(number, Kill::KILL).is_ok()) {
                    killed.push((pid, name));
                }
                left = true;
            }
        }
        for (pid, name) in killed {
            self.line(Level::Info, format!("killed pid {pid}, left by '{name}'"));
        }
        // When the last of them has gone, so has the reason to look.
        self.state.bereaved = if left { bereaved } else { Vec::new() };
    }

    /// The last thing: as PID 1 nothing outlives us, and what still runs is asked before the kernel
    /// kills it; elsewhere what `kill_orphans` programs have left is seen to its end.
    pub(super) fn bury(&mut self) {
        let everybody = is_init();
        if strangers(&|_| false).is_empty() || (!everybody && self.state.bereaved.is_empty()) {
            return;
        }
        if everybody {
            // A group of that number means everybody but us, see kill(2).
            let _ = kill_process_group(Number::INIT, Kill::TERM);
        }
        let end = self.events.now().saturating_add(LAST_GRACE);
        let mut wakeups = Vec::new();
        while self.events.now() < end && !self.is_over(everybody) {
            if self.events.wait(Some(end), &mut wakeups).is_err() {
                return;
            }
            for wakeup in wakeups.drain(..) {
                if let Wakeup::Orphan(pid, exit) = wakeup {
                    self.orphan(pid, exit);
                }
            }
        }
    }

    fn is_over(&self, everybody: bool) -> bool {
        strangers(&|_| false).is_empty() || (!everybody && self.state.bereaved.is_empty())
    }

    fn is_child(&self, pid: Pid) -> bool {
        self.processes.values().any(|p| p.run.as_ref().is_some_and(|run| run.pid == pid))
    }
}

fn number(pid: Pid) -> Option<Number> {
    Number::from_raw(pid.as_raw())
}

/// Our children that are not programs.
fn strangers(known: &dyn Fn(Pid) -> bool) -> Vec<Pid> {
    let own = Pid::own();
    let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
    let pids = children.unwrap_or_default();
    let pids = pids.split_ascii_whitespace().filter_map(|word| Pid::from_raw(word.parse().ok()?));
    pids.filter(|pid| !known(*pid)).collect()
}

/// The group and the name that a process was started under, if it still says so.
fn names(pid: Pid) -> Option<(String, String)> {
    let environment = fs::read(Path::new("/proc").join(pid.to_string()).join("environ")).ok()?;
    let find = |name: &[u8]| {
        let value =
            environment.split(|byte| *byte == 0).find_map(|line| line.strip_prefix(name))?;
        String::from_utf8(value.to_vec()).ok()
    };
    Some((find(b"SUPERVISOR_GROUP_NAME=")?, find(b"SUPERVISOR_PROCESS_NAME=")?))
}
