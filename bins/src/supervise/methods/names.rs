//! The names by which processes are called: `name`, `group:name`, and `group:*` or `group:` for all.

use super::Supervisor;
use super::world::{GroupView, LogPlace, Standing};
use crate::supervise::events::Stream;
use crate::supervise::machine::types::{ProcId, State};
use crate::supervise::rpc::{Fault, FaultCode};

/// Group and process of a name; no process stands for all of the group. A name without a colon is
/// both, as a program of its own is in a group of its own.
#[must_use]
pub fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once(':') {
        Some((group, "" | "*")) => (group, None),
        Some((group, process)) => (group, Some(process)),
        None => (name, Some(name)),
    }
}

/// The name of a process, the other way round: that of the group alone where both are the same.
#[must_use]
pub fn join(group: &str, name: &str) -> String {
    if group == name { name.to_owned() } else { format!("{group}:{name}") }
}

/// What a name stands for.
pub(super) enum Named {
    Group(GroupView),
    One(ProcId),
}

/// Looks a name up.
pub(super) fn resolve(world: &dyn Supervisor, name: &str) -> Result<Named, Fault> {
    let found = match split(name) {
        (group, None) => world.group(group).map(Named::Group),
        (group, Some(process)) => world.find(group, process).map(Named::One),
    };
    found.ok_or_else(|| FaultCode::BadName.with(name))
}

/// The process of a name; a whole group is none.
///
/// # Errors
/// BAD_NAME.
pub fn find_process(world: &dyn Supervisor, name: &str) -> Result<ProcId, Fault> {
    match resolve(world, name)? {
        Named::One(id) => Ok(id),
        Named::Group(_) => Err(FaultCode::BadName.with(name)),
    }
}

/// Where a process of this name logs.
///
/// # Errors
/// BAD_NAME.
pub fn find_log(world: &dyn Supervisor, name: &str, stream: Stream) -> Result<LogPlace, Fault> {
    find_process(world, name).map(|id| world.log(id, stream))
}

/// A group that is active.
pub(super) fn find_group(world: &dyn Supervisor, name: &str) -> Result<GroupView, Fault> {
    world.group(name).ok_or_else(|| FaultCode::BadName.with(name))
}

/// All processes in the order in which they start.
pub(super) fn everything(world: &dyn Supervisor) -> Vec<ProcId> {
    world.groups().into_iter().flat_map(|group| group.processes).collect()
}

/// Supervisord's RUNNING_STATES: it runs, or will without anybody's doing.
pub(super) const fn runs(state: State) -> bool {
    matches!(state, State::Running | State::Backoff | State::Starting)
}

/// Supervisord's STOPPED_STATES.
pub(super) const fn has_stopped(state: State) -> bool {
    matches!(state, State::Stopped | State::Exited | State::Fatal | State::Unknown)
}

/// Supervisord's SIGNALLABLE_STATES.
const fn takes_signals(state: State) -> bool {
    matches!(state, State::Running | State::Starting | State::Stopping)
}

/// Whether there is something to send a signal to: the process, or the one that it is to replace.
pub(super) fn hears(world: &dyn Supervisor, id: ProcId) -> bool {
    world.state(id).is_some_and(|standing| takes_signals(standing.state) || standing.served)
}

/// Whether the state of a process is such a one.
pub(super) fn is(world: &dyn Supervisor, id: ProcId, such: fn(State) -> bool) -> bool {
    world.state(id).is_some_and(|Standing { state, .. }| such(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_the_first_colon() {
        assert_eq!(split("a"), ("a", Some("a")));
        assert_eq!(split("a:b"), ("a", Some("b")));
        assert_eq!(split("a:b:c"), ("a", Some("b:c")));
        assert_eq!(split("a:*"), ("a", None));
        assert_eq!(split("a:"), ("a", None));
        assert_eq!(split(":a"), ("", Some("a")));
        assert_eq!(split(""), ("", Some("")));
        assert_eq!(split("*"), ("*", Some("*")));
    }

    #[test]
    fn and_joined_unless_they_are_the_same() {
        assert_eq!(join("a", "a"), "a");
        assert_eq!(join("a", "b"), "a:b");
    }
}
