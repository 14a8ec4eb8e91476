//! When to look again.
//!
//! After a connection that nobody expected, and after growth, at 1, 2, 4, 8 … ms until nothing
//! moves any more; then every tick while somebody serves; then not at all. Connections are
//! reported one by one while they are rare. One that comes within 10 ms after the report was asked
//! for is a sign of steady load, and the next report is asked for only 10 ms later.

use std::time::Duration;

use reaper::Moment;

use super::{Look, SECOND, TICK};

/// The first pause after something happened.
const FIRST: Duration = Duration::from_millis(1);
/// Between two reports of connections under steady load.
const GATE: Duration = Duration::from_millis(10);

/// What the decision was, as far as the next look depends on it.
#[derive(Copy, Clone, Debug)]
pub(super) struct Situation {
    /// Workers are being started.
    pub grew: bool,
    /// The pool is at its ceiling.
    pub full: bool,
    /// Too few are idle.
    pub short: bool,
    /// More were wanted than may be started now.
    pub refused: bool,
    /// How often to look.
    pub tick: Option<Duration>,
}

/// The looks that follow an event.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Ladder {
    at: Moment,
    step: Duration,
    /// What the last of them saw.
    seen: [u32; 4],
}

impl Ladder {
    fn new(now: Moment, step: Duration, look: &Look) -> Ladder {
        let seen = [look.starting, look.idle, look.busy, look.queue.unwrap_or(0)];
        Ladder { at: now.saturating_add(step), step, seen }
    }
}

/// What is remembered of earlier looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Pace {
    ladder: Option<Ladder>,
    /// Since when the next connection is to be reported.
    armed_at: Option<Moment>,
    /// No report is asked for before this.
    gate: Option<Moment>,
    /// The last growth, and how many members there were then.
    grew: Option<(Moment, u32)>,
}

impl Pace {
    /// When to look again, and whether to be told of a connection.
    pub(super) fn plan(
        &mut self,
        now: Moment,
        look: &Look,
        situation: Situation,
    ) -> (Option<Moment>, bool) {
        let steady = look.arrived && self.arrived(now);
        let grows = situation.grew && self.grows(now, look.members);
        if grows || (look.arrived && !steady) {
            self.ladder = Some(Ladder::new(now, FIRST, look));
        } else {
            self.climb(now, look);
            if steady && look.queue.unwrap_or(0) > 0 {
                // No report can be asked for yet; the next look is not to wait for the tick.
                self.ladder.get_or_insert(Ladder::new(now, GATE, look));
            }
        }
        let listen = self.listen(now, look, situation);
        let tick = situation.tick.map(|tick| now.saturating_add(tick));
        let next = [self.ladder.map(|ladder| ladder.at), self.gate, tick];
        (next.into_iter().flatten().min(), listen)
    }

    /// Workers are wanted; false when the last wish came to nothing, as when starts are put off.
    fn grows(&mut self, now: Moment, members: u32) -> bool {
        let last = self.grew.replace((now, members));
        last.is_none_or(|(at, then)| members > then || now.saturating_since(at) > SECOND)
    }

    /// A connection was reported; true when that happens often.
    fn arrived(&mut self, now: Moment) -> bool {
        let since = self.armed_at.take();
        let steady = since.is_some_and(|since| now.saturating_since(since) < GATE);
        if steady {
            self.gate = Some(now.saturating_add(GATE));
        }
        steady
    }

    fn climb(&mut self, now: Moment, look: &Look) {
        // Looks that others caused leave the ladder alone.
        let Some(ladder) = self.ladder.filter(|ladder| ladder.at <= now) else { return };
        let higher = Ladder::new(now, ladder.step.saturating_mul(2), look);
        let waits = look.starting > 0 || look.queue.unwrap_or(0) > 0;
        let moves = waits || ladder.seen != higher.seen;
        self.ladder = (moves && higher.step < TICK).then_some(higher);
    }

    fn listen(&mut self, now: Moment, look: &Look, situation: Situation) -> bool {
        self.gate = self.gate.filter(|gate| now < *gate);
        // With somebody in the queue the report would come at once, and tell nothing new.
        let quiet = look.queue.unwrap_or(0) == 0;
        let useful = if situation.full { !situation.short } else { !situation.refused };
        if !(quiet && useful) {
            self.gate = None;
            return false;
        }
        if self.gate.is_some() {
            return false;
        }
        self.armed_at.get_or_insert(now);
        true
    }
}
