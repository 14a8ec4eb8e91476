//! Seeded random walks through a world in which everything happens.

use super::*;
use crate::prefork::config::Trap;

fn policies() -> Vec<Policy> {
    let mut policies = Vec::new();
    for (number, size) in [
        Size::Fixed(1),
        Size::Fixed(5),
        Size::Spare { min: 2, max: 4 },
        Size::Spare { min: 1, max: 1 },
        Size::OnDemand,
    ]
    .into_iter()
    .enumerate()
    {
        for way in [Reload::All, Reload::Rolling, Reload::Replace] {
            let mut policy = policy();
            policy.pool.size = size;
            policy.pool.start_workers = if matches!(size, Size::Spare { .. }) { 2 } else { 0 };
            policy.pool.max_workers = 8;
            policy.pool.idle_timeout = secs(2);
            policy.conduct.reload = way;
            policy.conduct.die_timeout = secs(3);
            policy.conduct.start_timeout = secs(4);
            policy.conduct.max_extra = [0, 1, 3, 8, 8][number];
            policy.conduct.reload_interval = ms(if number == 1 { 300 } else { 0 });
            policy.before_shutdown = number == 2;
            if number % 2 == 1 {
                policy.limits.max_requests = Some(5);
                policy.limits.max_lifetime = Some(secs(20));
                policy.limits.request_timeout = Some(secs(2));
                policy.limits.request_grace = secs(1);
                policy.limits.max_pss = Some(1000);
                policy.conduct.traps = vec![
                    Trap { received: Signal::USR2, sent: Some(Signal::TERM), interval: ms(200) },
                    Trap { received: Signal::TERM, sent: Some(Signal::QUIT), interval: ms(50) },
                ];
            }
            policies.push(policy);
        }
    }
    policies
}

fn nature(random: &mut fastrand::Rng) -> Nature {
    let raw = *random.choice(&[0, 9, 11, 256]).unwrap();
    Nature {
        up_after: (random.u8(..6) > 0).then(|| ms(random.u64(0..60))),
        source: *random
            .choice(&[Source::Syscall, Source::Scoreboard, Source::Sockets, Source::Syscall])
            .unwrap(),
        leaves_after: (random.u8(..8) > 0).then(|| ms(random.u64(0..30))),
        dies_after: (random.u8(..10) == 0).then(|| (ms(random.u64(0..3000)), raw)),
        deaf_once: random.bool(),
    }
}

fn happen(world: &mut World, random: &mut fastrand::Rng) {
    world.queue = *random.choice(&[None, Some(0), Some(0), Some(1), Some(7)]).unwrap();
    world.natures = [nature(random)].into();
    if random.u8(..8) == 0 {
        world.spawn_errors.push_back(refused(random.u8(..4) > 0));
    }
    let id = random.choice(world.ids());
    match (random.u8(..24), id) {
        (0, _) => world.signal(Signal::HUP),
        (1, _) => world.signal(*random.choice(&[Signal::TTIN, Signal::TTOU]).unwrap()),
        (2, _) => world.signal(Signal::USR2),
        (3, _) => {
            let command = match random.u8(..4) {
                0 => Command::Reload,
                1 => Command::Add(random.u32(..4)),
                2 => Command::Remove(random.u32(..4)),
                _ => Command::Signal(*random.choice(&[Signal::USR2, Signal::TERM]).unwrap()),
            };
            let client = world.events;
            world.feed(Input::Command(client, command));
            if command != Command::Reload {
                assert_eq!(world.reports[&client].len(), 1);
            }
        }
        (4..6, Some(id)) => world.die(id, *random.choice(&[0, 9, 256]).unwrap()),
        (6, Some(id)) => world.feed(Input::Notified(id, random.bool())),
        (7..13, Some(id)) => {
            let puppet = &world.alive[&id];
            let free = puppet.activity(world.now) == Activity::Idle && !puppet.told;
            let long = random.u8(..20) == 0;
            let millis = if long { u64::MAX } else { random.u64(1..1500) };
            if free {
                world.serve(id, millis);
            }
        }
        (13..15, _) if world.machine.listening => world.feed(Input::Arrived),
        (15, Some(id)) => world.alive.get_mut(&id).unwrap().memory.pss = random.u64(..1100),
        (16, _) => world.feed(Input::Changed),
        (18, Some(id)) => {
            let signal = *random.choice(&[Signal::TERM, Signal::USR1]).unwrap();
            world.feed(Input::Sent(id, signal));
            if signal == Signal::TERM {
                world.alive.get_mut(&id).unwrap().obey(world.now);
            }
        }
        (17, Some(id)) => world.feed(Input::Retired(id, false)),
        _ => {}
    }
    let pause = if random.u8(..6) == 0 { random.u64(..5000) } else { random.u64(..50) };
    world.after(pause);
}

/// A while without events: the pool has its size, and the time passes without much ado.
fn calm(world: &mut World) {
    world.queue = Some(0);
    world.natures = [Nature::default()].into();
    world.spawn_errors.clear();
    for puppet in world.alive.values_mut() {
        puppet.busy_until = None;
        puppet.nature = Nature { source: puppet.nature.source, ..Nature::default() };
        puppet.ends = puppet.ends.filter(|_| puppet.told);
    }
    world.after(60_000);
    let (serving, target) = (world.serving_now(), world.machine.pool.target());
    if let Size::Fixed(_) = world.machine.policy.pool.size {
        assert_eq!(serving, target, "{:?}", world.machine);
    } else {
        assert!(serving >= target, "{:?}", world.machine);
    }
    assert!(world.machine.reload.is_none(), "{:?}", world.machine);
    let before = world.events;
    world.after(10_000);
    assert!(world.events - before < 400, "{} events in ten quiet seconds", world.events - before);
}

fn finish(mut world: World, random: &mut fastrand::Rng) {
    let signal = *random.choice(&[Signal::TERM, Signal::INT, Signal::QUIT]).unwrap();
    world.signal(signal);
    if random.bool() {
        world.feed(Input::Prepared);
    }
    world.after(20_000);
    if signal == Signal::QUIT && world.code().is_none() {
        world.signal(Signal::TERM);
        world.after(20_000);
    }
    assert!(world.code().is_some(), "still there: {:?}", world.machine);
    assert_eq!((world.spawned, world.alive.len()), (world.reaped, 0));
    assert_eq!(world.machine.deadline(), None);
    assert!(world.reports.values().all(|reports| reports.len() == 1));
    let starts = world.lines.iter().filter(|line| line.contains("starting worker")).count();
    let ends = world.lines.iter().filter(|line| line.contains(", status:")).count()
        + world.lines.iter().filter(|line| line.contains("died with status:")).count();
    assert_eq!((starts, ends), (world.spawned as usize, world.spawned as usize));
    for input in [Input::Begin, Input::Arrived, Input::Changed, Input::Prepared, Input::Deadline] {
        world.feed(input);
    }
    let asked = |deed: &Action| matches!(deed, Action::Report(..));
    let reports = world.times(asked).len();
    world.feed(Input::Command(u64::MAX, Command::Reload));
    assert_eq!(world.times(asked).len(), reports + 1);
}

/// How many random walks; the environment may ask for more.
fn walks() -> u64 {
    std::env::var("SUPERDAEMON_POOL_WALKS").ok().and_then(|n| n.parse().ok()).unwrap_or(100)
}

#[test]
fn random_walks() {
    let policies = policies();
    for seed in 0..walks() {
        let mut random = fastrand::Rng::with_seed(seed);
        let policy = policies[random.usize(..policies.len())].clone();
        let mut world = World::new(policy);
        world.natures = [nature(&mut random)].into();
        world.feed(Input::Begin);
        for _ in 0..random.u32(5..80) {
            if world.code().is_some() {
                break;
            }
            happen(&mut world, &mut random);
        }
        if world.code().is_none() && random.bool() {
            calm(&mut world);
        }
        finish(world, &mut random);
    }
}
