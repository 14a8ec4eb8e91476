//! A supervisor for tests: processes do at once what they are ordered to, but take their time to stop.

use std::collections::HashSet;
use std::io;

use crate::supervise::config::model::Level;
use crate::supervise::events::Stream;
use crate::supervise::machine::types::{Mood, Order, ProcId, Refusal, State};
use crate::supervise::methods::world::{
    Configured, GroupView, Info, LogPlace, NoStdin, NotReplaceable, Reread, Standing, Supervisor,
    Unstartable,
};

pub(super) const NOW: i64 = 1_800_000_000;

pub(super) struct Fake {
    pub(super) infos: Vec<Info>,
    pub(super) mood: Mood,
    /// Their commands cannot be found.
    pub(super) missing: HashSet<ProcId>,
    /// They fail as soon as they are started.
    pub(super) broken: HashSet<ProcId>,
    pub(super) orders: Vec<Order>,
    pub(super) cleared: Vec<ProcId>,
    pub(super) clear_fails: bool,
    pub(super) identifier: String,
}

impl Fake {
    pub(super) fn new() -> Self {
        Self {
            infos: Vec::new(),
            mood: Mood::Running,
            missing: HashSet::new(),
            broken: HashSet::new(),
            orders: Vec::new(),
            cleared: Vec::new(),
            clear_fails: false,
            identifier: "supervisor".to_owned(),
        }
    }

    pub(super) fn add(&mut self, group: &str, name: &str, state: State) -> ProcId {
        let id = ProcId(u32::try_from(self.infos.len()).unwrap() + 1);
        let runs = matches!(state, State::Running | State::Starting | State::Stopping);
        let never = state == State::Stopped;
        self.infos.push(Info {
            id,
            name: name.to_owned(),
            group: group.to_owned(),
            start: if never { 0 } else { NOW - 3725 },
            stop: if runs || never { 0 } else { NOW - 65 },
            standing: Standing {
                state,
                pid: if runs { 1000 + i32::try_from(id.0).unwrap() } else { 0 },
                failed: matches!(state, State::Fatal | State::Backoff),
                waiting: false,
                held: false,
                done: false,
                by_hand: false,
                served: false,
            },
            spawnerr: String::new(),
            exitstatus: 0,
            stdout_logfile: "/var/log/out".to_owned(),
            stderr_logfile: String::new(),
            starts: u32::from(!never),
            tries: 0,
            autostart: true,
            essential: false,
            oneshot: false,
            hot: false,
            expected: false,
            retry_in: None,
        });
        id
    }

    pub(super) fn of(&mut self, id: ProcId) -> &mut Info {
        self.infos.iter_mut().find(|info| info.id == id).unwrap()
    }

    pub(super) fn set(&mut self, id: ProcId, state: State) {
        let info = self.of(id);
        info.standing.state = state;
        if state == State::Stopped {
            info.standing.pid = 0;
            info.stop = NOW;
        }
    }

    fn start(&mut self, id: ProcId) {
        let broken = self.broken.contains(&id);
        let info = self.of(id);
        info.standing.by_hand = false;
        info.starts += 1;
        info.start = NOW;
        info.standing.failed = broken;
        info.spawnerr = if broken { "unknown error making it".to_owned() } else { String::new() };
        info.standing.state = if broken { State::Backoff } else { State::Starting };
        info.standing.pid = if broken { 0 } else { 7000 };
    }

    fn stop(&mut self, id: ProcId) -> Result<(), Refusal> {
        let info = self.of(id);
        let waited = std::mem::replace(&mut info.standing.waiting, false);
        let to = match info.standing.state {
            State::Starting | State::Running => State::Stopping,
            State::Backoff => State::Stopped,
            state if waited => state,
            _ => return Err(Refusal::NotRunning),
        };
        info.standing.by_hand = true;
        self.set(id, to);
        Ok(())
    }
}

impl Supervisor for Fake {
    fn identifier(&self) -> &str {
        &self.identifier
    }
    fn pid(&self) -> i32 {
        42
    }
    fn mood(&self) -> Mood {
        self.mood
    }
    fn now(&self) -> i64 {
        NOW
    }
    fn began(&self) -> i64 {
        NOW - 4000
    }
    fn groups(&self) -> Vec<GroupView> {
        let mut groups: Vec<GroupView> = Vec::new();
        for info in &self.infos {
            match groups.iter_mut().find(|group| group.name == info.group) {
                Some(group) => group.processes.push(info.id),
                None => groups.push(GroupView {
                    name: info.group.clone(),
                    priority: 999,
                    processes: vec![info.id],
                }),
            }
        }
        groups
    }
    fn group(&self, name: &str) -> Option<GroupView> {
        self.groups().into_iter().find(|group| group.name == name)
    }
    fn find(&self, group: &str, name: &str) -> Option<ProcId> {
        let of = |info: &&Info| info.group == group && info.name == name;
        self.infos.iter().rev().find(of).map(|info| info.id)
    }
    fn info(&self, id: ProcId) -> Option<Info> {
        self.infos.iter().find(|info| info.id == id).cloned()
    }
    fn state(&self, id: ProcId) -> Option<Standing> {
        self.info(id).map(|info| info.standing)
    }
    fn startable(&self, id: ProcId) -> Result<(), Unstartable> {
        if self.missing.contains(&id) {
            return Err(Unstartable::NoFile("can't find command '/x'".to_owned()));
        }
        Ok(())
    }
    fn order(&mut self, order: Order) -> Result<(), Refusal> {
        self.orders.push(order);
        if self.mood != Mood::Running {
            return Err(Refusal::ShutdownState);
        }
        let (Order::Start(id) | Order::Stop(id)) = order else {
            return Err(Refusal::NotRunning);
        };
        let Some(standing) = self.state(id) else {
            return Err(Refusal::BadName);
        };
        match (order, standing.state) {
            (Order::Stop(_), _) => self.stop(id),
            (_, State::Running | State::Starting | State::Backoff) => Err(Refusal::AlreadyStarted),
            (_, State::Stopping) => Err(Refusal::AbnormalTermination),
            (_, State::Unknown) => Err(Refusal::Failed),
            (_, State::Stopped | State::Exited | State::Fatal) => {
                self.start(id);
                Ok(())
            }
        }
    }
    fn replace(&mut self, _: ProcId) -> Result<ProcId, NotReplaceable> {
        Err(NotReplaceable::NotHot)
    }
    fn send_stdin(&mut self, _: ProcId, _: &[u8]) -> Result<(), NoStdin> {
        Err(NoStdin::NotRunning)
    }
    fn remote_event(&mut self, _: &str, _: &str) {}
    fn log(&self, id: ProcId, stream: Stream) -> LogPlace {
        let path = self.info(id).map(|info| match stream {
            Stream::Stdout => info.stdout_logfile,
            Stream::Stderr => info.stderr_logfile,
        });
        match path {
            Some(path) if !path.is_empty() => LogPlace::File(path.into()),
            _ => LogPlace::Nowhere,
        }
    }
    fn main_log(&self) -> LogPlace {
        LogPlace::Nowhere
    }
    fn clear_logs(&mut self, id: ProcId) -> io::Result<()> {
        if self.clear_fails {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.cleared.push(id);
        Ok(())
    }
    fn clear_main_log(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn note(&mut self, _: Level, _: &str) {}
    fn reread(&mut self) -> Result<Reread, String> {
        Ok(Reread::default())
    }
    fn configured(&self, _: &mut dyn FnMut(Configured<'_>)) {}
    fn outdated(&self, _: &str) -> Vec<ProcId> {
        Vec::new()
    }
    fn add_group(&mut self, _: &str) -> bool {
        false
    }
    fn remove_group(&mut self, _: &str, _: bool) {}
    fn shutdown(&mut self) {}
    fn restart(&mut self) {}
}
