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
use super::groups::number;
use crate::supervise::config::model::Level;
use crate::supervise::machine::types::ProcId;

/// Where the mark stands in the environment of a program.
pub(super) const MARK: &str = "SUPERVISE_RUN";
const VARIABLE: &[u8] = MARK.as_bytes();

/// What a run of a program may have left.
pub(super) struct Remains {
    mark: Box<str>,
    name: String,
    killed: Vec<Pid>,
}

/// How long orphans may take to leave when everything else has gone.
const LAST_GRACE: Duration = Duration::from_secs(2);

impl Host {
    /// What a run of a program with `kill_orphans` is known by; unlike its name nobody else has it.
    pub(super) fn mark(&mut self) -> Box<str> {
        self.state.runs = self.state.runs.saturating_add(1);
        format!("{}.{}", Pid::own(), self.state.runs).into()
    }

    /// With `kill_orphans` nothing that descends from a program outlives it.
    pub(super) fn kill_remains(&mut self, id: ProcId, pid: Pid, mark: Option<Box<str>>) {
        let Some(mark) = mark else { return };
        let name = self.name(id);
        // The group's number stays taken while it has a member.
        // But one of ours that was started just now may have it.
        if let Some(group) = number(pid).filter(|_| !self.is_child(pid)) {
            match kill_process_group(group, Kill::KILL) {
                Ok(()) => {
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
        self.state.bereaved.push(Remains { mark, name, killed: Vec::new() });
        self.state.look_for_remains = true;
    }

    /// Orphans are known by the mark in their environment. When they die their children come to us
    /// in turn, so this is asked again after each.
    /// Once for all that has ended together: the kernel walks all children for the question.
    pub(super) fn kill_further_remains(&mut self) {
        let due = std::mem::take(&mut self.state.look_for_remains);
        if !due || self.state.bereaved.is_empty() {
            return;
        }
        let (mut killed, mut left) = (Vec::new(), false);
        for pid in strangers(&|pid| self.is_child(pid)) {
            let Some(mark) = mark_of(pid) else { continue };
            let remains = self.state.bereaved.iter_mut().find(|remains| *remains.mark == *mark);
            let Some(remains) = remains else { continue };
            let sent = number(pid).is_some_and(|number| kill_process(number, Kill::KILL).is_ok());
            if sent && !remains.killed.contains(&pid) {
                remains.killed.push(pid);
                killed.push((pid, remains.name.clone()));
            }
            left = true;
        }
        for (pid, name) in killed {
            self.line(Level::Info, format!("killed pid {pid}, left by '{name}'"));
        }
        if !left {
            // When the last of them has gone, so has the reason to look.
            self.state.bereaved.clear();
        }
    }

    /// The last thing: as PID 1 nothing outlives us, and what still runs is asked before the kernel
    /// kills it; elsewhere what `kill_orphans` programs have left is seen to its end.
    pub(super) fn bury(&mut self) {
        let everybody = is_init();
        self.kill_further_remains();
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
            self.kill_further_remains();
        }
    }

    fn is_over(&self, everybody: bool) -> bool {
        strangers(&|_| false).is_empty() || (!everybody && self.state.bereaved.is_empty())
    }

    fn is_child(&self, pid: Pid) -> bool {
        self.state.pids.contains(&pid)
    }
}

/// Our children that are not programs.
fn strangers(known: &dyn Fn(Pid) -> bool) -> Vec<Pid> {
    let own = Pid::own();
    let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
    let pids = children.unwrap_or_default();
    let pids = pids.split_ascii_whitespace().filter_map(|word| Pid::from_raw(word.parse().ok()?));
    pids.filter(|pid| !known(*pid)).collect()
}

/// The mark that a process was started with, if it still has it.
fn mark_of(pid: Pid) -> Option<String> {
    let environment = fs::read(Path::new("/proc").join(pid.to_string()).join("environ")).ok()?;
    let mut lines = environment.split(|byte| *byte == 0);
    let mark = lines.find_map(|line| line.strip_prefix(VARIABLE)?.strip_prefix(b"="))?;
    String::from_utf8(mark.to_vec()).ok()
}
