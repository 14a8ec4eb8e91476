//! The stop of a process with its group: reaper's escalation, once for each
//! signal, and what is left of the group in the end.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use reaper::{Child, Exit, Machine, Moment, Pid, Stop, StopInput, StopPolicy};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process as sys;
use sigpolicy::Signal;

use super::rest::{Rest, number, signal_rest};
use super::{Ended, Stopping};

/// Members of a group are not our children, and a process without a pidfd wakes nobody: they are
/// looked at so often.
const LOOK: Duration = Duration::from_millis(10);
/// What is left of a group after its KILL is dying, or in an uninterruptible sleep.
const REST_PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Ending {
    begun: Instant,
    stop: Stop,
    /// The signals that come before KILL, without the first.
    next: VecDeque<(Signal, Duration)>,
    whole_group: bool,
    killed: bool,
    /// How the leader of the group ended.
    leader: Option<Option<Exit>>,
    /// When those who are left of the group were killed.
    rest_killed: Option<Moment>,
    rest: Rest,
    gone: Option<Ended>,
}

impl Ending {
    pub(super) fn new(signals: &[(Signal, Duration)], whole_group: bool) -> Ending {
        let mut next: VecDeque<_> = signals.iter().copied().collect();
        let first = next.pop_front().unwrap_or((Signal::KILL, Duration::ZERO));
        Ending {
            begun: Instant::now(),
            stop: Stop::new(policy(first)),
            next,
            whole_group,
            killed: false,
            leader: None,
            rest_killed: None,
            rest: Rest::default(),
            gone: None,
        }
    }

    /// The time until there is something to do.
    pub(super) fn due(&self) -> Duration {
        if self.leader_gone() {
            return LOOK;
        }
        let due = self.stop.deadline().map(|due| due.saturating_since(self.now()));
        due.unwrap_or(Duration::MAX)
    }

    pub(super) fn leader_gone(&self) -> bool {
        self.leader.is_some()
    }

    /// Sees who has gone and sends what is due.
    pub(super) fn drive(&mut self, child: &mut Child, input: StopInput) -> io::Result<Stopping> {
        if let Some(gone) = self.gone {
            return Ok(Stopping::Gone(gone));
        }
        self.look_at_leader(child);
        for input in [input, StopInput::Tick] {
            if let Some(exit) = self.leader {
                // The group of a program that somebody else has reaped can be anybody's.
                if exit.is_none() || self.rest_is_gone(child.pid()) {
                    return Ok(Stopping::Gone(self.finish(exit)));
                }
            }
            for signal in self.step(input) {
                self.send(child, signal)?;
            }
        }
        Ok(Stopping::Wait(if child.pidfd().is_some() { self.due() } else { self.due().min(LOOK) }))
    }

    fn step(&mut self, input: StopInput) -> Vec<Signal> {
        let (now, mut out) = (self.now(), Vec::new());
        self.stop.step(now, input, &mut out);
        // Where one signal would be followed by KILL, the next one has its turn first.
        if input == StopInput::Tick && !out.is_empty() {
            if let Some(next) = self.next.pop_front() {
                out.clear();
                self.stop = Stop::new(policy(next));
                self.stop.step(now, StopInput::Ask, &mut out);
            }
        }
        if out.contains(&Signal::KILL) {
            self.next.clear();
        }
        out
    }

    fn send(&mut self, child: &Child, signal: Signal) -> io::Result<()> {
        let kill = signal == Signal::KILL;
        let sent = if self.leader_gone() {
            if kill {
                let now = self.now();
                self.rest_killed.get_or_insert(now);
            }
            signal_rest(child.pid(), signal)
        } else {
            self.killed |= kill;
            if kill || self.whole_group { child.signal_group(signal) } else { child.signal(signal) }
        };
        match sent {
            // It ends at this moment.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            sent => sent,
        }
    }

    /// Reaps the program if it has ended. Before that its number, and so that of its group, cannot be
    /// anybody else's: the moment for the rest of the group.
    fn look_at_leader(&mut self, child: &mut Child) {
        if self.leader_gone() {
            return;
        }
        match look(child) {
            Seen::Running => {}
            Seen::Ended => {
                if !self.whole_group || self.killed {
                    let _ = child.signal_group(Signal::KILL);
                    self.rest_killed = Some(self.now());
                }
                self.leader = Some(child.try_wait().ok().flatten());
            }
            Seen::Lost => self.leader = Some(child.try_wait().ok().flatten()),
        }
    }

    fn rest_is_gone(&mut self, group: Pid) -> bool {
        let now = self.now();
        let dying = |killed| now.saturating_since(killed) < REST_PATIENCE;
        !self.rest_killed.is_none_or(dying) || !self.rest.lives(group)
    }

    fn finish(&mut self, exit: Option<Exit>) -> Ended {
        let ended = Ended { exit, killed: self.killed, waited: self.begun.elapsed() };
        self.gone = Some(ended);
        ended
    }

    fn now(&self) -> Moment {
        Moment::ZERO.saturating_add(self.begun.elapsed())
    }
}

fn policy((polite, wait): (Signal, Duration)) -> StopPolicy {
    StopPolicy { polite, grace: Some(wait), ..StopPolicy::default() }
}

enum Seen {
    Running,
    /// It has ended and is not reaped.
    Ended,
    /// Somebody else has reaped it.
    Lost,
}

fn look(child: &Child) -> Seen {
    let id = match (child.pidfd(), number(child.pid())) {
        (Some(pidfd), _) => sys::WaitId::PidFd(pidfd),
        (None, Some(number)) => sys::WaitId::Pid(number),
        (None, None) => return Seen::Lost,
    };
    let options = sys::WaitIdOptions::EXITED | sys::WaitIdOptions::NOHANG;
    match sys::waitid(id, options | sys::WaitIdOptions::NOWAIT) {
        Ok(Some(_)) => Seen::Ended,
        Err(Errno::CHILD) => Seen::Lost,
        Ok(None) | Err(_) => Seen::Running,
    }
}

/// Waits until the process ends or the time is over, or for less.
pub(super) fn pause(pidfd: Option<BorrowedFd<'_>>, time: Duration) {
    let mut fds: Vec<PollFd<'_>> = pidfd.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    let time = if fds.is_empty() { time.min(LOOK) } else { time };
    // A time that no timespec holds is as good as none.
    let time = Timespec::try_from(time).ok();
    // Interrupted or not, the caller looks again.
    let _ = poll(&mut fds, time.as_ref());
}
