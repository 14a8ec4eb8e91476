//! The children the loop owns: found by key and by pid, each in constant time.

use super::Key;
use crate::{Child, Exit, Pid};
use std::collections::{BTreeSet, HashMap};

/// All children of the loop.
#[derive(Default)]
pub(super) struct Children {
    by_key: HashMap<Key, Member>,
    by_pid: HashMap<Pid, Key>,
    /// Those whose end only SIGCHLD tells, to be asked one by one.
    overflow: BTreeSet<Key>,
}

struct Member {
    child: Child,
    polled: bool,
}

/// What asking after a child brought.
pub(super) enum Asked {
    /// It ended; it is no longer in the table. Whether its pidfd is still with the poller.
    Ended {
        child: Child,
        exit: Exit,
        polled: bool,
    },
    Living,
    /// There is no such key.
    Unknown,
}

impl Children {
    pub(super) fn insert(&mut self, key: Key, child: Child, polled: bool) {
        self.by_pid.insert(child.pid(), key);
        if !polled {
            self.overflow.insert(key);
        }
        self.by_key.insert(key, Member { child, polled });
    }

    pub(super) fn get(&self, key: Key) -> Option<&Child> {
        self.by_key.get(&key).map(|member| &member.child)
    }

    pub(super) fn key_of(&self, pid: Pid) -> Option<Key> {
        self.by_pid.get(&pid).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// The children on the overflow list, eldest first.
    pub(super) fn overflow(&self) -> Vec<Key> {
        self.overflow.iter().copied().collect()
    }

    /// Puts a child on the overflow list; returns it if its pidfd was with the poller.
    pub(super) fn demote(&mut self, key: Key) -> Option<&Child> {
        let member = self.by_key.get_mut(&key)?;
        self.overflow.insert(key);
        std::mem::replace(&mut member.polled, false).then_some(&member.child)
    }

    /// Reaps a child if it has ended.
    pub(super) fn ask(&mut self, key: Key) -> Asked {
        let Some(member) = self.by_key.get_mut(&key) else { return Asked::Unknown };
        let exit = match member.child.try_wait() {
            Ok(Some(exit)) => exit,
            // Somebody else reaped it, or SIGCHLD is ignored: it is gone, its status lost.
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Exit::from_raw(-1),
            Ok(None) | Err(_) => return Asked::Living,
        };
        let Some(Member { child, polled }) = self.by_key.remove(&key) else {
            return Asked::Unknown;
        };
        self.overflow.remove(&key);
        // A new child can have the pid by now.
        if self.by_pid.get(&child.pid()) == Some(&key) {
            self.by_pid.remove(&child.pid());
        }
        Asked::Ended { child, exit, polled }
    }
}
