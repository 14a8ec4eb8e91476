//! Ending a process: ask, wait, kill, and kill again until it is gone. Pure.

use crate::machine::{Machine, Moment};
use sigpolicy::Signal;
use std::time::Duration;

/// How a process is to be stopped.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct StopPolicy {
    /// The first signal, a request. With KILL there is no grace, and it is sent again as below.
    pub polite: Signal,
    /// The time from the request to the first KILL; `None`: wait as long as it takes.
    pub grace: Option<Duration>,
    /// The time between one KILL and the next. A killed process can stay for a while, in
    /// uninterruptible sleep or with its memory to be torn down; and where a whole group is
    /// killed, a member can have been forked in between. Less than 100 ms is taken as 100 ms.
    pub resend: Duration,
}

const SHORTEST_RESEND: Duration = Duration::from_millis(100);

impl Default for StopPolicy {
    /// TERM, ten seconds of grace, KILL every five seconds.
    fn default() -> StopPolicy {
        StopPolicy {
            polite: Signal::TERM,
            grace: Some(Duration::from_secs(10)),
            resend: Duration::from_secs(5),
        }
    }
}

/// The stopping of one process, or of several as one.
///
/// ```
/// use reaper::{Machine, Moment, Stop, StopInput, StopPolicy};
/// use sigpolicy::Signal;
/// use std::time::Duration;
///
/// let (mut stop, mut send) = (Stop::new(StopPolicy::default()), Vec::new());
/// stop.step(Moment::ZERO, StopInput::Ask, &mut send);
/// assert_eq!(send, [Signal::TERM]);
/// // Ten seconds later it is still there:
/// let due = stop.deadline().unwrap();
/// stop.step(due, StopInput::Tick, &mut send);
/// assert_eq!(send, [Signal::TERM, Signal::KILL]);
/// let gone = due + Duration::from_millis(3);
/// stop.step(gone, StopInput::Gone, &mut send);
/// assert!(stop.outcome().unwrap().killed);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Stop {
    policy: StopPolicy,
    phase: Phase,
    /// When the first signal was sent.
    since: Option<Moment>,
}

#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
enum Phase {
    /// Nothing was sent.
    Idle,
    /// Asked; KILL follows at that moment.
    Asked(Option<Moment>),
    /// Killed; KILL again at that moment.
    Killed(Moment),
    Gone(Stopped),
}

/// What a [`Stop`] is told.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum StopInput {
    /// Begin. Asking again changes nothing.
    Ask,
    /// KILL now, whatever is left of the grace; also without having asked. In a process that was
    /// killed already it changes nothing.
    Hurry,
    /// The deadline may have come.
    Tick,
    /// The process was reaped.
    Gone,
}

/// How a [`Stop`] ended.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Stopped {
    /// KILL was sent.
    pub killed: bool,
    /// The time from the first signal to the end; zero if none was sent.
    pub waited: Duration,
}

impl Stop {
    /// A stop that has not begun.
    #[must_use]
    pub const fn new(policy: StopPolicy) -> Stop {
        Stop { policy, phase: Phase::Idle, since: None }
    }

    /// Whether a signal was sent and the process is still there.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Asked(_) | Phase::Killed(_))
    }

    fn kill(&mut self, now: Moment, out: &mut Vec<Signal>) {
        out.push(Signal::KILL);
        self.since.get_or_insert(now);
        self.phase = Phase::Killed(now.saturating_add(self.policy.resend.max(SHORTEST_RESEND)));
    }
}

impl Machine for Stop {
    type Input = StopInput;
    /// Send this signal.
    type Action = Signal;
    type Outcome = Stopped;

    fn step(&mut self, now: Moment, input: StopInput, out: &mut Vec<Signal>) {
        match (self.phase, input) {
            (Phase::Gone(_), _) => {}
            (phase, StopInput::Gone) => {
                self.phase = Phase::Gone(Stopped {
                    killed: matches!(phase, Phase::Killed(_)),
                    waited: self.since.map_or(Duration::ZERO, |since| now.saturating_since(since)),
                });
            }
            (Phase::Idle, StopInput::Ask) if self.policy.polite != Signal::KILL => {
                out.push(self.policy.polite);
                self.since = Some(now);
                self.phase = Phase::Asked(self.policy.grace.map(|grace| now.saturating_add(grace)));
            }
            (Phase::Idle, StopInput::Ask) | (Phase::Idle | Phase::Asked(_), StopInput::Hurry) => {
                self.kill(now, out)
            }
            (Phase::Asked(Some(due)) | Phase::Killed(due), StopInput::Tick) if due <= now => {
                self.kill(now, out);
            }
            (Phase::Idle, StopInput::Tick)
            | (Phase::Asked(_), StopInput::Ask | StopInput::Tick)
            | (Phase::Killed(_), StopInput::Ask | StopInput::Hurry | StopInput::Tick) => {}
        }
    }

    fn deadline(&self) -> Option<Moment> {
        match self.phase {
            Phase::Asked(due) => due,
            Phase::Killed(due) => Some(due),
            Phase::Idle | Phase::Gone(_) => None,
        }
    }

    fn outcome(&self) -> Option<Stopped> {
        match self.phase {
            Phase::Gone(stopped) => Some(stopped),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
