//! Faults of Server::Starter 0.35 that must not come back, one test each.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use sigpolicy::Signal;

use crate::sandbox::{Sandbox, Server, ask, eventually, kill, promptly, puppet, wait_pid};

const UP: &str = "on TERM exit 0\nserve\nsay up $GEN $PID";
const FILES: [&str; 3] = ["--pid-file=pid", "--status-file=status", "--path=sock"];
const AT_ONCE: Duration = Duration::from_millis(500);

fn start(sandbox: &Sandbox, options: &[&str], steps: &str) -> Server {
    let script = sandbox.script("worker", steps);
    sandbox.start_server().args(FILES).args(options).worker(script).spawn()
}

/// The worker of this generation answers.
fn serves(sandbox: &Sandbox, generation: u32) -> i32 {
    let answer = ask(&sandbox.path("sock")).unwrap();
    let (of, pid) = answer.split_once(' ').unwrap();
    assert_eq!(of, generation.to_string(), "{answer}");
    pid.parse().unwrap()
}

/// A release that can be taken away: the puppet under a name of the sandbox.
fn release(sandbox: &Sandbox) -> String {
    std::os::unix::fs::symlink(puppet(), sandbox.path("release")).unwrap();
    sandbox.path("release").display().to_string()
}

#[test]
fn b1_a_release_that_cannot_be_executed_leaves_files_and_sockets() {
    let sandbox = Sandbox::new("b1");
    let script = sandbox.script("worker", UP).display().to_string();
    let program = release(&sandbox);
    let launch = sandbox.start_server().args(FILES).arg("--interval=0");
    let mut server = launch.program([&program, &script]).spawn();
    let first = server.wait_line("up 1").number();
    sandbox.remove("release");
    server.signal(Signal::HUP);
    server.wait_line("failed to start, exit status:65280");
    assert_eq!(sandbox.names(), ["pid", "sock", "status", "worker"]);
    assert_eq!(sandbox.read("pid"), format!("{}\n", server.pid()));
    assert_eq!(sandbox.read("status"), format!("1:{first}\n"));
    assert_eq!(serves(&sandbox, 1), first);
    release(&sandbox);
    let line = server.wait_line("up ");
    server.wait_line(&format!("old worker {first} died, status:0"));
    assert_eq!(serves(&sandbox, u32::try_from(line.number_after("up")).unwrap()), line.number());
    server.stop();
}

#[test]
fn b1_a_missing_directory_leaves_files_and_sockets() {
    let sandbox = Sandbox::new("b1-dir");
    fs::create_dir(sandbox.path("inside")).unwrap();
    let mut server = start(&sandbox, &["--interval=0", "--dir=inside"], UP);
    let first = server.wait_line("up 1").number();
    fs::remove_dir(sandbox.path("inside")).unwrap();
    server.signal(Signal::HUP);
    server.wait_line("failed to start, exit status:65280");
    assert_eq!(sandbox.names(), ["pid", "sock", "status", "worker"]);
    assert_eq!(serves(&sandbox, 1), first);
    server.stop();
    assert_eq!(sandbox.names(), ["worker"]);
}

#[test]
fn b2_a_second_hup_does_not_pass_a_worker_that_is_not_proven() {
    let sandbox = Sandbox::new("b2");
    sandbox.script("worker.2", "say up $GEN $PID\nwait go\nexit 1");
    // Proven at the end of its script; the interval is longer than any pause of the machine.
    let mut server =
        start(&sandbox, &["--interval=15"], "on TERM exit 0\nserve\nsay up $GEN $PID\nready");
    let first = server.wait_line("up 1").number();
    eventually("the first worker is proven", || sandbox.exists("status").then_some(()));
    server.signal(Signal::HUP);
    server.wait_line("up 2");
    server.signal(Signal::HUP);
    server.wait_line("received HUP during a restart");
    sandbox.write("go", "");
    server.wait_line("seems to have failed to start, exit status:256");
    assert_eq!(server.count("new worker is now running"), 0, "{}", server.transcript());
    assert_eq!(serves(&sandbox, 1), first);
    server.stop();
}

#[test]
fn b3_a_death_inside_the_delay_is_answered_before_old_workers_are_killed() {
    let sandbox = Sandbox::new("b3");
    let mut server = start(&sandbox, &["--interval=0", "--kill-old-delay=15"], UP);
    let first = server.wait_line("up 1").number();
    server.signal(Signal::HUP);
    let second = server.wait_line("up 2").number();
    server.wait_line("sleeping 15 secs before killing old workers");
    kill(second, Signal::KILL);
    server.wait_line(&format!("worker {second} died unexpectedly with status:9, restarting"));
    server.wait_line("up 3");
    assert!(!server.lines().contains(&"killing old workers".to_owned()), "{}", server.transcript());
    assert!(!wait_pid(first, Duration::ZERO), "the first worker still serves");
    server.stop();
}

#[test]
fn b4_restart_tells_a_failed_start() {
    let sandbox = Sandbox::new("b4");
    sandbox.script("worker.2", "err no such table: users\nexit 3");
    let mut server = start(&sandbox, &["--interval=1"], UP);
    let first = server.wait_line("up 1").number();
    eventually("status", || sandbox.exists("status").then_some(()));
    let restarted = sandbox.start_server().args(FILES).arg("--restart").output();
    assert_eq!(restarted.code, Some(1), "{restarted:?}");
    for part in [
        "(generation 2) died: exit code 3",
        &format!("worker {first} still serves"),
        "no such table: users",
    ] {
        assert!(restarted.stderr.contains(part), "{part}: {restarted:?}");
    }
    server.stop();
}

#[test]
fn b5_a_second_instance_says_who_is_there_and_disturbs_nothing() {
    let sandbox = Sandbox::new("b5");
    let mut server = start(&sandbox, &["--interval=0"], UP);
    let first = server.wait_line("up 1").number();
    for options in [&FILES[..], &["--pid-file=pid"], &["--path=sock"]] {
        let second = sandbox.start_server().args(options).worker(sandbox.path("worker")).output();
        assert!(matches!(second.code, Some(1..)), "{second:?}");
        let named = if options.contains(&"--pid-file=pid") {
            format!("process {}", server.pid())
        } else {
            "sock".to_owned()
        };
        assert!(second.stderr.contains(&named), "{named}: {second:?}");
    }
    assert_eq!(sandbox.read("pid"), format!("{}\n", server.pid()));
    assert_eq!(sandbox.read("status"), format!("1:{first}\n"));
    assert_eq!(serves(&sandbox, 1), first);
    server.stop();
    assert_eq!(sandbox.names(), ["worker"]);
}

#[test]
fn b6_an_unknown_signal_name_is_refused_at_the_start() {
    let sandbox = Sandbox::new("b6");
    let script = sandbox.script("worker", UP);
    for option in ["--signal-on-hup=WINK", "--signal-on-term=-TERM"] {
        let refused = sandbox.start_server().args(FILES).arg(option).worker(&script).output();
        assert_eq!(refused.code, Some(255), "{refused:?}");
        assert!(refused.stderr.contains("unknown signal name"), "{refused:?}");
        assert!(!refused.stderr.contains("starting"), "{refused:?}");
    }
    assert_eq!(sandbox.names(), ["worker"]);
}

#[test]
fn b9_a_chosen_descriptor_never_closes_or_replaces_another() {
    let sandbox = Sandbox::new("b9");
    let steps = "fds\nenv SERVER_STARTER_PORT\nsay up $GEN";
    let play = |options: &[&str]| {
        let script = sandbox.script("worker", steps);
        let launch = sandbox.start_server().args(options).arg("--interval=0").worker(script).bare();
        let mut server = launch.spawn();
        server.wait_line("up 1");
        // Also the second generation, and the server itself survives.
        server.signal(Signal::HUP);
        server.wait_line("up 2");
        server.wait_line("died, status:");
        server.stop();
        server.lines()
    };
    for number in [3, 4] {
        let wanted = format!("--port=127.0.0.1:0={number}");
        let lines = play(&[&wanted, "--port=127.0.0.1:0"]);
        let other = 7 - number;
        let expected = format!("SERVER_STARTER_PORT=127.0.0.1:0={number};127.0.0.1:0={other}");
        assert_eq!(lines.iter().filter(|line| **line == expected).count(), 2, "{lines:#?}");
        for world in lines.iter().filter(|line| line.starts_with("fds ")) {
            assert!(world.contains(" 3=socket:") && world.contains(" 4=socket:"), "{world}");
        }
    }
    let refused = |ports: &[&str], number: &str| {
        let refused = sandbox.start_server().args(ports).worker(sandbox.path("worker")).output();
        assert!(matches!(refused.code, Some(1..)), "{refused:?}");
        assert!(refused.stderr.contains(&format!("descriptor {number}")), "{refused:?}");
        assert!(!refused.stderr.contains("new worker"), "{refused:?}");
    };
    refused(&["--port=127.0.0.1:0=8", "--port=127.0.0.1:0=8"], "8");
    refused(&["--port=127.0.0.1:0=2"], "2");
    refused(&["--port=127.0.0.1:0=1048575"], "1048575");
}

#[test]
fn b13_daemonize_does_not_report_success_before_anything_works() {
    let sandbox = Sandbox::new("b13");
    let script = sandbox.script("worker", "exit 3");
    let options = ["--daemonize", "--log-file=log", "--interval=1"];
    let failed = sandbox.start_server().args(FILES).args(options).worker(script).output();
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stderr.contains("died: exit code 3"), "{failed:?}");
    eventually("the daemon leaves", || sandbox.processes().is_empty().then_some(()));
    assert_eq!(sandbox.names(), ["log", "worker"]);
}

#[test]
fn term_is_served_at_once_in_every_state() {
    let states: [(&str, &[&str], &str); 4] = [
        ("interval", &["--interval=60"], "up 1"),
        ("interval of a restart", &["--interval=0"], "up 2"),
        ("kill-old-delay", &["--interval=0", "--kill-old-delay=60"], "sleeping 60 secs"),
        ("between failing starts", &["--interval=60"], "seems to have failed to start"),
    ];
    for (state, options, line) in states {
        promptly(state, AT_ONCE, || {
            let sandbox = Sandbox::new("term");
            let failing = line.contains("failed");
            let mut server = start(&sandbox, options, if failing { "exit 1" } else { UP });
            if options.contains(&"--interval=0") {
                server.wait_line("up 1");
                server.signal(Signal::HUP);
            }
            server.wait_line(line);
            let begun = Instant::now();
            server.signal(Signal::TERM);
            let status = server.wait_exit();
            let took = begun.elapsed();
            assert_eq!(status.code(), Some(0), "{state}\n{}", server.transcript());
            assert_eq!(sandbox.names(), ["worker"], "{state}");
            took
        });
    }
}

#[test]
fn a_death_inside_the_interval_is_told_at_once() {
    promptly("the line", AT_ONCE, || {
        let sandbox = Sandbox::new("death");
        let server = start(&sandbox, &["--interval=60"], "say up\nexit 1");
        let up = server.wait_line("up").at;
        server
            .wait_line("seems to have failed to start, exit status:256")
            .at
            .saturating_duration_since(up)
    });
}

#[test]
fn the_next_start_comes_no_sooner_than_the_interval() {
    let sandbox = Sandbox::new("spacing");
    let script = "say start $GEN at $START\nexit 1";
    let server = start(&sandbox, &["--interval=1", "--backoff-max=0"], script);
    let at = |generation| server.wait_line(&format!("start {generation} at")).number();
    let (first, second, third) = (at(1), at(2), at(3));
    // Clock ticks of 10 ms, rounded down twice.
    assert!(second - first >= 98 && third - second >= 98, "{first} {second} {third}");
    assert!(third - first < 1000, "{first} {second} {third}");
}

#[test]
fn every_hup_is_served() {
    let sandbox = Sandbox::new("wakeup");
    let mut server = start(&sandbox, &["--interval=0"], UP);
    server.wait_line("up 1");
    for generation in 2..=40 {
        server.signal(Signal::HUP);
        server.wait_line(&format!("up {generation} "));
        // Every other time the next one comes before the old worker has left.
        if generation % 2 == 0 {
            server.wait_line("died, status:0");
        }
    }
    server.stop();
}

#[test]
fn what_stands_at_a_path_and_is_not_a_dead_socket_is_refused() {
    let sandbox = Sandbox::new("path");
    let script = sandbox.script("worker", UP);
    let play = || {
        let refused = sandbox.start_server().arg("--path=there").worker(&script).output();
        assert!(matches!(refused.code, Some(1..)), "{refused:?}");
        assert!(refused.stderr.contains("there"), "{refused:?}");
    };
    sandbox.write("there", "precious");
    play();
    assert_eq!(sandbox.read("there"), "precious");
    sandbox.remove("there");
    std::os::unix::fs::symlink("precious", sandbox.path("there")).unwrap();
    play();
    assert_eq!(fs::read_link(sandbox.path("there")).unwrap().to_str(), Some("precious"));
    sandbox.remove("there");
    fs::create_dir(sandbox.path("there")).unwrap();
    play();
    fs::remove_dir(sandbox.path("there")).unwrap();
    let live = UnixListener::bind(sandbox.path("there")).unwrap();
    play();
    assert!(std::os::unix::net::UnixStream::connect(sandbox.path("there")).is_ok());
    drop(live);
    // Nobody listens any more: this one may be replaced.
    let mut server =
        sandbox.start_server().args(["--path=there", "--interval=0"]).worker(&script).spawn();
    server.wait_line("removing existing socket file:there");
    server.wait_line("up 1");
    // Somebody else takes the place: it is not removed at the end.
    sandbox.remove("there");
    let _other = UnixListener::bind(sandbox.path("there")).unwrap();
    server.stop();
    assert!(sandbox.exists("there"));
}

#[test]
fn a_pid_used_again_is_not_signalled() {
    let sandbox = Sandbox::new("recycled");
    let script = sandbox.script("innocent", "on TERM say hit\non HUP say hit\nsay up");
    let mut innocent = sandbox.run(puppet()).arg(script).spawn();
    innocent.wait_line("up");
    sandbox.write("pid", format!("{}\n", innocent.pid()));
    sandbox.write("status", format!("1:{}\n", innocent.pid()));
    for command in ["--stop", "--restart"] {
        let refused = sandbox.start_server().args(FILES).arg(command).output();
        assert_eq!(refused.code, Some(3), "{refused:?}");
        assert!(refused.stderr.contains("No such process"), "{refused:?}");
    }
    // Signals of one process to another arrive in order of their numbers at the latest with this one.
    innocent.signal(Signal::KILL);
    innocent.wait_exit();
    assert_eq!(innocent.count("hit"), 0, "{}", innocent.transcript());
    // A start takes the stale file over.
    let mut server = start(&sandbox, &["--interval=0"], UP);
    server.wait_line("up 1");
    assert_eq!(sandbox.read("pid"), format!("{}\n", server.pid()));
    server.stop();
}

#[test]
fn quit_drains_usr1_reopens_the_log_and_usr2_does_nothing() {
    let sandbox = Sandbox::new("quit");
    let steps = "on USR1 exit 4\nserve\nsay up $GEN $PID";
    let options = ["--interval=0", "--signal-on-term=USR1", "--log-file=log"];
    let mut server = start(&sandbox, &options, steps);
    let logged = |name: &str, text: &str| {
        eventually(text, || {
            fs::read_to_string(sandbox.path(name)).ok()?.contains(text).then_some(())
        });
    };
    logged("log", "up 1");
    fs::rename(sandbox.path("log"), sandbox.path("log.1")).unwrap();
    server.signal(Signal::USR1);
    logged("log", "");
    server.signal(Signal::USR2);
    logged("log", "received USR2, which is reserved");
    server.signal(Signal::HUP);
    logged("log", "up 2");
    logged("log", "died, status:");
    assert!(sandbox.read("log.1").contains("received USR1, reopening the log"));
    server.signal(Signal::QUIT);
    assert_eq!(server.wait_exit().code(), Some(0));
    let log = sandbox.read("log");
    assert!(log.contains("received QUIT, sending USR1 to all workers:"), "{log}");
    assert!(log.contains("died, status:1024") && log.ends_with("exiting\n"), "{log}");
    assert_eq!(fs::metadata(sandbox.path("log")).unwrap().permissions().mode() & 0o111, 0);
    assert_eq!(sandbox.names(), ["log", "log.1", "worker"]);
}
