//! Tells an idle worker to leave, and no other.

use std::collections::HashSet;
use std::io;
use std::time::{Duration, Instant};

use reaper::Child;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use sigpolicy::Signal;

use super::{Doing, Observer};
use crate::prefork::view::Activity;

/// How long a worker may take to stop. It sleeps in a system call that a signal ends, so it stops
/// as soon as it gets a processor.
const TO_STOP: Duration = Duration::from_millis(2);
/// How often to look whether it has.
const PAUSE: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 0, tv_nsec: 50_000 };

/// How a worker is proven idle while it is stopped.
#[derive(Debug)]
pub(super) enum Proof {
    /// It stands in accept with one thread, and has no sockets but these. A stopped process also
    /// shows the call that it has just left: had that brought a connection, it would be a new socket.
    NothingNew(HashSet<u64>),
    /// All its threads wait, and it holds no connection of ours.
    NothingHeld,
}

/// Sends `signal` to a worker if, and only if, it serves no request; returns whether it did.
///
/// A worker that looks idle is stopped, looked at again while it cannot change, and made to go on:
/// the signal then either finds it idle or is not sent. No connection is lost, whatever the signal
/// does: those that nobody has accepted stay with the listener. False also when the worker cannot
/// be looked at closely enough, when it was stopped already, when it does not stop within 2 ms,
/// and for datagrams, where nothing proves that none has just been taken.
///
/// Takes 0.1 to 0.3 ms where the worker gets a processor at once. A busy worker is not stopped at
/// all, unless it got busy this very moment.
/// A stop is not entirely unnoticed (signal(7)): epoll_wait, and calls on sockets with a timeout,
/// fail with EINTR then, and the parent gets SIGCHLD. A worker that handles the signal with
/// SA_RESTART, or ignores it, stays in accept: see [`nudge`]. When the caller is killed between
/// stop and go, the kernel makes a worker that leads a process group go on.
///
/// # Errors
/// Those of [`Child::signal`]; the worker is not left stopped, as far as it may be signalled at all.
pub fn retire(observer: &mut Observer, child: &Child, signal: Signal) -> io::Result<bool> {
    let pid = child.pid();
    if observer.activity(pid).0 != Activity::Idle {
        return Ok(false);
    }
    let Some(proof) = candidate(observer, child) else { return Ok(false) };
    let stopped = child.signal(Signal::STOP).map(|()| has_stopped(child));
    let idle = matches!(stopped, Ok(true)) && proof.holds(observer, child);
    let sent = if idle { child.signal(signal) } else { Ok(()) };
    let gone_on = child.signal(Signal::CONT);
    stopped.and(sent).and(gone_on).map(|()| idle)
}

/// Sends `signal` again to a worker that stands in accept, and so has missed it: a signal that
/// falls between its check for signals and its accept is noted, and then accept goes on to sleep.
/// Returns whether it was sent. About 16 µs.
///
/// The worker is not stopped, so a connection can reach it before the signal does, within
/// microseconds; [`retire`] has no such gap.
///
/// # Errors
/// Those of [`Child::signal`].
pub fn nudge(observer: &mut Observer, child: &Child, signal: Signal) -> io::Result<bool> {
    let pid = child.pid();
    let waits = matches!(observer.doing(pid), Doing::Accepting | Doing::Receiving)
        && observer.state(pid) == Some(b'S');
    if waits {
        child.signal(signal)?;
    }
    Ok(waits)
}

/// What will have to hold of a worker that looks idle now.
pub(super) fn candidate(observer: &mut Observer, child: &Child) -> Option<Proof> {
    let pid = child.pid();
    // In this order: it sleeps after its sockets were counted, so what its next return from accept
    // brings is not among them. One that was just made to go on still looks like one in accept, but
    // does not count as asleep: its wake-up may take a while to reach its processor.
    let sockets = observer.sockets_of(pid);
    let look = observer.look(pid);
    if observer.state(pid) != Some(b'S') {
        return None;
    }
    match look {
        (Doing::Accepting, true) => sockets.ok().map(Proof::NothingNew),
        (Doing::Accepting | Doing::Polling, _) => Some(Proof::NothingHeld),
        _ => None,
    }
}

impl Proof {
    pub(super) fn holds(&self, observer: &mut Observer, child: &Child) -> bool {
        let pid = child.pid();
        match (self, observer.look(pid)) {
            (Self::NothingNew(before), (Doing::Accepting, true)) => {
                observer.sockets_of(pid).is_ok_and(|now| now.is_subset(before))
            }
            (Self::NothingHeld, (Doing::Accepting | Doing::Polling, _)) => {
                observer.serves(pid).is_ok_and(|serves| !serves)
            }
            _ => false,
        }
    }
}

/// Waits, not long, until all threads of a child have stopped.
fn has_stopped(child: &Child) -> bool {
    let start = Instant::now();
    // The report stays for whoever else asks.
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    loop {
        let id = match (child.pidfd(), rustix::process::Pid::from_raw(child.pid().as_raw())) {
            (Some(pidfd), _) => WaitId::PidFd(pidfd),
            (None, Some(pid)) => WaitId::Pid(pid),
            (None, None) => return false,
        };
        match waitid(id, options) {
            Ok(Some(status)) => return status.stopped(),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
        if start.elapsed() >= TO_STOP {
            return false;
        }
        // It has no event that can be waited for: a stop is told by SIGCHLD to everybody at once.
        let _ = rustix::event::poll(&mut [], Some(&PAUSE));
    }
}
