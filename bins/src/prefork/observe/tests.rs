//! With real workers, which serve one connection after the other on descriptors 3 and 4.

mod retiring;
mod worker;

use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use sigpolicy::Signal;

use self::worker::{BLOCKING, DATAGRAMS, POLLING, THREADED, Worker, sockets, tcp};
use super::*;

/// Waits for something to become true.
#[track_caller]
fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < end, "still not {what}");
        std::thread::yield_now();
    }
}

const IDLE: (Activity, Source) = (Activity::Idle, Source::Syscall);
const BUSY: (Activity, Source) = (Activity::Busy, Source::Syscall);
const HOLDS_NONE: (Activity, Source) = (Activity::Idle, Source::Sockets);
const HOLDS_ONE: (Activity, Source) = (Activity::Busy, Source::Sockets);

#[test]
fn a_blocking_worker_from_idle_to_busy_and_back() {
    let (dir, sockets) = sockets();
    for listener in 0..2 {
        let worker = Worker::start(BLOCKING, &sockets, &[listener]);
        let mut observer = Observer::new(&sockets);
        assert_eq!(observer.places.len(), 2);
        until("accepting", || observer.doing(worker.pid()) == Doing::Accepting);
        assert_eq!(observer.activity(worker.pid()), IDLE);

        let mut client = worker::connect(&sockets, listener);
        client.begin("hold");
        until("in read", || matches!(observer.doing(worker.pid()), Doing::Call(_)));
        assert_eq!(observer.activity(worker.pid()), BUSY);
        // For somebody who has never seen it idle, its connection tells.
        let mut new = Observer::new(&sockets);
        assert_eq!(new.activity(worker.pid()), HOLDS_ONE);
        client.end();
        until("idle", || observer.activity(worker.pid()) == IDLE);

        for command in ["sleep", "spin"] {
            let mut client = worker::connect(&sockets, listener);
            client.begin(command);
            until("so", || match observer.doing(worker.pid()) {
                Doing::Call(number) => command == "sleep" && syscall::rests(number),
                Doing::Running => command == "spin",
                _ => false,
            });
            assert_eq!(observer.activity(worker.pid()), BUSY);
            worker.signal(Signal::ALRM);
            client.end();
            until("idle", || observer.activity(worker.pid()) == IDLE);
        }
        let mut client = worker::connect(&sockets, listener);
        client.begin("poll");
        until("polling", || match observer.doing(worker.pid()) {
            Doing::Call(number) => syscall::polls(number).is_some(),
            _ => false,
        });
        assert_eq!(observer.activity(worker.pid()), BUSY, "poll in a request");
        client.end();
    }
    drop(dir);
}

#[test]
fn an_event_loop_is_told_by_its_connections() {
    let (dir, sockets) = sockets();
    let worker = Worker::start(POLLING, &sockets, &[0, 1]);
    let mut observer = Observer::new(&sockets);
    until("polling", || observer.doing(worker.pid()) == Doing::Polling);
    assert_eq!(observer.activity(worker.pid()), HOLDS_NONE);
    for listener in 0..2 {
        let mut client = worker::connect(&sockets, listener);
        client.begin("hold");
        assert_eq!(observer.activity(worker.pid()), HOLDS_ONE);
        client.end();
        until("idle", || observer.activity(worker.pid()) == HOLDS_NONE);
    }
    drop(dir);
}

/// The request goes on when its client has gone.
#[test]
fn a_broken_connection_still_counts() {
    let sockets = Sockets::of(vec![tcp()]);
    let at = sockets.listeners().next().unwrap().0.local_addr().as_inet().unwrap();
    let worker = Worker::start(POLLING, &sockets, &[0]);
    let mut observer = Observer::new(&sockets);
    until("idle", || observer.activity(worker.pid()) == HOLDS_NONE);
    let mut client = TcpStream::connect(at).unwrap();
    client.write_all(b"sleep").unwrap();
    assert_eq!(client.peek(&mut [0; 10]).unwrap(), 4);
    // What it has not read makes this a reset.
    drop(client);
    assert_eq!(observer.activity(worker.pid()), HOLDS_ONE);
    assert!(!retire(&mut observer, &worker.child, Signal::TERM).unwrap());
}

#[test]
fn threads_are_told_by_their_connections() {
    let (dir, sockets) = sockets();
    let worker = Worker::start(THREADED, &sockets, &[0]);
    let mut observer = Observer::new(&sockets);
    until("accepting", || observer.doing(worker.pid()) == Doing::Accepting);
    assert_eq!(observer.activity(worker.pid()), HOLDS_NONE);
    let mut client = worker::connect(&sockets, 0);
    client.begin("hold");
    until("in read", || matches!(observer.doing(worker.pid()), Doing::Call(_)));
    assert_eq!(observer.activity(worker.pid()), HOLDS_ONE);
    client.end();
    until("idle", || observer.activity(worker.pid()) == HOLDS_NONE);
    drop(dir);
}

#[test]
fn datagrams_are_waited_for_in_receive() {
    let udp = worker::listener("127.0.0.1:u0");
    let at = udp.local_addr().as_inet().unwrap();
    let sockets = Sockets::of(vec![udp]);
    let worker = Worker::start(DATAGRAMS, &sockets, &[0]);
    let mut observer = Observer::new(&sockets);
    until("receiving", || observer.doing(worker.pid()) == Doing::Receiving);
    assert_eq!(observer.activity(worker.pid()), IDLE);
    assert_eq!(observer.queue(&sockets), None);
    assert!(!retire(&mut observer, &worker.child, Signal::TERM).unwrap());
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", at).unwrap();
    until("busy", || observer.activity(worker.pid()) == BUSY);
}

#[test]
fn a_stranger_to_our_listeners_is_unknown() {
    let (ours, other) = (Sockets::of(vec![tcp()]), Sockets::of(vec![tcp()]));
    let worker = Worker::start(BLOCKING, &other, &[0]);
    let mut observer = Observer::new(&ours);
    until(
        "in accept",
        || matches!(observer.doing(worker.pid()), Doing::Call(number) if syscall::accepts(number)),
    );
    assert_eq!(observer.activity(worker.pid()), (Activity::Unknown, Source::Nothing));
    assert!(!retire(&mut observer, &worker.child, Signal::KILL).unwrap());
    assert!(!nudge(&mut observer, &worker.child, Signal::KILL).unwrap());
}

#[test]
fn queues_of_all_listeners_add_up() {
    let (dir, sockets) = sockets();
    let mut observer = Observer::new(&sockets);
    let (waiting, limit) = observer.queue(&sockets).unwrap();
    assert_eq!(waiting, 0);
    let clients = [0, 1, 1].map(|listener| worker::connect(&sockets, listener));
    assert_eq!(observer.queue(&sockets), Some((3, limit)));
    drop((dir, clients));
    assert_eq!(Observer::new(&sockets).queue(&Sockets::of(Vec::new())), None);
}

#[test]
fn the_dead_and_the_hidden() {
    let sockets = Sockets::of(vec![tcp()]);
    let mut observer = Observer::new(&sockets);
    let unknown = (Activity::Unknown, Source::Nothing);
    let none = Pid::from_raw(i32::MAX).unwrap();
    assert_eq!((observer.doing(none), observer.activity(none)), (Doing::Unknown, unknown));
    assert_eq!(observer.memory(none), None);

    let mut worker = Worker::start(BLOCKING, &sockets, &[0]);
    until("accepting", || observer.doing(worker.pid()) == Doing::Accepting);
    assert!(observer.memory(worker.pid()).unwrap().pss > 0);
    worker.signal(Signal::KILL);
    worker.until_dead();
    assert_eq!(observer.activity(worker.pid()), unknown, "a zombie");
    assert!(!retire(&mut observer, &worker.child, Signal::TERM).unwrap());
    worker.child.wait().unwrap();
    assert_eq!(observer.activity(worker.pid()), unknown, "reaped");
    assert_eq!(observer.memory(worker.pid()), None);
    assert!(!retire(&mut observer, &worker.child, Signal::TERM).unwrap());
    assert!(!nudge(&mut observer, &worker.child, Signal::TERM).unwrap());
    observer.forget(worker.pid());
    assert!(observer.known.is_empty());
}

#[test]
fn a_number_given_to_another_process() {
    let sockets = Sockets::of(vec![tcp()]);
    let mut observer = Observer::new(&sockets);
    let mut first = Worker::start(BLOCKING, &sockets, &[0]);
    until("accepting", || observer.activity(first.pid()) == IDLE);
    let second = Worker::start(BLOCKING, &sockets, &[0]);
    // As if the second had the number of the first, which is gone.
    let known = observer.known.remove(&first.pid()).unwrap();
    observer.known.insert(second.pid(), known);
    first.signal(Signal::KILL);
    first.child.wait().unwrap();
    until("accepting", || observer.doing(second.pid()) == Doing::Accepting);
    assert_eq!(observer.known[&second.pid()].serves, Serves::NotSeen, "nothing is left of it");
    assert_eq!(observer.activity(second.pid()), IDLE);
}
