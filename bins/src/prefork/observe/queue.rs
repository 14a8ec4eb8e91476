//! How many connections wait at a TCP listener, and how many may.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Words of the kernel's `struct tcp_info` up to the two that count; the first two are flags.
const WORDS: usize = 8;

/// Waiting and limit, about 0.6 µs: of a listening socket the kernel reports its queue of
/// connections as `tcpi_unacked` and the backlog as `tcpi_sacked`. The queue can be one longer than
/// the limit.
///
/// # Errors
/// Those of getsockopt(2); `InvalidData` when the answer is too short.
pub(super) fn tcp(listener: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    let mut words = [0_u32; WORDS];
    let size = size_of_val(&words);
    let mut length = libc::socklen_t::try_from(size).unwrap_or(0);
    // SAFETY: the descriptor is open, and `length` tells the size of `words`, which the kernel
    // fills with any bits.
    let result = unsafe {
        libc::getsockopt(
            listener.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            words.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let [_, _, _, _, _, _, waiting, limit] = words;
    if usize::try_from(length).is_ok_and(|length| length >= size) {
        Ok((waiting, limit))
    } else {
        Err(io::Error::from(io::ErrorKind::InvalidData))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn every_connection_counts_until_it_is_accepted() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            rustix::net::listen(&listener, 7).unwrap();
            assert_eq!(tcp(listener.as_fd()).unwrap(), (0, 7));
            let address = listener.local_addr().unwrap();
            let clients: Vec<_> = (0..5).map(|_| TcpStream::connect(address).unwrap()).collect();
            assert_eq!(tcp(listener.as_fd()).unwrap(), (5, 7));
            listener.accept().unwrap();
            assert_eq!(tcp(listener.as_fd()).unwrap(), (4, 7));
            drop(clients);
        }
    }

    #[test]
    fn no_tcp_no_answer() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(tcp(one.as_fd()).is_err());
    }
}
