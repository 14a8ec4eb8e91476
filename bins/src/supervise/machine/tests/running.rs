//! While it runs: exits and restarts, the watchdog, health.

use super::*;

#[test]
fn who_comes_back() {
    use AutoRestart::{Always, Listed, Never, Unexpected};
    for (autorestart, exit, expected, restarted) in [
        (Never, code(0), true, false),
        (Never, code(1), false, false),
        (Unexpected, code(0), true, false),
        (Unexpected, code(1), false, true),
        (Unexpected, killed(Signal::TERM), false, true),
        (Always, code(0), true, true),
        (Always, code(1), false, true),
        (Always, killed(Signal::KILL), false, true),
        (Listed, code(0), true, true),
        (Listed, code(1), false, false),
        (Listed, killed(Signal::TERM), false, false),
    ] {
        let mut fake = Fake::running(vec![with("a", |a| a.autorestart = autorestart)]);
        let mark = if expected { "" } else { "!" };
        let next = if restarted { " a:STARTING" } else { "" };
        assert_eq!(fake.exit("a", exit), format!("a:EXITED{mark}{next}"), "{autorestart:?} {exit}");
        let view = fake.view("a");
        let status = exit.code().unwrap_or(-1);
        assert_eq!(view.exitstatus, if restarted { 0 } else { status });
        let bad = format!("Bad exit code {status}");
        assert_eq!(view.spawnerr, if expected || restarted { "" } else { &bad });
        assert_eq!(fake.after(secs(100)).is_empty(), !restarted);
    }
}

#[test]
fn not_more_than_once_a_second() {
    let restless = |a: &mut Policy| {
        a.startsecs = Duration::ZERO;
        a.autorestart = AutoRestart::Always;
    };
    let mut fake = Fake::begun(vec![with("a", restless)]);
    fake.after(millis(300));
    fake.seen();
    assert_eq!(fake.exit("a", code(1)), "a:EXITED!");
    assert_eq!(fake.after(millis(699)), "");
    assert_eq!(fake.after(millis(1)), "a:STARTING a:RUNNING", "a second after the last start");
    fake.after(secs(1));
    assert_eq!(fake.exit("a", code(1)), "a:EXITED! a:STARTING a:RUNNING");
    // Ten seconds of a program that ends at once.
    let before = fake.view("a").starts;
    let begin = fake.now;
    let id = fake.id("a");
    while fake.now.saturating_since(begin) < secs(10) {
        fake.feed(Input::Exited(id, code(1)));
        fake.now = fake.machine.deadline().unwrap();
        fake.feed(Input::Deadline);
    }
    assert_eq!(fake.view("a").starts - before, 10);
}

#[test]
fn a_pause_between_exit_and_start() {
    let slow = |a: &mut Policy| {
        a.restart_pause = secs(5);
        a.autorestart = AutoRestart::Always;
    };
    let mut fake = Fake::running(vec![with("a", slow)]);
    assert_eq!(fake.exit("a", code(0)), "a:EXITED");
    assert_eq!(fake.after(millis(4999)), "");
    assert_eq!(fake.after(millis(1)), "a:STARTING");
}

#[test]
fn a_restart_that_waits_can_be_stopped_and_hurried() {
    let slow = |a: &mut Policy| {
        a.restart_pause = secs(5);
        a.autorestart = AutoRestart::Always;
    };
    let mut fake = Fake::running(vec![with("a", slow)]);
    fake.exit("a", code(0));
    assert_eq!(fake.start("a"), Ok(()));
    assert_eq!(fake.seen(), "a:STARTING", "a person does not wait");
    fake.after(secs(2));
    fake.exit("a", code(0));
    assert_eq!(fake.stop("a"), Ok(()));
    assert_eq!(fake.after(secs(100)), "");
    assert!(fake.view("a").by_hand);
    assert_eq!(fake.stop("a"), Err(Refusal::NotRunning));
}

#[test]
fn the_watchdog() {
    let watched = |a: &mut Policy| {
        a.watchdog = Some(secs(30));
        a.kill_wait = secs(7);
        a.exitcodes = vec![0, 1];
    };
    let mut fake = Fake::begun(vec![with("a", watched)]);
    let id = fake.id("a");
    fake.after(secs(1) + Duration::from_nanos(1));
    fake.seen();
    fake.level = Level::Warn;
    for _ in 0..5 {
        assert_eq!(fake.after(secs(29)), "");
        assert_eq!(fake.tell(Input::Alive(id)), "");
    }
    assert_eq!(fake.after(secs(30)), "\"watchdog: a has been silent for 30 seconds\" a<ABRT");
    assert_eq!(fake.tell(Input::Alive(id)), "", "too late");
    assert_eq!(fake.after(secs(7)), "\"killing 'a' (101) with SIGKILL\" a<KILL");
    assert_eq!(fake.after(secs(7)), "\"killing 'a' (101) with SIGKILL\" a<KILL");
    assert_eq!(fake.state("a"), State::Running);
    fake.level = Level::Critical;
    assert_eq!(fake.exit("a", code(0)), "a:EXITED! a:STARTING", "not what was wanted of it");
    // It is not watched before it runs.
    assert_eq!(fake.after(secs(1)), "");
}

#[test]
fn a_watchdog_without_a_restart() {
    let watched = |a: &mut Policy| {
        a.watchdog = Some(secs(30));
        a.autorestart = AutoRestart::Never;
    };
    let mut fake = Fake::running(vec![with("a", watched)]);
    fake.after(secs(31));
    fake.seen();
    assert_eq!(fake.exit("a", killed(Signal::ABRT)), "a:EXITED!");
    assert_eq!(fake.after(secs(100)), "");
    let zero = |a: &mut Policy| a.watchdog = Some(Duration::ZERO);
    let fake = Fake::running(vec![with("a", zero)]);
    assert_eq!(fake.machine.deadline(), None, "zero is no watchdog");
}

#[test]
fn stopping_what_the_watchdog_kills() {
    let mut fake = Fake::running(vec![with("a", |a| a.watchdog = Some(secs(30)))]);
    fake.after(secs(31));
    fake.seen();
    assert_eq!(fake.stop("a"), Ok(()));
    assert_eq!(fake.seen(), "a:STOPPING a<KILL", "politeness is over");
    assert_eq!(fake.exit("a", killed(Signal::ABRT)), "a:STOPPED");
}

#[test]
fn an_unhealthy_one_is_stopped_and_started_again() {
    let mut fake = Fake::running(vec![with("a", |a| a.autorestart = AutoRestart::Never)]);
    let id = fake.id("a");
    assert_eq!(fake.tell(Input::Unhealthy(id)), "a:STOPPING a<TERM");
    assert_eq!(fake.tell(Input::Unhealthy(id)), "");
    assert_eq!(fake.exit("a", killed(Signal::TERM)), "a:STOPPED a:STARTING");
    assert!(!fake.view("a").by_hand);
    // An order counts for more.
    fake.after(secs(2));
    fake.tell(Input::Unhealthy(id));
    assert_eq!(fake.stop("a"), Ok(()));
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED");
    assert_eq!(fake.after(secs(100)), "");
}

#[test]
fn health_of_what_does_not_run_is_no_matter() {
    let mut fake = Fake::begun(vec![policy("a")]);
    let id = fake.id("a");
    fake.seen();
    assert_eq!(fake.tell(Input::Unhealthy(id)), "");
    fake.after(secs(2));
    fake.seen();
    fake.tell(Input::Shutdown(After::Leave(0)));
    assert_eq!(fake.tell(Input::Unhealthy(id)), "");
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED leave 0");
}

#[test]
fn supervisords_words() {
    let mut fake = Fake::fresh(General::default(), vec![with("a", |a| a.stop_as_group = true)]);
    fake.level = Level::Debug;
    assert_eq!(fake.tell(Input::Begin), "Running a:STARTING \"spawned: 'a' with pid 101\"");
    assert_eq!(
        fake.after(secs(2)),
        "a:RUNNING \"success: a entered RUNNING state, process has stayed up for > than 1 seconds \
         (startsecs)\""
    );
    assert_eq!(
        fake.exit("a", code(3)),
        "a:EXITED! \"exited: a (exit status 3; not expected)\" a:STARTING \
         \"spawned: 'a' with pid 102\""
    );
    assert_eq!(
        fake.exit("a", killed(Signal::SEGV)),
        "a:BACKOFF \"exited: a (terminated by SIGSEGV; not expected)\""
    );
    fake.after(secs(3));
    fake.seen();
    assert_eq!(fake.stop("a"), Ok(()));
    assert_eq!(
        fake.seen(),
        "a:STOPPING \"killing a (pid 103) process group with signal SIGTERM\" a<TERM* \
         \"waiting for a to stop\""
    );
    assert_eq!(
        fake.exit("a", killed(Signal::TERM)),
        "a:STOPPED \"stopped: a (terminated by SIGTERM)\""
    );
}
