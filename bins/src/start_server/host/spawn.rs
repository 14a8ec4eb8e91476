//! Making a worker, hearing its exit, and starting the log command.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use fdpass::notify::Receiver;
use reaper::{Child, Credentials, Exit, Image, Interest, Key, Moment, Setup, Stage, spawn};
use rustix::io::Errno;
use sigpolicy::{Signal, SignalSet};

use super::{Host, Process, Source};
use crate::report::Stream;
use crate::start_server::capture::{Capture, relays};
use crate::start_server::machine::{Input, StartError};

/// What a worker's process is made from.
pub(in crate::start_server) struct Launch {
    pub(in crate::start_server) program: OsString,
    pub(in crate::start_server) args: Vec<OsString>,
    pub(in crate::start_server) dir: Option<PathBuf>,
    pub(in crate::start_server) credentials: Option<Credentials>,
    pub(in crate::start_server) no_new_privs: bool,
    /// Ignored when the server was started, and no business of the server.
    pub(in crate::start_server) ignored: SignalSet,
    /// Blocked when the server was started.
    pub(in crate::start_server) mask: SignalSet,
}

/// Reads from one worker before the others get their turn.
const READS: usize = 16;

impl Host {
    pub(super) fn spawn_worker(&mut self, generation: u64) {
        let receiver = match Receiver::bind() {
            Ok(receiver) => Some(receiver),
            Err(error) => {
                self.tell_once(format!("no NOTIFY_SOCKET for workers: {error}"));
                None
            }
        };
        let relays = if self.somebody_waits() { self.open_relays(generation) } else { Vec::new() };
        let capture = if relays.is_empty() {
            Capture::of_file()
        } else {
            Capture::Relayed(Default::default())
        };
        let address = receiver.as_ref().map(|receiver| receiver.address().to_owned());
        match self.try_spawn(generation, address, &relays) {
            Ok(child) => {
                let pid = child.pid();
                let key = self.events.child(child);
                self.state.sources.insert(key, Source::Worker(generation));
                let notify = receiver.and_then(|receiver| self.watch_notify(generation, receiver));
                let process = Process { key, capture, text: None, notify };
                self.state.workers.insert(generation, process);
                self.state.inputs.push_front(Input::Spawned(generation, pid));
            }
            Err(error) => self.state.inputs.push_front(Input::SpawnFailed(generation, error)),
        }
    }

    /// Pipes for the streams that cannot be read back and that no socket replaces: the worker's
    /// ends with the numbers they go to. All of them, or none where descriptors are short.
    fn open_relays(&mut self, generation: u64) -> Vec<(OwnedFd, Vec<i32>)> {
        let sockets: Vec<i32> = self.sockets.infos().map(|socket| socket.fd).collect();
        let mut ends = Vec::new();
        let mut keys = Vec::new();
        for mut relay in relays() {
            relay.targets.retain(|target| !sockets.contains(target));
            if relay.targets.is_empty() {
                continue;
            }
            match self.events.watch(relay.read, Interest::Read) {
                Ok(key) => keys.push((key, Source::Relay(generation, relay.stream))),
                Err(_) => {
                    keys.into_iter().for_each(|(key, _)| drop(self.events.unwatch(key)));
                    return Vec::new();
                }
            }
            ends.push((relay.write, relay.targets));
        }
        self.state.sources.extend(keys);
        ends
    }

    fn watch_notify(&mut self, generation: u64, receiver: Receiver) -> Option<Key> {
        let handle = receiver.as_fd().try_clone_to_owned();
        let key = handle.and_then(|fd| self.events.watch(fd, Interest::Read)).ok()?;
        self.state.sources.insert(key, Source::Notify(generation, receiver));
        Some(key)
    }

    fn try_spawn(
        &self,
        generation: u64,
        notify: Option<String>,
        relays: &[(OwnedFd, Vec<i32>)],
    ) -> Result<Child, StartError> {
        let launch = &self.launch;
        let permanent = |text: String| StartError { text, errno: 22, pid: None, transient: false };
        let mut own = self.sockets.variables();
        own.push(("SERVER_STARTER_GENERATION", generation.to_string().into()));
        own.extend(notify.map(|address| ("NOTIFY_SOCKET", address.into())));
        let variables = self.environment.for_worker(own);
        let mut image = Image::new(&launch.program, launch.args.iter().cloned(), variables)
            .map_err(|error| permanent(error.to_string()))?;
        if self.sockets.speaks_systemd() {
            image = image.env_own_pid("LISTEN_PID");
        }
        let mut plan = self.sockets.plan().map_err(|error| permanent(error.to_string()))?;
        for (end, targets) in relays {
            for target in targets {
                plan.pass(end.as_fd(), *target).map_err(|error| permanent(error.to_string()))?;
            }
        }
        // Server::Starter ignores SIGPIPE and its workers inherit that.
        let ignored = launch.ignored.with(Signal::PIPE);
        let mut setup = Setup::new()
            .fds(plan)
            .keep_open(self.sockets.keep_open())
            .ignored(ignored)
            .mask(launch.mask);
        if let Some(dir) = &launch.dir {
            setup = setup.dir(dir).map_err(|error| permanent(error.to_string()))?;
        }
        if let Some(credentials) = &launch.credentials {
            setup = setup.credentials(credentials.clone());
        }
        if launch.no_new_privs {
            setup = setup.no_new_privs();
        }
        spawn(&image, &setup).map_err(|error| StartError {
            text: error.to_string(),
            errno: error.errno(),
            pid: error.pid(),
            transient: error.stage() == Stage::Clone,
        })
    }

    pub(super) fn worker_exited(&mut self, generation: u64, exit: Exit) {
        self.drain_relays(generation);
        let in_use = exit.code() == Some(Errno::ADDRINUSE.raw_os_error())
            || self
                .last_lines(generation)
                .iter()
                .any(|line| line.contains("ddress already in use") || line.contains("EADDRINUSE"));
        self.feed(Input::Exited(generation, exit, in_use));
        self.state.settled = true;
        if let Some(key) = self.state.workers.remove(&generation).and_then(|p| p.notify) {
            self.dismiss(key);
        }
    }

    /// The last output of a worker, as far as it can be seen.
    pub(super) fn last_lines(&self, generation: u64) -> Vec<String> {
        self.state.workers.get(&generation).map(|p| p.capture.lines()).unwrap_or_default()
    }

    /// What a dead worker wrote last is still in its pipes.
    fn drain_relays(&mut self, generation: u64) {
        self.resume_relays(|of| of == generation);
        let mut keys = Vec::new();
        for (key, source) in &self.state.sources {
            if let Source::Relay(of, stream) = source {
                if *of == generation {
                    keys.push((*key, *stream));
                }
            }
        }
        for (key, stream) in keys {
            self.relay(key, generation, stream, usize::MAX);
        }
    }

    /// Reads on from workers that had to wait.
    pub(super) fn resume_relays(&mut self, which: impl Fn(u64) -> bool) {
        for (fd, generation, stream) in std::mem::take(&mut self.state.paused) {
            if !which(generation) {
                self.state.paused.push((fd, generation, stream));
            } else if let Ok(key) = self.events.watch(fd, Interest::Read) {
                self.state.sources.insert(key, Source::Relay(generation, stream));
            }
        }
    }

    /// Copies a worker's output on and remembers its end.
    pub(super) fn relay(&mut self, key: Key, generation: u64, stream: Stream, patience: usize) {
        let mut buffer = [0_u8; 4096];
        for _ in 0..READS {
            let Some(fd) = self.events.fd(key) else { return };
            let count = match rustix::io::read(fd, &mut buffer) {
                Err(Errno::INTR | Errno::AGAIN) => return,
                Ok(0) | Err(_) => {
                    self.state.sources.remove(&key);
                    drop(self.events.unwatch(key));
                    return;
                }
                Ok(count) => count,
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            if let Some(process) = self.state.workers.get_mut(&generation) {
                if let Capture::Relayed(tail) = &mut process.capture {
                    tail.push(bytes);
                }
            }
            let outlet = match stream {
                Stream::Out => &mut self.out,
                Stream::Err => &mut self.err,
            };
            outlet.bytes(bytes.to_vec());
            if outlet.backlog() > patience {
                self.state.sources.remove(&key);
                if let Some(fd) = self.events.unwatch(key) {
                    self.state.paused.push((fd, generation, stream));
                }
                return;
            }
        }
    }

    pub(super) fn start_logger(&mut self) {
        let now = self.events.now();
        let Some(started) = self.log.logger().map(|logger| logger.start(now)) else { return };
        match started {
            Ok(child) => {
                let key = self.events.child(child);
                self.state.sources.insert(key, Source::Logger);
            }
            // The pipe keeps the line until a command reads it.
            Err(failed) => self.err.line(&failed),
        }
    }

    pub(super) fn restart_logger(&mut self, now: Moment) {
        let due = self.log.logger().and_then(|logger| logger.restart_at());
        if due.is_some_and(|at| at <= now) {
            self.start_logger();
        }
    }
}
