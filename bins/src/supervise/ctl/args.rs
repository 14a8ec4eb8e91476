//! The command line of `supervise ctl`, and what a line at its prompt asks for.
//!
//! Options go before the action as supervisorctl takes them, and long ones behind it, too.

mod actions;
mod operands;
mod options;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use super::style::When;
use crate::cli::{Given, Kind, Split, UsageError, Value, parse_value};
use crate::supervise::args::getopt::{Known, Word, getopt, long};
use crate::supervise::args::refusal;
use crate::supervise::config::asked::repr;

pub use actions::{ACTIONS, ActionInfo, Operands};
pub use options::{aliases, letters, option_table};

/// What the program calls itself.
pub const PROGRAM: &str = "supervise ctl";

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Print the help.
    Help,
    /// Do the action of these words, see [`read_words`]; without any, read lines from standard input.
    Run(Box<Options>, Vec<String>),
}

/// Where the server is, and how to talk to it and to the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `-c`: the file whose section `[supervisorctl]` counts.
    pub configuration: Option<PathBuf>,
    /// `-s`: `http://HOST:PORT` or `unix://PATH`.
    pub serverurl: Option<String>,
    /// `-u`
    pub username: Option<String>,
    /// `-p`
    pub password: Option<String>,
    /// `--password-file`
    pub password_file: Option<PathBuf>,
    /// `-i`: ask before the server is stopped or restarted. As with supervisorctl an action is done, and
    /// that is all.
    pub interactive: bool,
    /// One line of JSON instead of text.
    pub json: bool,
    /// When to write in colour.
    pub color: When,
    /// Say on standard error which calls are made.
    pub verbose: bool,
    /// What belongs to single actions.
    pub(crate) special: Special,
}

/// Options of single actions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Special {
    rolling: bool,
    hot: bool,
    interval: Option<Duration>,
}

/// What a line asks for, with the options that were given on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// For this action alone.
    pub options: Options,
    /// What to do.
    pub action: Action,
}

/// Something to do. Names are as typed: `name`, `group:name`, `group:*`, `group:` or `all`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Show states; no names: all of them.
    Status(Vec<String>),
    /// Show states until told to stop.
    Watch {
        /// Whose; none: all.
        names: Vec<String>,
        /// The time between two looks.
        interval: Duration,
    },
    /// Start.
    Start(Vec<String>),
    /// Stop.
    Stop(Vec<String>),
    /// Stop and start.
    Restart {
        /// Which; one at least.
        names: Vec<String>,
        /// One after the other rather than all at once.
        rolling: bool,
        /// By a new process that is ready before the old one goes.
        hot: bool,
    },
    /// Send the signal that makes a program read its configuration again; no names: restart the
    /// supervisor itself.
    Reload(Vec<String>),
    /// Send a signal.
    Signal {
        /// Its name or number, as typed.
        signal: String,
        /// Which; one at least.
        names: Vec<String>,
    },
    /// Send KILL.
    Kill(Vec<String>),
    /// Say `alive` or `dead`.
    Stat(Vec<String>),
    /// Show process IDs; no names: the supervisor's.
    Pid(Vec<String>),
    /// Show the end of a log.
    Tail {
        /// Whose.
        name: String,
        /// Which of the two.
        stream: Stream,
        /// How much.
        amount: Amount,
    },
    /// Show the end of the main log.
    MainTail(Amount),
    /// Empty logs.
    Clear(Vec<String>),
    /// Read the configuration again without applying it.
    Reread,
    /// Read the configuration again and apply it; no names: all groups.
    Update(Vec<String>),
    /// Make groups active.
    Add(Vec<String>),
    /// Forget groups.
    Remove(Vec<String>),
    /// Show what is configured.
    Avail,
    /// Stop everything.
    Shutdown,
    /// Show the server's version.
    Version,
    /// Talk to a program.
    Fg(String),
    /// Talk to another server; an `http:` or `unix:` address.
    Open(String),
    /// Explain an action, or list all of them.
    Help(Option<String>),
    /// Print a script that completes command lines.
    Completions(Shell),
    /// Leave.
    Exit,
}

/// A stream of a program.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// As paths of the server have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// How much of a log.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Its last bytes.
    Last(i64),
    /// What is there, and whatever comes.
    Follow,
}

/// A shell that completes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Shell {
    /// bash(1)
    Bash,
    /// zsh(1)
    Zsh,
    /// fish(1)
    Fish,
}

/// A line that cannot be carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misuse {
    /// Lines for standard output, which is where supervisorctl has them.
    pub lines: Vec<String>,
    /// A line for standard error.
    pub advice: Option<String>,
    /// The exit code.
    pub code: u8,
    /// supervisorctl asks for the server before it says this, and says only that there is none when
    /// there is none.
    pub asks_first: bool,
}

/// Reads the command line, `argv` being the words behind `supervise ctl`.
///
/// ```
/// use superdaemon::supervise::ctl::args::{Action, Command, parse, read_words};
///
/// let words = ["-s", "unix:///run/s.sock", "stop", "web:*", "--json"];
/// let Command::Run(options, words) = parse(words.map(Into::into).to_vec())? else {
///     panic!("help was not asked for")
/// };
/// assert_eq!(options.serverurl.as_deref(), Some("unix:///run/s.sock"));
/// let request = read_words(&options, words).expect("an action");
/// assert_eq!(request.action, Action::Stop(vec!["web:*".to_owned()]));
/// assert!(request.options.json);
/// # Ok::<(), superdaemon::cli::UsageError>(())
/// ```
///
/// # Errors
///
/// The first thing that is wrong with an option, in supervisorctl's words and with its exit code.
pub fn parse(argv: Vec<OsString>) -> Result<Command, UsageError> {
    let known = options::known();
    let read = || {
        let (mut given, rest) = getopt(&known, argv)?;
        let operands = behind(&known, rest, &mut given)?;
        let mut set = Vec::new();
        for word in &given {
            if set.contains(&word.option.sets) {
                let shown = repr(&word.spelling);
                return Err(format!("conflicting command line option {shown}"));
            }
            set.push(word.option.sets);
        }
        if given.iter().any(|word| word.option.name == "help") {
            return Ok(Command::Help);
        }
        let options = options::meaning(split(given)?)?;
        let words: Vec<String> = operands
            .iter()
            .flat_map(|word| {
                let text = word.to_string_lossy();
                text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        if words.is_empty() {
            options.special.refuse("")?;
        }
        Ok(Command::Run(Box::new(options), words))
    };
    read().map_err(|message: String| refusal(PROGRAM, &message))
}

/// Takes the long options out of the words behind the action. Words with one dash belong to it.
fn behind<'k>(
    known: &'k [Known],
    words: Vec<OsString>,
    given: &mut Vec<Word<'k>>,
) -> Result<Vec<OsString>, String> {
    let mut words = words.into_iter();
    let mut operands = Vec::new();
    while let Some(word) = words.next() {
        match word.as_bytes().strip_prefix(b"--") {
            Some(b"") => operands.extend(words.by_ref()),
            Some(body) => given.push(long(known, body, &mut words)?),
            None => operands.push(word),
        }
    }
    Ok(operands)
}

/// The values, checked.
fn split(given: Vec<Word<'_>>) -> Result<Split, String> {
    let mut split = Split::default();
    for word in given {
        let name = word.option.declared;
        let value =
            word.value.map(|text| options::check(name, &word.spelling, text)).transpose()?;
        split.options.push(Given { name, value });
    }
    Ok(split)
}

/// What the words of an action ask for.
///
/// # Errors
///
/// What supervisorctl says, and its exit code.
pub fn read_words(options: &Options, words: Vec<String>) -> Result<Request, Misuse> {
    let special = &options.special;
    let action = operands::read(words, special)?;
    Ok(Request { options: Options { special: Special::default(), ..options.clone() }, action })
}

/// What a line at the prompt asks for; `None` for an empty one. Long options on it count for the line;
/// those that say where the server is are refused.
///
/// # Errors
///
/// What is wrong with it.
pub fn read_line(options: &Options, line: &str) -> Result<Option<Request>, Misuse> {
    let known: Vec<Known> =
        options::known().into_iter().filter(|known| options::at_prompt(known.declared)).collect();
    let words = line.split_whitespace().map(OsString::from).collect();
    let mut given = Vec::new();
    let read = || {
        let words = behind(&known, words, &mut given)?;
        let added = options::meaning(split(given)?)?;
        let options = Options {
            json: options.json || added.json,
            color: if added.color == When::Auto { options.color } else { added.color },
            verbose: options.verbose || added.verbose,
            special: added.special,
            ..options.clone()
        };
        Ok((options, words))
    };
    let (options, words) = read().map_err(|message: String| Misuse::said(&message, 2))?;
    let words: Vec<String> =
        words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if line.trim().is_empty() {
        return Ok(None);
    }
    read_words(&options, words).map(Some)
}

impl Special {
    /// An error when there is an option that `action` does not have.
    fn refuse(&self, action: &str) -> Result<(), String> {
        let given = [
            ("rolling", self.rolling, "restart"),
            ("hot", self.hot, "restart"),
            ("interval", self.interval.is_some(), "watch"),
        ];
        match given.into_iter().find(|(_, given, of)| *given && *of != action) {
            Some((name, _, of)) => Err(format!("option --{name} belongs to the action {of}")),
            None => Ok(()),
        }
    }
}

impl Misuse {
    /// One line of error.
    fn said(message: &str, code: u8) -> Self {
        Self { lines: vec![format!("Error: {message}")], code, ..Self::default() }
    }
}

/// A time from 0, in seconds.
fn seconds(text: &str) -> Option<Duration> {
    match parse_value(Kind::Seconds, text.as_ref()) {
        Some(Value::Seconds(time)) => Some(time),
        _ => None,
    }
}
