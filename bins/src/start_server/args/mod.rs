//! The command line of `start_server`: what is asked for, checked as far as that goes without
//! touching the system.

mod check;
mod options;

#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod getopt_tests;
#[cfg(test)]
mod table_tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use fdpass::ListenSpec;
use sigpolicy::Signal;

use crate::cli::{self, Arguments};
pub use crate::cli::{OptionInfo, UsageError};
pub use crate::log::LogTarget;
use options::Options;
pub use options::{help, option_table};

const PROGRAM: &str = "start_server";

/// `--start-timeout` when it is not given.
pub const START_TIMEOUT: Duration = Duration::from_secs(60);

/// `--backoff-max` when it is not given.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// `--restart-timeout` when it is not given: a deploy script must not hang for ever.
pub const RESTART_TIMEOUT: Duration = Duration::from_secs(300);

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Print [`help`].
    Help,
    /// Print the version.
    Version,
    /// Restart the workers of a running server.
    Restart(RestartOptions),
    /// Stop a running server.
    Stop(StopOptions),
    /// Print the state of a running server.
    Status(StatusOptions),
    /// Be the server.
    Start(Box<StartOptions>),
}

/// How to restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartOptions {
    /// Names the server.
    pub pid_file: PathBuf,
    /// Tells when the new generation is up.
    pub status_file: PathBuf,
    /// How long to wait; `None` is without limit.
    pub timeout: Option<Duration>,
}

/// How to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopOptions {
    /// Names the server.
    pub pid_file: PathBuf,
}

/// Where to find the state; at least one file is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusOptions {
    /// Names the server.
    pub pid_file: Option<PathBuf>,
    /// Lists its workers.
    pub status_file: Option<PathBuf>,
    /// JSON instead of text.
    pub json: bool,
}

/// How to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartOptions {
    /// The ports in the order given, then the paths in the order given.
    pub listeners: Vec<ListenSpec>,
    /// The program that serves.
    pub program: OsString,
    /// Its arguments, without its name.
    pub args: Vec<OsString>,
    /// Where the program is started. Present but empty when an empty one was given, which no
    /// process can change to.
    pub dir: Option<PathBuf>,
    /// How long a worker must live to count as started; 1 s by default, negative numbers are 0.
    pub interval: Duration,
    /// For old workers after a restart; TERM by default.
    pub signal_on_hup: Signal,
    /// For all workers when TERM arrives; TERM by default.
    pub signal_on_term: Signal,
    /// Holds the pid while the server runs. Perl takes an empty name and `0` for none, here and in
    /// the next three.
    pub pid_file: Option<PathBuf>,
    /// Lists the workers.
    pub status_file: Option<PathBuf>,
    /// Where output goes, if not where it goes already.
    pub log: Option<LogTarget>,
    /// The directory of environment files. Present but empty when an empty one was given, which
    /// turns off one named by the environment variable ENVDIR.
    pub envdir: Option<PathBuf>,
    /// Go to the background.
    pub daemonize: bool,
    /// Whether `--enable-auto-restart` was given (the environment may ask for it, too).
    pub auto_restart: bool,
    /// Seconds as given, negative ones included, since the environment of workers shows them.
    pub auto_restart_interval: Option<i64>,
    /// Seconds as given, negative ones included, since the environment of workers shows them.
    pub kill_old_delay: Option<i64>,
    /// For listen(2); `None`, also for 0, is the system's maximum.
    pub backlog: Option<i32>,
    /// How long a worker that reports to NOTIFY_SOCKET may take; [`START_TIMEOUT`] by default.
    pub start_timeout: Duration,
    /// Failed starts after which a restart is given up; `None`, also for 0, tries for ever.
    pub restart_attempts: Option<u32>,
    /// The longest pause between failing starts, 0 for none; [`BACKOFF_MAX`] by default.
    pub backoff_max: Duration,
    /// When a signalled worker gets KILL; `None`, also for 0, is never.
    pub kill_timeout: Option<Duration>,
    /// How many old generations may live after a restart; `None`, also for 0, is any number.
    pub max_generations: Option<usize>,
    /// Who the program runs as; a name or a number.
    pub user: Option<String>,
    /// The group the program runs as; a name or a number.
    pub group: Option<String>,
    /// Permissions of unix sockets.
    pub path_mode: Option<u32>,
    /// Owner of unix sockets: `USER`, `USER:GROUP` or `:GROUP`.
    pub path_owner: Option<String>,
    /// Set the no_new_privs attribute of prctl(2) on the program.
    pub no_new_privs: bool,
}

/// Reads the command line, `argv` being the words after the program's own name. `posixly_correct`
/// tells whether the environment has POSIXLY_CORRECT, which ends the options at the first word
/// that is none.
///
/// When several things are asked for, the first of help, version, restart, stop, status and start
/// counts, and options that it does not need are accepted and ignored; so do Perl's.
///
/// ```
/// use superdaemon::start_server::args::{Command, parse};
///
/// let words = ["--port=8080", "--", "httpd", "-v"];
/// let command = parse(words.map(Into::into).to_vec(), false)?;
/// let Command::Start(options) = command else { panic!("not a start") };
/// assert_eq!(options.program, "httpd");
/// assert_eq!(options.args, ["-v"]);
/// # Ok::<(), superdaemon::start_server::args::UsageError>(())
/// ```
///
/// # Errors
///
/// Code 1 and Getopt::Long's lines for words that are not options or lack a proper value, code 255
/// for options that do not go together or values that make no sense.
pub fn parse(argv: Vec<OsString>, posixly_correct: bool) -> Result<Command, UsageError> {
    let table = options::table();
    let split = cli::split(&table, argv, posixly_correct)?;
    if split.gave("help") {
        return Ok(Command::Help);
    }
    let arguments: Arguments<Options> = split.into_args(&table)?;
    let asked = &arguments.options;
    if asked.version {
        Ok(Command::Version)
    } else if asked.restart {
        check::restart(&arguments).map(Command::Restart)
    } else if asked.stop {
        check::stop(&arguments).map(Command::Stop)
    } else if asked.status {
        check::status(&arguments).map(Command::Status)
    } else {
        check::start(arguments).map(|options| Command::Start(Box::new(options)))
    }
}
