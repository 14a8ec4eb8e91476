//! A log that is no regular file, or not ours: standard output, a terminal, a FIFO, a socket.
//!
//! It is never seeked, rotated or emptied, and never waited for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, open, stat};
use rustix::io::{Errno, fcntl_dupfd_cloexec, write};
use rustix::net::{SendFlags, send};

use crate::report::{Step, write_some};

/// How it is written without waiting.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum How {
    /// We opened it ourselves, with O_NONBLOCK.
    Own,
    /// Others use the same open file: whether it waits is not for us to say.
    Shared,
    /// A socket can be told so with each write.
    Socket,
    /// A regular file never waits.
    File,
}

#[derive(Debug)]
pub(super) struct Device {
    path: Box<Path>,
    fd: OwnedFd,
    how: How,
}

impl Device {
    /// Whether the name stands for a device.
    pub(super) fn is_named(path: &Path) -> bool {
        is_descriptor(path)
            || stat(path).is_ok_and(|stat| {
                // A directory is no device either: opening it as a file says what it is.
                let kind = FileType::from_raw_mode(stat.st_mode);
                !matches!(kind, FileType::RegularFile | FileType::Directory)
            })
    }

    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let fd = match path.to_str().and_then(standard) {
            Some(stream) => fcntl_dupfd_cloexec(stream, 3)?,
            // The end of a FIFO for reading is held as well: so it can be opened before there is a
            // reader, and nothing is lost between two of them.
            None if is_fifo(path) => return Self::own(path, OFlags::RDWR),
            None => return Self::own(path, OFlags::WRONLY | OFlags::APPEND),
        };
        Self::adopt(path, fd)
    }

    fn own(path: &Path, flags: OFlags) -> io::Result<Self> {
        let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = open(path, flags, Mode::empty())?;
        let how = match kind(&fd)? {
            FileType::RegularFile => How::File,
            _ => How::Own,
        };
        Ok(Self { path: path.into(), fd, how })
    }

    /// Takes a descriptor that others share; opens the same thing once more where that is possible.
    pub(super) fn adopt(path: &Path, fd: OwnedFd) -> io::Result<Self> {
        let how = match kind(&fd)? {
            FileType::RegularFile => How::File,
            FileType::Socket => How::Socket,
            _ => How::Shared,
        };
        let mut device = Self { path: path.into(), fd, how };
        if how == How::Shared {
            if let Ok(fd) = again(device.fd.as_fd()) {
                device.fd = fd;
                device.how = How::Own;
            }
        }
        Ok(device)
    }

    #[cfg(test)]
    pub(super) fn share(path: &Path, fd: OwnedFd) -> Self {
        Self { path: path.into(), fd, how: How::Shared }
    }

    #[cfg(test)]
    pub(super) fn is_own(&self) -> bool {
        self.how == How::Own
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        match self.how {
            How::Own | How::File => write(&self.fd, bytes),
            How::Socket => send(&self.fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            How::Shared => match write_some(self.fd.as_fd(), bytes) {
                Step::Taken(count) => Ok(count),
                Step::Full => Err(Errno::AGAIN),
                Step::Failed(error) => Err(error),
            },
        }
    }

    /// Opens the name once more, unless it stands for a descriptor.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        if !is_descriptor(&self.path) {
            *self = Self::open(&self.path)?;
        }
        Ok(())
    }
}

/// The standard stream that a name stands for. It is duplicated, for which no permission is needed.
fn standard(path: &str) -> Option<BorrowedFd<'static>> {
    match path {
        "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" => Some(rustix::stdio::stdout()),
        "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" => Some(rustix::stdio::stderr()),
        _ => None,
    }
}

/// Whether the name is that of a descriptor, whatever that is.
pub(super) fn is_descriptor(path: &Path) -> bool {
    let name = path.to_str().unwrap_or_default();
    standard(name).is_some() || name.starts_with("/dev/fd/") || name.starts_with("/proc/self/fd/")
}

fn is_fifo(path: &Path) -> bool {
    stat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
        && !is_descriptor(path)
}

fn kind(fd: &OwnedFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(fstat(fd)?.st_mode))
}

/// The same pipe or terminal with a state of its own, so that O_NONBLOCK is nobody else's affair.
fn again(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let own = open(path, flags, Mode::empty())?;
    let (ours, theirs) = (fstat(&own)?, fstat(fd)?);
    match (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino) {
        true => Ok(own),
        false => Err(Errno::NXIO.into()),
    }
}

/// Whether a device that failed so may take the same bytes later.
pub(super) fn may_pass(error: Errno) -> bool {
    matches!(error, Errno::NOSPC | Errno::DQUOT | Errno::NOBUFS | Errno::NOMEM | Errno::FBIG)
}
