//! The sockets of another process: which it has, and what a connection's ends are.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use fdpass::peer::peer;
use fdpass::{Address, SocketKind};
use reaper::Pid;
use rustix::io::Errno;
use rustix::net::{SocketAddrAny, SocketAddrUnix, SocketType, getpeername, getsockname, sockopt};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use scoreboard::Text;

/// Descriptors of one process that are looked at.
const MOST: usize = 65_536;

/// Every socket among the descriptors of a process: its number there and its inode.
pub(crate) fn sockets_of(pid: Pid) -> io::Result<Vec<(i32, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))?.take(MOST) {
        let entry = entry?;
        #[cfg(test)]
        count_read();
        // A descriptor that was closed meanwhile has no target.
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let inode = target.to_str().and_then(inode);
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        found.extend(number.zip(inode));
    }
    Ok(found)
}

/// The inode of the socket that a process has open under this number; `None` when that is closed or
/// no socket.
///
/// # Errors
/// When that cannot be seen: `EACCES` of a process that has changed its user.
pub(crate) fn inode_at(pid: Pid, number: i32) -> io::Result<Option<u64>> {
    #[cfg(test)]
    count_read();
    match fs::read_link(format!("/proc/{pid}/fd/{number}")) {
        Ok(target) => Ok(target.to_str().and_then(inode)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
thread_local! {
    /// Descriptors that this thread has looked at.
    pub(super) static READS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
fn count_read() {
    READS.with(|reads| reads.set(reads.get() + 1));
}

/// `socket:[INODE]`, as /proc/PID/fd shows a socket.
pub(crate) fn inode(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// A duplicate of another process's descriptor. The connection stays open for as long as it lives,
/// whatever its owner does: to be dropped at once.
pub(crate) fn duplicate(pidfd: impl AsFd, number: i32) -> Result<OwnedFd, Errno> {
    pidfd_getfd(pidfd, number, PidfdGetfdFlags::empty())
}

/// A descriptor for the process, which must not have been reaped.
pub(crate) fn open(pid: Pid) -> Result<OwnedFd, Errno> {
    let pid = rustix::process::Pid::from_raw(pid.as_raw()).ok_or(Errno::SRCH)?;
    pidfd_open(pid, PidfdFlags::empty())
}

/// The two ends of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) local: Address,
    pub(crate) peer: Address,
}

impl Ends {
    /// Of a connected stream or packet socket; `None` for one that listens, and for any other.
    pub(crate) fn of(socket: impl AsFd) -> Option<Self> {
        let fd = socket.as_fd();
        let connects = [SocketType::STREAM, SocketType::SEQPACKET];
        if !sockopt::socket_type(fd).is_ok_and(|kind| connects.contains(&kind))
            || sockopt::socket_acceptconn(fd).unwrap_or(true)
        {
            return None;
        }
        let local = address(getsockname(fd).ok()?)?;
        // A peer that has reset the connection already has no name any more.
        let peer = getpeername(fd).ok().flatten().and_then(address);
        Some(Self { local, peer: peer.unwrap_or(Address::Unnamed) })
    }

    /// Whether accept(2) on a socket bound there gives such a connection.
    pub(crate) fn came_through(&self, kind: SocketKind, bound: &Address) -> bool {
        match (bound, &self.local) {
            (Address::Inet(bound), Address::Inet(local)) => {
                let (ip, local_ip) = (bound.ip().to_canonical(), local.ip().to_canonical());
                let same_ip = bound.ip().is_unspecified() || ip == local_ip;
                kind == SocketKind::Tcp && bound.port() == local.port() && same_ip
            }
            (Address::Path(_) | Address::Abstract(_), local) => kind.accepts() && bound == local,
            _ => false,
        }
    }

    /// `tcp` or `unix`.
    pub(crate) fn proto(&self) -> &'static str {
        if matches!(self.local, Address::Inet(_)) { "tcp" } else { "unix" }
    }
}

/// The process that connected, of a unix socket; it may have handed its end to another one since.
pub(crate) fn client_of(socket: impl AsFd) -> Option<Pid> {
    // A client of another pid namespace has number 0.
    peer(socket).ok().and_then(|client| Pid::from_raw(client.pid))
}

/// On one line, without control characters: a unix peer chooses its own name.
pub(crate) fn shown(address: &Address) -> String {
    Text::new(address.to_string().as_bytes()).to_string()
}

fn address(any: SocketAddrAny) -> Option<Address> {
    if let Ok(address) = SocketAddr::try_from(any.clone()) {
        return Some(Address::Inet(address));
    }
    use std::os::unix::ffi::OsStringExt;
    let os = |bytes: &[u8]| std::ffi::OsString::from_vec(bytes.to_vec());
    let unix = SocketAddrUnix::try_from(any).ok()?;
    // A socket without a name has an empty abstract one there.
    if let Some(name) = unix.abstract_name().filter(|name| !name.is_empty()) {
        return Some(Address::Abstract(os(name)));
    }
    Some(unix.path_bytes().map_or(Address::Unnamed, |path| Address::Path(os(path).into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inet(text: &str) -> Address {
        Address::Inet(text.parse().unwrap())
    }

    #[test]
    fn what_came_through_a_listener() {
        let tcp = |bound: &str, local: &str| {
            let ends = Ends { local: inet(local), peer: inet("192.0.2.1:5") };
            ends.came_through(SocketKind::Tcp, &inet(bound))
        };
        assert!(tcp("0.0.0.0:80", "127.0.0.1:80"));
        assert!(tcp("127.0.0.1:80", "127.0.0.1:80"));
        assert!(tcp("[::]:80", "[::1]:80"));
        assert!(tcp("[::]:80", "[::ffff:127.0.0.1]:80"), "a mapped address");
        assert!(!tcp("127.0.0.2:80", "127.0.0.1:80"));
        assert!(!tcp("0.0.0.0:80", "127.0.0.1:40000"), "made outward");
        let unix = |bound: Address, local: Address, kind| {
            Ends { local, peer: Address::Unnamed }.came_through(kind, &bound)
        };
        let (path, name) =
            (|p: &str| Address::Path(p.into()), |n: &str| Address::Abstract(n.into()));
        assert!(unix(path("/a"), path("/a"), SocketKind::Unix));
        assert!(unix(name("a"), name("a"), SocketKind::UnixSeqpacket));
        assert!(!unix(path("/a"), path("/b"), SocketKind::Unix));
        assert!(!unix(path("a"), name("a"), SocketKind::Unix));
        assert!(!unix(path("/a"), Address::Unnamed, SocketKind::Unix), "the client's end");
        assert!(!unix(Address::Unnamed, Address::Unnamed, SocketKind::Unix));
        assert!(!unix(path("/a"), path("/a"), SocketKind::UnixDatagram));
        assert!(!unix(path("/a"), inet("127.0.0.1:80"), SocketKind::Unix));
    }

    #[test]
    fn only_connections_have_ends() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let bound = Address::Inet(listener.local_addr().unwrap());
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, from) = listener.accept().unwrap();
        assert_eq!(Ends::of(&listener), None);
        let udp = std::net::UdpSocket::bind(listener.local_addr().unwrap()).unwrap();
        udp.connect(from).unwrap();
        assert_eq!(Ends::of(&udp), None, "the same addresses, but no connection");
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(Ends::of(&file), None);
        let ends = Ends::of(&server).unwrap();
        assert_eq!(ends, Ends { local: bound.clone(), peer: Address::Inet(from) });
        assert!(ends.came_through(SocketKind::Tcp, &bound));
        assert!(!Ends::of(&client).unwrap().came_through(SocketKind::Tcp, &bound));
        let (pair, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let unnamed = Ends::of(&pair).unwrap();
        assert_eq!(unnamed, Ends { local: Address::Unnamed, peer: Address::Unnamed });
        assert!(!unnamed.came_through(SocketKind::Unix, &Address::Unnamed));
    }

    #[test]
    fn inodes() {
        assert_eq!(inode("socket:[123]"), Some(123));
        for other in ["socket:[]", "socket:[x]", "pipe:[1]", "/tmp/socket:[1]", "socket:[1"] {
            assert_eq!(inode(other), None);
        }
    }
}
