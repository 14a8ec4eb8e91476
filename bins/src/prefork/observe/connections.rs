//! Whether a worker serves: whether it holds a connection that came through one of our listeners.
//!
//! An accepted socket has the listener's own address. A copy of each socket is taken from the
//! worker (pidfd_getfd(2), Linux 5.6) to ask for it, and closed at once: while it is open, the
//! client would not notice that the worker closed the connection.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use fdpass::Address;
use rustix::net::{AddressFamily, SocketAddrUnix, getsockname};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::Place;
use super::process::Process;
use reaper::Pid;

/// About 10 µs, and 4 µs for each descriptor. `strangers` are sockets found before to be none of
/// ours, by inode number: they are not asked again.
///
/// # Errors
/// Without the permission to trace the process (ptrace(2)), or when it has ended.
pub(super) fn holds(
    process: &Process,
    pid: Pid,
    places: &[Place],
    strangers: &mut HashSet<u64>,
) -> io::Result<bool> {
    let number = rustix::process::Pid::from_raw(pid.as_raw());
    let number = number.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
    let pidfd = pidfd_open(number, PidfdFlags::empty())?;
    let mut seen = HashSet::new();
    let mut answer = Ok(false);
    process.sockets(|fd, inode| {
        if places.iter().any(|place| place.inode == inode) {
            return true;
        }
        if strangers.contains(&inode) {
            seen.insert(inode);
            return true;
        }
        match is_ours(pidfd.as_fd(), fd, places) {
            Ok(true) => answer = Ok(true),
            Ok(false) => _ = seen.insert(inode),
            // Closed since.
            Err(error) if error.raw_os_error() == Some(libc::EBADF) => {}
            Err(error) => answer = Err(error),
        }
        matches!(answer, Ok(false))
    })?;
    // After a whole look these are all there are; otherwise the others are just asked again.
    *strangers = seen;
    answer
}

pub(super) fn is_ours(pidfd: BorrowedFd<'_>, fd: i32, places: &[Place]) -> io::Result<bool> {
    let copy = pidfd_getfd(pidfd, fd, PidfdGetfdFlags::empty())?;
    let Ok(name) = getsockname(&copy) else { return Ok(false) };
    drop(copy);
    let is = |place: &Place| place.kind.accepts();
    let mut places = places.iter().filter(|place| is(place));
    if name.address_family() == AddressFamily::UNIX {
        let Ok(name) = SocketAddrUnix::try_from(name) else { return Ok(false) };
        return Ok(places.any(|place| same_unix(&place.address, &name)));
    }
    let Ok(name) = SocketAddr::try_from(name) else { return Ok(false) };
    Ok(places.any(|place| place.address.as_inet().is_some_and(|place| same_inet(place, name))))
}

/// Whether a connection to a listener at `place` can have the address `name`.
fn same_inet(place: SocketAddr, name: SocketAddr) -> bool {
    let plain = |address: IpAddr| address.to_canonical();
    place.port() == name.port()
        && (place.ip().is_unspecified() || plain(place.ip()) == plain(name.ip()))
}

fn same_unix(place: &Address, name: &SocketAddrUnix) -> bool {
    use std::os::unix::ffi::OsStrExt;
    match place {
        Address::Path(path) => name.path_bytes() == Some(path.as_os_str().as_bytes()),
        Address::Abstract(text) => name.abstract_name() == Some(text.as_bytes()),
        // So are all sockets that only connected: nothing tells them apart.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_connections() {
        let cases = [
            ("0.0.0.0:80", "10.0.0.1:80", true),
            ("[::]:80", "[::ffff:10.0.0.1]:80", true),
            ("[::]:80", "[2001:db8::1]:80", true),
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "10.0.0.1:81", false),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80", true),
        ];
        for (place, name, expected) in cases {
            assert_eq!(same_inet(place.parse().unwrap(), name.parse().unwrap()), expected);
        }
        let path = SocketAddrUnix::new("/run/a").unwrap();
        assert!(same_unix(&Address::Path("/run/a".into()), &path));
        assert!(!same_unix(&Address::Path("/run/ab".into()), &path));
        assert!(!same_unix(&Address::Abstract("/run/a".into()), &path));
        assert!(!same_unix(&Address::Unnamed, &SocketAddrUnix::new_unnamed()));
    }
}
