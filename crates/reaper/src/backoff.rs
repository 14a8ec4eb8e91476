//! How long to wait before the next try. Pure: the randomness is an argument.

use std::time::Duration;

/// Delays that double with each failure in a row, up to a ceiling, with jitter.
///
/// ```
/// use reaper::Backoff;
/// use std::time::Duration;
///
/// let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// let longest = |failures| backoff.delay(failures, u32::MAX).as_secs();
/// assert_eq!([0, 1, 2, 3, 7, 99].map(longest), [0, 1, 2, 4, 60, 60]);
/// // Without luck of the draw, half of it:
/// assert_eq!(backoff.delay(3, 0), Duration::from_secs(2));
/// ```
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Backoff {
    base: Duration,
    max: Duration,
}

impl Backoff {
    /// Delays from `base`, after the first failure, to `max`. The ceiling holds for the first delay
    /// too; a `base` of zero means never to wait.
    #[must_use]
    pub const fn new(base: Duration, max: Duration) -> Backoff {
        Backoff { base, max }
    }

    /// The delay after this many failures in a row: nothing after none, then `base` times
    /// 2^(failures - 1), at most `max`; of that between one half (`jitter` 0) and all (`u32::MAX`).
    ///
    /// `jitter` is any random number. It keeps many slots that failed together from trying again
    /// together.
    #[must_use]
    pub fn delay(&self, failures: u32, jitter: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        let full = self.base.saturating_mul(factor).min(self.max);
        let half = full.checked_div(2).unwrap_or(full);
        half.saturating_add(scaled(full.saturating_sub(half), jitter)).min(full)
    }
}

/// `duration` times `part` / `u32::MAX`.
fn scaled(duration: Duration, part: u32) -> Duration {
    let product = duration.as_nanos().saturating_mul(u128::from(part));
    let nanos = product.checked_div(u128::from(u32::MAX)).unwrap_or(0);
    let seconds = nanos.checked_div(1_000_000_000).and_then(|seconds| u64::try_from(seconds).ok());
    let rest = nanos.checked_rem(1_000_000_000).and_then(|rest| u32::try_from(rest).ok());
    Duration::new(seconds.unwrap_or(u64::MAX), rest.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DURATIONS: [Duration; 9] = [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_nanos(3),
        Duration::from_millis(100),
        Duration::from_millis(1500),
        Duration::from_secs(60),
        Duration::from_secs(86_400 * 365),
        Duration::from_secs(u64::MAX),
        Duration::MAX,
    ];
    const NUMBERS: [u32; 10] = [0, 1, 2, 3, 31, 32, 33, 1 << 30, u32::MAX - 1, u32::MAX];

    #[test]
    fn every_delay_is_within_its_bounds() {
        for base in DURATIONS {
            for max in DURATIONS {
                let backoff = Backoff::new(base, max);
                let mut longest_before = Duration::ZERO;
                for failures in NUMBERS {
                    let longest = backoff.delay(failures, u32::MAX);
                    assert!(longest <= max && longest >= longest_before);
                    assert!(failures == 0 || longest >= base.min(max));
                    longest_before = longest;
                    let mut before = Duration::ZERO;
                    for jitter in NUMBERS {
                        let delay = backoff.delay(failures, jitter);
                        assert!(delay >= longest / 2 && delay <= longest, "{delay:?} {longest:?}");
                        assert!(delay >= before, "more jitter, longer delay");
                        before = delay;
                    }
                }
            }
        }
    }

    #[test]
    fn it_doubles_to_the_ceiling() {
        let backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(3));
        let longest = (0..8).map(|failures| backoff.delay(failures, u32::MAX).as_millis());
        assert_eq!(longest.collect::<Vec<_>>(), [0, 250, 500, 1000, 2000, 3000, 3000, 3000]);
        assert_eq!(backoff.delay(1, u32::MAX / 2).as_millis(), 187);
    }
}
