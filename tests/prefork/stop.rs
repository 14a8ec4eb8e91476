//! How a pool ends: in time, by force, and when it is told twice.

use std::time::{Duration, Instant};

use sigpolicy::Signal;

use super::harness::{Kind, busy, pool};
use super::http::{answers, ask, ask_many};
use crate::sandbox::{DEADLINE, Sandbox, eventually, promptly, wait_pid};

#[test]
fn idle_workers_leave_at_once() {
    for kind in [Kind::Plain, Kind::Managed, Kind::Cooperating] {
        promptly(kind.word(), Duration::from_millis(200), || {
            let sandbox = Sandbox::new("stop-idle");
            let mut pool = pool(&sandbox, kind, &["--workers=3"]);
            pool.wait_workers(3);
            let begun = Instant::now();
            pool.signal(Signal::TERM);
            assert!(wait_pid(pool.server.pid(), DEADLINE));
            let took = begun.elapsed();
            pool.ends(0);
            assert_eq!(sandbox.processes(), [0; 0]);
            took
        });
    }
}

#[test]
fn term_int_and_quit_end_the_pool_when_the_last_request_is_answered() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let sandbox = Sandbox::new("stop-busy");
        let options = ["--workers=2", "--pid-file=pid", "--path=sock"];
        let mut pool = pool(&sandbox, Kind::Managed, &options);
        let workers = pool.wait_workers(2);
        assert!(sandbox.exists("pid") && sandbox.exists("sock"));
        let asked = ask(&pool.target, "/sleep/1");
        eventually("a busy one", || workers.iter().any(|pid| busy(*pid)).then_some(()));
        pool.signal(signal);
        let answer = answers(vec![asked]).remove(0);
        assert!(answer.took >= Duration::from_millis(950), "{signal}: {answer:?}");
        pool.ends(0);
        assert_eq!(sandbox.names(), ["worker.pl"], "{signal}: nothing is left behind");
        assert_eq!(sandbox.processes(), [0; 0], "{signal}");
    }
}

/// The client of a stuck worker sees an end, the worker is killed, and the exit code says so.
#[test]
fn a_stuck_worker_is_killed_at_the_die_timeout() {
    let sandbox = Sandbox::new("stop-stuck");
    let mut pool = pool(&sandbox, Kind::Managed, &["--workers=2", "--die-timeout=1"]);
    pool.wait_workers(2);
    let asked = ask(&pool.target, "/hang");
    let stuck = pool.server.wait_line("hanging").number();
    let begun = Instant::now();
    pool.signal(Signal::TERM);
    assert!(wait_pid(stuck, DEADLINE));
    let took = begun.elapsed();
    assert!(asked.join().unwrap().is_err());
    pool.ends(1);
    assert!(took >= Duration::from_millis(950), "{took:?}");
    assert!(took < Duration::from_millis(2500), "{took:?}");
    assert_eq!(sandbox.processes(), [0; 0]);
}

/// The pid file stays as long as there is somebody to be told from it.
#[test]
fn the_pid_file_is_there_until_the_end() {
    let sandbox = Sandbox::new("stop-pid-file");
    let options = ["--workers=1", "--die-timeout=1", "--pid-file=pid"];
    let mut pool = pool(&sandbox, Kind::Managed, &options);
    pool.wait_workers(1);
    let asked = ask(&pool.target, "/hang");
    pool.server.wait_line("hanging");
    pool.signal(Signal::TERM);
    pool.server.wait_line("received TERM");
    assert_eq!(sandbox.read("pid"), format!("{}\n", pool.server.pid()));
    assert!(asked.join().unwrap().is_err());
    pool.ends(1);
    assert!(!sandbox.exists("pid"));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second) in
        [(Signal::TERM, Signal::TERM), (Signal::TERM, Signal::INT), (Signal::INT, Signal::INT)]
    {
        let sandbox = Sandbox::new("stop-twice");
        let mut pool = pool(&sandbox, Kind::Managed, &["--workers=3", "--die-timeout=600"]);
        pool.wait_workers(3);
        let asked = ask_many(&pool.target, "/hang", 2);
        let stuck = [(); 2].map(|()| pool.server.wait_line("hanging").number());
        pool.signal(first);
        pool.server.wait_line(&format!("received {first}"));
        pool.signal(second);
        for pid in stuck {
            assert!(wait_pid(pid, DEADLINE));
        }
        pool.ends(1);
        assert!(asked.into_iter().all(|asked| asked.join().unwrap().is_err()));
        assert_eq!(sandbox.processes(), [0; 0], "{first} {second}");
    }
}

/// QUIT has no time limit; TERM after it sets one.
#[test]
fn quit_waits_longer_than_the_die_timeout_and_term_ends_that() {
    let sandbox = Sandbox::new("stop-quit");
    let mut pool = pool(&sandbox, Kind::Managed, &["--workers=1", "--die-timeout=0.3"]);
    pool.wait_workers(1);
    let asked = ask(&pool.target, "/sleep/1.2");
    eventually("a busy one", || busy(pool.workers()[0]).then_some(()));
    pool.signal(Signal::QUIT);
    answers(vec![asked]);
    pool.ends(0);

    let sandbox = Sandbox::new("stop-quit-term");
    let mut pool = super::harness::pool(&sandbox, Kind::Managed, &["--die-timeout=0.3"]);
    pool.wait_workers(3);
    let asked = ask(&pool.target, "/hang");
    pool.server.wait_line("hanging");
    pool.signal(Signal::QUIT);
    pool.server.wait_line("received QUIT");
    pool.signal(Signal::TERM);
    pool.ends(1);
    assert!(asked.join().unwrap().is_err());
    assert_eq!(sandbox.processes(), [0; 0]);
}

/// It neither kills the manager nor orphans anybody, and nobody new is started.
#[test]
fn hup_while_stopping_is_ignored() {
    let sandbox = Sandbox::new("stop-hup");
    let mut pool = pool(&sandbox, Kind::Managed, &["--workers=2"]);
    let workers = pool.wait_workers(2);
    let asked = ask(&pool.target, "/sleep/1");
    eventually("a busy one", || workers.iter().any(|pid| busy(*pid)).then_some(()));
    pool.signal(Signal::TERM);
    pool.server.wait_line("received TERM");
    let starts = pool.starts();
    for signal in [Signal::HUP, Signal::HUP, Signal::TTIN, Signal::USR1] {
        pool.signal(signal);
    }
    answers(vec![asked]);
    pool.ends(0);
    assert_eq!(pool.starts(), starts, "{}", pool.server.transcript());
    assert_eq!(sandbox.processes(), [0; 0]);
}

#[test]
fn another_stop_signal_is_sent() {
    let sandbox = Sandbox::new("stop-signal");
    sandbox.write(
        "worker.pl",
        "$| = 1; $SIG{TERM} = sub { print qq(TERM $$\\n) };\n\
                   $SIG{USR2} = sub { print qq(USR2 $$\\n); exit 0 };\n\
                   print qq(up $$\\n); 1 while select undef, undef, undef, 60 or 1;\n",
    );
    let launch = sandbox.prefork_run().args(["--workers=2", "--stop-signal=USR2"]);
    let mut server = launch.program(["perl", "worker.pl"]).spawn();
    server.wait_lines(&["up ", "up "]);
    server.stop();
    let said = |word: &str| server.lines().iter().filter(|line| line.starts_with(word)).count();
    assert_eq!((said("USR2 "), said("TERM ")), (2, 0), "{}", server.transcript());
}

/// SIGKILL of a worker in uninterruptible company: the whole group goes.
#[test]
fn no_grandchild_survives_the_end() {
    let sandbox = Sandbox::new("stop-group");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=1", "--die-timeout=1"]);
    pool.wait_workers(1);
    let child = pool.get("/fork").text;
    let grandchild: i32 = child.strip_prefix("child ").unwrap().parse().unwrap();
    assert!(!wait_pid(grandchild, Duration::ZERO), "it runs");
    pool.signal(Signal::TERM);
    assert!(pool.server.wait_exit().code().is_some());
    assert!(wait_pid(grandchild, DEADLINE), "it is gone");
    assert_eq!(sandbox.processes(), [0; 0]);
}

/// A worker that died leaves its helpers behind: they would keep what it held.
#[test]
fn no_grandchild_survives_its_worker() {
    let sandbox = Sandbox::new("stop-helper");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=2"]);
    pool.wait_workers(2);
    let answer = pool.get("/fork");
    let grandchild: i32 = answer.text.strip_prefix("child ").unwrap().parse().unwrap();
    crate::sandbox::kill(answer.pid, Signal::KILL);
    assert!(wait_pid(grandchild, DEADLINE), "it is gone with its worker");
    pool.wait_workers(2);
    pool.stop(&sandbox);
}
