//! Event listeners: what happens is told to them, and what they say is heard.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use reaper::{Interest, Moment};
use sigpolicy::Signal;

use super::plan::Spec;
use super::process::Refused;
use super::{Host, Source};
use crate::supervise::config::model::{Daemon, Kind as GroupKind, Subscription};
use crate::supervise::events::{Events, Kind, PoolAction, Said, Stream, Ticks, payload};
use crate::supervise::machine::types::{Mood, ProcId, State, Transition};

/// How long a listener may take to hear of the ends of the programs that stopped before it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// All pools of listeners, and the clock that some of them want to hear.
pub(super) struct Listeners {
    events: Events,
    ticks: Ticks,
    pools: Vec<String>,
}

impl Listeners {
    pub(super) fn new(daemon: &Daemon) -> Self {
        Self { events: Events::new(&daemon.identifier), ticks: Ticks::new(), pools: Vec::new() }
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        self.events.deadline().into_iter().chain(self.ticks.deadline()).min()
    }
}

/// A pool of a configuration: its name, its wish, and its processes in the order in which they are
/// offered events.
type Wanted = (String, Subscription, Vec<String>);

impl Host {
    /// The pools that are active, their processes in start order.
    fn pools(&self) -> Vec<Wanted> {
        let mut pools = BTreeMap::<&Rc<str>, (&Subscription, Vec<&Spec>)>::new();
        for (_, spec) in self.present.values() {
            if let GroupKind::Listener(wish) = &*spec.kind {
                pools.entry(&spec.group).or_insert((wish, Vec::new())).1.push(spec);
            }
        }
        let pool = |(group, (wish, mut specs)): (&Rc<str>, (&Subscription, Vec<&Spec>))| {
            specs.sort_by_key(|spec| spec.process.priority);
            let names = specs.into_iter().map(|spec| spec.process.name.clone()).collect();
            (group.to_string(), wish.clone(), names)
        };
        pools.into_iter().map(pool).collect()
    }

    /// The pools have the processes and wishes of what is present from now on.
    pub(super) fn subscribe(&mut self) {
        let pools = &self.pools();
        let names: Vec<String> = pools.iter().map(|(name, ..)| name.clone()).collect();
        let former = std::mem::replace(&mut self.listeners.pools, names);
        if pools.is_empty() && former.is_empty() {
            return;
        }
        for name in former.iter().filter(|name| !self.listeners.pools.contains(name)) {
            self.listeners.events.remove_pool(name);
        }
        let now = self.events.now();
        let mut actions = Vec::new();
        for (name, wish, processes) in pools {
            let group: Rc<str> = Rc::from(name.as_str());
            let member = |process: &String| {
                let (id, _) = self.present.get(&(Rc::clone(&group), process.clone()))?;
                Some(*id)
            };
            let members: Vec<(ProcId, &str)> =
                processes.iter().filter_map(|p| Some((member(p)?, p.as_str()))).collect();
            self.listeners.events.set_pool(now, name, wish, &members, &mut actions);
        }
        self.set_ticks();
        self.carry_out(actions);
    }

    fn set_ticks(&mut self) {
        let now = self.events.now();
        let kinds = self.listeners.events.all_wanted();
        self.listeners.ticks.wanted(kinds, now, SystemTime::now());
    }

    /// The deadline may have come.
    pub(super) fn tick(&mut self) {
        let now = self.events.now();
        if self.listeners.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        let (mut due, mut actions) = (Vec::new(), Vec::new());
        self.listeners.ticks.due(now, SystemTime::now(), &mut due);
        for (kind, when) in due {
            self.listeners.events.notify(now, kind, || payload::tick(when), &mut actions);
        }
        self.listeners.events.due(now, &mut actions);
        self.carry_out(actions);
    }

    pub(super) fn notify(&mut self, kind: Kind, payload: impl FnOnce() -> String) {
        let now = self.events.now();
        let mut actions = Vec::new();
        self.listeners.events.notify(now, kind, payload, &mut actions);
        self.carry_out(actions);
    }

    pub(super) fn announce_state(&mut self, transition: &Transition) {
        let id = transition.id;
        // First, so that one which is being stopped is not sent the news of it.
        let last = transition.to == State::Stopping && self.machine.mood() != Mood::Running;
        if last && !self.listeners.events.is_quiet(id) {
            let until = self.events.now().saturating_add(LAST_WORDS);
            self.state.listening.insert(id, (until, None));
        } else if self.listeners.events.is_listener(id) {
            self.listener_said(id, Said::State(transition.to));
        }
        let kind = Kind::of_state(transition.to);
        if !self.listeners.events.wanted(kind) {
            return;
        }
        if let Some(spec) = self.processes.get(&id).map(|process| Rc::clone(&process.spec)) {
            self.notify(kind, || payload::state(&spec.process.name, &spec.group, transition));
        }
    }

    /// Whether a listener is to hear what is left before it gets this signal.
    pub(super) fn hears_first(&mut self, id: ProcId, signal: Signal, group: bool) -> bool {
        if signal == Signal::KILL {
            self.state.listening.remove(&id);
        }
        match self.state.listening.get_mut(&id) {
            Some((_, waiting)) => {
                *waiting = Some((signal, group));
                true
            }
            None => false,
        }
    }

    /// Stops listeners that have heard everything, or had the time for it.
    pub(super) fn dismiss_listeners(&mut self) {
        let now = self.events.now();
        let events = &self.listeners.events;
        let done =
            |(id, (until, _)): (&ProcId, &(Moment, _))| *until <= now || events.is_quiet(*id);
        let done: Vec<ProcId> =
            self.state.listening.iter().filter(|of| done(*of)).map(|(id, _)| *id).collect();
        for id in done {
            if let Some((_, waiting)) = self.state.listening.remove(&id) {
                self.listener_said(id, Said::State(State::Stopping));
                if let Some((signal, group)) = waiting {
                    self.send(id, signal, group);
                }
            }
        }
    }

    pub(super) fn mood_changed(&mut self, mood: Mood) {
        self.notify(Kind::of_mood(mood), payload::supervisor);
    }

    pub(super) fn group_added(&mut self, name: &str) {
        self.notify(Kind::ProcessGroupAdded, || payload::group(name));
    }

    pub(super) fn group_removed(&mut self, name: &str) {
        self.notify(Kind::ProcessGroupRemoved, || payload::group(name));
    }

    /// A program wrote something that somebody may want to see.
    pub(super) fn announce_log(&mut self, id: ProcId, stream: Stream, data: &[u8]) {
        let kind = Kind::of_log(stream);
        if let Some((spec, pid)) = self.subject(id, kind) {
            let name = &spec.process.name;
            self.notify(kind, || payload::log(name, &spec.group, pid, stream, data));
        }
    }

    /// A program wrote a message between the marks.
    pub(super) fn announce_message(&mut self, id: ProcId, stream: Stream, data: &[u8]) {
        let kind = Kind::of_communication(stream);
        if let Some((spec, pid)) = self.subject(id, kind) {
            let name = &spec.process.name;
            self.notify(kind, || payload::communication(name, &spec.group, pid, data));
        }
    }

    fn subject(&self, id: ProcId, kind: Kind) -> Option<(Rc<super::plan::Spec>, i32)> {
        let process = self.processes.get(&id).filter(|_| self.listeners.events.wanted(kind))?;
        let pid = process.run.as_ref().map_or(0, |run| run.pid.as_raw());
        Some((Rc::clone(&process.spec), pid))
    }

    pub(super) fn listener_said(&mut self, id: ProcId, said: Said<'_>) {
        let now = self.events.now();
        let mut actions = Vec::new();
        self.listeners.events.listener(now, id, said, &mut actions);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<PoolAction>) {
        for action in actions {
            match action {
                PoolAction::Log(line) => self.line(line.level(), line.to_string()),
                PoolAction::Send(id, bytes) => {
                    if self.write_stdin(id, &bytes).is_err() {
                        self.listener_said(id, Said::Deaf);
                    }
                }
            }
        }
    }

    /// Writes to the standard input of a program, now or when it reads.
    pub(super) fn write_stdin(&mut self, id: ProcId, bytes: &[u8]) -> Result<(), Refused> {
        let run = self.processes.get_mut(&id).and_then(|process| process.run.as_mut());
        let stdin = run.and_then(|run| run.stdin.as_mut()).ok_or(Refused::Closed)?;
        stdin.send(bytes)?;
        if stdin.is_waiting() && stdin.full.is_none() {
            let watched = stdin.fd().try_clone_to_owned();
            let watched = watched.and_then(|fd| self.events.watch(fd, Interest::Write));
            if let Ok(key) = watched {
                stdin.full = Some(key);
                self.sources.insert(key, Source::Stdin(id));
            }
        }
        Ok(())
    }

    pub(super) fn flush_stdin(&mut self, id: ProcId) {
        let run = self.processes.get_mut(&id).and_then(|process| process.run.as_mut());
        let Some(stdin) = run.and_then(|run| run.stdin.as_mut()) else { return };
        let flushed = stdin.flush();
        if stdin.is_waiting() {
            return;
        }
        if let Some(key) = stdin.full.take() {
            self.forget(key);
        }
        if flushed.is_err() {
            self.listener_said(id, Said::Deaf);
        }
    }
}
