//! Configurations made up by chance, and how they change.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use sigpolicy::Signal;

use crate::supervise::config::model::{AutoRestart, Dependency, ExitOn, Type, Until};
use crate::supervise::machine::types::{Change, General, Policy, ProcId};

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One of these.
pub(super) fn pick<T: Clone>(random: &mut Rng, of: &[T]) -> T {
    of[random.usize(..of.len())].clone()
}

/// What stands in the file just now. Dependencies point from a higher to a lower rank only.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: ProcId,
    pub(super) policy: Arc<Policy>,
}

/// A configuration and its numbering.
#[derive(Clone, Debug, Default)]
pub(super) struct Scenario {
    pub(super) entries: Vec<Entry>,
    pub(super) general: General,
    next: u32,
}

impl Scenario {
    pub(super) fn new(random: &mut Rng) -> Self {
        let mut scenario = Self { general: general(random), ..Self::default() };
        let groups: Vec<(String, i64)> =
            (0..random.usize(1..=4)).map(|n| (format!("g{n}"), priority(random))).collect();
        for number in 0..random.usize(1..=8) {
            let group = pick(random, &groups);
            let depends_on = scenario.dependencies(random, &group.0);
            let policy = policy(random, &format!("p{number}"), group, depends_on);
            scenario.append(policy);
        }
        scenario
    }

    fn append(&mut self, policy: Policy) -> Entry {
        let entry = Entry { id: self.number(), policy: Arc::new(policy) };
        self.entries.push(entry.clone());
        entry
    }

    fn number(&mut self) -> ProcId {
        self.next += 1;
        ProcId(self.next)
    }

    /// On what is there already, and never on its own group: no cycle comes of it.
    fn dependencies(&self, random: &mut Rng, own: &str) -> Vec<Dependency> {
        let mut found = Vec::new();
        let whole = self.is_depended_on_as_group(own);
        if self.entries.is_empty() || whole || random.u8(..3) > 0 {
            return found;
        }
        for _ in 0..random.u8(1..3) {
            let of = &pick(random, &self.entries).policy;
            let name = match random.u8(..3) {
                0 => of.name.clone(),
                1 => format!("{}:{}", of.group, of.name),
                _ if self.is_settled(&of.group, own) => of.group.clone(),
                _ => continue,
            };
            let until = match of.kind {
                Type::Oneshot => pick(random, &[Until::Ready, Until::Completed, Until::Started]),
                _ => pick(random, &[Until::Ready, Until::Ready, Until::Started]),
            };
            found.push(Dependency { name, until });
        }
        found
    }

    /// Whether a group depends on nothing, so that whoever is of group `own` may depend on it.
    /// Members that it gets later have no dependencies either.
    fn is_settled(&self, group: &str, own: &str) -> bool {
        let mut of_group = self.entries.iter().filter(|entry| entry.policy.group == group);
        group != own && of_group.all(|entry| entry.policy.depends_on.is_empty())
    }

    fn is_depended_on_as_group(&self, group: &str) -> bool {
        let mut all = self.entries.iter().flat_map(|entry| &entry.policy.depends_on);
        all.any(|dependency| dependency.name == group)
    }

    /// The file is read again: up to three processes are other, gone, or new.
    pub(super) fn change(&mut self, random: &mut Rng) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut touched = Vec::new();
        for _ in 0..random.u8(1..4) {
            let at = random.usize(..self.entries.len().max(1));
            match (random.u8(..4), self.entries.get(at).cloned()) {
                (0, Some(entry)) if !touched.contains(&entry.id) => {
                    self.entries.remove(at);
                    changes.push(Change::Remove(entry.id));
                    self.forget(&entry.policy, &mut changes, &mut touched);
                }
                (1 | 2, Some(entry)) if !touched.contains(&entry.id) => {
                    let mut policy = (*entry.policy).clone();
                    self.alter(random, &mut policy);
                    touched.push(self.replace(at, policy, &mut changes));
                }
                (3, _) if self.entries.len() < 8 => {
                    touched.push(self.add(random, &mut changes));
                }
                _ => {}
            }
        }
        if random.u8(..8) == 0 {
            self.general = general(random);
        }
        changes
    }

    fn replace(&mut self, at: usize, policy: Policy, changes: &mut Vec<Change>) -> ProcId {
        let (old, policy) = (self.entries[at].id, Arc::new(policy));
        let id = self.number();
        self.entries[at] = Entry { id, policy: Arc::clone(&policy) };
        changes.push(Change::Replace(old, id, policy));
        id
    }

    fn add(&mut self, random: &mut Rng, changes: &mut Vec<Change>) -> ProcId {
        let unused = |name: &String| self.entries.iter().all(|entry| entry.policy.name != *name);
        let name = (0..9).map(|number| format!("p{number}")).find(unused).unwrap();
        let group = match self.entries.first() {
            Some(entry) if random.bool() => {
                (entry.policy.group.clone(), entry.policy.group_priority)
            }
            _ => (format!("h{}", self.next), priority(random)),
        };
        let depends_on = self.dependencies(random, &group.0);
        let entry = self.append(policy(random, &name, group, depends_on));
        changes.push(Change::Add(entry.id, entry.policy));
        entry.id
    }

    /// Nobody may depend on what is not there: the file would be refused.
    fn forget(&mut self, gone: &Policy, changes: &mut Vec<Change>, touched: &mut Vec<ProcId>) {
        let full = format!("{}:{}", gone.group, gone.name);
        let empty = self.entries.iter().all(|entry| entry.policy.group != gone.group);
        for at in 0..self.entries.len() {
            let mut policy = (*self.entries[at].policy).clone();
            policy.depends_on.retain(|dependency| {
                let name = &dependency.name;
                *name != gone.name && *name != full && !(empty && *name == gone.group)
            });
            if policy.depends_on.len() == self.entries[at].policy.depends_on.len() {
                continue;
            }
            let entry = &mut self.entries[at];
            if touched.contains(&entry.id) {
                // It is new in this very step: the change itself is put right.
                let (id, policy) = (entry.id, Arc::new(policy));
                entry.policy = Arc::clone(&policy);
                for change in changes.iter_mut() {
                    match change {
                        Change::Add(of, with) | Change::Replace(_, of, with) if *of == id => {
                            *with = Arc::clone(&policy);
                        }
                        _ => {}
                    }
                }
            } else {
                let id = self.replace(at, policy, changes);
                touched.push(id);
            }
        }
    }

    fn alter(&self, random: &mut Rng, policy: &mut Policy) {
        let group = (policy.group.clone(), policy.group_priority);
        let depends_on = policy.depends_on.clone();
        let hot = policy.hot;
        *policy = self::policy(random, &policy.name.clone(), group, depends_on);
        policy.hot = hot;
    }
}

fn priority(random: &mut Rng) -> i64 {
    pick(random, &[-1, 1, 5, 5, 999, 999])
}

fn general(random: &mut Rng) -> General {
    General {
        exit_on: pick(
            random,
            &[
                ExitOn::Never,
                ExitOn::Never,
                ExitOn::Never,
                ExitOn::Never,
                ExitOn::Never,
                ExitOn::Never,
                ExitOn::Fatal,
                ExitOn::Exit,
                ExitOn::All,
            ],
        ),
        shutdown_timeout: pick(random, &[None, None, None, Some(ms(1500)), Some(ms(0))]),
    }
}

fn policy(
    random: &mut Rng,
    name: &str,
    group: (String, i64),
    depends_on: Vec<Dependency>,
) -> Policy {
    let kind = pick(
        random,
        &[Type::Simple, Type::Simple, Type::Simple, Type::Simple, Type::Oneshot, Type::Notify],
    );
    let announces = kind == Type::Notify || random.u8(..16) == 0 && kind == Type::Simple;
    let waits = [ms(0), ms(100), ms(2000), ms(10_000)];
    let stop = (0..pick(random, &[1, 1, 1, 2, 3]))
        .map(|_| (pick(random, &[Signal::TERM, Signal::INT, Signal::QUIT]), pick(random, &waits)))
        .collect();
    let restarts = [AutoRestart::Unexpected, AutoRestart::Always, AutoRestart::Never];
    let stop_as_group = random.u8(..3) == 0;
    Policy {
        name: name.to_owned(),
        group: group.0,
        group_priority: group.1,
        priority: priority(random),
        autostart: random.u8(..6) > 0,
        autorestart: match random.u8(..10) {
            0 => AutoRestart::Listed,
            _ => pick(random, &restarts),
        },
        kind,
        startsecs: pick(random, &[ms(0), ms(1000), ms(1000), ms(3000)]),
        startretries: pick(random, &[Some(0), Some(1), Some(3), Some(3), None]),
        exitcodes: pick(random, &[vec![0], vec![0], vec![0, 2], vec![]]),
        stop,
        kill_wait: pick(random, &[ms(0), ms(1000), ms(10_000)]),
        stop_command: random.u8(..10) == 0,
        stop_as_group,
        kill_as_group: stop_as_group || random.u8(..5) == 0,
        reload: pick(random, &[None, Some(Signal::USR2)]),
        announces,
        ready_timeout: pick(random, &[None, Some(ms(1000)), Some(ms(5000))]).filter(|_| announces),
        watchdog: Some(ms(2000)).filter(|_| announces && random.bool()),
        backoff_min: pick(random, &[None, None, None, Some(ms(1500))]),
        backoff_max: pick(random, &[None, None, Some(ms(300)), Some(ms(2000))]),
        restart_pause: pick(random, &[ms(0), ms(0), ms(0), ms(1500)]),
        essential: random.u8(..16) == 0,
        depends_on,
        hot: kind != Type::Oneshot && random.u8(..4) == 0,
    }
}
