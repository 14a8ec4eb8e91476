//! Everybody's side: reading a board whose workers may write anything at any time.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat, stat};

use crate::at_path::slots_path;
use crate::cell::Patience;
use crate::clock;
use crate::error::Error;
use crate::file::Positioned;
use crate::header::{self, BoardHeader, Layout, record_at};
use crate::layout::{Geometry, record, slots_header};
use crate::memory::Source;
use crate::reading::{Each, File, Sink};
use crate::region::{Access, Region};
use crate::snapshot::{Row, SlotView, Snapshot};
use crate::store::Store;
use crate::texts::Texts;
use crate::{lock, memfd};

/// A board to be looked at.
///
/// Nothing that a worker has written is trusted: no length, no letter, no header. A reader never
/// waits for anybody, and takes no lock. Files that cannot shrink (sealed memfds) are mapped; all
/// others are read with `pread(2)`, so that nobody can end the reader by truncating them.
///
/// ```
/// # fn main() -> Result<(), scoreboard::Error> {
/// # let board = scoreboard::Board::create(scoreboard::Shape::new(2))?;
/// # use std::os::fd::AsRawFd;
/// # let path = format!("/proc/self/fd/{}", board.board_fd().as_raw_fd());
/// let reader = scoreboard::Reader::open(path)?;
/// let mut snapshot = reader.snapshot();
/// for slot in snapshot.iter() {
///     println!("{} {} {}", slot.number(), slot.state(), slot.requests());
/// }
/// reader.read(&mut snapshot); // again, into the same memory
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Reader {
    geometry: Geometry,
    board: Option<BoardFile>,
    /// One for all slots, or one for each, in their order.
    files: Vec<SlotsFile>,
}

#[derive(Debug)]
struct BoardFile {
    facts: Store,
    /// For the question whether it is locked, where it is a file.
    fd: Option<OwnedFd>,
}

/// A slots file and which slots it has.
#[derive(Clone, Debug)]
pub(crate) struct SlotsFile {
    pub(crate) store: Store,
    pub(crate) geometry: Geometry,
}

/// Who made a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manager {
    /// Its pid.
    pub pid: u32,
    /// When it made the board: nanoseconds of CLOCK_MONOTONIC.
    pub created: u64,
}

impl Reader {
    /// The board at a path: that of a board made by [`Board::create_file`](crate::Board::create_file),
    /// or `/proc/PID/fd/N` of a manager's board file. A slots file can be read by itself; then
    /// nothing is known but what the workers say.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or is no board, or one that is not complete.
    pub fn open(path: impl AsRef<Path>) -> Result<Reader, Error> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let fd = open_regular(path, &name, None)?;
        Reader::new(fd, &name, |fd| match fd {
            // The descriptors beside this one.
            Some(fd) => path.with_file_name(fd.to_string()),
            None if slots_path(path).exists() => slots_path(path),
            // A link, as those in /proc/PID/fd are.
            None => slots_path(&std::fs::read_link(path).unwrap_or_else(|_| path.to_owned())),
        })
    }

    /// The board whose board file (or slots file) was handed over, e.g. through a socket. The slots
    /// files of a board file are looked for in the manager's `/proc/PID/fd`.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub fn from_fd(fd: OwnedFd) -> Result<Reader, Error> {
        let own = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        let [pid] = Positioned::new(copy(&fd)?).words(crate::layout::board_header::PID);
        Reader::new(fd, "the descriptor", |fd| match fd {
            Some(fd) => PathBuf::from(format!("/proc/{pid}/fd/{fd}")),
            None => std::fs::read_link(&own).map(|path| slots_path(&path)).unwrap_or_default(),
        })
    }

    fn new(
        fd: OwnedFd,
        name: &str,
        beside: impl Fn(Option<u64>) -> PathBuf,
    ) -> Result<Reader, Error> {
        let size = size_of(&fd, name)?;
        let words = Positioned::new(copy(&fd)?).words::<{ slots_header::WORDS }>(0);
        if words.first() == Some(&slots_header::MAGIC) {
            let geometry =
                header::slots(words, size).map_err(|why| Error::not_a_board(name, why))?;
            let store = store(fd, geometry.file_size())?;
            return Ok(Reader {
                geometry,
                board: None,
                files: vec![SlotsFile { store, geometry }],
            });
        }
        let board_stat = fstat(&fd).map_err(|error| Error::system(name, error))?;
        let asked = if memfd::cannot_shrink(&fd) { None } else { opened_anew(&fd) };
        let facts = store(fd, size)?;
        let header =
            BoardHeader::read(&facts, size).map_err(|why| Error::not_a_board(name, why))?;
        let geometry = header.geometry;
        let file = |inode: u64, fd: Option<u64>, geometry: Geometry| {
            let path = beside(fd);
            let name = path.display().to_string();
            let fd = open_regular(&path, &name, Some((inode, &board_stat)))?;
            if size_of(&fd, &name)? < geometry.file_size() {
                return Err(Error::not_a_board(name, "it is shorter than the board says"));
            }
            let owner = fstat(&fd).map_err(|error| Error::system(&*name, error))?.st_uid;
            let store = store(fd, geometry.file_size())?;
            // A worker may spoil the header of a file that is the manager's own; but what a board
            // says must not make its reader show another user's files.
            if owner != board_stat.st_uid && store.words(0) != [slots_header::MAGIC] {
                return Err(Error::not_a_board(name, "it is another user's, and no slots file"));
            }
            Ok(SlotsFile { store, geometry })
        };
        let files = match header.layout {
            Layout::Together { inode, fd } => vec![file(inode, fd, geometry)?],
            Layout::Separate => {
                let one = |slot: u32| {
                    let [.., inode, fd, _] = facts.words::<{ record::WORDS }>(record_at(slot));
                    let geometry = Geometry::new(geometry.slot_size() as u64, slot.into(), 1);
                    let geometry =
                        geometry.ok_or_else(|| Error::not_a_board(name, "too many slots"))?;
                    // What one worker has done to its own file is no reason to read none.
                    match file(inode, fd.checked_sub(1), geometry) {
                        Ok(file) => Ok(file),
                        Err(error) => empty(geometry).ok_or(error),
                    }
                };
                (0..geometry.count()).map(one).collect::<Result<_, Error>>()?
            }
        };
        Ok(Reader { geometry, board: Some(BoardFile { facts, fd: asked }), files })
    }

    pub(crate) fn of_board(geometry: Geometry, facts: Store, files: Vec<SlotsFile>) -> Reader {
        Reader { geometry, board: Some(BoardFile { facts, fd: None }), files }
    }

    /// How many slots there are.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.geometry.count()
    }

    /// Who made the board; `None` for a slots file alone.
    #[must_use]
    pub fn manager(&self) -> Option<Manager> {
        let header = self.header()?;
        let pid = u32::try_from(header.manager.pid).ok()?;
        Some(Manager { pid, created: header.created })
    }

    fn header(&self) -> Option<BoardHeader> {
        BoardHeader::read(&self.board.as_ref()?.facts, u64::MAX).ok()
    }

    /// Whether the manager has gone: nobody holds the lock of its file, or the process that made the
    /// board is no more. `false` for a slots file alone, of which nothing is known.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        let Some(board) = &self.board else {
            return false;
        };
        let unlocked = board.fd.as_ref().is_some_and(|fd| matches!(lock::is_taken(fd), Ok(false)));
        unlocked || self.header().is_none_or(|header| !header.manager.is_alive())
    }

    /// All slots as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        self.read(&mut snapshot);
        snapshot
    }

    /// As [`snapshot`](Self::snapshot), in the memory of an earlier one: nothing is allocated unless
    /// there is more to tell.
    pub fn read(&self, into: &mut Snapshot) {
        let mut all = into.begin(clock::precise(), self.geometry.count() as usize);
        self.read_into(&mut all);
    }

    /// Reads the slots in the order of their numbers, and shows each before it reads the next: for
    /// those who keep nothing.
    ///
    /// ```
    /// # fn main() -> Result<(), scoreboard::Error> {
    /// # let board = scoreboard::Board::create(scoreboard::Shape::new(2))?;
    /// # let reader = board.reader();
    /// let mut idle = 0;
    /// reader.each(&mut |slot| idle += u32::from(slot.state().is_idle()));
    /// # assert_eq!(idle, 0); Ok(()) }
    /// ```
    pub fn each(&self, visit: &mut dyn FnMut(SlotView<'_>)) {
        let (row, texts, taken) = (Row::default(), Texts::default(), clock::precise());
        self.read_into(&mut Each::<true> { row, texts, taken, visit });
    }

    /// As [`each`](Self::each) without the texts, which are `None`: in half the time: for a manager that looks
    /// often.
    pub fn each_state(&self, visit: &mut dyn FnMut(SlotView<'_>)) {
        let (row, texts, taken) = (Row::default(), Texts::default(), clock::precise());
        self.read_into(&mut Each::<false> { row, texts, taken, visit });
    }

    fn read_into(&self, sink: &mut impl Sink) {
        let patience = &mut match self.files.first() {
            Some(SlotsFile { store: Store::Mapped(_), .. }) => Patience::MAPPED,
            _ => Patience::FILE,
        };
        let facts = self.board.as_ref().map(|board| &board.facts);
        for file in &self.files {
            File { facts, slots: &file.store, geometry: file.geometry }.read(sink, patience);
        }
    }
}

/// The same file by another open file description: the lock may be that of the one at hand, which then
/// would not be in its own way.
fn opened_anew(fd: &OwnedFd) -> Option<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// A file of nothing: its slot is not valid.
fn empty(geometry: Geometry) -> Option<SlotsFile> {
    let fd = openat(CWD, "/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    Some(SlotsFile { store: Store::File(Arc::new(Positioned::new(fd))), geometry })
}

fn copy(fd: &OwnedFd) -> Result<OwnedFd, Error> {
    fd.try_clone().map_err(|error| Error::system("dup", error))
}

fn store(fd: OwnedFd, size: u64) -> Result<Store, Error> {
    if !memfd::cannot_shrink(&fd) {
        return Ok(Store::File(Arc::new(Positioned::new(fd))));
    }
    // It may have been shortened just before it was sealed.
    if size_of(&fd, "the descriptor")? < size {
        return Err(Error::not_a_board("the descriptor", "it became shorter meanwhile"));
    }
    let region = Region::map(&fd, size, Access::Read);
    Ok(Store::Mapped(Arc::new(region.map_err(|error| Error::system("mmap", error))?)))
}

fn size_of(fd: impl AsFd, name: &str) -> Result<u64, Error> {
    let stat = fstat(fd).map_err(|error| Error::system(name, error))?;
    Ok(u64::try_from(stat.st_size).unwrap_or(0))
}

/// Opens a regular file; one beside a board has that inode, and is on the board's file system.
/// Anything else is not even opened.
fn open_regular(path: &Path, name: &str, beside: Option<(u64, &Stat)>) -> Result<OwnedFd, Error> {
    let check = |stat: &Stat| {
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::not_a_board(name, "it is no regular file"));
        }
        match beside {
            Some((inode, board)) if (inode, board.st_dev) != (stat.st_ino, stat.st_dev) => {
                Err(Error::not_a_board(name, "it is not the file that the board names"))
            }
            _ => Ok(()),
        }
    };
    let failed = |error| Error::system(name, error);
    check(&stat(path).map_err(failed)?)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = openat(CWD, path, flags, Mode::empty()).map_err(failed)?;
    check(&fstat(&fd).map_err(failed)?)?;
    Ok(fd)
}
