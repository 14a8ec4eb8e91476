//! Pid file, status file and log that cannot be written; a pid file that somebody holds.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::process::Command;

use rustix::fs::{FlockOperation, flock};
use sigpolicy::Signal;

use crate::bad_case::{
    Case, FILES, all_refused, closed_directory, complaints, may_mount, refused, snapshot,
    unprivileged,
};
use crate::sandbox::{Launch, Sandbox, ask, eventually};

#[test]
fn bad_places_for_files() {
    let sandbox = Sandbox::new("bad-places");
    sandbox.write("file", "content");
    fs::create_dir(sandbox.path("directory")).unwrap();
    assert!(Command::new("mkfifo").arg(sandbox.path("fifo")).status().unwrap().success());
    let long = "x".repeat(300);
    let (pid, status, log) = ("--pid-file", "--status-file", "--log-file");
    let cases: &[Case<'_>] = &[
        ("pid, missing directory", &[pid, "no/pid"], 2, "failed to open file:no/pid: No such"),
        ("pid, directory", &[pid, "directory"], 21, "failed to open file:directory: Is a dir"),
        ("pid, below a file", &[pid, "file/x"], 20, "failed to open file:file/x: Not a dir"),
        ("pid, FIFO", &[pid, "fifo"], 22, "the pid file is not a regular file:fifo"),
        ("pid, device", &[pid, "/dev/null"], 22, "the pid file is not a regular file:/dev/null"),
        ("pid, name too long", &[pid, &long], 36, "File name too long"),
        ("status, missing directory", &[status, "no/st"], 2, "file:no/st."),
        ("status, directory", &[status, "directory"], 21, "the status file is a directory"),
        ("status, below a file", &[status, "file/x"], 20, "Not a directory"),
        ("status, FIFO", &[status, "fifo"], 22, "the status file is not a regular file:fifo"),
        ("status, name too long", &[status, &long], 36, "File name too long"),
        ("log, missing directory", &[log, "no/log"], 2, "failed to open log file:no/log: No"),
        ("log, directory", &[log, "directory"], 21, "failed to open log file:directory: Is a"),
        ("log, below a file", &[log, "file/x"], 20, "failed to open log file:file/x: Not a"),
        ("log, name too long", &[log, &long], 36, "File name too long"),
        ("empty pid", &["--pid-file="], 1, "Option pid-file requires an argument"),
        ("empty status", &["--status-file="], 1, "Option status-file requires an argument"),
        ("empty log", &["--log-file="], 1, "Option log-file requires an argument"),
    ];
    all_refused(&sandbox, &["--path=new.sock", "--interval=0"], cases);
}

#[test]
fn bad_rights_for_files() {
    let sandbox = Sandbox::new("bad-file-rights");
    closed_directory(&sandbox, "closed");
    let cases = [
        ("--pid-file=closed/pid", "failed to open file:closed/pid: Permission denied"),
        ("--status-file=closed/status", "file:closed/status."),
        ("--log-file=closed/log", "failed to open log file:closed/log: Permission denied"),
    ];
    for (option, says) in cases {
        let Some(launch) = unprivileged(sandbox.start_server().arg(option).program(["true"]))
        else {
            return;
        };
        let line = refused(&sandbox, option, launch, 13, says);
        assert!(line.contains("Permission denied"), "{line}");
    }
}

#[test]
fn bad_log_commands() {
    let sandbox = Sandbox::new("bad-logger");
    sandbox.write("plain", "#!/bin/sh\ncat\n");
    fs::create_dir(sandbox.path("directory")).unwrap();
    let cases: &[Case<'_>] = &[
        ("missing", &["--log-file=|no-such-logger -x"], 2, "open pipe:no-such-logger -x: No such"),
        ("missing path", &["--log-file=| ./no-such-logger"], 2, "open pipe:./no-such-logger: No"),
        ("not executable", &["--log-file=|./plain"], 13, "open pipe:./plain: Permission denied"),
        ("directory", &["--log-file=|./directory"], 13, "open pipe:./directory: Permission denied"),
    ];
    all_refused(&sandbox, &FILES, cases);
}

/// What the shell is asked to run is the shell's matter: it says so, and the server serves.
#[test]
fn bad_log_commands_of_the_shell() {
    let sandbox = Sandbox::new("bad-shell-logger");
    let script = sandbox.script("worker", "on TERM exit 0\nserve\nready");
    let launch = sandbox.start_server().args(FILES).arg("--log-file=|no-such-logger >&2; exit 9");
    let mut server = launch.worker(script).spawn();
    server.wait_line("no-such-logger");
    let first = eventually("an answer", || ask(&sandbox.path("new.sock")).ok());
    // It is tried again, and nobody is disturbed by that.
    server.wait_line("no-such-logger");
    assert_eq!(ask(&sandbox.path("new.sock")).unwrap(), first);
    server.stop();
    assert_eq!(sandbox.names(), ["worker"]);
}

#[test]
fn bad_pid_file_that_another_server_holds() {
    let sandbox = Sandbox::new("bad-held");
    let script = sandbox.script("worker", "on TERM exit 0\nserve\nsay up $GEN $PID");
    let launch = sandbox.start_server().args(["--interval=0", "--pid-file=pid", "--path=sock"]);
    let mut server = launch.worker(&script).spawn();
    server.wait_line("up 1 ");
    let says = format!("the pid file pid is held by process {}: ", server.pid());
    for options in [&["--path=new.sock"][..], &["--path=sock"], &["--daemonize", "--log-file=log"]]
    {
        let launch = sandbox.start_server().arg("--pid-file=pid").args(options);
        refused(&sandbox, &format!("{options:?}"), launch.program(["true"]), 11, &says);
        assert_eq!(sandbox.read("pid"), format!("{}\n", server.pid()));
        assert!(ask(&sandbox.path("sock")).is_ok_and(|answer| answer.starts_with("1 ")));
    }
    server.signal(Signal::HUP);
    server.wait_line("up 2 ");
    let stop = sandbox.start_server().args(["--stop", "--pid-file=pid"]).output();
    assert_eq!(stop.code, Some(0), "{stop:?}");
    assert_eq!(server.wait_exit().code(), Some(0));
    assert_eq!(sandbox.names(), ["log", "worker"]);
}

/// Locked, but without a pid: the other one has just begun, or is something else.
#[test]
fn bad_pid_file_that_somebody_else_holds() {
    let sandbox = Sandbox::new("bad-locked");
    for content in ["", "garbage", "-1\n", "1 2 3", &"9".repeat(5000)] {
        let path = sandbox.write("pid", content);
        let file = File::open(path).unwrap();
        flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
        let launch = sandbox.start_server().args(["--pid-file=pid", "--path=new.sock"]);
        let says = "the pid file pid is held by another process";
        refused(&sandbox, &format!("held {content:.20}"), launch.program(["true"]), 11, says);
    }
}

/// Runs in a mount namespace of its own where `full` is a file system without a free byte.
fn full(launch: Launch, options: &str, fill: &str) -> Launch {
    let mount = format!("mount -t tmpfs -o {options} none full && {fill}; exec \"$@\"");
    launch.through_shell(&mount).through(["unshare", "-m", "--"])
}

#[test]
fn bad_disk_that_is_full_for_the_log() {
    let sandbox = Sandbox::new("bad-full-log");
    let script = sandbox.script("worker", "on TERM exit 0\nserve\nsay up $GEN $PID\nerr up\nready");
    let launch = sandbox.start_server().args(FILES).arg("--log-file=/dev/full");
    let mut server = launch.worker(script).spawn();
    let generation = |wanted: &str| {
        eventually(wanted, || {
            let answer = ask(&sandbox.path("new.sock")).ok()?;
            answer.starts_with(wanted).then_some(())
        });
    };
    generation("1 ");
    server.signal(Signal::USR1);
    let pid = ["--pid-file=new.pid", "--status-file=new.status"];
    let restart = sandbox.start_server().arg("--restart").args(pid).output();
    assert_eq!((restart.code, restart.stderr.as_str()), (Some(0), ""), "{restart:?}");
    generation("2 ");
    server.stop();
    assert_eq!(sandbox.names(), ["worker"]);
}

#[test]
fn bad_disk_that_is_full_for_the_pid_file() {
    let sandbox = Sandbox::new("bad-full-pid");
    fs::create_dir(sandbox.path("full")).unwrap();
    if !may_mount() {
        return;
    }
    let fill = "dd if=/dev/zero of=full/fill bs=4096 2>/dev/null";
    for options in [&["--path=new.sock"][..], &["--path=new.sock", "--daemonize", "--log-file=log"]]
    {
        let launch = sandbox.start_server().arg("--pid-file=full/pid").args(options);
        let launch = full(launch.program(["true"]), "size=4k", fill);
        let says = "failed to write file:full/pid: No space left on device";
        refused(&sandbox, &format!("{options:?}"), launch, 28, says);
    }
    let launch = sandbox.start_server().args(["--status-file=full/status", "--path=new.sock"]);
    let launch = full(launch.program(["true"]), "nr_inodes=2", ">full/fill");
    refused(&sandbox, "no inode for the status", launch, 28, "No space left on device");
}

/// The status is not worth an outage: it is told once, and written again when it can be.
#[test]
fn bad_disk_that_is_full_for_the_status_file() {
    let sandbox = Sandbox::new("bad-full-status");
    fs::create_dir(sandbox.path("full")).unwrap();
    if !may_mount() {
        return;
    }
    let script = sandbox.script("worker", "on TERM exit 0\nserve\nsay up $GEN $PID");
    let options = ["--interval=0", "--status-file=full/status", "--path=sock"];
    let fill = "dd if=/dev/zero of=full/fill bs=4096 2>/dev/null";
    let launch = sandbox.start_server().args(options).worker(script);
    // Two pages: the new content is written beside the former one.
    let mut server = full(launch, "size=8k", fill).separate().spawn();
    server.wait_line("failed to write the status file: No space left on device");
    server.wait_line("up 1 ");
    server.signal(Signal::HUP);
    server.wait_line("up 2 ");
    server.wait_line("old worker");
    let inside = format!("/proc/{}/root{}", server.pid(), sandbox.path("full").display());
    // It may be at its next try just now.
    eventually("nothing but what fills the disk", || {
        (fs::read_dir(&inside).unwrap().count() == 1).then_some(())
    });
    fs::remove_file(format!("{inside}/fill")).unwrap();
    server.signal(Signal::HUP);
    let third = server.wait_line("up 3 ").number();
    eventually("the status file", || {
        let text = fs::read_to_string(format!("{inside}/status")).ok()?;
        (text == format!("3:{third}\n")).then_some(())
    });
    let mut stream = UnixStream::connect(sandbox.path("sock")).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert_eq!(answer, format!("3 {third}\n"));
    server.stop();
    let (_, stderr) = server.texts();
    let told = complaints(&stderr).iter().filter(|line| line.contains("status file")).count();
    assert_eq!(told, 1, "{stderr}");
    assert_eq!(sandbox.names(), ["full", "worker"]);
}

/// A refused start does not change what it would have replaced.
#[test]
fn bad_port_leaves_a_stale_status_file_alone() {
    let sandbox = Sandbox::new("bad-keeps");
    sandbox.write("status", "1:99999999\n");
    let before = snapshot(&sandbox);
    let launch = sandbox.start_server().args(["--status-file=status", "--path=no/sock"]);
    refused(&sandbox, "path", launch.program(["true"]), 2, "no/sock");
    let launch = sandbox.start_server().args(["--status-file=status", "--path=new.sock"]);
    refused(&sandbox, "program", launch.program(["./no-such-program"]), 2, "no-such-program");
    assert_eq!(snapshot(&sandbox), before);
}
