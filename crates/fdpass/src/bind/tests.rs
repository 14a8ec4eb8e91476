//! Real sockets on port 0, in the abstract namespace and in temporary directories.

use super::*;
use crate::address::Address;
use crate::testing::Directory;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

fn plain(spec: &str) -> Result<Listener, BindError> {
    bind(&spec.parse().unwrap(), &BindOptions::default())
}

fn at(path: &Path, options: &BindOptions) -> Result<Listener, BindError> {
    bind(&ListenSpec::from_path(path.as_os_str()).unwrap(), options)
}

fn refused(path: &Path) -> (String, Option<i32>) {
    let error = at(path, &BindOptions::default()).expect_err("should be refused");
    let line = error.to_string();
    let start = format!("failed to listen to file {}: ", path.display());
    assert!(line.starts_with(&start) && !line.contains('\n'), "{line}");
    (line, error.errno())
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn tcp_serves_and_has_the_right_flags() {
    for (spec, name, shown) in [
        ("127.0.0.1:0=7", "127.0.0.1:0", "127.0.0.1:"),
        ("localhost:0=7", "localhost:0", "127.0.0.1:"),
        ("0=7", "0", "0.0.0.0:"),
        ("[::1]:0=7", "[::1]:0", "[::1]:"),
        ("[::1%lo]:0=7", "[::1%lo]:0", "[::1"),
    ] {
        let listener = plain(spec).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((listener.name(), listener.kind()), (OsStr::new(name), SocketKind::Tcp));
        assert_eq!((listener.wanted_fd(), listener.replaced_stale()), (Some(7), false));
        let address = listener.local_addr().as_inet().unwrap();
        assert!(address.port() != 0 && address.to_string().starts_with(shown), "{address}");
        let flags = rustix::io::fcntl_getfd(&listener).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let status = rustix::fs::fcntl_getfl(&listener).unwrap();
        assert!(!status.contains(rustix::fs::OFlags::NONBLOCK));
        assert!(sockopt::socket_reuseaddr(&listener).unwrap());
        assert!(address.is_ipv4() || sockopt::ipv6_v6only(&listener).unwrap());
        assert_eq!(listener.path_identity(), None);
        assert!(!listener.unlink_path().unwrap());

        let listener = std::net::TcpListener::try_from(listener).unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"x").unwrap();
        listener.accept().unwrap().0.read_exact(&mut [0]).unwrap();
    }
}

#[test]
fn udp_receives_and_is_not_shared() {
    let first = plain("127.0.0.1:u0").unwrap();
    assert_eq!((first.kind(), first.name()), (SocketKind::Udp, OsStr::new("127.0.0.1:0")));
    let address = first.local_addr().as_inet().unwrap();
    let error = plain(&format!("127.0.0.1:u{}", address.port())).unwrap_err();
    assert_eq!(error.errno(), Some(libc::EADDRINUSE));
    let line = format!("failed to bind to {address} (udp): Address already in use (os error 98)");
    assert_eq!(error.to_string(), line);

    let socket = UdpSocket::try_from(first).unwrap();
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", address).unwrap();
    assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 1);
}

#[test]
fn ports_that_cannot_be_bound() {
    let first = plain("127.0.0.1:0").unwrap();
    let address = first.local_addr().to_string();
    let error = plain(&address).unwrap_err();
    let line = format!("failed to bind to {address}: Address already in use (os error 98)");
    assert_eq!((error.to_string(), error.errno()), (line, Some(98)));
    assert!(std::error::Error::source(&error).is_some());

    let error = plain("192.0.2.1:0").unwrap_err();
    let wanted = "failed to bind to 192.0.2.1:0: Cannot assign requested address (os error 99)";
    assert_eq!((error.to_string().as_str(), error.errno()), (wanted, Some(99)));

    let host = "x".repeat(70);
    let line = plain(&format!("{host}:80")).unwrap_err().to_string();
    assert!(line.starts_with(&format!("failed to resolve host:{host}: ")), "{line}");
    let line = plain("[fe80::1%nosuch]:0").unwrap_err().to_string();
    assert_eq!(line, "failed to resolve host:fe80::1%nosuch: no interface named nosuch");
}

#[test]
fn the_backlog_asked_for_counts() {
    let directory = Directory::new();
    let path = directory.path("s");
    let listener = at(&path, &BindOptions::default().backlog(1)).unwrap();
    let address = SocketAddrUnix::new(&path).unwrap();
    let connect = || {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        rustix::net::connect(&fd, &address).map(|()| fd)
    };
    let clients: Vec<_> = std::iter::from_fn(|| connect().ok()).take(10).collect();
    assert_eq!(clients.len(), 2, "the kernel allows one more than the backlog");
    // A full queue is a living server, not a stale socket.
    assert_eq!(refused(&path).1, Some(libc::EADDRINUSE));
    drop(listener);
}

#[test]
fn abstract_names() {
    let name = format!("fdpass-test-{}", std::process::id());
    let listener = plain(&format!("@{name}")).unwrap();
    assert_eq!(listener.name(), OsStr::new(&format!("@{name}")));
    assert_eq!(*listener.local_addr(), Address::Abstract(name.clone().into()));
    assert_eq!(plain(&format!("@{name}")).unwrap_err().errno(), Some(libc::EADDRINUSE));
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    UnixStream::connect_addr(&address).unwrap();
    assert!(!listener.unlink_path().unwrap());
}

#[test]
fn a_path_serves_and_is_removed_on_request_only() {
    let directory = Directory::new();
    let path = directory.path("app.sock");
    let listener = at(&path, &BindOptions::default()).unwrap();
    assert_eq!(mode(&path), 0o777, "whatever the umask is");
    assert_eq!((listener.kind(), listener.replaced_stale()), (SocketKind::Unix, false));
    assert_eq!(*listener.local_addr(), Address::Path(path.clone()));
    UnixStream::connect(&path).unwrap();
    assert!(listener.unlink_path().unwrap());
    assert!(!path.exists());
    assert!(!listener.unlink_path().unwrap(), "gone already");

    // Another socket at the path is not ours. The first inode is kept, lest its number be reused.
    let listener = at(&path, &BindOptions::default()).unwrap();
    std::fs::rename(&path, directory.path("moved")).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    assert!(!listener.unlink_path().unwrap());
    assert!(path.exists());
    drop(listener);
    assert!(directory.path("moved").exists(), "dropping removes nothing");
}

#[test]
fn modes_owners_and_groups() {
    let directory = Directory::new();
    for wanted in [0o600, 0o660, 0o700, 0o777, 0o000] {
        let path = directory.path(format!("{wanted:o}"));
        let _listener = at(&path, &BindOptions::default().path_mode(wanted)).unwrap();
        assert_eq!(mode(&path), wanted);
    }
    let path = directory.path("owned");
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let (uid, gid) = if uid == 0 { (12_345, 23_456) } else { (uid, gid) };
    let options = BindOptions::default().path_mode(0o660).path_owner(uid).path_group(gid);
    let _listener = at(&path, &options).unwrap();
    let there = std::fs::symlink_metadata(&path).unwrap();
    assert_eq!((there.uid(), there.gid(), mode(&path)), (uid, gid, 0o660));
    // An owner that cannot be: what was made is removed again.
    if rustix::process::geteuid().as_raw() != 0 {
        let path = directory.path("refused");
        let error = at(&path, &BindOptions::default().path_owner(uid.wrapping_add(1))).unwrap_err();
        assert_eq!(error.errno(), Some(libc::EPERM));
        assert!(std::fs::symlink_metadata(&path).is_err());
    }
}

/// The kernel's rule that the file is born with the socket's own mode.
#[test]
fn a_socket_file_is_never_more_open_than_asked() {
    let directory = Directory::new();
    let path = directory.path("s");
    let flags = SocketFlags::CLOEXEC;
    let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
    rustix::fs::fchmod(&fd, rustix::fs::Mode::from_raw_mode(0o200)).unwrap();
    rustix::net::bind(&fd, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    assert_eq!(mode(&path) & !0o200, 0);
}

#[test]
fn stale_sockets_are_replaced_and_living_ones_left() {
    let directory = Directory::new();
    let path = directory.path("s");
    drop(UnixListener::bind(&path).unwrap());
    let listener = at(&path, &BindOptions::default()).unwrap();
    assert!(listener.replaced_stale());
    UnixStream::connect(&path).unwrap();

    let (line, errno) = refused(&path);
    assert_eq!(errno, Some(libc::EADDRINUSE));
    assert!(line.ends_with("Address already in use (os error 98)"), "{line}");
    UnixStream::connect(&path).unwrap();

    // A datagram socket answers a stream with EPROTOTYPE.
    let path = directory.path("dgram");
    let datagram = UnixDatagram::bind(&path).unwrap();
    assert_eq!(refused(&path).1, Some(libc::EADDRINUSE));
    drop(datagram);
    assert!(at(&path, &BindOptions::default()).unwrap().replaced_stale());
}

#[test]
fn other_files_are_never_removed() {
    let directory = Directory::new();
    let file = directory.path("file");
    std::fs::write(&file, "precious").unwrap();
    let folder = directory.path("folder");
    std::fs::create_dir(&folder).unwrap();
    let fifo = directory.path("fifo");
    let kind = rustix::fs::FileType::Fifo;
    let all = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, all, 0).unwrap();
    let stale = directory.path("stale");
    drop(UnixListener::bind(&stale).unwrap());
    let link = directory.path("link");
    symlink(&stale, &link).unwrap();
    let dangling = directory.path("dangling");
    symlink(directory.path("nowhere"), &dangling).unwrap();

    for (path, what) in [
        (&file, "a regular file"),
        (&folder, "a directory"),
        (&fifo, "a fifo"),
        (&link, "a symbolic link"),
        (&dangling, "a symbolic link"),
    ] {
        let (line, errno) = refused(path);
        assert!(line.contains(what) && errno == Some(libc::EEXIST), "{line}");
        assert!(std::fs::symlink_metadata(path).is_ok());
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    assert!(std::fs::symlink_metadata(&stale).unwrap().file_type().is_socket());

    let missing = directory.path("no/such/s");
    assert_eq!(refused(&missing).1, Some(libc::ENOENT));
    assert_eq!(refused(&file.join("s")).1, Some(libc::ENOTDIR));
}
