//! Telling a process from the children that it forks, also where a child has the same pid: in a pid
//! namespace of its own.
#![allow(unsafe_code)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use rustix::process::getpid;

/// A process, as it is told apart from its parent and its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin(u64);

/// A page that the kernel empties in every forked child.
static PAGE: OnceLock<Option<MmapRaw>> = OnceLock::new();
/// The next mark. A child goes on where its parent was at the fork, so it never takes a mark that
/// one of its ancestors has.
static NEXT: AtomicU64 = AtomicU64::new(1);
/// Where the page cannot be had, the pid has to do: beyond all marks.
const PID: u64 = 1 << 63;

impl Origin {
    /// The calling process.
    #[inline]
    pub(crate) fn here() -> Origin {
        let Some(map) = PAGE.get_or_init(page) else {
            return Origin(PID | u64::from(getpid().as_raw_nonzero().get().unsigned_abs()));
        };
        // SAFETY: the mapping is page-aligned, longer than a word, never unmapped, and in children,
        // too. It is accessed as this atomic alone; the kernel empties it before a child runs.
        let word = unsafe { AtomicU64::from_ptr(map.as_mut_ptr().cast()) };
        match word.load(Ordering::Relaxed) {
            0 => {
                let mark = NEXT.fetch_add(1, Ordering::Relaxed);
                let former = word.compare_exchange(0, mark, Ordering::Relaxed, Ordering::Relaxed);
                // Another thread was quicker.
                Origin(former.err().unwrap_or(mark))
            }
            mark => Origin(mark),
        }
    }

    /// Nobody.
    #[cfg(test)]
    pub(crate) const NONE: Origin = Origin(0);

    #[inline]
    pub(crate) fn is_here(self) -> bool {
        self == Origin::here()
    }
}

/// Emulators and old kernels do not know the advice.
fn page() -> Option<MmapRaw> {
    let map = MmapRaw::from(MmapOptions::new().len(size_of::<u64>()).map_anon().ok()?);
    // SAFETY: the whole of a private mapping of ours. What changes is what children find there,
    // which zero is a valid value for.
    let done = unsafe { libc::madvise(map.as_mut_ptr().cast(), map.len(), libc::MADV_WIPEONFORK) };
    (done == 0).then_some(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::tests::in_child;
    use crate::{Board, ErrorKind, Shape};

    #[test]
    fn one_for_each_process() {
        let here = Origin::here();
        assert!(here.is_here());
        assert_eq!(std::thread::spawn(Origin::here).join().unwrap(), here);
        assert!(in_child(|| {
            let child = Origin::here();
            child != here && child.is_here() && in_child(|| !child.is_here() && !here.is_here())
        }));
        assert!(here.is_here());
    }

    /// The next child is the first process of a new pid namespace.
    fn as_process_one() -> bool {
        // SAFETY: no memory is involved; what changes is where children of this process are put.
        unsafe { libc::unshare(libc::CLONE_NEWPID) == 0 }
    }

    #[test]
    fn a_forked_child_with_the_managers_pid_does_not_manage() {
        if !in_child(as_process_one) {
            eprintln!("skipped: no new pid namespace is permitted here");
            return;
        }
        assert!(in_child(|| {
            as_process_one()
                && in_child(|| {
                    let own = getpid();
                    let Ok(mut board) = Board::create(Shape::new(1)) else { return false };
                    as_process_one()
                        && in_child(|| {
                            let refused = board.prepare(0).err().map(|error| error.kind());
                            getpid() == own && refused == Some(ErrorKind::Claimed)
                        })
                        && board.prepare(0).is_ok()
                })
        }));
    }
}
