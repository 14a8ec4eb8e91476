//! Stops by order.

use super::*;

#[test]
fn term_then_kill_until_it_is_gone() {
    let groups = |a: &mut Policy| {
        a.stop = vec![(Signal::TERM, secs(3))];
        a.kill_wait = secs(2);
        a.kill_as_group = true;
    };
    let mut fake = Fake::running(vec![with("a", groups)]);
    assert_eq!(fake.stop("a"), Ok(()));
    assert_eq!(fake.seen(), "a:STOPPING a<TERM");
    assert_eq!(fake.after(millis(2999)), "");
    assert_eq!(fake.after(millis(1)), "a<KILL*");
    assert_eq!(fake.after(secs(10)), ["a<KILL*"; 5].join(" "));
    assert_eq!(fake.exit("a", killed(Signal::KILL)), "a:STOPPED");
    let view = fake.view("a");
    assert!(view.by_hand && view.pid.is_none());
    assert_eq!(view.exitstatus, -1);
    assert_eq!(fake.machine.deadline(), None);
}

#[test]
fn a_sequence() {
    let sequence = |a: &mut Policy| {
        a.stop = vec![(Signal::HUP, secs(1)), (Signal::INT, secs(0)), (Signal::QUIT, secs(4))];
        a.stop_as_group = true;
    };
    let mut fake = Fake::running(vec![with("a", sequence)]);
    assert_eq!(fake.stop("a"), Ok(()));
    assert_eq!(fake.seen(), "a:STOPPING a<HUP*");
    assert_eq!(fake.after(secs(1)), "a<INT* a<QUIT*");
    assert_eq!(fake.after(secs(4)), "a<KILL");
}

#[test]
fn no_wait_and_no_signal() {
    let hasty = |a: &mut Policy| {
        a.stop = vec![(Signal::TERM, Duration::ZERO)];
        a.kill_wait = Duration::ZERO;
    };
    let mut fake = Fake::running(vec![with("a", hasty)]);
    assert_eq!(fake.stop("a"), Ok(()));
    assert_eq!(fake.seen(), "a:STOPPING a<TERM a<KILL");
    assert_eq!(fake.after(millis(500)), ["a<KILL"; 5].join(" "), "no busy loop");
    let mut fake = Fake::running(vec![with("a", |a| a.stop.clear())]);
    assert_eq!(fake.stop("a"), Ok(()));
    assert_eq!(fake.seen(), "a:STOPPING a<KILL");
}

#[test]
fn a_command_takes_the_place_of_the_first_signal() {
    let command = |a: &mut Policy| {
        a.stop_command = true;
        a.stop = vec![(Signal::TERM, secs(1)), (Signal::INT, secs(1))];
    };
    let mut fake = Fake::running(vec![with("a", command)]);
    assert_eq!(fake.stop("a"), Ok(()));
    assert_eq!(fake.seen(), "a:STOPPING a<command");
    assert_eq!(fake.after(secs(2)), "a<INT a<KILL");
}

#[test]
fn stopping_what_waits_for_its_next_try() {
    let mut fake = Fake::begun(vec![policy("a")]);
    fake.exit("a", code(1));
    fake.level = Level::Debug;
    assert_eq!(fake.stop("a"), Ok(()));
    assert_eq!(fake.seen(), "\"Attempted to kill a, which is in BACKOFF state.\" a:STOPPED");
    assert_eq!(fake.after(secs(100)), "");
    assert_eq!(fake.start("a"), Ok(()));
    assert_eq!(fake.view("a").tries, 0);
}

#[test]
fn reports_every_two_seconds() {
    let mut fake = Fake::running(vec![policy("a")]);
    fake.level = Level::Info;
    assert_eq!(fake.stop("a"), Ok(()));
    assert_eq!(fake.seen(), "a:STOPPING a<TERM \"waiting for a to stop\"");
    assert_eq!(fake.after(millis(1999)), "");
    assert_eq!(fake.after(millis(1)), "\"waiting for a to stop\"");
    assert_eq!(fake.after(secs(4)), ["\"waiting for a to stop\""; 2].join(" "));
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED \"stopped: a (exit status 0)\"");
    assert_eq!(fake.machine.deadline(), None);
}

#[test]
fn a_stop_before_the_process_is_known() {
    let mut fake = Fake::fresh(General::default(), vec![policy("a")]);
    fake.held.insert(ProcId(1));
    fake.feed(Input::Begin);
    fake.seen();
    assert_eq!(fake.stop("a"), Ok(()));
    assert_eq!(fake.stop("a"), Err(Refusal::NotRunning));
    assert_eq!(fake.order(Order::Signal(ProcId(1), Signal::HUP)), Err(Refusal::NotRunning));
    assert_eq!(fake.seen(), "");
    fake.answer(ProcId(1));
    assert_eq!(fake.seen(), "a:STOPPING a<TERM");
    let mut fake = Fake::fresh(General::default(), vec![policy("a")]);
    fake.held.insert(ProcId(1));
    fake.feed(Input::Begin);
    fake.seen();
    assert_eq!(fake.stop("a"), Ok(()));
    assert_eq!(fake.tell(Input::SpawnFailed(ProcId(1), "no".into())), "a:BACKOFF a:STOPPED");
    assert_eq!(fake.machine.deadline(), None);
}

#[test]
fn killing_by_order() {
    let groups = |a: &mut Policy| {
        a.kill_as_group = true;
        a.kill_wait = secs(1);
        a.autorestart = AutoRestart::Always;
    };
    let mut fake = Fake::running(vec![with("a", groups)]);
    let id = fake.id("a");
    assert_eq!(fake.order(Order::Kill(id)), Ok(()));
    assert_eq!(fake.seen(), "a:STOPPING a<KILL*");
    assert_eq!(fake.after(secs(1)), "a<KILL*");
    assert_eq!(fake.order(Order::Kill(id)), Ok(()));
    assert_eq!(fake.seen(), "a<KILL*");
    assert_eq!(fake.exit("a", killed(Signal::KILL)), "a:STOPPED");
    assert_eq!(fake.order(Order::Kill(id)), Err(Refusal::NotRunning));
    assert_eq!(fake.start("a"), Ok(()));
    fake.exit("a", code(1));
    fake.seen();
    assert_eq!(fake.order(Order::Kill(id)), Ok(()));
    assert_eq!(fake.seen(), "a:STOPPED", "from BACKOFF");
    fake.held.insert(id);
    assert_eq!(fake.start("a"), Ok(()));
    assert_eq!(fake.order(Order::Kill(id)), Ok(()));
    fake.answer(id);
    assert_eq!(fake.seen(), "a:STARTING a:STOPPING a<KILL*");
}

#[test]
fn other_signals() {
    let mut fake = Fake::running(vec![
        with("a", |a| a.reload = Some(Signal::USR1)),
        with("b", |b| b.stop_as_group = true),
    ]);
    fake.level = Level::Debug;
    let (a, b) = (fake.id("a"), fake.id("b"));
    assert_eq!(fake.order(Order::Reload(a)), Ok(()));
    assert_eq!(fake.seen(), "\"sending a (pid 101) sig SIGUSR1\" a<USR1");
    assert_eq!(fake.order(Order::Reload(b)), Ok(()));
    assert_eq!(fake.seen(), "\"sending b (pid 102) sig SIGHUP\" b<HUP");
    assert_eq!(fake.order(Order::Signal(b, Signal::TERM)), Ok(()));
    assert_eq!(fake.seen(), "\"sending b (pid 102) sig SIGTERM\" b<TERM");
    fake.level = Level::Critical;
    assert_eq!(fake.exit("b", killed(Signal::TERM)), "b:EXITED! b:STARTING", "no stop");
}

#[test]
fn a_signal_that_cannot_be_sent() {
    let mut fake = Fake::running(vec![policy("a")]);
    let id = fake.id("a");
    assert_eq!(fake.stop("a"), Ok(()));
    fake.seen();
    assert_eq!(
        fake.tell(Input::SignalFailed(id, "not permitted".into())),
        "\"unknown problem killing a (101):not permitted\" a:UNKNOWN"
    );
    assert_eq!(fake.after(secs(100)), "");
    assert_eq!(fake.start("a"), Err(Refusal::Failed));
    assert_eq!(fake.stop("a"), Err(Refusal::NotRunning));
    assert_eq!(fake.order(Order::Kill(id)), Err(Refusal::NotRunning));
    assert_eq!(fake.order(Order::Signal(id, Signal::HUP)), Err(Refusal::NotRunning));
    assert!(fake.view("a").pid.is_some());
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED", "its end is seen");
    assert_eq!(fake.start("a"), Ok(()));
    fake.after(secs(2));
    fake.seen();
    fake.tell(Input::SignalFailed(id, "not permitted".into()));
    assert_eq!(fake.exit("a", code(1)), "a:EXITED! a:STARTING", "nobody had told it to stop");
    fake.after(secs(2));
    fake.tell(Input::SignalFailed(id, "not permitted".into()));
    assert_eq!(fake.stop("a"), Err(Refusal::NotRunning));
    assert_eq!(fake.exit("a", code(1)), "a:STOPPED", "what was wanted is not forgotten");
    assert!(fake.view("a").by_hand);
    assert_eq!(fake.start("a"), Ok(()));
    fake.after(secs(2));
    fake.tell(Input::Unhealthy(id));
    fake.tell(Input::SignalFailed(id, "not permitted".into()));
    assert_eq!(fake.exit("a", code(1)), "a:STOPPED a:STARTING", "nor that it was to come back");
}
