//! `essential=` and `exit_on=`.

use super::*;
use crate::supervise::config::model::ExitOn;

fn essential(name: &str) -> Policy {
    with(name, |policy| policy.essential = true)
}

fn rule(exit_on: ExitOn) -> General {
    General { exit_on, ..General::default() }
}

#[test]
fn the_code_of_an_essential_program() {
    for (exit, left) in [
        (code(0), 0),
        (code(3), 3),
        (code(255), 255),
        (killed(Signal::TERM), 143),
        (killed(Signal::KILL), 137),
    ] {
        let never = |a: Policy| Policy { autorestart: AutoRestart::Never, ..a };
        let mut fake = Fake::running(vec![never(essential("a")), policy("b")]);
        let mark = if exit.success() { "" } else { "!" };
        assert_eq!(fake.exit("a", exit), format!("a:EXITED{mark} ShuttingDown b:STOPPING b<TERM"));
        assert_eq!(fake.exit("b", code(9)), format!("b:STOPPED leave {left}"));
    }
}

#[test]
fn a_fatal_one_never_leaves_with_success() {
    let hopeless = |a: Policy| Policy { startretries: Some(0), ..a };
    for (exit, left) in [(code(0), 1), (code(7), 7), (killed(Signal::SEGV), 139)] {
        let mut fake = Fake::begun(vec![hopeless(essential("a"))]);
        fake.seen();
        assert_eq!(fake.exit("a", exit), format!("a:BACKOFF a:FATAL ShuttingDown leave {left}"));
    }
    let mut fake = Fake::fresh(General::default(), vec![hopeless(essential("a"))]);
    fake.refused.insert(ProcId(1));
    assert!(fake.tell(Input::Begin).ends_with("a:FATAL ShuttingDown leave 127"));
    let watched =
        |a: Policy| Policy { watchdog: Some(secs(5)), autorestart: AutoRestart::Never, ..a };
    let mut fake = Fake::running(vec![watched(essential("a"))]);
    fake.after(secs(5));
    fake.seen();
    assert_eq!(fake.exit("a", code(0)), "a:EXITED! ShuttingDown leave 1");
}

#[test]
fn what_is_no_end() {
    // It comes back.
    let mut fake = Fake::running(vec![essential("a")]);
    assert_eq!(fake.exit("a", code(1)), "a:EXITED! a:STARTING");
    // It is tried again.
    assert_eq!(fake.exit("a", code(1)), "a:BACKOFF");
    assert_eq!(fake.after(secs(3)), "a:STARTING a:RUNNING");
    // Somebody stopped it.
    assert_eq!(fake.stop("a"), Ok(()));
    assert_eq!(fake.exit("a", code(1)), "a:STOPPING a<TERM a:STOPPED");
    // It has done its work.
    let once = |a: Policy| Policy { kind: Type::Oneshot, ..a };
    for exit_on in [ExitOn::Never, ExitOn::Fatal, ExitOn::Exit, ExitOn::All] {
        let mut fake = Fake::ruled(rule(exit_on), vec![once(essential("a")), policy("b")]);
        fake.seen();
        assert_eq!(fake.exit("a", code(0)), "a:RUNNING a:EXITED");
    }
}

#[test]
fn exit_on() {
    let never = |a: Policy| Policy { autorestart: AutoRestart::Never, ..a };
    for (exit_on, on_exit, on_fatal) in [
        (ExitOn::Never, "", ""),
        (ExitOn::Fatal, "", " ShuttingDown b:STOPPING b<TERM"),
        (ExitOn::Exit, " ShuttingDown b:STOPPING b<TERM", " ShuttingDown b:STOPPING b<TERM"),
        (ExitOn::All, "", ""),
    ] {
        let programs = || vec![never(policy("a")), policy("b")];
        let mut fake = Fake::ruled(rule(exit_on), programs());
        fake.after(secs(2));
        fake.seen();
        assert_eq!(fake.exit("a", code(4)), format!("a:EXITED!{on_exit}"), "{exit_on:?}");
        let hopeless = |a: Policy| Policy { startretries: Some(0), ..a };
        let mut fake = Fake::ruled(rule(exit_on), vec![hopeless(policy("a")), policy("b")]);
        fake.seen();
        let seen = fake.exit("a", code(4));
        assert_eq!(seen, format!("a:BACKOFF a:FATAL{on_fatal}"), "{exit_on:?}");
        if !on_fatal.is_empty() {
            assert_eq!(fake.exit("b", code(0)), "b:STOPPED leave 4");
        }
    }
}

#[test]
fn all_have_ended() {
    let never = |name: &str| with(name, |a| a.autorestart = AutoRestart::Never);
    let all = || vec![never("a"), never("b"), never("c")];
    let start = || {
        let mut fake = Fake::ruled(rule(ExitOn::All), all());
        fake.after(secs(2));
        fake.seen();
        fake
    };
    let mut fake = start();
    assert_eq!(fake.exit("a", code(0)), "a:EXITED");
    assert_eq!(fake.exit("c", code(5)), "c:EXITED!");
    assert_eq!(fake.exit("b", code(0)), "b:EXITED ShuttingDown leave 5", "a failure is not hidden");
    let mut fake = start();
    fake.exit("a", code(0));
    fake.exit("c", code(0));
    assert_eq!(fake.exit("b", code(0)), "b:EXITED ShuttingDown leave 0");
    // The last one stopped by hand does not end it, or no program could be restarted.
    let mut fake = start();
    fake.exit("a", code(0));
    fake.exit("c", code(0));
    assert_eq!(fake.stop("b"), Ok(()));
    assert_eq!(fake.exit("b", code(0)), "b:STOPPING b<TERM b:STOPPED");
    assert_eq!(fake.start("b"), Ok(()));
    fake.after(secs(2));
    fake.seen();
    assert_eq!(fake.exit("b", code(0)), "b:EXITED ShuttingDown leave 0");
}

#[test]
fn all_waits_for_what_follows() {
    let once = with("job", |job| job.kind = Type::Oneshot);
    let main = with("main", |main| {
        main.depends_on = on("job", Until::Completed);
        main.autorestart = AutoRestart::Never;
    });
    let mut fake = Fake::ruled(rule(ExitOn::All), vec![once, main]);
    fake.seen();
    assert_eq!(fake.exit("job", code(0)), "job:RUNNING job:EXITED main:STARTING");
    fake.after(secs(2));
    fake.seen();
    assert_eq!(fake.exit("main", code(6)), "main:EXITED! ShuttingDown leave 6");
    // What waits for something that has failed will not run.
    let once = with("job", |job| {
        job.kind = Type::Oneshot;
        job.startretries = Some(0);
    });
    let main = with("main", |main| main.depends_on = on("job", Until::Completed));
    let mut fake = Fake::ruled(rule(ExitOn::All), vec![once, main]);
    fake.seen();
    assert_eq!(fake.exit("job", code(8)), "job:BACKOFF job:FATAL ShuttingDown leave 8");
    // A restart that has to wait is to come.
    let restless = with("a", |a| {
        a.startsecs = Duration::ZERO;
        a.autorestart = AutoRestart::Always;
    });
    let mut fake = Fake::ruled(rule(ExitOn::All), vec![restless]);
    fake.seen();
    assert_eq!(fake.exit("a", code(1)), "a:EXITED!");
    assert_eq!(fake.after(secs(1)), "a:STARTING a:RUNNING");
}

#[test]
fn the_log_says_why() {
    let never = |a: Policy| Policy { autorestart: AutoRestart::Never, ..a };
    let mut fake = Fake::running(vec![never(essential("a"))]);
    fake.level = Level::Warn;
    assert_eq!(
        fake.exit("a", code(3)),
        "a:EXITED! \"exited: a (exit status 3; not expected)\" \
         \"essential: a is EXITED, stopping the rest to leave with exit status 3\" \
         ShuttingDown leave 3"
    );
    let mut fake = Fake::ruled(rule(ExitOn::All), vec![never(policy("a"))]);
    fake.after(secs(2));
    fake.seen();
    fake.level = Level::Warn;
    assert_eq!(
        fake.exit("a", code(0)),
        "a:EXITED \"exit_on=all: a is EXITED, stopping the rest to leave with exit status 0\" \
         ShuttingDown leave 0"
    );
}
