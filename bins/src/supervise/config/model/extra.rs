//! What a program can be told that supervisord does not know.

use std::time::Duration;

use reaper::{Limit, Resource};
use sigpolicy::Signal;

use super::Socket;

/// The keys that supervisord passes over, so that one file serves both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// `type=`.
    pub kind: Type,
    /// `essential=`: when this program is gone for good, the supervisor stops the rest and leaves.
    pub essential: bool,
    /// `depends_on=a, b:ready, c:completed`.
    pub depends_on: Vec<Dependency>,
    /// `ready_fd=`: the number on which the program writes a newline when it is ready.
    pub ready_fd: Option<i32>,
    /// `ready_timeout=`: how long it may take; `None` is as long as it likes.
    pub ready_timeout: Option<Duration>,
    /// `watchdog_secs=`: WATCHDOG=1 must come at least this often.
    pub watchdog: Option<Duration>,
    /// `health_command=` with its interval and retries.
    pub health: Option<Health>,
    /// `kill_orphans=`: no descendant outlives the process.
    pub kill_orphans: bool,
    /// `environment_file=`: read at each start; one that begins with `-` may be missing.
    pub environment_files: Vec<String>,
    /// The shortest wait between failed starts: CPAN Supervisor's StartWaitSecs, which is
    /// `backoff_max`, too, and so makes all waits the same.
    pub backoff_min: Option<Duration>,
    /// `backoff_max=`: the longest wait between failed starts.
    pub backoff_max: Option<Duration>,
    /// `restart_pause=`: the least time from an exit to the next start.
    pub restart_pause: Duration,
    /// `reloadsignal=`.
    pub reloadsignal: Option<Signal>,
    /// `stopretries=`: how often the stop signal is sent, `stopwaitsecs` apart, before KILL.
    pub stopretries: Option<u32>,
    /// `stop_command=`: run instead of the stop signal.
    pub stop_command: Option<String>,
    /// `stopsignals=TERM:5, INT:2`: a sequence with waits, before KILL.
    pub stopsignals: Vec<(Signal, Duration)>,
    /// `group=` as a number.
    pub gid: Option<u32>,
    /// `nice=`.
    pub nice: Option<i32>,
    /// `rlimit_nofile=1024:4096` and the rest.
    pub rlimits: Vec<(Resource, Limit)>,
    /// `oom_score_adjust=`, -1000 to 1000.
    pub oom_score_adjust: Option<i32>,
    /// `no_new_privileges=`.
    pub no_new_privileges: bool,
    /// `user_environment=`: HOME, USER, LOGNAME and SHELL of the user.
    pub user_environment: bool,
    /// `hot=` with `socket=`: replaced as start_server does it.
    pub hot: bool,
    /// `socket=` of a hot `[program:x]`.
    pub socket: Option<Socket>,
    /// CPAN Supervisor's way: `sh -c` if the command has metacharacters, and the environment of
    /// the program is the supervisor's with these on top.
    pub shell: bool,
}

/// What a program is.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Type {
    /// It runs until it is stopped; RUNNING after `startsecs`.
    #[default]
    Simple,
    /// `notify`: it says READY=1 on NOTIFY_SOCKET, or a newline on `ready_fd`.
    Notify,
    /// It runs once; exit 0, however early, is success.
    Oneshot,
}

/// One name of `depends_on=`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dependency {
    /// A process (`group:name`, or `name` where that is unique) or a group.
    pub name: String,
    /// How far it must have come.
    pub until: Until,
}

/// What a dependency waits for.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Until {
    /// Its process exists: STARTING or RUNNING.
    Started,
    /// It is RUNNING; of a oneshot: it has completed.
    #[default]
    Ready,
    /// It has exited as expected.
    Completed,
}

/// How the health of a program is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Split into words as `command=` is, without a shell.
    pub command: String,
    /// From the end of one to the start of the next.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Failures in a row that restart the program.
    pub retries: u32,
}
