//! What can be asked about processes.

use super::Supervisor;
use super::describe::description;
use super::names::find_process;
use super::world::Info;
use crate::supervise::rpc::{Fault, FaultCode, Value};

/// `supervisor.getProcessInfo`
pub(super) fn of_one(world: &dyn Supervisor, name: &str) -> Result<Value, Fault> {
    let id = find_process(world, name)?;
    let info = world.info(id).ok_or_else(|| FaultCode::BadName.with(name))?;
    Ok(Value::of_members(members(info, world.now())))
}

/// `supervisor.getAllProcessInfo`
pub(super) fn of_all(world: &dyn Supervisor) -> Value {
    let now = world.now();
    rows(world, |info| Value::of_members(members(info, now)))
}

/// `supervise.getAllProcessStatus`: the same and what supervisord does not know.
pub(super) fn status(world: &dyn Supervisor) -> Value {
    let now = world.now();
    rows(world, |info| {
        let standing = info.standing;
        let retry_in = info.retry_in.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
        let more = [
            ("starts", i64::from(info.starts).into()),
            ("tries", i64::from(info.tries).into()),
            ("failed", standing.failed.into()),
            ("waiting", standing.waiting.into()),
            ("done", standing.done.into()),
            ("by_hand", standing.by_hand.into()),
            ("autostart", info.autostart.into()),
            ("essential", info.essential.into()),
            ("oneshot", info.oneshot.into()),
            ("hot", info.hot.into()),
            ("expected", info.expected.into()),
            ("retry_in", retry_in.map_or(Value::Nil, Value::Int)),
        ];
        Value::of_members(members(info, now).into_iter().chain(more))
    })
}

/// Something of each process, sorted by group, then by name.
fn rows(world: &dyn Supervisor, show: impl Fn(Info) -> Value) -> Value {
    let mut groups = world.groups();
    groups.sort_by(|one, other| one.name.cmp(&other.name));
    let mut rows = Vec::new();
    for group in groups {
        let infos = group.processes.iter().filter_map(|id| world.info(*id));
        let mut infos: Vec<Info> = infos.collect();
        infos.sort_by(|one, other| one.name.cmp(&other.name));
        rows.extend(infos.into_iter().map(&show));
    }
    rows.into()
}

/// In supervisord's order.
fn members(mut info: Info, now: i64) -> [(&'static str, Value); 14] {
    let now = capped(now);
    info.start = capped(info.start);
    info.stop = capped(info.stop);
    let (standing, description) = (info.standing, description(&info, now));
    [
        ("name", info.name.into()),
        ("group", info.group.into()),
        ("start", info.start.into()),
        ("stop", info.stop.into()),
        ("now", now.into()),
        ("state", i64::from(standing.state as u16).into()),
        ("statename", standing.state.name().into()),
        ("spawnerr", info.spawnerr.into()),
        ("exitstatus", info.exitstatus.into()),
        ("logfile", info.stdout_logfile.as_str().into()),
        ("stdout_logfile", info.stdout_logfile.into()),
        ("stderr_logfile", info.stderr_logfile.into()),
        ("pid", standing.pid.into()),
        ("description", description.into()),
    ]
}

/// XML-RPC's integers have 32 bits; from 2038 on, times stay where these end.
fn capped(time: i64) -> i64 {
    time.clamp(i64::from(i32::MIN), i64::from(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stay_in_32_bits() {
        assert_eq!(capped(1_795_255_126), 1_795_255_126);
        assert_eq!(capped(i64::MAX), 2_147_483_647);
        assert_eq!(capped(i64::MIN), -2_147_483_648);
    }
}
