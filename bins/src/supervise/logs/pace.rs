//! How soon a stream is read again. Pure.
//!
//! A program that writes a little at a time, and often, would wake the
//! supervisor for each piece: that costs both of them more than the copying
//! does. Such a stream gets a larger pipe and is left alone for a millisecond
//! after each time that little was found in it.

use std::os::fd::AsFd;
use std::time::Duration;

use reaper::Moment;

/// The pipe of a busy stream: the most an ordinary user may ask for.
const WIDE: usize = 1 << 20;
/// What the kernel gives each pipe at first.
const NARROW: usize = 64 * 1024;
/// A stream that gives so much at a time costs little for each byte.
const ENOUGH: usize = WIDE / 4;
/// How long a busy stream is left alone; the wide pipe takes about 1 GB/s meanwhile.
const REST: Duration = Duration::from_millis(1);
/// A stream that is read more often than this gathers heat.
const OFTEN: Duration = Duration::from_millis(4);
/// The heat of a busy stream: it was read 16 times in a row without a pause, say.
const BUSY: Duration = Duration::from_millis(64);
/// The greatest heat, from which a stream cools down while nothing is read.
const HOTTEST: Duration = Duration::from_millis(128);

/// What to do after a stream was read.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// Leave it alone for so long.
    pub rest: Option<Duration>,
    /// Give its pipe this size ([`resize`]).
    pub pipe: Option<usize>,
}

/// How busy one stream is.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    last: Moment,
    heat: Duration,
    wide: bool,
}

impl Pace {
    /// So many bytes were read just now.
    pub fn read(&mut self, now: Moment, bytes: usize) -> Next {
        let rested = self.heat.saturating_sub(now.saturating_since(self.last));
        self.heat = rested.saturating_add(OFTEN).min(HOTTEST);
        self.last = now;
        let busy = self.heat >= BUSY;
        let pipe = match (busy, self.wide) {
            (true, false) => Some(WIDE),
            // Not for each pause: only after one in which all heat was lost.
            (false, true) if rested.is_zero() => Some(NARROW),
            _ => None,
        };
        self.wide = pipe.map_or(self.wide, |size| size == WIDE);
        Next { rest: (busy && bytes < ENOUGH).then_some(REST), pipe }
    }
}

/// Gives a pipe another size, if the user's share of pipe memory and what it holds allow that.
pub fn resize(pipe: impl AsFd, size: usize) {
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, size);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Moment {
        Moment::ZERO.saturating_add(Duration::from_micros(micros))
    }

    #[test]
    fn a_stream_that_is_read_now_and_then_is_read_at_once() {
        let mut pace = Pace::default();
        for line in 1..10_000 {
            assert_eq!(pace.read(at(line * 4_001), 80), Next::default(), "250 lines a second");
        }
        for burst in 0..100 {
            let now = 100_000_000 + burst * 200_000;
            for line in 0..15 {
                assert_eq!(pace.read(at(now + line * 10), 80), Next::default(), "burst {burst}");
            }
        }
    }

    #[test]
    fn a_stream_in_small_pieces_rests_and_one_in_large_pieces_does_not() {
        let mut pace = Pace::default();
        let mut now = 0;
        let mut rests = 0;
        let mut sizes = Vec::new();
        for _ in 0..1000 {
            let next = pace.read(at(now), 80);
            now += 10 + next.rest.map_or(0, |_| 1000);
            rests += u32::from(next.rest.is_some());
            sizes.extend(next.pipe);
        }
        assert_eq!((rests, sizes.as_slice()), (984, [1 << 20].as_slice()), "it stays busy");
        let next = pace.read(at(now), 1 << 20);
        assert_eq!(next, Next::default(), "a pipe that was full is read again at once");

        // A pause of a tenth of a second is a pause, not an end.
        let next = pace.read(at(now + 100_000), 80);
        assert_eq!(next, Next::default());
        let next = pace.read(at(now + 10_000_000), 80);
        assert_eq!(next, Next { rest: None, pipe: Some(64 * 1024) });
    }

    #[test]
    fn a_pipe_gets_its_size() {
        let (from, _into) = rustix::pipe::pipe().unwrap();
        resize(&from, 128 * 1024);
        assert_eq!(rustix::pipe::fcntl_getpipe_size(&from).unwrap(), 128 * 1024);
        resize(&from, usize::MAX);
        assert_eq!(rustix::pipe::fcntl_getpipe_size(&from).unwrap(), 128 * 1024, "refused");
    }
}
