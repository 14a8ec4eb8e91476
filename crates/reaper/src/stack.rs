//! The stack a child runs on while it shares the manager's memory.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// The child needs a few hundred bytes, with debug assertions a few thousand.
const USABLE: usize = 64 * 1024;
/// The largest page size of any Linux, so that the guard is whole pages.
const GUARD: usize = 64 * 1024;
const SIZE: usize = USABLE + GUARD;

/// Private memory with an inaccessible guard area at its low end.
pub(crate) struct Stack {
    lowest: NonNull<c_void>,
}

// SAFETY: the mapping belongs to this value alone and to no thread.
unsafe impl Send for Stack {}

/// One stack is kept for the next spawn; a second thread that spawns at the
/// same time maps its own.
static SPARE: Mutex<Option<Stack>> = Mutex::new(None);

impl Stack {
    /// The spare stack, or a new one.
    ///
    /// # Errors
    ///
    /// Those of `mmap(2)`.
    pub(crate) fn take() -> io::Result<Stack> {
        let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).take();
        spare.map_or_else(Stack::map, Ok)
    }

    /// Keeps the stack for the next spawn. No child may be running on it.
    pub(crate) fn give_back(self) {
        let former = SPARE.lock().unwrap_or_else(PoisonError::into_inner).replace(self);
        drop(former);
    }

    fn map() -> io::Result<Stack> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::STACK | MapFlags::NORESERVE;
        // SAFETY: a new anonymous mapping where the kernel likes.
        let lowest = unsafe { mmap_anonymous(ptr::null_mut(), SIZE, protection, flags) }?;
        let lowest = NonNull::new(lowest).ok_or(io::ErrorKind::OutOfMemory)?;
        let stack = Stack { lowest };
        // SAFETY: the guard is the low part of the mapping just made.
        unsafe { mprotect(stack.lowest.as_ptr(), GUARD, MprotectFlags::empty()) }?;
        Ok(stack)
    }

    /// The end of the mapping, where a stack that grows downwards begins;
    /// aligned as strictly as a page.
    pub(crate) fn top(&self) -> *mut c_void {
        // SAFETY: one past the end of the mapping.
        unsafe { self.lowest.as_ptr().byte_add(SIZE) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing runs on it: clone(2) with
        // CLONE_VFORK came back before anybody could drop the value. A failure
        // leaves 128 KiB of address space behind and nothing to be done.
        let _ = unsafe { munmap(self.lowest.as_ptr(), SIZE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usable_down_to_the_guard() {
        let stack = Stack::map().unwrap();
        // SAFETY: the whole usable part belongs to the mapping.
        unsafe { stack.top().cast::<u8>().sub(USABLE).write_bytes(0xa5, USABLE) };
        assert_eq!(stack.top().addr() % 64, 0);
        let (first, end) = (stack.lowest.addr().get(), stack.lowest.addr().get() + GUARD);
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        // The kernel may have joined the area with an equal neighbour.
        let guards = maps.lines().any(|line| {
            let (range, rest) = line.split_once(' ').unwrap();
            let (low, high) = range.split_once('-').unwrap();
            let [low, high] = [low, high].map(|hex| usize::from_str_radix(hex, 16).unwrap());
            low <= first && end <= high && rest.starts_with("---p")
        });
        assert!(guards, "{first:x} in:\n{maps}");
    }
}
