//! What goes into the machine, what comes out, and what it is told of each process.

use std::sync::Arc;
use std::time::Duration;

use reaper::{Exit, Moment, Pid};
use sigpolicy::Signal;

use crate::supervise::config::model::{AutoRestart, Dependency, ExitOn, Type};
use crate::supervise::lines::Line;

/// A process of the configuration, for as long as that is unchanged; never used twice in a run.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcId(pub u32);

/// The state of a process; the numbers are supervisord's.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum State {
    /// It does not run: not started yet, or stopped by an order.
    Stopped = 0,
    /// It runs, and has to show that it stays, or to say that it is ready.
    Starting = 10,
    /// It runs.
    Running = 20,
    /// It failed to start, and will be started again.
    Backoff = 30,
    /// It was told to stop.
    Stopping = 40,
    /// It ended by itself.
    Exited = 100,
    /// It failed to start too often.
    Fatal = 200,
    /// It could not be signalled.
    Unknown = 1000,
}

impl State {
    /// Its name, as status listings and events show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            State::Stopped => "STOPPED",
            State::Starting => "STARTING",
            State::Running => "RUNNING",
            State::Backoff => "BACKOFF",
            State::Stopping => "STOPPING",
            State::Exited => "EXITED",
            State::Fatal => "FATAL",
            State::Unknown => "UNKNOWN",
        }
    }
}

/// The state of the supervisor itself; the numbers are supervisord's.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Mood {
    /// Programs run.
    Running = 1,
    /// All are being stopped, to be started anew.
    Restarting = 0,
    /// All are being stopped for good.
    ShuttingDown = -1,
}

/// What the machine must know of one process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// The name of the process.
    pub name: String,
    /// The name of its group.
    pub group: String,
    /// Groups of a lower number start before and stop after the others.
    pub group_priority: i64,
    /// The same within a group, for the order of signals and starts only.
    pub priority: i64,
    /// Start it with the supervisor.
    pub autostart: bool,
    /// Start it again when it has exited.
    pub autorestart: AutoRestart,
    /// What kind of program it is.
    pub kind: Type,
    /// How long it must live to be RUNNING.
    pub startsecs: Duration,
    /// Tries after the first; `None`: for ever.
    pub startretries: Option<u32>,
    /// Exits that are no failure.
    pub exitcodes: Vec<u8>,
    /// What is sent to end it, each with the wait until the next; KILL follows the last, and again
    /// each `kill_wait`. Never empty.
    pub stop: Vec<(Signal, Duration)>,
    /// Between one KILL and the next.
    pub kill_wait: Duration,
    /// A command takes the place of the first signal.
    pub stop_command: bool,
    /// The stop signals go to its process group.
    pub stop_as_group: bool,
    /// So does KILL.
    pub kill_as_group: bool,
    /// What an order to reload sends; HUP unless given.
    pub reload: Option<Signal>,
    /// RUNNING only when it has said so, within this time if there is one.
    pub announces: bool,
    /// How long it may take to say that it is ready.
    pub ready_timeout: Option<Duration>,
    /// The longest silence once it is RUNNING.
    pub watchdog: Option<Duration>,
    /// The shortest wait between failed starts.
    pub backoff_min: Option<Duration>,
    /// The longest wait between failed starts.
    pub backoff_max: Option<Duration>,
    /// The least time from an exit to the next start.
    pub restart_pause: Duration,
    /// When it has gone for good, so has everything.
    pub essential: bool,
    /// What must have come how far before it starts by itself.
    pub depends_on: Vec<Dependency>,
    /// Replaced by a new process that is ready first.
    pub hot: bool,
}

/// What the file fixes for the supervisor as a whole.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct General {
    /// When the supervisor leaves by itself.
    pub exit_on: ExitOn,
    /// How long a stop of everything may take.
    pub shutdown_timeout: Option<Duration>,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Everything is in place: start what is to start by itself.
    Begin,
    /// The time named by `deadline` has come.
    Deadline,
    /// The answer to [`Action::Spawn`]: it runs.
    Spawned(ProcId, Pid),
    /// The answer to [`Action::Spawn`]: it does not; one line why, for the log and `spawnerr`.
    SpawnFailed(ProcId, String),
    /// It was reaped.
    Exited(ProcId, Exit),
    /// A signal could not be sent (other than because the process was gone).
    SignalFailed(ProcId, String),
    /// It said READY=1, or wrote its newline.
    Ready(ProcId),
    /// It said WATCHDOG=1.
    Alive(ProcId),
    /// It failed its health command as often as is allowed.
    Unhealthy(ProcId),
    /// The configuration was read again.
    Apply(General, Vec<Change>),
    /// Stop everything, and then?
    Shutdown(After),
}

/// What follows a stop of everything.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum After {
    /// Leave with this code.
    Leave(u8),
    /// Read the configuration and begin again.
    Again,
}

/// One difference between two configurations. The changes of one [`Input::Apply`] belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new process. It starts by itself if its policy says so and the machine has begun.
    Add(ProcId, Arc<Policy>),
    /// Stop it and forget it: [`Action::Gone`] when that is done.
    Remove(ProcId),
    /// The same name with other keys: the old one is stopped and forgotten, the new one started
    /// after it (before it, if it is hot), unless the old one was stopped by hand.
    Replace(ProcId, ProcId, Arc<Policy>),
}

/// What somebody wants of one process.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Start it, and first what it depends on.
    Start(ProcId),
    /// Stop it.
    Stop(ProcId),
    /// KILL at once: CPAN Supervisor's killme.
    Kill(ProcId),
    /// Send it a signal.
    Signal(ProcId, Signal),
    /// Its reload signal, HUP unless another is named.
    Reload(ProcId),
}

/// Why an order was not followed; the words are those of supervisord's faults.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No such process.
    BadName,
    /// It runs, or is about to.
    AlreadyStarted,
    /// There is nothing to stop or to signal.
    NotRunning,
    /// It is being stopped just now.
    AbnormalTermination,
    /// It is UNKNOWN: it cannot be signalled.
    Failed,
    /// Everything is being stopped.
    ShutdownState,
}

/// A process changed its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Which.
    pub id: ProcId,
    /// Its former state.
    pub from: State,
    /// Its state now.
    pub to: State,
    /// Failed starts in a row: `tries` of STARTING and BACKOFF events.
    pub tries: u32,
    /// The process that runs, or ran.
    pub pid: Option<Pid>,
    /// Of EXITED: the code was an expected one.
    pub expected: bool,
}

/// A deed for the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start it; answer with `Spawned` or `SpawnFailed` before anything else is told.
    Spawn(ProcId),
    /// Send a signal to its process, or to its process group.
    Signal {
        /// Whose.
        id: ProcId,
        /// Which.
        signal: Signal,
        /// All of its process group.
        group: bool,
    },
    /// Run its `stop_command`.
    StopCommand(ProcId),
    /// It changed: events, state file, clients that wait.
    Changed(Transition),
    /// What it waits for has failed or was stopped: for clients that wait for it.
    Held(ProcId),
    /// Write a line to the main log.
    Log(Line),
    /// It is no longer part of the configuration, and its process has gone.
    Gone(ProcId),
    /// The supervisor itself changed.
    Mood(Mood),
    /// All has been stopped: do what [`After`] says.
    Finished(After),
}

/// What can be asked about a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its state.
    pub state: State,
    /// Its process.
    pub pid: Option<Pid>,
    /// Why it could not be started or ended badly; empty if it did not.
    pub spawnerr: String,
    /// The code of its last exit; 0 before, -1 after a death by signal, as supervisord has it.
    pub exitstatus: i32,
    /// Starts since the supervisor began.
    pub starts: u32,
    /// Failed starts in a row.
    pub tries: u32,
    /// Stopped by an order rather than by itself.
    pub by_hand: bool,
    /// It is to start, and waits for what it depends on or for the one it replaces.
    pub waiting: bool,
    /// What it waits for does not come without somebody's doing.
    pub held: bool,
    /// It is hot, and the one that it is to replace serves on.
    pub served: bool,
    /// Its last end was as expected.
    pub completed: bool,
    /// When something is to happen to it; of BACKOFF, the next try.
    pub due: Option<Moment>,
}
