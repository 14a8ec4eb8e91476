//! Tells the manager that somebody connected, without taking part in accepting.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll;
use rustix::fs::Timespec;
use rustix::io::fcntl_dupfd_cloexec;

use crate::sockets::Sockets;

/// One report of a connection or datagram per listener, whenever that is asked for.
///
/// The listeners are watched edge-triggered, so workers wake up as if nobody else were there
/// (never with `EPOLLEXCLUSIVE`, which would take wake-ups from them), and once: under load the
/// manager sleeps until it asks again. A process that was forked from the manager and did not
/// execute a program must leave this alone.
#[derive(Debug)]
pub struct Arrivals {
    epoll: OwnedFd,
    /// Copies, which live as long as their registration.
    listeners: Vec<OwnedFd>,
}

const ONCE: epoll::EventFlags =
    epoll::EventFlags::IN.union(epoll::EventFlags::ET).union(epoll::EventFlags::ONESHOT);
const NOT_NOW: epoll::EventFlags = epoll::EventFlags::ONESHOT;

impl Arrivals {
    /// Nothing is reported before [`arm`](Self::arm).
    ///
    /// # Errors
    /// Too many open files, or those of epoll_ctl(2).
    pub fn new(sockets: &Sockets) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut listeners = Vec::new();
        for (listener, _) in sockets.listeners() {
            let copy = fcntl_dupfd_cloexec(listener, 0)?;
            epoll::add(&epoll, &copy, epoll::EventData::new_u64(0), NOT_NOW)?;
            listeners.push(copy);
        }
        Ok(Self { epoll, listeners })
    }

    /// Asks for the next arrival at each listener; at once if one waits there already. About 1 µs
    /// each.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn arm(&mut self) -> io::Result<()> {
        self.ask(ONCE)
    }

    /// Takes the report away: [`as_fd`](Self::as_fd) is readable until then, and from then on not
    /// before [`arm`](Self::arm). Returns whether there was one.
    ///
    /// # Errors
    /// Those of epoll_ctl(2) and epoll_wait(2).
    pub fn clear(&mut self) -> io::Result<bool> {
        let nothing = epoll::EventFlags::empty();
        let mut events = [epoll::Event { flags: nothing, data: epoll::EventData::new_u64(0) }; 16];
        let now = Timespec::default();
        let reported = epoll::wait(&self.epoll, &mut events[..], Some(&now))? > 0;
        // Also of those that did not fit.
        self.ask(NOT_NOW)?;
        Ok(reported)
    }

    fn ask(&self, events: epoll::EventFlags) -> io::Result<()> {
        for listener in &self.listeners {
            epoll::modify(&self.epoll, listener, epoll::EventData::new_u64(0), events)?;
        }
        Ok(())
    }
}

/// Readable while there is something to report; to be watched level-triggered, by a copy where the
/// watcher wants to own it.
impl AsFd for Arrivals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;

    use fdpass::{BindOptions, ListenSpec, Listener, bind};
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn readable(arrivals: &Arrivals) -> bool {
        let now = Timespec::default();
        poll(&mut [PollFd::new(arrivals, PollFlags::IN)], Some(&now)).unwrap() == 1
    }

    fn listener(spec: &str) -> Listener {
        let spec = match spec.starts_with('/') {
            true => ListenSpec::from_path(spec.as_ref()),
            false => ListenSpec::from_port(spec),
        };
        bind(&spec.unwrap(), &BindOptions::default()).unwrap()
    }

    #[test]
    fn one_report_for_each_asking() {
        let tcp = listener("127.0.0.1:0");
        let at = tcp.local_addr().as_inet().unwrap();
        let accepting = std::net::TcpListener::from(tcp.as_fd().try_clone_to_owned().unwrap());
        let sockets = Sockets::of(vec![tcp]);
        let mut arrivals = Arrivals::new(&sockets).unwrap();
        let early = TcpStream::connect(at).unwrap();
        assert!(!readable(&arrivals), "nobody asked");

        arrivals.arm().unwrap();
        assert!(readable(&arrivals), "one waits already");
        assert!(arrivals.clear().unwrap());
        let second = TcpStream::connect(at).unwrap();
        assert!(!readable(&arrivals) && !arrivals.clear().unwrap(), "asked once");

        for _ in 0..2 {
            accepting.accept().unwrap();
        }
        arrivals.arm().unwrap();
        assert!(!readable(&arrivals), "none waits");
        let third = TcpStream::connect(at).unwrap();
        assert!(readable(&arrivals));
        assert!(readable(&arrivals), "until it is cleared");
        assert!(arrivals.clear().unwrap());
        assert!(!readable(&arrivals));
        drop((early, second, third));
    }

    #[test]
    fn every_kind_is_heard() {
        let dir = std::env::temp_dir().join(format!("arrivals-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("socket");
        let (udp, unix) = (listener("127.0.0.1:u0"), listener(path.to_str().unwrap()));
        let at = udp.local_addr().as_inet().unwrap();
        let sockets = Sockets::of(vec![udp, unix]);
        let mut arrivals = Arrivals::new(&sockets).unwrap();
        arrivals.arm().unwrap();
        assert!(!readable(&arrivals));
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", at).unwrap();
        assert!(readable(&arrivals) && arrivals.clear().unwrap() && !readable(&arrivals));
        let client = UnixStream::connect(&path).unwrap();
        assert!(!readable(&arrivals), "clear is for all of them");
        arrivals.arm().unwrap();
        assert!(readable(&arrivals) && arrivals.clear().unwrap());
        drop(client);
        sockets.unlink();
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
