//! What others have written, as a terminal may have it.
//!
//! Names, states, faults and logs come from servers and programs. To a terminal their control
//! characters are orders: to clear it, to retitle it, to hide a line. Pictures (U+2400 and on) stand
//! for them.

use std::borrow::Cow;
use std::fmt::Write;

/// A longer sequence is no colour.
const LONGEST: usize = 64;
const PLAIN: &[u8] = b"\x1b[0m";

/// One line: every control character but the tab is a picture.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    pictured(text, |c| c == '\t')
}

/// The same of several lines.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    pictured(text, |c| matches!(c, '\t' | '\n'))
}

/// JSON with C1 controls as escapes, which mean the same; the others are escaped already.
pub(crate) fn json(text: String) -> String {
    if !text.chars().any(char::is_control) {
        return text;
    }
    let mut out = String::new();
    for c in text.chars() {
        let _ = match c.is_control() {
            true => write!(out, "\\u{:04x}", u32::from(c)),
            false => out.write_char(c),
        };
    }
    out
}

fn pictured(text: &str, kept: fn(char) -> bool) -> Cow<'_, str> {
    let passes = |c: char| !c.is_control() || kept(c);
    if text.chars().all(passes) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if passes(c) { c } else { picture(c) }).collect())
}

/// Those of C1 have none.
fn picture(c: char) -> char {
    match c {
        '\0'..='\u{1f}' => char::from_u32(u32::from(c) | 0x2400).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        _ => '\u{fffd}',
    }
}

/// A log on its way to a terminal, in pieces. Lines, tabs and colours pass.
#[derive(Debug, Default)]
pub(crate) struct Sifter {
    /// The beginning of something whose end has not come.
    held: Vec<u8>,
    coloured: bool,
}

impl Sifter {
    /// What can be shown so far.
    pub(crate) fn sift(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let mut rest = std::mem::take(&mut self.held);
        let mut out = Vec::new();
        let mut left = rest.as_slice();
        while let Some(step) = step(left) {
            let (head, tail) = left.split_at_checked(step.length).unwrap_or((left, &[]));
            match step.shown {
                None => {
                    self.coloured |= head.first() == Some(&0x1b);
                    out.extend_from_slice(head);
                }
                Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            left = tail;
        }
        let done = rest.len().saturating_sub(left.len());
        rest.drain(..done);
        self.held = rest;
        out
    }

    /// What was kept back, and an end of colours.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        let mut out = line(&String::from_utf8_lossy(&held)).into_owned().into_bytes();
        if std::mem::take(&mut self.coloured) {
            out.extend_from_slice(PLAIN);
        }
        out
    }
}

/// So many bytes are shown as they are, or as this character.
struct Step {
    length: usize,
    shown: Option<char>,
}

/// What is at the beginning; `None` when that cannot be told yet.
fn step(bytes: &[u8]) -> Option<Step> {
    let as_it_is = |length| Some(Step { length, shown: None });
    match bytes {
        [] | [b'\r'] => None,
        [b'\n' | b'\t' | b' '..=b'~', ..] => as_it_is(1),
        [b'\r', b'\n', ..] => as_it_is(2),
        [0x1b] | [0x1b, b'['] => None,
        [0x1b, b'[', rest @ ..] => {
            let number = |byte: &&u8| matches!(byte, b'0'..=b'9' | b';' | b':');
            let length = rest.iter().take(LONGEST).take_while(number).count();
            match rest.get(length) {
                Some(b'm') => as_it_is(length.saturating_add(3)),
                None => None,
                Some(_) => Some(Step { length: 1, shown: Some(picture('\x1b')) }),
            }
        }
        [byte, ..] if byte.is_ascii() => {
            Some(Step { length: 1, shown: Some(picture(char::from(*byte))) })
        }
        _ => {
            let first = bytes.get(..4).unwrap_or(bytes);
            let (valid, error) = match std::str::from_utf8(first) {
                Ok(text) => (text, None),
                Err(error) => {
                    let valid = first.get(..error.valid_up_to()).unwrap_or_default();
                    (std::str::from_utf8(valid).unwrap_or_default(), Some(error))
                }
            };
            match (valid.chars().next(), error) {
                (Some(c), _) if c.is_control() => {
                    Some(Step { length: c.len_utf8(), shown: Some(picture(c)) })
                }
                (Some(c), _) => as_it_is(c.len_utf8()),
                // The rest of the character may be on its way.
                (None, Some(error)) if error.error_len().is_none() => None,
                (None, error) => {
                    let length = error.and_then(|error| error.error_len()).unwrap_or(1);
                    Some(Step { length, shown: Some('\u{fffd}') })
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WILD: &str = "a\x1b[2J\x07\u{9b}31m\u{7f}\tä\r\nb";

    #[test]
    fn control_characters_have_pictures() {
        assert_eq!(line(WILD), "a␛[2J␇\u{fffd}31m␡\tä␍␊b");
        assert_eq!(lines(WILD), "a␛[2J␇\u{fffd}31m␡\tä␍\nb");
        assert!(matches!(line("web:w1 RUNNING\t日本"), Cow::Borrowed(_)));
        for c in ('\0'..='\u{ff}').filter(|c| *c != '\t') {
            assert!(!line(&c.to_string()).chars().any(char::is_control), "{c:?}");
        }
        assert_eq!(json("\"\u{9b}ä\"".to_owned()), "\"\\u009bä\"");
    }

    /// The same text whole, and in pieces of so many bytes.
    fn sifted(bytes: &[u8], piece: usize) -> String {
        let mut sifter = Sifter::default();
        let mut out: Vec<u8> =
            bytes.chunks(piece).flat_map(|piece| sifter.sift(piece)).collect::<Vec<_>>();
        out.extend(sifter.end());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn logs_keep_their_lines_and_colours_however_they_are_cut() {
        let red = "\x1b[1;31mred\x1b[m\n";
        let long = format!("\x1b[{}m", "1;".repeat(40));
        for (text, shown) in [
            (WILD.as_bytes(), "a␛[2J␇\u{fffd}31m␡\tä\r\nb".to_owned()),
            (red.as_bytes(), format!("{red}\x1b[0m")),
            (b"\x1b]0;title\x07\x1b[?1049h\x1bc", "␛]0;title␇␛[?1049h␛c".to_owned()),
            (b"10%\r20%\r", "10%␍20%␍".to_owned()),
            (b"\xff\xc3(\xe6\x97", "\u{fffd}\u{fffd}(\u{fffd}".to_owned()),
            ("日本😀".as_bytes(), "日本😀".to_owned()),
            (b"\x1b[31", "␛[31".to_owned()),
            (long.as_bytes(), long.replace('\x1b', "␛")),
        ] {
            for piece in 1..=text.len() {
                assert_eq!(sifted(text, piece), shown, "{text:?} by {piece}");
            }
        }
    }

    #[test]
    fn nothing_is_kept_back_that_can_be_shown() {
        let mut sifter = Sifter::default();
        assert_eq!(sifter.sift(b"prompt> \x1b"), b"prompt> ");
        assert_eq!(sifter.sift(b"[32mgo"), b"\x1b[32mgo");
        assert_eq!(sifter.end(), PLAIN);
        assert_eq!(sifter.end(), b"");
    }
}
