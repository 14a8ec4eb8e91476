//! Clients that hang up while their request is served.
//!
//! Where a worker has accepted a connection, its descriptor is duplicated for a moment, the
//! connection is entered in an epoll set, and the duplicate is closed again. The kernel keeps the
//! entry for as long as the worker has the connection open, and not longer: it never delays what
//! the client sees when the worker closes, and nothing has to be taken out.
//!
//! What can be told, and what not:
//! * TCP: a client that closes looks the same as one that has only finished sending (half close),
//!   which is legal; [`Gone::half`] marks those. A reset is sure. A client that closes behind so
//!   much unread data that the receive window is full is not seen before the worker reads.
//! * unix: a half close is not reported, a close is sure.
//! * What the worker itself shuts down (both directions, or sending only, to wait for the client's
//!   end) is not reported, except the rare `shutdown(SHUT_RD)` of TCP and `SHUT_RDWR` of unix.
//!
//! A worker that is another user, or has changed its user without exec, can be looked into by root
//! only (ptrace(2), "PTRACE_MODE_ATTACH_REALCREDS").

pub(crate) mod socket;

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use fdpass::{Address, SocketKind};
use reaper::{Child, Pid};
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use super::view::Id;
use crate::sockets::Sockets;
use socket::Ends;

/// Connections watched at once; each costs the kernel about 160 bytes.
const MOST: usize = 65_536;
/// Events taken at once.
const BATCH: usize = 64;
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// A client that hung up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gone {
    /// The worker that serves it.
    pub id: Id,
    /// The worker's process.
    pub pid: Pid,
    /// `tcp` or `unix`.
    pub proto: &'static str,
    /// Where it came in: `127.0.0.1:80`, `/run/app.sock`, `@name`.
    pub local: String,
    /// Where it came from; of a unix client without a name `pid 123`, the process that connected.
    pub peer: String,
    /// It may be there still, and only have finished sending.
    pub half: bool,
}

/// A connection in the set.
#[derive(Debug)]
struct Watched {
    id: Id,
    pid: Pid,
    inode: u64,
    ends: Ends,
    client: Option<Pid>,
}

/// Watches the clients of all workers.
///
/// A look costs about 30 µs for each worker, and 10 µs more for each new connection.
#[derive(Debug)]
pub struct ClientWatch {
    epoll: OwnedFd,
    places: Vec<(SocketKind, Address)>,
    /// What each worker had open at the last look, ours or not.
    known: HashMap<Id, HashSet<u64>>,
    watched: HashMap<u64, Watched>,
    next: u64,
    refused: bool,
    full: bool,
    notes: Vec<String>,
}

impl ClientWatch {
    /// Watches nothing yet; only connections through these listeners count.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn new(sockets: &Sockets) -> io::Result<Self> {
        Self::through(sockets.infos().map(|info| (info.kind, info.address.clone())).collect())
    }

    fn through(places: Vec<(SocketKind, Address)>) -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            places,
            known: HashMap::new(),
            watched: HashMap::new(),
            next: 0,
            refused: false,
            full: false,
            notes: Vec::new(),
        })
    }

    /// Looks for new connections of all living workers, and forgets those that are closed, and all
    /// of workers that are not named. None of these may have been reaped.
    pub fn look(&mut self, workers: &[(Id, &Child)]) {
        let living: HashSet<Id> = workers.iter().map(|(id, _)| *id).collect();
        self.known.retain(|id, _| living.contains(id));
        self.watched.retain(|_, watched| living.contains(&watched.id));
        for (id, child) in workers {
            match socket::sockets_of(child.pid()) {
                Ok(sockets) => self.compare(*id, child, &sockets),
                Err(error) => self.refuse(child.pid(), &error),
            }
        }
    }

    fn compare(&mut self, id: Id, child: &Child, sockets: &[(i32, u64)]) {
        let open: HashSet<u64> = sockets.iter().map(|(_, inode)| *inode).collect();
        let mut known = self.known.remove(&id).unwrap_or_default();
        known.retain(|inode| open.contains(inode));
        self.watched.retain(|_, watched| watched.id != id || open.contains(&watched.inode));
        let pid = child.pid();
        for (number, inode) in sockets {
            if known.contains(inode) {
                continue;
            }
            match self.enter(id, child, *number, *inode) {
                Ok(()) => {
                    known.insert(*inode);
                }
                // Closed, or another one by now: the next look tells.
                Err(Errno::BADF | Errno::SRCH) => {}
                Err(Errno::NOSPC | Errno::NOMEM) => self.fill(),
                Err(errno) => self.refuse(pid, &errno.into()),
            }
        }
        self.known.insert(id, known);
    }

    fn enter(&mut self, id: Id, child: &Child, number: i32, inode: u64) -> Result<(), Errno> {
        if self.watched.values().any(|watched| watched.inode == inode) {
            // Shared by two workers; the first that had it is told of.
            return Ok(());
        }
        if self.watched.len() >= MOST {
            return Err(Errno::NOSPC);
        }
        let connection = match child.pidfd() {
            Some(pidfd) => socket::duplicate(pidfd, number)?,
            None => socket::duplicate(socket::open(child.pid())?, number)?,
        };
        if rustix::fs::fstat(&connection)?.st_ino != inode {
            return Err(Errno::BADF);
        }
        let Some(ends) = Ends::of(&connection) else { return Ok(()) };
        if !self.places.iter().any(|(kind, bound)| ends.came_through(*kind, bound)) {
            return Ok(());
        }
        // HUP and ERR need not be asked for. RDHUP is all that TCP shows of a client that closed;
        // on unix it is a half close, and would use up the one shot.
        let mut flags = epoll::EventFlags::ONESHOT;
        if ends.proto() == "tcp" {
            flags |= epoll::EventFlags::RDHUP;
        }
        let token = self.next;
        let data = epoll::EventData::new_u64(token);
        match epoll::add(&self.epoll, &connection, data, flags) {
            // Entered before under the same number, its one shot used up.
            Err(Errno::EXIST) => epoll::modify(&self.epoll, &connection, data, flags)?,
            added => added?,
        }
        self.next = self.next.wrapping_add(1);
        let client = (ends.proto() == "unix").then(|| socket::client_of(&connection)).flatten();
        self.watched.insert(token, Watched { id, pid: child.pid(), inode, ends, client });
        Ok(())
    }

    /// Clients that have gone, each once. Never blocks.
    pub fn events(&mut self) -> Vec<Gone> {
        let mut gone = Vec::new();
        let mut events = [epoll::Event { flags: epoll::EventFlags::empty(), data: NOTHING }; BATCH];
        loop {
            let taken = match epoll::wait(&self.epoll, &mut events[..], Some(&NOW)) {
                Ok(taken) => taken,
                Err(Errno::INTR) => continue,
                Err(_) => return gone,
            };
            for event in events.iter().take(taken) {
                let (flags, token) = (event.flags, event.data.u64());
                let Some(watched) = self.watched.remove(&token) else { continue };
                let ends = epoll::EventFlags::RDHUP | epoll::EventFlags::HUP;
                if flags.intersects(ends) {
                    gone.extend(watched.judge(flags));
                } else if let Some(known) = self.known.get_mut(&watched.id) {
                    // Something in the error queue (a timestamp): the next look enters it again.
                    known.remove(&watched.inode);
                }
            }
            if taken < BATCH {
                return gone;
            }
        }
    }

    /// Lines for the log, each said once.
    pub fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    fn refuse(&mut self, pid: Pid, error: &io::Error) {
        let denied = matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES));
        if denied && !self.refused {
            self.refused = true;
            let note = format!(
                "clients of worker {pid} cannot be watched ({error}): it is another user, or has \
                 changed its user without exec"
            );
            self.notes.push(note);
        }
    }

    fn fill(&mut self) {
        if !self.full {
            self.full = true;
            self.notes.push("some clients are not watched: there are too many connections".into());
        }
    }
}

const NOTHING: epoll::EventData = epoll::EventData::new_u64(u64::MAX);

impl AsFd for ClientWatch {
    /// Readable when [`events`](ClientWatch::events) has something.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl Watched {
    fn judge(self, flags: epoll::EventFlags) -> Option<Gone> {
        let (hung_up, failed) =
            (flags.contains(epoll::EventFlags::HUP), flags.contains(epoll::EventFlags::ERR));
        let tcp = self.ends.proto() == "tcp";
        // TCP hangs up without an error when the worker has shut down its side, too.
        if tcp && hung_up && !failed {
            return None;
        }
        // It may have been closed since. Where that cannot be seen the event counts.
        let open = socket::sockets_of(self.pid);
        if open.is_ok_and(|open| open.iter().all(|(_, inode)| *inode != self.inode)) {
            return None;
        }
        let peer = match (&self.ends.peer, self.client) {
            (Address::Unnamed, Some(client)) => format!("pid {client}"),
            (peer, _) => socket::shown(peer),
        };
        Some(Gone {
            id: self.id,
            pid: self.pid,
            proto: self.ends.proto(),
            local: socket::shown(&self.ends.local),
            peer,
            half: tcp && !hung_up && !failed,
        })
    }
}

#[cfg(test)]
mod tests;
