//! Descriptors over a unix socket: SCM_RIGHTS of unix(7).
//!
//! ```
//! use std::os::fd::AsFd;
//! use std::os::unix::net::UnixStream;
//! let (here, there) = UnixStream::pair()?;
//! let file = std::fs::File::open("/dev/null")?;
//! fdpass::pass::send_fds(&here, b"a file", &[file.as_fd()])?;
//! let mut buffer = [0; 64];
//! let (length, fds) = fdpass::pass::recv_fds(&there, &mut buffer)?;
//! assert_eq!((&buffer[..length], fds.len()), (&b"a file"[..], 1));
//! # Ok::<(), std::io::Error>(())
//! ```

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// As many descriptors as one message can carry (`SCM_MAX_FD` of the kernel).
pub const MAX_FDS: usize = 253;

/// Room for the control message with [`MAX_FDS`] descriptors.
const SPACE: usize = rustix::cmsg_space!(ScmRights(MAX_FDS));

/// Sends `data`, and copies of `fds` with its first byte. Returns how many bytes were sent, which on
/// a stream socket may be fewer than all; the descriptors have gone in any case.
///
/// Raises no SIGPIPE; blocks if the socket does.
///
/// # Errors
///
/// `InvalidInput` for no data (descriptors need a byte to travel with) or more than [`MAX_FDS`]
/// descriptors; otherwise those of sendmsg(2).
pub fn send_fds(socket: impl AsFd, data: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let invalid = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if data.is_empty() {
        return invalid("descriptors cannot be sent without data".to_owned());
    }
    if fds.len() > MAX_FDS {
        return invalid(format!("{} descriptors at once; at most {MAX_FDS} can go", fds.len()));
    }
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return invalid(format!("no room for {} descriptors", fds.len()));
    }
    let data = [IoSlice::new(data)];
    let flags = SendFlags::NOSIGNAL;
    Ok(rustix::io::retry_on_intr(|| sendmsg(socket.as_fd(), &data, &mut control, flags))?)
}

/// Receives data into `buffer` and the descriptors that came with it, close-on-exec. 0 bytes and no
/// descriptors: the other end has closed.
///
/// # Errors
///
/// `InvalidInput` for an empty buffer; `InvalidData` when the kernel could not deliver all
/// descriptors (this process is at its limit of open files), those delivered are closed; otherwise
/// those of recvmsg(2).
pub fn recv_fds(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    if buffer.is_empty() {
        let why = "descriptors cannot be received without room for data";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut data = [IoSliceMut::new(buffer)];
        match recvmsg(socket.as_fd(), &mut data, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            done => break done?,
        }
    };
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        let why = "not all descriptors could be received; too many open files";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok((received.bytes, fds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixDatagram, UnixStream};

    #[test]
    fn a_socket_travels_and_works() {
        let (here, there) = UnixStream::pair().unwrap();
        let (mut left, right) = UnixStream::pair().unwrap();
        assert_eq!(send_fds(&here, b"x", &[right.as_fd(), here.as_fd()]).unwrap(), 1);
        drop(right);
        let mut buffer = [0; 8];
        let (length, mut fds) = recv_fds(&there, &mut buffer).unwrap();
        assert_eq!((length, fds.len()), (1, 2));
        for fd in &fds {
            let flags = rustix::io::fcntl_getfd(fd).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
        left.write_all(b"hello").unwrap();
        let mut right = UnixStream::from(fds.remove(0));
        right.read_exact(&mut buffer[..5]).unwrap();
        assert_eq!(&buffer[..5], b"hello");
    }

    #[test]
    fn the_most_and_too_many() {
        let (here, there) = UnixDatagram::pair().unwrap();
        let null = File::open("/dev/null").unwrap();
        let fds = vec![null.as_fd(); MAX_FDS + 1];
        assert_eq!(send_fds(&here, b"x", &fds).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        send_fds(&here, b"x", &fds[1..]).unwrap();
        assert_eq!(recv_fds(&there, &mut [0; 8]).unwrap().1.len(), MAX_FDS);
    }

    #[test]
    fn nothing_to_travel_with() {
        let (here, there) = UnixStream::pair().unwrap();
        assert_eq!(send_fds(&here, b"", &[]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(recv_fds(&there, &mut []).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        send_fds(&here, b"only text", &[]).unwrap();
        drop(here);
        let mut buffer = [0; 64];
        assert_eq!(recv_fds(&there, &mut buffer).unwrap().0, 9);
        let (length, fds) = recv_fds(&there, &mut buffer).unwrap();
        assert_eq!((length, fds.len()), (0, 0));
        assert_eq!(send_fds(&there, b"x", &[]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
