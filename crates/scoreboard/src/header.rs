//! The headers of a board's two kinds of files, written and checked.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::layout::{Geometry, VERSION, WORD, board_header, record, slots_header};
use crate::memory::{Memory, Source};
use crate::process::Identity;

/// Writes a slots file's header: also again, should a worker have spoilt it.
pub(crate) fn write_slots(memory: &impl Memory, geometry: Geometry) {
    let words = [
        slots_header::MAGIC,
        VERSION,
        geometry.slot_size() as u64,
        geometry.first().into(),
        geometry.count().into(),
    ];
    for (word, value) in words.into_iter().enumerate() {
        memory.store(word, value, Relaxed);
    }
}

/// The slots of a slots file by its own account: `size` is what the file really has.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn slots(
    words: [u64; slots_header::WORDS],
    size: u64,
) -> Result<Geometry, &'static str> {
    let [magic, version, slot_size, first, count] = words;
    if magic != slots_header::MAGIC {
        return Err("no slots file: its first bytes are not SCSLOTS");
    }
    if version != VERSION {
        return Err("its version is not 1");
    }
    let geometry = Geometry::new(slot_size, first, count);
    let geometry = geometry.ok_or("its header has numbers that cannot be")?;
    if geometry.file_size() > size {
        Err("it is shorter than its header says")
    } else {
        Ok(geometry)
    }
}

/// Where the slots of a board are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One file, by its inode; and the manager's descriptor of it, or `PATH.slots`.
    Together { inode: u64, fd: Option<u64> },
    /// A file for each slot, named in the records.
    Separate,
}

/// What the header of a board file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BoardHeader {
    pub(crate) geometry: Geometry,
    pub(crate) manager: Identity,
    pub(crate) created: u64,
    pub(crate) layout: Layout,
}

impl BoardHeader {
    /// All but the word that says that the board is complete.
    pub(crate) fn write(&self, memory: &impl Memory) {
        let (layout, inode, fd) = match self.layout {
            Layout::Together { inode, fd } => (0, inode, some(fd)),
            Layout::Separate => (1, 0, 0),
        };
        for (word, value) in [
            (0, board_header::MAGIC),
            (1, VERSION),
            (board_header::SLOT_SIZE, self.geometry.slot_size() as u64),
            (board_header::SLOTS, self.geometry.count().into()),
            (board_header::RECORD, record::SIZE as u64),
            (board_header::PID, self.manager.pid),
            (board_header::PIDFD_INODE, self.manager.pidfd_inode),
            (board_header::START, self.manager.start),
            (board_header::NAMESPACE, self.manager.namespace),
            (board_header::CREATED, self.created),
            (board_header::LAYOUT, layout),
            (board_header::SLOTS_INODE, inode),
            (board_header::SLOTS_FD, fd),
        ] {
            memory.store(word, value, Relaxed);
        }
    }

    /// Says that everything is there.
    pub(crate) fn complete(memory: &impl Memory) {
        memory.store(board_header::READY, 1, Release);
    }

    /// # Errors
    ///
    /// What is wrong with it; a board that is just being made, too.
    pub(crate) fn read(memory: &impl Source, size: u64) -> Result<BoardHeader, &'static str> {
        let ready = memory.load(board_header::READY, Acquire);
        let word = |at| memory.load(at, Relaxed);
        if word(0) != board_header::MAGIC {
            return Err("its first bytes are neither SCBOARD nor SCSLOTS");
        }
        if ready != 1 {
            return Err("its manager has not completed it");
        }
        if word(1) != VERSION {
            return Err("its version is not 1");
        }
        let geometry = Geometry::new(word(board_header::SLOT_SIZE), 0, word(board_header::SLOTS));
        let geometry = geometry.filter(|_| word(board_header::RECORD) == record::SIZE as u64);
        let geometry = geometry.ok_or("its header has numbers that cannot be")?;
        if board_size(geometry) > size {
            return Err("it is shorter than its header says");
        }
        let layout = match word(board_header::LAYOUT) {
            0 => {
                let fd = word(board_header::SLOTS_FD).checked_sub(1);
                Layout::Together { inode: word(board_header::SLOTS_INODE), fd }
            }
            1 => Layout::Separate,
            _ => return Err("its slots are kept in a way that version 1 does not know"),
        };
        let manager = Identity {
            pid: word(board_header::PID),
            pidfd_inode: word(board_header::PIDFD_INODE),
            start: word(board_header::START),
            namespace: word(board_header::NAMESPACE),
        };
        Ok(BoardHeader { geometry, manager, created: word(board_header::CREATED), layout })
    }
}

/// A descriptor's number as a word: 0 is none.
pub(crate) fn some(fd: Option<u64>) -> u64 {
    fd.map_or(0, |fd| fd.saturating_add(1))
}

/// Bytes of the board file.
pub(crate) fn board_size(geometry: Geometry) -> u64 {
    let records = u64::from(geometry.count()).saturating_mul(record::SIZE as u64);
    records.saturating_add(crate::layout::HEADER as u64)
}

/// Where a slot's record begins, in words.
#[inline]
pub(crate) fn record_at(slot: u32) -> usize {
    (crate::layout::HEADER / WORD).saturating_add((slot as usize).saturating_mul(record::WORDS))
}
