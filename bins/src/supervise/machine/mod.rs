//! What is to run, and what to do about it. Pure: told what happened and when, it names deeds.
//!
//! ```text
//!                  ┌──────────── startretries left ────────────┐
//!                  ▼                                           │
//!  STOPPED ──▶ STARTING ──── too early, or not at all ────▶ BACKOFF ──▶ FATAL
//!     ▲            │ startsecs, or ready                       │
//!     │            ▼                                           │ stop
//!     │         RUNNING ──▶ EXITED ──▶ STARTING (autorestart)  ▼
//!     └─ STOPPING ◀─ stop, from STARTING and RUNNING        STOPPED
//! ```
//!
//! The states and their rules are supervisord's. What it does not know:
//!
//! * A oneshot that exits with 0 is EXITED as expected however early that is, by way of RUNNING;
//!   with any other code that is not in `exitcodes` it has failed to start, also from RUNNING.
//! * A process that depends on others waits in STOPPED until they are so far. An order to start it
//!   starts them first; its start by itself does not. If what it waits for is not on its way, the
//!   log says so once. Restarts do not wait, and an order that stops a process leaves those that
//!   depend on it alone.
//! * A process that replaces another, or has the name of one that is being removed, waits until that
//!   has gone. One that is hot starts beside it,
//!   and the old one, which is looked after as before, is stopped when the new one is RUNNING. An
//!   order to stop the new one stops both.
//! * A program is gone for good, for `essential=` and `exit_on=`, when it ended by itself and is not
//!   started again; a stop by hand and a oneshot's success do not count. `exit_on=all` waits for all
//!   to have ended and looks when one of them ends by itself.
//! * A process whose signal failed is UNKNOWN, and counts as stopped, until its end is seen; then it
//!   has stopped if that was wanted, and has exited if not.

mod change;
mod depend;
mod exit;
mod hold;
mod orders;
mod process;
mod rank;
mod settle;
mod shutdown;
mod stop;
pub mod types;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod walks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use reaper::Moment;

use super::lines::Line;
use depend::Links;
use process::{NEVER, Process};
use rank::Rank;
use shutdown::Shutdown;
use types::{Action, After, General, Input, Mood, Order, Policy, ProcId, Refusal, State, View};

/// How far the whole has come; a shutdown in progress is held beside it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// Before [`Input::Begin`].
    Fresh,
    Running,
    Stopping,
    Finished(After),
}

/// The state machine of all processes.
///
/// ```
/// use reaper::Moment;
/// use superdaemon::supervise::machine::Machine;
/// use superdaemon::supervise::machine::types::{Action, After, General, Input};
///
/// let (mut machine, mut actions) = (Machine::new(General::default()), Vec::new());
/// machine.step(Moment::ZERO, Input::Begin, &mut actions);
/// machine.step(Moment::ZERO, Input::Shutdown(After::Leave(0)), &mut actions);
/// assert_eq!(actions.last(), Some(&Action::Finished(After::Leave(0))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    general: General,
    phase: Phase,
    table: BTreeMap<ProcId, Process>,
    /// In start order.
    order: BTreeSet<Rank>,
    timers: BTreeSet<(Moment, ProcId)>,
    /// Only of processes that depend on others, or are depended on.
    links: BTreeMap<ProcId, Links>,
    /// Which new process takes the place of an old one, and the other way round.
    successors: BTreeMap<ProcId, ProcId>,
    predecessors: BTreeMap<ProcId, Vec<ProcId>>,
    /// Who has changed and was not followed up.
    changed: VecDeque<ProcId>,
    /// How many run or will run.
    busy: usize,
    /// The last one that ended by itself, for `exit_on=all`.
    last_end: Option<ProcId>,
    shutdown: Option<Box<Shutdown>>,
}

impl Machine {
    /// A machine that knows no process and waits for [`Input::Begin`].
    #[must_use]
    pub fn new(general: General) -> Self {
        Self {
            general,
            phase: Phase::Fresh,
            table: BTreeMap::new(),
            order: BTreeSet::new(),
            timers: BTreeSet::new(),
            links: BTreeMap::new(),
            successors: BTreeMap::new(),
            predecessors: BTreeMap::new(),
            changed: VecDeque::new(),
            busy: 0,
            last_end: None,
            shutdown: None,
        }
    }

    /// Takes in one event, seen at `now`, and appends what is to be done.
    ///
    /// `now` never goes back. An event that comes late, twice or out of place is no error.
    pub fn step(&mut self, now: Moment, input: Input, out: &mut Vec<Action>) {
        let may_start = self.phase == Phase::Running;
        match input {
            Input::Begin => self.begin(now, out),
            Input::Deadline => {}
            Input::Spawned(id, pid) => self.with(id, |process| process.spawned(now, pid, out)),
            Input::SpawnFailed(id, why) => {
                self.with(id, |process| process.spawn_failed(now, why, out));
            }
            Input::Exited(id, exit) => {
                self.with(id, |process| process.exited(now, exit, may_start, out));
            }
            Input::SignalFailed(id, why) => {
                self.with(id, |process| process.signal_failed(why, out));
            }
            Input::Ready(id) => self.with(id, |process| process.ready(now, out)),
            Input::Alive(id) => self.with(id, |process| process.alive(now)),
            Input::Unhealthy(id) => self.unhealthy(now, id, out),
            Input::Apply(general, changes) => self.apply(now, general, changes, out),
            Input::Shutdown(after) => self.begin_shutdown(now, after, out),
        }
        self.follow_up(now, out);
    }

    /// Follows an order, or says why not.
    ///
    /// # Errors
    ///
    /// supervisord's reasons; there is nothing to be done then. A stop of an UNKNOWN process is refused,
    /// too, but remembered: it is not started again when its end is seen.
    pub fn order(
        &mut self,
        now: Moment,
        order: Order,
        out: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        self.obey(now, order, out)?;
        self.follow_up(now, out);
        Ok(())
    }

    /// When the machine wants [`Input::Deadline`]; `None`: not before something happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        let first = self.timers.first().map(|(at, _)| *at);
        let whole = self.shutdown.as_ref().map(|shutdown| shutdown.due());
        first.into_iter().chain(whole).min().filter(|at| *at < NEVER)
    }

    /// What is known of one process; `None` if there is no such process (any more).
    #[must_use]
    pub fn view(&self, id: ProcId) -> Option<View> {
        let view = self.table.get(&id)?.view();
        let served = self.serving(id).any(|old| old.state == State::Running);
        Some(View { served, ..view })
    }

    /// Where the supervisor itself stands.
    #[must_use]
    pub fn mood(&self) -> Mood {
        let after = match self.phase {
            Phase::Fresh | Phase::Running => return Mood::Running,
            Phase::Finished(after) => Some(after),
            Phase::Stopping => self.shutdown.as_ref().map(|shutdown| shutdown.after),
        };
        match after {
            Some(After::Again) => Mood::Restarting,
            Some(After::Leave(_)) | None => Mood::ShuttingDown,
        }
    }

    /// All processes in start order, with those that are being stopped in order to be forgotten.
    pub fn processes(&self) -> impl Iterator<Item = (ProcId, &Policy)> {
        self.order.iter().map(|rank| (rank.id, &*rank.policy))
    }

    fn begin(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.phase != Phase::Fresh {
            return;
        }
        self.phase = Phase::Running;
        out.push(Action::Mood(Mood::Running));
        for process in self.table.values_mut() {
            if process.policy.autostart && !process.by_hand && !process.removed {
                process.want();
            }
        }
        self.consider_all(now, out);
    }

    fn unhealthy(&mut self, now: Moment, id: ProcId, out: &mut Vec<Action>) {
        let may_start = self.phase == Phase::Running;
        self.with(id, |process| {
            if may_start && process.is_sound() {
                out.push(Action::Log(Line::Unhealthy { name: process.name() }));
                process.halt(now, true, out);
                process.again = process.state == State::Stopping;
            }
        });
    }

    /// Every change of a process goes through here: its timer, the count of the busy ones and the
    /// list of those to be followed up are kept in step.
    fn with(&mut self, id: ProcId, change: impl FnOnce(&mut Process)) {
        let Some(process) = self.table.get_mut(&id) else { return };
        let before = (process.state, process.pid, process.spawning);
        let came = process.comes();
        change(process);
        let due = process.due.min(process.report);
        if due != process.armed {
            self.timers.remove(&(process.armed, id));
            if due < NEVER {
                self.timers.insert((due, id));
            }
            process.armed = due;
        }
        let busy = process.is_busy();
        if busy != process.counted {
            process.counted = busy;
            self.busy =
                if busy { self.busy.saturating_add(1) } else { self.busy.saturating_sub(1) };
        }
        let after = (process.state, process.pid, process.spawning);
        if before != after || process.ended || came && !process.comes() {
            self.changed.push_back(id);
        }
    }
}
