//! Where bytes go: a file, a device, the system's log, or nowhere.

mod target;

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rustix::io::{Errno, read};

use super::device::{self, Device};
use super::file::LogFile;
use super::syslog::{SOCKET, Syslog};
use super::{READ, Trouble};
use crate::supervise::config::model::Level;

pub use target::SinkTarget;

/// How long a log that cannot be written is left alone.
const PAUSE: Duration = Duration::from_secs(1);
/// How long programs wait for a log on a full disk before it is given up until it can be written
/// again: a server must not stand still for its log.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Written {
    /// The sink takes no more for now. What was given to it is kept and comes first; the host
    /// leaves the pipes of its programs unread until [`Sink::flush`] says otherwise.
    pub blocked: bool,
    /// What is to be said of it in the main log.
    pub troubles: Vec<Trouble>,
}

/// What [`Sink::pump`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Pumped {
    /// Bytes that left the pipe; none if it was empty.
    pub bytes: usize,
    /// There will be no more: all other ends of the pipe are closed.
    pub end: bool,
    /// What became of them.
    pub written: Written,
}

#[derive(Debug)]
enum Target {
    Nothing,
    File(Box<LogFile>),
    Device(Box<Device>),
    Syslog(Box<Syslog>),
}

/// A log that never makes its writer wait.
#[derive(Debug)]
pub struct Sink {
    target: Target,
    /// What the target has not taken yet; never more than what was given to it at once by those
    /// who stop when they are told.
    pending: Vec<u8>,
    blocked: bool,
    /// The error that has been told, until a write succeeds.
    failing: Option<Errno>,
    /// When it began to fail.
    since: Option<Instant>,
    /// It has failed for too long: what comes is lost.
    given_up: bool,
    /// Bytes given up while it failed.
    lost: u64,
}

impl Sink {
    /// Opens a target. A file is made with mode 0666 less the umask, appended to, and rotated
    /// after a write that makes it `maxbytes` long or longer; not if `maxbytes` is 0 or less.
    ///
    /// # Errors
    /// What open(2) says.
    pub fn open(target: &SinkTarget, maxbytes: i64, backups: i64) -> io::Result<Self> {
        let target = match target {
            SinkTarget::Nothing => Target::Nothing,
            SinkTarget::Path(path) if Device::is_named(path) => {
                Target::Device(Box::new(Device::open(path)?))
            }
            SinkTarget::Path(path) => {
                Target::File(Box::new(LogFile::open(path, maxbytes, backups)?))
            }
            SinkTarget::Syslog { name } => {
                Target::Syslog(Box::new(Syslog::new(Path::new(SOCKET), "supervisord", name)))
            }
        };
        Ok(Self::to(target))
    }

    fn to(target: Target) -> Self {
        Self {
            target,
            pending: Vec::new(),
            blocked: false,
            failing: None,
            since: None,
            given_up: false,
            lost: 0,
        }
    }

    #[cfg(test)]
    fn on(device: Device) -> Self {
        Self::to(Target::Device(Box::new(device)))
    }

    /// Changes when a file is rotated.
    pub fn limit(&mut self, maxbytes: i64, backups: i64) {
        if let Target::File(file) = &mut self.target {
            file.limit(maxbytes, backups);
        }
    }

    /// The path of a regular file, from which it can be read; devices have none.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.target {
            Target::File(file) => Some(file.path()),
            _ => None,
        }
    }

    /// Takes all of the bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Written {
        let mut written = if self.pending.is_empty() { Written::default() } else { self.flush() };
        if self.pending.is_empty() {
            self.push(bytes, &mut written);
        } else {
            self.pending.extend_from_slice(bytes);
        }
        written
    }

    /// Tries again: to be called when [`fd_to_wait_for`](Self::fd_to_wait_for) can be written, or
    /// after [`retry_after`](Self::retry_after).
    pub fn flush(&mut self) -> Written {
        let mut written = Written::default();
        let bytes = std::mem::take(&mut self.pending);
        self.push(&bytes, &mut written);
        written
    }

    fn push(&mut self, bytes: &[u8], written: &mut Written) {
        self.blocked = false;
        let mut rest = bytes;
        let mut result = Ok(());
        while !rest.is_empty() {
            let put = match &mut self.target {
                Target::Nothing => return,
                Target::Syslog(syslog) => {
                    written.troubles.extend(syslog.write(rest, SystemTime::now()));
                    return;
                }
                Target::File(file) => file.put(rest),
                Target::Device(device) => device.put(rest),
            };
            match put {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        self.pending = rest.to_vec();
        if !bytes.is_empty() {
            self.settle(result, written);
        }
    }

    /// Draws the consequences of a step.
    fn settle(&mut self, result: Result<(), Errno>, written: &mut Written) {
        match result {
            Ok(()) => {
                written.troubles.extend(self.recovered());
                if let Target::File(file) = &mut self.target {
                    written.troubles.extend(file.back());
                    written.troubles.extend(file.rotate_if_due());
                }
            }
            Err(Errno::AGAIN) => self.blocked = true,
            Err(error) => {
                let name = self.name();
                let gone = matches!(self.target, Target::Device(_)) && !device::may_pass(error);
                let since = *self.since.get_or_insert_with(Instant::now);
                let gone = gone || since.elapsed() >= PATIENCE;
                let news = gone && !std::mem::replace(&mut self.given_up, gone);
                let then = match gone {
                    true => "what programs write is lost until it can be",
                    false => "its programs wait for that, but not for long",
                };
                if self.failing.replace(error).is_none() || news {
                    let error = io::Error::from(error);
                    let text = format!("could not write to log {name}: {error}; {then}");
                    written.troubles.push(Trouble::new(Level::Error, text));
                }
                if let Target::File(file) = &mut self.target {
                    if !matches!(error, Errno::NOSPC | Errno::DQUOT | Errno::FBIG) {
                        file.doubt();
                    }
                }
                if gone {
                    self.lose();
                } else {
                    self.blocked = true;
                }
            }
        }
        written.blocked = self.blocked;
    }

    fn lose(&mut self) {
        let count = std::mem::take(&mut self.pending).len();
        self.lost = self.lost.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }

    fn recovered(&mut self) -> Option<Trouble> {
        (self.since, self.given_up) = (None, false);
        self.failing.take()?;
        let text = match std::mem::take(&mut self.lost) {
            0 => format!("log {} can be written again", self.name()),
            lost => format!("log {} can be written again, {lost} bytes were lost", self.name()),
        };
        Some(Trouble::new(Level::Info, text))
    }

    fn name(&self) -> String {
        match &self.target {
            Target::Nothing => String::new(),
            Target::File(file) => file.path().display().to_string(),
            Target::Device(device) => device.path().display().to_string(),
            Target::Syslog(_) => SOCKET.to_owned(),
        }
    }

    /// Whether [`pump`](Self::pump) is worth while for a stream that is raw.
    #[must_use]
    pub fn can_pump(&self) -> bool {
        matches!(self.target, Target::Nothing | Target::File(_))
    }

    /// Takes what a pipe holds, a bounded amount at a time: to a file without copying it here where
    /// that is possible, else through `buffer`, of which [`READ`] bytes are used at most.
    ///
    /// # Errors
    /// What read(2) says of the pipe, other than that it is empty.
    pub fn pump(&mut self, from: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Pumped> {
        let mut pumped = Pumped::default();
        if self.blocked || !self.pending.is_empty() {
            pumped.written = self.flush();
            if self.blocked {
                return Ok(pumped);
            }
        }
        let spliced = match &mut self.target {
            // What was given up has to leave the pipe, too.
            Target::File(file) if !self.given_up => file.splice(from),
            _ => None,
        };
        match spliced {
            Some(Ok(count)) => {
                (pumped.bytes, pumped.end) = (count, count == 0);
                if count > 0 {
                    self.settle(Ok(()), &mut pumped.written);
                }
                Ok(pumped)
            }
            Some(Err(Errno::AGAIN | Errno::INTR)) => Ok(pumped),
            Some(Err(error)) => {
                self.settle(Err(error), &mut pumped.written);
                Ok(pumped)
            }
            None => self.copy(from, buffer, pumped),
        }
    }

    fn copy(
        &mut self,
        from: BorrowedFd<'_>,
        buffer: &mut [u8],
        mut pumped: Pumped,
    ) -> io::Result<Pumped> {
        let most = buffer.len().min(READ);
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        match read(from, &mut *buffer) {
            Ok(count) => {
                (pumped.bytes, pumped.end) = (count, count == 0);
                let written = self.write(buffer.get(..count).unwrap_or_default());
                pumped.written.blocked = written.blocked;
                pumped.written.troubles.extend(written.troubles);
                Ok(pumped)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(pumped),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it takes no more for now.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Bytes that it has not got rid of.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.pending.len()
    }

    /// What to wait for until it can be written (POLLOUT), if that is what it is blocked by.
    #[must_use]
    pub fn fd_to_wait_for(&self) -> Option<BorrowedFd<'_>> {
        match &self.target {
            Target::Device(device) if self.blocked && self.failing.is_none() => Some(device.fd()),
            _ => None,
        }
    }

    /// How long to leave it alone, if it is blocked and no descriptor tells when that is over.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        (self.blocked && self.fd_to_wait_for().is_none()).then_some(PAUSE)
    }

    /// Opens the target under its name once more: USR2. A descriptor stays what it is.
    pub fn reopen(&mut self) -> Option<Trouble> {
        let result = match &mut self.target {
            Target::Nothing | Target::Syslog(_) => return None,
            Target::File(file) => file.again(),
            Target::Device(device) => device.reopen(),
        };
        let name = self.name();
        let error = result.err()?;
        Some(Trouble::new(Level::Error, format!("could not reopen log {name}: {error}")))
    }

    /// [`reopen`](Self::reopen)s a file that was removed or renamed from outside: to be called
    /// before a program is started, which is when supervisord opens its logs.
    pub fn renew(&mut self) -> Option<Trouble> {
        match &self.target {
            Target::File(file) if file.is_gone() && !file.is_missed() => self.reopen(),
            _ => None,
        }
    }

    /// Empties a file; its rotated predecessors stay. Of anything else only what waits is dropped.
    ///
    /// # Errors
    /// When it could not be emptied, or no new file could be made.
    pub fn clear(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::File(file) => {
                self.pending = Vec::new();
                file.clear()
            }
            _ => Ok(()),
        }
    }

    /// What was written last has no end: sends an unfinished line to the system's log.
    pub fn end(&mut self) -> Option<Trouble> {
        match &mut self.target {
            Target::Syslog(syslog) => syslog.end(SystemTime::now()),
            _ => None,
        }
    }

    /// Nobody will write any more: tries a last time, and tells what is lost.
    pub fn close(mut self) -> Vec<Trouble> {
        let mut troubles = self.flush().troubles;
        troubles.extend(self.end());
        if !self.pending.is_empty() {
            let text = format!("{} bytes for log {} are lost", self.pending.len(), self.name());
            troubles.push(Trouble::new(Level::Error, text));
        }
        troubles
    }
}

#[cfg(test)]
pub(in crate::supervise) mod tests;
