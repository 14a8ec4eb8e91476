//! What a notification says (PURE).

use std::time::Duration;

use crate::text::decimal;

/// One notification, understood. Unknown and malformed assignments are ignored, as sd_notify(3)
/// wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// `READY=1`: start-up, or reloading, is complete.
    pub ready: bool,
    /// `RELOADING=1`: the configuration is being read again; `READY=1` follows.
    pub reloading: bool,
    /// `STOPPING=1`: shutting down.
    pub stopping: bool,
    /// `WATCHDOG=1`: still alive.
    pub watchdog: bool,
    /// `WATCHDOG=trigger`: the service itself says that it is stuck.
    pub watchdog_trigger: bool,
    /// `BARRIER=1`: the sender waits until the descriptor it passed is closed, which the receiver
    /// does as it reads the message.
    pub barrier: bool,
    /// `STATUS=`: one line on what the service does; control characters are replaced by blanks,
    /// bytes that are not UTF-8 by U+FFFD.
    pub status: Option<String>,
    /// `ERRNO=`: the error number a failing service gives.
    pub errno: Option<i32>,
    /// `MAINPID=`: the process id that the service says is its main one; above 0. Whether to
    /// believe it is for the receiver to decide.
    pub mainpid: Option<i32>,
    /// `EXTEND_TIMEOUT_USEC=`: how much more time is needed, from now on.
    pub extend_timeout: Option<Duration>,
    /// `WATCHDOG_USEC=`: the new interval of the watchdog.
    pub watchdog_interval: Option<Duration>,
    /// `MONOTONIC_USEC=`: CLOCK_MONOTONIC when the message was made.
    pub monotonic: Option<Duration>,
}

/// Reads a datagram of newline-separated assignments. Never fails; of repeated assignments the last
/// counts, flags stay set.
///
/// ```
/// let message = fdpass::notify::parse(b"READY=1\nSTATUS=Serving 3 clients\nX_OWN=7\n");
/// assert!(message.ready);
/// assert_eq!(message.status.as_deref(), Some("Serving 3 clients"));
/// ```
#[must_use]
pub fn parse(datagram: &[u8]) -> Message {
    let mut message = Message::default();
    for line in datagram.split(|byte| *byte == b'\n') {
        let mut halves = line.splitn(2, |byte| *byte == b'=');
        if let (Some(key), Some(value)) = (halves.next(), halves.next()) {
            assign(&mut message, key, value);
        }
    }
    message
}

fn assign(message: &mut Message, key: &[u8], value: &[u8]) {
    let set = value == b"1";
    match key {
        b"READY" => message.ready |= set,
        b"RELOADING" => message.reloading |= set,
        b"STOPPING" => message.stopping |= set,
        b"BARRIER" => message.barrier |= set,
        b"WATCHDOG" => {
            message.watchdog |= set;
            message.watchdog_trigger |= value == b"trigger";
        }
        b"STATUS" => message.status = Some(line(value)),
        b"ERRNO" => message.errno = decimal(value).or(message.errno),
        b"MAINPID" => {
            message.mainpid = decimal(value).filter(|pid| *pid > 0).or(message.mainpid);
        }
        b"EXTEND_TIMEOUT_USEC" => message.extend_timeout = usec(value).or(message.extend_timeout),
        b"WATCHDOG_USEC" => message.watchdog_interval = usec(value).or(message.watchdog_interval),
        b"MONOTONIC_USEC" => message.monotonic = usec(value).or(message.monotonic),
        _ => {}
    }
}

fn usec(value: &[u8]) -> Option<Duration> {
    decimal(value).map(Duration::from_micros)
}

fn line(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let text = text.trim_end_matches(char::is_control);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_assignment() {
        let message = parse(
            b"READY=1\nRELOADING=1\nSTOPPING=1\nWATCHDOG=1\nWATCHDOG=trigger\nBARRIER=1\n\
              STATUS=a=b c\nERRNO=2\nMAINPID=4711\nEXTEND_TIMEOUT_USEC=1500000\n\
              WATCHDOG_USEC=20\nMONOTONIC_USEC=18446744073709551615",
        );
        let wanted = Message {
            ready: true,
            reloading: true,
            stopping: true,
            watchdog: true,
            watchdog_trigger: true,
            barrier: true,
            status: Some("a=b c".to_owned()),
            errno: Some(2),
            mainpid: Some(4711),
            extend_timeout: Some(Duration::from_millis(1500)),
            watchdog_interval: Some(Duration::from_micros(20)),
            monotonic: Some(Duration::from_micros(u64::MAX)),
        };
        assert_eq!(message, wanted);
    }

    #[test]
    fn nonsense_is_ignored() {
        for text in [
            &b""[..],
            b"READY",
            b"READY=",
            b"READY=0",
            b"READY=11",
            b" READY=1",
            b"ready=1",
            b"READY=1\0",
            b"ERRNO=-1\nERRNO=x\nMAINPID=0\nMAINPID=-5\nMAINPID=99999999999",
            b"EXTEND_TIMEOUT_USEC=18446744073709551616\nWATCHDOG_USEC=1.5",
            b"FDSTORE=1\nFDNAME=x\n=1\n==\n\n\xff=1",
        ] {
            assert_eq!(parse(text), Message::default(), "{text:?}");
        }
    }

    #[test]
    fn status_is_one_clean_line_and_the_last_counts() {
        let message = parse(b"STATUS=one\nSTATUS=tw\to\x1b[31m\xff\r\n\nERRNO=5\nERRNO=x");
        assert_eq!(message.status.as_deref(), Some("tw o [31m\u{fffd}"));
        assert_eq!(message.errno, Some(5));
        assert_eq!(parse(b"STATUS=").status.as_deref(), Some(""));
    }
}
