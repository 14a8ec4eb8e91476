//! Ten thousand processes.

use super::*;
use crate::supervise::machine::process::Process;

const MANY: u32 = 10_000;

fn many(change: impl Fn(&mut Policy)) -> Fake {
    Fake::begun((0..MANY).map(|number| with(&format!("p{number:05}"), &change)).collect())
}

#[test]
fn a_process_is_small() {
    assert!(size_of::<Process>() <= 192, "{} bytes", size_of::<Process>());
}

#[test]
fn all_die_at_once() {
    let mut fake = many(|policy| policy.autorestart = AutoRestart::Always);
    fake.after(secs(2));
    fake.seen();
    assert_eq!(fake.machine.deadline(), None);
    let ids: Vec<ProcId> = fake.names.keys().copied().collect();
    for id in &ids {
        fake.feed(Input::Exited(*id, code(1)));
    }
    assert_eq!(fake.seen.len(), 2 * ids.len(), "each is started again");
    fake.after(secs(2));
    fake.seen();
    fake.feed(Input::Shutdown(After::Leave(0)));
    assert_eq!(fake.seen.len(), 1 + 2 * ids.len(), "all are told at once");
    for id in &ids {
        fake.feed(Input::Exited(*id, code(0)));
    }
    assert!(fake.seen().ends_with("leave 0"));
}

/// Each depends on the one before it.
fn chain(change: impl Fn(&mut Policy)) -> Fake {
    let policies = (0..MANY).map(|number| {
        with(&format!("p{number:05}"), |policy| {
            policy.startsecs = Duration::ZERO;
            if number > 0 {
                policy.depends_on = on(&format!("p{:05}", number - 1), Until::Ready);
            }
            change(policy);
        })
    });
    Fake::begun(policies.collect())
}

/// All of them are held by the first, over and over, on a stack of two megabytes.
#[test]
fn a_long_chain_that_fails() {
    let mut fake = chain(|policy| {
        policy.autostart = policy.name != "p00000";
        policy.startsecs = secs(1);
        policy.startretries = Some(0);
    });
    let first = ProcId(1);
    let last = *fake.names.keys().last().unwrap();
    let held = |fake: &Fake| fake.machine.view(last).unwrap().held;
    assert!(held(&fake));
    for _ in 0..3 {
        assert_eq!(fake.order(Order::Start(last)), Ok(()));
        assert!(!held(&fake));
        fake.feed(Input::Exited(first, code(1)));
        assert!(held(&fake));
    }
}

/// The first is needed by all, and all by the last.
#[test]
fn a_wide_one_that_fails() {
    let policies = (0..MANY).map(|number| {
        with(&format!("p{number:05}"), |policy| {
            (policy.startsecs, policy.startretries) = (secs(1), Some(0));
            policy.group = if number == MANY - 1 { "last" } else { "all" }.into();
            match number {
                0 => policy.group = "first".into(),
                _ if number == MANY - 1 => policy.depends_on = on("all", Until::Ready),
                _ => policy.depends_on = on("first", Until::Ready),
            }
        })
    });
    let mut fake = Fake::begun(policies.collect());
    let last = *fake.names.keys().last().unwrap();
    let held = |fake: &Fake| fake.machine.view(last).unwrap().held;
    fake.feed(Input::Exited(ProcId(1), code(1)));
    assert!(held(&fake));
    for _ in 0..3 {
        assert_eq!(fake.order(Order::Start(last)), Ok(()));
        assert!(!held(&fake));
        fake.feed(Input::Exited(ProcId(1), code(1)));
        assert!(held(&fake));
    }
}

#[test]
fn a_long_chain() {
    let mut fake = chain(|policy| policy.autostart = false);
    // The answers come one by one, as the host gives them.
    fake.held = fake.names.keys().copied().collect();
    let last = *fake.names.keys().last().unwrap();
    assert_eq!(fake.order(Order::Start(last)), Ok(()));
    for id in fake.names.keys().copied().collect::<Vec<_>>() {
        fake.answer(id);
    }
    assert_eq!(fake.machine.view(last).unwrap().state, State::Running);
    fake.seen();
    fake.feed(Input::Shutdown(After::Leave(0)));
    assert_eq!(fake.seen(), "ShuttingDown p09999:STOPPING p09999<TERM");
    for id in fake.names.keys().rev().copied().collect::<Vec<_>>() {
        fake.feed(Input::Exited(id, code(0)));
    }
    assert!(fake.seen().ends_with("leave 0"));
}
