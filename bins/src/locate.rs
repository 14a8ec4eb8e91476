//! Finding the manager that a pid file names.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use reaper::Pid;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal as RawSignal, pidfd_open, pidfd_send_signal};

use crate::control::readable;
use crate::files::{Failed, has_open};

/// The process that holds a pid file.
#[derive(Debug)]
pub struct Server {
    /// Its pid.
    pub pid: Pid,
    /// Its handle; readable when it has gone.
    pub pidfd: OwnedFd,
}

impl Server {
    /// Finds the holder of the pid file and makes sure that it is the one that is spoken to, however
    /// fast pids are used again: first the handle, then the proof that the lock is still held.
    ///
    /// `task` is what is to be done with it, for the error.
    ///
    /// # Errors
    /// When there is no such file, or nobody holds it.
    pub fn find(path: &Path, task: &str) -> Result<Self, Failed> {
        let open =
            |error| Failed::io(format_args!("failed to open file:{}", path.display()), &error);
        // A FIFO in its place must not hold us up.
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(open)?;
        let mut text = String::new();
        (&mut file).take(64).read_to_string(&mut text).map_err(open)?;
        let pid = text.lines().next().and_then(|line| line.trim().parse().ok());
        let Some(pid) = pid.and_then(Pid::from_raw) else {
            let text = format!(
                "Can't kill a non-numeric process ID: the pid file {} holds no pid",
                path.display()
            );
            return Err(Failed::new(text, 255));
        };
        let gone = || {
            let text = format!(
                "failed to {task} the server process:No such process \
                 (the pid file {} is stale: nobody holds it)",
                path.display()
            );
            Failed::new(text, 3)
        };
        let raw = rustix::process::Pid::from_raw(pid.as_raw()).ok_or_else(gone)?;
        let pidfd = match pidfd_open(raw, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::SRCH) => return Err(gone()),
            Err(errno) => {
                return Err(Failed::io(format_args!("pidfd_open({pid}) failed"), &errno.into()));
            }
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) if has_open(pid, &file) => Ok(Self { pid, pidfd }),
            Err(Errno::WOULDBLOCK) => {
                let text = format!(
                    "failed to {task} the server process:No such process \
                     (the pid file {} is held by another process than {pid}, which it names)",
                    path.display()
                );
                Err(Failed::new(text, 3))
            }
            _ => Err(gone()),
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When that is not permitted, or it has gone.
    pub fn signal(&self, signal: RawSignal, name: &str) -> Result<(), Failed> {
        pidfd_send_signal(&self.pidfd, signal).map_err(|errno| {
            let what = format!("failed to send SIG{name} to the server process");
            Failed::io(what, &errno.into())
        })
    }

    /// Whether it has gone.
    #[must_use]
    pub fn gone(&self) -> bool {
        readable(&[self.pidfd.as_fd()], Some(Duration::ZERO)).unwrap_or(false)
    }
}
