//! Who is at the other end of a unix socket: SO_PEERCRED of unix(7).
//!
//! rustix reads it into a struct whose process id cannot be 0, but 0 is what the kernel gives for a
//! peer outside the caller's pid namespace. So this is done on libc.
#![allow(unsafe_code)]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

use crate::notify::Sender;

/// The process that connected, or listens, at the other end of a connected unix stream socket, as
/// it was at that time.
///
/// ```
/// let (here, _there) = std::os::unix::net::UnixStream::pair()?;
/// assert_eq!(fdpass::peer::peer(&here)?.pid, i32::try_from(std::process::id()).unwrap());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// ENOPROTOOPT and others of getsockopt(2), for what is no such socket.
pub fn peer(socket: impl AsFd) -> io::Result<Sender> {
    let mut found = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or(0);
    // SAFETY: the option fills at most `length` bytes, which is the size of what it is given.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut length,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Sender { pid: found.pid, uid: found.uid, gid: found.gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unix_sockets_have_peers_with_credentials() {
        let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(peer(&here).unwrap(), peer(&there).unwrap());
        assert!(peer(std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
