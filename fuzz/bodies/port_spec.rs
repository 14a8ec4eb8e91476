//! Port and path specifications: never a panic; what is accepted displays as text that is accepted
//! as the same, and has a name that SERVER_STARTER_PORT carries.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use fdpass::{ListenSpec, wire};

/// Valid inputs, and some that nearly are.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"8080",
    b"0",
    b"65535",
    b"u53",
    b"127.0.0.1:80",
    b"127.0.0.1:80=5",
    b"u127.0.0.1:53=7",
    b"[::1]:80",
    b"u[::1]:80=1048575",
    b"[fe80::1%lo]:443",
    b"localhost:8080",
    b"/run/app.sock",
    b"./app.sock=4",
    b"@abstract",
    b"=",
    b":",
    b"[]:1",
];

/// One input.
pub fn run(data: &[u8]) {
    let mut specs = vec![ListenSpec::from_path(OsStr::from_bytes(data))];
    if let Ok(text) = std::str::from_utf8(data) {
        specs.push(ListenSpec::from_port(text));
        specs.push(text.parse());
    }
    for spec in specs {
        match spec {
            Ok(spec) => accepted(&spec),
            Err(error) => assert!(!error.to_string().contains(char::is_control), "{error}"),
        }
    }
}

fn accepted(spec: &ListenSpec) {
    let name = spec.name();
    let entries = wire::parse_server_starter(&wire::encode_server_starter(&[(&name, 7)]))
        .expect("a name that the variable carries");
    assert_eq!(entries, [wire::Entry { name: name.clone(), fd: 7 }]);
    if name.to_str().is_some() {
        assert_eq!(spec.to_string().parse().as_ref(), Ok(spec));
    }
}
