//! The library's workers: the two examples, which are their own managers.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sigpolicy::Signal;

use super::fastcgi;
use super::harness::Pool;
use super::http::{connect, fetch};
use crate::peers_load::Target;
use crate::sandbox::{DEADLINE, Sandbox, build, eventually, free_port, wait_pid};

fn example(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let both = ["--example", "prefork_http", "--example", "prefork_fastcgi"];
    let built = || build(&[&["-p", "superdaemon"], &both[..]].concat()).join("examples").to_owned();
    BUILT.get_or_init(built).join(name)
}

/// An example with a port of its own.
fn start(sandbox: &Sandbox, name: &str, words: &[&str]) -> Pool {
    let port = free_port();
    let launch = sandbox.run(example(name)).arg(format!("127.0.0.1:{port}")).args(words);
    Pool::new(launch.spawn(), port)
}

/// The worker and the generation of an answer.
fn who(body: &str) -> (i32, u64) {
    let words: Vec<&str> = body.split_whitespace().collect();
    match words[..] {
        ["worker", pid, "slot", _, "generation", generation] => {
            (pid.parse().unwrap(), generation.parse().unwrap())
        }
        _ => panic!("{body:?}"),
    }
}

fn get(target: &Target, path: &str) -> (i32, u64) {
    who(&fetch(target, path).unwrap())
}

/// Clients without a break while `during` runs; each request must be answered. How many there were.
fn under_load(pool: &Pool, during: impl FnOnce(&AtomicU64)) -> u64 {
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let failures: Vec<io::Error> = thread::scope(|scope| {
        let client = || {
            let mut failures = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                match fetch(&pool.target, "/") {
                    Ok(_) => _ = answered.fetch_add(1, Ordering::Relaxed),
                    Err(error) => failures.push(error),
                }
            }
            failures
        };
        let clients = [(); 3].map(|()| scope.spawn(client));
        /// Lets the clients go, also when `during` panics.
        struct Stop<'s>(&'s AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let ending = Stop(&stop);
        during(&answered);
        drop(ending);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let answered = answered.into_inner();
    assert!(failures.is_empty(), "{answered} answered, {failures:#?}");
    answered
}

fn reloads(topic: &str, words: &[&str]) {
    let sandbox = Sandbox::new(topic);
    let mut pool = start(&sandbox, "prefork_http", &[&["workers=3"], words].concat());
    let mut old = eventually("three", || Some(pool.workers()).filter(|pids| pids.len() == 3));
    under_load(&pool, |answered| {
        for _ in 0..4 {
            let before = answered.load(Ordering::Relaxed);
            eventually("answers", || {
                (answered.load(Ordering::Relaxed) > before + 100).then_some(())
            });
            pool.signal(Signal::HUP);
            eventually("three others", || {
                let now = pool.workers();
                let other = now.len() == 3 && !now.iter().any(|pid| old.contains(pid));
                other.then(|| old = now)
            });
        }
    });
    assert_eq!(get(&pool.target, "/").1, 5);
    pool.stop(&sandbox);
}

#[test]
fn all_at_once_loses_nothing() {
    reloads("library-all", &[]);
}

#[test]
fn rolling_loses_nothing() {
    reloads("library-rolling", &["reload=rolling"]);
}

#[test]
fn replace_loses_nothing() {
    reloads("library-replace", &["reload=replace"]);
}

#[test]
fn recycling_by_requests_loses_nothing_and_is_exact() {
    let sandbox = Sandbox::new("library-recycle");
    let mut pool = start(&sandbox, "prefork_http", &["workers=1", "max-requests=5"]);
    let mut pids = Vec::new();
    for _ in 0..25 {
        pids.push(get(&pool.target, "/").0);
    }
    let runs: Vec<usize> = pids.chunk_by(|a, b| a == b).map(<[i32]>::len).collect();
    assert_eq!(runs, [5; 5], "{pids:?}");
    under_load(&pool, |_| eventually("more", || (pool.starts() > 30).then_some(())));
    pool.stop(&sandbox);
}

#[test]
fn it_grows_and_shrinks_and_loses_nothing() {
    let sandbox = Sandbox::new("library-spare");
    let words = ["spare=1:2", "max-workers=12"];
    let mut pool = start(&sandbox, "prefork_http", &words);
    let clients: Vec<_> = (0..10)
        .map(|_| {
            let target = pool.target.clone();
            thread::spawn(move || get(&target, "/sleep/1000").0)
        })
        .collect();
    let mut pids: Vec<i32> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 10, "{pids:?}");
    pool.stop(&sandbox);
}

#[test]
fn a_request_is_finished_and_then_the_worker_leaves() {
    for signal in [Signal::TERM, Signal::INT] {
        let sandbox = Sandbox::new("library-term");
        let mut pool = start(&sandbox, "prefork_http", &["workers=2"]);
        let target = pool.target.clone();
        let client = thread::spawn(move || {
            let begun = Instant::now();
            (get(&target, "/sleep/800"), begun.elapsed())
        });
        pool.server.wait_line("is ready");
        let target = pool.target.clone();
        // The other one answers, so this one is being served.
        eventually("both are used", || {
            let (pid, _) = get(&target, "/");
            let others = pool.workers().into_iter().filter(|other| *other != pid);
            others.into_iter().next()
        });
        pool.signal(signal);
        let ((_, generation), took) = client.join().unwrap();
        assert_eq!(generation, 1);
        assert!(took >= Duration::from_millis(790), "{took:?}");
        pool.ends(0);
        assert_eq!(sandbox.processes(), [0; 0]);
    }
}

#[test]
fn workers_leave_when_the_manager_is_killed() {
    let sandbox = Sandbox::new("library-orphans");
    let mut pool = start(&sandbox, "prefork_http", &["workers=3"]);
    let workers = eventually("three", || Some(pool.workers()).filter(|pids| pids.len() == 3));
    get(&pool.target, "/");
    pool.signal(Signal::KILL);
    for pid in workers {
        assert!(wait_pid(pid, DEADLINE), "{pid} lives on");
    }
    pool.server.wait_exit();
}

/// A worker without a pool is told to leave as any other: nothing swallows the signal.
#[test]
fn no_pool_for_no_workers() {
    let sandbox = Sandbox::new("library-zero");
    let mut pool = start(&sandbox, "prefork_http", &["workers=0"]);
    assert_eq!(get(&pool.target, "/").0, pool.server.pid());
    pool.signal(Signal::TERM);
    pool.ends(0);
}

#[test]
fn the_fastcgi_example_answers() {
    let sandbox = Sandbox::new("library-fastcgi");
    let mut pool = start(&sandbox, "prefork_fastcgi", &["2"]);
    for size in [0, 1, 70_000] {
        let input = vec![b'x'; size];
        let answer = fastcgi::request(&pool.target, "/shop", &[("A", "b")], &input).unwrap();
        assert!(answer.contains("SCRIPT_NAME=/shop") && answer.contains("\nA=b"), "{answer}");
        assert!(answer.contains(&format!(", {size} bytes of body")), "{answer}");
    }
    pool.stop(&sandbox);
}

/// libfcgi waits up to two seconds for a client that does not close its side after the answer.
#[test]
fn a_client_that_keeps_its_side_open_does_not_keep_the_worker() {
    let sandbox = Sandbox::new("library-linger");
    let mut pool = start(&sandbox, "prefork_fastcgi", &["1"]);
    crate::sandbox::promptly("the next request", Duration::from_millis(300), || {
        let mut lingering = connect(&pool.target).unwrap();
        lingering.write_all(&fastcgi::whole_request("/first")).unwrap();
        let mut first = [0; 8];
        lingering.read_exact(&mut first).unwrap();
        let begun = Instant::now();
        fastcgi::request(&pool.target, "/second", &[], b"").unwrap();
        let took = begun.elapsed();
        drop(lingering);
        took
    });
    pool.stop(&sandbox);
}

/// One that says nothing keeps a worker, but not the pool: and a stop does not wait for it for ever.
#[test]
fn a_client_that_says_nothing_does_not_keep_the_pool() {
    let sandbox = Sandbox::new("library-silent");
    let mut pool = start(&sandbox, "prefork_http", &["spare=1:3", "die-timeout=1"]);
    let silent: Vec<_> = (0..4).map(|_| connect(&pool.target).unwrap()).collect();
    let begun = Instant::now();
    get(&pool.target, "/");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    pool.signal(Signal::TERM);
    let status = pool.server.wait_exit();
    assert!(matches!(status.code(), Some(0 | 1)), "{}", pool.server.transcript());
    assert_eq!(sandbox.processes(), [0; 0]);
    drop(silent);
}
