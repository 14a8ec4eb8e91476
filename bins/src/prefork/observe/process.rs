//! One process in `/proc`: whatever is read later is read of the same one, also when its number
//! has been given to another.

use std::io;
use std::os::fd::OwnedFd;

use reaper::Pid;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, readlinkat_raw, statat};
use rustix::io::pread;
use rustix::path::Arg;

use super::syscall::{LONGEST, Shown, parse};

/// The link count of a directory without subdirectories; `task` has one more for each thread.
const LINKS: u64 = 2;

/// A process and its `syscall` file, open for as long as it is looked at: two descriptors.
#[derive(Debug)]
pub(super) struct Process {
    dir: OwnedFd,
    syscall: OwnedFd,
}

impl Process {
    pub(super) fn open(pid: Pid) -> io::Result<Self> {
        let dir = directory(pid)?;
        let syscall = openat(&dir, "syscall", READ, Mode::empty())?;
        Ok(Self { dir, syscall })
    }

    /// What it does, when it has one thread only; otherwise what each of them does.
    pub(super) fn shown(&self) -> io::Result<Threads> {
        let links = statat(&self.dir, "task", AtFlags::empty())?.st_nlink;
        if u128::from(links) == u128::from(LINKS.saturating_add(1)) {
            return read(&self.syscall).map(Threads::One);
        }
        let mut all = Vec::new();
        let task = openat(&self.dir, "task", READ | OFlags::DIRECTORY, Mode::empty())?;
        for entry in Dir::read_from(&task)? {
            let entry = entry?;
            let Some(tid) = number(entry.file_name().to_bytes()) else { continue };
            match openat(&task, format!("{tid}/syscall"), READ, Mode::empty()) {
                Ok(file) => match read(&file) {
                    Err(error) if is_gone(&error) => {}
                    shown => all.push(shown?),
                },
                // It ended meanwhile.
                Err(rustix::io::Errno::NOENT | rustix::io::Errno::SRCH) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(Threads::Many(all))
    }

    /// The inode number of the socket at a descriptor of the process.
    pub(super) fn socket_at(&self, fd: i32) -> Option<u64> {
        socket_link(&self.dir, format!("fd/{fd}"))
    }

    /// Calls `each` with every descriptor that is a socket and the socket's inode number, until it
    /// answers false.
    pub(super) fn sockets(&self, mut each: impl FnMut(i32, u64) -> bool) -> io::Result<()> {
        let fds = openat(&self.dir, "fd", READ | OFlags::DIRECTORY, Mode::empty())?;
        for entry in Dir::read_from(&fds)? {
            let entry = entry?;
            let Some(fd) = number(entry.file_name().to_bytes()) else { continue };
            // It may have been closed meanwhile.
            let inode = socket_link(&fds, entry.file_name());
            if inode.is_some_and(|inode| !each(fd, inode)) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The letter of its first thread's state: `S` sleeps in a system call, `T` is stopped.
    pub(super) fn state(&self) -> Option<u8> {
        let stat = openat(&self.dir, "stat", READ, Mode::empty()).ok()?;
        let mut buffer = [0; 512];
        let length = pread(&stat, &mut buffer[..], 0).ok()?;
        state(buffer.get(..length)?)
    }

    pub(super) fn dir(&self) -> &OwnedFd {
        &self.dir
    }
}

/// What the threads of a process do.
#[derive(Debug)]
pub(super) enum Threads {
    One(Shown),
    Many(Vec<Shown>),
}

const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC);

/// `/proc/PID`, by which the process itself is meant from then on.
pub(super) fn directory(pid: Pid) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty())?)
}

/// A whole small file below `dir`.
pub(super) fn text(dir: &OwnedFd, name: &str) -> io::Result<String> {
    use std::io::Read;
    let mut file = std::fs::File::from(openat(dir, name, READ, Mode::empty())?);
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

/// The process has ended.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENOENT))
}

fn read(file: &OwnedFd) -> io::Result<Shown> {
    let mut buffer = [0; LONGEST];
    let length = pread(file, &mut buffer[..], 0)?;
    match parse(buffer.get(..length).unwrap_or_default()) {
        Some(Shown::Ended) => Err(io::Error::from_raw_os_error(libc::ESRCH)),
        Some(shown) => Ok(shown),
        None => Err(io::Error::from(io::ErrorKind::InvalidData)),
    }
}

fn number(name: &[u8]) -> Option<i32> {
    std::str::from_utf8(name).ok()?.parse().ok()
}

fn socket_link(dir: &OwnedFd, name: impl Arg) -> Option<u64> {
    let mut buffer = [0; 64];
    let length = readlinkat_raw(dir, name, &mut buffer[..]).ok()?;
    socket_inode(buffer.get(..length)?)
}

fn socket_inode(link: &[u8]) -> Option<u64> {
    let inode = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(inode).ok()?.parse().ok()
}

/// The state's letter in a line of `/proc/PID/stat`; the name before it may hold anything.
fn state(stat: &[u8]) -> Option<u8> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(end.checked_add(2)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_states() {
        assert_eq!(socket_inode(b"socket:[123]"), Some(123));
        for other in [&b"pipe:[123]"[..], b"socket:[", b"socket:[]", b"socket:[x]", b"/a", b""] {
            assert_eq!(socket_inode(other), None);
        }
        assert_eq!(state(b"12 (a) b) T 1 2"), Some(b'T'));
        for other in [&b"12 (a"[..], b"", b"12 (a)", b"12 (a) "] {
            assert_eq!(state(other), None);
        }
    }

    #[test]
    fn nobody_there() {
        let none = Pid::from_raw(i32::MAX).unwrap();
        assert!(is_gone(&Process::open(none).unwrap_err()));
    }

    #[test]
    fn this_process_has_threads() {
        let process = Process::open(Pid::own()).unwrap();
        let other = std::thread::spawn(|| Process::open(Pid::own()).unwrap().shown().unwrap());
        let Threads::Many(all) = other.join().unwrap() else { panic!("there are several") };
        // The one that asks sees itself in the call that asks.
        assert!(all.len() > 1 && all.iter().any(|shown| matches!(shown, Shown::Call(..))));
        assert!(matches!(process.state(), Some(b'S' | b'R')));
    }
}
