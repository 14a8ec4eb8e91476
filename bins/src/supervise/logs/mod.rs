//! Where the output of programs goes, and the supervisor's own log.
//!
//! A [`Channel`] decides what becomes of the bytes of one stream, a [`Sink`]
//! takes them to a file, a device or the system's log without ever waiting
//! for it, and [`Sinks`] makes sure that a file has one writer however many
//! programs name it.

pub mod ansi;
pub mod auto_names;
mod capture;
pub mod channel;
pub mod clock;
mod device;
mod file;
mod lines;
pub mod mainlog;
pub mod pace;
mod rotate;
pub mod sink;
pub mod sinks;
mod syslog;

use std::fmt::{Display, Formatter};

pub use channel::{Channel, ChannelOptions, Piece};
pub use mainlog::{MainLog, MainLogOptions};
pub use pace::Pace;
pub use sink::{Pumped, Sink, SinkTarget, Written};
pub use sinks::{SinkId, Sinks};

use super::config::model::Level;

/// What supervisord reads of a program's output at a time; it looks at the size of a log after
/// writing that.
pub const READ: usize = 128 * 1024;

/// One line about a log that cannot be written, or can be again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    level: Level,
    text: String,
}

impl Trouble {
    fn new(level: Level, text: String) -> Self {
        Self { level, text }
    }

    /// How serious it is; [`Level::Info`] says that a trouble is over.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }
}

impl Display for Trouble {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.text)
    }
}
