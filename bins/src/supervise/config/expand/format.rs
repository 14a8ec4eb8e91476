//! One conversion of Python's `%` operator: flags, width and precision.

use super::super::python;
use super::Value;

/// No width and no precision goes beyond this. Python has no such limit, but no use for it either.
pub(super) const WIDEST: usize = 1_000_000;

/// What stands between `%` and the letter, and the letter.
#[derive(Copy, Clone, Debug)]
pub(super) struct Spec {
    /// `-`: blanks go to the right.
    pub(super) left: bool,
    /// `+`: a sign always.
    pub(super) sign: bool,
    /// A blank where a sign might be.
    pub(super) blank: bool,
    /// `#`: 0x, 0o, a decimal point always.
    pub(super) alternate: bool,
    /// `0`: filled with zeros.
    pub(super) zero: bool,
    pub(super) width: usize,
    pub(super) precision: Option<usize>,
    pub(super) letter: char,
}

impl Spec {
    /// Writes a value.
    pub(super) fn convert(&self, value: &Value) -> Result<String, String> {
        let letter = self.letter;
        match (letter, value) {
            ('s', Value::Text(text)) => Ok(self.text(text)),
            ('s' | 'r' | 'a', Value::Number(number)) => Ok(self.text(&number.to_string())),
            ('r', Value::Text(text)) => Ok(self.text(&python::repr(text))),
            ('a', Value::Text(text)) => Ok(self.text(&python::ascii(text))),
            ('d' | 'i' | 'u' | 'o' | 'x' | 'X', Value::Number(number)) => {
                Ok(self.signed(*number < 0, &self.integer(*number)))
            }
            ('e' | 'E' | 'f' | 'F' | 'g' | 'G', Value::Number(number)) => {
                Ok(self.signed(*number < 0, &self.real(*number)))
            }
            ('c', Value::Number(number)) => {
                let c = u32::try_from(*number).ok().and_then(char::from_u32);
                let c = c.ok_or("%c arg not in range(0x110000)")?;
                Ok(self.padded(c.to_string(), 1))
            }
            ('c', Value::Text(text)) => {
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(c), None) => Ok(self.padded(c.to_string(), 1)),
                    _ => Err(refusal(letter, "str")),
                }
            }
            _ => Err(refusal(letter, "str")),
        }
    }

    /// A text, cut at the precision.
    fn text(&self, text: &str) -> String {
        let text: String = text.chars().take(self.precision.unwrap_or(usize::MAX)).collect();
        let length = text.chars().count();
        self.padded(text, length)
    }

    /// Filled with blanks up to the width.
    fn padded(&self, text: String, length: usize) -> String {
        let fill = " ".repeat(self.width.saturating_sub(length));
        if self.left { text + &fill } else { fill + &text }
    }

    /// A number without its sign: sign, prefix and zeros put in their places.
    fn signed(&self, negative: bool, digits: &str) -> String {
        let sign = match (negative, self.sign, self.blank) {
            (true, _, _) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        let prefix = match self.letter {
            'o' if self.alternate => "0o",
            'x' if self.alternate => "0x",
            'X' if self.alternate => "0X",
            _ => "",
        };
        let length = sign.len().saturating_add(prefix.len()).saturating_add(digits.len());
        let zeros = if self.zero && !self.left { self.width.saturating_sub(length) } else { 0 };
        let text = format!("{sign}{prefix}{}{digits}", "0".repeat(zeros));
        self.padded(text, length.saturating_add(zeros))
    }

    /// The digits of an integer, as many as the precision at least.
    fn integer(&self, number: i64) -> String {
        let number = number.unsigned_abs();
        let digits = match self.letter {
            'o' => format!("{number:o}"),
            'x' => format!("{number:x}"),
            'X' => format!("{number:X}"),
            _ => number.to_string(),
        };
        let missing = self.precision.unwrap_or(0).saturating_sub(digits.len());
        "0".repeat(missing) + &digits
    }

    /// The digits of an integer that is written as a real number.
    fn real(&self, number: i64) -> String {
        let number = (number as f64).abs();
        let precision = self.precision.unwrap_or(6);
        let text = match self.letter {
            'f' | 'F' => self.pointed(&format!("{number:.0}"), &"0".repeat(precision)),
            'e' | 'E' => {
                let (first, rest, exponent) = scientific(number, precision);
                format!("{}e{exponent:+03}", self.pointed(&first, &rest))
            }
            _ => self.shortest(number, precision.max(1)),
        };
        if self.letter.is_ascii_uppercase() { text.to_ascii_uppercase() } else { text }
    }

    /// `%g`: so many digits, with an exponent only where they do not reach the point; zeros at
    /// the end are left out.
    fn shortest(&self, number: f64, precision: usize) -> String {
        let (first, rest, exponent) = scientific(number, precision.saturating_sub(1));
        let cut = |fraction: &str| {
            let kept = if self.alternate { fraction } else { fraction.trim_end_matches('0') };
            kept.to_owned()
        };
        if exponent >= precision {
            return format!("{}e{exponent:+03}", self.pointed(&first, &cut(&rest)));
        }
        let digits = first + &rest;
        let (whole, fraction) =
            digits.split_at_checked(exponent.saturating_add(1)).unwrap_or((&digits, ""));
        self.pointed(whole, &cut(fraction))
    }

    fn pointed(&self, whole: &str, fraction: &str) -> String {
        let point = if self.alternate || !fraction.is_empty() { "." } else { "" };
        format!("{whole}{point}{fraction}")
    }
}

/// First digit, so many further ones, and the exponent, which for an integer is never negative.
fn scientific(number: f64, further: usize) -> (String, String, usize) {
    // An integer of 64 bits as a double has no digits beyond these.
    let text = format!("{number:.*e}", further.min(20));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let missing = further.saturating_sub(rest.len());
    (first.to_owned(), rest.to_owned() + &"0".repeat(missing), exponent.parse().unwrap_or(0))
}

/// Why a letter is not for a value that is no number.
pub(super) fn refusal(letter: char, kind: &str) -> String {
    match letter {
        'c' => "%c requires int or char".to_owned(),
        'd' | 'i' | 'u' => format!("%{letter} format: a real number is required, not {kind}"),
        'o' | 'x' | 'X' => format!("%{letter} format: an integer is required, not {kind}"),
        _ => format!("must be real number, not {kind}"),
    }
}
