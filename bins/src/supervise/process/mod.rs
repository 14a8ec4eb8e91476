//! One process that a program owns: start, stop, stat, reload and killme of
//! CPAN Supervisor's `Supervisor::Process`, without a daemon.
//!
//! No signal handler is installed, no thread is made, and no child but its own
//! is waited for. When to start again is the owner's business.

mod ending;
mod error;
mod rest;
mod settings;
mod streams;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use reaper::{StopInput, spawn};

use ending::{Ending, pause};
use settings::Settings;
use streams::Pipes;

pub use error::ProcessError;
pub use reaper::{Child, Exit, Pid};
pub use sigpolicy::Signal;

/// After the first KILL, [`Process::stop`] waits for so long.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// A process that is dropped is waited for after its KILL for so long.
const DROP_PATIENCE: Duration = Duration::from_secs(1);

/// A program, how it is run, and at most one running instance of it.
///
/// ```
/// use std::time::Duration;
/// use superdaemon::supervise::Process;
/// use superdaemon::supervise::process::{Signal, Stat};
///
/// let mut server = Process::new("sleep")
///     .arg("1000")
///     .dir("/")
///     .stop_signal(Signal::TERM, Duration::from_secs(5));
/// let pid = server.start()?;
/// assert_eq!(server.stat(), Stat::Alive(pid));
/// assert!(server.start().is_err()); // never a second one
///
/// let end = server.stop()?; // KILL after five seconds
/// assert!(!end.killed);
/// assert_eq!(server.stat(), Stat::Dead(end.exit));
/// server.start()?; // and again
/// # Ok::<(), superdaemon::supervise::process::ProcessError>(())
/// ```
///
/// | `Supervisor::Process` | here |
/// | --- | --- |
/// | `Command` | [`new`](Process::new), [`args`](Process::args): words, no shell |
/// | `Directory`, `Environment`, `Umask`, `Priority` | [`dir`](Process::dir), [`env`](Process::env) (adds), [`umask`](Process::umask), [`nice`](Process::nice) |
/// | `User`, `Group` | [`user`](Process::user), [`group`](Process::group); an unknown one is an error |
/// | `StopSignal`, `StopWaitSecs`, `StopRetries` | [`stop_signal`](Process::stop_signal), [`stop_signals`](Process::stop_signals) |
/// | `ReloadSignal` | [`reload_signal`](Process::reload_signal) |
/// | `Logfile` | [`stdout`](Process::stdout), [`stderr`](Process::stderr) |
/// | `start`, `stop`, `stat`, `reload`, `killme` | the same |
///
/// The program leads a process group of its own. The signals of a stop go to the program alone, or
/// with [`stop_group`](Process::stop_group) to the group; KILL goes to the group, and so does KILL to
/// what is left of it when the program has gone: nothing of it survives a stop but what left the
/// group. A program that ends by itself may leave others behind.
///
/// A signal cannot hit another process: the process is held by a pidfd, and its number is not free
/// before it is reaped. For that nobody else may reap it, as `waitpid(-1)` would; if somebody does,
/// or SIGCHLD is ignored, it is [`Stat::Dead`] without an [`Exit`]. What is left of the group after it
/// has the number of the group as long as it has a member: where those that were seen have all gone,
/// and the last look was a second ago or more, the group counts as gone, too.
///
/// **Dropped** while the program runs, it is killed with its group and reaped; that takes a second at
/// most. [`release`](Process::release) lets it go on instead. An owner that is itself killed drops
/// nothing: see [`death_signal`](Process::death_signal).
#[must_use = "nothing happens before start()"]
#[derive(Debug)]
pub struct Process {
    settings: Settings,
    child: Option<Child>,
    ending: Option<Ending>,
    pipes: Pipes,
}

/// Whether a process runs.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash)]
pub enum Stat {
    /// It runs, or is being stopped and something of it is still there.
    Alive(Pid),
    /// It has ended so; `None`: it was never started, was released, or somebody else has reaped it.
    Dead(Option<Exit>),
}

/// A finished stop.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash)]
pub struct Ended {
    /// How the program ended; `None` as in [`Stat::Dead`].
    pub exit: Option<Exit>,
    /// The program had to be killed.
    pub killed: bool,
    /// From the first signal to the end; zero when nothing was running.
    pub waited: Duration,
}

/// How far a stop has come.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash)]
pub enum Stopping {
    /// It is still there: ask again when [`Process::pidfd`] is readable, at the latest after this time.
    Wait(Duration),
    /// It has gone.
    Gone(Ended),
}

/// Where a standard stream of the program leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Output {
    /// To where the owner's leads. The default.
    Inherit,
    /// To `/dev/null`.
    Null,
    /// To the end of this file, which is made if need be. A fifo that nobody reads is an error.
    File(PathBuf),
    /// Into a pipe, see [`Process::take_stdout`]. It has to be read: a program whose pipe is full waits.
    Pipe,
}

/// Where the standard input of the program comes from.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// From `/dev/null`. The default.
    Null,
    /// From the owner's. A terminal stops a program that reads and is not in its foreground group.
    Inherit,
    /// From a pipe, see [`Process::take_stdin`].
    Pipe,
}

impl Process {
    /// Starts the program. When this returns, it runs: the directory, the user and all else is set,
    /// and `execve(2)` has succeeded. Whether it is of use is not known yet;
    /// [`wait_within`](Process::wait_within) tells whether it lives a while.
    ///
    /// # Errors
    ///
    /// It runs already; what it is to be made of cannot be had (an unknown user, a file that cannot be
    /// opened); the step on the way to the program that failed.
    pub fn start(&mut self) -> Result<Pid, ProcessError> {
        if let Stat::Alive(pid) = self.stat() {
            return Err(ProcessError::Alive(pid));
        }
        let image = self.settings.image()?;
        let (ours, theirs) = self.settings.streams.open()?;
        let setup = self.settings.setup(theirs.plan()?)?;
        let child = spawn(&image, &setup)?;
        let pid = child.pid();
        (self.ending, self.pipes) = (None, ours);
        self.child = Some(child);
        Ok(pid)
    }

    /// Whether it runs. Never waits, reaps a program that has ended, and carries on a stop that
    /// [`stopping`](Process::stopping) or [`killme`](Process::killme) has begun.
    pub fn stat(&mut self) -> Stat {
        let Some(child) = &mut self.child else { return Stat::Dead(None) };
        match &mut self.ending {
            // A signal that is refused changes nothing about being alive.
            Some(ending) => match ending.drive(child, StopInput::Tick) {
                Ok(Stopping::Gone(ended)) => Stat::Dead(ended.exit),
                Ok(Stopping::Wait(_)) | Err(_) => Stat::Alive(child.pid()),
            },
            None => match child.try_wait() {
                Ok(None) => Stat::Alive(child.pid()),
                Ok(exit) => Stat::Dead(exit),
                Err(_) => Stat::Dead(None),
            },
        }
    }

    /// Ends the program and waits until it has gone: the signals with their times, then KILL. Of a
    /// program that does not run it says how it ended.
    ///
    /// # Errors
    ///
    /// The kernel refuses the signal; or ten seconds after the KILL it is still there, in an
    /// uninterruptible sleep. A further call goes on.
    pub fn stop(&mut self) -> Result<Ended, ProcessError> {
        let bound = self.settings.longest_stop().saturating_add(KILL_PATIENCE);
        let begun = Instant::now();
        loop {
            let wait = match self.stopping()? {
                Stopping::Gone(ended) => return Ok(ended),
                Stopping::Wait(wait) => wait,
            };
            let left = bound.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(self
                    .child
                    .as_ref()
                    .map_or(ProcessError::Dead, |child| ProcessError::StillThere(child.pid())));
            }
            pause(self.pidfd(), wait.min(left));
        }
    }

    /// A step of [`stop`](Process::stop) for owners that wait by themselves: begins a stop or carries
    /// it on, and never waits.
    ///
    /// # Errors
    ///
    /// The kernel refuses the signal.
    pub fn stopping(&mut self) -> Result<Stopping, ProcessError> {
        self.drive(StopInput::Ask)
    }

    /// Sends the signal that makes the program read its configuration again.
    ///
    /// # Errors
    ///
    /// It does not run; the kernel refuses the signal.
    pub fn reload(&mut self) -> Result<(), ProcessError> {
        self.signal(self.settings.reload)
    }

    /// Sends KILL to the program and its group, without waiting: [`stat`](Process::stat),
    /// [`wait`](Process::wait) or [`stop`](Process::stop) sees the end.
    ///
    /// # Errors
    ///
    /// It does not run; the kernel refuses the signal.
    pub fn killme(&mut self) -> Result<(), ProcessError> {
        match self.stat() {
            Stat::Dead(_) => Err(ProcessError::Dead),
            Stat::Alive(_) => self.drive(StopInput::Hurry).map(drop),
        }
    }

    /// Sends any signal to the program.
    ///
    /// # Errors
    ///
    /// It does not run; the kernel refuses the signal.
    pub fn signal(&mut self, signal: Signal) -> Result<(), ProcessError> {
        if let (Stat::Alive(_), Some(child)) = (self.stat(), &self.child) {
            // Reaped by a stop, whose rest is what is alive: ESRCH.
            child.signal(signal).map_err(ProcessError::from_kill)
        } else {
            Err(ProcessError::Dead)
        }
    }

    /// Waits until the program has ended.
    pub fn wait(&mut self) -> Option<Exit> {
        loop {
            if let Stat::Dead(exit) = self.wait_within(Duration::MAX) {
                return exit;
            }
        }
    }

    /// Waits until the program has ended, for so long at most. A program that is to count as started
    /// when it has lived for a second is [`Stat::Alive`] after `wait_within` a second.
    pub fn wait_within(&mut self, limit: Duration) -> Stat {
        let begun = Instant::now();
        loop {
            let stat = self.stat();
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() || matches!(stat, Stat::Dead(_)) {
                return stat;
            }
            let due = self.ending.as_ref().map_or(Duration::MAX, Ending::due);
            pause(self.pidfd(), due.min(left));
        }
    }

    /// The descriptor that becomes readable when the program ends, for an owner's own loop. `None`: it
    /// does not run, or there was no descriptor to spare, and `stat` has to be asked now and then.
    #[must_use]
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        // That of a reaped program would be readable at once, again and again.
        let gone = self.ending.as_ref().is_some_and(Ending::leader_gone);
        self.child.as_ref().filter(|child| !gone && child.exit().is_none())?.pidfd()
    }

    /// The end to write to, with [`Input::Pipe`]. Dropping it is the end of the program's input.
    pub fn take_stdin(&mut self) -> Option<File> {
        self.pipes.stdin.take()
    }

    /// The end to read from, with [`Output::Pipe`]. It ends when the program and all who have its
    /// standard output from it have ended.
    pub fn take_stdout(&mut self) -> Option<File> {
        self.pipes.stdout.take()
    }

    /// The same of the standard error.
    pub fn take_stderr(&mut self) -> Option<File> {
        self.pipes.stderr.take()
    }

    /// Lets the program go on without an owner, or under another: as the [`Child`] it can be given to
    /// a [`reaper::EventLoop`]. `None` if it does not run. A child that nobody reaps stays a zombie
    /// until its parent ends.
    pub fn release(mut self) -> Option<Child> {
        let alive = matches!(self.stat(), Stat::Alive(_));
        self.child.take().filter(|child| alive && child.exit().is_none())
    }

    fn drive(&mut self, input: StopInput) -> Result<Stopping, ProcessError> {
        let gone = |exit| Ok(Stopping::Gone(Ended { exit, killed: false, waited: Duration::ZERO }));
        let Some(child) = &mut self.child else { return gone(None) };
        let ending = match &mut self.ending {
            Some(ending) => ending,
            None => {
                match child.try_wait() {
                    Ok(None) => {}
                    Ok(exit) => return gone(exit),
                    Err(_) => return gone(None),
                }
                self.ending.insert(self.settings.ending())
            }
        };
        ending.drive(child, input).map_err(ProcessError::from_kill)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.killme().is_ok() {
            self.wait_within(DROP_PATIENCE);
        }
    }
}
