//! What the pool does next: no clock, no descriptor, no process in here.
//!
//! ```text
//!           Begin              TERM, INT, QUIT, gave up       all left
//!   Fresh ────────▶ Running ──────────▶ Preparing ─▶ Stopping ───────▶ Ended
//!
//!   a worker:  Spawn ─▶ Starting ─▶ Serving ─▶ Draining ─▶ (Killed) ─▶ gone
//! ```
//!
//! Every event is served in the state in which it arrives: what the event says
//! is noted, then everything that is due by now is done (`tick`), then
//! the pool is brought towards its size.

mod drain;
mod ends;
mod limits;
mod look;
mod orders;
mod reload;
mod replace;
mod start;
mod stop;
mod tick;
mod trap;
mod types;
mod view;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use reaper::Moment;

use super::config::{Reload, Size};
use super::lines::{Cause, Line};
use super::pool::Pool;
use super::view::Id;
use reload::Run;
use stop::Stop;
use trap::Sequence;
pub use types::*;
use worker::{Asked, Leave, Request, Worker};

/// Where the whole pool stands.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// Before `Begin`.
    Fresh,
    Running,
    /// The command before the shutdown runs, at most until then.
    Preparing(Moment),
    Stopping,
    Ended,
}

/// The state machine of one pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    policy: Policy,
    pool: Pool,
    phase: Phase,
    workers: BTreeMap<Id, Worker>,
    asked: Vec<Asked>,
    generation: u64,
    /// Workers of this generation and later are current ones.
    accepted: u64,
    next_id: Id,
    jitter: u32,
    /// A worker was ready once.
    announced: bool,

    /// First starts that are still to come, one each start delay.
    first: u32,
    last_start: Option<Moment>,
    /// No start before: after an error, after failures.
    error_until: Moment,
    pause_until: Moment,
    /// Failed starts in a row, and how many of these never showed that they had come up.
    young: u32,
    unproven: u32,
    /// The last one that was counted; earlier starts that fail belong to the same row.
    last_failure: Moment,
    /// Starts in a row that the system refused, and the texts that are in the log.
    refused: u32,
    /// Starts that were asked for before then belong to the last refusal.
    last_refusal: Moment,
    /// Seats that stay empty until then: their workers left too soon after their start.
    resting: Vec<Moment>,
    told_errors: Vec<String>,

    /// The pool has changed since it was last weighed.
    dirty: bool,
    /// Starts wait until then.
    blocked_until: Option<Moment>,
    extra_full: bool,
    pool_next: Option<Moment>,
    listening: bool,
    arrived: bool,
    queue: Option<u32>,
    pressure: Option<u32>,
    /// A look to be taken at the end of this step; true: at the memory, too.
    want_look: Option<bool>,
    limits_next: Option<Moment>,
    memory_next: Option<Moment>,
    recycle_at: Moment,
    last_look: Moment,

    reload: Option<Run>,
    /// One more reload follows, for these clients.
    pending: Option<Vec<Client>>,
    /// Clients who wait until the workers before this one have left.
    leaving: Vec<(Client, Id, u64)>,
    /// Starts under way from before are led out at once.
    told_before: Id,
    sequences: VecDeque<Sequence>,
    stop: Option<Stop>,
    /// The number of workers and the generation that were told last.
    told_status: (u32, u64),

    spawned: u64,
    reaped: u64,
    failed: u64,
    most: u32,
    held_back: u64,
}

impl Machine {
    /// A machine that waits for [`Input::Begin`].
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            pool: Pool::new(policy.pool.clone()),
            jitter: policy.jitter_seed | 1,
            policy,
            phase: Phase::Fresh,
            workers: BTreeMap::new(),
            asked: Vec::new(),
            generation: 1,
            accepted: 1,
            next_id: 1,
            announced: false,
            first: 0,
            last_start: None,
            error_until: Moment::ZERO,
            pause_until: Moment::ZERO,
            young: 0,
            unproven: 0,
            last_failure: Moment::ZERO,
            refused: 0,
            last_refusal: Moment::ZERO,
            resting: Vec::new(),
            told_errors: Vec::new(),
            dirty: false,
            blocked_until: None,
            extra_full: false,
            pool_next: None,
            listening: false,
            arrived: false,
            queue: None,
            pressure: None,
            want_look: None,
            limits_next: None,
            memory_next: None,
            recycle_at: Moment::ZERO,
            last_look: Moment::ZERO,
            reload: None,
            pending: None,
            leaving: Vec::new(),
            told_before: 0,
            sequences: VecDeque::new(),
            stop: None,
            told_status: (0, 0),
            spawned: 0,
            reaped: 0,
            failed: 0,
            most: 0,
            held_back: 0,
        }
    }

    fn begin(&mut self, out: &mut Vec<Action>) {
        if self.phase != Phase::Fresh {
            return;
        }
        self.phase = Phase::Running;
        if !self.policy.conduct.start_delay.is_zero() {
            self.first = self.pool.target();
        }
        self.dirty = true;
        if self.policy.pool.size == Size::OnDemand {
            self.announce(out);
        }
    }

    fn announce(&mut self, out: &mut Vec<Action>) {
        if !self.announced {
            self.announced = true;
            out.push(Action::Notify(Notice::Ready(self.status_text())));
        }
    }

    fn look(&mut self, memory: bool) {
        let memory = memory || self.want_look == Some(true);
        self.want_look = Some(memory);
    }

    /// Brings the pool towards its size; at the end of every step.
    fn settle(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.phase == Phase::Running {
            self.forgive(now);
            self.advance_reload(now, out);
            self.recycle(now, out);
            self.start_first(now, out);
            if self.first == 0 && self.dirty {
                self.dirty = false;
                match self.policy.pool.size {
                    Size::Fixed(_) => self.weigh(now, false, out),
                    Size::Spare { .. } | Size::OnDemand => self.look(false),
                }
            }
            self.give_up(now, out);
            self.notify_status(out);
        }
        self.report_left(out);
        self.end_if_alone(out);
        if let Some(memory) = self.want_look.take() {
            if self.phase != Phase::Ended && !self.stopping() {
                out.push(Action::Look(memory));
            }
        }
    }

    fn stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping | Phase::Preparing(_))
    }

    /// A number that nobody needs to guess; the same seed gives the same ones.
    fn draw(&mut self) -> u32 {
        let mut x = self.jitter;
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.jitter = x;
        x
    }

    /// A number from 0 to `max`.
    fn draw_up_to(&mut self, max: u64) -> u64 {
        let draw = u128::from(self.draw());
        let part = u128::from(max).saturating_add(1).saturating_mul(draw) >> 32;
        u64::try_from(part).unwrap_or(max).min(max)
    }
}

impl reaper::Machine for Machine {
    type Input = Input;
    type Action = Action;
    type Outcome = Outcome;

    fn step(&mut self, now: Moment, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Begin => self.begin(out),
            Input::Spawned(id, pid) => self.spawned(now, id, pid, out),
            Input::SpawnFailed(id, error) => self.spawn_failed(now, id, error, out),
            Input::Exited(id, exit, requests) => self.exited(now, id, exit, requests, out),
            Input::Notified(id, ready) => self.notified(id, ready, out),
            Input::Sent(id, signal) => self.sent(now, id, signal),
            Input::Signal(signal) => self.signal(now, signal, out),
            Input::Command(client, command) => self.command(now, client, command, out),
            Input::Changed => self.ask_reload(now, Cause::Changed, None, out),
            Input::Arrived => self.arrived(),
            Input::Looked(view) => self.looked(now, &view, out),
            Input::Retired(id, told) => self.retired(now, id, told, out),
            Input::Prepared => self.prepared(now, out),
            Input::Deadline => {}
        }
        self.tick(now, out);
        self.settle(now, out);
    }

    fn deadline(&self) -> Option<Moment> {
        self.next_due()
    }

    fn outcome(&self) -> Option<Outcome> {
        let code = self.stop.as_ref().map_or(0, |stop| stop.code);
        (self.phase == Phase::Ended).then_some(Outcome { code })
    }
}
