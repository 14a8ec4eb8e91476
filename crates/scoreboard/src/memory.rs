//! What the protocols need of a memory that others write too: whole words, in order.

use std::sync::atomic::Ordering;

use crate::layout::{LINE, WORD};

/// Words shared with other processes, to be read. What is beyond their end reads as 0: a reader takes
/// that for an invalid slot.
///
/// Orderings are those of [`std::sync::atomic`]. Implemented by mapped regions, by files read with
/// `pread(2)`, and by the tests' models.
pub(crate) trait Source {
    fn load(&self, word: usize, order: Ordering) -> u64;

    fn fence(&self, order: Ordering);

    /// `N` words, the first of them before all that is loaded later.
    #[inline]
    fn words<const N: usize>(&self, word: usize) -> [u64; N] {
        let mut words = [0; N];
        let mut order = Ordering::Acquire;
        for (at, to) in (word..).zip(&mut words) {
            *to = self.load(at, order);
            order = Ordering::Relaxed;
        }
        words
    }

    /// The eight words of a line, in any order.
    #[inline]
    fn line(&self, word: usize) -> [u64; LINE / WORD] {
        self.words(word)
    }

    /// Fills `into`, which is whole lines, from a word on; each word relaxed.
    #[inline]
    fn load_lines(&self, word: usize, into: &mut [u8]) {
        for (at, to) in (word..).zip(into.chunks_exact_mut(WORD)) {
            to.copy_from_slice(&self.load(at, Ordering::Relaxed).to_ne_bytes());
        }
    }
}

/// Words shared with other processes. What is beyond their end cannot be written.
pub(crate) trait Memory: Source {
    fn store(&self, word: usize, value: u64, order: Ordering);

    /// Puts `new` where `old` is; or tells what is there instead.
    fn exchange(&self, word: usize, old: u64, new: u64) -> Result<(), u64>;

    /// Stores bytes from a word on, the last word filled up with zeros; each word relaxed.
    #[inline]
    fn store_bytes(&self, word: usize, bytes: &[u8]) {
        for (at, value) in (word..).zip(words_of(bytes)) {
            self.store(at, value, Ordering::Relaxed);
        }
    }
}

/// Bytes as words, the last one filled up with zeros.
pub(crate) fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks(WORD).map(word_of)
}

/// At most eight bytes as a word, filled up with zeros.
#[inline]
pub(crate) fn word_of(bytes: &[u8]) -> u64 {
    if let Ok(whole) = bytes.try_into() {
        return u64::from_ne_bytes(whole);
    }
    let mut word = [0; WORD];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_ne_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_is_filled_up() {
        let words: Vec<u64> = words_of(b"12345678ab").collect();
        assert_eq!(
            words,
            [u64::from_ne_bytes(*b"12345678"), u64::from_ne_bytes(*b"ab\0\0\0\0\0\0")]
        );
        assert_eq!(words_of(b"").count(), 0);
    }
}
