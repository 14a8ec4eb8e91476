//! Shell commands at certain points of the manager's life, with the facts in their environment.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use fdpass::FdPlan;
use reaper::{Child, Exit, Image, Pid, Setup, spawn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use scoreboard::Text;
use sigpolicy::Signal;

use super::client_gone::Gone;
use super::view::Id;
use crate::files::Failed;

/// How long [`run_and_wait`] waits.
const LONGEST: Duration = Duration::from_secs(60);
/// Between two looks at a child that has no pidfd.
const LOOK: Duration = Duration::from_millis(10);
/// Variables that speak of descriptors and sockets which a command does not get.
const NOT_PASSED: [&str; 14] = [
    "ACCESS_LOG_FD",
    "EINHORN_FDS",
    "EINHORN_FD_COUNT",
    "LIFE_FD",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "NOTIFY_SOCKET",
    "SCOREBOARD_FD",
    "SCOREBOARD_SLOT",
    "SERVER_STARTER_PORT",
    "SUPERDAEMON_SOCKETS",
    "WATCHDOG_PID",
];

/// A variable with a fact.
pub type Fact = (&'static str, String);

/// What a command is told, beginning with PREFORK_HOOK and PREFORK_MANAGER_PID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts(Vec<Fact>);

impl Facts {
    /// For the hook of this name, called by this process.
    #[must_use]
    pub fn of(hook: &str) -> Self {
        Self(vec![
            ("PREFORK_HOOK", hook.to_owned()),
            ("PREFORK_MANAGER_PID", Pid::own().to_string()),
        ])
    }

    /// PREFORK_SLOT and PREFORK_GENERATION.
    #[must_use]
    pub fn slot(self, slot: u32, generation: u64) -> Self {
        self.with("PREFORK_SLOT", slot.to_string())
            .with("PREFORK_GENERATION", generation.to_string())
    }

    /// PREFORK_WORKER, the number of its start, and PREFORK_PID.
    #[must_use]
    pub fn worker(self, id: Id, pid: Pid) -> Self {
        self.with("PREFORK_WORKER", id.to_string()).with("PREFORK_PID", pid.to_string())
    }

    /// PREFORK_STATUS (Perl's `$?`) and what it means: PREFORK_EXIT_CODE or PREFORK_EXIT_SIGNAL
    /// (`KILL`); the other one is empty.
    #[must_use]
    pub fn exit(self, exit: Exit) -> Self {
        let code = exit.code().map(|code| code.to_string()).unwrap_or_default();
        let signal = exit.signal().map(|signal| signal.to_string()).unwrap_or_default();
        self.with("PREFORK_STATUS", exit.raw().to_string())
            .with("PREFORK_EXIT_CODE", code)
            .with("PREFORK_EXIT_SIGNAL", signal)
    }

    /// PREFORK_REQUESTS, where they can be counted.
    #[must_use]
    pub fn requests(self, requests: Option<u64>) -> Self {
        match requests {
            Some(requests) => self.with("PREFORK_REQUESTS", requests.to_string()),
            None => self,
        }
    }

    /// PREFORK_TEXT: the worker's last words on the board, control characters escaped.
    #[must_use]
    pub fn text(self, text: Option<&[u8]>) -> Self {
        match text {
            Some(text) => self.with("PREFORK_TEXT", Text::new(text).to_string()),
            None => self,
        }
    }

    /// PREFORK_WORKER, PREFORK_PID, PREFORK_PROTO, PREFORK_LOCAL and PREFORK_PEER.
    #[must_use]
    pub fn gone(self, gone: &Gone) -> Self {
        self.worker(gone.id, gone.pid)
            .with("PREFORK_PROTO", gone.proto.to_owned())
            .with("PREFORK_LOCAL", gone.local.clone())
            .with("PREFORK_PEER", gone.peer.clone())
    }

    /// The variables, for [`Hook::command`] and [`run_and_wait`].
    #[must_use]
    pub fn into_vec(self) -> Vec<Fact> {
        self.0
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.0.push((name, value));
        self
    }
}

/// Starts commands.
#[derive(Debug)]
pub struct Hook(());

impl Hook {
    /// Starts `/bin/sh -c COMMAND` in a process group of its own with the facts over the
    /// environment `base`; standard input is /dev/null, output goes where the manager's goes, no
    /// other descriptor is open. What an outer manager told this one of its own workers
    /// (PREFORK_...) and of its sockets does not go on.
    ///
    /// # Errors
    /// One line that says why it does not run.
    pub fn command(
        command: &OsStr,
        facts: Vec<Fact>,
        base: &[(OsString, OsString)],
    ) -> Result<Child, String> {
        start(command, facts, base, None)
    }
}

fn start(
    command: &OsStr,
    facts: Vec<Fact>,
    base: &[(OsString, OsString)],
    death: Option<Signal>,
) -> Result<Child, String> {
    let args = ["-c".into(), command.to_owned()];
    let facts = facts.into_iter().map(|(name, value)| (name.into(), value.into()));
    let variables = base.iter().filter(|(name, _)| passes(name)).cloned().chain(facts);
    let image = Image::new(OsStr::new("/bin/sh"), args, variables).map_err(|e| e.to_string())?;
    let null = OpenOptions::new().read(true).open("/dev/null");
    let null = OwnedFd::from(null.map_err(|error| format!("failed to open /dev/null: {error}"))?);
    let mut plan = FdPlan::new();
    plan.pass(null.as_fd(), 0).map_err(|error| error.to_string())?;
    let streams = [rustix::stdio::stdout(), rustix::stdio::stderr()];
    for stream in streams {
        plan.pass(stream, stream.as_raw_fd()).map_err(|error| error.to_string())?;
    }
    let mut setup = Setup::new().fds(plan).process_group();
    if let Some(signal) = death {
        setup = setup.death_signal(signal);
    }
    spawn(&image, &setup).map_err(|error| error.to_string())
}

fn passes(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    let numbered = bytes.starts_with(b"EINHORN_FD_") || bytes.starts_with(b"PREFORK_");
    !numbered && !NOT_PASSED.iter().any(|other| name == *other)
}

/// Runs a command to its end, for the time before there is an event loop; `hook` is its option's
/// name, as in `PREFORK_HOOK`.
///
/// It gets 60 seconds, then KILL with its process group. It gets TERM when the manager dies
/// meanwhile (of Ctrl-C, for example, which does not reach its process group).
///
/// # Errors
/// When it cannot be started, fails or takes too long.
pub fn run_and_wait(
    hook: &str,
    command: &OsStr,
    facts: Vec<Fact>,
    base: &[(OsString, OsString)],
) -> Result<(), Failed> {
    run_within(LONGEST, hook, command, facts, base)
}

fn run_within(
    limit: Duration,
    hook: &str,
    command: &OsStr,
    facts: Vec<Fact>,
    base: &[(OsString, OsString)],
) -> Result<(), Failed> {
    let shown = Text::new(command.as_bytes()).to_string();
    let fail = |what: &dyn std::fmt::Display, code: u8| {
        Failed::new(format!("the command of --{hook} {what}: {shown}"), code)
    };
    let mut child = start(command, facts, base, Some(Signal::TERM))
        .map_err(|error| fail(&format_args!("cannot be started ({error})"), 255))?;
    let lost = |error| fail(&format_args!("cannot be waited for ({error})"), 255);
    let begun = Instant::now();
    let exit = loop {
        if let Some(exit) = child.try_wait().map_err(lost)? {
            break exit;
        }
        let left = limit.saturating_sub(begun.elapsed());
        if left.is_zero() {
            let _ = child.signal_group(Signal::KILL);
            let _ = child.signal(Signal::KILL);
            child.wait().map_err(lost)?;
            return Err(fail(&format_args!("took longer than {} seconds", limit.as_secs()), 255));
        }
        wait_for(&child, left);
    };
    match exit.code() {
        Some(0) => Ok(()),
        Some(code) => {
            let what = format_args!("failed with exit code {code}").to_string();
            Err(fail(&what, u8::try_from(code).unwrap_or(255)))
        }
        None => Err(fail(&format_args!("failed, {exit}"), 255)),
    }
}

/// Returns when the child has ended or the time is over, perhaps before.
fn wait_for(child: &Child, left: Duration) {
    let (pause, mut ends) = match child.pidfd() {
        Some(pidfd) => (left, vec![PollFd::from_borrowed_fd(pidfd, PollFlags::IN)]),
        None => (left.min(LOOK), Vec::new()),
    };
    let timeout = Timespec::try_from(pause).ok();
    let _ = poll(&mut ends, timeout.as_ref());
}

#[cfg(test)]
mod tests;
