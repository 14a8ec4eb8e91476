//! Files that are not mapped, many slots at a time.
//!
//! A reader of the two-buffer text loads the word `text`, then the bytes, then the stamp. Here each of
//! these steps is one `pread(2)` over many slots: the first pass has what comes first, the second has
//! the bytes, the third has the stamps. What does not agree is read again, by itself.

use std::sync::atomic::Ordering;

use crate::file::Positioned;
use crate::header::record_at;
use crate::layout::{Geometry, WORD, record};
use crate::memory::Source;

/// Bytes of slots that are read at a time.
const BLOCK: usize = 64 * 1024;

/// A block of slots, read three times.
#[derive(Default)]
pub(crate) struct Passes {
    first: Vec<u8>,
    second: Vec<u8>,
    third: Vec<u8>,
    records: Vec<u8>,
    records_after: Vec<u8>,
}

/// How many slots there are in a block.
pub(crate) fn slots_in_block(geometry: Geometry) -> u32 {
    let slots = BLOCK.checked_div(geometry.slot_size()).and_then(|slots| u32::try_from(slots).ok());
    slots.unwrap_or(1).clamp(1, geometry.count())
}

impl Passes {
    /// Reads so many slots from `number` on, and their records; once only, if no texts are wanted.
    pub(crate) fn read(
        &mut self,
        facts: Option<&Positioned>,
        slots: &Positioned,
        geometry: Geometry,
        (number, count): (u32, u32),
        texts: bool,
    ) {
        let Some(place) = geometry.place(number) else {
            return;
        };
        let bytes = (count as usize).saturating_mul(geometry.slot_size());
        let record_bytes = (count as usize).saturating_mul(record::SIZE);
        if let Some(facts) = facts {
            self.records.resize(record_bytes, 0);
            facts.load_lines(record_at(number), &mut self.records);
        }
        let passes = [&mut self.first, &mut self.second, &mut self.third];
        for pass in passes.into_iter().take(if texts { 3 } else { 1 }) {
            pass.resize(bytes, 0);
            slots.load_lines(place.word(0), pass);
        }
        if let Some(facts) = facts {
            self.records_after.resize(record_bytes, 0);
            facts.load_lines(record_at(number), &mut self.records_after);
        }
    }

    /// A slot of the block, by its place in it.
    pub(crate) fn slot(&self, index: usize, geometry: Geometry) -> Pass<'_> {
        let base = index.saturating_mul(geometry.slot_size());
        Pass { first: &self.first, second: &self.second, last: &self.third, base }
    }

    /// Its record; all zeros where there are none.
    pub(crate) fn record(&self, index: usize) -> Pass<'_> {
        let base = index.saturating_mul(record::SIZE);
        Pass { first: &self.records, second: &[], last: &self.records_after, base }
    }
}

/// What three looks saw of one slot, or two of its record. Acquire loads, and those of several words,
/// are of the first look; bytes of the second; relaxed loads, which come after a fence, of the last.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'p> {
    first: &'p [u8],
    second: &'p [u8],
    last: &'p [u8],
    base: usize,
}

impl Pass<'_> {
    fn word(&self, look: &[u8], word: usize) -> u64 {
        let at = word.saturating_mul(WORD).saturating_add(self.base);
        let bytes = look.get(at..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    }
}

impl Source for Pass<'_> {
    fn load(&self, word: usize, order: Ordering) -> u64 {
        self.word(if order == Ordering::Relaxed { self.last } else { self.first }, word)
    }

    fn fence(&self, _: Ordering) {}

    fn words<const N: usize>(&self, word: usize) -> [u64; N] {
        let mut at = word;
        [(); N].map(|()| {
            let value = self.word(self.first, at);
            at = at.saturating_add(1);
            value
        })
    }

    fn load_lines(&self, word: usize, into: &mut [u8]) {
        let at = word.saturating_mul(WORD).saturating_add(self.base);
        let bytes = self.second.get(at..).unwrap_or_default();
        for (to, from) in into.iter_mut().zip(bytes) {
            *to = *from;
        }
    }
}
