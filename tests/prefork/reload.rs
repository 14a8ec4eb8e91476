//! HUP in its three ways: everybody at once, one after the other, all of them twice.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sigpolicy::Signal;

use super::harness::{Kind, Pool, children, launch, pids, pool};
use super::http::{answers, ask, ask_many};
use crate::peers_load::{Load, Mode, Pace};
use crate::sandbox::{DEADLINE, Sandbox, eventually, stat_field, wait_pid};

/// Under load for three reloads: nothing is lost, and in the end only the newest generation is there.
fn reload_under_load(topic: &str, kind: Kind, options: &[&str]) {
    let sandbox = Sandbox::new(topic);
    let mut pool = pool(&sandbox, kind, &[&["--workers=3"], options].concat());
    let mut workers = pool.wait_workers(3);
    let load = Load::start(std::slice::from_ref(&pool.target), &[Mode::Close; 2], Pace::Fast);
    for generation in 2..=4 {
        pool.signal(Signal::HUP);
        for old in &workers {
            assert!(wait_pid(*old, DEADLINE), "{old} stays\n{}", pool.server.transcript());
        }
        workers = eventually("three new ones", || {
            let now = pool.workers();
            (now.len() == 3 && !now.iter().any(|pid| workers.contains(pid))).then_some(now)
        });
        eventually("answers of the new ones", || {
            load.newest().filter(|(newest, answers)| *newest == generation && *answers > 20)
        });
    }
    let tally = load.finish(topic);
    tally.expect_no_failure();
    assert_eq!(tally.generations, [1, 2, 3, 4]);
    pool.wait_workers(3);
    assert_eq!(pool.server.count("died with"), 0, "{}", pool.server.transcript());
    pool.stop(&sandbox);
}

#[test]
fn all_at_once_loses_nothing_of_workers_that_finish_their_request() {
    reload_under_load("reload-all", Kind::Managed, &[]);
}

#[test]
fn all_at_once_loses_nothing_of_cooperating_workers() {
    reload_under_load("reload-all-slot", Kind::Cooperating, &["--reload=all"]);
}

#[test]
fn rolling_loses_nothing_of_plain_workers() {
    reload_under_load("reload-rolling", Kind::Plain, &["--reload=rolling"]);
}

#[test]
fn rolling_loses_nothing_of_cooperating_workers() {
    reload_under_load("reload-rolling-slot", Kind::Cooperating, &["--reload=rolling"]);
}

#[test]
fn replace_loses_nothing_of_plain_workers() {
    reload_under_load("reload-replace", Kind::Plain, &["--reload=replace"]);
}

#[test]
fn replace_loses_nothing_of_managed_workers() {
    reload_under_load("reload-replace-managed", Kind::Managed, &["--reload=replace"]);
}

/// The manager's children at every change, from HUP until the old ones have gone.
fn history(pool: &Pool, old: &[i32]) -> Vec<Vec<i32>> {
    let mut seen: Vec<Vec<i32>> = vec![old.to_vec()];
    pool.signal(Signal::HUP);
    let until = Instant::now() + DEADLINE;
    loop {
        let now = children(pool.server.pid());
        if seen.last() != Some(&now) {
            seen.push(now.clone());
        }
        if now.len() == old.len() && !now.iter().any(|pid| old.contains(pid)) {
            return seen;
        }
        assert!(Instant::now() < until, "{seen:?}\n{}", pool.server.transcript());
    }
}

#[test]
fn rolling_takes_one_after_the_other() {
    let sandbox = Sandbox::new("reload-one-by-one");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=4", "--reload=rolling"]);
    let old = pool.wait_workers(4);
    let seen = history(&pool, &old);
    assert!(seen.iter().all(|pids| pids.len() >= 4), "never fewer: {seen:?}");
    assert!(seen.iter().all(|pids| pids.len() <= 6), "one or two more: {seen:?}");
    pool.stop(&sandbox);
}

#[test]
fn replace_has_all_new_ones_before_an_old_one_leaves() {
    let sandbox = Sandbox::new("reload-twice");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=4", "--reload=replace"]);
    let old = pool.wait_workers(4);
    let seen = history(&pool, &old);
    assert!(seen.iter().all(|pids| pids.len() >= 4), "never fewer: {seen:?}");
    let whole = seen.iter().position(|pids| pids.len() == 8).expect("twice as many");
    let complete = |pids: &Vec<i32>| old.iter().all(|pid| pids.contains(pid));
    assert!(seen[..=whole].iter().all(complete), "{seen:?}");
    pool.stop(&sandbox);
}

#[test]
fn the_interval_of_a_rolling_reload_is_kept() {
    let sandbox = Sandbox::new("reload-interval");
    let options = ["--workers=3", "--reload=rolling", "--reload-interval=0.4"];
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    let old = pool.wait_workers(3);
    let begun = Instant::now();
    pool.signal(Signal::HUP);
    pool.wait_replaced(&old, 3);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(800), "two pauses between three: {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    pool.stop(&sandbox);
}

/// A broken release: whoever serves goes on serving, and the next reload works again.
fn broken_release_keeps_the_old_ones(topic: &str, way: &str) {
    let sandbox = Sandbox::new(topic);
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=3", way]);
    let old = pool.wait_workers(3);
    let load = Load::start(std::slice::from_ref(&pool.target), &[Mode::Close], Pace::Slow);
    sandbox.broken_release();
    pool.signal(Signal::HUP);
    pool.server.wait_line("no such table: users");
    // Long enough for whoever would be taken away to go.
    let seen = load.requests();
    eventually("more answers", || (load.requests() > seen + 100).then_some(()));
    assert_eq!(pool.wait_workers(3), old, "{}", pool.server.transcript());
    let starts = pool.starts();
    assert!(starts <= 6, "it is not tried for ever: {starts}\n{}", pool.server.transcript());
    sandbox.release();
    pool.signal(Signal::HUP);
    pool.wait_replaced(&old, 3);
    let tally = load.finish(topic);
    tally.expect_no_failure();
    assert_eq!(tally.generations.first(), Some(&1));
    assert_eq!(tally.generations.len(), 2, "{tally:?}");
    pool.stop(&sandbox);
}

#[test]
fn a_rolling_reload_to_a_broken_release_keeps_the_old_workers() {
    broken_release_keeps_the_old_ones("reload-broken", "--reload=rolling");
}

#[test]
fn a_replacing_reload_to_a_broken_release_keeps_the_old_workers() {
    broken_release_keeps_the_old_ones("reload-broken-2", "--reload=replace");
}

/// It takes its time, says nothing, and fails after it has been taken for ready.
#[test]
fn a_release_that_fails_late_does_not_take_the_pool_with_it() {
    for reload in ["--reload=rolling", "--reload=replace"] {
        let sandbox = Sandbox::new("reload-late");
        let options = ["--workers=3", reload, "--ready-after=0.3"];
        let mut pool = pool(&sandbox, Kind::Plain, &options);
        let old = pool.wait_workers(3);
        eventually("all ready", || (pool.server.count("is ready") == 3).then_some(()));
        sandbox.write("worker.pl", "select undef, undef, undef, 0.8; die qq(no database\\n);\n");
        pool.signal(Signal::HUP);
        pool.server.wait_line("no database");
        pool.server.wait_line("reload aborted");
        assert_eq!(pool.wait_workers(3), old);
        assert!(pids(&answers(ask_many(&pool.target, "/", 9))).iter().all(|pid| old.contains(pid)));
        sandbox.release();
        pool.stop(&sandbox);
    }
}

#[test]
fn a_new_worker_that_speaks_is_ready_when_it_says_so() {
    let sandbox = Sandbox::new("reload-ready");
    sandbox.write("go", "");
    let options = ["--workers=2", "--reload=rolling", "--ready-after=60"];
    let mut pool = pool(&sandbox, Kind::Notifying, &options);
    let old = pool.wait_workers(2);
    sandbox.remove("go");
    pool.signal(Signal::HUP);
    eventually("a third", || (pool.workers().len() == 3).then_some(()));
    let asked = ask_many(&pool.target, "/", 20);
    let served = pids(&answers(asked));
    assert!(served.iter().all(|pid| old.contains(pid)), "the old ones serve: {served:?} {old:?}");
    sandbox.write("go", "");
    pool.wait_replaced(&old, 2);
    pool.stop(&sandbox);
}

#[test]
fn a_new_worker_that_is_not_ready_in_time_ends_the_reload() {
    let sandbox = Sandbox::new("reload-never-ready");
    let options = ["--workers=2", "--reload=rolling", "--start-timeout=2", "--ready-after=60"];
    let (launch, port) = launch(&sandbox, Kind::Plain, &options);
    let mut pool = Pool::new(launch.spawn(), port);
    let old = pool.wait_workers(2);
    // It says something, and never that it is ready.
    let mute = "use IO::Socket::UNIX; my $path = $ENV{NOTIFY_SOCKET} =~ s/\\A@/\\0/r;\n\
                IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $path)->send('STATUS=loading');\n\
                print \"mute $$\\n\"; 1 while select undef, undef, undef, 60;\n";
    sandbox.write("worker.pl", format!("$| = 1;\n{mute}"));
    pool.signal(Signal::HUP);
    let mute = pool.server.wait_line("mute").number();
    assert!(wait_pid(mute, DEADLINE), "it is stopped");
    eventually("the old ones alone", || (pool.workers() == old).then_some(()));
    assert_eq!(pool.get("/").generation, 1);
    pool.stop(&sandbox);
}

#[test]
fn a_hup_during_a_reload_is_remembered() {
    let sandbox = Sandbox::new("reload-again");
    let options = ["--workers=3", "--reload=rolling", "--reload-interval=0.2"];
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    pool.wait_workers(3);
    pool.signal(Signal::HUP);
    pool.server.wait_line("generation 2)");
    pool.signal(Signal::HUP);
    let third = |pids: &[i32]| {
        let generation = |pid: &i32| {
            let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.split(|byte| *byte == 0).any(|word| word == b"PREFORK_GENERATION=3")
        };
        pids.len() == 3 && pids.iter().all(generation)
    };
    pool.wait_until("three of the third generation", third);
    pool.stop(&sandbox);
}

/// Whoever drains does not take the place of a new one.
#[test]
fn workers_with_a_long_request_do_not_hold_up_the_pool() {
    let sandbox = Sandbox::new("reload-drain");
    let mut pool = pool(&sandbox, Kind::Managed, &["--workers=2", "--max-workers=2"]);
    let old: BTreeSet<i32> = pool.wait_workers(2).into_iter().collect();
    let long = ask_many(&pool.target, "/sleep/3", 2);
    eventually("both busy", || old.iter().all(|pid| super::harness::busy(*pid)).then_some(()));
    pool.signal(Signal::HUP);
    let begun = Instant::now();
    let fresh = pool.get("/");
    assert!(!old.contains(&fresh.pid) && fresh.generation == 2, "{fresh:?}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(pids(&answers(long)), old, "and their requests are finished");
    pool.wait_replaced(&Vec::from_iter(old), 2);
    pool.stop(&sandbox);
}

#[test]
fn no_more_than_the_allowed_number_drain() {
    let sandbox = Sandbox::new("reload-extra");
    let mut pool = pool(&sandbox, Kind::Managed, &["--workers=2", "--max-extra=2"]);
    let first = pool.wait_workers(2);
    let long = ask_many(&pool.target, "/sleep/2", 2);
    eventually("both busy", || first.iter().all(|pid| super::harness::busy(*pid)).then_some(()));
    let mut most = 0;
    for _ in 0..4 {
        pool.signal(Signal::HUP);
        answers(vec![ask(&pool.target, "/")]);
        most = most.max(pool.workers().len());
    }
    while !long.iter().all(std::thread::JoinHandle::is_finished) {
        most = most.max(pool.workers().len());
        crate::sandbox::pause();
    }
    answers(long);
    assert!((3..=4).contains(&most), "{most}\n{}", pool.server.transcript());
    pool.wait_replaced(&first, 2);
    pool.stop(&sandbox);
}

/// It is bound once: the same socket for every generation.
#[test]
fn the_listener_is_never_closed() {
    let sandbox = Sandbox::new("reload-listener");
    let mut pool = pool(&sandbox, Kind::Managed, &["--workers=1"]);
    let socket = |pid: i32| std::fs::read_link(format!("/proc/{pid}/fd/3")).unwrap();
    let mut old = pool.wait_workers(1);
    let first = socket(old[0]);
    assert!(first.to_string_lossy().starts_with("socket:"), "{first:?}");
    for _ in 0..3 {
        pool.signal(Signal::HUP);
        old = pool.wait_replaced(&old, 1);
        assert_eq!(socket(old[0]), first);
        assert_eq!(stat_field(old[0], 4), Some(pool.server.pid().to_string()));
    }
    pool.stop(&sandbox);
}

/// What spares the busy does so whatever they are doing: in select, in read, on the processor.
fn long_requests_of_plain_workers(topic: &str, way: &str) {
    let sandbox = Sandbox::new(topic);
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=3", way]);
    let old = pool.wait_workers(3);
    let mut asked = vec![ask(&pool.target, "/sleep/1.5"), ask(&pool.target, "/spin/1.5")];
    let begun = Instant::now();
    let mut stream = super::http::connect(&pool.target).unwrap();
    let head = "POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n";
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let spinning = pool.server.wait_line("spinning").number();
    eventually("the others busy", || {
        old.iter().all(|pid| *pid == spinning || super::harness::busy(*pid)).then_some(())
    });
    pool.signal(Signal::HUP);
    eventually("a new one", || (pool.workers().len() > 3).then_some(()));
    asked.push(ask(&pool.target, "/sleep/0.5"));
    eventually("some time", || (begun.elapsed() > Duration::from_secs(1)).then_some(()));
    std::io::Write::write_all(&mut stream, b"late").unwrap();
    assert_eq!(super::http::answer(stream, begun).unwrap().text, "body late");
    answers(asked);
    pool.wait_replaced(&old, 3);
    pool.stop(&sandbox);
}

#[test]
fn rolling_takes_no_plain_worker_from_its_request() {
    long_requests_of_plain_workers("reload-rolling-busy", "--reload=rolling");
}

#[test]
fn replace_takes_no_plain_worker_from_its_request() {
    long_requests_of_plain_workers("reload-replace-busy", "--reload=replace");
}
