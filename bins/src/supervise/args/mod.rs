//! The command line of `supervise`: supervisord's, read as Python's getopt reads it, a few options
//! more, and where the configuration is looked for.

mod check;
pub(crate) mod getopt;
mod options;
pub mod search;

#[cfg(test)]
mod getopt_tests;
#[cfg(test)]
mod parse_tests;
#[cfg(test)]
mod table_tests;

use std::ffi::OsString;
use std::path::PathBuf;

use crate::cli::{Arguments, Given, Split, Value};
pub use crate::cli::{OptionInfo, UsageError};
use crate::supervise::config::load::World;
use options::Declared;
pub(crate) use options::lettered_option;
pub use options::{aliases, help, option_table};

pub(crate) const PROGRAM: &str = "supervise";

/// The exit code for a command line or a configuration that cannot be carried out.
pub const USAGE: u8 = 2;

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Print [`help`].
    Help,
    /// Print the version.
    Version,
    /// Read the configuration, and supervise or dump it.
    Run(Box<Options>),
}

/// How to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The configuration; `None`: the first one found by [`search::find`].
    pub file: Option<PathBuf>,
    /// What counts instead of the file.
    pub overrides: Overrides,
    /// How the file is to be read; `None`: as it looks.
    pub format: Option<Format>,
    /// Print the configuration instead of running it.
    pub dump_config: bool,
    /// Where to keep what was stopped by hand.
    pub state: Option<PathBuf>,
}

/// The grammar of a configuration.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// `supervisord.conf`.
    Supervisord,
    /// The INI file of CPAN's Supervisor.
    Perl,
}

/// What the command line says instead of `[supervisord]`: texts as given, each of which has passed
/// the check of its key. They are not expanded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `-n`
    pub nodaemon: Option<bool>,
    /// `-s`
    pub silent: Option<bool>,
    /// `-u`; looked up when the configuration is read
    pub user: Option<String>,
    /// `-m`
    pub umask: Option<String>,
    /// `-d`
    pub directory: Option<String>,
    /// `-l`
    pub logfile: Option<String>,
    /// `-y`
    pub logfile_maxbytes: Option<String>,
    /// `-z`
    pub logfile_backups: Option<String>,
    /// `-e`, or `--debug`
    pub loglevel: Option<String>,
    /// `-j`
    pub pidfile: Option<String>,
    /// `-i`
    pub identifier: Option<String>,
    /// `-q`
    pub childlogdir: Option<String>,
    /// `-a`
    pub minfds: Option<String>,
    /// `--minprocs`
    pub minprocs: Option<String>,
    /// `-k`
    pub nocleanup: Option<bool>,
    /// `-t`
    pub strip_ansi: Option<bool>,
}

/// Reads the command line, `argv` being the words after the program's own name, `program`.
///
/// Options come in clusters (`-nc FILE`) or long, and long ones may be abbreviated; an abbreviation
/// that supervisord knows has its meaning. Values that name directories are looked up.
///
/// ```
/// use superdaemon::supervise::args::{Command, parse};
/// use superdaemon::supervise::config::load::World;
///
/// let words = ["-nc", "/etc/app.conf", "--loglevel=debug"];
/// let world = World::of_this_process().expect("a working directory");
/// let command = parse("supervise", words.map(Into::into).to_vec(), &world)?;
/// let Command::Run(options) = command else { panic!("not a run") };
/// assert_eq!(options.file.as_deref(), Some("/etc/app.conf".as_ref()));
/// assert_eq!(options.overrides.nodaemon, Some(true));
/// assert_eq!(options.overrides.loglevel.as_deref(), Some("debug"));
/// # Ok::<(), superdaemon::supervise::args::UsageError>(())
/// ```
///
/// # Errors
///
/// The first thing that is wrong, in supervisord's words and with its exit code.
pub fn parse(program: &str, argv: Vec<OsString>, world: &World) -> Result<Command, UsageError> {
    read(argv, world).map_err(|message| refusal(program, &message))
}

/// What supervisord says when it cannot start, and its exit code.
#[must_use]
pub fn refusal(program: &str, message: &str) -> UsageError {
    let mut lines: Vec<String> =
        format!("Error: {message}").split('\n').map(str::to_owned).collect();
    lines.push(format!("For help, use {program} -h"));
    UsageError { lines, code: USAGE }
}

fn read(argv: Vec<OsString>, world: &World) -> Result<Command, String> {
    let table = options::table();
    let known = options::known();
    let (words, operands) = getopt::getopt(&known, argv)?;
    if !operands.is_empty() {
        let shown: Vec<_> =
            operands.iter().map(|word| check::repr(&word.to_string_lossy())).collect();
        return Err(format!("positional arguments are not supported: [{}]", shown.join(", ")));
    }
    let mut split = Split::default();
    let mut set = Vec::new();
    for word in words {
        let option = word.option;
        if option.name == "help" {
            return Ok(Command::Help);
        }
        if let Some(why) = option.refused {
            return Err(format!("option {} is not supported: {why}", word.spelling));
        }
        if let Some(value) = &word.value {
            check::value(option.name, &word.spelling, value, world)?;
        }
        if set.contains(&option.sets) {
            return Err(format!("conflicting command line option {}", check::repr(&word.spelling)));
        }
        set.push(option.sets);
        let value = word.value.map(Value::Text);
        split.options.push(Given { name: option.declared, value });
        if option.name == "version" {
            break;
        }
    }
    let arguments: Arguments<Declared> =
        split.into_args(&table).map_err(|error| error.lines.join(" "))?;
    if arguments.options.version {
        return Ok(Command::Version);
    }
    Ok(Command::Run(Box::new(options::meaning(&arguments))))
}
