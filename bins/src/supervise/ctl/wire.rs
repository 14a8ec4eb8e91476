//! A connection to a server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::client::refused;
use super::http::{Body, Head, cut};
use super::server::{CallError, Follow};
use super::server_url::Address;

/// A host that does not answer within this is not there.
const CONNECT: Duration = Duration::from_secs(5);
/// Nobody has a log or a list as long as this.
const LONGEST: usize = 1 << 30;
/// What is read at once.
const PIECE: usize = 64 * 1024;

/// A connection, with what has come and is not used yet.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Socket,
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Wire {
    pub(crate) fn connect(address: &Address) -> io::Result<Self> {
        let socket = match address {
            Address::Unix(path) => Socket::Unix(UnixStream::connect(path)?),
            Address::Tcp { host, port } => Socket::Tcp(connect_tcp(host, *port)?),
        };
        Ok(Self { socket, buffer: Vec::new() })
    }

    /// Whether the server has neither closed it nor said anything that was not asked for.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.buffer.is_empty() && poll(&mut fds, Some(&now)) == Ok(0)
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        match &mut self.socket {
            Socket::Unix(socket) => socket.write_all(request),
            Socket::Tcp(socket) => socket.write_all(request),
        }
    }

    /// The next answer's head; `tick` is called every second that nothing comes.
    pub(crate) fn head(&mut self, tick: &mut dyn FnMut()) -> Result<Head, CallError> {
        self.set_timeout(Some(Duration::from_secs(1)))?;
        loop {
            if let Some(head) = Head::take(&mut self.buffer)? {
                return Ok(head);
            }
            if self.fill(tick)? == 0 {
                return Err(CallError::Io(cut()));
            }
        }
    }

    /// All of a body.
    pub(crate) fn body(
        &mut self,
        mut body: Body,
        tick: &mut dyn FnMut(),
    ) -> Result<Vec<u8>, CallError> {
        let mut taken = Vec::new();
        while !body.take(&mut self.buffer, &mut taken)? {
            if taken.len() > LONGEST {
                return Err(CallError::Garbled("it is longer than 1 GiB".to_owned()));
            }
            if self.fill(tick)? == 0 {
                body.closed()?;
                break;
            }
        }
        Ok(taken)
    }

    /// The next answer, read as it comes. supervisord sends no head before there is something to be
    /// said behind it, so that this does not wait for one.
    pub(crate) fn follow(self) -> Result<Following, CallError> {
        self.set_timeout(None)?;
        Ok(Following { wire: self, body: None, ready: Vec::new(), ended: false })
    }

    fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match &self.socket {
            Socket::Unix(socket) => socket.set_read_timeout(timeout),
            Socket::Tcp(socket) => socket.set_read_timeout(timeout),
        }
    }

    /// Reads what comes; 0 at the end.
    fn fill(&mut self, tick: &mut dyn FnMut()) -> io::Result<usize> {
        let mut piece = [0; PIECE];
        loop {
            let read = match &mut self.socket {
                Socket::Unix(socket) => socket.read(&mut piece),
                Socket::Tcp(socket) => socket.read(&mut piece),
            };
            match read {
                Ok(count) => {
                    self.buffer.extend(piece.iter().take(count));
                    return Ok(count);
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => tick(),
                    ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Unix(socket) => socket.as_fd(),
            Socket::Tcp(socket) => socket.as_fd(),
        }
    }
}

/// The first of a host's addresses where somebody listens.
fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::other(format!("{host} has no address"));
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(socket) => {
                // A request is one write; nothing is gained by waiting for more.
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// An answer that is read as it comes.
#[derive(Debug)]
pub(crate) struct Following {
    wire: Wire,
    /// Known once the head has come.
    body: Option<Body>,
    ready: Vec<u8>,
    ended: bool,
}

impl Following {
    fn advance(&mut self) -> Result<(), CallError> {
        if self.wire.fill(&mut || {})? == 0 {
            self.ended = true;
            return self.body.as_ref().map_or_else(|| Err(CallError::Io(cut())), Body::closed);
        }
        if self.body.is_none() {
            let Some(head) = Head::take(&mut self.wire.buffer)? else { return Ok(()) };
            refused(head.status, &head.reason)?;
            self.body = Some(head.body);
        }
        if let Some(body) = &mut self.body {
            self.ended = body.take(&mut self.wire.buffer, &mut self.ready)?;
        }
        Ok(())
    }
}

impl Follow for Following {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        let waits = self.ready.is_empty() && !self.ended;
        waits.then(|| self.wire.socket.as_fd())
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>, CallError> {
        if self.ready.is_empty() && !self.ended {
            self.advance()?;
        }
        if self.ready.is_empty() && self.ended {
            return Ok(None);
        }
        Ok(Some(std::mem::take(&mut self.ready)))
    }
}
