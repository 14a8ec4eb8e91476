//! Low numbers for what a child gets.
//!
//! A child copies the table of descriptors up to the highest one that it needs, and closes the copy
//! again. With ten thousand programs a new pipe has a number of ten thousand, and that would be most
//! of the cost of a start; so a few low numbers are kept for the ends that children get.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::{DupFlags, dup3, fcntl_dupfd_cloexec};

/// As many as one child needs: its three streams and the pipe of its readiness.
const SPARE: usize = 4;
/// Below this a number is low enough.
const LOW: i32 = 64;

/// The numbers that are kept.
#[derive(Default)]
pub(super) struct Low(Vec<OwnedFd>);

impl Low {
    /// Takes as many low numbers as are wanted and free; `null` is what they stand for meanwhile.
    pub(super) fn refill(&mut self, null: &impl std::os::fd::AsFd) {
        while self.0.len() < SPARE {
            match fcntl_dupfd_cloexec(null, 3) {
                Ok(fd) if fd.as_raw_fd() < LOW => self.0.push(fd),
                // All are taken by something that lives on, or there is none at all.
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// The same thing by a low number, if one is to be had.
    pub(super) fn lower(&mut self, fd: OwnedFd) -> OwnedFd {
        if fd.as_raw_fd() < LOW {
            return fd;
        }
        let Some(mut low) = self.0.pop() else { return fd };
        match dup3(&fd, &mut low, DupFlags::CLOEXEC) {
            Ok(()) => low,
            Err(_) => fd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};

    #[test]
    fn what_is_lowered_is_the_same_thing() {
        let null = File::open("/dev/null").unwrap();
        let mut low = Low::default();
        low.refill(&null);
        let (read, write) = rustix::pipe::pipe().unwrap();
        let high = fcntl_dupfd_cloexec(&write, 100).unwrap();
        drop(write);
        let lowered = low.lower(high);
        if !low.0.is_empty() {
            assert!(lowered.as_raw_fd() < LOW);
        }
        File::from(lowered).write_all(b"through").unwrap();
        let mut text = String::new();
        File::from(read).read_to_string(&mut text).unwrap();
        assert_eq!(text, "through", "and no other end is left open");
    }
}
