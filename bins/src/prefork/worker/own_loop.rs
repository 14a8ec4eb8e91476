//! For code that calls accept by itself, and knows only that it waits or serves.

use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::BorrowedFd;

use sigpolicy::{Gate, Waiting};

use super::{Slate, Worker};

/// The worker waits for a request in an accept of its own. See [`Worker::waiting`].
#[must_use = "signals interrupt nothing when this is dropped"]
#[derive(Debug)]
pub struct Idle<'w> {
    waiting: Waiting<'w>,
    slate: &'w mut Slate,
}

impl<'w> Idle<'w> {
    /// A listener to accept from, by its place among [`Worker::listeners`]. A blocking one. Its
    /// number stays the same for the worker's whole life.
    #[must_use]
    pub fn listener(&self, index: usize) -> Option<BorrowedFd<'_>> {
        self.waiting.listener(index)
    }

    /// What the worker tells of itself.
    pub fn slate(&mut self) -> &mut Slate {
        self.slate
    }

    /// A request has come: FCGI::ProcManager's `pre_dispatch`. From here on interrupted system calls
    /// go on, until what this returns is dropped.
    pub fn serving(self) -> Serving<'w> {
        let Idle { waiting, slate } = self;
        drop(waiting);
        slate.begin();
        Serving { slate }
    }
}

/// A request is being served; dropping it is the first half of FCGI::ProcManager's `post_dispatch`,
/// the next [`Worker::waiting`] the other.
#[must_use = "the request is over when this is dropped"]
#[derive(Debug)]
pub struct Serving<'w> {
    slate: &'w mut Slate,
}

impl Deref for Serving<'_> {
    type Target = Slate;

    fn deref(&self) -> &Slate {
        self.slate
    }
}

impl DerefMut for Serving<'_> {
    fn deref_mut(&mut self) -> &mut Slate {
        self.slate
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.slate.end();
    }
}

impl Worker {
    /// From then on the gate knows of every signal; of those before, the window does.
    pub(super) fn make_gate(&mut self) -> io::Result<()> {
        if self.gate.is_none() {
            let copies = self.sockets.iter().map(|socket| socket.fd.try_clone());
            self.gate = Some(Gate::new(&self.signals, copies.collect::<io::Result<_>>()?)?);
        }
        Ok(())
    }

    /// To be called before each request by a worker that accepts by itself; `None` when it is time to
    /// leave.
    ///
    /// While the guard is there a signal makes a blocking accept fail, wherever it meets the worker,
    /// with EINTR or, from then on, with EINVAL: come back here then. See [`sigpolicy::Gate`]; it
    /// needs a worker of one thread.
    ///
    /// ```no_run
    /// use std::os::fd::AsRawFd;
    /// # struct Call; fn accept_request(socket: i32) -> Option<Call> { None }
    /// # fn answer(_: Call) {}
    /// # fn main_loop(worker: &mut superdaemon::prefork::Worker) -> Result<(), Box<dyn std::error::Error>> {
    /// while let Some(idle) = worker.waiting()? {
    ///     let Some(socket) = idle.listener(0) else { break };
    ///     let Some(call) = accept_request(socket.as_raw_fd()) else { continue };
    ///     let mut serving = idle.serving();
    ///     serving.status("answering");
    ///     answer(call);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// No descriptor is left, when this is called for the first time.
    pub fn waiting(&mut self) -> io::Result<Option<Idle<'_>>> {
        self.make_gate()?;
        self.slate.wait();
        if self.leaving() {
            return Ok(None);
        }
        let Some(gate) = &mut self.gate else { return Ok(None) };
        // Whatever comes from here on meets the gate; the window knows what came before there was one.
        match gate.waiting() {
            Ok(waiting) if self.window.asked().is_none() => {
                Ok(Some(Idle { waiting, slate: &mut self.slate }))
            }
            Ok(_) | Err(_) => {
                self.leaving = true;
                self.slate.leave();
                Ok(None)
            }
        }
    }
}
