//! The service's end.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;

use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sendto, socket_with,
};

use super::NOTIFY_SOCKET;
use crate::text::one_line_os;

/// Tells the manager that this process serves: sends `READY=1` to the socket that the environment
/// variable `NOTIFY_SOCKET` names.
///
/// `Ok(false)`: there is no such variable, nobody wants to know.
///
/// # Errors
///
/// See [`send_to`]. A worker usually goes on without the message.
pub fn ready() -> Result<bool, NotifyError> {
    send("READY=1")
}

/// Sends newline-separated assignments, see sd_notify(3), to the socket that the environment
/// variable `NOTIFY_SOCKET` names.
///
/// `Ok(false)`: the variable is missing or empty. It is read at every call and left as it is.
///
/// # Errors
///
/// See [`send_to`].
pub fn send(text: &str) -> Result<bool, NotifyError> {
    match std::env::var_os(NOTIFY_SOCKET).filter(|socket| !socket.is_empty()) {
        Some(socket) => send_to(&socket, text).map(|()| true),
        None => Ok(false),
    }
}

/// Sends newline-separated assignments to `socket`: an absolute path, or `@name` in the abstract
/// namespace. Never blocks and raises no SIGPIPE.
///
/// # Errors
///
/// An address of another form (such as `vsock:`), nobody at the address, or a full queue
/// ([`io::ErrorKind::WouldBlock`] in the source).
pub fn send_to(socket: &OsStr, text: &str) -> Result<(), NotifyError> {
    let fail = |cause: io::Error| NotifyError { address: one_line_os(socket), cause };
    let bytes = socket.as_bytes();
    let address = match bytes {
        [b'@', name @ ..] if !name.is_empty() => SocketAddrUnix::new_abstract_name(name),
        [b'/', ..] => SocketAddrUnix::new(socket),
        _ => {
            let form = "expected an absolute path or `@' and a name";
            return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, form)));
        }
    };
    let address = address.map_err(|error| fail(error.into()))?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let sender = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
        .map_err(|error| fail(error.into()))?;
    rustix::io::retry_on_intr(|| {
        sendto(&sender, text.as_bytes(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT, &address)
    })
    .map(drop)
    .map_err(|error| fail(error.into()))
}

/// A notification that could not be sent.
#[derive(Debug)]
pub struct NotifyError {
    address: String,
    cause: io::Error,
}

impl fmt::Display for NotifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to notify {}: {}", self.address, self.cause)
    }
}

impl std::error::Error for NotifyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
