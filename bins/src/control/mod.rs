//! The private line between a running manager and the commands that ask it.
//!
//! An abstract unix socket whose name holds the program and the manager's pid:
//! no file to leave behind, no path to agree on. A stranger may take the name
//! first, so the client compares the peer's pid with the one that holds the pid
//! file, and the manager answers only its own user and root. [`PathSocket`] is
//! for those who want a path all the same.
//!
//! One request a connection, one line of text; the answer ends with the
//! connection.

mod path;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use fdpass::peer::peer;
use reaper::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect,
    listen, send, socket_with,
};

pub use path::{PathSocket, dial_path};

/// Clients at a time; a client costs a descriptor, and a descriptor may be needed for a worker.
pub const MOST_CLIENTS: usize = 32;
/// The longest request.
const LONGEST: usize = 64;
/// The longest answer that is listened to.
const LONGEST_ANSWER: usize = 64 << 20;

/// One client whose request is not complete or not answered.
#[derive(Debug, Default)]
pub struct Client {
    received: Vec<u8>,
    unsent: Vec<u8>,
    /// True after a complete request.
    pub asked: bool,
}

/// What a read from a client came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing complete yet.
    More,
    /// A request, without its newline.
    Request(String),
    /// It hung up, or talks nonsense.
    Gone,
}

/// How far an answer got.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// All of it is on its way: the connection can be closed.
    All,
    /// Some of it; [`Client::send_more`] when the descriptor is writable.
    Part,
    /// The client hung up.
    Gone,
}

fn address(program: &str, pid: Pid) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new_abstract_name(format!("superdaemon/{program}/{pid}").as_bytes())?)
}

fn socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

/// Opens the manager's end.
///
/// # Errors
/// When the name is taken or no descriptor is left; the manager does without then.
pub fn open(program: &str, own: Pid) -> io::Result<OwnedFd> {
    let fd = socket()?;
    bind(&fd, &address(program, own)?)?;
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
        let Some(line) = self.received.strip_suffix(b"\n") else {
            let more = !self.asked && self.received.len() < LONGEST;
            return if more { Heard::More } else { Heard::Gone };
        };
        match std::str::from_utf8(line) {
            Ok(line) if !self.asked && line.len() < LONGEST && !line.contains('\n') => {
                self.asked = true;
                Heard::Request(line.to_owned())
            }
            _ => Heard::Gone,
        }
    }

    /// Sends an answer, as much of it as the client takes at once.
    pub fn answer(&mut self, fd: impl AsFd, text: String) -> Sent {
        self.unsent = text.into_bytes();
        self.send_more(fd)
    }

    /// Sends what is left of an answer, as much of it as the client takes at once.
    pub fn send_more(&mut self, fd: impl AsFd) -> Sent {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        while !self.unsent.is_empty() {
            match send(fd.as_fd(), &self.unsent, flags) {
                Ok(count) => drop(self.unsent.drain(..count.min(self.unsent.len()))),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Sent::Part,
                Err(_) => return Sent::Gone,
            }
        }
        Sent::All
    }
}

/// Sends a short answer; a client that does not take it at once does without.
pub fn answer(fd: impl AsFd, text: &str) {
    let _ = send(fd, text.as_bytes(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}

/// Connects to the manager with this pid; `None` when nobody proves to be it.
#[must_use]
pub fn dial(program: &str, manager: Pid) -> Option<OwnedFd> {
    let fd = socket().ok()?;
    connect(&fd, &address(program, manager).ok()?).ok()?;
    (peer(&fd).ok()?.pid == manager.as_raw()).then_some(fd)
}

/// Whether the manager at the other end answers this process: it answers root and its own user, on
/// others it hangs up.
#[must_use]
pub fn answers_us(line: &OwnedFd) -> bool {
    let own = rustix::process::geteuid().as_raw();
    own == 0 || peer(line).is_ok_and(|manager| manager.uid == own)
}

/// Sends a request and waits for the whole answer; `None` when the time is over.
///
/// # Errors
/// When the connection breaks, or the answer has no end.
pub fn ask(fd: &OwnedFd, request: &str, limit: Option<Duration>) -> io::Result<Option<String>> {
    send(fd, format!("{request}\n").as_bytes(), SendFlags::NOSIGNAL)?;
    let mut text = Vec::new();
    let mut buffer = [0_u8; 4096];
    let begun = Instant::now();
    loop {
        let left = limit.map(|limit| limit.saturating_sub(begun.elapsed()));
        if !readable(&[fd.as_fd()], left)? {
            return Ok(None);
        }
        match rustix::io::read(fd, &mut buffer) {
            Ok(0) => return Ok(Some(String::from_utf8_lossy(&text).into_owned())),
            Ok(count) if text.len() < LONGEST_ANSWER => {
                text.extend_from_slice(buffer.get(..count).unwrap_or_default());
            }
            Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "it never ends")),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until one of the descriptors is readable; false when the time is over.
///
/// # Errors
/// What poll(2) says.
pub fn readable(fds: &[BorrowedFd<'_>], left: Option<Duration>) -> io::Result<bool> {
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
