//! The handler and its pipe: signals become bytes that a loop can wait for.
#![allow(unsafe_code)]

use crate::{Signal, SignalSet, action};
use rustix::pipe::{PipeFlags, pipe_with};
use signal_hook_registry::SigId;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The address of the registry's handler, once it has been seen; 0 before.
static REGISTRY_HANDLER: AtomicUsize = AtomicUsize::new(0);

/// A byte in the pipe that names no signal: look at the lost ones.
const LOOK: u8 = 0;

/// One drain reads at most this many chunks, so that a storm of signals cannot hold it for ever.
const CHUNKS: usize = 128;
const CHUNK: usize = 512;

/// The signals that a [`Policy`](crate::Policy) catches, in the order of their arrival.
///
/// The descriptor is readable while a signal waits (it is the read end of a pipe, non-blocking and
/// close-on-exec); [`drain`](Signals::drain) then tells which. Only arrivals that the kernel itself
/// merged are merged: a standard signal that is raised twice before its handler could run arrives
/// once.
///
/// Several can exist at once, for the same or other signals; each gets every arrival. Dropping one
/// ends its delivery. The handler itself stays installed, so that a signal which nobody catches any
/// more is swallowed: use [`action::set_default`] where its default effect is wanted again.
///
/// # Forked children
///
/// The handler does nothing in a process other than the one that installed it, so a forked child
/// never writes into its parent's pipe. The child shares the pipe's read end, though: it must not
/// drain it, but install a policy of its own, or execute a program.
#[derive(Debug)]
pub struct Signals {
    reader: OwnedFd,
    shared: Arc<Shared>,
    caught: SignalSet,
    registered: Vec<SigId>,
}

/// What the handler touches.
#[derive(Debug)]
struct Shared {
    writer: OwnedFd,
    /// The process that installed the handler.
    pid: libc::c_long,
    /// Signals whose byte did not fit into the pipe.
    lost: AtomicU64,
    arrivals: AtomicU64,
}

impl Signals {
    /// A pipe without signals.
    pub(crate) fn new() -> io::Result<Signals> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let shared =
            Shared { writer, pid: own_pid(), lost: AtomicU64::new(0), arrivals: AtomicU64::new(0) };
        let shared = Arc::new(shared);
        Ok(Signals { reader, shared, caught: SignalSet::new(), registered: Vec::new() })
    }

    /// Starts to catch a signal. The caller has refused those the registry would panic about and
    /// blocks all signals in this thread.
    pub(crate) fn add(&mut self, signal: Signal, restart: bool) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let before = action::handler_address(signal)?;
        // SAFETY: the closure does what is async-signal-safe only: getpid, write and atomics.
        let id = unsafe {
            signal_hook_registry::register_sigaction(signal.as_raw(), move |_| {
                shared.arrived(signal);
            })
        }?;
        self.registered.push(id);
        self.caught.insert(signal);
        own_handler(signal, before)?;
        // The registry always asks for SA_RESTART.
        action::set_restart(signal, restart)
    }

    /// The signals that are caught.
    #[must_use]
    pub fn caught(&self) -> SignalSet {
        self.caught
    }

    /// How many signals have arrived so far: a load, no system call. When it has not changed since the
    /// last [`drain`](Signals::drain), there is nothing to drain.
    #[must_use]
    pub fn arrivals(&self) -> u64 {
        self.shared.arrivals.load(Ordering::SeqCst)
    }

    /// Appends the signals that arrived since the last call to `signals`, in order and with
    /// repeats; never blocks.
    ///
    /// When so many arrived that the pipe was full (some 65,000 as a rule), each kind that did not
    /// fit follows once at the end. One call takes a pipe's worth at most; under a storm the
    /// descriptor stays readable, and the next call takes the rest.
    pub fn drain(&mut self, signals: &mut Vec<Signal>) {
        let mut chunk = [0_u8; CHUNK];
        for _ in 0..CHUNKS {
            match rustix::io::read(&self.reader, &mut chunk) {
                Ok(count) if count > 0 => {
                    let bytes = chunk.iter().take(count);
                    signals.extend(bytes.filter_map(|byte| Signal::from_raw(i32::from(*byte))));
                }
                Err(rustix::io::Errno::INTR) => {}
                // EAGAIN: empty. The end of the file cannot come while we hold the writer.
                _ => {
                    let lost = self.shared.lost.swap(0, Ordering::SeqCst);
                    signals.extend(SignalSet::from_bits(lost));
                    return;
                }
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            signal_hook_registry::unregister(id);
        }
    }
}

impl Shared {
    /// Runs in the handler. errno is the same afterwards.
    fn arrived(&self, signal: Signal) {
        // SAFETY: the place of this thread's errno is valid as long as the thread.
        let errno = unsafe { *libc::__errno_location() };
        if own_pid() == self.pid {
            self.report(signal);
            // Last: who sees the number finds the byte.
            self.arrivals.fetch_add(1, Ordering::SeqCst);
        }
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = errno };
    }

    fn report(&self, signal: Signal) {
        let byte = u8::try_from(signal.as_raw()).unwrap_or(LOOK);
        if !self.write(byte) {
            self.lost.fetch_or(SignalSet::new().with(signal).bits(), Ordering::SeqCst);
            // Another thread may have emptied the pipe, and looked for lost signals, between the
            // two lines above. If it did, this fits and wakes it; if the pipe is still full, it
            // has yet to be emptied, and the lost bit will be found then.
            self.write(LOOK);
        }
    }

    fn write(&self, byte: u8) -> bool {
        // SAFETY: one byte is read from a valid place, and the descriptor is open: `self` owns it.
        unsafe { libc::write(self.writer.as_raw_fd(), (&raw const byte).cast(), 1) == 1 }
    }
}

/// The pid, asked of the kernel each time: a C library may remember it across a raw clone.
pub(crate) fn own_pid() -> libc::c_long {
    // SAFETY: getpid takes nothing and cannot fail.
    unsafe { libc::syscall(libc::SYS_getpid) }
}

/// Makes sure that the registry's handler is the one in place, given the handler before the signal
/// was registered.
///
/// The registry calls sigaction only when it meets a signal for the first time. If the signal was
/// given another action since, registering once more would catch nothing.
pub(crate) fn own_handler(signal: Signal, before: Option<usize>) -> io::Result<()> {
    let now = action::handler_address(signal)?;
    if let Some(address) = now.filter(|_| now != before) {
        // The registry met the signal for the first time: this is its handler.
        REGISTRY_HANDLER.store(address, Ordering::SeqCst);
    }
    match (now, REGISTRY_HANDLER.load(Ordering::SeqCst)) {
        // Never seen: there is a handler, installed by another user of the registry.
        (Some(_), 0) => Ok(()),
        (Some(address), registry) if address == registry => Ok(()),
        (Some(_), _) => Err(io::Error::other("other code installed its own handler over ours")),
        (None, 0) => Err(io::Error::other("other code removed the handler that was there before")),
        // SAFETY: the address was read from a signal right after the registry had met it for the
        // first time; it is the registry's only handler, an SA_SIGINFO function.
        (None, registry) => unsafe { action::set_handler(signal, registry) },
    }
}

#[cfg(test)]
pub(crate) mod tests;
