//! Transcripts of what has a limit: readiness, backoff, attempts, the kill limit, generations.

use std::time::Duration;

use reaper::{Exit, Machine as _};
use sigpolicy::Signal;

use super::tests::{Bench, died, hup, pid, policy, term};
use super::*;

fn ready() -> Note {
    Note { ready: true, extend: None }
}

#[test]
fn ready_ends_the_interval_and_a_late_one_is_bounded() {
    let policy = Policy { start_timeout: Duration::from_secs(3), ..policy() };
    let mut bench = Bench::serving(policy, Settings::default());
    bench.at(2000, hup()).at(2010, Input::Notified(2, ready()));
    assert_eq!(bench.signals(), [(1, Signal::TERM)]);
    bench.at(2020, died(1, 0)).at(3000, hup()).at(3010, Input::Notified(3, Note::default()));
    assert_eq!(bench.deadline_millis(), Some(6000), "it spoke: the interval proves nothing now");
    bench.lines.clear();
    bench.at(6000, Input::Deadline);
    assert_eq!(bench.signals(), [(3, Signal::TERM)], "the unready one, not the serving one");
    assert_eq!(
        bench.lines(),
        [
            "new worker 103 announced itself but was not ready within 3 secs, stopping it",
            "starting new worker 104",
        ]
    );
}

#[test]
fn a_ready_worker_is_replaced_long_before_a_long_interval_is_over() {
    let policy = Policy { interval: Duration::from_secs(600), ..policy() };
    let mut bench = Bench::new(policy, Settings::default());
    bench.at(0, Input::Begin).at(50, Input::Notified(1, ready())).at(60_000, died(1, 9));
    assert_eq!(bench.machine.view(bench.now).generation, 2);
    bench.at(60_050, Input::Notified(2, ready())).at(60_100, died(2, 9));
    assert_eq!(bench.deadline_millis(), Some(61_000));
}

#[test]
fn backoff_sets_in_after_three_failures() {
    let mut bench = Bench::new(policy(), Settings::default());
    bench.at(0, Input::Begin);
    let mut at = 0;
    let mut gaps = Vec::new();
    for generation in 1..=10 {
        bench.at(at + 5, died(generation, 256));
        let next = bench.deadline_millis().unwrap();
        gaps.push(next - at);
        at = next;
        bench.at(at, Input::Deadline);
    }
    assert_eq!(gaps[..2], [1000, 1000], "the first ones keep Perl's timing");
    assert!(gaps[3] > gaps[0] && gaps[5] > gaps[3], "{gaps:?}");
    assert!(gaps.iter().all(|gap| *gap <= 30_005), "{gaps:?}");
    bench.at(at + 5, died(11, 256)).at(at + 10, hup());
    assert_eq!(bench.deadline_millis(), Some(at + 1000), "HUP ends the backoff");
}

#[test]
fn attempts_are_counted_and_the_old_generation_stays() {
    let policy = Policy { restart_attempts: Some(2), ..policy() };
    let mut bench = Bench::serving(policy, Settings::default());
    bench.at(2000, Input::Restart(7)).at(2010, died(2, 256));
    bench.at(3000, Input::Deadline).at(3010, died(3, 512));
    assert_eq!(
        bench.lines().last().map(String::as_str),
        Some("giving up the restart after 2 failed starts, worker 101 stays")
    );
    let outcome =
        RestartOutcome::Failed(Failure::Died(3, pid(3), Exit::from_raw(512), Some(pid(1))));
    assert!(bench.deeds.contains(&Action::Report(7, outcome)));
    assert_eq!(bench.signals(), []);
    assert_eq!(bench.machine.deadline(), None);
    bench.at(9000, hup()).at(10_000, Input::Deadline);
    assert_eq!(bench.signals(), [(1, Signal::TERM)], "a later restart works");
}

#[test]
fn a_client_hears_of_success_when_the_old_ones_have_left() {
    let mut bench = Bench::serving(policy(), Settings::default());
    bench.at(2000, Input::Restart(1)).at(3000, Input::Deadline);
    let done = Action::Report(1, RestartOutcome::Done(2, pid(2)));
    assert!(!bench.deeds.contains(&done));
    bench.at(3500, died(1, 0));
    assert!(bench.deeds.contains(&done));
}

#[test]
fn kill_limit_and_generation_cap() {
    let policy = Policy {
        kill_timeout: Some(Duration::from_secs(10)),
        max_generations: Some(1),
        ..policy()
    };
    let mut bench = Bench::serving(policy, Settings::default());
    bench.at(2000, hup()).at(3000, Input::Deadline);
    assert_eq!(bench.deadline_millis(), Some(13_000));
    bench.at(4000, hup()).at(5000, Input::Deadline);
    assert_eq!(
        bench.signals(),
        [(1, Signal::TERM), (1, Signal::KILL), (1, Signal::TERM), (2, Signal::TERM)]
    );
    bench.at(5010, died(1, 9)).at(15_000, Input::Deadline);
    assert_eq!(bench.signals(), [(2, Signal::KILL)]);
    bench.at(15_010, term()).at(15_020, died(2, 9)).at(15_030, died(3, 15));
    assert_eq!(bench.machine.outcome(), Some(Outcome { code: 0 }));
}

#[test]
fn the_first_exec_failure_ends_and_a_later_one_does_not() {
    let error = |transient| StartError {
        text: "failed to exec x: No such file or directory".into(),
        errno: 2,
        pid: Some(pid(1)),
        transient,
    };
    let mut first = Bench::new(policy(), Settings::default());
    first.spawn_errors = vec![Some(error(false))];
    first.at(0, Input::Begin);
    assert_eq!(first.machine.outcome(), Some(Outcome { code: 2 }));

    let mut fork = Bench::new(policy(), Settings::default());
    fork.spawn_errors = vec![Some(StartError { pid: None, ..error(true) })];
    fork.at(0, Input::Begin).at(1000, Input::Deadline);
    assert_eq!(fork.lines().last().map(String::as_str), Some("starting new worker 102"));

    let mut later = Bench::serving(policy(), Settings::default());
    later.spawn_errors = vec![Some(error(false))];
    later.at(2000, hup());
    assert_eq!(
        later.lines().last().map(String::as_str),
        Some("new worker 101 seems to have failed to start, exit status:65280")
    );
    assert_eq!(later.signals(), []);
    assert_eq!(later.machine.outcome(), None);
}

#[test]
fn a_daemonized_first_start_is_given_up() {
    let policy = Policy { first_attempts: Some(1), ..policy() };
    let mut bench = Bench::new(policy, Settings::default());
    bench.at(0, Input::Begin).at(10, died(1, 256));
    assert_eq!(bench.machine.outcome(), Some(Outcome { code: 1 }));
}

#[test]
fn auto_restart_waits_for_old_workers_but_not_for_ever() {
    let auto = |secs| Settings {
        kill_old_delay: Duration::ZERO,
        auto_restart: Some(Duration::from_secs(secs)),
    };
    let mut bench = Bench::serving(policy(), auto(10));
    assert_eq!(bench.deadline_millis(), Some(11_000));
    bench.at(11_000, Input::Deadline).at(12_000, Input::Deadline);
    assert_eq!(bench.lines()[0], "autorestart triggered (interval=10)");
    assert_eq!(bench.deadline_millis(), Some(32_000), "an old worker lives");
    bench.at(32_000, Input::Deadline);
    assert_eq!(bench.lines()[0], "autorestart triggered (forced, interval=10)");
}

#[test]
fn watchdog_beats_in_every_phase() {
    let policy = Policy { watchdog: Some(Duration::from_millis(500)), ..policy() };
    let mut bench = Bench::new(policy, Settings::default());
    bench.at(0, Input::Begin);
    for beat in 1..10 {
        bench.at(beat * 500, Input::Deadline);
    }
    let beats = bench.deeds.iter().filter(|deed| **deed == Action::Notify(Notice::Watchdog));
    assert_eq!(beats.count(), 9);
}

#[test]
fn usr_signals_do_no_harm() {
    let mut bench = Bench::serving(policy(), Settings::default());
    bench.at(2000, Input::Signal(Signal::USR1)).at(2001, Input::Signal(Signal::USR2));
    assert!(bench.deeds.contains(&Action::ReopenLog));
    assert_eq!(bench.lines().len(), 2);
}
