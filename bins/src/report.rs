//! The only writer to the standard streams of a running server.
//!
//! A line is one `write(2)`. Nothing here blocks: what a full pipe does not
//! take waits in memory up to a bound, and what the bound does not take is
//! counted and told later. A failing write (ENOSPC, EPIPE, EIO) loses its text
//! and never the server.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use rustix::io::{Errno, ReadWriteFlags, pwritev2};

/// Bytes that may wait for a reader that does not read.
const BACKLOG: usize = 256 * 1024;

/// Which stream an [`Outlet`] writes to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Descriptor 1.
    Out,
    /// Descriptor 2.
    Err,
}

impl Stream {
    /// The stream's descriptor.
    #[must_use]
    pub fn fd(self) -> BorrowedFd<'static> {
        match self {
            Self::Out => rustix::stdio::stdout(),
            Self::Err => rustix::stdio::stderr(),
        }
    }
}

/// A standard stream that never blocks the caller.
#[derive(Debug)]
pub struct Outlet {
    stream: Stream,
    queue: VecDeque<Vec<u8>>,
    waiting: usize,
    lost: u64,
}

impl Outlet {
    /// An outlet to a standard stream, whatever that is at the time of each write.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self { stream, queue: VecDeque::new(), waiting: 0, lost: 0 }
    }

    /// Writes one line; control characters in it are escaped so that it stays one.
    pub fn line(&mut self, text: &dyn Display) {
        let mut bytes = Vec::with_capacity(96);
        for character in text.to_string().chars() {
            if character.is_control() && character != '\t' {
                bytes.extend(character.escape_default().map(|c| c as u8));
            } else {
                bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        bytes.push(b'\n');
        self.bytes(bytes);
    }

    /// Writes bytes as they are.
    pub fn bytes(&mut self, bytes: Vec<u8>) {
        self.flush();
        if !self.queue.is_empty() && self.waiting.saturating_add(bytes.len()) > BACKLOG {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        self.waiting = self.waiting.saturating_add(bytes.len());
        self.queue.push_back(bytes);
        self.flush();
    }

    /// Bytes that wait for the stream to take them.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.waiting
    }

    /// Writes what the stream takes now.
    pub fn flush(&mut self) {
        while let Some(bytes) = self.queue.front_mut() {
            match write_some(self.stream.fd(), bytes) {
                Step::Taken(count) if count < bytes.len() => {
                    bytes.drain(..count);
                    self.waiting = self.waiting.saturating_sub(count);
                }
                Step::Full => return,
                Step::Taken(_) | Step::Failed(_) => {
                    let len = bytes.len();
                    self.queue.pop_front();
                    self.waiting = self.waiting.saturating_sub(len);
                    if self.queue.is_empty() && self.lost > 0 {
                        let note = format!("{} messages were lost: nobody read them\n", self.lost);
                        self.lost = 0;
                        self.waiting = note.len();
                        self.queue.push_back(note.into_bytes());
                    }
                }
            }
        }
    }

    /// Writes what waits, as long as somebody reads it, for a limited time.
    pub fn drain(&mut self, limit: Duration) {
        let begun = Instant::now();
        self.flush();
        while self.backlog() > 0 {
            let left = limit.saturating_sub(begun.elapsed());
            let mut waiting = [PollFd::from_borrowed_fd(self.stream.fd(), PollFlags::OUT)];
            let timeout = Timespec::try_from(left).ok();
            if left.is_zero() || poll(&mut waiting, timeout.as_ref()).is_err() {
                return;
            }
            self.flush();
        }
    }

    /// A duplicate of the stream's descriptor to wait on until it takes more.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn handle(&self) -> std::io::Result<OwnedFd> {
        Ok(rustix::io::fcntl_dupfd_cloexec(self.stream.fd(), 3)?)
    }
}

/// What became of a write.
pub(crate) enum Step {
    Taken(usize),
    Full,
    Failed(Errno),
}

/// At most PIPE_BUF bytes after poll(2) says that they fit. Whoever shares the pipe may have filled
/// it by then, so a pipe or socket is told not to wait; what knows no such flag is trusted.
pub(crate) fn write_some(fd: BorrowedFd<'_>, bytes: &[u8]) -> Step {
    let mut waiting = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
    match poll(&mut waiting, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(0) | Err(Errno::INTR | Errno::AGAIN) => return Step::Full,
        Ok(_) => {}
        Err(error) => return Step::Failed(error),
    }
    let chunk = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    let written = match at_once(fd, chunk) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::SPIPE) => {
            rustix::io::write(fd.as_fd(), chunk)
        }
        written => written,
    };
    match written {
        Ok(count) => Step::Taken(count),
        Err(Errno::AGAIN | Errno::INTR) => Step::Full,
        Err(error) => Step::Failed(error),
    }
}

fn at_once(fd: BorrowedFd<'_>, chunk: &[u8]) -> Result<usize, Errno> {
    let mode = rustix::fs::fstat(fd)?.st_mode;
    match FileType::from_raw_mode(mode) {
        FileType::Fifo | FileType::Socket => {
            pwritev2(fd, &[IoSlice::new(chunk)], u64::MAX, ReadWriteFlags::NOWAIT)
        }
        _ => Err(Errno::OPNOTSUPP),
    }
}

/// Writes lines to standard error of a program that is not a server (yet); waits a minute at most.
pub fn complain(lines: &[String]) {
    for line in lines {
        let mut outlet = Outlet::new(Stream::Err);
        outlet.line(line);
        outlet.drain(Duration::from_secs(60));
    }
}

/// Writes a text to standard output; may block.
///
/// # Errors
/// What write(2) says, for example EPIPE or ENOSPC.
pub fn print(text: &str) -> std::io::Result<()> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), rest) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
