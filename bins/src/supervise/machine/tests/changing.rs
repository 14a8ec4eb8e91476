//! A configuration that is read again while programs run.

use super::*;
use crate::supervise::config::model::ExitOn;

#[test]
fn added_and_removed() {
    let mut fake = Fake::running(vec![policy("a"), with("idle", |idle| idle.autostart = false)]);
    let late = with("z", |z| z.group_priority = 1);
    let changes = vec![
        fake.add(policy("c")),
        fake.add(late),
        fake.add(with("manual", |manual| manual.autostart = false)),
        Change::Remove(fake.id("a")),
        Change::Remove(fake.id("idle")),
        Change::Remove(ProcId(99)),
    ];
    assert_eq!(
        fake.apply(changes),
        "a:STOPPING a<TERM z:STARTING c:STARTING idle gone",
        "starts in order, at once"
    );
    assert_eq!(fake.start("a"), Err(Refusal::BadName));
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED a gone");
    assert_eq!(fake.machine.view(fake.id("a")), None);
    assert_eq!(fake.exit("a", code(0)), "", "late news");
    let names = fake.machine.processes().map(|(_, policy)| policy.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["z", "c", "manual"]);
}

#[test]
fn removed_from_every_state() {
    let restless = with("exited", |exited| {
        exited.startsecs = Duration::ZERO;
        exited.autorestart = AutoRestart::Always;
    });
    let once = with("fatal", |fatal| fatal.startretries = Some(0));
    let mut fake = Fake::begun(vec![policy("backoff"), restless, once, policy("stopping")]);
    for name in ["backoff", "exited", "fatal"] {
        fake.exit(name, code(1));
    }
    assert_eq!(fake.stop("stopping"), Ok(()));
    fake.seen();
    let ids: Vec<Change> = fake.names.keys().map(|id| Change::Remove(*id)).collect();
    assert_eq!(fake.apply(ids), "backoff:STOPPED backoff gone exited gone fatal gone");
    assert_eq!(fake.exit("stopping", code(0)), "stopping:STOPPED stopping gone");
    assert_eq!(fake.machine.processes().count(), 0);
    assert_eq!(fake.machine.deadline(), None);
}

#[test]
fn removed_before_its_process_is_known() {
    for fails in [false, true] {
        let mut fake = Fake::fresh(General::default(), vec![policy("a")]);
        fake.held.insert(ProcId(1));
        fake.feed(Input::Begin);
        fake.seen();
        assert_eq!(fake.apply(vec![Change::Remove(ProcId(1))]), "");
        if fails {
            let seen = fake.tell(Input::SpawnFailed(ProcId(1), "no".into()));
            assert_eq!(seen, "a:BACKOFF a:STOPPED a gone");
        } else {
            fake.answer(ProcId(1));
            assert_eq!(fake.seen(), "a:STOPPING a<TERM");
            assert_eq!(fake.exit("a", code(0)), "a:STOPPED a gone");
        }
    }
}

#[test]
fn replaced() {
    let mut fake = Fake::running(vec![policy("a")]);
    let change = fake.replace("a", policy("a"));
    assert_eq!(fake.apply(vec![change]), "a:STOPPING a<TERM");
    assert!(fake.view("a'").waiting);
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED a gone a':STARTING", "never both");
    // Again before the first has gone.
    fake.after(secs(2));
    let change = fake.replace("a'", policy("a"));
    fake.apply(vec![change]);
    let change = fake.replace("a''", policy("a"));
    assert_eq!(fake.apply(vec![change]), "a'' gone");
    assert_eq!(fake.exit("a'", code(0)), "a':STOPPED a' gone a''':STARTING");
}

#[test]
fn who_starts_after_a_replacement() {
    let manual = || with("a", |a| a.autostart = false);
    // It was stopped by hand.
    let mut fake = Fake::running(vec![policy("a")]);
    assert_eq!(fake.stop("a"), Ok(()));
    fake.exit("a", code(0));
    fake.seen();
    let change = fake.replace("a", policy("a"));
    assert_eq!(fake.apply(vec![change]), "a gone");
    assert!(fake.view("a'").by_hand);
    let change = fake.replace("a'", policy("a"));
    assert_eq!(fake.apply(vec![change]), "a' gone", "and that is not forgotten");
    assert_eq!(fake.start("a''"), Ok(()));
    assert_eq!(fake.seen(), "a'':STARTING");
    // It is being stopped by hand.
    let mut fake = Fake::running(vec![policy("a")]);
    assert_eq!(fake.stop("a"), Ok(()));
    let change = fake.replace("a", policy("a"));
    fake.apply(vec![change]);
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED a gone");
    // Started by hand, it goes on.
    let mut fake = Fake::begun(vec![manual()]);
    assert_eq!(fake.start("a"), Ok(()));
    let change = fake.replace("a", manual());
    fake.apply(vec![change]);
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED a gone a':STARTING");
    // Never started, it is not.
    let mut fake = Fake::begun(vec![manual()]);
    fake.seen();
    let change = fake.replace("a", manual());
    assert_eq!(fake.apply(vec![change]), "a gone");
    // FATAL, it gets another chance.
    let mut fake = Fake::begun(vec![with("a", |a| a.startretries = Some(0))]);
    fake.exit("a", code(1));
    fake.seen();
    let change = fake.replace("a", policy("a"));
    assert_eq!(fake.apply(vec![change]), "a gone a':STARTING");
}

#[test]
fn a_replacement_that_waits_can_be_stopped() {
    let mut fake = Fake::running(vec![policy("a")]);
    let change = fake.replace("a", policy("a"));
    fake.apply(vec![change]);
    assert_eq!(fake.stop("a'"), Ok(()));
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED a gone");
    assert_eq!(fake.start("a'"), Ok(()));
    assert_eq!(fake.seen(), "a':STARTING");
}

fn hot(name: &str) -> Policy {
    with(name, |policy| policy.hot = true)
}

#[test]
fn a_hot_one_starts_before_the_old_one_goes() {
    let mut fake = Fake::running(vec![hot("a")]);
    let change = fake.replace("a", hot("a"));
    assert_eq!(fake.apply(vec![change]), "a':STARTING");
    assert_eq!(fake.after(secs(2)), "a':RUNNING a:STOPPING a<TERM");
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED a gone");
    assert_eq!(fake.machine.deadline(), None);
}

#[test]
fn a_hot_one_that_fails_leaves_the_old_one() {
    let mut fake = Fake::running(vec![with("a", |a| {
        a.hot = true;
        a.essential = true;
    })]);
    let hopeless = |a: &mut Policy| {
        a.hot = true;
        a.essential = true;
        a.startretries = Some(0);
    };
    let change = fake.replace("a", with("a", hopeless));
    fake.apply(vec![change]);
    fake.level = Level::Info;
    assert!(fake.exit("a'", code(1)).ends_with(
        "a':FATAL \"gave up: a entered FATAL state, too many start retries too quickly\" \
         \"kept: a goes on with pid 101, its replacement has failed\""
    ));
    fake.level = Level::Critical;
    assert_eq!(fake.state("a"), State::Running);
    // It is looked after.
    assert_eq!(fake.exit("a", code(1)), "a:EXITED! a:STARTING");
    fake.after(secs(2));
    fake.seen();
    // The next configuration replaces both.
    let change = fake.replace("a'", hot("a"));
    assert_eq!(fake.apply(vec![change]), "a' gone a'':STARTING");
    assert_eq!(fake.after(secs(2)), "a'':RUNNING a:STOPPING a<TERM");
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED a gone");
}

#[test]
fn a_failed_hot_one_can_be_stopped_and_started() {
    let fail = || {
        let mut fake = Fake::running(vec![hot("a")]);
        let hopeless = |a: &mut Policy| {
            a.hot = true;
            a.startretries = Some(0);
        };
        let change = fake.replace("a", with("a", hopeless));
        fake.apply(vec![change]);
        fake.exit("a'", code(1));
        fake.seen();
        fake
    };
    let mut fake = fail();
    assert_eq!(fake.start("a'"), Ok(()));
    assert_eq!(fake.after(secs(2)), "a':STARTING a':RUNNING a:STOPPING a<TERM");
    let mut fake = fail();
    assert_eq!(fake.stop("a'"), Ok(()), "that is to stop what serves");
    assert_eq!(fake.exit("a", code(0)), "a:STOPPING a<TERM a:STOPPED a gone");
    assert_eq!(fake.stop("a'"), Err(Refusal::NotRunning));
    let mut fake = fail();
    assert_eq!(fake.order(Order::Kill(fake.id("a'"))), Ok(()));
    assert_eq!(fake.seen(), "a:STOPPING a<TERM a<KILL");
    let mut fake = fail();
    let change = Change::Remove(fake.id("a'"));
    assert_eq!(fake.apply(vec![change]), "a:STOPPING a<TERM a' gone");
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED a gone");
    let mut fake = fail();
    let change = fake.replace("a'", policy("a"));
    assert_eq!(fake.apply(vec![change]), "a:STOPPING a<TERM a' gone", "it is hot no more");
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED a gone a'':STARTING");
}

#[test]
fn never_three_of_a_hot_program() {
    let mut fake = Fake::running(vec![hot("a")]);
    let change = fake.replace("a", hot("a"));
    assert_eq!(fake.apply(vec![change]), "a':STARTING");
    let change = fake.replace("a'", hot("a"));
    assert_eq!(fake.apply(vec![change]), "a':STOPPING a'<TERM");
    assert_eq!(fake.state("a"), State::Running, "it serves on");
    assert_eq!(fake.exit("a'", code(0)), "a':STOPPED a' gone a'':STARTING");
    assert_eq!(fake.after(secs(2)), "a'':RUNNING a:STOPPING a<TERM");
    // The next one waits for the end of the oldest.
    let change = fake.replace("a''", hot("a"));
    assert_eq!(fake.apply(vec![change]), "");
    assert_eq!(fake.exit("a", code(0)), "a:STOPPED a gone a''':STARTING");
    assert_eq!(fake.after(secs(2)), "a''':RUNNING a'':STOPPING a''<TERM");
}

#[test]
fn taken_out_and_put_back() {
    for hot in [false, true] {
        let mut fake = Fake::running(vec![policy("a")]);
        fake.apply(vec![Change::Remove(ProcId(1))]);
        let change = fake.add(with("a", |a| a.hot = hot));
        assert_eq!(fake.apply(vec![change]), "", "never two of a name");
        assert!(fake.view("a'").waiting);
        assert_eq!(fake.exit("a", code(0)), "a:STOPPED a gone a':STARTING");
        // Both in one, in either order, and over two generations.
        let changes = vec![fake.add(policy("a")), Change::Remove(fake.id("a'"))];
        assert_eq!(fake.apply(changes), "a':STOPPING a'<TERM");
        let changes = vec![Change::Remove(fake.id("a''")), fake.add(policy("a"))];
        assert_eq!(fake.apply(changes), "a'' gone");
        assert_eq!(fake.exit("a'", code(0)), "a':STOPPED a' gone a''':STARTING");
    }
}

#[test]
fn fatal_counts_when_the_kept_one_has_gone_too() {
    let general = General { exit_on: ExitOn::Fatal, ..General::default() };
    let never = |a: &mut Policy| {
        a.hot = true;
        a.autorestart = AutoRestart::Never;
        a.startretries = Some(0);
    };
    let mut fake = Fake::ruled(general, vec![with("a", never)]);
    fake.after(secs(2));
    let change = fake.replace("a", with("a", never));
    fake.feed(Input::Apply(general, vec![change]));
    fake.seen();
    assert_eq!(fake.exit("a'", code(3)), "a':BACKOFF a':FATAL", "somebody serves");
    assert_eq!(fake.exit("a", code(4)), "a:EXITED! ShuttingDown leave 4");
}

#[test]
fn a_kept_one_is_good_enough_for_its_dependents() {
    let mut fake = Fake::running(vec![hot("db")]);
    let hopeless = |db: &mut Policy| {
        db.hot = true;
        db.startretries = Some(0);
    };
    let change = fake.replace("db", with("db", hopeless));
    fake.apply(vec![change]);
    fake.exit("db'", code(1));
    fake.seen();
    let change = fake.add(with("web", |web| web.depends_on = on("db", Until::Ready)));
    assert_eq!(fake.apply(vec![change]), "web:STARTING");
}

#[test]
fn an_old_one_that_ends_while_the_new_one_starts() {
    let never = |a: &mut Policy| {
        a.hot = true;
        a.essential = true;
        a.autorestart = AutoRestart::Never;
        a.startretries = Some(0);
    };
    let mut fake = Fake::running(vec![with("a", never)]);
    let change = fake.replace("a", with("a", never));
    fake.apply(vec![change]);
    assert_eq!(fake.exit("a", code(4)), "a:EXITED!", "the new one may make it");
    assert_eq!(fake.exit("a'", code(5)), "a':BACKOFF a':FATAL ShuttingDown leave 5");
}

#[test]
fn dependencies_follow_a_replacement() {
    let web = with("web", |web| web.depends_on = on("db", Until::Ready));
    let mut fake = Fake::running(vec![policy("db")]);
    let changes = vec![fake.add(web), fake.replace("db", policy("db"))];
    assert_eq!(fake.apply(changes), "db:STOPPING db<TERM", "it waits for the new one");
    assert_eq!(fake.exit("db", code(0)), "db:STOPPED db gone db':STARTING");
    assert_eq!(fake.after(secs(2)), "db':RUNNING web:STARTING");
}

#[test]
fn a_rule_changes_without_a_process() {
    let mut fake = Fake::running(vec![with("a", |a| a.autorestart = AutoRestart::Never)]);
    let general = General { exit_on: ExitOn::Exit, ..General::default() };
    assert_eq!(fake.tell(Input::Apply(general, Vec::new())), "");
    assert_eq!(fake.exit("a", code(2)), "a:EXITED! ShuttingDown leave 2");
}

#[test]
fn nonsense_changes_nothing() {
    let mut fake = Fake::running(vec![policy("a"), policy("b")]);
    let twice = Arc::new(policy("x"));
    let changes = vec![
        Change::Add(ProcId(1), Arc::clone(&twice)),
        Change::Replace(ProcId(1), ProcId(2), Arc::clone(&twice)),
    ];
    assert_eq!(fake.apply(changes), "");
    fake.names.insert(ProcId(50), "new".into());
    assert_eq!(fake.apply(vec![Change::Replace(ProcId(77), ProcId(50), twice)]), "new:STARTING");
}
