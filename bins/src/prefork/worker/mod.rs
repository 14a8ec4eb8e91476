//! The life of a worker that is a Rust closure: it waits, serves, tells what it does, and leaves when
//! it is time.

mod accept;
mod forker;
mod own_loop;
mod request;
mod slate;
mod stream;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use fdpass::SocketKind;
use sigpolicy::{Gate, Signal, Waited, Window};

pub(crate) use forker::{Forker, MainLoop, Own, Terms, as_application, open_numbers, work};
pub use own_loop::{Idle, Serving};
pub use request::Request;
pub use slate::Slate;
pub use stream::Stream;

/// A worker, in the hands of the closure that was given to [`Prefork::new`](super::Prefork::new).
///
/// [`accept`](Worker::accept) waits for a request and says when it is time to leave; a worker with an
/// accept loop of its own (libfcgi) has [`waiting`](Worker::waiting). What it tells of itself goes
/// through [`Slate`], which requests lead to as well.
///
/// The worker leaves between two requests, never within one: when a signal comes that it leaves on
/// (TERM, HUP and the pool's stop signal), when the manager wants it to, when it has served its
/// `max_requests`, and when the manager is gone. [`sigpolicy::Window`] says what a signal does to a
/// request that is being served.
#[derive(Debug)]
pub struct Worker {
    window: Window,
    gate: Option<Gate>,
    signals: Vec<Signal>,
    sockets: Vec<Listening>,
    accepting: Option<Accepting>,
    /// Where to look first: the one that had a connection.
    next: usize,
    /// A connection was announced to this worker, and it has not looked for it yet.
    woken: bool,
    max_requests: Option<u64>,
    leaving: bool,
    slate: Slate,
    access_log: Option<File>,
}

/// Where connections come from, by their places among the sockets.
#[derive(Debug)]
enum Accepting {
    /// From one: then accept can wait by itself, which is a system call less and does without epoll.
    One(usize),
    /// In the order of the window's indexes.
    Many(Vec<usize>),
}

/// A socket of the pool.
#[derive(Debug)]
pub struct Listening {
    name: OsString,
    address: String,
    kind: SocketKind,
    fd: OwnedFd,
}

impl Listening {
    /// Its name, as in SERVER_STARTER_PORT: `8080` or a path.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// Its address: `0.0.0.0:8080`, `[::1]:80`, `/path` or `@abstract`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> SocketKind {
        self.kind
    }
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Worker {
    /// In the worker's process.
    pub(crate) fn new(terms: &Terms<'_>) -> Result<Worker, Box<dyn std::error::Error>> {
        let order = terms.order;
        let mut window = Window::new(terms.signals)?;
        window.hold(terms.hold);
        if terms.watches_parent {
            window.watch_parent()?;
        }
        let mut sockets = Vec::new();
        for (listener, _) in order.sockets.listeners() {
            sockets.push(Listening {
                name: listener.name().to_owned(),
                address: listener.local_addr().to_string(),
                kind: listener.kind(),
                fd: rustix::io::fcntl_dupfd_cloexec(listener, 3)?,
            });
        }
        let access_log = order.access_log.map(|log| log.try_clone_to_owned()).transpose()?;
        Ok(Worker {
            window,
            gate: None,
            signals: terms.signals.to_vec(),
            sockets,
            accepting: None,
            next: 0,
            woken: false,
            max_requests: terms.max_requests,
            leaving: false,
            slate: Slate::new(order)?,
            access_log: access_log.map(File::from),
        })
    }

    /// The pool's sockets, in the order in which they were asked for.
    #[must_use]
    pub fn listeners(&self) -> &[Listening] {
        &self.sockets
    }

    /// The pool's access log, open for appending: a line in one `write` is not mixed up with another
    /// worker's.
    #[must_use]
    pub fn access_log(&self) -> Option<&File> {
        self.access_log.as_ref()
    }

    /// Whether it is time to leave. For closures that neither [`accept`](Worker::accept) nor
    /// [`waiting`](Worker::waiting) fits: to be asked between two pieces of work.
    pub fn leaving(&mut self) -> bool {
        let enough = self.max_requests.is_some_and(|most| self.slate.served() >= most);
        self.leaving =
            self.leaving || enough || self.slate.is_dismissed() || self.window.asked().is_some();
        if self.leaving {
            self.slate.leave();
        }
        self.leaving
    }

    /// Waits until it is time to leave, or, where there are sockets, somebody connects.
    fn wait(&mut self) -> io::Result<()> {
        match self.window.wait()? {
            Waited::Ready(index) => {
                self.next = index;
                self.woken = true;
            }
            Waited::Signal(_) | Waited::Gone => self.leaving = true,
        }
        Ok(())
    }
}

impl Deref for Worker {
    type Target = Slate;

    fn deref(&self) -> &Slate {
        &self.slate
    }
}

impl DerefMut for Worker {
    fn deref_mut(&mut self) -> &mut Slate {
        &mut self.slate
    }
}
