//! Texts of unknown origin, made fit to be shown.

use std::fmt::{self, Write};

/// Bytes as one line of printable text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Escaped<'t> {
    bytes: &'t [u8],
    html: bool,
}

impl<'t> Escaped<'t> {
    pub(crate) fn plain(bytes: &'t [u8]) -> Escaped<'t> {
        Escaped { bytes, html: false }
    }

    pub(crate) fn html(bytes: &'t [u8]) -> Escaped<'t> {
        Escaped { bytes, html: true }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
        match c {
            '&' if self.html => f.write_str("&amp;"),
            '<' if self.html => f.write_str("&lt;"),
            '>' if self.html => f.write_str("&gt;"),
            '"' if self.html => f.write_str("&quot;"),
            '\'' if self.html => f.write_str("&#39;"),
            '\\' => f.write_str("\\\\"),
            '\n' => f.write_str("\\n"),
            '\r' => f.write_str("\\r"),
            '\t' => f.write_str("\\t"),
            _ if !is_plain(c) => write!(f, "{}", c.escape_unicode()),
            _ => f.write_char(c),
        }
    }
}

/// Neither a control character (C0, DEL, C1), nor one that breaks or turns the line, nor invisible.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                self.write(f, c)?;
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &[u8]) -> String {
        Escaped::plain(text).to_string()
    }

    #[test]
    fn printable_text_stays() {
        for text in ["GET /a?b=c&d HTTP/1.1", "grüße € 𝄞 日本", "<b>'\"", ""] {
            assert_eq!(plain(text.as_bytes()), text);
        }
    }

    #[test]
    fn nothing_reaches_a_terminal_that_means_something_there() {
        assert_eq!(plain(b"\x1b[2J\x07\x7f\x9b"), "\\u{1b}[2J\\u{7}\\u{7f}\\x9b");
        assert_eq!(plain("a\nb\r\tc\\n\u{85}\u{9b}".as_bytes()), "a\\nb\\r\\tc\\\\n\\u{85}\\u{9b}");
        assert_eq!(plain("x\u{202e}y\u{200b}\u{2066}".as_bytes()), "x\\u{202e}y\\u{200b}\\u{2066}");
        assert_eq!(plain(b"\xff\xc3"), "\\xff\\xc3");
        for byte in 0..=u8::MAX {
            assert!(!plain(&[byte, b'a', byte]).chars().any(char::is_control));
        }
    }

    #[test]
    fn html_is_text() {
        let shown = Escaped::html(b"<a href=\"x\">'&'</a>\n").to_string();
        assert_eq!(shown, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;\\n");
    }
}
