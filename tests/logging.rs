//! The log file and the log command.

use std::fs;

use sigpolicy::Signal;

use crate::sandbox::{DEADLINE, Sandbox, Server, eventually, kill, wait_pid};

fn start(sandbox: &Sandbox, log: &str, steps: &str) -> Server {
    let script = sandbox.script("worker", &format!("on TERM exit 0\n{steps}"));
    let option = format!("--log-file={log}");
    sandbox.start_server().args(["--interval=0", "--pid-file=pid", &option]).worker(script).spawn()
}

fn wait_log(sandbox: &Sandbox, text: &str) {
    eventually(text, || {
        let log = fs::read_to_string(sandbox.path("log")).ok()?;
        log.lines().any(|line| line == text || line.starts_with(text)).then_some(())
    });
}

/// The log command: it is known by its name.
fn logger(sandbox: &Sandbox) -> i32 {
    eventually("a log command", || {
        let is_cat = |pid: &i32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.trim_end() == "cat"
        };
        sandbox.processes().into_iter().find(is_cat)
    })
}

#[test]
fn no_line_is_lost_when_the_log_command_is_killed() {
    let sandbox = Sandbox::new("log-kill");
    let steps = "count 1 1000\nwait go1\ncount 1001 4000\ntouch written1\nwait go2\ncount 4001 8000\n\
                 touch written2\nwait go3\ncount 8001 9000\nsay end of lines";
    let mut server = start(&sandbox, "| exec cat >> log", steps);
    // Everything is in the file, so the command waits for more when it is killed.
    wait_log(&sandbox, "line 1000");
    for round in 1..=2 {
        let victim = logger(&sandbox);
        kill(victim, Signal::KILL);
        // A read that ends in death would take lines along that came meanwhile.
        assert!(wait_pid(victim, DEADLINE));
        sandbox.write(&format!("go{round}"), "");
        eventually("the worker is not held up", || {
            sandbox.exists(&format!("written{round}")).then_some(())
        });
        wait_log(&sandbox, if round == 1 { "line 4000" } else { "line 8000" });
        assert_ne!(logger(&sandbox), victim);
    }
    sandbox.write("go3", "");
    wait_log(&sandbox, "end of lines");
    server.stop();
    wait_log(&sandbox, "exiting");
    let log = sandbox.read("log");
    let numbers: Vec<u32> =
        log.lines().filter_map(|line| line.strip_prefix("line ")?.parse().ok()).collect();
    assert!(numbers.iter().copied().eq(1..=9000), "{} lines", numbers.len());
    assert_eq!(log.matches("log command died, status:9, restarting").count(), 2);
}

#[test]
fn a_log_command_that_dies_at_once_does_not_disturb_the_server() {
    let sandbox = Sandbox::new("log-dies");
    let log = "| test -e good || exit 1; exec cat >> log";
    let mut server = start(&sandbox, log, "count 1 2000\nsay counted $GEN\ntouch written");
    eventually("the worker is not held up", || sandbox.exists("written").then_some(()));
    server.signal(Signal::HUP);
    sandbox.write("good", "");
    wait_log(&sandbox, "counted 2");
    server.stop();
    wait_log(&sandbox, "exiting");
    let log = sandbox.read("log");
    assert!(log.contains("log command died, status:256, restarting"), "{log}");
    assert_eq!(log.lines().filter(|line| line.starts_with("line ")).count(), 4000);
}

#[test]
fn the_last_lines_reach_a_log_command_that_died_just_before() {
    let sandbox = Sandbox::new("log-last");
    let log = "| echo try >> tries; test -e good || exit 1; exec cat >> log";
    let mut server = start(&sandbox, log, "touch up");
    eventually("the worker", || sandbox.exists("up").then_some(()));
    // The fourth one is dead, and the fifth comes so late that the end comes first.
    eventually("four tries", || {
        let tries = fs::read_to_string(sandbox.path("tries")).ok()?;
        (tries.lines().count() >= 4 && sandbox.processes().len() == 2).then_some(())
    });
    sandbox.write("good", "");
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit().code(), Some(0));
    wait_log(&sandbox, "exiting");
    wait_log(&sandbox, "starting new worker");
}

#[test]
fn a_log_command_outlives_ctrl_c() {
    let sandbox = Sandbox::new("log-int");
    let script = sandbox.script("worker", "on TERM exit 0\non INT ignore\nsay up");
    let launch =
        sandbox.start_server().args(["--interval=0", "--log-file=| cat >> log"]).own_group();
    let mut server = launch.worker(script).spawn();
    wait_log(&sandbox, "up");
    let group = rustix::process::Pid::from_raw(server.pid()).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::INT).unwrap();
    assert_eq!(server.wait_exit().code(), Some(0));
    wait_log(&sandbox, "received INT, sending TERM to all workers:");
    wait_log(&sandbox, "exiting");
}

#[test]
fn a_log_file_that_was_moved_is_opened_again_for_new_workers_too() {
    let sandbox = Sandbox::new("log-file");
    sandbox.write("log", "before\n");
    let mut server = start(&sandbox, "log", "say up $GEN");
    wait_log(&sandbox, "up 1");
    assert!(sandbox.read("log").starts_with("before\n"), "appended to");
    fs::rename(sandbox.path("log"), sandbox.path("log.1")).unwrap();
    server.signal(Signal::USR1);
    eventually("a new file", || sandbox.exists("log").then_some(()));
    server.signal(Signal::HUP);
    wait_log(&sandbox, "up 2");
    wait_log(&sandbox, "killing old workers");
    server.stop();
    assert!(sandbox.read("log").ends_with("exiting\n"));
    assert!(!sandbox.read("log.1").contains("up 2"));
    let (stdout, stderr) = server.texts();
    assert_eq!((stdout.lines().count(), stderr.as_str()), (1, ""), "only the first line: {stdout}");
}

#[test]
fn a_log_file_that_cannot_be_reopened_stays_in_use() {
    let sandbox = Sandbox::new("log-stays");
    fs::create_dir(sandbox.path("dir")).unwrap();
    let mut server = start(&sandbox, "dir/log", "say up $GEN");
    let logged = |path: &str, text: &str| {
        eventually(text, || {
            fs::read_to_string(sandbox.path(path)).ok()?.contains(text).then_some(())
        });
    };
    logged("dir/log", "up 1");
    fs::rename(sandbox.path("dir"), sandbox.path("moved")).unwrap();
    server.signal(Signal::USR1);
    logged("moved/log", "failed to reopen the log file: ");
    server.signal(Signal::HUP);
    logged("moved/log", "up 2");
    server.stop();
}
