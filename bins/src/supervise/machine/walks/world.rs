//! The machine, the pretended kernel and the clock, joined as the host joins the real ones.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::fmt::Write as _;
use std::time::Duration;

use fastrand::Rng;
use reaper::{Exit, Moment};

use super::invariants::Watch;
use super::kernel::{Deed, Kernel};
use super::scenario::{Scenario, ms};
use crate::supervise::machine::Machine;
use crate::supervise::machine::types::{Action, After, Change, Input, Order, ProcId};

/// More deadlines in one walk than this are a busy loop.
const MOST_DEADLINES: u32 = 20_000;

pub(super) struct World {
    machine: Machine,
    kernel: Kernel,
    pub(super) watch: Watch,
    scenario: Scenario,
    now: Moment,
    /// How late deadlines are seen.
    late: Duration,
    answers: VecDeque<Input>,
    news: VecDeque<Input>,
    spare: Vec<Action>,
    deadlines: u32,
    kept: Option<String>,
}

impl World {
    pub(super) fn new(seed: u64, scenario: Scenario, keep: bool) -> Self {
        Self {
            machine: Machine::new(scenario.general),
            kernel: Kernel::new(seed),
            watch: Watch::new(scenario.general),
            scenario,
            now: Moment::from_nanos(seed % 7),
            late: ms(if seed % 4 == 0 { seed % 50 } else { 0 }),
            answers: VecDeque::new(),
            news: VecDeque::new(),
            spare: Vec::new(),
            deadlines: 0,
            kept: keep.then(String::new),
        }
    }

    pub(super) fn history(&self) -> String {
        self.kept.clone().unwrap_or_default()
    }

    /// A line of the history.
    pub(super) fn note(&mut self, what: &dyn Debug) {
        if let Some(kept) = &mut self.kept {
            let at = self.now.as_nanos() / 1_000_000;
            let _ = writeln!(kept, "{}.{:03} {what:?}", at / 1000, at % 1000);
        }
    }

    /// The first configuration, and the start.
    pub(super) fn begin(&mut self) {
        let entries = self.scenario.entries.iter();
        let changes: Vec<Change> =
            entries.map(|entry| Change::Add(entry.id, entry.policy.clone())).collect();
        self.feed(Input::Apply(self.scenario.general, changes));
        self.feed(Input::Begin);
    }

    /// One input, then all that comes of it.
    pub(super) fn feed(&mut self, input: Input) {
        self.news.push_back(input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(input) = self.answers.pop_front().or_else(|| self.news.pop_front()) {
            if self.watch.violated.is_some() {
                return;
            }
            self.note(&input);
            self.watch.hears(self.now, &input);
            let mut out = std::mem::take(&mut self.spare);
            let is_deadline = input == Input::Deadline;
            self.machine.step(self.now, input, &mut out);
            self.carry_out(&mut out);
            self.spare = out;
            if is_deadline && self.answers.is_empty() {
                let next = self.machine.deadline();
                self.watch.rule(next.is_none_or(|at| at > self.now), || {
                    format!("a deadline that has passed after Deadline: {next:?}")
                });
            }
        }
        self.watch.rests(&self.machine, &self.kernel);
    }

    fn carry_out(&mut self, out: &mut Vec<Action>) {
        for action in out.drain(..) {
            self.note(&action);
            self.watch.sees(self.now, &action, &self.kernel);
            match action {
                Action::Spawn(id) => {
                    let Some(policy) = self.watch.policy(id) else { continue };
                    self.answers.push_back(match self.kernel.spawn(self.now, id, &policy) {
                        Ok(pid) => Input::Spawned(id, pid),
                        Err(why) => Input::SpawnFailed(id, why),
                    });
                }
                Action::Signal { id, signal, .. } => {
                    if let Err(why) = self.kernel.signal(self.now, id, signal) {
                        self.news.push_back(Input::SignalFailed(id, why));
                    }
                }
                Action::StopCommand(id) => {
                    let _ = self.kernel.signal(self.now, id, sigpolicy::Signal::TERM);
                }
                _ => {}
            }
        }
        self.watch.stepped(&self.machine);
    }

    pub(super) fn order(&mut self, nth: u8, order: impl Fn(ProcId) -> Order) {
        let Some(id) = self.watch.some(nth) else { return };
        let order = order(id);
        self.note(&order);
        self.watch.hears_order(&order);
        let mut out = std::mem::take(&mut self.spare);
        let answer = self.machine.order(self.now, order, &mut out);
        self.note(&answer);
        self.watch.sees_answer(&order, answer, &out);
        self.carry_out(&mut out);
        self.spare = out;
        self.watch.order = None;
        self.drain();
    }

    /// What the host hears of a process that it has; it cannot know better.
    pub(super) fn tell(&mut self, nth: u8, input: impl Fn(ProcId) -> Input) {
        let Some(id) = self.living(nth) else { return };
        let input = input(id);
        let announces = self.watch.policy(id).is_some_and(|policy| policy.announces);
        if announces || matches!(input, Input::Unhealthy(_)) {
            self.feed(input);
        }
    }

    pub(super) fn living(&self, nth: u8) -> Option<ProcId> {
        let count = self.kernel.ids().count();
        self.kernel.ids().nth(usize::from(nth).checked_rem(count)?)
    }

    pub(super) fn exit(&mut self, id: ProcId, exit: Exit) {
        self.kernel.end(self.now, id, exit);
        self.happen();
    }

    pub(super) fn apply(&mut self, random: &mut Rng) {
        let changes = self.scenario.change(random);
        if !changes.is_empty() {
            self.feed(Input::Apply(self.scenario.general, changes));
        }
    }

    /// All that has happened by now.
    fn happen(&mut self) {
        while let Some(deed) = self.kernel.happened(self.now) {
            self.feed(match deed {
                Deed::Exited(id, exit) => Input::Exited(id, exit),
                Deed::Ready(id) => Input::Ready(id),
                Deed::Alive(id) => Input::Alive(id),
            });
        }
    }

    fn is_over(&self) -> bool {
        self.watch.finished.is_some() || self.watch.violated.is_some()
    }

    /// The next thing that happens until then; false: nothing does.
    fn advance(&mut self, until: Moment) -> bool {
        let due = self.machine.deadline().map(|at| at.max(self.now) + self.late);
        let Some(at) = self.kernel.next().into_iter().chain(due).min() else { return false };
        if at > until || self.is_over() {
            return false;
        }
        self.now = self.now.max(at);
        self.happen();
        if self.machine.deadline().is_some_and(|at| at <= self.now) && !self.is_over() {
            self.deadlines += 1;
            let (count, now) = (self.deadlines, self.now);
            self.watch
                .rule(count < MOST_DEADLINES, || format!("{count} deadlines by {now:?}: it spins"));
            self.feed(Input::Deadline);
        }
        true
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.advance(until) {}
        if !self.is_over() {
            self.now = until;
        }
    }

    pub(super) fn deadlines(&mut self, count: u8) {
        for _ in 0..count {
            if !self.advance(Moment::MAX) {
                return;
            }
        }
    }

    /// What can be well becomes so, and then it stays as it is.
    pub(super) fn settle(&mut self) {
        self.kernel.calm_down(self.now);
        self.pass(ms(90_000));
        if self.is_over() {
            return;
        }
        self.watch.settled(&self.machine);
        let (deadlines, changes) = (self.deadlines, self.watch.changes);
        self.pass(ms(30_000));
        if self.is_over() {
            return;
        }
        let (deadlines, changes) = (self.deadlines - deadlines, self.watch.changes - changes);
        // A watchdog may be looked at once for each of its two seconds.
        let most = self.watch.watchdogs() * 16;
        self.watch.rule(deadlines <= most && changes == 0, || {
            format!("{deadlines} deadlines and {changes} changes in a quiet time")
        });
    }

    /// Everything is stopped; the machine must see it through.
    pub(super) fn end(&mut self) {
        if !self.watch.ending {
            self.feed(Input::Shutdown(After::Leave(0)));
        }
        self.pass(ms(3_600_000));
        self.watch.rule(self.watch.finished.is_some(), || "the shutdown never ends".into());
        if self.watch.violated.is_none() {
            // The host may still hear of what was under way.
            self.feed(Input::Deadline);
            self.feed(Input::Shutdown(After::Leave(1)));
        }
    }
}
