//! Text made harmless: in HTML, in addresses, and for reading.

use std::fmt::Write;

/// Adds text to HTML, in an element or in a quoted attribute.
pub(super) fn push_html(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' | '\t' => html.push(character),
            // HTML knows no other control characters, those that turn the direction hide what follows.
            _ if character.is_control() || turns(character) => html.push('\u{fffd}'),
            _ => html.push(character),
        }
    }
}

/// The same as a value.
pub(super) fn html(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    push_html(&mut html, text);
    html
}

/// A part of a path or of a query.
pub(super) fn part(text: &str) -> String {
    let mut part = String::with_capacity(text.len());
    for byte in text.bytes() {
        // A colon may stand in both, and is easier on the eye.
        if byte.is_ascii_alphanumeric() || b"-._~:*".contains(&byte) {
            part.push(char::from(byte));
        } else {
            let _ = write!(part, "%{byte:02X}");
        }
    }
    part
}

/// Overrides and isolates of the direction of text.
fn turns(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What a program wrote, to be read: without colours, without control characters, and valid.
pub(super) fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut readable = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' if characters.peek() == Some(&'[') => {
                // A control sequence ends with its letter; what else may be in it is `0-9:;<=>?` and
                // space to `/`.
                characters.next();
                while characters.next_if(|next| matches!(next, ' '..='?')).is_some() {}
                characters.next_if(|next| matches!(next, '@'..='~'));
            }
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' | '\t' => readable.push(character),
            // A bar of progress writes over its line.
            '\r' => readable.push('\n'),
            _ if character.is_control() || turns(character) => readable.push('\u{fffd}'),
            _ => readable.push(character),
        }
    }
    readable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_has_no_way_out() {
        assert_eq!(
            html(r#"<a b="c" d='e'>&amp;"#),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;amp;"
        );
        assert_eq!(html("é\n\u{0}\u{1b}\u{202e}x"), "é\n\u{fffd}\u{fffd}\u{fffd}x");
    }

    #[test]
    fn a_part_of_an_address_stays_one() {
        assert_eq!(part("web:a"), "web:a");
        assert_eq!(part("a&b=c#d?e%f+g/h i"), "a%26b%3Dc%23d%3Fe%25f%2Bg%2Fh%20i");
        assert_eq!(part("é<\">"), "%C3%A9%3C%22%3E");
    }

    #[test]
    fn output_is_made_readable() {
        assert_eq!(readable(b"\x1b[1;31mred\x1b[0m\x1b[2K\n"), "red\n");
        assert_eq!(readable(b"10 %\r20 %\r\nend"), "10 %\n20 %\nend");
        assert_eq!(readable(b"\xff\x00\x07ok\tx"), "\u{fffd}\u{fffd}\u{fffd}ok\tx");
        // Cut off in the middle, at the end and before something that does not belong to it.
        assert_eq!(readable(b"\x1b[3"), "");
        assert_eq!(readable(b"\x1b"), "\u{fffd}");
        assert_eq!(readable("\x1b[3é".as_bytes()), "é");
    }
}
