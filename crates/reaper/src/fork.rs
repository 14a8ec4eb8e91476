//! A worker that is a copy of its manager and goes on with a closure; and the
//! same steps for the present process.
#![allow(unsafe_code)]

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{getpid, getppid};
use sigpolicy::mask;

use crate::child;
use crate::job::Job;
use crate::prepare::Prepared;
use crate::setup::Group;
use crate::spawn::{Refusal, check_open, last_errno, outcome};
use crate::{Child, Image, Pid, Setup, SpawnError, Stage};

#[cfg(test)]
mod tests;

/// Forks a worker that runs `body` and ends with the exit code it returns.
///
/// All that `setup` says has been done when this returns, and every signal has its default
/// disposition or is ignored as `setup` says, so that no handler of the manager runs in the worker.
/// A program needs none of what makes a copy delicate; a worker has to know:
///
/// * **Descriptors stay what they are**, under their numbers, also those that are close-on-exec:
///   [`Setup::fds`], [`Setup::keep_open`] and [`Setup::close_others`] have no effect. After
///   [`Setup::fork_keeps`] all but those are closed.
/// * **It leaves by `_exit(2)`**: nothing of the manager's is dropped, and buffers are not flushed.
///   What the manager had in a buffer of its own (standard output!) at this moment is in the copy,
///   too: flush before. What `body` prints without a newline must be flushed by itself.
/// * **A panic ends it by SIGABRT**, whether the program unwinds or aborts, after its message.
/// * **Random number generators** go on alike in all copies, unless they are seeded anew.
///
/// ```no_run
/// use reaper::{Setup, fork_worker};
///
/// let answer = 7;
/// let mut child = fork_worker(&Setup::new().process_group(), || answer)?;
/// assert_eq!(child.wait()?.code(), Some(7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Says which step failed and why; no process is left then. [`Stage::Threads`] when the process has
/// more than one thread: the others would be missing in the copy, with all that they had locked.
pub fn fork_worker(setup: &Setup<'_>, body: impl FnOnce() -> u8) -> Result<Child, SpawnError> {
    let image = Image::present();
    let prepared = Prepared::new(&image, setup);
    let failed = |refusal: Refusal| refusal.into_error(&image, setup);
    let refused = |errno: Errno| failed(Refusal::clone(errno.raw_os_error()));
    single_threaded().map_err(failed)?;
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(refused)?;
    let mut job = prepared.job(&[]);
    let report = writer.as_raw_fd();
    let close = setup.fork_keeps.as_deref().map(|kept| gaps(kept, report)).unwrap_or_default();
    job.close = &close;
    job.report_fd = Some(report);
    // Signals stay pending, in both, until the worker has reset its dispositions.
    let blocked = mask::block_all();
    // SAFETY: there is one thread, so nothing in the copy is left half done or locked.
    let child = match unsafe { libc::fork() } {
        0 => {
            drop(reader);
            work(&job, writer, body)
        }
        pid => Pid::from_raw(pid).ok_or_else(|| Refusal::clone(last_errno())),
    };
    drop(writer);
    let child = child.and_then(|pid| outcome(pid, reader));
    drop(blocked);
    child.map_err(failed)
}

/// What the copy does. To return would be to be a second manager.
fn work(job: &Job<'_>, report: OwnedFd, body: impl FnOnce() -> u8) -> ! {
    if let Err(failure) = child::settle(job) {
        child::fail(job, failure);
    }
    // The parent takes this for success.
    drop(report);
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(code) => child::leave(code),
        Err(_panic) => std::process::abort(),
    }
}

/// Does what `setup` says, but for the descriptors, in this process, which goes on: for a worker
/// without a manager.
///
/// A process that leads its session or group already is left as it is. The signal on the parent's
/// death ([`Setup::death_signal`]) is that of the present parent. Every signal gets its default
/// disposition, or is ignored, as for a child.
///
/// # Errors
///
/// Says which step failed and why; those before it have been taken. [`Stage::Threads`] as for
/// [`fork_worker`]: user and groups are changed for the calling thread alone.
pub fn settle(setup: &Setup<'_>) -> Result<(), SpawnError> {
    let image = Image::present();
    single_threaded().map_err(|refusal| refusal.into_error(&image, setup))?;
    let prepared = Prepared::new(&image, setup);
    let job = in_place(prepared.job(&[]));
    let blocked = mask::block_all();
    let outcome = child::settle(&job);
    drop(blocked);
    if outcome.is_ok() {
        mask::set(setup.mask);
    }
    outcome.map_err(|failure| Refusal { failure, pid: None }.into_error(&image, setup))
}

/// Becomes the program: as [`spawn`](crate::spawn()), but without a new process. Comes back only
/// when that failed.
///
/// The process is then half changed, descriptors that `setup` fills hold something else, and signals
/// have lost their handlers: say why it failed, and leave. A process that leads its session or group
/// already is left as it is; the signal on the parent's death is that of the present parent.
///
/// ```no_run
/// use reaper::{Image, Setup, replace};
///
/// let image = Image::new("server".as_ref(), ["--fast".into()], std::env::vars_os())?;
/// return Err(replace(&image, &Setup::new()).into());
/// # #[allow(unreachable_code)]
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn replace(image: &Image, setup: &Setup<'_>) -> SpawnError {
    let failed = |refusal: Refusal| refusal.into_error(image, setup);
    if !image.own_pid_names_valid() {
        return failed(Refusal::before(Stage::Prepare, libc::EINVAL));
    }
    let prepared = Prepared::new(image, setup);
    for fd in prepared.keep_open() {
        if let Err(refusal) = check_open(*fd) {
            return failed(refusal);
        }
    }
    let places = prepared.pid_places();
    let job = in_place(prepared.job(&places));
    let _blocked = mask::block_all();
    failed(Refusal { failure: child::become_program(&job), pid: None })
}

/// The ranges from 3 on between the numbers that stay.
fn gaps(kept: &[i32], report: i32) -> Vec<(u32, u32)> {
    let mut kept: Vec<u32> =
        kept.iter().chain([&report]).filter_map(|fd| u32::try_from(*fd).ok()).collect();
    kept.retain(|fd| *fd > 2);
    kept.sort_unstable();
    let mut first = 3;
    let mut gaps = Vec::new();
    for fd in kept {
        if let Some(last) = fd.checked_sub(1).filter(|last| *last >= first) {
            gaps.push((first, last));
        }
        first = first.max(fd.saturating_add(1));
    }
    gaps.push((first, u32::MAX));
    gaps
}

/// Nobody can become a leader a second time (EPERM), and the parent is not this process.
fn in_place(mut job: Job<'_>) -> Job<'_> {
    let own = getpid().as_raw_nonzero().get();
    // Not by rustix, which takes a 0 for impossible: the leader is in another pid namespace.
    let leads = match job.group {
        Group::Inherited => true,
        // SAFETY: no memory is involved.
        Group::Own => unsafe { libc::getpgid(0) == own },
        // SAFETY: no memory is involved.
        Group::Session => unsafe { libc::getsid(0) == own },
    };
    if leads {
        job.group = Group::Inherited;
    }
    // 0: the parent is in another pid namespace.
    let parent = getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
    job.death_signal = job.death_signal.map(|(signal, _)| (signal, parent));
    job
}

/// Where /proc is missing unshare(2) tells: with this flag it fails, and does nothing else, when
/// there are several threads.
fn single_threaded() -> Result<(), Refusal> {
    let many = || Refusal::before(Stage::Threads, libc::EBUSY);
    match fs::read_dir("/proc/self/task") {
        Ok(tasks) => {
            if tasks.count() == 1 {
                Ok(())
            } else {
                Err(many())
            }
        }
        // SAFETY: no memory is involved, and with this flag nothing changes.
        Err(_) => match unsafe { libc::unshare(libc::CLONE_THREAD) } {
            0 => Ok(()),
            _ => Err(many()),
        },
    }
}
