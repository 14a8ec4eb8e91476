//! The pool's size under loads of known shape. `cargo test curves -- --nocapture` prints the curves.

use super::simulation::{Sight, Simulation};
use super::*;

const SECOND: u64 = 1_000_000;

fn print(text: &str) {
    println!("{text}");
}

#[test]
fn a_burst_of_32_on_one_spare_is_served_within_40_ms_and_does_not_flap() {
    // All at once; one each 50 microseconds; in two halves.
    for (gap, batch) in [(0, 32), (50, 1), (8_000, 16)] {
        let mut pool = Simulation::new(spare(1, 5), Sight::All);
        let start = pool.now;
        for _ in 0..32 / batch {
            pool.requests(batch, SECOND);
            pool.run(gap);
        }
        pool.run(40_000 - gap * u64::from(32 / batch));
        assert_eq!((pool.served, pool.waiting()), (32, 0), "gap {gap}");
        assert!(pool.slowest < 20_000, "{} us", pool.slowest);
        assert_eq!((pool.size(), pool.idle()), (33, 1));
        print(&pool.curve("burst of 32", start, 2_000));
        pool.run(60 * SECOND);
        print(&pool.curve("after the burst", start, SECOND));
        assert_eq!((pool.grown, pool.shrunk), (33, 28), "each comes once and leaves once");
        assert_eq!(pool.size(), 5);
        assert!(pool.turns() <= 1, "{:?}", pool.sizes);
        assert_eq!((pool.next(), pool.listens()), (None, true), "it rests");
        assert!(pool.looks < 150, "{}", pool.looks);
    }
}

#[test]
fn a_burst_that_only_idle_counts_show_is_served_too() {
    let mut pool = Simulation::new(spare(2, 6), Sight::NoQueue);
    let start = pool.now;
    pool.requests(32, SECOND);
    pool.run(400_000);
    print(&pool.curve("burst of 32, queue unknown", start, 20_000));
    assert_eq!((pool.served, pool.waiting()), (32, 0));
    assert!(pool.slowest < 300_000, "{} us", pool.slowest);
    pool.run(60 * SECOND);
    assert!(pool.turns() <= 1, "{:?}", pool.sizes);
    assert_eq!(pool.size(), 6);
}

#[test]
fn a_pool_of_which_only_the_queue_is_seen_follows_it() {
    let mut pool = Simulation::new(spare(2, 6), Sight::NoWorker);
    pool.run(10 * SECOND);
    assert_eq!(pool.size(), 2, "it does not grow although nobody is seen to be idle");
    pool.requests(32, SECOND);
    pool.run(40_000);
    assert_eq!((pool.served, pool.waiting()), (32, 0));
    pool.run(60 * SECOND);
    assert!((32..=34).contains(&pool.size()), "nobody can be known to be idle: {}", pool.size());
}

#[test]
fn a_wave_is_followed_without_a_queue() {
    let mut pool = Simulation::new(spare(4, 10), Sight::All);
    let start = pool.now;
    let mut random = fastrand::Rng::with_seed(1);
    // 5 to 105 requests a second, each of 200 ms, over 60 s.
    for step in 0..60_000_u32 {
        let wave = (f64::from(step) / 60_000.0 * std::f64::consts::TAU).cos();
        if random.f64() < (55.0 - 50.0 * wave) / 1000.0 {
            pool.requests(1, SECOND / 5);
        }
        pool.run(1_000);
    }
    pool.run(40 * SECOND);
    print(&pool.curve("a wave of one minute", start, 2 * SECOND));
    assert!(pool.slowest < 10_000, "{} us", pool.slowest);
    let most = pool.sizes.iter().map(|(_, size)| *size).max().unwrap();
    assert!((25..=45).contains(&most), "{most}");
    assert!(pool.size() <= 10);
    assert!(pool.turns() <= 12, "{} {:?}", pool.turns(), pool.sizes);
    assert!(pool.looks < 200 * 60, "{}", pool.looks);
}

#[test]
fn a_sawtooth_teaches_patience() {
    let mut pool = Simulation::new(spare(1, 3), Sight::All);
    let start = pool.now;
    let mut starts = Vec::new();
    for _ in 0..12 {
        let before = pool.grown;
        pool.requests(20, SECOND);
        pool.run(22 * SECOND);
        starts.push(pool.grown - before);
    }
    print(&pool.curve("20 requests every 22 s", start, 2 * SECOND));
    assert_eq!(starts[0], 20);
    assert!(starts[1] > 0 && starts[1] < 20, "some were missed: {starts:?}");
    let later = starts[3..].iter().sum::<u32>();
    assert!(later <= 2, "then one at most is tried now and again: {starts:?}");
    pool.run(300 * SECOND);
    assert_eq!(pool.size(), 3, "the end of the load is noticed");
}

#[test]
fn permanent_overload_ends_at_the_ceiling_and_is_named_once() {
    for (pressure, seconds) in [(0, 1), (99, 9)] {
        let mut pool = Simulation::new(PoolRules { max_workers: 40, ..spare(2, 6) }, Sight::All);
        pool.pressure = pressure;
        let start = pool.now;
        for _ in 0..200 {
            pool.requests(10, SECOND);
            pool.run(100_000);
        }
        print(&pool.curve(&format!("overload, pressure {pressure}"), start, SECOND / 2));
        assert_eq!(pool.size(), 40);
        let full = pool.sizes.iter().find(|(_, size)| *size == 40).unwrap().0 - start;
        assert!(full <= seconds * SECOND, "after {full} us");
        assert!(full >= SECOND * u64::from(pressure) / 40, "after {full} us, under pressure");
        assert_eq!(pool.held_back, 1);
        assert_eq!(pool.turns(), 0, "{:?}", pool.sizes);
        assert!(pool.looks < 20 * 60, "{} looks do not help", pool.looks);
    }
}

#[test]
fn spares_are_not_refilled_under_pressure() {
    let mut pool = Simulation::new(spare(4, 6), Sight::All);
    pool.pressure = 95;
    pool.requests(4, 5 * SECOND);
    pool.run(4 * SECOND);
    assert_eq!((pool.size(), pool.served), (4, 4));
    pool.requests(1, SECOND);
    pool.run(200_000);
    assert_eq!((pool.size(), pool.served), (5, 5), "but somebody who waits gets a worker");
    pool.pressure = 0;
    pool.run(200_000);
    assert_eq!(pool.size(), 9);
}

#[test]
fn a_pool_on_demand_comes_and_goes() {
    let mut pool = Simulation::new(rules(Size::OnDemand), Sight::All);
    let start = pool.now;
    assert_eq!((pool.size(), pool.next(), pool.listens()), (0, None, true));
    for burst in [1, 8, 3] {
        pool.requests(burst, SECOND / 2);
        pool.run(20_000);
        assert_eq!(pool.waiting(), 0);
        assert_eq!(pool.size(), usize::try_from(burst).unwrap().max(pool.size()));
        pool.run(5 * SECOND);
    }
    pool.run(25 * SECOND);
    print(&pool.curve("on demand: 1, 8, 3 requests", start, SECOND));
    assert_eq!((pool.size(), pool.next(), pool.listens()), (0, None, true));
    assert_eq!(pool.grown, 8);
    let mut unseen = Simulation::new(rules(Size::OnDemand), Sight::NoQueue);
    unseen.requests(4, SECOND);
    unseen.run(SECOND / 2);
    assert_eq!((unseen.served, unseen.waiting()), (4, 0));
}

#[test]
fn steady_load_wakes_the_manager_less_often_than_requests_come() {
    let mut pool = Simulation::new(spare(4, 10), Sight::All);
    for _ in 0..20_000 {
        pool.requests(1, 800);
        pool.run(500);
    }
    assert_eq!(pool.served, 20_000);
    assert!(pool.looks < 10 * 250, "{} looks in 10 s", pool.looks);
    assert!(pool.slowest < 10_000, "{} us", pool.slowest);
    assert!(pool.size() <= 10, "{}", pool.size());
}

#[test]
fn a_pool_that_cannot_start_anybody_does_not_spin() {
    for sight in [Sight::All, Sight::NoQueue, Sight::NoWorker] {
        for rules in [spare(3, 6), rules(Size::OnDemand)] {
            let mut pool = Simulation::new(rules.clone(), sight);
            pool.broken = true;
            pool.requests(20, 20 * SECOND);
            pool.run(10 * SECOND);
            assert!(pool.looks < 10 * 12 + 20 || sight == Sight::NoQueue, "{}", pool.looks);
            assert!(pool.looks < 10 * 220, "{} {rules:?} {sight:?}", pool.looks);
            pool.broken = false;
            pool.run(SECOND);
            assert_eq!(pool.waiting(), 0, "{rules:?} {sight:?}");
        }
    }
}
