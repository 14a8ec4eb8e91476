//! One program's `--restart`, `--stop` and `--status` on the other's server: both speak through
//! the pid file, its lock, and the status file.

use std::path::Path;

use crate::peers::installed;
use crate::sandbox::{Finished, Sandbox, Server, eventually};

const UP: &str = "on TERM exit 0\nsay up $GEN $PID\nready";
const FILES: [&str; 2] = ["--pid-file=pid", "--status-file=status"];

fn perl_installed() -> bool {
    installed("libserver-starter-perl", Path::new("/usr/bin/start_server").exists())
}

fn serving(sandbox: &Sandbox, server: &Server, generation: u32) {
    let pid = server.wait_line(&format!("up {generation} ")).number();
    eventually("the status file", || {
        let status = std::fs::read_to_string(sandbox.path("status")).ok()?;
        (status == format!("{generation}:{pid}\n")).then_some(())
    });
}

fn silent_success(finished: &Finished) {
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("", ""));
}

fn nothing_left(sandbox: &Sandbox) {
    assert!(!sandbox.exists("pid") && !sandbox.exists("status"), "{:?}", sandbox.names());
}

#[test]
fn perls_helpers_on_our_server() {
    if !perl_installed() {
        return;
    }
    let sandbox = Sandbox::new("perls-helpers");
    let script = sandbox.script("worker", UP);
    let mut server = sandbox.start_server().args(FILES).arg("--interval=1").worker(script).spawn();
    serving(&sandbox, &server, 1);
    for generation in 2..=3 {
        let finished = sandbox.perl_start_server().arg("--restart").args(FILES).output();
        silent_success(&finished);
        // It returns when the old worker is out of the status file.
        serving(&sandbox, &server, generation);
        server.wait_line("old worker ");
    }
    let finished = sandbox.perl_start_server().args(["--stop", "--pid-file=pid"]).output();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stderr.contains(&format!("stopping now (pid:{})...", server.pid())));
    nothing_left(&sandbox);
    assert_eq!(server.wait_exit().code(), Some(0), "{}", server.transcript());
}

/// A daemon without a terminal, as init scripts run it: nobody is its parent any more.
#[test]
fn perls_helpers_on_our_daemon() {
    if !perl_installed() {
        return;
    }
    let sandbox = Sandbox::new("perls-helpers-daemon");
    let script = sandbox.script("worker", UP);
    let launch = sandbox.start_server().args(FILES).args(["--daemonize", "--log-file=log"]);
    let finished = launch.worker(script).output();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let finished = sandbox.perl_start_server().arg("--restart").args(FILES).output();
    silent_success(&finished);
    assert!(sandbox.read("status").starts_with("2:"), "{}", sandbox.read("status"));
    let finished = sandbox.perl_start_server().args(["--stop", "--pid-file=pid"]).output();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    nothing_left(&sandbox);
    assert!(sandbox.read("log").ends_with("exiting\n"), "{}", sandbox.read("log"));
}

#[test]
fn our_helpers_on_perls_server() {
    if !perl_installed() {
        return;
    }
    let sandbox = Sandbox::new("our-helpers");
    let script = sandbox.script("worker", UP);
    // Perl's own --restart waits for generation 3 for ever, since it becomes 4.
    sandbox.script("worker.3", "exit 1");
    let launch = sandbox.perl_start_server().args(FILES).arg("--interval=1");
    let mut server = launch.worker(script).spawn();
    serving(&sandbox, &server, 1);
    for generation in [2, 4] {
        let finished = sandbox.start_server().arg("--restart").args(FILES).output();
        assert_eq!(finished.code, Some(0), "{finished:?}\n{}", server.transcript());
        serving(&sandbox, &server, generation);
    }
    let finished = sandbox.start_server().arg("--status").args(FILES).output();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains(&server.pid().to_string()), "{finished:?}");
    let finished = sandbox.start_server().args(["--status", "--json"]).args(FILES).output();
    assert!(finished.stdout.contains(r#""generation":4"#), "{finished:?}");
    let finished = sandbox.start_server().args(["--stop", "--pid-file=pid"]).output();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    nothing_left(&sandbox);
    assert_eq!(server.wait_exit().code(), Some(0), "{}", server.transcript());
}

/// What Perl's server does not say ours cannot tell, but it does not wait for ever either.
#[test]
fn our_restart_of_perls_server_has_a_limit() {
    if !perl_installed() {
        return;
    }
    let sandbox = Sandbox::new("our-helpers-limit");
    let script = sandbox.script("worker", UP);
    let launch = sandbox.perl_start_server().args(FILES).arg("--interval=1");
    let mut server = launch.worker(&script).spawn();
    serving(&sandbox, &server, 1);
    sandbox.script("worker", "exit 1");
    let launch = sandbox.start_server().args(["--restart", "--restart-timeout=1"]).args(FILES);
    let finished = launch.output();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("was not complete within 1 secs"), "{finished:?}");
    assert!(finished.stderr.contains("the status file lists: 1:"), "{finished:?}");
    sandbox.script("worker", UP);
    // A TERM that meets a child of Perl's between fork and exec is lost in Perl's own handler.
    eventually("the new generation is alone", || {
        let status = sandbox.read("status");
        (status.lines().count() == 1 && !status.starts_with("1:")).then_some(())
    });
    let finished = sandbox.start_server().args(["--stop", "--pid-file=pid"]).output();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(server.wait_exit().code(), Some(0), "{}", server.transcript());
}
