//! Words cut into options by the rules of Python's `getopt.getopt`, with its words for what is wrong.
//!
//! The first word that is no option ends them, as `--` does. Letters may stand together, and the
//! rest of a word, or the next word whatever it is, is the value of a letter that takes one. A long
//! option takes the next word in the same way, and may be cut short as long as it can be only one.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// An option that can be typed.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Its full name, as it is typed.
    pub(crate) name: &'static str,
    /// Its name as argh knows it.
    pub(crate) declared: &'static str,
    /// Its letter.
    pub(crate) letter: Option<char>,
    /// Whether it takes a value.
    pub(crate) valued: bool,
    /// Whether it is one of supervisord's, which go before ours when a name is cut short.
    pub(crate) peer: bool,
    /// What it sets; that can be set only once.
    pub(crate) sets: &'static str,
    /// Why it is refused.
    pub(crate) refused: Option<&'static str>,
}

/// An option on the command line.
#[derive(Debug)]
pub(crate) struct Word<'k> {
    pub(crate) option: &'k Known,
    /// `-c` or `--configuration`, written out.
    pub(crate) spelling: String,
    pub(crate) value: Option<OsString>,
}

/// The options in order, and the words that are none.
pub(crate) fn getopt(
    known: &[Known],
    argv: Vec<OsString>,
) -> Result<(Vec<Word<'_>>, Vec<OsString>), String> {
    let mut words = argv.into_iter();
    let mut done = Vec::new();
    while let Some(word) = words.next() {
        let bytes = word.as_bytes();
        if bytes == b"--" {
            break;
        }
        if let Some(body) = bytes.strip_prefix(b"--") {
            done.push(long(known, body, &mut words)?);
        } else if let Some(cluster) = bytes.strip_prefix(b"-").filter(|rest| !rest.is_empty()) {
            letters(known, cluster, &mut words, &mut done)?;
        } else {
            return Ok((done, std::iter::once(word).chain(words).collect()));
        }
    }
    Ok((done, words.collect()))
}

/// The long option whose word is `body` without its dashes; its value may be the next of `words`.
pub(crate) fn long<'k>(
    known: &'k [Known],
    body: &[u8],
    words: &mut impl Iterator<Item = OsString>,
) -> Result<Word<'k>, String> {
    let mut parts = body.splitn(2, |byte| *byte == b'=');
    let typed = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let attached = parts.next().map(|value| OsStr::from_bytes(value).to_owned());
    let option = resolve(known, &typed)?;
    let spelling = format!("--{}", option.name);
    let value = match (option.valued, attached) {
        (true, None) => {
            Some(words.next().ok_or_else(|| format!("option {spelling} requires argument"))?)
        }
        (true, attached) => attached,
        (false, None) => None,
        (false, Some(_)) => return Err(format!("option {spelling} must not have an argument")),
    };
    Ok(Word { option, spelling, value })
}

/// The option of this name; else the one of supervisord's that begins with it, else the one of ours.
fn resolve<'k>(known: &'k [Known], typed: &str) -> Result<&'k Known, String> {
    if let Some(exact) = known.iter().find(|option| option.name == typed) {
        return Ok(exact);
    }
    for peer in [true, false] {
        let fits = |option: &&Known| option.peer == peer && option.name.starts_with(typed);
        let mut found = known.iter().filter(fits);
        match (found.next(), found.next()) {
            (Some(one), None) => return Ok(one),
            (Some(_), Some(_)) => return Err(format!("option --{typed} not a unique prefix")),
            (None, _) => {}
        }
    }
    Err(format!("option --{typed} not recognized"))
}

fn letters<'k>(
    known: &'k [Known],
    cluster: &[u8],
    words: &mut impl Iterator<Item = OsString>,
    done: &mut Vec<Word<'k>>,
) -> Result<(), String> {
    let mut rest = cluster;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let letter = char::from(*byte);
        // Supervisord's other letter for help.
        let wanted = if letter == '?' { 'h' } else { letter };
        let found = known.iter().find(|option| option.letter == Some(wanted) && byte.is_ascii());
        let Some(option) = found else {
            let shown = if byte.is_ascii() { letter } else { first_character(cluster, after) };
            return Err(format!("option -{shown} not recognized"));
        };
        let spelling = format!("-{letter}");
        let value = match (option.valued, after.is_empty()) {
            (false, _) => None,
            (true, false) => Some(OsString::from_vec(std::mem::take(&mut rest).to_vec())),
            (true, true) => {
                Some(words.next().ok_or_else(|| format!("option {spelling} requires argument"))?)
            }
        };
        done.push(Word { option, spelling, value });
    }
    Ok(())
}

/// The character of which `after` is the rest without its first byte.
fn first_character(cluster: &[u8], after: &[u8]) -> char {
    let start = cluster.len().saturating_sub(after.len()).saturating_sub(1);
    let text = String::from_utf8_lossy(cluster.get(start..).unwrap_or_default());
    text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
}
