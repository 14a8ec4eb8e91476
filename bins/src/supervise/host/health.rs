//! When health commands run, and what their ends mean. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Formatter};
use std::time::Duration;

use reaper::Moment;

use crate::supervise::config::model::Health;
use crate::supervise::machine::types::ProcId;

/// A command that cannot even be started is not tried more often than this.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// A deed for the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Run its health command; when that ends: [`Schedule::ended`], and the same, with the reason,
    /// if it could not be started.
    Run(ProcId),
    /// Kill the command, and all of its process group; its end is still to be told.
    Kill(ProcId),
    /// Log it.
    Failed(ProcId, Failure),
    /// It failed as often as is allowed: restart the program.
    Unhealthy(ProcId),
}

/// One failure: `failed its health command (2 of 3): exit status 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Failures in a row.
    count: u32,
    /// As many as are too many.
    of: u32,
    reason: String,
}

impl Display for Failure {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { count, of, reason } = self;
        write!(out, "failed its health command ({count} of {of}): {reason}")
    }
}

/// The health commands of all programs that have one. At most one at a time runs for a program.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    watches: BTreeMap<ProcId, Watch>,
    /// The times of all watches that have one.
    due: BTreeSet<(Moment, ProcId)>,
}

#[derive(Clone, Debug)]
struct Watch {
    /// None once the program is not RUNNING any more: its last command is waited for.
    rules: Option<Health>,
    failures: u32,
    step: Step,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Step {
    /// The next command starts then.
    Waiting(Moment),
    /// A command runs, and may do so until then.
    Running(Moment),
    /// A command was killed; that counted already if it counts.
    Dying,
}

impl Schedule {
    /// The program is RUNNING: the first command runs after an interval.
    pub(super) fn begin(&mut self, now: Moment, id: ProcId, rules: &Health, out: &mut Vec<Ask>) {
        self.end(id, out);
        let next = after_interval(now, rules);
        let dying = self.watches.contains_key(&id);
        let step = if dying { Step::Dying } else { Step::Waiting(next) };
        self.watches.insert(id, Watch { rules: Some(rules.clone()), failures: 0, step });
        if !dying {
            self.due.insert((next, id));
        }
    }

    /// The program is not RUNNING any more, or not at all.
    pub(super) fn end(&mut self, id: ProcId, out: &mut Vec<Ask>) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        match watch.step {
            Step::Waiting(at) => {
                self.due.remove(&(at, id));
                self.watches.remove(&id);
                return;
            }
            Step::Running(at) => {
                self.due.remove(&(at, id));
                out.push(Ask::Kill(id));
            }
            Step::Dying => {}
        }
        (watch.rules, watch.step) = (None, Step::Dying);
    }

    /// A command has ended: well, or not and why.
    pub(super) fn ended(
        &mut self,
        now: Moment,
        id: ProcId,
        how: Result<(), String>,
        out: &mut Vec<Ask>,
    ) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let counts = match watch.step {
            Step::Running(at) => {
                self.due.remove(&(at, id));
                true
            }
            Step::Dying => false,
            Step::Waiting(_) => return,
        };
        let Some(rules) = &watch.rules else {
            self.watches.remove(&id);
            return;
        };
        let next = after_interval(now, rules);
        watch.step = Step::Waiting(next);
        self.due.insert((next, id));
        if counts {
            watch.count(id, how, out);
        }
    }

    /// When [`due`](Self::due) wants to be called.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The deadline has come.
    pub(super) fn due(&mut self, now: Moment, out: &mut Vec<Ask>) {
        while let Some((at, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, id));
            let Some(watch) = self.watches.get_mut(&id) else { continue };
            let Some(timeout) = watch.rules.as_ref().map(|rules| rules.timeout) else { continue };
            match watch.step {
                Step::Waiting(_) => {
                    let end = now.saturating_add(timeout);
                    watch.step = Step::Running(end);
                    self.due.insert((end, id));
                    out.push(Ask::Run(id));
                }
                Step::Running(_) => {
                    watch.step = Step::Dying;
                    out.push(Ask::Kill(id));
                    watch.count(id, Err(format!("it took longer than {timeout:?}")), out);
                }
                Step::Dying => {}
            }
        }
    }
}

impl Watch {
    fn count(&mut self, id: ProcId, how: Result<(), String>, out: &mut Vec<Ask>) {
        let Err(reason) = how else {
            self.failures = 0;
            return;
        };
        let of = self.rules.as_ref().map_or(1, |rules| rules.retries).max(1);
        self.failures = self.failures.saturating_add(1);
        let count = self.failures;
        out.push(Ask::Failed(id, Failure { count, of, reason }));
        if count >= of {
            // Until it is restarted it may fail as often again.
            self.failures = 0;
            out.push(Ask::Unhealthy(id));
        }
    }
}

fn after_interval(now: Moment, rules: &Health) -> Moment {
    now.saturating_add(rules.interval.max(LEAST_INTERVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ProcId = ProcId(7);

    fn rules() -> Health {
        Health {
            command: "check".to_owned(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(3),
            retries: 2,
        }
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000)
    }

    fn failed(count: u32, reason: &str) -> Ask {
        Ask::Failed(ID, Failure { count, of: 2, reason: reason.to_owned() })
    }

    /// A schedule with one program that is RUNNING since 0.
    struct World(Schedule);

    impl World {
        fn new() -> Self {
            let mut world = Self(Schedule::default());
            assert_eq!(world.begin(0), []);
            world
        }

        fn begin(&mut self, seconds: u64) -> Vec<Ask> {
            let mut out = Vec::new();
            self.0.begin(at(seconds), ID, &rules(), &mut out);
            out
        }

        fn end(&mut self) -> Vec<Ask> {
            let mut out = Vec::new();
            self.0.end(ID, &mut out);
            out
        }

        fn ended(&mut self, seconds: u64, how: Result<(), &str>) -> Vec<Ask> {
            let mut out = Vec::new();
            self.0.ended(at(seconds), ID, how.map_err(str::to_owned), &mut out);
            out
        }

        /// Serves the next deadline, which is this one.
        fn due(&mut self, seconds: u64) -> Vec<Ask> {
            assert_eq!(self.0.deadline(), Some(at(seconds)));
            let mut out = Vec::new();
            self.0.due(at(seconds), &mut out);
            assert!(self.0.deadline().is_none_or(|next| next > at(seconds)), "it would spin");
            out
        }
    }

    #[test]
    fn the_interval_counts_from_the_end() {
        let mut world = World::new();
        assert_eq!(world.due(10), [Ask::Run(ID)]);
        assert_eq!(world.ended(12, Ok(())), []);
        assert_eq!(world.due(22), [Ask::Run(ID)]);
        assert_eq!(world.ended(22, Ok(())), []);
        assert_eq!(world.0.deadline(), Some(at(32)));
    }

    #[test]
    fn failures_in_a_row_restart_the_program() {
        let mut world = World::new();
        for (start, how) in [(10, Err("a")), (20, Ok(())), (30, Err("b"))] {
            assert_eq!(world.due(start), [Ask::Run(ID)]);
            let expected: Vec<Ask> = how.err().map(|why| failed(1, why)).into_iter().collect();
            assert_eq!(world.ended(start, how), expected);
        }
        assert_eq!(world.due(40), [Ask::Run(ID)]);
        assert_eq!(
            world.ended(40, Err("exit status 1")),
            [failed(2, "exit status 1"), Ask::Unhealthy(ID)]
        );
        // Nobody restarted it: it is asked on, and may fail twice again.
        assert_eq!(world.due(50), [Ask::Run(ID)]);
        assert_eq!(world.ended(50, Err("c")), [failed(1, "c")]);
        let text = Failure { count: 2, of: 3, reason: "exit status 1".to_owned() }.to_string();
        assert_eq!(text, "failed its health command (2 of 3): exit status 1");
    }

    #[test]
    fn a_slow_command_is_killed_and_counts_once() {
        let mut world = World::new();
        assert_eq!(world.due(10), [Ask::Run(ID)]);
        assert_eq!(world.due(13), [Ask::Kill(ID), failed(1, "it took longer than 3s")]);
        // Killed is not dead: none starts beside it, however long that takes.
        assert_eq!(world.0.deadline(), None);
        assert_eq!(world.ended(40, Err("terminated by SIGKILL")), []);
        assert_eq!(world.due(50), [Ask::Run(ID)]);
        let expected = [Ask::Kill(ID), failed(2, "it took longer than 3s"), Ask::Unhealthy(ID)];
        assert_eq!(world.due(53), expected);
    }

    #[test]
    fn nothing_is_asked_of_one_that_does_not_run() {
        let mut world = World::new();
        assert_eq!(world.end(), []);
        assert_eq!(world.0.deadline(), None);
        assert_eq!(world.end(), []);
        assert_eq!(world.ended(1, Err("stray")), []);
        assert_eq!(world.begin(5), []);
        assert_eq!(world.ended(6, Err("stray")), []);
        assert_eq!(world.due(15), [Ask::Run(ID)]);
        assert_eq!(world.end(), [Ask::Kill(ID)]);
        assert_eq!(world.0.deadline(), None);
        assert_eq!(world.ended(16, Err("killed")), []);
        assert!(world.0.watches.is_empty());
    }

    #[test]
    fn a_command_of_the_former_run_says_nothing_about_the_next() {
        let mut world = World::new();
        assert_eq!(world.due(10), [Ask::Run(ID)]);
        assert_eq!(world.end(), [Ask::Kill(ID)]);
        assert_eq!(world.begin(11), []);
        assert_eq!(world.0.deadline(), None, "the old one is not dead yet");
        assert_eq!(world.ended(12, Err("killed")), []);
        assert_eq!(world.due(22), [Ask::Run(ID)]);
        // It became RUNNING anew, and nobody said that it was not meanwhile.
        assert_eq!(world.begin(23), [Ask::Kill(ID)]);
        assert_eq!(world.ended(24, Ok(())), []);
        assert_eq!(world.0.deadline(), Some(at(34)));
    }

    #[test]
    fn a_command_that_cannot_start_does_not_spin() {
        let mut schedule = Schedule::default();
        let mut out = Vec::new();
        let eager = Health { interval: Duration::ZERO, timeout: Duration::ZERO, ..rules() };
        schedule.begin(at(0), ID, &eager, &mut out);
        let due = schedule.deadline().unwrap();
        schedule.due(due, &mut out);
        schedule.ended(due, ID, Err("no such file".to_owned()), &mut out);
        assert_eq!(out.first(), Some(&Ask::Run(ID)));
        assert_eq!(schedule.deadline(), Some(due + LEAST_INTERVAL));
    }

    #[test]
    fn programs_have_their_own_times() {
        let mut schedule = Schedule::default();
        let mut out = Vec::new();
        let slower = Health { interval: Duration::from_secs(11), ..rules() };
        schedule.begin(at(0), ProcId(1), &slower, &mut out);
        schedule.begin(at(0), ProcId(2), &rules(), &mut out);
        schedule.due(at(10), &mut out);
        assert_eq!(out, [Ask::Run(ProcId(2))]);
        schedule.due(at(13), &mut out);
        let reason = "it took longer than 3s".to_owned();
        let failure = Failure { count: 1, of: 2, reason };
        let expected = [
            Ask::Run(ProcId(2)),
            Ask::Run(ProcId(1)),
            Ask::Kill(ProcId(2)),
            Ask::Failed(ProcId(2), failure),
        ];
        assert_eq!((out.as_slice(), schedule.deadline()), (expected.as_slice(), Some(at(16))));
    }
}
