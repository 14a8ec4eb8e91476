//! The option table of `start_server`.

use argh::{ArgsInfo, FromArgs};

use crate::cli::{self, At, Kind, OptionInfo, Table};

/// The options that `start_server` of Server::Starter 0.35 has.
const PERL: &[&str] = &[
    "port",
    "path",
    "interval",
    "log-file",
    "pid-file",
    "dir",
    "signal-on-hup",
    "signal-on-term",
    "backlog",
    "envdir",
    "enable-auto-restart",
    "daemonize",
    "auto-restart-interval",
    "kill-old-delay",
    "status-file",
    "restart",
    "stop",
    "help",
    "version",
];

/// Values that are not just text.
const KINDS: &[(&str, Kind)] = &[
    ("interval", Kind::Integer),
    ("auto-restart-interval", Kind::Integer),
    ("kill-old-delay", Kind::Integer),
    ("backlog", Kind::Integer),
    ("start-timeout", Kind::Seconds),
    ("restart-timeout", Kind::Seconds),
    ("backoff-max", Kind::Seconds),
    ("kill-timeout", Kind::Seconds),
    ("restart-attempts", Kind::Count),
    ("max-generations", Kind::Count),
    ("path-mode", Kind::Mode),
];

const USAGE: &[&str] = &[
    "[options] -- program [argument ...]",
    "--restart --pid-file=FILE --status-file=FILE",
    "--stop --pid-file=FILE",
    "--status [--json] [--pid-file=FILE] [--status-file=FILE]",
];

const ABOUT: &str = "Opens sockets, runs a program that serves them, and replaces it by a new one \
    on SIGHUP without refusing a connection. The program finds the sockets' descriptors in \
    SERVER_STARTER_PORT. Options may be abbreviated and may also follow the program up to \"--\".";

/// superdaemon for hot-deploying server programs
#[derive(FromArgs, ArgsInfo, Debug)]
pub(super) struct Options {
    /// listen on PORT (IPv4), HOST:PORT or [ADDRESS]:PORT (IPv6); uPORT is UDP; append =N to hand
    /// the socket over as descriptor N. Repeat for more.
    #[argh(option, arg_name = "SPEC")]
    pub(super) port: Vec<At>,

    /// the same as --port
    #[argh(option, arg_name = "SPEC")]
    pub(super) listen: Vec<At>,

    /// listen on a unix stream socket. Repeat for more.
    #[argh(option, arg_name = "FILE")]
    pub(super) path: Vec<At>,

    /// permissions of the unix sockets, in octal (default: 0777)
    #[argh(option, arg_name = "OCTAL")]
    pub(super) path_mode: Option<At>,

    /// owner of the unix sockets (default: whoever runs start_server)
    #[argh(option, arg_name = "USER[:GROUP]")]
    pub(super) path_owner: Option<At>,

    /// length of the queue of connections not yet accepted (default: the system's maximum)
    #[argh(option, arg_name = "N")]
    pub(super) backlog: Option<At>,

    /// directory in which the program is started (default: the current one)
    #[argh(option, arg_name = "DIR")]
    pub(super) dir: Option<At>,

    /// directory of files that become environment variables of the program: the name is the
    /// file's, the value its first line; read again before each start (default: none)
    #[argh(option, arg_name = "DIR")]
    pub(super) envdir: Option<At>,

    /// user that the program runs as (default: whoever runs start_server)
    #[argh(option, arg_name = "NAME")]
    pub(super) user: Option<At>,

    /// group that the program runs as (default: the groups of --user)
    #[argh(option, arg_name = "NAME")]
    pub(super) group: Option<At>,

    /// let the program gain no privileges by set-user-ID files (default: off)
    #[argh(switch)]
    pub(super) no_new_privs: bool,

    /// time that a new worker must survive to count as started; 0 is no check (default: 1)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) interval: Option<At>,

    /// time that a worker which reports to NOTIFY_SOCKET may take to become ready (default: 60)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) start_timeout: Option<At>,

    /// longest pause between starts that keep failing; 0 is no pause (default: 30)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) backoff_max: Option<At>,

    /// signal for old workers after a restart (default: TERM)
    #[argh(option, arg_name = "SIGNAL")]
    pub(super) signal_on_hup: Option<At>,

    /// signal for all workers when start_server gets TERM (default: TERM)
    #[argh(option, arg_name = "SIGNAL")]
    pub(super) signal_on_term: Option<At>,

    /// time that old workers go on after a new one has started (default: 0, or 5 with
    /// --enable-auto-restart)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) kill_old_delay: Option<At>,

    /// time after its signal at which a worker that has not gone gets KILL; 0 waits without limit
    /// (default: 0)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) kill_timeout: Option<At>,

    /// number of old generations that may live on after a restart; 0 is no limit (default: 0)
    #[argh(option, arg_name = "N")]
    pub(super) max_generations: Option<At>,

    /// number of failed starts after which a restart is given up and the old worker kept; 0 tries
    /// without limit (default: 0)
    #[argh(option, arg_name = "N")]
    pub(super) restart_attempts: Option<At>,

    /// restart at regular times (default: off)
    #[argh(switch)]
    pub(super) enable_auto_restart: bool,

    /// time between automatic restarts (default: 360)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) auto_restart_interval: Option<At>,

    /// file that holds the process ID while start_server runs (default: none)
    #[argh(option, arg_name = "FILE")]
    pub(super) pid_file: Option<At>,

    /// file that lists the generations and process IDs of the workers (default: none)
    #[argh(option, arg_name = "FILE")]
    pub(super) status_file: Option<At>,

    /// append all output to FILE, or pipe it to a shell command given as "|COMMAND" (default: none)
    #[argh(option, arg_name = "FILE")]
    pub(super) log_file: Option<At>,

    /// run in the background; needs --log-file (default: off)
    #[argh(switch)]
    pub(super) daemonize: bool,

    /// restart the workers of a running start_server, wait for the outcome, and exit
    #[argh(switch)]
    pub(super) restart: bool,

    /// longest time that --restart waits; 0 waits without limit (default: 300)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) restart_timeout: Option<At>,

    /// stop a running start_server, wait until it has gone, and exit
    #[argh(switch)]
    pub(super) stop: bool,

    /// print the state of a running start_server and exit. (--status FILE no longer abbreviates
    /// --status-file FILE; --status=FILE does.)
    #[argh(switch)]
    pub(super) status: bool,

    /// with --status: print the state as JSON
    #[argh(switch)]
    pub(super) json: bool,

    /// print the version and exit
    #[argh(switch)]
    pub(super) version: bool,
}

pub(super) fn table() -> Table {
    Table::of::<Options>(super::PROGRAM, PERL, KINDS)
}

/// Every option, for comparing the manual page with what the program knows.
#[must_use]
pub fn option_table() -> Vec<OptionInfo> {
    table().options().to_vec()
}

/// The text of `--help`.
#[must_use]
pub fn help() -> String {
    cli::render(&table(), USAGE, ABOUT)
}
