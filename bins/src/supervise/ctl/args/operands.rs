//! From the words of an action to the action, or to what supervisorctl says instead.

use std::time::Duration;

use super::options::is_address;
use super::{
    ACTIONS, Action, ActionInfo, Amount, Misuse, PROGRAM, Shell, Special, Stream, seconds,
};
use crate::supervise::config::asked::repr;
use crate::supervise::config::suggest::nearest;

/// The exit codes of LSB init scripts that supervisorctl uses for what is typed wrong.
const GENERIC: u8 = 1;
const INVALID: u8 = 2;

/// As much of a log as supervisorctl shows.
const USUAL: i64 = 1600;

const USUAL_INTERVAL: Duration = Duration::from_secs(1);

/// What is wrong: a line of the error, its code, whether the help of the action follows, and whether
/// the server is asked for first.
struct Wrong {
    line: String,
    code: u8,
    help: bool,
    asks_first: bool,
}

impl Wrong {
    fn new(line: impl Into<String>) -> Self {
        Self { line: line.into(), code: GENERIC, help: false, asks_first: false }
    }

    fn with_help(self) -> Self {
        Self { help: true, ..self }
    }

    fn asking_first(self) -> Self {
        Self { asks_first: true, ..self }
    }

    fn code(self, code: u8) -> Self {
        Self { code, ..self }
    }
}

pub(super) fn read(words: Vec<String>, special: &Special) -> Result<Action, Misuse> {
    let line = words.join(" ");
    let mut words = words.into_iter();
    let Some(name) = words.next() else {
        return Err(Misuse::said("an action is missing", INVALID));
    };
    // The other spelling of help that Python's cmd module knows.
    let (name, words): (String, Vec<String>) = match name.strip_prefix('?') {
        Some("") => ("help".to_owned(), words.collect()),
        Some(topic) => {
            ("help".to_owned(), std::iter::once(topic.to_owned()).chain(words).collect())
        }
        None => (name, words.collect()),
    };
    let Some(info) = ActionInfo::of(&name) else { return Err(unknown(&name, &line)) };
    special.refuse(info.name).map_err(|message| Misuse::said(&message, INVALID))?;
    action(info, words, special).map_err(|wrong| {
        let mut lines = vec![wrong.line];
        if wrong.help {
            lines.extend(info.help.iter().map(|line| (*line).to_owned()));
        }
        Misuse { lines, advice: None, code: wrong.code, asks_first: wrong.asks_first }
    })
}

fn unknown(name: &str, line: &str) -> Misuse {
    let meant = nearest(name, ACTIONS.iter().map(|action| action.name));
    let advice = match meant {
        Some(meant) => format!("{PROGRAM}: is {meant} meant?"),
        None => format!("{PROGRAM}: \"help\" lists the actions"),
    };
    let lines = vec![format!("*** Unknown syntax: {line}")];
    Misuse { lines, advice: Some(advice), code: GENERIC, asks_first: false }
}

fn action(info: &ActionInfo, words: Vec<String>, special: &Special) -> Result<Action, Wrong> {
    let none = |action: Action| match words.is_empty() {
        true => Ok(action),
        false => Err(Wrong::new(format!("Error: {} accepts no arguments", info.name)).with_help()),
    };
    // supervisorctl has 2 for start alone; what it does not have is 2, too.
    let names = |code: u8| match words.is_empty() {
        true => Err(Wrong::new(format!("Error: {} requires a process name", info.name))
            .with_help()
            .asking_first()
            .code(code)),
        false => Ok(words.clone()),
    };
    match info.name {
        "status" => Ok(Action::Status(words)),
        "start" => Ok(Action::Start(names(INVALID)?)),
        "stop" => Ok(Action::Stop(names(GENERIC)?)),
        "restart" => {
            let names = names(GENERIC)?;
            Ok(Action::Restart { names, rolling: special.rolling, hot: special.hot })
        }
        "reload" => Ok(Action::Reload(words)),
        "kill" | "killme" => Ok(Action::Kill(names(INVALID)?)),
        "stat" => Ok(Action::Stat(names(INVALID)?)),
        "clear" => Ok(Action::Clear(names(GENERIC)?)),
        "pid" => Ok(Action::Pid(words)),
        "update" => Ok(Action::Update(words)),
        "add" => Ok(Action::Add(words)),
        "remove" => Ok(Action::Remove(words)),
        "reread" => none(Action::Reread),
        "avail" => none(Action::Avail),
        "shutdown" => none(Action::Shutdown),
        "version" => none(Action::Version),
        "exit" | "quit" => Ok(Action::Exit),
        "help" => Ok(Action::Help((!words.is_empty()).then(|| words.join(" ")))),
        "signal" => signal(words),
        "tail" => tail(words),
        "maintail" => main_tail(&words),
        "fg" => foreground(words),
        "open" => open(&words),
        "completions" => completions(&words),
        _ => watch(words, special),
    }
}

fn signal(words: Vec<String>) -> Result<Action, Wrong> {
    let mut words = words.into_iter();
    match (words.next(), words.next()) {
        (Some(signal), Some(first)) => {
            Ok(Action::Signal { signal, names: std::iter::once(first).chain(words).collect() })
        }
        _ => Err(Wrong::new("Error: signal requires a signal name and a process name")
            .with_help()
            .asking_first()),
    }
}

/// What `-f` or `-100` asks for; the word may have no dash at all.
fn amount(word: &str) -> Result<Amount, Wrong> {
    let what = word.strip_prefix('-').unwrap_or_default();
    if what == "f" {
        return Ok(Amount::Follow);
    }
    match what.parse() {
        Ok(bytes) => Ok(Amount::Last(bytes)),
        Err(_) => Err(Wrong::new(format!("Error: bad argument {word}"))),
    }
}

fn tail(mut words: Vec<String>) -> Result<Action, Wrong> {
    let wrong = |line: &str| Wrong::new(line).asking_first();
    match words.len() {
        0 => return Err(wrong("Error: too few arguments").with_help()),
        1..=3 => {}
        _ => return Err(wrong("Error: too many arguments").with_help()),
    }
    let modifier = words.first().is_some_and(|word| word.starts_with('-'));
    let modifier = modifier.then(|| words.remove(0));
    let Some(name) = words.first().cloned() else {
        return Err(wrong("Error: tail requires process name"));
    };
    let channel = words.get(1..).and_then(<[String]>::last).map(|word| word.to_lowercase());
    let stream = match channel.as_deref() {
        None | Some("stdout") => Stream::Stdout,
        Some("stderr") => Stream::Stderr,
        Some(other) => return Err(wrong(&format!("Error: bad channel {}", repr(other)))),
    };
    let amount = modifier.map_or(Ok(Amount::Last(USUAL)), |word| amount(&word));
    Ok(Action::Tail { name, stream, amount: amount.map_err(Wrong::asking_first)? })
}

fn main_tail(words: &[String]) -> Result<Action, Wrong> {
    match words {
        [] => Ok(Action::MainTail(Amount::Last(USUAL))),
        [word] => amount(word).map(Action::MainTail).map_err(Wrong::asking_first),
        _ => Err(Wrong::new("Error: too many arguments").with_help().asking_first()),
    }
}

fn foreground(words: Vec<String>) -> Result<Action, Wrong> {
    let mut words = words.into_iter();
    match (words.next(), words.next()) {
        (Some(name), None) => Ok(Action::Fg(name)),
        (None, _) => Err(Wrong::new("ERROR: no process name supplied").with_help().asking_first()),
        (Some(_), Some(_)) => {
            Err(Wrong::new("ERROR: too many process names supplied").asking_first())
        }
    }
}

fn open(words: &[String]) -> Result<Action, Wrong> {
    let url = words.join(" ");
    match is_address(&url) {
        true => Ok(Action::Open(url)),
        false => Err(Wrong::new("ERROR: url must be http:// or unix://")),
    }
}

fn completions(words: &[String]) -> Result<Action, Wrong> {
    let shell = match words {
        [shell] => match shell.as_str() {
            "bash" => Some(Shell::Bash),
            "zsh" => Some(Shell::Zsh),
            "fish" => Some(Shell::Fish),
            _ => None,
        },
        _ => None,
    };
    let wrong = || Wrong::new("Error: completions requires bash, zsh or fish").code(INVALID);
    shell.map(Action::Completions).ok_or_else(wrong)
}

/// `-n SECONDS` or `-nSECONDS` goes before the names.
fn watch(words: Vec<String>, special: &Special) -> Result<Action, Wrong> {
    let mut words = words.into_iter().peekable();
    let mut interval = special.interval;
    if let Some(word) = words.next_if(|word| word.starts_with("-n")) {
        let attached = word.strip_prefix("-n").filter(|rest| !rest.is_empty()).map(str::to_owned);
        let given = attached.or_else(|| words.next()).unwrap_or_default();
        let bad = || {
            Wrong::new(format!("Error: watch -n takes a number of seconds, not {}", repr(&given)))
                .with_help()
                .code(INVALID)
        };
        interval = Some(seconds(&given).ok_or_else(bad)?);
    }
    Ok(Action::Watch { names: words.collect(), interval: interval.unwrap_or(USUAL_INTERVAL) })
}
