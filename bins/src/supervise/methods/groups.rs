//! The configuration, read again, and the groups that are active.

use super::names::{find_group, has_stopped, is};
use super::world::Reread;
use super::{Caller, Supervisor};
use crate::supervise::rpc::{Fault, FaultCode, Value};

/// `supervisor.reloadConfig`
pub(super) fn reload(world: &mut dyn Supervisor, caller: &mut Caller) -> Result<Value, Fault> {
    let Reread { added, changed, removed } =
        world.reread().map_err(|why| FaultCode::CantReread.with(why))?;
    caller.reread(&changed);
    let lists = [added, changed, removed].map(|names| {
        let names: Vec<Value> = names.into_iter().map(Value::from).collect();
        Value::Array(names)
    });
    // An array in an array: of the outer one, old clients take the first element for the result.
    Ok(Value::Array(vec![Value::Array(lists.into())]))
}

/// `supervisor.addProcessGroup`
pub(super) fn add(
    world: &mut dyn Supervisor,
    caller: &mut Caller,
    name: &str,
) -> Result<Value, Fault> {
    if !caller.updates(name) && world.group(name).is_some() {
        let known =
            if is_configured(world, name) { FaultCode::AlreadyAdded } else { FaultCode::BadName };
        return Err(known.with(name));
    }
    if !world.add_group(name) {
        return Err(FaultCode::BadName.with(name));
    }
    caller.has_updated(name);
    Ok(true.into())
}

fn is_configured(world: &dyn Supervisor, name: &str) -> bool {
    let mut found = false;
    world.configured(&mut |each| found = found || each.group == name);
    found
}

/// `supervisor.removeProcessGroup`. Of a group that is being brought up to date, what is as it was runs
/// on and stays.
pub(super) fn remove(
    world: &mut dyn Supervisor,
    caller: &Caller,
    name: &str,
) -> Result<Value, Fault> {
    let group = find_group(world, name)?;
    let outdated = caller.updates(name);
    let ids = if outdated { world.outdated(name) } else { group.processes };
    // The one that it was to replace may serve on.
    let serves = |id| world.state(id).is_some_and(|standing| standing.served);
    if ids.iter().any(|id| !is(world, *id, has_stopped) || serves(*id)) {
        return Err(FaultCode::StillRunning.with(name));
    }
    world.remove_group(name, outdated);
    Ok(true.into())
}
