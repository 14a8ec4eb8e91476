//! Where a spawn failed, and why.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;

use crate::Pid;

/// The step on the way from fork to program at which a spawn failed; in the
/// order in which the steps are taken.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// In the parent: a string or number that no child could use.
    Prepare,
    /// In the parent: a copy of a process is wanted that has more threads than the calling one (EBUSY).
    Threads,
    /// In the parent: no process could be made (EAGAIN: too many processes,
    /// ENOMEM: no memory).
    Clone,
    /// A private descriptor table for the child.
    Unshare,
    /// `setsid(2)` or `setpgid(2)`.
    Group,
    /// A resource limit.
    Limit,
    /// The nice value.
    Nice,
    /// The descriptors, also when one that should stay open is not open.
    Fds,
    /// `chroot(2)`.
    Chroot,
    /// Supplementary groups, group id or user id.
    Credentials,
    /// The signal on the parent's death, also when the parent is dead already.
    DeathSignal,
    /// The no_new_privs flag.
    NoNewPrivs,
    /// The working directory.
    Chdir,
    /// Signal dispositions or the signal mask.
    Signals,
    /// `execve(2)` of the program.
    Exec,
}

impl Stage {
    /// In the order of the declaration, so that the position is the number.
    const ALL: [Stage; 15] = [
        Stage::Prepare,
        Stage::Threads,
        Stage::Clone,
        Stage::Unshare,
        Stage::Group,
        Stage::Limit,
        Stage::Nice,
        Stage::Fds,
        Stage::Chroot,
        Stage::Credentials,
        Stage::DeathSignal,
        Stage::NoNewPrivs,
        Stage::Chdir,
        Stage::Signals,
        Stage::Exec,
    ];

    /// The number a child reports.
    pub(crate) const fn as_raw(self) -> u32 {
        self as u32
    }

    pub(crate) fn from_raw(raw: u32) -> Option<Stage> {
        usize::try_from(raw).ok().and_then(|index| Stage::ALL.get(index).copied())
    }

    fn verb(self) -> &'static str {
        match self {
            Stage::Prepare => "prepare the start of",
            Stage::Threads => "copy a process that has several threads for",
            Stage::Clone => "make a process for",
            Stage::Unshare => "unshare the descriptors for",
            Stage::Group => "make a session or process group for",
            Stage::Limit => "set a resource limit for",
            Stage::Nice => "set the nice value for",
            Stage::Fds => "arrange the descriptors for",
            Stage::Chroot => "chroot to",
            Stage::Credentials => "take on user and groups for",
            Stage::DeathSignal => "set the parent-death signal for",
            Stage::NoNewPrivs => "give up new privileges for",
            Stage::Chdir => "change directory to",
            Stage::Signals => "set up the signals for",
            Stage::Exec => "exec",
        }
    }
}

/// Why no program runs: the stage that failed and the error number.
///
/// Nothing is left behind: a child that existed has been reaped.
///
/// ```
/// use reaper::{Image, Setup, Stage, spawn};
///
/// let image = Image::new("/no/such/program".as_ref(), [], [])?;
/// let error = spawn(&image, &Setup::new()).unwrap_err();
/// assert_eq!(error.stage(), Stage::Exec);
/// assert_eq!(
///     error.to_string(),
///     "failed to exec /no/such/program: No such file or directory (os error 2)"
/// );
/// # Ok::<(), reaper::ImageError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpawnError {
    stage: Stage,
    errno: i32,
    pid: Option<Pid>,
    subject: OsString,
}

impl SpawnError {
    pub(crate) fn new(stage: Stage, errno: i32, pid: Option<Pid>, subject: OsString) -> SpawnError {
        SpawnError { stage, errno, pid, subject }
    }

    /// What was being done.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The error number of the system call that failed.
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// The pid of the child that existed for a moment; it has been reaped and
    /// may mean another process by now.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.pid
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = io::Error::from_raw_os_error(self.errno);
        write!(f, "failed to {} {}: {error}", self.stage.verb(), Path::new(&self.subject).display())
    }
}

impl Error for SpawnError {}

impl From<SpawnError> for io::Error {
    fn from(error: SpawnError) -> io::Error {
        io::Error::new(io::Error::from_raw_os_error(error.errno).kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        for stage in Stage::ALL {
            assert_eq!(Stage::from_raw(stage.as_raw()), Some(stage));
        }
        assert_eq!(Stage::from_raw(Stage::Exec.as_raw() + 1), None);
        assert!(Stage::ALL.is_sorted());
    }

    #[test]
    fn text_and_conversion() {
        let error = SpawnError::new(Stage::Chdir, 13, Pid::from_raw(7), "/srv".into());
        let text = "failed to change directory to /srv: Permission denied (os error 13)";
        assert_eq!(error.to_string(), text);
        assert_eq!(
            (error.stage(), error.errno(), error.pid()),
            (Stage::Chdir, 13, Pid::from_raw(7))
        );
        let error = io::Error::from(error);
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(error.to_string(), text);
    }
}
