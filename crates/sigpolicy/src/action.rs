//! What the process does on a signal: dispositions and SA_RESTART, by sigaction(2).
#![allow(unsafe_code)]

use crate::{Signal, SignalSet, mask};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// What happens in this process when a signal arrives.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// SIG_DFL: what signal(7) lists for it, most often the end of the process.
    Default,
    /// SIG_IGN: nothing. Programs that are executed inherit this.
    Ignored,
    /// A handler runs.
    Handled {
        /// SA_RESTART is set: a slow system call that the handler interrupted goes on afterwards
        /// instead of failing with EINTR.
        restarts: bool,
    },
}

/// What the process does on a signal now.
///
/// ```
/// use sigpolicy::{Disposition, Signal, action};
///
/// action::set_ignored(Signal::USR2)?;
/// assert_eq!(action::disposition(Signal::USR2)?, Disposition::Ignored);
/// action::set_default(Signal::USR2)?;
/// assert_eq!(action::disposition(Signal::USR2)?, Disposition::Default);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// `EINVAL` for the signals 32 and 33, which the C library does not let others see.
pub fn disposition(signal: Signal) -> io::Result<Disposition> {
    let action = query(signal)?;
    Ok(match action.sa_sigaction {
        libc::SIG_DFL => Disposition::Default,
        libc::SIG_IGN => Disposition::Ignored,
        _ => Disposition::Handled { restarts: action.sa_flags & libc::SA_RESTART != 0 },
    })
}

/// The signals that this process ignores now.
#[must_use]
pub fn ignored_now() -> SignalSet {
    let ignored = |signal: &Signal| matches!(disposition(*signal), Ok(Disposition::Ignored));
    SignalSet::all().iter().filter(ignored).collect()
}

/// Makes the process ignore a signal.
///
/// Ignoring CHLD makes the kernel discard the exit statuses of all children.
///
/// # Errors
///
/// `EINVAL` for KILL, STOP, 32 and 33.
pub fn set_ignored(signal: Signal) -> io::Result<()> {
    replace(signal, &plain(libc::SIG_IGN))
}

/// Gives a signal its default effect back.
///
/// # Errors
///
/// `EINVAL` for KILL, STOP, 32 and 33.
pub fn set_default(signal: Signal) -> io::Result<()> {
    replace(signal, &plain(libc::SIG_DFL))
}

/// Sets or clears SA_RESTART of the handler that a signal has now.
///
/// All signals are blocked in the calling thread meanwhile; another thread that changes the same
/// signal's action at the same time can undo it.
///
/// # Errors
///
/// `EINVAL` for a signal without a handler, for KILL, STOP, 32 and 33.
pub fn set_restart(signal: Signal, restart: bool) -> io::Result<()> {
    let _blocked = mask::block_all();
    let mut action = query(signal)?;
    if matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    if restart {
        action.sa_flags |= libc::SA_RESTART;
    } else {
        action.sa_flags &= !libc::SA_RESTART;
    }
    replace(signal, &action)
}

/// The address of the present handler; `None` for default and ignored.
pub(crate) fn handler_address(signal: Signal) -> io::Result<Option<usize>> {
    let address = query(signal)?.sa_sigaction;
    Ok((!matches!(address, libc::SIG_DFL | libc::SIG_IGN)).then_some(address))
}

/// Puts a three-argument (SA_SIGINFO) handler in place.
///
/// # Safety
///
/// `address` is that of an async-signal-safe `extern "C" fn(c_int, *mut siginfo_t, *mut c_void)`
/// that lives as long as the process.
pub(crate) unsafe fn set_handler(signal: Signal, address: usize) -> io::Result<()> {
    let mut action = plain(address);
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    replace(signal, &action)
}

fn plain(handler: usize) -> libc::sigaction {
    // SAFETY: sigaction is integers, a set of integers and an optional function pointer, for all
    // of which zero bytes are valid.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler;
    action.sa_mask = mask::empty();
    action
}

fn query(signal: Signal) -> io::Result<libc::sigaction> {
    let mut action = plain(libc::SIG_DFL);
    // SAFETY: a null new action changes nothing; `action` is a valid place for the present one.
    check(unsafe { libc::sigaction(signal.as_raw(), ptr::null(), &raw mut action) })?;
    Ok(action)
}

fn replace(signal: Signal, action: &libc::sigaction) -> io::Result<()> {
    // SAFETY: `action` is initialised, and its handler is SIG_DFL, SIG_IGN, one that the process
    // had already, or one that the caller of `set_handler` answers for.
    check(unsafe { libc::sigaction(signal.as_raw(), action, ptr::null_mut()) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dispositions_are_set_and_read() {
        // WINCH does nothing by default, and no other test touches it.
        let signal = Signal::WINCH;
        assert_eq!(disposition(signal).unwrap(), Disposition::Default);
        assert!(!ignored_now().contains(signal));
        set_ignored(signal).unwrap();
        assert_eq!(disposition(signal).unwrap(), Disposition::Ignored);
        assert!(ignored_now().contains(signal));
        assert_eq!(handler_address(signal).unwrap(), None);
        assert_eq!(set_restart(signal, true).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        set_default(signal).unwrap();
        assert_eq!(disposition(signal).unwrap(), Disposition::Default);
    }

    #[test]
    fn what_cannot_be_changed_says_so() {
        for signal in [Signal::KILL, Signal::STOP, Signal::from_raw(32).unwrap()] {
            for result in [set_ignored(signal), set_default(signal), set_restart(signal, true)] {
                assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EINVAL), "{signal}");
            }
        }
        assert_eq!(disposition(Signal::KILL).unwrap(), Disposition::Default);
    }
}
