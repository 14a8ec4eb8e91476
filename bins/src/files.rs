//! The files that other programs know the server by: pid file and status file.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use reaper::Pid;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// A failure with the text for the user and the exit code that Perl would have used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    text: String,
    code: u8,
}

impl Failed {
    /// A failure that leads to this exit code.
    #[must_use]
    pub fn new(text: impl Into<String>, code: u8) -> Self {
        Self { text: text.into(), code }
    }

    /// What failed, and the errno as exit code: 255 where there is none.
    #[must_use]
    pub fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        let code = error.raw_os_error().and_then(|errno| u8::try_from(errno).ok()).unwrap_or(255);
        Self { text: format!("{what}: {error}"), code }
    }

    /// The exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failed {}

/// No pid file is longer.
const LONGEST: u64 = 64;

/// A pid file held by a lock for as long as this value lives.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
    /// It was not there before, or holds our pid: ours to remove.
    ours: bool,
}

impl PidFile {
    /// Opens and locks the file without changing a byte of it.
    ///
    /// # Errors
    /// When it cannot be opened, or another process holds it: the text says who.
    pub fn lock(path: &Path) -> Result<Self, Failed> {
        loop {
            let mut open = OpenOptions::new();
            open.read(true).write(true).mode(0o666);
            open.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
            let (opened, ours) = match open.open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    (open.create_new(true).open(path), true)
                }
                opened => (opened, false),
            };
            if opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists) {
                continue;
            }
            let file = opened.map_err(|error| {
                Failed::io(format_args!("failed to open file:{}", path.display()), &error)
            })?;
            if !file.metadata().is_ok_and(|meta| meta.is_file()) {
                let text = format!("the pid file is not a regular file:{}", path.display());
                return Err(Failed::new(text, 22));
            }
            match rustix::fs::flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(held(path, &file)),
                Err(Errno::INTR) => continue,
                Err(errno) => {
                    let what = format!("flock failed({})", path.display());
                    return Err(Failed::io(what, &errno.into()));
                }
            }
            // The former holder unlinks its file last: a lock on that one is a lock on nothing.
            let same = match (fs::metadata(path), file.metadata()) {
                (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
                _ => false,
            };
            if same {
                refuse_foreign(path, &file)?;
                return Ok(Self { path: path.to_owned(), file, ours });
            }
        }
    }

    /// Writes the pid.
    ///
    /// # Errors
    /// What the file system says, ENOSPC for example.
    pub fn write(&mut self, pid: Pid) -> Result<(), Failed> {
        self.ours = true;
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(format!("{pid}\n").as_bytes())
        };
        write(&mut self.file).map_err(|error| {
            Failed::io(format_args!("failed to write file:{}", self.path.display()), &error)
        })
    }

    /// Removes the file and lets go of the lock, in this order; a file that was there before and
    /// was not written stays as it is.
    pub fn remove(self) {
        if self.ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A mistyped name must not cost anybody a file. What a crash leaves in a pid file is short.
fn refuse_foreign(path: &Path, file: &File) -> Result<(), Failed> {
    if file.metadata().is_ok_and(|meta| meta.len() <= LONGEST) {
        return Ok(());
    }
    let text = format!(
        "the pid file {} holds more than a pid and is left alone: is the name right?",
        path.display()
    );
    Err(Failed::new(text, 17))
}

fn held(path: &Path, file: &File) -> Failed {
    let mut text = String::new();
    let _ = file.take(32).read_to_string(&mut text);
    let holder = match text.trim().parse::<u32>() {
        Ok(pid) => format!("process {pid}"),
        Err(_) => "another process that has not written its pid yet".to_owned(),
    };
    let text = format!(
        "the pid file {} is held by {holder}: is another start_server running?",
        path.display()
    );
    Failed::new(text, 11)
}

/// The status file: `generation:pid` lines, replaced as a whole.
#[derive(Debug)]
pub struct StatusFile {
    path: PathBuf,
    temporary: PathBuf,
    created: bool,
}

impl StatusFile {
    /// A status file at `path`, nothing written yet; `own` makes the temporary name.
    ///
    /// # Errors
    /// When no file could be written there.
    pub fn new(path: &Path, own: Pid) -> Result<Self, Failed> {
        let mut temporary = OsString::from(path);
        temporary.push(format!(".{own}"));
        let temporary = PathBuf::from(temporary);
        if path.is_dir() {
            let text = format!("the status file is a directory:{}", path.display());
            return Err(Failed::new(text, 21));
        }
        // The rename would replace it: /dev/null, for example.
        if fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
            let text = format!("the status file is not a regular file:{}", path.display());
            return Err(Failed::new(text, 22));
        }
        let fail = |error| {
            let what = format!("failed to create temporary file:{}", temporary.display());
            Failed::io(what, &error)
        };
        File::create(&temporary).and_then(|_| fs::remove_file(&temporary)).map_err(fail)?;
        Ok(Self { path: path.to_owned(), temporary, created: false })
    }

    /// Writes the generations, sorted as strings as Server::Starter sorts them.
    ///
    /// # Errors
    /// What the file system says; the former content stays then.
    pub fn write(&mut self, entries: &[(u64, Pid)]) -> io::Result<()> {
        let mut lines: Vec<(String, Pid)> =
            entries.iter().map(|(generation, pid)| (generation.to_string(), *pid)).collect();
        lines.sort();
        let text: String =
            lines.iter().map(|(generation, pid)| format!("{generation}:{pid}\n")).collect();
        let replace = || {
            fs::write(&self.temporary, &text).and_then(|()| fs::rename(&self.temporary, &self.path))
        };
        let result = replace();
        if result.is_err() {
            let _ = fs::remove_file(&self.temporary);
        } else {
            self.created = true;
        }
        result
    }

    /// Removes the file if it was ever written.
    pub fn remove(self) {
        if self.created {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Reads `generation:pid` lines; other lines are passed over, as Server::Starter does.
#[must_use]
pub fn parse_status(text: &str) -> Vec<(u64, Pid)> {
    let entry = |line: &str| {
        let (generation, pid) = line.split_once(':')?;
        Some((generation.parse().ok()?, Pid::from_raw(pid.trim().parse().ok()?)?))
    };
    text.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_pid_file_is_named_and_left_alone() {
        let dir = std::env::temp_dir().join(format!("superdaemon-files-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("pid");
        let mut first = PidFile::lock(&path).unwrap();
        first.write(Pid::from_raw(4242).unwrap()).unwrap();
        let second = PidFile::lock(&path).unwrap_err();
        assert!(second.to_string().contains("process 4242"), "{second}");
        assert_eq!(second.code(), 11);
        assert_eq!(fs::read_to_string(&path).unwrap(), "4242\n");
        first.remove();
        assert!(!path.exists());
        PidFile::lock(&path).unwrap().remove();
        assert!(!path.exists(), "made and not needed");
        let precious = "key = value\n".repeat(9);
        fs::write(&path, &precious).unwrap();
        assert_eq!(PidFile::lock(&path).unwrap_err().code(), 17);
        assert_eq!(fs::read_to_string(&path).unwrap(), precious);
        fs::write(&path, "99999999\nstale").unwrap();
        PidFile::lock(&path).unwrap().remove();
        assert!(path.exists(), "a start that failed changes nothing");
        let mut third = PidFile::lock(&path).unwrap();
        third.write(Pid::from_raw(7).unwrap()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "7\n");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn status_is_sorted_as_strings_and_read_back() {
        let dir = std::env::temp_dir().join(format!("superdaemon-status-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("status");
        let pid = |raw| Pid::from_raw(raw).unwrap();
        let mut status = StatusFile::new(&path, pid(1)).unwrap();
        assert!(!path.exists());
        status.write(&[(2, pid(20)), (11, pid(30)), (1, pid(10))]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "1:10\n11:30\n2:20\n");
        assert_eq!(parse_status(&text), [(1, pid(10)), (11, pid(30)), (2, pid(20))]);
        status.remove();
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "no temporary file is left");
        fs::remove_dir_all(&dir).unwrap();
    }
}
