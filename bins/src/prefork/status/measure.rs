//! What the kernel tells about machine and processes: /proc/loadavg and /proc/PID.

use std::fs;
use std::time::Duration;

use super::{Cpu, MachineStatus, Status};

/// A tick of the times in /proc/PID/stat in milliseconds: USER_HZ is 100 wherever this runs.
const TICK: u64 = 10;

impl Status {
    /// Looks at the machine's load, and at CPU time and memory of manager and workers; for the process
    /// that shows the status, if it sees the same processes.
    pub fn measure(&mut self) {
        let load = fs::read_to_string("/proc/loadavg").ok();
        self.machine = MachineStatus { load: load.as_deref().and_then(load_averages), cpu: None };
        if self.manager.gone {
            return;
        }
        let pids = self.workers.iter().filter_map(|worker| worker.pid).chain(self.manager.pid);
        for found in pids.filter_map(cpu_of) {
            let sum = self.machine.cpu.get_or_insert_default();
            sum.user = sum.user.saturating_add(found.user);
            sum.system = sum.system.saturating_add(found.system);
            sum.children_user = sum.children_user.saturating_add(found.children_user);
            sum.children_system = sum.children_system.saturating_add(found.children_system);
        }
        for worker in self.workers.iter_mut().filter(|worker| worker.rss.is_none()) {
            worker.rss = worker.pid.and_then(rss_of);
        }
    }
}

fn cpu_of(pid: i32) -> Option<Cpu> {
    cpu(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn rss_of(pid: i32) -> Option<u64> {
    rss(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// proc_pid_stat(5): the name in parentheses may contain anything.
pub(super) fn cpu(stat: &str) -> Option<Cpu> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11).map(|field| {
        let ticks: u64 = field.parse().ok()?;
        Some(Duration::from_millis(ticks.saturating_mul(TICK)))
    });
    let mut next = || times.next().flatten();
    Some(Cpu { user: next()?, system: next()?, children_user: next()?, children_system: next()? })
}

pub(super) fn rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// `0.08 0.22 1.41 …` in hundredths.
pub(super) fn load_averages(text: &str) -> Option<[u32; 3]> {
    let mut fields = text.split_ascii_whitespace().map(|field| {
        let (whole, hundredths) = field.split_once('.')?;
        let hundredths = hundredths.parse().ok().filter(|part: &u32| *part < 100)?;
        whole.parse::<u32>().ok()?.checked_mul(100)?.checked_add(hundredths)
    });
    let mut next = || fields.next().flatten();
    Some([next()?, next()?, next()?])
}
