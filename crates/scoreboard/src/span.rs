//! Some words of a mapped region, found once and used often.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use crate::layout::{LINE, WORD};
use crate::line;
use crate::memory::{Source, word_of};

/// Words stored in a turn, a line of them: the compiler unrolls no loop over atomics whose end it does
/// not know.
const TURN: usize = LINE / WORD;

/// Words that others write, too. Words beyond the end read as 0.
#[derive(Clone, Copy)]
pub(crate) struct Span<'m>(pub(crate) &'m [AtomicU64]);

impl<'m> Span<'m> {
    /// Parts of so many words.
    pub(crate) fn parts(self, words: usize) -> impl Iterator<Item = Span<'m>> {
        self.0.chunks_exact(words.max(1)).map(Span)
    }

    /// Has the line of a word brought near. It may be beyond the end.
    #[inline]
    pub(crate) fn prefetch(self, word: usize) {
        line::prefetch(self.0, word);
    }

    /// Stores bytes into just as many words, the last one filled up with zeros; each word relaxed.
    /// The mapping has to be one for writing.
    #[inline]
    pub(crate) fn store_bytes(self, bytes: &[u8]) {
        let mut turns = bytes.chunks_exact(TURN * WORD);
        for (turn, words) in turns.by_ref().zip(self.0.chunks_exact(TURN)) {
            let mut values = [[0; WORD]; TURN];
            values.as_flattened_mut().copy_from_slice(turn);
            for (value, word) in values.into_iter().zip(words) {
                word.store(u64::from_ne_bytes(value), Ordering::Relaxed);
            }
        }
        let done = (bytes.len() / (TURN * WORD)).wrapping_mul(TURN);
        let mut values = turns.remainder().chunks_exact(WORD);
        for (value, word) in values.by_ref().zip(self.0.get(done..).unwrap_or_default()) {
            word.store(word_of(value), Ordering::Relaxed);
        }
        if let ([.., last], false) = (self.0, values.remainder().is_empty()) {
            last.store(word_of(values.remainder()), Ordering::Relaxed);
        }
    }
}

impl Source for Span<'_> {
    #[inline]
    fn load(&self, word: usize, order: Ordering) -> u64 {
        let value = self.0.get(word).map_or(0, |word| word.load(Ordering::Relaxed));
        if order != Ordering::Relaxed {
            fence(order);
        }
        value
    }

    #[inline]
    fn fence(&self, order: Ordering) {
        fence(order);
    }

    #[inline]
    fn words<const N: usize>(&self, word: usize) -> [u64; N] {
        let mut values = [0; N];
        if let Some(words) = self.0.get(word..).and_then(|words| words.get(..N)) {
            let mut pairs = values.iter_mut().zip(words);
            if let Some((value, word)) = pairs.next() {
                *value = word.load(Ordering::Relaxed);
                fence(Ordering::Acquire);
            }
            for (value, word) in pairs {
                *value = word.load(Ordering::Relaxed);
            }
        }
        values
    }

    #[inline]
    fn line(&self, word: usize) -> [u64; LINE / WORD] {
        let words = self.0.get(word..).and_then(<[AtomicU64]>::first_chunk);
        words.map_or([0; LINE / WORD], |words| {
            let mut bytes = [[0; WORD]; LINE / WORD];
            if let Ok(into) = bytes.as_flattened_mut().try_into() {
                line::copy(words, into);
            }
            bytes.map(u64::from_ne_bytes)
        })
    }

    #[inline]
    fn load_lines(&self, word: usize, into: &mut [u8]) {
        let words = self.0.get(word..).unwrap_or_default().chunks_exact(TURN);
        for (to, words) in into.chunks_exact_mut(LINE).zip(words) {
            if let (Ok(to), Ok(words)) = (to.try_into(), words.try_into()) {
                line::copy(words, to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_every_length_go_round() {
        for length in 0..300_usize {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8 | 1).collect();
            let words: Vec<_> = (0..length.div_ceil(8)).map(|_| AtomicU64::new(u64::MAX)).collect();
            Span(&words).store_bytes(&bytes);
            let stored = words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes());
            let stored: Vec<u8> = stored.collect();
            assert_eq!(stored[..length], bytes);
            assert!(stored[length..].iter().all(|byte| *byte == 0), "filled up with zeros");
            let mut read = vec![0; length.next_multiple_of(64)];
            Span(&words).load_lines(0, &mut read);
            let whole = stored.len() / 64 * 64;
            assert_eq!(read[..whole], stored[..whole], "whole lines, as far as there are any");
        }
    }
}
