//! The orders for a child and the report it gives: plain data, made by the
//! parent before the fork.

use std::ffi::{CStr, CString, c_char};
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, Ordering};

use fdpass::plan::Step;
use sigpolicy::SignalSet;

use crate::kernel::KernelLimit;
use crate::setup::Group;
use crate::stage::Stage;

/// Everything a child has to do.
pub(crate) struct Job<'a> {
    /// The parent's descriptor table is shared; go on with a private copy of
    /// what lies below this number.
    pub(crate) unshare_from: Option<u32>,
    pub(crate) group: Group,
    pub(crate) umask: Option<u32>,
    pub(crate) limits: &'a [(usize, KernelLimit)],
    pub(crate) nice: Option<i32>,
    pub(crate) close_others: bool,
    pub(crate) keep_open: &'a [i32],
    /// What a forked worker closes: first and last numbers.
    pub(crate) close: &'a [(u32, u32)],
    pub(crate) steps: &'a [Step],
    pub(crate) slots: &'a [AtomicI32],
    pub(crate) lift_base: i32,
    pub(crate) open_files: Option<KernelLimit>,
    pub(crate) chroot: Option<&'a CStr>,
    pub(crate) groups: Option<&'a [u32]>,
    /// User and group id.
    pub(crate) ids: Option<(u32, u32)>,
    /// The signal, and the parent that must still be the parent.
    pub(crate) death_signal: Option<(i32, i32)>,
    pub(crate) no_new_privs: bool,
    pub(crate) dir: Option<&'a CStr>,
    /// Where the pid goes: room for ten digits and a NUL each.
    pub(crate) own_pid: &'a [&'a [AtomicU8]],
    pub(crate) ignored: SignalSet,
    pub(crate) mask: SignalSet,
    pub(crate) candidates: &'a [CString],
    /// Pointers to NUL-terminated strings, with a null pointer at the end.
    pub(crate) argv: &'a [*const c_char],
    /// The same for the environment.
    pub(crate) envp: &'a [*const c_char],
    pub(crate) report: Report,
    /// Where the report is written to as well, when memory is not shared.
    pub(crate) report_fd: Option<i32>,
}

/// What the child leaves behind when it fails.
#[derive(Debug, Default)]
pub(crate) struct Report {
    stage: AtomicU32,
    /// Zero as long as nothing failed.
    errno: AtomicI32,
}

impl Report {
    /// Called in the child: two stores and nothing else.
    pub(crate) fn store(&self, failure: Failure) {
        self.stage.store(failure.stage.as_raw(), Ordering::Relaxed);
        self.errno.store(failure.errno, Ordering::Release);
    }

    pub(crate) fn clear(&self) {
        self.errno.store(0, Ordering::Release);
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        let errno = self.errno.load(Ordering::Acquire);
        let stage = Stage::from_raw(self.stage.load(Ordering::Relaxed));
        (errno != 0).then(|| Failure { stage: stage.unwrap_or(Stage::Exec), errno })
    }
}

/// A stage and its error number, also as the bytes that go through the pipe.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    pub(crate) errno: i32,
}

impl Failure {
    pub(crate) fn to_bytes(self) -> [u8; 8] {
        let high = u64::from(self.stage.as_raw()) << 32;
        (high | u64::from(self.errno as u32)).to_be_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 8]) -> Failure {
        let [a, b, c, d, e, f, g, h] = bytes;
        let stage = Stage::from_raw(u32::from_be_bytes([a, b, c, d]));
        let errno = i32::from_be_bytes([e, f, g, h]);
        Failure { stage: stage.unwrap_or(Stage::Exec), errno }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_round_trip() {
        let report = Report::default();
        assert_eq!(report.failure(), None);
        let failure = Failure { stage: Stage::Chdir, errno: libc::ENOTDIR };
        report.store(failure);
        assert_eq!(report.failure(), Some(failure));
        assert_eq!(Failure::from_bytes(failure.to_bytes()), failure);
        report.clear();
        assert_eq!(report.failure(), None);
    }
}
