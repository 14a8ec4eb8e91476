//! A set of signals as 64 bits.

use crate::Signal;
use std::fmt;

/// A set of signals, one bit each: signal 1 is the lowest bit, as in `/proc/PID/status`.
///
/// ```
/// use sigpolicy::{Signal, SignalSet};
///
/// let set = SignalSet::new().with(Signal::TERM).with(Signal::HUP);
/// assert_eq!(format!("{set:?}"), "{HUP, TERM}");
/// assert_eq!(set.bits(), 0x4001);
/// ```
#[derive(Copy, Clone, PartialEq, Eq, Hash, Default)]
pub struct SignalSet(u64);

/// The bit of a signal: it is 1 to 64, so the shift never overflows.
const fn bit(signal: Signal) -> u64 {
    1_u64.wrapping_shl(signal.as_raw().wrapping_sub(1) as u32)
}

impl SignalSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> SignalSet {
        SignalSet(0)
    }

    /// All 64 signals.
    #[must_use]
    pub const fn all() -> SignalSet {
        SignalSet(u64::MAX)
    }

    /// The set with these bits, signal 1 being the lowest.
    #[must_use]
    pub const fn from_bits(bits: u64) -> SignalSet {
        SignalSet(bits)
    }

    /// The bits of the set, signal 1 being the lowest.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The set with one more signal.
    #[must_use]
    pub const fn with(self, signal: Signal) -> SignalSet {
        SignalSet(self.0 | bit(signal))
    }

    /// The set without a signal.
    #[must_use]
    pub const fn without(self, signal: Signal) -> SignalSet {
        SignalSet(self.0 & !bit(signal))
    }

    /// Adds a signal; returns whether it was missing.
    pub fn insert(&mut self, signal: Signal) -> bool {
        let missing = !self.contains(signal);
        *self = self.with(signal);
        missing
    }

    /// Takes a signal out; returns whether it was there.
    pub fn remove(&mut self, signal: Signal) -> bool {
        let there = self.contains(signal);
        *self = self.without(signal);
        there
    }

    /// Whether a signal is in the set.
    #[must_use]
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & bit(signal) != 0
    }

    /// Whether no signal is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The number of signals in the set.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The signals, lowest number first.
    #[must_use]
    pub const fn iter(self) -> Iter {
        Iter(self.0)
    }
}

/// The signals of a [`SignalSet`], lowest number first.
#[derive(Clone, Debug)]
pub struct Iter(u64);

impl Iterator for Iter {
    type Item = Signal;

    fn next(&mut self) -> Option<Signal> {
        let raw = i32::try_from(self.0.trailing_zeros()).ok()?.saturating_add(1);
        let signal = Signal::from_raw(raw)?;
        self.0 &= !bit(signal);
        Some(signal)
    }
}

impl IntoIterator for SignalSet {
    type Item = Signal;
    type IntoIter = Iter;

    fn into_iter(self) -> Iter {
        self.iter()
    }
}

impl FromIterator<Signal> for SignalSet {
    fn from_iter<I: IntoIterator<Item = Signal>>(signals: I) -> SignalSet {
        signals.into_iter().fold(SignalSet::new(), SignalSet::with)
    }
}

impl Extend<Signal> for SignalSet {
    fn extend<I: IntoIterator<Item = Signal>>(&mut self, signals: I) {
        *self = signals.into_iter().fold(*self, SignalSet::with);
    }
}

impl fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_each() {
        for raw in 1..=64 {
            let signal = Signal::from_raw(raw).unwrap();
            let set = SignalSet::new().with(signal);
            assert_eq!(set.bits(), 1 << (raw - 1));
            assert_eq!(set.iter().collect::<Vec<_>>(), [signal]);
            assert!(set.contains(signal) && !set.is_empty());
            assert!(!SignalSet::all().without(signal).contains(signal));
        }
        assert_eq!(SignalSet::all().iter().count(), 64);
        assert_eq!(SignalSet::all().len(), 64);
        assert_eq!(SignalSet::new().iter().next(), None);
    }

    #[test]
    fn insert_and_remove_tell_what_changed() {
        let mut set: SignalSet = [Signal::TERM, Signal::HUP, Signal::TERM].into_iter().collect();
        assert_eq!(set.len(), 2);
        assert!(!set.insert(Signal::HUP) && set.insert(Signal::USR1));
        assert!(set.remove(Signal::HUP) && !set.remove(Signal::HUP));
        set.extend([Signal::INT]);
        let names: Vec<String> = set.iter().map(|signal| signal.to_string()).collect();
        assert_eq!(names, ["INT", "USR1", "TERM"]);
        assert_eq!(SignalSet::from_bits(set.bits()), set);
    }
}
