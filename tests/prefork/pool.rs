//! How many workers there are: fixed, with spares, on demand; and that nobody who is at work is
//! taken away.

use std::time::{Duration, Instant};

use sigpolicy::Signal;

use super::harness::{Kind, children, launch, listens, pids, pool, quiet, unix_pool, zombies};
use super::http::{answers, ask, ask_many};
use crate::sandbox::{DEADLINE, Sandbox, eventually, kill, promptly, wait_pid};

/// The machine may be busy with other tests; that is no reason here to grow slowly.
const CALM: &str = "--max-pressure=100";

#[test]
fn a_fixed_pool_has_three_workers_by_default() {
    let sandbox = Sandbox::new("pool-default");
    let mut pool = pool(&sandbox, Kind::Managed, &[]);
    let workers = pool.wait_workers(3);
    let many = answers(ask_many(&pool.target, "/sleep/0.2", 12));
    assert_eq!(pids(&many).into_iter().collect::<Vec<_>>(), workers, "all of them work");
    assert_eq!(pool.starts(), 3);
    pool.stop(&sandbox);
}

#[test]
fn a_worker_that_died_is_replaced() {
    let sandbox = Sandbox::new("pool-refill");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=2"]);
    let before = pool.wait_workers(2);
    kill(before[0], Signal::KILL);
    let died = pool.server.wait_line(&format!("worker {} died with status:9", before[0]));
    assert!(!died.text.is_empty());
    let after = pool.wait_until("two workers", |pids| pids.len() == 2 && pids != before);
    assert!(after.contains(&before[1]), "the other one stays: {before:?} {after:?}");
    assert_eq!(pool.starts(), 3);
    pool.stop(&sandbox);
}

/// One SIGCHLD may stand for many children.
#[test]
fn twenty_workers_killed_at_once_leave_no_zombie_and_a_full_pool() {
    let sandbox = Sandbox::new("pool-twenty");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=20"]);
    let before = pool.wait_workers(20);
    // None of them can be reaped before all are dead.
    kill(pool.server.pid(), Signal::STOP);
    for pid in &before {
        kill(*pid, Signal::KILL);
    }
    eventually("twenty dead", || (zombies(pool.server.pid()).len() == 20).then_some(()));
    kill(pool.server.pid(), Signal::CONT);
    pool.wait_replaced(&before, 20);
    assert_eq!(zombies(pool.server.pid()), [0; 0]);
    assert_eq!(pool.starts(), 40);
    pool.stop(&sandbox);
}

#[test]
fn the_ceiling_is_never_passed() {
    let sandbox = Sandbox::new("pool-ceiling");
    let options = ["--min-spare=2", "--max-spare=4", "--start-workers=1", "--max-workers=5", CALM];
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    let asked = ask_many(&pool.target, "/sleep/0.5", 20);
    let mut most = 0;
    while !asked.iter().all(std::thread::JoinHandle::is_finished) {
        most = most.max(pool.workers().len());
        crate::sandbox::pause();
    }
    answers(asked);
    assert_eq!(most, 5, "{}", pool.server.transcript());
    assert_eq!(pool.starts(), 5, "{}", pool.server.transcript());
    pool.stop(&sandbox);
}

#[test]
fn a_burst_finds_a_worker_for_each_request() {
    let sandbox = Sandbox::new("pool-burst");
    let options = ["--min-spare=1", "--max-spare=40", "--idle-timeout=60", CALM];
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    pool.wait_workers(1);
    let begun = Instant::now();
    let many = answers(ask_many(&pool.target, "/sleep/4", 32));
    let took = begun.elapsed();
    // One after the other would take 128 s. Perl takes its time to start on a busy machine.
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(pids(&many).len(), 32, "each served by one of its own");
    // It stays as it is: whoever came for the burst is not sent away and fetched again.
    // Those that were started last may still be on their way: 32, and the spare one.
    let settled = pool.wait_until("all idle", |pids| pids.len() >= 33);
    assert!(pool.starts() <= 40, "{}", pool.server.transcript());
    answers(ask_many(&pool.target, "/sleep/0.1", 20));
    let stays = |pids: &[i32]| settled.iter().all(|pid| pids.contains(pid));
    pool.wait_until("the same", stays);
    assert_eq!(pool.server.count(" left, "), 0, "{}", pool.server.transcript());
    pool.stop(&sandbox);
}

#[test]
fn a_burst_on_a_unix_socket_finds_a_worker_for_each_request() {
    let sandbox = Sandbox::new("pool-burst-unix");
    let options = ["--min-spare=1", "--max-spare=40", "--idle-timeout=60", CALM];
    let mut pool = unix_pool(&sandbox, Kind::Plain, &options);
    pool.wait_workers(1);
    let begun = Instant::now();
    let many = answers(ask_many(&pool.target, "/sleep/3", 16));
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert_eq!(pids(&many).len(), 16);
    pool.stop(&sandbox);
}

/// Nine short and six long requests: while the pool shrinks from at least fifteen workers to two,
/// six of them are busy.
fn shrinks_around_the_busy(topic: &str, kind: Kind) {
    let sandbox = Sandbox::new(topic);
    let options = ["--min-spare=1", "--max-spare=2", "--idle-timeout=0.1", CALM];
    let mut pool = pool(&sandbox, kind, &options);
    pool.wait_workers(1);
    let long = ask_many(&pool.target, "/sleep/9", 6);
    let short = ask_many(&pool.target, "/sleep/0.5", 9);
    let mut rest = Vec::new();
    eventually("a pool that has grown", || (pool.workers().len() >= 15).then_some(()));
    answers(short);
    eventually("a pool that has shrunk", || {
        // Requests that come while workers are told to leave.
        rest.push(ask(&pool.target, "/"));
        (pool.workers().len() <= 11).then_some(())
    });
    assert!(long.iter().all(|asked| !asked.is_finished()), "{}", pool.server.transcript());
    let long = answers(long);
    assert_eq!(pids(&long).len(), 6);
    assert!(answers(rest).len() > 1);
    pool.wait_until("two spares", |pids| (1..=2).contains(&pids.len()));
    assert_eq!(pool.server.count("died with"), 0, "{}", pool.server.transcript());
    pool.stop(&sandbox);
}

#[test]
fn shrinking_never_touches_a_busy_plain_worker() {
    shrinks_around_the_busy("pool-shrink-plain", Kind::Plain);
}

#[test]
fn shrinking_never_touches_a_busy_managed_worker() {
    shrinks_around_the_busy("pool-shrink-managed", Kind::Managed);
}

#[test]
fn shrinking_never_touches_a_busy_cooperating_worker() {
    shrinks_around_the_busy("pool-shrink-cooperating", Kind::Cooperating);
}

#[test]
fn an_idle_pool_keeps_its_least_number_of_spares() {
    let sandbox = Sandbox::new("pool-least");
    let options = ["--min-spare=3", "--max-spare=3", "--start-workers=8", "--idle-timeout=0.1"];
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    pool.wait_workers(3);
    let starts = pool.starts();
    assert_eq!(starts, 8, "{}", pool.server.transcript());
    answers(ask_many(&pool.target, "/", 5));
    pool.wait_until("three again", |pids| pids.len() == 3);
    pool.stop(&sandbox);
}

#[test]
fn on_demand_has_nobody_until_somebody_connects_and_nobody_afterwards() {
    let sandbox = Sandbox::new("pool-demand");
    let options = ["--on-demand", "--idle-timeout=0.3", "--max-workers=4"];
    let (launch, port) = launch(&sandbox, Kind::Plain, &options);
    let manager = std::os::unix::net::UnixDatagram::bind(sandbox.path("manager")).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let server = launch.env("NOTIFY_SOCKET", sandbox.path("manager")).spawn();
    let mut buffer = [0; 1024];
    loop {
        let count = manager.recv(&mut buffer).expect("READY=1");
        if buffer[..count].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
            break;
        }
    }
    assert!(listens(server.pid()));
    assert_eq!(server.count("starting worker"), 0, "{}", server.transcript());
    assert_eq!(children(server.pid()), [0; 0]);
    let mut pool = super::harness::Pool::new(server, port);
    for round in 1..=2 {
        let first = pool.get("/");
        assert!(wait_pid(first.pid, DEADLINE), "round {round}: the worker is idle and leaves");
        eventually("nobody", || pool.workers().is_empty().then_some(()));
    }
    let many = answers(ask_many(&pool.target, "/sleep/0.4", 4));
    assert_eq!(pids(&many).len(), 4, "as many as ask, up to the ceiling");
    eventually("nobody", || pool.workers().is_empty().then_some(()));
    pool.stop(&sandbox);
}

#[test]
fn an_idle_pool_does_not_wake_up() {
    let sandbox = Sandbox::new("pool-idle");
    for options in [&["--workers=2"][..], &["--min-spare=2", "--max-spare=4"]] {
        let mut pool = pool(&sandbox, Kind::Plain, options);
        pool.wait_workers(2);
        pool.get("/");
        quiet(pool.server.pid(), Duration::from_secs(1));
        pool.stop(&sandbox);
    }
}

/// 100 ms at most: the time of one start and of two looks.
#[test]
fn a_free_spare_is_made_at_once_when_the_last_one_is_taken() {
    let sandbox = Sandbox::new("pool-at-once");
    let options = ["--min-spare=1", "--max-spare=30", "--idle-timeout=60", CALM];
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    let mut count = 1;
    let mut held = Vec::new();
    pool.wait_workers(1);
    promptly("a new spare", Duration::from_millis(100), || {
        held.push(ask(&pool.target, "/sleep/3"));
        let begun = Instant::now();
        count += 1;
        eventually("one more", || (pool.workers().len() >= count).then_some(()));
        let took = begun.elapsed();
        eventually("it is idle", || {
            pool.workers().iter().any(|pid| super::harness::accepting(*pid)).then_some(())
        });
        took
    });
    answers(held);
    pool.stop(&sandbox);
}
