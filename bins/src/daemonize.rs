//! Becoming a daemon whose launcher waits for the outcome.
//!
//! fork, setsid, fork, as Server::Starter does; unlike it the launcher does not
//! leave before the daemon has told it how the start went.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::files::Failed;
use crate::report::complain;

/// What the launcher leaves with when the daemon is gone without a word.
const SILENT: u8 = 255;

/// What a report ends with.
const END: u8 = 0;

/// In which process [`daemonize`] returned.
#[derive(Debug)]
enum Role {
    /// The launcher, after the daemon has reported or died: exit code and text for standard error.
    Launcher(u8, String),
    /// The daemon.
    Daemon(Launcher),
}

/// The daemon's line to its launcher; dropped without a report it means failure.
#[derive(Debug)]
pub struct Launcher(OwnedFd);

impl Launcher {
    /// Tells the launcher its exit code and what to print, and lets it go.
    pub fn report(self, code: u8, text: &str) {
        let mut message = vec![code];
        message.extend(text.bytes().filter(|byte| *byte != END));
        message.push(END);
        let mut rest = message.as_slice();
        // SIGPIPE is ignored by then; a launcher that was killed is no reason to stop.
        while let Ok(count @ 1..) = rustix::io::write(&self.0, rest) {
            rest = rest.get(count..).unwrap_or_default();
        }
    }
}

/// Forks the daemon; both sides return, see [`Role`].
///
/// The process must have one thread and must not have created an event loop
/// yet (an epoll descriptor is shared by both sides of a fork).
///
/// # Errors
/// When the pipe or the first fork fails; nothing has changed then.
fn daemonize() -> io::Result<Role> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    // SAFETY: the caller keeps the process single-threaded, so the child may go on as usual.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(read);
            let launcher = Launcher(write);
            if let Err(error) = rustix::process::setsid() {
                launcher.report(SILENT, &format!("setsid failed: {error}\n"));
                leave();
            }
            // SAFETY: as above. The middle process only makes room: the daemon leads no session.
            match unsafe { libc::fork() } {
                -1 => {
                    let error = io::Error::last_os_error();
                    launcher.report(SILENT, &format!("fork failed: {error}\n"));
                    leave()
                }
                0 => Ok(Role::Daemon(launcher)),
                _ => leave(),
            }
        }
        middle => {
            drop(write);
            let mut status = 0;
            // SAFETY: `middle` is our own child, not reaped by anybody else.
            unsafe { libc::waitpid(middle, &raw mut status, 0) };
            let (code, text) = listen(&read);
            Ok(Role::Launcher(code, text))
        }
    }
}

/// In which process [`background`] returned.
#[derive(Debug)]
pub enum Place {
    /// The server, with a launcher if it is a daemon now.
    Here(Option<Launcher>),
    /// The launcher: it has said what there is to say, and leaves with this code.
    Launched(u8),
}

/// Becomes a daemon if that is wanted, with what [`daemonize`] asks for.
///
/// # Errors
/// When the first fork fails; nothing has changed then.
pub fn background(wanted: bool) -> Result<Place, Failed> {
    if !wanted {
        return Ok(Place::Here(None));
    }
    match daemonize() {
        Ok(Role::Daemon(launcher)) => Ok(Place::Here(Some(launcher))),
        Ok(Role::Launcher(code, text)) => {
            complain(&text.lines().map(str::to_owned).collect::<Vec<_>>());
            Ok(Place::Launched(code))
        }
        Err(error) => Err(Failed::io("fork failed", &error)),
    }
}

/// A failed start: the launcher tells it, where there is one.
///
/// # Errors
/// The same failure, where there is none.
pub fn tell(launcher: Option<Launcher>, failed: Failed) -> Result<u8, Failed> {
    match launcher {
        None => Err(failed),
        Some(launcher) => {
            let code = failed.code();
            launcher.report(code, &format!("{failed}\n"));
            Ok(code)
        }
    }
}

/// Makes /dev/null standard input, as a daemon has it.
///
/// # Errors
/// When it cannot be opened.
pub fn leave_stdin() -> Result<(), Failed> {
    let fail = |error| Failed::io("reopen failed", &error);
    let null = File::open("/dev/null").map_err(fail)?;
    rustix::stdio::dup2_stdin(null).map_err(|error| fail(error.into()))
}

/// Ends the middle process without running anything of ours.
fn leave() -> ! {
    // SAFETY: _exit(2) has no preconditions.
    unsafe { libc::_exit(0) }
}

fn listen(read: &OwnedFd) -> (u8, String) {
    let mut message = Vec::new();
    let mut buffer = [0_u8; 4096];
    loop {
        match rustix::io::read(read, &mut buffer) {
            Ok(0) => break,
            Ok(count) => message.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(Errno::INTR) => {}
            Err(_) => break,
        }
        // Whoever else has the pipe open, by mistake, is not waited for. The code comes first.
        if message.iter().skip(1).any(|byte| *byte == END) {
            message.pop();
            break;
        }
    }
    match message.split_first() {
        Some((code, text)) => (*code, String::from_utf8_lossy(text).into_owned()),
        None => (SILENT, "the daemon died before it was ready\n".to_owned()),
    }
}
