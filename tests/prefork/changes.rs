//! Files whose change reloads the pool, and clients who do not wait for their answer.

use std::fs;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::harness::{Kind, Pool, pool, unix_pool};
use super::http::ask;
use crate::peers_load::Target;
use crate::sandbox::{Sandbox, eventually};

#[test]
fn a_changed_file_reloads_once() {
    let sandbox = Sandbox::new("change-file");
    fs::create_dir(sandbox.path("lib")).unwrap();
    sandbox.write("lib/Shop.pm", "1;");
    let options = ["--workers=2", "--auto-reload=lib"];
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    let mut old = pool.wait_workers(2);
    let mut generation = 1;
    let mut changed = |what: &str| {
        generation += 1;
        old = pool.wait_replaced(&old, 2);
        assert_eq!(pool.get("/").generation, generation, "{what}: once");
    };
    // Written in place, in many parts.
    for part in 0..20 {
        fs::write(sandbox.path("lib/Shop.pm"), format!("{part};\n")).unwrap();
    }
    changed("in place");
    // Replaced, as editors do.
    fs::write(sandbox.path("lib/.Shop.pm.swp"), "").unwrap();
    sandbox.write("lib/Shop.pm", "3;");
    changed("by another file");
    // In a directory that was not there before.
    fs::create_dir(sandbox.path("lib/Shop")).unwrap();
    sandbox.write("lib/Shop/Cart.pm", "1;");
    changed("a new directory");
    sandbox.write("lib/Shop/Cart.pm", "2;");
    changed("in the new directory");
    fs::remove_file(sandbox.path("lib/Shop/Cart.pm")).unwrap();
    changed("removed");
    assert_eq!(pool.starts(), 12, "{}", pool.server.transcript());
    pool.stop(&sandbox);
}

/// Proc::Daemon::Prefork never notes the new times, and fires for ever after the first change.
#[test]
fn a_change_found_by_looking_is_not_found_again() {
    let sandbox = Sandbox::new("change-poll");
    sandbox.write("app.conf", "1");
    let options = ["--workers=1", "--auto-reload=app.conf", "--auto-reload-every=0.1"];
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    let mut old = pool.wait_workers(1);
    for generation in 2..=3 {
        sandbox.write("app.conf", generation.to_string());
        old = pool.wait_replaced(&old, 1);
        let begun = Instant::now();
        eventually("ten more looks", || (begun.elapsed() > Duration::from_secs(1)).then_some(()));
        assert_eq!(pool.get("/").generation, generation);
    }
    assert_eq!(pool.starts(), 3, "{}", pool.server.transcript());
    pool.stop(&sandbox);
}

#[test]
fn a_command_instead_of_the_reload() {
    let sandbox = Sandbox::new("change-command");
    sandbox.write("app.conf", "1");
    let command = "--auto-reload-command=echo $PREFORK_HOOK $PREFORK_MANAGER_PID >> told";
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=1", "--auto-reload=app.conf", command]);
    let workers = pool.wait_workers(1);
    sandbox.write("app.conf", "2");
    let told = eventually("the command", || {
        let text = fs::read_to_string(sandbox.path("told")).ok()?;
        text.ends_with('\n').then_some(text)
    });
    assert!(told.contains(&pool.server.pid().to_string()), "{told}");
    eventually("the worker stays", || (pool.workers() == workers).then_some(()));
    assert_eq!(pool.get("/").generation, 1);
    pool.stop(&sandbox);
}

#[test]
fn a_broken_release_that_was_found_by_its_change_does_not_end_the_pool() {
    let sandbox = Sandbox::new("change-broken");
    let options = ["--workers=2", "--reload=rolling", "--auto-reload=worker.pl"];
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    let old = pool.wait_workers(2);
    sandbox.broken_release();
    pool.server.wait_line("no such table: users");
    eventually("the old ones", || (pool.workers() == old).then_some(()));
    sandbox.release();
    pool.wait_replaced(&old, 2);
    pool.stop(&sandbox);
}

const COMMAND: &str = "--on-client-disconnect=echo \
     gone pid=$PREFORK_PID proto=$PREFORK_PROTO peer=$PREFORK_PEER local=$PREFORK_LOCAL";

/// From the client's end to the line in the log, at most 100 ms; at best less.
fn a_client_leaves(pool: &mut Pool, proto: &str) {
    pool.wait_workers(2);
    let mut rounds = 0;
    crate::sandbox::promptly(proto, Duration::from_millis(150), || {
        let mut stream = super::http::connect(&pool.target).unwrap();
        stream.write_all(b"GET /sleep/1.5 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let busy = eventually("a busy worker", || {
            pool.workers().into_iter().find(|pid| super::harness::busy(*pid))
        });
        // It has been seen to be busy with this client.
        let begun = Instant::now();
        eventually("a look", || (begun.elapsed().as_millis() > 200).then_some(()));
        let left = Instant::now();
        drop(stream);
        let line = pool.server.wait_line(&format!("gone pid={busy} proto={proto}"));
        let took = line.at.saturating_duration_since(left);
        pool.wait_workers(2);
        rounds += 1;
        took
    });
    assert_eq!(pool.server.count("gone pid="), rounds, "{}", pool.server.transcript());
}

#[test]
fn a_tcp_client_that_leaves_is_noticed() {
    let sandbox = Sandbox::new("gone-tcp");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=2", COMMAND]);
    a_client_leaves(&mut pool, "tcp");
    assert!(pool.server.count("peer=127.0.0.1:") > 0, "{}", pool.server.transcript());
    pool.stop(&sandbox);
}

#[test]
fn a_unix_client_that_leaves_is_noticed() {
    let sandbox = Sandbox::new("gone-unix");
    let mut pool = unix_pool(&sandbox, Kind::Plain, &["--workers=2", COMMAND]);
    a_client_leaves(&mut pool, "unix");
    pool.stop(&sandbox);
}

/// Whoever waits for the answer, and whoever has it, is not gone; half a close is none.
#[test]
fn a_client_that_stays_is_not_gone() {
    let sandbox = Sandbox::new("gone-not");
    let mut pool = unix_pool(&sandbox, Kind::Plain, &["--workers=2", COMMAND]);
    pool.wait_workers(2);
    let Target::Unix(path) = &pool.target else { unreachable!() };
    let begun = Instant::now();
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(b"GET /sleep/0.7 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    super::http::answer(stream, begun).unwrap();
    super::http::answers(vec![ask(&pool.target, "/sleep/0.5"), ask(&pool.target, "/sleep/0.5")]);
    for _ in 0..50 {
        pool.get("/");
    }
    assert_eq!(pool.server.count("gone "), 0, "{}", pool.server.transcript());
    pool.stop(&sandbox);
}

/// The manager holds no copy of the client's connection.
#[test]
fn the_end_of_a_connection_is_not_held_up() {
    let sandbox = Sandbox::new("gone-eof");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=1", "--on-client-disconnect=log"]);
    pool.wait_workers(1);
    let answer = super::http::answers(vec![ask(&pool.target, "/sleep/1")]).remove(0);
    assert!(answer.took < Duration::from_millis(1500), "{answer:?}");
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", pool.server.pid())).unwrap().count();
    let before = descriptors();
    super::http::answers(super::http::ask_many(&pool.target, "/sleep/0.06", 20));
    eventually("no more descriptors", || (descriptors() <= before).then_some(()));
    pool.stop(&sandbox);
}

#[test]
fn the_worker_of_a_client_that_left_gets_a_signal() {
    let sandbox = Sandbox::new("gone-signal");
    let option = "--on-client-disconnect=signal:TERM";
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=2", option]);
    let before = pool.wait_workers(2);
    let mut stream = super::http::connect(&pool.target).unwrap();
    stream.write_all(b"GET /sleep/60 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let busy = eventually("a busy worker", || {
        before.iter().copied().find(|pid| super::harness::busy(*pid))
    });
    drop(stream);
    let line = pool.server.wait_line(&format!("worker {busy} left, status:15"));
    assert!(!line.text.is_empty());
    let after = pool.wait_until("two", |pids| pids.len() == 2 && !pids.contains(&busy));
    assert_eq!(after.iter().filter(|pid| before.contains(pid)).count(), 1);
    pool.stop(&sandbox);
}
