//! The processes that a walk pretends to have.

use std::time::Duration;

use fastrand::Rng;
use reaper::{Exit, Moment, Pid};
use sigpolicy::Signal;

use super::scenario::{ms, pick};
use crate::supervise::machine::types::{Policy, ProcId};

/// What a process does by itself.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Exited(ProcId, Exit),
    Ready(ProcId),
    Alive(ProcId),
}

#[derive(Clone, Debug)]
struct Process {
    id: ProcId,
    pid: Pid,
    /// From the stop signal to its end; `None`: it takes no notice.
    leaves_after: Option<Duration>,
    /// From KILL to its end: not at once if it hangs in the kernel.
    dies_after: Duration,
    /// `kill` is not permitted.
    untouchable: bool,
    ends: Option<(Moment, Exit)>,
    announces: bool,
    ready: Option<Moment>,
    beats: Option<(Moment, Duration)>,
}

/// All processes of a walk, with their futures.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    processes: Vec<Process>,
    pids: i32,
    random: Rng,
    /// Nothing bad happens any more.
    calm: bool,
}

impl Kernel {
    pub(super) fn new(seed: u64) -> Self {
        Self { processes: Vec::new(), pids: 100, random: Rng::with_seed(seed), calm: false }
    }

    pub(super) fn pid(&self, id: ProcId) -> Option<Pid> {
        self.processes.iter().find(|process| process.id == id).map(|process| process.pid)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ProcId> {
        self.processes.iter().map(|process| process.id)
    }

    pub(super) fn spawn(&mut self, now: Moment, id: ProcId, of: &Policy) -> Result<Pid, String> {
        let random = &mut self.random;
        let calm = self.calm;
        if !calm && random.u8(..12) == 0 {
            return Err("too many open files".into());
        }
        self.pids += 1;
        let pid = Pid::from_raw(self.pids).unwrap();
        let life = match random.u8(..10) {
            _ if calm => None,
            0..2 => Some(ms(random.u64(..900))),
            2..4 => Some(ms(random.u64(900..6000))),
            _ => None,
        };
        let exit = pick(random, &[0, 0, 256, 512, 9, 11]);
        let ready = match random.u8(..8) {
            _ if calm => Some(ms(5)),
            0 => None,
            _ => Some(ms(random.u64(..1500))),
        };
        let pace = match random.u8(..6) {
            _ if calm => ms(1500),
            0 => ms(4000),
            _ => ms(500),
        };
        self.processes.push(Process {
            id,
            pid,
            leaves_after: match random.u8(..10) {
                _ if calm => Some(ms(5)),
                0 => None,
                1..3 => Some(ms(random.u64(..3000))),
                _ => Some(ms(random.u64(..50))),
            },
            dies_after: match random.u8(..20) {
                0 => ms(8000),
                _ => ms(random.u64(..5)),
            },
            untouchable: !calm && random.u8(..60) == 0,
            ends: life.map(|life| (now + life, Exit::from_raw(exit))),
            announces: of.announces,
            ready: ready.filter(|_| of.announces).map(|after| now + after),
            beats: of.watchdog.map(|_| (now + pace, pace)),
        });
        Ok(pid)
    }

    /// What kill(2) says; a process that is gone or about to be is fine.
    pub(super) fn signal(&mut self, now: Moment, id: ProcId, signal: Signal) -> Result<(), String> {
        let Some(process) = self.processes.iter_mut().find(|process| process.id == id) else {
            return Ok(());
        };
        if process.untouchable {
            return Err("Operation not permitted".into());
        }
        let end = match signal {
            Signal::KILL => Some((now + process.dies_after, Exit::from_raw(9))),
            Signal::TERM | Signal::INT | Signal::QUIT => {
                let raw = pick(&mut self.random, &[0, signal.as_raw()]);
                process.leaves_after.map(|after| (now + after, Exit::from_raw(raw)))
            }
            _ => None,
        };
        if let Some(end) = end {
            if process.ends.is_none_or(|(at, _)| end.0 < at) {
                process.ends = Some(end);
            }
        }
        Ok(())
    }

    /// It ends by itself, now.
    pub(super) fn end(&mut self, now: Moment, id: ProcId, exit: Exit) {
        if let Some(process) = self.processes.iter_mut().find(|process| process.id == id) {
            process.ends = Some((now, exit));
        }
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Moment> {
        let times = |process: &Process| {
            let ends = process.ends.map(|(at, _)| at);
            [ends, process.ready, process.beats.map(|(at, _)| at)].into_iter().flatten().min()
        };
        self.processes.iter().filter_map(times).min()
    }

    /// One thing that has happened by now. Ends come first.
    pub(super) fn happened(&mut self, now: Moment) -> Option<Deed> {
        let ended = |process: &Process| process.ends.is_some_and(|(at, _)| at <= now);
        if let Some(at) = self.processes.iter().position(ended) {
            let process = self.processes.remove(at);
            return process.ends.map(|(_, exit)| Deed::Exited(process.id, exit));
        }
        for process in &mut self.processes {
            if process.ready.is_some_and(|at| at <= now) {
                process.ready = None;
                return Some(Deed::Ready(process.id));
            }
            if let Some((at, pace)) = process.beats.filter(|(at, _)| *at <= now) {
                process.beats = Some((at + pace, pace));
                return Some(Deed::Alive(process.id));
            }
        }
        None
    }

    /// From here on every process does what is asked of it, and nothing else.
    pub(super) fn calm_down(&mut self, now: Moment) {
        self.calm = true;
        for process in &mut self.processes {
            process.leaves_after = Some(ms(5));
            process.ready = Some(now).filter(|_| process.announces);
            if let Some((at, pace)) = &mut process.beats {
                *pace = ms(1500);
                *at = (*at).min(now + *pace);
            }
            if process.ends.is_some_and(|(at, _)| at > now + ms(8000)) {
                process.ends = None;
            }
        }
    }
}
