//! Readiness, giving up, backing off, and limits: what Server::Starter does not have.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::{Duration, Instant};

use sigpolicy::Signal;

use crate::sandbox::{Sandbox, Server, eventually, kill, wait_pid};

const UP: &str = "on TERM exit 0\nsay up $GEN $PID\nready";
/// Nothing in these tests waits for such an interval to pass.
const LONG: &str = "--interval=600";

fn start(sandbox: &Sandbox, options: &[&str], steps: &str) -> Server {
    let script = sandbox.script("worker", steps);
    sandbox.start_server().arg("--status-file=status").args(options).worker(script).spawn()
}

/// Waits until this generation is in the status file, which is when it is proven.
fn proven(sandbox: &Sandbox, server: &Server, generation: u32) -> i32 {
    let pid = server.wait_line(&format!("up {generation} ")).number();
    eventually("a proven worker", || {
        let status = std::fs::read_to_string(sandbox.path("status")).ok()?;
        status.lines().any(|line| line == format!("{generation}:{pid}")).then_some(())
    });
    pid
}

#[test]
fn ready_ends_the_interval() {
    let sandbox = Sandbox::new("ready");
    sandbox.script("worker.2", "on TERM exit 0\nsay up $GEN $PID\nwait go\nready");
    let mut server = start(&sandbox, &[LONG], UP);
    let first = proven(&sandbox, &server, 1);
    server.signal(Signal::HUP);
    server.wait_line("up 2");
    assert_eq!(server.count("new worker is now running"), 0);
    sandbox.write("go", "");
    server.wait_line(&format!("new worker is now running, sending TERM to old workers:{first}"));
    server.wait_line(&format!("old worker {first} died, status:0"));
    server.stop();
}

#[test]
fn a_worker_that_spoke_and_is_never_ready_is_stopped() {
    let sandbox = Sandbox::new("start-timeout");
    sandbox.script("worker.2", "on TERM exit 7\nnotify STATUS=loading\nsay loading $PID");
    let mut server = start(&sandbox, &["--interval=1", "--start-timeout=1"], UP);
    let first = proven(&sandbox, &server, 1);
    server.signal(Signal::HUP);
    let second = server.wait_line("loading").number();
    server.wait_line(&format!(
        "new worker {second} announced itself but was not ready within 1 secs"
    ));
    server.wait_line(&format!("worker {second} died, status:1792"));
    let third = proven(&sandbox, &server, 3);
    server.wait_line(&format!("old worker {first} died, status:0"));
    let lines = server.lines();
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
    assert!(at(&format!("starting new worker {third}")) < at(&format!("old worker {first} died")));
    server.stop();
}

#[test]
fn a_worker_that_asks_for_more_time_gets_it() {
    let sandbox = Sandbox::new("extend");
    let steps = "notify EXTEND_TIMEOUT_USEC=600000000\nsay asked\nwait go\nsay up $GEN $PID\nready";
    let mut server = start(&sandbox, &["--interval=1", "--start-timeout=1"], steps);
    let begun = Instant::now();
    server.wait_line("asked");
    eventually("the start timeout passes", || {
        (begun.elapsed() > Duration::from_millis(1500)).then_some(())
    });
    sandbox.write("go", "");
    proven(&sandbox, &server, 1);
    assert_eq!(server.count("not ready"), 0, "{}", server.transcript());
    server.stop();
}

#[test]
fn a_restart_is_given_up_and_the_old_worker_kept() {
    let sandbox = Sandbox::new("attempts");
    sandbox.script("worker.2", "exit 1");
    sandbox.script("worker.3", "die SEGV");
    let mut server = start(&sandbox, &["--interval=1", "--restart-attempts=2"], UP);
    let first = proven(&sandbox, &server, 1);
    server.signal(Signal::HUP);
    server.wait_line(&format!("giving up the restart after 2 failed starts, worker {first} stays"));
    assert_eq!(sandbox.read("status"), format!("1:{first}\n"));
    assert!(!wait_pid(first, Duration::ZERO));
    server.signal(Signal::HUP);
    proven(&sandbox, &server, 4);
    server.wait_line(&format!("old worker {first} died, status:0"));
    server.stop();
}

#[test]
fn hups_during_a_restart_become_one_more() {
    let sandbox = Sandbox::new("coalesce");
    sandbox.script("worker.2", "on TERM exit 0\nsay up $GEN $PID\nwait go\nready");
    let mut server = start(&sandbox, &[LONG], UP);
    proven(&sandbox, &server, 1);
    server.signal(Signal::HUP);
    server.wait_line("up 2");
    for _ in 0..5 {
        server.signal(Signal::HUP);
    }
    server.wait_line("received HUP during a restart, one more restart will follow");
    for _ in 0..5 {
        server.signal(Signal::HUP);
    }
    // All of them were heard before the worker becomes ready.
    server.settle();
    sandbox.write("go", "");
    proven(&sandbox, &server, 3);
    server.wait_line("died, status:0");
    server.wait_line("died, status:0");
    server.stop();
    assert_eq!(server.count("starting new worker"), 3, "{}", server.transcript());
    assert_eq!(server.count("received HUP, spawning a new worker"), 2);
    assert_eq!(server.count("received HUP during"), 1);
}

#[test]
fn a_crash_loop_is_slowed_down_after_three_failures() {
    let sandbox = Sandbox::new("backoff");
    for generation in 1..=5 {
        sandbox.script(&format!("worker.{generation}"), "say start $GEN at $START\nexit 98");
    }
    let options = ["--interval=0", "--backoff-max=0.6"];
    let mut server = start(&sandbox, &options, "on TERM exit 0\nsay start $GEN at $START");
    let starts: Vec<i32> =
        (1..=6).map(|n| server.wait_line(&format!("start {n} at")).number()).collect();
    let lines = server.lines();
    let position = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
    // The first ones as Perl does; from the third failure on a line tells the wait.
    for failures in 3..=5 {
        let line =
            server.wait_line(&format!("{failures} failed starts in a row, trying again in 0."));
        assert!(line.text.ends_with(" secs"), "{}", line.text);
    }
    assert!(position("start 3") < position("3 failed starts in a row"));
    assert_eq!(server.count("1 failed starts") + server.count("2 failed starts"), 0);
    // Half of 0.6 s at least, in clock ticks of 10 ms.
    assert!(starts[3] - starts[2] >= 28 && starts[4] - starts[3] >= 28, "{starts:?}");
    server.stop();
}

#[test]
fn a_worker_that_binds_for_itself_gets_a_hint() {
    let sandbox = Sandbox::new("hint");
    sandbox.script("worker.1", "exit 98");
    let mut server = start(&sandbox, &["--interval=1"], UP);
    server.wait_line("seems to have failed to start, exit status:25088");
    let hint = server.wait_line("hint: ").text;
    assert!(hint.contains("address") && hint.contains("SERVER_STARTER_PORT"), "{hint}");
    server.wait_line("up 2");
    server.stop();
}

#[test]
fn kill_for_a_worker_that_does_not_leave() {
    let sandbox = Sandbox::new("kill");
    let stays = "on TERM ignore\nsay up $GEN $PID\nready";
    let mut server = start(&sandbox, &[LONG, "--kill-timeout=0.3"], stays);
    let first = proven(&sandbox, &server, 1);
    server.signal(Signal::HUP);
    let second = proven(&sandbox, &server, 2);
    server
        .wait_line(&format!("worker {first} has not left 0.3 secs after its signal, sending KILL"));
    server.wait_line(&format!("old worker {first} died, status:9"));
    server.signal(Signal::TERM);
    server.wait_line(&format!("worker {second} has not left 0.3 secs"));
    assert_eq!(server.wait_exit().code(), Some(0));
    assert!(server.lines().contains(&format!("worker {second} died, status:9")));
}

#[test]
fn old_generations_are_limited() {
    let sandbox = Sandbox::new("max");
    let stays = "on TERM ignore\nsay up $GEN $PID\nready";
    let mut server = start(&sandbox, &[LONG, "--max-generations=1"], stays);
    let first = proven(&sandbox, &server, 1);
    server.signal(Signal::HUP);
    let second = proven(&sandbox, &server, 2);
    server.wait_line("killing old workers");
    assert_eq!(server.count("sending KILL"), 0, "one may stay");
    server.signal(Signal::HUP);
    let third = proven(&sandbox, &server, 3);
    server.wait_line(&format!("more than 1 old generations, sending KILL to worker {first}"));
    server.wait_line(&format!("old worker {first} died, status:9"));
    assert!(!wait_pid(second, Duration::ZERO));
    kill(second, Signal::KILL);
    server.signal(Signal::TERM);
    server.wait_line("received TERM");
    kill(third, Signal::KILL);
    assert_eq!(server.wait_exit().code(), Some(0));
}

#[test]
fn abstract_sockets() {
    let sandbox = Sandbox::new("abstract");
    let name = format!("superdaemon-test-{}", sandbox.path("x").display());
    let option = format!("--path=@{name}");
    let mut server =
        start(&sandbox, &[LONG, &option], &format!("env SERVER_STARTER_PORT\nserve\n{UP}"));
    let first = proven(&sandbox, &server, 1);
    server.wait_line(&format!("SERVER_STARTER_PORT=@{name}=3"));
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let mut answer = String::new();
    let mut stream = UnixStream::connect_addr(&address).unwrap();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert_eq!(answer, format!("1 {first}\n"));
    assert_eq!(sandbox.names(), ["status", "worker"]);
    server.stop();
    assert!(UnixStream::connect_addr(&address).is_err());
}
