//! Every line that `prefork-run` writes while it runs.

use std::fmt;
use std::time::Duration;

use reaper::{Exit, Pid};
use sigpolicy::Signal;

use super::config::Reload;
use crate::start_server::lines::Seconds;

/// Who or what caused something.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A signal to the manager.
    Received(Signal),
    /// Somebody on the control socket.
    Asked,
    /// Files changed.
    Changed,
    /// What was asked for while a reload was under way.
    Remembered,
    /// Workers failed too often.
    Failures,
}

/// Which limit a worker has reached.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// It has served so many requests.
    Requests(u64),
    /// It has lived so long.
    Lifetime(Duration),
    /// Its resident memory in bytes.
    Rss(u64),
    /// Its proportional share in bytes.
    Pss(u64),
    /// Its own memory in bytes.
    Unshared(u64),
    /// It shares only so many bytes.
    Shared(u64),
}

/// One line of the log, without its newline.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Line {
    /// A worker's process exists: its slot, its generation.
    Starting(Pid, u32, u64),
    /// It is proven.
    Ready(Pid),
    /// It has left because it was told to, or with success.
    Left(Pid, Exit),
    /// It has left with success before anything showed that it serves.
    LeftEarly(Pid, Exit),
    /// It has died by itself.
    Died(Pid, Exit),
    /// It spoke on NOTIFY_SOCKET and never became ready.
    NotReady(Pid, Duration),
    /// No worker could be made: why.
    CannotStart(String),
    /// The next start waits: failures in a row, and how long.
    BackingOff(u32, Duration),
    /// Failures in a row after which nothing more is tried.
    GaveUp(u32),
    /// The pool wants more workers than this.
    HeldBack(u32),
    /// So many workers drain that new ones wait.
    ExtraFull(u32),
    /// It is idle and not needed.
    Surplus(Pid),
    /// It has reached a limit and is replaced.
    Recycling(Pid, Limit),
    /// It was to leave when idle, was not idle for so long, and gets this signal.
    RetireGivenUp(Pid, Duration, Signal),
    /// A reload begins.
    Reloading(Cause, Reload),
    /// A reload is under way already.
    ReloadPending(Cause),
    /// New workers of this generation are in place.
    Reloaded(u64),
    /// A reload has ended early: why.
    ReloadAborted(String),
    /// A trapped signal: what these workers get, one each interval.
    Trapped(Signal, Signal, Duration, Vec<Pid>),
    /// A trapped signal that is passed on to nobody.
    TrappedOnly(Signal),
    /// A request has taken so long; its worker gets the signal.
    RequestTimeout(Pid, Duration, Signal),
    /// It went on for so long after that; its worker is killed.
    RequestKill(Pid, Duration),
    /// The pool has another size now.
    Adjusted(Cause, u32),
    /// It has not: why.
    NotAdjusted(Cause, String),
    /// So many workers got this signal because somebody asked for it.
    Signalled(Signal, u32),
    /// The command before the shutdown runs.
    Preparing(Cause),
    /// It has not ended in this time.
    PrepareTimeout(Duration),
    /// The pool stops: what the workers get.
    Stopping(Cause, Signal, Vec<Pid>),
    /// Patience is over: these are killed.
    Killing(Cause, Vec<Pid>),
    /// These have not left in time after their signal and are killed.
    KillLimit(Duration, Vec<Pid>),
    /// Logs are opened again.
    ReopeningLogs(Signal),
    /// A signal without a meaning.
    Meaningless(Signal),
    /// A signal that comes too late.
    WhileStopping(Signal),
    /// What a part of the manager has to say.
    Note(String),
    /// The last line.
    Exiting,
}

/// Pids in ascending order, comma-separated.
struct PidList<'a>(&'a [Pid]);

impl fmt::Display for PidList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let mut pids = self.0.to_vec();
        pids.sort_unstable();
        let texts: Vec<String> = pids.iter().map(Pid::to_string).collect();
        f.write_str(&texts.join(","))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Received(signal) => write!(f, "received {signal}"),
            Self::Asked => f.write_str("asked over the control socket"),
            Self::Changed => f.write_str("files have changed"),
            Self::Remembered => f.write_str("asked during the last reload"),
            Self::Failures => f.write_str("too many failures"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requests(count) => write!(f, "has served {count} requests"),
            Self::Lifetime(age) => write!(f, "has lived for {} secs", Seconds(*age)),
            Self::Rss(bytes) => write!(f, "has {} of resident memory", Bytes(*bytes)),
            Self::Pss(bytes) => write!(f, "has a memory share of {}", Bytes(*bytes)),
            Self::Unshared(bytes) => write!(f, "has {} of unshared memory", Bytes(*bytes)),
            Self::Shared(bytes) => write!(f, "shares only {} of memory", Bytes(*bytes)),
        }
    }
}

/// Bytes in the unit that the options take.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 >> 20, self.0 >> 10) {
            (0, kib) => write!(f, "{kib}K"),
            (mib, _) => write!(f, "{mib}M"),
        }
    }
}

fn way(reload: Reload) -> &'static str {
    match reload {
        Reload::All => "all",
        Reload::Rolling => "rolling",
        Reload::Replace => "replace",
    }
}

impl Line {
    /// Whether it says why a worker has not come up or not gone on: what a launcher that waits in
    /// vain may be told.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            Self::CannotStart(_) | Self::LeftEarly(..) | Self::Died(..) | Self::NotReady(..)
        )
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting(pid, slot, generation) => {
                write!(f, "starting worker {pid} (slot {slot}, generation {generation})")
            }
            Self::Ready(pid) => write!(f, "worker {pid} is ready"),
            Self::Left(pid, exit) => write!(f, "worker {pid} left, status:{}", exit.raw()),
            Self::LeftEarly(pid, exit) => {
                write!(f, "worker {pid} left before it was ready, status:{}", exit.raw())
            }
            Self::Died(pid, exit) => write!(f, "worker {pid} died with status:{}", exit.raw()),
            Self::NotReady(pid, limit) => write!(
                f,
                "worker {pid} announced itself but was not ready within {} secs, stopping it",
                Seconds(*limit)
            ),
            Self::CannotStart(reason) => write!(f, "cannot start a worker: {reason}"),
            Self::BackingOff(failures, delay) => write!(
                f,
                "{failures} failures in a row, the next start is in {} secs",
                Seconds(*delay)
            ),
            Self::GaveUp(1) => f.write_str("giving up after the first failure"),
            Self::GaveUp(failures) => write!(f, "giving up after {failures} failures in a row"),
            Self::HeldBack(max) => write!(f, "max-workers holds the pool back at {max} workers"),
            Self::ExtraFull(max) => {
                write!(f, "more than {max} workers drain (max-extra), new ones wait")
            }
            Self::Surplus(pid) => write!(f, "worker {pid} is not needed any more"),
            Self::Recycling(pid, limit) => write!(f, "worker {pid} {limit}, replacing it"),
            Self::RetireGivenUp(pid, limit, signal) => write!(
                f,
                "worker {pid} was not idle for {} secs, sending {signal} all the same",
                Seconds(*limit)
            ),
            Self::Reloading(cause, reload) => write!(f, "{cause}, reloading ({})", way(*reload)),
            Self::ReloadPending(cause) => {
                write!(f, "{cause} during a reload, one more will follow")
            }
            Self::Reloaded(generation) => write!(f, "reloaded, generation {generation} serves"),
            Self::ReloadAborted(reason) => write!(f, "reload aborted: {reason}"),
            Self::Trapped(received, sent, interval, pids) => {
                write!(f, "received {received}, sending {sent} to old workers:{}", PidList(pids))?;
                every(f, *interval)
            }
            Self::TrappedOnly(received) => {
                write!(f, "received {received}, workers are left alone")
            }
            Self::RequestTimeout(pid, limit, signal) => write!(
                f,
                "worker {pid} is in a request for more than {} secs, sending {signal}",
                Seconds(*limit)
            ),
            Self::RequestKill(pid, grace) => write!(
                f,
                "worker {pid} is still in that request {} secs later, sending KILL",
                Seconds(*grace)
            ),
            Self::Adjusted(cause, size) => write!(f, "{cause}, the pool's size is {size} now"),
            Self::NotAdjusted(cause, reason) => write!(f, "{cause}, nothing changes: {reason}"),
            Self::Signalled(signal, count) => {
                write!(f, "asked over the control socket, sent {signal} to {count} workers")
            }
            Self::Preparing(cause) => write!(f, "{cause}, running the command before shutdown"),
            Self::PrepareTimeout(limit) => write!(
                f,
                "the command before shutdown has not ended within {} secs",
                Seconds(*limit)
            ),
            Self::Stopping(cause, signal, pids) => {
                write!(f, "{cause}, sending {signal} to all workers:{}", PidList(pids))
            }
            Self::Killing(cause, pids) => {
                write!(f, "{cause} again, sending KILL to all workers:{}", PidList(pids))
            }
            Self::KillLimit(limit, pids) => write!(
                f,
                "not left within {} secs after their signal, sending KILL to workers:{}",
                Seconds(*limit),
                PidList(pids)
            ),
            Self::ReopeningLogs(signal) => write!(f, "received {signal}, reopening the logs"),
            Self::Meaningless(signal) => write!(f, "received {signal}, nothing happens"),
            Self::WhileStopping(signal) => write!(f, "received {signal} while stopping, ignored"),
            Self::Note(text) => f.write_str(text),
            Self::Exiting => f.write_str("exiting"),
        }
    }
}

fn every(f: &mut fmt::Formatter<'_>, interval: Duration) -> fmt::Result {
    if interval.is_zero() {
        return Ok(());
    }
    write!(f, ", one each {} secs", Seconds(interval))
}

#[cfg(test)]
mod tests;
