//! Ctrl-C as the end of something that has no end of its own.

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use sigpolicy::action::{self, Disposition};
use sigpolicy::{Policy, Signal, Signals};

use super::input::{is_over, watched};
use super::server::{CallError, Follow};

/// For as long as this lives SIGINT does not end us, but can be waited for.
#[derive(Debug)]
pub struct Interrupts {
    signals: Option<Signals>,
    was_default: bool,
    happened: bool,
}

/// What came first.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// Nobody reads any more what is written.
    Deaf,
    /// One of the descriptors, by its place, has something to read.
    Readable(usize),
}

impl Interrupts {
    /// Catches SIGINT, unless it is ignored: a job in the background is to run on.
    #[must_use]
    pub fn catch() -> Self {
        let before = action::disposition(Signal::INT).ok();
        let was_default = before == Some(Disposition::Default);
        let ignored = before == Some(Disposition::Ignored);
        let policy = || Policy::new().catch(&[Signal::INT]).interrupt_syscalls(true).install();
        let signals = if ignored { None } else { policy().ok() };
        Self { signals, was_default, happened: false }
    }

    /// Catches nothing.
    #[must_use]
    pub fn none() -> Self {
        Self { signals: None, was_default: false, happened: false }
    }

    /// Waits for the first of these descriptors, for Ctrl-C, or for the end of whoever reads `out`.
    ///
    /// # Errors
    ///
    /// What poll(2) says.
    pub fn wait(
        &mut self,
        fds: &[BorrowedFd<'_>],
        out: Option<BorrowedFd<'_>>,
    ) -> std::io::Result<Woken> {
        loop {
            let own = self.signals.as_ref().map(std::os::fd::AsFd::as_fd);
            let all = fds.iter().copied().chain(own);
            let mut polled: Vec<PollFd<'_>> =
                all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
            let own = polled.len();
            polled.extend(out.map(watched));
            match poll(&mut polled, None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            let ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
            let deaf = polled.get(own).is_some_and(is_over);
            polled.truncate(own);
            let interrupted = polled.get(fds.len()).is_some_and(ready);
            let first = polled.iter().position(ready);
            drop(polled);
            if interrupted {
                if let Some(signals) = &mut self.signals {
                    signals.drain(&mut Vec::new());
                }
                self.happened = true;
                return Ok(Woken::Interrupted);
            }
            if deaf {
                return Ok(Woken::Deaf);
            }
            if let Some(first) = first {
                return Ok(Woken::Readable(first));
            }
        }
    }

    /// Whether somebody pressed Ctrl-C so far.
    #[must_use]
    pub fn happened(&self) -> bool {
        self.happened
    }

    /// What has come of a followed answer; `None` at its end, after Ctrl-C, and when nobody
    /// reads `out`.
    ///
    /// # Errors
    ///
    /// The connection broke.
    pub fn read(
        &mut self,
        follow: &mut dyn Follow,
        out: Option<BorrowedFd<'_>>,
    ) -> Result<Option<Vec<u8>>, CallError> {
        if let Some(fd) = follow.fd() {
            match self.wait(&[fd], out).map_err(CallError::Io)? {
                Woken::Interrupted | Woken::Deaf => return Ok(None),
                Woken::Readable(_) => {}
            }
        }
        follow.read()
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        // The handler stays and would swallow the signal.
        if self.signals.take().is_some() && self.was_default {
            let _ = action::set_default(Signal::INT);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_first_that_can_be_read_is_told() {
        let (one, mut far) = UnixStream::pair().unwrap();
        let (two, _open) = UnixStream::pair().unwrap();
        let mut interrupts = Interrupts::none();
        far.write_all(b"x").unwrap();
        let fds = [two.as_fd(), one.as_fd()];
        assert_eq!(interrupts.wait(&fds, None).unwrap(), Woken::Readable(1));
        drop(far);
        assert_eq!(interrupts.wait(&[one.as_fd()], None).unwrap(), Woken::Readable(0));
        assert!(!interrupts.happened());
    }

    #[test]
    fn an_output_counts_when_nobody_reads_it() {
        let (quiet, _open) = UnixStream::pair().unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let (file, mut far) = UnixStream::pair().unwrap();
        far.write_all(b"x").unwrap();
        let mut interrupts = Interrupts::none();
        let fds = [quiet.as_fd(), file.as_fd()];
        let woken = interrupts.wait(&fds, Some(writer.as_fd())).unwrap();
        assert_eq!(woken, Woken::Readable(1), "it can be written to, which does not matter");
        drop(reader);
        let woken = interrupts.wait(&[quiet.as_fd()], Some(writer.as_fd())).unwrap();
        assert_eq!(woken, Woken::Deaf);
    }
}
