//! Limits: requests, age, memory, time of a request.

use super::*;

fn limited(change: impl Fn(&mut Limits)) -> World {
    let mut policy = fixed(4);
    change(&mut policy.limits);
    World::serving(policy)
}

fn recycled(world: &World) -> Vec<&String> {
    world.lines.iter().filter(|line| line.contains("replacing it")).collect()
}

#[test]
fn requests_one_worker_at_a_time() {
    let mut world = limited(|limits| limits.max_requests = Some(100));
    for puppet in world.alive.values_mut() {
        puppet.requests = 100;
    }
    world.run_to(4000);
    assert_eq!(recycled(&world).len(), 4);
    let mut times: Vec<u64> =
        recycled(&world).iter().map(|it| it.split(' ').next().unwrap().parse().unwrap()).collect();
    times.dedup();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 100), "{times:?}");
    assert_eq!(world.signals(), []);
    assert_eq!((world.serving_now(), world.ids()), (4, vec![5, 6, 7, 8]));
}

#[test]
fn never_more_than_half_of_the_pool() {
    let mut world = limited(|limits| limits.max_requests = Some(10));
    for id in world.ids() {
        world.serve(id, 20_000);
        world.alive.get_mut(&id).unwrap().requests = 10;
    }
    world.run_to(10_000);
    let stages = world.machine.summary().members;
    let count = |stage| stages.iter().filter(|member| member.stage == stage).count();
    assert_eq!((count(Stage::Serving), count(Stage::Draining)), (4, 2));
    world.run_to(30_000);
    assert_eq!(world.serving_now(), 4);
}

#[test]
fn jitter_spreads_requests_and_ages() {
    let mut policy = fixed(8);
    policy.limits.max_requests = Some(100);
    policy.limits.max_requests_jitter = 100;
    policy.limits.max_lifetime = Some(secs(100));
    let world = World::serving(policy);
    let mut requests: Vec<u64> =
        world.machine.workers.values().filter_map(|it| it.max_requests).collect();
    let ages = world.machine.workers.values().filter_map(|it| it.old_at);
    assert!(requests.iter().all(|count| (100..=200).contains(count)));
    let ages: Vec<u64> = ages.map(|at| at.as_nanos() / 1_000_000_000).collect();
    assert!(ages.iter().all(|age| (90..=100).contains(age)), "{ages:?}");
    requests.sort_unstable();
    requests.dedup();
    assert!(requests.len() > 4, "{requests:?}");
}

#[test]
fn age_needs_no_looks() {
    let mut world = limited(|limits| limits.max_lifetime = Some(secs(1000)));
    world.run_to(890_000);
    assert_eq!(world.looks, 0);
    world.run_to(1_010_000);
    assert_eq!(recycled(&world).len(), 4);
    assert!(recycled(&world)[0].contains("has lived for"));
    assert_eq!(world.serving_now(), 4);
}

#[test]
fn memory_is_looked_at_now_and_then() {
    let mut world = limited(|limits| {
        limits.max_rss = Some(1000);
        limits.min_shared = Some(10);
    });
    for (id, puppet) in &mut world.alive {
        let shared = if *id == 2 { 9 } else { 0 };
        puppet.memory =
            Memory { rss: if *id == 1 { 1001 } else { 1000 }, shared, ..Memory::default() };
    }
    world.run_to(30_000);
    let looks = world.times(|deed| *deed == Action::Look(true));
    assert!(looks.windows(2).all(|pair| pair[1] - pair[0] >= 10_000), "{looks:?}");
    assert_eq!(recycled(&world).len(), 2, "nothing shared says nothing: {:?}", world.lines);
    assert_eq!(world.ids(), [3, 4, 5, 6]);
}

#[test]
fn a_request_that_takes_too_long() {
    let mut world = limited(|limits| {
        limits.request_timeout = Some(secs(10));
        limits.slow_after = Some(secs(3));
    });
    let deaf = world.alive.get_mut(&1).unwrap();
    deaf.nature.leaves_after = None;
    world.serve(1, u64::MAX);
    world.serve(2, 9_900);
    world.run_to(20_000);
    assert_eq!(world.times(|deed| *deed == Action::Slow(1)), [5000], "once, and in time");
    assert_eq!(world.times(|deed| *deed == Action::Slow(2)), [5000]);
    assert_eq!(world.signals(), [(12_000, 1, Signal::TERM)]);
    assert_eq!(world.times(|deed| *deed == Action::Kill(1)), [17_000]);
    assert_eq!(
        world.lines()[..4],
        [
            "12000 worker 101 is in a request for more than 10 secs, sending TERM",
            "12000 starting worker 105 (slot 4, generation 1)",
            "12004 worker 105 is ready",
            "17000 worker 101 is still in that request 5 secs later, sending KILL",
        ]
    );
    assert_eq!(world.serving_now(), 4);
}

#[test]
fn a_new_request_is_timed_anew() {
    let mut world = limited(|limits| limits.request_timeout = Some(secs(2)));
    for _ in 0..20 {
        world.serve(1, 1900);
        world.after(1901);
    }
    assert_eq!(world.signals(), []);
}
