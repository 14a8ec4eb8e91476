//! The loop: one thread, one place that waits, and the only reader of the clock.

mod children;
mod poller;
mod wakeup;

pub use wakeup::{Interest, Key, Wakeup};

use crate::machine::Moment;
use crate::{Child, Exit, Pid, orphans};
use children::{Asked, Children};
use poller::{Poller, Ready};
use rustix::time::{ClockId, clock_gettime};
use sigpolicy::{Policy, Signal, Signals};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

struct Watched {
    fd: OwnedFd,
    interest: Interest,
}

/// Waits for children, descriptors, signals and a deadline at once.
///
/// A wait costs the same with one child as with ten thousand: each is watched by its pidfd. Those
/// without one (no descriptor was left) are on an overflow list that is asked through on SIGCHLD.
/// Nothing wakes an idle loop; there is no tick.
///
/// ```
/// use reaper::{EventLoop, Image, Setup, Wakeup, spawn};
/// use sigpolicy::{Policy, Signal};
///
/// let signals = Policy::new().catch(&[Signal::TERM, Signal::HUP]).install()?;
/// let mut events = EventLoop::new(signals)?;
/// let image = Image::new("/bin/sh".as_ref(), ["-c".into(), "exit 3".into()], [])?;
/// let key = events.child(spawn(&image, &Setup::new())?);
///
/// let mut wakeups = Vec::new();
/// events.wait(None, &mut wakeups)?;
/// assert!(matches!(wakeups[..], [Wakeup::Exited(k, exit)] if k == key && exit.code() == Some(3)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Forked children
///
/// A child of `fork` shares the kernel's side of the loop with its parent: watching, unwatching and
/// waiting there would disturb the parent. It must leave the loop alone; dropping it is harmless.
///
/// # Dropping
///
/// Children that are still in the loop are neither signalled nor reaped when it is dropped.
pub struct EventLoop {
    // The first to be dropped, while all that it watches is still open.
    poller: Poller,
    signals: Signals,
    /// SIGCHLD, where `signals` does not catch it.
    child_signals: Option<Signals>,
    children: Children,
    watched: HashMap<Key, Watched>,
    next: u64,
    orphans: bool,
    /// Ask through the overflow list, without waiting for a signal first.
    sweep_due: bool,
    /// Look for orphans, without waiting for a signal first.
    orphans_due: bool,
}

const SIGNALS: u64 = 0;
const CHILD_SIGNALS: u64 = 1;
const FIRST_KEY: u64 = 2;

/// Orphans and children reaped by one look for orphans.
const ORPHANS_AT_ONCE: usize = 1024;

impl EventLoop {
    /// A loop that delivers these signals. If CHLD is not among them, the loop installs a policy of
    /// its own for that.
    ///
    /// # Errors
    ///
    /// When there is no descriptor left, or CHLD cannot be caught.
    pub fn new(signals: Signals) -> io::Result<EventLoop> {
        let child_signals = if signals.caught().contains(Signal::CHLD) {
            None
        } else {
            let policy = Policy::new().catch(&[Signal::CHLD]);
            Some(policy.install().map_err(io::Error::other)?)
        };
        let poller = Poller::new()?;
        poller.add(signals.as_fd(), SIGNALS, Interest::Read)?;
        if let Some(child_signals) = &child_signals {
            poller.add(child_signals.as_fd(), CHILD_SIGNALS, Interest::Read)?;
        }
        Ok(EventLoop {
            poller,
            signals,
            child_signals,
            children: Children::default(),
            watched: HashMap::new(),
            next: FIRST_KEY,
            orphans: false,
            sweep_due: false,
            orphans_due: false,
        })
    }

    /// The time now, by CLOCK_MONOTONIC.
    #[must_use]
    pub fn now(&self) -> Moment {
        let time = clock_gettime(ClockId::Monotonic);
        // Neither is ever negative.
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
        Moment::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    /// Takes a child over: its end is delivered as [`Wakeup::Exited`] with this key, also if it
    /// came before this call.
    pub fn child(&mut self, child: Child) -> Key {
        let key = self.next_key();
        let add = |fd| self.poller.add(fd, key.0, Interest::Read);
        let polled = child.pidfd().is_some_and(|fd| add(fd).is_ok());
        // Its SIGCHLD may have come and gone.
        self.sweep_due |= !polled;
        self.children.insert(key, child, polled);
        key
    }

    /// A child that has not been delivered as exited.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&Child> {
        self.children.get(key)
    }

    /// Sends a signal to a child.
    ///
    /// # Errors
    ///
    /// `ESRCH` when there is no such child any more; `EPERM` when it runs as somebody else.
    pub fn signal(&self, key: Key, signal: Signal) -> io::Result<()> {
        match self.children.get(key) {
            Some(child) => child.signal(signal),
            None => Err(io::Error::from_raw_os_error(libc::ESRCH)),
        }
    }

    /// The number of children that have not been delivered as exited.
    #[must_use]
    pub fn children(&self) -> usize {
        self.children.len()
    }

    /// Watches a descriptor until it is unwatched.
    ///
    /// # Errors
    ///
    /// Those of epoll_ctl(2): `EPERM` for a regular file or directory, `ENOSPC` or `ENOMEM` when
    /// the kernel can hold no more. The descriptor is closed then.
    pub fn watch(&mut self, fd: OwnedFd, interest: Interest) -> io::Result<Key> {
        let key = self.next_key();
        self.poller.add(fd.as_fd(), key.0, interest)?;
        self.watched.insert(key, Watched { fd, interest });
        Ok(key)
    }

    /// A descriptor that is watched.
    #[must_use]
    pub fn fd(&self, key: Key) -> Option<BorrowedFd<'_>> {
        self.watched.get(&key).map(|watched| watched.fd.as_fd())
    }

    /// Changes which readiness is reported.
    ///
    /// # Errors
    ///
    /// `ENOENT` when the key is not that of a watched descriptor; otherwise those of epoll_ctl(2).
    pub fn set_interest(&mut self, key: Key, interest: Interest) -> io::Result<()> {
        let Some(watched) = self.watched.get_mut(&key) else {
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        };
        self.poller.change(watched.fd.as_fd(), key.0, interest)?;
        watched.interest = interest;
        Ok(())
    }

    /// Stops watching a descriptor and gives it back.
    pub fn unwatch(&mut self, key: Key) -> Option<OwnedFd> {
        let watched = self.watched.remove(&key)?;
        self.poller.remove(watched.fd.as_fd());
        Some(watched.fd)
    }

    /// Whether to reap children that the loop does not know, as PID 1 and subreapers must (see
    /// [`orphans`]). Off at first.
    ///
    /// While it is on, **every** child of the process is reaped here: one that was spawned but not
    /// yet given to the loop when it waits, or is waited for by other code, loses its status.
    ///
    /// Each SIGCHLD then costs a walk through all children in the kernel, about 300 µs for 10,000.
    pub fn reap_orphans(&mut self, reap: bool) {
        self.orphans = reap;
        self.orphans_due = reap;
    }

    /// Waits until something happens or the deadline comes, appends what it was to `out`, and
    /// returns the time then. It does not come back without an entry in `out`.
    ///
    /// A deadline in the past takes what is ready and does not block. [`Wakeup::Deadline`] is
    /// delivered once the deadline is reached, never before it. Without a deadline, children and
    /// descriptors, only a signal ends the wait.
    ///
    /// # Errors
    ///
    /// What epoll_wait(2) or timerfd_settime(2) fail with, such as `ENOMEM`; never `EINTR`. `out`
    /// is unchanged and nothing is lost: wait again.
    pub fn wait(&mut self, deadline: Option<Moment>, out: &mut Vec<Wakeup>) -> io::Result<Moment> {
        let before = out.len();
        loop {
            let timeout = if self.sweep_due || self.orphans_due {
                Some(Duration::ZERO)
            } else {
                deadline.map(|deadline| deadline.saturating_since(self.now()))
            };
            let ready = self.poller.wait(timeout)?;
            self.deliver(ready, out);
            let now = self.now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                out.push(Wakeup::Deadline);
            }
            if out.len() > before {
                return Ok(now);
            }
        }
    }

    fn next_key(&mut self) -> Key {
        let key = Key(self.next);
        self.next = self.next.saturating_add(1);
        key
    }

    /// Turns ready sources into wake-ups, in their fixed order.
    fn deliver(&mut self, ready: Vec<Ready>, out: &mut Vec<Wakeup>) {
        let mut signals_ready = false;
        let mut ended = Vec::new();
        let mut descriptors = Vec::new();
        for source in ready {
            let key = Key(source.token);
            if source.token < FIRST_KEY {
                signals_ready = true;
            } else if let Some(watched) = self.watched.get(&key) {
                if source.readable && watched.interest.reads() {
                    descriptors.push((key, Wakeup::Readable(key)));
                }
                if source.writable && watched.interest.writes() {
                    descriptors.push((key, Wakeup::Writable(key)));
                }
            } else {
                ended.push(key);
            }
        }
        let signals = if signals_ready { self.drain_signals() } else { Vec::new() };

        let mut exits = Vec::new();
        for key in ended {
            self.ask(key, &mut exits);
        }
        if std::mem::take(&mut self.sweep_due) {
            for key in self.children.overflow() {
                self.ask(key, &mut exits);
            }
        }
        let orphans = if self.orphans_due { self.look_for_orphans(&mut exits) } else { Vec::new() };

        exits.sort_unstable_by_key(|(key, _)| *key);
        out.extend(exits.into_iter().map(|(key, exit)| Wakeup::Exited(key, exit)));
        out.extend(orphans.into_iter().map(|(pid, exit)| Wakeup::Orphan(pid, exit)));
        // Stable: readable stays before writable.
        descriptors.sort_by_key(|(key, _)| *key);
        out.extend(descriptors.into_iter().map(|(_, wakeup)| wakeup));
        out.extend(signals.into_iter().map(Wakeup::Signal));
    }

    /// Takes the signals that arrived. CHLD is acted on, not returned.
    fn drain_signals(&mut self) -> Vec<Signal> {
        let mut signals = Vec::new();
        if let Some(child_signals) = &mut self.child_signals {
            child_signals.drain(&mut signals);
        }
        self.signals.drain(&mut signals);
        let count = signals.len();
        signals.retain(|signal| *signal != Signal::CHLD);
        if signals.len() < count {
            self.sweep_due = true;
            self.orphans_due = self.orphans;
        }
        signals
    }

    /// Reaps a child if it has ended; returns whether it had.
    fn ask(&mut self, key: Key, exits: &mut Vec<(Key, Exit)>) -> bool {
        match self.children.ask(key) {
            Asked::Ended { child, exit, polled } => {
                if let Some(fd) = child.pidfd().filter(|_| polled) {
                    self.poller.remove(fd);
                }
                exits.push((key, exit));
                true
            }
            Asked::Living => {
                // Its pidfd said that it ended, yet it cannot be reaped: a tracer has to let go of
                // it first, and SIGCHLD comes then. The pidfd would stay readable meanwhile.
                if let Some(fd) = self.children.demote(key).and_then(Child::pidfd) {
                    self.poller.remove(fd);
                }
                false
            }
            Asked::Unknown => false,
        }
    }

    /// Reaps whatever ended and is not known, and known children that stand before them in the
    /// kernel's list.
    fn look_for_orphans(&mut self, exits: &mut Vec<(Key, Exit)>) -> Vec<(Pid, Exit)> {
        let mut found = Vec::new();
        for _ in 0..ORPHANS_AT_ONCE {
            let Ok(Some(pid)) = orphans::peek() else {
                self.orphans_due = false;
                return found;
            };
            let went_on = match self.children.key_of(pid) {
                Some(key) => self.ask(key, exits),
                None => match orphans::reap(pid) {
                    Ok(Some(exit)) => {
                        found.push((pid, exit));
                        true
                    }
                    _ => false,
                },
            };
            if !went_on {
                self.orphans_due = false;
                return found;
            }
        }
        found
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop")
            .field("children", &self.children.len())
            .field("watched", &self.watched.len())
            .field("signals", &self.signals.caught())
            .field("orphans", &self.orphans)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
