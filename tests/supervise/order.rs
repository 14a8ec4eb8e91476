//! Who starts and stops before whom.

use std::time::{Duration, Instant};

use sigpolicy::Signal;

use super::harness::Config;
use crate::sandbox::{Sandbox, promptly};

/// Says when it is told to leave and when it leaves, in one file for all.
fn slow(name: &str, seconds: &str) -> String {
    format!(
        "trap 'echo {name} told >>events; sleep {seconds}; echo {name} left >>events; exit 0' TERM\n\
         echo up\nwhile :; do sleep 1000 & wait $!; done"
    )
}

fn events(sandbox: &Sandbox) -> Vec<String> {
    sandbox.read("events").lines().map(str::to_owned).collect()
}

fn place(events: &[String], what: &str) -> usize {
    events.iter().position(|event| event == what).unwrap_or_else(|| panic!("{what} {events:?}"))
}

#[test]
fn priority_then_name_is_the_order_of_starts() {
    let sandbox = Sandbox::new("sv-priority");
    let config = Config::new(&sandbox)
        .idle("c", "priority=10")
        .idle("z", "priority=1")
        .idle("a", "")
        .idle("b", "priority=10")
        .idle("member2", "priority=5")
        .idle("member1", "priority=7")
        .section("[group:five]\nprograms=member1,member2\npriority=5");
    let mut ours = config.spawn();
    for name in ["z", "member2", "member1", "b", "c", "a"] {
        ours.succeeds(name);
    }
    let names = ["z", "member2", "member1", "b", "c", "a"];
    let texts: Vec<String> =
        names.iter().map(|name| format!("spawned: '{name}' with pid")).collect();
    ours.in_order(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    ours.stop();
}

/// A high number leaves first, and a lower one is not told before that has left.
#[test]
fn a_stop_goes_through_the_priorities_backwards() {
    let sandbox = Sandbox::new("sv-backwards");
    let mut config = Config::new(&sandbox);
    for (name, priority) in [("low", 1), ("middle", 500), ("high", 900)] {
        let keys = format!("priority={priority}\nstopasgroup=false");
        config = config.script(name, &slow(name, "0.3"), &keys);
    }
    let mut ours = config.spawn();
    for name in ["low", "middle", "high"] {
        sandbox.wait_text(&format!("{name}.out"), "up");
    }
    ours.signal(Signal::TERM);
    let status = ours.server.wait_exit();
    assert_eq!(status.code(), Some(0), "{}", ours.transcript());
    let wanted = ["high told", "high left", "middle told", "middle left", "low told", "low left"];
    assert_eq!(events(&sandbox), wanted, "{}", ours.transcript());
}

/// supervisord needs the sum of all.
#[test]
fn equal_priorities_stop_together() {
    promptly("ten programs of a second each", Duration::from_millis(2500), || {
        let sandbox = Sandbox::new("sv-parallel");
        let mut config = Config::new(&sandbox);
        let names: Vec<String> = (0..10).map(|number| format!("p{number}")).collect();
        for name in &names {
            config = config.script(name, &slow(name, "1"), "");
        }
        let mut ours = config.spawn();
        for name in &names {
            sandbox.wait_text(&format!("{name}.out"), "up");
        }
        let begun = Instant::now();
        ours.signal(Signal::TERM);
        assert_eq!(ours.server.wait_exit().code(), Some(0), "{}", ours.transcript());
        let took = begun.elapsed();
        let events = events(&sandbox);
        assert_eq!(events.len(), 20, "{events:?}");
        took
    });
}

#[test]
fn a_dependent_waits_until_what_it_needs_is_ready() {
    let sandbox = Sandbox::new("sv-ready");
    // The first letters and numbers would have it the other way round.
    let config = Config::new(&sandbox)
        .puppet("db", "wait go\nready\nsay up", "type=notify\npriority=999")
        .idle("api", "depends_on=db\npriority=1")
        .idle("ui", "depends_on=api\npriority=1")
        .idle("other", "startsecs=1");
    let mut ours = config.spawn();
    ours.spawned("db");
    ours.starts("other");
    assert_eq!(ours.count("'api'") + ours.count("'ui'"), 0, "{}", ours.transcript());
    sandbox.write("go", "");
    ours.succeeds("ui");
    ours.in_order(&["success: db", "spawned: 'api'", "success: api", "spawned: 'ui'"]);
    ours.stop();
    ours.in_order(&["stopped: ui", "stopped: api", "stopped: db"]);
}

#[test]
fn started_and_completed_are_other_things_to_wait_for() {
    let sandbox = Sandbox::new("sv-completed");
    let config = Config::new(&sandbox)
        .puppet("migrate", "wait go\nexit 0", "type=oneshot")
        .idle("never-ready", "startsecs=1000")
        .idle("early", "depends_on=never-ready:started")
        .idle("late", "depends_on=migrate:completed")
        .idle("both", "depends_on=migrate, never-ready:started");
    let mut ours = config.spawn();
    ours.starts("early");
    assert_eq!(ours.count("'late'") + ours.count("'both'"), 0, "{}", ours.transcript());
    sandbox.write("go", "");
    ours.wait_lines(&["success: late", "success: both"]);
    ours.in_order(&["exited: migrate (exit status 0; expected)", "spawned: 'late'"]);
    ours.in_order(&["spawned: 'never-ready'", "spawned: 'early'"]);
    ours.stop();
    assert_eq!(ours.count_spawned("migrate"), 1, "once");
}

/// What fails for good holds back what depends on it and nothing else.
#[test]
fn a_dependency_that_is_fatal_holds_its_dependents_back() {
    let sandbox = Sandbox::new("sv-fataldep");
    let config = Config::new(&sandbox)
        .puppet("db", "exit 1", "startsecs=1\nstartretries=0")
        .idle("api", "depends_on=db")
        .idle("clock", "startsecs=3");
    let mut ours = config.spawn();
    ours.wait_line("gave up: db entered FATAL state");
    ours.starts("clock");
    assert_eq!(ours.count_spawned("api"), 0, "{}", ours.transcript());
    ours.stop();
}

/// In reverse at the stop, also where the priorities are equal: each leaves before the next is told.
#[test]
fn a_dependent_is_stopped_before_what_it_needs() {
    let sandbox = Sandbox::new("sv-stopdep");
    let config = Config::new(&sandbox)
        .script("db", &slow("db", "0.1"), "")
        .script("api", &slow("api", "0.5"), "depends_on=db")
        .script("group-api", &slow("group-api", "0.5"), "depends_on=store")
        .script("cache", &slow("cache", "0.1"), "")
        .section("[group:store]\nprograms=cache");
    let mut ours = config.spawn();
    for name in ["api", "group-api"] {
        sandbox.wait_text(&format!("{name}.out"), "up");
    }
    ours.signal(Signal::TERM);
    assert_eq!(ours.server.wait_exit().code(), Some(0), "{}", ours.transcript());
    let events = events(&sandbox);
    assert!(place(&events, "api left") < place(&events, "db told"), "{events:?}");
    assert!(place(&events, "group-api left") < place(&events, "cache told"), "{events:?}");
}

#[test]
fn a_cycle_is_refused_with_its_path() {
    let sandbox = Sandbox::new("sv-cycle");
    let config = Config::new(&sandbox)
        .idle("a", "depends_on=b")
        .idle("b", "depends_on=c:started")
        .idle("c", "depends_on=a");
    let refused = config.launch().output();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let first = refused.stderr.lines().next().unwrap_or_default();
    assert!(first.starts_with("Error: "), "{refused:?}");
    for name in ["a", "b", "c"] {
        assert!(
            first.contains(&format!("{name} ")) || first.contains(&format!(" {name}")),
            "{first}"
        );
    }
    assert!(!refused.stdout.contains("spawned"), "{refused:?}");
}
