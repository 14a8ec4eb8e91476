//! Reloads with releases of which nothing is seen, and with little room.

use super::*;

fn silent(dies_after: Option<(Duration, i32)>) -> Nature {
    Nature { up_after: None, dies_after, ..Nature::default() }
}

fn reloading(way: Reload) -> World {
    let mut policy = policy();
    policy.conduct.reload = way;
    World::serving(policy)
}

fn fewest(world: &mut World, until: u64) -> u32 {
    let mut fewest = world.serving_now();
    while world.millis() < until {
        world.after(1);
        fewest = fewest.min(world.serving_now());
    }
    fewest
}

fn told(world: &World) -> Vec<u64> {
    let old = |deed: &Action| matches!(deed, Action::Retire(1..=3));
    let mut times = world.times(old);
    times.dedup();
    times
}

#[test]
fn a_broken_release_that_dies_late_leaves_the_old_ones() {
    for way in [Reload::Rolling, Reload::Replace] {
        for (after, raw) in [(1500, 256), (2500, 256), (3000, 256), (3000, 0), (3900, 9)] {
            let mut world = reloading(way);
            world.natures = [silent(Some((ms(after), raw)))].into();
            world.feed(Input::Command(1, Command::Reload));
            world.run_to(40_000);
            let old = world.ids().into_iter().filter(|id| *id <= 3).count();
            assert!(old >= 2, "{way:?} {after}: {old}");
            assert!(world.reports[&1][0].is_err(), "{way:?} {after}");
            assert!(world.machine.reload.is_none());
        }
    }
}

#[test]
fn a_silent_release_takes_one_seat_at_a_time() {
    for way in [Reload::Rolling, Reload::Replace] {
        let mut world = reloading(way);
        world.natures = [silent(None)].into();
        world.feed(Input::Command(1, Command::Reload));
        assert_eq!(fewest(&mut world, 9000), 3, "{way:?}");
        assert_eq!(told(&world), [4000, 6000, 8000], "{way:?}");
        assert_eq!(world.reports[&1], [Ok("generation 2 serves".to_owned())]);
    }
}

#[test]
fn silence_is_no_proof_for_those_that_follow() {
    let mut world = reloading(Reload::Rolling);
    world.natures = [silent(None), silent(Some((ms(1), 256)))].into();
    world.feed(Input::Command(1, Command::Reload));
    world.run_to(5000);
    assert_eq!(world.ids(), [2, 3, 4], "given up with the first failure");
    assert!(world.reports[&1][0].is_err());
}

#[test]
fn replacing_with_little_room_never_serves_with_fewer() {
    for extra in [1, 2, 3, 4, 5] {
        for up in [3, 50] {
            let mut policy = fixed(5);
            policy.pool.max_workers = 5;
            policy.conduct.reload = Reload::Replace;
            policy.conduct.max_extra = extra;
            let mut world = World::serving(policy);
            world.natures = [Nature { up_after: Some(ms(up)), ..Nature::default() }].into();
            world.feed(Input::Command(1, Command::Reload));
            assert_eq!(fewest(&mut world, 4000), 5, "max-extra {extra}");
            assert_eq!(world.reports[&1], [Ok("generation 2 serves".to_owned())]);
            assert_eq!((world.ids(), world.spawned), ((6..=10).collect(), 10));
        }
    }
}

#[test]
fn a_stop_answers_those_who_wait_for_the_last_old_one() {
    let mut world = reloading(Reload::Rolling);
    world.serve(1, 30_000);
    world.feed(Input::Command(1, Command::Reload));
    world.run_to(3000);
    assert!(world.machine.reload.is_none() && world.reports.is_empty());
    world.signal(Signal::TERM);
    assert_eq!(world.reports[&1], [Err("the pool is stopping".to_owned())]);
    world.run_to(100_000);
    assert_eq!((world.code(), world.reports[&1].len()), (Some(0), 1));
}
