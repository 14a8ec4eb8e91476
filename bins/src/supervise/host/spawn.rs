//! Making the process of a program, and supervisord's words when that fails.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use fdpass::FdPlan;
use fdpass::notify::Receiver;
use fdpass::wire::{LISTEN_FDS_START, encode_server_starter};
use reaper::{Child, Credentials, Image, Interest, Pid, Setup, SpawnError, Stage, spawn};
use rustix::fs::{Mode, OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use sigpolicy::Signal;

use super::command;
use super::environment::{Variable, of_program};
use super::errno;
use super::orphans::MARK;
use super::plan::Spec;
use super::process::{Run, Stdin, since_1970};
use super::sockets::{url, wanted};
use super::streams::Streams;
use super::{Host, Source};
use crate::supervise::config::model::{Kind, Level, Type};
use crate::supervise::machine::types::{Input, ProcId};

/// Descriptors that a program usually costs: its pidfd, and its standard streams.
const EACH: u64 = 4;
/// Descriptors for everything else.
const RESERVE: u64 = 512;

/// The child's ends of everything, open until the spawn.
#[derive(Default)]
struct Ends {
    stdin: Option<OwnedFd>,
    notify: Option<Receiver>,
    ready: Option<OwnedFd>,
}

/// Our ends of everything.
struct Ours {
    streams: Streams,
    stdin: Option<OwnedFd>,
    ready: Option<OwnedFd>,
    notify: Option<Receiver>,
    mark: Option<Box<str>>,
}

impl Host {
    /// Starts a process and answers the machine.
    pub(super) fn spawn(&mut self, id: ProcId) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.started = since_1970();
        }
        let answer = match self.try_spawn(id) {
            Ok(pid) => Input::Spawned(id, pid),
            Err(text) => Input::SpawnFailed(id, text),
        };
        self.state.inputs.push_back(answer);
    }

    fn try_spawn(&mut self, id: ProcId) -> Result<Pid, String> {
        let Some(process) = self.processes.get(&id) else { return Err("no such process".into()) };
        let spec = Rc::clone(&process.spec);
        let (user, mut variables) = match self.environment_of(&spec) {
            Ok(found) => found,
            Err(text) => {
                let streams = self.open_streams(id, &spec).map_or_else(|_| Vec::new(), |(s, _)| s);
                self.last_words(streams, &text);
                return Err(text);
            }
        };
        let path = variables.iter().rev().find(|(name, _)| name == "PATH").map(|(_, path)| path);
        let found = command::find(
            &spec.process.command,
            spec.process.extra.shell,
            spec.process.directory.as_deref().map(Path::new),
            path.map(OsString::as_os_str),
        )?;
        let name = &spec.process.name;
        let pipes = |error: io::Error| cannot_make(name, &error);
        let socket = match wanted(&spec) {
            None => None,
            Some(socket) => {
                let (name, new) = self.sockets.open(socket)?;
                if new {
                    self.line(Level::Info, format!("Creating socket {}", url(socket)));
                }
                Some((socket, name))
            }
        };
        let (streams, [child_out, child_err]) = self.open_streams(id, &spec).map_err(pipes)?;
        let thrifty = self.is_short_of_descriptors();
        let (mut ends, parent_stdin, parent_ready) = ends(&spec, thrifty).map_err(pipes)?;
        self.low.refill(&self.null);
        let low = &mut self.low;
        let mut lower = |end: Option<OwnedFd>| end.map(|end| low.lower(end));
        let (child_out, child_err) = (lower(child_out), lower(child_err));
        ends.stdin = lower(ends.stdin);
        ends.ready = lower(ends.ready);
        if let Some(receiver) = &ends.notify {
            variables.push(("NOTIFY_SOCKET".into(), receiver.address().into()));
            if let Some(watchdog) = spec.process.extra.watchdog {
                variables.push(("WATCHDOG_USEC".into(), watchdog.as_micros().to_string().into()));
            }
        }
        let mark = spec.process.extra.kill_orphans.then(|| self.mark());
        if let Some(mark) = &mark {
            variables.push((MARK.into(), OsString::from(&**mark)));
        }
        if let Some((_, name)) = &socket {
            socket_variables(&spec, name, &mut variables);
        }
        let mut words = found.into_iter().map(OsString::from);
        let program = words.next().unwrap_or_default();
        let image = Image::new(&program, words, variables).map_err(|error| error.to_string())?;
        let image = pid_variables(&spec, image);
        let mut plan = FdPlan::new();
        let null = self.null.as_fd();
        let fcgi = matches!(&*spec.kind, Kind::Fcgi(_));
        let listener = socket.as_ref().and_then(|(socket, _)| self.sockets.get(socket));
        let stdin = ends.stdin.as_ref().map_or(null, AsFd::as_fd);
        let stdin = listener.filter(|_| fcgi).unwrap_or(stdin);
        let planned = plan
            .pass(stdin, 0)
            .and_then(|()| plan.pass(child_out.as_ref().map_or(null, AsFd::as_fd), 1))
            .and_then(|()| {
                let redirected = spec.process.redirect_stderr;
                let err = if redirected { child_out.as_ref() } else { child_err.as_ref() };
                plan.pass(err.map_or(null, AsFd::as_fd), 2)
            })
            .and_then(|()| match listener.filter(|_| !fcgi) {
                Some(listener) => plan.pass(listener, LISTEN_FDS_START),
                None => Ok(()),
            })
            .and_then(|()| match (&ends.ready, spec.process.extra.ready_fd) {
                (Some(ready), Some(number)) => plan.pass(ready.as_fd(), number),
                _ => Ok(()),
            });
        planned.map_err(|error| error.to_string())?;
        let setup = self.setup(&spec, user, plan)?;
        let spawned = spawn(&image, &setup);
        drop(setup);
        let child = match spawned {
            Ok(child) => child,
            Err(error) => {
                let text = in_words(&spec, &error);
                self.last_words(streams, &text);
                return Err(text);
            }
        };
        let notify = ends.notify.take();
        drop((ends, child_out, child_err));
        let pid = child.pid();
        self.adjust_oom(&spec, pid);
        let ours = Ours { streams, stdin: parent_stdin, ready: parent_ready, notify, mark };
        self.take_over(id, child, ours);
        Ok(pid)
    }

    /// Who a program is to be (`None`: who we are), and its environment.
    pub(super) fn environment_of(
        &self,
        spec: &Spec,
    ) -> Result<(Option<Credentials>, Vec<Variable>), String> {
        let user = credentials(spec)?;
        let serverurl = self.daemon.serverurl.as_deref();
        let variables = of_program(&self.variables, serverurl, spec, user.as_ref())?;
        Ok((user, variables))
    }

    /// Everything that the child becomes.
    pub(super) fn setup<'fd>(
        &self,
        spec: &Spec,
        user: Option<Credentials>,
        plan: FdPlan<'fd>,
    ) -> Result<Setup<'fd>, String> {
        let process = &spec.process;
        let mut setup = Setup::new().fds(plan).process_group().restore_nofile(self.nofile);
        if let Some(directory) = &process.directory {
            setup = setup.dir(Path::new(directory)).map_err(|error| error.to_string())?;
        }
        if let Some(mask) = process.umask.and_then(|mask| u32::try_from(mask).ok()) {
            setup = setup.umask(mask & 0o777);
        }
        if let Some(user) = user {
            setup = setup.credentials(user);
        }
        if let Some(nice) = process.extra.nice {
            setup = setup.nice(nice);
        }
        for (resource, limit) in &process.extra.rlimits {
            setup = setup.rlimit(*resource, *limit);
        }
        if process.extra.no_new_privileges {
            setup = setup.no_new_privs();
        }
        Ok(setup)
    }

    /// The program runs: its end, its words and its signs of life are awaited from here on.
    fn take_over(&mut self, id: ProcId, child: Child, ours: Ours) {
        let Ours { streams, stdin, ready, notify, mark } = ours;
        let pid = child.pid();
        let key = self.events.child(child);
        self.sources.insert(key, Source::Child(id));
        let wanted = (streams.len(), ready.is_some(), notify.is_some());
        let streams = self.watch_streams(streams);
        let ready = ready.and_then(|fd| self.watch(fd, Source::Ready(id)));
        let notify = notify.and_then(|receiver| {
            let fd = receiver.as_fd().try_clone_to_owned().ok()?;
            let key = self.watch(fd, Source::Notify(id))?;
            Some((key, Box::new(receiver)))
        });
        let got = (streams.iter().flatten().count(), ready.is_some(), notify.is_some());
        if got != wanted {
            // Deaf to it for as long as it lives; the next try may find more descriptors.
            let name = self.name(id);
            self.line(Level::Warn, format!("killing '{name}' ({pid}): it cannot be watched"));
            if let Some(child) = self.events.get(key) {
                let _ = child.signal(Signal::KILL);
            }
        }
        self.state.pids.insert(pid);
        let stdin = stdin.map(Stdin::new);
        let run = Run { key, pid, stdin, streams, ready, notify, mark };
        if let Some(process) = self.processes.get_mut(&id) {
            process.run = Some(run);
        }
    }

    /// Watches a descriptor; one that cannot be watched is closed, and that is told once.
    pub(super) fn watch(&mut self, fd: OwnedFd, source: Source) -> Option<reaper::Key> {
        match self.events.watch(fd, Interest::Read) {
            Ok(key) => {
                self.sources.insert(key, source);
                Some(key)
            }
            Err(error) => {
                self.warn_once(format!("cannot watch a descriptor: {error}"));
                None
            }
        }
    }

    /// With thousands of programs each of them may cost one descriptor only.
    fn is_short_of_descriptors(&self) -> bool {
        let children = u64::try_from(self.events.children()).unwrap_or(u64::MAX);
        let wanted = children.saturating_mul(EACH).saturating_add(RESERVE);
        self.descriptors.is_some_and(|most| most < wanted)
    }

    /// The kernel's badness of a process can be set only from outside: while parent and child share
    /// their memory a write in the child would reach both.
    fn adjust_oom(&mut self, spec: &Spec, pid: Pid) {
        if let Some(score) = spec.process.extra.oom_score_adjust {
            if let Err(error) = fs::write(format!("/proc/{pid}/oom_score_adj"), score.to_string()) {
                let name = &spec.process.name;
                self.warn_once(format!("cannot set oom_score_adjust of '{name}': {error}"));
            }
        }
    }
}

/// Who the program is to be; `None`: who we are.
fn credentials(spec: &Spec) -> Result<Option<Credentials>, String> {
    let (uid, gid) = (spec.process.uid, spec.process.extra.gid);
    let own = rustix::process::geteuid();
    // As supervisord: who we are already is nothing to become.
    let wanted = uid.filter(|uid| *uid != own.as_raw());
    if wanted.is_none() && gid.is_none() {
        return Ok(None);
    }
    let shown = uid.unwrap_or(own.as_raw());
    if !own.is_root() {
        return Err(format!("couldn't setuid to {shown}: Can't drop privilege as nonroot user"));
    }
    let (uid, gid) = (wanted.map(|uid| uid.to_string()), gid.map(|gid| gid.to_string()));
    let found = Credentials::lookup(uid.as_deref(), gid.as_deref());
    found.map(Some).map_err(|error| format!("couldn't setuid to {shown}: {error}"))
}

/// The child's ends, and ours of stdin and readiness.
fn ends(spec: &Spec, thrifty: bool) -> io::Result<(Ends, Option<OwnedFd>, Option<OwnedFd>)> {
    let extra = &spec.process.extra;
    let mut ends = Ends::default();
    let (mut stdin, mut ready) = (None, None);
    if !matches!(&*spec.kind, Kind::Fcgi(_)) {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        if thrifty && !matches!(&*spec.kind, Kind::Listener(_)) {
            ends.stdin = Some(both_ends(&read)?);
        } else {
            fcntl_setfl(&write, OFlags::NONBLOCK)?;
            ends.stdin = Some(read);
            stdin = Some(write);
        }
    }
    if extra.ready_fd.is_some() {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        fcntl_setfl(&read, OFlags::NONBLOCK)?;
        ends.ready = Some(write);
        ready = Some(read);
    }
    if (extra.kind == Type::Notify && extra.ready_fd.is_none()) || extra.watchdog.is_some() {
        ends.notify = Some(Receiver::bind()?);
    }
    Ok((ends, stdin, ready))
}

/// A pipe that its reader keeps open for writing, too: as silent as one of which we had the other
/// end, which then costs us no descriptor.
fn both_ends(read: &OwnedFd) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", read.as_raw_fd());
    Ok(rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)
}

/// How a hot program finds its socket: by systemd's and Server::Starter's variables.
fn socket_variables(spec: &Spec, name: &str, variables: &mut Vec<Variable>) {
    if matches!(&*spec.kind, Kind::Fcgi(_)) {
        return;
    }
    let fd = LISTEN_FDS_START;
    variables.push(("LISTEN_FDS".into(), "1".into()));
    let ports = encode_server_starter(&[(OsStr::new(name), fd)]);
    variables.push(("SERVER_STARTER_PORT".into(), ports));
}

fn pid_variables(spec: &Spec, image: Image) -> Image {
    match wanted(spec) {
        Some(_) if !matches!(&*spec.kind, Kind::Fcgi(_)) => image.env_own_pid("LISTEN_PID"),
        _ => image,
    }
}

fn cannot_make(name: &str, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => format!("too many open files to spawn '{name}'"),
        Some(code) => {
            format!("unknown error making dispatchers for '{name}': {}", errno::name(code))
        }
        None => format!("unknown error making dispatchers for '{name}': {error}"),
    }
}

/// What supervisord would have said of the same failure.
fn in_words(spec: &Spec, error: &SpawnError) -> String {
    let process = &spec.process;
    let code = errno::name(error.errno());
    let program = process.command.split_whitespace().next().unwrap_or_default();
    match error.stage() {
        Stage::Clone if error.errno() == Errno::AGAIN.raw_os_error() => {
            format!("Too many processes in process table to spawn '{}'", process.name)
        }
        Stage::Clone => format!("unknown error during fork for '{}': {code}", process.name),
        Stage::Credentials => {
            let user = process.uid.map_or_else(String::new, |uid| uid.to_string());
            format!("couldn't setuid to {user}: {code}")
        }
        Stage::Chdir => {
            format!("couldn't chdir to {}: {code}", process.directory.as_deref().unwrap_or("?"))
        }
        Stage::Exec => format!("couldn't exec {program}: {code}"),
        _ => error.to_string(),
    }
}
