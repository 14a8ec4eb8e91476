//! The scoreboard directory of Perl's Parallel::Scoreboard (0.09), in which [`LongText`] writes too.
//!
//! Each worker has a file `status_ID` there, and ID is its pid unless the application chose another.
//! It creates the file as `status_ID.tmp`, takes an exclusive lock of it (flock(2)), gives it its
//! name, and keeps it open: as long as somebody holds the lock, there is an owner. The file holds
//! one record:
//!
//! | offset | what |
//! | --- | --- |
//! | 0 | MD5 of the text, 16 bytes |
//! | 16 | length of the text, 32 bits, most significant byte first |
//! | 20 | the text, any bytes; what follows it is the rest of a longer one |
//!
//! The MD5 protects nothing. It shows whether a record was read while it was being written.
//!
//! The Perl module removes the files of dead owners when it reads a directory. This reader removes
//! and changes nothing, and returns these files with their last text. To see whether there is an
//! owner, it asks for a *shared* lock and gives it back at once: with an exclusive one, of two readers
//! that ask at the same time one would take the other for the owner. The Perl module asks for an
//! exclusive one; a file that it is about to remove is recognised by another look afterwards.
//!
//! A process that was forked from the owner and has kept the file open holds the lock too. Then the
//! owner seems to live until that process has gone.
//!
//! ```
//! use scoreboard::legacy::parallel::{self, Owner};
//!
//! let dir = std::env::temp_dir().join(format!("board-{}", std::process::id()));
//! std::fs::create_dir(&dir)?;
//! std::fs::write(dir.join("status_4711"), parallel::encode(b"GET /"))?;
//! let entries = parallel::read_all(&dir)?;
//! assert_eq!(entries[0].pid(), Some(4711));
//! assert_eq!(entries[0].text.as_deref().ok(), Some(&b"GET /"[..]));
//! assert_eq!(entries[0].owner, Owner::Dead, "nobody holds the lock");
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! [`LongText`]: crate::LongText

mod record;
#[cfg(test)]
mod tests;
mod walk;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(crate) use record::encode_into;
pub use record::{Fault, encode, parse};

/// The longest text that is read, in bytes: 16 MiB. The Perl module knows no limit but 4 GiB.
pub const MAX_TEXT: usize = 16 << 20;
/// The most files that a directory may have for [`read_all`].
pub const MAX_FILES: usize = 16_384;
/// The most bytes that one [`read_all`] reads: 256 MiB.
pub const MAX_TOTAL: u64 = 256 << 20;
/// How often a record is read until its MD5 is that of its text; the Perl module does the same.
pub const TRIES: u32 = 10;

/// The file of one worker.
#[derive(Debug)]
#[non_exhaustive]
pub struct Entry {
    /// What follows `status_` in the name of the file: any bytes but `/` and NUL.
    pub id: OsString,
    /// Whether the owner lives.
    pub owner: Owner,
    /// What it says of itself, any bytes; the last that it said when it is dead.
    pub text: Result<Vec<u8>, Unread>,
}

impl Entry {
    /// The id as a pid, as which the Perl module uses it unless told otherwise. Nobody has checked
    /// that there is such a process, or that it is the owner.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        pid(&self.id)
    }
}

/// A positive number in decimal that fits a pid_t, without sign and leading zeros.
fn pid(id: &OsStr) -> Option<u32> {
    let digits = id.to_str().filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()))?;
    let pid: i32 = digits.parse().ok()?;
    u32::try_from(pid).ok().filter(|_| !digits.starts_with('0'))
}

/// Whether the owner of a file lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Somebody holds the lock.
    Alive,
    /// Nobody does.
    Dead,
    /// The file could not be opened.
    Unknown,
}

/// Why there is no text.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unread {
    /// Nothing has been written yet.
    Empty,
    /// In none of [`TRIES`] attempts was the record whole: its owner writes all the time, was stopped
    /// or killed while writing, or has written something else.
    Torn,
    /// The text is longer than [`MAX_TEXT`] bytes, or says so.
    TooLong,
    /// Together with the files before, it is more than [`MAX_TOTAL`] bytes.
    TooMuch,
    /// No regular file has this name, but a directory, a symbolic link, a FIFO...
    NoFile,
    /// The file cannot be opened or read.
    Failed(io::Error),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::Empty => f.write_str("nothing has been written yet"),
            Unread::Torn => write!(f, "no whole record in {TRIES} attempts"),
            Unread::TooLong => write!(f, "a text of more than {MAX_TEXT} bytes"),
            Unread::TooMuch => write!(f, "more than {MAX_TOTAL} bytes in the whole directory"),
            Unread::NoFile => f.write_str("not a regular file"),
            Unread::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Unread {}

/// What all workers say that have a file in `dir`, in the order of their ids.
///
/// Each file is looked at by itself, and one that cannot be read does no harm to the others. Names
/// that end in `.tmp` belong to workers that are about to begin, and are left out.
///
/// # Errors
///
/// `InvalidData` for a directory with more than [`MAX_FILES`] such files, otherwise those of open(2)
/// and getdents(2). The message does not repeat the path.
pub fn read_all(dir: impl AsRef<Path>) -> io::Result<Vec<Entry>> {
    walk::read_all(dir.as_ref())
}

/// The id in the name of a file; `None` when it is not one of a scoreboard, or not yet.
fn id(name: &[u8]) -> Option<&OsStr> {
    let id = name.strip_prefix(b"status_")?;
    (!id.ends_with(b".tmp")).then(|| OsStr::from_bytes(id))
}
