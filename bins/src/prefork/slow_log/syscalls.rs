//! Names of the system calls in which a worker may stand for long.

/// The call's name; `None` for one that a server hardly waits in.
pub(super) fn name(number: libc::c_long) -> Option<&'static str> {
    find(number).map(|(_, name, _)| *name)
}

/// Whether the first argument is a descriptor.
pub(super) fn takes_descriptor(number: libc::c_long) -> bool {
    find(number).is_some_and(|(_, _, descriptor)| *descriptor)
}

type Entry = (libc::c_long, &'static str, bool);

fn find(number: libc::c_long) -> Option<&'static Entry> {
    COMMON.iter().chain(OLD).find(|(other, ..)| *other == number)
}

macro_rules! calls {
    ($($call:ident $name:literal $descriptor:literal,)*) => {
        &[$((libc::$call, $name, $descriptor),)*]
    };
}

/// On every architecture.
static COMMON: &[Entry] = calls! {
    SYS_clock_nanosleep "clock_nanosleep" false,
    SYS_close "close" true,
    SYS_connect "connect" true,
    SYS_accept4 "accept4" true,
    SYS_copy_file_range "copy_file_range" true,
    SYS_epoll_pwait "epoll_pwait" true,
    SYS_execve "execve" false,
    SYS_exit_group "exit_group" false,
    SYS_fallocate "fallocate" true,
    SYS_fcntl "fcntl" true,
    SYS_fdatasync "fdatasync" true,
    SYS_flock "flock" true,
    SYS_fsync "fsync" true,
    SYS_ftruncate "ftruncate" true,
    SYS_futex "futex" false,
    SYS_getdents64 "getdents64" true,
    SYS_getrandom "getrandom" false,
    SYS_ioctl "ioctl" true,
    SYS_madvise "madvise" false,
    SYS_mmap "mmap" false,
    SYS_msync "msync" false,
    SYS_munmap "munmap" false,
    SYS_nanosleep "nanosleep" false,
    SYS_openat "openat" false,
    SYS_ppoll "ppoll" false,
    SYS_pread64 "pread64" true,
    SYS_preadv "preadv" true,
    SYS_pselect6 "pselect6" false,
    SYS_pwrite64 "pwrite64" true,
    SYS_pwritev "pwritev" true,
    SYS_read "read" true,
    SYS_readv "readv" true,
    SYS_recvfrom "recvfrom" true,
    SYS_recvmmsg "recvmmsg" true,
    SYS_recvmsg "recvmsg" true,
    SYS_renameat2 "renameat2" false,
    SYS_restart_syscall "restart_syscall" false,
    SYS_rt_sigsuspend "rt_sigsuspend" false,
    SYS_rt_sigtimedwait "rt_sigtimedwait" false,
    SYS_sched_yield "sched_yield" false,
    SYS_sendfile "sendfile" true,
    SYS_sendmmsg "sendmmsg" true,
    SYS_sendmsg "sendmsg" true,
    SYS_sendto "sendto" true,
    SYS_splice "splice" true,
    SYS_sync "sync" false,
    SYS_tee "tee" true,
    SYS_unlinkat "unlinkat" false,
    SYS_wait4 "wait4" false,
    SYS_waitid "waitid" false,
    SYS_write "write" true,
    SYS_writev "writev" true,
};

/// On the oldest of them, beside their successors.
#[cfg(target_arch = "x86_64")]
static OLD: &[Entry] = calls! {
    SYS_accept "accept" true,
    SYS_epoll_wait "epoll_wait" true,
    SYS_open "open" false,
    SYS_pause "pause" false,
    SYS_poll "poll" false,
    SYS_rename "rename" false,
    SYS_select "select" false,
    SYS_stat "stat" false,
    SYS_unlink "unlink" false,
};

#[cfg(not(target_arch = "x86_64"))]
static OLD: &[Entry] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_name_each() {
        let mut numbers: Vec<libc::c_long> =
            COMMON.iter().chain(OLD).map(|(number, ..)| *number).collect();
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), all);
        assert_eq!(name(libc::SYS_recvfrom), Some("recvfrom"));
        assert!(takes_descriptor(libc::SYS_recvfrom) && !takes_descriptor(libc::SYS_futex));
        assert_eq!((name(-1), takes_descriptor(-1), name(libc::c_long::MAX)), (None, false, None));
    }
}
