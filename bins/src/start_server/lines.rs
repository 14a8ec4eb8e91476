//! Every line that `start_server` writes while it runs.
//!
//! The first group is Server::Starter's, letter for letter, since scripts
//! search logs for it: `status:` is the raw wait status (Perl's `$?`) and lists
//! of pids are sorted as strings. The second group has no predecessor.

use std::fmt;
use std::time::Duration;

use reaper::{Exit, Pid};
use sigpolicy::Signal;

/// One line of the log, without its newline.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Line {
    /// A worker's process exists.
    Starting(Pid),
    /// A worker died before it was proven.
    FailedToStart(Pid, Exit),
    /// The current worker died on its own.
    DiedUnexpectedly(Pid, Exit),
    /// A worker of an earlier generation has left.
    OldDied(Pid, Exit),
    /// A restart was asked for and begins.
    ReceivedHup,
    /// The new worker is proven; the signal that the old ones will get.
    NowRunning(Signal, Vec<Pid>),
    /// The delay before old workers are signalled.
    Sleeping(Duration),
    /// Old workers are signalled now.
    KillingOld,
    /// A restart begins because the interval has passed; true when old workers still live.
    AutoRestart(Duration, bool),
    /// The server stops: what it received, and what workers get.
    Stopping(Signal, Signal, Vec<Pid>),
    /// A worker has left during the stop.
    WorkerDied(Pid, Exit),
    /// The last line.
    Exiting,

    /// No worker could be made: why.
    CannotStart(String),
    /// A worker that announced itself on NOTIFY_SOCKET never became ready.
    NotReady(Pid, Duration),
    /// A restart is under way already; one more follows it.
    HupPending,
    /// The next start waits: failures in a row, and how long.
    BackingOff(u32, Duration),
    /// What the exit suggests.
    AddressInUse,
    /// A restart was given up: failed starts, and the worker that goes on.
    GaveUp(u32, Pid),
    /// No first worker came up and nobody waits for another try.
    StartAbandoned(u32),
    /// A worker outlived its time after the signal and gets KILL.
    KillLimit(Pid, Duration),
    /// More old generations live than allowed.
    TooManyGenerations(Pid, usize),
    /// USR1.
    ReopeningLog,
    /// USR2.
    ReservedSignal(Signal),
}

/// Seconds as Perl prints them: no fraction unless there is one.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.subsec_millis();
        if millis == 0 {
            write!(f, "{}", self.0.as_secs())
        } else {
            let fraction = format!("{millis:03}");
            write!(f, "{}.{}", self.0.as_secs(), fraction.trim_end_matches('0'))
        }
    }
}

/// Pids as Server::Starter lists them: sorted as strings, comma-separated.
pub(crate) struct PidList<'a>(pub(crate) &'a [Pid]);

impl fmt::Display for PidList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut texts: Vec<String> = self.0.iter().map(Pid::to_string).collect();
        texts.sort();
        f.write_str(&texts.join(","))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting(pid) => write!(f, "starting new worker {pid}"),
            Self::FailedToStart(pid, exit) => write!(
                f,
                "new worker {pid} seems to have failed to start, exit status:{}",
                exit.raw()
            ),
            Self::DiedUnexpectedly(pid, exit) => {
                write!(f, "worker {pid} died unexpectedly with status:{}, restarting", exit.raw())
            }
            Self::OldDied(pid, exit) => write!(f, "old worker {pid} died, status:{}", exit.raw()),
            Self::ReceivedHup => f.write_str("received HUP, spawning a new worker"),
            Self::NowRunning(signal, pids) if pids.is_empty() => {
                write!(f, "new worker is now running, sending {signal} to old workers:none")
            }
            Self::NowRunning(signal, pids) => write!(
                f,
                "new worker is now running, sending {signal} to old workers:{}",
                PidList(pids)
            ),
            Self::Sleeping(delay) => {
                write!(f, "sleeping {} secs before killing old workers", Seconds(*delay))
            }
            Self::KillingOld => f.write_str("killing old workers"),
            Self::AutoRestart(interval, forced) => write!(
                f,
                "autorestart triggered ({}interval={})",
                if *forced { "forced, " } else { "" },
                Seconds(*interval)
            ),
            Self::Stopping(received, sent, pids) => {
                write!(f, "received {received}, sending {sent} to all workers:{}", PidList(pids))
            }
            Self::WorkerDied(pid, exit) => write!(f, "worker {pid} died, status:{}", exit.raw()),
            Self::Exiting => f.write_str("exiting"),
            Self::CannotStart(reason) => write!(f, "{reason}"),
            Self::NotReady(pid, limit) => write!(
                f,
                "new worker {pid} announced itself but was not ready within {} secs, stopping it",
                Seconds(*limit)
            ),
            Self::HupPending => {
                f.write_str("received HUP during a restart, one more restart will follow")
            }
            Self::BackingOff(failures, delay) => write!(
                f,
                "{failures} failed starts in a row, trying again in {} secs",
                Seconds(*delay)
            ),
            Self::AddressInUse => f.write_str(
                "hint: the address is already in use; a worker must not bind the port itself \
                 but take the socket named in SERVER_STARTER_PORT",
            ),
            Self::GaveUp(attempts, pid) => write!(
                f,
                "giving up the restart after {attempts} failed starts, worker {pid} stays"
            ),
            Self::StartAbandoned(attempts) => {
                write!(f, "giving up: no worker came up in {attempts} starts")
            }
            Self::KillLimit(pid, limit) => write!(
                f,
                "worker {pid} has not left {} secs after its signal, sending KILL",
                Seconds(*limit)
            ),
            Self::TooManyGenerations(pid, max) => {
                write!(f, "more than {max} old generations, sending KILL to worker {pid}")
            }
            Self::ReopeningLog => f.write_str("received USR1, reopening the log"),
            Self::ReservedSignal(signal) => {
                write!(f, "received {signal}, which is reserved and does nothing yet")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(raw: i32) -> Pid {
        Pid::from_raw(raw).unwrap()
    }

    #[test]
    fn perls_lines_are_kept_to_the_letter() {
        let exit = |raw| Exit::from_raw(raw);
        let expect = [
            (Line::Starting(pid(7)), "starting new worker 7"),
            (
                Line::FailedToStart(pid(7), exit(65280)),
                "new worker 7 seems to have failed to start, exit status:65280",
            ),
            (
                Line::DiedUnexpectedly(pid(7), exit(9)),
                "worker 7 died unexpectedly with status:9, restarting",
            ),
            (Line::OldDied(pid(7), exit(15)), "old worker 7 died, status:15"),
            (Line::ReceivedHup, "received HUP, spawning a new worker"),
            (
                Line::NowRunning(Signal::TERM, vec![pid(9), pid(10), pid(100)]),
                "new worker is now running, sending TERM to old workers:10,100,9",
            ),
            (
                Line::NowRunning(Signal::QUIT, vec![]),
                "new worker is now running, sending QUIT to old workers:none",
            ),
            (Line::Sleeping(Duration::from_secs(5)), "sleeping 5 secs before killing old workers"),
            (Line::KillingOld, "killing old workers"),
            (
                Line::AutoRestart(Duration::from_secs(360), false),
                "autorestart triggered (interval=360)",
            ),
            (
                Line::AutoRestart(Duration::from_millis(500), true),
                "autorestart triggered (forced, interval=0.5)",
            ),
            (
                Line::Stopping(Signal::INT, Signal::TERM, vec![pid(3), pid(20)]),
                "received INT, sending TERM to all workers:20,3",
            ),
            (Line::WorkerDied(pid(7), exit(0)), "worker 7 died, status:0"),
            (Line::Exiting, "exiting"),
        ];
        for (line, text) in expect {
            assert_eq!(line.to_string(), text);
        }
    }
}
