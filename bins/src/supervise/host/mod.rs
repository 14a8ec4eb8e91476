//! The thin half of `supervise`: waits in one place, tells the machine what
//! happened, and does what it says.

mod backpressure;
mod checks;
mod command;
mod deeds;
mod environment;
mod errno;
mod health;
mod listeners;
mod notify;
mod orphans;
mod plan;
mod process;
mod reload;
mod sockets;
mod spawn;
mod start;
mod state_file;
mod streams;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::rc::Rc;
use std::time::Duration;

use reaper::{EventLoop, Exit, Key, Limit, Moment, Wakeup};
use sigpolicy::Signal;

use super::config::model::{Config, Daemon, Level};
use super::logs::{MainLog, SinkId};
use super::machine::Machine;
use super::machine::types::{Action, After, Input, Mood, ProcId};
use crate::control::readable;
use crate::files::PidFile;
use crate::footprint::forget_the_start;

use checks::Checks;
use environment::Variable;
use listeners::Listeners;
use plan::Present;
use process::Process;
use sockets::Sockets;
use state_file::StateFile;
use streams::Outputs;

pub use start::run;

/// Everything that one supervisor owns.
struct Host {
    events: EventLoop,
    machine: Machine,
    daemon: Daemon,
    processes: BTreeMap<ProcId, Process>,
    /// What is in the configuration.
    present: Present,
    /// How many programs each group has, with those that are being stopped to be forgotten.
    members: BTreeMap<Rc<str>, usize>,
    sources: HashMap<Key, Source>,
    sockets: Sockets,
    outputs: Outputs,
    listeners: Listeners,
    checks: Checks,
    log: MainLog,
    /// Reads the configuration again.
    load: Box<dyn Fn() -> Result<Config, String>>,
    /// What of our own environment is for programs.
    variables: Vec<Variable>,
    /// The limit of open files that programs get.
    nofile: Limit,
    /// How many descriptors we may have.
    descriptors: Option<u64>,
    null: File,
    pid_file: Option<PidFile>,
    state_file: Option<StateFile>,
    next: u32,
    state: State,
}

/// What comes and goes.
#[derive(Default)]
struct State {
    inputs: VecDeque<Input>,
    settling: bool,
    /// A program has changed its state: the code for that has done its work.
    settled: bool,
    /// What is watched while the main log is full.
    log_full: Vec<Key>,
    told: Vec<String>,
    finished: Option<After>,
    /// Programs with `kill_orphans` that have ended and may have left something.
    bereaved: Vec<ProcId>,
}

/// What a key of the event loop stands for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Source {
    Child(ProcId),
    /// Standard output or standard error of a program.
    Stream,
    /// Its standard input is full.
    Stdin(ProcId),
    Ready(ProcId),
    Notify(ProcId),
    /// A health command, or its output.
    Health(ProcId),
    StopCommand(ProcId),
    /// A log that is full.
    Sink(SinkId),
    /// The main log, or its copy on standard output, is full.
    Log,
}

impl Host {
    /// Serves until everything has been stopped; what is to follow.
    fn serve(&mut self) -> After {
        let mut wakeups = Vec::new();
        loop {
            if let Some(after) = self.state.finished.take() {
                return after;
            }
            self.await_log();
            let deadline = self.deadline();
            if deadline.is_none() && std::mem::take(&mut self.state.settled) {
                forget_the_start();
            }
            if let Err(error) = self.events.wait(deadline, &mut wakeups) {
                self.warn_once(format!("waiting failed, going on: {error}"));
                // Whatever the kernel lacks, asking at full speed will not bring it back.
                let _ = readable(&[], Some(Duration::from_millis(100)));
            }
            for wakeup in wakeups.drain(..) {
                self.wake(wakeup);
            }
        }
    }

    fn deadline(&self) -> Option<Moment> {
        let others = [self.checks.deadline(), self.listeners.deadline(), self.outputs.deadline()];
        self.machine.deadline().into_iter().chain(others.into_iter().flatten()).min()
    }

    fn wake(&mut self, wakeup: Wakeup) {
        match wakeup {
            Wakeup::Exited(key, exit) => self.exited(key, exit),
            Wakeup::Orphan(pid, exit) => self.orphan(pid, exit),
            Wakeup::Signal(signal) => self.signalled(signal),
            Wakeup::Deadline => {
                self.feed(Input::Deadline);
                self.check_health();
                self.tick();
                self.retry_sinks();
                self.wake_rested(false);
            }
            Wakeup::Readable(key) => match self.sources.get(&key).copied() {
                Some(Source::Stream) => self.hear_stream(key),
                Some(Source::Ready(id)) => self.hear_ready(id, key),
                Some(Source::Notify(id)) => self.hear_notify(id),
                _ => {}
            },
            Wakeup::Writable(key) => match self.sources.get(&key).copied() {
                Some(Source::Stdin(id)) => self.flush_stdin(id),
                Some(Source::Sink(sink)) => self.resume_sink(sink),
                // The log is written before each wait.
                _ => {}
            },
        }
    }

    fn exited(&mut self, key: Key, exit: Exit) {
        match self.sources.remove(&key) {
            Some(Source::Child(id)) => self.program_exited(id, exit),
            Some(Source::Health(id)) => self.health_exited(id, exit),
            Some(Source::StopCommand(id)) => self.stop_command_exited(id, exit),
            _ => {}
        }
    }

    fn signalled(&mut self, signal: Signal) {
        match signal {
            Signal::TERM | Signal::INT | Signal::QUIT => {
                self.line(Level::Warn, format!("received SIG{signal} indicating exit request"));
                self.feed(Input::Shutdown(After::Leave(0)));
            }
            Signal::HUP if self.machine.mood() == Mood::ShuttingDown => {
                let what = "indicating restart request (shutdown in progress)";
                self.line(Level::Warn, format!("ignored SIG{signal} {what}"));
            }
            Signal::HUP => self.reload(),
            Signal::USR2 => {
                self.line(
                    Level::Info,
                    format!("received SIG{signal} indicating log reopen request"),
                );
                self.reopen_logs();
            }
            _ => self.line(Level::Blather, format!("received SIG{signal} indicating nothing")),
        }
    }

    /// One event and all that follows from it.
    fn feed(&mut self, input: Input) {
        self.state.inputs.push_back(input);
        self.settle();
    }

    /// Tells the machine what waits, and does what it says. What a deed brings about waits until
    /// all deeds of its list are done.
    fn settle(&mut self) {
        if std::mem::replace(&mut self.state.settling, true) {
            return;
        }
        let mut actions: Vec<Action> = Vec::new();
        while let Some(input) = self.state.inputs.pop_front() {
            let now = self.events.now();
            self.machine.step(now, input, &mut actions);
            self.perform(&mut actions);
        }
        self.state.settling = false;
    }

    fn line(&mut self, level: Level, text: impl AsRef<str>) {
        self.log.log(level, &text.as_ref());
    }

    /// A line that would otherwise be repeated for as long as its cause lasts.
    fn warn_once(&mut self, text: String) {
        if !self.state.told.contains(&text) {
            self.line(Level::Warn, &text);
            self.state.told.push(text);
        }
    }
}

/// The signals that the supervisor takes for itself; a program gets their defaults.
const OWN_SIGNALS: [Signal; 6] =
    [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::USR1, Signal::USR2];
