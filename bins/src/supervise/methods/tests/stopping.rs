//! Stopping: its checks, its waits and what ends them.

use super::*;
use crate::supervise::machine::types::State;

const A: &str = "[program:a]\ncommand=/a\n";

#[test]
fn it_waits_until_the_program_has_ended() {
    let mut session = Session::running(A);
    let mut waiting = session.wait("stopProcess", name("a"));
    assert_eq!(session.fake.signals, ["a<TERM"]);
    assert_eq!(session.turn(&mut waiting), "-");
    session.fake.exit("a", 0);
    assert_eq!(session.turn(&mut waiting), "true");
    assert_eq!(session.say("stopProcess", name("a")), "70 NOT_RUNNING: a");
    assert_eq!(session.say("stopProcess", name("b")), "10 BAD_NAME: b");
}

#[test]
fn without_waiting_it_is_answered_at_once() {
    let mut session = Session::running(A);
    assert_eq!(session.say("stopProcess", unhurried("a")), "true");
    assert_eq!(session.say("stopProcess", unhurried("a:a")), "70 NOT_RUNNING: a:a");
    assert_eq!(session.fake.state_of("a"), State::Stopping);
}

#[test]
fn a_retry_is_given_up_at_once() {
    let mut session = Session::new(Fake::new(A));
    session.fake.exit("a", 1);
    assert_eq!(session.fake.state_of("a"), State::Backoff);
    assert_eq!(session.say("stopProcess", name("a")), "true");
    assert_eq!(session.fake.state_of("a"), State::Stopped);
}

#[test]
fn what_could_not_be_signalled_is_not_running() {
    let mut session = Session::running(A);
    session.fake.refuse_signals("a");
    assert_eq!(session.say("stopProcess", name("a")), "70 NOT_RUNNING: a");
    let mut session = Session::running(A);
    let mut waiting = session.wait("stopProcess", name("a"));
    session.fake.refuse_signals("a");
    assert_eq!(session.turn(&mut waiting), "true", "UNKNOWN is a stopped state");
}

#[test]
fn it_does_not_wait_for_the_next_process() {
    let mut session = Session::running(A);
    let mut waiting = session.wait("stopProcess", name("a"));
    session.fake.exit("a", 0);
    // Somebody else was faster.
    session.ask("startProcess", unhurried("a")).unwrap();
    assert_eq!(session.fake.state_of("a"), State::Starting);
    assert_eq!(session.turn(&mut waiting), "true");
}

#[test]
fn what_is_gone_has_stopped() {
    let mut session = Session::running(A);
    let mut waiting = session.wait("stopProcess", name("a"));
    let id = session.fake.id("a");
    crate::supervise::methods::Supervisor::remove_group(&mut session.fake, "a", false);
    session.fake.changed();
    session.fake.end(id, reaper::Exit::from_code(0));
    assert_eq!(session.turn(&mut waiting), "true");
}

#[test]
fn a_shutdown_is_waited_for_as_well() {
    let config = format!("{A}[program:b]\ncommand=/b\n");
    let mut session = Session::running(&config);
    let mut one = session.wait("stopProcess", name("a"));
    let mut all = session.wait("stopAllProcesses", vec![]);
    session.ask("restart", vec![]).unwrap();
    assert_eq!(session.turn(&mut one), "-");
    session.fake.exit("a", 0);
    assert_eq!(session.turn(&mut one), "true");
    assert_eq!(session.turn(&mut all), "-");
    session.fake.exit("b", 0);
    session.fake.changed();
    assert_eq!(session.turn(&mut all), "[b OK]", "also when nobody tells which one it was");
}

const WEB: &str = "[group:web]\nprograms=z,y\n[program:z]\ncommand=/z\npriority=1\n\
                   [program:y]\ncommand=/y\n\
                   [program:a]\ncommand=/a\n[program:off]\ncommand=/off\nautostart=false\n";

#[test]
fn many_stop_together_and_are_told_in_order() {
    let mut session = Session::running(WEB);
    let mut waiting = session.wait("stopAllProcesses", vec![]);
    assert_eq!(session.fake.signals, ["a<TERM", "z<TERM", "y<TERM"]);
    for (name, shown) in [("y", "-"), ("a", "-"), ("z", "[a OK, z OK, y OK]")] {
        session.fake.exit(name, 0);
        assert_eq!(session.turn(&mut waiting), shown);
    }
    assert_eq!(session.say("stopAllProcesses", vec![]), "[]");
    let mut session = Session::running(WEB);
    assert_eq!(session.say("stopProcess", unhurried("web:")), "[z OK, y OK]");
    assert_eq!(session.say("stopProcessGroup", name("web")), "[]", "they are being stopped");
    assert_eq!(session.say("stopProcessGroup", name("nope")), "10 BAD_NAME: nope");
}

#[test]
fn what_would_start_by_itself_is_stopped() {
    let config = "[program:a]\ncommand=/a\ndepends_on=b\n\
                  [program:b]\ncommand=/b\n";
    let mut session = Session::new(Fake::new(config));
    assert_eq!(session.fake.state_of("a"), State::Stopped);
    let rows = session.say("stopAllProcesses", vec![false.into()]);
    assert_eq!(rows, "[a OK, b OK]");
    session.fake.exit("b", 0);
    session.ask("startProcess", unhurried("b")).unwrap();
    session.fake.after(2);
    assert_eq!(session.fake.state_of("a"), State::Stopped, "nobody wants it any more");
}
