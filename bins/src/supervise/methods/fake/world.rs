//! What methods see of it.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use reaper::{Moment, Pid};

use super::{BEGAN, Fake};
use crate::supervise::config::model::{Group, Level, Process, Type};
use crate::supervise::events::Stream;
use crate::supervise::machine::types::{
    After, Change, General, Input, Mood, Order, ProcId, Refusal, State,
};
use crate::supervise::methods::Supervisor;
use crate::supervise::methods::world::{
    Configured, GroupView, Info, LogPlace, NoStdin, NotReplaceable, Reread, Standing, Unstartable,
};

impl Supervisor for Fake {
    fn identifier(&self) -> &str {
        "fake"
    }

    fn pid(&self) -> i32 {
        42
    }

    fn mood(&self) -> Mood {
        self.machine.mood()
    }

    fn now(&self) -> i64 {
        let since = self.clock.saturating_since(Moment::ZERO + Duration::from_secs(1000));
        BEGAN + i64::try_from(since.as_secs()).unwrap()
    }

    fn groups(&self) -> Vec<GroupView> {
        let names: BTreeSet<&String> = self.present.keys().map(|(group, _)| group).collect();
        let groups = names.into_iter().filter_map(|name| self.group(name));
        let mut groups: Vec<GroupView> = groups.collect();
        groups.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
        groups
    }

    fn group(&self, name: &str) -> Option<GroupView> {
        let mut active = self.active(name);
        active.sort_by_key(|(name, id)| (self.known[id].process.priority, *name));
        let priority = self.known[&active.first()?.1].priority;
        let processes = active.into_iter().map(|(_, id)| id).collect();
        Some(GroupView { name: name.to_owned(), priority, processes })
    }

    fn find(&self, group: &str, name: &str) -> Option<ProcId> {
        self.present.get(&(group.to_owned(), name.to_owned())).copied()
    }

    fn info(&self, id: ProcId) -> Option<Info> {
        let (view, known) = (self.machine.view(id)?, self.known.get(&id)?);
        let path = |stream| match self.log(id, stream) {
            LogPlace::File(path) => path.display().to_string(),
            LogPlace::Nowhere | LogPlace::Unborn => String::new(),
        };
        let extra = &known.process.extra;
        Some(Info {
            id,
            name: known.process.name.clone(),
            group: known.group.clone(),
            start: known.start,
            stop: known.stop,
            standing: self.state(id)?,
            spawnerr: view.spawnerr,
            exitstatus: view.exitstatus,
            stdout_logfile: path(Stream::Stdout),
            stderr_logfile: path(Stream::Stderr),
            starts: view.starts,
            tries: view.tries,
            autostart: known.process.autostart,
            essential: extra.essential,
            oneshot: extra.kind == Type::Oneshot,
            hot: extra.hot,
            expected: view.completed,
            retry_in: (view.state == State::Backoff).then_some(1),
        })
    }

    fn state(&self, id: ProcId) -> Option<Standing> {
        let view = self.machine.view(id)?;
        let oneshot = self.known.get(&id)?.process.extra.kind == Type::Oneshot;
        Some(Standing {
            state: view.state,
            pid: view.pid.map_or(0, Pid::as_raw),
            failed: !view.spawnerr.is_empty(),
            waiting: view.waiting,
            held: view.held,
            done: oneshot && view.completed && view.state == State::Exited,
            by_hand: view.by_hand,
            served: view.served,
        })
    }

    fn startable(&self, id: ProcId) -> Result<(), Unstartable> {
        let why = self.known.get(&id).and_then(|known| self.unstartable.get(&known.process.name));
        why.cloned().map_or(Ok(()), Err)
    }

    fn order(&mut self, order: Order) -> Result<(), Refusal> {
        let mut out = Vec::new();
        self.machine.order(self.clock, order, &mut out)?;
        let (Order::Start(id)
        | Order::Stop(id)
        | Order::Kill(id)
        | Order::Signal(id, _)
        | Order::Reload(id)) = order;
        self.changed.push(id);
        self.perform(out);
        Ok(())
    }

    fn replace(&mut self, id: ProcId) -> Result<ProcId, NotReplaceable> {
        let state = self.state(id).ok_or(NotReplaceable::BadName)?.state;
        if !self.is_hot(id) {
            return Err(NotReplaceable::NotHot);
        }
        if state != State::Running {
            return Err(NotReplaceable::NotRunning);
        }
        let known = &self.known[&id];
        let process = known.process.clone();
        let group = self.configured_group(&known.group).unwrap().clone();
        let (new, policy) = self.number(&group, &process);
        self.feed(Input::Apply(General::default(), vec![Change::Replace(id, new, policy)]));
        Ok(new)
    }

    fn send_stdin(&mut self, id: ProcId, bytes: &[u8]) -> Result<(), NoStdin> {
        if self.state(id).is_none_or(|standing| standing.state != State::Running) {
            return Err(NoStdin::NotRunning);
        }
        if let Some(why) = self.no_stdin {
            return Err(why);
        }
        self.stdin.extend_from_slice(bytes);
        Ok(())
    }

    fn remote_event(&mut self, kind: &str, data: &str) {
        self.events.push((kind.to_owned(), data.to_owned()));
    }

    fn log(&self, id: ProcId, stream: Stream) -> LogPlace {
        let name = &self.known[&id].process.name;
        let found = self.logs.iter().find(|(of, which, _)| of == name && *which == stream);
        found.map_or(LogPlace::Nowhere, |(_, _, place)| place.clone())
    }

    fn main_log(&self) -> LogPlace {
        self.main_log.clone()
    }

    fn clear_logs(&mut self, id: ProcId) -> io::Result<()> {
        if self.stuck {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.cleared.push(self.known[&id].process.name.clone());
        Ok(())
    }

    fn clear_main_log(&mut self) -> io::Result<()> {
        if self.stuck {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.cleared.push("main".to_owned());
        Ok(())
    }

    fn note(&mut self, level: Level, text: &str) {
        self.notes.push(format!("{level:?} {text}"));
    }

    fn reread(&mut self) -> Result<Reread, String> {
        self.configured = self.read_groups()?;
        let mut found = Reread::default();
        for group in &self.configured {
            let active = self.active(&group.name);
            let same = active.len() == group.processes.len()
                && active.iter().all(|(_, id)| self.is_current(*id));
            if active.is_empty() {
                found.added.push(group.name.clone());
            } else if !same {
                found.changed.push(group.name.clone());
            }
        }
        let gone = self.groups().into_iter().map(|group| group.name);
        found.removed = gone.filter(|name| self.configured_group(name).is_none()).collect();
        Ok(found)
    }

    fn configured(&self, each: &mut dyn FnMut(Configured<'_>)) {
        let mut all: Vec<(&Group, &Process)> = Vec::new();
        for group in &self.configured {
            all.extend(group.processes.iter().map(|process| (group, process)));
        }
        all.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
        for (group, process) in all {
            each(Configured {
                group: &group.name,
                group_priority: group.priority,
                inuse: !self.active(&group.name).is_empty(),
                process,
            });
        }
    }

    fn outdated(&self, group: &str) -> Vec<ProcId> {
        let outdated = |id: &ProcId| !self.is_current(*id) && !self.is_hot(*id);
        self.active(group).into_iter().map(|(_, id)| id).filter(outdated).collect()
    }

    fn add_group(&mut self, name: &str) -> bool {
        let Some(group) = self.configured_group(name).cloned() else { return false };
        let mut changes = Vec::new();
        for process in &group.processes {
            let old = self.find(name, &process.name);
            if old.is_some_and(|id| self.is_current(id)) {
                continue;
            }
            let (new, policy) = self.number(&group, process);
            changes.push(match old {
                Some(old) => Change::Replace(old, new, policy),
                None => Change::Add(new, policy),
            });
        }
        self.feed(Input::Apply(General::default(), changes));
        true
    }

    fn remove_group(&mut self, name: &str, outdated: bool) {
        let ids: Vec<ProcId> = if outdated {
            self.outdated(name)
        } else {
            self.active(name).into_iter().map(|(_, id)| id).collect()
        };
        self.present.retain(|_, id| !ids.contains(id));
        let changes = ids.into_iter().map(Change::Remove).collect();
        self.feed(Input::Apply(General::default(), changes));
    }

    fn shutdown(&mut self) {
        self.feed(Input::Shutdown(After::Leave(0)));
    }

    fn restart(&mut self) {
        self.feed(Input::Shutdown(After::Again));
    }
}
