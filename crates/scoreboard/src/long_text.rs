//! A file beside the board, for a text that is longer than a slot.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process;

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FlockOperation, Mode, OFlags, Stat, fallocate, flock, fstat,
    openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use crate::legacy::parallel::{MAX_TEXT, TRIES, encode_into};
use crate::origin::Origin;

/// A worker's own file for what it says of itself, when that is longer than a slot's text.
///
/// The file is one of Perl's Parallel::Scoreboard: its `read_all` and
/// [`legacy::parallel::read_all`](crate::legacy::parallel::read_all) read it while the worker writes.
/// The worker has an exclusive lock (flock(2)) on it as long as it lives, by which readers know that
/// it does. Only the user whose process it is can read it.
///
/// Dropping this removes the file. When the worker is killed the file stays, and the next reader of the
/// Perl module removes it.
///
/// A process that the worker forks must not use this; [`write`](Self::write) fails there, and a
/// drop removes nothing. It shares the lock, so the worker seems to live until the child has closed
/// the file too. An exec closes it.
///
/// ```
/// use scoreboard::{LongText, legacy::parallel};
///
/// let dir = std::env::temp_dir().join(format!("long-text-{}", std::process::id()));
/// std::fs::create_dir(&dir)?;
/// let mut text = LongText::create(&dir, &std::process::id().to_string())?;
/// text.write(&b"a very long line ".repeat(1000))?;
/// let entries = parallel::read_all(&dir)?;
/// assert_eq!(entries[0].pid(), Some(std::process::id()));
/// assert_eq!(entries[0].text.as_ref().map(Vec::len).ok(), Some(17_000));
/// drop(text);
/// assert!(parallel::read_all(&dir)?.is_empty());
/// # std::fs::remove_dir(&dir)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct LongText {
    /// Kept because the caller's path may be relative, and its current directory may change.
    dir: OwnedFd,
    name: String,
    file: File,
    /// The process that created the file.
    owner: Origin,
    /// For messages.
    pid: u32,
    /// The last record; its memory serves for the next one.
    record: Vec<u8>,
    /// The file is not longer than this.
    length: usize,
}

impl LongText {
    /// The longest text, in bytes: what readers take at most.
    pub const MAX: usize = MAX_TEXT;

    /// Creates the file `status_ID` in `dir`, which must be there. It takes the place of one that a
    /// former worker with the same id has left. Readers find no text until the first
    /// [`write`](Self::write).
    ///
    /// No two workers may have the same id; the pid is a good one.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for an id that is empty, ends in `.tmp`, or has a `/` or a control character in
    /// it; `ResourceBusy` when other processes keep creating the same file at the same time; otherwise
    /// those of open(2), flock(2) and rename(2). The message does not repeat the path.
    pub fn create(dir: impl AsRef<Path>, id: &str) -> io::Result<Self> {
        let wrong = |c: char| c == '/' || c.is_control();
        if id.is_empty() || id.ends_with(".tmp") || id.contains(wrong) {
            let rules = "it must not be empty, end in .tmp, or hold a '/' or a control character";
            let why = format!("{id:?} cannot be an id: {rules}");
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
        let name = format!("status_{id}");
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(CWD, dir.as_ref(), flags, Mode::empty())?;
        for _ in 0..TRIES {
            if let Some(file) = create_locked(&dir, &name)? {
                let (owner, pid) = (Origin::here(), process::id());
                return Ok(Self { dir, name, file, owner, pid, record: Vec::new(), length: 0 });
            }
        }
        let why = "other processes are creating the same file; each worker needs an id of its own";
        Err(io::Error::new(ErrorKind::ResourceBusy, why))
    }

    /// Replaces the text. Who reads meanwhile finds the old text, the new one, or a record that does
    /// not agree with its MD5, and then reads again.
    ///
    /// One pwrite(2), whatever the length; one more system call when the text is longer or shorter
    /// than the one before.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a text of more than [`MAX`](Self::MAX) bytes and `PermissionDenied` in
    /// another process than that which created the file. `StorageFull` and `QuotaExceeded` when there
    /// is no room for a longer text: the old one stays, if the file system can reserve room. After
    /// another error of pwrite(2), readers may find no whole text until the next one is written.
    pub fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if text.len() > Self::MAX {
            let why = format!("a text of {} bytes; {} can be read", text.len(), Self::MAX);
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
        if !self.is_owner() {
            let why = format!(
                "the text belongs to process {}; a forked process creates its own",
                self.pid
            );
            return Err(io::Error::new(ErrorKind::PermissionDenied, why));
        }
        encode_into(&mut self.record, text);
        let needed = self.record.len();
        if needed > self.length {
            reserve(&self.file, needed)?;
            self.length = needed;
        }
        self.file.write_all_at(&self.record, 0)?;
        // The record is complete, whether or not something follows it.
        let shorter = u64::try_from(needed).unwrap_or(u64::MAX);
        if needed < self.length && self.file.set_len(shorter).is_ok() {
            self.length = needed;
        }
        Ok(())
    }

    fn is_owner(&self) -> bool {
        self.owner.is_here()
    }
}

impl Drop for LongText {
    /// Removes the file, unless it belongs to a parent or has been replaced.
    fn drop(&mut self) {
        // While it is locked: nobody takes it for a dead worker's.
        if self.is_owner() && names(&self.dir, &self.name, &self.file).unwrap_or(false) {
            let _ = unlinkat(&self.dir, self.name.as_str(), AtFlags::empty());
        }
    }
}

/// A new file by this name, locked before it had the name; `None` when somebody else came in between.
fn create_locked(dir: &OwnedFd, name: &str) -> io::Result<Option<File>> {
    let temporary = format!("{name}.tmp");
    // What is there was left by a worker that died here. Nothing of it is used: it may be a link.
    match unlinkat(dir, temporary.as_str(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match openat(dir, temporary.as_str(), flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => File::from(fd),
        Err(Errno::EXIST) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let named = flock(&file, FlockOperation::NonBlockingLockExclusive)
        .and_then(|()| renameat(dir, temporary.as_str(), dir, name));
    match named {
        Ok(()) => Ok(names(dir, name, &file)?.then_some(file)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => {
            let _ = unlinkat(dir, temporary.as_str(), AtFlags::empty());
            Err(error.into())
        }
    }
}

/// Whether `name` is the name of `file`.
fn names(dir: &OwnedFd, name: &str, file: &File) -> io::Result<bool> {
    let identity = |stat: Stat| (stat.st_dev, stat.st_ino);
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(identity(stat) == identity(fstat(file)?)),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Room for so many bytes, before any of them is written: a full disk must not cost the old text.
fn reserve(file: &File, length: usize) -> io::Result<()> {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    match rustix::io::retry_on_intr(|| fallocate(file, FallocateFlags::KEEP_SIZE, 0, length)) {
        Err(error @ (Errno::NOSPC | Errno::DQUOT)) => Err(error.into()),
        // Not every file system can; then the write says whether there is room.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
