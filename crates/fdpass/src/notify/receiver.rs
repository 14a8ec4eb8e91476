//! The manager's end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with, sockopt};

use super::message::{Message, parse};
use super::recvmsg::{self, Received};
use crate::address::Address;
use crate::listener::local_addr;

/// The longest datagram that is read, as in systemd (a page); longer ones are dropped.
const LONGEST: usize = 4096;

/// Datagrams dropped (or interruptions suffered) within one call.
const MOST_DROPPED: usize = 64;

/// Who sent a notification, as the kernel vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sender {
    /// The process id in the receiver's pid namespace; 0 for a process outside of it. It may have
    /// exited by now.
    pub pid: i32,
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
}

/// A socket that receives notifications, at an address in the abstract namespace that the kernel
/// chooses, so there is no file to protect or to remove. Non-blocking and close-on-exec.
///
/// Anybody in the same network namespace can send to it: compare [`Sender::pid`].
///
/// ```
/// use fdpass::notify::{Receiver, send_to};
/// let receiver = Receiver::bind()?;
/// send_to(receiver.address().as_ref(), "READY=1")?;
/// let (message, sender) = receiver.recv()?.ok_or("nothing there")?;
/// assert!(message.ready);
/// assert_eq!(sender.pid as u32, std::process::id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Receiver {
    fd: OwnedFd,
    address: String,
}

impl Receiver {
    /// Makes a receiver with a new address.
    ///
    /// # Errors
    ///
    /// Those of socket(2), bind(2) and setsockopt(2).
    pub fn bind() -> io::Result<Receiver> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        // Before the address exists, so that no message comes without credentials.
        sockopt::set_socket_passcred(&fd, true)?;
        rustix::net::bind(&fd, &SocketAddrUnix::new_unnamed())?;
        match local_addr(fd.as_fd())? {
            Address::Abstract(name) => {
                let name = name.into_string().map_err(|_| io::ErrorKind::InvalidData)?;
                Ok(Receiver { fd, address: format!("@{name}") })
            }
            _ => Err(io::Error::from(io::ErrorKind::AddrNotAvailable)),
        }
    }

    /// The value for `NOTIFY_SOCKET`: `@` and the abstract name.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Reads the next notification; `None` when none waits (or only junk).
    ///
    /// Descriptors that came with it are closed, which is what a sender of `BARRIER=1` waits for.
    /// Datagrams that are too long or without credentials are dropped.
    ///
    /// # Errors
    ///
    /// Those of recvmsg(2) other than EAGAIN and EINTR.
    pub fn recv(&self) -> io::Result<Option<(Message, Sender)>> {
        let mut buffer = [0; LONGEST];
        for _ in 0..MOST_DROPPED {
            let received = match recvmsg::receive(self.fd.as_fd(), &mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if let Received { length, sender: Some(sender), complete: true } = received {
                let datagram = buffer.get(..length).unwrap_or_default();
                return Ok(Some((parse(datagram), sender)));
            }
        }
        // A flood of junk must not keep the caller here; the descriptor stays readable.
        Ok(None)
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Receiver> for OwnedFd {
    fn from(receiver: Receiver) -> OwnedFd {
        receiver.fd
    }
}
