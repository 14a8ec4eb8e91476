//! Signal names: never a panic; what is accepted is a signal that Linux has and is shown as a name
//! for the same one.

use sigpolicy::Signal;

/// Valid inputs, and some that nearly are.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"TERM",
    b"SIGTERM",
    b"sighup",
    b"15",
    b"064",
    b"CLD",
    b"RTMIN",
    b"RTMIN+3",
    b"SIGRTMAX-30",
    b"RTMIN+31",
    b"RTMAX-31",
    b"SIGSIGTERM",
    b"65",
    b"-1",
    b"",
];

/// One input.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match text.parse::<Signal>() {
        Ok(signal) => {
            assert!((1..=64).contains(&signal.as_raw()), "{text:?} gives {signal:?}");
            assert_eq!(signal.to_string().parse(), Ok(signal));
            assert_eq!(text.to_ascii_lowercase().parse(), Ok(signal));
            assert_eq!(Signal::from_raw(signal.as_raw()), Some(signal));
        }
        Err(error) => {
            assert_eq!(error.text(), text);
            assert!(!error.to_string().contains(char::is_control), "{error}");
        }
    }
}
