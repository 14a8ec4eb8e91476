//! Health commands: run when their schedule says so, killed when they take too long.

use std::collections::HashMap;

use reaper::{Exit, Key, Moment};
use sigpolicy::Signal;

use super::health::{Ask, Schedule};
use super::{Host, Source};
use crate::supervise::config::model::Level;
use crate::supervise::lines::Cause;
use crate::supervise::machine::types::{Input, ProcId};

/// The schedule, and the commands that run.
#[derive(Default)]
pub(super) struct Checks {
    schedule: Schedule,
    running: HashMap<ProcId, Key>,
}

impl Checks {
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.schedule.deadline()
    }
}

impl Host {
    /// The program is RUNNING.
    pub(super) fn begin_checks(&mut self, id: ProcId) {
        let Some(process) = self.processes.get(&id) else { return };
        let Some(rules) = process.spec.process.extra.health.clone() else { return };
        let (now, mut asked) = (self.events.now(), Vec::new());
        self.checks.schedule.begin(now, id, &rules, &mut asked);
        self.ask(asked);
    }

    /// The program is not RUNNING any more.
    pub(super) fn end_checks(&mut self, id: ProcId) {
        let mut asked = Vec::new();
        self.checks.schedule.end(id, &mut asked);
        self.ask(asked);
    }

    /// The deadline may have come.
    pub(super) fn check_health(&mut self) {
        let (now, mut asked) = (self.events.now(), Vec::new());
        self.checks.schedule.due(now, &mut asked);
        self.ask(asked);
    }

    pub(super) fn health_exited(&mut self, id: ProcId, exit: Exit) {
        self.checks.running.remove(&id);
        let result = if exit.success() { Ok(()) } else { Err(Cause(exit).to_string()) };
        self.health_ended(id, result);
    }

    fn health_ended(&mut self, id: ProcId, result: Result<(), String>) {
        let (now, mut asked) = (self.events.now(), Vec::new());
        self.checks.schedule.ended(now, id, result, &mut asked);
        self.ask(asked);
    }

    fn run_check(&mut self, id: ProcId) {
        let process = self.processes.get(&id);
        let Some(rules) = process.and_then(|p| p.spec.process.extra.health.clone()) else { return };
        match self.run_beside(id, Source::Health(id), &rules.command) {
            Ok(key) => drop(self.checks.running.insert(id, key)),
            Err(text) => self.health_ended(id, Err(text)),
        }
    }

    fn ask(&mut self, asked: Vec<Ask>) {
        for ask in asked {
            match ask {
                Ask::Run(id) => self.run_check(id),
                Ask::Kill(id) => {
                    let child = self.checks.running.get(&id).and_then(|key| self.events.get(*key));
                    if let Some(child) = child {
                        // One that is gone already is about to be told.
                        let _ = child.signal_group(Signal::KILL);
                    }
                }
                Ask::Failed(id, failure) => {
                    let name = self.name(id);
                    self.line(Level::Warn, format!("{name} {failure}"));
                }
                Ask::Unhealthy(id) => self.feed(Input::Unhealthy(id)),
            }
        }
    }
}
