//! What supervisord cannot do: `supervise.*`.

use super::names::{Named, find_process, resolve};
use super::start::refused;
use super::wait::{Goal, Replacement, Task, Waiting, row};
use super::world::NotReplaceable;
use super::{Answer, Supervisor};
use crate::supervise::machine::types::{Order, ProcId};
use crate::supervise::rpc::{Fault, FaultCode, Value};

/// `supervise.reloadProcess`; of a group, all that can be signalled.
pub(super) fn reload(world: &mut dyn Supervisor, name: &str) -> Result<Answer, Fault> {
    tell(world, name, Order::Reload)
}

/// `supervise.killProcess`; of a group, all that run or would by themselves.
pub(super) fn kill(world: &mut dyn Supervisor, name: &str) -> Result<Answer, Fault> {
    tell(world, name, Order::Kill)
}

fn tell(
    world: &mut dyn Supervisor,
    name: &str,
    order: fn(ProcId) -> Order,
) -> Result<Answer, Fault> {
    let group = match resolve(world, name)? {
        Named::Group(group) => group,
        Named::One(id) => {
            world.order(order(id)).map_err(|refusal| refused(refusal, name))?;
            return Ok(Value::Bool(true).into());
        }
    };
    let mut rows = Vec::new();
    for id in group.processes {
        let info = world.info(id);
        // A refusal means that there was nothing to be told.
        if world.order(order(id)).is_ok() {
            rows.extend(info.map(|info| row(&info.group, &info.name, Ok(()))));
        }
    }
    Ok(Value::from(rows).into())
}

/// `supervise.replaceProcess`
pub(super) fn replace(world: &mut dyn Supervisor, name: &str, wait: bool) -> Result<Answer, Fault> {
    let id = find_process(world, name)?;
    let pid = world.state(id).map_or(0, |standing| standing.pid);
    let failed = |why: &str| FaultCode::Failed.with(format_args!("{name} {why}"));
    let new = world.replace(id).map_err(|why| match why {
        NotReplaceable::BadName => FaultCode::BadName.with(name),
        NotReplaceable::NotHot => failed("is not a hot program, which can be replaced"),
        NotReplaceable::NotRunning => FaultCode::NotRunning.with(name),
        NotReplaceable::Underway => failed("is being replaced already"),
        NotReplaceable::Shutdown => FaultCode::ShutdownState.bare(),
    })?;
    let task = |id: ProcId, goal: Goal| Task { id, goal, said: name.to_owned() };
    let (old, new) = (task(id, Goal::Stopped(pid)), task(new, Goal::Started));
    let mut replacement = Replacement { old, new, serves: false };
    Ok(match replacement.look(world) {
        Some(Err(fault)) if wait || fault.code == FaultCode::SpawnError.number() => {
            return Err(fault);
        }
        None if wait => Answer::Later(Waiting::replacement(replacement)),
        _ => Value::Bool(true).into(),
    })
}
