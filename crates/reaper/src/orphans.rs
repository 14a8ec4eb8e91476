//! Children that nobody here started: PID 1 and subreapers inherit them.
#![allow(unsafe_code)]

use crate::{Exit, Pid};
use std::io;
use std::mem::MaybeUninit;

/// Makes this process the parent of every descendant whose own parent ends (prctl(2),
/// PR_SET_CHILD_SUBREAPER).
///
/// Each of them has then to be reaped: see
/// [`EventLoop::reap_orphans`](crate::EventLoop::reap_orphans). The setting lasts over an exec and
/// is not inherited by children.
///
/// # Errors
///
/// Only from a kernel or a sandbox that refuses the request.
pub fn become_subreaper() -> io::Result<()> {
    let on: libc::c_ulong = 1;
    // SAFETY: PR_SET_CHILD_SUBREAPER takes one integer and touches no memory.
    match unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, on, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether this process is PID 1 of its pid namespace: it inherits every orphan in it, and the
/// kernel spares it the signals for which it has no handler.
#[must_use]
pub fn is_init() -> bool {
    Pid::own().as_raw() == 1
}

/// A child of this process that ended and was not reaped yet, if there is one; it stays unreaped.
///
/// The kernel walks the list of all children for this: some 300 µs for 10,000 living ones.
pub(crate) fn peek() -> io::Result<Option<Pid>> {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: siginfo_t is plain data, for which zero bytes are valid.
    let mut info: libc::siginfo_t = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: `info` is a valid place for the answer.
    if unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, flags) } != 0 {
        return match io::Error::last_os_error() {
            // No children at all.
            error if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
            error => Err(error),
        };
    }
    // SAFETY: waitid filled the fields of a SIGCHLD in, or left them zero.
    Ok(Pid::from_raw(unsafe { info.si_pid() }))
}

/// Reaps one child by its pid; `None` if it has not ended.
pub(crate) fn reap(pid: Pid) -> io::Result<Option<Exit>> {
    let mut status = 0;
    // SAFETY: `status` is a valid place for an int; the pid is positive, so it is one child's.
    match unsafe { libc::waitpid(pid.as_raw(), &raw mut status, libc::WNOHANG) } {
        0 => Ok(None),
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(Some(Exit::from_raw(status))),
    }
}
