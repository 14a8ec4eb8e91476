//! What is remembered of a connection between two calls.

use std::collections::BTreeSet;

use super::table::Id;

/// Somebody who calls methods, one after the other.
///
/// supervisorctl's `update` reads the configuration again and then stops, removes and adds each group
/// that has changed. As long as a caller does nothing else, the three mean only those processes of the
/// group that are different: what is as it was runs on.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Who it is, for the log; empty if nobody knows.
    pub name: String,
    /// The groups that it was told have changed, and has not dealt with.
    changed: BTreeSet<String>,
}

impl Caller {
    /// A caller of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Caller {
        Caller { name: name.into(), changed: BTreeSet::new() }
    }

    /// A method is called. One that is no part of an update ends it.
    pub(super) fn calls(&mut self, method: Id) {
        let part = matches!(
            method,
            Id::ReloadConfig
                | Id::StopProcessGroup
                | Id::RemoveProcessGroup
                | Id::AddProcessGroup
                | Id::GetAllProcessInfo
                | Id::Multicall
        );
        if !part {
            self.changed.clear();
        }
    }

    /// It was told what has changed.
    pub(super) fn reread(&mut self, changed: &[String]) {
        self.changed = changed.iter().cloned().collect();
    }

    /// Whether it is bringing this group up to date.
    pub(super) fn updates(&self, group: &str) -> bool {
        self.changed.contains(group)
    }

    /// The group is up to date.
    pub(super) fn has_updated(&mut self, group: &str) {
        self.changed.remove(group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_ends_with_its_group_or_with_another_method() {
        let mut caller = Caller::new("x");
        caller.reread(&["a".to_owned(), "b".to_owned()]);
        for part in [Id::StopProcessGroup, Id::RemoveProcessGroup, Id::GetAllProcessInfo] {
            caller.calls(part);
        }
        assert!(caller.updates("a") && caller.updates("b") && !caller.updates("c"));
        caller.has_updated("a");
        assert!(!caller.updates("a") && caller.updates("b"));
        caller.calls(Id::GetState);
        assert!(!caller.updates("b"));
    }

    #[test]
    fn reading_again_begins_anew() {
        let mut caller = Caller::default();
        caller.reread(&["a".to_owned()]);
        caller.reread(&["b".to_owned()]);
        assert!(!caller.updates("a") && caller.updates("b"));
    }
}
