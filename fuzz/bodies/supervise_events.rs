//! Event listeners that say anything, and events at any time. Never a panic; who is sent an event
//! runs, is ready and has no other; none is lost without a line, none is processed twice, and none
//! goes to two at once; what was served is no longer due; memory is bounded by what a line may be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reaper::Moment;
use superdaemon::supervise::config::model::Subscription;
use superdaemon::supervise::events::{EventLine, Events, Kind, PoolAction, Said, payload};
use superdaemon::supervise::machine::types::{ProcId, State};

/// Inputs that lead somewhere: the size of the buffer and the number of listeners, then a letter
/// and a number for each event.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    // One listener comes up, answers, rejects, and answers.
    b"90a0b0c0n0d0e0c0n0f0c0d0e0n0n0n0",
    // Three listeners, of which one dies and one is stopped with an event.
    b"92a0a1a2b0b1b2c0c1c2n0n1n2n3n4h0i1d1e1j1d2e2c2d2e2a0b0c0d0e0",
    // The buffer overflows, with an event that comes back.
    b"10a0b0c0n0n0n0n0f0c0d0e0c0d0e0",
    // Rejected for ever.
    b"40a0b0c0n0f0c0f0c0f0c0p9f0c0p9p9d0e0",
    // Garbage, a long line, a long result, READY twice, an answer that nobody asked for.
    b"41a0b0c0n0g0g1a0b0c0l0l0a0b0c0q0a1b1c1c1a1b1d1e1a1b1c1n2r1",
    // Bytes of its own.
    b"40a0b0s\x06READY\nn0s\x0bRESULT 2\nOKs\x06READY\nn0s\x04RESUs\x07LT 0_2\ns\x01Os\x01K",
    b"40a0b0c0n0s\x0eRESULT -1\nOKxx",
    // Its standard input is closed.
    b"42a0b0c0a1b1c1n0k0n1k1n2h0a0b0c0d0e0",
    // The pool changes while all have something to do.
    b"42a0b0c0a1b1c1n0n1n2t0n3t1t2n4n5t9a0b0c0d0e0",
];

/// What a listener can say in one go.
const WORDS: &[&[u8]] = &[b"READY\n", b"RESULT 2\n", b"OK", b"RESULT 4\nFAIL", b"hello\n"];
const LISTENERS: u8 = 3;
/// More events than this show nothing new.
const LONGEST: usize = 256;

/// One input.
pub fn run(data: &[u8]) {
    let mut bytes = data;
    let size = number(take(&mut bytes)) % 10 + 1;
    let mut world = World::new(size, number(take(&mut bytes)) % LISTENERS + 1);
    for _ in 0..LONGEST {
        let Some((what, rest)) = bytes.split_first() else { break };
        bytes = rest;
        let how = take(&mut bytes);
        world.event(*what, how, &mut bytes);
    }
    world.finish();
}

fn take(bytes: &mut &[u8]) -> u8 {
    let Some((first, rest)) = bytes.split_first() else { return b'0' };
    *bytes = rest;
    *first
}

/// Digits stand for themselves.
fn number(byte: u8) -> u8 {
    byte ^ b'0'
}

/// What the world outside knows of a listener.
#[derive(Default)]
struct Known {
    running: bool,
    deaf: bool,
    /// The number in the pool of what it has to do.
    busy_with: Option<u64>,
}

struct World {
    events: Events,
    now: Moment,
    size: u8,
    listeners: BTreeMap<u32, Known>,
    told: u64,
    /// Numbers of the events that are over.
    processed: BTreeSet<u64>,
    lost: BTreeSet<u64>,
}

impl World {
    fn new(size: u8, count: u8) -> Self {
        let mut world = Self {
            events: Events::new("fuzz"),
            now: Moment::ZERO,
            size,
            listeners: BTreeMap::new(),
            told: 0,
            processed: BTreeSet::new(),
            lost: BTreeSet::new(),
        };
        world.set_pool((0..u32::from(count)).collect());
        world
    }

    fn set_pool(&mut self, ids: Vec<u32>) {
        let names: Vec<String> = ids.iter().map(|id| format!("l{id}")).collect();
        let listeners: Vec<(ProcId, &str)> =
            ids.iter().zip(&names).map(|(id, name)| (ProcId(*id), name.as_str())).collect();
        let wish = Subscription {
            events: vec!["REMOTE_COMMUNICATION".to_owned(), "EVENT".to_owned()],
            buffer_size: i64::from(self.size),
            result_handler: String::new(),
        };
        self.listeners.retain(|id, _| ids.contains(id));
        for id in &ids {
            self.listeners.entry(*id).or_default();
        }
        let mut out = Vec::new();
        self.events.set_pool(self.now, "pool", &wish, &listeners, &mut out);
        self.carry_out(out);
        let members: Vec<u32> = self.events.listeners().map(|id| id.0).collect();
        assert_eq!(members, ids);
    }

    fn event(&mut self, what: u8, how: u8, bytes: &mut &[u8]) {
        let id = u32::from(number(how) % LISTENERS);
        match what.wrapping_sub(b'a') % 20 {
            0 => self.turn(id, State::Starting),
            1 => self.turn(id, State::Running),
            2 => self.say(id, WORDS[0]),
            3 => self.say(id, WORDS[1]),
            4 => self.say(id, WORDS[2]),
            5 => self.say(id, WORDS[3]),
            6 => self.say(id, WORDS[4]),
            7 => self.turn(id, State::Exited),
            8 => self.turn(id, State::Stopping),
            9 => self.turn(id, State::Stopped),
            10 => self.deafen(id),
            11 => self.say(id, &[b'x'; 700]),
            12 => self.turn(id, State::Unknown),
            13 => self.notify(how),
            14 | 15 => {
                self.now = self.now + Duration::from_millis(200 * u64::from(number(how) % 10));
                self.serve();
            }
            16 => self.say(id, b"RESULT 1048576\n"),
            17 => self.say(id, b"OKREADY\n"),
            18 => {
                let count = usize::from(how).min(bytes.len());
                let (text, rest) = bytes.split_at(count);
                *bytes = rest;
                self.say(0, text);
            }
            _ => {
                self.size = number(how) % 10 + 1;
                let present = (0..u32::from(LISTENERS)).filter(|id| u32::from(how) >> id & 1 > 0);
                self.set_pool(present.collect());
            }
        }
    }

    fn notify(&mut self, how: u8) {
        // One that is ready and runs is sent it at once, unless a pause is on.
        let text =
            || payload::remote("fuzz", ["", "a", "\u{fc}\n", "\u{1f600}"][usize::from(how % 4)]);
        let mut out = Vec::new();
        self.events.notify(self.now, Kind::RemoteCommunication, text, &mut out);
        self.told += 1;
        self.carry_out(out);
    }

    fn turn(&mut self, id: u32, state: State) {
        if let Some(known) = self.listeners.get_mut(&id) {
            match state {
                State::Running => known.running = true,
                State::Stopping | State::Unknown => known.running = false,
                _ => *known = Known::default(),
            }
        }
        self.tell(id, Said::State(state));
    }

    fn deafen(&mut self, id: u32) {
        if let Some(known) = self.listeners.get_mut(&id) {
            (known.deaf, known.busy_with) = (true, None);
        }
        self.tell(id, Said::Deaf);
    }

    fn say(&mut self, id: u32, text: &[u8]) {
        self.tell(id, Said::Output(text));
    }

    fn tell(&mut self, id: u32, said: Said<'_>) {
        let mut out = Vec::new();
        self.events.listener(self.now, ProcId(id), said, &mut out);
        self.carry_out(out);
    }

    fn serve(&mut self) {
        let mut out = Vec::new();
        self.events.due(self.now, &mut out);
        self.carry_out(out);
        assert!(self.events.deadline().is_none_or(|at| at > self.now), "it would spin");
    }

    fn carry_out(&mut self, actions: Vec<PoolAction>) {
        for action in actions {
            match action {
                PoolAction::Send(ProcId(id), bytes) => self.sent(id, bytes),
                PoolAction::Log(line) => self.logged(&line),
            }
        }
        let busy: Vec<u64> = self.listeners.values().filter_map(|known| known.busy_with).collect();
        let apart: BTreeSet<&u64> = busy.iter().collect();
        assert_eq!(apart.len(), busy.len(), "an event is with two listeners");
    }

    fn sent(&mut self, id: u32, bytes: Vec<u8>) {
        let text = String::from_utf8(bytes).expect("text");
        let (head, payload) = text.split_once('\n').expect("a header");
        let words: BTreeMap<&str, &str> =
            head.split(' ').map(|word| word.split_once(':').expect("a pair")).collect();
        assert_eq!(words["len"], payload.chars().count().to_string(), "{text}");
        assert_eq!((words["ver"], words["pool"], words["server"]), ("3.0", "pool", "fuzz"));
        assert_eq!(
            (words["serial"], words["eventname"]),
            (words["poolserial"], "REMOTE_COMMUNICATION")
        );
        let serial: u64 = words["serial"].parse().expect("a number");
        assert!(serial < self.told && !self.processed.contains(&serial), "{text}");
        assert!(!self.lost.contains(&serial), "{text}");
        let known = self.listeners.get_mut(&id).expect("a listener");
        assert!(known.running && !known.deaf, "{id} is sent {text}");
        let before = known.busy_with.replace(serial);
        assert_eq!(before, None, "{id} is sent two");
    }

    fn logged(&mut self, line: &EventLine) {
        let text = line.to_string();
        assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
        let known = |listener: &str, world: &mut Self| {
            let id = listener.trim_start_matches('l').parse().expect("a name");
            world.listeners.get_mut(&id).and_then(|known| known.busy_with.take())
        };
        match line {
            EventLine::Processed { listener } => {
                let serial = known(listener, self).expect("it has an event");
                assert!(self.processed.insert(serial), "{serial} is processed twice");
            }
            EventLine::Rejected { listener } => {
                assert!(known(listener, self).is_some(), "{listener} rejects nothing");
            }
            EventLine::Unknown { listener } => drop(known(listener, self)),
            EventLine::Overflowed { serial, .. } => {
                assert!(self.lost.insert(*serial), "{serial} is lost twice");
            }
            EventLine::Rebuffered { size, max, .. } => assert!(size <= max, "{text}"),
            EventLine::Turned { .. }
            | EventLine::BadResult { .. }
            | EventLine::Sent { .. }
            | EventLine::BrokenPipe { .. } => {}
        }
    }

    /// One listener is started anew and takes all that is left; the others are gone.
    fn finish(mut self) {
        self.set_pool(vec![9]);
        self.turn(9, State::Running);
        self.say(9, b"READY\n");
        for _ in 0..self.told {
            self.now = self.now + Duration::from_secs(2);
            self.serve();
            if self.listeners[&9].busy_with.is_none() {
                break;
            }
            self.say(9, b"RESULT 2\nOKREADY\n");
        }
        assert!(self.processed.is_disjoint(&self.lost), "processed and lost");
        assert_eq!((self.processed.len() + self.lost.len()) as u64, self.told, "some are missing");
        assert_eq!(self.events.deadline(), None);
    }
}
