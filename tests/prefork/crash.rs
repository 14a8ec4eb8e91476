//! Workers that die as soon as they are started: no storm, and no end either unless one is wanted.

use std::fs;
use std::time::{Duration, Instant};

use sigpolicy::Signal;

use super::harness::{Kind, Pool, busy, launch, pool};
use crate::sandbox::{Sandbox, eventually, kill};

/// Starts of workers that note when they began, for so long.
fn starts(sandbox: &Sandbox, ending: &str, options: &[&str], long: Duration) -> Vec<f64> {
    let program = format!(
        "use Time::HiRes 'time'; open my $f, '>>', 'starts'; syswrite $f, time . qq(\\n); {ending}\n"
    );
    sandbox.write("worker.pl", program);
    let launch = sandbox.prefork_run().args(options).program(["perl", "worker.pl"]);
    let mut server = launch.spawn();
    let begun = Instant::now();
    eventually("the time", || (begun.elapsed() >= long).then_some(()));
    assert!(server.alive(), "{}", server.transcript());
    server.signal(Signal::TERM);
    server.wait_exit();
    assert_eq!(sandbox.processes(), [0; 0]);
    sandbox.read("starts").lines().map(|line| line.parse().unwrap()).collect()
}

/// The predecessors start 2,600 in two seconds.
#[test]
fn workers_that_fail_at_once_are_not_started_in_a_storm() {
    let sandbox = Sandbox::new("crash-fail");
    let seen = starts(&sandbox, "exit 3", &["--workers=3"], Duration::from_secs(3));
    assert!((4..=30).contains(&seen.len()), "{seen:?}");
    // Pauses grow.
    let gap = |at: usize| seen[at + 1] - seen[at];
    assert!(gap(seen.len() - 2) > gap(0), "{seen:?}");
}

/// Exit code 0 is no success when it comes again and again.
#[test]
fn workers_that_leave_at_once_are_not_started_in_a_storm() {
    let sandbox = Sandbox::new("crash-zero");
    let seen = starts(&sandbox, "exit 0", &["--workers=3"], Duration::from_secs(3));
    assert!((4..=30).contains(&seen.len()), "{seen:?}");
}

#[test]
fn workers_killed_by_a_signal_at_once_are_not_started_in_a_storm() {
    let sandbox = Sandbox::new("crash-signal");
    let options = ["--min-spare=2", "--max-spare=4"];
    let seen = starts(&sandbox, "kill SEGV => $$; sleep 9", &options, Duration::from_secs(3));
    assert!((4..=30).contains(&seen.len()), "{seen:?}");
}

#[test]
fn a_program_that_is_mended_is_started_again() {
    let sandbox = Sandbox::new("crash-mended");
    let (launch, port) = launch(&sandbox, Kind::Plain, &["--workers=2", "--backoff-max=1"]);
    sandbox.broken_release();
    let mut pool = Pool::new(launch.spawn(), port);
    pool.server.wait_lines(&["no such table"; 5]);
    sandbox.release();
    pool.wait_workers(2);
    pool.get("/");
    pool.stop(&sandbox);
}

#[test]
fn a_pool_that_gives_up() {
    let sandbox = Sandbox::new("crash-give-up");
    let (launch, _) =
        launch(&sandbox, Kind::Plain, &["--workers=2", "--give-up=4", "--pid-file=pid"]);
    sandbox.broken_release();
    let ended = launch.output();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let tries = ended.stderr.matches("starting worker").count();
    // Two workers that die together are one failure.
    assert!((4..=8).contains(&tries), "{ended:?}");
    assert_eq!(sandbox.names(), ["worker.pl"]);
    assert_eq!(sandbox.processes(), [0; 0]);
}

/// Nobody gives up while somebody serves.
#[test]
fn a_pool_with_a_working_worker_does_not_give_up() {
    let sandbox = Sandbox::new("crash-one-works");
    let options = ["--workers=2", "--give-up=3", "--backoff-max=0.2"];
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    let before = pool.wait_workers(2);
    pool.server.wait_lines(&["is ready"; 2]);
    let asked = super::http::ask(&pool.target, "/sleep/1.5");
    let at_work = eventually("a busy one", || before.iter().find(|pid| busy(**pid)));
    sandbox.broken_release();
    let idle = before.iter().find(|pid| *pid != at_work).unwrap();
    kill(*idle, Signal::KILL);
    pool.server.wait_lines(&["no such table"; 5]);
    super::http::answers(vec![asked]);
    assert!(pool.server.alive(), "{}", pool.server.transcript());
    sandbox.release();
    pool.wait_workers(2);
    pool.stop(&sandbox);
}

/// Parallel::Prefork lays the delays of workers that failed together end to end: 4 of them, 3 s.
#[test]
fn failures_together_delay_the_next_starts_once() {
    let sandbox = Sandbox::new("crash-together");
    let options = ["--workers=4", "--error-respawn-interval=1"];
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    let before = pool.wait_workers(4);
    // Old enough not to count as having died young.
    let begun = Instant::now();
    eventually("their youth to pass", || (begun.elapsed().as_millis() > 1200).then_some(()));
    let asked = super::http::ask_many(&pool.target, "/sleep/0", 4);
    super::http::answers(asked);
    let begun = Instant::now();
    for pid in &before {
        kill(*pid, Signal::KILL);
    }
    pool.wait_replaced(&before, 4);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(950), "{took:?}");
    assert!(took < Duration::from_millis(2200), "{took:?}\n{}", pool.server.transcript());
    pool.stop(&sandbox);
}

/// FCGI::Engine's start_delay never comes to the second worker.
#[test]
fn a_start_delay_is_between_workers_and_they_all_come() {
    let sandbox = Sandbox::new("crash-delay");
    let begun = Instant::now();
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=3", "--start-delay=0.4"]);
    pool.wait_workers(3);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(790), "{took:?}");
    pool.stop(&sandbox);
}

/// And the manager reaps and answers while it waits.
#[test]
fn a_start_delay_holds_up_nothing_else() {
    let sandbox = Sandbox::new("crash-delay-stop");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=3", "--start-delay=600"]);
    let first = pool.wait_workers(1);
    kill(first[0], Signal::KILL);
    pool.server.wait_line("died with status:9");
    assert_eq!(super::harness::zombies(pool.server.pid()), [0; 0]);
    let begun = Instant::now();
    pool.stop(&sandbox);
    assert!(begun.elapsed() < Duration::from_secs(2));
}

/// The exit code and the last words are in the log.
#[test]
fn every_end_is_told_with_its_status() {
    let sandbox = Sandbox::new("crash-told");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=1"]);
    for (path, status) in
        [("/exit/3", "status:768"), ("/die/SEGV", "status:11"), ("/exit/0", "status:0")]
    {
        let worker = pool.wait_workers(1);
        assert!(super::http::get(&pool.target, path).is_err());
        let line = pool.server.wait_line(status);
        assert!(line.text.contains(&worker[0].to_string()), "{}", line.text);
        pool.wait_replaced(&worker, 1);
    }
    pool.stop(&sandbox);
    assert!(fs::metadata(sandbox.path("core")).is_err());
}
