//! Files of an envdir: never a panic; what is accepted can stand in an environment. The input is a
//! file's content; up to its first NUL it is also the name of a file with the rest as content.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::LazyLock;

use superdaemon::start_server::environment::{parse_value, read_envdir};

/// Valid inputs, and some that nearly are.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"NAME\0value\n",
    b"KILL_OLD_DELAY\x005\nsecond line\n",
    b"BLANKS\0  two  ",
    b"EMPTY\0",
    b"LINE\0\n",
    b".hidden\0x",
    b"A=B\0x",
    b"NUL\0a\0b",
    b"\xff\0\xfe\r\n",
    b"..\0x",
    b"value",
];

static DIR: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = std::env::temp_dir().join(format!("superdaemon-envdir-body-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory to work in");
    dir
});

/// One input.
pub fn run(data: &[u8]) {
    value(data);
    let Some(end) = data.iter().position(|byte| *byte == 0) else { return };
    let (name, content) = (OsStr::from_bytes(&data[..end]), &data[end + 1..]);
    if name.is_empty() || name == "." || name == ".." || name.as_bytes().contains(&b'/') {
        return;
    }
    let file = DIR.join(name);
    // ENAMETOOLONG: there is no such file.
    if fs::write(&file, content).is_err() {
        return;
    }
    let read = read_envdir(&DIR);
    let written = fs::remove_file(&file);
    assert!(written.is_ok(), "{written:?}");
    let usable = !name.as_bytes().starts_with(b".") && !name.as_bytes().contains(&b'=');
    let wanted = value(content).filter(|_| usable).map(|value| (name.to_owned(), value));
    assert_eq!(read, BTreeMap::from_iter(wanted));
}

/// Removes the directory that [`run`] works in.
#[allow(dead_code, reason = "the fuzzer leaves one behind")]
pub fn clean_up() {
    let _ = fs::remove_dir_all(&*DIR);
}

fn value(content: &[u8]) -> Option<OsString> {
    let value = parse_value(content);
    match &value {
        Some(value) => {
            assert!(!value.as_bytes().contains(&0) && !value.as_bytes().contains(&b'\n'));
            assert!(content.starts_with(value.as_bytes()));
        }
        None => assert!(content.is_empty() || content.contains(&0)),
    }
    value
}
