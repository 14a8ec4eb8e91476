//! A session that was recorded with supervisord: the same events, byte for byte.

use reaper::Pid;

use super::*;
use crate::supervise::machine::types::{Mood, Transition};

/// Headers and payloads of the recording.
fn recorded() -> Vec<String> {
    let mut sent = Vec::new();
    for line in include_str!("recorded.txt").lines() {
        let text = |line: &str| line.trim_matches('\'').replace("\\n", "\n");
        if let Some(header) = line.strip_prefix("S->L header: ") {
            sent.push(text(header));
        } else if let Some(payload) = line.strip_prefix("S->L payload: ") {
            *sent.last_mut().unwrap() += &text(payload);
        }
    }
    sent
}

#[test]
fn a_recorded_session() {
    let mut world = World::new(&["EVENT"], 1000, &[(A, "el")]);
    let pids = [("el", 12556), ("ex", 12558), ("talk", 12560), ("late", 12592), ("die", 0)];
    let pid = |name| pids.iter().find(|(it, _)| *it == name).and_then(|it| Pid::from_raw(it.1));
    let state = |name, from, to, tries| {
        let id = ProcId(0);
        let change = Transition { id, from, to, tries, pid: pid(name), expected: false };
        (Kind::of_state(to), payload::state(name, name, &change))
    };
    let group = |name| (Kind::ProcessGroupAdded, payload::group(name));
    let mood = |mood| (Kind::of_mood(mood), payload::supervisor());
    let talk = |stream, data: &[u8]| {
        (Kind::of_log(stream), payload::log("talk", "talk", 12560, stream, data))
    };
    let tick = |kind, when| (kind, payload::tick(when));
    use State::{Backoff, Exited, Fatal, Running, Starting, Stopped, Stopping};
    let happened = [
        group("el"),
        group("die"),
        group("ex"),
        group("talk"),
        mood(Mood::Running),
        state("el", Stopped, Starting, 0),
        state("die", Stopped, Starting, 0),
        state("ex", Stopped, Starting, 0),
        state("talk", Stopped, Starting, 0),
        state("die", Starting, Backoff, 1),
        talk(Stream::Stderr, b"err1\n"),
        talk(Stream::Stdout, b"out1\npre"),
        talk(Stream::Stdout, b"payload here"),
        (
            Kind::of_communication(Stream::Stdout),
            payload::communication("talk", "talk", 12560, b"payload here"),
        ),
        state("el", Starting, Running, 0),
        state("die", Backoff, Starting, 1),
        state("ex", Starting, Running, 0),
        state("talk", Starting, Running, 0),
        tick(Kind::Tick5, 1_795_255_740),
        tick(Kind::Tick60, 1_795_255_740),
        state("die", Starting, Backoff, 2),
        state("die", Backoff, Fatal, 0),
        state("ex", Running, Exited, 0),
        group("late"),
        state("late", Stopped, Starting, 0),
        state("talk", Running, Stopping, 0),
        state("talk", Stopping, Stopped, 0),
        (Kind::RemoteCommunication, payload::remote("mytype", "mydata\nline2")),
        state("late", Starting, Stopping, 0),
        state("late", Stopping, Stopped, 0),
        (Kind::ProcessGroupRemoved, payload::group("late")),
        tick(Kind::Tick5, 1_795_255_745),
        mood(Mood::ShuttingDown),
    ];
    let mut sent = Vec::new();
    for (kind, payload) in happened {
        world.events.notify(world.now, kind, || payload, &mut world.out);
    }
    world.up(A);
    for _ in 0..40 {
        for action in std::mem::take(&mut world.out) {
            if let PoolAction::Send(A, bytes) = action {
                sent.push(String::from_utf8(bytes).unwrap());
                world.says(A, "RESULT 2\nOKREADY\n");
            }
        }
    }
    assert_eq!(sent, recorded());
}
