//! What needs a process of its own: its signals, its descriptor limit, its wake-ups. One at a time.
#![allow(clippy::unwrap_used)] // tests, helpers included

use fdpass::FdPlan;
use reaper::{Child, EventLoop, Exit, Image, Interest, Limit, Resource, Setup, Wakeup, spawn};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Rlimit, WaitId, WaitIdOptions, getpid, kill_process, setrlimit, waitid};
use sigpolicy::{Policy, Signal, Signals};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn catching(signals: &[Signal]) -> Signals {
    Policy::new().catch(signals).install().unwrap()
}

fn shell(script: &str) -> Child {
    let image = Image::new("/bin/sh".as_ref(), ["-c".into(), script.into()], []).unwrap();
    spawn(&image, &Setup::new()).unwrap()
}

fn next(events: &mut EventLoop) -> Vec<Wakeup> {
    let mut wakeups = Vec::new();
    let deadline = events.now() + Duration::from_secs(60);
    events.wait(Some(deadline), &mut wakeups).unwrap();
    assert!(!wakeups.contains(&Wakeup::Deadline), "nothing happened within a minute");
    wakeups
}

fn send_self(signal: Signal) {
    let signal = match signal {
        Signal::USR1 => rustix::process::Signal::USR1,
        _ => rustix::process::Signal::CHILD,
    };
    kill_process(getpid(), signal).unwrap();
}

/// Waits until a descriptor is readable; signals may come meanwhile.
fn until_readable(fd: impl AsFd) {
    while poll(&mut [PollFd::new(&fd, PollFlags::IN)], None) != Ok(1) {}
}

#[test]
fn everything_at_once_comes_in_its_order() {
    let _alone = alone();
    for own in [&[Signal::USR1][..], &[Signal::USR1, Signal::CHLD]] {
        let mut events = EventLoop::new(catching(own)).unwrap();
        // Handlers run in the order of their installation: what this one has heard, the loop has.
        let probe = catching(&[Signal::USR1]);
        let (reader, mut writer) = UnixStream::pair().unwrap();
        let readable = events.watch(reader.into(), Interest::Read).unwrap();
        writer.write_all(b"x").unwrap();
        send_self(Signal::USR1);
        until_readable(&probe);
        let key = events.child(shell("exit 9"));
        until_readable(events.get(key).unwrap().pidfd().unwrap());
        let mut wakeups = Vec::new();
        let deadline = events.now();
        events.wait(Some(deadline), &mut wakeups).unwrap();
        let expected = [
            Wakeup::Exited(key, Exit::from_code(9)),
            Wakeup::Readable(readable),
            Wakeup::Signal(Signal::USR1),
            Wakeup::Deadline,
        ];
        assert_eq!(wakeups, expected);
    }
}

#[test]
fn child_signals_are_not_reported() {
    let _alone = alone();
    for own in [&[Signal::USR1][..], &[Signal::USR1, Signal::CHLD]] {
        let mut events = EventLoop::new(catching(own)).unwrap();
        let probe = catching(&[Signal::CHLD]);
        send_self(Signal::CHLD);
        until_readable(&probe);
        let mut wakeups = Vec::new();
        let deadline = events.now() + Duration::from_millis(5);
        assert!(events.wait(Some(deadline), &mut wakeups).unwrap() >= deadline);
        assert_eq!(wakeups, [Wakeup::Deadline]);
    }
}

/// How often this thread gave up the processor by itself: every wake-up of a sleeping loop is one.
fn times_slept() -> u64 {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn an_idle_loop_sleeps_until_its_deadline() {
    let _alone = alone();
    let mut events = EventLoop::new(catching(&[Signal::USR1])).unwrap();
    let (reader, _writer) = UnixStream::pair().unwrap();
    events.watch(reader.into(), Interest::Read).unwrap();
    let (hold, release) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let mut plan = FdPlan::new();
    plan.pass(hold.as_fd(), 3).unwrap();
    let image = Image::new("/bin/sh".as_ref(), ["-c".into(), "read x <&3".into()], []).unwrap();
    let key = events.child(spawn(&image, &Setup::new().fds(plan)).unwrap());
    let mut wakeups = Vec::new();
    let before = times_slept();
    let deadline = events.now() + Duration::from_millis(300);
    events.wait(Some(deadline), &mut wakeups).unwrap();
    assert_eq!(wakeups, [Wakeup::Deadline]);
    let slept = times_slept() - before;
    assert!((1..=3).contains(&slept), "slept {slept} times in one idle wait");
    // A child that nobody has reaped would be an orphan to the next test's loop.
    drop((hold, release));
    assert_eq!(next(&mut events), [Wakeup::Exited(key, Exit::from_code(1))]);
}

/// A stopped child is none that ended, neither for the loop nor for its search for orphans.
#[test]
fn a_loop_with_a_stopped_child_sleeps() {
    let _alone = alone();
    let mut events = EventLoop::new(catching(&[Signal::USR1])).unwrap();
    events.reap_orphans(true);
    let key = events.child(shell("kill -STOP $$; exit 4"));
    let id = WaitId::PidFd(events.get(key).unwrap().pidfd().unwrap());
    waitid(id, WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT).unwrap().unwrap();
    let mut wakeups = Vec::new();
    let before = times_slept();
    let deadline = events.now() + Duration::from_millis(100);
    events.wait(Some(deadline), &mut wakeups).unwrap();
    assert_eq!(wakeups, [Wakeup::Deadline]);
    let slept = times_slept() - before;
    assert!((1..=3).contains(&slept), "slept {slept} times in one idle wait");
    events.signal(key, Signal::CONT).unwrap();
    assert_eq!(next(&mut events), [Wakeup::Exited(key, Exit::from_code(4))]);
}

#[test]
fn a_storm_of_signals_and_many_exits_go_side_by_side() {
    let _alone = alone();
    let mut events = EventLoop::new(catching(&[Signal::USR1])).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                send_self(Signal::USR1);
            }
        });
        let mut signals = 0;
        let mut exits = 0;
        for number in 0..200_u8 {
            let key = events.child(shell(&format!("exit {number}")));
            while events.get(key).is_some() {
                for wakeup in next(&mut events) {
                    match wakeup {
                        Wakeup::Signal(Signal::USR1) => signals += 1,
                        other => {
                            assert_eq!(other, Wakeup::Exited(key, Exit::from_code(number)));
                            exits += 1;
                        }
                    }
                }
            }
        }
        stop.store(true, Ordering::SeqCst);
        assert_eq!(exits, 200);
        assert!(signals > 0);
    });
}

/// Puts the limit of open descriptors back, also when the test fails.
struct Restore(Limit);

impl Drop for Restore {
    fn drop(&mut self) {
        set_open_files(self.0.soft).ok();
    }
}

fn set_open_files(soft: Option<u64>) -> io::Result<()> {
    let maximum = Limit::of(Resource::OpenFiles).hard;
    Ok(setrlimit(rustix::process::Resource::Nofile, Rlimit { current: soft, maximum })?)
}

#[test]
fn without_a_descriptor_to_spare_children_overflow_and_are_reaped() {
    let _alone = alone();
    let mut events = EventLoop::new(catching(&[Signal::USR1])).unwrap();
    let restore = Restore(Limit::of(Resource::OpenFiles));
    set_open_files(Some(64)).unwrap();
    let mut fillers = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        fillers.push(file);
    }
    let mut expected: Vec<_> = Vec::new();
    for code in 0..40_u8 {
        let child = shell(&format!("exit {code}"));
        assert!(child.pidfd().is_none(), "there was no descriptor left");
        expected.push(Wakeup::Exited(events.child(child), Exit::from_code(code)));
    }
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        seen.extend(next(&mut events));
    }
    // One wait sorts what it has; across waits they come as they end.
    let position = |wakeup: &Wakeup| expected.iter().position(|other| other == wakeup);
    seen.sort_by_key(position);
    assert_eq!(seen, expected);
    drop((fillers, restore));
}
