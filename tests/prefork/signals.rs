//! Signals for the manager that neither stop nor reload, and those that are trapped.

use std::fs;
use std::time::{Duration, Instant};

use sigpolicy::Signal;

use super::harness::{Kind, children, pool, time_to_exit};
use crate::sandbox::{DEADLINE, Sandbox, eventually, wait_pid};

#[test]
fn ttin_and_ttou_change_the_number_of_workers() {
    let sandbox = Sandbox::new("signal-ttin");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=2", "--max-workers=4"]);
    let first = pool.wait_workers(2);
    for wanted in [3, 4] {
        pool.signal(Signal::TTIN);
        pool.wait_workers(wanted);
    }
    // The ceiling holds.
    pool.signal(Signal::TTIN);
    pool.server.wait_lines(&["received TTIN"; 3]);
    for wanted in [3, 2, 1] {
        pool.signal(Signal::TTOU);
        pool.wait_workers(wanted);
    }
    assert_eq!(pool.starts(), 4, "{}", pool.server.transcript());
    // One remains, whatever happens.
    pool.signal(Signal::TTOU);
    pool.server.wait_lines(&["received TTOU"; 4]);
    assert_eq!(pool.wait_workers(1).len(), 1);
    assert!(first.iter().all(|pid| *pid > 0));
    pool.stop(&sandbox);
}

#[test]
fn a_worker_too_many_is_not_taken_from_its_request() {
    let sandbox = Sandbox::new("signal-ttou");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=2"]);
    let workers = pool.wait_workers(2);
    let asked = super::http::ask_many(&pool.target, "/sleep/1", 2);
    eventually("both busy", || workers.iter().all(|pid| super::harness::busy(*pid)).then_some(()));
    pool.signal(Signal::TTOU);
    super::http::answers(asked);
    pool.wait_workers(1);
    pool.stop(&sandbox);
}

#[test]
fn usr1_opens_the_logs_again() {
    let sandbox = Sandbox::new("signal-usr1");
    let options = ["--workers=1", "--error-log=log", "--access-log=access"];
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    let worker = pool.wait_workers(1);
    let logged = |text: &str| {
        eventually(text, || {
            fs::read_to_string(sandbox.path("log")).ok()?.contains(text).then_some(())
        });
    };
    logged("starting worker");
    assert!(sandbox.exists("access"));
    fs::rename(sandbox.path("log"), sandbox.path("log.1")).unwrap();
    fs::rename(sandbox.path("access"), sandbox.path("access.1")).unwrap();
    pool.signal(Signal::USR1);
    eventually("new files", || (sandbox.exists("log") && sandbox.exists("access")).then_some(()));
    assert_eq!(pool.wait_workers(1), worker, "nobody is restarted");
    pool.signal(Signal::HUP);
    pool.wait_replaced(&worker, 1);
    logged("starting worker");
    pool.stop(&sandbox);
    logged("exiting");
}

#[test]
fn winch_does_nothing() {
    let sandbox = Sandbox::new("signal-winch");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=2"]);
    let workers = pool.wait_workers(2);
    pool.signal(Signal::WINCH);
    pool.signal(Signal::USR2);
    pool.get("/");
    assert_eq!(pool.wait_workers(2), workers);
    pool.stop(&sandbox);
}

/// Parallel::Prefork's `USR1 => ['TERM', 0.5]`.
#[test]
fn a_trap_with_an_interval_takes_one_worker_after_the_other() {
    let sandbox = Sandbox::new("signal-trap");
    let options = ["--workers=3", "--trap=USR1=TERM:0.4"];
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    let old = pool.wait_workers(3);
    let begun = Instant::now();
    pool.signal(Signal::USR1);
    let left: Vec<Duration> = old
        .iter()
        .map(|pid| {
            time_to_exit(*pid);
            begun.elapsed()
        })
        .collect();
    assert!(left[0] < Duration::from_millis(350), "the first at once: {left:?}");
    assert!(
        left[1] >= Duration::from_millis(390) && left[2] >= Duration::from_millis(790),
        "{left:?}"
    );
    assert!(left[2] < Duration::from_secs(3), "{left:?}");
    pool.wait_replaced(&old, 3);
    assert_eq!(pool.get("/").generation, 2);
    pool.stop(&sandbox);
}

#[test]
fn a_trap_without_an_interval_takes_all_at_once() {
    let sandbox = Sandbox::new("signal-trap-all");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=3", "--trap=USR2=TERM"]);
    let old = pool.wait_workers(3);
    pool.signal(Signal::USR2);
    pool.wait_replaced(&old, 3);
    assert_eq!(pool.get("/").generation, 2);
    pool.stop(&sandbox);
}

/// `USR1 => undef`: whoever is there stays, and new ones are of the next generation.
#[test]
fn a_trap_that_sends_nothing_leaves_workers_alone() {
    let sandbox = Sandbox::new("signal-trap-none");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=1", "--trap=HUP=none"]);
    let old = pool.wait_workers(1);
    pool.signal(Signal::HUP);
    pool.server.wait_line("received HUP");
    let answer = pool.get("/");
    assert_eq!((answer.pid, answer.generation), (old[0], 1));
    crate::sandbox::kill(old[0], Signal::KILL);
    pool.wait_replaced(&old, 1);
    assert_eq!(pool.get("/").generation, 2);
    pool.stop(&sandbox);
}

#[test]
fn a_trapped_term_still_stops_with_another_signal() {
    let sandbox = Sandbox::new("signal-trap-term");
    sandbox.write(
        "worker.pl",
        "$| = 1; $SIG{INT} = sub { print qq(INT $$\\n); exit 0 };\n\
         print qq(up $$\\n); 1 while select undef, undef, undef, 60 or 1;\n",
    );
    let launch = sandbox.prefork_run().args(["--workers=2", "--trap=TERM=INT:0.3"]);
    let mut server = launch.program(["perl", "worker.pl"]).spawn();
    server.wait_lines(&["up ", "up "]);
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() >= Duration::from_millis(290), "{:?}", begun.elapsed());
    let said = server.lines().iter().filter(|line| line.starts_with("INT ")).count();
    assert_eq!(said, 2, "{}", server.transcript());
}

/// The manager's own end by KILL: workers do not serve on without it.
#[test]
fn workers_leave_when_the_manager_is_killed() {
    for kind in [Kind::Plain, Kind::Managed, Kind::Cooperating] {
        let sandbox = Sandbox::new("signal-orphans");
        let mut pool = pool(&sandbox, kind, &["--workers=3"]);
        let workers = pool.wait_workers(3);
        let begun = Instant::now();
        pool.signal(Signal::KILL);
        for pid in &workers {
            assert!(wait_pid(*pid, DEADLINE), "{kind:?}: {pid} lives on");
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{kind:?}: {:?}", begun.elapsed());
        pool.server.wait_exit();
        assert_eq!(sandbox.processes(), [0; 0]);
    }
}

#[test]
fn a_request_is_finished_although_the_manager_was_killed() {
    let sandbox = Sandbox::new("signal-orphan-busy");
    let mut pool = pool(&sandbox, Kind::Managed, &["--workers=1"]);
    let worker = pool.wait_workers(1)[0];
    let asked = super::http::ask(&pool.target, "/sleep/0.8");
    eventually("busy", || super::harness::busy(worker).then_some(()));
    pool.signal(Signal::KILL);
    super::http::answers(vec![asked]);
    assert!(wait_pid(worker, DEADLINE), "and leaves then");
    pool.server.wait_exit();
}

#[test]
fn workers_stay_when_they_are_told_to() {
    let sandbox = Sandbox::new("signal-stay");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=2", "--orphans=stay"]);
    let workers = pool.wait_workers(2);
    let manager = pool.server.pid();
    pool.signal(Signal::KILL);
    pool.server.wait_exit();
    assert_eq!(children(manager), [0; 0]);
    for _ in 0..6 {
        assert!(workers.contains(&pool.get("/").pid));
    }
    assert!(workers.iter().all(|pid| !wait_pid(*pid, Duration::ZERO)));
}

/// For a worker that watches it, the pipe tells what a signal would.
#[test]
fn the_life_pipe_ends_with_the_manager() {
    let sandbox = Sandbox::new("signal-life");
    let program = "open my $life, '<&=', $ENV{LIFE_FD} or die; $| = 1; print qq(watching\\n); \
                   sysread $life, my $end, 1; open my $told, '>', qq(told.$$); exit";
    let launch = sandbox.prefork_run().args(["--workers=2", "--orphans=stay"]);
    let mut server = launch.program(["perl", "-e", program]).spawn();
    server.wait_lines(&["watching"; 2]);
    let workers = children(server.pid());
    server.signal(Signal::KILL);
    server.wait_exit();
    for pid in workers {
        assert!(wait_pid(pid, DEADLINE), "{pid} lives on");
        assert!(sandbox.exists(&format!("told.{pid}")));
    }
}
