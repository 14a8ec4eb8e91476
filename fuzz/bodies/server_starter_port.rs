//! SERVER_STARTER_PORT and einhorn's variables: never a panic; what is accepted has each descriptor
//! once and is written again as it was read.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use fdpass::wire;

/// Valid inputs, and some that nearly are.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"",
    b"8080=3",
    b"8080=3;127.0.0.1:443=4;[::1]:80=5",
    b"/run/app.sock=4",
    b"/a=b=5",
    b"8080=3;8080=3",
    b"8080=1048575;u=1048576",
    b"8080=",
    b"=3",
    b"8080=3;",
    b"3 4 5",
    b"3 3",
    b"2",
];

/// One input.
pub fn run(data: &[u8]) {
    let value = OsStr::from_bytes(data);
    match wire::parse_server_starter(value) {
        Ok(entries) => {
            once(&entries);
            // An environment variable holds no NUL; the writer leaves such names out.
            if !data.contains(&0) {
                let pairs: Vec<_> = entries.iter().map(|e| (e.name.as_os_str(), e.fd)).collect();
                let again = wire::parse_server_starter(&wire::encode_server_starter(&pairs));
                assert_eq!(again, Ok(entries));
            }
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error}"),
    }
    if let Ok(entries) = wire::parse_einhorn_fds(value) {
        once(&entries);
    }
    let mut words = data.split(|byte| *byte == b' ').map(|word| OsStr::from_bytes(word).to_owned());
    let count = words.next().unwrap_or_default();
    if let Ok(entries) = wire::parse_einhorn_count(&count, |_| words.next()) {
        once(&entries);
    }
}

fn once(entries: &[wire::Entry]) {
    for (index, entry) in entries.iter().enumerate() {
        assert!(entries[..index].iter().all(|earlier| earlier.fd != entry.fd), "{entries:?}");
    }
}
