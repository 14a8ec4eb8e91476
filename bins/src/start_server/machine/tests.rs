//! Transcripts: what happens at which time, and the lines and deeds that follow.

use std::time::Duration;

use reaper::{Exit, Machine as _, Moment, Pid};
use sigpolicy::Signal;

use super::*;

/// Drives a machine by hand; pids are 100 + generation.
pub(crate) struct Bench {
    pub(crate) machine: Machine,
    pub(crate) now: Moment,
    pub(crate) lines: Vec<String>,
    pub(crate) deeds: Vec<Action>,
    /// Answers of the next spawns, in order; `None` is success.
    pub(crate) spawn_errors: Vec<Option<StartError>>,
}

pub(crate) fn policy() -> Policy {
    Policy {
        interval: Duration::from_secs(1),
        start_timeout: Duration::from_secs(60),
        signal_on_hup: Signal::TERM,
        signal_on_term: Signal::TERM,
        restart_attempts: None,
        first_attempts: None,
        backoff_max: Duration::from_secs(30),
        kill_timeout: None,
        max_generations: None,
        watchdog: None,
        jitter_seed: 1,
    }
}

pub(crate) fn pid(generation: u64) -> Pid {
    Pid::from_raw(i32::try_from(generation).unwrap() + 100).unwrap()
}

impl Bench {
    pub(crate) fn new(policy: Policy, settings: Settings) -> Self {
        Self {
            machine: Machine::new(policy, settings),
            now: Moment::ZERO,
            lines: Vec::new(),
            deeds: Vec::new(),
            spawn_errors: Vec::new(),
        }
    }

    /// A server whose generation 1 serves.
    pub(crate) fn serving(policy: Policy, settings: Settings) -> Self {
        let mut bench = Self::new(policy, settings);
        bench.at(0, Input::Begin).at(1000, Input::Deadline);
        bench.lines.clear();
        bench.deeds.clear();
        bench
    }

    pub(crate) fn at(&mut self, millis: u64, input: Input) -> &mut Self {
        self.now = Moment::from_nanos(millis * 1_000_000);
        let mut queue = vec![input];
        while let Some(input) = queue.pop() {
            let mut out = Vec::new();
            self.machine.step(self.now, input, &mut out);
            for action in out {
                match action {
                    Action::Spawn(generation) => {
                        let error = if self.spawn_errors.is_empty() {
                            None
                        } else {
                            self.spawn_errors.remove(0)
                        };
                        queue.push(match error {
                            None => Input::Spawned(generation, pid(generation)),
                            Some(error) => Input::SpawnFailed(generation, error),
                        });
                    }
                    Action::Log(line) => self.lines.push(line.to_string()),
                    other => self.deeds.push(other),
                }
            }
        }
        self
    }

    /// Lines since the last call.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    pub(crate) fn signals(&mut self) -> Vec<(u64, Signal)> {
        let deeds = std::mem::take(&mut self.deeds);
        let signal = |deed| match deed {
            Action::Signal(generation, signal) => Some((generation, signal)),
            _ => None,
        };
        deeds.into_iter().filter_map(signal).collect()
    }

    pub(crate) fn deadline_millis(&self) -> Option<u64> {
        self.machine.deadline().map(|at| at.as_nanos().div_ceil(1_000_000))
    }
}

pub(crate) fn died(generation: u64, raw: i32) -> Input {
    Input::Exited(generation, Exit::from_raw(raw), false)
}

pub(crate) fn hup() -> Input {
    Input::Signal(Signal::HUP)
}

pub(crate) fn term() -> Input {
    Input::Signal(Signal::TERM)
}

fn delay(secs: u64) -> Settings {
    Settings { kill_old_delay: Duration::from_secs(secs), auto_restart: None }
}

#[test]
fn a_life_without_trouble() {
    let mut bench = Bench::new(policy(), Settings::default());
    bench.at(0, Input::Begin);
    assert_eq!(bench.lines(), ["starting new worker 101"]);
    assert_eq!(bench.deadline_millis(), Some(1000));
    bench.at(1000, Input::Deadline);
    assert_eq!(bench.deadline_millis(), None, "idle means no wake-up");
    bench.at(5000, hup()).at(6000, Input::Deadline).at(6010, died(1, 0));
    assert_eq!(
        bench.lines(),
        [
            "received HUP, spawning a new worker",
            "starting new worker 102",
            "new worker is now running, sending TERM to old workers:101",
            "killing old workers",
            "old worker 101 died, status:0",
        ]
    );
    bench.at(9000, term()).at(9010, died(2, 15));
    assert_eq!(
        bench.lines(),
        ["received TERM, sending TERM to all workers:102", "worker 102 died, status:15", "exiting"]
    );
    assert_eq!(bench.machine.outcome(), Some(Outcome { code: 0 }));
    let statuses: Vec<_> = bench
        .deeds
        .iter()
        .filter_map(|deed| match deed {
            Action::Status(entries) => Some(entries.iter().map(|e| e.0).collect::<Vec<_>>()),
            _ => None,
        })
        .collect();
    assert_eq!(statuses, [vec![1], vec![1, 2], vec![2], vec![]]);
}

#[test]
fn a_second_hup_never_passes_an_unproven_worker() {
    let mut bench = Bench::serving(policy(), Settings::default());
    bench.at(2000, hup()).at(2100, hup()).at(2200, hup()).at(2300, died(2, 256));
    assert_eq!(bench.signals(), [], "the old worker is untouched");
    assert_eq!(
        bench.lines(),
        [
            "received HUP, spawning a new worker",
            "starting new worker 102",
            "received HUP during a restart, one more restart will follow",
            "new worker 102 seems to have failed to start, exit status:256",
        ]
    );
    assert_eq!(bench.deadline_millis(), Some(3000), "no sooner than interval after the last spawn");
    bench.at(3000, Input::Deadline).at(4000, Input::Deadline);
    assert_eq!(bench.signals(), [(1, Signal::TERM)]);
    assert_eq!(bench.machine.deadline(), None, "the attempt after the HUPs is their restart");
}

#[test]
fn hups_during_a_good_restart_become_one_more() {
    let mut bench = Bench::serving(policy(), Settings::default());
    bench.at(2000, hup()).at(2100, hup()).at(2200, hup()).at(3000, Input::Deadline);
    assert_eq!(
        bench.lines().last().map(String::as_str),
        Some("starting new worker 103"),
        "the third generation starts when the second is proven"
    );
    bench.at(4000, Input::Deadline);
    assert_eq!(bench.machine.view(bench.now).generation, 3);
    assert_eq!(bench.machine.deadline(), None);
}

#[test]
fn a_death_inside_the_delay_keeps_the_old_worker() {
    let mut bench = Bench::serving(policy(), delay(5));
    bench.at(2000, hup()).at(3000, Input::Deadline).at(4000, died(2, 11));
    assert_eq!(
        bench.lines(),
        [
            "received HUP, spawning a new worker",
            "starting new worker 102",
            "new worker is now running, sending TERM to old workers:101",
            "sleeping 5 secs before killing old workers",
            "worker 102 died unexpectedly with status:11, restarting",
            "starting new worker 103",
        ]
    );
    assert_eq!(bench.signals(), []);
    bench.at(5000, Input::Deadline);
    assert_eq!(bench.signals(), [], "proven, but the delay begins anew");
    bench.at(10_000, Input::Deadline);
    assert_eq!(bench.signals(), [(1, Signal::TERM)]);
}

#[test]
fn term_is_served_in_every_state() {
    let mut starting = Bench::new(policy(), Settings::default());
    starting.at(0, Input::Begin).at(10, term());
    assert_eq!(starting.signals(), [(1, Signal::TERM)]);

    let mut delaying = Bench::serving(policy(), delay(60));
    delaying.at(2000, hup()).at(3000, Input::Deadline).at(3001, term());
    assert_eq!(delaying.signals(), [(1, Signal::TERM), (2, Signal::TERM)]);

    let mut waiting = Bench::new(policy(), Settings::default());
    waiting.at(0, Input::Begin).at(10, died(1, 256)).at(20, term());
    assert_eq!(
        waiting.lines().last().map(String::as_str),
        Some("exiting"),
        "nobody lives: the end comes at once"
    );
    assert_eq!(waiting.machine.outcome(), Some(Outcome { code: 0 }));
}

#[test]
fn int_sends_term_and_quit_drains_like_term() {
    let policy = Policy { signal_on_term: Signal::QUIT, ..policy() };
    for (received, sent) in
        [(Signal::INT, Signal::TERM), (Signal::TERM, Signal::QUIT), (Signal::QUIT, Signal::QUIT)]
    {
        let mut bench = Bench::serving(policy.clone(), Settings::default());
        bench.at(2000, Input::Signal(received));
        assert_eq!(bench.signals(), [(1, sent)], "{received}");
    }
}
