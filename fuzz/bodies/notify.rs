//! Datagrams on NOTIFY_SOCKET: never a panic; the status is one clean line, numbers are in range,
//! and two datagrams joined say what both say.

use fdpass::notify::{Message, parse};

/// Valid inputs, and some that nearly are.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"READY=1",
    b"READY=1\nSTATUS=Serving 3 clients\n",
    b"RELOADING=1\nMONOTONIC_USEC=18446744073709551615",
    b"STOPPING=1\nSTATUS=draining\nERRNO=2",
    b"WATCHDOG=1\nWATCHDOG=trigger\nWATCHDOG_USEC=20",
    b"MAINPID=4711\nEXTEND_TIMEOUT_USEC=1500000\nBARRIER=1",
    b"MAINPID=0\nMAINPID=-5\nERRNO=-1",
    b"STATUS=tw\to\x1b[31m\xff\r\n",
    b"=1\n==\n\nREADY=",
];

/// One input.
pub fn run(data: &[u8]) {
    let whole = check(data);
    let cut = data.iter().rposition(|byte| *byte == b'\n').unwrap_or(data.len());
    let (first, second) = data.split_at(cut);
    let (first, second) = (check(first), check(second));
    assert_eq!(whole.ready, first.ready || second.ready);
    assert_eq!(whole.stopping, first.stopping || second.stopping);
    assert_eq!(whole.watchdog, first.watchdog || second.watchdog);
    assert_eq!(whole.status, second.status.or(first.status));
    assert_eq!(whole.mainpid, second.mainpid.or(first.mainpid));
    assert_eq!(whole.extend_timeout, second.extend_timeout.or(first.extend_timeout));
}

fn check(datagram: &[u8]) -> Message {
    let message = parse(datagram);
    assert!(message.status.iter().all(|status| !status.contains(char::is_control)), "{message:?}");
    assert!(message.mainpid.is_none_or(|pid| pid > 0), "{message:?}");
    assert!(message.errno.is_none_or(|errno| errno >= 0), "{message:?}");
    message
}
