//! The standard streams of a process: ours and its.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use fdpass::{FdPlan, PlanError};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};

use super::{Input, Output, ProcessError};

/// Where the streams are to lead.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    pub(super) stdin: Input,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
    pub(super) joined: bool,
}

impl Default for Streams {
    fn default() -> Streams {
        let (stdout, stderr) = (Output::Inherit, Output::Inherit);
        Streams { stdin: Input::Null, stdout, stderr, joined: false }
    }
}

/// Our ends of the pipes.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    pub(super) stdin: Option<File>,
    pub(super) stdout: Option<File>,
    pub(super) stderr: Option<File>,
}

/// Its ends; what is not here passes as it is.
#[derive(Debug)]
pub(super) struct Ends {
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    joined: bool,
}

impl Streams {
    pub(super) fn open(&self) -> Result<(Pipes, Ends), ProcessError> {
        let mut pipes = Pipes::default();
        let stdin = match self.stdin {
            Input::Null => Some(file("/dev/null".as_ref(), OpenOptions::new().read(true))?),
            Input::Inherit => None,
            Input::Pipe => {
                let (theirs, ours) = pipe()?;
                pipes.stdin = Some(ours.into());
                Some(theirs)
            }
        };
        let stdout = output(&self.stdout, &mut pipes.stdout)?;
        let stderr = match self.joined {
            true => None,
            false => output(&self.stderr, &mut pipes.stderr)?,
        };
        Ok((pipes, Ends { stdin, stdout, stderr, joined: self.joined }))
    }
}

impl Ends {
    pub(super) fn plan(&self) -> Result<FdPlan<'_>, PlanError> {
        let mut plan = FdPlan::new();
        let stdout = self.stdout.as_ref().map(AsFd::as_fd);
        let stderr = match (self.joined, stdout) {
            (true, None) => Some(rustix::stdio::stdout()),
            (true, stdout) => stdout,
            (false, _) => self.stderr.as_ref().map(AsFd::as_fd),
        };
        for (end, number) in [(self.stdin.as_ref().map(AsFd::as_fd), 0), (stdout, 1), (stderr, 2)] {
            if let Some(end) = end {
                plan.pass(end, number)?;
            }
        }
        Ok(plan)
    }
}

fn output(kind: &Output, ours: &mut Option<File>) -> Result<Option<OwnedFd>, ProcessError> {
    match kind {
        Output::Inherit => Ok(None),
        Output::Null => file("/dev/null".as_ref(), OpenOptions::new().write(true)).map(Some),
        Output::File(path) => file(path, OpenOptions::new().append(true).create(true)).map(Some),
        Output::Pipe => {
            let (reader, theirs) = pipe()?;
            *ours = Some(reader.into());
            Ok(Some(theirs))
        }
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), ProcessError> {
    pipe_with(PipeFlags::CLOEXEC).map_err(|errno| ProcessError::Pipe(errno.into()))
}

fn file(path: &Path, options: &mut OpenOptions) -> Result<OwnedFd, ProcessError> {
    open(path, options).map_err(|error| ProcessError::File(path.to_owned(), error))
}

/// Never waits for the reader of a fifo, and never makes a terminal the owner's.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<OwnedFd> {
    let file = options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    // For the open alone: programs do not reckon with writes that do not wait.
    fcntl_setfl(&file, fcntl_getfl(&file)?.difference(OFlags::NONBLOCK))?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    /// A start is not held up by a fifo without a reader; with one it is written to as any file.
    #[test]
    fn a_fifo_is_not_waited_for() {
        let path = std::env::temp_dir().join(format!("own-process-fifo-{}", std::process::id()));
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let (sender, answer) = mpsc::channel();
        let kind = Output::File(path.clone());
        let (alone, name) = (kind.clone(), path.clone());
        std::thread::spawn(move || sender.send(output(&alone, &mut None).unwrap_err().to_string()));
        let refused = answer.recv_timeout(Duration::from_secs(30)).expect("it waits");
        let reason = "No such device or address (os error 6)";
        assert_eq!(refused, format!("cannot open {} for the output: {reason}", name.display()));
        let _reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path);
        let ours = output(&kind, &mut None).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        let flags = fcntl_getfl(&ours).unwrap();
        assert!(flags.contains(OFlags::APPEND) && !flags.contains(OFlags::NONBLOCK), "{flags:?}");
    }
}
