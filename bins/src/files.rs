//! The files that other programs know the server by: pid file and status file.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use reaper::Pid;
use rustix::event::Timespec;
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
/// Who asks for a server's state holds its lock for an instant: looks at the lock, and the time between.
const LOOKS: u32 = 25;
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// A pid file held by a lock for as long as this value lives.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
    /// What was there before and comes back if no pid is written; `None`: there was no file.
    former: Option<Vec<u8>>,
    written: bool,
}

impl PidFile {
    /// Opens, locks and empties the file: a stale pid in it may be anybody's by now.
    ///
    /// # Errors
    /// When it cannot be opened, holds more than a pid, or another process holds it (then not a
    /// byte of it changes, and the text says who).
    pub fn lock(path: &Path) -> Result<Self, Failed> {
        let fail =
            |error| Failed::io(format_args!("failed to open file:{}", path.display()), &error);
        let mut looks = 0;
        loop {
            let existed = fs::metadata(path).is_ok();
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o666)
                .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
                .open(path)
                .map_err(fail)?;
            if !file.metadata().is_ok_and(|meta| meta.is_file()) {
                let text = format!("the pid file is not a regular file:{}", path.display());
                return Err(Failed::new(text, 22));
            }
            match rustix::fs::flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) if looks < LOOKS => {
                    looks = looks.saturating_add(1);
                    let _ = rustix::event::poll(&mut [], Some(&PAUSE));
                    continue;
                }
                Err(Errno::WOULDBLOCK) => return Err(held(path, &file)),
                Err(Errno::INTR) => continue,
                Err(errno) => {
                    let what = format!("flock failed({})", path.display());
                    return Err(Failed::io(what, &errno.into()));
                }
            }
            // The former holder unlinks its file last: a lock on that one is a lock on nothing.
            if same_file(path, &file) {
                refuse_foreign(path, &file)?;
                let mut former = Vec::new();
                (&mut file).take(LONGEST).read_to_end(&mut former).map_err(fail)?;
                file.set_len(0).map_err(fail)?;
                let former = existed.then_some(former);
                return Ok(Self { path: path.to_owned(), file, former, written: false });
            }
        }
    }

    /// Writes the pid.
    ///
    /// # Errors
    /// What the file system says, ENOSPC for example.
    pub fn write(&mut self, pid: Pid) -> Result<(), Failed> {
        self.written = true;
        replace(&mut self.file, format!("{pid}\n").as_bytes()).map_err(|error| {
            Failed::io(format_args!("failed to write file:{}", self.path.display()), &error)
        })
    }

    /// Removes the file, if it is still this one, and lets go of the lock, in this order. A file
    /// that was there before and was not written is as it was.
    pub fn remove(mut self) {
        match &self.former {
            Some(former) if !self.written => {
                let _ = replace(&mut self.file, former);
            }
            Some(_) | None => {
                if same_file(&self.path, &self.file) {
                    let _ = fs::remove_file(&self.path);
                }
            }
        }
    }
}

fn replace(file: &mut File, content: &[u8]) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(content)
}

fn same_file(path: &Path, file: &File) -> bool {
    match (fs::metadata(path), file.metadata()) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
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
    let _ = file.take(LONGEST).read_to_string(&mut text);
    let named = text.trim().parse().ok().and_then(Pid::from_raw);
    let holder = match named.filter(|pid| has_open(*pid, file)) {
        Some(pid) => format!("process {pid}"),
        None => "another process that has not written its pid yet".to_owned(),
    };
    let text =
        format!("the pid file {} is held by {holder}: is it running already?", path.display());
    Failed::new(text, 11)
}

/// Whether the process has this very file open; yes where that cannot be told.
///
/// A lock says that somebody holds the file, not that it is the process named in it.
#[must_use]
pub fn has_open(pid: Pid, file: &File) -> bool {
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    let (Ok(wanted), Ok(entries)) =
        (file.metadata().map(identity), fs::read_dir(format!("/proc/{pid}/fd")))
    else {
        return true;
    };
    let mut opened = entries.flatten().filter_map(|entry| fs::metadata(entry.path()).ok());
    opened.any(|meta| identity(meta) == wanted)
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
        first.write(Pid::own()).unwrap();
        let second = PidFile::lock(&path).unwrap_err();
        assert!(
            second.to_string().contains(&format!("process {} ", Pid::own()))
                || second.to_string().contains(&format!("process {}:", Pid::own())),
            "{second}"
        );
        assert_eq!(second.code(), 11);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", Pid::own()));
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
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "99999999\nstale", "a start that failed changes nothing");
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
