//! Signals with a meaning of the user's, as Parallel::Prefork's `trap_signals`.

use super::*;
use crate::prefork::config::Trap;

fn trapping(received: Signal, sent: Option<Signal>, interval: u64) -> World {
    let mut policy = policy();
    policy.conduct.traps = vec![Trap { received, sent, interval: ms(interval) }];
    World::serving(policy)
}

#[test]
fn one_worker_each_interval_the_first_at_once() {
    let mut world = trapping(Signal::USR1, Some(Signal::TERM), 500);
    world.signal(Signal::USR1);
    world.run_to(4000);
    assert_eq!(
        world.signals(),
        [(2000, 1, Signal::TERM), (2500, 2, Signal::TERM), (3000, 3, Signal::TERM)]
    );
    assert_eq!(world.serving_now(), 3);
    assert!(world.machine.workers.values().all(|worker| worker.generation == 2));
    assert_eq!(
        world.lines()[0],
        "2000 received USR1, sending TERM to old workers:101,102,103, one each 0.5 secs"
    );
}

#[test]
fn all_at_once_and_nobody() {
    let mut world = trapping(Signal::HUP, Some(Signal::TERM), 0);
    world.signal(Signal::HUP);
    assert_eq!(world.signals().len(), 3);

    let mut world = trapping(Signal::HUP, None, 0);
    world.signal(Signal::HUP);
    world.run_to(3000);
    assert_eq!((world.signals().len(), world.ids()), (0, vec![1, 2, 3]));
    assert_eq!(world.machine.summary().generation, 2);
}

#[test]
fn a_signal_that_does_not_mean_leave_kills_nobody() {
    let mut world = trapping(Signal::USR2, Some(Signal::USR2), 0);
    world.signal(Signal::USR2);
    world.run_to(100_000);
    assert_eq!((world.signals().len(), world.ids()), (3, vec![1, 2, 3]));
    assert_eq!(world.serving_now(), 3, "they are still in the pool");
}

#[test]
fn a_trapped_term_is_a_stop_with_its_signal_and_interval() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut world = trapping(Signal::TERM, Some(Signal::QUIT), 1000);
        world.signal(signal);
        world.run_to(6000);
        assert_eq!(
            world.signals(),
            [(2000, 1, Signal::QUIT), (3000, 2, Signal::QUIT), (4000, 3, Signal::QUIT)]
        );
        assert_eq!(world.code(), Some(0));
    }
}

#[test]
fn a_worker_that_has_gone_is_passed_over() {
    let mut world = trapping(Signal::USR1, Some(Signal::TERM), 1000);
    world.signal(Signal::USR1);
    world.die(2, 0);
    world.run_to(3500);
    assert_eq!(world.signals(), [(2000, 1, Signal::TERM), (3000, 3, Signal::TERM)]);
}
