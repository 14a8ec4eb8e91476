//! The machine with a clock that a test sets.

mod changing;
mod depending;
mod leaving;
mod running;
mod scale;
mod shutting;
mod starting;
mod stopping;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use reaper::{Exit, Moment, Pid};
use sigpolicy::Signal;

use super::Machine;
use super::types::{
    Action, After, Change, General, Input, Order, Policy, ProcId, Refusal, State, View,
};
use crate::supervise::config::model::{AutoRestart, Dependency, Level, Type, Until};

/// A program as supervisord has it unless told otherwise.
fn policy(name: &str) -> Policy {
    Policy {
        name: name.into(),
        group: name.into(),
        group_priority: 999,
        priority: 999,
        autostart: true,
        autorestart: AutoRestart::Unexpected,
        kind: Type::Simple,
        startsecs: secs(1),
        startretries: Some(3),
        exitcodes: vec![0],
        stop: vec![(Signal::TERM, secs(10))],
        kill_wait: secs(10),
        stop_command: false,
        stop_as_group: false,
        kill_as_group: false,
        reload: None,
        announces: false,
        ready_timeout: None,
        watchdog: None,
        backoff_min: None,
        backoff_max: None,
        restart_pause: Duration::ZERO,
        essential: false,
        depends_on: Vec::new(),
        hot: false,
    }
}

fn with(name: &str, change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = policy(name);
    change(&mut policy);
    policy
}

fn on(name: &str, until: Until) -> Vec<Dependency> {
    vec![Dependency { name: name.into(), until }]
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn code(code: u8) -> Exit {
    Exit::from_code(code)
}

fn killed(signal: Signal) -> Exit {
    Exit::from_raw(signal.as_raw())
}

/// A machine, its clock, and a host that does what it is told and writes it down.
struct Fake {
    machine: Machine,
    now: Moment,
    seen: Vec<String>,
    names: BTreeMap<ProcId, String>,
    /// How many have had a name.
    times: BTreeMap<String, usize>,
    next: u32,
    pid: i32,
    /// Spawns of these fail, or are left unanswered.
    refused: BTreeSet<ProcId>,
    held: BTreeSet<ProcId>,
    /// Lines below this level are left out.
    level: Level,
}

impl Fake {
    /// Knows these processes, and has not begun.
    fn fresh(general: General, policies: Vec<Policy>) -> Self {
        let mut fake = Self {
            machine: Machine::new(general),
            now: Moment::ZERO + secs(1000),
            seen: Vec::new(),
            names: BTreeMap::new(),
            times: BTreeMap::new(),
            next: 0,
            pid: 100,
            refused: BTreeSet::new(),
            held: BTreeSet::new(),
            level: Level::Critical,
        };
        let changes = policies.into_iter().map(|policy| fake.add(policy)).collect();
        fake.feed(Input::Apply(general, changes));
        fake
    }

    /// Knows these processes and has begun.
    fn begun(policies: Vec<Policy>) -> Self {
        Self::ruled(General::default(), policies)
    }

    fn ruled(general: General, policies: Vec<Policy>) -> Self {
        let mut fake = Self::fresh(general, policies);
        fake.feed(Input::Begin);
        fake
    }

    /// All of them are RUNNING, and nothing was seen.
    fn running(policies: Vec<Policy>) -> Self {
        let mut fake = Self::begun(policies);
        fake.after(secs(2));
        fake.seen.clear();
        fake
    }

    fn name(&mut self, name: &str) -> ProcId {
        self.next += 1;
        let id = ProcId(self.next);
        let times = self.times.entry(name.into()).or_default();
        let marks = "'".repeat(*times);
        *times += 1;
        self.names.insert(id, format!("{name}{marks}"));
        id
    }

    fn add(&mut self, policy: Policy) -> Change {
        Change::Add(self.name(&policy.name), Arc::new(policy))
    }

    fn replace(&mut self, old: &str, policy: Policy) -> Change {
        let old = self.id(old);
        Change::Replace(old, self.name(&policy.name), Arc::new(policy))
    }

    fn apply(&mut self, changes: Vec<Change>) -> String {
        self.feed(Input::Apply(General::default(), changes));
        self.seen()
    }

    /// The process of this name; `'` is added for each that had it before.
    fn id(&self, name: &str) -> ProcId {
        *self.names.iter().find(|(_, known)| *known == name).unwrap().0
    }

    fn feed(&mut self, input: Input) {
        let mut out = Vec::new();
        self.machine.step(self.now, input, &mut out);
        self.perform(out);
    }

    fn order(&mut self, order: Order) -> Result<(), Refusal> {
        let mut out = Vec::new();
        let answer = self.machine.order(self.now, order, &mut out);
        assert!(answer.is_ok() || out.is_empty(), "{order:?}: {answer:?} and {out:?}");
        self.perform(out);
        answer
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            if let Some(text) = self.text(&action) {
                self.seen.push(text);
            }
            if let Action::Spawn(id) = action {
                if self.refused.contains(&id) {
                    self.feed(Input::SpawnFailed(id, "no such file".into()));
                } else if !self.held.contains(&id) {
                    self.answer(id);
                }
            }
        }
    }

    fn answer(&mut self, id: ProcId) {
        self.pid += 1;
        self.feed(Input::Spawned(id, Pid::from_raw(self.pid).unwrap()));
    }

    fn text(&self, action: &Action) -> Option<String> {
        let name = |id: &ProcId| self.names[id].clone();
        Some(match action {
            Action::Spawn(_) => return None,
            Action::Signal { id, signal, group } => {
                format!("{}<{signal}{}", name(id), if *group { "*" } else { "" })
            }
            Action::StopCommand(id) => format!("{}<command", name(id)),
            Action::Changed(change) => {
                let unexpected = change.to == State::Exited && !change.expected;
                let mark = if unexpected { "!" } else { "" };
                format!("{}:{}{mark}", name(&change.id), change.to.name())
            }
            Action::Log(line) if line.level() >= self.level => format!("\"{line}\""),
            Action::Log(_) | Action::Held(_) => return None,
            Action::Gone(id) => format!("{} gone", name(id)),
            Action::Mood(mood) => format!("{mood:?}"),
            Action::Finished(After::Leave(code)) => format!("leave {code}"),
            Action::Finished(After::Again) => "again".into(),
        })
    }

    /// Lets time pass, and wakes the machine whenever it asked for that.
    fn after(&mut self, time: Duration) -> String {
        let end = self.now + time;
        for _ in 0..100_000 {
            let Some(due) = self.machine.deadline().filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            self.feed(Input::Deadline);
            assert!(self.machine.deadline().is_none_or(|next| next > self.now), "it spins");
        }
        self.now = end;
        self.seen()
    }

    fn exit(&mut self, name: &str, exit: Exit) -> String {
        let id = self.id(name);
        self.feed(Input::Exited(id, exit));
        self.seen()
    }

    fn start(&mut self, name: &str) -> Result<(), Refusal> {
        self.order(Order::Start(self.id(name)))
    }

    fn stop(&mut self, name: &str) -> Result<(), Refusal> {
        self.order(Order::Stop(self.id(name)))
    }

    fn tell(&mut self, input: Input) -> String {
        self.feed(input);
        self.seen()
    }

    /// What happened since it was asked for last.
    fn seen(&mut self) -> String {
        std::mem::take(&mut self.seen).join(" ")
    }

    fn view(&self, name: &str) -> View {
        self.machine.view(self.id(name)).unwrap()
    }

    fn state(&self, name: &str) -> State {
        self.view(name).state
    }
}
