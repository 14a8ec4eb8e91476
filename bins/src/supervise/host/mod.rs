//! The thin half of `supervise`: waits in one place, tells the machine what
//! happened, and does what it says.

mod backpressure;
mod checks;
mod command;
mod control;
mod deeds;
mod environment;
mod errno;
mod groups;
mod health;
mod listeners;
mod low;
mod notify;
mod orphans;
mod plan;
mod process;
mod reload;
mod reread;
mod sockets;
mod spawn;
mod start;
mod state_file;
mod streams;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fs::File;
use std::rc::Rc;
use std::time::Duration;

use reaper::{EventLoop, Exit, Key, Limit, Moment, Pid, Wakeup};
use sigpolicy::Signal;

use super::config::model::{Config, Daemon, Level};
use super::lines::Line;
use super::logs::{MainLog, SinkId};
use super::machine::Machine;
use super::machine::types::{Action, After, Change, Input, Mood, ProcId};
use crate::control::readable;
use crate::files::PidFile;
use crate::footprint::forget_the_start;

use checks::Checks;
use control::Control;
use environment::Variable;
use listeners::Listeners;
use low::Low;
use orphans::Remains;
use plan::Present;
use process::Process;
use reread::Reread;
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
    /// What the configuration says otherwise, as it was read last.
    reread: Reread,
    /// How many programs each group has, with those that are being stopped to be forgotten.
    members: BTreeMap<Rc<str>, usize>,
    sources: HashMap<Key, Source>,
    sockets: Sockets,
    outputs: Outputs,
    listeners: Listeners,
    checks: Checks,
    control: Control,
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
    low: Low,
    /// When it all began, in seconds since 1970.
    began: u32,
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
    /// Runs of programs with `kill_orphans` that have ended and may have left something.
    bereaved: Vec<Remains>,
    /// Listeners that are to be stopped when they have heard what is left, with the signal for that.
    listening: BTreeMap<ProcId, (Moment, Option<(Signal, bool)>)>,
    /// The commands that are to stop programs, while they run.
    stop_commands: BTreeSet<Key>,
    /// Programs that were told to stop with all of their process group, of which some still live.
    groups: Vec<(ProcId, Exit)>,
    /// What a reload adds when all of these have gone.
    additions: Option<(BTreeSet<ProcId>, Vec<Change>)>,
    /// There may be more of what they left.
    look_for_remains: bool,
    /// The processes of all programs.
    pids: HashSet<Pid>,
    /// How many marked runs there have been.
    runs: u64,
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
    /// The command that is to stop this process of a program.
    StopCommand(ProcId, Pid),
    /// A log that is full.
    Sink(SinkId),
    /// The main log, or its copy on standard output, is full.
    Log,
    /// A socket of the control protocol.
    Door(usize),
    /// Somebody who came in by one.
    Client,
    /// The directories where sockets have their files.
    Directories,
}

impl Host {
    /// Serves until everything has been stopped; what is to follow.
    fn serve(&mut self) -> After {
        let mut wakeups = Vec::new();
        loop {
            if let Some(after) = self.state.finished.take() {
                // What they wait for is not known to what follows.
                self.answer_waiting();
                return after;
            }
            self.dismiss_listeners();
            self.keep_state();
            self.answer_waiting();
            self.await_log();
            self.feed_followers();
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
            self.kill_further_remains();
        }
    }

    fn deadline(&self) -> Option<Moment> {
        let others = [
            self.checks.deadline(),
            self.listeners.deadline(),
            self.outputs.deadline(),
            self.control.deadline(),
        ];
        let listening = self.state.listening.values().map(|(until, _)| *until);
        let others = others.into_iter().flatten().chain(listening);
        self.machine.deadline().into_iter().chain(others).min()
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
                self.look_after_clients();
            }
            Wakeup::Readable(key) => match self.sources.get(&key).copied() {
                Some(Source::Stream) => self.hear_stream(key),
                Some(Source::Ready(id)) => self.hear_ready(id, key),
                Some(Source::Notify(id)) => self.hear_notify(id),
                Some(Source::Door(door)) => self.admit(door),
                Some(Source::Client) => self.hear_client(key),
                Some(Source::Directories) => self.look_at_doors(key),
                _ => {}
            },
            Wakeup::Writable(key) => match self.sources.get(&key).copied() {
                Some(Source::Stdin(id)) => self.flush_stdin(id),
                Some(Source::Sink(sink)) => self.resume_sink(sink),
                Some(Source::Client) => self.send_to_client(key),
                // The log is written before each wait.
                _ => {}
            },
        }
    }

    fn exited(&mut self, key: Key, exit: Exit) {
        self.state.stop_commands.remove(&key);
        match self.sources.remove(&key) {
            Some(Source::Child(id)) => self.program_exited(id, exit),
            Some(Source::Health(id)) => self.health_exited(id, exit),
            Some(Source::StopCommand(id, pid)) => self.stop_command_exited(id, pid, exit),
            _ => {}
        }
    }

    fn signalled(&mut self, signal: Signal) {
        match signal {
            Signal::TERM | Signal::INT | Signal::QUIT => {
                self.log.say(&Line::ExitRequest(signal));
                self.feed(Input::Shutdown(After::Leave(0)));
            }
            Signal::HUP if self.machine.mood() == Mood::ShuttingDown => {
                self.log.say(&Line::RestartIgnored(signal));
            }
            Signal::HUP => {
                self.log.say(&Line::RestartRequest(signal));
                self.reload();
            }
            Signal::USR2 => {
                self.log.say(&Line::ReopenRequest(signal));
                self.reopen_logs();
            }
            _ => self.log.say(&Line::Nothing(signal)),
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
        if self.state.told.contains(&text) {
            return;
        }
        self.line(Level::Warn, &text);
        // Texts with numbers in them are many, and old ones are news again.
        if self.state.told.len() >= TOLD {
            self.state.told.clear();
        }
        self.state.told.push(text);
    }
}

/// Warnings that are remembered in order not to be repeated.
const TOLD: usize = 64;

/// The signals that the supervisor takes for itself; a program gets their defaults.
const OWN_SIGNALS: [Signal; 6] =
    [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::USR1, Signal::USR2];
