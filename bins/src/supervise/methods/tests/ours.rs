//! What supervisord cannot do.

use super::*;
use crate::supervise::machine::types::State;

const HOT: &str = "[program:a]\ncommand=/a\nhot=true\nsocket=unix:///tmp/a.sock\n\
                   [program:b]\ncommand=/b\nreloadsignal=USR1\n\
                   [program:c]\ncommand=/c\nautostart=false\n";

#[test]
fn programs_are_reloaded() {
    let mut session = Session::running(HOT);
    assert_eq!(session.say("supervise.reloadProcess", name("a")), "true");
    assert_eq!(session.say("supervise.reloadProcess", name("b")), "true");
    assert_eq!(session.fake.signals, ["a<HUP", "b<USR1"]);
    assert_eq!(session.say("supervise.reloadProcess", name("c")), "70 NOT_RUNNING: c");
    assert_eq!(session.say("supervise.reloadProcess", name("x")), "10 BAD_NAME: x");
    assert_eq!(session.say("supervise.reloadProcess", name("b:*")), "[b OK]");
    assert_eq!(session.say("supervise.reloadProcess", name("c:*")), "[]");
}

#[test]
fn programs_are_killed() {
    let mut session = Session::running(HOT);
    assert_eq!(session.say("supervise.killProcess", name("b")), "true");
    assert_eq!(session.fake.signals, ["b<KILL"]);
    assert_eq!(session.fake.state_of("b"), State::Stopping);
    assert_eq!(session.say("supervise.killProcess", name("b:*")), "[b OK]", "and again");
    session.fake.exit("b", 0);
    assert_eq!(session.fake.state_of("b"), State::Stopped);
    assert_eq!(session.say("supervise.killProcess", name("b")), "70 NOT_RUNNING: b");
    assert_eq!(session.say("supervise.killProcess", name("b:*")), "[]");
    assert_eq!(session.say("supervise.killProcess", name("x")), "10 BAD_NAME: x");
}

#[test]
fn a_replacement_is_over_when_the_old_one_has_gone() {
    let mut session = Session::running(HOT);
    let old = session.fake.id("a");
    let mut waiting = session.wait("supervise.replaceProcess", name("a"));
    let new = session.fake.id("a");
    assert!(old != new && waiting.concerns(old) && waiting.concerns(new));
    assert_eq!(session.turn(&mut waiting), "-");
    session.fake.after(2);
    assert_eq!(session.fake.state_of("a"), State::Running);
    assert_eq!(session.turn(&mut waiting), "-", "the old one is still there");
    assert_eq!(session.fake.signals, ["a<TERM"]);
    session.fake.end(old, reaper::Exit::from_code(0));
    assert_eq!(session.turn(&mut waiting), "true");
}

#[test]
fn a_replacement_that_comes_to_nothing() {
    let mut session = Session::running(HOT);
    let mut waiting = session.wait("supervise.replaceProcess", name("a"));
    session.fake.exit("a", 1);
    assert_eq!(session.turn(&mut waiting), "50 SPAWN_ERROR: a");
    // One that has served is replaced, whatever comes of it.
    let mut session = Session::running(HOT);
    let old = session.fake.id("a");
    let mut waiting = session.wait("supervise.replaceProcess", name("a"));
    session.fake.after(2);
    assert_eq!(session.turn(&mut waiting), "-");
    session.fake.exit("a", 1);
    assert_eq!(session.turn(&mut waiting), "-");
    session.fake.end(old, reaper::Exit::from_code(0));
    assert_eq!(session.turn(&mut waiting), "true");
    // A shutdown ends it.
    let mut session = Session::running(HOT);
    let mut waiting = session.wait("supervise.replaceProcess", name("a"));
    session.ask("shutdown", vec![]).unwrap();
    assert_eq!(session.turn(&mut waiting), "40 ABNORMAL_TERMINATION: a");
}

#[test]
fn what_cannot_be_replaced() {
    let mut session = Session::running(HOT);
    assert_eq!(session.say("supervise.replaceProcess", unhurried("a")), "true");
    assert_eq!(session.say("supervise.replaceProcess", name("a")), "70 NOT_RUNNING: a");
    assert_eq!(
        session.say("supervise.replaceProcess", name("b")),
        "30 FAILED: b is not a hot program, which can be replaced"
    );
    for unknown in ["x", "a:*"] {
        let fault = format!("10 BAD_NAME: {unknown}");
        assert_eq!(session.say("supervise.replaceProcess", name(unknown)), fault);
    }
    let mut session = Session::running(HOT);
    session.fake.broken.insert("a".into());
    assert_eq!(session.say("supervise.replaceProcess", unhurried("a")), "50 SPAWN_ERROR: a");
}

#[test]
fn everything_is_told() {
    let mut session = Session::running(HOT);
    session.fake.exit("b", 3);
    session.fake.after(1);
    let status = session.ask("supervise.getAllProcessStatus", vec![]).unwrap();
    let Some([a, b, c]) = status.as_array() else { panic!() };
    let of = |row: &Value, names: [&str; 4]| {
        names.map(|name| show_value(row.member(name).unwrap())).join(" ")
    };
    assert_eq!(of(a, ["name", "statename", "hot", "starts"]), "\"a\" \"RUNNING\" true 1");
    assert_eq!(of(b, ["statename", "starts", "tries", "failed"]), "\"STARTING\" 2 0 false");
    assert_eq!(of(c, ["autostart", "retry_in", "by_hand", "expected"]), "false nil false false");
    let info = session.ask("getProcessInfo", name("a")).unwrap();
    let (Value::Struct(info), Value::Struct(a)) = (info, a) else { panic!() };
    assert!(a.starts_with(&info), "and all that supervisord tells");
}
