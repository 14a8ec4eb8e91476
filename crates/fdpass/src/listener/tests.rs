//! Received sockets: what is accepted, and what they stand in for.

use super::*;
use crate::bind::{BindOptions, bind};
use crate::testing::Directory;
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixStream};

fn spec(text: &str) -> ListenSpec {
    text.parse().unwrap()
}

fn received(text: &str) -> Listener {
    let bound = bind(&spec(text), &BindOptions::default()).unwrap();
    Listener::from_inherited(bound.into()).unwrap()
}

#[test]
fn received_sockets_are_known_by_their_address() {
    let listener = received("0");
    let port = listener.local_addr().as_inet().unwrap().port();
    assert_eq!(
        (listener.name(), listener.kind()),
        (OsStr::new(&port.to_string()), SocketKind::Tcp)
    );
    let listener = received("[::1]:u0");
    assert_eq!(listener.kind(), SocketKind::Udp);
    assert_eq!(listener.name(), OsStr::new(&listener.local_addr().to_string()));
    let name = format!("@fdpass-listener-{}", std::process::id());
    assert_eq!(received(&name).name(), OsStr::new(&name));
    assert_eq!(received("0").with_name("x".into()).with_wanted_fd(Some(5)).wanted_fd(), Some(5));
}

#[test]
fn what_is_no_socket_to_serve() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let unbound = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
    let netlink = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None).unwrap();
    let cases: [(OwnedFd, &str); 6] = [
        (client.into(), "a tcp socket that is not listening"),
        (UnixStream::pair().unwrap().0.into(), "a unix socket that is not listening"),
        (std::fs::File::open("/dev/null").unwrap().into(), "not a socket"),
        (unbound, "a udp socket that is not bound"),
        (UnixDatagram::unbound().unwrap().into(), "a unix-dgram socket that is not bound"),
        (netlink, "neither an internet nor a unix socket"),
    ];
    for (fd, reason) in cases {
        assert_eq!(Listener::from_inherited(fd).unwrap_err().to_string(), reason);
    }
}

#[test]
fn close_on_exec_is_set() {
    let fd: OwnedFd = TcpListener::bind("127.0.0.1:0").unwrap().into();
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::empty()).unwrap();
    let listener = Listener::from_inherited(fd).unwrap();
    let flags = rustix::io::fcntl_getfd(&listener).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

#[test]
fn matching_ports() {
    let any = received("0");
    let port = any.local_addr().as_inet().unwrap().port();
    let local = received("127.0.0.1:0");
    let local_port = local.local_addr().as_inet().unwrap().port();
    let six = received("[::1]:0");
    let six_port = six.local_addr().as_inet().unwrap().port();
    for (listener, text, wanted) in [
        (&any, format!("{port}"), true),
        (&any, format!("0{port}=9"), true),
        (&any, "0".to_owned(), true),
        (&any, format!("u{port}"), false),
        (&any, format!("127.0.0.1:{port}"), false),
        (&any, format!("0.0.0.0:{port}"), true),
        (&any, format!("{}", port ^ 1), false),
        (&local, format!("localhost:{local_port}"), true),
        (&local, format!("[127.0.0.1]:{local_port}"), true),
        (&local, format!("{local_port}"), false),
        (&six, format!("[0:0::1]:{six_port}"), true),
        (&six, format!("[::]:{six_port}"), false),
        (&six, "/run/x".to_owned(), false),
    ] {
        assert_eq!(listener.matches(&spec(&text)), wanted, "{} {text}", listener.local_addr());
    }
}

#[test]
fn matching_and_owning_paths() {
    let directory = Directory::new();
    let path = directory.path("s");
    let wanted = ListenSpec::from_path(path.as_os_str()).unwrap();
    let bound = bind(&wanted, &BindOptions::default()).unwrap();
    let identity = bound.path_identity();
    let listener = Listener::from_inherited(bound.into()).unwrap();
    assert!(listener.matches(&wanted));
    assert!(!listener.matches(&spec("/elsewhere")) && !listener.matches(&spec("@s")));
    assert!(!listener.unlink_path().unwrap(), "not known to be ours");
    let (device, inode) = identity.unwrap();
    let listener = listener.with_path_identity(Some((device, inode ^ 1)));
    assert!(!listener.unlink_path().unwrap(), "another file");
    let listener = listener.with_path_identity(identity);
    assert!(path.exists() && listener.unlink_path().unwrap() && !path.exists());
}

#[test]
fn std_types_of_the_right_kind_only() {
    assert!(TcpListener::try_from(received("127.0.0.1:u0")).is_err());
    let udp = UdpSocket::try_from(received("127.0.0.1:0")).unwrap_err();
    assert!(TcpListener::try_from(udp).is_ok(), "the listener came back whole");
    assert!(UnixListener::try_from(received("0")).is_err());
}

#[test]
fn zones_tell_link_local_addresses_apart() {
    let bound: SocketAddr = "[fe80::1%1]:80".parse().unwrap();
    let host = |zone: Option<&str>| Host::V6 {
        text: String::new(),
        address: "fe80::1".parse().unwrap(),
        zone: zone.map(str::to_owned),
    };
    assert!(host_matches(&host(Some("1")), &bound) && host_matches(&host(None), &bound));
    assert!(!host_matches(&host(Some("2")), &bound));
    assert!(!host_matches(&host(Some("nosuch")), &bound));
}
