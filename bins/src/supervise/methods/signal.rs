//! Signals for one process, those of a group, or all.

use sigpolicy::Signal;

use super::names::{Named, everything, find_group, hears, join, resolve};
use super::start::refused;
use super::wait::row;
use super::{Answer, Supervisor};
use crate::supervise::config::value;
use crate::supervise::machine::types::{Order, ProcId};
use crate::supervise::rpc::{Fault, FaultCode, Value};

/// `supervisor.signalProcess`
pub(super) fn signal(
    world: &mut dyn Supervisor,
    name: &str,
    signal: &str,
) -> Result<Answer, Fault> {
    match resolve(world, name)? {
        Named::Group(group) => Ok(signal_many(world, &group.processes, signal)),
        Named::One(id) => {
            send(world, id, name, signal)?;
            Ok(Value::Bool(true).into())
        }
    }
}

/// `supervisor.signalProcessGroup`
pub(super) fn signal_group(
    world: &mut dyn Supervisor,
    name: &str,
    signal: &str,
) -> Result<Answer, Fault> {
    let group = find_group(world, name)?;
    Ok(signal_many(world, &group.processes, signal))
}

/// `supervisor.signalAllProcesses`
pub(super) fn signal_all(world: &mut dyn Supervisor, signal: &str) -> Answer {
    let all = everything(world);
    signal_many(world, &all, signal)
}

/// A row for each process that can be signalled.
fn signal_many(world: &mut dyn Supervisor, ids: &[ProcId], signal: &str) -> Answer {
    let mut rows = Vec::new();
    for id in ids.iter().copied() {
        if !hears(world, id) {
            continue;
        }
        if let Some(info) = world.info(id) {
            let came = send(world, id, &join(&info.group, &info.name), signal);
            rows.push(row(&info.group, &info.name, came));
        }
    }
    Value::from(rows).into()
}

fn send(world: &mut dyn Supervisor, id: ProcId, said: &str, signal: &str) -> Result<(), Fault> {
    let number = value::signal(signal).map_err(|_| FaultCode::BadSignal.with(signal))?;
    if !hears(world, id) {
        return Err(FaultCode::NotRunning.with(said));
    }
    // 0, which asks the kernel whether the process is there: it is.
    let Some(signal) = Signal::from_raw(number) else { return Ok(()) };
    world.order(Order::Signal(id, signal)).map_err(|refusal| refused(refusal, said))
}
