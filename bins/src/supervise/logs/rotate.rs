//! The names of rotated logs.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// More are not kept. supervisord counts as far as it is told and looks for each name; its own
/// clean-up knows four digits.
const MOST: i64 = 9999;

/// A number of backups as it is meant; a negative one is as 0.
pub(super) fn backups(number: i64) -> u32 {
    u32::try_from(number.clamp(0, MOST)).unwrap_or_default()
}

/// The name of the rotated log with this number.
pub(super) fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Renames `.N-1` to `.N`, ..., `.1` to `.2` and the log itself to `.1`; what is missing is passed
/// over. Whether there was a log to rename.
pub(super) fn shift(path: &Path, backups: u32) -> io::Result<bool> {
    for number in (1..backups).rev() {
        rename(&numbered(path, number), &numbered(path, number.saturating_add(1)))?;
    }
    rename(path, &numbered(path, 1))
}

fn rename(from: &Path, to: &Path) -> io::Result<bool> {
    match rustix::fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
