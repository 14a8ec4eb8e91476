//! The lines of the main log, in supervisord's words where it has them. Pure.
//!
//! Scripts search logs for the first group, so it is supervisord's letter for letter, the level
//! included. The second group has no predecessor.

use std::fmt::{Display, Formatter, Result};
use std::time::Duration;

use reaper::{Exit, Pid};
use sigpolicy::Signal;

use super::config::model::{ExitOn, Level};
use super::machine::types::State;

/// One line, with its level.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The fields are what the text of the line shows.
pub enum Line {
    /// A process exists.
    Spawned { name: String, pid: Pid },
    /// Why a process could not be made.
    SpawnError(String),
    /// It has been up for `startsecs`.
    Success { name: String, startsecs: Duration },
    /// It ended by itself.
    Exited { name: String, exit: Exit, expected: bool },
    /// It ended because it was told to.
    Stopped { name: String, exit: Exit, expected: bool },
    /// One failed start too many.
    GaveUp { name: String },
    /// Somebody waits for a stop; every two seconds.
    WaitingToStop { name: String },
    /// The supervisor waits for these; every three seconds.
    WaitingToDie(Vec<String>),
    /// It took too long to stop.
    KillingHard { name: String, pid: Pid },
    /// A signal that is to end a process.
    Killing { name: String, pid: Pid, group: bool, signal: Signal },
    /// A signal that somebody asked for.
    Sending { name: String, pid: Pid, signal: Signal },
    /// There is no process to stop, only the wait for the next try.
    InBackoff { name: String },
    /// The process had gone already.
    UnableToSignal { name: String, pid: Pid, why: String },
    /// The kernel refused a signal: the state is UNKNOWN from now on.
    UnknownProblem { name: String, pid: Pid, why: String },
    /// An orphan of some program, or a process that somebody else made for us.
    ReapedUnknown { pid: Pid, exit: Exit },
    /// TERM, INT or QUIT.
    ExitRequest(Signal),
    /// HUP.
    RestartRequest(Signal),
    /// HUP while everything is being stopped for good.
    RestartIgnored(Signal),
    /// USR2.
    ReopenRequest(Signal),
    /// The main log itself was opened again.
    Reopened,
    /// A signal that means nothing.
    Nothing(Signal),
    /// The pid file is written.
    Started { pid: Pid },
    /// The pid file is not written.
    PidFile { path: String },
    /// The way into the background.
    Daemonizing,
    /// Where the supervisor went before anything ran.
    Directory { path: String },
    /// It could not go there.
    CannotChdir { path: String, why: String },
    /// The user that the supervisor became.
    SetUid { uid: u32 },
    /// Nobody said whom root is to become.
    Root,
    /// Any other text: notes of the configuration, what logs and events have to say.
    Text(Level, String),

    /// It said that it is ready.
    Ready { name: String },
    /// It did not say so in time, and is killed.
    NotReady { name: String, limit: Duration },
    /// No WATCHDOG=1 for so long: it is killed.
    Silent { name: String, limit: Duration },
    /// Its health command failed too often: it is stopped and started again.
    Unhealthy { name: String },
    /// It waits for a process that is not on its way.
    Held { name: String, on: String, state: State },
    /// The new process of a hot program failed; the old one goes on.
    Kept { name: String, pid: Option<Pid> },
    /// The end of this one ends everything.
    Essential { name: String, state: State, code: u8 },
    /// The end of this one ends everything, by `exit_on=`.
    ExitOn { name: String, state: State, rule: ExitOn, code: u8 },
    /// `shutdown_timeout=` has passed.
    OutOfTime { limit: Duration },
}

impl Line {
    /// How serious it is.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Text(level, _) => *level,
            Self::Spawned { .. }
            | Self::SpawnError(_)
            | Self::Success { .. }
            | Self::GaveUp { .. }
            | Self::WaitingToStop { .. }
            | Self::WaitingToDie(_)
            | Self::ReapedUnknown { .. }
            | Self::ReopenRequest(_)
            | Self::Reopened
            | Self::Started { .. }
            | Self::Daemonizing
            | Self::Directory { .. }
            | Self::SetUid { .. }
            | Self::Ready { .. }
            | Self::Exited { expected: true, .. }
            | Self::Stopped { expected: true, .. } => Level::Info,
            Self::Exited { expected: false, .. }
            | Self::Stopped { expected: false, .. }
            | Self::KillingHard { .. }
            | Self::ExitRequest(_)
            | Self::RestartRequest(_)
            | Self::RestartIgnored(_)
            | Self::NotReady { .. }
            | Self::Silent { .. }
            | Self::Unhealthy { .. }
            | Self::Held { .. }
            | Self::Kept { .. }
            | Self::Essential { .. }
            | Self::ExitOn { .. }
            | Self::OutOfTime { .. } => Level::Warn,
            Self::Killing { .. }
            | Self::Sending { .. }
            | Self::InBackoff { .. }
            | Self::UnableToSignal { .. } => Level::Debug,
            Self::UnknownProblem { .. }
            | Self::PidFile { .. }
            | Self::CannotChdir { .. }
            | Self::Root => Level::Critical,
            Self::Nothing(_) => Level::Blather,
        }
    }
}

/// A signal as supervisord names it: `SIGTERM`, and `signal 35` where Python has no name.
struct Named(Signal);

impl Display for Named {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self.0 {
            Signal::IO => out.write_str("SIGPOLL"),
            signal => match signal.as_raw() {
                64 => out.write_str("SIGRTMAX"),
                raw @ (32 | 33 | 35..) => write!(out, "signal {raw}"),
                _ => write!(out, "SIG{signal}"),
            },
        }
    }
}

/// How a process ended, in supervisord's words.
pub(crate) struct Cause(pub(crate) Exit);

impl Display for Cause {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match (self.0.code(), self.0.signal()) {
            (Some(code), _) => write!(out, "exit status {code}"),
            (None, Some(signal)) => {
                write!(out, "terminated by {}", Named(signal))?;
                out.write_str(if self.0.core_dumped() { " (core dumped)" } else { "" })
            }
            (None, None) => write!(out, "unknown termination cause {:#06x}", self.0.raw()),
        }
    }
}

/// Seconds without a fraction that is nothing.
struct Seconds(Duration);

impl Display for Seconds {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        write!(out, "{}", self.0.as_secs())?;
        match self.0.subsec_millis() {
            0 => Ok(()),
            millis => {
                let fraction = format!("{millis:03}");
                write!(out, ".{}", fraction.trim_end_matches('0'))
            }
        }
    }
}

fn rule_name(rule: ExitOn) -> &'static str {
    match rule {
        ExitOn::Never => "never",
        ExitOn::Fatal => "fatal",
        ExitOn::Exit => "exit",
        ExitOn::All => "all",
    }
}

impl Display for Line {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Self::Spawned { name, pid } => write!(out, "spawned: '{name}' with pid {pid}"),
            Self::SpawnError(why) => write!(out, "spawnerr: {why}"),
            Self::Success { name, startsecs } => write!(
                out,
                "success: {name} entered RUNNING state, process has stayed up for > than {} \
                 seconds (startsecs)",
                Seconds(*startsecs)
            ),
            Self::Exited { name, exit, expected } => {
                let word = if *expected { "expected" } else { "not expected" };
                write!(out, "exited: {name} ({}; {word})", Cause(*exit))
            }
            Self::Stopped { name, exit, expected: _ } => {
                write!(out, "stopped: {name} ({})", Cause(*exit))
            }
            Self::GaveUp { name } => write!(
                out,
                "gave up: {name} entered FATAL state, too many start retries too quickly"
            ),
            Self::WaitingToStop { name } => write!(out, "waiting for {name} to stop"),
            Self::WaitingToDie(names) => write!(out, "waiting for {} to die", names.join(", ")),
            Self::KillingHard { name, pid } => write!(out, "killing '{name}' ({pid}) with SIGKILL"),
            Self::Killing { name, pid, group, signal } => {
                let group = if *group { "process group " } else { "" };
                write!(out, "killing {name} (pid {pid}) {group}with signal {}", Named(*signal))
            }
            Self::Sending { name, pid, signal } => {
                write!(out, "sending {name} (pid {pid}) sig {}", Named(*signal))
            }
            Self::InBackoff { name } => {
                write!(out, "Attempted to kill {name}, which is in BACKOFF state.")
            }
            Self::UnableToSignal { name, pid, why } => write!(
                out,
                "unable to signal {name} (pid {pid}), it probably just exited on its own: {why}"
            ),
            Self::UnknownProblem { name, pid, why } => {
                write!(out, "unknown problem killing {name} ({pid}):{why}")
            }
            Self::ReapedUnknown { pid, exit } => {
                write!(out, "reaped unknown pid {pid} ({})", Cause(*exit))
            }
            Self::ExitRequest(signal) => {
                write!(out, "received {} indicating exit request", Named(*signal))
            }
            Self::RestartRequest(signal) => {
                write!(out, "received {} indicating restart request", Named(*signal))
            }
            Self::RestartIgnored(signal) => write!(
                out,
                "ignored {} indicating restart request (shutdown in progress)",
                Named(*signal)
            ),
            Self::ReopenRequest(signal) => {
                write!(out, "received {} indicating log reopen request", Named(*signal))
            }
            Self::Reopened => out.write_str("supervisord logreopen"),
            Self::Nothing(signal) => {
                write!(out, "received {} indicating nothing", Named(*signal))
            }
            Self::Started { pid } => write!(out, "supervisord started with pid {pid}"),
            Self::PidFile { path } => write!(out, "could not write pidfile {path}"),
            Self::Daemonizing => out.write_str("daemonizing the supervisord process"),
            Self::Directory { path } => write!(out, "set current directory: '{path}'"),
            Self::CannotChdir { path, why } => write!(out, "can't chdir into '{path}': {why}"),
            Self::SetUid { uid } => write!(out, "Set uid to user {uid} succeeded"),
            Self::Root => out.write_str(
                "Supervisor is running as root.  Privileges were not dropped because no user is \
                 specified in the config file.  If you intend to run as root, you can set \
                 user=root in the config file to avoid this message.",
            ),
            Self::Text(_, text) => out.write_str(text),
            Self::Ready { name } => {
                write!(out, "success: {name} entered RUNNING state, process has said it is ready")
            }
            Self::NotReady { name, limit } => {
                write!(
                    out,
                    "not ready: {name} has not said it is ready in {} seconds",
                    Seconds(*limit)
                )
            }
            Self::Silent { name, limit } => {
                write!(out, "watchdog: {name} has been silent for {} seconds", Seconds(*limit))
            }
            Self::Unhealthy { name } => {
                write!(out, "unhealthy: {name} has failed its health command, restarting it")
            }
            Self::Held { name, on, state } => {
                write!(out, "not started: {name} depends on {on}, which is {}", state.name())
            }
            Self::Kept { name, pid: Some(pid) } => {
                write!(out, "kept: {name} goes on with pid {pid}, its replacement has failed")
            }
            Self::Kept { name, pid: None } => {
                write!(out, "kept: {name} goes on as it was, its replacement has failed")
            }
            Self::Essential { name, state, code } => write!(
                out,
                "essential: {name} is {}, stopping the rest to leave with exit status {code}",
                state.name()
            ),
            Self::ExitOn { name, state, rule, code } => write!(
                out,
                "exit_on={}: {name} is {}, stopping the rest to leave with exit status {code}",
                rule_name(*rule),
                state.name()
            ),
            Self::OutOfTime { limit } => write!(
                out,
                "shutdown_timeout: {} seconds have passed, killing what is left",
                Seconds(*limit)
            ),
        }
    }
}

#[cfg(test)]
mod tests;
