//! What can go wrong with a board: one line each.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::layout::MAX_SLOTS;

/// Why a board, a slot or a reader could not be had.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    cause: Cause,
}

/// What an [`Error`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A [`Shape`](crate::Shape) that cannot be.
    Shape,
    /// A manager that lives has the board.
    InUse,
    /// A file that is no board, or a damaged one.
    NotABoard,
    /// There is no slot of that number.
    NoSuchSlot,
    /// Another writer has the slot.
    Claimed,
    /// `SCOREBOARD_FD` or `SCOREBOARD_SLOT` makes no sense.
    Environment,
    /// A system call failed.
    System,
}

#[derive(Debug)]
enum Cause {
    Slots(u32),
    Capacity { wanted: u32, most: usize },
    InUse { path: PathBuf, pid: u64 },
    NotABoard { what: String, why: &'static str },
    NoSuchSlot { slot: u32, first: u32, count: u32 },
    Claimed { slot: u32, writer: u64 },
    Forked,
    Environment { line: String },
    System { what: String, error: io::Error },
}

impl Error {
    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub(crate) fn slots(wanted: u32) -> Error {
        Error { kind: ErrorKind::Shape, cause: Cause::Slots(wanted) }
    }

    pub(crate) fn capacity(wanted: u32, most: usize) -> Error {
        Error { kind: ErrorKind::Shape, cause: Cause::Capacity { wanted, most } }
    }

    pub(crate) fn in_use(path: &Path, pid: u64) -> Error {
        Error { kind: ErrorKind::InUse, cause: Cause::InUse { path: path.into(), pid } }
    }

    pub(crate) fn not_a_board(what: impl Into<String>, why: &'static str) -> Error {
        Error { kind: ErrorKind::NotABoard, cause: Cause::NotABoard { what: what.into(), why } }
    }

    pub(crate) fn no_such_slot(slot: u32, first: u32, count: u32) -> Error {
        let cause = Cause::NoSuchSlot { slot, first, count };
        Error { kind: ErrorKind::NoSuchSlot, cause }
    }

    pub(crate) fn claimed(slot: u32, writer: u64) -> Error {
        Error { kind: ErrorKind::Claimed, cause: Cause::Claimed { slot, writer } }
    }

    /// A forked child tries to manage.
    pub(crate) fn forked() -> Error {
        Error { kind: ErrorKind::Claimed, cause: Cause::Forked }
    }

    pub(crate) fn environment(line: String) -> Error {
        Error { kind: ErrorKind::Environment, cause: Cause::Environment { line } }
    }

    pub(crate) fn system(what: impl Into<String>, error: impl Into<io::Error>) -> Error {
        let cause = Cause::System { what: what.into(), error: error.into() };
        Error { kind: ErrorKind::System, cause }
    }

    /// The system call's error, if it was one.
    #[must_use]
    pub fn io_error(&self) -> Option<&io::Error> {
        match &self.cause {
            Cause::System { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Slots(wanted) => {
                write!(f, "a board of {wanted} slots: it can have 1 to {MAX_SLOTS}")
            }
            Cause::Capacity { wanted, most } => {
                write!(f, "room for {wanted} bytes of text: a slot has at most {most}")
            }
            Cause::InUse { path, pid: 0 } => {
                write!(f, "{}: another process is taking it at this moment", path.display())
            }
            Cause::InUse { path, pid } => {
                write!(f, "{}: the board of process {pid}, which is alive", path.display())
            }
            Cause::NotABoard { what, why } => write!(f, "{what}: not a scoreboard: {why}"),
            Cause::NoSuchSlot { slot, first, count } => {
                let last = first.saturating_add(*count).saturating_sub(1);
                write!(f, "no slot {slot}: there are {first} to {last}")
            }
            Cause::Claimed { slot, writer } => {
                write!(f, "slot {slot} is being written by process {writer}")
            }
            Cause::Forked => {
                f.write_str("the board belongs to the process that made it, not to a forked child")
            }
            Cause::Environment { line } => f.write_str(line),
            Cause::System { what, error } => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.io_error().map(|error| error as _)
    }
}
