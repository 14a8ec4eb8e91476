//! The text of a slot: two buffers and a word that tells which of them is current.
//!
//! One writer, any number of readers, none of which waits for another. While a text is written into
//! one buffer, the other one and the word that names it stay as they are: who is killed in between
//! leaves the text of before. A reader copies the current buffer and then looks whether that
//! buffer's stamp is still the one it came for. It fails only when the writer has come round to the
//! same buffer meanwhile, which takes two whole texts, and then there is a newer text to read.
//!
//! A sequence number never begins anew, also when another worker gets the slot: a reader that was
//! held up cannot take a later text for the one it was reading.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::layout::{LINE, Place, WORD, slot};
use crate::memory::{Memory, Source};
use crate::span::Span;
use crate::state::State;
use crate::texts::Texts;

/// How often a reader tries again before it calls a text unreadable. Whoever keeps it busy for longer
/// does not keep to the protocol, and a whole board of such writers must not hold it up either.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Attempts for one text.
    each: u32,
    /// Failures until there are no more than [`LEAST`](Self::LEAST) attempts for any text.
    left: u32,
}

impl Patience {
    const LEAST: u32 = 2;

    /// For one reading of a board in memory: an attempt is a fraction of a microsecond.
    pub(crate) const MAPPED: Patience = Patience { each: 64, left: 1024 };
    /// For one reading of a file: an attempt is three system calls.
    pub(crate) const FILE: Patience = Patience { each: 16, left: 64 };

    /// For what does not change any more.
    pub(crate) const NONE: Patience = Patience { each: 1, left: 0 };

    fn attempts(&self) -> u32 {
        self.left.max(Self::LEAST).min(self.each)
    }

    /// Whether there were so many failures that a second look at a text is too much.
    pub(crate) fn is_spent(&self) -> bool {
        self.left == 0
    }

    fn failed(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    #[cfg(test)]
    pub(crate) const fn of(each: u32) -> Patience {
        Patience { each, left: u32::MAX }
    }
}

/// Sequence numbers have 48 bits, lengths 16.
const LENGTH_BITS: u32 = 16;
const LENGTHS: u64 = 0xffff;

fn sequence(text: u64) -> u64 {
    text >> LENGTH_BITS
}

/// The word for a text of so many bytes that comes after the text `last`. Never 0, which is no text.
fn next(last: u64, length: usize) -> u64 {
    let sequence = (sequence(last).wrapping_add(1) << LENGTH_BITS) >> LENGTH_BITS;
    let sequence = if sequence == 0 { 2 } else { sequence };
    (sequence << LENGTH_BITS) | (length as u64 & LENGTHS)
}

/// The beginning of `text` that a buffer of `capacity` bytes has room for, without half a character
/// at its end.
pub(crate) fn cut(text: &[u8], capacity: usize) -> &[u8] {
    let Some((fits, [beyond, ..])) = text.split_at_checked(capacity) else {
        return text;
    };
    if !is_continuation(*beyond) {
        return fits;
    }
    let tail = fits.iter().rev().take(3).take_while(|byte| is_continuation(**byte)).count();
    let lead = fits.len().saturating_sub(tail).saturating_sub(1);
    match fits.get(lead) {
        Some(0xc0..) => fits.get(..lead).unwrap_or(fits),
        // No UTF-8 at all: then every byte is as good as any.
        _ => fits,
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// What a writer knows by itself: it never reads back what others might have changed.
#[derive(Debug)]
pub(crate) struct TextWriter {
    last: u64,
}

impl TextWriter {
    /// Goes on with the sequence that is in the slot.
    pub(crate) fn attach(memory: &impl Memory, place: Place) -> TextWriter {
        TextWriter { last: memory.load(place.word(slot::TEXT), Acquire) }
    }

    /// Makes `text`, cut to the capacity, the slot's text.
    #[inline]
    pub(crate) fn write(&mut self, memory: &impl Memory, place: Place, text: &[u8]) {
        let text = cut(text, place.capacity());
        let word = next(self.last, text.len());
        let stamp = place.stamp(sequence(word));
        memory.store(stamp, 0, Relaxed);
        // Nobody may see a byte of the new text beside the old stamp.
        memory.fence(Release);
        memory.store_bytes(stamp.wrapping_add(1), text);
        memory.store(stamp, word, Release);
        memory.store(place.word(slot::TEXT), word, Release);
        self.last = word;
    }
}

/// What reading a text came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// None was ever written.
    None,
    /// Whole, and appended: so many bytes.
    Whole { length: u32 },
    /// It changed under every attempt, or its stamp is not what it should be. Nothing is appended.
    Unsteady,
}

/// How many lines of a text are fetched before it is read: those of 240 bytes.
const LINES_AHEAD: usize = 4;

/// Has the current text brought near. Where it is stands in the slot: without this, a reader waits
/// for the one and then for the other, slot after slot.
#[inline]
pub(crate) fn prefetch_text(slot: Span<'_>, place: Place) {
    let text = slot.load(place.word(slot::TEXT), Relaxed);
    let stamp = place.stamp(sequence(text));
    for line in 0..LINES_AHEAD {
        slot.prefetch(stamp.wrapping_add(line.wrapping_mul(LINE / WORD)));
    }
}

/// Appends the slot's current text. Never waits for the writer.
#[inline]
pub(crate) fn read_text(
    memory: &impl Source,
    place: Place,
    patience: &mut Patience,
    into: &mut Texts,
) -> Outcome {
    match try_text(memory, place, into) {
        Outcome::Unsteady => try_again(memory, place, patience, into),
        outcome => outcome,
    }
}

#[inline]
fn try_text(memory: &impl Source, place: Place, into: &mut Texts) -> Outcome {
    let word = memory.load(place.word(slot::TEXT), Acquire);
    if word == 0 {
        return Outcome::None;
    }
    let stamp = place.stamp(sequence(word));
    let length = (word & LENGTHS).min(place.capacity() as u64) as usize;
    memory.load_lines(stamp, into.room(length));
    memory.fence(Acquire);
    if memory.load(stamp, Relaxed) != word {
        return Outcome::Unsteady;
    }
    into.keep(length);
    Outcome::Whole { length: length as u32 }
}

/// A text that changed while it was read.
#[cold]
fn try_again(
    memory: &impl Source,
    place: Place,
    patience: &mut Patience,
    into: &mut Texts,
) -> Outcome {
    for attempt in 1..patience.attempts() {
        patience.failed();
        // Out of step with a writer that runs at the same pace.
        for _ in 0..attempt % 8 {
            std::hint::spin_loop();
        }
        match try_text(memory, place, into) {
            Outcome::Unsteady => {}
            outcome => return outcome,
        }
    }
    Outcome::Unsteady
}

/// Makes `writer` the one that writes the slot, in the place of nobody or of one that `gone` says
/// has left it.
///
/// # Errors
///
/// Who writes it already.
pub(crate) fn claim(
    memory: &impl Memory,
    place: Place,
    writer: u64,
    gone: impl Fn(u64) -> bool,
) -> Result<(), u64> {
    let word = place.word(slot::WRITER);
    match memory.exchange(word, 0, writer) {
        Err(other) if gone(other) => memory.exchange(word, other, writer),
        done => done,
    }
}

/// Makes the slot anew for the next worker: the text becomes empty, but its sequence goes on.
pub(crate) fn reset(memory: &impl Memory, place: Place, state: State, now: u64) {
    for word in [slot::START, slot::REQUESTS, slot::BUSY, slot::BYTES, slot::ORDER, slot::WRITER] {
        memory.store(place.word(word), 0, Relaxed);
    }
    TextWriter::attach(memory, place).write(memory, place, b"");
    memory.store(place.word(slot::BEAT), now, Relaxed);
    memory.store(place.word(slot::STATE), state.word(), Release);
}

#[cfg(test)]
mod tests;
