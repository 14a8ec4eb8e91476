//! A supervisor for tests: the real machine with a clock and a kernel that the test moves, and a
//! configuration in a file of its own.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use reaper::{Exit, Moment, Pid};
use sigpolicy::Signal;

use super::Supervisor;
use super::world::{LogPlace, NoStdin, Unstartable};
use crate::supervise::args::Overrides;
use crate::supervise::config::load::{World, load};
use crate::supervise::config::model::{Config, Group, Process, Type};
use crate::supervise::events::Stream;
use crate::supervise::machine::Machine;
use crate::supervise::machine::types::{Action, General, Input, Policy, ProcId, State};

/// When it begins, in seconds since 1970.
pub(crate) const BEGAN: i64 = 1_795_255_000;

/// A process that is active, or on its way out.
struct Known {
    group: String,
    priority: i64,
    process: Process,
    start: i64,
    stop: i64,
}

pub(crate) struct Fake {
    machine: Machine,
    clock: Moment,
    directory: PathBuf,
    configured: Vec<Group>,
    known: BTreeMap<ProcId, Known>,
    present: BTreeMap<(String, String), ProcId>,
    changed: Vec<ProcId>,
    pids: i32,
    ids: u32,
    /// Signals that were sent: `a<TERM`.
    pub(crate) signals: Vec<String>,
    /// What cannot be started, by the name of the process.
    pub(crate) unstartable: BTreeMap<String, Unstartable>,
    /// What fails when it is started.
    pub(crate) broken: BTreeSet<String>,
    /// What was written to standard inputs; nothing can be if there is a reason.
    pub(crate) stdin: Vec<u8>,
    pub(crate) no_stdin: Option<NoStdin>,
    pub(crate) events: Vec<(String, String)>,
    /// Logs by the name of the process; others are nowhere.
    logs: Vec<(String, Stream, LogPlace)>,
    pub(crate) main_log: LogPlace,
    /// Names of logs that were emptied; none can be if they are stuck.
    pub(crate) cleared: Vec<String>,
    pub(crate) stuck: bool,
    pub(crate) notes: Vec<String>,
}

impl Fake {
    /// Reads this configuration and begins.
    pub(crate) fn new(text: &str) -> Fake {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("supervise-methods-{}-{count}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let mut fake = Fake {
            machine: Machine::new(General::default()),
            clock: Moment::ZERO + Duration::from_secs(1000),
            directory,
            configured: Vec::new(),
            known: BTreeMap::new(),
            present: BTreeMap::new(),
            changed: Vec::new(),
            pids: 100,
            ids: 0,
            signals: Vec::new(),
            unstartable: BTreeMap::new(),
            broken: BTreeSet::new(),
            stdin: Vec::new(),
            no_stdin: None,
            events: Vec::new(),
            logs: Vec::new(),
            main_log: LogPlace::Nowhere,
            cleared: Vec::new(),
            stuck: false,
            notes: Vec::new(),
        };
        fake.write(text);
        for name in fake.reread().unwrap().added {
            assert!(fake.add_group(&name));
        }
        fake.feed(Input::Begin);
        fake
    }

    /// The same; whatever starts by itself is RUNNING.
    pub(crate) fn running(text: &str) -> Fake {
        let mut fake = Fake::new(text);
        fake.after(2);
        fake.changed.clear();
        fake
    }

    /// Changes the file of the configuration, which is not read yet.
    pub(crate) fn write(&self, text: &str) {
        self.file("s.conf", format!("[supervisord]\n{text}").as_bytes());
    }

    /// A file in its directory.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn id(&self, name: &str) -> ProcId {
        let named = |((group, process), _): &(&(String, String), &ProcId)| {
            process == name || format!("{group}:{process}") == name
        };
        *self.present.iter().find(named).unwrap().1
    }

    pub(crate) fn state_of(&self, name: &str) -> State {
        self.machine.view(self.id(name)).unwrap().state
    }

    /// Where a stream of a process goes.
    pub(crate) fn set_log(&mut self, name: &str, stream: Stream, place: LogPlace) {
        self.logs.retain(|(of, which, _)| of != name || *which != stream);
        self.logs.push((name.to_owned(), stream, place));
    }

    /// Who has changed since this was asked last.
    pub(crate) fn changed(&mut self) -> Vec<ProcId> {
        std::mem::take(&mut self.changed)
    }

    /// Seconds pass.
    pub(crate) fn after(&mut self, seconds: u64) {
        let end = self.clock + Duration::from_secs(seconds);
        while let Some(due) = self.machine.deadline().filter(|due| *due <= end) {
            self.clock = self.clock.max(due);
            self.feed(Input::Deadline);
        }
        self.clock = end;
    }

    /// A process ends.
    pub(crate) fn exit(&mut self, name: &str, code: u8) {
        self.end(self.id(name), Exit::from_code(code));
    }

    /// The same of one that has lost its name.
    pub(crate) fn end(&mut self, id: ProcId, exit: Exit) {
        let now = self.now();
        self.known.get_mut(&id).unwrap().stop = now;
        self.feed(Input::Exited(id, exit));
    }

    /// The kernel refuses to signal a process.
    pub(crate) fn refuse_signals(&mut self, name: &str) {
        self.feed(Input::SignalFailed(self.id(name), "not permitted".to_owned()));
    }

    fn feed(&mut self, input: Input) {
        let mut out = Vec::new();
        self.machine.step(self.clock, input, &mut out);
        self.perform(out);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Spawn(id) => self.spawn(id),
                Action::Signal { id, signal, .. } => {
                    self.signals.push(format!("{}<{signal}", self.known[&id].process.name));
                }
                Action::Changed(change) => self.changed.push(change.id),
                Action::Held(id) => self.changed.push(id),
                Action::Gone(id) => {
                    self.known.remove(&id);
                    self.changed.push(id);
                }
                Action::StopCommand(_) | Action::Log(_) | Action::Mood(_) | Action::Finished(_) => {
                }
            }
        }
    }

    fn spawn(&mut self, id: ProcId) {
        let now = self.now();
        let known = self.known.get_mut(&id).unwrap();
        known.start = now;
        if self.broken.contains(&known.process.name) {
            return self.feed(Input::SpawnFailed(id, "no such luck".to_owned()));
        }
        self.pids += 1;
        self.feed(Input::Spawned(id, Pid::from_raw(self.pids).unwrap()));
    }

    fn number(&mut self, group: &Group, process: &Process) -> (ProcId, Arc<Policy>) {
        self.ids += 1;
        let id = ProcId(self.ids);
        let (name, priority) = (group.name.clone(), group.priority);
        self.present.insert((name.clone(), process.name.clone()), id);
        let known = Known { group: name, priority, process: process.clone(), start: 0, stop: 0 };
        self.known.insert(id, known);
        (id, Arc::new(policy(group, process)))
    }

    fn read_groups(&self) -> Result<Vec<Group>, String> {
        let world = World {
            env: Vec::new(),
            cwd: self.directory.clone(),
            host_node_name: "host".to_owned(),
            uid: 0,
        };
        let config: Config = load("s.conf".as_ref(), &Overrides::default(), &world)?;
        Ok(config.groups)
    }

    fn active(&self, group: &str) -> Vec<(&str, ProcId)> {
        let of = self.present.iter().filter(|((of, _), _)| of == group);
        of.map(|((_, name), id)| (name.as_str(), *id)).collect()
    }

    fn configured_group(&self, name: &str) -> Option<&Group> {
        self.configured.iter().find(|group| group.name == name)
    }

    /// A process is in the file as it was read last with these settings.
    fn is_current(&self, id: ProcId) -> bool {
        let known = &self.known[&id];
        let group = self.configured_group(&known.group);
        group.is_some_and(|group| {
            group.priority == known.priority && group.processes.contains(&known.process)
        })
    }

    fn is_hot(&self, id: ProcId) -> bool {
        self.known[&id].process.extra.hot
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// What of a configuration these tests need.
fn policy(group: &Group, process: &Process) -> Policy {
    let extra = &process.extra;
    let seconds = |number: i64| Duration::from_secs(number.try_into().unwrap());
    let wait = seconds(process.stopwaitsecs);
    Policy {
        name: process.name.clone(),
        group: group.name.clone(),
        group_priority: group.priority,
        priority: process.priority,
        autostart: process.autostart,
        autorestart: process.autorestart,
        kind: extra.kind,
        startsecs: seconds(process.startsecs),
        startretries: Some(process.startretries.try_into().unwrap()),
        exitcodes: process.exitcodes.clone(),
        stop: vec![(Signal::TERM, wait)],
        kill_wait: wait,
        stop_command: false,
        stop_as_group: false,
        kill_as_group: false,
        reload: extra.reloadsignal,
        announces: extra.kind == Type::Notify,
        ready_timeout: None,
        watchdog: None,
        backoff_min: None,
        backoff_max: None,
        restart_pause: Duration::ZERO,
        essential: extra.essential,
        depends_on: extra.depends_on.clone(),
        hot: extra.hot,
    }
}
