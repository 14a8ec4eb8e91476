//! What `tail -f` reads: the end of a log, and then everything that is added, from one rotated file
//! to the next.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::io::pread;

/// What a new follower sees of the past, as in supervisord.
const PAST: u64 = 1024;
/// Bytes read at a time.
const CHUNK: usize = 64 << 10;
/// Rotated files that are looked through for the one that was read last.
const BACKUPS: u32 = 100;

/// A log that somebody follows.
pub(super) struct Follow {
    path: PathBuf,
    file: Option<File>,
    at: u64,
}

impl Follow {
    /// From its last kilobyte on. A log that is not there yet may come.
    ///
    /// # Errors
    /// It is no regular file, or cannot be read.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut follow = Self { path: path.to_owned(), file: None, at: 0 };
        match open(path) {
            Ok(file) => {
                follow.at = file.metadata()?.len().saturating_sub(PAST);
                follow.file = Some(file);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(follow)
    }

    /// What has been added since, a part of it; empty when there is nothing.
    pub(super) fn read(&mut self) -> Vec<u8> {
        loop {
            let Some(file) = &self.file else {
                match open(&self.path) {
                    Ok(file) => self.file = Some(file),
                    Err(_) => return Vec::new(),
                }
                self.at = 0;
                continue;
            };
            let Ok(meta) = file.metadata() else { return Vec::new() };
            if meta.len() < self.at {
                self.at = 0;
                return b"==> File truncated <==\n".to_vec();
            }
            let left = usize::try_from(meta.len().saturating_sub(self.at)).unwrap_or(CHUNK);
            if left > 0 {
                let mut buffer = vec![0; left.min(CHUNK)];
                let count = pread(file, buffer.as_mut_slice(), self.at).unwrap_or(0);
                buffer.truncate(count);
                self.at = self.at.saturating_add(u64::try_from(count).unwrap_or(0));
                return buffer;
            }
            match self.next((meta.dev(), meta.ino())) {
                Some(file) => {
                    self.file = Some(file);
                    self.at = 0;
                }
                None => return Vec::new(),
            }
        }
    }

    /// The file that came after one that has been read to its end.
    fn next(&self, old: (u64, u64)) -> Option<File> {
        let identity = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
        match identity(&self.path) {
            Ok(now) if now == old => return None,
            Err(_) => return None,
            Ok(_) => {}
        }
        // It may have been rotated more than once since it was looked at.
        let mut newer = self.path.clone();
        for number in 1..=BACKUPS {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            let backup = PathBuf::from(name);
            match identity(&backup) {
                Ok(found) if found == old => return open(&newer).ok(),
                Ok(_) => newer = backup,
                Err(_) => break,
            }
        }
        open(&self.path).ok()
    }
}

/// Opens a log without waiting for whatever else has its name.
///
/// # Errors
/// It is no regular file, or cannot be read.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::logs::sink::tests::Dir;
    use std::io::Write;

    fn all(follow: &mut Follow) -> String {
        let mut text = Vec::new();
        loop {
            let more = follow.read();
            if more.is_empty() {
                return String::from_utf8(text).unwrap();
            }
            text.extend(more);
        }
    }

    #[test]
    fn nothing_is_lost_or_doubled_through_rotations() {
        let dir = Dir::new();
        let log = dir.path("log");
        let mut file = File::create(&log).unwrap();
        file.write_all(&[b'o'; 5000]).unwrap();
        let mut follow = Follow::open(&log).unwrap();
        assert_eq!(all(&mut follow), "o".repeat(1024), "the last kilobyte");
        file.write_all(b"one ").unwrap();
        for (old, new) in [("log.1", "two "), ("log.2", "three ")] {
            if old == "log.2" {
                fs::rename(dir.path("log.1"), dir.path("log.2")).unwrap();
            }
            fs::rename(&log, dir.path("log.1")).unwrap();
            fs::write(&log, new).unwrap();
        }
        assert_eq!(all(&mut follow), "one two three ", "also of a file in the middle");
        fs::remove_file(&log).unwrap();
        fs::write(&log, "four").unwrap();
        assert_eq!(all(&mut follow), "four");
        File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
        assert_eq!(all(&mut follow), "==> File truncated <==\n");
        fs::write(&log, "five").unwrap();
        assert_eq!(all(&mut follow), "five");
    }

    #[test]
    fn what_is_no_file_is_refused_and_what_is_not_there_may_come() {
        assert!(Follow::open(Path::new("/dev/null")).is_err());
        assert!(Follow::open(Path::new("/")).is_err());
        let dir = Dir::new();
        let mut follow = Follow::open(&dir.path("late")).unwrap();
        assert_eq!(follow.read(), b"");
        fs::write(dir.path("late"), "here").unwrap();
        assert_eq!(follow.read(), b"here");
    }
}
