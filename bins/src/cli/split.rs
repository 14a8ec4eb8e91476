//! Words cut into options and operands by the rules of Getopt::Long's default configuration.
//!
//! Facts taken from Getopt::Long 2.52 as `start_server` 0.35 runs it: `--x`, `-x` and `+x` are the
//! same; case does not count; a value that an option needs is the next word whatever it looks
//! like; every error is reported, not only the first. Under POSIXLY_CORRECT the first operand ends
//! the options, names are not abbreviated, `+x` is an operand, `-x=v` is not cut at the `=`, and an
//! unknown name is shown as it was typed instead of in lower case.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use argh::FromArgs;

use super::table::Resolved;
use super::{Arguments, Kind, OptionInfo, Table, UsageError, Value, Values, number};

/// An option on the command line, its name written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The full name.
    pub name: &'static str,
    /// Its value, unless it is a flag.
    pub value: Option<Value>,
}

/// A command line, cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// The options in order, with their repetitions.
    pub options: Vec<Given>,
    /// All other words in order, and everything after `--`.
    pub operands: Vec<OsString>,
    /// Whether there was a `--`.
    pub marked: bool,
}

/// Cuts `argv` (without the program's own name) into options and operands.
///
/// # Errors
///
/// Exit code 1 and a line for each word in error, worded as Getopt::Long does. When an option was
/// refused after the first operand, one more line tells to write `--` before that operand, since
/// the option was probably meant for the program it names.
pub fn split(
    table: &Table,
    argv: Vec<OsString>,
    posixly_correct: bool,
) -> Result<Split, UsageError> {
    let mut done = Split::default();
    let mut lines = Vec::new();
    let mut hint = None;
    let mut words = argv.into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            done.marked = true;
            done.operands.extend(words);
            break;
        }
        match read_option(table, &word, posixly_correct, &mut words) {
            None => {
                done.operands.push(word);
                if posixly_correct {
                    done.operands.extend(words);
                    break;
                }
            }
            Some(Ok(given)) => done.options.push(given),
            Some(Err(line)) => {
                lines.push(line);
                if let (None, Some(first)) = (&hint, done.operands.first()) {
                    hint = Some(advice(table.program(), first, &word));
                }
            }
        }
    }
    if lines.is_empty() {
        Ok(done)
    } else {
        lines.extend(hint);
        Err(UsageError { lines, code: 1 })
    }
}

/// One word as an option, with its value; `None` when it is an operand.
fn read_option(
    table: &Table,
    word: &OsStr,
    posixly_correct: bool,
    words: &mut std::vec::IntoIter<OsString>,
) -> Option<Result<Given, String>> {
    let (starter, body) = starter(word.as_bytes(), posixly_correct)?;
    let cut = starter == "--" || !posixly_correct;
    let (name, attached) = if cut { cut_value(body) } else { (body, None) };
    let lower = name.to_ascii_lowercase();
    let shown = String::from_utf8_lossy(if posixly_correct { name } else { &lower });
    if name.is_empty() {
        return Some(Err(format!("Missing option after {starter}")));
    }
    Some(match table.resolve(&lower, attached.is_some(), !posixly_correct) {
        Resolved::Unknown => Err(format!("Unknown option: {shown}")),
        Resolved::Ambiguous(names) => {
            Err(format!("Option {shown} is ambiguous ({})", names.join(", ")))
        }
        Resolved::One(option) => take_value(option, attached, words),
    })
}

/// The dashes and what follows them.
fn starter(word: &[u8], posixly_correct: bool) -> Option<(&'static str, &[u8])> {
    if word == b"-" {
        return None;
    }
    let after =
        |starter: &'static str| word.strip_prefix(starter.as_bytes()).map(|body| (starter, body));
    let plus = || if posixly_correct { None } else { after("+") };
    after("--").or_else(|| after("-")).or_else(plus)
}

/// Cuts at the first `=` that is not the first byte.
fn cut_value(body: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mark = body.iter().skip(1).position(|&c| c == b'=').map(|at| at.saturating_add(1));
    match mark.and_then(|at| body.split_at_checked(at)) {
        Some((name, [_, value @ ..])) => (name, Some(value)),
        _ => (body, None),
    }
}

fn take_value(
    option: &OptionInfo,
    attached: Option<&[u8]>,
    words: &mut std::vec::IntoIter<OsString>,
) -> Result<Given, String> {
    let name = option.name;
    if option.kind == Kind::Flag {
        return match attached {
            None => Ok(Given { name, value: None }),
            Some(_) => Err(format!("Option {name} does not take an argument")),
        };
    }
    let text = match attached {
        Some(b"") => None,
        Some(value) => Some(OsStr::from_bytes(value).to_owned()),
        None => words.next(),
    };
    let Some(text) = text else {
        return Err(format!("Option {name} requires an argument"));
    };
    match check(option.kind, &text) {
        Ok(value) => Ok(Given { name, value: Some(value) }),
        Err(expected) => Err(format!(
            "Value \"{}\" invalid for option {name} ({expected} expected)",
            text.to_string_lossy()
        )),
    }
}

/// The value, or what should have stood there.
pub(super) fn check(kind: Kind, text: &OsStr) -> Result<Value, &'static str> {
    let number = text.to_str().unwrap_or_default();
    match kind {
        Kind::Flag | Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::Integer => number::integer(number).map(Value::Integer).ok_or("number"),
        Kind::Seconds => number::seconds(number)
            .map(Value::Seconds)
            .ok_or("a number of seconds from 0, such as 10 or 0.5,"),
        Kind::Count => {
            number::count(number).map(Value::Count).ok_or("a whole number from 0, such as 3,")
        }
        Kind::Mode => {
            number::mode(number).map(Value::Mode).ok_or("an octal file mode, such as 0660,")
        }
        Kind::Size => {
            number::size(number).map(Value::Size).ok_or("a number of bytes, such as 512M,")
        }
    }
}

/// A value of this kind that is a part of an option's text.
pub(crate) fn parse_value(kind: Kind, text: &OsStr) -> Option<Value> {
    check(kind, text).ok()
}

fn advice(program: &str, operand: &OsStr, option: &OsStr) -> String {
    format!(
        "{program}: to pass options to the program, write \"--\" before it: \
         {program} [options] -- {} {}",
        one_line(operand),
        one_line(option)
    )
}

/// Words from the command line for a message: they can neither break the line nor drive a terminal.
pub(crate) fn one_line(text: &OsStr) -> String {
    text.to_string_lossy().replace(char::is_control, "?")
}

impl Split {
    /// Whether this option was given.
    #[must_use]
    pub fn gave(&self, name: &str) -> bool {
        self.options.iter().any(|given| given.name == name)
    }

    /// Has argh fill the struct that declares the options. `--help` is left out, since argh would
    /// answer it by itself: see [`gave`](Self::gave).
    ///
    /// # Errors
    ///
    /// What argh says, which can only be that a required option is missing.
    pub fn into_args<T: FromArgs>(self, table: &Table) -> Result<Arguments<T>, UsageError> {
        let mut words = Vec::new();
        for (at, given) in self.options.iter().enumerate() {
            let later = self.options.iter().skip(at.saturating_add(1));
            let repeatable = table.get(given.name).is_some_and(|option| option.repeatable);
            let counts = repeatable || !later.into_iter().any(|other| other.name == given.name);
            if counts && given.name != "help" {
                words.push(format!("--{}", given.name));
                if given.value.is_some() {
                    words.push(at.to_string());
                }
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let options = T::from_args(&[table.program()], &words).map_err(|exit| UsageError {
            lines: exit.output.lines().map(str::to_owned).collect(),
            code: 1,
        })?;
        let values = self.options.into_iter().map(|given| given.value).collect();
        Ok(Arguments { options, values: Values(values), operands: self.operands })
    }
}
