//! The state machine of start_server under bytes read as events of a simulated world: never a
//! panic; deadlines that were served are no longer due; nobody is started after a stop; TERM ends it
//! once everybody has left, and by then each client has heard exactly one answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reaper::{Exit, Machine as _, Moment, Pid};
use sigpolicy::Signal;
use superdaemon::start_server::machine::{
    Action, Input, LAUNCHER, Machine, Note, Policy, Settings, StartError,
};

/// Inputs that lead somewhere: six bytes of policy, then two bytes an event.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    // One restart with a silent worker, then TERM.
    &[1, 0, 0, 0, 0, 0, 0, 0, 9, 3, 10, 0, 5, 0, 0, 0, 9, 3, 10, 0, 6, 0, 2, 1],
    // READY, a restart that a client waits for, READY again.
    &[3, 4, 3, 1, 5, 0, 0, 0, 7, 1, 4, 0, 0, 0, 7, 1, 6, 0],
    // A crash loop with a limit, a delay and automatic restarts.
    &[1, 2, 2, 3, 3, 1, 0, 0, 6, 3, 9, 3, 10, 0, 0, 0, 6, 3, 9, 4, 10, 0, 8, 2, 2, 0],
    // Spawns that fail, a HUP meanwhile, INT.
    &[0, 1, 9, 0, 1, 2, 1, 0, 9, 5, 10, 0, 1, 1, 2, 0, 9, 7, 10, 0, 0, 0, 2, 2],
    // Stops while a spawn is not answered yet.
    &[2, 0, 0, 2, 0, 0, 0, 0, 9, 3, 10, 0, 2, 0, 2, 1, 0, 0, 6, 0],
    // Workers that ignore the signal until KILL, too many generations.
    &[0, 3, 4, 1, 2, 1, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 9, 4, 10, 0, 9, 4, 10, 0, 3, 1],
];

/// From nothing to a month; many of them stay far from the end of the clock.
const TIMES: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(7),
    Duration::from_secs(30),
    Duration::from_secs(3600),
    Duration::from_secs(30 * 86_400),
];
/// More events than this show nothing new.
const LONGEST: usize = 256;

/// One input.
pub fn run(data: &[u8]) {
    let mut bytes = data.iter().copied();
    let mut header = [0; 6];
    header.iter_mut().for_each(|byte| *byte = bytes.next().unwrap_or(0));
    let mut world = World::new(header);
    world.feed(Input::Begin);
    for _ in 0..LONGEST {
        let Some(what) = bytes.next() else { break };
        world.event(what, bytes.next().unwrap_or(0));
    }
    world.finish();
}

fn time(byte: u8) -> Duration {
    TIMES[usize::from(byte) % TIMES.len()]
}

fn limit(byte: u8) -> Option<u32> {
    (byte % 4 > 0).then_some(u32::from(byte % 4))
}

fn policy(header: [u8; 6]) -> Policy {
    let [a, b, c, d, e, _] = header;
    let signals = [Signal::TERM, Signal::HUP, Signal::QUIT, Signal::KILL];
    Policy {
        interval: time(a),
        start_timeout: time(b),
        signal_on_hup: signals[usize::from(b / 8 % 4)],
        signal_on_term: signals[usize::from(b / 32 % 4)],
        restart_attempts: limit(c),
        first_attempts: limit(c / 4),
        backoff_max: time(c / 16),
        kill_timeout: Some(time(d)).filter(|time| !time.is_zero()),
        max_generations: limit(d / 8).map(|limit| limit as usize),
        watchdog: Some(time(e)).filter(|time| !time.is_zero()),
        jitter_seed: u32::from(e),
    }
}

fn settings(byte: u8) -> Settings {
    let auto_restart = Some(time(byte / 8)).filter(|time| !time.is_zero());
    Settings { kill_old_delay: time(byte), auto_restart }
}

struct World {
    machine: Machine,
    now: Moment,
    /// A spawn that was asked for and not answered.
    asked: Option<u64>,
    alive: BTreeSet<u64>,
    /// Answers that each client has heard.
    clients: BTreeMap<u64, u32>,
    stopping: bool,
}

impl World {
    fn new(header: [u8; 6]) -> Self {
        Self {
            machine: Machine::new(policy(header), settings(header[5])),
            now: Moment::ZERO,
            asked: None,
            alive: BTreeSet::new(),
            clients: BTreeMap::from([(LAUNCHER, 0)]),
            stopping: false,
        }
    }

    fn event(&mut self, what: u8, how: u8) {
        match what % 12 {
            0 => self.answer_spawn(true),
            1 => self.answer_spawn(false),
            2 => {
                let signals = [Signal::TERM, Signal::INT, Signal::QUIT];
                self.signal(signals[usize::from(how) % signals.len()]);
            }
            3 => {
                let signals =
                    [Signal::HUP, Signal::USR1, Signal::USR2, Signal::WINCH, Signal::ALRM];
                self.signal(signals[usize::from(how) % signals.len()]);
            }
            4 => {
                let client = self.clients.len() as u64;
                self.clients.insert(client, 0);
                self.feed(Input::Restart(client));
            }
            5 => self.signal(Signal::HUP),
            6 => {
                if let Some(&generation) = self.some_worker(how) {
                    self.exit(generation, i32::from(how) << 8);
                }
            }
            7 => {
                let generation = self.some_worker(how / 4).copied().unwrap_or(u64::from(how));
                let extend = (how & 2 > 0).then(|| time(how / 8));
                self.feed(Input::Notified(generation, Note { ready: how & 1 > 0, extend }));
            }
            8 => self.feed(Input::Settings(settings(how))),
            9 => self.now = self.now + time(how),
            10 => {
                if let Some(at) = self.machine.deadline() {
                    self.now = self.now.max(at.min(self.now + TIMES[7]));
                    self.deadline();
                }
            }
            // Of somebody unknown, or once too often.
            _ => {
                let generation = u64::from(how);
                if !self.alive.contains(&generation) && self.asked != Some(generation) {
                    self.feed(Input::Exited(generation, Exit::from_raw(9), false));
                }
            }
        }
    }

    fn some_worker(&self, how: u8) -> Option<&u64> {
        self.alive.iter().nth(usize::from(how) % self.alive.len().max(1))
    }

    fn signal(&mut self, signal: Signal) {
        self.stopping |= matches!(signal, Signal::TERM | Signal::INT | Signal::QUIT);
        self.feed(Input::Signal(signal));
    }

    fn exit(&mut self, generation: u64, raw: i32) {
        self.alive.remove(&generation);
        self.feed(Input::Exited(generation, Exit::from_raw(raw), raw & 256 > 0));
    }

    fn answer_spawn(&mut self, ok: bool) {
        let Some(generation) = self.asked.take() else { return };
        let pid = i32::try_from(generation).ok().and_then(|raw| Pid::from_raw(raw + 1000));
        match pid {
            Some(pid) if ok => {
                self.alive.insert(generation);
                self.feed(Input::Spawned(generation, pid));
            }
            pid => {
                let transient = generation % 2 == 0;
                let pid = pid.filter(|_| generation % 3 == 0);
                let error = StartError { text: "no more".to_owned(), errno: 11, pid, transient };
                self.feed(Input::SpawnFailed(generation, error));
            }
        }
    }

    /// Serving one deadline may find another that has passed meanwhile, but not for ever.
    fn deadline(&mut self) {
        for _ in 0..4 {
            self.feed(Input::Deadline);
            if self.machine.deadline().is_none_or(|at| at > self.now) {
                return;
            }
        }
        panic!("still due: {:?}", self.machine);
    }

    fn feed(&mut self, input: Input) {
        let mut out = Vec::new();
        self.machine.step(self.now, input, &mut out);
        for action in out {
            match action {
                Action::Spawn(generation) => {
                    assert!(!self.stopping, "a start after the stop began");
                    assert_eq!(self.asked.replace(generation), None, "two starts at once");
                }
                Action::Signal(generation, _) => {
                    assert!(self.alive.contains(&generation), "{generation} is not there");
                }
                Action::Report(client, _) => *self.clients.entry(client).or_default() += 1,
                Action::Log(line) => assert!(!line.to_string().contains(char::is_control)),
                Action::Status(workers) => {
                    assert!(workers.iter().all(|(generation, _)| self.alive.contains(generation)));
                }
                Action::Notify(_) | Action::ReopenLog => {}
            }
        }
        assert!(self.machine.view(self.now).workers.len() <= self.alive.len());
        if self.machine.outcome().is_some() {
            assert!(self.alive.is_empty() && self.asked.is_none(), "{:?}", self.machine);
        }
    }

    /// TERM, then everybody leaves.
    fn finish(mut self) {
        if self.machine.outcome().is_none() {
            self.signal(Signal::TERM);
        }
        self.answer_spawn(true);
        while let Some(generation) = self.alive.first().copied() {
            assert_eq!(self.machine.outcome(), None, "ended before {generation} was reaped");
            self.exit(generation, 15);
        }
        assert!(self.machine.outcome().is_some(), "still there: {:?}", self.machine);
        assert!(self.clients.values().all(|answers| *answers == 1), "{:?}", self.clients);
    }
}
