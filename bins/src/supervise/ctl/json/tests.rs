use super::super::args::{Stream, read_words};
use super::super::groups::{add, update};
use super::super::lifecycle::{open, shutdown};
use super::super::pid::{pid, stat};
use super::super::start_stop::{restart, start};
use super::super::status::status;
use super::super::testing::{Script, info, result, words};
use super::*;
use crate::supervise::ctl::args::Options;

type Done = (String, u8);

/// The JSON of a line, and the exit code.
fn shown(script: &mut Script, line: &str) -> Done {
    let request = read_words(&Options::default(), words(line)).unwrap();
    let action = request.action.clone();
    let mut perform = |session: &mut Session<'_>| match &action {
        Action::Status(names) => status(session, names),
        Action::Start(names) => start(session, names),
        Action::Restart { names, .. } => restart(session, names),
        Action::Pid(names) => pid(session, names),
        Action::Stat(names) => stat(session, names),
        Action::Add(names) => add(session, names),
        Action::Update(names) => update(session, names),
        Action::Open(url) => open(session, url),
        other => panic!("{other:?}"),
    };
    let mut out = Vec::new();
    let exit = run(script, &mut out, None, &request.action, &mut perform);
    let text = String::from_utf8(out).unwrap();
    let one = text.strip_suffix('\n').unwrap();
    assert!(!one.contains('\n'), "{one}");
    assert!(one.parse::<tinyjson::JsonValue>().is_ok(), "{one}");
    (one.to_owned(), exit)
}

fn some() -> Value {
    Value::Array(vec![
        info("cat", "cat", 20, "RUNNING", "pid 7"),
        info("web", "w1", 0, "STOPPED", "Not started"),
    ])
}

const CAT: &str = r#"{"group":"cat","name":"cat","statename":"RUNNING","description":"pid 7","state":20,"pid":7}"#;
const W1: &str = r#"{"group":"web","name":"w1","statename":"STOPPED","description":"Not started","state":0,"pid":0}"#;
const OWN: &str = "supervise.getAllProcessStatus";

fn up() -> Script {
    Script::default().up()
}

#[test]
fn values_are_written_in_one_line() {
    let value = Value::of_members([
        ("a", Value::Array(vec![Value::Int(-1), true.into(), Value::Nil, Value::Double(0.5)])),
        ("b\"", "x\n\u{e9}".into()),
        ("c", Value::Bytes(b"\xff".to_vec())),
        ("d", Value::Double(f64::NAN)),
        ("e", Value::Array(vec![])),
    ]);
    let expected = "{\"a\":[-1,true,null,0.5],\"b\\\"\":\"x\\n\u{e9}\",\"c\":\"\u{fffd}\",\"d\":null,\"e\":[]}";
    assert_eq!(line(&value), expected);
}

#[test]
fn states_are_all_that_the_server_knows() {
    let mut ours = up().answers(OWN, some());
    assert_eq!(shown(&mut ours, "status"), (format!("[{CAT},{W1}]"), 3));
    ours.done();
    let theirs = || up().faults(OWN, 1, "UNKNOWN_METHOD").answers("getAllProcessInfo", some());
    assert_eq!(shown(&mut theirs(), "status cat"), (format!("[{CAT}]"), 0));
    let error = r#"{"error":"no: ERROR (no such process)"}"#;
    assert_eq!(shown(&mut theirs(), "status cat no"), (format!("[{CAT},{error}]"), 4));
    assert_eq!(shown(&mut theirs(), "status no"), (format!("[{error}]"), 4));
}

#[test]
fn without_a_server_there_is_an_error() {
    for (line, exit) in [("status", 4), ("start a", 7), ("pid", 7), ("stat a", 4)] {
        let mut script = Script::default().has_no_socket();
        let expected = r#"{"error":"unix:///s.sock no such file"}"#;
        assert_eq!(shown(&mut script, line), (expected.to_owned(), exit), "{line}");
    }
    let mut script = up().fails("startProcess", CallError::Unauthorized);
    let (text, exit) = shown(&mut script, "start a");
    assert_eq!((text.as_str(), exit), (r#"{"error":"Server requires authentication"}"#, 1));
}

fn row(action: &str, name: &str, ok: bool, status: &str, description: &str) -> String {
    format!(
        r#"{{"action":"{action}",{name},"ok":{ok},"status":"{status}","description":"{description}"}}"#
    )
}

const A: &str = r#""name":"a","group":"a""#;

#[test]
fn each_process_has_a_result() {
    let good = row("start", A, true, "SUCCESS", "OK");
    let mut one = up().answers("startProcess", true.into());
    assert_eq!(shown(&mut one, "start a"), (format!("[{good}]"), 0));
    let both = Value::Array(vec![result("g", "a", 80, "OK"), result("g", "b", 50, "SPAWN_ERROR")]);
    let mut several = up()
        .answers("startProcessGroup", both)
        .faults("startProcess", 60, "ALREADY_STARTED: a")
        .faults("startProcessGroup", 10, "BAD_NAME: no");
    let rows = [
        row("start", r#""name":"a","group":"g""#, true, "SUCCESS", "OK"),
        row("start", r#""name":"b","group":"g""#, false, "SPAWN_ERROR", "SPAWN_ERROR"),
        row("start", A, true, "ALREADY_STARTED", "ALREADY_STARTED: a"),
        row("start", r#""name":null,"group":"no""#, false, "BAD_NAME", "BAD_NAME: no"),
    ];
    assert_eq!(shown(&mut several, "start g:* a no:*"), (format!("[{}]", rows.join(",")), 2));
    let mut again =
        up().faults("stopProcess", 70, "NOT_RUNNING: a").answers("startProcess", true.into());
    let stopped = row("stop", A, true, "NOT_RUNNING", "NOT_RUNNING: a");
    assert_eq!(shown(&mut again, "restart a"), (format!("[{stopped},{good}]"), 0));
}

#[test]
fn a_command_that_breaks_off_says_so_at_the_end() {
    let mut script =
        up().answers("startProcess", true.into()).fails("startProcess", CallError::Refused);
    let good = row("start", A, true, "SUCCESS", "OK");
    let expected = format!(r#"[{good},{{"error":"unix:///s.sock refused connection"}}]"#);
    assert_eq!(shown(&mut script, "start a b"), (expected, 1));
}

#[test]
fn process_ids_have_names() {
    let mut own = up().answers("getPID", Value::Int(42));
    assert_eq!(shown(&mut own, "pid"), (r#"{"pid":42}"#.to_owned(), 0));
    let cat = r#"{"name":"cat","group":"cat","pid":7}"#;
    let mut one = up().answers("getProcessInfo", info("cat", "cat", 20, "RUNNING", "")).faults(
        "getProcessInfo",
        10,
        "BAD_NAME: x",
    );
    let expected = format!(r#"[{cat},{{"error":"No such process x"}}]"#);
    assert_eq!(shown(&mut one, "pid cat x"), (expected, 1));
    let mut alive = up().answers("getAllProcessInfo", some());
    let expected = r#"[{"name":"w1","group":"web","alive":false,"statename":"STOPPED"}]"#;
    assert_eq!(shown(&mut alive, "stat web:*"), (expected.to_owned(), 3));
}

#[test]
fn stat_names_what_it_does_not_know() {
    let cat = r#"{"name":"cat","group":"cat","alive":true,"statename":"RUNNING"}"#;
    let w1 = r#"{"name":"w1","group":"web","alive":false,"statename":"STOPPED"}"#;
    let no = |name: &str| format!(r#"{{"error":"{name}: unknown"}}"#);
    for (names, expected, exit) in [
        ("cat nope", format!("[{cat},{}]", no("nope")), 4),
        ("no:* web:w1 x", format!("[{w1},{},{}]", no("no:*"), no("x")), 3),
        ("nope", format!("[{}]", no("nope")), 4),
        ("cat", format!("[{cat}]"), 0),
    ] {
        let mut script = up().answers("getAllProcessInfo", some());
        assert_eq!(shown(&mut script, &format!("stat {names}")), (expected, exit), "{names}");
    }
}

#[test]
fn a_server_that_cannot_be_opened_is_told_of_without_a_failure() {
    let line = "open unix:///other";
    let expected = r#"{"error":"unix:///s.sock no such file"}"#.to_owned();
    assert_eq!(shown(&mut Script::default().has_no_socket(), line), (expected, 0));
    let expected = r#"{"error":"unix:///s.sock refused connection"}"#.to_owned();
    assert_eq!(shown(&mut Script::default().refuses(), line), (expected, 0));
    // A name is none, whatever it begins with.
    let infos = Value::Array(vec![info("Error", "Error", 20, "RUNNING", "")]);
    let error = r#"[{"group":"Error","name":"Error","statename":"RUNNING","description":"","state":20,"pid":7}]"#;
    assert_eq!(shown(&mut up().answers(OWN, infos), line), (error.to_owned(), 0));
}

#[test]
fn no_control_character_is_in_a_line() {
    let wild = info("g\u{9b}", "w\x1b\n", 20, "RUN", "");
    let (text, _) = shown(&mut up().answers(OWN, Value::Array(vec![wild])), "status");
    assert!(text.contains(r#""group":"g\u009b","name":"w\u001b\n""#), "{text}");
}

#[test]
fn groups_are_named_by_what_became_of_them() {
    let texts = |names: &[&str]| Value::Array(names.iter().map(|name| (*name).into()).collect());
    let found = |added: &[&str], changed: &[&str]| {
        Value::Array(vec![Value::Array(vec![texts(added), texts(changed), texts(&[])])])
    };
    let mut script = Script::default()
        .answers("reloadConfig", found(&["new"], &[]))
        .answers("addProcessGroup", true.into());
    let added = row("add", r#""name":null,"group":"new""#, true, "SUCCESS", "OK");
    let expected = format!(r#"{{"added":["new"],"changed":[],"removed":[],"results":[{added}]}}"#);
    assert_eq!(shown(&mut script, "update"), (expected, 0));
    let mut script = Script::default()
        .answers("reloadConfig", found(&[], &[]))
        .answers("getAllProcessInfo", some());
    let expected =
        r#"{"added":[],"changed":[],"removed":[],"results":[],"error":"ERROR: no such group: x"}"#;
    assert_eq!(shown(&mut script, "update x"), (expected.to_owned(), 1));
    let mut script = Script::default().faults("addProcessGroup", 90, "ALREADY_ADDED: a").faults(
        "addProcessGroup",
        10,
        "BAD_NAME: b",
    );
    let rows = [
        row("add", r#""name":null,"group":"a""#, true, "ALREADY_ADDED", "ALREADY_ADDED: a"),
        row("add", r#""name":null,"group":"b""#, false, "BAD_NAME", "BAD_NAME: b"),
    ];
    assert_eq!(shown(&mut script, "add a b"), (format!("[{}]", rows.join(",")), 1));
    let mut script = Script::default();
    assert_eq!(shown(&mut script, "add"), ("[]".to_owned(), 0));
}

#[test]
fn a_dialogue_asks_all_the_same() {
    for (answer, expected) in [("n", r#"{"ok":false}"#), ("y", r#"{"ok":true}"#)] {
        let mut script = Script::default();
        if answer == "y" {
            script = script.answers("shutdown", true.into());
        }
        let mut asked = Vec::new();
        let mut ask = |question: &str| {
            asked.push(question.to_owned());
            Some(answer.to_owned())
        };
        let mut out = Vec::new();
        let exit = run(&mut script, &mut out, Some(&mut ask), &Action::Shutdown, &mut shutdown);
        assert_eq!((String::from_utf8(out).unwrap(), exit), (format!("{expected}\n"), 0));
        assert_eq!(asked, ["Really shut the remote supervisord process down y/N? "]);
        script.done();
    }
}

#[test]
fn what_never_ends_has_no_json() {
    let follow =
        Action::Tail { name: "a".to_owned(), stream: Stream::Stdout, amount: Amount::Follow };
    for action in [follow, Action::MainTail(Amount::Follow), Action::Fg("a".to_owned())] {
        let mut out = Vec::new();
        let exit =
            run(&mut Script::default(), &mut out, None, &action, &mut |_| panic!("{action:?}"));
        assert_eq!(exit, 2);
        assert_eq!(out, b"{\"error\":\"Error: this has no JSON\"}\n");
    }
}
