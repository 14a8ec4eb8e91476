//! The clock of all times in a board: CLOCK_MONOTONIC, in nanoseconds.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// To the tick of the kernel (1 to 10 ms): a few nanoseconds, without a system call.
#[inline]
pub(crate) fn coarse() -> u64 {
    nanoseconds(clock_gettime(ClockId::MonotonicCoarse))
}

/// To the nanosecond: some twenty of them.
pub(crate) fn precise() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

#[inline]
fn nanoseconds(time: Timespec) -> u64 {
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tell_the_same_time() {
        let (first, coarse, last) = (precise(), coarse(), precise());
        assert!(first <= last);
        assert!(coarse <= last && last - coarse < 100_000_000, "{coarse} {last}");
    }
}
