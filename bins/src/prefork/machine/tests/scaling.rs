//! Pools whose size follows the load: what they ask of the host, and who is taken away.

use super::*;

fn on_demand() -> Policy {
    let mut policy = policy();
    policy.pool.size = Size::OnDemand;
    policy.pool.max_workers = 8;
    policy
}

#[test]
fn a_burst_is_met_at_once() {
    let mut world = World::serving(spare(1, 4, 40));
    assert_eq!(world.machine.deadline(), None, "an idle pool sleeps");
    assert!(world.machine.listening);
    world.serve(1, 1000);
    world.queue = Some(31);
    world.feed(Input::Arrived);
    assert_eq!(world.alive.len(), 33, "31 wait, and one more is spare");
    world.queue = Some(0);
    world.run_to(2010);
    for id in 2..=32 {
        world.serve(id, 1000);
    }
    world.run_to(60_000);
    let size = world.alive.len();
    assert!((1..=10).contains(&size), "it shrinks slowly: {size}");
    assert_eq!(world.signals(), []);
}

#[test]
fn max_workers_holds_it_back_and_that_is_said_once() {
    let mut world = World::serving(spare(2, 4, 5));
    world.queue = Some(100);
    world.feed(Input::Arrived);
    for id in world.ids() {
        world.alive.get_mut(&id).unwrap().nature.up_after = Some(Duration::ZERO);
        world.serve(id, 10_000);
    }
    world.run_to(8000);
    assert_eq!(world.alive.len(), 5);
    assert_eq!(world.lines.iter().filter(|line| line.contains("holds the pool back")).count(), 1);
    assert_eq!(world.machine.summary().held_back, 1);
}

#[test]
fn only_idle_ones_are_asked_to_leave() {
    let mut world = World::serving(spare(1, 2, 20));
    world.queue = Some(9);
    world.feed(Input::Arrived);
    world.queue = Some(0);
    world.run_to(2010);
    let busy = [1, 3, 5];
    for id in busy {
        world.serve(id, 200_000);
    }
    world.run_to(100_000);
    for id in busy {
        assert!(world.alive.contains_key(&id));
        assert!(world.times(|deed| *deed == Action::Retire(id)).is_empty());
    }
    assert_eq!(world.machine.summary().members.len(), 5, "the busy ones and two spare ones");
    assert!(world.lines.iter().any(|line| line.contains("is not needed any more")));
}

#[test]
fn a_refused_wish_ends_there() {
    let mut world = World::serving(spare(1, 1, 20));
    world.machine.step(at(2000), Input::Retired(1, false), &mut Vec::new());
    world.feed(Input::Retired(99, true));
    assert_eq!(world.machine.summary().members[0].stage, Stage::Serving);
}

#[test]
fn on_demand_starts_with_nobody_and_ends_with_nobody() {
    let mut world = World::new(on_demand());
    world.feed(Input::Begin);
    let ready = |deed: &Action| matches!(deed, Action::Notify(Notice::Ready(_)));
    assert_eq!((world.alive.len(), world.times(ready).len()), (0, 1));
    world.run_to(5000);
    assert_eq!(world.machine.deadline(), None);
    world.queue = Some(3);
    world.feed(Input::Arrived);
    assert_eq!(world.alive.len(), 3);
    world.queue = Some(0);
    world.run_to(5010);
    for id in world.ids() {
        world.serve(id, 500);
    }
    world.run_to(30_000);
    assert_eq!(world.alive.len(), 0);
    assert_eq!(world.machine.deadline(), None);
    assert!(world.machine.listening);
}

#[test]
fn a_dead_spare_is_replaced() {
    let mut world = World::serving(spare(3, 5, 20));
    for id in world.ids() {
        world.die(id, 11);
    }
    world.run_to(3000);
    assert!(world.serving_now() >= 3);
}

#[test]
fn a_reload_brings_the_starting_number_back() {
    let mut policy = spare(1, 3, 20);
    policy.pool.start_workers = 3;
    for way in [Reload::All, Reload::Rolling, Reload::Replace] {
        policy.conduct.reload = way;
        let mut world = World::serving(policy.clone());
        assert_eq!(world.serving_now(), 3);
        world.signal(Signal::HUP);
        world.run_to(3000);
        assert_eq!(world.serving_now(), 3, "{way:?}");
        assert!(world.machine.workers.values().all(|worker| worker.generation == 2));
    }
}

#[test]
fn growth_waits_for_its_interval() {
    let mut policy = spare(1, 10, 20);
    policy.conduct.respawn_interval = ms(50);
    let mut world = World::serving(policy);
    world.queue = Some(4);
    world.feed(Input::Arrived);
    world.run_to(2300);
    let times = world.times(|deed| matches!(deed, Action::Spawn(..)));
    assert!(times.len() >= 4 && times.windows(2).all(|pair| pair[1] - pair[0] >= 50), "{times:?}");
}
