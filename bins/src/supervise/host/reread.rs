//! A configuration that was read again and is applied group by group, as supervisorctl's reread,
//! add, remove and update want it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Host;
use super::plan::{Difference, Spec, difference, general, policy, specs};
use super::process::Process;
use super::start::tell_notes;
use crate::supervise::config::model::Config;
use crate::supervise::machine::types::{Change, Input, ProcId};
use crate::supervise::methods::world::{self, Configured, NotReplaceable};

/// Where the configuration differs from what is present.
#[derive(Default)]
pub(super) struct Reread {
    /// Groups that are not active, or active with other settings.
    other: BTreeMap<Rc<str>, Vec<Rc<Spec>>>,
    /// Groups that are active and not configured any more.
    gone: BTreeSet<Rc<str>>,
}

impl Host {
    /// Reads the file and remembers where it differs; nothing is applied.
    pub(super) fn read_again(&mut self) -> Result<world::Reread, String> {
        let Config { daemon, groups, notes, .. } = (self.load)()?;
        self.add_at_once();
        tell_notes(&mut self.log, &notes);
        let mut new = BTreeMap::<Rc<str>, Vec<Rc<Spec>>>::new();
        let mut order = Vec::new();
        for spec in specs(&daemon, groups) {
            let group = new.entry(Rc::clone(&spec.group)).or_default();
            if group.is_empty() {
                order.push(Rc::clone(&spec.group));
            }
            group.push(spec);
        }
        let active: BTreeSet<Rc<str>> =
            self.present.keys().map(|(group, _)| Rc::clone(group)).collect();
        let mut found = world::Reread::default();
        let mut same = BTreeSet::new();
        for name in order {
            if !active.contains(&name) {
                found.added.push(name.to_string());
            } else if new.get(&name).is_some_and(|specs| self.is_present(&name, specs)) {
                same.insert(name);
            } else {
                found.changed.push(name.to_string());
            }
        }
        let gone: BTreeSet<Rc<str>> =
            active.into_iter().filter(|group| !new.contains_key(group)).collect();
        found.removed = gone.iter().map(|group| group.to_string()).collect();
        new.retain(|group, _| !same.contains(group));
        self.reread = Reread { other: new, gone };
        self.reconfigure(daemon);
        Ok(found)
    }

    /// A group has exactly these processes with these settings.
    fn is_present(&self, group: &Rc<str>, specs: &[Rc<Spec>]) -> bool {
        let known = |spec: &Rc<Spec>| {
            let key = (Rc::clone(group), spec.process.name.clone());
            self.present.get(&key).is_some_and(|(_, present)| present == spec)
        };
        self.of_group(group).count() == specs.len() && specs.iter().all(known)
    }

    /// The active processes of a group, by name.
    pub(super) fn of_group(&self, group: &str) -> impl Iterator<Item = (ProcId, &Rc<Spec>)> {
        let from = (Rc::from(group), String::new());
        let range = self.present.range(from..);
        let range = range.take_while(move |((of, _), _)| &**of == group);
        range.map(|(_, (id, spec))| (*id, spec))
    }

    pub(super) fn each_configured(&self, each: &mut dyn FnMut(Configured<'_>)) {
        let active = self.present.values().map(|(_, spec)| spec);
        let active = active.filter(|spec| {
            !self.reread.gone.contains(&spec.group) && !self.reread.other.contains_key(&spec.group)
        });
        let mut all: Vec<&Rc<Spec>> = active.chain(self.reread.other.values().flatten()).collect();
        all.sort_by(|a, b| (&a.process.name, &a.group).cmp(&(&b.process.name, &b.group)));
        for spec in all {
            each(Configured {
                group: &spec.group,
                group_priority: spec.group_priority,
                inuse: self.of_group(&spec.group).next().is_some(),
                process: &spec.process,
            });
        }
    }

    /// The processes of a group that an update is to end before their successors begin.
    pub(super) fn outdated_of(&self, group: &str) -> Vec<ProcId> {
        let new = self.reread.other.get(group);
        let ends = |spec: &Rc<Spec>| {
            let named = |new: &&Rc<Spec>| new.process.name == spec.process.name;
            match new.and_then(|specs| specs.iter().find(named)) {
                Some(new) => new != spec && !new.process.extra.hot,
                None => new.is_some() || self.reread.gone.contains(group),
            }
        };
        self.of_group(group).filter(|(_, spec)| ends(spec)).map(|(id, _)| id).collect()
    }

    /// Makes a group that is configured active, or as it is configured.
    pub(super) fn activate(&mut self, group: &str) -> bool {
        self.add_at_once();
        let Some((_, specs)) = self.reread.other.remove_entry(group) else {
            return self.of_group(group).next().is_some() && !self.reread.gone.contains(group);
        };
        let present = self.present.iter().filter(|((of, _), _)| &**of == group);
        let difference = difference(present, specs.into_iter(), &mut self.next);
        let changes = self.enter(difference);
        self.feed(Input::Apply(general(&self.daemon), changes));
        true
    }

    /// Forgets processes of a group: all of them, or those that an update ends.
    pub(super) fn deactivate(&mut self, group: &str, outdated: bool) {
        self.add_at_once();
        let ids: BTreeSet<ProcId> = if outdated {
            self.outdated_of(group).into_iter().collect()
        } else {
            self.of_group(group).map(|(id, _)| id).collect()
        };
        let mut former = Vec::new();
        self.present.retain(|_, (id, spec)| {
            let ends = ids.contains(id);
            if ends {
                former.push(Rc::clone(spec));
            }
            !ends
        });
        if let (false, Some(first)) = (outdated, former.first()) {
            let name = Rc::clone(&first.group);
            // It stays configured, and can be added again.
            if !self.reread.gone.remove(&name) {
                self.reread.other.entry(name).or_insert(former);
            }
        }
        self.subscribe();
        let changes = ids.into_iter().map(Change::Remove).collect();
        self.feed(Input::Apply(general(&self.daemon), changes));
    }

    /// A new process for a hot program beside the one that serves.
    pub(super) fn succeed(&mut self, id: ProcId) -> Result<ProcId, NotReplaceable> {
        let Some(process) = self.processes.get(&id) else { return Err(NotReplaceable::BadName) };
        let spec = Rc::clone(&process.spec);
        if !spec.process.extra.hot {
            return Err(NotReplaceable::NotHot);
        }
        let key = (Rc::clone(&spec.group), spec.process.name.clone());
        if self.present.get(&key).is_none_or(|(of, _)| *of != id) {
            return Err(NotReplaceable::BadName);
        }
        let same =
            |other: &Process| (&other.spec.group, &other.spec.process.name) == (&key.0, &key.1);
        if self.processes.values().filter(|other| same(other)).count() > 1 {
            return Err(NotReplaceable::Underway);
        }
        let new = ProcId(self.next);
        self.next = self.next.saturating_add(1);
        let policy = std::sync::Arc::new(policy(&spec));
        let changes = vec![Change::Replace(id, new, policy)];
        let specs = vec![(new, spec)];
        let changes = self.enter(Difference { changes, specs, ..Difference::default() });
        self.feed(Input::Apply(general(&self.daemon), changes));
        Ok(new)
    }
}
