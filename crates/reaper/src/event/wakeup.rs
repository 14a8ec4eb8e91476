//! What the loop is asked to watch, and what it answers. Pure.

use crate::{Exit, Pid};
use sigpolicy::Signal;

/// Names a child or a descriptor in an [`EventLoop`](crate::EventLoop); never used twice there.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key(pub(super) u64);

impl Key {
    /// The key with this number, for a test of a machine that is told about keys. The loop takes
    /// one that it did not give out for that of something gone.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Key {
        Key(raw)
    }

    /// The number of the key.
    #[must_use]
    pub const fn as_raw(self) -> u64 {
        self.0
    }
}

/// Which readiness of a descriptor is reported.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Interest {
    /// Something can be read, or the other end is closed.
    Read,
    /// Something can be written, or the other end is closed.
    Write,
    /// Either.
    Both,
}

impl Interest {
    pub(super) const fn reads(self) -> bool {
        matches!(self, Interest::Read | Interest::Both)
    }

    pub(super) const fn writes(self) -> bool {
        matches!(self, Interest::Write | Interest::Both)
    }
}

/// Why [`EventLoop::wait`](crate::EventLoop::wait) came back. One wait delivers them in the order of the variants.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Wakeup {
    /// A child ended and was reaped; its key is gone. Eldest child first.
    ///
    /// If somebody else took the status (another `wait` in this process, or SIGCHLD is ignored),
    /// the exit has the raw value -1, which is neither a code nor a signal.
    Exited(Key, Exit),
    /// A child that the loop did not know ended and was reaped; see
    /// [`EventLoop::reap_orphans`](crate::EventLoop::reap_orphans).
    Orphan(Pid, Exit),
    /// The descriptor can be read, or its other end is closed. Reported again by each wait until
    /// it is read or unwatched.
    Readable(Key),
    /// The descriptor can be written, or its other end is closed. Reported again by each wait.
    Writable(Key),
    /// A signal arrived. They keep their order, and repeats; never CHLD.
    Signal(Signal),
    /// The deadline given to the wait has come.
    Deadline,
}
