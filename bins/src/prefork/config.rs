//! What a pool is to be: the options of the command or of the builder, checked.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use fdpass::ListenSpec;
use sigpolicy::Signal;

use crate::log::LogTarget;

/// How many workers there are to be.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Size {
    /// Always as many; FCGI::ProcManager's `n_processes`. 0: no pool, one worker in place of the manager.
    Fixed(u32),
    /// So many idle ones; Apache's MinSpareServers and MaxSpareServers.
    Spare {
        /// Fewer idle workers than this and the pool grows.
        min: u32,
        /// More idle workers than this and the pool shrinks.
        max: u32,
    },
    /// None until somebody connects.
    OnDemand,
}

/// How the number of workers follows the load.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PoolRules {
    /// The goal.
    pub size: Size,
    /// Workers at the start, and after a reload at least.
    pub start_workers: u32,
    /// Never more than this, draining workers not counted.
    pub max_workers: u32,
    /// Workers started in one second at most; 0: as many as the shortage asks for.
    pub max_spawn_rate: u32,
    /// How long the pool must have had too many idle workers before one of them leaves
    /// (each further one a second later); for `OnDemand` how long a worker may be idle.
    pub idle_timeout: Duration,
    /// No growth while the pool's memory (bytes, PSS) is above this.
    pub max_memory: Option<u64>,
    /// No growth on idle counts alone while the CPU pressure (percent of time that somebody
    /// waits for a CPU, from /proc/pressure/cpu, avg10) is above this.
    pub max_pressure: u32,
}

/// When a worker is replaced although it works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Requests, where they can be counted.
    pub max_requests: Option<u64>,
    /// Up to so many more, drawn for each worker, so that they do not all leave at once.
    pub max_requests_jitter: u64,
    /// Age; each worker's own is up to a tenth shorter.
    pub max_lifetime: Option<Duration>,
    /// Resident memory, bytes.
    pub max_rss: Option<u64>,
    /// Proportional share, bytes.
    pub max_pss: Option<u64>,
    /// Memory of its own, bytes.
    pub max_unshared: Option<u64>,
    /// Memory that it shares at least, bytes.
    pub min_shared: Option<u64>,
    /// How often memory is looked at.
    pub memory_every: Duration,
    /// How long a request may take before the worker gets `request_signal`.
    pub request_timeout: Option<Duration>,
    /// How long after that before KILL.
    pub request_grace: Duration,
    /// What a worker gets at the request timeout.
    pub request_signal: Option<Signal>,
    /// A request that takes longer is written to the slow log, once.
    pub slow_after: Option<Duration>,
}

/// How workers are replaced on a reload.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reload {
    /// The signal to every worker at once, new ones as fast as the pool allows; FCGI::ProcManager's HUP.
    #[default]
    All,
    /// One after the other: a new one is ready before an old one drains.
    Rolling,
    /// All new ones are ready before the old ones drain.
    Replace,
}

/// `--trap SIG=SIG[:SECONDS]`: what the manager does with a signal, as Parallel::Prefork's `trap_signals`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Trap {
    /// What the manager receives.
    pub received: Signal,
    /// What old workers get; `None`: new ones replace nobody, the workers are left alone.
    pub sent: Option<Signal>,
    /// Between one worker and the next; zero: all at once.
    pub interval: Duration,
}

/// What becomes of workers when the manager dies without a word.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Orphans {
    /// They get TERM (parent-death signal) and the end of their life pipe.
    #[default]
    Leave,
    /// They go on.
    Stay,
}

/// Times and signals of starting, stopping and replacing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Conduct {
    /// What a reload does.
    pub reload: Reload,
    /// Between one worker and the next of a rolling reload.
    pub reload_interval: Duration,
    /// What a worker gets that is to leave: by default TERM.
    pub stop_signal: Signal,
    /// Signals with a meaning of their own.
    pub traps: Vec<Trap>,
    /// From the stop signal to KILL.
    pub die_timeout: Duration,
    /// A worker that speaks on NOTIFY_SOCKET must be ready after this time.
    pub start_timeout: Duration,
    /// One that shows nothing counts as ready after this time.
    pub ready_after: Duration,
    /// Between the first starts.
    pub start_delay: Duration,
    /// Between two starts later.
    pub respawn_interval: Duration,
    /// No start within this time after a worker left with an error.
    pub error_respawn_interval: Duration,
    /// The longest pause between starts when workers die before they have shown anything.
    pub backoff_max: Duration,
    /// Deaths in a row of workers that have shown nothing after which the pool gives up; 0: never.
    pub give_up: u32,
    /// Workers that drain, beyond the pool, at most; when there are as many, new ones wait.
    pub max_extra: u32,
    /// What becomes of workers whose manager was killed.
    pub orphans: Orphans,
}

/// What is done when a client hangs up while its request is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientGone {
    /// A line in the log.
    Log,
    /// A signal to its worker.
    Signal(Signal),
    /// A shell command with the facts in its environment.
    Command(OsString),
}

/// Shell commands at certain points, with facts in the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Before the daemon is made; a failure ends the start.
    pub before_daemonize: Option<OsString>,
    /// When the manager is set up, before the first worker; a failure ends the start.
    pub after_init: Option<OsString>,
    /// Before each worker; a failure counts as a failed start.
    pub before_fork: Option<OsString>,
    /// After each worker's end; nobody waits for it.
    pub on_reap: Option<OsString>,
    /// Before workers are stopped for good; waited for up to the die timeout.
    pub before_shutdown: Option<OsString>,
}

/// Files whose change reloads the pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AutoReload {
    /// Files and directories (with what is below them).
    pub paths: Vec<PathBuf>,
    /// How often they are looked at where inotify does not reach; `None`: only by inotify.
    pub every: Option<Duration>,
    /// A shell command instead of the reload.
    pub command: Option<OsString>,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What log lines and messages call the manager, and its process title.
    pub title: Option<String>,
    /// To bind; sockets that were handed down come in addition.
    pub listeners: Vec<ListenSpec>,
    /// listen(2)'s backlog.
    pub backlog: Option<i32>,
    /// Permission bits of unix sockets.
    pub path_mode: Option<u32>,
    /// `USER`, `USER:GROUP` or `:GROUP` of unix sockets.
    pub path_owner: Option<String>,
    /// The first listener on descriptor 0 of the workers.
    pub fcgi: bool,
    /// How many.
    pub pool: PoolRules,
    /// When they are replaced.
    pub limits: Limits,
    /// How they come and go.
    pub conduct: Conduct,
    /// Run in the background.
    pub daemonize: bool,
    /// Where the manager's pid goes.
    pub pid_file: Option<PathBuf>,
    /// Standard output and error of manager and workers.
    pub error_log: Option<LogTarget>,
    /// A file that workers get as a descriptor (ACCESS_LOG_FD).
    pub access_log: Option<PathBuf>,
    /// Where slow requests are written; without it to the error log.
    pub slow_log: Option<PathBuf>,
    /// Refuse to start as anybody else.
    pub require_root: bool,
    /// Who the workers are.
    pub user: Option<String>,
    /// Their group.
    pub group: Option<String>,
    /// Their working directory.
    pub chdir: Option<PathBuf>,
    /// Their file mode mask.
    pub umask: Option<u32>,
    /// PR_SET_NO_NEW_PRIVS in workers.
    pub no_new_privs: bool,
    /// Commands.
    pub hooks: Hooks,
    /// Reload on change.
    pub auto_reload: AutoReload,
    /// When a client hangs up.
    pub on_client_disconnect: Option<ClientGone>,
    /// A control socket besides the one that the pid file leads to.
    pub control: Option<PathBuf>,
    /// A board that others can read by its path.
    pub scoreboard: Option<PathBuf>,
    /// One memory file for each slot, so that a worker can spoil its own only.
    pub separate_slots: bool,
    /// The worker's program; none in the library.
    pub program: OsString,
    /// Its arguments, with `{fd}`, `{port}` and `{slot}` to be filled in.
    pub args: Vec<OsString>,
}
