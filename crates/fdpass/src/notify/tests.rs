//! Both ends against each other.

use super::*;
use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix};

fn there(receiver: &Receiver) -> SocketAddrUnix {
    SocketAddrUnix::new_abstract_name(&receiver.address().as_bytes()[1..]).unwrap()
}

#[test]
fn messages_arrive_in_order_with_their_sender() {
    let receiver = Receiver::bind().unwrap();
    assert!(receiver.address().starts_with('@') && receiver.address().len() > 1);
    assert_eq!(receiver.recv().unwrap(), None);
    for text in ["READY=1", "STATUS=x\nWATCHDOG=1", ""] {
        send_to(OsStr::new(receiver.address()), text).unwrap();
    }
    let (first, sender) = receiver.recv().unwrap().unwrap();
    assert!(first.ready && !first.watchdog);
    assert_eq!(sender.pid, i32::try_from(std::process::id()).unwrap());
    assert_eq!(sender.uid, rustix::process::geteuid().as_raw());
    assert_eq!(sender.gid, rustix::process::getegid().as_raw());
    let (second, _) = receiver.recv().unwrap().unwrap();
    assert_eq!((second.status.as_deref(), second.watchdog), (Some("x"), true));
    assert_eq!(receiver.recv().unwrap().unwrap().0, Message::default());
    assert_eq!(receiver.recv().unwrap(), None);
}

#[test]
fn two_receivers_have_two_addresses() {
    let (one, two) = (Receiver::bind().unwrap(), Receiver::bind().unwrap());
    assert_ne!(one.address(), two.address());
    let flags = rustix::io::fcntl_getfd(&one).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

#[test]
fn passed_descriptors_are_closed_as_the_message_is_read() {
    let receiver = Receiver::bind().unwrap();
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let socket = UnixDatagram::unbound().unwrap();
    let fds = [theirs.as_fd(); 3];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let data = [std::io::IoSlice::new(b"BARRIER=1")];
    let to = there(&receiver);
    rustix::net::sendmsg_addr(&socket, &to, &data, &mut control, SendFlags::empty()).unwrap();
    drop(theirs);
    ours.set_nonblocking(true).unwrap();
    let error = ours.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "the copies in the queue are open");
    assert!(receiver.recv().unwrap().unwrap().0.barrier);
    assert_eq!(ours.read(&mut [0]).unwrap(), 0, "all copies are closed");
}

#[test]
fn junk_is_dropped() {
    let receiver = Receiver::bind().unwrap();
    let socket = UnixDatagram::unbound().unwrap();
    let name = &receiver.address().as_bytes()[1..];
    socket.connect_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
    let mut long = b"READY=1\n".to_vec();
    long.resize(4097, b'x');
    socket.send(&long).unwrap();
    socket.send(&long[..4096]).unwrap();
    let (message, _) = receiver.recv().unwrap().unwrap();
    assert!(message.ready, "4096 bytes are not too long");
    assert_eq!(receiver.recv().unwrap(), None);
}

#[test]
fn a_path_receiver_hears_too() {
    let directory = crate::testing::Directory::new();
    let path = directory.path("notify");
    let receiver = UnixDatagram::bind(&path).unwrap();
    send_to(path.as_os_str(), "STOPPING=1").unwrap();
    let mut buffer = [0; 64];
    let length = receiver.recv(&mut buffer).unwrap();
    assert!(parse(&buffer[..length]).stopping);
}

#[test]
fn sending_fails_without_blocking() {
    let receiver = Receiver::bind().unwrap();
    let address = receiver.address().to_owned();
    // More than any queue holds (net.unix.max_dgram_qlen, the send buffer).
    let full = (0..1_000_000).find_map(|_| send_to(OsStr::new(&address), "WATCHDOG=1").err());
    let cause = std::error::Error::source(full.as_ref().unwrap()).unwrap();
    let cause = cause.downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(cause.kind(), std::io::ErrorKind::WouldBlock);

    drop(receiver);
    let line = send_to(OsStr::new(&address), "READY=1").unwrap_err().to_string();
    assert!(line.starts_with(&format!("failed to notify {address}: Connection refused")), "{line}");
    for bad in ["", "@", "relative", "vsock:2:3"] {
        let line = send_to(OsStr::new(bad), "READY=1").unwrap_err().to_string();
        assert!(line.contains("expected an absolute path or `@' and a name"), "{line}");
    }
    let long = format!("/{}", "x".repeat(300));
    assert!(send_to(OsStr::new(&long), "READY=1").is_err());
}
