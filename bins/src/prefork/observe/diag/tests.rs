use super::*;
use std::os::unix::net::{UnixListener, UnixStream};

/// A description as the kernel sends it, with these attributes of type and value.
fn described(sequence: u32, inode: u32, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend([0; 2]);
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend([1, 1, 10, 0]);
    bytes.extend(inode.to_ne_bytes());
    bytes.extend([0; 8]);
    for (kind, value) in attributes {
        bytes.extend(u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(*value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    let mut message = u32::try_from(bytes.len() + 4).unwrap().to_ne_bytes().to_vec();
    message.extend(bytes);
    message
}

fn rqlen(waiting: u32, limit: u32) -> Vec<u8> {
    [waiting.to_ne_bytes(), limit.to_ne_bytes()].concat()
}

#[test]
fn answers() {
    let lengths = rqlen(5, 128);
    let good = described(7, 99, &[(6, b"\0"), (UNIX_DIAG_RQLEN, &lengths)]);
    assert_eq!(parse(&good, 7, 99).unwrap().unwrap(), (5, 128));
    assert!(parse(&good, 8, 99).is_none(), "the answer to another question");
    assert!(parse(&good, 7, 98).unwrap().is_err(), "another socket");
    assert!(parse(&described(7, 99, &[(6, b"\0")]), 7, 99).unwrap().is_err());
    for cut in 0..good.len() {
        assert!(parse(&good[..cut], 7, 99).is_none_or(|answer| answer.is_err()), "cut to {cut}");
    }
    for at in 0..good.len() {
        for byte in [0, 1, 3, 0x7f, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] = byte;
            let _ = parse(&bad, 7, 99);
        }
    }
}

#[test]
fn errors() {
    let mut message = described(7, 99, &[]);
    message[4..6].copy_from_slice(&u16::try_from(libc::NLMSG_ERROR).unwrap().to_ne_bytes());
    message[16..20].copy_from_slice(&(-libc::ENOENT).to_ne_bytes());
    let error = parse(&message, 7, 99).unwrap().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    for code in [0, 1, i32::MIN] {
        message[16..20].copy_from_slice(&code.to_ne_bytes());
        let error = parse(&message, 7, 99).unwrap().unwrap_err();
        assert_eq!(error.raw_os_error(), None);
    }
}

#[test]
fn every_connection_counts_until_it_is_accepted() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("superdaemon-diag-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    rustix::net::listen(&listener, 7).unwrap();
    let inode = rustix::fs::fstat(&listener).unwrap().st_ino;
    let mut diag = Diag::new().unwrap();
    assert_eq!(diag.queue(inode).unwrap(), (0, 7));
    let clients: Vec<_> = (0..5).map(|_| UnixStream::connect_addr(&address).unwrap()).collect();
    assert_eq!(diag.queue(inode).unwrap(), (5, 7));
    listener.accept().unwrap();
    assert_eq!(diag.queue(inode).unwrap(), (4, 7));
    drop((clients, listener));
    assert_eq!(diag.queue(inode).unwrap_err().raw_os_error(), Some(libc::ENOENT));
    assert!(diag.queue(u64::MAX).is_err());
}
