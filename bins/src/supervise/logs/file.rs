//! A log that is a regular file.
//!
//! It is opened without O_APPEND, with which splice(2) refuses it. That more
//! than one process may write it, and that it may be cut to nothing from
//! outside (logrotate's copytruncate), is seen to at each step: a write asks
//! for the end of the file with RWF_APPEND, a splice is told where that is.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, SeekFrom, fstat, ftruncate, open, seek};
use rustix::io::{Errno, ReadWriteFlags, pwritev2, write};
use rustix::pipe::{SpliceFlags, splice};

use super::rotate::{backups, numbered, shift};
use super::{READ, Trouble};
use crate::supervise::config::model::Level;

/// The most that one splice(2) moves: what the largest pipe of an ordinary user holds.
const MOST: u64 = 1 << 20;
/// The mode of a new file, less the umask.
const PUBLIC: u32 = 0o666;

/// What is known of the file with the name.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Named {
    /// It is the open one.
    Open,
    /// Another should be open by now; each write tries.
    Doubted,
    /// It could not be opened, which has been told; each write tries.
    Missed,
    /// It could be opened again, which has not been told.
    Back,
}

#[derive(Debug)]
pub(super) struct LogFile {
    path: Box<Path>,
    file: OwnedFd,
    /// The size at which it is rotated; 0 never.
    maxbytes: u64,
    backups: u32,
    /// Whether splice(2) has not refused this file.
    splices: bool,
    named: Named,
    /// It could not be rotated and goes on growing until this size before that is tried again.
    overdue: Option<u64>,
}

impl LogFile {
    pub(super) fn open(path: &Path, maxbytes: i64, number: i64) -> io::Result<Self> {
        let file = create(path, PUBLIC, false)?;
        let mut log = Self {
            path: path.into(),
            file,
            maxbytes: 0,
            backups: 0,
            splices: true,
            named: Named::Open,
            overdue: None,
        };
        log.limit(maxbytes, number);
        Ok(log)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    #[cfg(test)]
    pub(super) fn can_splice(&self) -> bool {
        self.splices
    }

    #[cfg(test)]
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub(super) fn limit(&mut self, maxbytes: i64, number: i64) {
        self.maxbytes = u64::try_from(maxbytes).unwrap_or(0);
        self.backups = backups(number);
    }

    /// Writes at the end of the file, wherever that is now.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        self.reopen_if_due();
        let all = [IoSlice::new(bytes)];
        match pwritev2(&self.file, &all, u64::MAX, ReadWriteFlags::APPEND) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                seek(&self.file, SeekFrom::End(0))?;
                write(&self.file, bytes)
            }
            result => result,
        }
    }

    /// Moves what a pipe holds to the end of the file. `None`: not with this file.
    pub(super) fn splice(&mut self, from: BorrowedFd<'_>) -> Option<Result<usize, Errno>> {
        self.reopen_if_due();
        if !self.splices {
            return None;
        }
        let mut size = match self.size() {
            Ok(size) => size,
            Err(error) => return Some(Err(error)),
        };
        // As long as there is room for more than one read of supervisord's, it may be taken at
        // once: the file is rotated where reads would have it rotated.
        let room = match self.maxbytes {
            0 => MOST,
            maxbytes => maxbytes.saturating_sub(size).clamp(READ as u64, MOST),
        };
        let most = usize::try_from(room).unwrap_or(READ);
        match splice(from, None, &self.file, Some(&mut size), most, SpliceFlags::NONBLOCK) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                self.splices = false;
                None
            }
            result => Some(result),
        }
    }

    fn size(&self) -> Result<u64, Errno> {
        Ok(u64::try_from(fstat(&self.file)?.st_size).unwrap_or(0))
    }

    /// To be called after each write: rotates a file that has become large enough.
    pub(super) fn rotate_if_due(&mut self) -> Option<Trouble> {
        if self.maxbytes == 0 {
            return None;
        }
        let size = self.size().unwrap_or(0);
        if size < self.overdue.unwrap_or(self.maxbytes).max(self.maxbytes) {
            return None;
        }
        let rotated = self.rotate();
        let name = self.path.display();
        match rotated {
            Ok(()) if self.overdue.take().is_some() => {
                Some(Trouble::new(Level::Info, format!("log file {name} could be rotated again")))
            }
            Ok(()) => None,
            Err(error) => {
                let known = self.overdue.is_some();
                let pause = (self.maxbytes / 8).max(READ as u64);
                self.overdue = Some(size.saturating_add(pause));
                let text = format!("could not rotate log file {name}, which goes on: {error}");
                (!known).then(|| Trouble::new(Level::Error, text))
            }
        }
    }

    /// The mode is kept, so that an automatic log stays as private as it was made.
    fn rotate(&mut self) -> io::Result<()> {
        let mode = fstat(&self.file).map_or(PUBLIC, |stat| stat.st_mode & 0o777);
        let moved = self.backups > 0 && shift(&self.path, self.backups)?;
        match create(&self.path, mode, true) {
            Ok(file) => {
                self.file = file;
                self.named = match self.named {
                    Named::Missed | Named::Back => Named::Back,
                    Named::Open | Named::Doubted => Named::Open,
                };
                Ok(())
            }
            Err(error) => {
                if moved {
                    // The open file is the log again, so that the next attempt finds it.
                    let _ = rustix::fs::rename(numbered(&self.path, 1), &*self.path);
                }
                Err(error)
            }
        }
    }

    fn reopen(&mut self, mode: u32) -> io::Result<()> {
        let missed = matches!(self.named, Named::Missed | Named::Back);
        self.named = Named::Missed;
        self.file = create(&self.path, mode, false)?;
        self.named = if missed { Named::Back } else { Named::Open };
        self.splices = true;
        self.overdue = None;
        Ok(())
    }

    /// Opens whatever has the name now. When that fails the open file stays in use, and each
    /// write tries again.
    pub(super) fn again(&mut self) -> io::Result<()> {
        self.reopen(PUBLIC)
    }

    fn reopen_if_due(&mut self) {
        if matches!(self.named, Named::Doubted | Named::Missed) {
            let missed = self.named;
            if self.reopen(PUBLIC).is_err() {
                self.named = missed;
            }
        }
    }

    /// Marks the open file as one that should be opened again.
    pub(super) fn doubt(&mut self) {
        if self.named != Named::Missed {
            self.named = Named::Doubted;
        }
    }

    /// Whether it has been told that the file could not be opened again.
    pub(super) fn is_missed(&self) -> bool {
        self.named == Named::Missed
    }

    /// To be called after each write: tells of a file that could be opened again.
    pub(super) fn back(&mut self) -> Option<Trouble> {
        if self.named != Named::Back {
            return None;
        }
        self.named = Named::Open;
        let text = format!("log file {} could be opened again", self.path.display());
        Some(Trouble::new(Level::Info, text))
    }

    /// Whether the open file is no longer the one with the name.
    pub(super) fn is_gone(&self) -> bool {
        match (rustix::fs::stat(&*self.path), fstat(&self.file)) {
            (Ok(named), Ok(open)) => (named.st_dev, named.st_ino) != (open.st_dev, open.st_ino),
            (_, open) => open.is_ok(),
        }
    }

    /// Removes the file and begins another, as supervisord; where the directory does not allow
    /// that, the file is emptied.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        let mode = fstat(&self.file).map_or(PUBLIC, |stat| stat.st_mode & 0o777);
        match rustix::fs::unlink(&*self.path) {
            Ok(()) | Err(Errno::NOENT) => self.reopen(mode),
            Err(_) => {
                self.overdue = None;
                Ok(ftruncate(self.file.as_fd(), 0)?)
            }
        }
    }
}

/// A terminal must not become ours, and a FIFO of that name must not make us wait.
fn create(path: &Path, mode: u32, empty: bool) -> io::Result<OwnedFd> {
    let mut flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    flags.set(OFlags::TRUNC, empty);
    Ok(open(path, flags, Mode::from_raw_mode(mode))?)
}
