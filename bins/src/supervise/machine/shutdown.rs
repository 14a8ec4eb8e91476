//! Stopping everything, stage by stage.
//!
//! A stage is what has the same group priority, the highest first. What depends on a process of a
//! higher stage belongs to that one, as it must have gone before. Within a stage all are stopped at
//! once, except those that something still running depends on. If dependencies run in a circle,
//! which the reader of the configuration refuses, the circle is stopped as one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reaper::Moment;

use super::process::NEVER;
use super::types::{Action, After, Mood, ProcId};
use super::{Machine, Phase};
use crate::supervise::lines::Line;

/// From one `waiting for A, B to die` to the next.
const REPORT: Duration = Duration::from_secs(3);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shutdown {
    pub(super) after: After,
    /// What has not stopped.
    open: BTreeSet<ProcId>,
    /// The stages to come, the next one last.
    stages: Vec<Vec<ProcId>>,
    /// What is left of the present stage: true if it was told to stop.
    stage: BTreeMap<ProcId, bool>,
    /// How many of these were told.
    told: usize,
    /// How many that have not stopped depend on it.
    dependents: BTreeMap<ProcId, usize>,
    /// No more patience.
    overdue: bool,
    kill_at: Moment,
    report_at: Moment,
}

impl Shutdown {
    pub(super) fn due(&self) -> Moment {
        self.kill_at.min(self.report_at)
    }
}

fn mood(after: After) -> Mood {
    match after {
        After::Leave(_) => Mood::ShuttingDown,
        After::Again => Mood::Restarting,
    }
}

impl Machine {
    pub(super) fn begin_shutdown(&mut self, now: Moment, after: After, out: &mut Vec<Action>) {
        if let Some(shutdown) = &mut self.shutdown {
            if shutdown.after == After::Again && after != After::Again {
                shutdown.after = after;
                out.push(Action::Mood(mood(after)));
            }
            return;
        }
        if matches!(self.phase, Phase::Finished(_)) {
            return;
        }
        self.phase = Phase::Stopping;
        self.last_end = None;
        out.push(Action::Mood(mood(after)));
        let ids: Vec<ProcId> = self.order.iter().rev().map(|rank| rank.id).collect();
        for id in &ids {
            self.with(*id, |process| process.abandon(out));
        }
        let unstopped = |id: &&ProcId| self.table.get(id).is_some_and(|it| it.is_unstopped());
        let open: BTreeSet<ProcId> = ids.iter().filter(unstopped).copied().collect();
        let levels = self.levels();
        let mut stages: BTreeMap<i64, Vec<ProcId>> = BTreeMap::new();
        for id in ids.into_iter().filter(|id| open.contains(id)) {
            let own = self.table.get(&id).map(|process| process.policy.group_priority);
            let level = levels.get(&id).copied().or(own).unwrap_or_default();
            stages.entry(level).or_default().push(id);
        }
        let mut dependents = BTreeMap::new();
        for (id, links) in self.links.iter().filter(|(id, _)| open.contains(id)) {
            let count = links.needed_by.iter().filter(|dependent| open.contains(dependent)).count();
            dependents.insert(*id, count);
        }
        let limit = self.general.shutdown_timeout;
        self.shutdown = Some(Box::new(Shutdown {
            after,
            open,
            stages: stages.into_values().collect(),
            stage: BTreeMap::new(),
            told: 0,
            dependents,
            overdue: false,
            kill_at: limit.map_or(NEVER, |limit| now.saturating_add(limit)),
            report_at: now,
        }));
    }

    /// In which stage a process with dependencies belongs: the highest of what it depends on.
    fn levels(&self) -> BTreeMap<ProcId, i64> {
        let own = |id: &ProcId| Some((*id, self.table.get(id)?.policy.group_priority));
        let mut levels: BTreeMap<ProcId, i64> = self.links.keys().filter_map(own).collect();
        let mut open: Vec<ProcId> = levels.keys().copied().collect();
        while let Some(id) = open.pop() {
            let (Some(level), Some(links)) = (levels.get(&id).copied(), self.links.get(&id)) else {
                continue;
            };
            for dependent in &links.needed_by {
                if let Some(other) = levels.get_mut(dependent).filter(|other| **other < level) {
                    *other = level;
                    open.push(*dependent);
                }
            }
        }
        levels
    }

    /// A process has stopped: what only waited for it may be next.
    pub(super) fn has_come_to_rest(&mut self, id: ProcId) {
        let Some(shutdown) = &mut self.shutdown else { return };
        if !shutdown.open.remove(&id) {
            return;
        }
        if shutdown.stage.remove(&id) == Some(true) {
            shutdown.told = shutdown.told.saturating_sub(1);
        }
        let needs = self.links.get(&id).map_or(&[][..], |links| &links.needs);
        for (on, _) in needs {
            if let Some(count) = shutdown.dependents.get_mut(on) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.changed.push_back(*on);
                }
            }
        }
    }

    /// Tells whoever is next, and finishes when all have gone.
    pub(super) fn advance(&mut self, now: Moment, out: &mut Vec<Action>) {
        while let Some(shutdown) = &mut self.shutdown {
            if shutdown.open.is_empty() {
                let after = shutdown.after;
                self.shutdown = None;
                self.phase = Phase::Finished(after);
                out.push(Action::Finished(after));
                return;
            }
            if !shutdown.stage.is_empty() && shutdown.told > 0 {
                return;
            }
            let circle = !shutdown.stage.is_empty();
            let next: Vec<ProcId> = if circle {
                shutdown.stage.keys().copied().collect()
            } else {
                let rest = || shutdown.open.iter().copied().collect();
                shutdown.stages.pop().unwrap_or_else(rest)
            };
            let open = &shutdown.open;
            let next: Vec<ProcId> = next.into_iter().filter(|id| open.contains(id)).collect();
            shutdown.stage = next.iter().map(|id| (*id, false)).collect();
            for id in next {
                self.tell(now, id, circle, out);
            }
        }
    }

    /// Tells one process of the present stage to stop, unless something depends on it still.
    pub(super) fn tell(&mut self, now: Moment, id: ProcId, anyway: bool, out: &mut Vec<Action>) {
        let Some(shutdown) = &mut self.shutdown else { return };
        let free = anyway || shutdown.dependents.get(&id).is_none_or(|count| *count == 0);
        let Some(told) = shutdown.stage.get_mut(&id).filter(|told| free && !**told) else { return };
        *told = true;
        shutdown.told = shutdown.told.saturating_add(1);
        let overdue = shutdown.overdue;
        self.with(id, |process| {
            if overdue {
                process.kill_now(now, out);
            } else {
                process.halt(now, false, out);
            }
        });
    }

    /// `shutdown_timeout=`, and the line about what is waited for.
    pub(super) fn tick_shutdown(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(shutdown) = &mut self.shutdown else { return };
        if Self::is_due(shutdown.kill_at, now) {
            shutdown.kill_at = NEVER;
            shutdown.overdue = true;
            let left = shutdown.open.clone();
            let limit = self.general.shutdown_timeout.unwrap_or_default();
            out.push(Action::Log(Line::OutOfTime { limit }));
            for id in left {
                self.with(id, |process| process.kill_now(now, out));
            }
        }
        let Some(shutdown) = &mut self.shutdown else { return };
        if Self::is_due(shutdown.report_at, now) {
            shutdown.report_at = now.saturating_add(REPORT);
            let open = self.order.iter().filter(|rank| shutdown.open.contains(&rank.id));
            let names: Vec<String> = open.map(|rank| rank.policy.name.clone()).collect();
            if !names.is_empty() {
                out.push(Action::Log(Line::WaitingToDie(names)));
            }
        }
    }
}
