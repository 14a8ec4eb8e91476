//! Restarts that wait for the stop.

use crate::supervise::machine::types::{Order, ProcId, State};
use crate::supervise::methods::world::Supervisor;

/// Processes that were told to stop and are to be started as soon as they have. The host has one for
/// all forms, and tells it of what changed.
#[derive(Debug, Default)]
pub struct Restarts {
    waiting: Vec<ProcId>,
}

impl Restarts {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Starts those of the processes that changed which have stopped. Cheap when none is waited for.
    pub fn changed(&mut self, world: &mut dyn Supervisor, changed: &[ProcId]) {
        if self.waiting.is_empty() {
            return;
        }
        for id in changed {
            if self.waiting.contains(id) && !is_stopping(world, *id) {
                self.cancel(*id);
                if world.state(*id).is_some_and(|now| now.state == State::Stopped && !now.waiting) {
                    // What is refused now, or fails, is in the main log and in the state.
                    let _ = world.order(Order::Start(*id));
                }
            }
        }
    }

    /// Its start follows its stop.
    pub(super) fn add(&mut self, id: ProcId) {
        if !self.waiting.contains(&id) {
            self.waiting.push(id);
        }
    }

    /// It is to stay stopped; true if it was not.
    pub fn cancel(&mut self, id: ProcId) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| *waiting != id);
        before != self.waiting.len()
    }
}

fn is_stopping(world: &dyn Supervisor, id: ProcId) -> bool {
    world.state(id).is_some_and(|standing| standing.state == State::Stopping)
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::*;

    #[test]
    fn it_starts_what_has_stopped() {
        let mut world = Fake::new();
        let mut restarts = Restarts::default();
        let [a, b, c] = ["a", "b", "c"].map(|name| world.add("web", name, State::Stopping));
        restarts.add(a);
        restarts.add(b);
        restarts.changed(&mut world, &[a, b, c]);
        assert!(world.orders.is_empty(), "it still stops");
        world.set(b, State::Stopped);
        world.set(c, State::Stopped);
        restarts.changed(&mut world, &[b, c]);
        assert_eq!(world.orders, [Order::Start(b)]);
        world.set(b, State::Stopped);
        restarts.changed(&mut world, &[b]);
        assert_eq!(world.orders.len(), 1, "once is enough");
        world.set(a, State::Stopped);
        restarts.changed(&mut world, &[a]);
        assert_eq!(world.orders, [Order::Start(b), Order::Start(a)]);
        assert!(restarts.is_empty());
    }

    #[test]
    fn what_became_something_else_is_left_alone() {
        let mut world = Fake::new();
        let mut restarts = Restarts::default();
        let ids = [State::Unknown, State::Starting, State::Stopped].map(|state| {
            let id = world.add("web", state.name(), state);
            restarts.add(id);
            id
        });
        // Somebody else has it started.
        world.of(ids[2]).standing.waiting = true;
        restarts.add(ProcId(99));
        restarts.changed(&mut world, &ids);
        restarts.changed(&mut world, &[ProcId(99)]);
        assert!(world.orders.is_empty() && restarts.is_empty());
    }

    #[test]
    fn a_stop_wins() {
        let mut world = Fake::new();
        let mut restarts = Restarts::default();
        let id = world.add("web", "a", State::Stopping);
        restarts.add(id);
        restarts.add(id);
        assert!(restarts.cancel(id) && !restarts.cancel(id));
        world.set(id, State::Stopped);
        restarts.changed(&mut world, &[id]);
        assert!(world.orders.is_empty());
    }
}
