//! Reads what `/proc/PID/syscall` says of a thread (proc(5)): pure.
//!
//! The line is `running`, or the number of the call with its six arguments, the stack pointer and
//! the program counter, or `-1` with the last two for a thread that sleeps outside any call.
//!
//! A thread that runs, or waits for a processor, always shows `running`; a number means that it
//! really sleeps in that call. Only a **stopped** thread can show a call that is already over: it
//! stops on its way back from the kernel, with the number still in its registers.

#[cfg(test)]
mod tests;

/// What one thread does.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// It runs or waits for a processor.
    Running,
    /// It sleeps outside any call (a page fault), or was stopped there.
    Outside,
    /// It has ended and nobody has reaped it.
    Ended,
    /// It sleeps in this call with these first two arguments.
    Call(i64, [u64; 2]),
}

/// The longest line: a number, and eight words of 18 characters, each after a space.
pub(super) const LONGEST: usize = 192;

/// Reads the whole line, with its newline; `None` if it is none of the kernel's.
pub(super) fn parse(line: &[u8]) -> Option<Shown> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    if line == "running" {
        return Some(Shown::Running);
    }
    let mut fields = line.split(' ');
    let number: i64 = fields.next()?.parse().ok()?;
    let words = fields.map(word).collect::<Option<Vec<u64>>>()?;
    match (number, words.as_slice()) {
        // Without a stack there is nothing to point to.
        (-1, [0, 0]) => Some(Shown::Ended),
        (-1, [_, _]) => Some(Shown::Outside),
        (0.., [first, second, _, _, _, _, _, _]) => Some(Shown::Call(number, [*first, *second])),
        _ => None,
    }
}

fn word(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    // from_str_radix would take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

/// The descriptor that a first argument means: an int, whatever the upper half of the register.
pub(super) fn descriptor(argument: u64) -> Option<i32> {
    i32::try_from(argument & u64::from(u32::MAX)).ok()
}

/// accept(2) and accept4(2). On machines without the former, C libraries use the latter; the old
/// socketcall(2) hides its arguments and is not known here.
pub(super) fn accepts(number: i64) -> bool {
    is(number, ACCEPTING)
}

/// What waits for a datagram on its first argument.
pub(super) fn receives(number: i64) -> bool {
    is(number, RECEIVING)
}

/// The ways to wait for several descriptors.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Polling {
    /// epoll_wait(2) and its kin.
    Epoll,
    /// poll(2) and ppoll(2).
    Poll,
    /// select(2) and pselect(2).
    Select,
}

/// What waits for several descriptors, and how.
pub(super) fn polls(number: i64) -> Option<Polling> {
    let ways = [(EPOLLS, Polling::Epoll), (POLLS, Polling::Poll), (SELECTS, Polling::Select)];
    ways.into_iter().find(|(calls, _)| is(number, calls)).map(|(_, way)| way)
}

/// What waits for a lock, with which some workers take turns in accept.
pub(super) fn locks(number: i64) -> bool {
    is(number, LOCKING)
}

/// What waits for time, a signal or a child: nothing that a request would do on a socket.
pub(super) fn rests(number: i64) -> bool {
    is(number, RESTING)
}

fn is(number: i64, calls: &[libc::c_long]) -> bool {
    calls.iter().any(|&call| i128::from(call) == i128::from(number))
}

const ACCEPTING: &[libc::c_long] = &[
    #[cfg(not(any(target_arch = "x86", target_arch = "s390x", target_arch = "m68k")))]
    libc::SYS_accept,
    libc::SYS_accept4,
];

const RECEIVING: &[libc::c_long] = &[
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_read,
    #[cfg(target_pointer_width = "64")]
    libc::SYS_recvmmsg,
    // recvmmsg_time64, the same on all of them.
    #[cfg(target_pointer_width = "32")]
    417,
];

const EPOLLS: &[libc::c_long] = &[
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    // The elder calls, where they still exist.
    #[cfg(any(target_arch = "x86_64", target_arch = "x86", target_arch = "arm"))]
    libc::SYS_epoll_wait,
    #[cfg(any(target_arch = "powerpc64", target_arch = "s390x"))]
    libc::SYS_epoll_wait,
];

const POLLS: &[libc::c_long] = &[
    #[cfg(target_pointer_width = "64")]
    libc::SYS_ppoll,
    // ppoll_time64.
    #[cfg(target_pointer_width = "32")]
    414,
    #[cfg(any(target_arch = "x86_64", target_arch = "x86", target_arch = "arm"))]
    libc::SYS_poll,
    #[cfg(any(target_arch = "powerpc64", target_arch = "s390x"))]
    libc::SYS_poll,
];

const SELECTS: &[libc::c_long] = &[
    #[cfg(target_pointer_width = "64")]
    libc::SYS_pselect6,
    // pselect6_time64.
    #[cfg(target_pointer_width = "32")]
    413,
    #[cfg(any(target_arch = "x86_64", target_arch = "powerpc64", target_arch = "s390x"))]
    libc::SYS_select,
    #[cfg(any(target_arch = "x86", target_arch = "arm"))]
    libc::SYS__newselect,
];

const LOCKING: &[libc::c_long] = &[
    libc::SYS_futex,
    libc::SYS_flock,
    libc::SYS_fcntl,
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
    libc::SYS_semop,
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
    libc::SYS_semtimedop,
    // futex_time64 and fcntl64.
    #[cfg(target_pointer_width = "32")]
    422,
    #[cfg(any(target_arch = "x86", target_arch = "arm"))]
    libc::SYS_fcntl64,
];

const RESTING: &[libc::c_long] = &[
    #[cfg(target_pointer_width = "64")]
    libc::SYS_nanosleep,
    #[cfg(target_pointer_width = "64")]
    libc::SYS_clock_nanosleep,
    // clock_nanosleep_time64 and rt_sigtimedwait_time64.
    #[cfg(target_pointer_width = "32")]
    407,
    #[cfg(target_pointer_width = "32")]
    421,
    #[cfg(target_pointer_width = "64")]
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigsuspend,
    libc::SYS_wait4,
    libc::SYS_waitid,
];
