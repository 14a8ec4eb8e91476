//! The order in which processes start.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::types::{Policy, ProcId};

/// The place of one process: by the priority and the name of its group, then by its own.
#[derive(Clone, Debug)]
pub(super) struct Rank {
    pub(super) policy: Arc<Policy>,
    pub(super) id: ProcId,
}

impl Rank {
    fn key(&self) -> (i64, &str, i64, &str, ProcId) {
        let policy = &*self.policy;
        (policy.group_priority, &policy.group, policy.priority, &policy.name, self.id)
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Rank {}

impl Hash for Rank {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}
