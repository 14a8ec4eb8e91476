//! What the kernel shows of listeners and workers, without their help.
//!
//! Costs below are of one call on a small virtual machine. What may not be looked at (a worker of
//! another user, or one that changed its user without executing a program; `/proc` mounted with
//! hidepid) is answered with "unknown", never with an error.

mod arrivals;
mod connections;
mod diag;
mod disposition;
mod memory;
mod polled;
mod pressure;
mod process;
mod queue;
mod requests;
mod retire;
mod syscall;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::AsFd;

use fdpass::{Address, SocketKind};
use reaper::Pid;

use self::diag::Diag;
use self::process::{Process, Threads, is_gone};
use self::syscall::Shown;
use super::view::{Activity, Memory, Source};
use crate::sockets::Sockets;

pub use self::arrivals::Arrivals;
pub use self::retire::{nudge, retire};

/// One of our listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The inode number of the socket, as in `socket:[NUMBER]` of `/proc/PID/fd`.
    pub inode: u64,
    /// What it is.
    pub kind: SocketKind,
    /// Where it is bound; connections that it accepts have this address, too.
    pub address: Address,
    /// Its number in the workers.
    pub at: i32,
}

/// What a worker does at the moment, by its system calls.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Doing {
    /// It waits in accept on one of our listeners; where it has several threads, the others wait,
    /// too.
    Accepting,
    /// It waits for a datagram on one of our sockets.
    Receiving,
    /// It waits for several descriptors (epoll_wait, poll, select), perhaps one of our listeners.
    Polling,
    /// It waits in the system call with this number.
    Call(i64),
    /// It runs, or waits for a processor or for memory.
    Running,
    /// Hidden, or gone.
    Unknown,
}

/// Looks at listeners and workers. It keeps two descriptors for each worker that was looked at,
/// until that is forgotten.
#[derive(Debug)]
pub struct Observer {
    places: Vec<Place>,
    known: HashMap<Pid, Known>,
    diag: Option<Diag>,
}

/// A worker that was looked at before.
#[derive(Debug)]
struct Known {
    process: Process,
    serves: Serves,
    /// Sockets that did not come through our listeners.
    strangers: HashSet<u64>,
}

/// How the worker was seen to wait for requests.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Serves {
    /// Not yet: it may still be setting itself up.
    #[default]
    NotSeen,
    Polls,
    Accepts,
}

/// What [`Doing`] is, and whether the process has one thread only.
type Look = (Doing, bool);

impl Observer {
    /// An observer of these listeners.
    #[must_use]
    pub fn new(sockets: &Sockets) -> Self {
        let place = |(listener, at): (&fdpass::Listener, i32)| {
            let inode = rustix::fs::fstat(listener).ok()?.st_ino;
            let address = listener.local_addr().clone();
            Some(Place { inode, kind: listener.kind(), address, at })
        };
        let places = sockets.listeners().filter_map(place).collect();
        Self { places, known: HashMap::new(), diag: None }
    }

    /// How many connections wait to be accepted, and how many may, of all listeners together;
    /// `None` if one of them cannot be asked, or no connections are accepted at all. Each listener
    /// can hold one more than its limit. Sockets for datagrams do not count: they do not tell.
    ///
    /// 0.6 µs for each TCP listener, 8 µs for each unix listener.
    pub fn queue(&mut self, sockets: &Sockets) -> Option<(u32, u32)> {
        let mut sum = None;
        for (listener, at) in sockets.listeners().filter(|(listener, _)| listener.kind().accepts())
        {
            let (waiting, limit) = self.queue_of(listener, at)?;
            let (all, limits): (u32, u32) = sum.unwrap_or_default();
            sum = Some((all.saturating_add(waiting), limits.saturating_add(limit)));
        }
        sum
    }

    /// Of one listener; `None` also if it accepts no connections.
    fn queue_of(&mut self, listener: &fdpass::Listener, at: i32) -> Option<(u32, u32)> {
        match listener.kind() {
            kind if !kind.accepts() => None,
            SocketKind::Tcp => queue::tcp(listener.as_fd()).ok(),
            _ => {
                let inode = self.places.iter().find(|place| place.at == at)?.inode;
                self.unix_queue(inode)
            }
        }
    }

    fn unix_queue(&mut self, inode: u64) -> Option<(u32, u32)> {
        let mut diag = match self.diag.take() {
            Some(diag) => diag,
            None => Diag::new().ok()?,
        };
        let queue = diag.queue(inode).ok();
        self.diag = Some(diag);
        queue
    }

    /// What a worker does at the moment: 4 to 8 µs, and 15 µs for each thread if there are several.
    ///
    /// Of a worker that is stopped, or was until a moment ago, it says what it did then or was just
    /// done with.
    pub fn doing(&mut self, pid: Pid) -> Doing {
        self.look(pid).0
    }

    /// Whether a worker serves a request, and how that is known.
    ///
    /// With a single thread, its system call tells: accept on one of our listeners is idle, and
    /// after it was seen there once, any other is busy. Where that is not clear (several threads, an
    /// event loop, workers that take turns by a lock), it is busy while it holds a connection that
    /// came through one of our listeners; so is an event loop with connections kept alive. That
    /// needs Linux 5.6 and takes 10 µs more, and 4 µs for each of its descriptors.
    pub fn activity(&mut self, pid: Pid) -> (Activity, Source) {
        let (doing, alone) = self.look(pid);
        let Some(known) = self.known.get_mut(&pid) else { return Default::default() };
        let seen = match doing {
            Doing::Accepting | Doing::Receiving => Serves::Accepts,
            Doing::Polling => Serves::Polls,
            Doing::Call(_) | Doing::Running | Doing::Unknown => Serves::NotSeen,
        };
        known.serves = known.serves.max(seen);
        let accepts = alone && known.serves == Serves::Accepts;
        match doing {
            Doing::Unknown => return Default::default(),
            Doing::Accepting | Doing::Receiving if alone => {
                return (Activity::Idle, Source::Syscall);
            }
            Doing::Call(number) if accepts && !syscall::locks(number) => {
                return (Activity::Busy, Source::Syscall);
            }
            Doing::Running if accepts => return (Activity::Busy, Source::Syscall),
            _ => {}
        }
        let waited = known.serves != Serves::NotSeen;
        match connections::holds(&known.process, pid, &self.places, &mut known.strangers) {
            Ok(true) if accepts => (Activity::Busy, Source::Syscall),
            Ok(true) => (Activity::Busy, Source::Sockets),
            // It may still be setting itself up.
            Ok(false) if !waited => Default::default(),
            Ok(false) => (Activity::Idle, Source::Sockets),
            Err(_) if accepts => (Activity::Busy, Source::Syscall),
            Err(_) => Default::default(),
        }
    }

    /// A worker's memory: about 20 µs per MB, so not to be asked for all the time. Where only its
    /// resident size is shown, all of that counts as shared.
    #[must_use]
    pub fn memory(&self, pid: Pid) -> Option<Memory> {
        let known = self.known.get(&pid);
        let memory = known.and_then(|known| memory::read(known.process.dir()).ok());
        memory.or_else(|| memory::read(&process::directory(pid).ok()?).ok())
    }

    /// Percent of the last 10 seconds in which somebody on this machine waited for a processor;
    /// `None` where the kernel does not count that. About 10 µs.
    #[must_use]
    pub fn pressure(&self) -> Option<u32> {
        pressure::read()
    }

    /// The worker has been reaped.
    pub fn forget(&mut self, pid: Pid) {
        self.known.remove(&pid);
    }

    fn look(&mut self, pid: Pid) -> Look {
        let unknown = (Doing::Unknown, false);
        if let Some(known) = self.known.get(&pid) {
            match known.process.shown() {
                Ok(threads) => return self.judge(&known.process, &threads),
                Err(error) => {
                    self.known.remove(&pid);
                    if !is_gone(&error) {
                        return unknown;
                    }
                }
            }
        }
        // New, or the number was given to another process.
        let Ok(process) = Process::open(pid) else { return unknown };
        let Ok(threads) = process.shown() else { return unknown };
        let look = self.judge(&process, &threads);
        let known = Known { process, serves: Serves::NotSeen, strangers: HashSet::new() };
        self.known.insert(pid, known);
        look
    }

    fn judge(&self, process: &Process, threads: &Threads) -> Look {
        match threads {
            Threads::One(shown) => (self.one(process, *shown), true),
            Threads::Many(all) => (self.many(process, all), false),
        }
    }

    fn one(&self, process: &Process, shown: Shown) -> Doing {
        let place = |argument: u64| {
            let inode = process.socket_at(syscall::descriptor(argument)?)?;
            self.places.iter().find(|place| place.inode == inode)
        };
        match shown {
            Shown::Ended => Doing::Unknown,
            Shown::Running | Shown::Outside => Doing::Running,
            Shown::Call(number, [first, _]) if syscall::accepts(number) => match place(first) {
                Some(place) if place.kind.accepts() => Doing::Accepting,
                _ => Doing::Call(number),
            },
            Shown::Call(number, [first, _]) if syscall::receives(number) => match place(first) {
                Some(place) if !place.kind.accepts() => Doing::Receiving,
                _ => Doing::Call(number),
            },
            Shown::Call(number, arguments) => {
                let ours = |inode| self.places.iter().any(|place| place.inode == inode);
                match syscall::polls(number) {
                    Some(kind) if polled::includes(process, kind, arguments, ours) => {
                        Doing::Polling
                    }
                    Some(_) | None => Doing::Call(number),
                }
            }
        }
    }

    /// The first that applies: one runs; one is in a call that may belong to a request; one waits
    /// for requests; all wait for each other.
    fn many(&self, process: &Process, threads: &[Shown]) -> Doing {
        let rank = |doing: &Doing| match doing {
            Doing::Unknown => 0,
            Doing::Running => 1,
            Doing::Call(number)
                if !syscall::locks(*number)
                    && !syscall::rests(*number)
                    && syscall::polls(*number).is_none() =>
            {
                2
            }
            Doing::Accepting => 3,
            Doing::Receiving => 4,
            Doing::Polling => 5,
            Doing::Call(_) => 6,
        };
        let all = threads.iter().map(|shown| self.one(process, *shown));
        all.min_by_key(rank).unwrap_or(Doing::Unknown)
    }

    /// The sockets that a worker has open, by inode number.
    fn sockets_of(&self, pid: Pid) -> io::Result<HashSet<u64>> {
        let gone = || io::Error::from_raw_os_error(libc::ESRCH);
        let known = self.known.get(&pid).ok_or_else(gone)?;
        let mut all = HashSet::new();
        known.process.sockets(|_, inode| {
            all.insert(inode);
            true
        })?;
        Ok(all)
    }

    /// Whether a worker holds a connection that came through our listeners.
    fn serves(&mut self, pid: Pid) -> io::Result<bool> {
        let gone = || io::Error::from_raw_os_error(libc::ESRCH);
        let known = self.known.get_mut(&pid).ok_or_else(gone)?;
        connections::holds(&known.process, pid, &self.places, &mut known.strangers)
    }

    /// The letter of a worker's state in `/proc/PID/stat`; 8 µs.
    fn state(&self, pid: Pid) -> Option<u8> {
        self.known.get(&pid)?.process.state()
    }
}
