//! The shape of every decision maker: time and input in, actions out. Pure.

use std::ops::Add;
use std::time::Duration;

/// A point of time, in nanoseconds since an arbitrary start that never changes while the process
/// lives.
///
/// [`EventLoop::now`](crate::EventLoop::now) reads it from CLOCK_MONOTONIC; a test makes it up.
/// Arithmetic saturates: a deadline too far away never comes.
///
/// ```
/// use reaper::Moment;
/// use std::time::Duration;
///
/// let start = Moment::from_nanos(500);
/// let later = start + Duration::from_secs(2);
/// assert_eq!(later.saturating_since(start), Duration::from_secs(2));
/// assert_eq!(start.saturating_since(later), Duration::ZERO);
/// ```
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Moment(u64);

impl Moment {
    /// The arbitrary start.
    pub const ZERO: Moment = Moment(0);
    /// The latest moment, 584 years after the start.
    pub const MAX: Moment = Moment(u64::MAX);

    /// The moment this many nanoseconds after the start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Moment {
        Moment(nanos)
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this moment; zero if that is the later one.
    #[must_use]
    pub const fn saturating_since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The time from `earlier` to this moment; `None` if that is the later one.
    #[must_use]
    pub fn checked_since(self, earlier: Moment) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration::from_nanos)
    }

    /// The moment `delay` later; `None` if it lies beyond [`Moment::MAX`].
    #[must_use]
    pub fn checked_add(self, delay: Duration) -> Option<Moment> {
        let nanos = u64::try_from(delay.as_nanos()).ok()?;
        self.0.checked_add(nanos).map(Moment)
    }

    /// The moment `delay` later, [`Moment::MAX`] at the most.
    #[must_use]
    pub fn saturating_add(self, delay: Duration) -> Moment {
        self.checked_add(delay).unwrap_or(Moment::MAX)
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, delay: Duration) -> Moment {
        self.saturating_add(delay)
    }
}

/// Something that decides and does not act.
///
/// A machine knows no clock, no descriptor, no environment and no pid beyond what it is told. Its
/// host waits for events, feeds them in with the time at which they were seen, and carries out the
/// actions in order. A test does the same without a process in sight.
///
/// ```
/// use reaper::{Machine, Moment};
/// use std::time::Duration;
///
/// /// Beeps once, five seconds after it was wound up.
/// struct Alarm(Option<Moment>);
///
/// impl Machine for Alarm {
///     type Input = bool; // true: wound up; false: the deadline came
///     type Action = &'static str;
///     type Outcome = ();
///
///     fn step(&mut self, now: Moment, wound_up: bool, out: &mut Vec<&'static str>) {
///         if wound_up {
///             self.0 = Some(now + Duration::from_secs(5));
///         } else if self.0.is_some_and(|due| due <= now) {
///             self.0 = None;
///             out.push("beep");
///         }
///     }
///     fn deadline(&self) -> Option<Moment> {
///         self.0
///     }
///     fn outcome(&self) -> Option<()> {
///         None
///     }
/// }
///
/// let (mut alarm, mut actions) = (Alarm(None), Vec::new());
/// alarm.step(Moment::ZERO, true, &mut actions);
/// let due = alarm.deadline().unwrap();
/// alarm.step(due, false, &mut actions);
/// assert_eq!(actions, ["beep"]);
/// ```
pub trait Machine {
    /// What the machine is told; among it that its deadline has come.
    type Input;
    /// What the host is to do.
    type Action;
    /// How it all ended.
    type Outcome;

    /// Takes in one input, seen at `now`, and appends what is to be done.
    ///
    /// `now` never goes back. An input that comes early, late, twice or out of place is no error.
    fn step(&mut self, now: Moment, input: Self::Input, out: &mut Vec<Self::Action>);

    /// When the machine wants to be stepped even if nothing happens; `None`: never.
    ///
    /// After a step at or past the deadline it must be another one, or the host would spin.
    fn deadline(&self) -> Option<Moment>;

    /// The end, once it is reached.
    fn outcome(&self) -> Option<Self::Outcome>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let second = Moment::ZERO + Duration::from_secs(1);
        assert_eq!(second.as_nanos(), 1_000_000_000);
        assert_eq!(Moment::MAX + Duration::from_nanos(1), Moment::MAX);
        assert_eq!(second + Duration::MAX, Moment::MAX);
        assert_eq!(second.checked_add(Duration::MAX), None);
        assert_eq!(Moment::MAX.checked_add(Duration::from_nanos(1)), None);
        assert_eq!(Moment::MAX.checked_add(Duration::ZERO), Some(Moment::MAX));
        assert_eq!(second.checked_since(Moment::ZERO), Some(Duration::from_secs(1)));
        assert_eq!(Moment::ZERO.checked_since(second), None);
        assert_eq!(Moment::ZERO.saturating_since(second), Duration::ZERO);
        assert!(Moment::ZERO < second && second < Moment::MAX);
    }
}
