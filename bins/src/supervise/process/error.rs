//! Why a process cannot be started, or reached.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use fdpass::PlanError;
use reaper::{ImageError, Pid, SetupError, SpawnError, UserError};

/// What a [`Process`](super::Process) could not do.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProcessError {
    /// It runs already, or something of it is still being stopped.
    Alive(Pid),
    /// It does not run.
    Dead,
    /// It was killed, and has not gone.
    StillThere(Pid),
    /// A word or variable that no program can get.
    Image(ImageError),
    /// A directory that is no path.
    Setup(SetupError),
    /// No such user or group.
    User(UserError),
    /// The file for a standard stream cannot be opened.
    File(PathBuf, io::Error),
    /// There is no pipe to be had.
    Pipe(io::Error),
    /// The step on the way to the program that failed.
    Spawn(SpawnError),
    /// The kernel refuses the signal: the program has become another user's.
    Signal(io::Error),
}

impl ProcessError {
    pub(super) fn from_kill(error: io::Error) -> ProcessError {
        match error.raw_os_error() {
            Some(libc::ESRCH) => ProcessError::Dead,
            _ => ProcessError::Signal(error),
        }
    }
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessError::Alive(pid) => write!(f, "the process runs already, with pid {pid}"),
            ProcessError::Dead => f.write_str("the process does not run"),
            ProcessError::StillThere(pid) => {
                write!(f, "the process with pid {pid} was killed and has not gone")
            }
            ProcessError::Image(error) => error.fmt(f),
            ProcessError::Setup(error) => error.fmt(f),
            ProcessError::User(error) => error.fmt(f),
            ProcessError::File(path, error) => {
                write!(f, "cannot open {} for the output: {error}", path.display())
            }
            ProcessError::Pipe(error) => write!(f, "cannot make a pipe: {error}"),
            ProcessError::Spawn(error) => error.fmt(f),
            ProcessError::Signal(error) => write!(f, "cannot signal the process: {error}"),
        }
    }
}

impl Error for ProcessError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ProcessError::File(_, error)
            | ProcessError::Pipe(error)
            | ProcessError::Signal(error) => Some(error),
            // These are shown whole: what they come from is theirs to tell.
            ProcessError::Image(error) => error.source(),
            ProcessError::Setup(error) => error.source(),
            ProcessError::User(error) => error.source(),
            ProcessError::Spawn(error) => error.source(),
            ProcessError::Alive(_) | ProcessError::Dead | ProcessError::StillThere(_) => None,
        }
    }
}

impl From<ImageError> for ProcessError {
    fn from(error: ImageError) -> ProcessError {
        ProcessError::Image(error)
    }
}

impl From<SetupError> for ProcessError {
    fn from(error: SetupError) -> ProcessError {
        ProcessError::Setup(error)
    }
}

impl From<UserError> for ProcessError {
    fn from(error: UserError) -> ProcessError {
        ProcessError::User(error)
    }
}

impl From<SpawnError> for ProcessError {
    fn from(error: SpawnError) -> ProcessError {
        ProcessError::Spawn(error)
    }
}

impl From<PlanError> for ProcessError {
    fn from(error: PlanError) -> ProcessError {
        ProcessError::Pipe(io::Error::other(error))
    }
}
