//! How a child ended.

use std::fmt;
use std::os::unix::process::ExitStatusExt;

use sigpolicy::Signal;

/// The end of a process, as `wait(2)` reports it and as Perl's `$?` holds it.
///
/// ```
/// use reaper::Exit;
/// assert_eq!(Exit::from_raw(0x300).to_string(), "exit code 3");
/// assert_eq!(Exit::from_raw(0x300).code(), Some(3));
/// assert_eq!(Exit::from_raw(15).to_string(), "killed by SIGTERM");
/// ```
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
pub struct Exit(i32);

const SIGNAL_BITS: i32 = 0x7f;
const CORE_BIT: i32 = 0x80;
/// In the signal bits this says "stopped", or "continued" with all bits set.
const NOT_ENDED: i32 = 0x7f;

impl Exit {
    /// From the raw status of `waitpid(2)`: the exit code times 256, or the
    /// number of the signal that killed, plus 128 when it left a core dump.
    #[must_use]
    pub const fn from_raw(status: i32) -> Exit {
        Exit(status)
    }

    /// A normal end with this code.
    #[must_use]
    pub const fn from_code(code: u8) -> Exit {
        Exit(i32::from_be_bytes([0, 0, code, 0]))
    }

    /// The raw status, the number Perl shows as `$?`.
    #[must_use]
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// The code the process gave to `exit`; `None` when a signal killed it.
    #[must_use]
    pub const fn code(self) -> Option<i32> {
        if self.0 & SIGNAL_BITS == 0 { Some((self.0 >> 8) & 0xff) } else { None }
    }

    /// The signal that killed the process, if one did.
    #[must_use]
    pub fn signal(self) -> Option<Signal> {
        match self.0 & SIGNAL_BITS {
            0 | NOT_ENDED => None,
            number => Signal::from_raw(number),
        }
    }

    /// Whether a signal killed the process and the kernel wrote a core dump.
    #[must_use]
    pub fn core_dumped(self) -> bool {
        self.signal().is_some() && self.0 & CORE_BIT != 0
    }

    /// Whether the process ended by itself with code 0.
    #[must_use]
    pub const fn success(self) -> bool {
        matches!(self.code(), Some(0))
    }
}

impl From<std::process::ExitStatus> for Exit {
    fn from(status: std::process::ExitStatus) -> Exit {
        Exit(status.into_raw())
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code(), self.signal()) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) if self.core_dumped() => {
                write!(f, "killed by SIG{signal} (core dumped)")
            }
            (None, Some(signal)) => write!(f, "killed by SIG{signal}"),
            (None, None) => write!(f, "unknown wait status {:#x}", self.0),
        }
    }
}

impl fmt::Debug for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exit({:#x}: {self})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        for code in 0..=255_u8 {
            let exit = Exit::from_code(code);
            assert_eq!(exit.raw(), i32::from(code) * 256);
            assert_eq!(exit.code(), Some(i32::from(code)));
            assert_eq!(exit.signal(), None);
            assert!(!exit.core_dumped());
            assert_eq!(exit.success(), code == 0);
        }
        assert_eq!(Exit::from_raw(0x300).to_string(), "exit code 3");
    }

    #[test]
    fn signals() {
        let exit = Exit::from_raw(15);
        assert_eq!((exit.code(), exit.signal()), (None, Some(Signal::TERM)));
        assert!(!exit.success() && !exit.core_dumped());
        assert_eq!(exit.to_string(), "killed by SIGTERM");
        let exit = Exit::from_raw(11 | 0x80);
        assert!(exit.core_dumped());
        assert_eq!(exit.to_string(), "killed by SIGSEGV (core dumped)");
        for number in 1..=64 {
            assert_eq!(Exit::from_raw(number).signal(), Signal::from_raw(number));
        }
    }

    #[test]
    fn a_stop_is_no_end() {
        let stopped = Exit::from_raw(0x137f);
        assert_eq!((stopped.code(), stopped.signal()), (None, None));
        assert_eq!(stopped.to_string(), "unknown wait status 0x137f");
        assert!(!Exit::from_raw(0xffff).success());
    }

    #[test]
    fn from_std() {
        let status = std::process::Command::new("/bin/false").status().unwrap();
        assert_eq!(Exit::from(status), Exit::from_code(1));
    }
}
