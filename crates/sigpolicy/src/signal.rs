//! Signal numbers and their names. Pure: no system call is made here.

use std::fmt;
use std::str::FromStr;

/// A signal number that Linux can deliver: 1 to 64.
///
/// It is shown without the `SIG` prefix, as `TERM`; real-time signals as `RTMIN+3`, where RTMIN is
/// 34 as glibc, bash and kill(1) count it. 32 and 33, which the C library keeps for itself, are
/// shown as numbers.
///
/// ```
/// use sigpolicy::Signal;
///
/// let signal: Signal = "sigterm".parse()?;
/// assert_eq!(signal, Signal::TERM);
/// assert_eq!(signal.to_string(), "TERM");
/// assert_eq!("15".parse(), Ok(Signal::TERM));
/// assert!("SIGSIGTERM".parse::<Signal>().is_err());
/// # Ok::<(), sigpolicy::UnknownSignal>(())
/// ```
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(i32);

/// The highest signal number.
const LAST: i32 = 64;
const RTMIN: i32 = 34;

macro_rules! signals {
    ($($(#[$cfg:meta])* $name:ident = $raw:ident, $doc:literal;)*) => {
        impl Signal {
            $($(#[$cfg])* #[doc = $doc] pub const $name: Signal = Signal(libc::$raw);)*
        }

        /// Every named signal, the name that is shown before its aliases.
        const NAMES: &[(&str, Signal)] = &[
            $($(#[$cfg])* (stringify!($name), Signal::$name),)*
            ("CLD", Signal::CHLD),
            ("IOT", Signal::ABRT),
            ("POLL", Signal::IO),
            ("UNUSED", Signal::SYS),
        ];
    };
}

signals! {
    HUP = SIGHUP, "Hang-up: by custom, read the configuration again or restart the workers.";
    INT = SIGINT, "Interrupt from the keyboard (control-C).";
    QUIT = SIGQUIT, "Quit from the keyboard (control-backslash); dumps core by default.";
    ILL = SIGILL, "Illegal instruction.";
    TRAP = SIGTRAP, "Breakpoint or trace trap.";
    ABRT = SIGABRT, "Raised by abort(3); also called IOT.";
    BUS = SIGBUS, "Bus error, such as touching a mapping beyond the end of its file.";
    FPE = SIGFPE, "Arithmetic fault.";
    KILL = SIGKILL, "Ends the process; cannot be caught, blocked or ignored.";
    USR1 = SIGUSR1, "Free for the application.";
    SEGV = SIGSEGV, "Invalid memory reference.";
    USR2 = SIGUSR2, "Free for the application.";
    PIPE = SIGPIPE, "Write to a pipe or socket that nobody reads.";
    ALRM = SIGALRM, "Timer of alarm(2).";
    TERM = SIGTERM, "Polite request to end.";
    #[cfg(not(any(target_arch = "mips", target_arch = "mips32r6", target_arch = "mips64",
        target_arch = "mips64r6", target_arch = "sparc", target_arch = "sparc64")))]
    STKFLT = SIGSTKFLT, "Coprocessor stack fault; unused.";
    CHLD = SIGCHLD, "A child ended, stopped or went on; also called CLD.";
    CONT = SIGCONT, "Go on when stopped.";
    STOP = SIGSTOP, "Stops the process; cannot be caught, blocked or ignored.";
    TSTP = SIGTSTP, "Stop from the keyboard (control-Z).";
    TTIN = SIGTTIN, "Terminal input for a background process.";
    TTOU = SIGTTOU, "Terminal output of a background process.";
    URG = SIGURG, "Urgent data on a socket.";
    XCPU = SIGXCPU, "CPU time limit exceeded.";
    XFSZ = SIGXFSZ, "File size limit exceeded.";
    VTALRM = SIGVTALRM, "Virtual interval timer.";
    PROF = SIGPROF, "Profiling timer.";
    WINCH = SIGWINCH, "The terminal's window changed its size.";
    IO = SIGIO, "Input or output is possible; also called POLL.";
    PWR = SIGPWR, "Power failure.";
    SYS = SIGSYS, "Bad system call, as from a seccomp filter; also called UNUSED.";
}

impl Signal {
    /// The signal with this number, if there is one: 1 to 64.
    #[must_use]
    pub const fn from_raw(raw: i32) -> Option<Signal> {
        if raw >= 1 && raw <= LAST { Some(Signal(raw)) } else { None }
    }

    /// The number of the signal.
    #[must_use]
    pub const fn as_raw(self) -> i32 {
        self.0
    }

    /// Whether this is a real-time signal, of which several can be queued: RTMIN (34) to 64.
    #[must_use]
    pub const fn is_realtime(self) -> bool {
        self.0 >= RTMIN
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = NAMES.iter().find(|(_, signal)| signal == self) {
            return f.pad(name);
        }
        match self.0.saturating_sub(RTMIN) {
            0 => f.pad("RTMIN"),
            above if above > 0 => f.pad(&format!("RTMIN+{above}")),
            _ => f.pad(&self.0.to_string()),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Signal {
    type Err = UnknownSignal;

    /// Reads a name in any case with or without one `SIG` (`TERM`, `sigterm`, `RTMIN+3`,
    /// `RTMAX-1`, the aliases `CLD`, `IOT`, `POLL`, `UNUSED`) or a decimal number from 1 to 64.
    fn from_str(text: &str) -> Result<Signal, UnknownSignal> {
        parse(text).ok_or_else(|| UnknownSignal(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Signal> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return Signal::from_raw(decimal(text)?);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(&(_, signal)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(signal);
    }
    let raw = if let Some(rest) = name.strip_prefix("RTMIN") {
        RTMIN.checked_add(offset(rest, '+')?)?
    } else {
        LAST.checked_sub(offset(name.strip_prefix("RTMAX")?, '-')?)?
    };
    Signal::from_raw(raw).filter(|signal| signal.is_realtime())
}

/// The number after a sign that must be there, or 0 for nothing at all.
fn offset(rest: &str, sign: char) -> Option<i32> {
    if rest.is_empty() { Some(0) } else { decimal(rest.strip_prefix(sign)?) }
}

/// Digits alone: `str::parse` would take a leading `+` as well.
fn decimal(text: &str) -> Option<i32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A text that names no signal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownSignal(String);

impl UnknownSignal {
    /// The text as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UnknownSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown signal {:?}: give a name such as TERM or RTMIN+3, or 1 to 64", self.0)
    }
}

impl std::error::Error for UnknownSignal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_survives_the_way_through_text() {
        for raw in 1..=64 {
            let signal = Signal::from_raw(raw).unwrap();
            let name = signal.to_string();
            for text in [name.clone(), name.to_lowercase(), raw.to_string()] {
                assert_eq!(text.parse(), Ok(signal), "{text}");
            }
            if name.parse::<i32>().is_err() {
                assert_eq!(format!("SIG{name}").parse(), Ok(signal));
                assert_eq!(format!("sig{name}").parse(), Ok(signal));
            }
        }
    }

    #[test]
    fn names_and_aliases() {
        for (text, raw) in [
            ("SIGTERM", 15),
            ("term", 15),
            ("Term", 15),
            ("15", 15),
            ("HUP", 1),
            ("CLD", libc::SIGCHLD),
            ("SIGIOT", libc::SIGABRT),
            ("poll", libc::SIGIO),
            ("IO", libc::SIGIO),
            ("unused", libc::SIGSYS),
            ("RTMIN", 34),
            ("RTMIN+0", 34),
            ("RTMIN+3", 37),
            ("sigrtmin+30", 64),
            ("RTMAX", 64),
            ("SIGRTMAX-1", 63),
            ("rtmax-30", 34),
            ("33", 33),
            ("64", 64),
        ] {
            assert_eq!(text.parse::<Signal>().map(Signal::as_raw), Ok(raw), "{text}");
        }
        assert_eq!(Signal::IO.to_string(), "IO");
        assert_eq!(Signal::from_raw(37).unwrap().to_string(), "RTMIN+3");
        assert_eq!(Signal::from_raw(32).unwrap().to_string(), "32");
        assert_eq!(format!("[{:>6}]", Signal::HUP), "[   HUP]");
    }

    #[test]
    fn what_is_no_signal() {
        for text in [
            "",
            "0",
            "65",
            "-1",
            "+15",
            "15 ",
            " TERM",
            "FOO",
            "SIG",
            "SIGSIGTERM",
            "SIG15",
            "RTMIN+31",
            "RTMAX-31",
            "RTMIN-1",
            "RTMAX+1",
            "RTMIN+",
            "RTMIN++1",
            "RTMIN+99999999999",
            "99999999999",
            "1e1",
            "T\u{c9}RM",
        ] {
            let error = text.parse::<Signal>().unwrap_err();
            assert_eq!(error.text(), text);
            assert!(error.to_string().contains(&format!("{text:?}")));
        }
        for raw in [i32::MIN, -1, 0, 65, i32::MAX] {
            assert_eq!(Signal::from_raw(raw), None);
        }
    }
}
