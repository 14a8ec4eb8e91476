//! A pool of simulated workers under simulated load, with a clock that jumps from event to event.

use std::collections::VecDeque;
use std::fmt::Write as _;

use super::*;

/// From the start of a worker to its first accept.
const WARM_UP: u64 = 3_000;
/// What a start costs the manager, microseconds.
const FORK: u64 = 300;

/// What can be seen of the pool.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    All,
    NoQueue,
    NoWorker,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Worker {
    Starting(u64),
    Idle,
    Busy(u64),
}

/// Times are microseconds.
pub(super) struct Simulation {
    pub pool: Pool,
    rules: PoolRules,
    sight: Sight,
    pub now: u64,
    workers: Vec<Worker>,
    /// When each waiting request came, and how long it takes.
    queue: VecDeque<(u64, u64)>,
    armed: bool,
    next: Option<u64>,
    pub pressure: u32,
    /// Nobody is started, whatever is wanted.
    pub broken: bool,
    pub looks: u32,
    pub grown: u32,
    pub shrunk: u32,
    pub held_back: u32,
    pub served: u32,
    /// The longest time that a request waited.
    pub slowest: u64,
    /// The size of the pool, by the moment at which it became so.
    pub sizes: Vec<(u64, usize)>,
}

impl Simulation {
    /// A pool with its first workers, at rest.
    pub(super) fn new(rules: PoolRules, sight: Sight) -> Simulation {
        let mut simulation = Simulation {
            pool: Pool::new(rules.clone()),
            rules,
            sight,
            now: 0,
            workers: Vec::new(),
            queue: VecDeque::new(),
            armed: false,
            next: None,
            pressure: 0,
            broken: false,
            looks: 0,
            grown: 0,
            shrunk: 0,
            held_back: 0,
            served: 0,
            slowest: 0,
            sizes: Vec::new(),
        };
        simulation.look(false);
        simulation.run(1_000_000);
        simulation.looks = 0;
        simulation.sizes.clear();
        simulation.note();
        simulation
    }

    pub(super) fn size(&self) -> usize {
        self.workers.len()
    }

    pub(super) fn idle(&self) -> usize {
        self.workers.iter().filter(|worker| **worker == Worker::Idle).count()
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// When the manager looks again by itself.
    pub(super) fn next(&self) -> Option<u64> {
        self.next
    }

    pub(super) fn listens(&self) -> bool {
        self.armed
    }

    /// Requests that come now, each of this length.
    pub(super) fn requests(&mut self, count: u32, length: u64) {
        for _ in 0..count {
            self.queue.push_back((self.now, length));
        }
        if self.armed && count > 0 {
            // The manager is often faster than the workers.
            self.look(true);
        }
        self.serve();
        self.report();
    }

    /// One worker is gone without having been asked.
    pub(super) fn lose(&mut self, which: usize) {
        if which < self.workers.len() {
            self.workers.swap_remove(which);
            self.note();
            self.look(false);
            self.report();
        }
    }

    /// Time passes.
    pub(super) fn run(&mut self, micros: u64) {
        let end = self.now + micros;
        loop {
            let ends = self.workers.iter().filter_map(|worker| match worker {
                Worker::Starting(at) | Worker::Busy(at) => Some(*at),
                Worker::Idle => None,
            });
            let next = ends.chain(self.next).min().unwrap_or(end);
            if next > end || (next == end && self.now == end) {
                break;
            }
            self.now = self.now.max(next);
            for worker in &mut self.workers {
                if matches!(worker, Worker::Starting(at) | Worker::Busy(at) if *at <= self.now) {
                    *worker = Worker::Idle;
                }
            }
            self.serve();
            if self.next.is_some_and(|at| at <= self.now) {
                self.look(false);
            }
            self.report();
            if self.now >= end {
                break;
            }
        }
        self.now = end;
    }

    fn serve(&mut self) {
        for worker in &mut self.workers {
            if *worker != Worker::Idle {
                continue;
            }
            let Some((came, length)) = self.queue.pop_front() else { break };
            self.slowest = self.slowest.max(self.now - came);
            self.served += 1;
            *worker = Worker::Busy(self.now + length);
        }
    }

    /// What epoll does: it reports at once when somebody waits already.
    fn report(&mut self) {
        if self.armed && !self.queue.is_empty() {
            self.look(true);
        }
    }

    fn look(&mut self, arrived: bool) {
        if arrived {
            self.armed = false;
        }
        let count = |what: fn(&Worker) -> bool| {
            u32::try_from(self.workers.iter().filter(|worker| what(worker)).count()).unwrap()
        };
        let members = u32::try_from(self.workers.len()).unwrap();
        let starting = count(|worker| matches!(worker, Worker::Starting(_)));
        let seen = if self.sight == Sight::NoWorker { 0 } else { count(|w| *w == Worker::Idle) };
        let busy = members - starting - seen;
        let look = Look {
            members,
            starting,
            idle: seen,
            busy,
            unknown: if self.sight == Sight::NoWorker { busy } else { 0 },
            queue: (self.sight != Sight::NoQueue).then(|| u32::try_from(self.queue.len()).unwrap()),
            pressure: Some(self.pressure),
            memory: None,
            arrived,
        };
        self.looks += 1;
        let now = Moment::from_nanos(self.now * 1000);
        let decision = self.pool.decide(now, &look);
        self.check(&look, decision);
        self.held_back += u32::from(decision.held_back);
        self.armed |= decision.listen;
        self.next = decision.next.map(|next| next.as_nanos().div_ceil(1000));
        match decision.want {
            Want::Stay => {}
            Want::Grow(_) if self.broken => {}
            Want::Grow(count) => {
                self.grown += count;
                for nth in 1..=u64::from(count) {
                    self.workers.push(Worker::Starting(self.now + nth * FORK + WARM_UP));
                }
            }
            Want::Shrink(count) => {
                for _ in 0..count {
                    let Some(at) = self.workers.iter().position(|w| *w == Worker::Idle) else {
                        break;
                    };
                    self.workers.swap_remove(at);
                    self.shrunk += 1;
                }
            }
        }
        self.note();
    }

    /// What must be true of every decision.
    fn check(&self, look: &Look, decision: Decision) {
        let context = || format!("{look:?} {decision:?} {:?}", self.pool);
        if let Some(next) = decision.next {
            assert!(next.as_nanos() > self.now * 1000, "the next look is now: {}", context());
        }
        match (decision.want, self.rules.size) {
            (Want::Grow(count), _) => {
                assert!(count > 0 && look.members + count <= self.pool.ceiling(), "{}", context());
            }
            (Want::Shrink(count), Size::Fixed(_)) => {
                assert!(look.members - count >= self.pool.target(), "{}", context());
            }
            (Want::Shrink(count), _) if look.members > self.pool.ceiling() => {
                assert!(look.members - count >= self.pool.target(), "{}", context());
            }
            (Want::Shrink(count), Size::Spare { min, .. }) => {
                let queue = look.queue.unwrap_or(0);
                assert!(look.idle >= count + queue + min, "{}", context());
            }
            (Want::Shrink(count), Size::OnDemand) => assert!(look.idle >= count, "{}", context()),
            (Want::Stay, _) => {}
        }
        let blocked = look.members >= self.pool.ceiling();
        let seen = self.armed || decision.listen || decision.next.is_some() || blocked;
        assert!(
            seen || matches!(self.rules.size, Size::Fixed(_)),
            "nothing would be noticed: {}",
            context()
        );
    }

    fn note(&mut self) {
        let size = self.workers.len();
        if self.sizes.last().is_none_or(|(_, last)| *last != size) {
            self.sizes.push((self.now, size));
        }
    }

    /// The size of the pool at a moment.
    pub(super) fn size_at(&self, micros: u64) -> usize {
        let before = self.sizes.iter().take_while(|(at, _)| *at <= micros).last();
        before.map_or(0, |(_, size)| *size)
    }

    /// How often growth turned into shrinkage or back.
    pub(super) fn turns(&self) -> usize {
        let ups = self.sizes.windows(2).map(|pair| pair[1].1 > pair[0].1).collect::<Vec<_>>();
        ups.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    /// The size over time, a bar for each step.
    pub(super) fn curve(&self, title: &str, from: u64, step: u64) -> String {
        let mut text = format!("{title}: size over time, {} ms a line\n", step / 1000);
        let most = self.sizes.iter().map(|(_, size)| *size).max().unwrap_or(0);
        let scale = most.div_ceil(60).max(1);
        let mut at = from;
        while at <= self.now {
            let size = self.size_at(at);
            let bar = "#".repeat(size.div_ceil(scale));
            writeln!(text, "{:>9.3} s {size:>4} {bar}", (at - from) as f64 / 1e6).unwrap();
            at += step;
        }
        text
    }
}
