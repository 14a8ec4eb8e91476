//! What the main log says about events, in supervisord's words.

use std::fmt::{Display, Formatter, Write as _};
use std::sync::Arc;

use crate::supervise::config::model::Level;

use super::payload::undecodable;
use super::protocol::Listening;

/// One line of the main log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventLine {
    /// `mail: READY -> UNKNOWN`.
    Turned {
        /// The process.
        listener: Arc<str>,
        /// Its state before.
        from: Listening,
        /// Its state now.
        to: Listening,
    },
    /// It broke the protocol.
    Unknown {
        /// The process.
        listener: Arc<str>,
    },
    /// It answered OK.
    Processed {
        /// The process.
        listener: Arc<str>,
    },
    /// It answered something else.
    Rejected {
        /// The process.
        listener: Arc<str>,
    },
    /// What should have been `RESULT` and a length.
    BadResult {
        /// The process.
        listener: Arc<str>,
        /// What came instead, or the beginning of it.
        line: Vec<u8>,
    },
    /// It has an event to look at.
    Sent {
        /// The event.
        serial: u64,
        /// The process.
        listener: Arc<str>,
    },
    /// It has closed its standard input.
    BrokenPipe {
        /// The event.
        serial: u64,
        /// The process.
        listener: Arc<str>,
    },
    /// An event goes back to the head of the queue.
    Rebuffered {
        /// The event.
        serial: u64,
        /// The pool.
        pool: Arc<str>,
        /// Events that wait besides.
        size: usize,
        /// Events that may wait.
        max: usize,
    },
    /// Too many events wait: the oldest one is lost.
    Overflowed {
        /// The pool.
        pool: Arc<str>,
        /// The event that is lost.
        serial: u64,
    },
}

impl EventLine {
    /// How serious it is.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::Turned { .. }
            | Self::Processed { .. }
            | Self::Sent { .. }
            | Self::BrokenPipe { .. }
            | Self::Rebuffered { .. } => Level::Debug,
            Self::Unknown { .. } | Self::Rejected { .. } | Self::BadResult { .. } => Level::Warn,
            Self::Overflowed { .. } => Level::Error,
        }
    }
}

impl Display for EventLine {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Turned { listener, from, to } => {
                write!(out, "{listener}: {} -> {}", from.name(), to.name())
            }
            Self::Unknown { listener } => write!(
                out,
                "{listener}: has entered the UNKNOWN state and will no longer receive events, this \
                 usually indicates the process violated the eventlistener protocol"
            ),
            Self::Processed { listener } => write!(out, "{listener}: event was processed"),
            Self::Rejected { listener } => write!(out, "{listener}: event was rejected"),
            Self::BadResult { listener, line } => {
                write!(out, "{listener}: bad result line: '")?;
                bytes(out, line)?;
                out.write_char('\'')
            }
            Self::Sent { serial, listener } => {
                write!(out, "event {serial} sent to listener {listener}")
            }
            Self::BrokenPipe { serial, listener } => write!(
                out,
                "epipe occurred while sending event {serial} to listener {listener}, listener state \
                 unchanged"
            ),
            Self::Rebuffered { serial, pool, size, max } => write!(
                out,
                "rebuffering event {serial} for pool {pool} (buf size={size}, max={max})"
            ),
            Self::Overflowed { pool, serial } => {
                write!(out, "pool {pool} event buffer overflowed, discarding event {serial}")
            }
        }
    }
}

/// A line stays a line: supervisord writes control characters as they are.
fn bytes(out: &mut Formatter<'_>, line: &[u8]) -> std::fmt::Result {
    let Ok(text) = std::str::from_utf8(line) else {
        let mut shown = String::new();
        undecodable(&mut shown, line);
        return out.write_str(&shown);
    };
    for letter in text.chars() {
        if letter.is_control() {
            write!(out, "{}", letter.escape_default())?;
        } else {
            out.write_char(letter)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_lines_are_shown_harmlessly() {
        let shown = |line: &[u8]| {
            let line = EventLine::BadResult { listener: "el".into(), line: line.into() };
            assert_eq!(line.level(), Level::Warn);
            line.to_string()
        };
        assert_eq!(shown(b"debug: x\xc3\xa4"), "el: bad result line: 'debug: x\u{e4}'");
        assert_eq!(shown(b"\x1b[2J\r"), "el: bad result line: '\\u{1b}[2J\\r'");
        assert_eq!(shown(b"\xffx"), "el: bad result line: 'Undecodable: b'\\xffx''");
    }

    #[test]
    fn words_of_supervisord() {
        let (listener, pool): (Arc<str>, Arc<str>) = ("el_01".into(), "el".into());
        let lines = [
            (
                EventLine::Turned {
                    listener: Arc::clone(&listener),
                    from: Listening::Acknowledged,
                    to: Listening::Ready,
                },
                "el_01: ACKNOWLEDGED -> READY",
            ),
            (
                EventLine::Unknown { listener: Arc::clone(&listener) },
                "el_01: has entered the UNKNOWN state and will no longer receive events, this \
                 usually indicates the process violated the eventlistener protocol",
            ),
            (
                EventLine::BrokenPipe { serial: 3, listener },
                "epipe occurred while sending event 3 to listener el_01, listener state unchanged",
            ),
            (
                EventLine::Rebuffered { serial: 5, pool: Arc::clone(&pool), size: 2, max: 10 },
                "rebuffering event 5 for pool el (buf size=2, max=10)",
            ),
            (
                EventLine::Overflowed { pool, serial: 0 },
                "pool el event buffer overflowed, discarding event 0",
            ),
        ];
        for (line, text) in lines {
            assert_eq!(line.to_string(), text);
        }
    }
}
