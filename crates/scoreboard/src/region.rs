//! Mapped files: the one place that turns an address into words. Everything goes through atomics; no
//! reference into shared memory ever exists, since other processes write it at any time.
#![allow(unsafe_code)]

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU64, Ordering, fence};

use memmap2::{Advice, MmapOptions, MmapRaw};

use crate::layout::WORD;
use crate::memory::{Memory, Source};
use crate::span::Span;

/// A file's words, shared with whoever else has mapped it.
///
/// The file must not become shorter while it is mapped: an access beyond its end is a SIGBUS. Sealed
/// memfds cannot.
#[derive(Debug)]
pub(crate) struct Region {
    map: ManuallyDrop<MmapRaw>,
    words: usize,
    access: Access,
    /// The process that has the mapping, when its forked children have not.
    only: Option<rustix::process::Pid>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Region {
    /// Maps the first `size` bytes.
    pub(crate) fn map(fd: impl AsFd, size: u64, access: Access) -> io::Result<Region> {
        let bytes = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let raw = fd.as_fd().as_raw_fd();
        let mut options = MmapOptions::new();
        let map = match access {
            Access::Read => options.len(bytes).map_raw_read_only(raw)?,
            Access::Write => options.len(bytes).map_raw(raw)?,
        };
        Ok(Region { map: ManuallyDrop::new(map), words: bytes / WORD, access, only: None })
    }

    /// Keeps the mapping from children that this process forks: for them there is nothing at its
    /// address, not even after they have become somebody's untrusted worker.
    pub(crate) fn keep_from_children(&mut self) -> io::Result<()> {
        self.map.advise(Advice::DontFork)?;
        self.only = Some(rustix::process::getpid());
        Ok(())
    }

    /// Whether this process has the mapping: a child that was forked may not.
    pub(crate) fn is_here(&self) -> bool {
        self.only.is_none_or(|pid| pid == rustix::process::getpid())
    }

    /// One word.
    #[inline]
    fn word(&self, word: usize) -> Option<&AtomicU64> {
        if word >= self.words {
            return None;
        }
        let address = self.map.as_mut_ptr().cast::<u64>().wrapping_add(word);
        // SAFETY: the mapping is page-aligned, so the word is aligned, and it lies inside of the
        // mapping, which lives as long as `self`. Every access in this process is atomic and whole
        // words, and what other processes do to it is beyond any language's model: they can change
        // values, which atomics allow for. Nobody writes through a region mapped for reading:
        // `store` and `claim` look at the access before.
        Some(unsafe { AtomicU64::from_ptr(address) })
    }

    #[inline]
    fn writable(&self, word: usize) -> Option<&AtomicU64> {
        if self.access == Access::Write { self.word(word) } else { None }
    }

    /// `count` words, if all of them are there.
    #[inline]
    pub(crate) fn span(&self, word: usize, count: usize) -> Option<Span<'_>> {
        if word.checked_add(count).is_none_or(|end| end > self.words) {
            return None;
        }
        let address = self.map.as_ptr().cast::<AtomicU64>().wrapping_add(word);
        // SAFETY: as for `word`: aligned, inside of the mapping, and a slice of atomics promises
        // nothing about the values. A page that is mapped for reading only may be referred to as
        // atomics as long as nothing stores through them.
        Some(Span(unsafe { std::slice::from_raw_parts(address, count) }))
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // In a forked child that never had the mapping, something else may be at its address by now.
        if self.is_here() {
            // SAFETY: dropped here and nowhere else; nothing refers to it any more.
            unsafe { ManuallyDrop::drop(&mut self.map) };
        }
    }
}

impl Source for Region {
    /// Of a mapping for reading only, relaxed loads alone are defined; a fence makes them acquire.
    #[inline]
    fn load(&self, word: usize, order: Ordering) -> u64 {
        let value = self.word(word).map_or(0, |word| word.load(Ordering::Relaxed));
        if order != Ordering::Relaxed {
            fence(order);
        }
        value
    }

    #[inline]
    fn fence(&self, order: Ordering) {
        fence(order);
    }
}

impl Memory for Region {
    #[inline]
    fn store(&self, word: usize, value: u64, order: Ordering) {
        if let Some(word) = self.writable(word) {
            word.store(value, order);
        }
    }

    fn exchange(&self, word: usize, old: u64, new: u64) -> Result<(), u64> {
        let Some(word) = self.writable(word) else {
            return Err(0);
        };
        word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).map(drop)
    }

    #[inline]
    fn store_bytes(&self, word: usize, bytes: &[u8]) {
        let span = self.span(word, bytes.len().div_ceil(WORD));
        if let Some(span) = span.filter(|_| self.access == Access::Write) {
            span.store_bytes(bytes);
        }
    }
}
