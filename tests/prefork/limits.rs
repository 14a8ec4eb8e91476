//! Workers that are replaced although they work: by requests, age, memory, and time of a request.

use std::fs;
use std::time::{Duration, Instant};

use super::harness::{Kind, Pool, pool, unix_pool};
use super::http::{answers, ask};
use crate::peers_load::{Load, Mode, Pace};
use crate::sandbox::{DEADLINE, Sandbox, eventually, wait_pid};

/// Under load until so many workers have been replaced: nothing is lost.
fn recycled_under_load(topic: &str, kind: Kind, options: &[&str]) {
    let sandbox = Sandbox::new(topic);
    let mut pool = pool(&sandbox, kind, &[&["--workers=3"], options].concat());
    pool.wait_workers(3);
    let load = Load::start(std::slice::from_ref(&pool.target), &[Mode::Close; 2], Pace::Fast);
    eventually("ten replaced", || (pool.starts() >= 13).then_some(()));
    let tally = load.finish(topic);
    tally.expect_no_failure();
    assert_eq!(pool.server.count("died with"), 0, "{}", pool.server.transcript());
    pool.wait_workers(3);
    pool.stop(&sandbox);
}

#[test]
fn a_number_of_requests_for_cooperating_workers() {
    let options = ["--max-requests=60", "--max-requests-jitter=20"];
    recycled_under_load("limit-requests", Kind::Cooperating, &options);
}

/// FCGI::ProcManager::Constrained counts requests only when both limits are set; this one is alone.
#[test]
fn a_limit_of_memory_alone() {
    let sandbox = Sandbox::new("limit-memory");
    for option in ["--max-rss=80M", "--max-pss=80M", "--max-unshared=80M"] {
        let mut pool = pool(&sandbox, Kind::Plain, &["--workers=2", option, "--memory-every=0.2"]);
        pool.wait_workers(2);
        let fat = pool.get("/grow/120");
        assert!(wait_pid(fat.pid, DEADLINE), "{option}: it is replaced");
        let now = pool.wait_workers(2);
        assert!(!now.contains(&fat.pid));
        assert_eq!(pool.starts(), 3, "{option}: the other one stays");
        pool.stop(&sandbox);
    }
}

#[test]
fn a_worker_that_shares_too_little() {
    let sandbox = Sandbox::new("limit-shared");
    // Nobody shares as much; they are not all replaced at the same time for that.
    let options = ["--workers=2", "--min-shared=900M", "--memory-every=0.2"];
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    let first = pool.server.wait_line("starting worker").number_after("worker");
    assert!(wait_pid(first, DEADLINE));
    pool.get("/");
    pool.stop(&sandbox);
}

#[test]
fn a_fat_worker_is_not_taken_from_its_request() {
    let sandbox = Sandbox::new("limit-memory-busy");
    let options = ["--workers=1", "--max-rss=80M", "--memory-every=0.2"];
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    pool.server.wait_line("is ready");
    let pid = pool.get("/grow/120").pid;
    // Connected before it is found to be fat, or served by the next one.
    answers(vec![ask(&pool.target, "/sleep/1")]);
    assert!(wait_pid(pid, DEADLINE));
    pool.wait_workers(1);
    pool.stop(&sandbox);
}

/// Nobody has seen it in accept: it had its first request at once, and has not finished it.
#[test]
fn a_worker_busy_since_its_birth_is_left_alone() {
    let sandbox = Sandbox::new("limit-newborn");
    let options = ["--workers=1", "--max-lifetime=1", "--reload=rolling", "--ready-after=0.5"];
    let (launch, port) = super::harness::launch(&sandbox, Kind::Plain, &options);
    let mut pool = Pool::new(launch.spawn(), port);
    // Before the worker can accept: it waits in the queue.
    let asked = ask(&pool.target, "/sleep/3");
    answers(vec![asked]);
    pool.wait_workers(1);
    pool.stop(&sandbox);
}

#[test]
fn a_lifetime_for_plain_workers() {
    recycled_under_load("limit-lifetime", Kind::Plain, &["--max-lifetime=1"]);
}

#[test]
fn a_lifetime_for_managed_workers() {
    recycled_under_load("limit-lifetime-managed", Kind::Managed, &["--max-lifetime=1"]);
}

/// The soft signal first, KILL when it does not help; the pool is whole again.
#[test]
fn a_request_that_takes_too_long() {
    let sandbox = Sandbox::new("limit-timeout");
    for (kind, path, status) in [
        (Kind::Plain, "/sleep/60", "status:15"),
        (Kind::Cooperating, "/hang/60", "status:9"),
        (Kind::Plain, "/hang/60", "status:9"),
    ] {
        let options = ["--workers=2", "--request-timeout=0.7:0.5", "--slow-log=slow"];
        let mut pool = pool(&sandbox, kind, &options);
        pool.server.wait_lines(&["is ready"; 2]);
        let before = pool.wait_workers(2);
        let begun = Instant::now();
        let asked = ask(&pool.target, path);
        pool.server.wait_line(status);
        let took = begun.elapsed();
        assert!(asked.join().unwrap().is_err());
        assert!(took > Duration::from_millis(690) && took < Duration::from_secs(6), "{took:?}");
        let after = pool.wait_until("two", |pids| pids.len() == 2 && pids != before);
        assert_eq!(after.iter().filter(|pid| before.contains(pid)).count(), 1, "one was replaced");
        // Those who are within their time are left alone.
        answers(vec![ask(&pool.target, "/sleep/0.3")]);
        assert_eq!(pool.wait_workers(2), after);
        pool.stop(&sandbox);
    }
}

#[test]
fn the_slow_log_tells_what_a_worker_was_doing() {
    let sandbox = Sandbox::new("limit-slow");
    let options = ["--workers=2", "--slow-after=0.5", "--slow-log=slow"];
    let mut pool = pool(&sandbox, Kind::Cooperating, &options);
    pool.wait_workers(2);
    let answer = answers(vec![ask(&pool.target, "/text/page/2.5")]).remove(0);
    let log = eventually("a record", || {
        let log = fs::read_to_string(sandbox.path("slow")).ok()?;
        log.contains(&answer.pid.to_string()).then_some(log)
    });
    assert!(log.contains("GET /text/page"), "its text: {log}");
    assert!(log.contains("select"), "its system call: {log}");
    answers(vec![ask(&pool.target, "/sleep/0.1")]);
    let records = log.matches(&format!("worker {}", answer.pid)).count();
    assert_eq!(records, 1, "once for each request: {log}");
    pool.stop(&sandbox);
}

#[test]
fn a_plain_worker_is_told_slow_as_well() {
    let sandbox = Sandbox::new("limit-slow-plain");
    let options = ["--workers=1", "--slow-after=0.5", "--slow-log=slow"];
    let mut pool: Pool = unix_pool(&sandbox, Kind::Plain, &options);
    pool.server.wait_line("is ready");
    let answer = answers(vec![ask(&pool.target, "/sleep/2.5")]).remove(0);
    eventually("a record", || {
        let log = fs::read_to_string(sandbox.path("slow")).ok()?;
        log.contains(&answer.pid.to_string()).then_some(())
    });
    pool.stop(&sandbox);
}
