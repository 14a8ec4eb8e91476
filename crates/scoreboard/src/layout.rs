//! Where everything is in a board's files. `docs/scoreboard-format.md` says what it means.

/// Bytes of a word, the unit of every load and store.
pub(crate) const WORD: usize = 8;
/// Bytes of a cache line. Slots, and the buffers in them, are whole lines.
pub(crate) const LINE: usize = 64;
/// The header of either file; what follows begins at this offset.
pub(crate) const HEADER: usize = 4096;
pub(crate) const VERSION: u64 = 1;

/// Smallest and largest size of a slot.
pub(crate) const SLOT_SIZES: std::ops::RangeInclusive<usize> = 1024..=65_536;
/// More slots than any machine has use for.
pub(crate) const MAX_SLOTS: u32 = 1 << 20;

/// Words of the slots file's header.
pub(crate) mod slots_header {
    pub(crate) const MAGIC: u64 = u64::from_ne_bytes(*b"SCSLOTS\n");
    /// Magic, version, size of a slot, number of the first slot, count of slots.
    pub(crate) const WORDS: usize = 5;
}

/// Words of a slot.
pub(crate) mod slot {
    pub(crate) const STATE: usize = 0;
    pub(crate) const BEAT: usize = 1;
    pub(crate) const START: usize = 2;
    pub(crate) const REQUESTS: usize = 3;
    pub(crate) const BUSY: usize = 4;
    pub(crate) const BYTES: usize = 5;
    pub(crate) const TEXT: usize = 6;
    /// Words of the part that the worker writes all the time: one cache line.
    pub(crate) const HOT: usize = 8;
    pub(crate) const ORDER: usize = 8;
    pub(crate) const WRITER: usize = 9;
    /// Where buffer 0 begins, with its stamp.
    pub(crate) const BUFFERS: usize = 16;
}

/// Words of the board file's header.
pub(crate) mod board_header {
    pub(crate) const MAGIC: u64 = u64::from_ne_bytes(*b"SCBOARD\n");
    pub(crate) const SLOT_SIZE: usize = 2;
    pub(crate) const SLOTS: usize = 3;
    pub(crate) const RECORD: usize = 4;
    pub(crate) const PID: usize = 6;
    pub(crate) const PIDFD_INODE: usize = 7;
    pub(crate) const START: usize = 8;
    pub(crate) const CREATED: usize = 9;
    pub(crate) const LAYOUT: usize = 10;
    pub(crate) const SLOTS_INODE: usize = 11;
    pub(crate) const SLOTS_FD: usize = 12;
    pub(crate) const READY: usize = 13;
    pub(crate) const NAMESPACE: usize = 14;
}

/// Words of a record of the board file.
pub(crate) mod record {
    pub(crate) const SIZE: usize = 64;
    pub(crate) const PID: usize = 0;
    pub(crate) const PIDFD_INODE: usize = 1;
    pub(crate) const GENERATION: usize = 2;
    pub(crate) const START: usize = 3;
    pub(crate) const FORCED: usize = 4;
    pub(crate) const SLOTS_INODE: usize = 5;
    pub(crate) const SLOTS_FD: usize = 6;
    /// How many words a record has.
    pub(crate) const WORDS: usize = SIZE / super::WORD;
}

/// The slots of one slots file: checked, so that arithmetic with it cannot overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    size: usize,
    first: u32,
    count: u32,
}

impl Geometry {
    /// `None` when a number is out of its limits.
    pub(crate) fn new(size: u64, first: u64, count: u64) -> Option<Geometry> {
        let size = usize::try_from(size).ok()?;
        let (first, count) = (u32::try_from(first).ok()?, u32::try_from(count).ok()?);
        let end = first.checked_add(count)?;
        let good = size.is_power_of_two() && SLOT_SIZES.contains(&size);
        (good && count > 0 && end <= MAX_SLOTS).then_some(Geometry { size, first, count })
    }

    /// Bytes of a slot.
    pub(crate) fn slot_size(&self) -> usize {
        self.size
    }

    pub(crate) fn first(&self) -> u32 {
        self.first
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of text that a slot has room for.
    pub(crate) fn capacity(&self) -> usize {
        capacity(self.size)
    }

    /// Bytes of the slots file: at most 2^36.
    pub(crate) fn file_size(&self) -> u64 {
        let slots = u64::from(self.count).saturating_mul(self.size as u64);
        slots.saturating_add(HEADER as u64)
    }

    /// Where slot `number` begins, in words from the beginning of the file.
    #[inline]
    pub(crate) fn place(&self, number: u32) -> Option<Place> {
        let index = number.checked_sub(self.first).filter(|index| *index < self.count)?;
        let at = (index as usize).checked_mul(self.size)?.checked_add(HEADER)?;
        Some(Place { base: at / WORD, size: self.size })
    }
}

/// One slot in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    base: usize,
    size: usize,
}

impl Place {
    /// A slot by itself, at the beginning of its words.
    pub(crate) fn alone(geometry: Geometry) -> Place {
        Place { base: 0, size: geometry.size }
    }

    /// A word of [`slot`], from the beginning of the file.
    #[inline]
    pub(crate) fn word(&self, word: usize) -> usize {
        self.base.wrapping_add(word)
    }

    /// Where a buffer's stamp is; its text follows.
    #[inline]
    pub(crate) fn stamp(&self, sequence: u64) -> usize {
        let half = self.size.wrapping_sub(slot::BUFFERS.wrapping_mul(WORD)) / 2 / WORD;
        let skip = if sequence % 2 == 0 { 0 } else { half };
        self.base.wrapping_add(slot::BUFFERS).wrapping_add(skip)
    }

    /// Bytes of text that a buffer has room for.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        capacity(self.size)
    }
}

/// Half of what two buffers have, without the stamp.
const fn capacity(size: usize) -> usize {
    (size / 2).saturating_sub(slot::BUFFERS * WORD / 2 + WORD)
}

/// The smallest slot for a text of so many bytes.
pub(crate) fn size_for(capacity_wanted: u32) -> Option<usize> {
    let mut size = *SLOT_SIZES.start();
    while size <= *SLOT_SIZES.end() {
        if capacity(size) >= capacity_wanted as usize {
            return Some(size);
        }
        size = size.saturating_mul(2);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_document() {
        let geometry = Geometry::new(1024, 0, 3).unwrap();
        assert_eq!((geometry.capacity(), geometry.file_size()), (440, 4096 + 3 * 1024));
        let place = geometry.place(2).unwrap();
        assert_eq!(place.word(0) * WORD, 4096 + 2 * 1024);
        assert_eq!(place.stamp(0) - place.word(0), 128 / WORD);
        assert_eq!(place.stamp(1) - place.word(0), (64 + 1024 / 2) / WORD);
        assert_eq!(geometry.place(3), None);
    }

    #[test]
    fn buffers_fill_the_slot_and_never_meet() {
        let mut size = *SLOT_SIZES.start();
        while size <= *SLOT_SIZES.end() {
            let place = Geometry::new(size as u64, 5, 2).unwrap().place(6).unwrap();
            let words = place.capacity() / WORD;
            assert_eq!(place.capacity() % WORD, 0);
            assert_eq!(place.stamp(0) + 1 + words, place.stamp(1));
            assert_eq!(place.stamp(1) + 1 + words, place.word(0) + size / WORD);
            assert_eq!(place.stamp(1) * WORD % 64, 0, "its own cache line");
            assert_eq!(size_for(place.capacity() as u32), Some(size));
            size *= 2;
        }
        assert_eq!(size_for(*SLOT_SIZES.end() as u32), None);
    }

    #[test]
    fn limits() {
        assert!(Geometry::new(1024, 0, u64::from(MAX_SLOTS)).is_some());
        for (size, first, count) in [
            (1024, 0, 0),
            (1000, 0, 1),
            (512, 0, 1),
            (131_072, 0, 1),
            (0, 0, 1),
            (u64::MAX, 0, 1),
            (1024, 1, u64::from(MAX_SLOTS)),
            (1024, u64::from(u32::MAX), 1),
            (1024, u64::MAX, 1),
            (1024, 0, u64::MAX),
        ] {
            assert_eq!(Geometry::new(size, first, count), None, "{size} {first} {count}");
        }
        let geometry = Geometry::new(1024, 7, 2).unwrap();
        assert_eq!((geometry.place(6), geometry.place(9)), (None, None));
        assert_eq!(geometry.place(7).unwrap().word(0), 512);
    }
}
