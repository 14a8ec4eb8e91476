//! The thin half of `prefork-run`: waits in one place, tells the machine what
//! happened, and does what it says.

mod again;
mod around;
mod commands;
mod deeds;
mod look;
mod process;
mod single;
mod start;
mod status;
mod talk;

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;

use reaper::{EventLoop, Interest, Key, Limit, Machine as _, Moment, Pid, Wakeup};
use scoreboard::{Board, Reader};
use sigpolicy::SignalSet;

use super::callbacks::Callbacks;
use super::config::Config;
use super::machine::{Input, Machine};
use super::maker::Maker;
use super::observe::{Arrivals, Observer};
use super::status::Totals;
use super::view::{Id, View};
use crate::control::{Client, PathSocket};
use crate::daemonize::Launcher;
use crate::files::PidFile;
use crate::log::Log;
use crate::report::Outlet;
use crate::sockets::Sockets;

use again::Again;
use around::Around;
use commands::{Commands, Running};
use process::{Process, Receivers, children};
pub(crate) use single::run_single;
pub(crate) use start::run;

/// Lines that are remembered so that they are not repeated.
const MOST_TOLD: usize = 256;

/// Everything that one running pool owns.
struct Host {
    events: EventLoop,
    machine: Machine,
    config: Config,
    sockets: Sockets,
    maker: Box<dyn Maker>,
    callbacks: Callbacks,
    board: Option<(Board, Reader)>,
    observer: Observer,
    log: Log,
    err: Outlet,
    pid_file: Option<PidFile>,
    access_log: Option<File>,
    launcher: Option<Launcher>,
    service_manager: Option<OsString>,
    /// Ignored and blocked when the manager was started, and no business of the workers.
    ignored: SignalSet,
    mask: SignalSet,
    /// The limit on open files that the manager was started with.
    open_files: Option<Limit>,
    /// Both ends of the pipe whose end tells workers that the manager is gone.
    life: Option<(OwnedFd, OwnedFd)>,
    /// The manager's own environment, for commands.
    variables: Vec<(OsString, OsString)>,
    /// The workers' user, if it is not the manager's.
    worker_uid: Option<u32>,
    control_path: Option<PathSocket>,
    state: State,
}

/// What comes and goes.
#[derive(Default)]
struct State {
    begun: Moment,
    inputs: VecDeque<Input>,
    workers: HashMap<Id, Process>,
    sources: HashMap<Key, Source>,
    receivers: Receivers,
    arrivals: Option<Arrivals>,
    /// What the last look found.
    view: View,
    last_failure: Option<String>,
    told: HashSet<String>,
    stuck: Option<Key>,
    clients: HashMap<Key, Client>,
    again: Again,
    commands: Commands,
    around: Around,
    /// Children that were there before the pool, and are none of its business.
    before: Vec<Pid>,
    /// What workers did that have gone.
    gone: Totals,
}

/// What a key of the event loop stands for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Source {
    Worker(Id),
    Logger,
    Notify(Id),
    Arrivals,
    Control,
    Client,
    Command(Running),
    /// Files of --auto-reload.
    Watch,
    /// Clients of workers.
    Clients,
    /// Standard error while it is full; watched until it is not.
    Stuck,
}

impl Host {
    /// Serves until the machine has come to its end; the exit code.
    fn serve(mut self) -> u8 {
        self.state.begun = self.events.now();
        self.state.before = children();
        self.events.reap_orphans(true);
        self.start_logger();
        self.open_control();
        self.start_around();
        self.feed(Input::Begin);
        let mut wakeups = Vec::new();
        let code = loop {
            if let Some(outcome) = self.machine.outcome() {
                break outcome.code;
            }
            self.flush();
            let deadline = self.deadline();
            if let Err(error) = self.events.wait(deadline, &mut wakeups) {
                self.tell_once(format!("waiting failed, going on: {error}"));
                // Whatever the kernel lacks, asking at full speed will not bring it back.
                pause(Duration::from_millis(100));
            }
            for wakeup in wakeups.drain(..) {
                self.wake(wakeup);
            }
            let now = self.events.now();
            self.around_due(now);
            self.end_late_commands(now);
            self.try_again(now);
        };
        self.finish(code);
        code
    }

    fn deadline(&mut self) -> Option<Moment> {
        let logger = self.log.logger().and_then(|logger| logger.restart_at());
        let others = [logger, self.around_deadline(), self.command_deadline(), self.again_at()];
        self.machine.deadline().into_iter().chain(others.into_iter().flatten()).min()
    }

    fn wake(&mut self, wakeup: Wakeup) {
        let now = self.events.now();
        match wakeup {
            Wakeup::Exited(key, exit) => match self.state.sources.remove(&key) {
                Some(Source::Worker(id)) => self.worker_exited(id, exit),
                Some(Source::Logger) => {
                    if let Some(line) = self.log.logger().map(|logger| logger.exited(now, exit)) {
                        self.err.line(&line);
                    }
                    self.restart_logger(now);
                }
                Some(Source::Command(running)) => self.command_exited(running, exit),
                _ => {}
            },
            Wakeup::Signal(signal) => self.feed(Input::Signal(signal)),
            Wakeup::Deadline => {
                self.restart_logger(now);
                self.feed(Input::Deadline);
            }
            Wakeup::Readable(key) => match self.state.sources.get(&key).copied() {
                Some(Source::Notify(id)) => self.hear_worker(key, id),
                Some(Source::Arrivals) => self.somebody_arrived(),
                Some(Source::Control) => self.welcome(key),
                Some(Source::Client) => self.hear_client(key),
                Some(Source::Watch) => self.read_watch(),
                Some(Source::Clients) => self.clients_left(),
                Some(Source::Worker(_) | Source::Logger | Source::Command(_) | Source::Stuck)
                | None => {}
            },
            Wakeup::Writable(key) => match self.state.sources.get(&key) {
                Some(Source::Client) => self.answer_more(key),
                _ => self.flush(),
            },
            // A grandchild whose parent has gone: reaped, and that is all.
            Wakeup::Orphan(..) => {}
        }
    }

    /// One event and all that follows from it.
    fn feed(&mut self, input: Input) {
        self.state.inputs.push_back(input);
        let mut actions = Vec::new();
        while let Some(input) = self.state.inputs.pop_front() {
            let now = self.events.now();
            self.machine.step(now, input, &mut actions);
            for action in actions.drain(..) {
                self.act(action);
            }
        }
    }

    /// A line that would otherwise be repeated for as long as its cause lasts.
    fn tell_once(&mut self, line: String) {
        if self.state.told.len() >= MOST_TOLD {
            self.state.told.clear();
        }
        if !self.state.told.contains(&line) {
            self.err.line(&line);
            self.state.told.insert(line);
        }
    }

    /// Writes what waits, and waits for a stream that is full.
    fn flush(&mut self) {
        self.err.flush();
        if self.err.backlog() == 0 {
            if let Some(key) = self.state.stuck.take() {
                self.state.sources.remove(&key);
                drop(self.events.unwatch(key));
            }
        } else if self.state.stuck.is_none() {
            let watched = self.err.handle().and_then(|fd| self.events.watch(fd, Interest::Write));
            if let Ok(key) = watched {
                self.state.stuck = Some(key);
                self.state.sources.insert(key, Source::Stuck);
            }
        }
    }

    fn start_logger(&mut self) {
        let now = self.events.now();
        let Some(started) = self.log.logger().map(|logger| logger.start(now)) else { return };
        match started {
            Ok(child) => {
                let key = self.events.child(child);
                self.state.sources.insert(key, Source::Logger);
            }
            // The pipe keeps the lines until a command reads them.
            Err(failed) => self.err.line(&failed),
        }
    }

    fn restart_logger(&mut self, now: Moment) {
        let due = self.log.logger().and_then(|logger| logger.restart_at());
        if due.is_some_and(|at| at <= now) {
            self.start_logger();
        }
    }

    /// Nobody is left: files go, and whoever still waits is told.
    fn finish(mut self, code: u8) {
        self.wait_for_commands();
        self.end_descendants();
        if let Some(logger) = self.log.logger().filter(|logger| logger.restart_at().is_some()) {
            // What is in the pipe needs a reader that outlives us.
            let now = self.events.now();
            drop(logger.start(now));
        }
        self.sockets.unlink();
        if let Some(control) = self.control_path.take() {
            control.remove();
        }
        if let Some(pid_file) = self.pid_file.take() {
            pid_file.remove();
        }
        self.err.drain(Duration::from_secs(1));
        if let Some(launcher) = self.launcher.take() {
            let text = self.state.last_failure.take();
            let text = text.unwrap_or_else(|| "stopped before a worker was ready".to_owned());
            launcher.report(code.max(1), &format!("{text}\n"));
        }
    }
}

/// Gives others the processor; not for waiting on something that has an event.
fn pause(time: Duration) {
    let timeout = rustix::event::Timespec::try_from(time).ok();
    let _ = rustix::event::poll(&mut [], timeout.as_ref());
}
