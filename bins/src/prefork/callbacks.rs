//! What a Rust program that is a manager does at certain points; the command
//! has shell commands instead.

use std::fmt;

use reaper::{Exit, Pid};

use crate::files::Failed;

/// A client that hung up while its request was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// The worker that serves it.
    pub worker: Pid,
    /// `tcp` or `unix`.
    pub protocol: &'static str,
    /// The address that it had connected to.
    pub local: String,
    /// Its own address; of a unix client its pid, where that is known.
    pub peer: String,
}

/// May refuse, with a reason.
pub(crate) type Check = Box<dyn FnMut() -> Result<(), String>>;

/// Hears of a client.
pub(crate) type Watcher = Box<dyn FnMut(&Disconnect)>;

/// All of them run in the manager, where they should not take long: nothing else happens meanwhile.
#[derive(Default)]
pub(crate) struct Callbacks {
    /// Before the daemon is made; an error ends the start.
    pub(crate) before_daemonize: Option<Check>,
    /// When all is set up, before the first worker; an error ends the start.
    pub(crate) after_init: Option<Check>,
    /// Before each worker; an error counts as a failed start.
    pub(crate) before_fork: Option<Check>,
    /// After each worker's end.
    pub(crate) on_reap: Option<Box<dyn FnMut(Pid, Exit)>>,
    /// Before the workers are stopped for good.
    pub(crate) before_shutdown: Option<Box<dyn FnMut()>>,
    /// When a client hangs up.
    pub(crate) on_client_disconnect: Option<Watcher>,
    /// Instead of the reload, when watched files changed.
    pub(crate) auto_reload: Option<Box<dyn FnMut()>>,
}

/// Asks, if there is somebody to ask; `name` is the option's.
///
/// # Errors
/// The reason of the refusal.
pub(crate) fn check(callback: &mut Option<Check>, name: &str) -> Result<(), Failed> {
    match callback {
        Some(callback) => {
            callback().map_err(|reason| Failed::new(format!("{name} failed: {reason}"), 255))
        }
        None => Ok(()),
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks").finish_non_exhaustive()
    }
}
