//! When the supervisor itself leaves, and with which code.

use std::fs;

use sigpolicy::Signal;

use super::harness::{Config, alive, gone};
use crate::sandbox::{Sandbox, eventually, kill, own_session, wait_pid};

/// A program of its own, which is told to leave and says so.
const OTHER: &str = "on TERM exit 0\nsay up";

/// Runs until the supervisor leaves by itself; its code.
fn code_of(topic: &str, keys: &str, program: &str, steps: &str, daemon: &str) -> i32 {
    let sandbox = Sandbox::new(topic);
    let config = Config::new(&sandbox).daemon(daemon).puppet("other", OTHER, "").puppet(
        "p",
        steps,
        &format!("{keys}\n{program}"),
    );
    let mut ours = config.spawn();
    sandbox.wait_text("other.out", "up");
    sandbox.write("go", "");
    let status = ours.server.wait_exit();
    assert!(sandbox.processes().is_empty(), "{}", ours.transcript());
    assert_eq!(ours.count("stopped: other (exit status 0)"), 1, "{}", ours.transcript());
    assert!(!sandbox.exists("pid"));
    status.code().unwrap_or_else(|| panic!("{status}\n{}", ours.transcript()))
}

#[test]
fn the_end_of_an_essential_program_is_the_end() {
    let keys = "essential=true\nautorestart=false";
    for code in [0, 3, 255] {
        let steps = format!("wait go\nexit {code}");
        assert_eq!(code_of("sv-essential", keys, "", &steps, ""), code);
    }
    assert_eq!(code_of("sv-essential", keys, "", "wait go\ndie TERM", ""), 128 + 15);
    assert_eq!(code_of("sv-essential", keys, "", "wait go\ndie KILL", ""), 128 + 9);
}

/// What will be started again is not gone for good.
#[test]
fn an_essential_program_that_comes_back_is_no_end() {
    let sandbox = Sandbox::new("sv-essential-back");
    let keys = "essential=true\nautorestart=true\nstartsecs=1";
    let mut ours = Config::new(&sandbox).idle("p", keys).spawn();
    let first = ours.starts("p");
    kill(first, Signal::KILL);
    ours.starts("p");
    assert!(ours.server.alive());
    ours.stop();
}

/// A start that never succeeds ends with the code of the last try.
#[test]
fn a_fatal_essential_program_is_the_end() {
    let keys = "essential=true\nstartretries=1\nstartsecs=1";
    assert_eq!(code_of("sv-essential-fatal", keys, "", "wait go\nexit 7", ""), 7);
    let sandbox = Sandbox::new("sv-essential-missing");
    let keys = "essential=true\nstartretries=0";
    let mut ours = Config::new(&sandbox).idle("other", "").program("p", "/no/such", keys).spawn();
    let code = ours.server.wait_exit().code();
    assert!(matches!(code, Some(1..)), "{code:?}\n{}", ours.transcript());
    assert!(sandbox.processes().is_empty());
}

#[test]
fn exit_on_fatal_leaves_when_any_program_is_given_up() {
    let keys = "startretries=0\nstartsecs=1";
    assert_eq!(code_of("sv-onfatal", keys, "", "wait go\nexit 4", "exit_on=fatal"), 4);
    // An end that is none of a start does not count.
    let sandbox = Sandbox::new("sv-onfatal-not");
    let config = Config::new(&sandbox)
        .daemon("exit_on=fatal")
        .puppet("p", "exit 0", "autorestart=false")
        .idle("clock", "startsecs=2");
    let mut ours = config.spawn();
    ours.wait_line("exited: p");
    ours.starts("clock");
    assert!(ours.server.alive(), "{}", ours.transcript());
    ours.stop();
}

#[test]
fn exit_on_exit_leaves_with_the_first_end() {
    let keys = "autorestart=false";
    assert_eq!(code_of("sv-onexit", keys, "", "wait go\nexit 5", "exit_on=exit"), 5);
    assert_eq!(code_of("sv-onexit", keys, "", "wait go\ndie INT", "exit_on=exit"), 130);
}

#[test]
fn exit_on_all_leaves_when_nothing_runs_any_more() {
    let sandbox = Sandbox::new("sv-onall");
    let config = Config::new(&sandbox)
        .daemon("exit_on=all")
        .puppet("a", "exit 0", "autorestart=false")
        .puppet("b", "wait go\nexit 0", "autorestart=false")
        .idle("never", "autostart=false");
    let mut ours = config.spawn();
    ours.wait_line("exited: a");
    ours.succeeds("b");
    assert!(ours.server.alive());
    sandbox.write("go", "");
    ours.ends(0);
}

/// 0, whatever became of the programs, unless the file says otherwise.
#[test]
fn term_is_exit_0() {
    let sandbox = Sandbox::new("sv-zero");
    let config = Config::new(&sandbox)
        .program("fatal", "/no/such", "startretries=0")
        .puppet("bad", "exit 3", "autorestart=false")
        .puppet("stubborn", "on TERM ignore", "stopwaitsecs=0");
    let mut ours = config.spawn();
    ours.wait_lines(&["gave up: fatal", "exited: bad", "success: stubborn"]);
    ours.stop();
}

/// In the background: the launcher leaves at once, the pid file says who goes on.
#[test]
fn the_daemon_is_in_its_pid_file() {
    let sandbox = Sandbox::new("sv-daemon");
    let config = Config::new(&sandbox).idle("p", "directory=%(here)s");
    let path = config.write();
    let launched = sandbox.supervise().arg("-c").arg(&path).output();
    assert_eq!(launched.code, Some(0), "{launched:?}");
    assert_eq!(launched.stdout, "");
    sandbox.wait_text("main.log", "success: p entered RUNNING");
    let log = sandbox.read("main.log");
    let pid: i32 = eventually("the pid file", || sandbox.read("pid").trim().parse().ok());
    assert!(log.contains(&format!("supervisord started with pid {pid}")), "{log}");
    let stat = |number| crate::sandbox::stat_field(pid, number);
    assert_ne!(stat(6), Some(own_session()), "a session of its own");
    let cwd = fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
    assert!(cwd == sandbox.path("").canonicalize().unwrap() || cwd.as_os_str() == "/", "{cwd:?}");
    // A second one does not take its place.
    let programs = sandbox.processes().len();
    kill(pid, Signal::TERM);
    assert!(wait_pid(pid, crate::sandbox::DEADLINE));
    assert_eq!(programs, 2);
    eventually("nobody", || sandbox.processes().is_empty().then_some(()));
    assert!(!sandbox.exists("pid"));
}

/// As PID 1 of a container, or when somebody else takes care: never KILL what others still need.
#[test]
fn a_killed_supervisor_leaves_programs_that_can_be_found() {
    let sandbox = Sandbox::new("sv-killed");
    let mut ours = Config::new(&sandbox).idle("p", "").spawn();
    let pid = ours.starts("p");
    ours.signal(Signal::KILL);
    ours.server.wait_exit();
    if alive(pid) {
        kill(pid, Signal::KILL);
    }
    gone(pid);
}
