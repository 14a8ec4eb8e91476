//! TICK_5, TICK_60 and TICK_3600: multiples of a period of the clock on the wall.

use std::time::{Duration, SystemTime};

use reaper::Moment;

use super::kind::{Kind, Kinds};

/// Kinds of ticks, each with its period in seconds, in the order in which they are told.
const PERIODS: [(Kind, u64); 3] = [(Kind::Tick5, 5), (Kind::Tick60, 60), (Kind::Tick3600, 3600)];
/// A timer may be a little early by the clock on the wall, which is steered.
const LEAST: Duration = Duration::from_millis(1);

/// When a period of the clock begins. Only those that somebody subscribed to are waited for: with
/// none there is no deadline.
///
/// A clock that is set is noticed at the next deadline: as in supervisord a period other than the
/// last one is told once, even if it is an earlier one or others lie between.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ticks {
    /// The period each kind is in, by the second it began in.
    began: [Option<u64>; PERIODS.len()],
    deadline: Option<Moment>,
}

impl Ticks {
    /// Nothing is waited for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Somebody, or nobody any more, wants to know. The period that is on is no news.
    pub fn wanted(&mut self, kinds: Kinds, now: Moment, wall: SystemTime) {
        for (began, (kind, period)) in self.began.iter_mut().zip(PERIODS) {
            let current = beginning(since_epoch(wall), period);
            *began = kinds.contains(kind).then(|| began.unwrap_or(current));
        }
        self.wait(now, wall);
    }

    /// When [`due`](Self::due) wants to be called; `None` as long as nobody subscribed.
    #[must_use]
    pub const fn deadline(&self) -> Option<Moment> {
        self.deadline
    }

    /// The events that are due, each with what [`payload::tick`](super::payload::tick) wants.
    pub fn due(&mut self, now: Moment, wall: SystemTime, out: &mut Vec<(Kind, u64)>) {
        for (began, (kind, period)) in self.began.iter_mut().zip(PERIODS) {
            let current = beginning(since_epoch(wall), period);
            if began.is_some_and(|began| began != current) {
                *began = Some(current);
                out.push((kind, current));
            }
        }
        self.wait(now, wall);
    }

    /// Until the nearest end of a period.
    fn wait(&mut self, now: Moment, wall: SystemTime) {
        let wall = since_epoch(wall);
        let ends = self.began.iter().zip(PERIODS).filter(|(began, _)| began.is_some());
        let left = ends.map(|(_, (_, period))| {
            let end = Duration::from_secs(beginning(wall, period).saturating_add(period));
            end.saturating_sub(wall).max(LEAST)
        });
        self.deadline = left.min().map(|left| now.saturating_add(left));
    }
}

/// A clock before 1970 stands still.
fn since_epoch(wall: SystemTime) -> Duration {
    wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn beginning(wall: Duration, period: u64) -> u64 {
    let seconds = wall.as_secs();
    seconds.saturating_sub(seconds.checked_rem(period).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A world in which both clocks run alike, unless one is set.
    struct World {
        ticks: Ticks,
        now: Moment,
        wall: SystemTime,
    }

    impl World {
        fn new(seconds: f64, names: &[&str]) -> Self {
            let wall = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds);
            let mut world = Self { ticks: Ticks::new(), now: Moment::from_nanos(77), wall };
            world.want(names);
            world
        }

        fn want(&mut self, names: &[&str]) {
            let kinds = names.iter().filter_map(|name| Kinds::named(name));
            let kinds = kinds.fold(Kinds::NONE, |all, kinds| all | kinds);
            self.ticks.wanted(kinds, self.now, self.wall);
        }

        /// Until the deadline; how long that was, and what came of it.
        fn wait(&mut self) -> (Duration, Vec<(Kind, u64)>) {
            let deadline = self.ticks.deadline().unwrap();
            let waited = deadline.saturating_since(self.now);
            (self.now, self.wall) = (deadline, self.wall + waited);
            (waited, self.look())
        }

        fn look(&mut self) -> Vec<(Kind, u64)> {
            let mut out = Vec::new();
            self.ticks.due(self.now, self.wall, &mut out);
            assert!(self.ticks.deadline().is_none_or(|at| at > self.now), "it would spin");
            out
        }
    }

    #[test]
    fn nobody_asked_nobody_waits() {
        assert_eq!(World::new(1.0, &["PROCESS_STATE"]).ticks.deadline(), None);
        let mut world = World::new(1.0, &["TICK_5"]);
        assert!(world.ticks.deadline().is_some());
        world.want(&[]);
        assert_eq!(world.ticks.deadline(), None);
        assert_eq!(world.look(), []);
    }

    #[test]
    fn multiples_of_the_period() {
        let mut world = World::new(1_795_255_738.25, &["EVENT"]);
        let expected = vec![(Kind::Tick5, 1_795_255_740), (Kind::Tick60, 1_795_255_740)];
        assert_eq!(world.wait(), (Duration::from_millis(1750), expected));
        let expected = vec![(Kind::Tick5, 1_795_255_745)];
        assert_eq!(world.wait(), (Duration::from_secs(5), expected));

        let mut world = World::new(7199.0, &["TICK"]);
        let expected = vec![(Kind::Tick5, 7200), (Kind::Tick60, 7200), (Kind::Tick3600, 7200)];
        assert_eq!(world.wait(), (Duration::from_secs(1), expected));
        let mut hourly = World::new(7200.0, &["TICK_3600"]);
        assert_eq!(hourly.wait(), (Duration::from_secs(3600), vec![(Kind::Tick3600, 10800)]));
    }

    #[test]
    fn an_early_timer_waits_again() {
        let mut world = World::new(4.0, &["TICK_5"]);
        world.wall -= Duration::from_micros(10);
        let (_, early) = world.wait();
        assert_eq!(early, []);
        assert_eq!(world.wait(), (LEAST, vec![(Kind::Tick5, 5)]));
    }

    #[test]
    fn a_clock_that_was_set_is_told_once() {
        let mut world = World::new(100.0, &["TICK_5"]);
        world.wall += Duration::from_secs(1000);
        assert_eq!(world.wait().1, [(Kind::Tick5, 1105)]);
        world.wall -= Duration::from_secs(500);
        assert_eq!(world.look(), [(Kind::Tick5, 605)]);
        assert_eq!(world.look(), []);
        world.wall = SystemTime::UNIX_EPOCH - Duration::from_secs(3);
        assert_eq!(world.look(), [(Kind::Tick5, 0)]);
    }

    #[test]
    fn who_comes_later_is_not_told_of_what_was() {
        let mut world = World::new(58.0, &["TICK_5"]);
        let (_, ticks) = world.wait();
        assert_eq!(ticks, [(Kind::Tick5, 60)]);
        world.want(&["TICK_5", "TICK_60"]);
        assert_eq!(world.look(), []);
        assert_eq!(world.wait().1, [(Kind::Tick5, 65)]);
    }
}
