//! Process ids that cannot mean "everybody".

use std::fmt;
use std::num::NonZeroI32;

/// The id of one process: always positive.
///
/// `kill(2)` gives zero and negative numbers other meanings (a group, all
/// processes); those cannot be written with this type.
///
/// ```
/// use reaper::Pid;
/// assert_eq!(Pid::from_raw(-1), None);
/// assert_eq!(Pid::own().as_raw().unsigned_abs(), std::process::id());
/// ```
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(NonZeroI32);

impl Pid {
    /// The pid with this number; `None` for zero and negative numbers.
    #[must_use]
    pub const fn from_raw(raw: i32) -> Option<Pid> {
        match NonZeroI32::new(raw) {
            Some(number) if raw > 0 => Some(Pid(number)),
            _ => None,
        }
    }

    /// The number, as system calls and environment variables want it.
    #[must_use]
    pub const fn as_raw(self) -> i32 {
        self.0.get()
    }

    /// The pid of the calling process.
    #[must_use]
    pub fn own() -> Pid {
        Pid::from_rustix(rustix::process::getpid())
    }

    pub(crate) const fn from_rustix(pid: rustix::process::Pid) -> Pid {
        Pid(pid.as_raw_nonzero())
    }

    /// The same pid in rustix's clothes; `None` cannot occur in practice, as
    /// both types hold positive numbers only.
    pub(crate) const fn to_rustix(self) -> Option<rustix::process::Pid> {
        rustix::process::Pid::from_raw(self.as_raw())
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pid({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_positive_numbers_are_pids() {
        assert_eq!(Pid::from_raw(0), None);
        assert_eq!(Pid::from_raw(-1), None);
        assert_eq!(Pid::from_raw(i32::MIN), None);
        assert_eq!(Pid::from_raw(1).map(Pid::as_raw), Some(1));
        assert_eq!(Pid::from_raw(i32::MAX).map(Pid::as_raw), Some(i32::MAX));
    }

    #[test]
    fn text_is_the_bare_number() {
        let pid = Pid::from_raw(4711).unwrap();
        assert_eq!(pid.to_string(), "4711");
        assert_eq!(format!("{pid:>6}"), "  4711");
        assert_eq!(format!("{pid:?}"), "Pid(4711)");
    }

    #[test]
    fn own_is_ours() {
        assert_eq!(Pid::own().to_string(), std::process::id().to_string());
    }
}
