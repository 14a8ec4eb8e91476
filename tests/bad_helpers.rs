//! `--stop`, `--restart` and `--status` with a pid file that names no server: nobody is signalled.

use std::fs::{self, File};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};
use sigpolicy::Signal;

use crate::bad_case::{closed_directory, refused, unprivileged};
use crate::sandbox::{Sandbox, Server, ask, eventually};

const HELPERS: [&str; 3] = ["--stop", "--restart", "--status"];

/// A process that tells of each signal it gets.
struct Bystander(Server);

impl Bystander {
    fn start(sandbox: &Sandbox) -> Self {
        let told = ["HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "TERM"];
        let steps: String = told.iter().map(|name| format!("on {name} say got {name}\n")).collect();
        let script = sandbox.script("bystander", &format!("{steps}on WINCH say asked\nsay up"));
        let bystander = sandbox.run(crate::sandbox::puppet()).arg(script).spawn();
        bystander.wait_line("up");
        Self(bystander)
    }

    /// It lives, and got no signal but ours; the kernel delivers lower numbers first.
    fn is_undisturbed(&mut self, name: &str) {
        assert!(self.0.alive(), "{name}: {}", self.0.transcript());
        self.0.signal(Signal::WINCH);
        self.0.wait_line("asked");
        assert_eq!(self.0.count("got "), 0, "{name}: {}", self.0.transcript());
    }
}

fn helper(sandbox: &Sandbox, option: &str, pid_file: &str) -> crate::sandbox::Launch {
    let files = [format!("--pid-file={pid_file}"), "--status-file=status".to_owned()];
    sandbox.start_server().arg(option).args(files)
}

#[test]
fn bad_pid_files_of_helpers() {
    let sandbox = Sandbox::new("bad-pid-files");
    fs::create_dir(sandbox.path("directory")).unwrap();
    assert!(Command::new("mkfifo").arg(sandbox.path("fifo")).status().unwrap().success());
    let contents: &[(&str, &[u8])] = &[
        ("empty", b""),
        ("newline", b"\n"),
        ("word", b"garbage\n"),
        ("bytes", b"\xff\xfe\n"),
        ("zero", b"0\n"),
        ("negative", b"-1\n"),
        ("all", b"-0\n"),
        ("fraction", b"1.5\n"),
        ("huge", b"99999999999999999999\n"),
        ("wrapping", b"4294967297\n"),
        ("late", b"\n\n1\n"),
        ("list", b"1 2 3\n"),
    ];
    for (name, content) in contents {
        sandbox.write(name, content);
    }
    sandbox.write("stale", "999999999\n");
    // Large, and nothing in it ends a line.
    sandbox.write("large", vec![b'1'; 1 << 20]);
    for option in HELPERS {
        for name in contents.iter().map(|(name, _)| *name).chain(["large", "fifo"]) {
            let says = if name == "bytes" { "bytes" } else { "holds no pid" };
            let launch = helper(&sandbox, option, name);
            refused(&sandbox, &format!("{option} {name}"), launch, 255, says);
        }
        let cases = [
            ("missing", 2, "failed to open file:missing: No such file or directory"),
            ("no/pid", 2, "failed to open file:no/pid: No such file or directory"),
            ("directory", 21, "failed to open file:directory: Is a directory"),
            ("word/pid", 20, "failed to open file:word/pid: Not a directory"),
            ("stale", 3, "No such process"),
        ];
        for (name, code, says) in cases {
            let launch = helper(&sandbox, option, name);
            refused(&sandbox, &format!("{option} {name}"), launch, code, says);
        }
    }
}

#[test]
fn bad_pid_file_that_names_a_stranger() {
    let sandbox = Sandbox::new("bad-stranger");
    let mut bystander = Bystander::start(&sandbox);
    sandbox.write("pid", format!("{}\n", bystander.0.pid()));
    for option in HELPERS {
        let line = refused(&sandbox, option, helper(&sandbox, option, "pid"), 3, "No such process");
        assert!(line.contains("stale") && line.contains("pid"), "{line}");
        bystander.is_undisturbed(option);
    }
    sandbox.write("pid", "1\n");
    for option in HELPERS {
        refused(&sandbox, option, helper(&sandbox, option, "pid"), 3, "No such process");
    }
}

/// A server locks a stale file a moment before it writes its pid.
#[test]
fn bad_pid_file_that_names_a_stranger_and_is_held() {
    let sandbox = Sandbox::new("bad-held-stranger");
    let mut bystander = Bystander::start(&sandbox);
    let path = sandbox.write("pid", format!("{}\n", bystander.0.pid()));
    let holder = File::open(path).unwrap();
    flock(&holder, FlockOperation::NonBlockingLockExclusive).unwrap();
    for option in HELPERS {
        let launch = helper(&sandbox, option, "pid").arg("--restart-timeout=1");
        refused(&sandbox, option, launch, 3, "is held by another process");
        bystander.is_undisturbed(option);
    }
}

#[test]
fn bad_status_files_of_helpers() {
    let sandbox = Sandbox::new("bad-status-files");
    sandbox.write("garbage", "no status\n::\n1:\n:1\n-1:2\n");
    fs::create_dir(sandbox.path("directory")).unwrap();
    let only = |file: &str| sandbox.start_server().args(["--status", "--status-file", file]);
    refused(&sandbox, "missing", only("missing"), 2, "failed to open file:missing: No such file");
    refused(&sandbox, "directory", only("directory"), 21, "failed to open file:directory: Is a");
    let garbage = only("garbage").output();
    assert!(matches!(garbage.code, Some(0..=3 | 255)), "{garbage:?}");
    assert!(!garbage.stderr.contains("panicked"), "{garbage:?}");
}

/// A pid file alone starts no trouble: the server takes it over, whatever it holds.
#[test]
fn bad_contents_of_a_pid_file_are_replaced_by_the_server() {
    let sandbox = Sandbox::new("bad-taken-over");
    let mut bystander = Bystander::start(&sandbox);
    let script = sandbox.script("worker", "on TERM exit 0\nsay up");
    let strange = format!("{}\nand more that is longer than any pid\n", bystander.0.pid());
    for content in ["", "garbage", "-1\n", "999999999\n", &strange] {
        sandbox.write("pid", content);
        let launch = sandbox.start_server().args(["--interval=0", "--pid-file=pid"]);
        let mut server = launch.worker(&script).spawn();
        server.wait_line("up");
        assert_eq!(sandbox.read("pid"), format!("{}\n", server.pid()), "{content}");
        let stop = sandbox.start_server().args(["--stop", "--pid-file=pid"]).output();
        assert_eq!(stop.code, Some(0), "{content}: {stop:?}");
        assert_eq!(server.wait_exit().code(), Some(0), "{content}");
        assert!(!sandbox.exists("pid"), "{content}");
        bystander.is_undisturbed(content);
    }
}

/// Somebody who may read the file but not signal the server is told so.
#[test]
fn bad_rights_of_helpers() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs two users");
        return;
    }
    let sandbox = Sandbox::new("bad-helper-rights");
    closed_directory(&sandbox, "closed");
    let script = sandbox.script("worker", "on TERM exit 0\nserve\nsay up $GEN $PID");
    let options = ["--interval=0", "--pid-file=pid", "--status-file=status", "--path=sock"];
    let mut server = sandbox.start_server().args(options).worker(script).spawn();
    server.wait_line("up 1 ");
    eventually("the status file", || sandbox.exists("status").then_some(()));
    for option in &HELPERS[..2] {
        let Some(launch) = unprivileged(helper(&sandbox, option, "pid")) else { return };
        let finished = launch.output();
        assert_eq!(finished.code, Some(1), "{option}: {finished:?}");
        let last = finished.stderr.lines().last().unwrap_or_default();
        assert!(last.contains("not permitted"), "{option}: {finished:?}");
    }
    // What the files tell, everybody may know.
    let Some(launch) = unprivileged(helper(&sandbox, "--status", "pid")) else { return };
    let status = launch.output();
    assert_eq!((status.code, status.stderr.as_str()), (Some(0), ""), "{status:?}");
    assert!(status.stdout.contains(&server.pid().to_string()), "{status:?}");
    assert!(ask(&sandbox.path("sock")).is_ok_and(|answer| answer.starts_with("1 ")));
    server.stop();
    assert_eq!(server.count("received HUP"), 0);
    assert_eq!(server.count("received TERM"), 1);
}
