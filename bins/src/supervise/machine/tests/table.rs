//! Every state against every input.

use super::*;

/// One process in this state, known as `a`, with the clock at its start or later.
fn in_state(state: &str) -> Fake {
    let mut fake = Fake::fresh(General::default(), vec![policy("a")]);
    let id = fake.id("a");
    match state {
        "STOPPED" => {
            fake.feed(Input::Begin);
            assert_eq!(fake.stop("a"), Ok(()));
            fake.exit("a", code(0));
        }
        "UNANSWERED" => {
            fake.held.insert(id);
            fake.feed(Input::Begin);
        }
        _ => fake.feed(Input::Begin),
    }
    match state {
        "BACKOFF" => drop(fake.exit("a", code(1))),
        "FATAL" => {
            for wait in [0, 1, 2, 3] {
                fake.after(secs(wait));
                fake.exit("a", code(1));
            }
        }
        "STOPPING" => assert_eq!(fake.stop("a"), Ok(())),
        "RUNNING" => drop(fake.after(secs(2))),
        "EXITED" => {
            fake.after(secs(2));
            fake.exit("a", code(0));
        }
        "UNKNOWN" => fake.feed(Input::SignalFailed(id, "no".into())),
        _ => {}
    }
    let is = if state == "UNANSWERED" { "STARTING" } else { state };
    assert_eq!(fake.state("a").name(), is);
    fake.seen.clear();
    fake
}

/// What happens, or why it is refused.
fn outcome(state: &str, event: &str) -> String {
    let mut fake = in_state(state);
    let id = fake.id("a");
    let pid = Pid::from_raw(7).unwrap();
    let order = match event {
        "start" => Some(Order::Start(id)),
        "stop" => Some(Order::Stop(id)),
        "kill" => Some(Order::Kill(id)),
        "USR1" => Some(Order::Signal(id, Signal::USR1)),
        "reload" => Some(Order::Reload(id)),
        _ => None,
    };
    if let Some(order) = order {
        return match fake.order(order) {
            Ok(()) => fake.seen(),
            Err(refusal) => format!("{refusal:?}"),
        };
    }
    fake.tell(match event {
        "begin" => Input::Begin,
        "deadline" => Input::Deadline,
        "spawned" => Input::Spawned(id, pid),
        "no spawn" => Input::SpawnFailed(id, "no".into()),
        "exit 0" => Input::Exited(id, code(0)),
        "exit 1" => Input::Exited(id, code(1)),
        "no signal" => Input::SignalFailed(id, "no".into()),
        "ready" => Input::Ready(id),
        "alive" => Input::Alive(id),
        "unhealthy" => Input::Unhealthy(id),
        "remove" => Input::Apply(General::default(), vec![Change::Remove(id)]),
        "shutdown" => Input::Shutdown(After::Leave(0)),
        "stranger" => Input::Exited(ProcId(9), code(0)),
        other => panic!("{other}"),
    })
}

const EVENTS: [&str; 18] = [
    "begin",
    "deadline",
    "spawned",
    "no spawn",
    "exit 0",
    "exit 1",
    "no signal",
    "ready",
    "alive",
    "unhealthy",
    "remove",
    "shutdown",
    "stranger",
    "start",
    "stop",
    "kill",
    "USR1",
    "reload",
];

/// For each state what follows from an event; what is not named does nothing.
const TABLE: [(&str, &[(&str, &str)]); 9] = [
    (
        "STOPPED",
        &[
            ("remove", "a gone"),
            ("shutdown", "ShuttingDown leave 0"),
            ("start", "a:STARTING"),
            ("stop", "NotRunning"),
            ("kill", "NotRunning"),
            ("USR1", "NotRunning"),
            ("reload", "NotRunning"),
        ],
    ),
    (
        "UNANSWERED",
        &[
            ("spawned", ""),
            ("no spawn", "a:BACKOFF"),
            ("remove", ""),
            ("shutdown", "ShuttingDown"),
            ("start", "AlreadyStarted"),
            ("USR1", "NotRunning"),
            ("reload", "NotRunning"),
        ],
    ),
    (
        "STARTING",
        &[
            ("exit 0", "a:BACKOFF"),
            ("exit 1", "a:BACKOFF"),
            ("no signal", "\"unknown problem killing a (101):no\" a:UNKNOWN"),
            ("remove", "a:STOPPING a<TERM"),
            ("shutdown", "ShuttingDown a:STOPPING a<TERM"),
            ("start", "AlreadyStarted"),
            ("stop", "a:STOPPING a<TERM"),
            ("kill", "a:STOPPING a<KILL"),
            ("USR1", "a<USR1"),
            ("reload", "a<HUP"),
        ],
    ),
    (
        "RUNNING",
        &[
            ("exit 0", "a:EXITED"),
            ("exit 1", "a:EXITED! a:STARTING"),
            ("no signal", "\"unknown problem killing a (101):no\" a:UNKNOWN"),
            ("unhealthy", "a:STOPPING a<TERM"),
            ("remove", "a:STOPPING a<TERM"),
            ("shutdown", "ShuttingDown a:STOPPING a<TERM"),
            ("start", "AlreadyStarted"),
            ("stop", "a:STOPPING a<TERM"),
            ("kill", "a:STOPPING a<KILL"),
            ("USR1", "a<USR1"),
            ("reload", "a<HUP"),
        ],
    ),
    (
        "BACKOFF",
        &[
            ("remove", "a:STOPPED a gone"),
            ("shutdown", "ShuttingDown a:FATAL leave 0"),
            ("start", "AlreadyStarted"),
            ("stop", "a:STOPPED"),
            ("kill", "a:STOPPED"),
            ("USR1", "NotRunning"),
            ("reload", "NotRunning"),
        ],
    ),
    (
        "STOPPING",
        &[
            ("exit 0", "a:STOPPED"),
            ("exit 1", "a:STOPPED"),
            ("no signal", "\"unknown problem killing a (101):no\" a:UNKNOWN"),
            ("shutdown", "ShuttingDown"),
            ("start", "AbnormalTermination"),
            ("stop", "NotRunning"),
            ("kill", "a<KILL"),
            ("USR1", "a<USR1"),
            ("reload", "a<HUP"),
        ],
    ),
    (
        "EXITED",
        &[
            ("remove", "a gone"),
            ("shutdown", "ShuttingDown leave 0"),
            ("start", "a:STARTING"),
            ("stop", "NotRunning"),
            ("kill", "NotRunning"),
            ("USR1", "NotRunning"),
            ("reload", "NotRunning"),
        ],
    ),
    (
        "FATAL",
        &[
            ("remove", "a gone"),
            ("shutdown", "ShuttingDown leave 0"),
            ("start", "a:STARTING"),
            ("stop", "NotRunning"),
            ("kill", "NotRunning"),
            ("USR1", "NotRunning"),
            ("reload", "NotRunning"),
        ],
    ),
    (
        "UNKNOWN",
        &[
            // Nobody had told it to stop: it ends as from RUNNING, but a second after its start.
            ("exit 0", "a:EXITED"),
            ("exit 1", "a:EXITED!"),
            ("shutdown", "ShuttingDown leave 0"),
            ("start", "Failed"),
            ("stop", "NotRunning"),
            ("kill", "NotRunning"),
            ("USR1", "NotRunning"),
            ("reload", "NotRunning"),
        ],
    ),
];

#[test]
fn every_pair() {
    for (state, row) in TABLE {
        for (event, _) in row {
            assert!(EVENTS.contains(event), "{event}");
        }
        for event in EVENTS {
            let wanted = row.iter().find(|(of, _)| *of == event).map_or("", |(_, text)| text);
            assert_eq!(outcome(state, event), wanted, "{event} in {state}");
        }
    }
}

/// An event that is out of place leaves everything as it was, the clock of the machine included.
#[test]
fn what_does_nothing_changes_nothing() {
    for (state, row) in TABLE {
        for event in EVENTS.iter().filter(|event| row.iter().all(|(of, _)| of != *event)) {
            if matches!(*event, "stop" | "kill") {
                continue; // They wait for the answer of a spawn.
            }
            let mut fake = in_state(state);
            let before = fake.machine.clone();
            let id = fake.id("a");
            let pid = Pid::from_raw(7).unwrap();
            fake.feed(match *event {
                "begin" => Input::Begin,
                "deadline" => Input::Deadline,
                "spawned" => Input::Spawned(id, pid),
                "no spawn" => Input::SpawnFailed(id, "no".into()),
                "exit 0" | "exit 1" => Input::Exited(id, code(0)),
                "no signal" => Input::SignalFailed(id, "no".into()),
                "ready" => Input::Ready(id),
                "alive" => Input::Alive(id),
                "unhealthy" => Input::Unhealthy(id),
                "stranger" => Input::Exited(ProcId(9), code(0)),
                _ => continue,
            });
            assert_eq!(fake.machine, before, "{event} in {state}");
        }
    }
}
