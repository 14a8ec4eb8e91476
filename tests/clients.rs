//! `--restart`, `--stop`, `--status` and the launcher of `--daemonize`.

use std::fs;
use std::time::Duration;

use sigpolicy::Signal;

use crate::sandbox::{Finished, Launch, Sandbox, Server, eventually, kill, own_session, wait_pid};

const UP: &str = "on TERM exit 0\nsay up $GEN $PID\nready";
const FILES: [&str; 2] = ["--pid-file=pid", "--status-file=status"];

fn start(sandbox: &Sandbox, options: &[&str]) -> Launch {
    if !sandbox.exists("worker") {
        sandbox.script("worker", UP);
    }
    let launch = sandbox.start_server().args(FILES).args(options);
    launch.worker(sandbox.path("worker"))
}

/// A server whose first worker is proven, and that worker's pid.
fn serving(sandbox: &Sandbox, launch: Launch) -> (Server, i32) {
    let server = launch.spawn();
    (server, first(sandbox))
}

fn first(sandbox: &Sandbox) -> i32 {
    eventually("the first generation in the status file", || {
        fs::read_to_string(sandbox.path("status")).ok()?.strip_prefix("1:")?.trim().parse().ok()
    })
}

fn restart(sandbox: &Sandbox, options: &[&str]) -> Finished {
    sandbox.start_server().args(FILES).arg("--restart").args(options).output()
}

fn has(finished: &Finished, parts: &[&str]) {
    for part in parts {
        assert!(finished.stderr.contains(part), "{part:?} in {finished:?}");
    }
}

#[test]
fn restart_returns_when_the_new_generation_is_alone() {
    let sandbox = Sandbox::new("restart");
    sandbox.script("worker.1", "on TERM say asked to leave\nsay up $GEN $PID\nready");
    let (mut server, first) = serving(&sandbox, start(&sandbox, &["--interval=600"]));
    let client = sandbox.start_server().args(FILES).arg("--restart");
    let mut client = client.spawn();
    server.wait_line("asked to leave");
    assert!(client.alive(), "the old worker is still there");
    kill(first, Signal::KILL);
    assert_eq!(client.wait_exit().code(), Some(0));
    assert_eq!(client.lines(), [""; 0], "silent on success, as Perl's");
    let status = sandbox.read("status");
    assert!(status.starts_with("2:") && status.lines().count() == 1, "{status}");
    server.stop();
}

#[test]
fn two_clients_hear_of_their_own_restart() {
    let sandbox = Sandbox::new("two");
    sandbox.script("worker.2", "on TERM exit 0\nsay up $GEN $PID\nwait go\nready");
    let (mut server, _) = serving(&sandbox, start(&sandbox, &["--interval=600"]));
    let client = || sandbox.start_server().args(FILES).arg("--restart").spawn();
    let mut one = client();
    server.wait_line("up 2");
    let mut two = client();
    server.wait_line("one more restart will follow");
    assert!(one.alive() && two.alive());
    sandbox.write("go", "");
    assert_eq!(one.wait_exit().code(), Some(0));
    assert_eq!(two.wait_exit().code(), Some(0));
    assert!(sandbox.read("status").starts_with("3:"));
    server.stop();
}

const BROKEN: &str = "say to stdout\nerr cannot open /etc/app.conf\nexit 78";

#[test]
fn a_failed_restart_shows_the_last_output_from_a_pipe() {
    let sandbox = Sandbox::new("last-pipe");
    let (mut server, first) = serving(&sandbox, start(&sandbox, &["--interval=1"]));
    sandbox.script("worker", BROKEN);
    let failed = restart(&sandbox, &[]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let serves = format!("worker {first} still serves");
    has(
        &failed,
        &["(generation 2) died: exit code 78", &serves, "cannot open /etc/app.conf", "to stdout"],
    );
    // What was shown to the client went where it always goes, too.
    server.wait_line("cannot open /etc/app.conf");
    server.wait_line("to stdout");
    server.stop();
}

#[test]
fn a_failed_restart_shows_the_last_output_from_a_file() {
    let sandbox = Sandbox::new("last-file");
    let launch = start(&sandbox, &["--interval=1"]);
    let mut server = launch.spawn_into(&sandbox.path("output"));
    let first = first(&sandbox);
    sandbox.script("worker", BROKEN);
    let failed = restart(&sandbox, &[]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    has(
        &failed,
        &[
            "died: exit code 78",
            &format!("worker {first} still serves"),
            "cannot open /etc/app.conf",
        ],
    );
    assert!(!failed.stderr.contains("up 1"), "only what the failed worker wrote: {failed:?}");
    assert!(sandbox.read("output").contains("cannot open /etc/app.conf"));
    server.stop();
}

#[test]
fn a_failed_restart_shows_the_last_output_from_a_log_command() {
    let sandbox = Sandbox::new("last-log");
    let launch = start(&sandbox, &["--interval=1", "--log-file=| cat >> log"]);
    let (mut server, _) = serving(&sandbox, launch);
    sandbox.script("worker", BROKEN);
    let failed = restart(&sandbox, &[]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    has(&failed, &["died: exit code 78", "cannot open /etc/app.conf"]);
    eventually("the log", || {
        sandbox.read("log").contains("cannot open /etc/app.conf").then_some(())
    });
    server.stop();
}

#[test]
fn a_restart_whose_program_is_gone_fails_with_the_reason() {
    let sandbox = Sandbox::new("gone");
    sandbox.script("worker", UP);
    std::os::unix::fs::symlink(crate::sandbox::puppet(), sandbox.path("release")).unwrap();
    let launch = sandbox.start_server().args(FILES).arg("--interval=1");
    let launch = launch.program([sandbox.path("release"), sandbox.path("worker")]);
    let (mut server, first) = serving(&sandbox, launch);
    sandbox.remove("release");
    let failed = restart(&sandbox, &[]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    has(&failed, &["failed to exec", "No such file", &format!("worker {first} still serves")]);
    server.stop();
}

#[test]
fn a_restart_ends_with_its_time_limit() {
    let sandbox = Sandbox::new("limit");
    let (mut server, first) = serving(&sandbox, start(&sandbox, &["--interval=600"]));
    sandbox.script("worker", "on TERM exit 0\nsay up $GEN");
    let failed = restart(&sandbox, &["--restart-timeout=0.3"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    has(&failed, &["not complete within 0.3 secs", &format!("1:{first}")]);
    server.stop();
}

#[test]
fn a_restart_overtaken_by_a_stop_fails() {
    let sandbox = Sandbox::new("overtaken");
    let (server, _) = serving(&sandbox, start(&sandbox, &["--interval=600"]));
    sandbox.script("worker", "on TERM exit 0\nsay new $GEN");
    let mut client = sandbox.start_server().args(FILES).arg("--restart").spawn();
    server.wait_line("new 2");
    server.signal(Signal::TERM);
    assert_eq!(client.wait_exit().code(), Some(1));
    client.wait_line("stopping");
}

#[test]
fn our_client_and_perls_server() {
    let sandbox = Sandbox::new("ours-perls");
    let script = sandbox.script("worker", "on TERM exit 0\nsay up $GEN");
    let launch = sandbox.perl_start_server().args(FILES).arg("--interval=1");
    let (mut server, first) = serving(&sandbox, launch.worker(script));
    let restarted = restart(&sandbox, &[]);
    assert_eq!(restarted.code, Some(0), "{restarted:?}");
    let status = sandbox.read("status");
    assert!(status.starts_with("2:") && status.lines().count() == 1, "{status}");
    assert!(wait_pid(first, Duration::ZERO));
    let shown = sandbox.start_server().args(FILES).arg("--status").output();
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.stdout.contains(status.trim().split(':').nth(1).unwrap()), "{shown:?}");
    // Perl's goes on trying; ours stops waiting.
    sandbox.script("worker", "exit 1");
    let failed = restart(&sandbox, &["--restart-timeout=0.5"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    has(&failed, &["not complete within 0.5 secs"]);
    sandbox.script("worker", "on TERM exit 0\nsay up $GEN");
    // A TERM that meets a child of Perl's between fork and exec is lost in Perl's own handler.
    eventually("the new generation is alone", || {
        let status = sandbox.read("status");
        (status.lines().count() == 1 && !status.starts_with("2:")).then_some(())
    });
    server.stop();
}

#[test]
fn perls_client_and_our_server() {
    let sandbox = Sandbox::new("perls-ours");
    let (mut server, _) = serving(&sandbox, start(&sandbox, &["--interval=0"]));
    let restarted = sandbox.perl_start_server().args(FILES).arg("--restart").output();
    assert_eq!(restarted.code, Some(0), "{restarted:?}");
    assert!(sandbox.read("status").starts_with("2:"));
    server.stop();
}

#[test]
fn status_as_a_table_and_as_json() {
    let sandbox = Sandbox::new("status");
    let steps = "on TERM ignore\nnotify STATUS=warm \"caches\"\\nREADY=1\nsay up $GEN $PID";
    sandbox.script("worker", steps);
    let launch = start(&sandbox, &["--interval=600", "--port=127.0.0.1:0", "--path=sock"]);
    let (mut server, first) = serving(&sandbox, launch);
    server.signal(Signal::HUP);
    let second = server.wait_line("up 2 ").number();
    server.wait_line("killing old workers");
    let by = |options: &[&str]| {
        let shown = sandbox.start_server().arg("--status").args(options).output();
        assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""), "{shown:?}");
        shown.stdout
    };
    for options in [&FILES[..1], &FILES[1..], &FILES[..]] {
        let table = by(options);
        let row = |start: String| {
            let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            let found = table.lines().map(squeezed).find(|line| line.starts_with(&start));
            found.unwrap_or_else(|| panic!("{start:?} in\n{table}"))
        };
        assert!(row(format!("1 {first} draining")).ends_with("warm \"caches\""), "{table}");
        assert!(row(format!("2 {second} current")).ends_with("warm \"caches\""), "{table}");
        assert!(row("127.0.0.1:0 3 tcp 127.0.0.1:".into()).len() > 30, "{table}");
        row("sock 4 unix".into());
        assert!(
            table.starts_with(&format!("start_server {}: serving, generation 2", server.pid()))
        );
    }
    sandbox.write("json", by(&["--pid-file=pid", "--json"]));
    let check = "import json; s = json.load(open('json')); w = s['workers']; print(s['pid'], s['phase'], \
        s['generation'], [(x['generation'], x['pid'], x['state'], x['status']) for x in w], \
        [(x['name'], x['fd'], x['type']) for x in s['listeners']], \
        all(0 <= x['age'] < 600 for x in w), s['uptime'] >= w[0]['age'])";
    let parsed = sandbox.run("python3").args(["-c", check]).output();
    let expected = format!(
        "{} serving 2 [(1, {first}, 'draining', 'warm \"caches\"'), (2, {second}, 'current', \
         'warm \"caches\"')] [('127.0.0.1:0', 3, 'tcp'), ('sock', 4, 'unix')] True True\n",
        server.pid()
    );
    assert_eq!(parsed.stdout, expected, "{parsed:?}");
    for pid in [first, second] {
        kill(pid, Signal::KILL);
    }
    server.stop();
}

#[test]
fn daemonize_returns_when_the_first_worker_is_proven() {
    let sandbox = Sandbox::new("daemon");
    let steps = "on TERM exit 0\nsession\nfds\nsay up $GEN $PID $PPID\nwait go\nready";
    sandbox.script("worker", steps);
    let launch =
        start(&sandbox, &["--daemonize", "--log-file=log", "--interval=600", "--path=sock"]);
    let mut launcher = launch.separate().spawn();
    eventually("the worker", || {
        fs::read_to_string(sandbox.path("log")).ok()?.contains("\nup 1 ").then_some(())
    });
    assert!(launcher.alive(), "not before the worker is ready");
    sandbox.write("go", "");
    assert_eq!(launcher.wait_exit().code(), Some(0));
    let (_, stderr) = launcher.texts();
    assert_eq!(stderr, format!("start_server (pid:{}) starting now...\n", launcher.pid()));
    let first = first(&sandbox);
    let daemon: i32 = sandbox.read("pid").trim().parse().unwrap();
    assert_ne!(daemon, launcher.pid());
    let log = sandbox.read("log");
    assert!(log.contains(&format!("up 1 {first} {daemon}\n")), "{log}");
    assert!(log.contains("fds 0=/dev/null 1="), "{log}");
    let session: Vec<&str> =
        log.lines().find(|l| l.starts_with("session ")).unwrap().split(' ').collect();
    assert!(session[1] != own_session() && session[1] == session[3], "{session:?}");
    assert_ne!(session[1], daemon.to_string(), "it leads no session and gets no terminal");
    let stopped = sandbox.start_server().args(["--stop", "--pid-file=pid"]).output();
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    assert_eq!(sandbox.names(), ["go", "log", "worker"]);
    assert!(sandbox.read("log").ends_with("exiting\n"));
}

#[test]
fn daemonize_tells_why_it_failed() {
    let sandbox = Sandbox::new("daemon-fails");
    sandbox.script("worker", "err the configuration is broken\nexit 3");
    let options = ["--daemonize", "--log-file=log", "--interval=1"];
    // Nothing is left when the launcher returns: the next try comes at once.
    let nothing_left = || assert_eq!(sandbox.names(), ["log", "worker"]);
    for _ in 0..3 {
        let failed = start(&sandbox, &options).output();
        assert_eq!(failed.code, Some(1), "{failed:?}");
        has(&failed, &["died: exit code 3", "the configuration is broken"]);
        nothing_left();
    }
    let failed = start(&sandbox, &options).arg("--status-file=no-such-directory/status").output();
    assert!(matches!(failed.code, Some(1..)), "{failed:?}");
    has(&failed, &["no-such-directory/status"]);
    nothing_left();
    let launch = sandbox.start_server().args(options).args(FILES).program(["./no-such-program"]);
    let failed = launch.output();
    assert_eq!(failed.code, Some(2), "ENOENT, as in the foreground: {failed:?}");
    has(&failed, &["no-such-program", "No such file"]);
    nothing_left();
    eventually("nobody is left", || sandbox.processes().is_empty().then_some(()));
}
