//! Text shown to people: always one line, never a control character (PURE).

use std::ffi::OsStr;
use std::fmt::Write;

/// How much of a foreign text an error line repeats.
const SHOWN_CHARS: usize = 200;

/// `text` made fit for one line of a message: control characters escaped, a monster cut short.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(SHOWN_CHARS));
    for (count, character) in text.chars().enumerate() {
        if count == SHOWN_CHARS {
            line.push_str("...");
            break;
        }
        if character.is_control() {
            // Writing to a String cannot fail.
            let _ = write!(line, "{}", character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// As [`one_line`], for text that need not be UTF-8.
pub(crate) fn one_line_os(text: &OsStr) -> String {
    one_line(&text.to_string_lossy())
}

/// Digits of a non-negative decimal number and nothing else: no sign, no blank.
pub(crate) fn all_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// A non-negative decimal number without sign or blanks; `None` too when it does not fit.
pub(crate) fn decimal<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    if !all_digits(text) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_lines() {
        assert_eq!(one_line("a\nb\u{1b}c"), "a\\nb\\u{1b}c");
        assert_eq!(one_line("grün"), "grün");
        assert_eq!(one_line(&"x".repeat(500)).len(), SHOWN_CHARS + 3);
    }

    #[test]
    fn decimals_are_plain() {
        assert_eq!(decimal::<u16>(b"0080"), Some(80));
        for bad in [&b"+80"[..], b"-1", b"", b" 1", b"65536", b"1_0", b"\xd9\xa1"] {
            assert_eq!(decimal::<u16>(bad), None, "{bad:?}");
        }
    }
}
