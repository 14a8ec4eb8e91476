//! A listening socket with its name and address, bound here or received.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, getsockname, sockopt};

use crate::address::{Address, SocketKind};
use crate::bind::resolve;
use crate::inherit::InheritError;
use crate::spec::{Host, ListenSpec, Target};

#[cfg(test)]
mod tests;

/// A listening socket (for UDP: a bound one), open and close-on-exec, with what a worker is told
/// about it.
///
/// Made by [`bind`](crate::bind()) or from a received descriptor by [`Listener::from_inherited`].
/// Dropping it closes this copy only and never removes a unix socket's file: see
/// [`Listener::unlink_path`].
#[derive(Debug)]
pub struct Listener {
    pub(crate) fd: OwnedFd,
    pub(crate) name: OsString,
    pub(crate) kind: SocketKind,
    pub(crate) local: Address,
    pub(crate) wanted_fd: Option<i32>,
    pub(crate) replaced_stale: bool,
    pub(crate) file: Option<OwnFile>,
}

/// The file of a unix socket that is ours to remove.
#[derive(Debug, Clone)]
pub(crate) struct OwnFile {
    /// Absolute, so that a later change of directory does not matter.
    pub(crate) path: PathBuf,
    pub(crate) identity: (u64, u64),
}

impl Listener {
    /// Takes a descriptor that another process opened, after checking that it is a socket to serve:
    /// an internet or unix socket which is listening, or for datagrams is bound.
    ///
    /// The name becomes `8080` for `0.0.0.0:8080` and the address otherwise; if the real one is
    /// known, put it back with [`Listener::with_name`]. Close-on-exec is set.
    ///
    /// # Errors
    ///
    /// Says what the descriptor is instead; it is closed then.
    pub fn from_inherited(fd: OwnedFd) -> Result<Listener, InheritError> {
        let (kind, local) = inspect(fd.as_fd())?;
        rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)
            .map_err(|error| InheritError::new(format!("cannot set close-on-exec: {error}")))?;
        let name = local.to_name();
        Ok(Listener { fd, name, kind, local, wanted_fd: None, replaced_stale: false, file: None })
    }

    /// The same socket under another name.
    #[must_use]
    pub fn with_name(mut self, name: OsString) -> Listener {
        self.name = name;
        self
    }

    /// The same socket, to be found at `fd` by the worker ([`Listener::wanted_fd`]).
    #[must_use]
    pub fn with_wanted_fd(mut self, fd: Option<i32>) -> Listener {
        self.wanted_fd = fd;
        self
    }

    /// Declares the file of a received unix socket to be this process's own if it is still the one
    /// with this device and inode number: for a program that replaced itself and has kept them from
    /// [`Listener::path_identity`].
    #[must_use]
    pub fn with_path_identity(mut self, identity: Option<(u64, u64)>) -> Listener {
        self.file = match (identity, self.local.as_path()) {
            (Some(identity), Some(path)) => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
                Some(OwnFile { path, identity })
            }
            _ => None,
        };
        self
    }

    /// The key in `SERVER_STARTER_PORT`; the text of the specification for a socket bound here.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// What is to be done with the socket: accept or receive, and over what.
    #[must_use]
    pub fn kind(&self) -> SocketKind {
        self.kind
    }

    /// The address really bound: with the port the kernel chose when `0` was asked for.
    #[must_use]
    pub fn local_addr(&self) -> &Address {
        &self.local
    }

    /// The descriptor number at which the worker wants it (`--port=8080=7`).
    #[must_use]
    pub fn wanted_fd(&self) -> Option<i32> {
        self.wanted_fd
    }

    /// Whether binding removed the file of a dead unix socket first. Worth a line in the log.
    #[must_use]
    pub fn replaced_stale(&self) -> bool {
        self.replaced_stale
    }

    /// Device and inode number of the file made for this unix socket.
    #[must_use]
    pub fn path_identity(&self) -> Option<(u64, u64)> {
        self.file.as_ref().map(|file| file.identity)
    }

    /// Removes the unix socket's file if it is still the one made for this socket. `false`: there
    /// was nothing of ours to remove, because the socket has no file, the file has gone, or
    /// somebody has put another in its place.
    ///
    /// # Errors
    ///
    /// What `unlink(2)` or `lstat(2)` says, e.g. no permission.
    pub fn unlink_path(&self) -> io::Result<bool> {
        self.file.as_ref().map_or(Ok(false), OwnFile::unlink)
    }

    /// Whether this socket is what `spec` asks for, so that a received one can stand in for binding.
    ///
    /// Kinds must agree, and then either the names, or the address: port 0 accepts any port, a host
    /// name is looked up (which may take time) and one of its addresses must be bound. With `0`
    /// among several specifications, try the others first. A wanted descriptor number does not
    /// count.
    #[must_use]
    pub fn matches(&self, spec: &ListenSpec) -> bool {
        if self.kind != spec.kind() {
            return false;
        }
        if self.name == spec.name() {
            return true;
        }
        match (&spec.target, &self.local) {
            (Target::Path(wanted), Address::Path(path)) => {
                match (std::path::absolute(wanted), std::path::absolute(path)) {
                    (Ok(wanted), Ok(path)) => wanted == path,
                    _ => wanted == path,
                }
            }
            (Target::Abstract(wanted), Address::Abstract(name)) => wanted == name,
            (Target::Inet { host, port, .. }, Address::Inet(bound)) => {
                (port.number == 0 || port.number == bound.port()) && host_matches(host, bound)
            }
            _ => false,
        }
    }
}

fn host_matches(host: &Host, bound: &SocketAddr) -> bool {
    match host {
        Host::AnyV4 => bound.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Host::Name(name) => resolve::ipv4(name)
            .is_ok_and(|found| found.into_iter().any(|address| IpAddr::V4(address) == bound.ip())),
        Host::V6 { address, zone, .. } => {
            // The kernel keeps the zone of link-local addresses only.
            let same_zone = match (zone, bound) {
                (Some(zone), SocketAddr::V6(bound)) if bound.scope_id() != 0 => {
                    resolve::scope(zone).is_ok_and(|scope| scope == bound.scope_id())
                }
                _ => true,
            };
            IpAddr::V6(*address) == bound.ip() && same_zone
        }
    }
}

impl OwnFile {
    pub(crate) fn unlink(&self) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let there = match std::fs::symlink_metadata(&self.path) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if (there.dev(), there.ino()) != self.identity {
            return Ok(false);
        }
        match std::fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What is at a descriptor, if it is something to serve.
pub(crate) fn inspect(fd: BorrowedFd<'_>) -> Result<(SocketKind, Address), InheritError> {
    let said = |what: &str| {
        let what = what.to_owned();
        move |error: rustix::io::Errno| InheritError::new(format!("{what}: {error}"))
    };
    let family = sockopt::socket_domain(fd).map_err(|error| match error {
        rustix::io::Errno::NOTSOCK => InheritError::new("not a socket".to_owned()),
        rustix::io::Errno::BADF => InheritError::new("not open".to_owned()),
        error => InheritError::new(format!("cannot find out its family: {error}")),
    })?;
    let form = sockopt::socket_type(fd).map_err(said("cannot find out its type"))?;
    let kind = match (family, form) {
        (AddressFamily::INET | AddressFamily::INET6, SocketType::STREAM) => SocketKind::Tcp,
        (AddressFamily::INET | AddressFamily::INET6, SocketType::DGRAM) => SocketKind::Udp,
        (AddressFamily::UNIX, SocketType::STREAM) => SocketKind::Unix,
        (AddressFamily::UNIX, SocketType::DGRAM) => SocketKind::UnixDatagram,
        (AddressFamily::UNIX, SocketType::SEQPACKET) => SocketKind::UnixSeqpacket,
        _ => return Err(InheritError::new("neither an internet nor a unix socket".to_owned())),
    };
    if kind.accepts()
        && !sockopt::socket_acceptconn(fd).map_err(said("cannot find out if it is listening"))?
    {
        return Err(InheritError::new(format!("a {kind} socket that is not listening")));
    }
    let local = local_addr(fd).map_err(said("cannot find out its address"))?;
    let bound = match &local {
        Address::Inet(address) => address.port() != 0,
        Address::Unnamed => false,
        Address::Path(_) | Address::Abstract(_) => true,
    };
    // A listening socket without a name serves nobody, but its acceptor finds out by itself.
    if !bound && !kind.accepts() {
        return Err(InheritError::new(format!("a {kind} socket that is not bound")));
    }
    Ok((kind, local))
}

/// `getsockname` in this crate's terms.
pub(crate) fn local_addr(fd: BorrowedFd<'_>) -> Result<Address, rustix::io::Errno> {
    let any = getsockname(fd)?;
    if any.address_family() != AddressFamily::UNIX {
        return SocketAddr::try_from(any).map(Address::Inet);
    }
    let unix = SocketAddrUnix::try_from(any)?;
    Ok(match (unix.path_bytes(), unix.abstract_name()) {
        (Some(path), _) => Address::Path(PathBuf::from(OsStr::from_bytes(path))),
        // An unnamed address reads as an abstract name without bytes.
        (None, Some(name)) if !name.is_empty() => {
            Address::Abstract(OsStr::from_bytes(name).to_owned())
        }
        (None, _) => Address::Unnamed,
    })
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> OwnedFd {
        listener.fd
    }
}

/// Gives the listener back if it is of another kind.
macro_rules! typed {
    ($std:ty, $kind:pat) => {
        impl TryFrom<Listener> for $std {
            type Error = Listener;

            /// Gives the listener back when it is of another kind.
            fn try_from(listener: Listener) -> Result<$std, Listener> {
                match listener.kind {
                    $kind => Ok(<$std>::from(listener.fd)),
                    _ => Err(listener),
                }
            }
        }
    };
}

typed!(TcpListener, SocketKind::Tcp);
typed!(UdpSocket, SocketKind::Udp);
typed!(UnixListener, SocketKind::Unix);
