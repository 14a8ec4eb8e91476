//! What a worker is doing that takes so long: the slow log.

mod process;
mod syscalls;

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reaper::Pid;
use scoreboard::Text;

use super::view::Id;

/// A record is never longer: so much a pipe takes as a whole or not at all (PIPE_BUF).
const LONGEST: usize = 4096;
/// The text of a worker is cut after so many bytes.
const LONGEST_TEXT: usize = 1024;

/// What the manager knows of a slow request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowFacts {
    /// The time now.
    pub time: SystemTime,
    /// The number of the worker's start.
    pub id: Id,
    /// Its slot.
    pub slot: u32,
    /// Its generation.
    pub generation: u64,
    /// How long the request takes already.
    pub took: Duration,
    /// Its letter on the board, if it keeps one.
    pub letter: Option<char>,
    /// Its text on the board as it stands there.
    pub text: Option<Vec<u8>>,
    /// Requests before this one, where they can be counted.
    pub requests: Option<u64>,
}

/// A record of several lines, the first with the time, all others indented.
///
/// What the kernel does not show (the stack to anybody but root, the call of a foreign process) is
/// left out. Costs about 100 µs; the worker is not stopped and does not notice. It must not have
/// been reaped, or its pid could be somebody else's.
#[must_use]
pub fn describe(pid: Pid, facts: &SlowFacts) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = compose(&mut text, pid, facts);
    cut(text)
}

fn compose(out: &mut String, pid: Pid, facts: &SlowFacts) -> fmt::Result {
    let SlowFacts { id, slot, generation, took, .. } = facts;
    writeln!(
        out,
        "{} worker {pid} (slot {slot}, generation {generation}, start {id}) serves a request for {}.{:03} s",
        Utc(facts.time),
        took.as_secs(),
        took.subsec_millis()
    )?;
    if facts.letter.is_some() || facts.text.is_some() || facts.requests.is_some() {
        write!(out, "  says: {}", facts.letter.unwrap_or('?'))?;
        if let Some(text) = &facts.text {
            let shown = text.get(..LONGEST_TEXT).unwrap_or(text);
            write!(out, " \"{}\"", Text::new(shown))?;
        }
        if let Some(requests) = facts.requests {
            write!(out, ", after {requests} requests")?;
        }
        writeln!(out)?;
    }
    process::compose(out, pid)
}

/// At most [`LONGEST`] bytes in whole lines.
fn cut(mut text: String) -> String {
    let fits = text.as_bytes().get(..LONGEST).map(|start| start.iter().rposition(|b| *b == b'\n'));
    if let Some(end) = fits {
        text.truncate(end.map_or(0, |end| end.saturating_add(1)));
    }
    text
}

/// A time as `2026-01-31T23:59:59.123Z`.
#[derive(Copy, Clone, Debug)]
struct Utc(SystemTime);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs();
        let (mut year, mut days) = (1970_u64, seconds / 86_400);
        let leap = |year: u64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let days_of = |year| if leap(year) { 366 } else { 365 };
        while days >= days_of(year) && year < 9999 {
            days = days.saturating_sub(days_of(year));
            year = year.saturating_add(1);
        }
        let february = if leap(year) { 29 } else { 28 };
        let mut month = 1_u32;
        for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
            if days < length {
                break;
            }
            days = days.saturating_sub(length);
            month = month.saturating_add(1);
        }
        let (day, of_day) = (days.saturating_add(1), seconds % 86_400);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        let milli = since.subsec_millis();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// The file of the slow log.
#[derive(Debug)]
pub struct SlowLog {
    path: PathBuf,
    file: File,
    /// A record was cut off in the middle of a line.
    torn: bool,
    /// Records that were lost and told of once.
    lost: u64,
}

impl SlowLog {
    /// Opens the file for appending, or makes it (mode 0640: it shows what clients asked for); again
    /// after it was rotated.
    ///
    /// # Errors
    /// When it cannot be written; a FIFO that nobody reads is an error (ENXIO), too.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: append(path)?, torn: false, lost: 0 })
    }

    /// Appends a record. Never blocks: what a FIFO does not take now, or a full disk, is lost.
    ///
    /// # Errors
    /// A line for the log when records begin to be lost, and when they no longer are.
    pub fn write(&mut self, record: &str) -> Result<(), String> {
        let mut bytes = Vec::with_capacity(record.len().saturating_add(1));
        if self.torn {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(record.as_bytes());
        let written = self.append(&bytes);
        let path = self.path.display();
        match written {
            Ok(()) if self.lost > 0 => {
                let lost = std::mem::take(&mut self.lost);
                Err(format!("the slow log {path} can be written again, {lost} records were lost"))
            }
            Ok(()) => Ok(()),
            Err(error) => {
                self.lost = self.lost.saturating_add(1);
                match self.lost {
                    1 => Err(format!("failed to write to the slow log {path}: {error}")),
                    _ => Ok(()),
                }
            }
        }
    }

    fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    self.torn = !bytes.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
    OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags).open(path)
}

#[cfg(test)]
mod tests;
