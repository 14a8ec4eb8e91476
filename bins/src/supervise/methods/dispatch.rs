//! From a call to what does it.

use super::params::Params;
use super::table::{self, Id};
use super::{
    Answer, Caller, Supervisor, config, general, groups, info, logs, multicall, ours, signal,
    start, stop, system,
};
use crate::supervise::config::model::Level;
use crate::supervise::events::Stream;
use crate::supervise::machine::types::Mood;
use crate::supervise::rpc::{Call, Fault, FaultCode, Value};

/// Does what a call asks for, unless it cannot be done.
pub(super) fn dispatch(
    world: &mut dyn Supervisor,
    caller: &mut Caller,
    call: &Call,
) -> Result<Answer, Fault> {
    let method = table::check(call)?;
    let by = if caller.name.is_empty() { String::new() } else { format!(" by {}", caller.name) };
    world.note(Level::Trace, &format!("XML-RPC method called: {}(){by}", method.name));
    caller.calls(method.id);
    // supervisord passes events on for as long as it is there.
    let always = method.id.always() || method.id == Id::SendRemoteCommEvent;
    if !always && world.mood() != Mood::Running {
        return Err(FaultCode::ShutdownState.bare());
    }
    let params = Params::new(method, &call.params);
    let value = match method.id {
        Id::StartProcess => return start::start(world, &params.text(0)?, params.flag(1)),
        Id::StartProcessGroup => {
            return start::start_group(world, &params.text(0)?, params.flag(1));
        }
        Id::StartAllProcesses => return Ok(start::start_all(world, params.flag(0))),
        Id::StopProcess => return stop::stop(world, &params.text(0)?, params.flag(1)),
        Id::StopProcessGroup => {
            return stop::stop_group(world, caller, &params.text(0)?, params.flag(1));
        }
        Id::StopAllProcesses => return Ok(stop::stop_all(world, params.flag(0))),
        Id::SignalProcess => return signal::signal(world, &params.text(0)?, &params.text(1)?),
        Id::SignalProcessGroup => {
            return signal::signal_group(world, &params.text(0)?, &params.text(1)?);
        }
        Id::SignalAllProcesses => return Ok(signal::signal_all(world, &params.text(0)?)),
        Id::KillProcess => return ours::kill(world, &params.text(0)?),
        Id::ReloadProcess => return ours::reload(world, &params.text(0)?),
        Id::ReplaceProcess => return ours::replace(world, &params.text(0)?, params.flag(1)),
        Id::Multicall => return multicall::multicall(world, caller, &call.params),
        Id::ReloadConfig => groups::reload(world, caller)?,
        Id::AddProcessGroup => groups::add(world, caller, &params.text(0)?)?,
        Id::RemoveProcessGroup => groups::remove(world, caller, &params.text(0)?)?,
        Id::GetApiVersion => general::api_version(),
        Id::GetSupervisorVersion => general::version(),
        Id::GetIdentification => world.identifier().into(),
        Id::GetPid => world.pid().into(),
        Id::GetState => general::state(world),
        Id::Shutdown => general::shutdown(world),
        Id::Restart => general::restart(world),
        Id::SendProcessStdin => {
            let chars = params.bytes(1)?;
            general::send_stdin(world, &params.text(0)?, &chars)?
        }
        Id::SendRemoteCommEvent => general::send_event(world, &params.text(0)?, &params.text(1)?),
        Id::GetAllConfigInfo => config::all(world),
        Id::GetProcessInfo => info::of_one(world, &params.text(0)?)?,
        Id::GetAllProcessInfo => info::of_all(world),
        Id::GetAllProcessStatus => info::status(world),
        Id::ReadLog
        | Id::ReadProcessStdoutLog
        | Id::ReadProcessStderrLog
        | Id::TailProcessStdoutLog
        | Id::TailProcessStderrLog => read(world, method.id, &params)?,
        Id::ClearLog => logs::clear_main(world)?,
        Id::ClearProcessLogs => logs::clear(world, &params.text(0)?)?,
        Id::ClearAllProcessLogs => logs::clear_all(world),
        Id::ListMethods => system::list_methods(),
        Id::MethodHelp => system::method_help(&params)?,
        Id::MethodSignature => system::method_signature(&params)?,
    };
    Ok(value.into())
}

/// Where a log is, is asked before which part of it is wanted.
fn read(world: &dyn Supervisor, method: Id, params: &Params<'_>) -> Result<Value, Fault> {
    let (stream, tail) = match method {
        Id::ReadProcessStdoutLog => (Stream::Stdout, false),
        Id::ReadProcessStderrLog => (Stream::Stderr, false),
        Id::TailProcessStdoutLog => (Stream::Stdout, true),
        Id::TailProcessStderrLog => (Stream::Stderr, true),
        _ => {
            let place = world.main_log();
            logs::is_there(&place)?;
            return logs::read(&place, params.int(0)?, params.int(1)?);
        }
    };
    let place = super::find_log(world, &params.text(0)?, stream)?;
    if tail {
        return match logs::is_there(&place) {
            Ok(()) => Ok(logs::tail(&place, params.int(1)?, params.int(2)?)),
            Err(_) => Ok(logs::nothing(0)),
        };
    }
    logs::is_there(&place)?;
    logs::read(&place, params.int(1)?, params.int(2)?)
}
