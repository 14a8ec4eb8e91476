//! Many texts in one piece of memory that is used again and again.

use crate::layout::{LINE, WORD};

/// Texts one after the other, each with the word before it, as it is in its slot: whole cache lines
/// are copied from there. Memory that was filled once is not cleared again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    bytes: Vec<u8>,
    end: usize,
}

impl Texts {
    /// Forgets all texts, or those from `end` on.
    #[inline]
    pub(crate) fn cut(&mut self, end: usize) {
        self.end = self.end.min(end);
    }

    /// Where the next text begins, word and all.
    #[inline]
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// Room for a text of so many bytes and the word before it, in whole lines. It holds anything.
    #[inline]
    pub(crate) fn room(&mut self, length: usize) -> &mut [u8] {
        let end = self.end.wrapping_add(lines(length));
        if self.bytes.len() < end {
            self.grow(end);
        }
        self.bytes.get_mut(self.end..end).unwrap_or_default()
    }

    #[cold]
    fn grow(&mut self, end: usize) {
        self.bytes.resize(end, 0);
    }

    /// What was put into the room is a text.
    #[inline]
    pub(crate) fn keep(&mut self, length: usize) {
        self.end = self.end.wrapping_add(lines(length));
    }

    /// The text of so many bytes that begins there, word and all.
    pub(crate) fn text(&self, start: usize, length: usize) -> &[u8] {
        let after = self.bytes.get(start..).and_then(|bytes| bytes.get(WORD..));
        after.and_then(|bytes| bytes.get(..length)).unwrap_or_default()
    }
}

/// Bytes of the lines that a text and its word take.
#[inline]
fn lines(length: usize) -> usize {
    length.wrapping_add(WORD).next_multiple_of(LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_follow_each_other() {
        let mut texts = Texts::default();
        for round in 0..2_u8 {
            texts.cut(0);
            assert_eq!(texts.room(3).len(), 64);
            texts.room(3).fill(b'a' + round);
            texts.keep(3);
            let second = texts.end();
            assert_eq!(texts.room(57).len(), 128);
            texts.room(57).fill(b'x');
            texts.keep(57);
            texts.cut(second);
            texts.room(56).fill(b'm' + round);
            texts.keep(56);
            assert_eq!(texts.text(0, 3), [b'a' + round; 3]);
            assert_eq!(texts.text(second, 56), [b'm' + round; 56]);
        }
        assert_eq!(texts.text(128, 1000), b"");
        assert_eq!(texts.text(usize::MAX, 1), b"");
    }
}
