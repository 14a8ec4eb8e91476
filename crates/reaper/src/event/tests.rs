//! Real children and descriptors. Other tests of the process run at the same time, so nothing here
//! touches what belongs to all of it but SIGCHLD, which every loop hears.

use super::*;
use crate::{Image, Setup, spawn};
use fdpass::FdPlan;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::collections::HashMap;
use std::io::Write;
use std::os::unix::net::UnixStream;

fn event_loop() -> EventLoop {
    EventLoop::new(Policy::new().install().unwrap()).unwrap()
}

fn shell(script: &str, setup: &Setup<'_>) -> Child {
    let image = Image::new("/bin/sh".as_ref(), ["-c".into(), script.into()], []).unwrap();
    spawn(&image, setup).unwrap()
}

/// A child that reads from descriptor 3 first; it goes on when all writers are closed.
fn held(script: &str, hold: &OwnedFd) -> Child {
    let mut plan = FdPlan::new();
    plan.pass(hold.as_fd(), 3).unwrap();
    shell(&format!("read x <&3; {script}"), &Setup::new().fds(plan))
}

/// One wait of at most a minute, which must not run out.
fn next(events: &mut EventLoop) -> Vec<Wakeup> {
    let mut wakeups = Vec::new();
    let deadline = events.now() + Duration::from_secs(60);
    events.wait(Some(deadline), &mut wakeups).unwrap();
    assert!(!wakeups.contains(&Wakeup::Deadline), "nothing happened within a minute");
    wakeups
}

/// A wait that takes what is ready and does not block.
fn now_ready(events: &mut EventLoop) -> Vec<Wakeup> {
    let mut wakeups = Vec::new();
    events.wait(Some(Moment::ZERO), &mut wakeups).unwrap();
    assert_eq!(wakeups.pop(), Some(Wakeup::Deadline), "it is the last one, and due");
    wakeups
}

/// Waits until a child is a zombie.
fn until_ended(child: &Child) {
    let pidfd = child.pidfd().unwrap();
    // A SIGCHLD can interrupt it.
    while poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None) != Ok(1) {}
}

fn without_pidfd(child: Child) -> Child {
    Child::new(child.pid(), None)
}

fn reports_all(overflow: bool) {
    let mut events = event_loop();
    let (hold, release) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let mut expected = HashMap::new();
    for number in 0..500 {
        let (script, raw) = match number % 3 {
            0 => ("kill -TERM $$".to_owned(), 15),
            1 => (format!("exit {}", number % 256), (number % 256) << 8),
            _ => ("exit 0".to_owned(), 0),
        };
        let child = held(&script, &hold);
        let child = if overflow { without_pidfd(child) } else { child };
        let pid = child.pid();
        let key = events.child(child);
        assert_eq!(events.get(key).map(Child::pid), Some(pid));
        assert!(expected.insert(key, Exit::from_raw(raw)).is_none(), "keys are never reused");
    }
    assert_eq!(events.children(), 500);
    assert!(now_ready(&mut events).is_empty());

    drop(release);
    while !expected.is_empty() {
        let mut last = None;
        for wakeup in next(&mut events) {
            let Wakeup::Exited(key, exit) = wakeup else { panic!("{wakeup:?}") };
            assert!(last < Some(key), "eldest first");
            last = Some(key);
            assert_eq!(expected.remove(&key), Some(exit), "once, with its own status");
            assert!(events.get(key).is_none());
            let gone = events.signal(key, Signal::TERM).unwrap_err();
            assert_eq!(gone.raw_os_error(), Some(libc::ESRCH));
        }
    }
    assert_eq!(events.children(), 0);
    assert!(now_ready(&mut events).is_empty());
}

#[test]
fn five_hundred_children_end_at_once() {
    reports_all(false);
}

#[test]
fn five_hundred_children_without_pidfd_end_at_once() {
    reports_all(true);
}

#[test]
fn a_child_that_ended_before_it_was_handed_over() {
    let mut events = event_loop();
    for overflow in [false, true] {
        let mut expected = Vec::new();
        for code in [5, 6, 7] {
            let child = shell(&format!("exit {code}"), &Setup::new());
            until_ended(&child);
            let child = if overflow { without_pidfd(child) } else { child };
            // Whatever SIGCHLD there was has been drained by now.
            now_ready(&mut events);
            expected.push((child, Exit::from_code(code)));
        }
        // Reaped already, too:
        assert!(expected[0].0.try_wait().unwrap().is_some());
        let expected = expected.into_iter().map(|(child, exit)| (events.child(child), exit));
        let expected: Vec<Wakeup> = expected.map(|(key, exit)| Wakeup::Exited(key, exit)).collect();
        assert_eq!(now_ready(&mut events), expected);
    }
}

#[test]
fn a_status_that_somebody_else_took() {
    let mut events = event_loop();
    for overflow in [false, true] {
        let child = shell("exit 1", &Setup::new());
        until_ended(&child);
        orphans::reap(child.pid()).unwrap().unwrap();
        let key = events.child(if overflow { without_pidfd(child) } else { child });
        assert_eq!(now_ready(&mut events), [Wakeup::Exited(key, Exit::from_raw(-1))]);
        assert_eq!(events.children(), 0);
    }
}

/// Stopping and going on send SIGCHLD, too.
#[test]
fn a_stopped_child_is_alive() {
    let mut events = event_loop();
    for overflow in [false, true] {
        let (hold, release) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let child = held("exit 3", &hold);
        let key = events.child(if overflow { without_pidfd(child) } else { child });
        for _ in 0..3 {
            events.signal(key, Signal::STOP).unwrap();
            let pid = events.get(key).unwrap().pid().to_rustix().unwrap();
            waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT)
                .unwrap()
                .unwrap();
            assert!(now_ready(&mut events).is_empty());
            events.signal(key, Signal::CONT).unwrap();
            waitid(WaitId::Pid(pid), WaitIdOptions::CONTINUED | WaitIdOptions::NOWAIT)
                .unwrap()
                .unwrap();
            assert!(now_ready(&mut events).is_empty());
        }
        assert_eq!(events.children(), 1);
        drop(release);
        assert_eq!(next(&mut events), [Wakeup::Exited(key, Exit::from_code(3))]);
    }
}

#[test]
fn a_signal_reaches_the_child() {
    let mut events = event_loop();
    let (hold, _release) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let key = events.child(held("exit 0", &hold));
    assert!(now_ready(&mut events).is_empty());
    events.signal(key, Signal::KILL).unwrap();
    assert_eq!(next(&mut events), [Wakeup::Exited(key, Exit::from_raw(9))]);
}

#[test]
fn a_deadline_never_comes_early_and_always_alone() {
    let mut events = event_loop();
    let mut wakeups = Vec::new();
    for nanos in [0, 1, 999, 50_000, 999_999, 1_000_001, 5_500_000] {
        let deadline = events.now() + Duration::from_nanos(nanos);
        let now = events.wait(Some(deadline), &mut wakeups).unwrap();
        assert!(now >= deadline);
        assert_eq!(wakeups, [Wakeup::Deadline]);
        wakeups.clear();
    }
    let start = events.now();
    assert!(now_ready(&mut events).is_empty());
    assert!(events.now() < start + Duration::from_secs(30), "a deadline in the past blocks");
    let (reader, writer) = UnixStream::pair().unwrap();
    let key = events.watch(reader.into(), Interest::Read).unwrap();
    drop(writer);
    events.wait(Some(Moment::MAX), &mut wakeups).unwrap();
    assert_eq!(wakeups, [Wakeup::Readable(key)], "what comes before the deadline comes without it");
}

#[test]
fn descriptors_are_watched_changed_and_given_back() {
    let mut events = event_loop();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let key = events.watch(ours.into(), Interest::Read).unwrap();
    assert!(now_ready(&mut events).is_empty());
    theirs.write_all(b"x").unwrap();
    for _ in 0..2 {
        assert_eq!(next(&mut events), [Wakeup::Readable(key)], "level-triggered");
    }
    events.set_interest(key, Interest::Both).unwrap();
    assert_eq!(next(&mut events), [Wakeup::Readable(key), Wakeup::Writable(key)]);
    events.set_interest(key, Interest::Write).unwrap();
    assert_eq!(next(&mut events), [Wakeup::Writable(key)]);

    assert_eq!(rustix::io::read(events.fd(key).unwrap(), &mut [0_u8; 8]).unwrap(), 1);
    events.set_interest(key, Interest::Read).unwrap();
    assert!(now_ready(&mut events).is_empty());
    drop(theirs);
    assert_eq!(next(&mut events), [Wakeup::Readable(key)], "the other end is closed");

    assert!(events.unwatch(key).is_some());
    assert!(now_ready(&mut events).is_empty());
    assert!(events.unwatch(key).is_none() && events.fd(key).is_none());
    let unknown = events.set_interest(key, Interest::Read).unwrap_err();
    assert_eq!(unknown.raw_os_error(), Some(libc::ENOENT));
    let directory = std::fs::File::open("/").unwrap();
    assert!(events.watch(directory.into(), Interest::Read).is_err());
}

#[test]
fn the_order_within_one_wait() {
    let mut events = event_loop();
    let (reader, mut writer) = UnixStream::pair().unwrap();
    let (other, mut far) = UnixStream::pair().unwrap();
    let first = events.watch(reader.into(), Interest::Both).unwrap();
    let elder = events.child(shell("exit 1", &Setup::new()));
    let second = events.watch(other.into(), Interest::Read).unwrap();
    let child = shell("exit 2", &Setup::new());
    until_ended(&child);
    until_ended(events.get(elder).unwrap());
    let younger = events.child(without_pidfd(child));
    // Not by closing: a test that forks at the moment could hold a copy of the other end.
    writer.write_all(b"x").unwrap();
    far.write_all(b"x").unwrap();
    let mut wakeups = Vec::new();
    events.wait(Some(Moment::ZERO), &mut wakeups).unwrap();
    let expected = [
        Wakeup::Exited(elder, Exit::from_code(1)),
        Wakeup::Exited(younger, Exit::from_code(2)),
        Wakeup::Readable(first),
        Wakeup::Writable(first),
        Wakeup::Readable(second),
        Wakeup::Deadline,
    ];
    assert_eq!(wakeups, expected);
}
