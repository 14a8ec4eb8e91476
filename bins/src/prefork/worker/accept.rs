//! The worker's own accept loop: one system call for a request when there is work, and no lost
//! wake-up when there is none.

use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use fdpass::SocketKind;
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use super::{Request, Stream, Worker};

impl Worker {
    /// Waits for a connection, from whichever listener; `None` when it is time to leave.
    ///
    /// Of many workers that wait one is woken for a connection. Listeners for datagrams and for
    /// unix records are left alone. The first call makes the listeners non-blocking, for all who
    /// share them, and says that the worker is ready.
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
            self.accepting = Some(self.watch_listeners()?);
        }
        self.slate.wait();
        loop {
            if self.leaving() {
                return Ok(None);
            }
            if let Some((stream, listener)) = self.take_connection()? {
                let serving = self.window.serving();
                return Ok(Some(Request::new(&mut self.slate, stream, listener, serving)));
            }
            self.wait()?;
        }
    }

    fn watch_listeners(&mut self) -> io::Result<Vec<usize>> {
        let mut accepting = Vec::new();
        for (index, socket) in self.sockets.iter().enumerate() {
            if matches!(socket.kind, SocketKind::Tcp | SocketKind::Unix) {
                self.window.listen(socket)?;
                accepting.push(index);
            }
        }
        Ok(accepting)
    }

    /// From the listener that had one, else from the others in turn.
    fn take_connection(&mut self) -> io::Result<Option<(Stream, usize)>> {
        let Some(accepting) = &self.accepting else { return Ok(None) };
        let (before, from) = accepting.split_at(self.next.min(accepting.len()));
        for index in from.iter().chain(before) {
            let Some(socket) = self.sockets.get(*index) else { continue };
            if let Some(fd) = accept_one(&socket.fd)? {
                // Each gets its turn also when all have connections all the time.
                self.next = self.next.saturating_add(1);
                if self.next >= accepting.len() {
                    self.next = 0;
                }
                let stream = match socket.kind {
                    SocketKind::Unix => Stream::Unix(UnixStream::from(fd)),
                    _ => Stream::Tcp(TcpStream::from(fd)),
                };
                return Ok(Some((stream, *index)));
            }
        }
        Ok(None)
    }
}

/// `None` when nobody waits, or whoever did has gone again (accept(2) lists the errors of the network
/// that it passes on).
fn accept_one(listener: &OwnedFd) -> io::Result<Option<OwnedFd>> {
    loop {
        match accept_with(listener, SocketFlags::CLOEXEC) {
            Ok(fd) => return Ok(Some(fd)),
            Err(Errno::AGAIN) => return Ok(None),
            Err(
                error @ (Errno::MFILE
                | Errno::NFILE
                | Errno::NOBUFS
                | Errno::NOMEM
                | Errno::BADF
                | Errno::INVAL
                | Errno::NOTSOCK
                | Errno::OPNOTSUPP),
            ) => return Err(error.into()),
            Err(_) => {}
        }
    }
}
