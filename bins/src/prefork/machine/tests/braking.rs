//! Which deaths are failures, and what they cost.

use super::*;

const HIDDEN: Nature = Nature {
    up_after: None,
    source: Source::Syscall,
    leaves_after: Some(Duration::from_millis(1)),
    dies_after: None,
    deaf_once: false,
};

fn leaves(up: u64, after: u64, raw: i32) -> Nature {
    Nature { up_after: Some(ms(up)), dies_after: Some((ms(after), raw)), ..HIDDEN }
}

fn spawns(world: &World) -> Vec<u64> {
    world.times(|deed| matches!(deed, Action::Spawn(..)))
}

fn longest_gap(world: &World) -> u64 {
    spawns(world).windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
}

/// What a worker does before its end.
#[derive(Copy, Clone, Debug, PartialEq)]
enum Life {
    /// Nothing that anybody sees.
    Hidden,
    /// It is seen in accept.
    Shown,
    /// It says READY=1.
    Said,
    /// It says something else, then it is seen in accept.
    Spoke,
    /// Somebody here signals it.
    Signalled,
}

#[test]
fn what_counts_as_a_failure() {
    use Life::*;
    let none = (0, 0);
    let proven = (1, 0);
    let unproven = (1, 1);
    for (life, lived, raw, requests, failures) in [
        (Hidden, 50, 0, None, unproven),
        (Hidden, 50, 256, None, unproven),
        // Ready by its silence alone.
        (Hidden, 1500, 0, None, unproven),
        (Hidden, 1500, 256, None, unproven),
        (Said, 50, 0, None, proven),
        (Said, 50, 256, None, proven),
        (Said, 1500, 256, None, none),
        (Shown, 50, 0, None, none),
        (Shown, 50, 256, None, proven),
        (Shown, 50, 11, None, proven),
        (Shown, 50, 11, Some(0), proven),
        (Shown, 50, 11, Some(1), none),
        (Shown, 999, 9, None, proven),
        (Shown, 1001, 9, None, none),
        (Hidden, 50, 0, Some(0), proven),
        (Hidden, 50, 256, Some(0), proven),
        (Hidden, 50, 256, Some(3), none),
        (Spoke, 50, 0, None, unproven),
        (Spoke, 50, 0, Some(0), unproven),
        (Spoke, 50, 0, Some(1), none),
        (Spoke, 50, 256, Some(1), none),
        (Signalled, 50, 15, None, none),
    ] {
        let mut world = World::new(fixed(1));
        let seen = matches!(life, Shown | Spoke);
        world.natures = [Nature { up_after: seen.then(|| ms(3)), ..HIDDEN }].into();
        world.feed(Input::Begin);
        match life {
            Said => world.feed(Input::Notified(1, true)),
            Spoke => world.feed(Input::Notified(1, false)),
            Signalled => world.feed(Input::Command(1, Command::Signal(Signal::USR2))),
            Hidden | Shown => {}
        }
        world.run_to(10);
        let view = world.view(false);
        world.feed(Input::Looked(view));
        world.run_to(lived);
        world.feed(Input::Exited(1, Exit::from_raw(raw), requests));
        let counted = (world.machine.young, world.machine.unproven);
        assert_eq!(counted, failures, "{life:?}, {lived} ms, {raw}, {requests:?}");
        world.after(20);
        assert_eq!(world.spawned, 2, "one is free");
    }
}

#[test]
fn late_words_and_early_ends_are_evidence() {
    let mut world = World::new(fixed(1));
    world.natures = [HIDDEN].into();
    world.feed(Input::Begin);
    world.run_to(1100);
    world.feed(Input::Notified(1, true));
    world.die(1, 0);
    assert_eq!(world.machine.young, 0, "ready by its silence, then by its word");

    for (raw, requests, young) in [
        (0, None, 1),
        (0, Some(0), 1),
        (0, Some(1), 0),
        (9, Some(0), 1),
        (9, Some(1), 0),
        (9, None, 1),
    ] {
        let mut machine = Machine::new(fixed(1));
        let mut out = Vec::new();
        machine.step(at(0), Input::Begin, &mut out);
        machine.step(at(1), Input::Exited(1, Exit::from_raw(raw), requests), &mut out);
        assert_eq!(machine.young, young, "{raw} {requests:?}");
    }
}

#[test]
fn a_served_request_in_the_slot_makes_it_ready() {
    let mut world = World::new(fixed(1));
    world.natures = [HIDDEN].into();
    world.feed(Input::Begin);
    world.run_to(1);
    world.feed(Input::Exited(1, Exit::from_raw(0), Some(1)));
    assert_eq!(
        world.lines()[1..],
        [
            "1 worker 101 is ready",
            "1 worker 101 left, status:0",
            "1 starting worker 102 (slot 0, generation 1)",
        ]
    );
    assert!(world.machine.announced);
}

#[test]
fn workers_that_leave_with_success_are_replaced_at_once() {
    // Twenty requests of 2 ms each; the second kind needs longer than ready-after to come up.
    for (up, after) in [(3, 43), (1200, 1500)] {
        let mut world = World::new(fixed(4));
        world.natures = [leaves(up, after, 0)].into();
        world.feed(Input::Begin);
        world.run_to(6000);
        let full = 4 * 6000 / after;
        assert!(world.spawned >= full - 4, "{} of {full}", world.spawned);
        assert_eq!(world.machine.young, 0);
    }
}

#[test]
fn one_that_came_up_and_left_with_success_ends_the_row() {
    let mut world = World::new(fixed(4));
    world.natures = [leaves(100, 1, 256)].into();
    world.feed(Input::Begin);
    world.run_to(2000);
    assert!(world.machine.young > 3);
    world.natures = [leaves(3, 43, 0)].into();
    world.run_to(5000);
    let before = world.spawned;
    world.run_to(6000);
    assert!(world.spawned - before > 80, "all four again: {}", world.spawned - before);
}

#[test]
fn workers_that_had_come_up_cost_a_second_at_most() {
    let mut policy = fixed(4);
    policy.conduct.give_up = 5;
    let mut world = World::new(policy.clone());
    world.natures = [leaves(3, 6, 11)].into();
    world.feed(Input::Begin);
    world.run_to(60_000);
    assert_eq!(world.code(), None, "it does not give up");
    assert!(longest_gap(&world) <= 1010, "{:?}", spawns(&world));
    assert!(world.spawned < 150, "and it is braked: {}", world.spawned);
    assert_eq!(world.machine.unproven, 0);

    // Most of them are not seen before they die.
    policy.conduct.give_up = 0;
    let mut world = World::new(policy);
    world.natures = [HIDDEN].into();
    world.feed(Input::Begin);
    for round in 0..200_u64 {
        world.after(1);
        for id in world.ids() {
            let requests = (round % 3 == 0).then_some(0);
            world.feed(Input::Exited(id, Exit::from_raw(11), requests));
        }
        while world.alive.is_empty() {
            world.after(1);
        }
    }
    assert!(longest_gap(&world) <= 1010, "{:?}", spawns(&world));

    let mut policy = fixed(4);
    policy.conduct.backoff_max = ms(200);
    let mut world = World::new(policy);
    world.natures = [leaves(3, 6, 11)].into();
    world.feed(Input::Begin);
    world.run_to(10_000);
    assert!(longest_gap(&world) <= 210, "a shorter limit holds for all");
}

#[test]
fn a_slow_start_that_fails_is_braked() {
    let mut policy = fixed(2);
    policy.conduct.give_up = 5;
    let mut world = World::new(policy.clone());
    world.natures = [Nature { dies_after: Some((ms(1500), 256)), ..HIDDEN }].into();
    world.feed(Input::Begin);
    world.run_to(60_000);
    assert_eq!(world.code(), Some(1), "silence is no evidence");

    // Nobody ever sees what they do, but they live.
    policy.conduct.give_up = 0;
    let mut world = World::new(policy);
    world.natures = [Nature { dies_after: Some((ms(1), 256)), ..HIDDEN }].into();
    world.feed(Input::Begin);
    world.run_to(5000);
    world.natures = [HIDDEN].into();
    world.run_to(30_000);
    assert_eq!((world.serving_now(), world.machine.young), (2, 0));
    assert_eq!(world.machine.deadline(), None, "looks end");
}

#[test]
fn a_new_worker_that_leaves_with_success_does_not_end_a_reload() {
    let mut policy = fixed(2);
    policy.conduct.reload = Reload::Replace;
    let mut world = World::serving(policy);
    world.natures = [leaves(3, 20, 0), Nature { up_after: Some(ms(50)), ..HIDDEN }].into();
    world.feed(Input::Command(1, Command::Reload));
    world.run_to(3000);
    assert_eq!(world.reports[&1], [Ok("generation 2 serves".to_owned())]);
    assert_eq!((world.serving_now(), world.spawned), (2, 5));
    assert!(world.machine.workers.values().all(|worker| worker.generation == 2));
}

#[test]
fn one_that_comes_and_goes_between_two_looks_counts_in_a_reload() {
    for way in [Reload::Rolling, Reload::Replace] {
        let mut policy = fixed(2);
        policy.conduct.reload = way;
        let mut world = World::serving(policy);
        world.natures = [HIDDEN].into();
        world.feed(Input::Command(1, Command::Reload));
        // Each serves one request before anybody looks.
        while world.machine.reload.is_some() {
            assert!(world.spawned < 12, "it goes on for ever");
            let id = *world.alive.keys().last().unwrap();
            world.feed(Input::Exited(id, Exit::from_raw(0), Some(1)));
            world.after(1);
        }
        world.natures = [Nature::default()].into();
        world.run_to(6000);
        assert_eq!(world.reports[&1], [Ok("generation 2 serves".to_owned())], "{way:?}");
        assert_eq!(world.serving_now(), 2);
    }
}

/// Two workers, of which the second has spoken without READY=1 and is seen at work.
fn with_busy_starter(policy: Policy) -> World {
    let mut world = World::new(policy);
    world.feed(Input::Begin);
    world.feed(Input::Notified(2, false));
    world.run_to(100);
    world.serve(2, 900);
    world
}

#[test]
fn one_that_serves_before_it_is_ready_is_left_alone() {
    let mut world = with_busy_starter(fixed(2));
    world.serve(1, 500);
    world.signal(Signal::TTOU);
    world.run_to(550);
    assert_eq!((world.signals(), world.ids()), (vec![], vec![1, 2]));
    world.run_to(2000);
    assert_eq!((world.signals(), world.ids()), (vec![], vec![2]), "the one that was idle first");

    // It leaves as others do, when it is idle.
    let mut world = with_busy_starter(fixed(2));
    world.serve(1, 5000);
    world.signal(Signal::TTOU);
    world.run_to(3000);
    assert_eq!((world.signals(), world.ids()), (vec![], vec![1]));
    assert!(!world.times(|deed| *deed == Action::Retire(2)).is_empty());
}

#[test]
fn a_reload_waits_for_one_that_serves_before_it_is_ready() {
    for way in [Reload::Rolling, Reload::Replace] {
        let mut policy = fixed(2);
        policy.conduct.reload = way;
        let mut world = with_busy_starter(policy);
        let view = world.view(false);
        world.feed(Input::Looked(view));
        world.signal(Signal::HUP);
        world.run_to(900);
        assert!(world.alive.contains_key(&2) && !world.alive.contains_key(&1), "{way:?}");
        world.run_to(3000);
        assert_eq!((world.signals(), world.ids()), (vec![], vec![3, 4]), "{way:?}");
    }
}

#[test]
fn one_that_has_never_shown_itself_is_told_at_once() {
    let mut world = World::new(fixed(2));
    world.natures = [Nature::default(), HIDDEN].into();
    world.feed(Input::Begin);
    world.run_to(100);
    world.signal(Signal::TTOU);
    assert_eq!(world.signals(), [(100, 2, Signal::TERM)]);
}
