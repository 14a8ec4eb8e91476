//! Idle workers leave, busy ones finish, and nobody's request is lost.

use super::worker::{BLOCKING, DEAF, POLLING, THREADED, Worker, connect, sockets, tcp};
use super::*;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

#[test]
fn an_idle_worker_leaves() {
    let (dir, sockets) = sockets();
    for (script, which) in
        [(BLOCKING, &[0][..]), (BLOCKING, &[1]), (POLLING, &[0, 1]), (THREADED, &[0])]
    {
        let mut observer = Observer::new(&sockets);
        let mut worker = Worker::start(script, &sockets, which);
        until("idle", || observer.activity(worker.pid()).0 == Activity::Idle);
        // What sleeps may just have been woken.
        until("retired", || retire(&mut observer, &worker.child, Signal::TERM).unwrap());
        assert_eq!(worker.child.wait().unwrap().signal(), Some(Signal::TERM), "{script}");
    }
    drop(dir);
}

#[test]
fn a_busy_worker_finishes_and_stays() {
    let (dir, sockets) = sockets();
    for (script, command) in [
        (BLOCKING, "hold"),
        (BLOCKING, "poll"),
        (BLOCKING, "spin"),
        (BLOCKING, "sleep"),
        (POLLING, "hold"),
        (POLLING, "poll"),
        (THREADED, "hold"),
    ] {
        let mut observer = Observer::new(&sockets);
        let worker = Worker::start(script, &sockets, &[0]);
        let pid = worker.pid();
        until("idle", || observer.activity(pid).0 == Activity::Idle);
        for _ in 0..3 {
            let mut client = connect(&sockets, 0);
            client.begin(command);
            for _ in 0..10 {
                assert!(!retire(&mut observer, &worker.child, Signal::TERM).unwrap());
            }
            assert_ne!(observer.state(pid), Some(b'T'));
            if ["spin", "sleep"].contains(&command) {
                worker.signal(Signal::ALRM);
            }
            assert_eq!(client.end(), pid.as_raw());
            until("idle", || observer.activity(pid).0 == Activity::Idle);
        }
    }
    drop(dir);
}

/// Also when all that is known says idle, a connection that it holds keeps the worker.
#[test]
fn the_look_while_stopped_decides() {
    let (dir, sockets) = sockets();
    let mut observer = Observer::new(&sockets);
    let worker = Worker::start(BLOCKING, &sockets, &[0]);
    until("idle", || observer.activity(worker.pid()) == IDLE);
    let proof = retire::candidate(&mut observer, &worker.child).unwrap();
    assert!(proof.holds(&mut observer, &worker.child));
    let mut client = connect(&sockets, 0);
    client.begin("hold");
    assert!(!proof.holds(&mut observer, &worker.child));
    client.end();
    drop(dir);
}

#[test]
fn who_was_stopped_already_stays_so() {
    let sockets = Sockets::of(vec![tcp()]);
    let mut observer = Observer::new(&sockets);
    let worker = Worker::start(BLOCKING, &sockets, &[0]);
    until("idle", || observer.activity(worker.pid()) == IDLE);
    worker.signal(Signal::STOP);
    until("stopped", || observer.state(worker.pid()) == Some(b'T'));
    assert_eq!(observer.doing(worker.pid()), Doing::Accepting);
    assert!(!retire(&mut observer, &worker.child, Signal::TERM).unwrap());
    assert_eq!(observer.state(worker.pid()), Some(b'T'));
    worker.signal(Signal::CONT);
    until("retired", || retire(&mut observer, &worker.child, Signal::TERM).unwrap());
}

#[test]
fn a_nudge_is_for_who_stands_in_accept() {
    let sockets = Sockets::of(vec![tcp()]);
    let mut observer = Observer::new(&sockets);
    let mut worker = Worker::start(DEAF, &sockets, &[0]);
    let pid = worker.pid();
    until("idle", || observer.activity(pid) == IDLE);
    let mut client = connect(&sockets, 0);
    client.begin("hold");
    assert!(!nudge(&mut observer, &worker.child, Signal::TERM).unwrap());
    assert_eq!(client.end(), pid.as_raw());
    until("idle", || observer.activity(pid) == IDLE);
    // It restarts accept.
    assert!(nudge(&mut observer, &worker.child, Signal::TERM).unwrap());
    until("in accept again", || observer.doing(pid) == Doing::Accepting);
    until("retired", || retire(&mut observer, &worker.child, Signal::TERM).unwrap());
    until("in accept again", || observer.doing(pid) == Doing::Accepting);
    until("nudged", || nudge(&mut observer, &worker.child, Signal::KILL).unwrap());
    assert_eq!(worker.child.wait().unwrap().signal(), Some(Signal::KILL));
}

/// Workers under load, of which one is told to leave, again and again.
fn no_answer_is_lost(script: &str, clients: u32, rounds: u32) {
    let (dir, sockets) = sockets();
    let mut observer = Observer::new(&sockets);
    let (over, answers) = (AtomicBool::new(false), AtomicU32::new(0));
    let start = || Worker::start(script, &sockets, &[0]);
    let mut workers = [start(), start(), start()];
    let (mut told, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let mut client = connect(&sockets, 0);
                    client.begin("quick");
                    client.end();
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let end = Instant::now() + Duration::from_secs(60);
        'rounds: for round in 0..rounds {
            let worker = &mut workers[round as usize % 3];
            // At once after a refusal, too: a worker that was just made to go on is the hardest case.
            while !retire(&mut observer, &worker.child, Signal::TERM).unwrap() {
                refused += 1;
                if Instant::now() > end {
                    break 'rounds;
                }
            }
            told += 1;
            assert_eq!(worker.child.wait().unwrap().signal(), Some(Signal::TERM));
            observer.forget(worker.pid());
            *worker = start();
        }
        over.store(true, Ordering::Relaxed);
    });
    println!("{told} told, {refused} times refused, {answers:?} answers");
    assert_eq!(told, rounds, "{refused} times refused");
    assert!(answers.load(Ordering::Relaxed) > rounds);
    drop((workers, dir));
}

#[test]
fn no_answer_is_lost_when_blocking_workers_leave() {
    no_answer_is_lost(BLOCKING, 2, 40);
}

#[test]
fn no_answer_is_lost_when_event_loops_leave() {
    no_answer_is_lost(POLLING, 1, 20);
}
