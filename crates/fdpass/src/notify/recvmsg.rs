//! recvmsg(2) with credentials.
//!
//! rustix reads credentials into a struct whose process id cannot be 0, but 0 is what the kernel
//! gives for a sender outside the receiver's pid namespace. So this is done on libc.
#![allow(unsafe_code)]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::receiver::Sender;

/// As many descriptors as one message can carry (`SCM_MAX_FD`).
const MOST_FDS: usize = 253;

/// Room for credentials and all descriptors, in units that align it for `cmsghdr`.
const CONTROL_WORDS: usize =
    (MOST_FDS * size_of::<RawFd>() + size_of::<libc::ucred>() + 2 * 32) / size_of::<usize>() + 1;

pub(super) struct Received {
    /// Bytes of the buffer that were filled.
    pub(super) length: usize,
    pub(super) sender: Option<Sender>,
    /// Whether the datagram fitted into the buffer.
    pub(super) complete: bool,
}

/// Receives one datagram with its sender and closes every descriptor that came with it.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = [0usize; CONTROL_WORDS];
    let mut data = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all-zero bytes are a valid msghdr (null pointers, zero lengths).
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_iov = &mut data;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    // SAFETY: header points to one iovec over `buffer` and to `control`, all alive and exclusively
    // borrowed during the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut header, flags) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;

    let mut sender = None;
    // SAFETY: recvmsg has filled header and control consistently; the CMSG functions stay within
    // msg_controllen.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(&header) };
    while !message.is_null() {
        // SAFETY: a non-null result of the CMSG functions points to a whole, aligned cmsghdr.
        let (level, kind, whole) =
            unsafe { ((*message).cmsg_level, (*message).cmsg_type, (*message).cmsg_len) };
        // SAFETY: computes a constant.
        let head = unsafe { libc::CMSG_LEN(0) } as usize;
        #[allow(clippy::unnecessary_cast)]
        let size = (whole as usize).saturating_sub(head);
        // SAFETY: the payload starts behind the header, within the control buffer.
        let payload = unsafe { libc::CMSG_DATA(message) };
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                let mut rest = size;
                let mut next = payload.cast::<RawFd>();
                while let Some(left) = rest.checked_sub(size_of::<RawFd>()) {
                    rest = left;
                    // SAFETY: `rest` counted a whole number within the payload, which Linux cuts
                    // to what it delivered; alignment is not assumed.
                    let fd = unsafe { ptr::read_unaligned(next) };
                    // SAFETY: at most one past the end of the payload, inside the buffer or at its
                    // end.
                    next = unsafe { next.add(1) };
                    // SAFETY: the kernel has just opened this descriptor for us and nobody else
                    // knows it.
                    drop(unsafe { OwnedFd::from_raw_fd(fd) });
                }
            }
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if size >= size_of::<libc::ucred>() => {
                // SAFETY: the payload holds a whole ucred, of which every bit pattern is valid.
                let from = unsafe { ptr::read_unaligned(payload.cast::<libc::ucred>()) };
                sender = Some(Sender { pid: from.pid, uid: from.uid, gid: from.gid });
            }
            _ => {}
        }
        // SAFETY: message is the present header of this control buffer.
        message = unsafe { libc::CMSG_NXTHDR(&header, message) };
    }
    Ok(Received { length, sender, complete: header.msg_flags & libc::MSG_TRUNC == 0 })
}
