//! How many connections wait at a unix listener, and how many may: asked of the kernel over
//! sock_diag(7), which works as any user.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

#[cfg(test)]
mod tests;

/// Of linux/netlink.h, linux/sock_diag.h and linux/unix_diag.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const AF_UNIX: u8 = 1;
const ANY_STATE: u32 = u32::MAX;
const UDIAG_SHOW_RQLEN: u32 = 0x10;
const UNIX_DIAG_RQLEN: u16 = 4;
const NO_COOKIE: [u32; 2] = [u32::MAX; 2];
/// Of the header that every message has.
const HEADER: usize = 16;
/// Header and request together.
const REQUEST: u32 = 40;

/// A conversation with the kernel.
#[derive(Debug)]
pub(super) struct Diag {
    socket: OwnedFd,
    sequence: u32,
}

impl Diag {
    /// # Errors
    /// Those of socket(2), such as `EPROTONOSUPPORT` where the kernel has no sock_diag.
    pub(super) fn new() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let protocol = Some(netlink::SOCK_DIAG);
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Waiting and limit of the unix listener with this inode number, about 8 µs. The queue can be
    /// one longer than the limit.
    ///
    /// # Errors
    /// `ENOENT` when there is no such socket in this network namespace; others of sock_diag(7).
    pub(super) fn queue(&mut self, inode: u64) -> io::Result<(u32, u32)> {
        let inode = u32::try_from(inode).map_err(|_| invalid())?;
        self.sequence = self.sequence.wrapping_add(1);
        send(&self.socket, &request(inode, self.sequence), SendFlags::empty())?;
        let mut buffer = [0; 1024];
        // The answer is there when send returns, perhaps after one that was given up on.
        loop {
            let (length, _) = recv(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT)?;
            let answer = buffer.get(..length).unwrap_or_default();
            if let Some(result) = parse(answer, self.sequence, inode) {
                return result;
            }
        }
    }
}

fn request(inode: u32, sequence: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(REQUEST.to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    // To be filled in by the kernel; then family, protocol and padding.
    bytes.extend([0; 4]);
    bytes.extend([AF_UNIX, 0, 0, 0]);
    for word in [ANY_STATE, inode, UDIAG_SHOW_RQLEN] {
        bytes.extend(word.to_ne_bytes());
    }
    for word in NO_COOKIE {
        bytes.extend(word.to_ne_bytes());
    }
    bytes
}

/// What a message says to the question `sequence`; `None` if it is about something else.
fn parse(message: &[u8], sequence: u32, inode: u32) -> Option<io::Result<(u32, u32)>> {
    let kind = half(message, 4)?;
    if word(message, 8)? != sequence {
        return None;
    }
    Some(match i32::from(kind) {
        libc::NLMSG_ERROR => Err(word(message, HEADER)
            .and_then(|code| code.wrapping_neg().try_into().ok())
            .filter(|code| *code > 0)
            .map_or_else(invalid, io::Error::from_raw_os_error)),
        _ if kind == SOCK_DIAG_BY_FAMILY => lengths(message, inode).ok_or_else(invalid),
        _ => Err(invalid()),
    })
}

/// The queue in a description of this socket: header, 16 bytes with the inode number in the second
/// word, then attributes, each a length that includes itself, a type and a value.
fn lengths(message: &[u8], inode: u32) -> Option<(u32, u32)> {
    let length = usize::try_from(word(message, 0)?).ok()?;
    let message = message.get(..length)?;
    if word(message, 20)? != inode {
        return None;
    }
    let mut attributes = message.get(32..)?;
    loop {
        let length = usize::from(half(attributes, 0)?);
        let value = attributes.get(4..length)?;
        if half(attributes, 2)? == UNIX_DIAG_RQLEN {
            return Some((word(value, 0)?, word(value, 4)?));
        }
        attributes = attributes.get(length.checked_next_multiple_of(4)?..)?;
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn invalid() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}
