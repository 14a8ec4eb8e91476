//! The supervisor itself, and what is passed on to programs and listeners.

use super::Supervisor;
use super::names::find_process;
use super::world::NoStdin;
use crate::supervise::machine::types::Mood;
use crate::supervise::rpc::{Fault, FaultCode, Value};

/// Of the interface; supervisorctl works with no other.
const API: &str = "3.0";
/// The supervisord that this behaves as: what a client that looks at the version wants to know is which
/// methods and fields it can expect. Our own number would look like that of a very old supervisord.
const SUPERVISORD: &str = "4.2.5";

/// `supervisor.getAPIVersion`
pub(super) fn api_version() -> Value {
    API.into()
}

/// `supervisor.getSupervisorVersion`
pub(super) fn version() -> Value {
    SUPERVISORD.into()
}

/// `supervisor.getState`
pub(super) fn state(world: &dyn Supervisor) -> Value {
    let mood = world.mood();
    let name = match mood {
        Mood::Running => "RUNNING",
        Mood::Restarting => "RESTARTING",
        Mood::ShuttingDown => "SHUTDOWN",
    };
    Value::of_members([("statecode", (mood as i32).into()), ("statename", name.into())])
}

/// `supervisor.shutdown`
pub(super) fn shutdown(world: &mut dyn Supervisor) -> Value {
    world.shutdown();
    true.into()
}

/// `supervisor.restart`
pub(super) fn restart(world: &mut dyn Supervisor) -> Value {
    world.restart();
    true.into()
}

/// `supervisor.sendProcessStdin`
pub(super) fn send_stdin(
    world: &mut dyn Supervisor,
    name: &str,
    chars: &[u8],
) -> Result<Value, Fault> {
    let id = find_process(world, name)?;
    world.send_stdin(id, chars).map_err(|why| match why {
        NoStdin::NotRunning => FaultCode::NotRunning.with(name),
        NoStdin::Closed => FaultCode::NoFile.with(name),
        NoStdin::Full => FaultCode::Failed
            .with(format_args!("{name} does not read its standard input, which is full")),
    })?;
    Ok(true.into())
}

/// `supervisor.sendRemoteCommEvent`
pub(super) fn send_event(world: &mut dyn Supervisor, kind: &str, data: &str) -> Value {
    world.remote_event(kind, data);
    true.into()
}
