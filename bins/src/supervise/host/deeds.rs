//! The deeds that the machine asks for.

use std::ffi::OsString;

use fdpass::FdPlan;
use reaper::{Exit, Image, Key, Pid, spawn};
use rustix::io::Errno;
use sigpolicy::Signal;
use std::os::fd::AsFd;

use super::plan::policy;
use super::process::since_1970;
use super::{Host, Source};
use crate::supervise::config::model::Level;
use crate::supervise::config::words;
use crate::supervise::lines::{Cause, Line};
use crate::supervise::machine::types::{Action, Input, ProcId, State, Transition};

impl Host {
    pub(super) fn perform(&mut self, actions: &mut Vec<Action>) {
        for action in actions.drain(..) {
            match action {
                Action::Spawn(id) => self.spawn(id),
                Action::Signal { id, signal, group } => self.send(id, signal, group),
                Action::StopCommand(id) => self.stop_command(id),
                Action::Changed(transition) => self.changed(&transition),
                Action::Held(id) => self.control.changed(id),
                Action::Log(line) => self.log.say(&line),
                Action::Gone(id) => self.gone(id),
                Action::Mood(mood) => {
                    self.control.stirred = true;
                    self.mood_changed(mood);
                }
                Action::Finished(after) => self.state.finished = Some(after),
            }
        }
    }

    pub(super) fn send(&mut self, id: ProcId, signal: Signal, group: bool) {
        if self.hears_first(id, signal, group) {
            return;
        }
        let Some(key) = self.processes.get(&id).and_then(|p| p.run.as_ref()).map(|run| run.key)
        else {
            return;
        };
        let Some(child) = self.events.get(key) else {
            return self.send_to_rest(id, signal);
        };
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
        let Some(pid) = self.pid(id) else { return };
        let process = self.processes.get(&id);
        let command = process.and_then(|p| p.spec.process.extra.stop_command.clone());
        let Some(command) = command else { return };
        let source = Source::StopCommand(id, pid);
        match self.run_beside(id, source, &command) {
            Ok(key) => drop(self.state.stop_commands.insert(key)),
            Err(text) => {
                self.line(Level::Warn, text);
                self.ask_to_stop(id);
            }
        }
    }

    pub(super) fn stop_command_exited(&mut self, id: ProcId, pid: Pid, exit: Exit) {
        if exit.success() {
            return;
        }
        let name = self.name(id);
        self.line(Level::Warn, format!("stop_command of '{name}' failed ({})", Cause(exit)));
        // Another process of the program may run by now.
        if self.pid(id) == Some(pid) {
            self.ask_to_stop(id);
        }
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

    /// Whatever still tries to stop what has stopped.
    pub(super) fn kill_stop_commands(&mut self) {
        for key in std::mem::take(&mut self.state.stop_commands) {
            if let Some(command) = self.events.get(key) {
                let _ = command.signal_group(Signal::KILL);
            }
        }
    }

    /// Starts a command that belongs to a program but is not it; what it says goes nowhere.
    pub(super) fn run_beside(
        &mut self,
        id: ProcId,
        source: Source,
        line: &str,
    ) -> Result<Key, String> {
        let Some(process) = self.processes.get(&id) else { return Err("no such process".into()) };
        let (spec, pid) = (process.spec.clone(), process.run.as_ref().map(|run| run.pid));
        let name = &spec.process.name;
        let failed = |error: String| format!("cannot run a command of '{name}': {error}");
        let (user, mut variables) = self.environment_of(&spec).map_err(failed)?;
        if let Some(pid) = pid {
            variables.push(("MAINPID".into(), pid.to_string().into()));
        }
        let mut words = words::split(line).map_err(failed)?.into_iter().map(OsString::from);
        let program = words.next().unwrap_or_default();
        let image =
            Image::new(&program, words, variables).map_err(|error| failed(error.to_string()))?;
        let mut plan = FdPlan::new();
        let null = self.null.as_fd();
        for number in 0..=2 {
            plan.pass(null, number).map_err(|error| failed(error.to_string()))?;
        }
        let setup = self.setup(&spec, user, plan).map_err(failed)?;
        let child = spawn(&image, &setup).map_err(|error| failed(error.to_string()))?;
        let key = self.events.child(child);
        self.sources.insert(key, source);
        Ok(key)
    }

    pub(super) fn changed(&mut self, transition: &Transition) {
        let id = transition.id;
        self.state.settled = true;
        self.control.changed(id);
        match transition.to {
            State::Running => self.begin_checks(id),
            _ => self.end_checks(id),
        }
        self.announce_state(transition);
        self.remember_order(id);
    }

    pub(super) fn program_exited(&mut self, id: ProcId, exit: Exit) {
        if let Some(pid) = self.pid(id) {
            self.state.pids.remove(&pid);
        }
        if self.leaves_a_group(id, exit) {
            return;
        }
        self.program_ended(id, exit);
    }

    pub(super) fn program_ended(&mut self, id: ProcId, exit: Exit) {
        self.drain_streams(id);
        // Its last words may be that it is ready.
        self.hear_notify(id);
        let process = self.processes.get(&id).and_then(|process| process.run.as_ref());
        if let Some(key) = process.and_then(|run| run.ready) {
            self.hear_ready(id, key);
        }
        self.state.listening.remove(&id);
        let process = self.processes.get_mut(&id);
        let process = process.map(|process| (&mut process.ended, process.run.take()));
        if let Some((ended, Some(run))) = process {
            *ended = since_1970();
            for key in run.ready.into_iter().chain(run.notify.map(|(key, _)| key)) {
                self.forget(key);
            }
            if let Some(key) = run.stdin.and_then(|stdin| stdin.full) {
                self.forget(key);
            }
            self.kill_remains(id, run.pid, run.mark);
        }
        self.feed(Input::Exited(id, exit));
    }

    /// It is not of the configuration any more.
    fn gone(&mut self, id: ProcId) {
        self.end_checks(id);
        self.control.changed(id);
        let Some(process) = self.processes.remove(&id) else { return };
        for url in self.sockets.keep(self.processes.values().map(|process| &*process.spec)) {
            self.line(Level::Info, format!("Closing socket {url}"));
        }
        self.release_targets(&process);
        self.left_group(&process.spec.group);
        self.add_what_waits(Some(id));
    }

    /// Stops watching a descriptor, and closes it.
    pub(super) fn forget(&mut self, key: Key) {
        self.sources.remove(&key);
        drop(self.events.unwatch(key));
    }

    /// The process of a program, while it runs.
    fn pid(&self, id: ProcId) -> Option<Pid> {
        Some(self.processes.get(&id)?.run.as_ref()?.pid)
    }

    pub(super) fn name(&self, id: ProcId) -> String {
        self.processes.get(&id).map(|p| p.spec.process.name.clone()).unwrap_or_default()
    }

    /// A process that nobody here started, left by one that has ended.
    pub(super) fn orphan(&mut self, pid: Pid, exit: Exit) {
        self.log.say(&Line::ReapedUnknown { pid, exit });
        self.state.look_for_remains = true;
        self.look_at_groups();
    }
}
