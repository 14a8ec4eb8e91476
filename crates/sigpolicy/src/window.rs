//! The one place in which a worker waits for a request, for a signal, and for the end of its manager.

use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, getppid, parent_process_death_signal, pidfd_open};

use crate::{Policy, PolicyError, Signal, SignalSet, Signals, mask};

#[cfg(test)]
pub(crate) mod tests;

/// Keys of what is no listener; those of listeners are their indexes.
const SIGNALS: u64 = u64::MAX;
const GONE: u64 = u64::MAX - 1;

/// Who gets a signal at the parent's death asks for the parent only so often: a change of user takes
/// that signal away.
const SELDOM: u8 = 16;

/// What ended the waiting.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Waited {
    /// The listener of this index has a connection, unless another worker was quicker.
    Ready(usize),
    /// This signal has arrived.
    Signal(Signal),
    /// The parent has ended, or the life pipe has.
    Gone,
}

/// What a worker does with its signals: they end its waiting, and never disturb a request.
///
/// | phase | caught signals | a signal does |
/// | --- | --- | --- |
/// | [`wait`](Window::wait) | open; epoll is interrupted whatever SA_RESTART says | ends the waiting at once |
/// | from there to the next | open, SA_RESTART set: accept, recv, read, flock … go on | sets a mark; [`asked`](Window::asked) and the next `wait` tell |
/// | [`serving`](Window::serving), with [`hold`](Window::hold) | blocked: nothing at all is interrupted | the same, when the guard is dropped |
///
/// In the second phase sleep, poll, and sockets with a timeout end early with EINTR although
/// SA_RESTART is set (signal(7)). `std::thread::sleep` goes on by itself; where other code does not,
/// `hold` keeps the signals away from it. Programs that are started meanwhile inherit the block.
///
/// **No wake-up is lost.** A signal is a byte in a pipe that is waited for together with the
/// listeners: there is no moment between a check and a system call in which it could fall. No system
/// call is made for that on the way from one request to the next.
///
/// **One worker is woken for a connection** of many that wait (EPOLLEXCLUSIVE). So a worker that was
/// woken must not go without a look at the listener: when both come at once, `wait` says
/// [`Waited::Ready`], and the signal comes next.
///
/// ```no_run
/// use sigpolicy::{Signal, Waited, Window};
/// use std::io::Write;
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:8080")?;
/// let mut window = Window::new(&[Signal::TERM, Signal::HUP])?;
/// window.listen(&listener)?;
/// window.watch_parent()?;
/// while let Waited::Ready(_) = window.wait()? {
///     let Ok((mut client, _)) = listener.accept() else { continue };
///     let serving = window.serving();
///     let _ = client.write_all(b"hello\n");
///     drop(serving);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Window {
    epoll: OwnedFd,
    signals: Signals,
    /// How many arrivals had been drained.
    drained: u64,
    waiting: VecDeque<Signal>,
    listeners: Vec<OwnedFd>,
    life: Option<OwnedFd>,
    parent: Option<(Pid, Option<OwnedFd>)>,
    /// A caught signal comes when the parent ends.
    announced: bool,
    /// How often it has not been looked for the parent since the last time.
    skipped: u8,
    hold: bool,
}

impl Window {
    /// Catches these signals from now on, with SA_RESTART. Those that are blocked in this thread,
    /// for example since its birth, are unblocked, and the first `wait` tells of them.
    ///
    /// # Errors
    ///
    /// As for [`Policy::install`], or when no descriptor is left.
    pub fn new(signals: &[Signal]) -> Result<Window, PolicyError> {
        let epoll = epoll::create(CreateFlags::CLOEXEC);
        let epoll = epoll.map_err(|error| PolicyError::pipe(error.into()))?;
        let signals = Policy::new().catch(signals).install()?;
        epoll::add(&epoll, &signals, EventData::new_u64(SIGNALS), EventFlags::IN)
            .map_err(|error| PolicyError::pipe(error.into()))?;
        let window = Window {
            epoll,
            drained: signals.arrivals(),
            signals,
            waiting: VecDeque::new(),
            listeners: Vec::new(),
            life: None,
            parent: None,
            announced: false,
            skipped: 0,
            hold: false,
        };
        mask::set(window.caught().iter().fold(mask::current(), SignalSet::without));
        Ok(window)
    }

    /// The signals that are caught.
    #[must_use]
    pub fn caught(&self) -> SignalSet {
        self.signals.caught()
    }

    /// Waits for connections to this socket, too, and tells its index, counted from 0.
    ///
    /// The socket is made non-blocking: another worker may take the connection that this one was
    /// woken for. The flag belongs to the socket, not to this process, so whoever else accepts from
    /// it must be prepared for EAGAIN.
    ///
    /// # Errors
    ///
    /// It cannot be waited for, or no descriptor is left.
    pub fn listen(&mut self, listener: impl AsFd) -> io::Result<usize> {
        let listener = rustix::io::fcntl_dupfd_cloexec(listener, 3)?;
        let flags = rustix::fs::fcntl_getfl(&listener)?;
        if !flags.contains(OFlags::NONBLOCK) {
            rustix::fs::fcntl_setfl(&listener, flags | OFlags::NONBLOCK)?;
        }
        let index = self.listeners.len();
        let key = EventData::new_u64(index as u64);
        epoll::add(&self.epoll, &listener, key, EventFlags::IN | EventFlags::EXCLUSIVE)?;
        self.listeners.push(listener);
        Ok(index)
    }

    /// The listener of this index.
    #[must_use]
    pub fn listener(&self, index: usize) -> Option<BorrowedFd<'_>> {
        self.listeners.get(index).map(AsFd::as_fd)
    }

    /// Says [`Waited::Gone`] when the process that is the parent now has ended. Where this process
    /// gets one of the caught signals then (PR_SET_PDEATHSIG), the signal is told as a rule.
    ///
    /// # Errors
    ///
    /// No descriptor is left. Without pidfds (seccomp filters) it is noticed after a request only.
    pub fn watch_parent(&mut self) -> io::Result<()> {
        // None: the parent is in another pid namespace, and nothing can be told of it.
        let Some(parent) = getppid() else { return Ok(()) };
        let pidfd = match pidfd_open(parent, PidfdFlags::empty()) {
            Ok(pidfd) => {
                epoll::add(&self.epoll, &pidfd, EventData::new_u64(GONE), EventFlags::IN)?;
                Some(pidfd)
            }
            Err(error @ (Errno::MFILE | Errno::NFILE)) => return Err(error.into()),
            Err(_) => None,
        };
        self.parent = Some((parent, pidfd));
        let signal = parent_process_death_signal().ok().flatten();
        let signal = signal.and_then(|signal| Signal::from_raw(signal.as_raw()));
        self.announced = signal.is_some_and(|signal| self.caught().contains(signal));
        Ok(())
    }

    /// Says [`Waited::Gone`] when nobody has the other end of this pipe open any more.
    ///
    /// # Errors
    ///
    /// It cannot be waited for.
    pub fn watch_life(&mut self, pipe: OwnedFd) -> io::Result<()> {
        epoll::add(&self.epoll, &pipe, EventData::new_u64(GONE), EventFlags::IN)?;
        self.life = Some(pipe);
        Ok(())
    }

    /// Whether [`serving`](Window::serving) blocks the signals. Off by default.
    pub fn hold(&mut self, hold: bool) {
        self.hold = hold;
    }

    /// A request is being served until this is dropped.
    pub fn serving(&self) -> Serving {
        let previous = self.hold.then(mask::current);
        if let Some(previous) = previous {
            mask::set(self.caught().iter().fold(previous, SignalSet::with));
        }
        Serving { previous, thread: PhantomData }
    }

    /// What has come since the last look: a signal, each one once, or the end of the parent. To be
    /// asked between requests; does not wait, and asks the kernel for the parent's pid at most.
    #[inline]
    pub fn asked(&mut self) -> Option<Waited> {
        if self.signals.arrivals() != self.drained {
            self.drain();
        }
        if let Some(signal) = self.waiting.pop_front() {
            return Some(Waited::Signal(signal));
        }
        self.is_orphan().then_some(Waited::Gone)
    }

    #[inline]
    fn is_orphan(&mut self) -> bool {
        let Some((parent, _)) = &self.parent else { return false };
        if self.announced {
            self.skipped = self.skipped.saturating_add(1);
            if self.skipped < SELDOM {
                return false;
            }
            self.skipped = 0;
        }
        getppid() != Some(*parent)
    }

    /// Waits for a connection, a signal or the end of the parent.
    ///
    /// What [`asked`](Window::asked) would tell comes first.
    ///
    /// # Errors
    ///
    /// The kernel's, which would mean that epoll does not work at all.
    pub fn wait(&mut self) -> io::Result<Waited> {
        if let Some(asked) = self.asked() {
            return Ok(asked);
        }
        self.look()
    }

    fn look(&mut self) -> io::Result<Waited> {
        // As many as there can be, so that none waits behind others that are always ready.
        let mut events: Vec<Event> = Vec::with_capacity(self.listeners.len().saturating_add(3));
        loop {
            events.clear();
            let room = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, room, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let keys = || events.iter().map(|event| event.data.u64());
            if let Some(index) = keys().find_map(listener_index) {
                return Ok(Waited::Ready(index));
            }
            let gone = keys().any(|key| key == GONE);
            self.drain();
            if let Some(asked) = self.asked() {
                return Ok(asked);
            }
            if gone {
                return Ok(Waited::Gone);
            }
        }
    }

    fn drain(&mut self) {
        // Before: what comes meanwhile is looked for once more, in vain perhaps.
        self.drained = self.signals.arrivals();
        let mut arrived = Vec::new();
        self.signals.drain(&mut arrived);
        self.waiting.extend(arrived);
    }
}

fn listener_index(key: u64) -> Option<usize> {
    if matches!(key, SIGNALS | GONE) { None } else { usize::try_from(key).ok() }
}

/// A request is being served.
#[must_use = "the request is over when this is dropped"]
#[derive(Debug)]
pub struct Serving {
    /// The mask, if the signals are held back.
    previous: Option<SignalSet>,
    /// The mask belongs to the thread.
    thread: PhantomData<*const ()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(previous) = self.previous {
            mask::set(previous);
        }
    }
}
