//! What a socket is and where it is bound (PURE).

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The sort of a listening socket, as its user must know it to serve it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketKind {
    /// A listening TCP socket, IPv4 or IPv6: accept connections from it.
    Tcp,
    /// A bound UDP socket, IPv4 or IPv6: receive datagrams from it.
    Udp,
    /// A listening unix stream socket.
    Unix,
    /// A bound unix datagram socket (inherited only; never made by [`bind`](crate::bind())).
    UnixDatagram,
    /// A listening unix socket with record boundaries (inherited only).
    UnixSeqpacket,
}

impl SocketKind {
    /// The word used in `SUPERDAEMON_SOCKETS`: `tcp`, `udp`, `unix`, `unix-dgram`, `unix-seqpacket`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            SocketKind::Tcp => "tcp",
            SocketKind::Udp => "udp",
            SocketKind::Unix => "unix",
            SocketKind::UnixDatagram => "unix-dgram",
            SocketKind::UnixSeqpacket => "unix-seqpacket",
        }
    }

    /// Whether connections are accepted from such a socket (rather than datagrams read from it).
    #[must_use]
    pub const fn accepts(self) -> bool {
        matches!(self, SocketKind::Tcp | SocketKind::Unix | SocketKind::UnixSeqpacket)
    }
}

impl fmt::Display for SocketKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The address a socket is really bound to.
///
/// Displayed as `0.0.0.0:8080`, `[::1]:80`, `/run/app.sock`, `@abstract`; an unnamed unix socket
/// shows as `@`. Bytes that are not UTF-8 are replaced in the display only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An internet address; the port is the one the kernel chose where `0` was asked for.
    Inet(SocketAddr),
    /// A unix socket's file, as it was given to `bind(2)`: a relative path stays relative.
    Path(PathBuf),
    /// A name in Linux's abstract namespace, without the leading `@` (or NUL byte).
    Abstract(OsString),
    /// A unix socket that was never bound.
    Unnamed,
}

impl Address {
    /// The key this address has in `SERVER_STARTER_PORT` when no better name is known:
    /// `8080` for `0.0.0.0:8080`, otherwise the display form.
    #[must_use]
    pub fn to_name(&self) -> OsString {
        match self {
            Address::Inet(address) if address.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED) => {
                address.port().to_string().into()
            }
            Address::Inet(address) => address.to_string().into(),
            Address::Path(path) => path.clone().into_os_string(),
            Address::Abstract(name) => abstract_text(name),
            Address::Unnamed => OsString::from("@"),
        }
    }

    /// The internet address, if it is one.
    #[must_use]
    pub fn as_inet(&self) -> Option<SocketAddr> {
        match self {
            Address::Inet(address) => Some(*address),
            _ => None,
        }
    }

    /// The unix socket's file, if it has one.
    #[must_use]
    pub fn as_path(&self) -> Option<&Path> {
        match self {
            Address::Path(path) => Some(path),
            _ => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Inet(address) => address.fmt(f),
            Address::Path(path) => path.display().fmt(f),
            Address::Abstract(name) => write!(f, "@{}", name.to_string_lossy()),
            Address::Unnamed => f.write_str("@"),
        }
    }
}

/// An abstract name as it is written everywhere outside the kernel: with a leading `@`.
pub(crate) fn abstract_text(name: &OsStr) -> OsString {
    let mut text = Vec::with_capacity(name.len().saturating_add(1));
    text.push(b'@');
    text.extend_from_slice(name.as_bytes());
    OsString::from_vec(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_displays() {
        let cases: [(Address, &str, &str); 6] = [
            (Address::Inet("0.0.0.0:8080".parse().unwrap()), "8080", "0.0.0.0:8080"),
            (Address::Inet("127.0.0.1:80".parse().unwrap()), "127.0.0.1:80", "127.0.0.1:80"),
            (Address::Inet("[::1]:80".parse().unwrap()), "[::1]:80", "[::1]:80"),
            (Address::Path("/run/a.sock".into()), "/run/a.sock", "/run/a.sock"),
            (Address::Abstract("name".into()), "@name", "@name"),
            (Address::Unnamed, "@", "@"),
        ];
        for (address, name, display) in cases {
            assert_eq!(address.to_name(), OsStr::new(name));
            assert_eq!(address.to_string(), display);
        }
    }

    #[test]
    fn kinds_know_whether_they_accept() {
        assert!(SocketKind::Tcp.accepts() && SocketKind::Unix.accepts());
        assert!(!SocketKind::Udp.accepts() && !SocketKind::UnixDatagram.accepts());
        assert_eq!(SocketKind::UnixSeqpacket.to_string(), "unix-seqpacket");
    }
}
