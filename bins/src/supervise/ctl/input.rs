//! Standard input, line by line, and the signals that end a command that would go on for ever.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sigpolicy::{Signal, SignalSet, Signals, action};

use super::server::CallError;
use crate::birth::catch_signals;

/// A longer line is taken in pieces.
const LONGEST: usize = 1024 * 1024;

/// Lines of a descriptor. What has been read and was not asked for yet stays here, so that there is
/// one of these for each descriptor.
#[derive(Debug)]
pub struct Input<'f> {
    fd: BorrowedFd<'f>,
    buffer: Vec<u8>,
    ended: bool,
}

impl<'f> Input<'f> {
    /// The lines of this one.
    #[must_use]
    pub fn new(fd: BorrowedFd<'f>) -> Self {
        Self { fd, buffer: Vec::new(), ended: false }
    }

    /// The next line without its end; waits for it. `None` when there are no more.
    pub fn line(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.ready() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            self.fill();
        }
    }

    /// The next line if it is here already. The last one may lack its end.
    pub(crate) fn ready(&mut self) -> Option<String> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n');
        let (length, whole) = match end {
            Some(at) => (at, at.saturating_add(1)),
            None if self.buffer.len() >= LONGEST || (self.ended && !self.buffer.is_empty()) => {
                (self.buffer.len(), self.buffer.len())
            }
            None => return None,
        };
        let mut line: Vec<u8> = self.buffer.drain(..whole).collect();
        line.truncate(length);
        Some(String::from_utf8_lossy(&line).into_owned())
    }

    /// Takes what has come, waiting for it if need be.
    pub(crate) fn fill(&mut self) {
        let mut bytes = [0; 4096];
        match rustix::io::read(self.fd, &mut bytes) {
            Ok(0) => self.ended = true,
            Ok(count) => self.buffer.extend_from_slice(bytes.get(..count).unwrap_or_default()),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.ended = true,
        }
    }

    /// Whether nothing more will come.
    pub(crate) fn is_over(&self) -> bool {
        self.ended && self.buffer.is_empty()
    }
}

impl AsFd for Input<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd
    }
}

/// An output in poll(2): it is told only when nobody reads it any more.
pub(crate) fn watched(out: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::from_borrowed_fd(out, PollFlags::empty())
}

/// Whether that has happened.
pub(crate) fn is_over(out: &PollFd<'_>) -> bool {
    out.revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL)
}

const CAUGHT: [Signal; 5] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::WINCH];

/// Signals that are events as long as this lives; afterwards they do what they did before.
#[derive(Debug)]
pub(crate) struct EndSignals {
    pub(crate) signals: Signals,
    ignored: SignalSet,
}

impl EndSignals {
    pub(crate) fn catch() -> Result<Self, CallError> {
        let ignored = action::ignored_now();
        // A job in the background, or under nohup(1), is to run on.
        let own: Vec<Signal> =
            CAUGHT.into_iter().filter(|signal| !ignored.contains(*signal)).collect();
        let signals = catch_signals(&own)
            .map_err(|failed| CallError::Io(std::io::Error::other(failed.to_string())))?;
        Ok(Self { signals, ignored })
    }

    /// Waits for the time, or for the end, which it tells: somebody wants it, or nobody reads any more
    /// what is written to `out`.
    pub(crate) fn wait(&mut self, out: Option<BorrowedFd<'_>>, due: Option<Instant>) -> bool {
        loop {
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            let left = left.unwrap_or(Duration::from_secs(1));
            let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
            fds.extend(out.map(watched));
            match poll(&mut fds, Timespec::try_from(left).ok().as_ref()) {
                Ok(0) => return false,
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return true,
            }
            let deaf = fds.get(1).is_some_and(is_over);
            drop(fds);
            if deaf || self.end() {
                return true;
            }
        }
    }

    /// Whether somebody wants an end.
    pub(crate) fn end(&mut self) -> bool {
        let mut caught = Vec::new();
        self.signals.drain(&mut caught);
        caught.iter().any(|signal| !matches!(*signal, Signal::WINCH | Signal::CHLD))
    }
}

impl Drop for EndSignals {
    fn drop(&mut self) {
        for signal in self.signals.caught().iter() {
            // Signals that can be caught can be given back.
            let _ = match self.ignored.contains(signal) {
                true => action::set_ignored(signal),
                false => action::set_default(signal),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn lines_come_in_order_however_they_are_cut() {
        let (reader, mut writer) = UnixStream::pair().unwrap();
        let mut input = Input::new(reader.as_fd());
        assert_eq!(input.ready(), None);
        writer.write_all(b"one\n\nthr").unwrap();
        assert_eq!(input.line().as_deref(), Some("one"));
        assert_eq!(input.ready().as_deref(), Some(""));
        assert_eq!(input.ready(), None);
        writer.write_all(b"ee\n\xff").unwrap();
        assert_eq!(input.line().as_deref(), Some("three"));
        drop(writer);
        assert!(!input.is_over());
        assert_eq!(input.line().as_deref(), Some("\u{fffd}"), "without an end");
        assert!(input.is_over());
        assert_eq!(input.line(), None);
    }

    #[test]
    fn a_descriptor_that_cannot_be_read_is_at_its_end() {
        let closed = std::fs::File::options().write(true).open("/dev/null").unwrap();
        assert_eq!(Input::new(closed.as_fd()).line(), None);
    }
}
