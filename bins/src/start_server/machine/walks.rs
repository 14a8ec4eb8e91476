//! The machine under every order of events: breadth-first to a fixed depth, and
//! seeded random walks through a simulated world.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use reaper::{Exit, Machine as _, Moment};
use sigpolicy::Signal;

use super::tests::{pid, policy};
use super::*;

/// The world outside: which workers live, and what was seen of them.
#[derive(Clone)]
struct World {
    machine: Machine,
    now: Moment,
    /// Living workers: proven, and the signals each has got.
    alive: BTreeMap<u64, (bool, u32)>,
    deaths_logged: BTreeMap<String, u32>,
    spawned: u64,
    last_spawn: Option<Moment>,
    /// Clients that wait, the launcher among them.
    asked: u64,
    reports: BTreeMap<u64, u32>,
    stopping: bool,
}

impl World {
    fn new(policy: Policy, settings: Settings) -> Self {
        Self {
            machine: Machine::new(policy, settings),
            now: Moment::ZERO,
            alive: BTreeMap::new(),
            deaths_logged: BTreeMap::new(),
            spawned: 0,
            last_spawn: None,
            asked: 1,
            reports: BTreeMap::new(),
            stopping: false,
        }
    }

    /// Feeds one event, checks every invariant; spawns are answered by `spawn_ok`.
    fn feed(&mut self, input: Input, spawn_ok: bool) {
        let mut queue = vec![input];
        while let Some(input) = queue.pop() {
            let asked_by_someone = matches!(&input, Input::Signal(_) | Input::Restart(_));
            match &input {
                Input::Exited(generation, ..) => {
                    assert!(self.alive.remove(generation).is_some());
                }
                Input::Spawned(generation, _) => {
                    self.alive.insert(*generation, (false, 0));
                }
                _ => {}
            }
            let mut out = Vec::new();
            self.machine.step(self.now, input, &mut out);
            let due = self.machine.deadline();
            let mut restart_asked = asked_by_someone;
            for action in out {
                self.check(&action, &mut restart_asked);
                if let Action::Spawn(generation) = action {
                    self.spawned += 1;
                    queue.push(if spawn_ok {
                        Input::Spawned(generation, pid(generation))
                    } else {
                        let error =
                            StartError { text: "no".into(), errno: 11, pid: None, transient: true };
                        Input::SpawnFailed(generation, error)
                    });
                }
            }
            if let Some(worker) = self.machine.view(self.now).workers.last() {
                if worker.role == Role::Current {
                    if let Some(entry) = self.alive.get_mut(&worker.generation) {
                        entry.0 = true;
                    }
                }
            }
            assert!(
                due.is_none_or(|at| at > self.now) || !queue.is_empty() || self.due_is_new(due)
            );
        }
    }

    /// A deadline in the past is only right when no Deadline was fed for it yet.
    fn due_is_new(&self, due: Option<Moment>) -> bool {
        let mut copy = self.clone();
        let mut out = Vec::new();
        copy.machine.step(copy.now, Input::Deadline, &mut out);
        !out.is_empty() || copy.machine.deadline() != due
    }

    fn check(&mut self, action: &Action, restart_asked: &mut bool) {
        match action {
            Action::Signal(generation, _) => {
                let (proven, signals) = self.alive.get(generation).copied().unwrap_or((false, 0));
                if proven && signals == 0 && !self.stopping {
                    let successor = self.alive.iter().any(|(other, state)| {
                        other > generation && state.1 == 0 && self.is_current(*other)
                    });
                    assert!(successor, "{generation} was signalled without a proven successor");
                }
                if let Some(entry) = self.alive.get_mut(generation) {
                    entry.1 += 1;
                }
            }
            Action::Log(line) => {
                match line {
                    Line::FailedToStart(pid, _)
                    | Line::DiedUnexpectedly(pid, _)
                    | Line::OldDied(pid, _)
                    | Line::WorkerDied(pid, _) => {
                        *self.deaths_logged.entry(pid.to_string()).or_default() += 1;
                    }
                    Line::Stopping(..) | Line::StartAbandoned(_) => self.stopping = true,
                    Line::ReceivedHup | Line::AutoRestart(..) => *restart_asked = true,
                    _ => {}
                };
            }
            Action::Spawn(_) => {
                assert!(!self.stopping, "a start after the stop began");
                if let (Some(last), false) = (self.last_spawn, *restart_asked) {
                    let gap = self.now.saturating_since(last);
                    assert!(gap >= Duration::from_secs(1), "respawn after {gap:?}");
                }
                self.last_spawn = Some(self.now);
            }
            Action::Status(entries) => {
                let generations: HashSet<u64> = entries.iter().map(|entry| entry.0).collect();
                assert_eq!(generations.len(), entries.len());
            }
            Action::Report(client, _) => *self.reports.entry(*client).or_default() += 1,
            Action::Notify(_) | Action::ReopenLog => {}
        }
    }

    fn is_current(&self, generation: u64) -> bool {
        let view = self.machine.view(self.now);
        // Inside one step the machine may already have gone on to the next restart.
        view.workers.iter().any(|worker| {
            worker.generation == generation && matches!(worker.role, Role::Current | Role::Old)
        })
    }

    fn exit(&mut self, generation: u64, raw: i32) {
        self.feed(Input::Exited(generation, Exit::from_raw(raw), false), true);
    }

    /// TERM, then everybody leaves: the machine must end, and every account must balance.
    fn finish(mut self) {
        if self.machine.outcome().is_none() {
            self.feed(Input::Signal(Signal::TERM), true);
        }
        let living: Vec<u64> = self.alive.keys().copied().collect();
        for generation in living {
            assert_eq!(self.machine.outcome(), None, "ended before {generation} was reaped");
            assert!(self.alive[&generation].1 > 0, "{generation} was never told to leave");
            self.exit(generation, 15);
        }
        assert!(self.machine.outcome().is_some(), "still there: {:?}", self.machine);
        assert!(self.deaths_logged.values().all(|count| *count == 1), "{:?}", self.deaths_logged);
        assert_eq!(self.reports.len() as u64, self.asked, "every client hears something");
        assert!(self.reports.values().all(|count| *count == 1), "and hears it once");
    }
}

fn policies() -> Vec<(Policy, Settings)> {
    let delay = Settings { kill_old_delay: Duration::from_secs(3), auto_restart: None };
    let auto = Settings {
        kill_old_delay: Duration::from_secs(2),
        auto_restart: Some(Duration::from_secs(7)),
    };
    vec![
        (policy(), Settings::default()),
        (Policy { restart_attempts: Some(2), ..policy() }, delay.clone()),
        (
            Policy {
                kill_timeout: Some(Duration::from_secs(2)),
                max_generations: Some(1),
                start_timeout: Duration::from_secs(4),
                ..policy()
            },
            auto,
        ),
        (Policy { first_attempts: Some(2), backoff_max: Duration::ZERO, ..policy() }, delay),
    ]
}

/// A state with its clock, numbers and history taken out, so that equal futures are equal.
fn canonical(world: &World) -> (Machine, Vec<(u64, bool, bool)>) {
    let mut machine = world.machine.clone();
    let now = world.now;
    let newest = machine.generation;
    let ahead = |at: Moment| Moment::from_nanos(at.saturating_since(now).as_nanos() as u64);
    let ago = |at: Moment| {
        let ago = now.saturating_since(at).min(Duration::from_secs(20));
        Moment::from_nanos(ago.as_nanos() as u64)
    };
    let renumber = |worker: &mut Worker| {
        worker.generation = newest - worker.generation;
        worker.pid = pid(0);
        worker.spawned = ago(worker.spawned);
        worker.kill_at = worker.kill_at.map(ahead);
    };
    machine.old.iter_mut().for_each(renumber);
    match &mut machine.phase {
        Phase::Starting { worker, prove_at, ready_by, .. } => {
            renumber(worker);
            *prove_at = ahead(*prove_at);
            *ready_by = ahead(*ready_by);
        }
        Phase::Waiting { until, .. } => *until = ahead(*until),
        Phase::Serving { current } => renumber(current),
        Phase::Delaying { current, until } => {
            renumber(current);
            *until = ahead(*until);
        }
        _ => {}
    }
    machine.generation = newest.min(2);
    machine.last_spawn = machine.last_spawn.map(ago);
    machine.last_success = ago(machine.last_success);
    machine.jitter = 0;
    machine.failures = machine.failures.min(5);
    machine.draining.clear();
    machine.waiting.clear();
    machine.pending_clients.clear();
    let alive = world.alive.iter().map(|(g, s)| (newest - g, s.0, s.1 > 0)).collect();
    (machine, alive)
}

/// Every state that few events can reach; each is also led to its end.
#[test]
fn breadth_first() {
    let mut explored = 0;
    for (policy, settings) in policies() {
        let mut first = World::new(policy, settings);
        first.feed(Input::Begin, true);
        let mut seen = HashSet::new();
        let mut frontier = vec![first];
        for _ in 0..7 {
            let mut next = Vec::new();
            for world in frontier {
                if !seen.insert(canonical(&world)) {
                    continue;
                }
                explored += 1;
                world.clone().finish();
                if world.machine.outcome().is_some() {
                    continue;
                }
                let mut branch = |change: &dyn Fn(&mut World)| {
                    let mut copy = world.clone();
                    change(&mut copy);
                    next.push(copy);
                };
                for signal in [Signal::HUP, Signal::TERM, Signal::INT, Signal::USR1] {
                    branch(&|world| world.feed(Input::Signal(signal), true));
                }
                branch(&|world| world.feed(Input::Signal(Signal::HUP), false));
                for generation in world.alive.keys().copied().collect::<Vec<_>>() {
                    branch(&|world| world.exit(generation, 256));
                    let note = Note { ready: true, extend: None };
                    branch(&|world| world.feed(Input::Notified(generation, note), true));
                    let note = Note::default();
                    branch(&|world| world.feed(Input::Notified(generation, note), true));
                }
                if let Some(at) = world.machine.deadline() {
                    branch(&|world| {
                        world.now = world.now.max(at);
                        world.feed(Input::Deadline, true);
                    });
                }
            }
            frontier = next;
        }
    }
    assert!(explored > 5_000, "only {explored} states");
}

/// How many random walks; the environment may ask for more.
fn walks() -> u64 {
    std::env::var("SUPERDAEMON_WALKS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000)
}

#[test]
fn random_walks() {
    let policies = policies();
    for seed in 0..walks() {
        let mut random = fastrand::Rng::with_seed(seed);
        let (policy, settings) = policies[random.usize(..policies.len())].clone();
        let mut world = World::new(policy, settings);
        world.feed(Input::Begin, true);
        for _ in 0..random.u32(5..60) {
            if world.machine.outcome().is_some() {
                break;
            }
            let spawn_ok = random.u8(..10) > 0;
            let generations: Vec<u64> = world.alive.keys().copied().collect();
            let some_worker = random.choice(generations);
            match (random.u8(..20), some_worker) {
                (0..3, _) => world.feed(Input::Signal(Signal::HUP), spawn_ok),
                (3, _) => {
                    world.asked += 1;
                    world.feed(Input::Restart(world.asked), spawn_ok);
                }
                (4..8, Some(generation)) => {
                    let raw = *random.choice(&[0, 9, 15, 256]).unwrap();
                    world.feed(Input::Exited(generation, Exit::from_raw(raw), false), spawn_ok);
                }
                (8, Some(generation)) => {
                    let ready = random.bool();
                    let extend = random.bool().then_some(Duration::from_secs(1));
                    world.feed(Input::Notified(generation, Note { ready, extend }), spawn_ok);
                }
                (9, _) if random.u8(..20) == 0 => world.feed(Input::Signal(Signal::TERM), spawn_ok),
                (10..16, _) => {
                    if let Some(at) = world.machine.deadline() {
                        world.now = world.now.max(at);
                        world.feed(Input::Deadline, spawn_ok);
                    }
                }
                _ => {
                    let pause = Duration::from_millis(random.u64(0..400));
                    let next = world.now.saturating_add(pause);
                    if world.machine.deadline().is_none_or(|at| next < at) {
                        world.now = next;
                    }
                }
            }
        }
        world.finish();
    }
}
