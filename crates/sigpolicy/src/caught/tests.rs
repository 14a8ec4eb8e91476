//! Real signals, raised in this process. They belong to the whole of it: one test at a time.

use super::*;
use crate::{Disposition, Policy};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, mpsc};
use std::thread;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Raises a signal in this thread; the handler has run when it returns.
pub(crate) fn raise(signal: Signal) {
    // SAFETY: raise has no preconditions, and every test catches the signal first.
    assert_eq!(unsafe { libc::raise(signal.as_raw()) }, 0);
}

/// Sends a signal to one thread: only a thread can say what interrupted it.
pub(crate) fn send<T>(thread: &thread::JoinHandle<T>, signal: Signal) {
    // SAFETY: the thread has not been joined, as its handle exists.
    unsafe { libc::pthread_kill(thread.as_pthread_t(), signal.as_raw()) };
}

fn drained(signals: &mut Signals) -> Vec<Signal> {
    let mut out = Vec::new();
    signals.drain(&mut out);
    out
}

/// Waits until the descriptor is readable; false after ten seconds.
fn readable(signals: &Signals, seconds: i64) -> bool {
    let timeout = Timespec { tv_sec: seconds, tv_nsec: 0 };
    loop {
        match poll(&mut [PollFd::new(signals, PollFlags::IN)], Some(&timeout)) {
            Ok(count) => return count == 1,
            Err(error) => assert_eq!(error, rustix::io::Errno::INTR),
        }
    }
}

#[test]
fn order_and_repeats_are_kept() {
    let _alone = alone();
    let mut signals = Policy::new().catch(&[Signal::HUP, Signal::TERM]).install().unwrap();
    assert_eq!(signals.caught(), SignalSet::new().with(Signal::HUP).with(Signal::TERM));
    assert!(!readable(&signals, 0) && drained(&mut signals).is_empty());
    for signal in [Signal::HUP, Signal::TERM, Signal::HUP] {
        raise(signal);
    }
    assert!(readable(&signals, 10));
    assert_eq!(drained(&mut signals), [Signal::HUP, Signal::TERM, Signal::HUP]);
    assert!(!readable(&signals, 0) && drained(&mut signals).is_empty());
}

#[test]
fn the_flags_are_really_set() {
    let _alone = alone();
    for interrupt in [true, false, true] {
        let signals = Policy::new().catch(&[Signal::HUP]).interrupt_syscalls(interrupt);
        let signals = signals.install().unwrap();
        let handled = Disposition::Handled { restarts: !interrupt };
        assert_eq!(action::disposition(Signal::HUP).unwrap(), handled);
        action::set_restart(Signal::HUP, interrupt).unwrap();
        let handled = Disposition::Handled { restarts: interrupt };
        assert_eq!(action::disposition(Signal::HUP).unwrap(), handled);
        drop(signals);
    }
}

/// Reads one byte in a thread of its own while this one sends it signals. The first value tells
/// whether the read ended by itself; otherwise 200 signals came first, then the byte.
fn read_under_signals(interrupt: bool) -> (bool, io::Result<usize>) {
    let policy = Policy::new().catch(&[Signal::USR1]).interrupt_syscalls(interrupt);
    let mut signals = policy.install().unwrap();
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let (send, result) = mpsc::channel();
    let thread = thread::spawn(move || {
        let mut byte = [0_u8];
        send.send(rustix::io::read(&reader, &mut byte).map_err(io::Error::from)).unwrap();
        // The thread goes on, so that the signals below never meet a thread that has ended.
        send.send(rustix::io::read(&reader, &mut byte).map_err(io::Error::from)).ok();
    });
    let mut arrived = Vec::new();
    while arrived.len() < 200 || interrupt {
        // SAFETY: the thread has not been joined.
        unsafe { libc::pthread_kill(thread.as_pthread_t(), Signal::USR1.as_raw()) };
        assert!(readable(&signals, 10));
        signals.drain(&mut arrived);
        if let Ok(ended) = result.try_recv() {
            drop(writer);
            thread.join().unwrap();
            return (true, ended);
        }
    }
    rustix::io::write(&writer, b"!").unwrap();
    let ended = result.recv().unwrap();
    drop(writer);
    thread.join().unwrap();
    (false, ended)
}

#[test]
fn a_blocking_call_is_interrupted_or_restarted() {
    let _alone = alone();
    let (by_signal, result) = read_under_signals(true);
    assert!(by_signal);
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::Interrupted);
    let (by_signal, result) = read_under_signals(false);
    assert!(!by_signal);
    assert_eq!(result.unwrap(), 1);
}

#[test]
fn a_full_pipe_blocks_nothing_and_loses_no_kind() {
    let _alone = alone();
    let policy = Policy::new().catch(&[Signal::USR1, Signal::USR2, Signal::HUP]);
    let mut signals = policy.install().unwrap();
    let room = rustix::pipe::fcntl_setpipe_size(&signals.reader, 4096).unwrap();
    for _ in 0..room + 5000 {
        raise(Signal::USR1);
    }
    raise(Signal::USR2);
    raise(Signal::HUP);
    // SAFETY: the place of this thread's errno is valid as long as the thread.
    let kept = unsafe {
        *libc::__errno_location() = 4242;
        libc::raise(libc::SIGHUP);
        *libc::__errno_location()
    };
    assert_eq!(kept, 4242, "the handler preserves errno");

    let arrived = drained(&mut signals);
    let (bytes, lost) = arrived.split_at(room);
    assert!(bytes.iter().all(|signal| *signal == Signal::USR1));
    assert_eq!(lost, [Signal::HUP, Signal::USR1, Signal::USR2]);
    assert!(drained(&mut signals).is_empty());
    raise(Signal::USR2);
    assert_eq!(drained(&mut signals), [Signal::USR2]);
}

#[test]
fn draining_during_a_storm_never_misses_the_last_one() {
    let _alone = alone();
    let mut signals = Policy::new().catch(&[Signal::USR1, Signal::USR2]).install().unwrap();
    rustix::pipe::fcntl_setpipe_size(&signals.reader, 4096).unwrap();
    for _ in 0..20 {
        let storm = thread::spawn(|| {
            for _ in 0..6000 {
                raise(Signal::USR1);
            }
            raise(Signal::USR2);
        });
        let mut arrived = Vec::new();
        while !arrived.contains(&Signal::USR2) {
            assert!(readable(&signals, 10), "the last signal of the storm was lost");
            signals.drain(&mut arrived);
        }
        storm.join().unwrap();
        assert!(arrived.contains(&Signal::USR1));
        drained(&mut signals);
    }
}

#[test]
fn two_at_once_and_one_that_ends() {
    let _alone = alone();
    let mut first = Policy::new().catch(&[Signal::HUP, Signal::USR1]).install().unwrap();
    let mut second = Policy::new().catch(&[Signal::HUP]).install().unwrap();
    raise(Signal::HUP);
    raise(Signal::USR1);
    assert_eq!(drained(&mut first), [Signal::HUP, Signal::USR1]);
    assert_eq!(drained(&mut second), [Signal::HUP]);
    let shared = Arc::downgrade(&first.shared);
    drop(first);
    assert!(shared.upgrade().is_none(), "the handler lets go of what was dropped");
    raise(Signal::HUP);
    assert_eq!(drained(&mut second), [Signal::HUP]);
    drop(second);
    raise(Signal::HUP);
}

#[test]
fn a_signal_is_caught_again_after_it_was_reset() {
    let _alone = alone();
    for _ in 0..2 {
        let mut signals = Policy::new().catch(&[Signal::PROF]).install().unwrap();
        raise(Signal::PROF);
        assert_eq!(drained(&mut signals), [Signal::PROF]);
        drop(signals);
        action::set_default(Signal::PROF).unwrap();
        assert_eq!(action::disposition(Signal::PROF).unwrap(), Disposition::Default);
    }
}

#[test]
fn a_foreign_handler_in_its_place_is_noticed() {
    let _alone = alone();
    drop(Policy::new().catch(&[Signal::VTALRM]).install().unwrap());
    extern "C" fn foreign(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}
    let address = foreign as *const () as usize;
    // SAFETY: the function does nothing and lives as long as the process.
    unsafe { action::set_handler(Signal::VTALRM, address) }.unwrap();
    let error = Policy::new().catch(&[Signal::VTALRM]).install().unwrap_err();
    assert_eq!(
        error.to_string(),
        "signal VTALRM cannot be caught: other code installed its own handler over ours"
    );
    assert_eq!(action::handler_address(Signal::VTALRM).unwrap(), Some(address));
}

#[test]
fn nothing_arrives_from_a_forked_child() {
    let _alone = alone();
    let mut signals = Policy::new().catch(&[Signal::USR1]).install().unwrap();
    // SAFETY: the child calls nothing but raise and _exit.
    let child = unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::raise(libc::SIGUSR1);
            libc::_exit(7);
        }
        child
    };
    let mut status = 0;
    // SAFETY: `status` is a valid place for an int.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 7 << 8, "the child's handler ran and it went on");
    assert!(drained(&mut signals).is_empty());
    raise(Signal::USR1);
    assert_eq!(drained(&mut signals), [Signal::USR1]);
}

#[test]
fn a_thread_in_the_handler_holds_up_nobody() {
    let _alone = alone();
    let stop = Arc::new(AtomicBool::new(false));
    let mut signals = Policy::new().catch(&[Signal::USR1]).install().unwrap();
    let seen = Arc::clone(&stop);
    let storm = thread::spawn(move || {
        while !seen.load(Ordering::SeqCst) {
            raise(Signal::USR1);
        }
    });
    for _ in 0..200 {
        let mut other = Policy::new().catch(&[Signal::USR1]).install().unwrap();
        assert!(readable(&other, 10));
        assert!(drained(&mut other).iter().all(|signal| *signal == Signal::USR1));
        drained(&mut signals);
    }
    stop.store(true, Ordering::SeqCst);
    storm.join().unwrap();
}
