//! The configuration is read again and applied.

use super::*;
use crate::supervise::machine::types::State;

/// `a` and `b` of a pool, with this command for `b`, and another program.
fn pool(b: &str) -> String {
    format!(
        "[group:pool]\nprograms=a,b\n[program:a]\ncommand=/a\n[program:b]\ncommand={b}\n{OTHER}"
    )
}

const OTHER: &str = "[program:other]\ncommand=/other\n";

fn numbered(count: u32) -> String {
    format!("[program:w]\ncommand=/w\nnumprocs={count}\nprocess_name=w%(process_num)s\n")
}

#[test]
fn groups_are_named() {
    let mut session = Session::running(&pool("/b"));
    assert_eq!(session.say("reloadConfig", vec![]), "[[[], [], []]]");
    session
        .fake
        .write("[group:pool]\nprograms=a\n[program:a]\ncommand=/a\n[program:new]\ncommand=/n\n");
    assert_eq!(session.say("reloadConfig", vec![]), "[[[\"new\"], [\"pool\"], [\"other\"]]]");
    session.fake.write("[program:x]\n");
    let fault = session.say("reloadConfig", vec![]);
    assert!(fault.starts_with("92 CANT_REREAD: program section program:x"), "{fault}");
}

#[test]
fn groups_come_and_go() {
    let mut session = Session::running(&pool("/b"));
    assert_eq!(session.say("addProcessGroup", name("nope")), "10 BAD_NAME: nope");
    assert_eq!(session.say("addProcessGroup", name("other")), "90 ALREADY_ADDED: other");
    assert_eq!(session.say("removeProcessGroup", name("nope")), "10 BAD_NAME: nope");
    assert_eq!(session.say("removeProcessGroup", name("other")), "91 STILL_RUNNING: other");
    session.ask("stopProcess", unhurried("other")).unwrap();
    assert_eq!(session.say("removeProcessGroup", name("other")), "91 STILL_RUNNING: other");
    session.fake.exit("other", 0);
    assert_eq!(session.say("removeProcessGroup", name("other")), "true");
    assert_eq!(session.say("getProcessInfo", name("other")), "10 BAD_NAME: other");
    assert_eq!(session.say("addProcessGroup", name("other")), "true");
    assert_eq!(session.fake.state_of("other"), State::Starting);
    // Not configured any more, it cannot be added, though it is active.
    session.fake.write("");
    session.ask("reloadConfig", vec![]).unwrap();
    assert_eq!(session.say("addProcessGroup", name("other")), "10 BAD_NAME: other");
}

#[test]
fn an_update_leaves_alone_what_is_as_it_was() {
    let mut session = Session::running(&pool("/b"));
    let (a, b) = (session.fake.id("a"), session.fake.id("b"));
    session.fake.write(&pool("/b --new"));
    assert_eq!(session.say("reloadConfig", vec![]), "[[[], [\"pool\"], []]]");
    session.ask("getAllProcessInfo", vec![]).unwrap();
    let mut waiting = session.wait("stopProcessGroup", name("pool"));
    assert_eq!(session.fake.signals, ["b<TERM"]);
    assert_eq!(session.say("removeProcessGroup", name("pool")), "91 STILL_RUNNING: pool");
    session.fake.exit("b", 0);
    assert_eq!(session.turn(&mut waiting), "[b OK]");
    assert_eq!(session.say("removeProcessGroup", name("pool")), "true");
    assert_eq!(session.say("addProcessGroup", name("pool")), "true");
    assert_eq!(session.fake.id("a"), a);
    assert_eq!(session.fake.state_of("a"), State::Running);
    assert_ne!(session.fake.id("b"), b);
    assert_eq!(session.fake.state_of("b"), State::Starting);
    // That was it.
    assert_eq!(session.say("addProcessGroup", name("pool")), "90 ALREADY_ADDED: pool");
    assert_eq!(session.say("reloadConfig", vec![]), "[[[], [], []]]");
    assert_eq!(session.say("stopProcessGroup", unhurried("pool")), "[a OK, b OK]");
}

#[test]
fn other_numbers_touch_only_the_difference() {
    let mut session = Session::running(&numbered(3));
    let old: Vec<_> = ["w0", "w1", "w2"].map(|name| session.fake.id(name)).into();
    for (count, ends) in [(5, "[]"), (2, "[w2 OK, w3 OK, w4 OK]")] {
        session.fake.write(&numbered(count));
        assert_eq!(session.say("reloadConfig", vec![]), "[[[], [\"w\"], []]]");
        assert_eq!(session.say("stopProcessGroup", unhurried("w")), ends);
        if count < 3 {
            for name in ["w2", "w3", "w4"] {
                session.fake.exit(name, 0);
            }
        }
        assert_eq!(session.say("removeProcessGroup", name("w")), "true");
        assert_eq!(session.say("addProcessGroup", name("w")), "true");
        session.fake.after(2);
        assert_eq!([session.fake.id("w0"), session.fake.id("w1")], old[..2]);
    }
    let infos = session.ask("getAllProcessInfo", vec![]).unwrap();
    assert_eq!(infos.as_array().unwrap().len(), 2);
}

#[test]
fn whoever_does_something_else_gets_what_supervisord_does() {
    let restless = [
        ("getState", vec![]),
        ("getProcessInfo", name("other")),
        (
            "system.multicall",
            vec![Value::Array(vec![Value::of_members([(
                "methodName",
                "supervisor.getPID".into(),
            )])])],
        ),
    ];
    for (method, params) in restless {
        let mut session = Session::running(&pool("/b"));
        session.fake.write(&pool("/b --new"));
        session.ask("reloadConfig", vec![]).unwrap();
        session.ask(method, params).unwrap();
        assert_eq!(session.say("stopProcessGroup", unhurried("pool")), "[a OK, b OK]");
        assert_eq!(session.say("addProcessGroup", name("pool")), "90 ALREADY_ADDED: pool");
    }
    // So does somebody else.
    let mut session = Session::running(&pool("/b"));
    session.fake.write(&pool("/b --new"));
    session.ask("reloadConfig", vec![]).unwrap();
    session.caller = Caller::default();
    assert_eq!(session.say("removeProcessGroup", name("pool")), "91 STILL_RUNNING: pool");
    assert_eq!(session.say("stopProcessGroup", unhurried("pool")), "[a OK, b OK]");
    // A group that has not changed is stopped whole, too.
    let mut session = Session::running(&pool("/b"));
    session.ask("reloadConfig", vec![]).unwrap();
    assert_eq!(session.say("stopProcessGroup", unhurried("pool")), "[a OK, b OK]");
}

#[test]
fn in_an_update_what_has_left_the_file_goes_whole() {
    let mut session = Session::running(&pool("/b"));
    session.fake.write(OTHER);
    assert_eq!(session.say("reloadConfig", vec![]), "[[[], [], [\"pool\"]]]");
    assert_eq!(session.say("stopProcessGroup", unhurried("pool")), "[a OK, b OK]");
    session.fake.exit("a", 0);
    session.fake.exit("b", 0);
    assert_eq!(session.say("removeProcessGroup", name("pool")), "true");
    assert_eq!(session.say("addProcessGroup", name("pool")), "10 BAD_NAME: pool");
}

#[test]
fn a_group_of_which_nothing_is_left_is_added_anew() {
    let one = |command: &str| format!("[program:one]\ncommand={command}\n");
    let mut session = Session::running(&one("/1"));
    session.fake.write(&one("/2"));
    session.ask("reloadConfig", vec![]).unwrap();
    assert_eq!(session.say("stopProcessGroup", unhurried("one")), "[one OK]");
    session.fake.exit("one", 0);
    assert_eq!(session.say("removeProcessGroup", name("one")), "true");
    assert_eq!(session.say("getAllProcessInfo", vec![]), "[]");
    assert_eq!(session.say("addProcessGroup", name("one")), "true");
    assert_eq!(session.fake.state_of("one"), State::Starting);
}
