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
use crate::origin::Origin;
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
    only: Option<Origin>,
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
        self.only = Some(Origin::here());
        Ok(())
    }

    /// Whether this process has the mapping: a child that was forked may not.
    #[inline]
    fn is_here(&self) -> bool {
        self.only.is_none_or(Origin::is_here)
    }

    /// One word.
    #[inline]
    fn word(&self, word: usize) -> Option<&AtomicU64> {
        if word >= self.words || !self.is_here() {
            return None;
        }
        let address = self.map.as_mut_ptr().cast::<u64>().wrapping_add(word);
        // SAFETY: the mapping is page-aligned, so the word is aligned, and it lies inside of the
        // mapping, which this process has, and which lives as long as `self`. Every access in this
        // process is atomic and whole words, and what other processes do to it is beyond any language's model: they can change
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
        if word.checked_add(count).is_none_or(|end| end > self.words) || !self.is_here() {
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

#[cfg(test)]
pub(crate) mod tests {
    use rustix::process::{Pid, WaitOptions, waitpid};

    use super::*;
    use crate::{Board, Shape, memfd};

    /// What a forked child makes of it: nothing there may allocate, other threads may be anywhere.
    pub(crate) fn in_child(holds: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child reads memory, makes system calls, and leaves by `_exit`.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let code = if holds() { 0 } else { 1 };
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(code) };
        }
        let pid = Pid::from_raw(pid).expect("fork");
        let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
        status.exit_status() == Some(0)
    }

    #[test]
    fn words_are_shared_and_bounded() {
        let fd = memfd::create("test", 4096).unwrap();
        let writer = Region::map(&fd, 4096, Access::Write).unwrap();
        let reader = Region::map(&fd, 4096, Access::Read).unwrap();
        writer.store(511, 7, Ordering::Release);
        assert_eq!(reader.load(511, Ordering::Acquire), 7);
        assert_eq!(writer.exchange(511, 7, 8), Ok(()));
        assert_eq!(writer.exchange(511, 7, 9), Err(8));
        for beyond in [512, usize::MAX] {
            writer.store(beyond, 7, Ordering::Release);
            assert_eq!(reader.load(beyond, Ordering::Acquire), 0);
            assert_eq!(writer.exchange(beyond, 0, 1), Err(0));
            assert!(reader.span(beyond, 1).is_none());
        }
        // A mapping for reading takes no stores, instead of ending the process.
        reader.store(0, 7, Ordering::Release);
        reader.store_bytes(0, b"12345678");
        assert_eq!((reader.exchange(0, 0, 1), reader.load(0, Ordering::Acquire)), (Err(0), 0));
    }

    #[test]
    fn a_forked_child_has_only_what_is_meant_for_it() {
        let fd = memfd::create("test", 4096).unwrap();
        let shared = Region::map(&fd, 4096, Access::Write).unwrap();
        let mut own = Region::map(&fd, 4096, Access::Write).unwrap();
        own.keep_from_children().unwrap();
        own.store(0, 7, Ordering::Release);
        assert!(in_child(|| {
            shared.store(1, 8, Ordering::Release);
            own.store(0, 9, Ordering::Release);
            own.load(0, Ordering::Acquire) == 0 && own.span(0, 1).is_none()
        }));
        assert_eq!((own.load(0, Ordering::Acquire), own.load(1, Ordering::Acquire)), (7, 8));
    }

    #[test]
    fn a_forked_child_does_not_manage() {
        let mut board = Board::create(Shape::new(1)).unwrap();
        assert!(in_child(|| board.prepare(0).is_err() && board.release(0).is_err()));
        board.prepare(0).unwrap();
    }
}
