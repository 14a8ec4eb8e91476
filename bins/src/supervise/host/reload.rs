//! From one configuration to the next while programs run.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::Host;
use super::plan::{Difference, difference, general, specs};
use super::process::Process;
use super::start::tell_notes;
use crate::supervise::config::model::{Config, Daemon, Group, Level};
use crate::supervise::logs::MainLogOptions;
use crate::supervise::machine::types::{Change, Input, ProcId};

impl Host {
    /// SIGHUP: reads the file again and applies what is different. Programs whose keys are the same
    /// are left alone; a file that cannot be read changes nothing.
    pub(super) fn reload(&mut self) {
        let config = match (self.load)() {
            Ok(config) => config,
            Err(text) => {
                let text = format!("cannot read the configuration, going on as before: {text}");
                self.line(Level::Error, text);
                return;
            }
        };
        let Config { daemon, servers, groups, notes, .. } = config;
        tell_notes(&mut self.log, &notes);
        self.reconfigure(daemon);
        self.change_servers(servers);
        self.apply(groups);
    }

    /// What `[supervisord]` says now, as far as it can change in a life.
    pub(super) fn reconfigure(&mut self, mut daemon: Daemon) {
        daemon.nodaemon = self.daemon.nodaemon;
        if self.daemon != daemon {
            self.log.configure(MainLogOptions::of(&daemon));
            self.daemon = daemon;
        }
    }

    /// Tells the machine what is new, different and gone.
    pub(super) fn apply(&mut self, groups: Vec<Group>) {
        self.reread = Default::default();
        let specs = specs(&self.daemon, groups);
        let difference = difference(self.present.iter(), specs, &mut self.next);
        let changes = self.enter(difference);
        self.add_at_once();
        let is_new = |change: &Change| matches!(change, Change::Add(..));
        let (new, other): (Vec<_>, Vec<_>) = changes.into_iter().partition(is_new);
        let removed = |change: &Change| match change {
            Change::Remove(id) => Some(*id),
            Change::Add(..) | Change::Replace(..) => None,
        };
        let removed: BTreeSet<ProcId> = other.iter().filter_map(removed).collect();
        // As with supervisorctl's update: what is new may want what the old ones hold, a port.
        self.state.additions = Some((removed, new));
        self.feed(Input::Apply(general(&self.daemon), other));
        self.add_what_waits(None);
    }

    /// Makes a difference the present; what the machine is to be told of it.
    pub(super) fn enter(&mut self, difference: Difference) -> Vec<Change> {
        for key in &difference.gone {
            self.present.remove(key);
        }
        for (id, spec) in difference.specs {
            let key = (Rc::clone(&spec.group), spec.process.name.clone());
            let members = self.members.entry(Rc::clone(&spec.group)).or_default();
            *members = members.saturating_add(1);
            self.present.insert(key, (id, Rc::clone(&spec)));
            self.processes.insert(id, Process::new(spec));
        }
        self.subscribe();
        for name in &difference.added {
            self.group_added(name);
        }
        difference.changes
    }

    /// Adds what waits without waiting: something else is to follow.
    pub(super) fn add_at_once(&mut self) {
        if let Some((_, former)) = self.state.additions.take() {
            self.feed(Input::Apply(general(&self.daemon), former));
        }
    }

    /// Adds the new programs of a reload when all that it removed have gone.
    pub(super) fn add_what_waits(&mut self, gone: Option<ProcId>) {
        let Some((removed, _)) = &mut self.state.additions else { return };
        if let Some(gone) = gone {
            removed.remove(&gone);
        }
        if removed.is_empty() {
            if let Some((_, new)) = self.state.additions.take() {
                self.feed(Input::Apply(general(&self.daemon), new));
            }
        }
    }

    /// What was stopped by hand before stays stopped.
    pub(super) fn hold(&mut self, stopped: &BTreeSet<String>) {
        let ids: Vec<_> = self
            .present
            .iter()
            .filter(|((group, name), _)| stopped.contains(&format!("{group}:{name}")))
            .map(|(_, (id, _))| *id)
            .collect();
        for id in ids {
            self.machine.hold(id);
        }
    }

    /// One program of a group has gone; with the last one goes the group.
    pub(super) fn left_group(&mut self, group: &Rc<str>) {
        let Some(members) = self.members.get_mut(group) else { return };
        *members = members.saturating_sub(1);
        if *members == 0 {
            self.members.remove(group);
            self.group_removed(group);
        }
    }
}
