//! Stopping everything.

use super::*;

fn at(name: &str, group_priority: i64) -> Policy {
    with(name, |policy| policy.group_priority = group_priority)
}

fn shut(fake: &mut Fake) -> String {
    fake.tell(Input::Shutdown(After::Leave(0)))
}

#[test]
fn stages_in_reverse_and_equals_in_parallel() {
    let mut fake = Fake::running(vec![at("a", 1), at("b", 2), at("c", 2), at("d", 3)]);
    assert_eq!(shut(&mut fake), "ShuttingDown d:STOPPING d<TERM");
    assert_eq!(fake.exit("d", code(0)), "d:STOPPED c:STOPPING c<TERM b:STOPPING b<TERM");
    assert_eq!(fake.exit("b", code(0)), "b:STOPPED");
    assert_eq!(fake.exit("c", code(0)), "c:STOPPED a:STOPPING a<TERM");
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED leave 0");
    assert_eq!(fake.machine.deadline(), None);
}

#[test]
fn what_has_no_process_ends_at_once() {
    let restless = with("exited", |exited| {
        exited.startsecs = Duration::ZERO;
        exited.autorestart = AutoRestart::Always;
    });
    let waits = with("waits", |waits| waits.depends_on = on("backoff", Until::Ready));
    let mut fake = Fake::begun(vec![policy("backoff"), restless, waits, at("on", 1)]);
    fake.exit("backoff", code(1));
    fake.exit("exited", code(1));
    fake.seen();
    assert_eq!(shut(&mut fake), "ShuttingDown backoff:FATAL on:STOPPING on<TERM");
    assert!(!fake.view("waits").waiting);
    assert_eq!(fake.exit("on", code(0)), "on:STOPPED leave 0");
    assert_eq!(fake.after(secs(100)), "");
}

#[test]
fn nothing_to_stop() {
    let mut fake = Fake::begun(Vec::new());
    fake.seen();
    assert_eq!(shut(&mut fake), "ShuttingDown leave 0");
    let mut fake = Fake::fresh(General::default(), vec![policy("a")]);
    assert_eq!(shut(&mut fake), "ShuttingDown leave 0");
    assert_eq!(fake.tell(Input::Begin), "", "it is over");
    assert_eq!(shut(&mut fake), "");
}

#[test]
fn those_whose_turn_has_not_come() {
    let mut fake = Fake::running(vec![at("a", 1), at("b", 1), at("c", 1), at("d", 9)]);
    shut(&mut fake);
    assert_eq!(fake.exit("a", code(1)), "a:EXITED!", "and is not started again");
    let id = fake.id("b");
    fake.seen();
    assert!(fake.tell(Input::SignalFailed(id, "no".into())).ends_with("b:UNKNOWN"));
    assert_eq!(fake.exit("d", code(0)), "d:STOPPED c:STOPPING c<TERM");
    assert_eq!(fake.exit("c", code(0)), "c:STOPPED leave 0", "UNKNOWN is not waited for");
    let mut fake = Fake::begun(vec![at("a", 1), at("d", 9)]);
    shut(&mut fake);
    assert_eq!(fake.exit("a", code(1)), "a:BACKOFF a:FATAL", "no more tries");
}

#[test]
fn an_answer_that_is_still_to_come() {
    let mut fake = Fake::fresh(General::default(), vec![at("a", 1), at("b", 2), at("c", 2)]);
    fake.held.extend([ProcId(1), ProcId(2), ProcId(3)]);
    fake.feed(Input::Begin);
    fake.seen();
    assert_eq!(shut(&mut fake), "ShuttingDown");
    fake.answer(ProcId(2));
    assert_eq!(fake.seen(), "b:STOPPING b<TERM");
    fake.answer(ProcId(1));
    assert_eq!(fake.seen(), "", "it is not its turn");
    assert_eq!(fake.exit("b", code(0)), "b:STOPPED");
    assert_eq!(
        fake.tell(Input::SpawnFailed(ProcId(3), "no".into())),
        "c:BACKOFF c:STOPPED a:STOPPING a<TERM"
    );
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED leave 0");
}

#[test]
fn orders_are_refused() {
    let mut fake = Fake::running(vec![policy("a")]);
    let a = fake.id("a");
    shut(&mut fake);
    for order in [Order::Start(a), Order::Stop(a), Order::Kill(a), Order::Reload(a)] {
        assert_eq!(fake.order(order), Err(Refusal::ShutdownState));
    }
    fake.exit("a", code(0));
    assert_eq!(fake.order(Order::Start(a)), Err(Refusal::ShutdownState));
}

#[test]
fn a_timeout_kills_all_stages_at_once() {
    let general = General { shutdown_timeout: Some(secs(5)), ..General::default() };
    let quick = |a: &mut Policy| a.kill_wait = secs(1);
    let mut fake = Fake::ruled(
        general,
        vec![
            with("a", |a| {
                a.group_priority = 1;
                quick(a);
            }),
            with("b", |b| {
                b.stop = vec![(Signal::TERM, secs(60))];
                quick(b);
            }),
            with("c", quick),
        ],
    );
    fake.held.insert(fake.id("c"));
    fake.after(secs(2));
    fake.exit("c", code(1));
    fake.level = Level::Warn;
    fake.seen();
    assert_eq!(shut(&mut fake), "ShuttingDown b:STOPPING b<TERM");
    assert_eq!(fake.after(millis(4999)), "");
    assert_eq!(
        fake.after(millis(1)),
        "\"shutdown_timeout: 5 seconds have passed, killing what is left\" \
         a:STOPPING \"killing 'a' (101) with SIGKILL\" a<KILL \
         \"killing 'b' (102) with SIGKILL\" b<KILL"
    );
    fake.level = Level::Critical;
    fake.answer(fake.id("c"));
    assert_eq!(fake.seen(), "c:STOPPING c<KILL");
    assert_eq!(fake.after(secs(1)), "a<KILL b<KILL c<KILL");
    fake.exit("b", code(0));
    fake.exit("a", code(0));
    assert!(fake.exit("c", code(0)).ends_with("c:STOPPED leave 0"));
}

#[test]
fn who_is_waited_for_is_told_every_three_seconds() {
    let mut fake = Fake::running(vec![at("b", 1), at("a", 2), policy("x")]);
    let x = fake.id("x");
    assert_eq!(fake.order(Order::Stop(x)), Ok(()));
    fake.level = Level::Info;
    fake.seen();
    assert_eq!(shut(&mut fake), "ShuttingDown \"waiting for b, a, x to die\"");
    fake.exit("x", code(0));
    fake.seen();
    assert_eq!(fake.after(millis(2999)), "");
    assert_eq!(fake.after(millis(1)), "\"waiting for b, a to die\"");
    assert_eq!(fake.after(secs(6)), ["\"waiting for b, a to die\""; 2].join(" "));
}

#[test]
fn again_and_leave() {
    let mut fake = Fake::running(vec![policy("a")]);
    assert_eq!(fake.tell(Input::Shutdown(After::Again)), "Restarting a:STOPPING a<TERM");
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED again");
    let mut fake = Fake::running(vec![policy("a")]);
    fake.tell(Input::Shutdown(After::Again));
    assert_eq!(fake.tell(Input::Shutdown(After::Again)), "");
    assert_eq!(fake.tell(Input::Shutdown(After::Leave(3))), "ShuttingDown", "leaving wins");
    assert_eq!(fake.tell(Input::Shutdown(After::Leave(4))), "", "the first reason counts");
    assert_eq!(fake.tell(Input::Shutdown(After::Again)), "");
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED leave 3");
}

#[test]
fn a_configuration_that_comes_while_all_is_stopped() {
    let mut fake = Fake::running(vec![at("a", 1), at("b", 2)]);
    shut(&mut fake);
    let added = fake.add(policy("n"));
    let replaced = fake.replace("a", policy("a"));
    assert_eq!(fake.apply(vec![added, replaced]), "", "nothing starts, nothing stops early");
    assert_eq!(fake.exit("b", code(0)), "b:STOPPED a:STOPPING a<TERM");
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED a gone leave 0");
}
