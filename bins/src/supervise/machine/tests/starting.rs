//! From STOPPED to RUNNING, and how that fails.

use super::*;

const INSTANT: Duration = Duration::from_nanos(1);

#[test]
fn running_is_more_than_startsecs() {
    let mut fake = Fake::begun(vec![policy("a")]);
    assert_eq!(fake.seen(), "Running a:STARTING");
    assert_eq!(fake.after(secs(1)), "");
    assert_eq!(fake.after(INSTANT), "a:RUNNING");
    assert_eq!(fake.machine.deadline(), None, "an idle program needs no attention");
}

#[test]
fn without_startsecs_it_runs_at_once() {
    let mut fake = Fake::begun(vec![with("a", |a| a.startsecs = secs(0))]);
    assert_eq!(fake.seen(), "Running a:STARTING a:RUNNING");
    assert_eq!(fake.machine.deadline(), None);
}

#[test]
fn an_early_exit_is_a_failed_start_whatever_its_code() {
    for exit in [code(0), code(7), killed(Signal::SEGV)] {
        for autorestart in [AutoRestart::Never, AutoRestart::Unexpected, AutoRestart::Always] {
            let mut fake = Fake::begun(vec![with("a", |a| a.autorestart = autorestart)]);
            fake.after(millis(999));
            fake.seen();
            assert_eq!(fake.exit("a", exit), "a:BACKOFF");
            assert_eq!(
                fake.view("a").spawnerr,
                "Exited too quickly (process log may have details)"
            );
            assert_eq!(fake.view("a").exitstatus, 0);
            assert_eq!(fake.after(millis(999)), "");
            assert_eq!(fake.after(millis(1)), "a:STARTING");
            assert_eq!(fake.view("a").spawnerr, "");
        }
    }
}

#[test]
fn an_exit_at_startsecs_has_run() {
    let mut fake = Fake::begun(vec![policy("a")]);
    fake.after(secs(1));
    fake.seen();
    assert_eq!(fake.exit("a", code(0)), "a:RUNNING a:EXITED");
}

/// The moments, in milliseconds, at which it was started.
fn starts(fake: &mut Fake, most: usize) -> Vec<u128> {
    let begin = fake.now;
    let mut starts = vec![0];
    let id = fake.id("a");
    while starts.len() < most {
        if fake.state("a") == State::Starting {
            fake.feed(Input::Exited(id, code(1)));
        }
        let Some(due) = fake.machine.deadline() else { break };
        fake.now = due;
        fake.feed(Input::Deadline);
        starts.push(fake.now.saturating_since(begin).as_millis());
    }
    starts
}

#[test]
fn retries_wait_longer_each_time() {
    let mut fake = Fake::begun(vec![policy("a")]);
    assert_eq!(starts(&mut fake, 9), [0, 1000, 3000, 6000], "startretries + 1 attempts");
    assert_eq!(fake.state("a"), State::Fatal);
    assert_eq!((fake.view("a").starts, fake.view("a").tries), (4, 0));
    assert!(fake.seen().ends_with("a:BACKOFF a:FATAL"));
    assert_eq!(fake.machine.deadline(), None);
    assert_eq!(fake.start("a"), Ok(()));
    assert_eq!(fake.seen(), "a:STARTING");
    assert_eq!(starts(&mut fake, 9), [0, 1000, 3000, 6000], "a new beginning");
}

#[test]
fn no_retries() {
    let mut fake = Fake::begun(vec![with("a", |a| a.startretries = Some(0))]);
    fake.seen();
    assert_eq!(fake.exit("a", code(1)), "a:BACKOFF a:FATAL");
}

#[test]
fn retries_without_end_and_with_a_ceiling() {
    let forever = |a: &mut Policy| a.startretries = None;
    let mut fake = Fake::begun(vec![with("a", forever)]);
    assert_eq!(*starts(&mut fake, 101).last().unwrap(), 100 * 101 / 2 * 1000);
    let capped = |a: &mut Policy| {
        a.startretries = None;
        a.backoff_max = Some(millis(2500));
    };
    let mut fake = Fake::begun(vec![with("a", capped)]);
    assert_eq!(starts(&mut fake, 5), [0, 1000, 3000, 5500, 8000]);
    let nothing = |a: &mut Policy| a.backoff_max = Some(Duration::ZERO);
    let mut fake = Fake::begun(vec![with("a", nothing)]);
    assert_eq!(starts(&mut fake, 9), [0, 100, 200, 300], "no busy loop");
    let pause = |a: &mut Policy| a.restart_pause = millis(1500);
    let mut fake = Fake::begun(vec![with("a", pause)]);
    assert_eq!(starts(&mut fake, 9), [0, 1500, 3500, 6500]);
}

#[test]
fn running_forgives_earlier_failures() {
    let mut fake = Fake::begun(vec![policy("a")]);
    fake.exit("a", code(1));
    fake.after(secs(1));
    assert_eq!(fake.view("a").tries, 1);
    assert_eq!(fake.after(secs(2)), "a:RUNNING");
    assert_eq!(fake.view("a").tries, 0);
}

#[test]
fn a_spawn_that_fails() {
    let mut fake = Fake::fresh(General::default(), vec![policy("a")]);
    fake.level = Level::Info;
    fake.refused.insert(ProcId(1));
    assert_eq!(fake.tell(Input::Begin), "Running a:STARTING \"spawnerr: no such file\" a:BACKOFF");
    let view = fake.view("a");
    assert_eq!((view.spawnerr.as_str(), view.tries, view.starts), ("no such file", 1, 0));
    assert_eq!(view.pid, None);
    fake.after(secs(1) + secs(2));
    fake.seen();
    assert_eq!(
        fake.after(secs(3)),
        "a:STARTING \"spawnerr: no such file\" a:BACKOFF a:FATAL \
         \"gave up: a entered FATAL state, too many start retries too quickly\""
    );
}

#[test]
fn one_that_announces_runs_when_it_says_so() {
    let announces = |a: &mut Policy| {
        a.announces = true;
        a.startsecs = secs(1);
    };
    let mut fake = Fake::begun(vec![with("a", announces)]);
    fake.seen();
    assert_eq!(fake.after(secs(100)), "");
    let id = fake.id("a");
    assert_eq!(fake.tell(Input::Ready(id)), "a:RUNNING");
    assert_eq!(fake.tell(Input::Ready(id)), "");
    let mut fake = Fake::begun(vec![with("a", announces)]);
    fake.seen();
    assert_eq!(fake.tell(Input::Ready(id)), "a:RUNNING", "startsecs is not waited for");
    let mut fake = Fake::begun(vec![with("a", announces)]);
    fake.after(secs(100));
    fake.seen();
    assert_eq!(fake.exit("a", code(0)), "a:BACKOFF", "however late");
    let mut fake = Fake::begun(vec![policy("a")]);
    fake.seen();
    assert_eq!(fake.tell(Input::Ready(id)), "", "nobody asked");
}

#[test]
fn one_that_is_never_ready_has_failed() {
    let slow = |a: &mut Policy| {
        a.announces = true;
        a.ready_timeout = Some(secs(5));
        a.kill_wait = secs(2);
        a.kill_as_group = true;
        a.startretries = Some(0);
    };
    let mut fake = Fake::begun(vec![with("a", slow)]);
    fake.level = Level::Warn;
    fake.seen();
    assert_eq!(
        fake.after(secs(5)),
        "\"not ready: a has not said it is ready in 5 seconds\" \
         \"killing 'a' (101) with SIGKILL\" a<KILL*"
    );
    let id = fake.id("a");
    assert_eq!(fake.tell(Input::Ready(id)), "", "too late");
    assert_eq!(fake.after(secs(2)), "\"killing 'a' (101) with SIGKILL\" a<KILL*");
    fake.level = Level::Critical;
    assert_eq!(fake.exit("a", killed(Signal::KILL)), "a:BACKOFF a:FATAL");
    assert_eq!(fake.view("a").spawnerr, "Not ready in time (process log may have details)");
}

#[test]
fn a_oneshot_succeeds_however_early() {
    let once = |a: &mut Policy| {
        a.kind = Type::Oneshot;
        a.exitcodes = vec![3];
        a.autorestart = AutoRestart::Always;
        a.startretries = Some(1);
    };
    for success in [code(0), code(3)] {
        let mut fake = Fake::begun(vec![with("a", once)]);
        fake.seen();
        assert_eq!(fake.exit("a", success), "a:RUNNING a:EXITED");
        assert_eq!(fake.after(secs(100)), "", "once");
    }
    let mut fake = Fake::begun(vec![with("a", once)]);
    fake.seen();
    assert_eq!(fake.exit("a", code(1)), "a:BACKOFF");
    assert_eq!(fake.view("a").spawnerr, "Bad exit code 1");
    assert_eq!(fake.after(secs(3)), "a:STARTING a:RUNNING");
    assert_eq!(fake.exit("a", killed(Signal::SEGV)), "a:BACKOFF a:FATAL", "late ones count");
}

#[test]
fn what_does_not_start_by_itself() {
    let manual = || vec![with("a", |a| a.autostart = false)];
    let mut fake = Fake::begun(manual());
    assert_eq!(fake.seen(), "Running");
    assert_eq!(fake.start("a"), Ok(()));
    assert_eq!(fake.seen(), "a:STARTING");
    let mut fake = Fake::fresh(General::default(), manual());
    assert_eq!(fake.start("a"), Ok(()));
    assert_eq!(fake.seen(), "", "not before the beginning");
    assert!(fake.view("a").waiting);
    assert_eq!(fake.tell(Input::Begin), "Running a:STARTING");
}

#[test]
fn the_order_of_starts() {
    let place = |name: &str, group: &str, group_priority, priority| {
        with(name, |policy| {
            policy.group = group.into();
            policy.group_priority = group_priority;
            policy.priority = priority;
        })
    };
    let fake = &mut Fake::begun(vec![
        place("e", "z", 5, 1),
        place("c", "b", 5, 2),
        place("d", "b", 5, 2),
        place("b", "b", 5, 3),
        place("a", "y", -1, 999),
    ]);
    assert_eq!(fake.seen(), "Running a:STARTING c:STARTING d:STARTING b:STARTING e:STARTING");
    let names = fake.machine.processes().map(|(_, policy)| policy.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["a", "c", "d", "b", "e"]);
}
