//! The buttons: which there are, and which make sense.

use std::fmt::Write;

use super::act::has_log;
use super::did::Action;
use super::escape::push_html;
use crate::supervise::machine::types::State;
use crate::supervise::methods::world::{Info, Standing};

/// What can be done with a process in this state; of `clear` the state says nothing.
pub(super) fn makes_sense(action: Action, standing: &Standing) -> bool {
    let waits = standing.waiting;
    match (standing.state, action) {
        (_, Action::Clear) => true,
        (State::Stopped | State::Exited | State::Fatal, Action::Start) => !waits,
        (State::Stopped | State::Exited | State::Fatal, Action::Stop) => waits,
        (State::Stopping, Action::Stop) => waits,
        (State::Starting | State::Running | State::Backoff, Action::Stop | Action::Restart) => true,
        _ => false,
    }
}

/// One button; `target` is what it is for.
pub(super) fn push(html: &mut String, action: Action, target: &str, enabled: bool) {
    let _ = write!(html, "<button name=\"{}\" value=\"", action.word());
    push_html(html, target);
    let disabled = if enabled { "" } else { " disabled" };
    let _ = write!(html, "\"{disabled}>{}</button>", action.word());
}

/// Those of a process.
pub(super) fn of_process(html: &mut String, info: &Info, target: &str, runs: bool) {
    for action in Action::ALL {
        let enabled = match action {
            Action::Clear => has_log(info),
            _ => runs && makes_sense(action, &info.standing),
        };
        push(html, action, target, enabled);
    }
}

/// Those of a group or of everything: each makes sense if it does for one of them.
pub(super) fn of_several<'a>(
    html: &mut String,
    infos: impl Iterator<Item = &'a Info> + Clone,
    target: &str,
    runs: bool,
) {
    for action in [Action::Start, Action::Stop, Action::Restart] {
        let enabled = runs && infos.clone().any(|info| makes_sense(action, &info.standing));
        push(html, action, target, enabled);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::*;
    use crate::supervise::machine::types::Order;
    use crate::supervise::methods::world::Supervisor;

    /// A button is there exactly if the order would be followed.
    #[test]
    fn they_make_sense() {
        for state in super::super::STATES {
            let order = |order: fn(_) -> Order| {
                let mut world = Fake::new();
                let id = world.add("web", "a", state);
                let standing = world.state(id).unwrap();
                (world.order(order(id)).is_ok(), standing)
            };
            let (starts, standing) = order(Order::Start);
            let (stops, _) = order(Order::Stop);
            assert_eq!(makes_sense(Action::Start, &standing), starts, "{state:?}");
            assert_eq!(makes_sense(Action::Stop, &standing), stops, "{state:?}");
            assert_eq!(makes_sense(Action::Restart, &standing), stops, "{state:?}");
        }
    }

    #[test]
    fn what_waits_can_be_stopped() {
        let mut world = Fake::new();
        let id = world.add("web", "a", State::Stopped);
        world.of(id).standing.waiting = true;
        let standing = world.state(id).unwrap();
        let can: Vec<bool> = Action::ALL.map(|action| makes_sense(action, &standing)).into();
        assert_eq!(can, [false, true, false, true]);
    }

    #[test]
    fn a_button_says_what_it_is_for() {
        let mut html = String::new();
        push(&mut html, Action::Stop, "a\"&:b", false);
        let expected = "<button name=\"stop\" value=\"a&quot;&amp;:b\" disabled>stop</button>";
        assert_eq!(html, expected);
    }
}
