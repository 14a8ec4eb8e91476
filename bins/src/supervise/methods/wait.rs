//! What somebody waits for, and the answer when it has come.

use std::collections::BTreeMap;
use std::time::Instant;

use super::multicall::Multicall;
use super::names::has_stopped;
use super::world::Standing;
use super::{Caller, Supervisor};
use crate::supervise::machine::types::{Mood, ProcId, State};
use crate::supervise::rpc::{Fault, FaultCode, Value};

/// A call that is answered when processes have changed.
///
/// It never outlives what it waits for: a process that is gone has stopped, and has not started.
#[derive(Debug)]
pub struct Waiting(Work);

#[derive(Debug)]
enum Work {
    One(Task),
    Many(Many),
    Replacement(Replacement),
    Calls(Multicall),
}

/// One process, what it is to come to, and what it is called.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) id: ProcId,
    pub(super) goal: Goal,
    /// For faults: as the caller called it.
    pub(super) said: String,
}

/// What a process is to come to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    Started,
    /// The process with this number has ended.
    Stopped(i32),
}

impl Task {
    /// Whether it has come to that; `None`: not yet.
    pub(super) fn look(&self, world: &dyn Supervisor) -> Option<Result<(), Fault>> {
        let standing = world.state(self.id);
        match self.goal {
            Goal::Started => started(standing, world.mood(), &self.said),
            Goal::Stopped(pid) => stopped(standing, pid).then_some(Ok(())),
        }
    }
}

/// What has become of a start.
fn started(standing: Option<Standing>, mood: Mood, said: &str) -> Option<Result<(), Fault>> {
    let failed = |code: FaultCode| Some(Err(code.with(said)));
    let Some(standing) = standing else { return failed(FaultCode::AbnormalTermination) };
    match standing.state {
        State::Running => Some(Ok(())),
        _ if standing.held => failed(FaultCode::AbnormalTermination),
        // What is being stopped comes to an end soon; what has not begun has nothing that would tell.
        _ if standing.waiting && mood == Mood::Running => None,
        State::Starting => None,
        State::Exited if standing.done => Some(Ok(())),
        _ if standing.failed => failed(FaultCode::SpawnError),
        _ => failed(FaultCode::AbnormalTermination),
    }
}

/// Whether the process with this number has come to an end, whatever has followed it.
fn stopped(standing: Option<Standing>, pid: i32) -> bool {
    standing.is_none_or(|now| has_stopped(now.state) || now.pid != pid)
}

/// Many processes that come to something together.
#[derive(Debug)]
pub(super) struct Many {
    begun: Instant,
    /// What was answered at once, in order.
    done: Vec<Value>,
    open: BTreeMap<ProcId, Member>,
    /// What took longer: in which second, and where in the order.
    late: Vec<((u64, usize), Value)>,
}

#[derive(Debug)]
struct Member {
    at: usize,
    group: String,
    name: String,
    task: Task,
}

impl Many {
    pub(super) fn new() -> Many {
        Many { begun: Instant::now(), done: Vec::new(), open: BTreeMap::new(), late: Vec::new() }
    }

    /// What came of one process at once, or what is waited for.
    pub(super) fn add(&mut self, group: String, name: String, came: Result<Option<Task>, Fault>) {
        match came {
            Ok(Some(task)) => {
                let at = self.open.len();
                self.open.insert(task.id, Member { at, group, name, task });
            }
            Ok(None) => self.done.push(row(&group, &name, Ok(()))),
            Err(fault) => self.done.push(row(&group, &name, Err(fault))),
        }
    }

    /// The answer, or what is waited for. What was ordered first can have come to something since.
    pub(super) fn answer(mut self, world: &dyn Supervisor) -> super::Answer {
        self.look_at_all(world);
        match self.finish() {
            Some(value) => value.into(),
            None => super::Answer::Later(Waiting(Work::Many(self))),
        }
    }

    fn look_at_all(&mut self, world: &dyn Supervisor) {
        let all: Vec<ProcId> = self.open.keys().copied().collect();
        self.look(world, &all);
    }

    fn look(&mut self, world: &dyn Supervisor, changed: &[ProcId]) {
        for id in changed {
            let came = self.open.get(id).and_then(|member| member.task.look(world));
            let Some(came) = came else { continue };
            if let Some(Member { at, group, name, .. }) = self.open.remove(id) {
                // As with supervisord, which looks once a second at the most: what is over in the same
                // second stays in order.
                let second = self.begun.elapsed().as_secs();
                self.late.push(((second, at), row(&group, &name, came)));
            }
        }
    }

    fn finish(&mut self) -> Option<Value> {
        if !self.open.is_empty() {
            return None;
        }
        self.late.sort_by_key(|(when, _)| *when);
        let late = std::mem::take(&mut self.late).into_iter().map(|(_, row)| row);
        Some(std::mem::take(&mut self.done).into_iter().chain(late).collect::<Vec<_>>().into())
    }
}

/// What came of one of many processes.
pub(super) fn row(group: &str, name: &str, came: Result<(), Fault>) -> Value {
    let (status, description) = match came {
        Ok(()) => (FaultCode::Success.number(), "OK".to_owned()),
        Err(Fault { code, text }) => (code, text),
    };
    Value::of_members([
        ("name", name.into()),
        ("group", group.into()),
        ("status", status.into()),
        ("description", description.into()),
    ])
}

/// A process that takes the place of another while that one serves.
#[derive(Debug)]
pub(super) struct Replacement {
    pub(super) old: Task,
    pub(super) new: Task,
    /// The new one has been RUNNING: what becomes of it now is another matter.
    pub(super) serves: bool,
}

impl Replacement {
    pub(super) fn look(&mut self, world: &dyn Supervisor) -> Option<Result<(), Fault>> {
        if !self.serves {
            if let Err(fault) = self.new.look(world)? {
                return Some(Err(fault));
            }
            self.serves = true;
        }
        self.old.look(world)
    }
}

impl Waiting {
    pub(super) fn one(task: Task) -> Waiting {
        Waiting(Work::One(task))
    }

    pub(super) fn replacement(replacement: Replacement) -> Waiting {
        Waiting(Work::Replacement(replacement))
    }

    pub(super) fn calls(calls: Multicall) -> Waiting {
        Waiting(Work::Calls(calls))
    }

    /// Processes have changed: the answer, if that was what is waited for.
    ///
    /// It is to be told of a process also when nothing but what waits for something has changed, when
    /// it is gone, and with any list when the supervisor begins to stop everything.
    pub fn changed(
        &mut self,
        world: &mut dyn Supervisor,
        caller: &mut Caller,
        changed: &[ProcId],
    ) -> Option<Result<Value, Fault>> {
        let ends = world.mood() != Mood::Running;
        if !ends && !changed.iter().any(|id| self.concerns(*id)) {
            return None;
        }
        let yes = |came: Result<(), Fault>| came.map(|()| Value::Bool(true));
        match &mut self.0 {
            Work::One(task) => task.look(world).map(yes),
            Work::Replacement(replacement) => replacement.look(world).map(yes),
            Work::Many(many) => {
                if ends {
                    many.look_at_all(world);
                } else {
                    many.look(world, changed);
                }
                many.finish().map(Ok)
            }
            Work::Calls(calls) => calls.changed(world, caller, changed).map(Ok),
        }
    }

    /// Whether a change of this process can bring the answer.
    #[must_use]
    pub fn concerns(&self, id: ProcId) -> bool {
        match &self.0 {
            Work::One(task) => task.id == id,
            Work::Many(many) => many.open.contains_key(&id),
            Work::Replacement(Replacement { old, new, .. }) => old.id == id || new.id == id,
            Work::Calls(calls) => calls.concerns(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::supervise::methods::fake::Fake;

    /// Something else wants it to run again, and it does not come to that.
    #[test]
    fn what_has_ended_has_stopped_whatever_follows() {
        let fake = Fake::running("[program:a]\ncommand=/a\n");
        let was = fake.state(fake.id("a")).unwrap();
        let now = |state, pid| Some(Standing { state, pid, ..was });
        assert!(!stopped(now(State::Stopping, was.pid), was.pid));
        assert!(stopped(now(State::Stopped, 0), was.pid));
        assert!(stopped(now(State::Backoff, 0), was.pid));
        assert!(stopped(now(State::Starting, was.pid + 1), was.pid));
        assert!(stopped(None, was.pid));
    }

    #[test]
    fn what_takes_a_second_longer_comes_later() {
        let mut fake = Fake::running("[program:a]\ncommand=/a\n[program:b]\ncommand=/b\n");
        let mut many = Many::new();
        for name in ["a", "b", "c"] {
            let task = (name != "c").then(|| {
                let id = fake.id(name);
                let pid = fake.state(id).map_or(0, |standing| standing.pid);
                Task { id, goal: Goal::Stopped(pid), said: name.to_owned() }
            });
            many.add(name.to_owned(), name.to_owned(), Ok(task));
        }
        let (a, b) = (fake.id("a"), fake.id("b"));
        for (id, at) in [(b, 0), (a, 1)] {
            many.begun = Instant::now().checked_sub(Duration::from_secs(at)).unwrap();
            fake.end(id, reaper::Exit::from_code(0));
            many.look(&fake, &[a, b]);
        }
        let rows = many.finish().unwrap();
        let names: Vec<&str> = rows
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|row| row.member("name").and_then(Value::as_text))
            .collect();
        assert_eq!(names, ["c", "b", "a"]);
    }
}
