//! The end: signals, limits, the command before it, and the exit code.

use super::*;

fn stubborn() -> Nature {
    Nature { leaves_after: None, ..Nature::default() }
}

fn with(nature: Nature, policy: Policy) -> World {
    let mut world = World::new(policy);
    world.natures = [nature].into();
    world.feed(Input::Begin);
    world.run_to(2000);
    world.forget();
    world
}

#[test]
fn term_and_int_end_the_pool() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let mut world = World::serving(policy());
        world.signal(signal);
        world.run_to(2100);
        let first = format!("2000 received {signal}, sending TERM to all workers:101,102,103");
        assert_eq!(
            world.lines(),
            [
                first.as_str(),
                "2001 worker 101 left, status:0",
                "2001 worker 102 left, status:0",
                "2001 worker 103 left, status:0",
                "2001 exiting",
            ]
        );
        assert_eq!(world.code(), Some(0));
        assert_eq!(world.machine.deadline(), None);
    }
}

#[test]
fn a_stuck_worker_is_killed_at_the_die_timeout() {
    let mut world = with(stubborn(), policy());
    world.signal(Signal::TERM);
    world.signal(Signal::HUP);
    world.run_to(70_000);
    assert_eq!(
        world.lines()[1..],
        [
            "2000 received HUP while stopping, ignored",
            "62000 not left within 60 secs after their signal, sending KILL to \
             workers:101,102,103",
            "62000 worker 101 left, status:9",
            "62000 worker 102 left, status:9",
            "62000 worker 103 left, status:9",
            "62000 exiting",
        ]
    );
    assert_eq!(world.code(), Some(1));
}

#[test]
fn the_second_term_kills_and_quit_waits() {
    let mut world = with(stubborn(), policy());
    world.signal(Signal::QUIT);
    world.run_to(200_000);
    assert_eq!(world.code(), None, "QUIT has no limit");
    world.signal(Signal::QUIT);
    world.signal(Signal::TERM);
    world.run_to(210_000);
    assert_eq!(world.code(), None, "the first TERM has its time");
    world.signal(Signal::INT);
    world.run_to(210_001);
    assert_eq!(world.code(), Some(1));
    assert!(world.lines().contains(
        &"210000 received INT again, sending KILL to all workers:101,102,103".to_owned()
    ));
}

#[test]
fn term_is_served_in_every_state() {
    let mut fresh = World::new(policy());
    fresh.signal(Signal::TERM);
    assert_eq!((fresh.code(), fresh.lines()), (Some(0), vec!["0 exiting".to_owned()]));

    let mut starting = World::new(policy());
    starting.feed(Input::Begin);
    starting.signal(Signal::TERM);
    starting.run_to(10);
    assert_eq!(starting.code(), Some(0));

    let mut braked = World::new(fixed(1));
    braked.natures = [Nature { dies_after: Some((ms(1), 256)), ..Nature::default() }].into();
    braked.feed(Input::Begin);
    braked.run_to(3000);
    braked.signal(Signal::TERM);
    braked.run_to(3005);
    assert_eq!(braked.code(), Some(0));
}

#[test]
fn the_command_before_the_shutdown_is_waited_for() {
    let mut policy = policy();
    policy.before_shutdown = true;
    let mut world = World::serving(policy.clone());
    world.signal(Signal::TERM);
    world.run_to(5000);
    assert_eq!(world.times(|deed| *deed == Action::Prepare), [2000]);
    assert_eq!(world.signals(), [], "they serve meanwhile");
    world.die(1, 0);
    assert_eq!(world.ids(), [2, 3], "nobody is started any more");
    world.feed(Input::Prepared);
    world.run_to(5100);
    assert_eq!(world.code(), Some(0));

    let mut world = World::serving(policy.clone());
    world.signal(Signal::TERM);
    world.run_to(62_100);
    assert_eq!(world.code(), Some(0), "it is not waited for without end");

    let mut world = World::serving(policy);
    world.signal(Signal::TERM);
    world.signal(Signal::TERM);
    world.run_to(2010);
    assert_eq!(world.code(), Some(1), "impatience is served in this state, too");
}

#[test]
fn a_worker_that_is_being_started_is_stopped_when_it_is_there() {
    let mut machine = Machine::new(fixed(1));
    let mut out = Vec::new();
    machine.step(at(0), Input::Begin, &mut out);
    machine.step(at(1), Input::Signal(Signal::TERM), &mut out);
    assert_eq!(machine.outcome(), None);
    out.clear();
    machine.step(at(2), Input::Spawned(1, pid(1)), &mut out);
    assert!(out.contains(&Action::Signal(1, Signal::TERM)));
    machine.step(at(3), Input::Exited(1, Exit::from_raw(15), None), &mut out);
    assert_eq!(machine.outcome(), Some(Outcome { code: 0 }));
}

#[test]
fn a_stop_by_command_is_answered_at_once_and_does_not_kill_when_repeated() {
    let mut world = with(stubborn(), policy());
    world.feed(Input::Command(1, Command::Stop));
    world.feed(Input::Command(2, Command::Stop));
    world.feed(Input::Command(3, Command::Add(1)));
    assert_eq!(world.reports[&1], [Ok("stopping".to_owned())]);
    assert_eq!(world.reports[&2], [Ok("stopping".to_owned())]);
    assert!(world.reports[&3][0].is_err());
    world.run_to(3000);
    world.signal(Signal::TERM);
    world.run_to(4000);
    assert_eq!(world.alive.len(), 3, "nor does the first signal after it");
    world.signal(Signal::TERM);
    world.run_to(4001);
    assert_eq!(world.code(), Some(1));
}
