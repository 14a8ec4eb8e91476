//! Signals.

use super::*;

const WEB: &str = "[group:web]\nprograms=z,y\n[program:z]\ncommand=/z\n\
                   [program:y]\ncommand=/y\nautostart=false\n[program:a]\ncommand=/a\n";

fn params(name: &str, signal: impl Into<Value>) -> Vec<Value> {
    vec![name.into(), signal.into()]
}

#[test]
fn one_is_signalled() {
    let mut session = Session::running(WEB);
    for signal in ["HUP", "SIGHUP", "sighup", "1"] {
        assert_eq!(session.say("signalProcess", params("a", signal)), "true");
    }
    assert_eq!(session.say("signalProcess", params("a", 1)), "true");
    assert_eq!(session.fake.signals, ["a<HUP"; 5]);
    assert_eq!(session.say("signalProcess", params("a", "0")), "true", "it is there");
    assert_eq!(session.fake.signals.len(), 5);
    // Also while it is being stopped.
    session.ask("stopProcess", unhurried("a")).unwrap();
    assert_eq!(session.say("signalProcess", params("a", "QUIT")), "true");
}

#[test]
fn checks_come_in_order() {
    let mut session = Session::running(WEB);
    for (who, signal, fault) in [
        ("b", "FOO", "10 BAD_NAME: b"),
        ("web:y", "FOO", "11 BAD_SIGNAL: FOO"),
        ("web:y", "0", "70 NOT_RUNNING: web:y"),
        ("web:y", "HUP", "70 NOT_RUNNING: web:y"),
        ("a", "99", "11 BAD_SIGNAL: 99"),
        ("a", "", "11 BAD_SIGNAL: "),
    ] {
        assert_eq!(session.say("signalProcess", params(who, signal)), fault);
    }
    assert!(session.fake.signals.is_empty());
}

#[test]
fn many_are_signalled() {
    let mut session = Session::running(WEB);
    assert_eq!(session.say("signalProcess", params("web:*", "HUP")), "[z OK]");
    assert_eq!(session.say("signalProcessGroup", params("web", "HUP")), "[z OK]");
    assert_eq!(session.say("signalAllProcesses", vec!["HUP".into()]), "[a OK, z OK]");
    assert_eq!(session.fake.signals, ["z<HUP", "z<HUP", "a<HUP", "z<HUP"]);
    assert_eq!(
        session.say("signalAllProcesses", vec!["FOO".into()]),
        "[a 11 BAD_SIGNAL: FOO, z 11 BAD_SIGNAL: FOO]"
    );
    assert_eq!(session.say("signalProcessGroup", params("x", "HUP")), "10 BAD_NAME: x");
}
