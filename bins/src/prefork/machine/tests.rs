//! The machine in a simulated host: workers that come up, serve, hang, leave and die.

mod asking;
mod braking;
mod counting;
mod draining;
mod limits;
mod orders;
mod puppet;
mod reloading;
mod scaling;
mod signals;
mod starting;
mod stopping;
mod traps;
mod trials;
mod walks;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use reaper::{Exit, Machine as _, Moment, Pid};
use sigpolicy::Signal;

use super::*;
use crate::prefork::config::{Conduct, Limits, PoolRules, Reload, Size};
use crate::prefork::view::{Activity, Memory, Seen, Source, View};
use puppet::{Nature, Puppet};

/// The host, its workers and its clock.
#[derive(Clone)]
struct World {
    machine: Machine,
    now: Moment,
    alive: BTreeMap<Id, Puppet>,
    /// What the next workers are like; the last one goes on.
    natures: VecDeque<Nature>,
    /// Answers of the next starts; success when there is none.
    spawn_errors: VecDeque<StartError>,
    queue: Option<u32>,
    /// Every line with its time in milliseconds.
    lines: Vec<String>,
    deeds: Vec<(u64, Action)>,
    reports: BTreeMap<Client, Vec<Result<String, String>>>,
    spawned: u64,
    reaped: u64,
    looks: u64,
    events: u64,
}

fn policy() -> Policy {
    Policy {
        pool: PoolRules {
            size: Size::Fixed(3),
            start_workers: 0,
            max_workers: 150,
            max_spawn_rate: 0,
            idle_timeout: secs(10),
            max_memory: None,
            max_pressure: 90,
        },
        limits: Limits { memory_every: secs(10), request_grace: secs(5), ..Limits::default() },
        conduct: Conduct {
            reload: Reload::All,
            reload_interval: Duration::ZERO,
            stop_signal: Signal::TERM,
            traps: Vec::new(),
            die_timeout: secs(60),
            start_timeout: secs(60),
            ready_after: secs(1),
            start_delay: Duration::ZERO,
            respawn_interval: Duration::ZERO,
            error_respawn_interval: Duration::ZERO,
            backoff_max: secs(30),
            give_up: 0,
            max_extra: 150,
            orphans: crate::prefork::config::Orphans::Leave,
        },
        launcher: false,
        before_shutdown: false,
        jitter_seed: 7,
    }
}

fn fixed(workers: u32) -> Policy {
    let mut policy = policy();
    policy.pool.size = Size::Fixed(workers);
    policy
}

fn spare(min: u32, max: u32, max_workers: u32) -> Policy {
    let mut policy = policy();
    policy.pool.size = Size::Spare { min, max };
    policy.pool.start_workers = min;
    policy.pool.max_workers = max_workers;
    policy
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn at(ms: u64) -> Moment {
    Moment::from_nanos(ms * 1_000_000)
}

fn pid(id: Id) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap() + 100).unwrap()
}

fn refused(transient: bool) -> StartError {
    StartError { text: "no".to_owned(), transient }
}

impl World {
    fn new(policy: Policy) -> Self {
        Self {
            machine: Machine::new(policy),
            now: Moment::ZERO,
            alive: BTreeMap::new(),
            natures: VecDeque::new(),
            spawn_errors: VecDeque::new(),
            queue: Some(0),
            lines: Vec::new(),
            deeds: Vec::new(),
            reports: BTreeMap::new(),
            spawned: 0,
            reaped: 0,
            looks: 0,
            events: 0,
        }
    }

    /// A pool that has come up and stands still, at two seconds, with nothing noted down.
    fn serving(policy: Policy) -> Self {
        let mut world = Self::new(policy);
        world.feed(Input::Begin);
        world.run_to(2000);
        world.forget();
        world
    }

    fn forget(&mut self) {
        self.lines.clear();
        self.deeds.clear();
        self.looks = 0;
    }

    fn millis(&self) -> u64 {
        self.now.as_nanos() / 1_000_000
    }

    /// One event and all that the host does about it.
    fn feed(&mut self, input: Input) {
        let mut queue = VecDeque::from([input]);
        let mut rounds = 0;
        while let Some(input) = queue.pop_front() {
            rounds += 1;
            self.events += 1;
            assert!(rounds < 2000, "the machine and its host talk without end: {:?}", self.machine);
            if let Input::Exited(id, ..) = &input {
                assert!(self.alive.remove(id).is_some());
                self.reaped += 1;
            }
            // No two events reach the machine at the same time.
            self.now = self.now + Duration::from_nanos(1);
            let mut out = Vec::new();
            self.machine.step(self.now, input, &mut out);
            for action in out {
                self.act(action, &mut queue);
            }
            self.check();
        }
    }

    fn act(&mut self, action: Action, queue: &mut VecDeque<Input>) {
        let now = self.now;
        if let Action::Signal(id, _)
        | Action::Retire(id)
        | Action::Nudge(id, _)
        | Action::Slow(id) = &action
        {
            assert!(self.alive.contains_key(id), "{action:?} for one that is gone");
        }
        match &action {
            Action::Spawn(id, slot, _) => {
                assert!(self.machine.outcome().is_none() && !self.machine.stopping());
                assert!(*slot < self.machine.slots());
                match self.spawn_errors.pop_front() {
                    Some(error) => queue.push_back(Input::SpawnFailed(*id, error)),
                    None => {
                        let nature = match self.natures.len() {
                            0 => Nature::default(),
                            1 => self.natures[0].clone(),
                            _ => self.natures.pop_front().unwrap(),
                        };
                        let ends = nature.dies_after;
                        let puppet = Puppet {
                            since: now,
                            busy_until: None,
                            requests: 0,
                            memory: Memory::default(),
                            told: false,
                            ends: ends.map(|(after, raw)| (now.saturating_add(after), raw)),
                            shown: Activity::Unknown,
                            nature,
                        };
                        assert!(self.alive.insert(*id, puppet).is_none(), "a number used again");
                        self.spawned += 1;
                        queue.push_back(Input::Spawned(*id, pid(*id)));
                    }
                }
            }
            Action::Signal(id, signal) => {
                let puppet = self.alive.get_mut(id).unwrap();
                if *signal != Signal::USR2 && *signal != Signal::HUP {
                    puppet.obey(now);
                }
            }
            Action::Kill(id) => {
                if let Some(puppet) = self.alive.get_mut(id) {
                    puppet.ends = Some((now, 9));
                }
            }
            Action::Retire(id) => {
                let puppet = self.alive.get_mut(id).unwrap();
                let idle = puppet.activity(now) == Activity::Idle;
                if let Leave::Wished(_) = self.machine.workers[id].leave {
                    assert_eq!(puppet.shown, Activity::Idle, "a wish for one that was not idle");
                }
                if idle {
                    puppet.obey(now);
                }
                queue.push_back(Input::Retired(*id, idle));
            }
            Action::Nudge(id, _) => {
                let puppet = self.alive.get_mut(id).unwrap();
                if puppet.activity(now) == Activity::Idle {
                    puppet.obey(now);
                }
            }
            Action::Look(memory) => {
                self.looks += 1;
                let view = self.view(*memory);
                queue.push_back(Input::Looked(view));
            }
            Action::Report(client, result) => {
                self.reports.entry(*client).or_default().push(result.clone());
            }
            Action::Log(line) => self.lines.push(format!("{} {line}", self.millis())),
            Action::Listen
            | Action::Slow(_)
            | Action::Notify(_)
            | Action::ReopenLogs
            | Action::Prepare => {}
        }
        self.deeds.push((self.millis(), action));
    }

    fn view(&mut self, memory: bool) -> View {
        let now = self.now;
        let mut workers = Vec::new();
        for (id, puppet) in &mut self.alive {
            puppet.shown = puppet.activity(now);
            let known = puppet.shown != Activity::Unknown;
            workers.push(Seen {
                id: *id,
                activity: puppet.shown,
                source: if known { puppet.nature.source } else { Source::Nothing },
                requests: known.then_some(puppet.requests),
                in_request: puppet.busy_until.map(|(since, _)| now.saturating_since(since)),
                memory: memory.then_some(puppet.memory),
            });
        }
        View { queue: self.queue, queue_limit: Some(128), pressure: None, workers }
    }

    /// What holds after every step.
    fn check(&self) {
        let machine = &self.machine;
        assert!(machine.members() <= machine.cap(), "too many members");
        assert!(machine.total() <= machine.slots(), "too many processes");
        assert!(self.alive.len() <= machine.slots() as usize, "too many processes");
        let mut slots: Vec<u32> = machine.workers.values().map(|worker| worker.slot).collect();
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), machine.workers.len(), "a slot used twice");
        for (id, puppet) in &self.alive {
            let known = machine.workers.contains_key(id)
                || machine.asked.iter().any(|asked| asked.id == *id);
            assert!(known || puppet.ends.is_some(), "worker {id} is forgotten");
        }
        if machine.outcome().is_some() {
            assert!(self.alive.is_empty(), "ended with living workers");
        }
    }

    /// The next thing that the world does by itself.
    fn next_puppet(&self) -> Option<(Moment, Id)> {
        let event = |(id, puppet): (&Id, &Puppet)| {
            let idle = puppet.busy_until.map(|(_, end)| end).filter(|end| *end < Moment::MAX);
            let ends = puppet.ends.map(|(at, _)| at);
            [idle, ends].into_iter().flatten().min().map(|at| (at.max(self.now), *id))
        };
        self.alive.iter().filter_map(event).min()
    }

    fn puppet_event(&mut self, id: Id) {
        let puppet = self.alive.get_mut(&id).unwrap();
        if let Some((_, end)) = puppet.busy_until {
            if end <= self.now {
                puppet.busy_until = None;
                puppet.requests += 1;
                return;
            }
        }
        let (_, raw) = puppet.ends.unwrap();
        self.die(id, raw);
    }

    /// Lets time pass up to this many milliseconds after the start.
    fn run_to(&mut self, millis: u64) {
        let end = at(millis) + Duration::from_micros(500);
        let mut still = 0;
        loop {
            let puppet = self.next_puppet();
            let due = self.machine.deadline();
            let first = [puppet.map(|it| it.0), due].into_iter().flatten().min();
            let Some(first) = first.filter(|at| *at <= end) else { break };
            still = if first > self.now { 0 } else { still + 1 };
            assert!(still < 500, "time stands still at {first:?}: {:?}", self.machine);
            self.now = self.now.max(first);
            match puppet {
                Some((at, id)) if at <= self.now => self.puppet_event(id),
                _ => self.pass_deadline(),
            }
        }
        self.now = self.now.max(at(millis));
    }

    /// A deadline that has come changes something.
    fn pass_deadline(&mut self) {
        let due = self.machine.deadline();
        let deeds = self.deeds.len();
        self.feed(Input::Deadline);
        let moved = self.machine.deadline() != due || self.deeds.len() > deeds;
        assert!(moved, "nothing was due: {:?}", self.machine);
    }

    fn after(&mut self, millis: u64) -> &mut Self {
        let end = self.millis() + millis;
        self.run_to(end);
        self
    }

    fn signal(&mut self, signal: Signal) {
        self.feed(Input::Signal(signal));
    }

    fn serve(&mut self, id: Id, millis: u64) {
        let until = if millis == u64::MAX { Moment::MAX } else { self.now + ms(millis) };
        let puppet = self.alive.get_mut(&id).unwrap();
        assert!(puppet.activity(self.now) == Activity::Idle);
        puppet.busy_until = Some((self.now, until));
    }

    fn die(&mut self, id: Id, raw: i32) {
        let requests = self.alive[&id].in_slot(self.now);
        self.feed(Input::Exited(id, Exit::from_raw(raw), requests));
    }

    fn ids(&self) -> Vec<Id> {
        self.alive.keys().copied().collect()
    }

    fn lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// The times of these deeds.
    fn times(&self, choose: impl Fn(&Action) -> bool) -> Vec<u64> {
        self.deeds.iter().filter(|(_, deed)| choose(deed)).map(|(at, _)| *at).collect()
    }

    fn code(&self) -> Option<u8> {
        self.machine.outcome().map(|outcome| outcome.code)
    }

    fn serving_now(&self) -> u32 {
        self.machine.serving()
    }
}
