//! The supervisor itself.

use super::*;
use crate::supervise::methods::world::NoStdin;

const TWO: &str = "[program:a]\ncommand=/a\n[program:off]\ncommand=/off\nautostart=false\n";

#[test]
fn it_says_who_it_is() {
    let mut session = Session::running(TWO);
    for (method, shown) in [
        ("getAPIVersion", "\"3.0\""),
        ("getVersion", "\"3.0\""),
        ("getSupervisorVersion", "\"4.2.5\""),
        ("getIdentification", "\"fake\""),
        ("getPID", "42"),
        ("getState", "{statecode: 1, statename: \"RUNNING\"}"),
    ] {
        assert_eq!(session.say(method, vec![]), shown);
        assert_eq!(session.say(method, vec![1.into()]), "2 INCORRECT_PARAMETERS");
    }
}

#[test]
fn while_everything_stops_nothing_else_is_done() {
    for end in ["shutdown", "restart"] {
        let mut session = Session::running(TWO);
        assert_eq!(session.say(end, vec![]), "true");
        let methods = session.ask("system.listMethods", vec![]).unwrap();
        let methods = methods.as_array().unwrap().iter().filter_map(Value::as_text);
        let mut refused = 0;
        for method in methods.filter(|method| !method.starts_with("system.")) {
            if method == "supervisor.sendRemoteCommEvent" {
                continue;
            }
            let answer = [
                vec![],
                vec!["a".into()],
                vec!["a".into(), "b".into()],
                vec!["a".into(), 0.into(), 0.into()],
            ]
            .map(|params| session.say(method, params));
            // The number of parameters is looked at first.
            for answer in &answer {
                assert!(
                    ["6 SHUTDOWN_STATE", "2 INCORRECT_PARAMETERS"].contains(&answer.as_str()),
                    "{method}: {answer}"
                );
            }
            assert!(answer.contains(&"6 SHUTDOWN_STATE".to_owned()), "{method}");
            refused += 1;
        }
        assert!(refused > 30);
        assert_eq!(session.say("supervisor.nope", vec![]), "1 UNKNOWN_METHOD");
        // supervisord passes these on for as long as it is there.
        let event = vec!["t".into(), "d".into()];
        assert_eq!(session.say("sendRemoteCommEvent", event), "true");
    }
}

#[test]
fn listeners_are_told() {
    let mut session = Session::running(TWO);
    assert_eq!(session.say("sendRemoteCommEvent", vec!["t".into(), "d\n".into()]), "true");
    assert_eq!(session.fake.events, [("t".to_owned(), "d\n".to_owned())]);
}

#[test]
fn programs_can_be_written_to() {
    let mut session = Session::running(TWO);
    let line = |name: &str, chars: Value| vec![name.into(), chars];
    assert_eq!(session.say("sendProcessStdin", line("a", "hé\n".into())), "true");
    assert_eq!(session.say("sendProcessStdin", line("a", Value::Bytes(vec![0, 255]))), "true");
    assert_eq!(session.fake.stdin, [b"h\xc3\xa9\n".as_slice(), &[0, 255]].concat());
    for (who, fault) in
        [("off", "70 NOT_RUNNING: off"), ("x", "10 BAD_NAME: x"), ("a:*", "10 BAD_NAME: a:*")]
    {
        assert_eq!(session.say("sendProcessStdin", line(who, "x".into())), fault);
    }
    // What is to be written is looked at first.
    assert_eq!(session.say("sendProcessStdin", line("x", 5.into())), "2 INCORRECT_PARAMETERS: 5");
    session.fake.no_stdin = Some(NoStdin::Closed);
    assert_eq!(session.say("sendProcessStdin", line("a", "x".into())), "20 NO_FILE: a");
    session.fake.no_stdin = Some(NoStdin::Full);
    let fault = session.say("sendProcessStdin", line("a", "x".into()));
    assert!(fault.starts_with("30 FAILED: a "), "{fault}");
}

#[test]
fn the_log_can_tell_who_called() {
    let mut session = Session::running(TWO);
    session.ask("getPID", vec![]).unwrap();
    session.caller = Caller::new("root");
    session.ask("getPID", vec![]).unwrap();
    session.ask("no\nsuch", vec![]).unwrap_err();
    assert_eq!(
        session.fake.notes,
        [
            "Trace XML-RPC method called: supervisor.getPID()",
            "Trace XML-RPC method called: supervisor.getPID() by root"
        ]
    );
}
