//! What every refusal has in common: one clear line, an exit code, and nothing changed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sandbox::{Launch, Sandbox, eventually};

/// A case in a table: its name, the options, the exit code, what the line must say.
pub type Case<'a> = (&'a str, &'a [&'a str], i32, &'a str);

/// Everything that a refused start could leave behind.
pub const FILES: [&str; 3] = ["--pid-file=new.pid", "--status-file=new.status", "--path=new.sock"];

/// Runs a program that must refuse: its one line is returned.
///
/// The directory of the sandbox and the processes in it must be as before. A log file is not
/// looked at, since it tells the refusal.
///
/// # Panics
/// When anything is different; the message begins with `name`.
pub fn refused(sandbox: &Sandbox, name: &str, launch: Launch, code: i32, says: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mark = format!("SUPERDAEMON_TEST_CASE={}.", NEXT.fetch_add(1, Ordering::Relaxed));
    let (variable, value) = mark.split_once('=').unwrap();
    let before = snapshot(sandbox);
    let finished = launch.env(variable, value).output();
    assert_eq!(finished.code, Some(code), "{name}: {finished:?}");
    assert_eq!(finished.stdout, "", "{name}: {finished:?}");
    let lines = complaints(&finished.stderr);
    assert_eq!(lines.len(), 1, "{name}: {finished:?}");
    assert!(lines[0].contains(says), "{name}: {says:?} in {finished:?}");
    is_clear(name, &lines[0]);
    // A look at all processes is not for nothing; a usage error makes none.
    if finished.stderr.lines().count() > lines.len() {
        eventually(&format!("{name}: no process is left"), || {
            let marked = |pid: &i32| {
                let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environ.split(|byte| *byte == 0).any(|text| text == mark.as_bytes())
            };
            (!sandbox.processes().iter().any(marked)).then_some(())
        });
    }
    assert_eq!(snapshot(sandbox), before, "{name}: left: after");
    lines[0].clone()
}

/// Each case with our start_server and a program that would run if nothing were wrong.
pub fn all_refused(sandbox: &Sandbox, files: &[&str], cases: &[Case<'_>]) {
    for (name, options, code, says) in cases {
        let launch = sandbox.start_server().args(files).args(*options).program(["true"]);
        refused(sandbox, name, launch, *code, says);
    }
}

/// The lines of standard error without those of a start.
pub fn complaints(stderr: &str) -> Vec<String> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let usual = |line: &str| {
        let begun = line.strip_prefix("start_server (pid:");
        let begun = begun.and_then(|rest| rest.strip_suffix(") starting now..."));
        begun.or_else(|| line.strip_prefix("starting new worker ")).is_some_and(number)
    };
    stderr.lines().filter(|line| !usual(line)).map(str::to_owned).collect()
}

/// A line for people: of bearable length, without control characters and without innards.
pub fn is_clear(name: &str, line: &str) {
    assert!((7..400).contains(&line.len()), "{name}: {line:?}");
    assert!(!line.contains(|c: char| c.is_control()), "{name}: {line:?}");
    for innards in ["panicked", "unwrap", "Some(", "Err(", "RUST_BACKTRACE", ".rs:"] {
        assert!(!line.contains(innards), "{name}: {line:?}");
    }
}

/// All entries of a sandbox with kind, owner, mode, identity and content.
pub fn snapshot(sandbox: &Sandbox) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let root = sandbox.path("");
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path == root.join("log") {
                continue;
            }
            let meta = path.symlink_metadata().unwrap();
            let kind = meta.file_type();
            let content = if kind.is_file() {
                format!("{:?}", String::from_utf8_lossy(&fs::read(&path).unwrap()))
            } else if kind.is_symlink() {
                format!("to {}", fs::read_link(&path).unwrap().display())
            } else {
                format!("socket {} fifo {}", kind.is_socket(), kind.is_fifo())
            };
            if kind.is_dir() {
                directories.push(path.clone());
            }
            let (owner, mode, inode) = (meta.uid(), meta.mode(), meta.ino());
            found.insert(path, format!("{owner} {mode:o} {inode} {content}"));
        }
    }
    found
}

/// A directory into which no ordinary user can write.
pub fn closed_directory(sandbox: &Sandbox, name: &str) {
    fs::DirBuilder::new().mode(0o555).create(sandbox.path(name)).unwrap();
}

const NOBODY: [&str; 7] =
    ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];

/// The launch as an ordinary user; `None` where that cannot be had, which is printed.
pub fn unprivileged(launch: Launch) -> Option<Launch> {
    if !rustix::process::geteuid().is_root() {
        return Some(launch);
    }
    let mut probe = Command::new(NOBODY[0]);
    probe.args(&NOBODY[1..]).args([env!("CARGO_BIN_EXE_start_server"), "--version"]);
    if probe.output().is_ok_and(|output| output.status.success()) {
        return Some(launch.through(NOBODY));
    }
    eprintln!("skipped: no setpriv, or nobody may not execute the program");
    None
}

/// Whether this process may mount in a namespace of its own; it is printed if not.
pub fn may_mount() -> bool {
    let line = "mount -t tmpfs none /mnt 2>/dev/null";
    let probe = Command::new("unshare").args(["-m", "sh", "-c", line]).output();
    let may = probe.is_ok_and(|output| output.status.success());
    if !may {
        eprintln!("skipped: no private mount is permitted here");
    }
    may
}

/// A word with these bytes.
pub fn bytes(bytes: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}
