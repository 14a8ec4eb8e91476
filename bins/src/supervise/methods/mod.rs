//! What each method of the control protocol does, for any [`Supervisor`].
//!
//! Methods look and order; they never wait. What a caller waits for is a [`Waiting`], which is told of
//! every process that changed and says when the answer is there.
//!
//! Checks come in supervisord's order: whether there is such a method, how many parameters it has,
//! whether everything is being stopped, names, and then what the method itself looks at.

mod caller;
mod config;
mod describe;
mod dispatch;
#[cfg(test)]
mod fake;
mod general;
mod groups;
mod info;
mod logs;
mod multicall;
mod names;
mod ours;
pub(crate) mod params;
mod signal;
mod start;
mod stop;
pub(crate) mod system;
pub(crate) mod table;
#[cfg(test)]
mod tests;
mod wait;
pub mod world;

pub use caller::Caller;
pub use describe::description;
pub use names::{find_log, find_process, join, split};
pub use wait::Waiting;
pub use world::Supervisor;

use crate::supervise::rpc::{Call, Fault, Value};

/// What comes of a call.
#[derive(Debug)]
pub enum Answer {
    /// The answer.
    Now(Result<Value, Fault>),
    /// There will be one when processes have changed.
    Later(Waiting),
}

impl From<Value> for Answer {
    fn from(value: Value) -> Answer {
        Answer::Now(Ok(value))
    }
}

/// Does what a call asks for.
pub fn call(world: &mut dyn Supervisor, caller: &mut Caller, call: Call) -> Answer {
    dispatch::dispatch(world, caller, &call).unwrap_or_else(|fault| Answer::Now(Err(fault)))
}
