//! LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES, taken from the input line by line: never a panic; what
//! is accepted is numbered from 3 without a gap.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use fdpass::wire;

const OWN_PID: u32 = 42;

/// Valid inputs, and some that nearly are.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"1",
    b"2\n42\nweb:admin",
    b"1\n42\n",
    b"0\n42\n",
    b"3\n\na:b:c",
    b"2\n43\nweb:admin",
    b"2\n42\nweb",
    b"1048573\n42\nweb",
    b"1048574",
    b"-1",
    b"+1\n+42",
];

/// One input.
pub fn run(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n').map(OsStr::from_bytes);
    let fds = lines.next().unwrap_or_default();
    let (pid, mut names) = (lines.next(), lines.next());
    // A million unnamed sockets are allowed and only cost time here.
    if fds.len() > 4 {
        names = names.or(Some(OsStr::new("")));
    }
    match wire::parse_listen_fds(fds, pid, names, OWN_PID) {
        Ok(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                assert_eq!(usize::try_from(entry.fd), Ok(index + 3));
            }
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error}"),
    }
}
