//! Ends of workers, and the brake on starts that fail.

use std::time::Duration;

use reaper::{Backoff, Exit, Moment};

use super::start::FREE_FAILURES;
use super::stop::Level;
use super::worker::STABLE;
use super::{Action, Asked, Cause, Id, Line, Machine, Phase, Worker};

/// The first pause of the brake.
const BASE: Duration = Duration::from_millis(100);
/// Between starts that the brake lets pass.
const LEAST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause after a worker that had come up: whatever made it fail, its requests included,
/// must not close the pool for longer.
const PROVEN_MAX: Duration = Duration::from_secs(1);

/// What kind of failure a worker's death is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing has ever shown that it came up.
    Unproven,
    /// It had come up.
    Proven,
}

impl Failure {
    pub(super) fn of(proven: bool) -> Self {
        if proven { Self::Proven } else { Self::Unproven }
    }
}

impl Machine {
    pub(super) fn exited(
        &mut self,
        now: Moment,
        id: Id,
        exit: Exit,
        requests: Option<u64>,
        out: &mut Vec<Action>,
    ) {
        if let Some(asked) = self.take_asked(id) {
            self.overtaken(now, asked, exit, requests, out);
            return;
        }
        self.note_slot(id, requests, out);
        let Some(mut worker) = self.workers.remove(&id) else { return };
        worker.signalled |= exit.signal().is_some_and(|signal| worker.sent.contains(&signal));
        self.reaped = self.reaped.saturating_add(1);
        self.dirty = true;
        let told = !worker.stays();
        let ours = told || worker.signalled;
        if if ours { exit.code().is_some_and(|code| code != 0) } else { !exit.success() } {
            self.failed = self.failed.saturating_add(1);
        }
        let pid = worker.pid;
        out.push(Action::Log(match (told, exit.success()) {
            (true, _) => Line::Left(pid, exit),
            (false, true) if worker.ready => Line::Left(pid, exit),
            (false, true) => Line::LeftEarly(pid, exit),
            (false, false) => Line::Died(pid, exit),
        }));
        if told || self.phase != Phase::Running {
            return;
        }
        let proven = worker.is_proven();
        let idled = self.has_idled(now, &worker, requests);
        if worker.joiner && proven && exit.success() && !idled {
            self.joiner_done(now, out);
            return;
        }
        // One that has a seat because it was silent for long enough is still on trial.
        let on_trial = worker.joiner || (self.is_of_reload(id) && !proven);
        if on_trial && !worker.signalled {
            let (pid, generation) = (worker.pid, worker.generation);
            let text = format!("new worker {pid} (generation {generation}) died, {exit}");
            self.joiner_failed(now, worker.asked, text, Some(Failure::of(proven)), out);
        }
        if !worker.joiner {
            self.died(now, &worker, exit, idled, out);
            self.promote_one();
        }
    }

    /// Its end overtook the news of its start.
    fn overtaken(
        &mut self,
        now: Moment,
        asked: Asked,
        exit: Exit,
        requests: Option<u64>,
        out: &mut Vec<Action>,
    ) {
        self.reaped = self.reaped.saturating_add(1);
        self.dirty = true;
        let well = requests.is_some_and(|count| count > 0);
        let failure = Failure::of(requests.is_some());
        if asked.joiner && well {
            self.joiner_done(now, out);
        } else if self.phase == Phase::Running && !well {
            if asked.joiner || (self.is_of_reload(asked.id) && failure == Failure::Unproven) {
                let text = format!("a new worker died, {exit}");
                self.joiner_failed(now, asked.at, text, Some(failure), out);
            }
            if !asked.joiner {
                self.failed_start(now, asked.at, failure, out);
            }
        }
    }

    /// What its slot showed at the end, as a last look would have.
    fn note_slot(&mut self, id: Id, requests: Option<u64>, out: &mut Vec<Action>) {
        let Some(requests) = requests else { return };
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.shown = true;
        worker.served |= requests > 0;
        if !worker.ready && !worker.spoke && worker.stays() {
            self.became_ready(id, out);
        }
    }

    /// It has left soon after its start, and it is known that it served nobody: by its slot, or by
    /// what was seen of it after it had said that it was ready.
    fn has_idled(&self, now: Moment, worker: &Worker, requests: Option<u64>) -> bool {
        let known = requests == Some(0) || worker.said;
        known && !worker.served && now.saturating_since(worker.since) < STABLE
    }

    /// A member has left that nobody told to.
    fn died(
        &mut self,
        now: Moment,
        worker: &Worker,
        exit: Exit,
        idled: bool,
        out: &mut Vec<Action>,
    ) {
        let conduct = &self.policy.conduct;
        if !exit.success() && worker.generation >= self.accepted && !worker.signalled {
            let until = now.saturating_add(conduct.error_respawn_interval);
            self.error_until = self.error_until.max(until);
        }
        if worker.signalled {
            return;
        }
        let young = now.saturating_since(worker.since) < STABLE && !worker.served;
        if !worker.is_proven() || idled || (young && !exit.success()) {
            let failure = Failure::of(worker.is_proven());
            self.failed_start(now, worker.asked, failure, out);
            return;
        }
        if self.young > 0 && self.is_try(worker) {
            // It need not live for long to show that starts work.
            self.end_row();
        }
        let rest = worker.since.saturating_add(LEAST_PAUSE);
        if !worker.served && rest > now {
            // It may have served somebody: no failure, but its seat is not filled in a tight loop.
            self.resting.push(rest);
        }
    }

    /// Counts a start that has failed. Workers that were started before the last failure was
    /// counted belong to it: deaths together do not add up.
    pub(super) fn failed_start(
        &mut self,
        now: Moment,
        since: Moment,
        failure: Failure,
        out: &mut Vec<Action>,
    ) {
        if self.young > 0 && since < self.last_failure {
            return;
        }
        self.young = self.young.saturating_add(1);
        self.last_failure = now.saturating_add(Duration::from_nanos(1));
        let longest = self.policy.conduct.backoff_max;
        let short = longest.min(PROVEN_MAX);
        let (count, longest) = match failure {
            Failure::Unproven => {
                self.unproven = self.unproven.saturating_add(1);
                let later = self.unproven > FREE_FAILURES;
                if later { (self.unproven, longest) } else { (self.young, short) }
            }
            Failure::Proven => {
                self.unproven = 0;
                (self.young, short)
            }
        };
        self.pause(now, count.saturating_sub(FREE_FAILURES), longest, out);
    }

    /// Lets seats be filled again whose rest is over.
    pub(super) fn end_rests(&mut self, now: Moment) {
        let before = self.resting.len();
        self.resting.retain(|until| *until > now);
        self.dirty |= self.resting.len() < before;
    }

    /// No failures any more.
    pub(super) fn end_row(&mut self) {
        self.young = 0;
        self.unproven = 0;
        self.pause_until = Moment::ZERO;
        self.dirty = true;
    }

    /// No start for a while; longer after more failures.
    pub(super) fn pause(
        &mut self,
        now: Moment,
        failures: u32,
        longest: Duration,
        out: &mut Vec<Action>,
    ) {
        let jitter = self.draw();
        let backoff = Backoff::new(BASE, longest);
        let delay = backoff.delay(failures, jitter).max(LEAST_PAUSE);
        let until = now.saturating_add(delay);
        if until > self.pause_until {
            self.pause_until = until;
            if failures > 0 && self.refused == 0 {
                out.push(Action::Log(Line::BackingOff(self.young, delay)));
            }
        }
    }

    /// A worker that came up after the last failure and has lived for a while ends the row.
    pub(super) fn forgive(&mut self, now: Moment) {
        if self.forgiven_at().is_some_and(|at| now >= at) {
            self.end_row();
        }
    }

    pub(super) fn forgiven_at(&self) -> Option<Moment> {
        if self.young == 0 {
            return None;
        }
        let tries = self.workers.values().filter(|worker| self.is_try(worker));
        tries.filter_map(|worker| worker.stable_at(&self.policy.conduct)).min()
    }

    pub(super) fn give_up(&mut self, now: Moment, out: &mut Vec<Action>) {
        let conduct = &self.policy.conduct;
        let launching = self.policy.launcher && !self.announced;
        let (failures, limit) = match (launching, conduct.give_up) {
            (true, 0) => (self.unproven.saturating_add(self.refused), FREE_FAILURES),
            (true, limit) => (self.unproven.saturating_add(self.refused), limit),
            (false, 0) => return,
            (false, limit) => (self.unproven, limit),
        };
        if failures >= limit && self.serving() == 0 {
            out.push(Action::Log(Line::GaveUp(failures)));
            self.begin_stop(now, Cause::Failures, Level::Term, 1, out);
        }
    }
}
