//! The option table of `prefork-run` for running a pool.

use argh::{ArgsInfo, FromArgs};

use crate::cli::{At, Kind, Table};

/// Values that are not just text.
const KINDS: &[(&str, Kind)] = &[
    ("backlog", Kind::Count),
    ("path-mode", Kind::Mode),
    ("umask", Kind::Mode),
    ("workers", Kind::Count),
    ("min-spare", Kind::Count),
    ("max-spare", Kind::Count),
    ("max-workers", Kind::Count),
    ("start-workers", Kind::Count),
    ("idle-timeout", Kind::Seconds),
    ("max-spawn-rate", Kind::Count),
    ("max-pool-memory", Kind::Size),
    ("max-pressure", Kind::Count),
    ("max-requests", Kind::Count),
    ("max-requests-jitter", Kind::Count),
    ("max-lifetime", Kind::Seconds),
    ("max-rss", Kind::Size),
    ("max-pss", Kind::Size),
    ("max-unshared", Kind::Size),
    ("min-shared", Kind::Size),
    ("memory-every", Kind::Seconds),
    ("slow-after", Kind::Seconds),
    ("start-delay", Kind::Seconds),
    ("respawn-interval", Kind::Seconds),
    ("error-respawn-interval", Kind::Seconds),
    ("backoff-max", Kind::Seconds),
    ("give-up", Kind::Count),
    ("max-extra", Kind::Count),
    ("start-timeout", Kind::Seconds),
    ("ready-after", Kind::Seconds),
    ("reload-interval", Kind::Seconds),
    ("die-timeout", Kind::Seconds),
    ("auto-reload-every", Kind::Seconds),
];

/// Names that the Perl modules have for the same.
const ALIASES: &[(&str, &str)] = &[
    ("n-processes", "workers"),
    ("prefork", "workers"),
    ("max-children", "max-workers"),
    ("min-spare-workers", "min-spare"),
    ("max-spare-workers", "max-spare"),
    ("pid-path", "pid-file"),
    ("error-log-path", "error-log"),
    ("access-log-path", "access-log"),
    ("scoreboard-path", "scoreboard"),
];

/// superdaemon for pools of worker processes
#[derive(FromArgs, ArgsInfo, Debug)]
pub(super) struct Options {
    /// listen on PORT (IPv4), HOST:PORT or [ADDRESS]:PORT (IPv6); append =N to hand the socket over
    /// as descriptor N. Repeat for more.
    #[argh(option, arg_name = "SPEC")]
    pub(super) listen: Vec<At>,

    /// the same as --listen
    #[argh(option, arg_name = "SPEC")]
    pub(super) port: Vec<At>,

    /// listen on a unix stream socket. Repeat for more.
    #[argh(option, arg_name = "FILE")]
    pub(super) path: Vec<At>,

    /// length of the queue of connections not yet accepted (default: the system's maximum)
    #[argh(option, arg_name = "N")]
    pub(super) backlog: Option<At>,

    /// permissions of the unix sockets, in octal (default: 0777)
    #[argh(option, arg_name = "OCTAL")]
    pub(super) path_mode: Option<At>,

    /// owner of the unix sockets (default: whoever runs prefork-run)
    #[argh(option, arg_name = "USER[:GROUP]")]
    pub(super) path_owner: Option<At>,

    /// make the first listener the workers' standard input, as FastCGI wants it (default: off)
    #[argh(switch)]
    pub(super) fcgi: bool,

    /// run always so many workers; 0 becomes the one worker itself (default: 3, unless --min-spare
    /// or --on-demand is given)
    #[argh(option, arg_name = "N")]
    pub(super) workers: Option<At>,

    /// grow while fewer workers than this are idle (default: off)
    #[argh(option, arg_name = "N")]
    pub(super) min_spare: Option<At>,

    /// shrink while more workers than this are idle (default: 5 more than --min-spare, or twice as
    /// many if that is more)
    #[argh(option, arg_name = "N")]
    pub(super) max_spare: Option<At>,

    /// start workers only when somebody connects, and end them when they are idle (default: off)
    #[argh(switch)]
    pub(super) on_demand: bool,

    /// most workers in the pool; those that are leaving are not counted (default: 150, or what the
    /// options above and --start-workers ask for, if that is more)
    #[argh(option, arg_name = "N")]
    pub(super) max_workers: Option<At>,

    /// workers at the start (default: --min-spare; 0 with --on-demand)
    #[argh(option, arg_name = "N")]
    pub(super) start_workers: Option<At>,

    /// time with too many idle workers before the pool shrinks; with --on-demand, time that a
    /// worker stays idle (default: 10)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) idle_timeout: Option<At>,

    /// workers started in one second at most; 0 is no limit (default: 0)
    #[argh(option, arg_name = "N")]
    pub(super) max_spawn_rate: Option<At>,

    /// do not grow while the workers together have more memory than this (default: no limit)
    #[argh(option, arg_name = "SIZE")]
    pub(super) max_pool_memory: Option<At>,

    /// do not grow for spare workers alone while processes wait for a processor for more than this
    /// part of the time (default: 90)
    #[argh(option, arg_name = "PERCENT")]
    pub(super) max_pressure: Option<At>,

    /// replace a worker after so many requests (default: never)
    #[argh(option, arg_name = "N")]
    pub(super) max_requests: Option<At>,

    /// let each worker serve up to so many more than --max-requests (default: 0)
    #[argh(option, arg_name = "N")]
    pub(super) max_requests_jitter: Option<At>,

    /// replace a worker at this age, or up to a tenth earlier (default: never)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) max_lifetime: Option<At>,

    /// replace a worker with more resident memory (default: never)
    #[argh(option, arg_name = "SIZE")]
    pub(super) max_rss: Option<At>,

    /// replace a worker with a larger proportional share of memory (default: never)
    #[argh(option, arg_name = "SIZE")]
    pub(super) max_pss: Option<At>,

    /// replace a worker with more memory of its own (default: never)
    #[argh(option, arg_name = "SIZE")]
    pub(super) max_unshared: Option<At>,

    /// replace a worker that shares less memory with others (default: never)
    #[argh(option, arg_name = "SIZE")]
    pub(super) min_shared: Option<At>,

    /// time between looks at the workers' memory (default: 10)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) memory_every: Option<At>,

    /// send --request-signal to a worker whose request takes longer than SOFT, and KILL after GRACE
    /// more seconds (default: no limit; GRACE: 5)
    #[argh(option, arg_name = "SOFT[:GRACE]")]
    pub(super) request_timeout: Option<At>,

    /// signal at the request timeout (default: TERM)
    #[argh(option, arg_name = "SIGNAL")]
    pub(super) request_signal: Option<At>,

    /// write down what a worker does whose request takes longer than this (default: never)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) slow_after: Option<At>,

    /// file for slow and timed-out requests (default: the error log)
    #[argh(option, arg_name = "FILE")]
    pub(super) slow_log: Option<At>,

    /// time between the first starts (default: 0)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) start_delay: Option<At>,

    /// time between later starts (default: 0)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) respawn_interval: Option<At>,

    /// time without a start after a worker failed (default: 0)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) error_respawn_interval: Option<At>,

    /// longest pause between starts when workers die young; 0 is no pause (default: 30)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) backoff_max: Option<At>,

    /// number of workers in a row that die young after which prefork-run ends, if no other worker
    /// serves; 0 is never (default: 0)
    #[argh(option, arg_name = "N")]
    pub(super) give_up: Option<At>,

    /// workers on their way out, beyond the pool, that may live before new ones wait (default:
    /// --max-workers)
    #[argh(option, arg_name = "N")]
    pub(super) max_extra: Option<At>,

    /// time that a worker which reports to NOTIFY_SOCKET may take to become ready; 0 is no limit
    /// (default: 60)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) start_timeout: Option<At>,

    /// time after which a worker that shows nothing counts as ready (default: 1)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) ready_after: Option<At>,

    /// what HUP does: "all" ends every worker and fills the pool again, "rolling" replaces one after
    /// the other by a ready one, "replace" starts all new ones first (default: all)
    #[argh(option, arg_name = "HOW")]
    pub(super) reload: Option<At>,

    /// time between one worker and the next with --reload=rolling (default: 0)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) reload_interval: Option<At>,

    /// when prefork-run gets the first signal, begin a new generation and send the second one to
    /// older workers, one each SECONDS; "none" sends nothing. Repeat for more.
    #[argh(option, arg_name = "SIG=SIG[:SECONDS]")]
    pub(super) trap: Vec<At>,

    /// signal that tells a worker to leave (default: TERM)
    #[argh(option, arg_name = "SIGNAL")]
    pub(super) stop_signal: Option<At>,

    /// time after it at which a worker that is still there gets KILL; 0 waits without limit
    /// (default: 60)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) die_timeout: Option<At>,

    /// what workers do when prefork-run is killed: "leave" or "stay" (default: leave)
    #[argh(option, arg_name = "HOW")]
    pub(super) orphans: Option<At>,

    /// run in the background; needs --error-log (default: off)
    #[argh(switch)]
    pub(super) daemonize: bool,

    /// file that holds the process ID while prefork-run runs (default: none)
    #[argh(option, arg_name = "FILE")]
    pub(super) pid_file: Option<At>,

    /// append all output to FILE, or pipe it to a shell command given as "|COMMAND" (default: none)
    #[argh(option, arg_name = "FILE")]
    pub(super) error_log: Option<At>,

    /// file that workers get open for appending, as the descriptor ACCESS_LOG_FD (default: none)
    #[argh(option, arg_name = "FILE")]
    pub(super) access_log: Option<At>,

    /// run as root only (default: off)
    #[argh(switch)]
    pub(super) require_root: bool,

    /// user that the workers run as (default: whoever runs prefork-run)
    #[argh(option, arg_name = "NAME")]
    pub(super) user: Option<At>,

    /// group that the workers run as (default: the groups of --user)
    #[argh(option, arg_name = "NAME")]
    pub(super) group: Option<At>,

    /// directory of the workers (default: the current one)
    #[argh(option, arg_name = "DIR")]
    pub(super) chdir: Option<At>,

    /// file mode mask of the workers (default: the present one)
    #[argh(option, arg_name = "OCTAL")]
    pub(super) umask: Option<At>,

    /// let workers gain no privileges by set-user-ID files (default: off)
    #[argh(switch)]
    pub(super) no_new_privs: bool,

    /// how the process is called in lists of processes (default: its command line)
    #[argh(option, arg_name = "TEXT")]
    pub(super) title: Option<At>,

    /// shell command before going to the background; its failure ends the start (default: none)
    #[argh(option, arg_name = "COMMAND")]
    pub(super) before_daemonize: Option<At>,

    /// shell command before the first worker; its failure ends the start (default: none)
    #[argh(option, arg_name = "COMMAND")]
    pub(super) after_init: Option<At>,

    /// shell command before each worker; its failure counts as a failed start (default: none)
    #[argh(option, arg_name = "COMMAND")]
    pub(super) before_fork: Option<At>,

    /// shell command after each worker's end (default: none)
    #[argh(option, arg_name = "COMMAND")]
    pub(super) on_reap: Option<At>,

    /// shell command before the workers are stopped for good (default: none)
    #[argh(option, arg_name = "COMMAND")]
    pub(super) before_shutdown: Option<At>,

    /// reload when this file, or anything in this directory, changes. Repeat for more.
    #[argh(option, arg_name = "PATH")]
    pub(super) auto_reload: Vec<At>,

    /// look at them in this interval, too, where no notice of changes comes (default: never)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) auto_reload_every: Option<At>,

    /// shell command instead of that reload (default: none)
    #[argh(option, arg_name = "COMMAND")]
    pub(super) auto_reload_command: Option<At>,

    /// when a client hangs up while it is served: "log", "signal:SIG" to the worker, or a shell
    /// command (default: nothing)
    #[argh(option, arg_name = "WHAT")]
    pub(super) on_client_disconnect: Option<At>,

    /// unix socket that answers status, reload and so on; the pid file leads to another one
    /// (default: none)
    #[argh(option, arg_name = "FILE")]
    pub(super) control: Option<At>,

    /// file for the scoreboard, so that others can read it (default: in memory)
    #[argh(option, arg_name = "FILE")]
    pub(super) scoreboard: Option<At>,

    /// give each worker a piece of the scoreboard that no other one can write to (default: off)
    #[argh(switch)]
    pub(super) separate_slots: bool,

    /// print the version and exit
    #[argh(switch)]
    pub(super) version: bool,
}

/// What `--help` writes above groups of options, each before the first one of its group.
pub(super) const HEADINGS: &[(&str, &str)] = &[
    ("listen", "Sockets"),
    ("workers", "Size of the pool"),
    ("max-requests", "Replacing workers that work"),
    ("start-delay", "Coming and going"),
    ("reload", "Signals"),
    ("daemonize", "The process and its workers"),
    ("before-daemonize", "Commands at certain points"),
    ("control", "Being looked at"),
    ("version", "Other"),
];

pub(super) fn table() -> Table {
    Table::of::<Options>(super::PROGRAM, &[], KINDS).with_aliases(ALIASES)
}
