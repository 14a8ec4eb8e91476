//! The deeds that the machine asks for.

use std::ffi::OsString;
use std::path::Path;

use fdpass::FdPlan;
use reaper::{Exit, Image, Key, Pid, Setup, spawn};
use rustix::io::Errno;
use sigpolicy::Signal;
use std::os::fd::AsFd;

use super::plan::policy;
use super::process::Process;
use super::{Host, Source};
use crate::supervise::config::model::Level;
use crate::supervise::config::words;
use crate::supervise::machine::types::{Action, Input, ProcId, State, Transition};

impl Host {
    pub(super) fn perform(&mut self, actions: &mut Vec<Action>) {
        for action in actions.drain(..) {
            match action {
                Action::Spawn(id) => self.spawn(id),
                Action::Signal { id, signal, group } => self.send(id, signal, group),
                Action::StopCommand(id) => self.stop_command(id),
                Action::Changed(transition) => self.changed(&transition),
                Action::Log(line) => self.line(line.level(), line.to_string()),
                Action::Gone(id) => self.gone(id),
                Action::Mood(mood) => self.mood_changed(mood),
                Action::Finished(after) => self.state.finished = Some(after),
            }
        }
    }

    fn send(&mut self, id: ProcId, signal: Signal, group: bool) {
        let Some(key) = self.processes.get(&id).and_then(|p| p.run.as_ref()).map(|run| run.key)
        else {
            return;
        };
        let Some(child) = self.events.get(key) else { return };
        let sent = if group { child.signal_group(signal) } else { child.signal(signal) };
        match sent {
            Ok(()) => {}
            // It has ended, and the loop will tell.
            Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => {}
            Err(error) => {
                let input = Input::SignalFailed(id, error.to_string());
                self.state.inputs.push_back(input);
            }
        }
    }

    /// Runs in the program's place: with its environment, directory and user, and with MAINPID.
    fn stop_command(&mut self, id: ProcId) {
        if let Err(text) =
            self.run_beside(id, Source::StopCommand(id), |extra| extra.stop_command.clone())
        {
            self.line(Level::Warn, text);
            self.ask_to_stop(id);
        }
    }

    pub(super) fn stop_command_exited(&mut self, id: ProcId, exit: Exit) {
        if exit.success() {
            return;
        }
        let name = self.name(id);
        self.line(Level::Warn, format!("stop_command of '{name}' failed ({})", ended(exit)));
        self.ask_to_stop(id);
    }

    /// Where a command could not do it: the signal that it stood for.
    fn ask_to_stop(&mut self, id: ProcId) {
        let Some(process) = self.processes.get(&id) else { return };
        let policy = policy(&process.spec);
        if let Some((signal, _)) = policy.stop.first() {
            self.send(id, *signal, policy.stop_as_group);
        }
        self.settle();
    }

    /// Starts a command that belongs to a program but is not it; what it says goes nowhere.
    pub(super) fn run_beside(
        &mut self,
        id: ProcId,
        source: Source,
        which: impl Fn(&crate::supervise::config::model::Extra) -> Option<String>,
    ) -> Result<Key, String> {
        let Some(process) = self.processes.get(&id) else { return Err("no such process".into()) };
        let (spec, pid) = (process.spec.clone(), process.run.as_ref().map(|run| run.pid));
        let name = &spec.process.name;
        let failed = |error: String| format!("cannot run a command of '{name}': {error}");
        let line = which(&spec.process.extra).ok_or_else(|| failed("there is none".into()))?;
        let (user, mut variables) = self.environment_of(&spec).map_err(failed)?;
        if let Some(pid) = pid {
            variables.push(("MAINPID".into(), pid.to_string().into()));
        }
        let mut words = words::split(&line).map_err(failed)?.into_iter().map(OsString::from);
        let program = words.next().unwrap_or_default();
        let image =
            Image::new(&program, words, variables).map_err(|error| failed(error.to_string()))?;
        let mut plan = FdPlan::new();
        let null = self.null.as_fd();
        for number in 0..=2 {
            plan.pass(null, number).map_err(|error| failed(error.to_string()))?;
        }
        let mut setup = Setup::new().fds(plan).process_group().restore_nofile(self.nofile);
        if let Some(directory) = &spec.process.directory {
            let dir = setup.dir(Path::new(directory));
            setup = dir.map_err(|error| failed(error.to_string()))?;
        }
        if let Some(user) = user {
            setup = setup.credentials(user);
        }
        let child = spawn(&image, &setup).map_err(|error| failed(error.to_string()))?;
        let key = self.events.child(child);
        self.sources.insert(key, source);
        Ok(key)
    }

    pub(super) fn changed(&mut self, transition: &Transition) {
        let id = transition.id;
        self.state.settled = true;
        match transition.to {
            State::Running => self.begin_checks(id),
            _ => self.end_checks(id),
        }
        self.announce_state(transition);
        self.remember_orders();
    }

    pub(super) fn program_exited(&mut self, id: ProcId, exit: Exit) {
        self.drain_streams(id);
        // Its last words may be READY=1.
        self.hear_notify(id);
        if let Some(run) = self.processes.get_mut(&id).and_then(Process::end) {
            for key in run.ready.into_iter().chain(run.notify.map(|(key, _)| key)) {
                self.forget(key);
            }
            if let Some(key) = run.stdin.and_then(|stdin| stdin.full) {
                self.forget(key);
            }
            self.kill_remains(id, run.pid);
        }
        self.feed(Input::Exited(id, exit));
    }

    /// It is not of the configuration any more.
    fn gone(&mut self, id: ProcId) {
        self.end_checks(id);
        let Some(process) = self.processes.remove(&id) else { return };
        self.sockets.keep(self.processes.values().map(|process| &*process.spec));
        self.release_targets(&process);
        self.left_group(&process.spec.group);
    }

    /// Stops watching a descriptor, and closes it.
    pub(super) fn forget(&mut self, key: Key) {
        self.sources.remove(&key);
        drop(self.events.unwatch(key));
    }

    pub(super) fn name(&self, id: ProcId) -> String {
        self.processes.get(&id).map(|p| p.spec.process.name.clone()).unwrap_or_default()
    }

    /// A process that nobody here started, left by one that has ended.
    pub(super) fn orphan(&mut self, pid: Pid, exit: Exit) {
        self.line(Level::Info, format!("reaped unknown pid {pid} ({})", ended(exit)));
        self.kill_further_remains();
    }
}

/// An end in supervisord's words.
pub(super) fn ended(exit: Exit) -> String {
    match (exit.code(), exit.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => {
            let core = if exit.core_dumped() { " (core dumped)" } else { "" };
            format!("terminated by SIG{signal}{core}")
        }
        (None, None) => "unknown termination cause".to_owned(),
    }
}
