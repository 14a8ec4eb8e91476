//! The numbers that options take.

use std::time::Duration;

/// The longest time an option can ask for, about 136 years; longer ones are cut to it, so that
/// sums of a few of them cannot overflow.
pub const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);

/// A whole number of seconds as a time: negative counts as none, see also [`LONGEST`].
#[must_use]
pub fn whole_seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(LONGEST)
}

/// An integer as Getopt::Long takes it for `=i`: a sign, then digits with underscores anywhere
/// among them but not all underscores, then perhaps one newline (Perl's `$` matches before it).
/// One that does not fit becomes the nearest that does.
pub(super) fn integer(text: &str) -> Option<i64> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let (negative, body) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits: String = body.chars().filter(|&c| c != '_').collect();
    if !all_digits(&digits) {
        return None;
    }
    // Negated while reading: the range is larger on that side.
    let value = digits.bytes().fold(0_i64, |sum, digit| {
        let digit = i64::from(digit.saturating_sub(b'0'));
        let sum = sum.saturating_mul(10);
        if negative { sum.saturating_sub(digit) } else { sum.saturating_add(digit) }
    });
    Some(value)
}

/// A time in seconds from 0, with or without a decimal fraction: `10`, `0.5`, `.5`.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !(all_digits(whole) || whole.is_empty() && !fraction.is_empty()) {
        return None;
    }
    if !(fraction.is_empty() || all_digits(fraction)) {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(u64::MAX) };
    let nanos =
        fraction.bytes().chain(std::iter::repeat(b'0')).take(9).fold(0_u32, |sum, d| {
            sum.saturating_mul(10).saturating_add(d.saturating_sub(b'0').into())
        });
    Some(Duration::new(whole.min(LONGEST.as_secs()), nanos).min(LONGEST))
}

/// A whole number from 0; one that does not fit becomes the largest.
pub(super) fn count(text: &str) -> Option<u32> {
    let text = text.strip_prefix('+').unwrap_or(text);
    all_digits(text).then(|| text.parse().unwrap_or(u32::MAX))
}

/// The permission bits of a file in octal: `0660`, `777`.
pub(super) fn mode(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|c| matches!(c, b'0'..=b'7')) {
        return None;
    }
    u32::from_str_radix(text, 8).ok().filter(|&mode| mode <= 0o777)
}

/// Bytes: a whole number from 0, perhaps with one of K, M, G and T, in any case, for powers of 1024.
/// One that does not fit becomes the largest.
pub(super) fn size(text: &str) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.strip_prefix(digits)?.to_ascii_uppercase().as_str() {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    let number: u64 = all_digits(digits).then(|| digits.parse().unwrap_or(u64::MAX))?;
    Some(number.saturating_mul(unit))
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_those_of_getopt_long() {
        for (text, value) in [
            ("0", 0),
            ("007", 7),
            ("+5", 5),
            ("-5", -5),
            ("1_000", 1000),
            ("_1_", 1),
            ("-_1", -1),
            ("5\n", 5),
            ("9223372036854775807", i64::MAX),
            ("99999999999999999999", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("-99999999999999999999", i64::MIN),
        ] {
            assert_eq!(integer(text), Some(value), "{text:?}");
        }
        for text in
            ["", "_", "+", "-", "--5", "+-5", " 5", "5 ", "1.5", "0x10", "1e3", "5\n\n", "_+5", "٣"]
        {
            assert_eq!(integer(text), None, "{text:?}");
        }
    }

    #[test]
    fn seconds_may_have_a_fraction() {
        for (text, millis) in [
            ("0", 0),
            ("10", 10_000),
            ("+10", 10_000),
            ("0.5", 500),
            (".25", 250),
            ("3.", 3_000),
            ("1.0009999", 1_000),
        ] {
            assert_eq!(seconds(text).map(|d| d.as_millis()), Some(millis), "{text:?}");
        }
        assert_eq!(seconds("0.123456789999"), Some(Duration::from_nanos(123_456_789)));
        assert_eq!(seconds("4294967295.5"), Some(LONGEST));
        assert_eq!(seconds("99999999999999999999999"), Some(LONGEST));
        for text in ["", ".", "-1", "-0", "1.5.2", "1e3", "1s", " 1", "inf", "NaN", "1_0", "0x1"] {
            assert_eq!(seconds(text), None, "{text:?}");
        }
        assert_eq!(whole_seconds(-3), Duration::ZERO);
        assert_eq!(whole_seconds(7), Duration::from_secs(7));
        assert_eq!(whole_seconds(i64::MAX), LONGEST);
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("+4k", 4096),
            ("512M", 536_870_912),
            ("2g", 2_147_483_648),
            ("1T", 1_099_511_627_776),
            ("99999999999999999999", u64::MAX),
            ("99999999999T", u64::MAX),
        ] {
            assert_eq!(size(text), Some(bytes), "{text:?}");
        }
        for text in ["", "M", "1.5G", "-1M", "1 M", "1MB", "1Kk", "1P", "0x1", "1m1", "٣"] {
            assert_eq!(size(text), None, "{text:?}");
        }
    }

    #[test]
    fn counts_and_modes() {
        assert_eq!(count("12"), Some(12));
        assert_eq!(count("99999999999"), Some(u32::MAX));
        for text in ["", "-1", "1.0", "x", "+"] {
            assert_eq!(count(text), None, "{text:?}");
        }
        assert_eq!(mode("0660"), Some(0o660));
        assert_eq!(mode("777"), Some(0o777));
        assert_eq!(mode("0"), Some(0));
        for text in ["", "8", "0o660", "1777", "-1", "rw", "00000000000000000000000777777"] {
            assert_eq!(mode(text), None, "{text:?}");
        }
    }
}
