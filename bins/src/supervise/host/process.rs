//! One program of the configuration as the host sees it, and its standard input.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::SystemTime;

use fdpass::notify::Receiver;
use reaper::{Key, Pid};
use rustix::io::Errno;

use super::plan::Spec;
use super::streams::Targets;
use crate::supervise::events::Stream;

/// A program.
pub(super) struct Process {
    pub(super) spec: Rc<Spec>,
    pub(super) run: Option<Run>,
    /// When it was started last, and when it ended last, in seconds since 1970; 0: never.
    pub(super) started: u32,
    pub(super) ended: u32,
    targets: Option<Box<[Targets; 2]>>,
}

/// The time of day.
pub(super) fn since_1970() -> u32 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| u32::try_from(since.as_secs()).unwrap_or(u32::MAX))
}

/// A program that runs.
pub(super) struct Run {
    pub(super) key: Key,
    pub(super) pid: Pid,
    pub(super) stdin: Option<Stdin>,
    /// Its standard output and standard error, while they are open.
    pub(super) streams: [Option<Key>; 2],
    /// The pipe of `ready_fd`.
    pub(super) ready: Option<Key>,
    pub(super) notify: Option<(Key, Box<Receiver>)>,
    /// What its descendants are known by, with `kill_orphans`.
    pub(super) mark: Option<Box<str>>,
}

impl Process {
    pub(super) fn new(spec: Rc<Spec>) -> Self {
        Self { spec, run: None, started: 0, ended: 0, targets: None }
    }

    /// Where a stream goes, once that has been opened.
    pub(super) fn targets(&self, stream: Stream) -> Option<&Targets> {
        let [stdout, stderr] = &**self.targets.as_ref()?;
        Some(match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        })
    }

    pub(super) fn set_targets(&mut self, stream: Stream, targets: Targets) {
        let [stdout, stderr] = &mut **self.targets.get_or_insert_default();
        match stream {
            Stream::Stdout => *stdout = targets,
            Stream::Stderr => *stderr = targets,
        }
    }
}

/// Our end of a program's standard input.
pub(super) struct Stdin {
    fd: OwnedFd,
    waiting: VecDeque<u8>,
    /// What the loop watches while the pipe is full.
    pub(super) full: Option<Key>,
}

/// What is kept for a program that does not read.
const MOST: usize = 1 << 20;

/// Why nothing was written.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It reads too slowly: a megabyte waits already.
    Full,
    /// It has closed its standard input.
    Closed,
}

impl Stdin {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self { fd, waiting: VecDeque::new(), full: None }
    }

    /// Writes, or keeps for later, all of it or nothing.
    ///
    /// # Errors
    /// See [`Refused`].
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        if self.waiting.len().saturating_add(bytes.len()) > MOST {
            return Err(Refused::Full);
        }
        self.waiting.extend(bytes);
        self.flush()
    }

    /// Writes what waits, as far as the pipe takes it.
    ///
    /// # Errors
    /// When the program has closed its end; what waited is dropped.
    pub(super) fn flush(&mut self) -> Result<(), Refused> {
        while !self.waiting.is_empty() {
            let (front, _) = self.waiting.as_slices();
            match rustix::io::write(&self.fd, front) {
                Ok(count) => drop(self.waiting.drain(..count.min(self.waiting.len()))),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(_) => {
                    self.waiting.clear();
                    return Err(Refused::Closed);
                }
            }
        }
        Ok(())
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{OFlags, fcntl_setfl};
    use rustix::pipe::{PipeFlags, pipe_with};

    #[test]
    fn what_a_pipe_does_not_take_waits_and_what_is_too_much_is_refused() {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        fcntl_setfl(&write, OFlags::NONBLOCK).unwrap();
        let mut stdin = Stdin::new(write);
        assert_eq!(stdin.send(&vec![b'x'; 500_000]), Ok(()));
        assert!(stdin.is_waiting());
        assert_eq!(stdin.send(&vec![b'y'; MOST]), Err(Refused::Full));
        let mut taken = 0;
        let mut buffer = vec![0; 65_536];
        while taken < 500_000 {
            taken += rustix::io::read(&read, &mut buffer).unwrap();
            assert_eq!(stdin.flush(), Ok(()));
        }
        assert!(!stdin.is_waiting() && taken == 500_000);
        drop(read);
        assert_eq!(stdin.send(b"z"), Err(Refused::Closed));
    }
}
