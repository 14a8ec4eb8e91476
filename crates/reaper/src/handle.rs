//! A child process: signal it, wait for it, never mistake another for it.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::process::{self as sys, WaitId, WaitIdOptions, WaitIdStatus, WaitOptions};
use sigpolicy::Signal;

use crate::{Exit, Pid};

/// `f_type` of the file system of pidfds, from Linux 6.9 on.
const PIDFS_MAGIC: u64 = 0x5049_4446;

/// A child that [`spawn`](crate::spawn()) started.
///
/// It can only mean that one child: the pidfd refers to the process itself,
/// and where there is none (too many open files) the pid is used only as long
/// as the child has not been reaped, while its number cannot be given to
/// another process. For this to hold nothing else in the program may reap it
/// (no `waitpid(-1)`).
///
/// Dropping a `Child` neither kills nor reaps: the process goes on, and when
/// it ends it stays a zombie until its parent ends.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    pidfd: Option<OwnedFd>,
    end: End,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum End {
    NotSeen,
    Reaped(Exit),
    /// The kernel says there is no such child: somebody else reaped it, or
    /// SIGCHLD is ignored.
    Lost,
}

impl Child {
    pub(crate) fn new(pid: Pid, pidfd: Option<OwnedFd>) -> Child {
        Child { pid, pidfd, end: End::NotSeen }
    }

    /// The process id. After the child was reaped the number may belong to
    /// another process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The descriptor that refers to the process and becomes readable when it
    /// ends; `None` when there was none to spare.
    #[must_use]
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// The inode number of the pidfd, which from Linux 6.9 on identifies the
    /// process until the next boot; `None` on older kernels and without pidfd.
    #[must_use]
    pub fn pidfd_inode(&self) -> Option<u64> {
        let pidfd = self.pidfd()?;
        let kind = rustix::fs::fstatfs(pidfd).ok()?.f_type;
        if u64::try_from(kind).ok()? != PIDFS_MAGIC {
            return None;
        }
        rustix::fs::fstat(pidfd).ok().map(|status| status.st_ino)
    }

    /// How the child ended, when [`try_wait`](Child::try_wait) or
    /// [`wait`](Child::wait) has seen it.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        match self.end {
            End::Reaped(exit) => Some(exit),
            End::NotSeen | End::Lost => None,
        }
    }

    /// Sends a signal. A child that has ended but is not reaped yet accepts
    /// every signal without effect, as is usual.
    ///
    /// # Errors
    ///
    /// ESRCH when the child has been reaped; EPERM when it has changed to
    /// another user and the caller has no privileges.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        self.still_ours()?;
        if let Some(pidfd) = self.pidfd() {
            match pidfd_send_signal(pidfd, signal, 0) {
                Err(error) if unsupported(&error) => {}
                answer => return answer,
            }
        }
        kill(self.pid.as_raw(), signal)
    }

    /// Sends a signal to the process group that the child leads, see
    /// [`Setup::process_group`](crate::Setup::process_group) and
    /// [`Setup::session`](crate::Setup::session). From Linux 6.9 on this
    /// reaches what is left of the group also after the child was reaped.
    ///
    /// # Errors
    ///
    /// ESRCH when there is no such group, or when the child has been reaped
    /// and the kernel offers no safe way to the rest of its group; EPERM when
    /// the caller may signal none of its members.
    pub fn signal_group(&self, signal: Signal) -> io::Result<()> {
        if self.pid.as_raw() == 1 {
            // kill(-1) would be a signal to every process there is.
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        if let Some(pidfd) = self.pidfd() {
            match pidfd_send_signal(pidfd, signal, libc::PIDFD_SIGNAL_PROCESS_GROUP) {
                Err(error) if unsupported(&error) => {}
                answer => return answer,
            }
        }
        self.still_ours()?;
        kill(self.pid.as_raw().saturating_neg(), signal)
    }

    /// Reaps the child if it has ended, without waiting; `None` while it runs.
    /// Once the exit is known every further call returns it again.
    ///
    /// # Errors
    ///
    /// ECHILD when somebody else reaped the child or SIGCHLD is ignored.
    pub fn try_wait(&mut self) -> io::Result<Option<Exit>> {
        self.reap(false)
    }

    /// Waits until the child ends, and reaps it.
    ///
    /// # Errors
    ///
    /// As for [`try_wait`](Child::try_wait).
    pub fn wait(&mut self) -> io::Result<Exit> {
        loop {
            if let Some(exit) = self.reap(true)? {
                return Ok(exit);
            }
        }
    }

    fn reap(&mut self, block: bool) -> io::Result<Option<Exit>> {
        match self.end {
            End::Reaped(exit) => return Ok(Some(exit)),
            End::Lost => return Err(io::Error::from_raw_os_error(libc::ECHILD)),
            End::NotSeen => {}
        }
        let answer = loop {
            match self.ask_kernel(block) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                answer => break answer,
            }
        };
        match &answer {
            Ok(Some(exit)) => self.end = End::Reaped(*exit),
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => self.end = End::Lost,
            Ok(None) | Err(_) => {}
        }
        answer
    }

    fn ask_kernel(&self, block: bool) -> io::Result<Option<Exit>> {
        if let Some(pidfd) = self.pidfd() {
            let hang = if block { WaitIdOptions::empty() } else { WaitIdOptions::NOHANG };
            match sys::waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED | hang) {
                Ok(status) => return Ok(status.as_ref().and_then(exit_of)),
                // P_PIDFD is younger (5.4) than pidfds.
                Err(rustix::io::Errno::INVAL) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let hang = if block { WaitOptions::empty() } else { WaitOptions::NOHANG };
        let Some(pid) = self.pid.to_rustix() else {
            return Err(io::Error::from_raw_os_error(libc::ECHILD));
        };
        let status = sys::waitpid(Some(pid), hang)?;
        Ok(status.map(|(_, status)| Exit::from_raw(status.as_raw())))
    }

    fn still_ours(&self) -> io::Result<()> {
        match self.end {
            End::NotSeen => Ok(()),
            End::Reaped(_) | End::Lost => Err(io::Error::from_raw_os_error(libc::ESRCH)),
        }
    }
}

/// What waitpid(2) would have said.
fn exit_of(status: &WaitIdStatus) -> Option<Exit> {
    if let Some(code) = status.exit_status() {
        return Some(Exit::from_raw((code & 0xff) << 8));
    }
    let signal = status.terminating_signal()?;
    Some(Exit::from_raw(if status.dumped() { signal | 0x80 } else { signal }))
}

/// An old kernel, or a filter that does not know the call.
fn unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS))
}

fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: Signal, flags: u32) -> io::Result<()> {
    let (fd, signal) = (pidfd.as_raw_fd(), signal.as_raw());
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open; without siginfo no memory is involved.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, info, flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn kill(pid: i32, signal: Signal) -> io::Result<()> {
    // SAFETY: no memory is involved.
    let result = unsafe { libc::kill(pid, signal.as_raw()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::io::BufRead;
    use std::os::fd::AsFd;

    use super::*;
    use crate::{Image, Setup, spawn};

    fn start(program: &str, args: &[&str], setup: &Setup<'_>) -> Child {
        let args = args.iter().map(OsString::from);
        spawn(&Image::new(program.as_ref(), args, []).unwrap(), setup).unwrap()
    }

    fn sleeper() -> Child {
        start("/bin/sleep", &["60"], &Setup::new().process_group())
    }

    fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> Option<i32> {
        result.unwrap_err().raw_os_error()
    }

    #[test]
    fn from_running_to_reaped() {
        // The same child with and without its pidfd.
        for with_pidfd in [true, false] {
            let mut child = sleeper();
            assert!(child.pidfd().is_some());
            if !with_pidfd {
                child.pidfd = None;
            }
            assert_eq!((child.try_wait().unwrap(), child.exit()), (None, None));
            child.signal(Signal::STOP).unwrap();
            child.signal(Signal::CONT).unwrap();
            assert_eq!(child.try_wait().unwrap(), None);
            child.signal(Signal::TERM).unwrap();
            let exit = child.wait().unwrap();
            assert_eq!(exit.raw(), 15);
            assert_eq!(child.exit(), Some(exit));
            assert_eq!((child.wait().unwrap(), child.try_wait().unwrap()), (exit, Some(exit)));
            assert_eq!(errno(child.signal(Signal::TERM)), Some(libc::ESRCH));
            assert_eq!(errno(child.signal_group(Signal::TERM)), Some(libc::ESRCH));
        }
    }

    #[test]
    fn a_zombie_takes_signals() {
        let mut child = start("/bin/true", &[], &Setup::new());
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        sys::waitid(WaitId::PidFd(child.pidfd().unwrap()), ended).unwrap();
        child.signal(Signal::KILL).unwrap();
        assert!(child.try_wait().unwrap().unwrap().success());
    }

    #[test]
    fn realtime_signals() {
        let mut child = sleeper();
        child.signal(Signal::from_raw(42).unwrap()).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Signal::from_raw(42));
    }

    /// The end of the pipe says that also the grandchild is dead.
    #[test]
    fn a_group_signal_reaches_the_grandchild() {
        for with_pidfd in [true, false] {
            let (reader, writer) =
                rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
            let mut plan = fdpass::FdPlan::new();
            plan.pass(writer.as_fd(), 1).unwrap();
            let setup = Setup::new().process_group().fds(plan);
            let mut child = start("/bin/sh", &["-c", "sleep 60 & echo up; wait"], &setup);
            drop(writer);
            if !with_pidfd {
                child.pidfd = None;
            }
            let mut lines = io::BufReader::new(std::fs::File::from(reader)).lines();
            assert_eq!(lines.next().unwrap().unwrap(), "up");
            child.signal_group(Signal::TERM).unwrap();
            assert!(lines.next().is_none());
            assert_eq!(child.wait().unwrap().signal(), Some(Signal::TERM));
        }
    }

    #[test]
    fn no_group_of_its_own() {
        let mut child = start("/bin/sleep", &["60"], &Setup::new());
        assert_eq!(errno(child.signal_group(Signal::TERM)), Some(libc::ESRCH));
        child.signal(Signal::KILL).unwrap();
        child.wait().unwrap();
        let init = Child::new(Pid::from_raw(1).unwrap(), None);
        assert_eq!(errno(init.signal_group(Signal::CONT)), Some(libc::ESRCH));
    }

    #[test]
    fn reaped_by_somebody_else() {
        let mut child = start("/bin/true", &[], &Setup::new());
        sys::waitpid(child.pid().to_rustix(), WaitOptions::empty()).unwrap();
        child.pidfd = None;
        assert_eq!(errno(child.try_wait()), Some(libc::ECHILD));
        // From now on the number may be anybody's.
        assert_eq!(errno(child.signal(Signal::TERM)), Some(libc::ESRCH));
        assert_eq!(errno(child.wait()), Some(libc::ECHILD));
    }

    #[test]
    fn the_inode_tells_processes_apart() {
        let mut children = [sleeper(), sleeper()];
        let [first, second] = [&children[0], &children[1]].map(Child::pidfd_inode);
        // Older kernels give all pidfds the same inode and so answer None.
        assert!(first != second || first.is_none());
        let again = rustix::process::pidfd_open(
            children[0].pid().to_rustix().unwrap(),
            rustix::process::PidfdFlags::empty(),
        );
        let same = Child::new(children[0].pid(), again.ok());
        assert_eq!(same.pidfd_inode(), first);
        for child in &mut children {
            child.signal(Signal::KILL).unwrap();
            child.wait().unwrap();
        }
    }
}
