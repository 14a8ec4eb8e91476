//! Text that can be put into XML 1.0.

use std::borrow::Cow;

/// Stands for what cannot be shown.
const REPLACEMENT: char = '\u{fffd}';

/// Whether XML 1.0 can hold this character (production 2, `Char`).
pub(super) const fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..)
}

/// What is written in the place of a character: itself, if it is legal. Of a control character its picture,
/// so that colours and NUL bytes in a log can be told apart; of any other, U+FFFD.
pub(super) fn legal(c: char) -> char {
    match c {
        c if is_legal(c) => c,
        '\0'..='\u{1f}' => char::from_u32(u32::from(c) | 0x2400).unwrap_or(REPLACEMENT),
        _ => REPLACEMENT,
    }
}

/// Text as XML can hold it: control characters but tab, newline and carriage return become their pictures
/// (ESC is U+241B), U+FFFE and U+FFFF become U+FFFD.
///
/// ```
/// use superdaemon::supervise::rpc::clean;
/// assert_eq!(clean("\x1b[31mred"), "\u{241b}[31mred");
/// ```
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_legal) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().map(legal).collect())
    }
}

/// The same of bytes; those that are not UTF-8 become U+FFFD.
#[must_use]
pub fn clean_bytes(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match clean(&text) {
        Cow::Borrowed(_) => text.into_owned(),
        Cow::Owned(cleaned) => cleaned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character() {
        for c in '\0'..=char::MAX {
            let code = u32::from(c);
            let expected = match code {
                9 | 10 | 13 => code,
                0..32 => 0x2400 + code,
                0xfffe | 0xffff => 0xfffd,
                _ => code,
            };
            assert_eq!(u32::from(legal(c)), expected, "{code:x}");
            assert!(is_legal(legal(c)), "{code:x}");
        }
    }

    #[test]
    fn legal_text_is_not_copied() {
        assert!(matches!(clean("a\r\n\tö\u{1f600}\u{7f}\u{85}"), Cow::Borrowed(_)));
        assert_eq!(clean("\0a\u{ffff}b"), "\u{2400}a\u{fffd}b");
    }

    #[test]
    fn bytes_of_no_text() {
        assert_eq!(clean_bytes(b"a\xffb\x08\xc3"), "a\u{fffd}b\u{2408}\u{fffd}");
        assert_eq!(clean_bytes("wört\r".as_bytes()), "wört\r");
    }
}
