//! What can be written to.

use std::path::PathBuf;

use crate::supervise::logs::device::Device;

/// What a [`Sink`](super::Sink) is opened for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SinkTarget {
    /// Nowhere.
    Nothing,
    /// A file or device. `/dev/stdout`, `/dev/stderr` and `/dev/fd/N` are the supervisor's own
    /// descriptors, and never rotated whatever they are.
    Path(PathBuf),
    /// `/dev/log`, each line as `supervisord: NAME line`.
    Syslog {
        /// Stands before each line; empty in the supervisor's own log.
        name: String,
    },
}

impl SinkTarget {
    /// Whether whole lines should be written ([`ChannelOptions`](crate::supervise::logs::ChannelOptions)): it
    /// is something that others write to, too.
    #[must_use]
    pub fn is_device(&self) -> bool {
        matches!(self, Self::Path(path) if Device::is_named(path))
    }
}
