//! What is left of a process group whose leader has gone.

use std::fs;

use reaper::Pid;
use rustix::io::Errno;
use rustix::process as sys;
use sigpolicy::Signal;

/// The members of a group that are known to live.
#[derive(Debug, Default)]
pub(super) struct Rest {
    members: Vec<u32>,
}

impl Rest {
    /// Whether anybody of the group still runs. Zombies do not: where the first process of a
    /// container is slow to reap, or never does, they stay for long.
    pub(super) fn lives(&mut self, group: Pid) -> bool {
        let Some(number) = number(group) else { return false };
        // Where we are the first process, or a subreaper, they come to us as orphans.
        let ended = sys::WaitIdOptions::EXITED.union(sys::WaitIdOptions::NOHANG);
        while let Ok(Some(_)) = sys::waitid(sys::WaitId::Pgid(Some(number)), ended) {}
        if sys::test_kill_process_group(number) == Err(Errno::SRCH) {
            return false;
        }
        let group = group.as_raw();
        self.members.retain(|pid| runs_in(*pid, group));
        if self.members.is_empty() {
            // Once: from then on only those are asked that were found.
            let Ok(directory) = fs::read_dir("/proc") else { return true };
            let pids =
                directory.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
            self.members = pids.filter(|pid| runs_in(*pid, group)).collect();
        }
        !self.members.is_empty()
    }
}

/// A signal for all that are left.
pub(super) fn signal_rest(group: Pid, signal: Signal) -> std::io::Result<()> {
    let signal = sys::Signal::from_named_raw(signal.as_raw());
    let (Some(group), Some(signal)) = (number(group), signal) else { return Ok(()) };
    Ok(sys::kill_process_group(group, signal)?)
}

/// The number of the group, which nobody else gets while it has a member, be it a zombie.
pub(super) fn number(pid: Pid) -> Option<sys::Pid> {
    sys::Pid::from_raw(pid.as_raw()).filter(|_| pid.as_raw() > 1)
}

fn runs_in(pid: u32, group: i32) -> bool {
    fs::read(format!("/proc/{pid}/stat")).is_ok_and(|stat| is_of(&stat, group))
}

/// proc_pid_stat(5): the name in brackets, which may hold anything, then state, parent and group.
fn is_of(stat: &[u8], group: i32) -> bool {
    let stat = String::from_utf8_lossy(stat);
    let Some((_, after)) = stat.rsplit_once(')') else { return false };
    let mut fields = after.split_whitespace();
    let runs = fields.next().is_some_and(|state| !matches!(state, "Z" | "X" | "x"));
    runs && fields.nth(1).and_then(|field| field.parse().ok()) == Some(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_in_a_group() {
        assert!(is_of(b"7 (sh) S 1 42 42 0 -1", 42));
        assert!(is_of(b"7 (a) Z 9 9 (b\xff) R 1 42 42", 42));
        assert!(!is_of(b"7 (sh) Z 1 42 42 0 -1", 42));
        assert!(!is_of(b"7 (sh) S 42 1 42 0 -1", 42));
        assert!(!is_of(b"7 (sh", 42) && !is_of(b"", 42) && !is_of(b"7 (x) S", 42));
        let own = sys::getpgrp().as_raw_nonzero().get();
        assert!(runs_in(std::process::id(), own));
        assert!(!runs_in(std::process::id(), own + 1) && !runs_in(0, own));
    }
}
