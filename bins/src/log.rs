//! Where the server and its workers write: as started, a file, or a command.
//!
//! The pipe to a command stays open at both ends for as long as the server
//! lives, so that nothing is lost between the death of one command and the
//! start of the next, and nobody gets EPIPE.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fdpass::FdPlan;
use reaper::{Backoff, Child, Exit, Image, Moment, Setup, spawn};
use rustix::fs::{Access, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use rustix::stdio::{dup2_stderr, dup2_stdout};
use sigpolicy::SignalSet;

use crate::files::Failed;

/// What the pipe holds while a new command starts; the most an ordinary user may ask for.
const PIPE_SIZE: usize = 1 << 20;
/// A command that lived this long did not die of its start.
const STABLE: Duration = Duration::from_secs(1);

/// Where output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Appended to this file.
    File(PathBuf),
    /// Into the standard input of this shell command.
    Command(OsString),
}

/// A variable of the environment.
pub type Variable = (OsString, OsString);

/// The opened target of `--log-file`.
#[derive(Debug)]
pub enum Log {
    /// The streams stay what they are.
    Inherited,
    /// A file, reopened on USR1.
    File(PathBuf, File),
    /// A command.
    Command(Logger),
}

impl Log {
    /// Opens the file or makes the pipe; the streams do not change yet.
    ///
    /// # Errors
    /// When the file cannot be written, or no pipe can be made.
    pub fn open(target: Option<&LogTarget>, variables: &[Variable]) -> Result<Self, Failed> {
        match target {
            None => Ok(Self::Inherited),
            Some(LogTarget::File(path)) => match append(path) {
                Ok(file) => Ok(Self::File(path.clone(), file)),
                Err(error) => {
                    let what = format!("failed to open log file:{}", path.display());
                    Err(Failed::io(what, &error))
                }
            },
            Some(LogTarget::Command(command)) => match Logger::new(command, variables) {
                Ok(logger) => Ok(Self::Command(logger)),
                Err(error) => {
                    let what = format!("failed to open pipe:{}", command.to_string_lossy());
                    Err(Failed::io(what, &error))
                }
            },
        }
    }

    /// Makes the target standard output and standard error.
    ///
    /// # Errors
    /// What dup2(2) says.
    pub fn install(&self) -> std::io::Result<()> {
        let target = match self {
            Self::Inherited => return Ok(()),
            Self::File(_, file) => file.as_fd(),
            Self::Command(logger) => logger.write.as_fd(),
        };
        dup2_stdout(target)?;
        Ok(dup2_stderr(target)?)
    }

    /// Opens the file again under its name; a command is left alone.
    ///
    /// # Errors
    /// When the file cannot be opened; the former one stays in use then.
    pub fn reopen(&mut self) -> std::io::Result<()> {
        if let Self::File(path, file) = self {
            *file = append(path)?;
            return self.install();
        }
        Ok(())
    }

    /// The command, if there is one.
    pub fn logger(&mut self) -> Option<&mut Logger> {
        match self {
            Self::Command(logger) => Some(logger),
            Self::Inherited | Self::File(..) => None,
        }
    }
}

/// Opens a log that is no more than a file, and never waits for anybody.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn open_log(path: &Path) -> Result<File, Failed> {
    append(path)
        .map_err(|error| Failed::io(format_args!("failed to open {}", path.display()), &error))
}

fn append(path: &Path) -> std::io::Result<File> {
    // A daemon that opens a terminal must not get it as its own, and a FIFO that nobody reads is an
    // error (ENXIO) rather than a reason to wait for somebody.
    let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
    let file =
        OpenOptions::new().append(true).create(true).mode(0o666).custom_flags(flags).open(path)?;
    let flags = fcntl_getfl(&file)?;
    fcntl_setfl(&file, flags.difference(OFlags::NONBLOCK))?;
    Ok(file)
}

/// A supervised log command.
#[derive(Debug)]
pub struct Logger {
    command: OsString,
    variables: Vec<Variable>,
    read: OwnedFd,
    write: OwnedFd,
    out: OwnedFd,
    err: OwnedFd,
    started: Option<Moment>,
    failures: u32,
    restart_at: Option<Moment>,
}

impl Logger {
    fn new(command: &OsStr, variables: &[Variable]) -> std::io::Result<Self> {
        let path =
            variables.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.as_os_str());
        executable(words(command).first().map_or(OsStr::new(""), OsString::as_os_str), path)?;
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        let _ = fcntl_setpipe_size(&write, PIPE_SIZE);
        Ok(Self {
            command: command.to_owned(),
            variables: variables.to_vec(),
            read,
            write,
            out: rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?,
            err: rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?,
            started: None,
            failures: 0,
            restart_at: None,
        })
    }

    /// Detaches the command's own output from the terminal or connection of the launcher.
    pub fn detach(&mut self) {
        if let Ok(null) = OpenOptions::new().write(true).open("/dev/null") {
            if let (Ok(out), Ok(err)) = (null.try_clone(), null.try_clone()) {
                self.out = out.into();
                self.err = err.into();
            }
        }
    }

    /// Starts the command with the pipe as its standard input, in a process
    /// group of its own: Ctrl-C must not take the log away before the last line.
    ///
    /// # Errors
    /// When it cannot be started; [`restart_at`](Self::restart_at) then says when to try again.
    pub fn start(&mut self, now: Moment) -> Result<Child, Failed> {
        self.started = Some(now);
        self.restart_at = None;
        self.spawn().inspect_err(|_| self.postpone(now))
    }

    fn spawn(&self) -> Result<Child, Failed> {
        let fail = |error: &dyn std::fmt::Display, code: i32| {
            let what = self.command.to_string_lossy();
            Failed::new(
                format!("failed to open pipe:{what}: {error}"),
                u8::try_from(code).unwrap_or(255),
            )
        };
        let mut words = words(&self.command).into_iter();
        let program = words.next().unwrap_or_default();
        let image = Image::new(&program, words, self.variables.iter().cloned())
            .map_err(|error| fail(&error, 22))?;
        let mut plan = FdPlan::new();
        let ends = [(self.read.as_fd(), 0), (self.out.as_fd(), 1), (self.err.as_fd(), 2)];
        for (fd, at) in ends {
            plan.pass(fd, at).map_err(|error| fail(&error, 22))?;
        }
        let setup = Setup::new().fds(plan).process_group().ignored(SignalSet::new());
        spawn(&image, &setup).map_err(|error| fail(&error, error.errno()))
    }

    /// The command has died: plans its successor.
    pub fn exited(&mut self, now: Moment, exit: Exit) -> String {
        let lived = self.started.map_or(Duration::ZERO, |started| now.saturating_since(started));
        if lived >= STABLE {
            self.failures = 0;
            self.restart_at = Some(now);
        } else {
            self.postpone(now);
        }
        format!("log command died, status:{}, restarting", exit.raw())
    }

    fn postpone(&mut self, now: Moment) {
        let backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        let delay = backoff.delay(self.failures, u32::MAX);
        self.failures = self.failures.saturating_add(1);
        self.restart_at = Some(now.saturating_add(delay));
    }

    /// When the command is to be started again.
    #[must_use]
    pub fn restart_at(&self) -> Option<Moment> {
        self.restart_at
    }
}

/// As Perl's pipe open: through the shell if there is anything for it to do, else split at blanks.
fn words(command: &OsStr) -> Vec<OsString> {
    const FOR_THE_SHELL: &[u8] = b"$&*(){}[]'\";\\|?<>~`\n";
    let bytes = command.as_bytes();
    let mut words: Vec<OsString> = bytes
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .map(|word| OsString::from_vec(word.to_vec()))
        .collect();
    let assigns = words.first().is_some_and(|word| word.as_bytes().contains(&b'='));
    if assigns || bytes.iter().any(|byte| FOR_THE_SHELL.contains(byte)) {
        words = vec!["/bin/sh".into(), "-c".into(), command.to_owned()];
    }
    words
}

/// Whether execvp(3) would find the program. Later there is nowhere to say that it does not.
fn executable(program: &OsStr, path: Option<&OsStr>) -> std::io::Result<()> {
    let path = match program.as_bytes().contains(&b'/') {
        true => OsStr::new(""),
        false => path.unwrap_or(OsStr::new("/bin:/usr/bin")),
    };
    let mut result = Err(Errno::NOENT);
    for dir in std::env::split_paths(path) {
        let full = dir.join(program);
        result = match rustix::fs::access(&full, Access::EXEC_OK) {
            Ok(()) if !full.is_dir() => return Ok(()),
            Ok(()) => Err(Errno::ACCESS),
            Err(Errno::NOENT | Errno::NOTDIR) => result,
            Err(error) => Err(error),
        };
    }
    Ok(result?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_execvp_would_not_find_is_missed() {
        let found = |name: &str| executable(OsStr::new(name), None).map_err(|e| e.raw_os_error());
        assert_eq!(found("sh"), Ok(()));
        assert_eq!(found("/bin/sh"), Ok(()));
        assert_eq!(found("no-such-program"), Err(Some(libc::ENOENT)));
        assert_eq!(found("/no/such/program"), Err(Some(libc::ENOENT)));
        assert_eq!(found("/tmp"), Err(Some(libc::EACCES)));
        assert_eq!(found(""), Err(Some(libc::EACCES)), "a directory of PATH");
    }

    #[test]
    fn commands_go_through_the_shell_only_when_they_must() {
        let list = |command: &str| {
            let words = words(OsStr::new(command));
            words.into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(list(" rotatelogs  /var/log/x 86400 "), ["rotatelogs", "/var/log/x", "86400"]);
        assert_eq!(list("cat > /tmp/x"), ["/bin/sh", "-c", "cat > /tmp/x"]);
        assert_eq!(list("A=1 logger"), ["/bin/sh", "-c", "A=1 logger"]);
        assert_eq!(list("  "), Vec::<String>::new());
    }

    #[test]
    fn a_command_that_dies_at_once_is_started_ever_later() {
        let mut logger = Logger::new(OsStr::new("true"), &[]).unwrap();
        let mut now = Moment::ZERO;
        let mut gaps = Vec::new();
        for _ in 0..12 {
            logger.started = Some(now);
            logger.exited(now, Exit::from_raw(0));
            let next = logger.restart_at().unwrap();
            gaps.push(next.saturating_since(now));
            now = next;
        }
        assert!(gaps.is_sorted() && gaps[0] < gaps[5]);
        assert!(gaps.iter().all(|gap| *gap <= Duration::from_secs(30)));
        logger.started = Some(now);
        now = now.saturating_add(Duration::from_secs(5));
        logger.exited(now, Exit::from_raw(0));
        assert_eq!(logger.restart_at(), Some(now), "one that lived is replaced at once");
    }
}
