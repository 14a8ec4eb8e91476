//! The last words of a worker, for whoever waits to hear why a start failed.
//!
//! Output that goes to a regular file is read back from there, at no cost to
//! anybody. Where it goes elsewhere (a terminal, the journal, a pipe) and a
//! client waits for the outcome, the worker writes through a pipe that the
//! server copies on and remembers the end of. A worker that nobody waits for
//! keeps its streams as they are.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};

use rustix::fs::{FileType, OFlags, fcntl_setfl, fstat};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::report::Stream;

/// How much of the end is kept.
const TAIL: usize = 4096;
/// How many lines of it are shown.
const LINES: usize = 10;

/// The end of a stream of bytes.
#[derive(Debug, Default)]
pub struct Tail(VecDeque<u8>);

impl Tail {
    /// Adds bytes and forgets the oldest.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        let excess = self.0.len().saturating_sub(TAIL);
        self.0.drain(..excess);
    }

    /// The last lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let bytes: Vec<u8> = self.0.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let skip = lines.len().saturating_sub(LINES);
        lines.into_iter().skip(skip).map(str::to_owned).collect()
    }
}

/// Where the output of one worker can be found.
#[derive(Debug)]
pub enum Capture {
    /// Nowhere.
    Unseen,
    /// In a file, from this offset on.
    File(File, u64),
    /// It passes by here.
    Relayed(Tail),
}

impl Capture {
    /// Looks whether standard error is a regular file that can be read back.
    #[must_use]
    pub fn of_file() -> Self {
        if !is_file(Stream::Err) {
            return Self::Unseen;
        }
        let opened = File::open("/proc/self/fd/2");
        match opened.and_then(|file| file.metadata().map(|meta| (file, meta.size()))) {
            Ok((file, size)) => Self::File(file, size),
            Err(_) => Self::Unseen,
        }
    }

    /// The last lines that the worker (and whoever shares its file) wrote.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Unseen => Vec::new(),
            Self::Relayed(tail) => tail.lines(),
            Self::File(file, from) => {
                let size = file.metadata().map_or(0, |meta| meta.size());
                let start = size.saturating_sub(TAIL as u64).max(*from);
                let mut buffer = vec![0; TAIL];
                let count = file.read_at(&mut buffer, start).unwrap_or(0);
                let mut tail = Tail::default();
                tail.push(buffer.get(..count).unwrap_or_default());
                tail.lines()
            }
        }
    }
}

fn is_file(stream: Stream) -> bool {
    fstat(stream.fd())
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// A pipe between a worker and one or both of the server's streams.
#[derive(Debug)]
pub struct Relay {
    /// The server's end.
    pub read: OwnedFd,
    /// The worker's end.
    pub write: OwnedFd,
    /// The worker's descriptors that become the pipe.
    pub targets: Vec<i32>,
    /// Where the bytes go on to.
    pub stream: Stream,
}

/// Pipes for those of the streams 1 and 2 that cannot be read back; one for both if they are one.
#[must_use]
pub fn relays() -> Vec<Relay> {
    let same = match (fstat(Stream::Out.fd()), fstat(Stream::Err.fd())) {
        (Ok(out), Ok(err)) => (out.st_dev, out.st_ino) == (err.st_dev, err.st_ino),
        _ => false,
    };
    let wanted = if same {
        vec![(Stream::Err, vec![1, 2])]
    } else {
        vec![(Stream::Out, vec![1]), (Stream::Err, vec![2])]
    };
    let relay = |(stream, targets): (Stream, Vec<i32>)| {
        if is_file(stream) {
            return None;
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).ok()?;
        // Only our end: the worker's must block like the stream that it stands for.
        fcntl_setfl(&read, OFlags::NONBLOCK).ok()?;
        Some(Relay { read, write, targets, stream })
    };
    wanted.into_iter().filter_map(relay).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_keeps_the_end() {
        let mut tail = Tail::default();
        for number in 0..10_000 {
            tail.push(format!("line {number}\n").as_bytes());
        }
        let lines = tail.lines();
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines.last().map(String::as_str), Some("line 9999"));
        let mut cut = Tail::default();
        cut.push(b"\n\nno newline \xff at the end");
        assert_eq!(cut.lines(), ["no newline \u{fffd} at the end"]);
    }

    #[test]
    fn a_file_is_read_from_the_start_of_the_worker_on() {
        let path = std::env::temp_dir().join(format!("superdaemon-tail-{}", std::process::id()));
        std::fs::write(&path, "before\n").unwrap();
        let capture = Capture::File(File::open(&path).unwrap(), 7);
        std::fs::write(&path, "before\nafter\nlast\n").unwrap();
        assert_eq!(capture.lines(), ["after", "last"]);
        std::fs::remove_file(&path).unwrap();
    }
}
