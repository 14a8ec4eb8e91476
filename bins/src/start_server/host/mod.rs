//! The thin half of `start_server`: waits in one place, tells the machine what
//! happened, and does what it says.

mod actions;
mod spawn;
mod talk;

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::time::Duration;

use fdpass::notify::Receiver;
use reaper::{EventLoop, Key, Machine as _, Moment, Pid, Wakeup};
use sigpolicy::Signal;

use super::capture::Capture;
use super::environment::Environment;
use super::machine::{Action, Input, Machine, Settings};
use crate::control::{Client, readable};
use crate::daemonize::Launcher;
use crate::files::{PidFile, StatusFile};
use crate::footprint::forget_the_start;
use crate::log::Log;
use crate::report::{Outlet, Stream};
use crate::sockets::Sockets;

pub(super) use spawn::Launch;

/// Output that may wait for a slow reader before workers have to wait too.
const PATIENCE: usize = 64 * 1024;

/// Everything that one running server owns.
pub(super) struct Host {
    pub(super) events: EventLoop,
    pub(super) machine: Machine,
    pub(super) environment: Environment,
    pub(super) settings: Settings,
    pub(super) sockets: Sockets,
    pub(super) launch: Launch,
    pub(super) log: Log,
    pub(super) files: Files,
    pub(super) launcher: Option<Launcher>,
    pub(super) service_manager: Option<OsString>,
    pub(super) out: Outlet,
    pub(super) err: Outlet,
    pub(super) state: State,
}

/// The files that exist as long as the server does.
#[derive(Default)]
pub(super) struct Files {
    pub(super) pid: Option<PidFile>,
    pub(super) status: Option<StatusFile>,
}

impl Files {
    /// Removes what was written; the pid file last, since its lock is what says that we live.
    pub(super) fn remove(&mut self) {
        if let Some(status) = self.status.take() {
            status.remove();
        }
        if let Some(pid) = self.pid.take() {
            pid.remove();
        }
    }
}

/// What comes and goes.
#[derive(Default)]
pub(super) struct State {
    begun: Moment,
    inputs: VecDeque<Input>,
    workers: HashMap<u64, Process>,
    sources: HashMap<Key, Source>,
    paused: Vec<(OwnedFd, u64, Stream)>,
    stuck: [Option<Key>; 2],
    last_failure: Option<String>,
    recent: VecDeque<String>,
    /// What the status file should hold and does not, and when to try again.
    unwritten: Option<(Moment, Vec<(u64, Pid)>)>,
    /// The control socket while no descriptor is left for a client.
    parked: Option<OwnedFd>,
    /// What a launcher will hear that waits in vain.
    farewell: Option<String>,
    /// A start, an end or a question has been dealt with: the code for it has done its work.
    settled: bool,
    told: Vec<String>,
}

/// A worker's process and what belongs to it.
struct Process {
    key: Key,
    capture: Capture,
    text: Option<String>,
    notify: Option<Key>,
}

/// What a key of the event loop stands for.
enum Source {
    Worker(u64),
    Logger,
    Notify(u64, Receiver),
    Relay(u64, Stream),
    Control,
    Client(Client),
    /// A stream that is full; watched until it is not.
    Stuck,
}

impl Host {
    /// Serves until the machine has come to its end; the exit code.
    pub(super) fn run(mut self) -> u8 {
        self.state.begun = self.events.now();
        self.events.reap_orphans(true);
        self.start_logger();
        self.feed(Input::Begin);
        self.open_control();
        let mut wakeups = Vec::new();
        let code = loop {
            if let Some(outcome) = self.machine.outcome() {
                break outcome.code;
            }
            self.flush();
            if std::mem::take(&mut self.state.settled) {
                forget_the_start();
            }
            let deadline = self.deadline();
            if let Err(error) = self.events.wait(deadline, &mut wakeups) {
                self.tell_once(format!("waiting failed, going on: {error}"));
                // Whatever the kernel lacks, asking at full speed will not bring it back.
                let _ = readable(&[], Some(Duration::from_millis(100)));
            }
            self.retry_status();
            self.refresh(&wakeups);
            for wakeup in wakeups.drain(..) {
                self.wake(wakeup);
            }
        };
        self.finish(code);
        code
    }

    fn deadline(&mut self) -> Option<Moment> {
        let logger = self.log.logger().and_then(|logger| logger.restart_at());
        let status = self.state.unwritten.as_ref().map(|(at, _)| *at);
        self.machine.deadline().into_iter().chain(logger).chain(status).min()
    }

    /// Reads the envdir again when something happened that may lead to a start.
    fn refresh(&mut self, wakeups: &[Wakeup]) {
        let matters = |wakeup: &Wakeup| {
            matches!(wakeup, Wakeup::Exited(..) | Wakeup::Signal(_) | Wakeup::Deadline)
        };
        if wakeups.iter().any(matters) {
            self.reload();
        }
    }

    fn reload(&mut self) {
        self.environment.reload();
        let (settings, warnings) = self.environment.settings();
        for warning in warnings {
            self.err.line(&warning);
        }
        if settings != self.settings {
            self.settings = settings.clone();
            self.feed(Input::Settings(settings));
        }
    }

    fn wake(&mut self, wakeup: Wakeup) {
        let now = self.events.now();
        match wakeup {
            Wakeup::Exited(key, exit) => match self.state.sources.remove(&key) {
                Some(Source::Worker(generation)) => self.worker_exited(generation, exit),
                Some(Source::Logger) => {
                    if let Some(line) = self.log.logger().map(|logger| logger.exited(now, exit)) {
                        self.err.line(&line);
                    }
                    self.restart_logger(now);
                }
                _ => {}
            },
            Wakeup::Signal(signal) => self.feed(Input::Signal(signal)),
            Wakeup::Deadline => {
                self.restart_logger(now);
                self.feed(Input::Deadline);
            }
            Wakeup::Readable(key) => self.readable(key),
            Wakeup::Writable(_) => self.flush(),
            // Somebody else's child that an exec or a death left to us: reaped, and that is all.
            Wakeup::Orphan(..) => {}
        }
    }

    fn readable(&mut self, key: Key) {
        match self.state.sources.get(&key) {
            Some(Source::Notify(..)) => self.hear_worker(key),
            Some(Source::Relay(generation, stream)) => {
                let (generation, stream) = (*generation, *stream);
                self.relay(key, generation, stream, PATIENCE);
            }
            Some(Source::Control) => self.welcome(key),
            Some(Source::Client(_)) => self.hear_client(key),
            Some(Source::Worker(_) | Source::Logger | Source::Stuck) | None => {}
        }
    }

    /// One event and all that follows from it.
    fn feed(&mut self, input: Input) {
        self.state.inputs.push_back(input);
        let mut actions: Vec<Action> = Vec::new();
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
        if !self.state.told.contains(&line) {
            self.err.line(&line);
            self.state.told.push(line);
        }
    }

    /// Writes what waits; waits for a stream that is full; lets workers go on that had to wait.
    fn flush(&mut self) {
        for (index, stream) in [Stream::Out, Stream::Err].into_iter().enumerate() {
            let outlet = match stream {
                Stream::Out => &mut self.out,
                Stream::Err => &mut self.err,
            };
            outlet.flush();
            let Some(stuck) = self.state.stuck.get_mut(index) else { continue };
            if outlet.backlog() == 0 {
                if let Some(key) = stuck.take() {
                    self.state.sources.remove(&key);
                    drop(self.events.unwatch(key));
                }
            } else if stuck.is_none() {
                let watched =
                    outlet.handle().and_then(|fd| self.events.watch(fd, reaper::Interest::Write));
                if let Ok(key) = watched {
                    *stuck = Some(key);
                    self.state.sources.insert(key, Source::Stuck);
                }
            }
        }
        if self.state.settled {
            if let Some(control) = self.state.parked.take() {
                self.watch_control(control);
            }
        }
        if self.out.backlog().max(self.err.backlog()) < PATIENCE {
            self.resume_relays(|_| true);
        }
    }

    /// Nobody is left: files go, and whoever still waits is told.
    fn finish(mut self, code: u8) {
        if let Some(logger) = self.log.logger().filter(|logger| logger.restart_at().is_some()) {
            // What is in the pipe needs a reader that outlives us.
            let now = self.events.now();
            drop(logger.start(now));
        }
        self.sockets.unlink();
        self.files.remove();
        let limit = Duration::from_secs(1);
        self.out.drain(limit);
        self.err.drain(limit);
        if let Some(launcher) = self.launcher.take() {
            let farewell = self.state.farewell.take();
            let text = farewell.unwrap_or("stopped before the first worker was ready\n".to_owned());
            launcher.report(code.max(1), &text);
        }
    }
}

/// The signals that the server takes for itself; a worker gets their defaults.
pub(super) const OWN_SIGNALS: [Signal; 7] = [
    Signal::HUP,
    Signal::TERM,
    Signal::INT,
    Signal::ALRM,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
];
