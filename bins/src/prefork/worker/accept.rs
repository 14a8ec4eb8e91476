//! The worker's own accept loop: one system call for a request when there is work, and no lost
//! wake-up when there is none.

use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use fdpass::SocketKind;
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use super::{Accepting, Listening, Request, Stream, Worker};

impl Worker {
    /// Waits for a connection, from whichever listener; `None` when it is time to leave.
    ///
    /// Of many workers that wait one is woken for a connection. Listeners for datagrams and for
    /// unix records are left alone. The first call says that the worker is ready, and makes the
    /// listeners non-blocking when there are several, blocking when there is one, for all who share
    /// them.
    ///
    /// ```no_run
    /// use std::io::Write;
    /// # fn main_loop(worker: &mut superdaemon::prefork::Worker) -> Result<(), Box<dyn std::error::Error>> {
    /// while let Some(mut request) = worker.accept()? {
    ///     request.status("greeting");
    ///     // A client that has gone is no reason for the worker to go.
    ///     let _ = request.stream().write_all(b"hello\n");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// No descriptor or memory is left (EMFILE, ENFILE, ENOBUFS, ENOMEM), or a listener is none any
    /// more. The worker had better end with it: the manager starts another.
    pub fn accept(&mut self) -> io::Result<Option<Request<'_>>> {
        if self.accepting.is_none() {
            self.accepting = Some(self.choose()?);
        }
        self.slate.wait();
        loop {
            // Who was woken looks for the connection first: no other worker has been told of it, and
            // it would wait for the next one to come.
            if !std::mem::take(&mut self.woken) && self.leaving() {
                return Ok(None);
            }
            let taken = match self.accepting {
                Some(Accepting::One(index)) => self.wait_for_connection(index)?,
                _ => self.take_connection()?,
            };
            if let Some((fd, index)) = taken {
                let stream = match self.sockets.get(index).map(|socket| socket.kind) {
                    Some(SocketKind::Unix) => Stream::Unix(UnixStream::from(fd)),
                    _ => Stream::Tcp(TcpStream::from(fd)),
                };
                let serving = self.window.serving();
                return Ok(Some(Request::new(&mut self.slate, stream, index, serving)));
            }
            if let Some(Accepting::Many(_)) = self.accepting {
                self.wait()?;
            }
        }
    }

    pub(super) fn choose(&mut self) -> io::Result<Accepting> {
        let accepts =
            |socket: &Listening| matches!(socket.kind, SocketKind::Tcp | SocketKind::Unix);
        let sockets = self.sockets.iter().enumerate();
        let places: Vec<usize> =
            sockets.filter(|(_, socket)| accepts(socket)).map(|(index, _)| index).collect();
        match places.as_slice() {
            [index] => {
                self.make_gate()?;
                Ok(Accepting::One(*index))
            }
            _ => self.watch(places),
        }
    }

    fn watch(&mut self, places: Vec<usize>) -> io::Result<Accepting> {
        for socket in places.iter().filter_map(|index| self.sockets.get(*index)) {
            self.window.listen(socket)?;
        }
        Ok(Accepting::Many(places))
    }

    /// In accept(2) itself. A signal puts a socket in the listener's place that fails with EINVAL;
    /// the window has heard of it before.
    fn wait_for_connection(&mut self, index: usize) -> io::Result<Option<(OwnedFd, usize)>> {
        let Some(gate) = &mut self.gate else { return Ok(None) };
        let Ok(waiting) = gate.waiting_quietly() else {
            self.leaving = true;
            return Ok(None);
        };
        let Some(listener) = waiting.listener(index) else { return Ok(None) };
        let accepted = accept_with(listener, SocketFlags::CLOEXEC);
        drop(waiting);
        match accepted {
            Ok(fd) => Ok(Some((fd, index))),
            Err(Errno::AGAIN) => {
                // Somebody who shares the socket made it non-blocking.
                self.accepting = Some(self.watch(vec![index])?);
                Ok(None)
            }
            Err(Errno::INVAL) if self.leaving() => Ok(None),
            Err(error) if is_final(error) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// From the listener that had one, else from the others in turn.
    fn take_connection(&mut self) -> io::Result<Option<(OwnedFd, usize)>> {
        let Some(Accepting::Many(places)) = &self.accepting else { return Ok(None) };
        let (before, from) = places.split_at(self.next.min(places.len()));
        for index in from.iter().chain(before) {
            let Some(socket) = self.sockets.get(*index) else { continue };
            if let Some(fd) = accept_one(&socket.fd)? {
                // Each gets its turn also when all have connections all the time.
                self.next = self.next.saturating_add(1);
                if self.next >= places.len() {
                    self.next = 0;
                }
                return Ok(Some((fd, *index)));
            }
        }
        Ok(None)
    }
}

/// `None` when nobody waits, or whoever did has gone again.
fn accept_one(listener: &OwnedFd) -> io::Result<Option<OwnedFd>> {
    loop {
        match accept_with(listener, SocketFlags::CLOEXEC) {
            Ok(fd) => return Ok(Some(fd)),
            Err(Errno::AGAIN) => return Ok(None),
            Err(error) if is_final(error) => return Err(error.into()),
            Err(_) => {}
        }
    }
}

/// The others are errors of the network that accept(2) passes on, or an interruption.
fn is_final(error: Errno) -> bool {
    matches!(
        error,
        Errno::MFILE
            | Errno::NFILE
            | Errno::NOBUFS
            | Errno::NOMEM
            | Errno::BADF
            | Errno::INVAL
            | Errno::NOTSOCK
            | Errno::OPNOTSUPP
    )
}
