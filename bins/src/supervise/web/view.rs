//! What of the page somebody wants to see, as the query of its address says it.

use std::fmt::Write;

use super::did::Did;
use super::escape::part;
use super::{Fields, STATES, field};
use crate::supervise::machine::types::State;
use crate::supervise::methods::world::Info;

/// A page that follows what was ordered gives up after so many turns of a second.
const TURNS: u32 = 60;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// Only this group.
    pub(super) group: Option<String>,
    /// Only processes in this state.
    pub(super) state: Option<State>,
    /// Without the ends of the logs.
    pub(super) quiet: bool,
    /// Loaded again each so many seconds.
    pub(super) refresh: Option<u32>,
    /// How often it was loaded to follow an order.
    pub(super) turn: u32,
}

impl View {
    pub(super) fn of(query: &Fields) -> Self {
        let state = field(query, "state");
        let number = |name| field(query, name).and_then(|text| text.parse::<u32>().ok());
        Self {
            group: field(query, "group").filter(|name| !name.is_empty()).map(str::to_owned),
            state: state.and_then(|name| STATES.into_iter().find(|state| state.name() == name)),
            quiet: field(query, "logs") == Some("0"),
            refresh: number("refresh").filter(|seconds| (1..=3600).contains(seconds)),
            turn: number("turn").unwrap_or(0),
        }
    }

    pub(super) fn shows(&self, info: &Info) -> bool {
        self.group.as_ref().is_none_or(|name| *name == info.group)
            && self.state.is_none_or(|state| state == info.standing.state)
    }

    /// The address that shows this, and what was done.
    pub(super) fn address(&self, did: Option<&Did>) -> String {
        let query = self.query(did);
        if query.is_empty() { "/".to_owned() } else { format!("/?{query}") }
    }

    /// The next one that follows an order, unless there were enough.
    pub(super) fn next_turn(&self) -> Option<Self> {
        let turn = self.turn.checked_add(1).filter(|turn| *turn <= TURNS)?;
        Some(Self { turn, ..self.clone() })
    }

    pub(super) fn query(&self, did: Option<&Did>) -> String {
        let mut query = String::new();
        if let Some(group) = &self.group {
            let _ = write!(query, "&group={}", part(group));
        }
        if let Some(state) = self.state {
            let _ = write!(query, "&state={}", state.name());
        }
        if self.quiet {
            query.push_str("&logs=0");
        }
        if let Some(seconds) = self.refresh {
            let _ = write!(query, "&refresh={seconds}");
        }
        if let Some(did) = did {
            let _ = write!(query, "&{}", did.query());
            if self.turn > 0 {
                let _ = write!(query, "&turn={}", self.turn);
            }
        }
        query.strip_prefix('&').unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(query: &[(&str, &str)]) -> View {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        View::of(&query.iter().map(own).collect::<Vec<_>>())
    }

    #[test]
    fn it_travels() {
        let all = [("group", "a&b"), ("state", "FATAL"), ("logs", "0"), ("refresh", "5")];
        let view = view(&all);
        assert_eq!(view.address(None), "/?group=a%26b&state=FATAL&logs=0&refresh=5");
        assert_eq!(View::default().address(None), "/");
    }

    #[test]
    fn what_is_no_choice_is_none() {
        let odd =
            [("group", ""), ("state", "fatal"), ("logs", "no"), ("refresh", "0"), ("turn", "x")];
        assert_eq!(view(&odd), View::default());
        assert_eq!(view(&[("refresh", "3601")]), View::default());
    }

    #[test]
    fn it_does_not_follow_for_ever() {
        let mut view = View::default();
        let mut turns = 0;
        while let Some(next) = view.next_turn() {
            view = next;
            turns += 1;
        }
        assert_eq!(turns, TURNS);
        assert_eq!(View { turn: u32::MAX, ..View::default() }.next_turn(), None);
    }
}
