//! What the tests with real peers share: is the peer there, how often HUP, the example worker.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sigpolicy::Signal;

use crate::peers_load::Load;
use crate::sandbox::{Server, build, eventually};

/// Whether a peer is there. In CI, which installs them all, a missing one is a failure.
pub fn installed(package: &str, present: bool) -> bool {
    if !present {
        let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!ci, "{package} is not installed");
        eprintln!("skipped: {package} is not installed");
    }
    present
}

/// Whether there is such a program along PATH.
pub fn program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| {
        let metadata = dir.join(name).metadata();
        metadata.is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

/// Whether perl finds these modules.
pub fn perl_modules(modules: &[&str]) -> bool {
    let words = modules.iter().map(|module| format!("-M{module}"));
    let output = Command::new("perl").args(words).args(["-e", "1"]).output();
    output.is_ok_and(|output| output.status.success())
}

/// Debian's interpreter rather than what comes first in PATH, which may be a slow shim.
pub fn python() -> &'static str {
    if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" }
}

/// How many restarts a test under load makes: `SUPERDAEMON_HUPS` (50 for a full run, which lasts
/// some minutes with servers that are not ready before `--interval=1` is over), or few.
pub fn hups(few: u32) -> u32 {
    match std::env::var("SUPERDAEMON_HUPS") {
        Ok(text) => text.parse().expect("SUPERDAEMON_HUPS is a number"),
        Err(_) => few,
    }
}

/// An example worker of the repository; the Rust one is built once, in the profile of the server.
pub fn example(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    if name != "http_worker" {
        return package.parent().unwrap().join("examples").join(name);
    }
    let build = || build(&["-p", "superdaemon", "--example", name]).join("examples").join(name);
    BUILT.get_or_init(build).clone()
}

/// Answers that each generation gives at least before it is replaced.
const ANSWERS: u64 = 100;

/// Restarts `count` times under load, each time when the former restart is over: the new generation
/// serves the clients, and the old one has gone.
pub fn restart_under_load(server: &Server, load: &Load, count: u32) {
    let serves = || load.newest().filter(|(_, answers)| *answers >= ANSWERS);
    let (mut newest, _) = eventually("the first answers", serves);
    for _ in 0..count {
        newest += 1;
        server.signal(Signal::HUP);
        server.wait_lines(&["starting new worker", "new worker is now running", "old worker "]);
        let generation = || serves().filter(|(generation, _)| *generation == newest);
        eventually("the new generation's answers", generation);
    }
}
