//! `depends_on=`: who starts after whom, and who stops before.

use super::*;

fn needs(name: &str, of: &str, until: Until) -> Policy {
    with(name, |policy| policy.depends_on = on(of, until))
}

#[test]
fn ready_started_completed() {
    let once = with("job", |job| job.kind = Type::Oneshot);
    let mut fake = Fake::fresh(
        General::default(),
        vec![
            policy("db"),
            once,
            needs("web", "db", Until::Ready),
            needs("early", "db", Until::Started),
            needs("late", "job", Until::Completed),
            needs("also", "job", Until::Ready),
        ],
    );
    fake.held.insert(fake.id("db"));
    assert_eq!(fake.tell(Input::Begin), "Running db:STARTING job:STARTING");
    assert!(fake.view("web").waiting);
    fake.answer(fake.id("db"));
    assert_eq!(fake.seen(), "early:STARTING", "its process exists");
    assert_eq!(fake.after(secs(2)), "db:RUNNING job:RUNNING early:RUNNING web:STARTING");
    assert_eq!(fake.exit("job", code(0)), "job:EXITED also:STARTING late:STARTING");
    assert!(!fake.view("web").waiting);
}

#[test]
fn all_of_them_are_waited_for() {
    let both = with("web", |web| {
        web.depends_on = on("db", Until::Ready);
        web.depends_on.extend(on("cache:*", Until::Ready));
        web.depends_on.extend(on("nobody", Until::Ready));
    });
    let cache = |name: &str, startsecs| {
        with(name, |cache| {
            cache.group = "cache".into();
            cache.startsecs = secs(startsecs);
        })
    };
    let mut fake = Fake::begun(vec![both, policy("db"), cache("c1", 2), cache("c2", 3)]);
    assert_eq!(fake.seen(), "Running c1:STARTING c2:STARTING db:STARTING");
    assert_eq!(fake.after(millis(2500)), "db:RUNNING c1:RUNNING");
    assert_eq!(fake.after(secs(1)), "c2:RUNNING web:STARTING");
}

#[test]
fn a_process_of_a_group_by_its_full_name() {
    let grouped = |name: &str, group: &str| with(name, |one| one.group = group.into());
    let mut fake = Fake::fresh(
        General::default(),
        vec![grouped("x", "one"), grouped("x", "two"), needs("w", "two:x", Until::Started)],
    );
    fake.held.extend([ProcId(1), ProcId(2)]);
    fake.feed(Input::Begin);
    fake.seen();
    fake.answer(ProcId(1));
    assert_eq!(fake.seen(), "");
    fake.answer(ProcId(2));
    assert_eq!(fake.seen(), "w:STARTING");
}

#[test]
fn one_that_fails_leaves_its_dependents_waiting() {
    let once = with("job", |job| {
        job.kind = Type::Oneshot;
        job.startretries = Some(1);
    });
    let mut fake = Fake::begun(vec![once, needs("web", "job", Until::Completed)]);
    fake.level = Level::Warn;
    fake.exit("job", code(1));
    fake.after(secs(1));
    fake.seen();
    assert_eq!(
        fake.exit("job", code(1)),
        "job:BACKOFF \"exited: job (exit status 1; not expected)\" job:FATAL \
         \"not started: web depends on job, which is FATAL\""
    );
    assert_eq!(fake.after(secs(100)), "", "once");
    let view = fake.view("web");
    assert_eq!((view.state, view.waiting, view.by_hand), (State::Stopped, true, false));
    // When it comes right after all, the dependent goes.
    assert_eq!(fake.start("job"), Ok(()));
    assert_eq!(fake.seen(), "job:STARTING");
    assert_eq!(fake.exit("job", code(0)), "job:RUNNING job:EXITED web:STARTING");
}

/// All that hang on it are held, and whoever waits for them is told: once for each order.
#[test]
fn what_fails_holds_the_whole_chain() {
    let mut fake = Fake::begun(vec![
        with("db", |db| db.startretries = Some(0)),
        needs("api", "db", Until::Ready),
        needs("ui", "api", Until::Ready),
    ]);
    fake.level = Level::Warn;
    fake.seen();
    let held = |fake: &Fake| ["api", "ui"].map(|name| fake.view(name).held);
    assert_eq!(held(&fake), [false, false]);
    let fails = "db:BACKOFF \"exited: db (exit status 1; not expected)\" db:FATAL \
                 \"not started: api depends on db, which is FATAL\" \
                 \"not started: ui depends on api, which is STOPPED\"";
    assert_eq!(fake.exit("db", code(1)), fails);
    assert_eq!(held(&fake), [true, true]);
    assert_eq!(fake.start("ui"), Ok(()));
    assert_eq!(fake.seen(), "db:STARTING");
    assert_eq!(held(&fake), [false, false], "they only wait now");
    assert_eq!(fake.exit("db", code(1)), fails);
    assert_eq!(fake.start("db"), Ok(()));
    assert_eq!(held(&fake), [false, false]);
    fake.seen();
    let (silent, _) = fails.split_once(" \"not").unwrap();
    assert_eq!(fake.exit("db", code(1)), silent);
    assert_eq!(held(&fake), [true, true]);
    assert_eq!(fake.start("db"), Ok(()));
    assert_eq!(
        fake.after(secs(4)),
        "db:STARTING db:RUNNING api:STARTING api:RUNNING ui:STARTING ui:RUNNING"
    );
}

/// Somebody stops what is in between while the first still tries: the last hopes in vain.
#[test]
fn a_link_of_the_chain_is_stopped() {
    let mut fake = Fake::begun(vec![
        with("db", |db| db.startretries = Some(9)),
        needs("api", "db", Until::Ready),
        needs("ui", "api", Until::Ready),
    ]);
    fake.level = Level::Warn;
    fake.exit("db", code(1));
    assert!(!fake.view("ui").held);
    assert_eq!(fake.stop("api"), Ok(()));
    assert!(fake.seen().ends_with("\"not started: ui depends on api, which is STOPPED\""));
    assert!(fake.view("ui").held);
}

/// What is added while the first is tried again may hope as well.
#[test]
fn an_update_while_the_first_is_tried_again() {
    let db = with("db", |db| db.startretries = Some(0));
    let mut fake = Fake::begun(vec![db, needs("api", "db", Until::Ready)]);
    fake.exit("db", code(1));
    assert!(fake.view("api").held);
    assert_eq!(fake.start("db"), Ok(()));
    let change = fake.add(needs("ui", "api", Until::Ready));
    fake.apply(vec![change]);
    assert!(!fake.view("ui").held);
    assert_eq!(fake.after(secs(4)), "db:RUNNING api:STARTING api:RUNNING ui:STARTING ui:RUNNING");
}

/// It ends everything when what it waits for fails, also through others, and not before.
#[test]
fn an_essential_one_that_is_held() {
    let fresh = || {
        let essential = with("ui", |ui| {
            ui.essential = true;
            ui.depends_on = on("api", Until::Ready);
        });
        let db = with("db", |db| (db.autostart, db.startretries) = (false, Some(0)));
        Fake::begun(vec![db, needs("api", "db", Until::Ready), essential])
    };
    let mut fake = fresh();
    assert_eq!(fake.seen(), "Running", "it was never tried");
    assert!(fake.view("ui").held);
    assert_eq!(fake.start("db"), Ok(()));
    fake.seen();
    assert_eq!(fake.exit("db", code(7)), "db:BACKOFF db:FATAL ShuttingDown leave 7");
    // Somebody stops it by hand, and knows why.
    let mut fake = fresh();
    assert_eq!(fake.start("db"), Ok(()));
    assert_eq!(fake.stop("db"), Ok(()));
    fake.seen();
    assert_eq!(fake.exit("db", code(7)), "db:STOPPED");
    assert_eq!(fake.stop("api"), Ok(()));
    assert_eq!(fake.seen(), "");
}

/// While one of them serves, its new release that is held ends nothing.
#[test]
fn an_essential_one_that_serves_while_its_release_is_held() {
    let web = || {
        with("web", |web| {
            (web.hot, web.essential) = (true, true);
            web.depends_on = on("db", Until::Ready);
        })
    };
    let db = with("db", |db| (db.autorestart, db.startretries) = (AutoRestart::Always, Some(0)));
    let mut fake = Fake::running(vec![db, web()]);
    fake.after(secs(9));
    assert_eq!(fake.state("web"), State::Running);
    fake.exit("db", code(1));
    fake.exit("db", code(1));
    assert_eq!(fake.state("db"), State::Fatal);
    fake.seen();
    let change = fake.replace("web", web());
    assert_eq!(fake.apply(vec![change]), "");
    assert!(fake.view("web'").held);
}

/// The one that serves still counts when the one that is to replace it has failed.
#[test]
fn a_release_that_fails_holds_nobody() {
    let hot = || with("db", |db| (db.hot, db.startretries) = (true, Some(0)));
    let manual = Policy { autostart: false, ..needs("web", "db", Until::Ready) };
    let mut fake = Fake::running(vec![hot(), manual]);
    let change = fake.replace("db", hot());
    fake.apply(vec![change]);
    assert_eq!(fake.exit("db'", code(1)), "db':BACKOFF db':FATAL");
    assert_eq!(fake.exit("db", code(1)), "db:EXITED! db:STARTING");
    // The start tries the new one once more, and the old one is on its way.
    assert_eq!(fake.start("web"), Ok(()));
    assert_eq!(fake.seen(), "db':STARTING");
    assert_eq!(fake.exit("db'", code(1)), "db':BACKOFF db':FATAL");
    assert!(!fake.view("web").held);
    assert_eq!(fake.after(secs(2)), "db:RUNNING web:STARTING");
}

#[test]
fn an_unexpected_exit_leaves_them_waiting_too() {
    let db = with("db", |db| db.autorestart = AutoRestart::Never);
    let mut fake = Fake::begun(vec![db, needs("web", "db", Until::Completed)]);
    fake.after(secs(2));
    fake.seen();
    fake.level = Level::Warn;
    assert_eq!(
        fake.exit("db", code(1)),
        "db:EXITED! \"exited: db (exit status 1; not expected)\" \
         \"not started: web depends on db, which is EXITED\""
    );
}

#[test]
fn one_that_restarts_at_once_has_completed() {
    let db = with("db", |db| db.autorestart = AutoRestart::Always);
    let mut fake = Fake::begun(vec![db, needs("web", "db", Until::Completed)]);
    fake.after(secs(2));
    fake.seen();
    assert_eq!(fake.exit("db", code(0)), "db:EXITED db:STARTING web:STARTING");
}

#[test]
fn a_start_by_itself_pulls_nothing() {
    let db = with("db", |db| db.autostart = false);
    let mut fake = Fake::fresh(General::default(), vec![db, needs("web", "db", Until::Ready)]);
    fake.level = Level::Warn;
    assert_eq!(
        fake.tell(Input::Begin),
        "Running \"not started: web depends on db, which is STOPPED\""
    );
    assert_eq!(fake.start("db"), Ok(()));
    assert_eq!(fake.after(secs(2)), "db:STARTING db:RUNNING web:STARTING");
}

#[test]
fn an_order_starts_what_it_needs_first() {
    let manual = |policy: Policy| Policy { autostart: false, ..policy };
    let mut fake = Fake::begun(vec![
        manual(needs("top", "middle", Until::Ready)),
        manual(needs("middle", "bottom", Until::Ready)),
        manual(policy("bottom")),
        manual(policy("other")),
    ]);
    fake.seen();
    assert_eq!(fake.start("top"), Ok(()));
    assert_eq!(fake.seen(), "bottom:STARTING");
    assert!(fake.view("top").waiting && fake.view("middle").waiting);
    assert_eq!(
        fake.after(secs(4)),
        "bottom:RUNNING middle:STARTING middle:RUNNING top:STARTING top:RUNNING"
    );
    // One that is being stopped comes back for it.
    assert_eq!(fake.stop("top"), Ok(()));
    fake.exit("top", code(0));
    assert_eq!(fake.stop("middle"), Ok(()));
    fake.seen();
    assert_eq!(fake.start("top"), Ok(()));
    assert_eq!(fake.seen(), "");
    assert_eq!(fake.exit("middle", code(0)), "middle:STOPPED middle:STARTING");
    assert_eq!(fake.after(secs(2)), "middle:RUNNING top:STARTING");
}

#[test]
fn a_wait_can_be_given_up() {
    let mut fake = Fake::begun(vec![policy("db"), needs("web", "db", Until::Ready)]);
    fake.seen();
    assert_eq!(fake.stop("web"), Ok(()));
    assert_eq!(fake.stop("web"), Err(Refusal::NotRunning));
    assert_eq!(fake.after(secs(2)), "db:RUNNING");
    assert!(fake.view("web").by_hand);
}

#[test]
fn stopping_a_dependency_by_hand_leaves_its_dependents() {
    let mut fake = Fake::running(vec![
        with("db", |db| db.startsecs = millis(100)),
        needs("web", "db", Until::Ready),
    ]);
    assert_eq!(fake.stop("db"), Ok(()));
    assert_eq!(fake.exit("db", code(0)), "db:STOPPING db<TERM db:STOPPED");
    assert_eq!(fake.exit("web", code(1)), "web:EXITED! web:STARTING", "a restart does not wait");
}

#[test]
fn circles_do_not_hang() {
    let mut fake = Fake::begun(vec![
        needs("a", "b", Until::Ready),
        needs("b", "a", Until::Ready),
        needs("c", "c", Until::Ready),
    ]);
    assert_eq!(fake.seen(), "Running c:STARTING");
    assert_eq!(fake.start("a"), Ok(()));
    assert_eq!(fake.seen(), "");
    assert_eq!(fake.tell(Input::Shutdown(After::Leave(0))), "ShuttingDown c:STOPPING c<TERM");
    assert_eq!(fake.exit("c", code(0)), "c:STOPPED leave 0");
}

#[test]
fn dependents_stop_first_when_everything_stops() {
    let mut fake = Fake::running(vec![
        with("db", |db| db.startsecs = millis(100)),
        with("web", |web| {
            web.depends_on = on("db", Until::Ready);
            web.group_priority = 1;
            web.startsecs = millis(100);
        }),
        with("top", |top| {
            top.depends_on = on("web", Until::Ready);
            top.startsecs = millis(100);
        }),
        with("last", |last| last.group_priority = 0),
        policy("side"),
    ]);
    assert_eq!(
        fake.tell(Input::Shutdown(After::Leave(0))),
        "ShuttingDown top:STOPPING top<TERM side:STOPPING side<TERM",
        "what depends on a higher stage belongs to it"
    );
    assert_eq!(fake.exit("top", code(0)), "top:STOPPED web:STOPPING web<TERM");
    assert_eq!(fake.exit("web", code(0)), "web:STOPPED db:STOPPING db<TERM");
    assert_eq!(fake.exit("db", code(0)), "db:STOPPED");
    assert_eq!(fake.exit("side", code(0)), "side:STOPPED last:STOPPING last<TERM");
    assert_eq!(fake.exit("last", code(0)), "last:STOPPED leave 0");
}

#[test]
fn a_circle_that_runs_is_stopped_as_one() {
    let mut fake = Fake::running(vec![policy("a"), policy("x")]);
    let b = fake.add(needs("b", "a", Until::Ready));
    fake.apply(vec![b]);
    fake.after(secs(2));
    // The circle comes with a new configuration.
    let a = fake.replace("a", Policy { hot: true, ..needs("a", "b", Until::Ready) });
    fake.apply(vec![a]);
    fake.after(secs(2));
    fake.exit("a", code(0));
    assert_eq!((fake.state("a'"), fake.state("b")), (State::Running, State::Running));
    fake.seen();
    assert_eq!(fake.exit("x", code(0)), "x:EXITED");
    assert_eq!(
        fake.tell(Input::Shutdown(After::Leave(0))),
        "ShuttingDown b:STOPPING b<TERM a':STOPPING a'<TERM"
    );
    fake.exit("b", code(0));
    assert_eq!(fake.exit("a'", code(0)), "a':STOPPED leave 0");
}
