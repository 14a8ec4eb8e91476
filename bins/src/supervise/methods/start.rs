//! Starting one process, those of a group, or all.

use super::names::{Named, everything, find_group, is, join, resolve, runs};
use super::wait::{Goal, Many, Task, Waiting};
use super::world::Unstartable;
use super::{Answer, Supervisor};
use crate::supervise::machine::types::{Order, ProcId, Refusal};
use crate::supervise::rpc::{Fault, FaultCode, Value};

/// `supervisor.startProcess`
pub(super) fn start(world: &mut dyn Supervisor, name: &str, wait: bool) -> Result<Answer, Fault> {
    match resolve(world, name)? {
        Named::Group(group) => Ok(start_many(world, &group.processes, wait)),
        Named::One(id) => Ok(match begin(world, id, name, wait)? {
            Some(task) => Answer::Later(Waiting::one(task)),
            None => Value::Bool(true).into(),
        }),
    }
}

/// `supervisor.startProcessGroup`
pub(super) fn start_group(
    world: &mut dyn Supervisor,
    name: &str,
    wait: bool,
) -> Result<Answer, Fault> {
    let group = find_group(world, name)?;
    Ok(start_many(world, &group.processes, wait))
}

/// `supervisor.startAllProcesses`
pub(super) fn start_all(world: &mut dyn Supervisor, wait: bool) -> Answer {
    let all = everything(world);
    start_many(world, &all, wait)
}

/// Starts those that do not run.
fn start_many(world: &mut dyn Supervisor, ids: &[ProcId], wait: bool) -> Answer {
    let mut many = Many::new();
    // Asked first of all: the start of one starts what it depends on.
    let idle: Vec<ProcId> = ids.iter().copied().filter(|id| !is(world, *id, runs)).collect();
    for id in idle {
        let Some((group, name)) = world.info(id).map(|info| (info.group, info.name)) else {
            continue;
        };
        let said = join(&group, &name);
        let came = if is(world, id, runs) {
            await_start(world, Task { id, goal: Goal::Started, said }, wait)
        } else {
            begin(world, id, &said, wait)
        };
        many.add(group, name, came);
    }
    many.answer(world)
}

/// Starts a process. What is waited for, if anything is.
fn begin(
    world: &mut dyn Supervisor,
    id: ProcId,
    said: &str,
    wait: bool,
) -> Result<Option<Task>, Fault> {
    world.startable(id).map_err(|why| match why {
        Unstartable::NoFile(text) => FaultCode::NoFile.with(text),
        Unstartable::NotExecutable(text) => FaultCode::NotExecutable.with(text),
    })?;
    world.order(Order::Start(id)).map_err(|refusal| match refusal {
        Refusal::Failed => {
            FaultCode::Failed.with(format_args!("{said} is in an unknown process state"))
        }
        other => refused(other, said),
    })?;
    await_start(world, Task { id, goal: Goal::Started, said: said.to_owned() }, wait)
}

/// Whoever does not wait hears of a process that could not be made, and of nothing that came after.
fn await_start(world: &dyn Supervisor, task: Task, wait: bool) -> Result<Option<Task>, Fault> {
    match task.look(world) {
        Some(Err(fault)) if wait || fault.code == FaultCode::SpawnError.number() => Err(fault),
        None if wait => Ok(Some(task)),
        _ => Ok(None),
    }
}

/// An order that was not followed, as a fault.
pub(super) fn refused(refusal: Refusal, said: &str) -> Fault {
    match refusal {
        Refusal::BadName => FaultCode::BadName.with(said),
        Refusal::AlreadyStarted => FaultCode::AlreadyStarted.with(said),
        Refusal::NotRunning => FaultCode::NotRunning.with(said),
        Refusal::AbnormalTermination => FaultCode::AbnormalTermination.with(said),
        Refusal::Failed => FaultCode::Failed.with(said),
        Refusal::ShutdownState => FaultCode::ShutdownState.bare(),
    }
}
