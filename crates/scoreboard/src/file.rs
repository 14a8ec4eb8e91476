//! Files that anybody may cut short at any time: never mapped, read and written by position.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::io::Errno;

use crate::layout::WORD;
use crate::memory::{Memory, Source, words_of};

/// A file's words. What cannot be read is 0; what cannot be written is lost: [`failure`](Self::failure)
/// tells, and the file's readers see that it is not there.
#[derive(Debug)]
pub(crate) struct Positioned {
    fd: OwnedFd,
    /// The error of a write that nobody has asked for yet; 0: none.
    failed: AtomicI32,
}

impl Positioned {
    pub(crate) fn new(fd: OwnedFd) -> Positioned {
        Positioned { fd, failed: AtomicI32::new(0) }
    }

    /// Fills `bytes` from a word on; with zeros where there is nothing.
    fn read(&self, word: usize, mut bytes: &mut [u8]) {
        let mut at = word.saturating_mul(WORD) as u64;
        while !bytes.is_empty() {
            match rustix::io::pread(&self.fd, &mut *bytes, at) {
                Ok(count) if count > 0 => {
                    at = at.saturating_add(count as u64);
                    bytes = bytes.get_mut(count..).unwrap_or_default();
                }
                Err(Errno::INTR) => {}
                _ => break,
            }
        }
        bytes.fill(0);
    }

    /// The error of the last write that failed, once.
    pub(crate) fn failure(&self) -> Option<Errno> {
        match self.failed.swap(0, Ordering::Relaxed) {
            0 => None,
            errno => Some(Errno::from_raw_os_error(errno)),
        }
    }

    fn fail(&self, error: Errno) {
        self.failed.store(error.raw_os_error(), Ordering::Relaxed);
    }

    fn write(&self, word: usize, mut bytes: &[u8]) {
        let mut at = word.saturating_mul(WORD) as u64;
        while !bytes.is_empty() {
            match rustix::io::pwrite(&self.fd, bytes, at) {
                Ok(count) if count > 0 => {
                    at = at.saturating_add(count as u64);
                    bytes = bytes.get(count..).unwrap_or_default();
                }
                Err(Errno::INTR) => {}
                Ok(_) => return self.fail(Errno::IO),
                Err(error) => return self.fail(error),
            }
        }
    }
}

impl Source for Positioned {
    fn load(&self, word: usize, _: Ordering) -> u64 {
        let [value] = self.words(word);
        value
    }

    /// System calls of one process stay in their order.
    fn fence(&self, _: Ordering) {}

    fn words<const N: usize>(&self, word: usize) -> [u64; N] {
        let mut bytes = [[0; WORD]; N];
        self.read(word, bytes.as_flattened_mut());
        bytes.map(u64::from_ne_bytes)
    }

    fn load_lines(&self, word: usize, into: &mut [u8]) {
        self.read(word, into);
    }
}

impl Memory for Positioned {
    fn store(&self, word: usize, value: u64, _: Ordering) {
        self.write(word, &value.to_ne_bytes());
    }

    /// Reads, then writes: only the one manager of a board has use for it.
    fn exchange(&self, word: usize, old: u64, new: u64) -> Result<(), u64> {
        let present = self.load(word, Ordering::Relaxed);
        if present == old {
            self.store(word, new, Ordering::Relaxed);
            return Ok(());
        }
        Err(present)
    }

    fn store_bytes(&self, word: usize, bytes: &[u8]) {
        let padded: Vec<u8> = words_of(bytes).flat_map(u64::to_ne_bytes).collect();
        self.write(word, &padded);
    }
}
