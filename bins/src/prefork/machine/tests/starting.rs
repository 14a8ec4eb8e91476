//! Starts, proofs of life, and the brake.

use super::*;

fn crash(after: u64, raw: i32) -> Nature {
    Nature { dies_after: Some((ms(after), raw)), ..Nature::default() }
}

fn spawns(world: &World) -> Vec<u64> {
    world.times(|deed| matches!(deed, Action::Spawn(..)))
}

#[test]
fn a_pool_comes_up_and_stands_still() {
    let mut world = World::new(policy());
    world.feed(Input::Begin);
    world.run_to(10);
    assert_eq!(
        world.lines(),
        [
            "0 starting worker 101 (slot 0, generation 1)",
            "0 starting worker 102 (slot 1, generation 1)",
            "0 starting worker 103 (slot 2, generation 1)",
            "4 worker 101 is ready",
            "4 worker 102 is ready",
            "4 worker 103 is ready",
        ]
    );
    let ready = |deed: &Action| matches!(deed, Action::Notify(Notice::Ready(_)));
    assert_eq!(world.times(ready), [4], "once");
    world.run_to(2000);
    assert_eq!(world.machine.deadline(), None, "idle means no wake-up");
    assert_eq!(world.machine.id_of_slot(1), Some(2));
    assert_eq!(world.machine.id_of_slot(3), None);
}

#[test]
fn a_silent_worker_is_ready_after_a_while_and_a_speaking_one_when_it_says_so() {
    let mut world = World::new(fixed(2));
    let silent = Nature { up_after: None, ..Nature::default() };
    world.natures = [silent].into();
    world.feed(Input::Begin);
    world.run_to(5);
    world.feed(Input::Notified(2, false));
    world.run_to(1500);
    assert_eq!(world.lines().last().unwrap(), "1000 worker 101 is ready");
    let looks = world.times(|deed| matches!(deed, Action::Look(_)));
    assert_eq!(looks[..7], [2, 4, 8, 16, 32, 64, 100]);
    world.feed(Input::Notified(2, true));
    assert_eq!(world.lines(), ["1500 worker 102 is ready"]);
}

#[test]
fn a_worker_that_announces_itself_and_is_never_ready_is_replaced() {
    let mut policy = fixed(1);
    policy.conduct.start_timeout = secs(5);
    let mut world = World::new(policy);
    world.feed(Input::Begin);
    world.feed(Input::Notified(1, false));
    world.run_to(5100);
    assert_eq!(
        world.lines()[1..],
        [
            "5000 worker 101 announced itself but was not ready within 5 secs, stopping it",
            "5001 worker 101 left, status:0",
            "5010 starting worker 102 (slot 0, generation 1)",
            "5014 worker 102 is ready",
        ]
    );
}

#[test]
fn start_delay_is_between_the_first_starts() {
    let mut policy = policy();
    policy.conduct.start_delay = secs(1);
    let mut world = World::new(policy);
    world.feed(Input::Begin);
    world.run_to(5000);
    assert_eq!(spawns(&world), [0, 1000, 2000]);
    world.die(1, 9);
    assert_eq!(spawns(&world).last(), Some(&5000), "later ones come at once");
}

#[test]
fn respawn_intervals_are_kept_and_deaths_together_do_not_add_up() {
    let mut policy = policy();
    policy.conduct.respawn_interval = ms(200);
    let mut world = World::serving(policy.clone());
    for id in [1, 2, 3] {
        world.die(id, 0);
    }
    world.run_to(4000);
    assert_eq!(spawns(&world), [2000, 2200, 2400]);

    policy.conduct.respawn_interval = Duration::ZERO;
    policy.conduct.error_respawn_interval = secs(1);
    let mut world = World::serving(policy);
    for id in [1, 2, 3] {
        world.die(id, 256);
    }
    world.run_to(4000);
    assert_eq!(spawns(&world), [3000, 3000, 3000]);
    world.forget();
    world.die(world.ids()[0], 0);
    assert_eq!(spawns(&world), [4000], "success is replaced at once");
}

#[test]
fn twenty_deaths_at_once_are_twenty_new_workers() {
    let mut world = World::serving(fixed(20));
    for id in world.ids() {
        world.die(id, 9);
    }
    world.after(100);
    assert_eq!(world.serving_now(), 20);
    assert_eq!(world.lines().iter().filter(|line| line.contains("died with status:9")).count(), 20);
}

#[test]
fn crash_loops_are_braked_exit_0_included() {
    for raw in [0, 256, 11] {
        let mut world = World::new(fixed(4));
        world.natures = [crash(1, raw)].into();
        world.feed(Input::Begin);
        world.run_to(60_000);
        let times = spawns(&world);
        let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(times.len() < 40, "{times:?}");
        assert!(gaps.iter().all(|gap| *gap == 0 || *gap >= 10), "{gaps:?}");
        assert!(gaps.iter().all(|gap| *gap <= 30_001), "{gaps:?}");
        // What was wrong is mended: the whole pool is back within one pause and a second.
        world.natures = [Nature::default()].into();
        world.run_to(100_000);
        assert_eq!(world.serving_now(), 4);
    }
}

#[test]
fn a_quick_worker_that_has_served_is_no_failure() {
    let mut world = World::new(fixed(1));
    world.feed(Input::Begin);
    for round in 1..=50 {
        world.after(20);
        world.alive.get_mut(&round).unwrap().requests = 1;
        let view = world.view(false);
        world.feed(Input::Looked(view));
        world.die(round, 0);
    }
    assert_eq!(spawns(&world).len(), 51);
}

#[test]
fn young_deaths_together_are_one_failure() {
    let mut policy = fixed(8);
    policy.conduct.give_up = 5;
    let mut world = World::new(policy);
    world.natures = std::iter::repeat_n(crash(1, 256), 8).chain([Nature::default()]).collect();
    world.feed(Input::Begin);
    world.run_to(20);
    assert_eq!(spawns(&world)[8..], [11; 8], "all of them again, after one short pause");
    world.run_to(3000);
    assert_eq!((world.code(), world.serving_now()), (None, 8));
}

#[test]
fn giving_up() {
    let mut policy = fixed(2);
    policy.conduct.give_up = 5;
    let mut world = World::new(policy.clone());
    world.natures = [crash(1, 256)].into();
    world.feed(Input::Begin);
    world.run_to(60_000);
    assert_eq!(world.code(), Some(1));
    let lines = world.lines();
    assert!(lines.iter().any(|line| line.ends_with("giving up after 5 failures in a row")));
    assert!(lines.last().unwrap().ends_with("exiting"));

    let mut world = World::serving(policy);
    world.natures = [crash(1, 256)].into();
    world.die(1, 9);
    world.run_to(60_000);
    assert_eq!(world.code(), None, "the other one still serves");
}

#[test]
fn a_launcher_hears_of_a_failure_soon() {
    let mut policy = fixed(2);
    policy.launcher = true;
    let mut world = World::new(policy);
    world.natures = [crash(1, 256)].into();
    world.feed(Input::Begin);
    world.run_to(1000);
    assert_eq!(world.code(), Some(1));
    assert!(spawns(&world).len() <= 6);
}

#[test]
fn starts_that_the_system_refuses_are_tried_again() {
    let mut world = World::serving(policy());
    world.spawn_errors = std::iter::repeat_n(refused(true), 4).collect();
    world.die(2, 0);
    world.run_to(10_000);
    assert_eq!(
        world.lines().iter().filter(|line| line.contains("cannot start")).count(),
        1,
        "said once"
    );
    assert_eq!((world.serving_now(), spawns(&world).len()), (3, 5));
}

#[test]
fn a_program_that_cannot_be_executed_ends_the_first_start() {
    let mut world = World::new(policy());
    world.spawn_errors = std::iter::repeat_n(refused(false), 3).collect();
    world.feed(Input::Begin);
    assert_eq!(world.code(), Some(1));
    assert_eq!(
        world.lines(),
        [
            "0 cannot start a worker: no",
            "0 giving up after the first failure",
            "0 too many failures, sending TERM to all workers:none",
            "0 exiting"
        ]
    );
}

#[test]
fn an_end_that_overtakes_the_start() {
    let mut machine = Machine::new(fixed(1));
    let mut out = Vec::new();
    machine.step(at(0), Input::Begin, &mut out);
    assert!(matches!(out[..], [Action::Spawn(1, 0, 1)]));
    out.clear();
    machine.step(at(1), Input::Exited(1, Exit::from_raw(9), None), &mut out);
    machine.step(at(1), Input::Spawned(1, pid(1)), &mut out);
    assert!(out.contains(&Action::Kill(1)));
    out.clear();
    machine.step(at(11), Input::Deadline, &mut out);
    assert!(matches!(out[..], [Action::Spawn(2, 0, 1)]));
    machine.step(at(11), Input::Exited(77, Exit::from_raw(9), None), &mut out);
}
