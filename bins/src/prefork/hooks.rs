//! Shell commands at certain points of the manager's life, with the facts in their environment.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use fdpass::FdPlan;
use reaper::{Child, Exit, Image, Limit, Pid, Setup, spawn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{WaitOptions, waitpgid};
use scoreboard::Text;
use sigpolicy::Signal;

use super::client_gone::Gone;
use super::view::Id;
use crate::files::Failed;

/// How long [`run_and_wait`] waits.
const LONGEST: Duration = Duration::from_secs(60);
/// From TERM to KILL, when the manager is told to stop meanwhile.
const GRACE: Duration = Duration::from_secs(2);
/// Between two looks at a child that has no pidfd, and at a process group.
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

    /// PREFORK_WORKER, PREFORK_PID, PREFORK_PROTO, PREFORK_LOCAL, PREFORK_PEER and PREFORK_HALF: 1
    /// where the client may have finished sending only, 0 where it is sure that it has left.
    #[must_use]
    pub fn gone(self, gone: &Gone) -> Self {
        self.worker(gone.id, gone.pid)
            .with("PREFORK_PROTO", gone.proto.to_owned())
            .with("PREFORK_LOCAL", gone.local.clone())
            .with("PREFORK_PEER", gone.peer.clone())
            .with("PREFORK_HALF", u8::from(gone.half).to_string())
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
    /// (PREFORK_...) and of its sockets does not go on. `open_files` is the limit that the manager
    /// had before it raised its own, and that the command gets.
    ///
    /// # Errors
    /// One line that says why it does not run.
    pub fn command(
        command: &OsStr,
        facts: Vec<Fact>,
        base: &[(OsString, OsString)],
        open_files: Option<Limit>,
    ) -> Result<Child, String> {
        let mut setup = Setup::new();
        if let Some(limit) = open_files {
            setup = setup.restore_nofile(limit);
        }
        start(command, facts, base, setup)
    }
}

fn start(
    command: &OsStr,
    facts: Vec<Fact>,
    base: &[(OsString, OsString)],
    setup: Setup<'_>,
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
    spawn(&image, &setup.fds(plan).process_group()).map_err(|error| error.to_string())
}

fn passes(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    let numbered = bytes.starts_with(b"EINHORN_FD_") || bytes.starts_with(b"PREFORK_");
    !numbered && !NOT_PASSED.iter().any(|other| name == *other)
}

/// Runs a command to its end, for the time before there is an event loop; `hook` is its option's
/// name, as in `PREFORK_HOOK`.
///
/// It gets 60 seconds, then KILL with its process group. When `stop` becomes readable (a signal
/// waits for the manager) its group gets TERM, and KILL after two seconds; before Linux 6.9 the rest
/// of a group whose shell has ended is not killed. It gets TERM when the manager dies meanwhile (of
/// Ctrl-C, for example, which does not reach its process group).
///
/// # Errors
/// When it cannot be started, fails, takes too long or is stopped.
pub fn run_and_wait(
    hook: &str,
    command: &OsStr,
    facts: Vec<Fact>,
    base: &[(OsString, OsString)],
    stop: Option<BorrowedFd<'_>>,
) -> Result<(), Failed> {
    run_within(LONGEST, hook, command, facts, base, stop)
}

fn run_within(
    limit: Duration,
    hook: &str,
    command: &OsStr,
    facts: Vec<Fact>,
    base: &[(OsString, OsString)],
    mut stop: Option<BorrowedFd<'_>>,
) -> Result<(), Failed> {
    let shown = Text::new(command.as_bytes()).to_string();
    let fail = |what: &dyn std::fmt::Display, code: u8| {
        Failed::new(format!("the command of --{hook} {what}: {shown}"), code)
    };
    let mut child = start(command, facts, base, Setup::new().death_signal(Signal::TERM))
        .map_err(|error| fail(&format_args!("cannot be started ({error})"), 255))?;
    let lost = |error| fail(&format_args!("cannot be waited for ({error})"), 255);
    let begun = Instant::now();
    let exit = loop {
        if let Some(exit) = child.try_wait().map_err(lost)? {
            break exit;
        }
        let left = limit.saturating_sub(begun.elapsed());
        if left.is_zero() {
            kill_all(&mut child);
            return Err(fail(&format_args!("took longer than {} seconds", limit.as_secs()), 255));
        }
        match wait_for(&child, stop, left) {
            Woken::Stop => {
                // The signal may be the CHLD of the command itself.
                if let Some(exit) = child.try_wait().map_err(lost)? {
                    break exit;
                }
                stop_all(&mut child);
                return Err(Failed::new(format!("stopped by a signal during --{hook}"), 1));
            }
            // It would wake every time.
            Woken::StopBroken => stop = None,
            Woken::Other => {}
        }
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

/// Why [`wait_for`] has returned.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Woken {
    /// `stop` is readable.
    Stop,
    /// `stop` will never be readable.
    StopBroken,
    /// The child has ended, the time is over, or for no reason.
    Other,
}

fn wait_for(child: &Child, stop: Option<BorrowedFd<'_>>, left: Duration) -> Woken {
    let pause = if child.pidfd().is_some() { left } else { left.min(LOOK) };
    let fds = stop.into_iter().chain(child.pidfd());
    let mut ends: Vec<_> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    if poll(&mut ends, Timespec::try_from(pause).ok().as_ref()).is_err() {
        return Woken::Other;
    }
    match ends.first().filter(|_| stop.is_some()).map(PollFd::revents) {
        Some(found) if found.contains(PollFlags::IN) => Woken::Stop,
        Some(found) if !found.is_empty() => Woken::StopBroken,
        _ => Woken::Other,
    }
}

/// TERM for the command and all it has started, and KILL for what is left after [`GRACE`].
fn stop_all(child: &mut Child) {
    let _ = child.signal_group(Signal::TERM);
    let begun = Instant::now();
    while begun.elapsed() < GRACE {
        let ended = !matches!(child.try_wait(), Ok(None));
        if ended {
            reap_rest(child.pid());
        }
        // A stopped process gets TERM when it goes on; and the answer tells whether any is left, be it
        // one that has ended and that process 1 has not reaped.
        let left = child.signal_group(Signal::CONT);
        if ended && left.is_err() {
            return;
        }
        let _ = poll(&mut [], Timespec::try_from(LOOK).ok().as_ref());
    }
    kill_all(child);
}

/// What the command left behind is a child of the manager where that adopts orphans.
fn reap_rest(group: Pid) {
    let Some(group) = rustix::process::Pid::from_raw(group.as_raw()) else { return };
    while let Ok(Some(_)) = waitpgid(group, WaitOptions::NOHANG) {}
}

fn kill_all(child: &mut Child) {
    let _ = child.signal_group(Signal::KILL);
    // One that has become another user may refuse, and would be waited for without end.
    if child.signal(Signal::KILL).is_ok() {
        let _ = child.wait();
    }
}

#[cfg(test)]
mod tests;
