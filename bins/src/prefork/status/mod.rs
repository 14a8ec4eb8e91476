//! The state of a pool for people, for machines, and on the control socket.

mod auto;
mod board;
mod json;
mod measure;
mod openmetrics;
mod table;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

use super::config::{PoolRules, Size};
use super::machine::{Member, Stage, Summary};
use super::view::{Activity, Id, Memory, Seen, Source, View};

pub use table::{Age, Bytes};
pub(super) use table::{align, or_dash, shown};

/// What `prefork-run status` knows. What nobody told is `None`, empty or 0.
///
/// All texts are taken as they came: each form in which they leave this type is safe in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The manager.
    pub manager: ManagerStatus,
    /// The pool as a whole.
    pub pool: PoolStatus,
    /// The sockets.
    pub listeners: Vec<ListenerStatus>,
    /// The workers by slot.
    pub workers: Vec<WorkerStatus>,
    /// What [`measure`](Self::measure) found; never sent.
    pub machine: MachineStatus,
}

/// The manager.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManagerStatus {
    /// Its pid.
    pub pid: Option<i32>,
    /// Its version.
    pub version: Option<String>,
    /// What it is called.
    pub title: Option<String>,
    /// When it began: seconds of Unix time.
    pub started: Option<u64>,
    /// How long ago that was.
    pub uptime: Option<Duration>,
    /// The newest generation of workers.
    pub generation: u64,
    /// A reload is under way.
    pub reloading: bool,
    /// The pool is being stopped.
    pub stopping: bool,
    /// It is no more: this is what it left behind.
    pub gone: bool,
    /// The worker's program with its arguments.
    pub command: Option<String>,
}

/// The pool as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// How many workers there are to be, in words: [`PoolRules::text`].
    pub rule: String,
    /// Workers that are neither draining nor killed.
    pub members: u32,
    /// Those of them that wait for a request.
    pub idle: u32,
    /// That serve one.
    pub busy: u32,
    /// Of which that cannot be told.
    pub unknown: u32,
    /// That are not proven yet.
    pub starting: u32,
    /// Workers that are about to leave; not members.
    pub draining: u32,
    /// The limit for members.
    pub max_workers: u32,
    /// The most processes so far.
    pub most: u32,
    /// Starts so far.
    pub spawned: u64,
    /// Ends so far.
    pub reaped: u64,
    /// Ends that were failures.
    pub failed: u64,
    /// How often the limit kept the pool from growing.
    pub held_back: u64,
    /// What was done since the manager began, where that is counted.
    pub totals: Option<Totals>,
    /// Percent of the last ten seconds in which somebody waited for a CPU.
    pub pressure: Option<u32>,
}

/// What workers did.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests that ended.
    pub requests: u64,
    /// Bytes sent, or whatever the workers count.
    pub bytes: u64,
    /// How long the requests took together.
    pub busy: Duration,
}

/// One socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerStatus {
    /// Its name in SERVER_STARTER_PORT.
    pub name: String,
    /// Where it is bound.
    pub address: String,
    /// Its descriptor in the workers.
    pub fd: i32,
    /// `tcp`, `udp`, `unix`.
    pub kind: String,
    /// Connections that nobody has accepted yet.
    pub queue: Option<u32>,
    /// How many may wait.
    pub queue_limit: Option<u32>,
}

/// One worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Its start's number.
    pub id: Option<Id>,
    /// Its slot.
    pub slot: u32,
    /// Its process.
    pub pid: Option<i32>,
    /// Which reload it came from.
    pub generation: Option<u64>,
    /// Where it stands.
    pub stage: Option<Stage>,
    /// What it does.
    pub activity: Activity,
    /// How that is known.
    pub source: Source,
    /// The letter on the scoreboard, if the worker keeps its slot there.
    pub said: Option<char>,
    /// Requests that ended.
    pub requests: Option<u64>,
    /// How long they took together.
    pub busy: Option<Duration>,
    /// How long its present request has taken.
    pub in_request: Option<Duration>,
    /// When it last said anything on the scoreboard.
    pub last_beat: Option<Duration>,
    /// Bytes sent, or whatever it counts.
    pub bytes: Option<u64>,
    /// How long ago it was started.
    pub age: Option<Duration>,
    /// Resident memory in bytes.
    pub rss: Option<u64>,
    /// What it says about itself: any bytes.
    pub text: Option<Vec<u8>>,
}

/// What the kernel tells about machine and processes.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineStatus {
    /// The load averages of 1, 5 and 15 minutes in hundredths.
    pub load: Option<[u32; 3]>,
    /// CPU time of manager and workers.
    pub cpu: Option<Cpu>,
}

/// CPU time.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Of manager and living workers in their own code.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
    /// Of their children that have ended, former workers among them.
    pub children_user: Duration,
    /// In the kernel.
    pub children_system: Duration,
}

impl Cpu {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> Duration {
        [self.system, self.children_user, self.children_system]
            .iter()
            .fold(self.user, |sum, part| sum.saturating_add(*part))
    }
}

impl PoolRules {
    /// How many workers there are to be, in words.
    #[must_use]
    pub fn text(&self) -> String {
        let most = self.max_workers;
        match self.size {
            Size::Fixed(1) => "1 worker".to_owned(),
            Size::Fixed(count) => format!("{count} workers"),
            Size::Spare { min, max } => format!("{min} to {max} idle, {most} at most"),
            Size::OnDemand => format!("on demand, {most} at most"),
        }
    }
}

impl Totals {
    /// Adds what a worker did; for the manager, before it gives the slot to another.
    pub fn add(&mut self, requests: u64, bytes: u64, busy: Duration) {
        self.requests = self.requests.saturating_add(requests);
        self.bytes = self.bytes.saturating_add(bytes);
        self.busy = self.busy.saturating_add(busy);
    }
}

impl PoolStatus {
    /// What the machine counts.
    pub fn note(&mut self, summary: &Summary) {
        self.spawned = summary.spawned;
        self.reaped = summary.reaped;
        self.failed = summary.failed;
        self.most = summary.most;
        self.held_back = summary.held_back;
    }
}

impl WorkerStatus {
    /// A worker of the machine, with what the last look found of it.
    #[must_use]
    pub fn new(member: &Member, age: Duration, view: Option<&View>) -> Self {
        let seen = view.and_then(|view| seen(view, member.id));
        let mut worker = Self {
            id: Some(member.id),
            slot: member.slot,
            pid: Some(member.pid.as_raw()),
            generation: Some(member.generation),
            stage: Some(member.stage),
            age: Some(age),
            ..Self::default()
        };
        if let Some(Seen { activity, source, requests, in_request, memory, .. }) = seen {
            worker.activity = *activity;
            worker.source = *source;
            worker.requests = *requests;
            worker.in_request = *in_request;
            worker.rss = memory.map(|Memory { rss, .. }| rss);
        }
        worker
    }

    /// The letter for it on an Apache scoreboard. Only letters that mod_status has: what reads those
    /// knows no others.
    #[must_use]
    pub fn letter(&self) -> char {
        match self.stage {
            Some(Stage::Starting) => 'S',
            Some(Stage::Draining | Stage::Killed) => 'G',
            Some(Stage::Serving) | None => match (self.said, self.activity) {
                (Some(said), _) if "_SRWKDCLGI".contains(said) => said,
                (Some('P'), _) => 'I',
                (Some('T'), _) => 'G',
                (_, Activity::Idle) => '_',
                (_, Activity::Busy | Activity::Unknown) => 'W',
            },
        }
    }

    /// A word for what it does or where it stands.
    pub(super) fn state(&self) -> &'static str {
        match self.stage {
            Some(Stage::Starting) => "starting",
            Some(Stage::Draining) => "draining",
            Some(Stage::Killed) => "killed",
            Some(Stage::Serving) | None => word(self.activity),
        }
    }
}

/// Quick where they are in order, as a look leaves them.
fn seen(view: &View, id: Id) -> Option<&Seen> {
    match view.workers.binary_search_by_key(&id, |seen| seen.id) {
        Ok(index) => view.workers.get(index),
        Err(_) => view.workers.iter().find(|seen| seen.id == id),
    }
}

fn word(activity: Activity) -> &'static str {
    match activity {
        Activity::Idle => "idle",
        Activity::Busy => "busy",
        Activity::Unknown => "unknown",
    }
}

impl Status {
    /// Counts the workers, and what they and those before them (`gone`) did.
    pub fn count(&mut self, gone: &Totals) {
        let pool = &mut self.pool;
        let (mut idle, mut busy, mut unknown) = (0_u32, 0_u32, 0_u32);
        let (mut starting, mut draining) = (0_u32, 0_u32);
        let mut totals = *gone;
        for worker in &self.workers {
            let counter = match (worker.stage, worker.activity) {
                (Some(Stage::Draining | Stage::Killed), _) => &mut draining,
                (Some(Stage::Starting), _) => &mut starting,
                (_, Activity::Idle) => &mut idle,
                (_, Activity::Busy) => &mut busy,
                (_, Activity::Unknown) => &mut unknown,
            };
            *counter = counter.saturating_add(1);
            totals.add(
                worker.requests.unwrap_or(0),
                worker.bytes.unwrap_or(0),
                worker.busy.unwrap_or_default(),
            );
        }
        let counted = self.workers.iter().any(|worker| worker.requests.is_some());
        pool.totals = (counted || *gone != Totals::default()).then_some(totals);
        pool.members = idle.saturating_add(busy).saturating_add(unknown).saturating_add(starting);
        (pool.idle, pool.busy, pool.unknown) = (idle, busy, unknown);
        (pool.starting, pool.draining) = (starting, draining);
    }

    /// What the manager is about, in a word.
    pub(super) fn phase(&self) -> &'static str {
        match &self.manager {
            manager if manager.gone => "gone",
            manager if manager.stopping => "stopping",
            manager if manager.reloading => "reloading",
            _ => "serving",
        }
    }
}
