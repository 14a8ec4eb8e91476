//! Adopting numbers; the whole of `from_env` is tested in a process of its own (tests/from_env.rs).

use super::*;
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;

fn passed(entries: &[(&str, RawFd)]) -> Passed {
    let entry = |(name, fd): &(&str, RawFd)| Entry { name: name.into(), fd: *fd };
    Passed { source: Source::ServerStarter, entries: entries.iter().map(entry).collect() }
}

/// Three sockets as a parent would have left them: open, without close-on-exec, owned by nobody.
fn three() -> [RawFd; 3] {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap().into_raw_fd();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap().into_raw_fd();
    let name = crate::testing::Directory::new();
    let unix = UnixListener::bind(name.path("s")).unwrap().into_raw_fd();
    [tcp, udp, unix]
}

#[test]
fn sockets_are_taken_by_kind_and_name() {
    let [tcp, udp, unix] = three();
    let list = passed(&[("8080", tcp), ("53", udp), ("/run/s", unix)]);
    // SAFETY: the three descriptors were released just before and are known here only.
    let mut inherited = unsafe { adopt(list) }.unwrap();
    let shown: Vec<String> =
        inherited.iter().map(|l| format!("{} {}", l.kind(), l.name().to_string_lossy())).collect();
    assert_eq!(shown, ["tcp 8080", "udp 53", "unix /run/s"]);
    for listener in &inherited {
        let flags = rustix::io::fcntl_getfd(listener).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }
    let line = inherited.take_tcp_named("80").unwrap_err().to_string();
    let wanted =
        "no tcp socket named 80 was passed; the process has: tcp 8080, udp 53, unix /run/s";
    assert_eq!(line, wanted);
    assert!(inherited.take_udp_named("8080").is_err(), "the name of another kind");
    assert_ne!(inherited.take_tcp_named("8080").unwrap().local_addr().unwrap().port(), 0);
    assert!(inherited.take_tcp().is_err(), "taken already");
    assert_ne!(inherited.take_udp().unwrap().local_addr().unwrap().port(), 0);
    assert!(inherited.take_unix_named("/run/s").is_ok());
    let line = inherited.take_unix().unwrap_err().to_string();
    assert_eq!(line, "no unix socket was passed; the process has no sockets left");
    assert!(inherited.into_listeners().is_empty());
}

#[test]
fn nothing_is_taken_when_anything_is_wrong() {
    let (socket, other) = UnixStream::pair().unwrap();
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let (good, bad) = (listening.as_raw_fd(), socket.as_raw_fd());
    // SAFETY: the list is refused, so no ownership moves.
    let error = unsafe { adopt(passed(&[("8080", good), ("x\n", bad)])) }.unwrap_err().to_string();
    let wanted = format!(
        "descriptor {bad} (named x\\n) from SERVER_STARTER_PORT is a unix socket that is not listening"
    );
    assert_eq!(error, wanted);
    assert!(listening.local_addr().is_ok() && socket.peer_addr().is_ok(), "both are still open");
    drop(other);

    // Far above any number in use.
    let missing = 1_048_575;
    // SAFETY: as above.
    let error = unsafe { adopt(passed(&[("", missing)])) }.unwrap_err().to_string();
    assert_eq!(error, "descriptor 1048575 from SERVER_STARTER_PORT is not open");
}

#[test]
fn no_name_means_the_address() {
    let [tcp, udp, unix] = three();
    // SAFETY: the descriptors were released just before and are known here only.
    let inherited = unsafe { adopt(passed(&[("", tcp), ("", udp), ("", unix)])) }.unwrap();
    for listener in inherited.into_listeners() {
        assert_eq!(*listener.name(), *listener.local_addr().to_name());
    }
}
