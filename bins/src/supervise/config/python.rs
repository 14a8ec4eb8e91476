//! What Python means by a space, a number and the written form of a text: error texts and the
//! grammar of the file depend on it.

use std::fmt::Write as _;

/// How much of a text an error of `int()` repeats.
const SHOWN: usize = 200;

/// Whether `str.isspace()` and `\s` say so: Unicode's White_Space and the four separators of ASCII.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `str.strip()`.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `repr()` of a text: in single quotes unless it holds only these, with escapes for what cannot
/// be printed.
pub(crate) fn repr(text: &str) -> String {
    quoted(text, is_printable)
}

/// `ascii()` of a text: `repr()` with escapes for all that is not ASCII.
pub(crate) fn ascii(text: &str) -> String {
    quoted(text, |_| false)
}

fn quoted(text: &str, plain: impl Fn(char) -> bool) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push(quote);
    for c in text.chars() {
        match c {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if c == quote || c == '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c if !c.is_ascii() && plain(c) => out.push(c),
            c => escape(c, &mut out),
        }
    }
    out.push(quote);
    out
}

fn escape(c: char, out: &mut String) {
    let number = u32::from(c);
    // Writing to a String cannot fail.
    let _ = match number {
        0..=0xff => write!(out, "\\x{number:02x}"),
        0x100..=0xffff => write!(out, "\\u{number:04x}"),
        _ => write!(out, "\\U{number:08x}"),
    };
}

/// `str.isprintable()`. The standard library's table for `escape_debug` is made of the same
/// categories (other and separator, but for the blank); it escapes a mark that combines with what
/// is before it only at the head of a text.
fn is_printable(c: char) -> bool {
    let mut bytes = [0; 5];
    let Some((head, tail)) = bytes.split_first_mut() else { return false };
    *head = b'-';
    let length = c.encode_utf8(tail).len().saturating_add(1);
    let text = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.is_some_and(|text| text.escape_debug().nth(1) == Some(c))
}

/// `int(text)`: blanks around, a sign, single underscores between digits.
///
/// # Errors
/// Python's text when it is no number; ours when it does not fit 64 bits.
pub(crate) fn int(text: &str) -> Result<i64, String> {
    match digits(text, 10) {
        Some(Some(number)) => Ok(number),
        Some(None) => Err(format!("the number {} is too large", shown(text))),
        None => Err(format!("invalid literal for int() with base 10: {}", shown(text))),
    }
}

fn shown(text: &str) -> String {
    repr(text).chars().take(SHOWN).collect()
}

/// `int(text, base)`: `None` when it is no number, `Some(None)` when it does not fit 64 bits.
/// Of all the world's digits Python takes, these are the ASCII ones.
pub(crate) fn digits(text: &str, base: u32) -> Option<Option<i64>> {
    // Not `strip`: the separators of ASCII are no blanks here.
    let text = text.trim();
    let (minus, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let text = match base {
        8 => text.strip_prefix("0o").or_else(|| text.strip_prefix("0O")).map_or(text, |rest| {
            // One underscore may stand between prefix and digits.
            rest.strip_prefix('_').unwrap_or(rest)
        }),
        _ => text,
    };
    let mut number = Some(0_i64);
    let mut after_digit = false;
    for c in text.chars() {
        if c == '_' && after_digit {
            after_digit = false;
            continue;
        }
        let digit = i64::from(c.to_digit(base)?);
        // Counted on the side of the sign: there is one more number below zero than above.
        number = number.and_then(|number| number.checked_mul(i64::from(base))).and_then(|number| {
            if minus { number.checked_sub(digit) } else { number.checked_add(digit) }
        });
        after_digit = true;
    }
    after_digit.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_as_python_does() {
        for (text, written) in [
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", "\"it's\""),
            ("say \"hi\"", "'say \"hi\"'"),
            ("'\"", "'\\'\"'"),
            ("\\", "'\\\\'"),
            ("\t\n\r", "'\\t\\n\\r'"),
            ("\0\x1b\x7f", "'\\x00\\x1b\\x7f'"),
            ("é日\u{301}😀", "'é日\u{301}😀'"),
            ("\u{a0}\u{ad}", "'\\xa0\\xad'"),
            ("\u{2028}\u{feff}\u{e000}", "'\\u2028\\ufeff\\ue000'"),
            ("\u{e0001}\u{10ffff}", "'\\U000e0001\\U0010ffff'"),
        ] {
            assert_eq!(repr(text), written);
        }
        assert_eq!(ascii("é日😀'"), "\"\\xe9\\u65e5\\U0001f600'\"");
    }

    #[test]
    fn numbers_are_read_as_python_does() {
        for (text, number) in [
            ("0", 0),
            ("-1", -1),
            ("+5", 5),
            (" 3 ", 3),
            ("\t\n\u{b}3\u{c}\r", 3),
            ("\u{85}3\u{2003}", 3),
            ("1_000", 1000),
            ("007", 7),
            ("0_2", 2),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(int(text), Ok(number), "{text:?}");
        }
        for text in
            ["", " ", "-", "+ 1", "--1", "1.5", "1__0", "_1", "1_", "0x1", "1e3", "abc", "\u{1c}3"]
        {
            let error = format!("invalid literal for int() with base 10: {}", repr(text));
            assert_eq!(int(text), Err(error));
        }
        let large = "9223372036854775808";
        assert_eq!(int(large), Err(format!("the number '{large}' is too large")));
        let error = int(&"x".repeat(1000)).unwrap_err();
        assert_eq!(error, format!("invalid literal for int() with base 10: '{}", "x".repeat(199)));
    }

    #[test]
    fn octal_numbers_may_have_a_prefix() {
        for (text, number) in
            [("022", 18), ("22", 18), ("0o22", 18), ("0O22", 18), ("-0o_2", -2), (" +7 ", 7)]
        {
            assert_eq!(digits(text, 8), Some(Some(number)), "{text:?}");
        }
        for text in ["", "8", "0o", "0o__2", "o22", "_22", "0o2_", "0x2"] {
            assert_eq!(digits(text, 8), None, "{text:?}");
        }
    }

    #[test]
    fn blanks_are_those_of_unicode_and_four_more() {
        assert_eq!(strip("\u{1f}\u{a0}\u{3000}a\u{1c} b\u{85}\u{b}"), "a\u{1c} b");
        assert_eq!(strip("\u{200b}a\u{feff}"), "\u{200b}a\u{feff}");
    }
}
