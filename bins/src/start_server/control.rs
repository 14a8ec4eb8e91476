//! The private line between a running server and `--restart` and `--status`.
//!
//! An abstract unix socket whose name holds the server's pid: no file to leave
//! behind, no path to agree on. A stranger may take the name first, so the
//! client compares the peer's pid with the one that holds the pid file, and the
//! server answers only its own user and root.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use fdpass::peer::peer;
use reaper::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect,
    listen, send, socket_with,
};

/// Clients at a time; a client costs a descriptor, and a descriptor may be needed for a worker.
pub const MOST_CLIENTS: usize = 32;
/// The longest request.
const LONGEST: usize = 64;

/// What a client asks for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `restart`: answered when it is over.
    Restart,
    /// `status`: answered at once.
    Status,
}

/// One client whose request is not complete or not answered.
#[derive(Debug, Default)]
pub struct Client {
    received: Vec<u8>,
    /// True after a complete request.
    pub asked: bool,
}

/// What a read from a client came to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing complete yet.
    More,
    /// A request.
    Request(Request),
    /// It hung up, or talks nonsense.
    Gone,
}

fn address(pid: Pid) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new_abstract_name(format!("superdaemon/start_server/{pid}").as_bytes())?)
}

fn socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

/// Opens the server's end.
///
/// # Errors
/// When the name is taken or no descriptor is left; the server does without then.
pub fn open(own: Pid) -> io::Result<OwnedFd> {
    let fd = socket()?;
    bind(&fd, &address(own)?)?;
    listen(&fd, 16)?;
    Ok(fd)
}

/// Takes the next client; `None` when there is none, or one that has no business here.
///
/// # Errors
/// When there is one and no descriptor is left for it.
pub fn accept(listener: impl AsFd) -> io::Result<Option<OwnedFd>> {
    let fd = match accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
        Ok(fd) => fd,
        Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let own = rustix::process::geteuid().as_raw();
    let trusted = peer(&fd).is_ok_and(|peer| peer.uid == 0 || peer.uid == own);
    Ok(trusted.then_some(fd))
}

impl Client {
    /// Reads what is there.
    pub fn read(&mut self, fd: impl AsFd) -> Heard {
        let mut buffer = [0_u8; LONGEST];
        match rustix::io::read(fd, &mut buffer) {
            Ok(0) => return Heard::Gone,
            Ok(count) => self.received.extend(buffer.get(..count).unwrap_or_default()),
            Err(Errno::AGAIN | Errno::INTR) => return Heard::More,
            Err(_) => return Heard::Gone,
        }
        match self.received.strip_suffix(b"\n") {
            _ if self.asked => Heard::Gone,
            Some(b"restart") => self.ask(Request::Restart),
            Some(b"status") => self.ask(Request::Status),
            None if self.received.len() < LONGEST => Heard::More,
            Some(_) | None => Heard::Gone,
        }
    }

    fn ask(&mut self, request: Request) -> Heard {
        self.asked = true;
        Heard::Request(request)
    }
}

/// Sends an answer; a client that does not take it at once does without.
pub fn answer(fd: impl AsFd, text: &str) {
    let _ = send(fd, text.as_bytes(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}

/// Connects to the server with this pid; `None` when nobody proves to be it.
#[must_use]
pub fn dial(server: Pid) -> Option<OwnedFd> {
    let fd = socket().ok()?;
    connect(&fd, &address(server).ok()?).ok()?;
    (peer(&fd).ok()?.pid == server.as_raw()).then_some(fd)
}

/// Sends a request and waits for the whole answer; `None` when the time is over.
///
/// # Errors
/// When the connection breaks.
pub fn ask(fd: &OwnedFd, request: &str, limit: Option<Duration>) -> io::Result<Option<String>> {
    send(fd, format!("{request}\n").as_bytes(), SendFlags::NOSIGNAL)?;
    let mut text = Vec::new();
    let mut buffer = [0_u8; 4096];
    let begun = std::time::Instant::now();
    loop {
        let left = limit.map(|limit| limit.saturating_sub(begun.elapsed()));
        if !readable(&[fd.as_fd()], left)? {
            return Ok(None);
        }
        match rustix::io::read(fd, &mut buffer) {
            Ok(0) => return Ok(Some(String::from_utf8_lossy(&text).into_owned())),
            Ok(count) => text.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until one of the descriptors is readable; false when the time is over.
///
/// # Errors
/// What poll(2) says.
pub fn readable(fds: &[std::os::fd::BorrowedFd<'_>], left: Option<Duration>) -> io::Result<bool> {
    let mut waiting: Vec<PollFd<'_>> =
        fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    let timeout = left.and_then(|left| Timespec::try_from(left).ok());
    match poll(&mut waiting, timeout.as_ref()) {
        Ok(count) => Ok(count > 0),
        // The caller looks again, with less time left.
        Err(Errno::INTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_arrive_in_pieces_and_nonsense_ends_the_talk() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let ours = OwnedFd::from(ours);
        let theirs = OwnedFd::from(theirs);
        let mut client = Client::default();
        assert_eq!(client.read(&ours), Heard::More);
        answer(&theirs, "sta");
        assert_eq!(client.read(&ours), Heard::More);
        answer(&theirs, "tus\n");
        assert_eq!(client.read(&ours), Heard::Request(Request::Status));
        answer(&theirs, "status\n");
        assert_eq!(client.read(&ours), Heard::Gone, "one request a connection");
        for nonsense in ["what\n".to_owned(), "x".repeat(LONGEST)] {
            answer(&theirs, &nonsense);
            assert_eq!(Client::default().read(&ours), Heard::Gone);
        }
        drop(theirs);
        assert_eq!(Client::default().read(&ours), Heard::Gone);
    }

    #[test]
    fn only_the_process_with_that_pid_is_believed() {
        let own = Pid::own();
        let listener = open(own).unwrap();
        let dialled = dial(own).unwrap();
        assert!(accept(&listener).unwrap().is_some());
        assert!(accept(&listener).unwrap().is_none());
        drop(dialled);
        let other = Pid::from_raw(own.as_raw().saturating_add(1)).unwrap();
        let _imposter = open(other).unwrap();
        assert!(dial(other).is_none());
    }
}
