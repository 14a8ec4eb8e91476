//! Which process a number meant: pids are used again, inodes of pidfds and start times are not.

use std::os::fd::AsFd;

use rustix::fs::{fstat, fstatfs};
use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};

/// `f_type` of the file system of pidfds (Linux 6.9); before, all of them had one inode.
const PID_FS_MAGIC: u64 = 0x5049_4446;

/// The inode of a pidfd, which no other process of this boot has; 0 where the kernel gives all
/// pidfds the same.
pub(crate) fn inode(pidfd: impl AsFd) -> u64 {
    let pidfd = pidfd.as_fd();
    match (fstatfs(pidfd), fstat(pidfd)) {
        (Ok(system), Ok(stat)) if system.f_type as u64 == PID_FS_MAGIC => stat.st_ino,
        _ => 0,
    }
}

/// A process as a board's header names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: u64,
    pub(crate) pidfd_inode: u64,
    pub(crate) start: u64,
    /// The inode of its pid namespace; 0: not known.
    pub(crate) namespace: u64,
}

impl Identity {
    /// This process.
    pub(crate) fn own() -> Identity {
        let pid = getpid();
        let pidfd_inode = pidfd_open(pid, PidfdFlags::empty()).map_or(0, inode);
        let start = start_time(pid).unwrap_or(0);
        let pid = pid.as_raw_nonzero().get().unsigned_abs().into();
        Identity { pid, pidfd_inode, start, namespace: namespace() }
    }

    /// Whether that process still exists. Where nothing can be told (another pid namespace, no
    /// `/proc`), it does.
    pub(crate) fn is_alive(&self) -> bool {
        if self.namespace != namespace() {
            return true;
        }
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return false;
        };
        if self.pidfd_inode != 0 {
            match pidfd_open(pid, PidfdFlags::empty()) {
                Ok(pidfd) => {
                    let inode = inode(pidfd);
                    return inode == 0 || inode == self.pidfd_inode;
                }
                Err(rustix::io::Errno::SRCH) => return false,
                Err(_) => {}
            }
        }
        match start_time(pid) {
            Some(start) => self.start == 0 || start == self.start,
            None => rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH),
        }
    }
}

/// The inode of this process's pid namespace (namespaces(7)), in which its pids mean something.
fn namespace() -> u64 {
    rustix::fs::stat("/proc/self/ns/pid").map_or(0, |stat| stat.st_ino)
}

/// Field 22 of `/proc/PID/stat` (proc_pid_stat(5)): clock ticks from boot to the process's start.
fn start_time(pid: Pid) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives() {
        let own = Identity::own();
        assert_eq!(own.pid, u64::from(std::process::id()));
        assert!(own.is_alive());
        assert!(Identity { pidfd_inode: 0, ..own }.is_alive());
    }

    #[test]
    fn another_process_of_the_same_number_is_another() {
        let own = Identity::own();
        if own.pidfd_inode != 0 {
            assert!(!Identity { pidfd_inode: own.pidfd_inode + 1, ..own }.is_alive());
        }
        assert!(!Identity { pidfd_inode: 0, start: own.start + 1, ..own }.is_alive());
        for pid in [0, u64::MAX, i32::MAX as u64] {
            assert!(!Identity { pid, ..own }.is_alive(), "{pid}");
        }
    }

    #[test]
    fn a_process_that_has_ended_is_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = u64::from(child.id());
        child.wait().unwrap();
        let gone = Identity { pid, pidfd_inode: 0, start: 0, namespace: namespace() };
        assert!(!gone.is_alive());
        assert!(Identity { namespace: 1, ..gone }.is_alive(), "nobody knows, from here");
    }
}
