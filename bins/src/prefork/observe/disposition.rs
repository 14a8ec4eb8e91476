//! What a worker has planned for a signal.

use reaper::Pid;
use sigpolicy::{Signal, SignalSet};

use super::{Observer, process};

impl Observer {
    /// Whether a worker has a handler for this signal: then it knows what to do with a request that it
    /// serves. `None` when that is not shown, or it is gone. About 20 µs.
    #[must_use]
    pub fn handles(&self, pid: Pid, signal: Signal) -> Option<bool> {
        let read = |dir| process::text(dir, "status").ok();
        let status = match self.known.get(&pid) {
            Some(known) => read(known.process.dir()),
            None => read(&process::directory(pid).ok()?),
        };
        caught(&status?).map(|caught| caught.contains(signal))
    }
}

/// The signals with a handler, from /proc/PID/status (proc(5)).
fn caught(status: &str) -> Option<SignalSet> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
    u64::from_str_radix(mask.trim(), 16).ok().map(SignalSet::from_bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_with_a_handler() {
        let status = "Name:\tperl\nSigIgn:\t0000000000000080\nSigCgt:\t0000000000004001\n";
        let caught = caught(status).unwrap();
        assert!(caught.contains(Signal::HUP) && caught.contains(Signal::TERM));
        assert!(!caught.contains(Signal::INT) && !caught.contains(Signal::FPE));
        assert_eq!(super::caught("SigCgt:\tx\n"), None);
        assert_eq!(super::caught(""), None);
    }

    #[test]
    fn of_this_process_and_of_none() {
        let observer = Observer { places: Vec::new(), known: Default::default(), diag: None };
        assert_eq!(observer.handles(Pid::own(), Signal::KILL), Some(false));
        assert_eq!(observer.handles(Pid::from_raw(i32::MAX).unwrap(), Signal::TERM), None);
    }
}
