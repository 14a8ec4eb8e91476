//! Resource limits of `setrlimit(2)`.

use std::io;

use rustix::process as sys;

/// A resource the kernel can limit per process; see `setrlimit(2)`.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// Address space in bytes (`RLIMIT_AS`).
    AddressSpace,
    /// Size of a core dump in bytes (`RLIMIT_CORE`).
    Core,
    /// Processor time in seconds (`RLIMIT_CPU`).
    Cpu,
    /// Data segment in bytes (`RLIMIT_DATA`).
    Data,
    /// Size of a file in bytes (`RLIMIT_FSIZE`).
    FileSize,
    /// Locked memory in bytes (`RLIMIT_MEMLOCK`).
    LockedMemory,
    /// Bytes in POSIX message queues (`RLIMIT_MSGQUEUE`).
    MessageQueues,
    /// Ceiling of the nice value, as 20 minus nice (`RLIMIT_NICE`).
    Nice,
    /// Open descriptors: one more than the largest number (`RLIMIT_NOFILE`).
    OpenFiles,
    /// Processes of the real user id (`RLIMIT_NPROC`).
    Processes,
    /// Ceiling of the real-time priority (`RLIMIT_RTPRIO`).
    RealTimePriority,
    /// Processor time under a real-time policy, in microseconds (`RLIMIT_RTTIME`).
    RealTimeCpu,
    /// Queued signals (`RLIMIT_SIGPENDING`).
    PendingSignals,
    /// Stack in bytes (`RLIMIT_STACK`).
    Stack,
}

/// The two values of a resource limit; `None` means unlimited.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash)]
pub struct Limit {
    /// What the kernel enforces; a process may change it up to `hard`.
    pub soft: Option<u64>,
    /// The ceiling, which only a privileged process may raise.
    pub hard: Option<u64>,
}

impl Limit {
    /// The limit of the calling process.
    #[must_use]
    pub fn of(resource: Resource) -> Limit {
        let limit = sys::getrlimit(resource.to_rustix());
        Limit { soft: limit.current, hard: limit.maximum }
    }

    /// Raises the calling process's soft limit of open descriptors to the
    /// hard limit and returns what it was before, for
    /// [`Setup::restore_nofile`](crate::Setup::restore_nofile).
    ///
    /// A manager needs a descriptor per child; its children should not inherit
    /// the high limit, because `select(2)` breaks above 1024.
    ///
    /// # Errors
    ///
    /// Those of `setrlimit(2)`.
    pub fn raise_open_files() -> io::Result<Limit> {
        let before = Limit::of(Resource::OpenFiles);
        let wanted = sys::Rlimit { current: before.hard, maximum: before.hard };
        if before.soft != before.hard {
            sys::setrlimit(sys::Resource::Nofile, wanted)?;
        }
        Ok(before)
    }
}

impl Resource {
    fn to_rustix(self) -> sys::Resource {
        match self {
            Resource::AddressSpace => sys::Resource::As,
            Resource::Core => sys::Resource::Core,
            Resource::Cpu => sys::Resource::Cpu,
            Resource::Data => sys::Resource::Data,
            Resource::FileSize => sys::Resource::Fsize,
            Resource::LockedMemory => sys::Resource::Memlock,
            Resource::MessageQueues => sys::Resource::Msgqueue,
            Resource::Nice => sys::Resource::Nice,
            Resource::OpenFiles => sys::Resource::Nofile,
            Resource::Processes => sys::Resource::Nproc,
            Resource::RealTimePriority => sys::Resource::Rtprio,
            Resource::RealTimeCpu => sys::Resource::Rttime,
            Resource::PendingSignals => sys::Resource::Sigpending,
            Resource::Stack => sys::Resource::Stack,
        }
    }

    /// The kernel's number, which differs between architectures.
    pub(crate) fn as_raw(self) -> usize {
        let number = match self {
            Resource::AddressSpace => libc::RLIMIT_AS,
            Resource::Core => libc::RLIMIT_CORE,
            Resource::Cpu => libc::RLIMIT_CPU,
            Resource::Data => libc::RLIMIT_DATA,
            Resource::FileSize => libc::RLIMIT_FSIZE,
            Resource::LockedMemory => libc::RLIMIT_MEMLOCK,
            Resource::MessageQueues => libc::RLIMIT_MSGQUEUE,
            Resource::Nice => libc::RLIMIT_NICE,
            Resource::OpenFiles => libc::RLIMIT_NOFILE,
            Resource::Processes => libc::RLIMIT_NPROC,
            Resource::RealTimePriority => libc::RLIMIT_RTPRIO,
            Resource::RealTimeCpu => libc::RLIMIT_RTTIME,
            Resource::PendingSignals => libc::RLIMIT_SIGPENDING,
            Resource::Stack => libc::RLIMIT_STACK,
        };
        number as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_numberings_agree() {
        let all = [
            Resource::AddressSpace,
            Resource::Core,
            Resource::Cpu,
            Resource::Data,
            Resource::FileSize,
            Resource::LockedMemory,
            Resource::MessageQueues,
            Resource::Nice,
            Resource::OpenFiles,
            Resource::Processes,
            Resource::RealTimePriority,
            Resource::RealTimeCpu,
            Resource::PendingSignals,
            Resource::Stack,
        ];
        for resource in all {
            assert_eq!(resource.as_raw(), resource.to_rustix() as usize, "{resource:?}");
        }
    }

    #[test]
    fn the_limit_of_open_files_is_read_and_raised() {
        let before = Limit::raise_open_files().unwrap();
        assert!(before.soft <= before.hard || before.hard.is_none());
        let after = Limit::of(Resource::OpenFiles);
        assert_eq!((after.soft, after.hard), (before.hard, before.hard));
    }
}
