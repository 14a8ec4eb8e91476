//! Pools as a host sees them.

mod recorded;

use super::payload;
use super::*;
use crate::supervise::machine::types::State;

const A: ProcId = ProcId(1);
const B: ProcId = ProcId(2);

/// A host with one pool, `el`.
struct World {
    events: Events,
    now: Moment,
    out: Vec<PoolAction>,
}

impl World {
    fn new(names: &[&str], buffer_size: i64, listeners: &[(ProcId, &str)]) -> Self {
        let mut world = Self { events: Events::new("labid"), now: Moment::ZERO, out: vec![] };
        world.set("el", names, buffer_size, listeners);
        world
    }

    fn set(&mut self, pool: &str, names: &[&str], size: i64, listeners: &[(ProcId, &str)]) {
        let wish = Subscription {
            events: names.iter().map(|name| (*name).to_owned()).collect(),
            buffer_size: size,
            result_handler: String::new(),
        };
        self.events.set_pool(self.now, pool, &wish, listeners, &mut self.out);
    }

    fn says(&mut self, id: ProcId, text: &str) {
        self.events.listener(self.now, id, Said::Output(text.as_bytes()), &mut self.out);
    }

    fn turns(&mut self, id: ProcId, state: State) {
        self.events.listener(self.now, id, Said::State(state), &mut self.out);
    }

    /// Started, up and ready.
    fn up(&mut self, id: ProcId) {
        self.turns(id, State::Starting);
        self.turns(id, State::Running);
        self.says(id, "READY\n");
    }

    fn tick(&mut self, when: u64) {
        self.events.notify(self.now, Kind::Tick5, || payload::tick(when), &mut self.out);
    }

    /// What was sent since, by listener and payload.
    fn sent(&mut self) -> Vec<(u32, String)> {
        let actions = std::mem::take(&mut self.out);
        let sent = actions.into_iter().filter_map(|action| match action {
            PoolAction::Send(id, bytes) => {
                let text = String::from_utf8(bytes).unwrap();
                Some((id.0, text.split_once('\n').unwrap().1.to_owned()))
            }
            PoolAction::Log(_) => None,
        });
        sent.collect()
    }

    /// What was logged since, and `-> ID` for what was sent.
    fn log(&mut self) -> Vec<String> {
        let actions = std::mem::take(&mut self.out);
        let lines = actions.into_iter().map(|action| match action {
            PoolAction::Send(id, _) => format!("-> {}", id.0),
            PoolAction::Log(line) => line.to_string(),
        });
        lines.collect()
    }
}

fn when(id: u32, number: u64) -> (u32, String) {
    (id, format!("when:{number}"))
}

#[test]
fn what_nobody_wants_is_not_even_described() {
    let mut world = World::new(&["TICK_5"], 10, &[(A, "el")]);
    let undescribed = || -> String { panic!("nobody asked") };
    world.events.notify(world.now, Kind::Tick60, undescribed, &mut world.out);
    assert_eq!((world.out.len(), world.events.wanted(Kind::Tick60)), (0, false));
    world.up(A);
    world.tick(5);
    let Some(PoolAction::Send(_, bytes)) = world.out.get(1) else { panic!("{:?}", world.out) };
    let text = b"ver:3.0 server:labid serial:0 pool:el poolserial:0 eventname:TICK_5 len:6\nwhen:5";
    assert_eq!(bytes.escape_ascii().to_string(), text.escape_ascii().to_string());
    world.events.remove_pool("el");
    assert!(!world.events.wanted(Kind::Tick5) && !world.events.is_listener(A));
}

#[test]
fn length_is_in_characters() {
    let mut world = World::new(&["REMOTE_COMMUNICATION"], 10, &[(A, "el")]);
    world.up(A);
    world.out.clear();
    let text = || payload::remote("t", "\u{20ac}\u{1f600}");
    world.events.notify(world.now, Kind::RemoteCommunication, text, &mut world.out);
    let Some(PoolAction::Send(A, bytes)) = world.out.first() else { panic!("{:?}", world.out) };
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.ends_with(" len:9\ntype:t\n\u{20ac}\u{1f600}"), "{text}");
}

#[test]
fn only_who_runs_and_is_ready_is_sent_anything() {
    let mut world = World::new(&["TICK"], 10, &[(A, "el")]);
    world.turns(A, State::Starting);
    world.says(A, "READY\n");
    world.tick(5);
    assert_eq!(world.sent(), []);
    world.turns(A, State::Running);
    assert_eq!(world.sent(), [when(1, 5)]);
    world.tick(10);
    assert_eq!(world.sent(), []);
    world.says(A, "RESULT 2\nOK");
    assert_eq!(world.sent(), []);
    world.turns(A, State::Stopping);
    world.says(A, "READY\n");
    assert_eq!(world.sent(), []);
}

#[test]
fn the_first_ready_one_gets_the_oldest() {
    let mut world = World::new(&["TICK"], 10, &[(A, "el_00"), (B, "el_01")]);
    world.up(B);
    world.up(A);
    world.tick(5);
    world.tick(10);
    world.tick(15);
    assert_eq!(world.sent(), [when(1, 5), when(2, 10)]);
    world.says(B, "RESULT 2\nOKREADY\n");
    assert_eq!(world.sent(), [when(2, 15)]);
}

#[test]
fn two_pools_share_the_number_and_count_for_themselves() {
    let mut world = World::new(&["EVENT"], 10, &[(A, "el")]);
    world.set("other", &["TICK", "TICK_5"], 10, &[(B, "other")]);
    world.events.notify(world.now, Kind::ProcessGroupAdded, || payload::group("x"), &mut world.out);
    world.tick(5);
    world.up(A);
    world.says(A, "RESULT 2\nOKREADY\n");
    world.up(B);
    let heads: Vec<String> = std::mem::take(&mut world.out)
        .into_iter()
        .filter_map(|action| match action {
            PoolAction::Send(_, bytes) => String::from_utf8(bytes).ok(),
            PoolAction::Log(_) => None,
        })
        .map(|text| text.split(" eventname").next().unwrap().replace("ver:3.0 server:labid ", ""))
        .collect();
    let expected = [
        "serial:0 pool:el poolserial:0",
        "serial:1 pool:el poolserial:1",
        "serial:1 pool:other poolserial:0",
    ];
    assert_eq!(heads, expected);
    // Named twice over, it is told once.
    world.says(B, "RESULT 2\nOKREADY\n");
    assert_eq!(world.sent(), []);
}

#[test]
fn the_oldest_event_is_lost_when_too_many_wait() {
    let mut world = World::new(&["TICK"], 2, &[(A, "el")]);
    world.tick(5);
    world.tick(10);
    world.tick(15);
    assert_eq!(world.log(), ["pool el event buffer overflowed, discarding event 0"]);
    world.up(A);
    assert_eq!(world.sent(), [when(1, 10)]);
    world.tick(20);
    assert_eq!(world.sent(), []);
    // The one that comes back pushes out the oldest of those that waited.
    world.says(A, "RESULT 4\nFAIL");
    let expected = [
        "el: event was rejected",
        "el: BUSY -> ACKNOWLEDGED",
        "rebuffering event 1 for pool el (buf size=2, max=2)",
        "pool el event buffer overflowed, discarding event 2",
    ];
    assert_eq!(world.log(), expected);
    world.says(A, "READY\n");
    assert_eq!(world.log(), ["el: ACKNOWLEDGED -> READY", "-> 1", "event 1 sent to listener el"]);
    world.says(A, "RESULT 2\nOKREADY\n");
    assert_eq!(world.sent(), [when(1, 20)]);
    world.tick(25);
    world.tick(30);
    world.set("el", &["TICK"], 0, &[(A, "el")]);
    assert_eq!(world.log(), ["pool el event buffer overflowed, discarding event 4"]);
}

#[test]
fn who_breaks_the_protocol_is_left_alone_until_it_is_started_again() {
    let mut world = World::new(&["TICK"], 10, &[(A, "el")]);
    world.up(A);
    world.tick(5);
    world.out.clear();
    world.says(A, "Hello world\nRESULT 2\nOK");
    let unknown = "el: has entered the UNKNOWN state and will no longer receive events, this \
                   usually indicates the process violated the eventlistener protocol";
    let expected = [
        "el: bad result line: 'Hello world'",
        "el: BUSY -> UNKNOWN",
        unknown,
        "rebuffering event 0 for pool el (buf size=0, max=10)",
    ];
    assert_eq!(world.log(), expected);
    world.says(A, "READY\n");
    world.tick(10);
    assert_eq!(world.log().len(), 0);
    world.turns(A, State::Exited);
    world.up(A);
    assert_eq!(world.sent(), [when(1, 5)]);
    world.says(A, "RESULT 2\nOKREADY\n");
    assert_eq!(world.sent(), [when(1, 10)]);
    world.says(A, "RESULT 2\nOKREADY\nx");
    let expected = [
        "el: event was processed",
        "el: BUSY -> ACKNOWLEDGED",
        "el: ACKNOWLEDGED -> READY",
        "el: READY -> UNKNOWN",
        unknown,
    ];
    assert_eq!(world.log(), expected);
}

#[test]
fn the_event_of_one_that_dies_goes_to_another() {
    for end in [State::Exited, State::Stopped, State::Backoff, State::Starting] {
        let mut world = World::new(&["TICK"], 10, &[(A, "el_00"), (B, "el_01")]);
        world.up(A);
        world.tick(5);
        world.tick(10);
        world.up(B);
        assert_eq!(world.sent(), [when(1, 5), when(2, 10)], "{end:?}");
        world.turns(A, end);
        assert_eq!(world.sent(), [], "{end:?}");
        world.says(B, "RESULT 2\nOKREADY\n");
        assert_eq!(world.sent(), [when(2, 5)], "{end:?}");
    }
}

#[test]
fn one_that_is_being_stopped_may_still_answer() {
    let mut world = World::new(&["TICK"], 10, &[(A, "el")]);
    world.up(A);
    world.tick(5);
    world.turns(A, State::Stopping);
    world.says(A, "RESULT 2\nOK");
    world.turns(A, State::Stopped);
    world.up(A);
    assert_eq!(world.sent(), [when(1, 5)]);
}

#[test]
fn one_that_cannot_be_written_to_is_passed_over() {
    let mut world = World::new(&["TICK"], 10, &[(A, "el_00"), (B, "el_01")]);
    world.up(A);
    world.up(B);
    world.tick(5);
    assert_eq!(world.sent(), [when(1, 5)]);
    world.events.listener(world.now, A, Said::Deaf, &mut world.out);
    let expected = [
        "epipe occurred while sending event 0 to listener el_00, listener state unchanged",
        "rebuffering event 0 for pool el (buf size=0, max=10)",
        "-> 2",
        "event 0 sent to listener el_01",
    ];
    assert_eq!(world.log(), expected);
    world.tick(10);
    assert_eq!(world.log().len(), 0);
    world.turns(A, State::Exited);
    world.up(A);
    assert_eq!(world.sent(), [when(1, 10)]);
}

#[test]
fn an_event_that_is_rejected_for_ever_is_offered_once_a_second() {
    let mut world = World::new(&["TICK"], 10, &[(A, "el")]);
    world.up(A);
    world.tick(5);
    for _ in 0..2 {
        assert_eq!(world.sent(), [when(1, 5)]);
        assert_eq!(world.events.deadline(), None);
        world.says(A, "RESULT 4\nFAILREADY\n");
    }
    assert_eq!(world.sent(), [when(1, 5)]);
    for second in 1..4 {
        world.says(A, "RESULT 4\nFAIL");
        assert_eq!(world.events.deadline(), None, "it is not ready");
        world.says(A, "READY\n");
        assert_eq!(world.sent(), []);
        let due = world.events.deadline().unwrap();
        assert_eq!(due, Moment::from_nanos(second * 1_000_000_000));
        world.now = due;
        world.events.due(world.now, &mut world.out);
        assert_eq!(world.sent(), [when(1, 5)]);
        assert_eq!(world.events.deadline(), None);
    }
    world.tick(10);
    world.says(A, "RESULT 2\nOKREADY\n");
    assert_eq!(world.sent(), [when(1, 10)], "the next one need not wait");
}

#[test]
fn a_pool_that_changes_keeps_its_events_and_numbers() {
    let mut world = World::new(&["TICK"], 10, &[(A, "el_00"), (B, "el_01")]);
    world.up(A);
    world.tick(5);
    world.tick(10);
    world.out.clear();
    world.set("el", &["PROCESS_GROUP"], 10, &[(B, "el_01"), (ProcId(3), "el_02")]);
    assert_eq!(world.events.listeners().collect::<Vec<_>>(), [B, ProcId(3)]);
    world.tick(15);
    world.up(ProcId(3));
    world.says(ProcId(3), "RESULT 2\nOKREADY\n");
    world.says(ProcId(3), "RESULT 2\nOKREADY\n");
    assert_eq!(world.sent(), [when(3, 5), when(3, 10)]);
    world.events.notify(world.now, Kind::ProcessGroupAdded, || payload::group("x"), &mut world.out);
    let Some(PoolAction::Send(_, bytes)) = world.out.first() else { panic!("{:?}", world.out) };
    assert!(bytes.starts_with(b"ver:3.0 server:labid serial:2 pool:el poolserial:2 "));
}

#[test]
fn numbers_begin_again_after_the_largest() {
    let mut serial = Serial(i64::MAX.unsigned_abs() - 1);
    let numbers = [serial.next(), serial.next(), serial.next(), serial.next()];
    let largest = i64::MAX.unsigned_abs();
    assert_eq!(numbers, [largest - 1, largest, 0, 1]);
}
