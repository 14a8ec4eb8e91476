//! Words cut into options and operands by the rules of GNU's getopt_long(3), long options only.
//!
//! Case counts. A value is joined by `=` or the next word; a next word that begins with `--` is
//! taken for an option that follows by mistake, as it nearly always is.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::split::{check, one_line};
use super::table::Resolved;
use super::{Given, Kind, OptionInfo, Split, Table, Value};

/// Cuts `argv` (without the program's own name) into options and operands. With `posix` the first
/// operand ends the options, and everything from there on is operands.
///
/// The second result has a line for each word in error; the first one holds all others, so that
/// more can be said about them in the same run.
#[must_use]
pub fn split_gnu(table: &Table, argv: Vec<OsString>, posix: bool) -> (Split, Vec<String>) {
    let mut done = Split::default();
    let mut problems = Vec::new();
    let mut words = argv.into_iter().peekable();
    while let Some(word) = words.next() {
        if word == "--" {
            done.marked = true;
            done.operands.extend(words);
            break;
        }
        let Some(body) = word.as_bytes().strip_prefix(b"-").filter(|rest| !rest.is_empty()) else {
            done.operands.push(word);
            if posix {
                done.operands.extend(words);
                break;
            }
            continue;
        };
        match body.strip_prefix(b"-").map_or_else(|| Err(short(&word)), |body| find(table, body)) {
            Err(line) => problems.push(line),
            Ok((option, attached)) => {
                let value = match attached {
                    // Left for the next round.
                    None if option.kind != Kind::Flag => {
                        words.next_if(|next| !next.as_bytes().starts_with(b"--"))
                    }
                    attached => attached.map(|bytes| OsStr::from_bytes(bytes).to_owned()),
                };
                match take(option, value.as_deref()) {
                    Ok(value) => done.options.push(Given { name: option.name, value }),
                    Err(line) => problems.push(line),
                }
            }
        }
    }
    (done, problems)
}

type Found<'t, 'w> = (&'t OptionInfo, Option<&'w [u8]>);

/// The option and the value joined to it.
fn find<'t, 'w>(table: &'t Table, body: &'w [u8]) -> Result<Found<'t, 'w>, String> {
    let cut = body.iter().position(|byte| *byte == b'=').and_then(|at| body.split_at_checked(at));
    let (name, attached) = match cut {
        Some((name, [_, value @ ..])) => (name, Some(value)),
        _ => (body, None),
    };
    let shown = one_line(OsStr::from_bytes(name));
    match table.resolve(name, attached.is_some(), true) {
        Resolved::One(option) => Ok((option, attached)),
        Resolved::Ambiguous(names) => {
            Err(format!("option --{shown} is ambiguous: --{}", names.join(", --")))
        }
        Resolved::Unknown => Err(match nearest(table, &shown) {
            Some(name) => format!("unknown option --{shown}; is --{name} meant?"),
            None => format!("unknown option --{shown}"),
        }),
    }
}

fn short(word: &OsStr) -> String {
    let shown = one_line(word);
    format!(
        "unknown option {shown}: options have two dashes, and a program whose name begins \
         with one comes after \"--\""
    )
}

fn take(option: &OptionInfo, value: Option<&OsStr>) -> Result<Option<Value>, String> {
    let name = option.name;
    match (option.value, value) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(format!("option --{name} takes no value")),
        (Some(wanted), None) => Err(format!("option --{name} needs a value: --{name}={wanted}")),
        (Some(wanted), Some(text)) if text.is_empty() => {
            Err(format!("the value of --{name} is empty: --{name}={wanted}"))
        }
        (Some(_), Some(text)) => check(option.kind, text).map(Some).map_err(|expected| {
            let expected = expected.trim_end_matches(',');
            format!("--{name} takes {expected}, not \"{}\"", one_line(text))
        }),
    }
}

/// The option that was most probably meant: one whose name differs in two letters at most, `_`
/// counting as `-`.
fn nearest(table: &Table, typed: &str) -> Option<&'static str> {
    let typed = typed.to_lowercase().replace('_', "-");
    if typed.chars().count() < 4 {
        return None;
    }
    let names = table.options().iter().map(|option| (option.name, option.name));
    let others = table.aliases().iter().copied();
    let distances = names.chain(others).map(|(name, of)| (distance(name, &typed), of));
    distances.filter(|(distance, _)| *distance <= 2).min().map(|(_, name)| name)
}

/// How many letters must be put in, left out or replaced to make one of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, a) in one.chars().enumerate() {
        let mut left = line.saturating_add(1);
        let mut next = vec![left];
        for (b, above) in other.chars().zip(row.windows(2)) {
            let [diagonal, above] = *above else { continue };
            let replaced = diagonal.saturating_add(usize::from(a != b));
            left = replaced.min(above.saturating_add(1)).min(left.saturating_add(1));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
