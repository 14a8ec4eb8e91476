//! From an image and a setup to a running program.
#![allow(unsafe_code)]

use std::ffi::{OsStr, OsString, c_int};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::io::{Errno, fcntl_dupfd_cloexec, fcntl_getfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{PidfdFlags, WaitOptions, pidfd_open, waitpid};
use rustix::process::{dumpable_behavior, set_dumpable_behavior};
use sigpolicy::mask;

use crate::child;
use crate::job::{Failure, Job};
use crate::prepare::Prepared;
use crate::setup::Method;
use crate::stack::Stack;
use crate::{Child, Image, Pid, Setup, SpawnError, Stage};

#[cfg(test)]
mod tests;

/// Above this many open descriptors it is cheaper to share the table with the
/// child and let it copy the low part than to copy the whole.
const MANY_DESCRIPTORS: i32 = 64;

/// The number of the last pidfd: a free hint at how many descriptors are open.
static LAST_PIDFD: AtomicI32 = AtomicI32::new(-1);

/// The way to make a process.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Tactic {
    /// Shared memory, the parent waits until the exec; `table` shares the
    /// descriptors as well, until the child has taken its copy.
    Share { table: bool },
    /// A copy of the parent, which reports through a pipe.
    Fork,
}

/// Starts a program. When this returns, the program runs: everything in
/// `setup` has been done and `execve(2)` has succeeded.
///
/// The calling thread waits for that (with all signals blocked), usually for
/// about 0.1 ms. Other threads go on.
///
/// ```
/// use reaper::{Image, Setup, spawn};
///
/// let image = Image::new("sh".as_ref(), ["-c".into(), "exit 3".into()], [])?;
/// let mut child = spawn(&image, &Setup::new())?;
/// assert_eq!(child.wait()?.code(), Some(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Says which step failed and why. No process is left: if there was one, it
/// has been reaped.
pub fn spawn(image: &Image, setup: &Setup<'_>) -> Result<Child, SpawnError> {
    let tactic = match setup.method {
        Method::Fork => Tactic::Fork,
        Method::Auto => {
            Tactic::Share { table: LAST_PIDFD.load(Ordering::Relaxed) >= MANY_DESCRIPTORS }
        }
    };
    let child = spawn_by(tactic, image, setup)?;
    if let Some(pidfd) = child.pidfd() {
        LAST_PIDFD.store(pidfd.as_raw_fd(), Ordering::Relaxed);
    }
    Ok(child)
}

fn spawn_by(tactic: Tactic, image: &Image, setup: &Setup<'_>) -> Result<Child, SpawnError> {
    let failed = |refusal: Refusal| refusal.into_error(image, setup);
    if !image.own_pid_names_valid() {
        return Err(failed(Refusal::before(Stage::Prepare, libc::EINVAL)));
    }
    let prepared = Prepared::new(image, setup);
    for fd in prepared.keep_open() {
        check_open(*fd).map_err(failed)?;
    }
    let pid_places = prepared.pid_places();
    let mut job = prepared.job(&pid_places);
    // Signals stay pending, in parent and child, until the child has reset its
    // dispositions: otherwise it would run the parent's handlers.
    let blocked = mask::block_all();
    let outcome = match tactic {
        Tactic::Share { table } => {
            let table = table && !setup.keep_others;
            match share(&prepared, &mut job, table) {
                Err(refusal) if refusal.forbids_sharing() => {
                    job.unshare_from = None;
                    fork(&prepared, &mut job)
                }
                outcome => outcome,
            }
        }
        Tactic::Fork => fork(&prepared, &mut job),
    };
    drop(blocked);
    outcome.map_err(failed)
}

/// Why there is no child, before words are found for it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) failure: Failure,
    pub(crate) pid: Option<Pid>,
}

impl Refusal {
    pub(crate) fn before(stage: Stage, errno: i32) -> Refusal {
        Refusal { failure: Failure { stage, errno }, pid: None }
    }

    pub(crate) fn clone(errno: i32) -> Refusal {
        Refusal::before(Stage::Clone, errno)
    }

    /// What seccomp filters, emulators and the like answer to unusual flags.
    fn forbids_sharing(&self) -> bool {
        self.failure.stage == Stage::Clone
            && matches!(self.failure.errno, libc::EPERM | libc::ENOSYS | libc::EINVAL)
    }

    pub(crate) fn into_error(self, image: &Image, setup: &Setup<'_>) -> SpawnError {
        let Failure { stage, errno } = self.failure;
        let path = match stage {
            Stage::Chdir => setup.dir.as_deref(),
            Stage::Chroot => setup.chroot.as_deref(),
            _ => None,
        };
        let subject = path.map_or_else(
            || image.program().to_owned(),
            |path| OsString::from(OsStr::from_bytes(path.to_bytes())),
        );
        SpawnError::new(stage, errno, self.pid, subject)
    }
}

pub(crate) fn check_open(fd: i32) -> Result<(), Refusal> {
    if fd < 0 {
        return Err(Refusal::before(Stage::Fds, libc::EBADF));
    }
    // SAFETY: the number is not -1, and the borrow ends with the call, which
    // only asks whether the number is open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    match fcntl_getfd(borrowed) {
        Ok(_) => Ok(()),
        Err(errno) => Err(Refusal::before(Stage::Fds, errno.raw_os_error())),
    }
}

/// A child in our memory, on a stack of its own.
fn share(prepared: &Prepared<'_>, job: &mut Job<'_>, table: bool) -> Result<Child, Refusal> {
    let stack = Stack::take()
        .map_err(|error| Refusal::clone(error.raw_os_error().unwrap_or(libc::ENOMEM)))?;
    // In a child with our memory a change of user clears *our* dumpable flag,
    // and with it core dumps and pidfd_getfd.
    let dumpable = job.ids.and_then(|_| dumpable_behavior().ok());
    let mut table = table;
    let mut pidfd = true;
    let outcome = loop {
        job.report.clear();
        job.unshare_from = table.then(|| prepared.first_unused());
        let (pid, pidfd) = match clone(&stack, job, table, pidfd) {
            Ok(made) => made,
            // No descriptor to spare; or a kernel that does not know the flag.
            Err(libc::EMFILE | libc::ENFILE | libc::EINVAL) if pidfd => {
                pidfd = false;
                continue;
            }
            Err(errno) => break Err(Refusal::clone(errno)),
        };
        let Some(failure) = job.report.failure() else {
            break Ok(Child::new(pid, pidfd));
        };
        reap(pid);
        if failure.stage == Stage::Unshare {
            // Kernels before 5.9. The child touched no descriptor.
            table = false;
            continue;
        }
        break Err(Refusal { failure, pid: Some(pid) });
    };
    if let Some(before) = dumpable.filter(|before| dumpable_behavior() != Ok(*before)) {
        // Fails only for the value 2, which a process cannot set for itself.
        let _ = set_dumpable_behavior(before);
    }
    stack.give_back();
    outcome
}

/// Comes back when the child has executed its program or ended.
fn clone(
    stack: &Stack,
    job: &Job<'_>,
    table: bool,
    want_pidfd: bool,
) -> Result<(Pid, Option<OwnedFd>), i32> {
    let mut flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    if table {
        flags |= libc::CLONE_FILES;
    }
    if want_pidfd {
        flags |= libc::CLONE_PIDFD;
    }
    let mut pidfd: c_int = -1;
    let argument = (&raw const *job).cast_mut().cast();
    // SAFETY: the stack is mapped, large enough, used by nobody else and
    // outlives the child's use of it, as does the job: with CLONE_VFORK this
    // thread sleeps until the child has executed or exited. `enter` keeps to
    // what a child in shared memory may do and never returns or unwinds. The
    // third variadic argument of the C library is used only with flags that
    // are not set; the first receives the pidfd.
    let pid = unsafe { libc::clone(child::enter, stack.top(), flags, argument, &raw mut pidfd) };
    let Some(pid) = Pid::from_raw(pid) else {
        return Err(last_errno());
    };
    // SAFETY: with CLONE_PIDFD the kernel stored a new descriptor of ours.
    let pidfd = (want_pidfd && pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
    Ok((pid, pidfd))
}

/// A child in a copy of our memory.
fn fork(prepared: &Prepared<'_>, job: &mut Job<'_>) -> Result<Child, Refusal> {
    let refused = |errno: Errno| Refusal::clone(errno.raw_os_error());
    let (reader, mut writer) = pipe_with(PipeFlags::CLOEXEC).map_err(refused)?;
    while prepared.concerns(writer.as_raw_fd()) {
        // The number is one that the child fills; take the next free one.
        let next = writer.as_raw_fd().saturating_add(1);
        writer = fcntl_dupfd_cloexec(&writer, next).map_err(refused)?;
    }
    job.report_fd = Some(writer.as_raw_fd());
    // SAFETY: the child calls nothing but `run`, which is made for the state
    // after a fork and does not return.
    let pid = match unsafe { libc::fork() } {
        0 => child::run(job),
        pid => Pid::from_raw(pid).ok_or_else(|| Refusal::clone(last_errno()))?,
    };
    drop(writer);
    outcome(pid, reader)
}

/// Waits for what a child that is a copy reports through the pipe.
pub(crate) fn outcome(pid: Pid, reader: OwnedFd) -> Result<Child, Refusal> {
    let mut bytes = [0; 8];
    // Nothing comes, and the pipe is closed, when the exec has succeeded (or
    // the child was killed, which its exit status will tell).
    match std::fs::File::from(reader).read_exact(&mut bytes) {
        Ok(()) => {
            reap(pid);
            Err(Refusal { failure: Failure::from_bytes(bytes), pid: Some(pid) })
        }
        Err(_) => {
            // The pid is ours until we reap it, so this cannot be another process.
            let pidfd = pid.to_rustix().and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
            Ok(Child::new(pid, pidfd))
        }
    }
}

/// Waits for a child that failed and is about to exit.
fn reap(pid: Pid) {
    let Some(pid) = pid.to_rustix() else { return };
    // Ends also with ECHILD, which means that SIGCHLD is ignored.
    while let Err(Errno::INTR) = waitpid(Some(pid), WaitOptions::empty()) {}
}

pub(crate) fn last_errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EAGAIN)
}
