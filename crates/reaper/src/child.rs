//! What runs between fork and exec: this file, and of others only what it calls:
//! stores into the report, plain values of `kernel`, the bits of a `SignalSet`.
//!
//! In the usual case the child shares the manager's memory, and other threads
//! of the manager go on while the child runs. So everything here only reads
//! what was prepared before the fork and makes raw system calls. It must not
//! allocate, lock, drop, panic, unwind, touch the environment, or use a C
//! library function that keeps state (`setuid` and friends walk the list of
//! threads). All it writes are atomics in the [`Job`]: the report, the digits
//! of its pid and the numbers of lifted descriptors.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_long, c_void};
use std::sync::atomic::{AtomicU8, Ordering};

use fdpass::plan::{Source, Step};
use sigpolicy::SignalSet;

use crate::job::{Failure, Job};
use crate::kernel::{KernelAction, KernelLimit, KernelSet, SIGNAL_SET_SIZE};
use crate::setup::Group;
use crate::stage::Stage;

/// The start of a child made by `clone(2)`.
///
/// `job` must point to a [`Job`] that stays valid, together with all that its
/// fields refer to, until the child has executed or exited.
pub(crate) extern "C" fn enter(job: *mut c_void) -> c_int {
    // SAFETY: the only caller is the clone in `spawn`, which passes a pointer
    // to a live Job and stays suspended until this child execs or exits. The
    // parent's suspended thread has only shared references to it, and what is
    // written below are atomics.
    let job = unsafe { &*job.cast::<Job<'_>>() };
    run(job)
}

/// Does the job; comes back in no case.
pub(crate) fn run(job: &Job<'_>) -> ! {
    let failure = become_program(job);
    fail(job, failure)
}

/// Tells the parent why there is no worker or program, and ends.
pub(crate) fn fail(job: &Job<'_>, failure: Failure) -> ! {
    job.report.store(failure);
    if let Some(fd) = job.report_fd {
        let bytes = failure.to_bytes();
        // SAFETY: the bytes live through the call. 8 bytes into an empty pipe
        // are written whole; when it fails nobody is left to be told.
        let _ = unsafe {
            call(libc::SYS_write, [word(fd), bytes.as_ptr().expose_provenance(), 8, 0, 0])
        };
    }
    // 127 is the shells' "not started".
    leave(127)
}

/// Ends the process at once: nothing is flushed, dropped or run at exit.
pub(crate) fn leave(code: u8) -> ! {
    loop {
        // SAFETY: no memory is involved.
        let _ = unsafe { call(libc::SYS_exit_group, [usize::from(code), 0, 0, 0, 0]) };
    }
}

/// One of the steps; its error is an errno.
type Action = fn(&Job<'_>) -> Result<(), i32>;

/// Returns only when something failed.
pub(crate) fn become_program(job: &Job<'_>) -> Failure {
    let steps: [(Stage, Action); 12] = [
        (Stage::Unshare, unshare),
        (Stage::Group, group),
        (Stage::Limit, umask_and_limits),
        (Stage::Nice, nice),
        (Stage::Fds, descriptors),
        (Stage::Limit, open_files),
        (Stage::Chroot, chroot),
        (Stage::Credentials, credentials),
        (Stage::DeathSignal, death_signal),
        (Stage::NoNewPrivs, no_new_privs),
        (Stage::Chdir, dir),
        (Stage::Signals, signals),
    ];
    match take(&steps, job) {
        Err(failure) => failure,
        Ok(()) => Failure { stage: Stage::Exec, errno: exec(job) },
    }
}

/// The same for a process that goes on with the program it has: its descriptors stay, but for those
/// that it was told to close.
pub(crate) fn settle(job: &Job<'_>) -> Result<(), Failure> {
    let steps: [(Stage, Action); 10] = [
        (Stage::Group, group),
        (Stage::Limit, umask_and_limits),
        (Stage::Nice, nice),
        (Stage::Fds, close),
        (Stage::Limit, open_files),
        (Stage::Chroot, chroot),
        (Stage::Credentials, credentials),
        (Stage::DeathSignal, death_signal),
        (Stage::NoNewPrivs, no_new_privs),
        (Stage::Chdir, dir),
    ];
    take(&steps, job)?;
    signals(job).map_err(|errno| Failure { stage: Stage::Signals, errno })
}

fn take(steps: &[(Stage, Action)], job: &Job<'_>) -> Result<(), Failure> {
    for (stage, step) in steps {
        step(job).map_err(|errno| Failure { stage: *stage, errno })?;
    }
    Ok(())
}

/// Kernels before 5.9 refuse, and some seccomp filters: then all stay.
fn close(job: &Job<'_>) -> Result<(), i32> {
    for (first, last) in job.close {
        let args = [*first as usize, *last as usize, 0, 0, 0];
        // SAFETY: only a forked worker has ranges here. They are closed in its own table; who left
        // them out of those to keep promised that nothing in the worker uses them.
        let _ = unsafe { call(libc::SYS_close_range, args) };
    }
    Ok(())
}

/// Must come first: until then every change would be the parent's.
fn unshare(job: &Job<'_>) -> Result<(), i32> {
    let Some(first) = job.unshare_from else { return Ok(()) };
    let flags = libc::CLOSE_RANGE_UNSHARE as usize;
    // SAFETY: changes only the child's table: the flag makes it private first.
    unsafe { call(libc::SYS_close_range, [first as usize, u32::MAX as usize, flags, 0, 0]) }
}

fn group(job: &Job<'_>) -> Result<(), i32> {
    match job.group {
        Group::Inherited => Ok(()),
        // SAFETY: no memory is involved.
        Group::Own => unsafe { call(libc::SYS_setpgid, [0; 5]) },
        // SAFETY: no memory is involved.
        Group::Session => unsafe { call(libc::SYS_setsid, [0; 5]) },
    }
}

fn umask_and_limits(job: &Job<'_>) -> Result<(), i32> {
    if let Some(mask) = job.umask {
        // SAFETY: no memory is involved; umask returns the former mask and
        // cannot fail.
        let _ = unsafe { call(libc::SYS_umask, [mask as usize, 0, 0, 0, 0]) };
    }
    job.limits.iter().try_for_each(|(resource, limit)| set_limit(*resource, limit))
}

fn open_files(job: &Job<'_>) -> Result<(), i32> {
    match &job.open_files {
        Some(limit) => set_limit(libc::RLIMIT_NOFILE as usize, limit),
        None => Ok(()),
    }
}

fn set_limit(resource: usize, limit: &KernelLimit) -> Result<(), i32> {
    let new = (&raw const *limit).expose_provenance();
    // SAFETY: `limit` has the layout of the kernel's rlimit64 and lives through
    // the call; a null pointer declines the former value.
    unsafe { call(libc::SYS_prlimit64, [0, resource, new, 0, 0]) }
}

fn nice(job: &Job<'_>) -> Result<(), i32> {
    let Some(nice) = job.nice else { return Ok(()) };
    // SAFETY: no memory is involved; 0, 0 is PRIO_PROCESS, the caller.
    unsafe { call(libc::SYS_setpriority, [0, 0, word(nice), 0, 0]) }
}

fn descriptors(job: &Job<'_>) -> Result<(), i32> {
    if job.close_others {
        let flags = libc::CLOSE_RANGE_CLOEXEC as usize;
        // Kernels before 5.11 and some seccomp filters refuse: then what was
        // close-on-exec from birth is all that is closed.
        // SAFETY: changes only flags of the child's own table.
        let _ = unsafe { call(libc::SYS_close_range, [3, u32::MAX as usize, flags, 0, 0]) };
    }
    for fd in job.keep_open {
        inherit(*fd)?;
    }
    for step in job.steps {
        match step {
            Step::Lift { from, slot } => {
                let slot = job.slots.get(*slot).ok_or(libc::EBADF)?;
                let args = [word(*from), libc::F_DUPFD_CLOEXEC as usize, word(job.lift_base), 0, 0];
                // SAFETY: makes a new descriptor in the child's table.
                let number = unsafe { call_for_number(FCNTL, args) }?;
                slot.store(number, Ordering::Relaxed);
            }
            Step::Dup { from, to } => {
                let from = match from {
                    Source::Fd(fd) => *fd,
                    Source::Slot(slot) => {
                        job.slots.get(*slot).ok_or(libc::EBADF)?.load(Ordering::Relaxed)
                    }
                };
                // SAFETY: the plan says what may be replaced in the child's
                // table; nothing else uses the numbers from here to the exec.
                unsafe { call(libc::SYS_dup3, [word(from), word(*to), 0, 0, 0]) }?;
            }
            Step::Inherit { fd } => inherit(*fd)?,
        }
    }
    Ok(())
}

fn inherit(fd: i32) -> Result<(), i32> {
    // SAFETY: clears the close-on-exec flag in the child's own table.
    unsafe { call(FCNTL, [word(fd), libc::F_SETFD as usize, 0, 0, 0]) }
}

fn chroot(job: &Job<'_>) -> Result<(), i32> {
    let Some(path) = job.chroot else { return Ok(()) };
    // SAFETY: the path ends in NUL and lives through the call.
    unsafe { call(libc::SYS_chroot, [path.as_ptr().expose_provenance(), 0, 0, 0, 0]) }
}

/// Groups before the group before the user: each needs the privileges that
/// the last one gives up.
fn credentials(job: &Job<'_>) -> Result<(), i32> {
    if let Some(groups) = job.groups {
        // SAFETY: pointer and length are those of a slice of 32-bit ids.
        unsafe { call(SETGROUPS, [groups.len(), groups.as_ptr().expose_provenance(), 0, 0, 0]) }?;
    }
    if let Some((uid, gid)) = job.ids {
        let (uid, gid) = (uid as usize, gid as usize);
        // SAFETY: no memory is involved. The raw calls change the calling
        // thread only, which in the child is all there is.
        unsafe { call(SETRESGID, [gid, gid, gid, 0, 0]) }?;
        // SAFETY: as above.
        unsafe { call(SETRESUID, [uid, uid, uid, 0, 0]) }?;
    }
    Ok(())
}

/// After the change of user, which clears the signal.
fn death_signal(job: &Job<'_>) -> Result<(), i32> {
    let Some((signal, parent)) = job.death_signal else { return Ok(()) };
    // SAFETY: no memory is involved.
    unsafe { call(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as usize, word(signal), 0, 0, 0]) }?;
    // SAFETY: no memory is involved.
    let present = unsafe { call_for_number(libc::SYS_getppid, [0; 5]) }?;
    // A parent that died before the request sends no signal any more.
    if present == parent { Ok(()) } else { Err(libc::ESRCH) }
}

fn no_new_privs(job: &Job<'_>) -> Result<(), i32> {
    if !job.no_new_privs {
        return Ok(());
    }
    // SAFETY: no memory is involved.
    unsafe { call(libc::SYS_prctl, [libc::PR_SET_NO_NEW_PRIVS as usize, 1, 0, 0, 0]) }
}

fn dir(job: &Job<'_>) -> Result<(), i32> {
    let Some(path) = job.dir else { return Ok(()) };
    // SAFETY: the path ends in NUL and lives through the call.
    unsafe { call(libc::SYS_chdir, [path.as_ptr().expose_provenance(), 0, 0, 0, 0]) }
}

/// Dispositions while everything is blocked, then the mask: so no handler of
/// the manager ever runs in the child.
fn signals(job: &Job<'_>) -> Result<(), i32> {
    for signal in SignalSet::all() {
        let action = KernelAction::new(job.ignored.contains(signal));
        let args =
            [word(signal.as_raw()), (&raw const action).expose_provenance(), 0, SIGNAL_SET_SIZE, 0];
        // KILL and STOP answer EINVAL and cannot be changed anyway.
        // SAFETY: the action is larger than the kernel's on every architecture
        // and says "default" or "ignore", so no address is ever called; null
        // declines the former one. With CLONE_VM but without CLONE_SIGHAND the
        // table of handlers is the child's own.
        let _ = unsafe { call(libc::SYS_rt_sigaction, args) };
    }
    let set = KernelSet::new(job.mask);
    let args =
        [libc::SIG_SETMASK as usize, (&raw const set).expose_provenance(), 0, SIGNAL_SET_SIZE, 0];
    // SAFETY: the set has the kernel's size or more and lives through the call.
    unsafe { call(libc::SYS_rt_sigprocmask, args) }
}

/// Tries the candidates as `execvp(3)` does and returns the error to report.
fn exec(job: &Job<'_>) -> i32 {
    if !job.own_pid.is_empty() {
        // SAFETY: no memory is involved.
        match unsafe { call_for_number(libc::SYS_getpid, [0; 5]) } {
            Ok(pid) => job.own_pid.iter().for_each(|place| write_decimal(place, pid)),
            Err(errno) => return errno,
        }
    }
    let (argv, envp) =
        (job.argv.as_ptr().expose_provenance(), job.envp.as_ptr().expose_provenance());
    let mut denied = false;
    let mut last = libc::ENOENT;
    for path in job.candidates {
        // SAFETY: path, argv and envp are NUL-terminated strings and
        // null-terminated arrays of such, alive until the exec.
        match unsafe {
            call(libc::SYS_execve, [path.as_ptr().expose_provenance(), argv, envp, 0, 0])
        } {
            Ok(()) => {}
            Err(libc::EACCES) => denied = true,
            Err(
                errno @ (libc::ENOENT
                | libc::ENOTDIR
                | libc::ENAMETOOLONG
                | libc::ESTALE
                | libc::ENODEV
                | libc::ETIMEDOUT),
            ) => last = errno,
            Err(errno) => return errno,
        }
    }
    if denied { libc::EACCES } else { last }
}

/// Writes `number` in decimal; what follows is NUL already.
fn write_decimal(place: &[AtomicU8], number: i32) {
    let mut place = place.iter();
    let mut rest = number.unsigned_abs();
    let mut begun = false;
    for unit in
        [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1000, 100, 10, 1]
    {
        let mut digit = b'0';
        while rest >= unit {
            rest = rest.wrapping_sub(unit);
            digit = digit.wrapping_add(1);
        }
        begun |= digit != b'0' || unit == 1;
        if begun {
            match place.next() {
                Some(byte) => byte.store(digit, Ordering::Relaxed),
                None => return,
            }
        }
    }
}

// The plain numbers take 16-bit ids and 32-bit structs on old 32-bit architectures.
#[cfg(not(any(
    target_arch = "x86",
    target_arch = "arm",
    target_arch = "sparc",
    target_arch = "m68k"
)))]
use libc::{SYS_setgroups as SETGROUPS, SYS_setresgid as SETRESGID, SYS_setresuid as SETRESUID};
#[cfg(any(
    target_arch = "x86",
    target_arch = "arm",
    target_arch = "sparc",
    target_arch = "m68k"
))]
use libc::{
    SYS_setgroups32 as SETGROUPS, SYS_setresgid32 as SETRESGID, SYS_setresuid32 as SETRESUID,
};

/// Only flags and duplication are asked for, which fcntl and fcntl64 do alike.
const FCNTL: c_long = libc::SYS_fcntl;

/// A signed number as a system call's argument.
const fn word(number: i32) -> usize {
    number as isize as usize
}

/// A system call without an interesting result.
///
/// # Safety
///
/// What the call reads or writes through its arguments must be valid for it.
unsafe fn call(number: c_long, arguments: [usize; 5]) -> Result<(), i32> {
    // SAFETY: the caller's promise.
    unsafe { call_for_number(number, arguments) }.map(drop)
}

/// A system call that returns a descriptor, a pid or zero.
///
/// # Safety
///
/// As for [`call`].
unsafe fn call_for_number(number: c_long, arguments: [usize; 5]) -> Result<i32, i32> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: the caller's promise; syscall(2) itself keeps no state but errno.
    match unsafe { libc::syscall(number, a, b, c, d, e) } {
        // SAFETY: errno is always readable. With shared memory it is that of the
        // parent's thread, which is suspended.
        -1 => Err(unsafe { *libc::__errno_location() }),
        result => Ok(result as i32),
    }
}

#[cfg(test)]
mod tests;
