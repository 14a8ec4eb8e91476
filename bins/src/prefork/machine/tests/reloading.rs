//! The three reloads: what is seen, what fails, what follows.

use super::*;

fn reloading(way: Reload) -> World {
    let mut policy = policy();
    policy.conduct.reload = way;
    World::serving(policy)
}

fn crash() -> Nature {
    Nature { dies_after: Some((ms(1), 256)), ..Nature::default() }
}

/// The fewest that served at once, looked at after every event.
fn fewest(world: &mut World, until: u64) -> u32 {
    let mut fewest = world.serving_now();
    while world.millis() < until {
        world.after(1);
        fewest = fewest.min(world.serving_now());
    }
    fewest
}

#[test]
fn all_at_once() {
    let mut world = reloading(Reload::All);
    world.feed(Input::Command(9, Command::Reload));
    assert!(world.reports.is_empty());
    world.run_to(2004);
    assert_eq!(
        world.lines(),
        [
            "2000 asked over the control socket, reloading (all)",
            "2000 starting worker 104 (slot 3, generation 2)",
            "2000 starting worker 105 (slot 4, generation 2)",
            "2000 starting worker 106 (slot 5, generation 2)",
            "2001 worker 101 left, status:0",
            "2001 worker 102 left, status:0",
            "2001 worker 103 left, status:0",
            "2004 worker 104 is ready",
            "2004 worker 105 is ready",
            "2004 worker 106 is ready",
            "2004 reloaded, generation 2 serves",
        ]
    );
    assert_eq!(world.reports[&9], [Ok("generation 2 serves".to_owned())]);
    assert!(!world.machine.summary().reloading);
    let notices: Vec<_> = world
        .deeds
        .iter()
        .filter_map(|(_, deed)| match deed {
            Action::Notify(Notice::Reloading(_)) => Some("reloading"),
            Action::Notify(Notice::Ready(_)) => Some("ready"),
            _ => None,
        })
        .collect();
    assert_eq!(notices, ["reloading", "ready"]);
}

#[test]
fn one_after_the_other_without_a_gap() {
    let mut world = reloading(Reload::Rolling);
    world.machine.policy.conduct.reload_interval = secs(1);
    world.signal(Signal::HUP);
    assert_eq!(fewest(&mut world, 6000), 3);
    assert_eq!(
        world.lines(),
        [
            "2000 received HUP, reloading (rolling)",
            "2000 starting worker 104 (slot 3, generation 2)",
            "2004 worker 104 is ready",
            "2005 worker 101 left, status:0",
            "3004 starting worker 105 (slot 0, generation 2)",
            "3008 worker 105 is ready",
            "3009 worker 102 left, status:0",
            "4008 starting worker 106 (slot 1, generation 2)",
            "4012 worker 106 is ready",
            "4012 reloaded, generation 2 serves",
            "4013 worker 103 left, status:0",
        ]
    );
    assert_eq!(world.signals(), [], "only idle ones were told");
}

#[test]
fn all_new_ones_first() {
    let mut world = reloading(Reload::Replace);
    world.serve(3, 100);
    world.feed(Input::Command(1, Command::Reload));
    assert_eq!(fewest(&mut world, 2300), 3);
    let lines = world.lines();
    assert_eq!(lines[7], "2004 reloaded, generation 2 serves");
    assert_eq!(lines[8], "2005 worker 101 left, status:0");
    assert!(lines[10].contains("worker 103 left, status:0"), "{lines:?}");
    assert_eq!(world.ids(), [4, 5, 6]);
    assert_eq!(world.reports[&1], [Ok("generation 2 serves".to_owned())]);
}

#[test]
fn the_first_new_one_fails_and_the_old_ones_stay() {
    for way in [Reload::Rolling, Reload::Replace] {
        let mut world = reloading(way);
        world.natures = [crash()].into();
        world.feed(Input::Command(1, Command::Reload));
        world.run_to(10_000);
        assert_eq!(world.ids(), [1, 2, 3], "{way:?}");
        let reason = "new worker 104 (generation 2) died, exit code 1";
        assert_eq!(world.reports[&1], [Err(reason.to_owned())]);
        assert!(!world.machine.summary().reloading);
        world.natures = [Nature::default()].into();
        world.signal(Signal::HUP);
        world.run_to(11_000);
        assert!(world.machine.workers.values().all(|worker| worker.generation == 3));
    }
}

#[test]
fn a_new_one_that_announces_itself_and_hangs_ends_the_reload() {
    let mut world = reloading(Reload::Rolling);
    world.feed(Input::Command(1, Command::Reload));
    world.feed(Input::Notified(4, false));
    world.run_to(63_000);
    assert_eq!(world.reports[&1], [Err("new worker 104 was not ready in time".to_owned())]);
    assert_eq!(world.ids(), [1, 2, 3]);
}

#[test]
fn a_later_failure_is_tried_again_and_then_the_rest_stays() {
    let mut world = reloading(Reload::Rolling);
    world.natures = [Nature::default(), crash(), crash(), Nature::default()].into();
    world.feed(Input::Command(1, Command::Reload));
    world.run_to(5000);
    assert_eq!(world.reports[&1], [Ok("generation 2 serves".to_owned())]);

    let mut world = reloading(Reload::Rolling);
    world.natures = [Nature::default(), crash()].into();
    world.feed(Input::Command(1, Command::Reload));
    world.run_to(5000);
    assert!(world.reports[&1][0].is_err());
    assert_eq!((world.spawned, world.ids()), (7, vec![2, 3, 4]));
}

#[test]
fn signals_during_a_reload_become_one_more() {
    for way in [Reload::All, Reload::Rolling, Reload::Replace] {
        let mut world = reloading(way);
        world.signal(Signal::HUP);
        world.signal(Signal::HUP);
        world.feed(Input::Changed);
        world.feed(Input::Command(5, Command::Reload));
        world.run_to(5000);
        assert_eq!(world.machine.summary().generation, 3, "{way:?}");
        let lines = world.lines();
        assert_eq!(lines.iter().filter(|line| line.contains("one more will follow")).count(), 1);
        assert_eq!(world.reports[&5], [Ok("generation 3 serves".to_owned())]);
        assert!(world.machine.workers.values().all(|worker| worker.generation == 3));
    }
}

#[test]
fn a_reload_mends_a_pool_whose_workers_do_not_come_up() {
    let mut world = World::new(policy());
    world.natures = [crash()].into();
    world.feed(Input::Begin);
    world.run_to(20_000);
    world.natures = [Nature::default()].into();
    world.signal(Signal::HUP);
    world.run_to(20_100);
    assert_eq!(world.serving_now(), 3, "without the pause");
    world.natures = [crash()].into();
    world.signal(Signal::HUP);
    world.run_to(40_000);
    assert_eq!(world.serving_now(), 0);
    world.natures = [Nature::default()].into();
    world.signal(Signal::HUP);
    world.run_to(40_100);
    assert_eq!(world.serving_now(), 3, "also in the middle of a reload");
}

#[test]
fn nobody_to_reload() {
    for way in [Reload::All, Reload::Rolling, Reload::Replace] {
        let mut policy = policy();
        policy.conduct.reload = way;
        policy.pool.size = Size::OnDemand;
        let mut world = World::serving(policy);
        world.feed(Input::Command(1, Command::Reload));
        assert_eq!(world.reports[&1], [Ok("generation 2 serves".to_owned())]);
        assert_eq!(world.spawned, 0);
    }
}

#[test]
fn no_room_beside_the_old_ones() {
    for (way, extra, ok) in [
        (Reload::Rolling, 0, false),
        (Reload::Replace, 0, false),
        (Reload::Rolling, 1, true),
        (Reload::Replace, 1, true),
        (Reload::All, 0, true),
    ] {
        let mut policy = policy();
        policy.conduct.reload = way;
        policy.conduct.max_extra = extra;
        policy.pool.max_workers = 3;
        let mut world = World::serving(policy);
        world.feed(Input::Command(1, Command::Reload));
        world.run_to(4000);
        assert_eq!(world.reports[&1][0].is_ok(), ok, "{way:?} {extra}");
        assert_eq!(world.serving_now(), 3);
    }
}

#[test]
fn an_old_one_that_dies_meanwhile_leaves_its_seat_to_a_new_one() {
    for way in [Reload::Rolling, Reload::Replace] {
        let mut world = reloading(way);
        world.signal(Signal::HUP);
        world.die(2, 9);
        world.run_to(4000);
        assert_eq!(world.serving_now(), 3, "{way:?}");
        assert!(world.machine.workers.values().all(|worker| worker.generation == 2));
        assert_eq!((world.alive.len(), world.spawned), (3, 6), "nobody is made in vain");
    }
}

#[test]
fn a_stop_answers_those_who_wait_for_a_reload() {
    let mut world = reloading(Reload::Rolling);
    world.feed(Input::Command(1, Command::Reload));
    world.feed(Input::Command(2, Command::Reload));
    world.signal(Signal::TERM);
    for client in [1, 2] {
        assert_eq!(world.reports[&client], [Err("the pool is stopping".to_owned())]);
    }
    world.run_to(3000);
    assert_eq!(world.code(), Some(0));
}
