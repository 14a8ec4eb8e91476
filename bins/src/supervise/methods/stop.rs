//! Stopping one process, those of a group, or all.

use super::names::{Named, everything, find_group, is, join, resolve, runs};
use super::start::refused;
use super::wait::{Goal, Many, Task, Waiting};
use super::{Answer, Caller, Supervisor};
use crate::supervise::machine::types::{Order, ProcId, Refusal};
use crate::supervise::rpc::{Fault, Value};

/// `supervisor.stopProcess`
pub(super) fn stop(world: &mut dyn Supervisor, name: &str, wait: bool) -> Result<Answer, Fault> {
    match resolve(world, name)? {
        Named::Group(group) => Ok(stop_many(world, &group.processes, wait)),
        Named::One(id) => {
            let task = begin(world, id, name).map_err(|refusal| refused(refusal, name))?;
            Ok(match await_stop(world, task, wait) {
                Some(task) => Answer::Later(Waiting::one(task)),
                None => Value::Bool(true).into(),
            })
        }
    }
}

/// `supervisor.stopProcessGroup`. Of a group that is being brought up to date, only what is different
/// stops.
pub(super) fn stop_group(
    world: &mut dyn Supervisor,
    caller: &Caller,
    name: &str,
    wait: bool,
) -> Result<Answer, Fault> {
    let group = find_group(world, name)?;
    let ids = if caller.updates(name) { world.outdated(name) } else { group.processes };
    Ok(stop_many(world, &ids, wait))
}

/// `supervisor.stopAllProcesses`
pub(super) fn stop_all(world: &mut dyn Supervisor, wait: bool) -> Answer {
    let all = everything(world);
    stop_many(world, &all, wait)
}

/// Stops those that run, and those that would start by themselves, which are about to run.
fn stop_many(world: &mut dyn Supervisor, ids: &[ProcId], wait: bool) -> Answer {
    let mut many = Many::new();
    for id in ids.iter().copied() {
        let Some((group, name)) = world.info(id).map(|info| (info.group, info.name)) else {
            continue;
        };
        let ran = is(world, id, runs);
        let said = join(&group, &name);
        match begin(world, id, &said) {
            Ok(task) => {
                let task = await_stop(world, task, wait);
                many.add(group, name, Ok(task));
            }
            Err(refusal) if ran => many.add(group, name, Err(refused(refusal, &said))),
            // There is nothing to stop, which is what was wanted.
            Err(_) => {}
        }
    }
    many.answer(world)
}

fn begin(world: &mut dyn Supervisor, id: ProcId, said: &str) -> Result<Task, Refusal> {
    let pid = world.state(id).map_or(0, |standing| standing.pid);
    world.order(Order::Stop(id))?;
    Ok(Task { id, goal: Goal::Stopped(pid), said: said.to_owned() })
}

fn await_stop(world: &dyn Supervisor, task: Task, wait: bool) -> Option<Task> {
    (wait && task.look(world).is_none()).then_some(task)
}
