//! What holds when a process is signalled: the sequence of its own stop, and its turn.

use reaper::Moment;
use sigpolicy::Signal;

use super::invariants::Watch;
use super::kernel::Kernel;
use super::rules::{Hand, Known, Stopping, depends, is_doomed, next_signal};
use crate::supervise::machine::types::{Order, ProcId, State};

impl Watch {
    pub(super) fn signals(
        &mut self,
        now: Moment,
        id: ProcId,
        signal: Option<Signal>,
        group: bool,
        kernel: &Kernel,
    ) {
        let Some(at) = self.at(id) else {
            return self.rule(false, || format!("{id:?} is unknown and gets {signal:?}"));
        };
        let (alive, known) = (kernel.pid(id).is_some(), self.known[at].clone());
        self.rule(alive, || format!("{id:?} has no process and gets {signal:?}"));
        // Also what was meant for the one that is to replace it.
        let meant = |of: ProcId| {
            let new = self.at(of).map(|at| &self.known[at].policy);
            new.filter(|new| (&new.group, &new.name) == (&known.policy.group, &known.policy.name))
        };
        let ordered = match self.order {
            Some(Order::Signal(of, wanted)) => meant(of).is_some() && Some(wanted) == signal,
            Some(Order::Reload(of)) => {
                meant(of).is_some_and(|new| signal == Some(new.reload.unwrap_or(Signal::HUP)))
            }
            _ => false,
        };
        if ordered {
            return;
        }
        let doomed = known.stopping.is_none() && is_doomed(&known, now, signal);
        if known.stopping.is_none() && !known.killed && !doomed && !self.ending {
            self.replaced_in_turn(&known);
        }
        let told = known.early || doomed || self.is_overdue(now);
        if self.ending && known.stopping.is_none() && !told {
            self.signalled_in_turn(&known, kernel);
        }
        let kill_now = signal == Some(Signal::KILL) && (known.killed || self.is_overdue(now));
        let (wanted, to_group, due) = next_signal(&known);
        if !kill_now && !doomed {
            let right = signal == wanted && (group == to_group || signal.is_none());
            self.rule(right && due <= now, || {
                format!("{id:?} gets {signal:?} (group {group}), not {wanted:?} from {due:?}")
            });
        }
        let known = &mut self.known[at];
        let sent = match kill_now || doomed {
            true => known.policy.stop.len(),
            false => known.stopping.map_or(0, |stopping| stopping.sent),
        };
        known.killed |= doomed;
        known.stopping = Some(Stopping { sent: sent + 1, last: now });
    }

    /// The stages of a shutdown: dependents before what they depend on, high numbers before low.
    fn signalled_in_turn(&mut self, known: &Known, kernel: &Kernel) {
        let alive = |other: &&Known| {
            kernel.pid(other.id).is_some() && other.id != known.id && other.state != State::Unknown
        };
        // What is outlived has dependencies of a former file, which may close a circle with the new.
        let former = |it: &Known| it.retired && !it.gone && !it.policy.depends_on.is_empty();
        if self.known.iter().any(former) {
            return;
        }
        let mut living = self.known.iter().filter(alive);
        let dependent =
            living.clone().find(|other| depends(other, known) && !depends(known, other));
        let crossed = |one: &Known| {
            let mut below = self.known.iter().filter(|other| depends(one, other));
            below.any(|other| other.policy.group_priority > one.policy.group_priority)
        };
        let higher = living.find(|other| {
            other.policy.group_priority > known.policy.group_priority
                && !self.known.iter().any(crossed)
        });
        let why = match (dependent, higher) {
            (Some(other), _) => format!("{:?} is stopped before {:?} of it", known.id, other.id),
            (_, Some(other)) => format!("{:?} is stopped before {:?} above", known.id, other.id),
            _ => return,
        };
        self.rule(false, || why);
    }

    /// A process that is replaced while it serves serves until the new one does.
    fn replaced_in_turn(&mut self, known: &Known) {
        let Some(new) = known.successor.and_then(|id| self.at(id)) else { return };
        let new = &self.known[new];
        let other =
            !known.replaced || known.again || known.hand == Some(Hand::Down) || !known.served;
        let free = other || !new.policy.hot || new.retired;
        let (is_ready, state) = (new.state == State::Running, new.state);
        self.rule(free || is_ready, || {
            format!("{:?} is stopped while its successor is {state:?}", known.id)
        });
    }
}
