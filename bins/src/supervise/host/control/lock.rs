//! The lock beside a socket: whoever holds it may replace the file of the socket.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use reaper::Pid;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// A lock that is held for as long as this value lives.
pub(super) struct Lock {
    path: PathBuf,
    file: File,
}

/// Why there is none.
pub(super) enum NoLock {
    /// Another supervisor has it; which one.
    Held(String),
    /// What is wrong with the file.
    Bad(String),
}

impl Lock {
    /// Takes the lock of a socket. Its file is ours alone: who can open it could hold it for ever.
    ///
    /// # Errors
    /// See [`NoLock`].
    pub(super) fn take(socket: &Path) -> Result<Self, NoLock> {
        let path = Self::path(socket);
        let bad = |error: io::Error| NoLock::Bad(format!("{}: {error}", path.display()));
        // The former holder removes its file last: a lock on that one is a lock on nothing.
        for _ in 0..TRIES {
            let mut file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
                .open(&path)
                .map_err(bad)?;
            let meta = file.metadata().map_err(bad)?;
            let own = rustix::process::geteuid().as_raw();
            if !meta.is_file() || meta.uid() != own && own != 0 {
                let text = format!("{} is somebody else's or no file", path.display());
                return Err(NoLock::Bad(text));
            }
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(NoLock::Held(held(&path, &mut file))),
                Err(error) => return Err(bad(error.into())),
            }
            if is_at(&path, &file) {
                // Who finds it held is told by whom; that it cannot be written changes nothing.
                let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", Pid::own()));
                return Ok(Self { path, file });
            }
        }
        Err(NoLock::Bad(format!("{} does not stay where it is", path.display())))
    }

    /// Where the lock of a socket is.
    fn path(socket: &Path) -> PathBuf {
        let mut name = socket.as_os_str().to_owned();
        name.push(".lock");
        name.into()
    }

    /// Its file is still there.
    pub(super) fn is_sound(&self) -> bool {
        is_at(&self.path, &self.file)
    }

    /// Removes the file, and then lets go.
    pub(super) fn release(self) {
        if self.is_sound() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Times that a file may be removed just when it was locked.
const TRIES: u32 = 100;

fn is_at(path: &Path, file: &File) -> bool {
    match (fs::symlink_metadata(path), file.metadata()) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

fn held(path: &Path, file: &mut File) -> String {
    let mut text = String::new();
    let _ = file.rewind().and_then(|()| file.take(16).read_to_string(&mut text));
    match text.trim().parse::<i32>() {
        Ok(pid) => format!("{} is held by process {pid}", path.display()),
        Err(_) => format!("{} is held", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::logs::sink::tests::Dir;

    #[test]
    fn one_holds_it_and_says_so() {
        let dir = Dir::new();
        let socket = dir.path("s");
        let lock = Lock::take(&socket).ok().unwrap();
        let second = Lock::take(&socket).map(drop);
        let own = std::process::id().to_string();
        assert!(matches!(second, Err(NoLock::Held(text)) if text.ends_with(&own)));
        assert_eq!(fs::metadata(dir.path("s.lock")).unwrap().mode() & 0o777, 0o600);
        fs::remove_file(dir.path("s.lock")).unwrap();
        assert!(!lock.is_sound());
        let next = Lock::take(&socket).ok().unwrap();
        lock.release();
        assert!(next.is_sound(), "only one's own is removed");
        next.release();
        assert!(!dir.path("s.lock").exists());
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = Dir::new();
        fs::write(dir.path("precious"), "kept").unwrap();
        std::os::unix::fs::symlink(dir.path("precious"), dir.path("s.lock")).unwrap();
        assert!(matches!(Lock::take(&dir.path("s")), Err(NoLock::Bad(_))));
        assert_eq!(dir.read("precious"), "kept");
    }
}
