//! All files of a directory, each as far as it can be had.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::thread;

use rustix::fs::{CWD, Dir, FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;

use super::super::open_regular;
use super::record::{Fault, HEADER, parse};
use super::{Entry, MAX_FILES, MAX_TEXT, MAX_TOTAL, Owner, TRIES, Unread, id};

/// What is read of a file that has not said yet that it holds more.
const FIRST: usize = 4096;

pub(super) fn read_all(dir: &Path) -> io::Result<Vec<Entry>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = openat(CWD, dir, flags, Mode::empty())?;
    let mut reader = Reader { buffer: Vec::new(), left: MAX_TOTAL };
    let names = names(dir.as_fd(), MAX_FILES)?;
    let entries =
        names.iter().filter_map(|name| reader.entry(dir.as_fd(), name, id(name.to_bytes())?));
    Ok(entries.collect())
}

/// The names of status files, `most` of them, sorted. The kernel may return a name twice that was
/// given anew during the walk.
pub(super) fn names(dir: BorrowedFd<'_>, most: usize) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if id(name.to_bytes()).is_none() {
            continue;
        }
        if names.len() >= most {
            let why = format!("more than {most} status files");
            return Err(io::Error::new(ErrorKind::InvalidData, why));
        }
        names.push(name.to_owned());
    }
    names.sort();
    names.dedup();
    Ok(names)
}

struct Reader {
    buffer: Vec<u8>,
    /// How many bytes may still be read.
    left: u64,
}

impl Reader {
    /// `None` when there is no such file any more.
    fn entry(&mut self, dir: BorrowedFd<'_>, name: &CStr, id: &OsStr) -> Option<Entry> {
        let entry = |owner, text| Some(Entry { id: id.to_owned(), owner, text });
        for _ in 0..TRIES {
            let file = match open_regular(dir, name) {
                Ok(Some(file)) => file,
                Ok(None) => return entry(Owner::Unknown, Err(Unread::NoFile)),
                Err(error) if error.kind() == ErrorKind::NotFound => return None,
                Err(error) => return entry(Owner::Unknown, Err(Unread::Failed(error))),
            };
            let before = owner(&file);
            let text = self.text(&file, before);
            // One of the Perl module's readers may have held the lock, to remove the file then.
            let owner = if before == Owner::Alive { owner(&file) } else { before };
            match file.metadata() {
                // Removed, or replaced by a successor's: what does the name mean now?
                Ok(metadata) if metadata.nlink() == 0 => {}
                Ok(_) => return entry(owner, text),
                Err(error) => return entry(owner, Err(Unread::Failed(error))),
            }
        }
        entry(Owner::Unknown, Err(Unread::Torn))
    }

    /// The text, when one attempt finds a whole record. With a dead owner, nobody writes.
    fn text(&mut self, file: &File, owner: Owner) -> Result<Vec<u8>, Unread> {
        let tries = if owner == Owner::Dead { 1 } else { TRIES };
        let mut last = Unread::Torn;
        for attempt in 0..tries {
            if attempt > 0 {
                thread::yield_now();
            }
            match self.attempt(file) {
                Err(unread @ (Unread::Torn | Unread::TooLong)) => last = unread,
                done => return done,
            }
        }
        Err(last)
    }

    fn attempt(&mut self, file: &File) -> Result<Vec<u8>, Unread> {
        let mut wanted = FIRST;
        loop {
            let bytes = self.beginning(file, wanted)?;
            match parse(bytes) {
                Ok(text) => return Ok(text.to_vec()),
                Err(_) if bytes.is_empty() => return Err(Unread::Empty),
                Err(Fault::Short { needed }) if needed.saturating_sub(HEADER) > MAX_TEXT => {
                    return Err(Unread::TooLong);
                }
                // All of it again, so that the MD5 and the text are of one moment.
                Err(Fault::Short { needed }) if wanted == FIRST && bytes.len() == FIRST => {
                    wanted = needed;
                }
                Err(_) => return Err(Unread::Torn),
            }
        }
    }

    /// The first `wanted` bytes, or all when there are fewer.
    fn beginning(&mut self, file: &File, wanted: usize) -> Result<&[u8], Unread> {
        let cost = u64::try_from(wanted).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(cost).ok_or(Unread::TooMuch)?;
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        let mut end = 0;
        while let Some(free) = self.buffer.get_mut(end..wanted).filter(|free| !free.is_empty()) {
            let offset = u64::try_from(end).unwrap_or(u64::MAX);
            match file.read_at(free, offset) {
                Ok(0) => break,
                Ok(count) => end = end.saturating_add(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Unread::Failed(error)),
            }
        }
        Ok(self.buffer.get(..end).unwrap_or_default())
    }
}

/// Whether somebody holds the lock. Where files cannot be locked, nobody can be known to be dead.
fn owner(file: &File) -> Owner {
    match flock(file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {
            // Closing the file would do; another reader need not wait for that.
            let _ = flock(file, FlockOperation::Unlock);
            Owner::Dead
        }
        Err(Errno::WOULDBLOCK) => Owner::Alive,
        Err(_) => Owner::Unknown,
    }
}
