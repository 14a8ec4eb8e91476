//! `system.*`: many calls at once, and what can be called.

use super::*;

const TWO: &str = "[program:a]\ncommand=/a\n[program:b]\ncommand=/b\n";

fn calls(calls: &[(&str, Vec<Value>)]) -> Vec<Value> {
    let one = |(method, params): &(&str, Vec<Value>)| {
        let method = format!("supervisor.{method}");
        Value::of_members([("methodName", method.into()), ("params", params.clone().into())])
    };
    vec![Value::Array(calls.iter().map(one).collect())]
}

#[test]
fn calls_are_made_one_after_the_other() {
    let mut session = Session::running(TWO);
    let mut waiting = session.wait(
        "system.multicall",
        calls(&[
            ("getPID", vec![]),
            ("stopProcess", name("a")),
            ("stopProcess", name("a")),
            ("startProcess", name("a")),
            ("getState", vec![]),
        ]),
    );
    let (a, b) = (session.fake.id("a"), session.fake.id("b"));
    assert!(waiting.concerns(a) && !waiting.concerns(b));
    session.fake.exit("b", 1);
    assert_eq!(session.turn(&mut waiting), "-");
    session.fake.exit("a", 0);
    assert_eq!(session.turn(&mut waiting), "-", "it is being started again");
    assert_eq!(session.fake.signals, ["a<TERM"]);
    session.fake.after(2);
    assert_eq!(
        session.turn(&mut waiting),
        "[42, true, {faultCode: 70, faultString: \"NOT_RUNNING: a\"}, true, \
         {statecode: 1, statename: \"RUNNING\"}]"
    );
}

#[test]
fn what_cannot_be_called_is_a_fault_among_the_results() {
    let mut session = Session::running(TWO);
    let odd = Value::Array(vec![
        Value::of_members([("params", Value::Array(vec![]))]),
        Value::of_members([("methodName", "system.multicall".into())]),
        Value::of_members([("methodName", "supervisor.nope".into())]),
        Value::of_members([("methodName", "supervisor.startProcess".into())]),
        Value::of_members([("methodName", "supervisor.getPID".into())]),
    ]);
    assert_eq!(
        session.say("system.multicall", vec![odd]),
        "[{faultCode: 2, faultString: \"INCORRECT_PARAMETERS: No methodName\"}, \
         {faultCode: 2, faultString: \"INCORRECT_PARAMETERS: Recursive system.multicall forbidden\"}, \
         {faultCode: 1, faultString: \"UNKNOWN_METHOD\"}, \
         {faultCode: 2, faultString: \"INCORRECT_PARAMETERS\"}, 42]"
    );
    assert_eq!(session.say("system.multicall", vec![Value::Array(vec![])]), "[]");
    assert_eq!(session.say("system.multicall", vec![5.into()]), "2 INCORRECT_PARAMETERS");
}

#[test]
fn a_shutdown_ends_what_waits_and_refuses_the_rest() {
    let mut session = Session::running(TWO);
    let mut waiting = session.wait(
        "system.multicall",
        calls(&[("stopProcess", name("a")), ("startProcess", name("a"))]),
    );
    session.ask("shutdown", vec![]).unwrap();
    session.fake.exit("a", 0);
    assert_eq!(
        session.turn(&mut waiting),
        "[true, {faultCode: 6, faultString: \"SHUTDOWN_STATE\"}]"
    );
}

#[test]
fn an_update_can_come_in_one_call() {
    let pool = |b: &str| {
        format!("[group:p]\nprograms=a,b\n[program:a]\ncommand=/a\n[program:b]\ncommand={b}\n")
    };
    let mut session = Session::running(&pool("/b"));
    session.fake.write(&pool("/c"));
    let mut waiting = session.wait(
        "system.multicall",
        calls(&[
            ("reloadConfig", vec![]),
            ("stopProcessGroup", name("p")),
            ("removeProcessGroup", name("p")),
            ("addProcessGroup", name("p")),
        ]),
    );
    session.fake.exit("b", 0);
    assert_eq!(session.turn(&mut waiting), "[[[[], [\"p\"], []]], [b OK], true, true]");
}

#[test]
fn methods_are_known() {
    let mut session = Session::running(TWO);
    let methods = session.ask("system.listMethods", vec![]).unwrap();
    let names: Vec<&str> = methods.as_array().unwrap().iter().filter_map(Value::as_text).collect();
    assert!(names.is_sorted() && names.contains(&"supervisor.startProcess"), "{names:?}");
    // Whatever is listed can be called, with too many parameters at the least.
    for method in names {
        let many = vec![Value::Nil; 9];
        assert_eq!(session.say(method, many), "2 INCORRECT_PARAMETERS", "{method}");
    }
    let signature = session.say("system.methodSignature", name("supervisor.startProcess"));
    assert_eq!(signature, "[\"boolean\", \"string\", \"boolean\"]");
    assert!(session.say("system.methodHelp", name("supervisor.getPID")).starts_with('"'));
    for method in ["system.methodHelp", "system.methodSignature"] {
        assert_eq!(session.say(method, name("nope")), "4 SIGNATURE_UNSUPPORTED");
    }
    for unknown in ["supervisor.nope", "nope.nope", "a.b.c", "supervisor._update", "."] {
        assert_eq!(session.say(unknown, vec![]), "1 UNKNOWN_METHOD");
    }
}
