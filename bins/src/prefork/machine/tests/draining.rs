//! Lost signals, idle and busy workers, servers that drain themselves.

use super::*;

fn with(nature: Nature, policy: Policy) -> World {
    let mut world = World::new(policy);
    world.natures = [nature].into();
    world.feed(Input::Begin);
    world.run_to(2000);
    world.forget();
    world
}

#[test]
fn a_lost_signal_is_sent_again_in_no_time() {
    let mut world = with(Nature { deaf_once: true, ..Nature::default() }, policy());
    world.signal(Signal::TERM);
    world.run_to(2050);
    assert_eq!(world.code(), Some(0), "gone within 50 ms");
}

#[test]
fn nudges_come_quickly_at_first_and_slowly_later() {
    let mut world = with(Nature { leaves_after: None, ..Nature::default() }, fixed(1));
    world.signal(Signal::TERM);
    world.run_to(13_000);
    let nudges = world.times(|deed| *deed == Action::Nudge(1, Signal::TERM));
    let quick: Vec<u64> = (1..=30).map(|n| 2000 + n * 10).collect();
    assert_eq!(nudges[..30], quick);
    let later: Vec<u64> = (1..=250).map(|n| 2300 + n * 40).collect();
    assert_eq!(nudges[30..280], later);
    assert_eq!(nudges[280..], [12_550, 12_800]);
}

#[test]
fn fewer_workers_by_request_idle_ones_first() {
    let mut world = World::serving(policy());
    world.serve(1, 500);
    world.signal(Signal::TTOU);
    world.run_to(2100);
    assert_eq!(
        world.lines(),
        [
            "2000 received TTOU, the pool's size is 2 now",
            "2000 worker 102 is not needed any more",
            "2001 worker 102 left, status:0",
        ]
    );
    assert_eq!(world.signals(), [], "told by the host, and only because it was idle");
    world.signal(Signal::TTOU);
    world.signal(Signal::TTOU);
    assert!(world.lines().last().unwrap().contains("nothing changes"));
    world.run_to(3000);
    assert_eq!(world.ids(), [1], "its request was over by then");
    assert_eq!(world.machine.deadline(), None);
}

#[test]
fn nobody_who_serves_is_taken_away() {
    let mut world = World::serving(policy());
    for id in [1, 2, 3] {
        world.serve(id, 5000);
    }
    world.feed(Input::Command(1, Command::Remove(2)));
    assert_eq!(world.reports[&1], [Ok("1".to_owned())]);
    world.run_to(6900);
    assert_eq!(world.ids(), [1, 2, 3]);
    assert_eq!(world.signals(), []);
    world.run_to(7200);
    assert_eq!(world.ids().len(), 1);
}

#[test]
fn event_loops_are_led_out_like_all_others() {
    let nature = Nature { source: Source::Sockets, ..Nature::default() };
    let mut world = with(nature, policy());
    world.serve(1, 300);
    world.serve(2, 300);
    world.serve(3, 300);
    world.machine.policy.conduct.reload = Reload::Rolling;
    world.signal(Signal::HUP);
    world.run_to(3000);
    assert_eq!(world.signals(), [], "told by the host, when they were idle");
    assert!(world.times(|deed| matches!(deed, Action::Kill(_))).is_empty());
    assert_eq!(world.ids(), [4, 5, 6]);
}

#[test]
fn one_that_hides_is_signalled_after_a_second() {
    let hidden = Nature { up_after: None, ..Nature::default() };
    let mut policy = fixed(2);
    policy.limits.max_lifetime = Some(secs(10));
    let mut world = with(hidden, policy);
    world.run_to(14_000);
    let lines = world.lines();
    assert!(lines.iter().any(|line| line.contains("was not idle for 1 secs")), "{lines:?}");
    assert_eq!(world.serving_now(), 2);
}

#[test]
fn a_busy_worker_that_is_to_leave_gets_its_time() {
    let mut policy = fixed(2);
    policy.conduct.reload = Reload::Replace;
    policy.conduct.die_timeout = secs(5);
    let mut world = World::serving(policy);
    world.serve(1, u64::MAX);
    world.serve(2, 1000);
    world.feed(Input::Command(1, Command::Reload));
    world.run_to(6900);
    let left = |line: &String| line.ends_with("worker 102 left, status:0");
    assert!(world.lines.iter().any(left), "{:?}", world.lines);
    assert_eq!(world.signals(), [], "the other one is left alone");
    assert!(world.reports.is_empty());
    world.run_to(13_000);
    let lines = world.lines().join("\n");
    assert!(lines.contains("worker 101 was not idle for 5 secs, sending TERM all the same"));
    assert!(lines.contains("sending KILL to workers:101"), "{lines}");
    assert_eq!(world.reports[&1], [Ok("generation 2 serves".to_owned())]);
    let tries = world.times(|deed| *deed == Action::Retire(1));
    assert!(tries.len() > 100 && tries.len() < 140, "{}", tries.len());
}

#[test]
fn draining_workers_beyond_max_extra_take_seats() {
    let mut policy = fixed(4);
    policy.conduct.max_extra = 1;
    let mut world = with(Nature { leaves_after: Some(secs(3)), ..Nature::default() }, policy);
    world.signal(Signal::HUP);
    world.run_to(4000);
    assert_eq!(world.alive.len(), 5);
    assert_eq!(world.lines.iter().filter(|line| line.contains("max-extra")).count(), 1);
    world.run_to(6000);
    assert_eq!((world.alive.len(), world.serving_now()), (4, 4));
}
