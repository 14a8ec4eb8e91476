//! What is left of a process group whose leader has gone.

use std::fs;
use std::time::{Duration, Instant};

use reaper::Pid;
use rustix::io::Errno;
use rustix::process as sys;
use sigpolicy::Signal;

/// The number of a group that has gone is nobody else's for so long: numbers are given out in turn.
const UNUSED: Duration = Duration::from_secs(1);

/// The members of a group that are known.
#[derive(Debug, Default)]
pub(super) struct Rest {
    members: Vec<u32>,
    looked: Option<Instant>,
}

impl Rest {
    /// Whether anybody of the group still runs. Zombies do not: where the first process of a
    /// container is slow to reap, or never does, they stay for long.
    pub(super) fn lives(&mut self, group: Pid) -> bool {
        let Some(number) = number(group) else { return false };
        let group = group.as_raw();
        self.members.retain(|pid| member(*pid, group).is_some());
        // A member, even a zombie, keeps the number. Without one a new member may have come from the
        // last, or with time a group of somebody else.
        let old = self.looked.is_some_and(|looked| looked.elapsed() >= UNUSED);
        if self.members.is_empty() && old {
            return false;
        }
        self.looked = Some(Instant::now());
        // Where we are the first process, or a subreaper, they come to us as orphans.
        let ended = sys::WaitIdOptions::EXITED.union(sys::WaitIdOptions::NOHANG);
        while let Ok(Some(_)) = sys::waitid(sys::WaitId::Pgid(Some(number)), ended) {}
        if sys::test_kill_process_group(number) == Err(Errno::SRCH) {
            return false;
        }
        self.members.retain(|pid| runs_in(*pid, group));
        if self.members.is_empty() {
            // Not at each look: only those are asked that were found, until they have gone.
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
    member(pid, group) == Some(Member::Runs)
}

#[derive(Debug, PartialEq, Eq)]
enum Member {
    Runs,
    Zombie,
}

fn member(pid: u32, group: i32) -> Option<Member> {
    is_of(&fs::read(format!("/proc/{pid}/stat")).ok()?, group)
}

/// proc_pid_stat(5): the name in brackets, which may hold anything, then state, parent and group.
fn is_of(stat: &[u8], group: i32) -> Option<Member> {
    let stat = String::from_utf8_lossy(stat);
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace();
    let member = match fields.next()? {
        "Z" | "X" | "x" => Member::Zombie,
        _ => Member::Runs,
    };
    (fields.nth(1)?.parse() == Ok(group)).then_some(member)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_in_a_group() {
        assert_eq!(is_of(b"7 (sh) S 1 42 42 0 -1", 42), Some(Member::Runs));
        assert_eq!(is_of(b"7 (a) Z 9 9 (b\xff) R 1 42 42", 42), Some(Member::Runs));
        assert_eq!(is_of(b"7 (sh) Z 1 42 42 0 -1", 42), Some(Member::Zombie));
        for other in [&b"7 (sh) S 42 1 42 0 -1"[..], b"7 (sh", b"", b"7 (x) S"] {
            assert_eq!(is_of(other, 42), None);
        }
        let own = sys::getpgrp().as_raw_nonzero().get();
        assert!(runs_in(std::process::id(), own));
        assert!(!runs_in(std::process::id(), own + 1) && !runs_in(0, own));
    }

    /// A group with one member that does nothing.
    fn group() -> (std::process::Child, Pid) {
        use std::os::unix::process::CommandExt;
        let mut command = std::process::Command::new("sleep");
        let child = command.arg("1000").process_group(0).spawn().unwrap();
        let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        (child, pid)
    }

    fn long_ago() -> Option<Instant> {
        Instant::now().checked_sub(UNUSED)
    }

    /// The members that were known have gone and the number is somebody else's.
    #[test]
    fn a_number_that_is_used_again_is_of_others() {
        let (mut other, group) = group();
        let gone = vec![u32::MAX];
        let mut rest = Rest { members: gone.clone(), looked: long_ago() };
        assert!(!rest.lives(group) && !rest.lives(group));
        // Before the number can have come round again it is a new member of the same group.
        let mut rest = Rest { members: gone, looked: Some(Instant::now()) };
        assert!(rest.lives(group));
        assert_eq!(rest.members, [other.id()]);
        // A member that was seen keeps the number, however long ago that was.
        rest.looked = long_ago();
        assert!(rest.lives(group));
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(!rest.lives(group));
    }

    /// A zombie that is ours holds the number, and is reaped.
    #[test]
    fn a_member_that_has_ended_is_reaped() {
        let (mut child, group) = group();
        let number = number(group).unwrap();
        child.kill().unwrap();
        let ended = sys::WaitIdOptions::EXITED.union(sys::WaitIdOptions::NOWAIT);
        sys::waitid(sys::WaitId::Pid(number), ended).unwrap();
        let mut rest = Rest { members: vec![child.id()], looked: long_ago() };
        assert!(!rest.lives(group));
        assert_eq!(sys::test_kill_process(number), Err(Errno::SRCH));
    }
}
