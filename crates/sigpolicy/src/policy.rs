//! Which signals to catch and which to ignore, installed in one step.

use crate::{Signal, SignalSet, Signals, action, mask};
use std::error::Error;
use std::fmt;
use std::io;

/// Faults: a handler that returns goes back to the faulting instruction, for ever.
const FAULTS: [Signal; 4] = [Signal::ILL, Signal::BUS, Signal::FPE, Signal::SEGV];

/// What a process wants to do with its signals.
///
/// ```
/// use sigpolicy::{Policy, Signal};
///
/// let mut signals = Policy::new()
///     .catch(&[Signal::HUP, Signal::TERM])
///     .ignore(&[Signal::PIPE])
///     .interrupt_syscalls(true)
///     .install()?;
/// let mut arrived = Vec::new();
/// signals.drain(&mut arrived);
/// assert!(arrived.is_empty());
/// # Ok::<(), sigpolicy::PolicyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[must_use = "a policy does nothing until it is installed"]
pub struct Policy {
    catch: SignalSet,
    ignore: SignalSet,
    interrupt: bool,
}

impl Policy {
    /// A policy that changes nothing.
    pub fn new() -> Policy {
        Policy::default()
    }

    /// Catch these signals as well, to be read from [`Signals`].
    pub fn catch(mut self, signals: &[Signal]) -> Policy {
        self.catch.extend(signals.iter().copied());
        self
    }

    /// Ignore these signals as well. Programs that are executed inherit this unless it is undone.
    pub fn ignore(mut self, signals: &[Signal]) -> Policy {
        self.ignore.extend(signals.iter().copied());
        self
    }

    /// Whether a caught signal makes a slow system call fail with EINTR. Off by default: calls are
    /// restarted (SA_RESTART).
    ///
    /// Some calls fail with EINTR in either case: poll, select, epoll_wait, nanosleep, pause, and
    /// reads or accepts on a socket with a timeout; signal(7) has the list. The flag belongs to the
    /// signal, not to one [`Signals`]: the policy that was installed last decides.
    pub fn interrupt_syscalls(mut self, interrupt: bool) -> Policy {
        self.interrupt = interrupt;
        self
    }

    /// Puts the policy into effect.
    ///
    /// Signals are blocked in the calling thread meanwhile, so that none of them meets a half-made
    /// policy there. A caught signal that the thread itself blocks stays blocked.
    ///
    /// # Errors
    ///
    /// When a signal is to be both caught and ignored, cannot be caught or ignored (KILL, STOP, 32
    /// and 33; caught: ILL, BUS, FPE and SEGV, since the handler would return to the fault for
    /// ever), or when there is no descriptor left for the pipe. Nothing is caught then; some of the
    /// signals may already be ignored.
    pub fn install(self) -> Result<Signals, PolicyError> {
        self.check()?;
        let _blocked = mask::block_all();
        let mut signals = Signals::new().map_err(PolicyError::pipe)?;
        for signal in self.catch {
            signals
                .add(signal, !self.interrupt)
                .map_err(|error| PolicyError::system(signal, "caught", error))?;
        }
        for signal in self.ignore {
            action::set_ignored(signal)
                .map_err(|error| PolicyError::system(signal, "ignored", error))?;
        }
        Ok(signals)
    }

    pub(crate) fn check(&self) -> Result<(), PolicyError> {
        for (set, verb) in [(self.catch, "caught"), (self.ignore, "ignored")] {
            for signal in set {
                let reason = match signal {
                    Signal::KILL | Signal::STOP => "the kernel acts on it itself",
                    _ if matches!(signal.as_raw(), 32 | 33) => "the C library keeps it for itself",
                    _ if verb == "caught" && FAULTS.contains(&signal) => {
                        "its handler would return to the fault for ever"
                    }
                    _ if verb == "caught" && self.ignore.contains(signal) => {
                        "the same policy ignores it"
                    }
                    _ => continue,
                };
                return Err(PolicyError {
                    signal: Some(signal),
                    what: What::Refused(verb, reason),
                });
            }
        }
        Ok(())
    }
}

/// Why a [`Policy`] could not be installed.
#[derive(Debug)]
pub struct PolicyError {
    signal: Option<Signal>,
    what: What,
}

#[derive(Debug)]
enum What {
    Refused(&'static str, &'static str),
    System(&'static str, io::Error),
}

impl PolicyError {
    pub(crate) fn pipe(error: io::Error) -> PolicyError {
        PolicyError { signal: None, what: What::System("", error) }
    }

    fn system(signal: Signal, verb: &'static str, error: io::Error) -> PolicyError {
        PolicyError { signal: Some(signal), what: What::System(verb, error) }
    }

    /// The signal that was the trouble, if it was one.
    #[must_use]
    pub fn signal(&self) -> Option<Signal> {
        self.signal
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.signal, &self.what) {
            (Some(signal), What::Refused(verb, reason)) => {
                write!(f, "signal {signal} cannot be {verb}: {reason}")
            }
            (Some(signal), What::System(verb, error)) => {
                write!(f, "signal {signal} cannot be {verb}: {error}")
            }
            (None, What::System(_, error)) => {
                write!(f, "failed to create a pipe for signals: {error}")
            }
            (None, What::Refused(verb, reason)) => write!(f, "a signal cannot be {verb}: {reason}"),
        }
    }
}

impl Error for PolicyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.what {
            What::System(_, error) => Some(error),
            What::Refused(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Disposition;

    #[test]
    fn what_cannot_be_is_refused_in_one_line() {
        let one = |raw| Signal::from_raw(raw).unwrap();
        for (policy, line) in [
            (
                Policy::new().catch(&[Signal::TERM, Signal::KILL]),
                "signal KILL cannot be caught: the kernel acts on it itself",
            ),
            (
                Policy::new().ignore(&[Signal::STOP]),
                "signal STOP cannot be ignored: the kernel acts on it itself",
            ),
            (
                Policy::new().catch(&[Signal::SEGV]),
                "signal SEGV cannot be caught: its handler would return to the fault for ever",
            ),
            (
                Policy::new().catch(&[one(33)]),
                "signal 33 cannot be caught: the C library keeps it for itself",
            ),
            (
                Policy::new().catch(&[Signal::HUP]).ignore(&[Signal::HUP]),
                "signal HUP cannot be caught: the same policy ignores it",
            ),
        ] {
            let error = policy.install().unwrap_err();
            assert_eq!(error.to_string(), line);
            assert!(error.signal().is_some());
        }
    }

    #[test]
    fn every_other_signal_is_accepted() {
        for signal in SignalSet::all() {
            let refused = matches!(signal, Signal::KILL | Signal::STOP)
                || matches!(signal.as_raw(), 32 | 33)
                || FAULTS.contains(&signal);
            assert_eq!(Policy::new().catch(&[signal]).check().is_err(), refused, "{signal}");
        }
    }

    #[test]
    fn ignoring_lasts_and_catching_ends_it() {
        let signal = Signal::from_raw(40).unwrap();
        let nothing = Policy::new().ignore(&[signal]).install().unwrap();
        assert!(nothing.caught().is_empty());
        drop(nothing);
        assert_eq!(action::disposition(signal).unwrap(), Disposition::Ignored);
        let caught = Policy::new().catch(&[signal]).install().unwrap();
        let handled = Disposition::Handled { restarts: true };
        assert_eq!(action::disposition(signal).unwrap(), handled);
        drop(caught);
    }
}
