//! Commands that run beside the workers: when they are started, stopped and over.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use reaper::{Exit, Key, Moment};
use sigpolicy::Signal;

use super::{Host, Source};
use crate::prefork::hooks::{Facts, Hook};
use crate::prefork::machine::{Input, StartError};
use crate::prefork::view::Id;

/// A command before the fork that takes longer keeps a worker away.
const LONGEST: Duration = Duration::from_secs(60);
/// Commands that still run at the end of the pool get so much time.
const LAST: Duration = Duration::from_secs(5);
/// Clients decide how many commands of this kind there are: how many may run, and wait.
pub(super) const ON_CLIENT_DISCONNECT: &str = "on-client-disconnect";
const MOST: usize = 16;
const MOST_QUEUED: usize = 1024;

/// A command that runs.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Running {
    /// The worker is made when it succeeds: number, slot, generation.
    BeforeFork(Id, u32, u64),
    BeforeShutdown,
    /// Nobody waits for it.
    Other(&'static str),
}

/// What is to run later, and what must not run for ever.
#[derive(Default)]
pub(super) struct Commands {
    queue: VecDeque<(OsString, Facts)>,
    limits: VecDeque<(Moment, Key)>,
}

impl Host {
    /// Starts a command; if it does not run, the log tells, too.
    pub(super) fn run_command(
        &mut self,
        command: &OsStr,
        facts: Facts,
        running: Running,
    ) -> Result<(), String> {
        let started = Hook::command(command, facts.into_vec(), &self.variables, self.open_files);
        let child = started.inspect_err(|error| {
            let line = format!("a command could not be started: {error}");
            self.tell_once(line);
        })?;
        let key = self.events.child(child);
        self.state.sources.insert(key, Source::Command(running));
        if let Running::BeforeFork(..) = running {
            let until = self.events.now().saturating_add(LONGEST);
            self.state.commands.limits.push_back((until, key));
        }
        Ok(())
    }

    /// The same for commands that come in any number.
    pub(super) fn run_or_queue(&mut self, command: OsString, facts: Facts) {
        let running = Running::Other(ON_CLIENT_DISCONNECT);
        let count =
            self.state.sources.values().filter(|source| **source == Source::Command(running));
        if count.count() < MOST {
            let _ = self.run_command(&command, facts, running);
        } else if self.state.commands.queue.len() < MOST_QUEUED {
            self.state.commands.queue.push_back((command, facts));
        } else {
            self.tell_once(format!("more than {MOST_QUEUED} commands wait, some are left out"));
        }
    }

    pub(super) fn command_exited(&mut self, running: Running, exit: Exit) {
        match running {
            Running::BeforeFork(id, slot, generation) if exit.success() => {
                self.make_or_tell(id, slot, generation);
            }
            Running::BeforeFork(id, ..) => {
                let text = format!("the command of --before-fork failed, {exit}");
                self.feed(Input::SpawnFailed(id, StartError { text, transient: true }));
            }
            Running::BeforeShutdown => {
                self.tell_failure("before-shutdown", exit);
                self.feed(Input::Prepared);
            }
            Running::Other(hook) => self.tell_failure(hook, exit),
        }
        if let Some((command, facts)) = self.state.commands.queue.pop_front() {
            self.run_or_queue(command, facts);
        }
    }

    fn tell_failure(&mut self, hook: &str, exit: Exit) {
        if !exit.success() {
            self.err.line(&format!("the command of --{hook} failed, {exit}"));
        }
    }

    pub(super) fn command_deadline(&self) -> Option<Moment> {
        self.state.commands.limits.front().map(|(at, _)| *at)
    }

    /// KILL to those that have run for too long.
    pub(super) fn end_late_commands(&mut self, now: Moment) {
        while let Some((at, key)) = self.state.commands.limits.front().copied() {
            if at > now {
                return;
            }
            self.state.commands.limits.pop_front();
            self.end_command(key);
        }
    }

    /// No worker will come of them.
    pub(super) fn end_preparations(&mut self) {
        for (_, key) in std::mem::take(&mut self.state.commands.limits) {
            self.end_command(key);
        }
    }

    fn end_command(&mut self, key: Key) {
        if let Some(child) = self.events.get(key) {
            let _ = child.signal_group(Signal::KILL);
            let _ = child.signal(Signal::KILL);
        }
    }

    /// At the end of the pool: lets commands come to theirs, for a limited time.
    pub(super) fn wait_for_commands(&mut self) {
        let until = self.events.now().saturating_add(LAST);
        let mut wakeups = Vec::new();
        let is_command = |source: &Source| matches!(source, Source::Command(_));
        while self.state.sources.values().any(is_command) {
            let now = self.events.now();
            if now >= until || self.events.wait(Some(until), &mut wakeups).is_err() {
                return;
            }
            for wakeup in wakeups.drain(..) {
                match wakeup {
                    reaper::Wakeup::Exited(key, exit) => {
                        if let Some(Source::Command(running)) = self.state.sources.remove(&key) {
                            self.command_exited(running, exit);
                        }
                    }
                    // Somebody is in a hurry.
                    reaper::Wakeup::Signal(Signal::TERM | Signal::INT) => return,
                    reaper::Wakeup::Readable(key) | reaper::Wakeup::Writable(key) => {
                        // Nobody is served any more, and what is readable would stay so.
                        self.state.sources.remove(&key);
                        drop(self.events.unwatch(key));
                    }
                    _ => {}
                }
            }
        }
    }
}
