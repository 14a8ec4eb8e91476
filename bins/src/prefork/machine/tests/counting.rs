//! Failures that are one, and ends that are none but are not followed up in a tight loop.

use super::*;

fn serving_by(policy: Policy, errors: Vec<StartError>, millis: u64) -> World {
    let mut world = World::new(policy);
    world.spawn_errors = errors.into();
    world.feed(Input::Begin);
    world.run_to(millis);
    world
}

#[test]
fn starts_refused_together_are_one_refusal() {
    let mut world = World::new(fixed(32));
    world.spawn_errors = vec![refused(true); 32].into();
    world.feed(Input::Begin);
    assert_eq!(world.machine.refused, 1);
    world.run_to(500);
    assert_eq!((world.serving_now(), world.machine.refused), (32, 0));

    let mut policy = fixed(3);
    policy.launcher = true;
    let world = serving_by(policy.clone(), vec![refused(true); 3], 1000);
    assert_eq!((world.code(), world.serving_now()), (None, 3));
    let world = serving_by(policy, vec![refused(true); 99], 5000);
    assert_eq!(world.code(), Some(1), "and it gives up after a while");
}

#[test]
fn starts_that_fail_together_are_one_failure() {
    let mut policy = fixed(8);
    policy.conduct.give_up = 5;
    let mut world = World::serving(policy);
    world.spawn_errors = vec![refused(false); 8].into();
    world.signal(Signal::HUP);
    assert_eq!(world.machine.unproven, 1);
    world.run_to(3000);
    assert_eq!((world.code(), world.serving_now()), (None, 8));
    world.spawn_errors = vec![refused(false); 99].into();
    world.signal(Signal::HUP);
    world.run_to(30_000);
    assert_eq!(world.code(), Some(1));
}

#[test]
fn new_ones_refused_together_do_not_end_a_reload() {
    let mut policy = fixed(8);
    policy.conduct.reload = Reload::Replace;
    let mut world = World::serving(policy);
    world.spawn_errors = vec![refused(true); 8].into();
    world.feed(Input::Command(1, Command::Reload));
    world.run_to(4000);
    assert_eq!(world.reports[&1], [Ok("generation 2 serves".to_owned())]);
}

fn leaves(source: Source) -> Nature {
    Nature { up_after: Some(ms(1)), source, dies_after: Some((ms(3), 0)), ..Nature::default() }
}

#[test]
fn ends_with_success_are_a_hundred_a_second_for_each_seat() {
    let mut world = World::new(fixed(4));
    world.natures = [leaves(Source::Syscall)].into();
    world.feed(Input::Begin);
    world.run_to(1000);
    assert!((350..=404).contains(&world.spawned), "{}", world.spawned);
    assert_eq!(world.machine.young, 0);
    world.natures = [Nature::default()].into();
    world.run_to(1100);
    assert_eq!(world.serving_now(), 4);
}

#[test]
fn ends_of_which_it_is_known_that_nobody_was_served_are_braked() {
    let mut world = World::new(fixed(4));
    world.natures = [leaves(Source::Scoreboard)].into();
    world.feed(Input::Begin);
    world.run_to(20_000);
    assert!(world.spawned < 80, "{}", world.spawned);
    assert_eq!((world.machine.unproven, world.code()), (0, None));
    world.natures = [Nature::default()].into();
    world.run_to(23_000);
    assert_eq!((world.serving_now(), world.machine.young), (4, 0));
}
