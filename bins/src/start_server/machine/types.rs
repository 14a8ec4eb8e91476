//! What goes into the machine, what comes out, and what it is told once.

use std::time::Duration;

use reaper::{Exit, Moment, Pid};
use sigpolicy::Signal;

use crate::start_server::lines::Line;

/// Failed starts in a row that keep Server::Starter's timing before the backoff sets in.
pub(crate) const FREE_FAILURES: u32 = 3;
/// Between two starts that nobody asked for, also when `interval` is zero: a crash loop must leave
/// room for everybody else.
pub(crate) const LEAST_PAUSE: Duration = Duration::from_millis(10);
/// KILL for a worker that never became ready, when no `--kill-timeout` is given.
pub(crate) const UNREADY_GRACE: Duration = Duration::from_secs(10);
/// A worker that lived at least this long did not fail because it started.
pub(crate) const STABLE: Duration = Duration::from_secs(1);

/// The client that waits from the beginning for the first worker, if there is one.
pub const LAUNCHER: u64 = u64::MAX;

/// What the command line fixes for the life of the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// How long a silent worker must live to be proven; the least time between two starts.
    pub interval: Duration,
    /// How long a worker that spoke on NOTIFY_SOCKET may take to say READY=1.
    pub start_timeout: Duration,
    /// What old workers get after a restart.
    pub signal_on_hup: Signal,
    /// What all workers get when the server stops by TERM or QUIT.
    pub signal_on_term: Signal,
    /// Failed starts after which a restart is given up; `None` tries for ever.
    pub restart_attempts: Option<u32>,
    /// Failed first starts after which the server gives up; `None` tries for ever.
    pub first_attempts: Option<u32>,
    /// The longest wait between starts of a crash loop; zero turns the backoff off.
    pub backoff_max: Duration,
    /// How long a signalled worker may live before KILL; `None` waits for ever.
    pub kill_timeout: Option<Duration>,
    /// How many old generations may live after a restart; `None` is any number.
    pub max_generations: Option<usize>,
    /// How often the service manager wants WATCHDOG=1.
    pub watchdog: Option<Duration>,
    /// Where the jitter of the backoff starts.
    pub jitter_seed: u32,
}

/// What may change while the server runs, because it stands in the envdir.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Time between "new worker is now running" and the signal to old ones.
    pub kill_old_delay: Duration,
    /// Restart after this time without one; `None` is never.
    pub auto_restart: Option<Duration>,
}

/// Why no worker could be made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StartError {
    /// One line for the log.
    pub text: String,
    /// The errno, which becomes the exit code when the very first start fails.
    pub errno: i32,
    /// The process that existed for a moment, when it came that far.
    pub pid: Option<Pid>,
    /// True when another try may succeed without anybody's help (no memory, too many processes).
    pub transient: bool,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Sockets are bound and files are written: go.
    Begin,
    /// The answer to [`Action::Spawn`]: the program runs.
    Spawned(u64, Pid),
    /// The answer to [`Action::Spawn`]: it does not.
    SpawnFailed(u64, StartError),
    /// The worker of this generation has gone; true when its end looks like EADDRINUSE.
    Exited(u64, Exit, bool),
    /// The worker of this generation spoke on its NOTIFY_SOCKET.
    Notified(u64, Note),
    /// A signal reached the server.
    Signal(Signal),
    /// A client asks for a restart and waits for its outcome.
    Restart(u64),
    /// The envdir was read again.
    Settings(Settings),
    /// The time named by `deadline` has come.
    Deadline,
}

/// What a worker said, as far as it matters here.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Note {
    /// READY=1.
    pub ready: bool,
    /// EXTEND_TIMEOUT_USEC=.
    pub extend: Option<Duration>,
}

/// A deed for the host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Start the worker of this generation; answer with `Spawned` or `SpawnFailed`.
    Spawn(u64),
    /// Send a signal to the worker of this generation.
    Signal(u64, Signal),
    /// Write a line.
    Log(Line),
    /// Write the status file: generation and pid of every worker that counts.
    Status(Vec<(u64, Pid)>),
    /// Tell the service manager.
    Notify(Notice),
    /// Tell a client how its restart ended.
    Report(u64, RestartOutcome),
    /// Open the log file again.
    ReopenLog,
}

/// What the service manager hears (sd_notify(3)); the text is the STATUS= of each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// READY=1: a worker is proven.
    Ready(String),
    /// READY=1, too: the restart failed and the old worker serves; there is no word for that.
    StillReady(String),
    /// RELOADING=1 with MONOTONIC_USEC.
    Reloading(String),
    /// STOPPING=1.
    Stopping(String),
    /// STATUS= alone.
    Status(String),
    /// WATCHDOG=1.
    Watchdog,
}

/// How a restart ended for the client that asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RestartOutcome {
    /// The new generation serves and every older one has left.
    Done(u64, Pid),
    /// The new generation failed.
    Failed(Failure),
}

/// Why a start did not lead to a serving worker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It died: generation, pid, exit, and the worker that still serves.
    Died(u64, Pid, Exit, Option<Pid>),
    /// It could not be started.
    Spawn(u64, String, Option<Pid>),
    /// It was not ready in time: generation, pid, limit.
    NotReady(u64, Pid, Duration, Option<Pid>),
    /// The server is stopping.
    Stopping,
}

/// How the server ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// The exit code.
    pub code: u8,
}

/// One worker process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Worker {
    pub(crate) generation: u64,
    pub(crate) pid: Pid,
    pub(crate) spawned: Moment,
    pub(crate) proven: bool,
    pub(crate) signalled: bool,
    pub(crate) killed: bool,
    pub(crate) kill_at: Option<Moment>,
    pub(crate) limit: Duration,
}

impl Worker {
    pub(crate) fn new(generation: u64, pid: Pid, spawned: Moment) -> Self {
        Self {
            generation,
            pid,
            spawned,
            proven: false,
            signalled: false,
            killed: false,
            kill_at: None,
            limit: Duration::ZERO,
        }
    }
}

/// Why a worker is being started.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cause {
    First,
    Restart,
    Replace,
}

/// Where the server stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// Nothing has begun.
    Idle,
    /// `Spawn` was asked for and not answered yet.
    Forking { cause: Cause },
    /// A worker runs and is not proven.
    Starting { worker: Worker, cause: Cause, prove_at: Moment, ready_by: Moment, spoke: bool },
    /// The next start waits for its time; `asked` once a HUP has made that the earliest one.
    Waiting { cause: Cause, until: Moment, asked: bool },
    /// A proven worker serves.
    Serving { current: Worker },
    /// A proven worker serves and the former ones have not been signalled yet.
    Delaying { current: Worker, until: Moment },
    /// Everybody was signalled; `forking` as in `Forking`.
    Stopping { forking: bool, signal: Signal },
    /// Nobody is left.
    Ended,
}
