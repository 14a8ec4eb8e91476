//! Every short sequence of events, each led to its end.

use super::*;

const EVENTS: usize = 9;

fn event(world: &mut World, number: usize) {
    let ids = world.ids();
    match (number, ids.first(), ids.last()) {
        (0, ..) => world.signal(Signal::HUP),
        (1, ..) => world.signal(Signal::TERM),
        (2, Some(id), _) => world.die(*id, 256),
        (3, _, Some(id)) => world.feed(Input::Notified(*id, false)),
        (4, ..) => world.spawn_errors.push_back(refused(true)),
        (5, ..) => world.spawn_errors.push_back(refused(false)),
        (6, ..) => match world.machine.deadline() {
            Some(due) if due < world.now + secs(1) => {
                world.now = world.now.max(due);
                world.pass_deadline();
            }
            _ => {}
        },
        (7, ..) => {
            world.after(20);
        }
        (8, _, Some(id)) => {
            let idle = world.alive[id].activity(world.now) == Activity::Idle;
            if idle && world.alive[id].busy_until.is_none() {
                world.serve(*id, 2000);
            }
        }
        _ => {}
    }
}

fn explore(world: &World, depth: u32, ended: &mut u32) {
    if depth == 0 || world.code().is_some() {
        *ended += 1;
        let mut world = world.clone();
        world.signal(Signal::TERM);
        world.run_to(world.millis() + 10_000);
        assert!(world.code().is_some(), "{:?}", world.machine);
        assert_eq!(world.spawned, world.reaped);
        return;
    }
    for number in 0..EVENTS {
        let mut next = world.clone();
        event(&mut next, number);
        explore(&next, depth - 1, ended);
    }
}

#[test]
fn every_order_of_four_events() {
    for way in [Reload::All, Reload::Rolling, Reload::Replace] {
        let mut policy = fixed(2);
        policy.conduct.reload = way;
        policy.conduct.die_timeout = secs(1);
        policy.conduct.max_extra = 2;
        let mut world = World::new(policy);
        world.feed(Input::Begin);
        world.run_to(10);
        let mut ended = 0;
        explore(&world, 4, &mut ended);
        assert!(ended > 3000, "{ended}");
    }
}
