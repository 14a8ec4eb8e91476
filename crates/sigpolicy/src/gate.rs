//! The same for code that insists on calling a blocking accept itself.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::thread::{self, ThreadId};

use rustix::fs::OFlags;
use signal_hook_registry::SigId;

use crate::caught::{own_handler, own_pid};
use crate::{Policy, Signal, SignalSet, action, mask};

#[cfg(test)]
mod tests;

/// Listeners for a library that calls accept(2) itself and lets nobody wait for anything else there,
/// such as libfcgi; FCGI::ProcManager's pre_dispatch and post_dispatch.
///
/// | phase | SA_RESTART | a caught signal does |
/// | --- | --- | --- |
/// | [`Waiting`] is there | off | accept fails with EINTR, and every later one at once with EINVAL |
/// | otherwise | on | a request's accept, recv, read, flock … go on; the next [`waiting`](Gate::waiting) tells |
///
/// Switching SA_RESTART alone has a hole: a signal between the last check and accept is forgotten
/// until the next connection. Here the handler also puts a socket that does not listen in the
/// listener's place, while somebody waits: then it does not matter when the signal comes, nor whether
/// the caller tries again after EINTR. When `waiting` has told of the signal, the listener is back.
///
/// For one accept at a time: when several threads wait, all but one of them go on.
///
/// ```no_run
/// use sigpolicy::{Gate, Signal};
/// use std::os::fd::AsRawFd;
/// # fn accept_and_read_request(socket: i32) -> Option<String> { None }
/// # fn answer(_: String) {}
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:9000")?;
/// let mut gate = Gate::new(&[Signal::TERM, Signal::HUP], vec![listener.into()])?;
/// while let Ok(waiting) = gate.waiting() {
///     let request = waiting.listener(0).and_then(|fd| accept_and_read_request(fd.as_raw_fd()));
///     drop(waiting);
///     if let Some(request) = request {
///         answer(request);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Gate {
    shared: Arc<Shared>,
    signals: SignalSet,
    registered: Vec<SigId>,
    /// The listeners again, to be put back.
    spare: Vec<OwnedFd>,
    /// The thread that waited last, and its number for the kernel.
    waiter: Option<(ThreadId, libc::pid_t)>,
}

/// What the handler touches.
#[derive(Debug)]
struct Shared {
    /// Numbers that mean the listeners, or the dead socket.
    listeners: Vec<OwnedFd>,
    dead: OwnedFd,
    /// The thread that waits; 0: none does.
    armed: AtomicI32,
    shut: AtomicBool,
    arrived: AtomicU64,
    pid: libc::c_long,
}

impl Gate {
    /// Catches these signals from now on and guards these listeners, which are made blocking. The
    /// flag belongs to the socket, so whoever else uses it is concerned.
    ///
    /// # Errors
    ///
    /// A signal that cannot be caught, or no descriptor is left.
    pub fn new(signals: &[Signal], listeners: Vec<OwnedFd>) -> io::Result<Gate> {
        let wanted = Policy::new().catch(signals);
        wanted.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let mut spare = Vec::with_capacity(listeners.len());
        for listener in &listeners {
            let flags = rustix::fs::fcntl_getfl(listener)?;
            if flags.contains(OFlags::NONBLOCK) {
                rustix::fs::fcntl_setfl(listener, flags.difference(OFlags::NONBLOCK))?;
            }
            spare.push(rustix::io::fcntl_dupfd_cloexec(listener, 3)?);
        }
        // accept on a connected socket is EINVAL, which no caller takes for a passing trouble.
        let (dead, _) = UnixStream::pair()?;
        let shared = Shared {
            listeners,
            dead: dead.into(),
            armed: AtomicI32::new(0),
            shut: AtomicBool::new(false),
            arrived: AtomicU64::new(0),
            pid: own_pid(),
        };
        let (shared, signals) = (Arc::new(shared), signals.iter().copied().collect());
        let mut gate = Gate { shared, signals, registered: Vec::new(), spare, waiter: None };
        let blocked = mask::block_all();
        for signal in signals {
            let before = action::handler_address(signal)?;
            let shared = Arc::clone(&gate.shared);
            // SAFETY: what the closure calls is async-signal-safe: atomics, getpid and dup3.
            let id = unsafe {
                signal_hook_registry::register_sigaction(signal.as_raw(), move |_| {
                    shared.signalled(signal);
                })
            }?;
            gate.registered.push(id);
            own_handler(signal, before)?;
            action::set_restart(signal, true)?;
        }
        drop(blocked);
        mask::set(signals.iter().fold(mask::current(), SignalSet::without));
        Ok(gate)
    }

    /// To be called before each request: from now on, until the guard is dropped, a signal makes
    /// accept fail.
    ///
    /// # Errors
    ///
    /// A signal that has arrived before, each one once: time to leave, as a rule.
    pub fn waiting(&mut self) -> Result<Waiting<'_>, Signal> {
        self.arm(true)
    }

    /// The same without switching SA_RESTART, which takes system calls: an accept that is interrupted
    /// goes on, and fails with EINVAL then.
    ///
    /// # Errors
    ///
    /// As for [`waiting`](Gate::waiting).
    #[inline]
    pub fn waiting_quietly(&mut self) -> Result<Waiting<'_>, Signal> {
        self.arm(false)
    }

    fn arm(&mut self, interrupt: bool) -> Result<Waiting<'_>, Signal> {
        self.put_back();
        if interrupt {
            self.restart(false);
        }
        let thread = self.this_thread();
        self.shared.armed.store(thread, Ordering::SeqCst);
        // Whatever comes from here on meets the guarded listener.
        match self.take() {
            Some(signal) => {
                self.close(interrupt);
                self.put_back();
                Err(signal)
            }
            None => Ok(Waiting { gate: self, interrupt }),
        }
    }

    /// As [`own_thread`], without a system call for each request. A fork makes it wrong, and then the
    /// handler does nothing anyway.
    #[inline]
    fn this_thread(&mut self) -> libc::pid_t {
        let here = thread::current().id();
        match self.waiter {
            Some((thread, number)) if thread == here => number,
            _ => {
                let number = own_thread();
                self.waiter = Some((here, number));
                number
            }
        }
    }

    /// A signal that has arrived, each one once; does not wait. In the midst of a long request,
    /// for example.
    pub fn asked(&mut self) -> Option<Signal> {
        self.take()
    }

    fn take(&mut self) -> Option<Signal> {
        let first =
            SignalSet::from_bits(self.shared.arrived.load(Ordering::SeqCst)).iter().next()?;
        let others = !SignalSet::new().with(first).bits();
        self.shared.arrived.fetch_and(others, Ordering::SeqCst);
        Some(first)
    }

    fn close(&mut self, interrupt: bool) {
        self.shared.armed.store(0, Ordering::SeqCst);
        if interrupt {
            self.restart(true);
        }
    }

    fn restart(&self, restart: bool) {
        for signal in self.signals {
            // Fails when other code has taken the handler away, which then is its affair.
            let _ = action::set_restart(signal, restart);
        }
    }

    fn put_back(&mut self) {
        if self.shared.shut.swap(false, Ordering::SeqCst) {
            for (spare, listener) in self.spare.iter().zip(&self.shared.listeners) {
                stand_in(spare.as_raw_fd(), listener.as_raw_fd());
            }
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            signal_hook_registry::unregister(id);
        }
    }
}

impl Shared {
    /// Runs in the handler. errno is the same afterwards.
    fn signalled(&self, signal: Signal) {
        if own_pid() != self.pid {
            return;
        }
        // SAFETY: the place of this thread's errno is valid as long as the thread.
        let errno = unsafe { *libc::__errno_location() };
        self.arrived.fetch_or(SignalSet::new().with(signal).bits(), Ordering::SeqCst);
        let waiting = self.armed.load(Ordering::SeqCst);
        if waiting != 0 {
            self.shut.store(true, Ordering::SeqCst);
            for listener in &self.listeners {
                stand_in(self.dead.as_raw_fd(), listener.as_raw_fd());
            }
            if waiting != own_thread() {
                // The signal met another thread: it has to interrupt the accept, too.
                // SAFETY: no memory is involved; what comes is a signal that is caught.
                unsafe { libc::syscall(libc::SYS_tgkill, self.pid, waiting, signal.as_raw()) };
            }
        }
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = errno };
    }
}

/// Asked of the kernel: what a C library remembers need not survive a fork.
fn own_thread() -> libc::pid_t {
    // SAFETY: gettid takes nothing and cannot fail.
    unsafe { libc::syscall(libc::SYS_gettid) as libc::pid_t }
}

/// Makes the number `at` mean what `fd` means.
fn stand_in(fd: RawFd, at: RawFd) {
    // SAFETY: both are open and owned by the gate; who borrows the second knows that it may become a
    // socket that does not listen. Fails only in ways that leave it as it is.
    let _ = unsafe { libc::dup3(fd, at, libc::O_CLOEXEC) };
}

/// Somebody waits for a request, in accept(2).
#[must_use = "signals interrupt nothing when this is dropped"]
#[derive(Debug)]
pub struct Waiting<'gate> {
    gate: &'gate mut Gate,
    interrupt: bool,
}

impl Waiting<'_> {
    /// The listener of this index, as it was given to [`Gate::new`].
    #[must_use]
    pub fn listener(&self, index: usize) -> Option<BorrowedFd<'_>> {
        self.gate.shared.listeners.get(index).map(AsFd::as_fd)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.gate.close(self.interrupt);
    }
}
