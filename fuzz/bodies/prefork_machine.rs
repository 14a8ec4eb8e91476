//! The state machine of a pool under bytes read as events, of which some are lies: never a panic;
//! nobody gets a slot that somebody has; nothing is done to whoever has gone; nobody is started
//! before the beginning or after a stop began; deadlines that were served are no longer due; TERM ends
//! it once everybody has left, and by then each client has heard exactly one answer.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use reaper::{Exit, Machine as _, Moment};
use sigpolicy::Signal;
use superdaemon::prefork::machine::{Action, Command, Input, Machine, Notice, Policy};
use superdaemon::prefork::view::{Activity, Id, Memory, Seen, Source, View};

#[path = "prefork_machine/policy.rs"]
mod policy;
use policy::{TIMES, harmless, perhaps, pid, policy, refused, time};

/// Inputs that lead somewhere: twelve bytes of policy, then a letter and a number for each event.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    // Three workers that show themselves, one dies after the other, TERM.
    b"(88000045400k0k0g k0k0g2k0k0g\x11k0k0k0c0g0k0",
    // All at once, rolling and replaced reloads; a client waits, another asks during the reload.
    b" 88000045400k0k0f0k0f0g0k0g0k0k0e0k0g0k0k0",
    b"(88000145400k0k0e0k0k0k0g0k0f0k0g0k0k0g0k0k0k0g0k0k0",
    b"(83000245400k0k0f0k0k0k0g0f0k0g0k0g0k0k0k0g0k0k0g0k0",
    // A reload whose new workers die, or cannot be made.
    b"(88000145400k0k0l5f0k0g\x02k0l1k0k0l8e0b0k0f1k0b1k0k0k0",
    // Spare workers: a queue, growth; calm, shrinkage.
    b"\x1b?8200045400k0l\xf3m0k0k0k0k0l\xf1k0k0lqk0k0k0k0k0k0g0k0g0k0k0k0k0k0k0",
    // On demand, all are idle after a while.
    b"488300045400lqm0k0k0l\xf3m0k0k0k0lqk0k0k0k0k0k0k0k0g0g0k0k0k0k0",
    // Limits on requests, age and memory.
    b"(880\x0f5145400l\x17k0k0k0k0g0k0k0k0k0g0k0k0k0k0j6k0k0k0k0g0k0k0k0",
    // A request that takes too long; slow log.
    b"(880\xf0$045400l#k0k0k0k0j5k0k0k0k0j6k0k0k0k0g0k0k0k0k0",
    // Starts that fail, transient and for good; a launcher waits.
    b" 88000045490b1k0k0b1j6k0k0b0k0",
    // Deaths before readiness, until it gives up; a worker announces itself and is late.
    b"888000046\x0500l5g2j5k0g2j5k0g2j5k0k0g2j5k0k0k0g2k0k0",
    b" 8800004\x05480a0h0k0a0h1h3k0k0k0j7k0k0k0k0",
    // Workers that do not leave when they are idle, and not on signals.
    b"(88300165400k0k0l3f\"k0k0k0k0e0k0k0k0k0k0k0k0k0k0k0k0k0j7k0k0k0",
    // A command before the shutdown; QUIT, then TERM, TERM again.
    b"(880000454:0a0a0a0l0k0k0c2k0p0c0j5k0k0k0c0j7k0k0",
    // Traps, one worker each interval; more and fewer workers.
    b"(880000D5403k0k0d2k0k0k0d4d5f6f'k0k0k0f=k0k0c0k0k0k0",
    // An end overtakes the news of the start; news of nobody; everything twice.
    b"(88000045480r0s1a0s2a0s2t9o1q0rSk0k0g0g0k0",
    // Events before the beginning.
    b"(88000045440f0i1k0s1m0q0k0k0",
    b"(88000045440c0q0f4",
];

/// The clock goes so far at once at most.
const FAR: Duration = Duration::from_secs(100);
/// More events than this show nothing new.
const LONGEST: usize = 128;
/// So many events may follow from one another at one moment.
const CHAIN: usize = 2000;

/// One input.
pub fn run(data: &[u8]) {
    let mut bytes = data.iter().copied();
    let mut header = [0; 12];
    header.iter_mut().for_each(|byte| *byte = number(bytes.next()));
    let mut world = World::new(policy(header));
    world.mood = (header[10] / 8) ^ 1;
    if header[10] & 4 == 0 {
        world.begin();
    }
    for _ in 0..LONGEST {
        let Some(what) = bytes.next() else { break };
        world.event(what, number(bytes.next()));
    }
    world.finish();
}

/// Digits stand for themselves.
fn number(byte: Option<u8>) -> u8 {
    byte.unwrap_or(b'0') ^ b'0'
}

struct World {
    machine: Machine,
    now: Moment,
    begun: bool,
    /// Starts that were asked for and not answered, with their slots.
    asked: BTreeMap<Id, u32>,
    alive: BTreeMap<Id, u32>,
    newest: Id,
    /// Answers that each client has heard.
    clients: BTreeMap<u64, u32>,
    inputs: VecDeque<Input>,
    /// How looks and other questions are answered.
    mood: u8,
    looks: u32,
}

impl World {
    fn new(policy: Policy) -> Self {
        Self {
            machine: Machine::new(policy),
            now: Moment::ZERO,
            begun: false,
            asked: BTreeMap::new(),
            alive: BTreeMap::new(),
            newest: 0,
            clients: BTreeMap::new(),
            inputs: VecDeque::new(),
            mood: 0,
            looks: 0,
        }
    }

    fn begin(&mut self) {
        self.begun = true;
        self.feed(Input::Begin);
    }

    fn event(&mut self, what: u8, how: u8) {
        let nth = usize::from(how);
        let what = what.wrapping_sub(b'a') % 20;
        match what {
            0 | 1 => {
                if let Some(id) = self.asked.keys().nth(nth % self.asked.len().max(1)).copied() {
                    let answer = self.start(id, what == 0, how);
                    self.feed(answer);
                }
            }
            2 => self.feed(Input::Signal([Signal::TERM, Signal::INT, Signal::QUIT][nth % 3])),
            3 => {
                let signals = [
                    Signal::USR1,
                    Signal::WINCH,
                    Signal::USR2,
                    Signal::ALRM,
                    Signal::TTIN,
                    Signal::TTOU,
                ];
                self.feed(Input::Signal(signals[nth % signals.len()]));
            }
            4 => self.feed(Input::Signal(Signal::HUP)),
            5 => self.ask(how),
            6 => {
                if let Some(id) = self.some_worker(how / 16) {
                    let requests = [None, Some(0), Some(1), Some(9)][nth / 4 % 4];
                    self.exit(id, [0, 9, 256, 15][nth % 4], requests);
                }
            }
            7 => {
                let id = self.some_worker(how / 2).unwrap_or(Id::from(how));
                self.feed(Input::Notified(id, how & 1 > 0));
            }
            8 => {
                let view = self.view(how);
                self.feed(Input::Looked(view));
            }
            9 => self.now = self.now.saturating_add(time(how)),
            10 => self.wait(),
            11 => self.mood = how,
            12 => self.feed(Input::Arrived),
            13 => self.feed(Input::Changed),
            14 => {
                let id = self.some_worker(how / 2).unwrap_or(Id::from(how));
                self.feed(Input::Retired(id, how & 1 > 0));
            }
            // What the host sends on its own account, to whom it is there or not.
            15 if how & 3 == 3 => {
                let id = self.some_worker(how / 16).unwrap_or(Id::from(how));
                let signals = [Signal::TERM, Signal::USR1, Signal::KILL, Signal::QUIT];
                self.feed(Input::Sent(id, signals[nth / 4 % 4]));
            }
            15 => self.feed(Input::Prepared),
            16 => self.begin(),
            // The end of somebody unknown, or before the news of the start.
            17 => {
                let id = self.asked.keys().nth(nth).copied().unwrap_or(Id::from(how));
                self.asked.remove(&id);
                if !self.alive.contains_key(&id) {
                    self.exit(id, 9, perhaps(how, 3, u64::from(how)));
                }
            }
            // News that are none.
            _ => {
                let id = Id::from(how);
                let ran = Input::Spawned(id, pid(id));
                let news = if what == 18 { ran } else { Input::SpawnFailed(id, refused(how)) };
                if !self.asked.contains_key(&id) {
                    self.feed(news);
                }
            }
        }
    }

    fn some_worker(&self, how: u8) -> Option<Id> {
        self.alive.keys().nth(usize::from(how) % self.alive.len().max(1)).copied()
    }

    fn ask(&mut self, how: u8) {
        let count = u32::from(how / 8);
        let command = match how % 8 {
            0..=2 => Command::Reload,
            3 => Command::Signal(
                [Signal::USR1, Signal::KILL, Signal::TERM][usize::from(how / 8 % 3)],
            ),
            4 => Command::Stop,
            5 | 6 => Command::Remove(count),
            _ => Command::Add(count),
        };
        let client = self.clients.len() as u64;
        self.clients.insert(client, 0);
        self.feed(Input::Command(client, command));
        assert!(command == Command::Reload || self.clients[&client] == 1, "{command:?}");
    }

    fn exit(&mut self, id: Id, raw: i32, requests: Option<u64>) {
        self.alive.remove(&id);
        self.feed(Input::Exited(id, Exit::from_raw(raw), requests));
    }

    fn start(&mut self, id: Id, ok: bool, how: u8) -> Input {
        let slot = self.asked.remove(&id).expect("is asked for");
        if ok {
            self.alive.insert(id, slot);
            return Input::Spawned(id, pid(id));
        }
        Input::SpawnFailed(id, refused(how))
    }

    /// What a look shows: of the workers, and sometimes of others, whatever the byte says.
    fn view(&mut self, how: u8) -> View {
        self.looks += 1;
        let stranger = perhaps(how, 5, Id::from(how));
        let workers = self.alive.keys().copied().chain(stranger);
        let looks = u64::from(self.looks);
        let seen = |id: Id| {
            let mut part = id.wrapping_mul(31).wrapping_add(looks);
            let mut draw = |below: u64| {
                part = part.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
                part % below
            };
            let activity = match (how & 6, draw(3)) {
                (0, _) | (6, 0) => Activity::Idle,
                (4, _) | (6, 1) => Activity::Unknown,
                _ => Activity::Busy,
            };
            let sources = [Source::Syscall, Source::Scoreboard, Source::Sockets, Source::Nothing];
            let (rss, pss, unshared, shared) = (draw(300), draw(300), draw(300), draw(300));
            let memory = Memory { rss, pss, unshared, shared };
            Seen {
                id,
                activity,
                source: sources[draw(4) as usize],
                requests: perhaps(how, 3, draw(6)),
                in_request: perhaps(how, 4, TIMES[draw(8) as usize]),
                memory: perhaps(how, 5, memory),
            }
        };
        let queue = [None, Some(0), Some(1), Some(9)][usize::from(how / 64)];
        View {
            queue,
            queue_limit: queue.map(|_| 10),
            pressure: perhaps(how, 5, u32::from(how)),
            workers: workers.map(seen).collect(),
        }
    }

    /// Until the deadline. Serving one may find another that has passed meanwhile, but not for ever.
    fn wait(&mut self) {
        let Some(at) = self.machine.deadline() else { return };
        self.now = self.now.max(at.min(self.now.saturating_add(FAR)));
        for _ in 0..8 {
            self.feed(Input::Deadline);
            if self.machine.deadline().is_none_or(|at| at > self.now) {
                return;
            }
        }
        panic!("still due: {:?}", self.machine);
    }

    /// One event, and answers until there is no question left.
    fn feed(&mut self, input: Input) {
        self.inputs.push_back(input);
        for _ in 0..CHAIN {
            let Some(input) = self.inputs.pop_front() else { return };
            self.step(input);
        }
        panic!("it never ends: {:?}", self.machine);
    }

    fn step(&mut self, input: Input) {
        // One that was not asked for, or has ended before its start was known, is got rid of.
        let stray = match &input {
            Input::Spawned(id, _) if !self.alive.contains_key(id) => Some(*id),
            _ => None,
        };
        let may_start = self.begun && !self.machine.summary().stopping;
        let mut out = Vec::new();
        self.machine.step(self.now, input, &mut out);
        for action in out {
            match action {
                Action::Spawn(id, slot, generation) => {
                    assert!(may_start, "a start after the stop began");
                    self.spawn(id, slot, generation);
                }
                Action::Kill(id) if stray == Some(id) => {}
                Action::Signal(id, _)
                | Action::Kill(id)
                | Action::Nudge(id, _)
                | Action::Slow(id) => {
                    assert!(self.alive.contains_key(&id), "{id} is not there");
                }
                Action::Retire(id) => {
                    assert!(self.alive.contains_key(&id), "{id} is not there");
                    self.inputs.push_back(Input::Retired(id, self.mood & 7 == 1));
                }
                Action::Look(_) => {
                    let view = self.view(self.mood);
                    self.inputs.push_back(Input::Looked(view));
                }
                Action::Log(line) => harmless(&line.to_string()),
                Action::Notify(
                    Notice::Ready(text)
                    | Notice::Reloading(text)
                    | Notice::Stopping(text)
                    | Notice::Status(text),
                ) => harmless(&text),
                Action::Report(client, answer) => {
                    harmless(&answer.unwrap_or_else(|reason| reason));
                    *self.clients.entry(client).or_default() += 1;
                }
                Action::Prepare => {
                    if self.mood & 1 > 0 {
                        self.inputs.push_back(Input::Prepared);
                    }
                }
                Action::Listen | Action::ReopenLogs => {}
            }
        }
        self.check();
    }

    fn spawn(&mut self, id: Id, slot: u32, generation: u64) {
        assert!(id > self.newest, "{id} was there before");
        self.newest = id;
        assert!(slot < self.machine.slot_count(), "there is no slot {slot}");
        assert!(!self.alive.values().any(|other| *other == slot), "slot {slot} is occupied");
        assert!((1..=self.machine.summary().generation).contains(&generation), "{generation}");
        let other = self.asked.insert(id, slot);
        assert_eq!(other, None);
        assert_eq!(self.asked.values().filter(|other| **other == slot).count(), 1, "slot {slot}");
        if self.mood & 1 > 0 {
            let ok = self.mood & 6 < 6 || id % 3 > 0;
            let answer = self.start(id, ok, self.mood / 8);
            self.inputs.push_back(answer);
        }
    }

    fn check(&self) {
        let summary = self.machine.summary();
        // Of those whose start it has not heard of yet it knows nothing.
        let untold = |id: &Id| {
            self.inputs.iter().any(|input| matches!(input, Input::Spawned(other, _) if other == id))
        };
        let known: BTreeMap<&Id, &u32> =
            summary.members.iter().map(|it| (&it.id, &it.slot)).collect();
        assert!(
            known.into_iter().eq(self.alive.iter().filter(|(id, _)| !untold(id))),
            "{summary:?}"
        );
        let there = self.alive.len() + self.asked.len();
        assert!(there <= self.machine.slot_count() as usize, "{there} processes");
        assert!(summary.reaped >= summary.failed, "{summary:?}");
        if self.machine.outcome().is_some() {
            assert!(there == 0 && self.machine.deadline().is_none(), "{:?}", self.machine);
        }
    }

    /// TERM, then everybody leaves.
    fn finish(mut self) {
        self.mood = 1;
        self.feed(Input::Signal(Signal::TERM));
        while let Some(id) = self.asked.keys().next().copied() {
            assert_eq!(self.machine.outcome(), None, "ended before {id} was answered");
            let answer = self.start(id, id % 2 == 0, 0);
            self.feed(answer);
        }
        self.feed(Input::Prepared);
        while let Some(id) = self.alive.keys().next().copied() {
            assert_eq!(self.machine.outcome(), None, "ended before {id} was reaped");
            self.exit(id, 15, None);
        }
        assert!(self.machine.outcome().is_some(), "still there: {:?}", self.machine);
        self.ask(0);
        assert!(self.clients.values().all(|answers| *answers == 1), "{:?}", self.clients);
    }
}
