//! Signals that ask a worker to leave, whoever sends them.

use super::*;
use crate::prefork::config::Trap;

fn nudges(world: &World) -> Vec<(Id, Signal)> {
    let nudge = |(_, deed): &(u64, Action)| match deed {
        Action::Nudge(id, signal) => Some((*id, *signal)),
        _ => None,
    };
    world.deeds.iter().filter_map(nudge).collect()
}

#[test]
fn the_signal_that_asked_first_is_sent_again() {
    let mut policy = fixed(1);
    policy.limits.request_timeout = Some(secs(2));
    policy.limits.request_signal = Some(Signal::QUIT);
    let mut world = World::serving(policy);
    world.alive.get_mut(&1).unwrap().nature.leaves_after = None;
    world.serve(1, u64::MAX);
    world.signal(Signal::HUP);
    world.run_to(6000);
    assert_eq!(world.signals(), [(2000, 1, Signal::TERM), (4000, 1, Signal::QUIT)]);
    let nudges = nudges(&world);
    assert!(nudges.len() > 100 && nudges.iter().all(|it| *it == (1, Signal::TERM)), "{nudges:?}");
}

#[test]
fn a_stop_has_the_last_word() {
    let mut world = World::serving(fixed(1));
    world.alive.get_mut(&1).unwrap().nature.leaves_after = None;
    world.feed(Input::Command(1, Command::Signal(Signal::QUIT)));
    world.run_to(2005);
    world.natures = [Nature { leaves_after: None, ..Nature::default() }].into();
    world.signal(Signal::TERM);
    world.forget();
    world.run_to(3000);
    assert!(nudges(&world).contains(&(1, Signal::TERM)));
    assert!(!nudges(&world).contains(&(1, Signal::QUIT)));
}

#[test]
fn a_signal_for_all_is_not_slept_over() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let mut world = World::new(policy());
        world.natures = [Nature { deaf_once: true, ..Nature::default() }].into();
        world.feed(Input::Begin);
        world.run_to(2000);
        world.natures = [Nature::default()].into();
        world.feed(Input::Command(1, Command::Signal(signal)));
        assert_eq!(world.reports[&1], [Ok("3".to_owned())]);
        assert!(
            world.ids()[..3].iter().all(|id| world.machine.stage(*id) == Some(Stage::Draining))
        );
        world.run_to(2050);
        assert_eq!((world.ids(), world.serving_now()), (vec![4, 5, 6], 3));
        assert_eq!((world.machine.failed, world.machine.young), (0, 0));
        assert_eq!(world.machine.stage(1), None);
    }
}

#[test]
fn a_signal_for_all_is_followed_by_kill() {
    let mut world = World::serving(policy());
    world.alive.get_mut(&2).unwrap().nature.leaves_after = None;
    world.feed(Input::Command(1, Command::Signal(Signal::TERM)));
    world.run_to(70_000);
    assert_eq!(world.times(|deed| *deed == Action::Kill(2)), [62_000]);
    assert_eq!((world.serving_now(), world.machine.young), (3, 0));
}

#[test]
fn what_the_host_sends_on_its_own_account() {
    let mut world = World::new(fixed(3));
    world.feed(Input::Begin);
    world.run_to(100);
    world.feed(Input::Sent(1, Signal::TERM));
    assert_eq!(world.machine.stage(1), Some(Stage::Draining));
    assert_eq!((world.signals(), world.spawned), (vec![], 4), "one more at once");
    world.die(1, 15);
    world.feed(Input::Sent(2, Signal::USR1));
    assert_eq!(world.machine.stage(2), Some(Stage::Serving));
    world.die(2, Signal::USR1.as_raw());
    assert_eq!(world.machine.young, 0);
    world.feed(Input::Sent(3, Signal::USR1));
    world.feed(Input::Sent(99, Signal::TERM));
    world.die(3, 11);
    assert_eq!(world.machine.young, 1, "another signal");
}

fn trapping() -> World {
    let mut policy = policy();
    let trap =
        |received, sent, interval| Trap { received, sent: Some(sent), interval: ms(interval) };
    policy.conduct.traps =
        vec![trap(Signal::USR1, Signal::TERM, 500), trap(Signal::USR2, Signal::USR2, 0)];
    World::serving(policy)
}

#[test]
fn a_second_trap_does_not_end_the_first() {
    let mut world = trapping();
    world.signal(Signal::USR1);
    world.run_to(2100);
    world.signal(Signal::USR2);
    world.run_to(4000);
    let all = world.signals();
    let of =
        |signal| all.iter().filter(|it| it.2 == signal).map(|it| (it.0, it.1)).collect::<Vec<_>>();
    assert_eq!(of(Signal::TERM), [(2000, 1), (2500, 2), (3000, 3)]);
    assert_eq!(of(Signal::USR2), [(2100, 2), (2100, 3), (2100, 4)], "at once");
}

#[test]
fn two_traps_that_lead_out_keep_the_interval() {
    let mut world = trapping();
    world.signal(Signal::USR1);
    world.run_to(2600);
    world.signal(Signal::USR1);
    world.run_to(6000);
    let times: Vec<(u64, Id)> = world.signals().iter().map(|it| (it.0, it.1)).collect();
    assert_eq!(times, [(2000, 1), (2500, 2), (3000, 3), (3500, 4), (4000, 5)]);
    assert_eq!(world.serving_now(), 3);
}
