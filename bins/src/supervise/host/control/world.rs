//! The supervisor as the methods of the control protocol see it.

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::rc::Rc;

use reaper::Pid;
use rustix::fs::{FileType, Mode, OFlags, open, stat};

use super::super::Host;
use super::super::command;
use super::super::plan::Spec;
use super::super::process::{Process, Refused, Stdin, since_1970};
use crate::supervise::config::model::{Level, LogFile, Type};
use crate::supervise::events::{Stream, payload};
use crate::supervise::machine::types::{After, Input, Mood, Order, ProcId, Refusal, State, View};
use crate::supervise::methods::Supervisor;
use crate::supervise::methods::world::{
    Configured, GroupView, Info, LogPlace, NoStdin, NotReplaceable, Reread, Standing, Unstartable,
};

impl Supervisor for Host {
    fn identifier(&self) -> &str {
        &self.daemon.identifier
    }

    fn pid(&self) -> i32 {
        Pid::own().as_raw()
    }

    fn mood(&self) -> Mood {
        self.machine.mood()
    }

    fn now(&self) -> i64 {
        since_1970().into()
    }

    fn began(&self) -> i64 {
        self.began.into()
    }

    fn groups(&self) -> Vec<GroupView> {
        let mut groups: Vec<GroupView> = Vec::new();
        for (id, policy) in self.machine.processes() {
            let Some(process) = self.processes.get(&id).filter(|p| self.is_active(id, p)) else {
                continue;
            };
            match groups.last_mut().filter(|group| group.name == policy.group) {
                Some(group) => group.processes.push(id),
                None => groups.push(GroupView {
                    name: policy.group.clone(),
                    priority: process.spec.group_priority,
                    processes: vec![id],
                }),
            }
        }
        groups
    }

    fn group(&self, name: &str) -> Option<GroupView> {
        let mut members: Vec<_> = self.of_group(name).collect();
        let (_, first) = members.first()?;
        let priority = first.group_priority;
        members.sort_by_key(|(_, spec)| spec.process.priority);
        let processes = members.into_iter().map(|(id, _)| id).collect();
        Some(GroupView { name: name.to_owned(), priority, processes })
    }

    fn find(&self, group: &str, name: &str) -> Option<ProcId> {
        self.present.get(&(Rc::from(group), name.to_owned())).map(|(id, _)| *id)
    }

    fn info(&self, id: ProcId) -> Option<Info> {
        let (process, view) = (self.processes.get(&id)?, self.machine.view(id)?);
        let spec = &process.spec;
        let extra = &spec.process.extra;
        let standing = standing(&view, spec);
        let log = |stream| match place(process, stream) {
            LogPlace::File(path) => path.to_string_lossy().into_owned(),
            LogPlace::Nowhere | LogPlace::Unborn => String::new(),
        };
        let retry_in = view.due.filter(|_| view.state == State::Backoff);
        let retry_in = retry_in.and_then(|due| due.checked_since(self.events.now()));
        Some(Info {
            id,
            name: spec.process.name.clone(),
            group: spec.group.to_string(),
            start: process.started.into(),
            stop: process.ended.into(),
            standing,
            spawnerr: view.spawnerr,
            exitstatus: view.exitstatus,
            stdout_logfile: log(Stream::Stdout),
            stderr_logfile: log(Stream::Stderr),
            starts: view.starts,
            tries: view.tries,
            autostart: spec.process.autostart,
            essential: extra.essential,
            oneshot: extra.kind == Type::Oneshot,
            hot: extra.hot,
            expected: view.completed,
            retry_in: retry_in.map(|left| left.as_secs()),
        })
    }

    fn state(&self, id: ProcId) -> Option<Standing> {
        let process = self.processes.get(&id)?;
        Some(standing(&self.machine.view(id)?, &process.spec))
    }

    fn startable(&self, id: ProcId) -> Result<(), Unstartable> {
        let Some(process) = self.processes.get(&id) else { return Ok(()) };
        let spec = &process.spec;
        // Whatever else is wrong, the start itself says.
        let Ok((_, variables)) = self.environment_of(spec) else { return Ok(()) };
        let path = variables.iter().rev().find(|(name, _)| name == "PATH").map(|(_, path)| path);
        let directory = spec.process.directory.as_deref().map(std::path::Path::new);
        let path = path.map(std::ffi::OsString::as_os_str);
        match command::find(&spec.process.command, spec.process.extra.shell, directory, path) {
            Ok(_) => Ok(()),
            Err(text) if text.starts_with("can't find command") => Err(Unstartable::NoFile(text)),
            Err(text) => Err(Unstartable::NotExecutable(text)),
        }
    }

    fn order(&mut self, order: Order) -> Result<(), Refusal> {
        let mut actions = Vec::new();
        let now = self.events.now();
        let obeyed = self.machine.order(now, order, &mut actions);
        // What a deed brings about waits until all are done.
        let settling = std::mem::replace(&mut self.state.settling, true);
        self.perform(&mut actions);
        self.state.settling = settling;
        self.settle();
        // A process that only waited to start has changed without a change of its state.
        let (Order::Start(id)
        | Order::Stop(id)
        | Order::Kill(id)
        | Order::Signal(id, _)
        | Order::Reload(id)) = order;
        self.control.changed(id);
        let stops = matches!(order, Order::Stop(_) | Order::Kill(_));
        match obeyed {
            // It was on its way to a start that the page had promised.
            Err(Refusal::NotRunning) if stops && self.control.restarts.cancel(id) => Ok(()),
            Ok(()) if stops => {
                self.control.restarts.cancel(id);
                Ok(())
            }
            other => other,
        }
    }

    fn replace(&mut self, id: ProcId) -> Result<ProcId, NotReplaceable> {
        if self.machine.mood() != Mood::Running {
            return Err(NotReplaceable::Shutdown);
        }
        let view = self.machine.view(id).ok_or(NotReplaceable::BadName)?;
        if view.served && view.state != State::Running && view.pid.is_none() {
            // The last try has failed: once more.
            return match self.order(Order::Start(id)) {
                Ok(()) => Ok(id),
                Err(Refusal::ShutdownState) => Err(NotReplaceable::Shutdown),
                Err(_) => Err(NotReplaceable::Underway),
            };
        }
        if view.state != State::Running {
            let hot = self.processes.get(&id).is_some_and(|p| p.spec.process.extra.hot);
            return Err(if hot { NotReplaceable::NotRunning } else { NotReplaceable::NotHot });
        }
        self.succeed(id)
    }

    fn send_stdin(&mut self, id: ProcId, bytes: &[u8]) -> Result<(), NoStdin> {
        let view = self.machine.view(id);
        if view.is_none_or(|view| view.pid.is_none() || view.state == State::Stopping) {
            return Err(NoStdin::NotRunning);
        }
        let opened = self.reopen_stdin(id);
        let written = self.write_stdin(id, bytes);
        if opened {
            let run = self.processes.get_mut(&id).and_then(|process| process.run.as_mut());
            if let Some(run) = run {
                run.stdin.take_if(|stdin| !stdin.is_waiting());
            }
        }
        written.map_err(|refused| match refused {
            Refused::Full => NoStdin::Full,
            Refused::Closed => NoStdin::Closed,
        })
    }

    fn remote_event(&mut self, kind: &str, data: &str) {
        self.notify(crate::supervise::events::Kind::RemoteCommunication, || {
            payload::remote(kind, data)
        });
    }

    fn log(&self, id: ProcId, stream: Stream) -> LogPlace {
        self.processes.get(&id).map_or(LogPlace::Nowhere, |process| place(process, stream))
    }

    fn main_log(&self) -> LogPlace {
        match self.log.file() {
            Some(path) => LogPlace::File(path.to_owned()),
            None => LogPlace::Nowhere,
        }
    }

    fn clear_logs(&mut self, id: ProcId) -> io::Result<()> {
        let Some(process) = self.processes.get(&id) else { return Ok(()) };
        let mut cleared = Ok(());
        for stream in [Stream::Stdout, Stream::Stderr] {
            let file = process.targets(stream).and_then(|targets| targets.file);
            match file.and_then(|file| self.outputs.sinks.get_mut(file)) {
                Some(sink) => cleared = cleared.and(sink.clear()),
                None => {
                    // Not opened in this life: a file of an earlier one.
                    if let LogPlace::File(path) = place(process, stream) {
                        cleared = cleared.and(empty(&path));
                    }
                }
            }
        }
        cleared
    }

    fn clear_main_log(&mut self) -> io::Result<()> {
        self.log.clear()
    }

    fn note(&mut self, level: Level, text: &str) {
        self.line(level, text);
    }

    fn reread(&mut self) -> Result<Reread, String> {
        self.read_again()
    }

    fn configured(&self, each: &mut dyn FnMut(Configured<'_>)) {
        self.each_configured(each);
    }

    fn outdated(&self, group: &str) -> Vec<ProcId> {
        self.outdated_of(group)
    }

    fn add_group(&mut self, name: &str) -> bool {
        self.activate(name)
    }

    fn remove_group(&mut self, name: &str, outdated: bool) {
        self.deactivate(name, outdated);
    }

    fn shutdown(&mut self) {
        self.feed(Input::Shutdown(After::Leave(0)));
    }

    fn restart(&mut self) {
        self.feed(Input::Shutdown(After::Again));
    }
}

impl Host {
    /// Our end of a pipe that only its reader has kept open, for want of descriptors; true if it was
    /// opened now.
    fn reopen_stdin(&mut self, id: ProcId) -> bool {
        let run = self.processes.get_mut(&id).and_then(|process| process.run.as_mut());
        let Some(run) = run.filter(|run| run.stdin.is_none()) else { return false };
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let path = format!("/proc/{}/fd/0", run.pid);
        // The program may have put something else there.
        let is_pipe =
            stat(&path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
        let fd = is_pipe.then(|| open(path, flags, Mode::empty()).ok()).flatten();
        run.stdin = fd.map(Stdin::new);
        run.stdin.is_some()
    }

    /// It is the process of its name, and not one that is on its way out.
    pub(in super::super) fn is_active(&self, id: ProcId, process: &Process) -> bool {
        let key = (Rc::clone(&process.spec.group), process.spec.process.name.clone());
        self.present.get(&key).is_some_and(|(of, _)| *of == id)
    }
}

fn standing(view: &View, spec: &Spec) -> Standing {
    let oneshot = spec.process.extra.kind == Type::Oneshot;
    Standing {
        state: view.state,
        pid: view.pid.map_or(0, Pid::as_raw),
        failed: !view.spawnerr.is_empty(),
        waiting: view.waiting,
        held: view.held,
        done: oneshot && view.state == State::Exited && view.completed,
        by_hand: view.by_hand,
        served: view.served,
    }
}

/// Where a stream of a process goes.
fn place(process: &Process, stream: Stream) -> LogPlace {
    let output = match stream {
        Stream::Stdout => &process.spec.process.stdout,
        Stream::Stderr if process.spec.process.redirect_stderr => return LogPlace::Nowhere,
        Stream::Stderr => &process.spec.process.stderr,
    };
    match &output.logfile {
        LogFile::None | LogFile::Syslog => LogPlace::Nowhere,
        LogFile::Path(path) if path.is_empty() => LogPlace::Nowhere,
        LogFile::Path(path) => LogPlace::File(PathBuf::from(path)),
        LogFile::Auto => {
            let made = process.targets(stream).and_then(|targets| targets.auto.clone());
            made.map_or(LogPlace::Unborn, LogPlace::File)
        }
    }
}

/// Empties a log that nobody has open here; devices and the like are left alone.
fn empty(path: &std::path::Path) -> io::Result<()> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    match std::fs::File::options().write(true).custom_flags(flags).open(path) {
        Ok(file) if file.metadata()?.is_file() => file.set_len(0),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
