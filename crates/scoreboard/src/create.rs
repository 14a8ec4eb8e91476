//! Making a board: in memfds, or in files with a name.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};

use rustix::fs::fstat;

use crate::at_path::{Draft, check_slots_place, remove, slots_path};
use crate::board::Board;
use crate::clock;
use crate::error::Error;
use crate::file::Positioned;
use crate::header::{self, BoardHeader, Layout, board_size, record_at};
use crate::layout::{Geometry, record, slot};
use crate::memory::Memory;
use crate::origin::Origin;
use crate::process::Identity;
use crate::reader::SlotsFile;
use crate::region::{Access, Region};
use crate::shape::Shape;
use crate::state::State;
use crate::store::Store;
use crate::{lock, memfd};

impl Board {
    /// A board in sealed memfds: no worker can shorten them, and nobody but this process can change
    /// what it says of the workers. All memory is allocated at once.
    ///
    /// # Errors
    ///
    /// A shape that cannot be; no descriptor or memory to be had.
    pub fn create(shape: Shape) -> Result<Board, Error> {
        Board::in_memory(shape.geometry()?, false)
    }

    /// As [`create`](Self::create), with a memfd of its own for each slot: a worker that was given
    /// one can spoil no other's. For workers of different users, each with
    /// [`set_owner`](Self::set_owner). Takes a descriptor for each slot.
    ///
    /// # Errors
    ///
    /// As for [`create`](Self::create).
    pub fn create_separate(shape: Shape) -> Result<Board, Error> {
        Board::in_memory(shape.geometry()?, true)
    }

    fn in_memory(geometry: Geometry, separate: bool) -> Result<Board, Error> {
        let (mut files, mut fds) = (Vec::new(), Vec::new());
        for part in parts(geometry, separate) {
            let fd = memfd::create("scoreboard-slots", part.file_size())?;
            memfd::seal(&fd)?;
            let region = Region::map(&fd, part.file_size(), Access::Write)
                .map_err(|error| Error::system("mmap", error))?;
            let store = Store::Mapped(Arc::new(region));
            set_up(&store, part);
            files.push(SlotsFile { store, geometry: part });
            fds.push(Arc::new(fd));
        }
        let size = board_size(geometry);
        let fd = memfd::create("scoreboard", size)?;
        let mut region =
            Region::map(&fd, size, Access::Write).map_err(|error| Error::system("mmap", error))?;
        memfd::seal_against_writers(&fd)?;
        region.keep_from_children().map_err(|error| Error::system("madvise", error))?;
        let facts = Store::Mapped(Arc::new(region));
        let layout = match fds.first() {
            Some(fd) if !separate => Layout::Together { inode: inode(fd)?, fd: Some(number(fd)) },
            _ => Layout::Separate,
        };
        if separate {
            for (slot, fd) in (0..).zip(&fds) {
                let at = record_at(slot);
                facts.store(at.saturating_add(record::SLOTS_INODE), inode(fd)?, Relaxed);
                facts.store(
                    at.saturating_add(record::SLOTS_FD),
                    header::some(Some(number(fd))),
                    Relaxed,
                );
            }
        }
        write_header(&facts, geometry, layout);
        let board_fd = Arc::new(fd);
        Ok(Board { geometry, facts, board_fd, files, fds, paths: None, owner: Origin::here() })
    }

    /// A board that others find by its path: `PATH`, which this process alone writes, and
    /// `PATH.slots` for the workers. Both have mode 0600, are allocated in full, and are removed when
    /// the board is dropped.
    ///
    /// `PATH` is locked as long as this process lives. One that a killed process has left is
    /// replaced; anything else that stands there is not. Workers of different trust are better
    /// served by a memfd: a file can be cut short under those who have mapped it. This process
    /// and readers never map it.
    ///
    /// # Errors
    ///
    /// As for [`create`](Self::create); a board in use, or a file there that is no board; a full disk.
    /// Then nothing is left behind.
    pub fn create_file(path: impl AsRef<Path>, shape: Shape) -> Result<Board, Error> {
        let geometry = shape.geometry()?;
        let path = path.as_ref();
        // The process may go elsewhere before it removes the files.
        let path = std::path::absolute(path)
            .map_err(|error| Error::system(path.display().to_string(), error))?;
        let slots = slots_path(&path);
        check_slots_place(&slots)?;
        let (of_board, board_file) = draft(&path, board_size(geometry))?;
        let (of_slots, slots_file) = draft(&slots, geometry.file_size())?;
        set_up(&slots_file, geometry);
        let layout = Layout::Together { inode: inode(of_slots.fd())?, fd: None };
        let header =
            BoardHeader { geometry, manager: Identity::own(), created: clock::precise(), layout };
        header.write(&board_file);
        let locked = lock::take(of_board.fd());
        if !locked.map_err(|error| Error::system(path.display().to_string(), error))? {
            return Err(Error::in_use(&path, 0));
        }
        let board_fd = Arc::new(of_board.take(&path)?);
        let slots_fd = of_slots.replace(&slots).inspect_err(|_| remove(&path, &board_fd))?;
        BoardHeader::complete(&board_file);
        Ok(Board {
            geometry,
            facts: board_file,
            board_fd,
            files: vec![SlotsFile { store: slots_file, geometry }],
            fds: vec![Arc::new(slots_fd)],
            paths: Some((path, slots)),
            owner: Origin::here(),
        })
    }
}

fn parts(geometry: Geometry, separate: bool) -> Vec<Geometry> {
    if !separate {
        return vec![geometry];
    }
    let size = geometry.slot_size() as u64;
    (0..geometry.count()).filter_map(|slot| Geometry::new(size, slot.into(), 1)).collect()
}

/// A new slots file: nobody is in any slot.
fn set_up(store: &Store, geometry: Geometry) {
    header::write_slots(store, geometry);
    let slots = (0..geometry.count())
        .filter_map(|index| geometry.place(geometry.first().saturating_add(index)));
    for place in slots {
        store.store(place.word(slot::STATE), State::FREE.word(), Release);
    }
}

fn write_header(facts: &Store, geometry: Geometry, layout: Layout) {
    let manager = Identity::own();
    BoardHeader { geometry, manager, created: clock::precise(), layout }.write(facts);
    BoardHeader::complete(facts);
}

fn draft(place: &Path, size: u64) -> Result<(Draft, Store), Error> {
    let draft = Draft::create(place, size)?;
    let fd = draft.fd().try_clone();
    let fd = fd.map_err(|error| Error::system(place.display().to_string(), error))?;
    Ok((draft, Store::File(Arc::new(Positioned::new(fd)))))
}

fn inode(fd: impl AsFd) -> Result<u64, Error> {
    fstat(fd).map(|stat| stat.st_ino).map_err(|error| Error::system("fstat", error))
}

fn number(fd: &OwnedFd) -> u64 {
    u64::try_from(fd.as_raw_fd()).unwrap_or(0)
}
