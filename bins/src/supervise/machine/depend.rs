//! Who waits for whom.

use std::collections::{BTreeMap, BTreeSet};

use reaper::Moment;

use super::process::Process;
use super::types::{Action, After, Policy, ProcId, State};
use super::{Machine, Phase, Rank};
use crate::supervise::config::model::{Type, Until};
use crate::supervise::lines::Line;

/// What one process depends on, and what depends on it; each process once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Links {
    pub(super) needs: Vec<(ProcId, Vec<Until>)>,
    pub(super) needed_by: Vec<ProcId>,
}

/// Where the names of `depends_on=` are looked up.
#[derive(Default)]
struct Names<'p> {
    groups: BTreeMap<&'p str, Vec<ProcId>>,
    processes: BTreeMap<&'p str, Vec<ProcId>>,
    full: BTreeMap<(&'p str, &'p str), Vec<ProcId>>,
}

impl<'p> Names<'p> {
    fn add(&mut self, id: ProcId, policy: &'p Policy) {
        self.groups.entry(&policy.group).or_default().push(id);
        self.processes.entry(&policy.name).or_default().push(id);
        self.full.entry((&policy.group, &policy.name)).or_default().push(id);
    }

    /// `group:name`, `group:*`, a group, or a process. A name that nobody has is no obstacle: the
    /// reader of the configuration refuses it.
    fn find<'n>(&'n self, name: &'n str) -> &'n [ProcId] {
        let found = match name.split_once(':') {
            Some((group, "*" | "")) => self.groups.get(group),
            Some((group, process)) => self.full.get(&(group, process)),
            None => self.groups.get(name).or_else(|| self.processes.get(name)),
        };
        found.map_or(&[], Vec::as_slice)
    }
}

impl Machine {
    /// Looks all names up again.
    pub(super) fn relink(&mut self) {
        self.links.clear();
        if self.table.values().all(|process| process.policy.depends_on.is_empty()) {
            return;
        }
        let mut names = Names::default();
        for process in self.table.values() {
            names.add(process.id, &process.policy);
        }
        let mut links: BTreeMap<ProcId, Links> = BTreeMap::new();
        // In start order, so that those who wait for the same one start in it.
        for process in self.order.iter().filter_map(|rank| self.table.get(&rank.id)) {
            let mut needs: BTreeMap<ProcId, Vec<Until>> = BTreeMap::new();
            for dependency in &process.policy.depends_on {
                let found = names.find(&dependency.name).iter();
                for on in found.filter(|on| **on != process.id) {
                    let untils = needs.entry(*on).or_default();
                    if !untils.contains(&dependency.until) {
                        untils.push(dependency.until);
                    }
                }
            }
            for on in needs.keys() {
                links.entry(*on).or_default().needed_by.push(process.id);
            }
            if !needs.is_empty() {
                links.entry(process.id).or_default().needs = needs.into_iter().collect();
            }
        }
        self.links = links;
    }

    /// It is what its name stands for: a process that is replaced counts only when all is stopped.
    fn is_current(&self, process: &Process) -> bool {
        !process.removed && !self.successors.contains_key(&process.id)
    }

    /// What a process is to replace and what is looked after as before.
    pub(super) fn serving(&self, id: ProcId) -> impl Iterator<Item = &Process> {
        let olds = self.predecessors.get(&id).map_or(&[][..], Vec::as_slice);
        olds.iter().filter_map(|old| self.table.get(old)).filter(|old| !old.removed)
    }

    /// What it replaces must have gone, except for the one that it starts beside.
    fn is_in_the_way(&self, process: &Process) -> bool {
        let olds = self.predecessors.get(&process.id).map_or(0, Vec::len);
        let beside = if process.policy.hot { self.serving(process.id).take(1).count() } else { 0 };
        olds > beside
    }

    /// The processes that are not yet so far that this one could start.
    fn unmet(&self, id: ProcId) -> impl Iterator<Item = &Process> {
        let needs = self.links.get(&id).map_or(&[][..], |links| &links.needs);
        needs.iter().filter_map(|(on, untils)| self.still_needed(*on, untils))
    }

    /// The same for one of them; they are in the order of their ids.
    fn is_unmet(&self, id: ProcId, on: ProcId) -> bool {
        let needs = self.links.get(&id).map_or(&[][..], |links| &links.needs);
        let found =
            needs.binary_search_by_key(&on, |(on, _)| *on).ok().and_then(|at| needs.get(at));
        found.is_some_and(|(_, untils)| self.still_needed(on, untils).is_some())
    }

    fn still_needed(&self, on: ProcId, untils: &[Until]) -> Option<&Process> {
        let process = self.table.get(&on).filter(|on| self.is_current(on))?;
        let met = |process: &Process| untils.iter().all(|until| is_met(process, *until));
        (!met(process) && !self.serving(on).any(met)).then_some(process)
    }

    /// Starts it if it waits and nothing is in its way.
    pub(super) fn consider(&mut self, now: Moment, id: ProcId, out: &mut Vec<Action>) {
        let Some(process) = self.table.get(&id).filter(|process| process.waits()) else { return };
        if self.phase != Phase::Running || self.is_in_the_way(process) {
            return;
        }
        if self.unmet(id).next().is_none() {
            return self.with(id, |process| process.spawn(now, out));
        }
        let idle = self.unmet(id).filter(|on| self.is_idle(on));
        // One that has ended for good says more than one that was never started.
        let on = idle.min_by_key(|on| !has_ended(on)).map(|on| on.id);
        match on {
            Some(on) => self.hold_back(now, id, on, out),
            None if process.held => self.let_hope(id),
            None => {}
        }
    }

    /// It does not come without somebody's doing.
    fn is_idle(&self, process: &Process) -> bool {
        let hopes = process.waiting && !process.held || process.is_busy();
        !hopes && !self.is_served(process.id)
    }

    /// What it waits for has failed, or was stopped: it is held, and so is what waits for it in turn.
    fn hold_back(&mut self, now: Moment, id: ProcId, on: ProcId, out: &mut Vec<Action>) {
        let lost = self.table.get(&on).filter(|on| has_ended(on)).map(|on| on.code.max(1));
        let (mut open, mut seen) = (vec![(id, on)], BTreeSet::new());
        while let Some((id, on)) = open.pop() {
            let process = self.table.get(&id).filter(|it| it.waits() && seen.insert(it.id));
            let (Some(process), Some(on)) = (process, self.table.get(&on)) else { continue };
            let ends = lost.filter(|_| process.policy.essential && !self.is_served(id));
            let (held, told, state, name) =
                (process.held, process.told, process.state, process.name());
            if held && lost.is_none() {
                continue;
            }
            if !told || ends.is_some() {
                let (name, on, state) = (name.clone(), on.name(), on.state);
                out.push(Action::Log(Line::Held { name, on, state }));
            }
            if !held {
                out.push(Action::Held(id));
            }
            self.with(id, |process| (process.held, process.told) = (true, true));
            if let Some(code) = ends {
                // What it needs has ended for good, and so has it.
                out.push(Action::Log(Line::Essential { name, state, code }));
                return self.begin_shutdown(now, After::Leave(code), out);
            }
            if !self.is_served(id) {
                open.extend(self.waiting_for(id).rev().map(|dependent| (dependent, id)));
            }
        }
    }

    /// What it waits for is on its way again, for it and for what waits for it in turn.
    fn let_hope(&mut self, id: ProcId) {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let held = self.table.get(&id).is_some_and(|it| it.waits() && it.held);
            if held && !self.unmet(id).any(|on| self.is_idle(on)) {
                self.with(id, |process| process.held = false);
                open.extend(self.waiting_for(id).rev());
            }
        }
    }

    /// Those that could start if it had come so far.
    fn waiting_for(&self, id: ProcId) -> impl DoubleEndedIterator<Item = ProcId> {
        let needed_by = self.links.get(&id).map_or(&[][..], |links| &links.needed_by);
        needed_by.iter().copied().filter(move |of| {
            self.table.get(of).is_some_and(Process::waits) && self.is_unmet(*of, id)
        })
    }

    /// The same for all, in start order.
    pub(super) fn consider_all(&mut self, now: Moment, out: &mut Vec<Action>) {
        let ids: Vec<ProcId> = self.order.iter().map(|rank| rank.id).collect();
        for id in ids {
            self.consider(now, id, out);
        }
    }

    /// A process has changed: those that wait for it may go.
    pub(super) fn consider_dependents(&mut self, now: Moment, id: ProcId, out: &mut Vec<Action>) {
        let Some(links) = self.links.get(&id) else { return };
        for dependent in links.needed_by.clone() {
            self.consider(now, dependent, out);
        }
    }

    /// This process and all that it waits for and that does not run, in start order.
    pub(super) fn chain(&self, id: ProcId) -> Vec<ProcId> {
        let (mut open, mut found) = (vec![id], BTreeSet::new());
        while let Some(id) = open.pop() {
            if found.insert(id) {
                let missing = self.unmet(id).filter(|on| on.can_be_wanted());
                open.extend(missing.map(|on| on.id));
            }
        }
        let ranks = found.iter().filter_map(|id| self.rank(*id));
        let mut ranks: Vec<Rank> = ranks.collect();
        ranks.sort();
        ranks.into_iter().map(|rank| rank.id).collect()
    }
}

impl Process {
    /// It can be started, now or when it has stopped.
    fn can_be_wanted(&self) -> bool {
        match self.state {
            State::Stopped | State::Exited | State::Fatal | State::Stopping => !self.removed,
            State::Starting | State::Running | State::Backoff | State::Unknown => false,
        }
    }
}

/// It has ended for good, and nobody wanted that.
fn has_ended(process: &Process) -> bool {
    let over = matches!(process.state, State::Fatal | State::Exited);
    over && !process.waiting && !process.by_hand
}

/// Whether a process is so far.
fn is_met(process: &Process, until: Until) -> bool {
    let lives = process.pid.is_some();
    let oneshot = process.policy.kind == Type::Oneshot;
    match until {
        Until::Completed => process.completed,
        _ if oneshot && process.completed => true,
        Until::Started => lives && matches!(process.state, State::Starting | State::Running),
        Until::Ready => !oneshot && process.state == State::Running,
    }
}
