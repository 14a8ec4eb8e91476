use super::super::testing::{Script, info, result, run, words};
use super::*;

fn names(names: &str) -> Value {
    Value::Array(words(names).into_iter().map(Value::Text).collect())
}

/// The answer of reloadConfig.
fn found(added: &str, changed: &str, removed: &str) -> Value {
    Value::Array(vec![Value::Array(vec![names(added), names(changed), names(removed)])])
}

fn rereads(answer: Value) -> Script {
    Script::default().answers("reloadConfig", answer)
}

#[test]
fn changes_are_shown_by_name() {
    for (answer, text) in [
        (found("", "", ""), "No config updates to processes\n"),
        (
            found("new b", "web", "a old"),
            "a: disappeared\nb: available\nnew: available\nold: disappeared\nweb: changed\n",
        ),
    ] {
        assert_eq!(run(&mut rereads(answer), reread), (text.to_owned(), 0));
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_said_in_a_line() {
    let faults = |code, text: &str| Script::default().faults("reloadConfig", code, text);
    let update = |session: &mut Session<'_>| update(session, &[]);
    let cant = "CANT_REREAD: no command";
    let said = |text: &str| (format!("{text}\n"), 1);
    assert_eq!(run(&mut faults(92, cant), reread), said("ERROR: CANT_REREAD: no command"));
    assert_eq!(run(&mut faults(92, cant), update), said("error: CANT_REREAD: no command"));
    assert_eq!(run(&mut faults(6, "X"), reread), said("ERROR: supervisor shutting down"));
    assert_eq!(run(&mut faults(6, "X"), update), said("ERROR: already shutting down"));
    for answer in [Value::Nil, Value::Array(vec![names("a b c")]), found("", "", "").clone()] {
        let well = matches!(&answer, Value::Array(outer) if matches!(&outer[0], Value::Array(three)
            if matches!(three.as_slice(), [Value::Array(_), ..])));
        assert_eq!(run(&mut rereads(answer), reread).1, u8::from(!well));
    }
}

#[test]
fn an_update_removes_then_changes_then_adds() {
    let stopped = || Value::Array(vec![result("x", "x", 80, "OK")]);
    let mut script = rereads(found("new", "web", "old"))
        .answers("stopProcessGroup", stopped())
        .answers("removeProcessGroup", true.into())
        .answers("stopProcessGroup", stopped())
        .answers("removeProcessGroup", true.into())
        .answers("addProcessGroup", true.into())
        .answers("addProcessGroup", true.into());
    let said = run(&mut script, |session| update(session, &[]));
    let text = "old: stopped\nold: removed process group\nweb: stopped\n\
                web: updated process group\nnew: added process group\n";
    assert_eq!(said, (text.to_owned(), 0));
    assert_eq!(
        script.calls,
        [
            "reloadConfig()",
            "stopProcessGroup('old')",
            "removeProcessGroup('old')",
            "stopProcessGroup('web')",
            "removeProcessGroup('web')",
            "addProcessGroup('web')",
            "addProcessGroup('new')",
        ]
    );
    assert_eq!(script.expected, ["old to stop", "web to stop"]);
}

#[test]
fn a_group_that_cannot_be_stopped_stays() {
    let failed = Value::Array(vec![result("old", "a", 30, "FAILED"), result("old", "b", 80, "OK")]);
    let mut script = rereads(found("", "", "old")).answers("stopProcessGroup", failed);
    let said = run(&mut script, |session| update(session, &[]));
    assert_eq!(said, ("old: stopped\nold: has problems; not removing\n".to_owned(), 1));
}

#[test]
fn names_narrow_an_update() {
    let infos = || Value::Array(vec![info("web", "w1", 20, "RUNNING", "")]);
    for (given, text, exit) in [
        ("new", "new: added process group\n", 0),
        ("web", "", 0),
        ("no web no", "ERROR: no such group: no\n", 1),
    ] {
        let mut script = rereads(found("new b", "", "")).answers("getAllProcessInfo", infos());
        if given == "new" {
            script = script.answers("addProcessGroup", true.into());
        }
        let said = run(&mut script, |session| update(session, &words(given)));
        assert_eq!(said, (text.to_owned(), exit), "{given}");
        script.done();
    }
    let mut script = rereads(found("", "", ""));
    assert_eq!(run(&mut script, |session| update(session, &words("x all"))).1, 0);
}

#[test]
fn adding_and_removing_have_words_for_each_fault() {
    type Command = fn(&mut Session<'_>, &[String]) -> Result<(), CallError>;
    let (add, remove) = (add as Command, remove as Command);
    for (command, method, code, text, exit) in [
        (add, "addProcessGroup", 0, "x: added process group", 0),
        (add, "addProcessGroup", 90, "ERROR: process group already active", 0),
        (add, "addProcessGroup", 6, "ERROR: shutting down", 1),
        (add, "addProcessGroup", 10, "ERROR: no such process/group: x", 1),
        (add, "addProcessGroup", 30, "error: F: x", 1),
        (remove, "removeProcessGroup", 0, "x: removed process group", 0),
        (remove, "removeProcessGroup", 91, "ERROR: process/group still running: x", 1),
        (remove, "removeProcessGroup", 10, "ERROR: no such process/group: x", 1),
        (remove, "removeProcessGroup", 6, "error: the server is shutting down", 1),
    ] {
        let mut script = match code {
            0 => Script::default().answers(method, true.into()),
            code => Script::default().faults(method, code, "F: x"),
        };
        let said = run(&mut script, |session| command(session, &words("x")));
        assert_eq!(said, (format!("{text}\n"), exit), "{method} {code}");
    }
    let mut none = Script::default();
    assert_eq!(run(&mut none, |session| add(session, &[])), (String::new(), 0));
}
