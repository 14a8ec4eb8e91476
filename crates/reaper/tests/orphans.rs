//! Orphans are reaped from the whole process, so these tests have one of their own, one at a time.
#![allow(clippy::unwrap_used)] // tests, helpers included

use fdpass::FdPlan;
use reaper::{Child, EventLoop, Exit, Image, Key, Limit, Setup, Wakeup, orphans, spawn};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use sigpolicy::Policy;
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn event_loop() -> EventLoop {
    orphans::become_subreaper().unwrap();
    let mut events = EventLoop::new(Policy::new().install().unwrap()).unwrap();
    events.reap_orphans(true);
    events
}

/// A shell with the reading end of a pipe as descriptor 3.
fn shell(script: &str, hold: &OwnedFd) -> Child {
    let mut plan = FdPlan::new();
    plan.pass(hold.as_fd(), 3).unwrap();
    let image = Image::new("/bin/sh".as_ref(), ["-c".into(), script.into()], []).unwrap();
    spawn(&image, &Setup::new().fds(plan)).unwrap()
}

fn next(events: &mut EventLoop) -> Vec<Wakeup> {
    let mut wakeups = Vec::new();
    let deadline = events.now() + Duration::from_secs(60);
    events.wait(Some(deadline), &mut wakeups).unwrap();
    assert!(!wakeups.contains(&Wakeup::Deadline), "nothing happened within a minute");
    wakeups
}

fn until_ended(child: &Child) {
    let pidfd = child.pidfd().unwrap();
    while poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None) != Ok(1) {}
}

#[test]
fn orphans_come_with_their_pid_and_status() {
    let _alone = alone();
    let mut events = event_loop();
    let (hold, release) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let script =
        "(read x <&3; exit 7) & (read x <&3; kill -KILL $(exec sh -c 'echo $PPID')) & exit 3";
    let key = events.child(shell(script, &hold));
    assert_eq!(next(&mut events), [Wakeup::Exited(key, Exit::from_code(3))]);
    drop(release);
    let mut exits = Vec::new();
    while exits.len() < 2 {
        for wakeup in next(&mut events) {
            let Wakeup::Orphan(pid, exit) = wakeup else { panic!("{wakeup:?}") };
            assert_ne!(pid, reaper::Pid::own());
            exits.push(exit.raw());
        }
    }
    exits.sort_unstable();
    assert_eq!(exits, [9, 7 << 8]);
    assert_eq!(events.children(), 0);
}

/// More children and orphans at once than one look or one batch of events takes.
#[test]
fn known_children_and_orphans_are_told_apart() {
    let _alone = alone();
    Limit::raise_open_files().unwrap();
    let mut events = event_loop();
    let (hold, release) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let mut known: HashMap<Key, Exit> = HashMap::new();
    let mut parents = Vec::new();
    for number in 0..1200_u16 {
        // Orphans stand before, between and behind the known children in the kernel's list.
        if number % 200 == 0 {
            let script = "for i in 1 2 3 4 5 6 7 8 9 10; do (read x <&3; exit 77) & done; exit 0";
            parents.push(events.child(shell(script, &hold)));
        }
        let [_, code] = (number % 64).to_be_bytes();
        let key = events.child(shell(&format!("read x <&3; exit {code}"), &hold));
        known.insert(key, Exit::from_code(code));
    }
    while !parents.is_empty() {
        for wakeup in next(&mut events) {
            let Wakeup::Exited(key, exit) = wakeup else { panic!("{wakeup:?}") };
            assert!(exit.success());
            parents.retain(|parent| *parent != key);
        }
    }
    drop(release);
    for key in known.keys() {
        until_ended(events.get(*key).unwrap());
    }
    let mut orphans = 0;
    let mut waits = 0;
    while !known.is_empty() || orphans < 60 {
        waits += 1;
        let mut orphan_seen = false;
        for wakeup in next(&mut events) {
            match wakeup {
                Wakeup::Exited(key, exit) => {
                    assert!(!orphan_seen, "known children come first");
                    assert_eq!(known.remove(&key), Some(exit));
                }
                Wakeup::Orphan(_, exit) => {
                    orphan_seen = true;
                    orphans += 1;
                    assert_eq!(exit, Exit::from_code(77));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((orphans, events.children()), (60, 0));
    assert!(waits < 100, "{waits}");
}

#[test]
fn strangers_are_left_alone_unless_asked_for() {
    let _alone = alone();
    let mut events = event_loop();
    events.reap_orphans(false);
    let (hold, _release) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let mut stranger = shell("exit 4", &hold);
    until_ended(&stranger);
    let mut wakeups = Vec::new();
    let deadline = events.now() + Duration::from_millis(20);
    events.wait(Some(deadline), &mut wakeups).unwrap();
    assert_eq!(wakeups, [Wakeup::Deadline]);
    assert_eq!(stranger.try_wait().unwrap(), Some(Exit::from_code(4)));

    let stranger = shell("exit 5", &hold);
    until_ended(&stranger);
    // No signal is needed: what ended before is found as well.
    events.reap_orphans(true);
    assert_eq!(next(&mut events), [Wakeup::Orphan(stranger.pid(), Exit::from_code(5))]);
}

#[test]
fn this_is_not_the_first_process() {
    assert_eq!(orphans::is_init(), std::process::id() == 1);
}
