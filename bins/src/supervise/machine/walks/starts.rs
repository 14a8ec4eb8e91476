//! What holds when a process is started, and when somebody gives an order.

use reaper::Moment;

use super::invariants::Watch;
use super::kernel::Kernel;
use super::rules::{Hand, Known, holds, is_answer, lacks};
use crate::supervise::machine::types::{Action, Order, ProcId, Refusal, State};

impl Watch {
    pub(super) fn hears_order(&mut self, order: &Order) {
        self.order = Some(*order);
    }

    pub(super) fn sees_answer(&mut self, order: &Order, got: Result<(), Refusal>, out: &[Action]) {
        let (Order::Start(id)
        | Order::Stop(id)
        | Order::Kill(id)
        | Order::Signal(id, _)
        | Order::Reload(id)) = *order;
        let Some(at) = self.at(id) else { return };
        let known = &self.known[at];
        let state = known.state;
        // A signal may be for the one that it is to replace.
        let (group, name) = (&known.policy.group, &known.policy.name);
        let serves = |other: &&Known| {
            (&other.policy.group, &other.policy.name) == (group, name)
                && other.state == State::Running
                && !other.gone
        };
        let signals = matches!(order, Order::Signal(..) | Order::Reload(_));
        let fine = match got {
            Ok(()) if signals && self.known.iter().any(|other| serves(&other)) => true,
            _ if self.ending => got == Err(Refusal::ShutdownState),
            Err(Refusal::BadName) => known.gone || known.retired,
            _ => !known.gone && is_answer(order, state, got),
        };
        self.rule(fine, || format!("{order:?} of {state:?} answers {got:?}"));
        self.rule(got.is_ok() || out.iter().all(|action| matches!(action, Action::Log(_))), || {
            format!("{order:?} was refused with {got:?} and did something: {out:?}")
        });
        match (order, got) {
            (Order::Start(_), Ok(())) => self.wants(at),
            (Order::Stop(_) | Order::Kill(_), Ok(())) => self.is_stopped(at, order),
            (Order::Stop(_), Err(Refusal::NotRunning)) => {
                let rests = !matches!(state, State::Stopping | State::Unknown);
                self.known[at].idle |= rests;
            }
            _ => {}
        }
    }

    /// An order to start one is an order to start all that it waits for.
    fn wants(&mut self, at: usize) {
        let mut open = vec![at];
        let mut found = Vec::new();
        while let Some(at) = open.pop() {
            if found.contains(&at) {
                continue;
            }
            found.push(at);
            let one = &self.known[at];
            let missing = |other: &usize| {
                let other = &self.known[*other];
                lacks(one, other) && rests(other)
            };
            open.extend((0..self.known.len()).filter(missing));
        }
        for at in found {
            let known = &mut self.known[at];
            if rests(known) && !known.retired {
                known.hand = Some(Hand::Up);
                known.wanted = true;
                known.idle = false;
                known.failures_by_hand = 0;
            }
        }
    }

    /// With the one that it was to replace.
    fn is_stopped(&mut self, at: usize, order: &Order) {
        let mut next = Some(at);
        while let Some(at) = next {
            let known = &mut self.known[at];
            known.hand = Some(Hand::Down);
            known.wanted = false;
            known.again = false;
            known.early = true;
            known.killed |= matches!(order, Order::Kill(_));
            next = known.predecessor.and_then(|id| self.at(id));
        }
    }

    pub(super) fn spawns(&mut self, now: Moment, id: ProcId, kernel: &Kernel) {
        let Some(at) = self.at(id) else {
            return self.rule(false, || format!("{id:?} is unknown and starts"));
        };
        let known = self.known[at].clone();
        self.rule(!self.ending, || format!("{id:?} starts after the shutdown began"));
        let again = known.retired && !known.policy.hot;
        self.rule(!known.gone && !again, || format!("{id:?} starts after its removal"));
        let alive = kernel.pid(id).is_some() || known.spawning;
        self.rule(!alive, || format!("a second process of {id:?}"));
        let others = self.known.iter().filter(|other| {
            let same =
                other.policy.name == known.policy.name && other.policy.group == known.policy.group;
            same && other.id != id
                && kernel.pid(other.id).is_some()
                && other.state != State::Unknown
        });
        let others: Vec<ProcId> = others.map(|other| other.id).collect();
        let hot = others.len() == 1 && known.policy.hot && self.is_of_chain(&known, others[0]);
        self.rule(others.is_empty() || hot, || format!("{id:?} starts while {others:?} live"));
        let first = match known.before.0 {
            State::Stopped => !known.again,
            _ => known.wanted,
        };
        if first {
            let missing = known
                .policy
                .depends_on
                .iter()
                .find(|wanted| !holds(&self.known, wanted, false))
                .cloned();
            self.rule(missing.is_none(), || format!("{id:?} starts before {missing:?}"));
        }
        if !known.wanted {
            let stopped = known.hand == Some(Hand::Down) || known.idle;
            self.rule(!stopped, || format!("{id:?} was stopped by hand"));
            let earliest = known.earliest();
            self.rule(earliest <= now, || format!("{id:?} starts too early, not at {earliest:?}"));
        }
        if let (Some(last), true) = (&mut self.in_order, known.policy.depends_on.is_empty()) {
            let policy = &known.policy;
            let this =
                (policy.group_priority, policy.group.clone(), policy.priority, policy.name.clone());
            let ordered = *last <= this;
            let text = format!("{id:?} starts out of order, after {last:?}");
            *last = this;
            self.rule(ordered, || text);
        }
        let known = &mut self.known[at];
        known.spawning = true;
        known.wanted = false;
        known.again = false;
        known.idle = false;
        known.lost = false;
        known.born = Some(now);
        known.died = None;
        known.stopping = None;
        known.killed = false;
        known.early = false;
    }

    /// Whether one of these takes the place of the other, in any number of steps.
    fn is_of_chain(&self, known: &Known, other: ProcId) -> bool {
        let is_older = |one: ProcId, than: ProcId| {
            self.at(than).is_some_and(|at| self.older(at).any(|old| old.id == one))
        };
        is_older(known.id, other) || is_older(other, known.id)
    }

    /// This one, and all whose place it takes.
    pub(super) fn older(&self, at: usize) -> impl Iterator<Item = &Known> {
        std::iter::successors(self.known.get(at), |one| {
            one.predecessor.and_then(|id| self.at(id)).map(|at| &self.known[at])
        })
    }
}

/// It can be started, now or when it has stopped.
fn rests(known: &Known) -> bool {
    matches!(known.state, State::Stopped | State::Exited | State::Fatal | State::Stopping)
}
