//! The standard streams of a process: ours and its.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use fdpass::{FdPlan, PlanError};
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

fn file(path: &Path, options: &OpenOptions) -> Result<OwnedFd, ProcessError> {
    match options.open(path) {
        Ok(file) => Ok(file.into()),
        Err(error) => Err(ProcessError::File(path.to_owned(), error)),
    }
}
