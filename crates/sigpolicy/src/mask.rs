//! The calling thread's mask of blocked signals.
#![allow(unsafe_code)]

use crate::{Signal, SignalSet};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;

/// Blocks every signal in the calling thread until the guard is dropped.
///
/// A blocked signal is kept by the kernel and comes when it is unblocked. KILL and STOP cannot be
/// blocked, and the C library keeps its own two signals (32 and 33) open.
///
/// ```
/// use sigpolicy::{Signal, mask};
///
/// let before = mask::current();
/// {
///     let guard = mask::block_all();
///     assert_eq!(guard.previous(), before);
///     assert!(mask::current().contains(Signal::TERM));
/// }
/// assert_eq!(mask::current(), before);
/// ```
pub fn block_all() -> Blocked {
    Blocked { previous: exchange(SignalSet::all()), thread: PhantomData }
}

/// The signals that the calling thread blocks.
#[must_use]
pub fn current() -> SignalSet {
    let mut present = empty();
    // SAFETY: a null new set changes nothing; `present` is a valid place for the old one.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, ptr::null(), &raw mut present) };
    from_libc(&present)
}

/// Makes the calling thread block these signals and no others.
pub fn set(signals: SignalSet) {
    exchange(signals);
}

/// Signals are blocked in this thread; dropping it puts the former mask back.
///
/// It stays in its thread, for the mask belongs to that.
#[must_use = "the signals are unblocked again when this is dropped"]
#[derive(Debug)]
pub struct Blocked {
    previous: SignalSet,
    thread: PhantomData<*const ()>,
}

impl Blocked {
    /// The mask as it was, and as it will be again.
    #[must_use]
    pub fn previous(&self) -> SignalSet {
        self.previous
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        set(self.previous);
    }
}

/// Sets the mask and returns the former one.
///
/// `pthread_sigmask` fails for an unknown `how` alone, so there is nothing to report.
fn exchange(signals: SignalSet) -> SignalSet {
    let new = to_libc(signals);
    let mut old = empty();
    // SAFETY: both sets are initialised and live through the call.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const new, &raw mut old) };
    from_libc(&old)
}

pub(crate) fn empty() -> libc::sigset_t {
    let mut set = MaybeUninit::zeroed();
    // SAFETY: sigset_t is plain integers, valid when zeroed; sigemptyset then writes all of it.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

fn to_libc(signals: SignalSet) -> libc::sigset_t {
    let mut set = empty();
    for signal in signals {
        // SAFETY: `set` is initialised; a number the C library keeps for itself is refused with
        // EINVAL and stays out of the set.
        unsafe { libc::sigaddset(&raw mut set, signal.as_raw()) };
    }
    set
}

fn from_libc(set: &libc::sigset_t) -> SignalSet {
    // SAFETY: `set` is initialised, and every number asked for is a signal.
    let is_member = |signal: &Signal| unsafe { libc::sigismember(set, signal.as_raw()) } == 1;
    SignalSet::all().iter().filter(is_member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_mask_is_set_read_and_put_back() {
        // A thread of its own: the mask of the test runner's threads stays as it is.
        thread::spawn(|| {
            let wanted = SignalSet::new().with(Signal::USR1).with(Signal::from_raw(64).unwrap());
            set(wanted);
            assert_eq!(current(), wanted);
            let outer = block_all();
            let all = current();
            for signal in SignalSet::all() {
                let open = [Signal::KILL, Signal::STOP].contains(&signal)
                    || (32..=33).contains(&signal.as_raw());
                assert_eq!(all.contains(signal), !open, "{signal}");
            }
            let inner = block_all();
            assert_eq!(inner.previous(), all);
            drop(inner);
            assert_eq!(current(), all);
            drop(outer);
            assert_eq!(current(), wanted);
            set(SignalSet::new());
            assert!(current().is_empty());
        })
        .join()
        .unwrap();
    }
}
