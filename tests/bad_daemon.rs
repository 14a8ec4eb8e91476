//! `--daemonize` when the start fails: the launcher tells it, and no daemon is left.

use std::fs;

use crate::bad_case::{FILES, complaints, is_clear, refused, snapshot};
use crate::peers::example;
use crate::sandbox::{Launch, Sandbox, ask, eventually, free_port};

const DAEMON: [&str; 2] = ["--daemonize", "--log-file=log"];

fn daemon(sandbox: &Sandbox, options: &[&str]) -> Launch {
    sandbox.start_server().args(DAEMON).args(options)
}

#[test]
fn bad_daemon_before_the_first_worker() {
    let sandbox = Sandbox::new("bad-daemon");
    sandbox.write("file", "content");
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("--port={}", holder.local_addr().unwrap());
    let cases: &[(&str, &[&str], i32, &str)] = &[
        ("port in use", &["--path=new.sock", &taken], 98, "Address already in use"),
        ("path in the way", &["--path=file"], 17, "a regular file is in the way"),
        ("pid file", &["--pid-file=no/pid"], 2, "failed to open file:no/pid: No such file"),
        ("status file", &["--status-file=no/st", "--path=new.sock"], 2, "temporary file:no/st."),
        ("status and pid file", &["--pid-file=p", "--status-file=file/st"], 20, "Not a directory"),
        ("user", &["--user=no-such-user"], 255, "unknown user"),
        ("log file", &["--log-file=no/log", "--path=new.sock"], 2, "open log file:no/log: No such"),
        ("log command", &["--log-file=|no-such-logger"], 2, "open pipe:no-such-logger: No such"),
    ];
    for (name, options, code, says) in cases {
        refused(&sandbox, name, daemon(&sandbox, options).program(["true"]), *code, says);
    }
    drop(holder);
}

#[test]
fn bad_daemon_with_a_first_worker_that_fails() {
    let sandbox = Sandbox::new("bad-daemon-worker");
    fs::create_dir(sandbox.path("directory")).unwrap();
    let dies = sandbox.script("dies", "exit 7");
    let killed = sandbox.script("killed", "die KILL");
    let script = |path: &std::path::Path| {
        [crate::sandbox::puppet().display().to_string(), path.display().to_string()]
    };
    type Case<'a> = (&'a str, &'a [&'a str], Vec<String>, i32, &'a str);
    let cases: &[Case<'_>] = &[
        ("missing", &[], vec!["./no-such".into()], 2, "failed to exec ./no-such: No such file"),
        ("directory", &[], vec!["./directory".into()], 13, "directory: Permission denied"),
        ("no --dir", &["--dir=no"], vec!["true".into()], 2, "failed to change directory to no: No"),
        ("exit 7", &[], script(&dies).to_vec(), 1, "died: exit code 7"),
        ("killed", &[], script(&killed).to_vec(), 1, "died: killed by SIGKILL"),
        ("attempts", &["--restart-attempts=2"], script(&dies).to_vec(), 1, "died: exit code 7"),
    ];
    for (name, options, program, code, says) in cases {
        let options = [&FILES[..], options].concat();
        let launch = daemon(&sandbox, &options).program(program);
        let line = refused(&sandbox, name, launch, *code, says);
        assert!(line.starts_with("start failed: "), "{name}: {line}");
        assert!(sandbox.read("log").contains("starting new worker "), "{name}");
        sandbox.remove("log");
    }
}

/// What the worker wrote last is told as well, each line indented.
#[test]
fn bad_daemon_tells_the_last_words_of_its_worker() {
    let sandbox = Sandbox::new("bad-daemon-words");
    let script = sandbox.script("worker", "say first words\nerr cannot find my database\nexit 3");
    let before = snapshot(&sandbox);
    let finished = daemon(&sandbox, &FILES).worker(script).output();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let lines = complaints(&finished.stderr);
    assert!(
        lines[0].starts_with("start failed: ") && lines[0].contains("exit code 3"),
        "{lines:?}"
    );
    assert!(lines.contains(&"  cannot find my database".to_owned()), "{lines:?}");
    lines.iter().for_each(|line| is_clear("last words", line));
    eventually("the daemon has gone", || sandbox.processes().is_empty().then_some(()));
    assert_eq!(snapshot(&sandbox), before);
}

/// The whole way with a worker that gets nothing to serve.
#[test]
fn bad_daemon_whose_worker_misses_its_socket() {
    let sandbox = Sandbox::new("bad-daemon-socket");
    let launch = daemon(&sandbox, &FILES).program([example("http_worker")]);
    let before = snapshot(&sandbox);
    let finished = launch.output();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let wanted = "  http_worker: no tcp socket was passed";
    assert!(finished.stderr.lines().any(|line| line.starts_with(wanted)), "{finished:?}");
    eventually("the daemon has gone", || sandbox.processes().is_empty().then_some(()));
    assert_eq!(snapshot(&sandbox), before);
}

/// A second daemon with the files of the first, which goes on.
#[test]
fn bad_daemon_beside_another() {
    let sandbox = Sandbox::new("bad-daemon-second");
    let script = sandbox.script("worker", "on TERM exit 0\nserve\nready");
    let port = format!("--port=127.0.0.1:{}", free_port());
    let files = ["--pid-file=pid", "--status-file=status", "--path=sock", &port];
    let first = daemon(&sandbox, &files).worker(&script).output();
    assert_eq!(first.code, Some(0), "{first:?}");
    let pid = sandbox.read("pid");
    let serves = ask(&sandbox.path("sock")).unwrap();
    let held = format!("the pid file pid is held by process {}: ", pid.trim_end());
    refused(&sandbox, "pid file", daemon(&sandbox, &files).worker(&script), 11, &held);
    refused(
        &sandbox,
        "path",
        daemon(&sandbox, &files[2..3]).worker(&script),
        98,
        "is serving this",
    );
    refused(&sandbox, "port", daemon(&sandbox, &[&port]).worker(&script), 98, "already in use");
    assert_eq!(ask(&sandbox.path("sock")).unwrap(), serves);
    assert_eq!(sandbox.read("pid"), pid);
    let stop = sandbox.start_server().args(["--stop", "--pid-file=pid"]).output();
    assert_eq!(stop.code, Some(0), "{stop:?}");
    eventually("the daemon has gone", || sandbox.processes().is_empty().then_some(()));
    assert_eq!(sandbox.names(), ["log", "worker"]);
}
