//! What an event loop waits for: whether one of our listeners is among it.
//!
//! A program that waits for its database while it sets itself up polls, too, and so does one that
//! sleeps by select(2). Only a loop that has a listener in its set waits for requests.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::pread;

use super::process::{Process, text};
use super::syscall::{self, Polling};

/// More descriptors than that are not looked at: a listener comes early in every set.
const MOST: u64 = 1024;

/// Whether a call of the kind, with these first two arguments, waits for a socket of which `ours`
/// is true of its inode number. Yes where it cannot be told.
pub(super) fn includes(
    process: &Process,
    kind: Polling,
    [first, second]: [u64; 2],
    ours: impl Fn(u64) -> bool,
) -> bool {
    let listens = |fd: i32| process.socket_at(fd).is_some_and(&ours);
    match kind {
        Polling::Epoll => {
            let Some(fd) = syscall::descriptor(first) else { return true };
            let Ok(info) = text(process.dir(), &format!("fdinfo/{fd}")) else { return true };
            targets(&info).any(listens)
        }
        Polling::Poll => {
            let count = second.min(MOST);
            let Some(set) = memory(process.dir(), first, count.saturating_mul(8)) else {
                return count > 0;
            };
            set.chunks_exact(8).filter_map(polled).any(listens)
        }
        Polling::Select => {
            // The second argument is the set of descriptors to read from.
            let count = first.min(MOST);
            if count == 0 || second == 0 {
                return false;
            }
            let Some(set) = memory(process.dir(), second, count.div_ceil(8)) else { return true };
            selected(&set, count).any(listens)
        }
    }
}

/// The descriptors in an epoll set, from fdinfo (proc_pid_fdinfo(5)).
fn targets(info: &str) -> impl Iterator<Item = i32> + '_ {
    info.lines()
        .filter_map(|line| line.strip_prefix("tfd:")?.split_ascii_whitespace().next()?.parse().ok())
}

/// The descriptor of a struct pollfd.
fn polled(entry: &[u8]) -> Option<i32> {
    let number: [u8; 4] = entry.get(..4)?.try_into().ok()?;
    Some(i32::from_ne_bytes(number)).filter(|fd| *fd >= 0)
}

/// The descriptors in an fd_set: words of the machine's size, the lowest bit first.
fn selected(set: &[u8], count: u64) -> impl Iterator<Item = i32> + '_ {
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    (0..count).filter(move |fd| {
        let fd = usize::try_from(*fd).unwrap_or(usize::MAX);
        let at = fd.checked_div(8).unwrap_or(usize::MAX);
        // On a machine with the high byte first, bytes are reversed within each word.
        let word = size_of::<libc::c_ulong>();
        let at = if cfg!(target_endian = "big") { at ^ word.saturating_sub(1) } else { at };
        set.get(at).is_some_and(|byte| byte >> (fd & 7) & 1 == 1)
    })
}

/// Memory of the process, which needs the same permission as its `syscall` file.
fn memory(dir: &OwnedFd, at: u64, length: u64) -> Option<Vec<u8>> {
    let file = openat(dir, "mem", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    let got = pread(&file, bytes.as_mut_slice(), at).ok()?;
    (got == bytes.len()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_sets() {
        let info = "pos:\t0\nflags:\t02\nmnt_id:\t16\nino:\t5\n\
                    tfd:        4 events:       19 data: 4  pos:0 ino:7 sdev:8\n\
                    tfd:       12 events:       19 data: c  pos:0 ino:9 sdev:8\n";
        assert_eq!(targets(info).collect::<Vec<_>>(), [4, 12]);
        assert_eq!(polled(&[3, 0, 0, 0, 1, 0, 0, 0]), Some(i32::from_ne_bytes([3, 0, 0, 0])));
        assert_eq!(polled(&(-1_i32).to_ne_bytes()), None);
        assert_eq!(polled(&[3]), None);
        let set = (1_u64 << 3 | 1 << 9 | 1 << 40).to_ne_bytes();
        if cfg!(target_pointer_width = "64") {
            assert_eq!(selected(&set, 64).collect::<Vec<_>>(), [3, 9, 40]);
            assert_eq!(selected(&set, 10).collect::<Vec<_>>(), [3, 9]);
        }
        assert_eq!(selected(&[], 64).count(), 0);
    }
}
