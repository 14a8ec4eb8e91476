//! What a look at the pool finds: by worker, and of the listeners and the machine.

use std::fmt;
use std::time::Duration;

/// The number of a start; never used again.
pub type Id = u64;

/// What a worker does.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activity {
    /// It waits for a request.
    Idle,
    /// It serves one.
    Busy,
    /// That cannot be told; counted as busy.
    #[default]
    Unknown,
}

/// How that was learnt.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Source {
    /// The worker keeps its slot of the scoreboard.
    Scoreboard,
    /// Its system call: accept on one of our listeners, or another one.
    Syscall,
    /// Whether it has connections that came through our listeners.
    Sockets,
    /// Nothing tells.
    #[default]
    Nothing,
}

/// A worker's memory in bytes.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    /// Resident.
    pub rss: u64,
    /// Proportional share.
    pub pss: u64,
    /// Its own.
    pub unshared: u64,
    /// Shared with others.
    pub shared: u64,
}

/// What a look found of one worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Which.
    pub id: Id,
    /// What it does.
    pub activity: Activity,
    /// How that is known.
    pub source: Source,
    /// Requests since its start, where they can be counted.
    pub requests: Option<u64>,
    /// How long its present request takes already.
    pub in_request: Option<Duration>,
    /// Its memory, when that was looked at.
    pub memory: Option<Memory>,
}

/// What a look found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// Connections that nobody has accepted, of all listeners; `None` where that cannot be told.
    pub queue: Option<u32>,
    /// How many may wait.
    pub queue_limit: Option<u32>,
    /// Percent of the last 10 seconds in which somebody waited for a CPU.
    pub pressure: Option<u32>,
    /// Every living worker.
    pub workers: Vec<Seen>,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scoreboard => "scoreboard",
            Self::Syscall => "syscall",
            Self::Sockets => "sockets",
            Self::Nothing => "unknown",
        })
    }
}
