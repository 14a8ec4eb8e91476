//! Open file description locks: held by a descriptor, gone with its last copy, and asked about
//! without taking them. rustix has none of their calls.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use libc::{c_int, c_short};

/// The first byte, for one writer.
fn first_byte() -> libc::flock {
    // SAFETY: plain numbers, for all of which zero is a value. l_pid must be 0 (fcntl(2)).
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as c_short;
    lock.l_whence = libc::SEEK_SET as c_short;
    lock.l_len = 1;
    lock
}

fn fcntl(fd: impl AsFd, command: c_int) -> io::Result<libc::flock> {
    let mut lock = first_byte();
    // SAFETY: the descriptor is open, and both commands read and write one `flock`.
    let done = unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), command, &raw mut lock) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(lock) }
}

/// Takes the lock if nobody has it. Whether it is ours now.
pub(crate) fn take(fd: impl AsFd) -> io::Result<bool> {
    match fcntl(fd, libc::F_OFD_SETLK) {
        Ok(_) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Whether somebody else has the lock.
pub(crate) fn is_taken(fd: impl AsFd) -> io::Result<bool> {
    fcntl(fd, libc::F_OFD_GETLK).map(|lock| c_int::from(lock.l_type) != libc::F_UNLCK)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn one_description_has_it() {
        let path = std::env::temp_dir().join(format!("scoreboard-lock-{}", std::process::id()));
        let first = File::create(&path).unwrap();
        let second = File::options().read(true).write(true).open(&path).unwrap();
        let reader = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!is_taken(&reader).unwrap());
        assert!(take(&first).unwrap() && take(&first).unwrap());
        assert!(is_taken(&reader).unwrap() && !take(&second).unwrap());
        // Other than with process locks, closing another descriptor of the file gives up nothing.
        drop(second);
        assert!(is_taken(&reader).unwrap());
        let copy = first.try_clone().unwrap();
        drop(first);
        assert!(is_taken(&reader).unwrap());
        drop(copy);
        assert!(!is_taken(&reader).unwrap());
    }
}
