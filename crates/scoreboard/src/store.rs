//! Either kind of file as one memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::file::Positioned;
use crate::layout::{LINE, WORD};
use crate::memory::{Memory, Source};
use crate::region::Region;

/// The words of a board's file.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    /// It cannot become shorter.
    Mapped(Arc<Region>),
    /// It can.
    File(Arc<Positioned>),
}

macro_rules! either {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Store::Mapped($store) => $call,
            Store::File($store) => $call,
        }
    };
}

impl Store {
    /// The error of the last write that failed, once.
    pub(crate) fn failure(&self) -> Option<rustix::io::Errno> {
        match self {
            Store::Mapped(_) => None,
            Store::File(file) => file.failure(),
        }
    }
}

impl Source for Store {
    #[inline]
    fn load(&self, word: usize, order: Ordering) -> u64 {
        either!(self, store => store.load(word, order))
    }

    #[inline]
    fn fence(&self, order: Ordering) {
        either!(self, store => store.fence(order));
    }

    #[inline]
    fn words<const N: usize>(&self, word: usize) -> [u64; N] {
        either!(self, store => store.words(word))
    }

    #[inline]
    fn line(&self, word: usize) -> [u64; LINE / WORD] {
        either!(self, store => store.line(word))
    }

    #[inline]
    fn load_lines(&self, word: usize, into: &mut [u8]) {
        either!(self, store => store.load_lines(word, into));
    }
}

impl Memory for Store {
    #[inline]
    fn store(&self, word: usize, value: u64, order: Ordering) {
        either!(self, store => store.store(word, value, order));
    }

    fn exchange(&self, word: usize, old: u64, new: u64) -> Result<(), u64> {
        either!(self, store => store.exchange(word, old, new))
    }

    #[inline]
    fn store_bytes(&self, word: usize, bytes: &[u8]) {
        either!(self, store => store.store_bytes(word, bytes));
    }
}
