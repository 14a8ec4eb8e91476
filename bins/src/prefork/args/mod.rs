//! The command line of `prefork-run`: what is asked for, checked as far as that goes without
//! touching the system.

mod check;
mod options;
mod relations;
mod values;
mod verbs;

#[cfg(test)]
mod run_tests;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod verb_tests;
#[cfg(test)]
mod wrong_tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use sigpolicy::Signal;

use super::config::Config;
use crate::cli::{self, Arguments};
pub use crate::cli::{OptionInfo, UsageError};
use options::Options;
use verbs::Verb;

const PROGRAM: &str = "prefork-run";

/// The exit code for a command line that cannot be carried out.
pub const USAGE: u8 = 2;

/// `--workers` when nothing says how large the pool is; Proc::Daemon::Prefork's `prefork`.
pub const WORKERS: u32 = 3;

/// `--max-workers` when it is not given; Proc::Daemon::Prefork's `max_children`.
pub const MAX_WORKERS: u32 = 150;

/// `--max-pressure` when it is not given.
pub const MAX_PRESSURE: u32 = 90;

/// `--idle-timeout` when it is not given; php-fpm's `pm.process_idle_timeout`.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// `--memory-every` when it is not given.
pub const MEMORY_EVERY: Duration = Duration::from_secs(10);

/// The second part of `--request-timeout` when it is not given.
pub const REQUEST_GRACE: Duration = Duration::from_secs(5);

/// `--backoff-max` when it is not given.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// `--start-timeout` when it is not given.
pub const START_TIMEOUT: Duration = Duration::from_secs(60);

/// `--ready-after` when it is not given.
pub const READY_AFTER: Duration = Duration::from_secs(1);

/// `--die-timeout` when it is not given; FCGI::ProcManager's.
pub const DIE_TIMEOUT: Duration = Duration::from_secs(60);

/// `--timeout` of `reload` and `stop` when it is not given: a deploy script must not hang for ever.
pub const CHANGE_TIMEOUT: Duration = Duration::from_secs(300);

/// `--timeout` of the other commands when it is not given; also how long `status` and `top` wait.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// `--interval` of `top` when it is not given.
pub const TOP_INTERVAL: Duration = Duration::from_secs(1);

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Print [`help`].
    Help,
    /// Print the version.
    Version,
    /// Run a pool.
    Run(Box<Config>),
    /// Print the state of a running pool.
    Status(Ask, Format),
    /// Show the state again and again, with this time between.
    Top(Ask, Duration),
    /// Replace the workers.
    Reload(Ask),
    /// Stop a running pool.
    Stop(Ask),
    /// So many more workers, 1 at least.
    Add(Ask, u32),
    /// So many fewer, 1 at least.
    Remove(Ask, u32),
    /// A signal to every worker.
    Signal(Ask, Signal),
}

/// Whom to ask, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Where the pool is found.
    pub place: Where,
    /// How long to wait for the outcome; `None` is without limit.
    pub timeout: Option<Duration>,
}

/// Where a running pool is found: one of the first two, or, for status and top, the third with or
/// without one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Where {
    /// Its control socket.
    pub control: Option<PathBuf>,
    /// The file that its manager holds.
    pub pid_file: Option<PathBuf>,
    /// Its scoreboard, for when the manager does not answer.
    pub scoreboard: Option<PathBuf>,
}

/// How a state is printed.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// As Apache's `mod_status?auto`.
    Auto,
    /// One JSON object.
    Json,
    /// OpenMetrics text.
    OpenMetrics,
}

/// Reads the command line, `argv` being the words after the program's own name.
///
/// If the first word is `status`, `top`, `reload`, `stop`, `add`, `remove` or `signal`, a running
/// pool is asked, and its options may stand in any order. Otherwise a pool is to be run: options
/// come first, and from the program's name on all words are the program's.
///
/// ```
/// use superdaemon::prefork::args::{Command, parse};
/// use superdaemon::prefork::config::Size;
///
/// let words = ["--listen=8080", "--min-spare=2", "httpd", "--listen", "fd://{fd}"];
/// let Command::Run(config) = parse(words.map(Into::into).to_vec())? else { panic!("not a run") };
/// assert_eq!(config.pool.size, Size::Spare { min: 2, max: 7 });
/// assert_eq!(config.args, ["--listen", "fd://{fd}"]);
/// # Ok::<(), superdaemon::prefork::args::UsageError>(())
/// ```
///
/// # Errors
///
/// Code 2 and a line for each problem: words that are no options and values that make no sense, or,
/// if there are none, options that do not go together.
pub fn parse(argv: Vec<OsString>) -> Result<Command, UsageError> {
    let first = argv.first().and_then(|word| word.to_str());
    let parsed = match first.and_then(Verb::of) {
        Some(verb) => verbs::parse(verb, argv.into_iter().skip(1).collect()),
        None => run(argv),
    };
    parsed.map_err(|problems| UsageError {
        lines: problems.into_iter().map(|line| format!("{PROGRAM}: {line}")).collect(),
        code: USAGE,
    })
}

fn run(argv: Vec<OsString>) -> Result<Command, Vec<String>> {
    let table = options::table();
    let (split, problems) = cli::split_gnu(&table, argv, true);
    if split.gave("help") {
        return Ok(Command::Help);
    }
    let marked = split.marked;
    let arguments: Arguments<Options> = split.into_args(&table).map_err(|error| error.lines)?;
    if arguments.options.version {
        return Ok(Command::Version);
    }
    check::run(arguments, marked, problems).map(|config| Command::Run(Box::new(config)))
}

const USAGES: &[&str] = &[
    "[options] [--] program [argument ...]",
    "status [--auto | --json | --openmetrics] WHERE",
    "top [--interval=SECONDS] WHERE",
    "reload | stop | add N | remove N | signal SIG WHERE",
];

const ABOUT: &str = "Runs a pool of workers, which may be any program, on shared sockets: as many \
    as the load needs, replaced without losing a request. In the program's arguments {fd}, {port} \
    and {slot} stand for the descriptor and port of the first listener and the worker's slot. \
    Options come before the program and may be abbreviated. SIZE is in bytes, or with K, M, G \
    or T.";

/// The text of `--help`.
#[must_use]
pub fn help() -> String {
    let mut help = cli::render_under(&options::table(), USAGES, ABOUT, options::HEADINGS);
    help.push_str("\nWHERE, and options for asking a running pool:\n");
    for option in verbs::table().options().iter().filter(|option| option.name != "help") {
        help.push_str(&cli::render_option(option));
    }
    help
}

/// Every option of running a pool, for comparing the manual page with what the program knows.
#[must_use]
pub fn option_table() -> Vec<OptionInfo> {
    options::table().options().to_vec()
}

/// Every option of asking a running pool.
#[must_use]
pub fn asking_table() -> Vec<OptionInfo> {
    verbs::table().options().to_vec()
}

/// Other names that are understood, each with the name of the option that it stands for.
#[must_use]
pub fn aliases() -> Vec<(&'static str, &'static str)> {
    options::table().aliases().to_vec()
}
