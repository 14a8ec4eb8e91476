//! What a manager must look at before it changes anything, and how it starts to
//! hear signals.

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd};

use fdpass::Inherited;
use fdpass::inherit::passing_through;
use reaper::Credentials;
use sigpolicy::{Policy, Signal, SignalSet, Signals, action, mask};

use crate::files::Failed;

/// Variables between a service manager and this process that are not a worker's business.
pub(crate) const PRIVATE: [&str; 8] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "LISTEN_PIDFDID",
    "SUPERDAEMON_SOCKETS",
];

/// What a process knows only before it has opened or changed anything.
#[derive(Debug)]
pub struct Birth {
    /// The sockets of a service manager.
    pub inherited: Inherited,
    /// Open descriptors that go on to the workers.
    pub passing: Vec<i32>,
    /// Signals that are ignored.
    pub ignored: SignalSet,
    /// Signals that are blocked.
    pub mask: SignalSet,
    /// The environment.
    pub variables: Vec<(OsString, OsString)>,
}

impl Birth {
    /// Takes down the present state; `inherited` are the sockets of a service manager, if any.
    #[must_use]
    pub fn observe(inherited: Inherited) -> Self {
        let taken = |fd: &i32| inherited.iter().all(|listener| listener.as_fd().as_raw_fd() != *fd);
        let passing = passing_through().into_iter().filter(taken).collect();
        Self {
            passing,
            inherited,
            ignored: action::ignored_now(),
            mask: mask::current(),
            variables: std::env::vars_os().collect(),
        }
    }
}

/// From here on a TERM is an event, also if it was blocked when the server was started.
pub(crate) fn catch_signals(own: &[Signal]) -> Result<Signals, Failed> {
    let signals = Policy::new()
        .catch(own)
        .catch(&[Signal::CHLD])
        // A file-size limit is an error of write(2), not a reason to die.
        .ignore(&[Signal::PIPE, Signal::XFSZ])
        .interrupt_syscalls(true)
        .install()
        .map_err(|error| Failed::new(error.to_string(), 255))?;
    mask::set(signals.caught().iter().fold(mask::current(), SignalSet::without));
    Ok(signals)
}

/// Who the workers are to be; `None` when neither is given.
///
/// # Errors
/// When there is no such user or group.
pub(crate) fn credentials(
    user: Option<&str>,
    group: Option<&str>,
) -> Result<Option<Credentials>, Failed> {
    if user.is_none() && group.is_none() {
        return Ok(None);
    }
    let found = Credentials::lookup(user, group);
    found.map(Some).map_err(|error| Failed::new(error.to_string(), 255))
}
