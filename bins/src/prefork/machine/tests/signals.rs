//! Signals to the manager and commands.

use super::*;

impl World {
    /// The signals that were sent: when, to whom.
    pub(super) fn signals(&self) -> Vec<(u64, Id, Signal)> {
        let signal = |(at, deed): &(u64, Action)| match deed {
            Action::Signal(id, signal) => Some((*at, *id, *signal)),
            _ => None,
        };
        self.deeds.iter().filter_map(signal).collect()
    }
}

#[test]
fn more_and_fewer() {
    let mut world = World::serving(policy());
    world.signal(Signal::TTIN);
    world.feed(Input::Command(1, Command::Add(2)));
    world.run_to(3000);
    assert_eq!(world.serving_now(), 6);
    assert_eq!(world.reports[&1], [Ok("6".to_owned())]);
    world.feed(Input::Command(2, Command::Remove(6)));
    assert!(world.reports[&2][0].is_err());
    world.feed(Input::Command(3, Command::Remove(5)));
    world.run_to(5000);
    assert_eq!(world.serving_now(), 1);
}

#[test]
fn logs_and_signals_without_a_meaning() {
    let mut world = World::serving(policy());
    for signal in [Signal::USR1, Signal::USR2, Signal::WINCH] {
        world.signal(signal);
    }
    assert_eq!(
        world.lines(),
        ["2000 received USR1, reopening the logs", "2000 received USR2, nothing happens"]
    );
    assert_eq!(world.times(|deed| *deed == Action::ReopenLogs), [2000]);
    assert_eq!(world.signals(), []);
}

#[test]
fn a_signal_to_every_worker() {
    let mut world = World::serving(policy());
    world.feed(Input::Command(1, Command::Signal(Signal::USR2)));
    assert_eq!(world.reports[&1], [Ok("3".to_owned())]);
    assert_eq!(world.signals().len(), 3);
    world.feed(Input::Command(2, Command::Signal(Signal::KILL)));
    world.run_to(2100);
    assert_eq!(world.serving_now(), 3, "others come in their place");
    assert_eq!(world.machine.summary().failed, 0, "that was no failure of theirs");
}

#[test]
fn before_the_beginning() {
    let mut world = World::new(policy());
    for signal in [Signal::HUP, Signal::TTIN, Signal::USR2] {
        world.signal(signal);
    }
    world.feed(Input::Arrived);
    world.feed(Input::Changed);
    world.feed(Input::Prepared);
    world.feed(Input::Command(1, Command::Reload));
    assert!(world.reports[&1][0].is_err());
    world.feed(Input::Begin);
    world.feed(Input::Begin);
    world.run_to(100);
    assert_eq!(world.alive.len(), 3);
}

#[test]
fn changed_files_are_a_reload() {
    let mut world = World::serving(policy());
    world.feed(Input::Changed);
    assert_eq!(world.lines()[0], "2000 files have changed, reloading (all)");
}

#[test]
fn the_summary_counts() {
    let mut world = World::serving(policy());
    world.die(2, 256);
    world.die(3, 0);
    world.run_to(2010);
    let summary = world.machine.summary();
    assert_eq!((summary.spawned, summary.reaped, summary.failed, summary.most), (5, 2, 1, 3));
    let slots: Vec<_> = summary.members.iter().map(|it| (it.slot, it.id, it.stage)).collect();
    assert_eq!(slots, [(0, 1, Stage::Serving), (1, 4, Stage::Serving), (2, 5, Stage::Serving)]);
}
