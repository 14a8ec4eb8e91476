//! The manager's side: making a board, and telling who is in which slot.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};

use rustix::fs::{Gid, Uid};

use crate::at_path::remove;
use crate::cell;
use crate::clock;
use crate::error::Error;
use crate::header::{self, record_at};
use crate::layout::{Geometry, Place, record, slot};
use crate::memory::{Memory, Source};
use crate::origin::Origin;
use crate::reader::{Reader, SlotsFile};
use crate::state::State;
use crate::store::Store;
use crate::writer::Writer;

/// A board, in the hands of the process that made it: the manager.
///
/// The manager gives a slot to each worker that it starts: [`prepare`](Self::prepare) before,
/// [`occupy`](Self::occupy) when it knows the pid, [`release`](Self::release) when the worker has been
/// reaped. What it says there is kept where no worker can write.
///
/// ```
/// use scoreboard::{Board, Occupant, Shape, State};
///
/// # fn main() -> Result<(), scoreboard::Error> {
/// let mut board = Board::create(Shape::new(4))?;
/// board.prepare(0)?;
/// // ... start a worker here, with a copy of `board.slots_fd(0)?` ...
/// board.occupy(0, &Occupant::new(4711).generation(1))?;
///
/// let mut worker = board.writer(0)?; // for workers that are threads, or forked without an exec
/// worker.begin(State::WRITING);
/// worker.text("GET /index.html");
///
/// let snapshot = board.reader().snapshot();
/// let slot = snapshot.get(0).expect("slot 0");
/// assert_eq!(slot.state(), State::WRITING);
/// assert_eq!(slot.worker().map(|worker| worker.pid), Some(4711));
/// assert_eq!(slot.text().map(|text| text.to_string()), Some("GET /index.html".into()));
/// # Ok(()) }
/// ```
///
/// In a child that was forked without an exec, all that manages fails with
/// [`ErrorKind::Claimed`](crate::ErrorKind::Claimed); [`writer`](Self::writer) works.
#[derive(Debug)]
pub struct Board {
    pub(crate) geometry: Geometry,
    pub(crate) facts: Store,
    pub(crate) board_fd: Arc<OwnedFd>,
    pub(crate) files: Vec<SlotsFile>,
    pub(crate) fds: Vec<Arc<OwnedFd>>,
    /// The board's name, and that of its slots.
    pub(crate) paths: Option<(PathBuf, PathBuf)>,
    pub(crate) owner: Origin,
}

/// Who is in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupant {
    pid: u32,
    generation: u64,
    pidfd_inode: u64,
}

impl Occupant {
    /// A worker of that pid, started just now.
    #[must_use]
    pub fn new(pid: u32) -> Occupant {
        Occupant { pid, generation: 0, pidfd_inode: 0 }
    }

    /// The generation that it belongs to.
    #[must_use]
    pub fn generation(self, generation: u64) -> Occupant {
        Occupant { generation, ..self }
    }

    /// Its pidfd, whose inode tells it from later processes of the same pid (Linux 6.9).
    #[must_use]
    pub fn pidfd(self, pidfd: impl AsFd) -> Occupant {
        Occupant { pidfd_inode: crate::process::inode(pidfd), ..self }
    }
}

/// What a manager wants of a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Order {
    /// Nothing: go on.
    #[default]
    Nothing,
    /// Leave, when the present request is done.
    Leave,
}

impl Order {
    pub(crate) fn from_word(word: u64) -> Order {
        if word == 1 { Order::Leave } else { Order::Nothing }
    }
}

impl Board {
    /// How many slots there are; their numbers begin at 0.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.geometry.count()
    }

    /// Makes a slot anew for a worker that is about to be started: state `S`, all counters 0, an
    /// empty text, no order.
    ///
    /// # Errors
    ///
    /// There is no such slot, or this is a forked child; or the board is a file that cannot be
    /// written (EIO, ENOSPC, EDQUOT): then some of it may have been.
    pub fn prepare(&mut self, slot: u32) -> Result<(), Error> {
        let (file, place) = self.place(slot)?;
        self.fact(slot, record::PID, 0, Release);
        self.facts.fence(Release);
        for word in [record::PIDFD_INODE, record::GENERATION, record::START, record::FORCED] {
            self.fact(slot, word, 0, Relaxed);
        }
        header::write_slots(&file.store, file.geometry);
        cell::reset(&file.store, place, State::STARTING, clock::coarse());
        self.written(slot)
    }

    /// Says which worker has the slot.
    ///
    /// # Errors
    ///
    /// As for [`prepare`](Self::prepare).
    pub fn occupy(&mut self, slot: u32, occupant: &Occupant) -> Result<(), Error> {
        self.place(slot)?;
        self.fact(slot, record::PID, 0, Release);
        self.facts.fence(Release);
        self.fact(slot, record::PIDFD_INODE, occupant.pidfd_inode, Relaxed);
        self.fact(slot, record::GENERATION, occupant.generation, Relaxed);
        self.fact(slot, record::START, clock::precise(), Relaxed);
        self.fact(slot, record::PID, occupant.pid.into(), Release);
        self.written(slot)
    }

    /// Puts a state above the worker's own, e.g. [`State::TIMING_OUT`]; `None` takes it away.
    ///
    /// # Errors
    ///
    /// As for [`prepare`](Self::prepare).
    pub fn force(&mut self, slot: u32, state: Option<State>) -> Result<(), Error> {
        self.place(slot)?;
        self.fact(slot, record::FORCED, state.map_or(0, State::word), Release);
        self.written(slot)
    }

    /// Tells a worker that looks at [`Writer::order`] what to do.
    ///
    /// # Errors
    ///
    /// As for [`prepare`](Self::prepare).
    pub fn order(&mut self, slot: u32, order: Order) -> Result<(), Error> {
        let (file, place) = self.place(slot)?;
        let word = match order {
            Order::Nothing => 0,
            Order::Leave => 1,
        };
        file.store.store(place.word(slot::ORDER), word, Release);
        self.written(slot)
    }

    /// Says that the slot has no worker any more. Its last text and counters stay until
    /// [`prepare`](Self::prepare).
    ///
    /// # Errors
    ///
    /// As for [`prepare`](Self::prepare).
    pub fn release(&mut self, slot: u32) -> Result<(), Error> {
        let (file, place) = self.place(slot)?;
        self.fact(slot, record::PID, 0, Release);
        self.fact(slot, record::FORCED, 0, Relaxed);
        for word in [slot::ORDER, slot::WRITER, slot::START] {
            file.store.store(place.word(word), 0, Relaxed);
        }
        file.store.store(place.word(slot::STATE), State::FREE.word(), Release);
        self.written(slot)
    }

    /// The descriptor for a slot's worker, which is given a copy of it, its number in
    /// `SCOREBOARD_FD` and the slot's in `SCOREBOARD_SLOT`. It is close-on-exec here.
    ///
    /// # Errors
    ///
    /// There is no such slot.
    pub fn slots_fd(&self, slot: u32) -> Result<BorrowedFd<'_>, Error> {
        let index = self.index(slot)?;
        let fd = self.fds.get(index).ok_or_else(|| self.no_such(slot))?;
        Ok(fd.as_fd())
    }

    /// The descriptor of the board file, for a reader: for example over a socket.
    #[must_use]
    pub fn board_fd(&self) -> BorrowedFd<'_> {
        self.board_fd.as_fd()
    }

    /// Makes the slots file that the slot is in another user's, so that workers that open
    /// `/proc/self/fd/N` anew may: all slots share one unless each has its own.
    ///
    /// # Errors
    ///
    /// There is no such slot, or fchown(2) fails.
    pub fn set_owner(&self, slot: u32, uid: u32, gid: u32) -> Result<(), Error> {
        if uid == u32::MAX || gid == u32::MAX {
            return Err(Error::system("fchown", std::io::Error::from(rustix::io::Errno::INVAL)));
        }
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        rustix::fs::fchown(self.slots_fd(slot)?, Some(uid), Some(gid))
            .map_err(|error| Error::system("fchown", error))
    }

    /// A writer of the slot in this process, or in a child that it has forked.
    ///
    /// # Errors
    ///
    /// There is no such slot, it has a writer, or its file cannot be mapped.
    pub fn writer(&self, slot: u32) -> Result<Writer, Error> {
        let index = self.index(slot)?;
        let file = self.files.get(index).ok_or_else(|| self.no_such(slot))?;
        match &file.store {
            Store::Mapped(region) => Writer::attach(region.clone(), file.geometry, slot),
            Store::File(_) => Writer::open(self.slots_fd(slot)?, slot),
        }
    }

    /// A reader of this board in this process.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::of_board(self.geometry, self.facts.clone(), self.files.clone())
    }

    /// Which of the slots files has the slot.
    fn index(&self, slot: u32) -> Result<usize, Error> {
        if slot >= self.geometry.count() {
            return Err(self.no_such(slot));
        }
        Ok(if self.files.len() == 1 { 0 } else { slot as usize })
    }

    fn no_such(&self, slot: u32) -> Error {
        Error::no_such_slot(slot, 0, self.geometry.count())
    }

    /// For the manager itself.
    fn place(&self, slot: u32) -> Result<(&SlotsFile, Place), Error> {
        if !self.owner.is_here() {
            return Err(Error::forked());
        }
        let file = self.files.get(self.index(slot)?);
        file.and_then(|file| Some((file, file.geometry.place(slot)?)))
            .ok_or_else(|| self.no_such(slot))
    }

    /// What the file system made of it.
    fn written(&self, slot: u32) -> Result<(), Error> {
        let file = self.files.get(self.index(slot)?);
        let (board, slots) = (self.facts.failure(), file.and_then(|file| file.store.failure()));
        let Some((path, slots_path)) = &self.paths else { return Ok(()) };
        match (board, slots) {
            (Some(error), _) => Err(Error::system(path.display().to_string(), error)),
            (None, Some(error)) => Err(Error::system(slots_path.display().to_string(), error)),
            (None, None) => Ok(()),
        }
    }

    fn fact(&self, slot: u32, word: usize, value: u64, order: std::sync::atomic::Ordering) {
        self.facts.store(record_at(slot).saturating_add(word), value, order);
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if !self.owner.is_here() {
            return;
        }
        // While the board file is there, and locked, nobody else makes files of these names.
        if let (Some((path, slots)), Some(slots_fd)) = (&self.paths, self.fds.first()) {
            remove(slots, slots_fd);
            remove(path, &self.board_fd);
        }
    }
}

#[cfg(test)]
mod tests;
