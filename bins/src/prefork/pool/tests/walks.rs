//! Random walks. What is true of every decision is checked by the simulation at each look.

use super::simulation::{Sight, Simulation};
use super::*;

fn any_rules(random: &mut fastrand::Rng) -> PoolRules {
    let min = random.u32(0..6);
    let size = match random.u32(0..5) {
        0 => Size::Fixed(random.u32(1..20)),
        1 => Size::OnDemand,
        _ => Size::Spare { min, max: min + random.u32(0..6) },
    };
    PoolRules {
        size,
        start_workers: random.u32(0..8),
        max_workers: random.u32(1..40),
        max_spawn_rate: if random.bool() { 0 } else { random.u32(1..30) },
        idle_timeout: Duration::from_millis(random.u64(0..3_000)),
        max_memory: None,
        max_pressure: 90,
    }
}

fn walk(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let rules = any_rules(&mut random);
    let sight = *random.choice([Sight::All, Sight::NoQueue, Sight::NoWorker].iter()).unwrap();
    let mut pool = Simulation::new(rules.clone(), sight);
    for _ in 0..60 {
        match random.u32(0..12) {
            0..=5 => {
                let length = random.u64(100..400_000);
                for _ in 0..random.u32(0..30) {
                    pool.requests(random.u32(0..3), length);
                    pool.run(random.u64(0..3_000));
                }
            }
            6 => pool.pressure = random.u32(0..101),
            7 if pool.size() > 0 => pool.lose(random.usize(0..pool.size())),
            8 => drop(pool.pool.adjust(random.i64(-5..6))),
            9 => pool.pool.restart(),
            10 => pool.broken = random.bool(),
            _ => {}
        }
        let (looks, length) = (pool.looks, random.u64(1_000..2_000_000));
        pool.run(length);
        let allowed = 5 + length / 1_000 + 2 * u64::from(pool.grown);
        assert!(u64::from(pool.looks - looks) <= allowed, "seed {seed}: {looks} in {length} us");
    }
    settles(seed, &rules, sight, pool);
}

/// When the load ends, the pool comes to its goal and to rest.
fn settles(seed: u64, rules: &PoolRules, sight: Sight, mut pool: Simulation) {
    pool.pressure = 0;
    pool.broken = false;
    // A change of the number is followed at the next look only, as a host does after a command.
    pool.requests(1, 100);
    pool.lose(0);
    pool.run(300_000_000);
    let context = format!("seed {seed}: {rules:?} {sight:?} {:?} {}", pool.pool, pool.size());
    assert_eq!(pool.waiting(), 0, "{context}");
    let size = u32::try_from(pool.size()).unwrap();
    assert!(size >= pool.pool.target(), "{context}");
    match rules.size {
        Size::Fixed(_) => assert_eq!(size, pool.pool.target(), "{context}"),
        _ if sight == Sight::NoWorker => return,
        Size::Spare { max, .. } => {
            let start = rules.start_workers.max(max);
            assert!(size <= start.min(pool.pool.ceiling()), "{context}");
        }
        Size::OnDemand => assert_eq!(size, 0, "{context}"),
    }
    assert_eq!(pool.next(), None, "{context}");
}

#[test]
fn every_decision_keeps_the_rules_whatever_happens() {
    for seed in 0..150 {
        walk(seed);
    }
}

#[test]
fn no_look_is_too_strange() {
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..300 {
        let rules = PoolRules { max_memory: Some(1 << 20), ..any_rules(&mut random) };
        let mut pool = Pool::new(rules);
        let mut now = 0_u64;
        for _ in 0..40 {
            let odd = |random: &mut fastrand::Rng| match random.u32(0..4) {
                0 => u32::MAX,
                1 => random.u32(..),
                _ => random.u32(0..50),
            };
            let look = Look {
                members: odd(&mut random),
                starting: odd(&mut random),
                idle: odd(&mut random),
                busy: odd(&mut random),
                unknown: odd(&mut random),
                queue: random.bool().then(|| odd(&mut random)),
                pressure: random.bool().then(|| odd(&mut random)),
                memory: random.bool().then(|| random.u64(..)),
                arrived: random.bool(),
            };
            let decision = pool.decide(Moment::from_nanos(now), &look);
            if let Want::Grow(count) = decision.want {
                assert!(look.members.saturating_add(count) <= pool.ceiling(), "{look:?} {pool:?}");
            }
            assert!(decision.next.is_none_or(|next| next.as_nanos() > now || now == u64::MAX));
            now = now.saturating_add(if random.u32(0..20) == 0 {
                u64::MAX / 4
            } else {
                random.u64(0..1 << 31)
            });
        }
    }
}
