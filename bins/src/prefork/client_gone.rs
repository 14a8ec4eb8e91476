//! Clients that hang up while their request is served.
//!
//! Where a worker has accepted a connection, its descriptor is duplicated for a moment, the
//! connection is entered in an epoll set, and the duplicate is closed again. The kernel keeps the
//! entry for as long as the worker has the connection open, and not longer: it never delays what
//! the client sees when the worker closes, and nothing has to be taken out.
//!
//! What can be told, and what not:
//! * TCP: a client that closes looks the same as one that has only finished sending (half close),
//!   which is legal; [`Gone::half`] marks those. Only what the worker writes next tells the two
//!   apart: a client that has closed answers it with a reset. A reset is sure. A client that closes
//!   behind so much unread data that the receive window is full is not seen before the worker reads.
//! * unix: a half close is not reported, a close is sure.
//! * What the worker itself shuts down (both directions, or sending only, to wait for the client's
//!   end) is not reported, except the rare `shutdown(SHUT_RD)` of TCP and `SHUT_RDWR` of unix.
//!
//! How many connections there are, and how many of them end at once, is the clients' choice. So
//! [`ClientWatch::events`] takes a bounded number at a time, with one look at one descriptor for
//! each, and a worker with many descriptors is looked at less often.
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
/// Connections examined in one look, about 10 ms; what is left is new to the next look, too.
const MOST_NEW: usize = 1024;
/// For so many sockets of a worker one look at it is left out: with 20 looks a second its sockets
/// take a few percent of a processor, however many there are.
const PER_LOOK: usize = 512;
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
    /// It may be there still, having only finished sending: nothing proves that it has left. Never
    /// so of a unix client.
    pub half: bool,
}

/// A connection in the set.
#[derive(Debug)]
struct Watched {
    id: Id,
    pid: Pid,
    /// The worker's descriptor, when it was last seen.
    number: i32,
    inode: u64,
    ends: Ends,
    client: Option<Pid>,
}

/// All connections in the set.
#[derive(Debug, Default)]
struct Table {
    by_token: HashMap<u64, Watched>,
    inodes: HashSet<u64>,
    next: u64,
}

impl Table {
    /// A token that no entry had before.
    fn token(&mut self) -> u64 {
        let token = self.next;
        self.next = self.next.wrapping_add(1);
        token
    }

    fn insert(&mut self, token: u64, watched: Watched) {
        self.inodes.insert(watched.inode);
        self.by_token.insert(token, watched);
    }

    fn remove(&mut self, token: u64) -> Option<Watched> {
        let watched = self.by_token.remove(&token)?;
        self.inodes.remove(&watched.inode);
        Some(watched)
    }

    fn is_full(&self) -> bool {
        self.by_token.len() >= MOST
    }
}

/// What a worker had open at the last look, ours or not.
#[derive(Debug, Default)]
struct Seen {
    /// By inode, with the token of those that were entered.
    sockets: HashMap<u64, Option<u64>>,
    /// Looks to leave out.
    rest: usize,
}

/// Watches the clients of all workers.
///
/// A look costs about 30 µs for each worker, 2 µs for each of its descriptors, and 10 µs more for
/// each new connection.
#[derive(Debug)]
pub struct ClientWatch {
    epoll: OwnedFd,
    places: Vec<(SocketKind, Address)>,
    known: HashMap<Id, Seen>,
    watched: Table,
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
            watched: Table::default(),
            refused: false,
            full: false,
            notes: Vec::new(),
        })
    }

    /// Looks for new connections of all living workers, and forgets those that are closed, and all
    /// of workers that are not named. None of these may have been reaped. Workers with more than
    /// 500 sockets are left out of some looks.
    pub fn look(&mut self, workers: &[(Id, &Child)]) {
        let living: HashSet<Id> = workers.iter().map(|(id, _)| *id).collect();
        let watched = &mut self.watched;
        self.known.retain(|id, seen| {
            let lives = living.contains(id);
            if !lives {
                for token in seen.sockets.values().flatten() {
                    watched.remove(*token);
                }
            }
            lives
        });
        let mut room = MOST_NEW;
        for (id, child) in workers {
            let mut seen = self.known.remove(id).unwrap_or_default();
            if seen.rest > 0 {
                seen.rest = seen.rest.saturating_sub(1);
            } else {
                match socket::sockets_of(child.pid()) {
                    Ok(sockets) => self.compare(*id, child, &mut seen, &sockets, &mut room),
                    Err(error) => self.refuse(child.pid(), &error),
                }
            }
            self.known.insert(*id, seen);
        }
    }

    fn compare(
        &mut self,
        id: Id,
        child: &Child,
        seen: &mut Seen,
        sockets: &[(i32, u64)],
        room: &mut usize,
    ) {
        let open: HashSet<u64> = sockets.iter().map(|(_, inode)| *inode).collect();
        let watched = &mut self.watched;
        seen.sockets.retain(|inode, token| {
            let stays = open.contains(inode);
            if let Some(token) = token.filter(|_| !stays) {
                watched.remove(token);
            }
            stays
        });
        seen.rest = sockets.len().checked_div(PER_LOOK).unwrap_or(0);
        let pid = child.pid();
        for (number, inode) in sockets {
            if let Some(token) = seen.sockets.get(inode) {
                if let Some(watched) = token.and_then(|token| self.watched.by_token.get_mut(&token))
                {
                    watched.number = *number;
                }
                continue;
            }
            if *room == 0 {
                seen.rest = 0;
                continue;
            }
            *room = room.saturating_sub(1);
            match self.enter(id, child, *number, *inode) {
                Ok(token) => {
                    seen.sockets.insert(*inode, token);
                }
                // Closed, or another one by now: the next look tells.
                Err(Errno::BADF | Errno::SRCH) => {}
                Err(Errno::NOSPC | Errno::NOMEM) => self.fill(),
                Err(errno) => self.refuse(pid, &errno.into()),
            }
        }
    }

    /// Its token; `None` if it is not one to watch.
    fn enter(
        &mut self,
        id: Id,
        child: &Child,
        number: i32,
        inode: u64,
    ) -> Result<Option<u64>, Errno> {
        if self.watched.inodes.contains(&inode) {
            // Shared by two workers; the first that had it is told of.
            return Ok(None);
        }
        if self.watched.is_full() {
            return Err(Errno::NOSPC);
        }
        let connection = match child.pidfd() {
            Some(pidfd) => socket::duplicate(pidfd, number)?,
            None => socket::duplicate(socket::open(child.pid())?, number)?,
        };
        if rustix::fs::fstat(&connection)?.st_ino != inode {
            return Err(Errno::BADF);
        }
        let Some(ends) = Ends::of(&connection) else { return Ok(None) };
        if !self.places.iter().any(|(kind, bound)| ends.came_through(*kind, bound)) {
            return Ok(None);
        }
        // HUP and ERR need not be asked for. RDHUP is all that TCP shows of a client that closed;
        // on unix it is a half close, and would use up the one shot.
        let mut flags = epoll::EventFlags::ONESHOT;
        if ends.proto() == "tcp" {
            flags |= epoll::EventFlags::RDHUP;
        }
        let token = self.watched.token();
        let data = epoll::EventData::new_u64(token);
        match epoll::add(&self.epoll, &connection, data, flags) {
            // Entered before under the same number, its one shot used up.
            Err(Errno::EXIST) => epoll::modify(&self.epoll, &connection, data, flags)?,
            added => added?,
        }
        let client = (ends.proto() == "unix").then(|| socket::client_of(&connection)).flatten();
        self.watched.insert(token, Watched { id, pid: child.pid(), number, inode, ends, client });
        Ok(Some(token))
    }

    /// Clients that have gone, each once; at most 64 of them in one call, while the descriptor
    /// stays readable for the others. Never blocks.
    pub fn events(&mut self) -> Vec<Gone> {
        let mut gone = Vec::new();
        let mut events = [epoll::Event { flags: epoll::EventFlags::empty(), data: NOTHING }; BATCH];
        let taken = epoll::wait(&self.epoll, &mut events[..], Some(&NOW)).unwrap_or(0);
        for event in events.iter().take(taken) {
            let (flags, token) = (event.flags, event.data.u64());
            let Some(watched) = self.watched.remove(token) else { continue };
            match watched.judge(flags) {
                Verdict::Gone => gone.push(watched.report(flags)),
                Verdict::Nothing => {}
                Verdict::LookAgain => {
                    if let Some(seen) = self.known.get_mut(&watched.id) {
                        seen.sockets.remove(&watched.inode);
                        seen.rest = 0;
                    }
                }
            }
        }
        gone
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

/// What an event means.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Gone,
    /// The worker's own doing.
    Nothing,
    /// The next look tells: it is entered again if it is still there, and has its event again.
    LookAgain,
}

impl Watched {
    fn judge(&self, flags: epoll::EventFlags) -> Verdict {
        if !flags.intersects(epoll::EventFlags::RDHUP | epoll::EventFlags::HUP) {
            // Something in the error queue (a timestamp).
            return Verdict::LookAgain;
        }
        // TCP hangs up without an error when the worker has shut down its side, too.
        if self.is_tcp()
            && flags.contains(epoll::EventFlags::HUP)
            && !flags.contains(epoll::EventFlags::ERR)
        {
            return Verdict::Nothing;
        }
        match socket::inode_at(self.pid, self.number) {
            Ok(inode) if inode == Some(self.inode) => Verdict::Gone,
            // Closed since, or open under another number, which would be slow to search for here.
            Ok(_) => Verdict::LookAgain,
            // Where that cannot be seen the event counts.
            Err(_) => Verdict::Gone,
        }
    }

    fn report(self, flags: epoll::EventFlags) -> Gone {
        let peer = match (&self.ends.peer, self.client) {
            (Address::Unnamed, Some(client)) => format!("pid {client}"),
            (peer, _) => socket::shown(peer),
        };
        Gone {
            id: self.id,
            pid: self.pid,
            proto: self.ends.proto(),
            local: socket::shown(&self.ends.local),
            peer,
            half: self.is_tcp()
                && !flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR),
        }
    }

    fn is_tcp(&self) -> bool {
        self.ends.proto() == "tcp"
    }
}

#[cfg(test)]
mod tests;
