//! What goes into the machine, what comes out, and what it is told once.

use reaper::{Exit, Moment, Pid};
use sigpolicy::Signal;

use crate::prefork::config::{Conduct, Limits, PoolRules};
use crate::prefork::lines::Line;
use crate::prefork::view::{Id, View};

/// What the options fix for the life of the pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// How many workers.
    pub pool: PoolRules,
    /// When a worker is replaced.
    pub limits: Limits,
    /// How they come and go.
    pub conduct: Conduct,
    /// A launcher waits for the first ready worker: give up when that fails.
    pub launcher: bool,
    /// There is a command to run before the shutdown; its end is told by [`Input::Prepared`].
    pub before_shutdown: bool,
    /// Where jitter starts.
    pub jitter_seed: u32,
}

/// Somebody who waits for the end of what they asked for.
pub type Client = u64;

/// Why no worker could be made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StartError {
    /// One line for the log.
    pub text: String,
    /// True when another try may succeed without anybody's help (no memory, too many processes).
    pub transient: bool,
}

/// What may be asked for over the control socket.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Replace the workers.
    Reload,
    /// Stop gracefully.
    Stop,
    /// So many more workers.
    Add(u32),
    /// So many fewer.
    Remove(u32),
    /// A signal to every worker.
    Signal(Signal),
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Everything is set up: go.
    Begin,
    /// The answer to [`Action::Spawn`]: it runs.
    Spawned(Id, Pid),
    /// The answer to [`Action::Spawn`]: it does not.
    SpawnFailed(Id, StartError),
    /// A worker has gone; the requests that its slot of the scoreboard showed at the end. `None`
    /// where it keeps none, or has never said there that it is idle or busy: a number, be it 0,
    /// is evidence that it had come up.
    Exited(Id, Exit, Option<u64>),
    /// A worker spoke on its NOTIFY_SOCKET; true with READY=1.
    Notified(Id, bool),
    /// The host has sent a worker a signal on its own account.
    Sent(Id, Signal),
    /// A signal reached the manager.
    Signal(Signal),
    /// Somebody asks.
    Command(Client, Command),
    /// Files changed that the workers were made from.
    Changed,
    /// Somebody connected to a listener. Only while [`Action::Listen`] asked for it.
    Arrived,
    /// The answer to [`Action::Look`].
    Looked(View),
    /// The answer to [`Action::Retire`]: true when the worker was idle and has been told to leave.
    Retired(Id, bool),
    /// The command before the shutdown is over.
    Prepared,
    /// The time named by `deadline` has come.
    Deadline,
}

/// A deed for the host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Start a worker in this slot (0 upwards, not used by a living worker); answer with `Spawned`
    /// or `SpawnFailed`, perhaps later.
    Spawn(Id, u32, u64),
    /// A signal to the worker's process.
    Signal(Id, Signal),
    /// KILL to the worker and its whole process group.
    Kill(Id),
    /// Tell the worker to leave if, and only if, it is idle; answer with `Retired`.
    Retire(Id),
    /// Send the signal that asked it to leave again if the worker stands in accept on a listener.
    Nudge(Id, Signal),
    /// Look at the pool; answer with `Looked`. True: at the memory, too.
    Look(bool),
    /// Whether to report connections ([`Input::Arrived`]); off at first, and off after each report.
    Listen,
    /// Write to the slow log what the worker is doing.
    Slow(Id),
    /// Write a line.
    Log(Line),
    /// Tell the service manager and the launcher.
    Notify(Notice),
    /// The answer to a client: it is done, or why not.
    Report(Client, Result<String, String>),
    /// Open log files again.
    ReopenLogs,
    /// Run the command before the shutdown; answer with `Prepared`.
    Prepare,
}

/// What the service manager hears (sd_notify(3)); the text is the STATUS= of each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// READY=1: the first worker is ready, or a reload is over.
    Ready(String),
    /// RELOADING=1.
    Reloading(String),
    /// STOPPING=1.
    Stopping(String),
    /// STATUS= alone.
    Status(String),
}

/// How the pool ends.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// 0: all left in time. 1: some had to be killed, or the pool gave up.
    pub code: u8,
}

/// Where a worker stands.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Started, not proven.
    Starting,
    /// In the pool.
    Serving,
    /// Told to leave, or to be told as soon as it is idle.
    Draining,
    /// KILL was sent.
    Killed,
}

/// A worker for the status.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its start's number.
    pub id: Id,
    /// Its slot.
    pub slot: u32,
    /// Its process.
    pub pid: Pid,
    /// Which reload it came from; from 1.
    pub generation: u64,
    /// Where it stands.
    pub stage: Stage,
    /// When it was started.
    pub since: Moment,
}

/// The pool for the status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Summary {
    /// The newest generation.
    pub generation: u64,
    /// Every living worker, by slot.
    pub members: Vec<Member>,
    /// Starts so far.
    pub spawned: u64,
    /// Ends so far.
    pub reaped: u64,
    /// Ends that were failures (killed by a signal nobody here sent, or a non-zero exit).
    pub failed: u64,
    /// Most workers at once, draining ones included.
    pub most: u32,
    /// How often the pool was held back by max-workers.
    pub held_back: u64,
    /// A reload is under way.
    pub reloading: bool,
    /// The pool is stopping.
    pub stopping: bool,
}
