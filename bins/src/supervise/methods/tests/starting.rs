//! Starting: its checks, its waits and what ends them.

use super::*;
use crate::supervise::machine::types::State;
use crate::supervise::methods::world::Unstartable;

const MANUAL: &str = "[program:a]\ncommand=/a\nautostart=false\n";

fn manual(keys: &str) -> Session {
    Session::running(&format!("{MANUAL}{keys}\n"))
}

#[test]
fn it_waits_until_the_program_runs() {
    let mut session = manual("");
    let mut waiting = session.wait("startProcess", name("a"));
    assert!(waiting.concerns(session.fake.id("a")));
    assert_eq!(session.turn(&mut waiting), "-");
    session.fake.after(2);
    assert_eq!(session.turn(&mut waiting), "true");
    assert_eq!(session.say("startProcess", name("a")), "60 ALREADY_STARTED: a");
}

#[test]
fn without_waiting_it_is_answered_at_once() {
    let mut session = manual("");
    assert_eq!(session.say("startProcess", unhurried("a")), "true");
    assert_eq!(session.fake.state_of("a"), State::Starting);
    assert_eq!(session.say("startProcess", unhurried("a")), "60 ALREADY_STARTED: a");
}

#[test]
fn with_no_startsecs_it_runs_at_once() {
    let mut session = manual("startsecs=0");
    assert_eq!(session.say("startProcess", name("a")), "true");
    assert_eq!(session.fake.state_of("a"), State::Running);
}

#[test]
fn checks_come_in_order() {
    let mut session = manual("");
    for unknown in ["b", "a:b", "b:*", "b:", "", "*"] {
        let fault = format!("10 BAD_NAME: {unknown}");
        assert_eq!(session.say("startProcess", name(unknown)), fault);
    }
    assert_eq!(session.say("startProcess", unhurried("a:a")), "true");
    // The command is looked at before the state.
    let gone = Unstartable::NoFile("can't find command '/a'".into());
    session.fake.unstartable.insert("a".into(), gone);
    assert_eq!(session.say("startProcess", name("a")), "20 NO_FILE: can't find command '/a'");
    let plain = Unstartable::NotExecutable("command at '/a' is not executable".into());
    session.fake.unstartable.insert("a".into(), plain);
    assert_eq!(
        session.say("startProcess", name("a")),
        "21 NOT_EXECUTABLE: command at '/a' is not executable"
    );
    session.fake.unstartable.clear();
    assert_eq!(session.say("startProcess", name("a:a")), "60 ALREADY_STARTED: a:a");
    session.fake.refuse_signals("a");
    assert_eq!(
        session.say("startProcess", name("a")),
        "30 FAILED: a is in an unknown process state"
    );
}

#[test]
fn what_is_being_stopped_cannot_be_started() {
    let mut session = Session::running("[program:a]\ncommand=/a\n");
    assert_eq!(session.say("stopProcess", unhurried("a")), "true");
    assert_eq!(session.say("startProcess", name("a")), "40 ABNORMAL_TERMINATION: a");
}

#[test]
fn a_process_that_cannot_be_made() {
    let mut session = manual("");
    session.fake.broken.insert("a".into());
    for wait in [true, false] {
        let params = vec!["a".into(), wait.into()];
        assert_eq!(session.say("startProcess", params), "50 SPAWN_ERROR: a");
        assert_eq!(session.fake.state_of("a"), State::Backoff);
        assert_eq!(session.say("startProcess", name("a")), "60 ALREADY_STARTED: a");
        assert_eq!(session.say("stopProcess", name("a")), "true");
    }
}

#[test]
fn one_that_ends_too_early() {
    let mut session = manual("");
    let mut waiting = session.wait("startProcess", name("a"));
    session.fake.exit("a", 0);
    assert_eq!(session.turn(&mut waiting), "50 SPAWN_ERROR: a");
}

#[test]
fn one_that_is_stopped_meanwhile() {
    let mut session = manual("");
    let mut waiting = session.wait("startProcess", name("a"));
    assert_eq!(session.say("stopProcess", unhurried("a")), "true");
    assert_eq!(session.turn(&mut waiting), "40 ABNORMAL_TERMINATION: a");
}

#[test]
fn one_that_is_gone_meanwhile() {
    let mut session = manual("");
    session.ask("startProcess", unhurried("a")).unwrap();
    session.fake.after(2);
    session.fake.exit("a", 0);
    let mut waiting = session.wait("startProcess", name("a"));
    let id = session.fake.id("a");
    session.fake.write("");
    session.ask("reloadConfig", vec![]).unwrap();
    // Nobody has looked until all was over.
    crate::supervise::methods::Supervisor::remove_group(&mut session.fake, "a", false);
    session.fake.end(id, reaper::Exit::from_code(0));
    assert_eq!(session.turn(&mut waiting), "40 ABNORMAL_TERMINATION: a");
}

#[test]
fn nobody_waits_beyond_a_shutdown() {
    let config = "[program:a]\ncommand=/a\nautostart=false\n\
                  [program:b]\ncommand=/b\nautostart=false\ndepends_on=c\n\
                  [program:c]\ncommand=/c\nautostart=false\npriority=1\n";
    let mut session = Session::running(config);
    let mut a = session.wait("startProcess", name("a"));
    let mut b = session.wait("startProcess", name("b"));
    session.ask("shutdown", vec![]).unwrap();
    session.fake.changed();
    assert_eq!(session.turn(&mut a), "40 ABNORMAL_TERMINATION: a");
    assert_eq!(session.turn(&mut b), "40 ABNORMAL_TERMINATION: b", "it had not begun");
}

#[test]
fn a_oneshot_has_started_when_it_is_done() {
    let mut session = manual("type=oneshot\nstartsecs=5");
    let mut waiting = session.wait("startProcess", name("a"));
    session.fake.exit("a", 0);
    assert_eq!(session.turn(&mut waiting), "true");
    // What it did before does not count.
    let mut waiting = session.wait("startProcess", name("a"));
    session.fake.exit("a", 3);
    assert_eq!(session.turn(&mut waiting), "50 SPAWN_ERROR: a");
}

#[test]
fn what_waits_for_another_goes_on_waiting() {
    let config = "[program:a]\ncommand=/a\nautostart=false\ndepends_on=b\n\
                  [program:b]\ncommand=/b\nautostart=false\n";
    let mut session = Session::running(config);
    // That it failed before is another matter.
    session.fake.broken.extend(["b".to_owned()]);
    let mut waiting = session.wait("startProcess", name("a"));
    assert_eq!(session.fake.state_of("b"), State::Backoff);
    session.fake.broken.clear();
    session.fake.after(2);
    assert_eq!(session.turn(&mut waiting), "-");
    assert_eq!(session.fake.state_of("a"), State::Stopped);
    session.fake.after(4);
    assert_eq!(session.turn(&mut waiting), "true");
    // Unless somebody does not want it any more.
    session.ask("stopAllProcesses", vec![false.into()]).unwrap();
    session.fake.exit("a", 0);
    session.fake.exit("b", 0);
    let mut waiting = session.wait("startProcess", name("a"));
    assert_eq!(session.say("stopProcess", name("a")), "true");
    assert_eq!(session.turn(&mut waiting), "40 ABNORMAL_TERMINATION: a");
}

const WEB: &str = "[group:web]\nprograms=z,y,x\npriority=5\n\
                   [program:z]\ncommand=/z\nautostart=false\npriority=1\n\
                   [program:y]\ncommand=/y\nautostart=false\n\
                   [program:x]\ncommand=/x\nautostart=false\nstartsecs=0\n\
                   [program:a]\ncommand=/a\nautostart=false\n";

#[test]
fn many_start_together() {
    for (method, params) in [("startProcessGroup", name("web")), ("startProcess", name("web:*"))] {
        let mut session = Session::running(WEB);
        let mut waiting = session.wait(method, params);
        session.fake.exit("y", 1);
        assert_eq!(session.turn(&mut waiting), "-");
        assert!(!waiting.concerns(session.fake.id("y")), "that is over");
        session.fake.after(2);
        // What was answered at once, then the rest in order.
        assert_eq!(session.turn(&mut waiting), "[x OK, z OK, y 50 SPAWN_ERROR: web:y]");
        assert_eq!(session.say(method, name("web")).contains("BAD_NAME"), method == "startProcess");
    }
}

#[test]
fn faults_of_many_are_rows() {
    let mut session = Session::running(WEB);
    let gone = Unstartable::NoFile("can't find command '/y'".into());
    session.fake.unstartable.insert("y".into(), gone);
    session.fake.broken.insert("a".into());
    let unhurried = session.say("startAllProcesses", vec![false.into()]);
    assert_eq!(
        unhurried,
        "[z OK, x OK, y 20 NO_FILE: can't find command '/y', a 50 SPAWN_ERROR: a]"
    );
    // What runs, or will, is not asked.
    session.fake.after(5);
    assert_eq!(session.say("startAllProcesses", vec![]), "[y 20 NO_FILE: can't find command '/y']");
    assert_eq!(session.say("startProcessGroup", name("nope")), "10 BAD_NAME: nope");
    assert_eq!(session.say("startProcessGroup", name("web:*")), "10 BAD_NAME: web:*");
}

#[test]
fn what_another_one_has_started_is_in_the_result() {
    let config = "[program:a]\ncommand=/a\nautostart=false\ndepends_on=b\n\
                  [program:b]\ncommand=/b\nautostart=false\n";
    let mut session = Session::running(config);
    let mut waiting = session.wait("startAllProcesses", vec![]);
    session.fake.after(2);
    assert_eq!(session.turn(&mut waiting), "-");
    session.fake.after(2);
    assert_eq!(session.turn(&mut waiting), "[a OK, b OK]");
    let mut session = Session::running(config);
    assert_eq!(session.say("startAllProcesses", vec![false.into()]), "[a OK, b OK]");
}
