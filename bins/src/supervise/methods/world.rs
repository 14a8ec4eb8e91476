//! What methods, page and metrics see of the supervisor. The host is one; tests have another.

use std::path::PathBuf;

use crate::supervise::config::model::{Level, Process};
use crate::supervise::events::Stream;
use crate::supervise::machine::types::{Mood, Order, ProcId, Refusal, State};

/// A supervisor that can be asked and ordered. Nothing here blocks.
pub trait Supervisor {
    /// `[supervisord] identifier=`.
    fn identifier(&self) -> &str;
    /// Our process.
    fn pid(&self) -> i32;
    /// Whether programs run, or everything is being stopped.
    fn mood(&self) -> Mood;
    /// Seconds since 1970.
    fn now(&self) -> i64;
    /// When it began, the same; 0: not known.
    fn began(&self) -> i64 {
        0
    }

    /// The groups that are active, in start order, each with its processes in start order.
    fn groups(&self) -> Vec<GroupView>;
    /// A group that is active.
    fn group(&self, name: &str) -> Option<GroupView>;
    /// A process that is active.
    fn find(&self, group: &str, name: &str) -> Option<ProcId>;
    /// What is known of a process; `None` when it is not active any more.
    fn info(&self, id: ProcId) -> Option<Info>;
    /// Its state alone, which is cheaper.
    fn state(&self, id: ProcId) -> Option<Standing>;

    /// Whether its command could be started now, before it is tried.
    ///
    /// # Errors
    /// Why not, as faults 20 and 21 say it.
    fn startable(&self, id: ProcId) -> Result<(), Unstartable>;
    /// Gives an order to the machine and does what follows at once; what the process comes to is seen
    /// with [`Supervisor::state`].
    ///
    /// # Errors
    /// The machine's.
    fn order(&mut self, order: Order) -> Result<(), Refusal>;
    /// Starts a new process for a hot program beside the one that serves, with the same settings; the
    /// number of the new one.
    ///
    /// # Errors
    /// It is not hot, or is not RUNNING.
    fn replace(&mut self, id: ProcId) -> Result<ProcId, NotReplaceable>;
    /// Writes to its standard input.
    ///
    /// # Errors
    /// Why not.
    fn send_stdin(&mut self, id: ProcId, bytes: &[u8]) -> Result<(), NoStdin>;
    /// REMOTE_COMMUNICATION for event listeners.
    fn remote_event(&mut self, kind: &str, data: &str);

    /// Where a stream goes.
    fn log(&self, id: ProcId, stream: Stream) -> LogPlace;
    /// Where the main log goes.
    fn main_log(&self) -> LogPlace;
    /// Empties both logs of a process.
    ///
    /// # Errors
    /// What the system says.
    fn clear_logs(&mut self, id: ProcId) -> std::io::Result<()>;
    /// Empties the main log.
    ///
    /// # Errors
    /// What the system says.
    fn clear_main_log(&mut self) -> std::io::Result<()>;
    /// A line for the main log.
    fn note(&mut self, level: Level, text: &str);

    /// Reads the configuration again without applying it; names of groups.
    ///
    /// # Errors
    /// What is wrong with it: one line.
    fn reread(&mut self) -> Result<Reread, String>;
    /// Every process of the configuration as it was read last, active or not, sorted by name.
    fn configured(&self, each: &mut dyn FnMut(Configured<'_>));
    /// The active processes of a group that the configuration as it was read last has changed or no
    /// longer has, without those that are hot and replaced while they serve.
    fn outdated(&self, group: &str) -> Vec<ProcId>;
    /// Makes a group active that is configured; of one that is active, what has changed.
    /// False: there is no such group.
    fn add_group(&mut self, name: &str) -> bool;
    /// Forgets a group whose processes have all stopped; with `outdated` only its
    /// [`Supervisor::outdated`] ones, and the others run on.
    fn remove_group(&mut self, name: &str, outdated: bool);

    /// Stops everything and leaves.
    fn shutdown(&mut self);
    /// Stops everything, reads the configuration and begins again.
    fn restart(&mut self);
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// Its name.
    pub name: String,
    /// Groups of a lower number start before others.
    pub priority: i64,
    /// In start order.
    pub processes: Vec<ProcId>,
}

/// Everything that can be asked about a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Which.
    pub id: ProcId,
    /// Its name.
    pub name: String,
    /// The name of its group.
    pub group: String,
    /// When it was started last, in seconds since 1970; 0: never.
    pub start: i64,
    /// When it ended last, the same.
    pub stop: i64,
    /// Its state and its process.
    pub standing: Standing,
    /// Why it could not be started or ended badly; empty if it did not.
    pub spawnerr: String,
    /// The code of its last exit, -1 after a death by signal.
    pub exitstatus: i32,
    /// The path of its standard output's log; empty if there is none.
    pub stdout_logfile: String,
    /// The path of its standard error's log; empty if there is none.
    pub stderr_logfile: String,
    /// Starts since the supervisor began.
    pub starts: u32,
    /// Failed starts in a row.
    pub tries: u32,
    /// It starts with the supervisor.
    pub autostart: bool,
    /// Its end is the supervisor's.
    pub essential: bool,
    /// It is a oneshot: EXITED with an expected code is its success.
    pub oneshot: bool,
    /// It is replaced by a new process that is ready first.
    pub hot: bool,
    /// The last exit's code was an expected one.
    pub expected: bool,
    /// When it is tried again, in seconds from now, while it is in BACKOFF.
    pub retry_in: Option<u64>,
}

/// The state of a process.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: State,
    /// Its process; 0: none.
    pub pid: i32,
    /// The last try to start it failed (`spawnerr` is not empty).
    pub failed: bool,
    /// It is to start, and waits for what it depends on or for the one it replaces.
    pub waiting: bool,
    /// What it waits for does not come without somebody's doing.
    pub held: bool,
    /// It ended by itself as a oneshot that did its work.
    pub done: bool,
    /// Stopped by an order rather than by itself.
    pub by_hand: bool,
    /// It is hot, and the one that it is to replace serves on.
    pub served: bool,
}

/// Why a command cannot be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unstartable {
    /// `can't find command '/x'`
    NoFile(String),
    /// `command at '/x' is not executable`
    NotExecutable(String),
}

/// Why a process cannot be replaced while it serves.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum NotReplaceable {
    /// No such process.
    BadName,
    /// Not a hot program.
    NotHot,
    /// It is not RUNNING.
    NotRunning,
    /// A replacement is under way.
    Underway,
    /// Everything is being stopped.
    Shutdown,
}

/// Why nothing was written to a program.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum NoStdin {
    /// It does not run, or is being stopped.
    NotRunning,
    /// It has closed its standard input.
    Closed,
    /// It does not read: as much as is kept waits already.
    Full,
}

/// Where a log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPlace {
    /// Nothing is logged.
    Nowhere,
    /// An automatic log that nothing was written to yet.
    Unborn,
    /// A file, or a device.
    File(PathBuf),
}

/// What has changed in the configuration: names of groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reread {
    /// In the file, but not active.
    pub added: Vec<String>,
    /// Active with other settings.
    pub changed: Vec<String>,
    /// Active, but not in the file.
    pub removed: Vec<String>,
}

/// One process of the configuration.
#[derive(Copy, Clone, Debug)]
pub struct Configured<'a> {
    /// Its group.
    pub group: &'a str,
    /// The group's priority.
    pub group_priority: i64,
    /// The group is active.
    pub inuse: bool,
    /// The rest.
    pub process: &'a Process,
}
