//! Boards with a name: made beside their place, locked, and moved there.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat};
use rustix::fs::{fstat, linkat, lstat, openat, renameat, renameat_with, unlinkat};
use rustix::io::Errno;

use crate::error::Error;
use crate::file::Positioned;
use crate::header::BoardHeader;
use crate::layout::{board_header, slots_header};
use crate::memory::Source;
use crate::{clock, lock, memfd};

/// Attempts to take a path that others try to take at the same time.
const ATTEMPTS: u32 = 64;

/// The slots file of the board at `path`.
pub(crate) fn slots_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".slots");
    name.into()
}

/// A new file beside its place. Removed when dropped, unless it has been moved there.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
    fd: OwnedFd,
    moved: bool,
}

impl Draft {
    /// So many bytes, all of them allocated, readable and writable for this user alone.
    pub(crate) fn create(place: &Path, size: u64) -> Result<Draft, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = place.file_name().ok_or_else(|| {
            let reason = std::io::Error::from(Errno::ISDIR);
            Error::system(place.display().to_string(), reason)
        })?;
        let flags = OFlags::RDWR
            | OFlags::CREATE
            | OFlags::EXCL
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC
            | OFlags::NOCTTY;
        let mode = Mode::RUSR | Mode::WUSR;
        // Never one that is there: it may be the draft of a process that has the same number in
        // another pid namespace.
        let mut opened = Err(Errno::EXIST);
        let mut path = PathBuf::new();
        for _ in 0..ATTEMPTS {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let mut new = OsString::from(".");
            new.push(name);
            new.push(format!(".{}.{}.{number}.new", std::process::id(), clock::precise()));
            path = place.with_file_name(new);
            opened = openat(CWD, &path, flags, mode);
            if !matches!(opened, Err(Errno::EXIST)) {
                break;
            }
        }
        let fd = opened.map_err(|error| failed(place, error))?;
        let draft = Draft { path, fd, moved: false };
        memfd::allocate(&draft.fd, size).map_err(|error| failed(place, error))?;
        Ok(draft)
    }

    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Moves it to its place over whatever is there.
    pub(crate) fn replace(mut self, place: &Path) -> Result<OwnedFd, Error> {
        renameat(CWD, &self.path, CWD, place).map_err(|error| failed(place, error))?;
        self.moved = true;
        self.fd.try_clone().map_err(|error| Error::system(place.display().to_string(), error))
    }

    /// Moves it to its place if nothing is there. Whether it is there now.
    fn settle(&mut self, place: &Path) -> Result<bool, Error> {
        let moved = match renameat_with(CWD, &self.path, CWD, place, RenameFlags::NOREPLACE) {
            // The file system knows no such rename; the draft's own name goes when it is dropped.
            Err(Errno::INVAL | Errno::NOSYS) => {
                return match linkat(CWD, &self.path, CWD, place, AtFlags::empty()) {
                    Ok(()) => Ok(true),
                    Err(Errno::EXIST) => Ok(false),
                    Err(error) => Err(failed(place, error)),
                };
            }
            moved => moved,
        };
        match moved {
            Ok(()) => {
                self.moved = true;
                Ok(true)
            }
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(failed(place, error)),
        }
    }

    /// Makes this file, which is locked, the board at `place`, unless a manager that lives has one
    /// there.
    pub(crate) fn take(mut self, place: &Path) -> Result<OwnedFd, Error> {
        for _ in 0..ATTEMPTS {
            let Some(former) = open_former(place)? else {
                if self.settle(place)? {
                    let fd = self.fd.try_clone();
                    return fd.map_err(|error| Error::system(place.display().to_string(), error));
                }
                continue;
            };
            check_former(place, &former)?;
            // It may have been replaced between the look and the locks.
            if is_at(place, &former) {
                return self.replace(place);
            }
        }
        Err(failed(place, Errno::AGAIN))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.moved {
            let _ = unlinkat(CWD, &self.path, AtFlags::empty());
        }
    }
}

fn failed(path: &Path, error: Errno) -> Error {
    Error::system(path.display().to_string(), error)
}

/// What stands at the path now.
fn open_former(place: &Path) -> Result<Option<OwnedFd>, Error> {
    let flags =
        OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    match openat(CWD, place, flags, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::LOOP) => {
            Err(Error::not_a_board(place.display().to_string(), "it is a symbolic link"))
        }
        Err(error) => Err(failed(place, error)),
    }
}

/// Locks a board that nobody manages any more.
fn check_former(place: &Path, former: &OwnedFd) -> Result<(), Error> {
    let name = || place.display().to_string();
    let stat = fstat(former).map_err(|error| failed(place, error))?;
    let file = Positioned::new(former.try_clone().map_err(|error| Error::system(name(), error))?);
    check_kind(place, &stat, &file, board_header::MAGIC)?;
    let [magic, .., pid] = file.words::<{ board_header::PID + 1 }>(0);
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let header = BoardHeader::read(&file, size).ok();
    let alive = header.map(|header| header.manager.is_alive());
    // Others that want to replace it now. The lock is left to who is first of them: taken here, it
    // would stop that one, too.
    if rustix::fs::flock(former, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(Error::in_use(place, if alive == Some(true) { pid } else { 0 }));
    }
    let free = lock::take(former).map_err(|error| Error::system(name(), error))?;
    // A child that its manager forked may have the descriptor still.
    if free || alive == Some(false) {
        return Ok(());
    }
    Err(Error::in_use(place, if magic == board_header::MAGIC { pid } else { 0 }))
}

/// Only a former board is replaced, or an empty file.
fn check_kind(place: &Path, stat: &Stat, file: &Positioned, magic: u64) -> Result<(), Error> {
    let [first] = file.words(0);
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if regular && (stat.st_size == 0 || first == magic) {
        return Ok(());
    }
    let why = "it is something else, and is left alone";
    Err(Error::not_a_board(place.display().to_string(), why))
}

/// Refuses to replace something else by a slots file.
pub(crate) fn check_slots_place(place: &Path) -> Result<(), Error> {
    let Some(former) = open_former(place)? else {
        return Ok(());
    };
    let stat = fstat(&former).map_err(|error| failed(place, error))?;
    check_kind(place, &stat, &Positioned::new(former), slots_header::MAGIC)
}

/// Whether the path names this very file.
pub(crate) fn is_at(place: &Path, fd: impl AsFd) -> bool {
    match (fstat(fd), lstat(place)) {
        (Ok(open), Ok(named)) => (open.st_dev, open.st_ino) == (named.st_dev, named.st_ino),
        _ => false,
    }
}

/// Removes the file if the path still names it.
pub(crate) fn remove(place: &Path, fd: impl AsFd) {
    if is_at(place, fd) {
        let _ = unlinkat(CWD, place, AtFlags::empty());
    }
}
