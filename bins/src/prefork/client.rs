//! `prefork-run status` and the commands: talking to a pool that runs.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use fdpass::peer::peer;
use reaper::Pid;
use rustix::process::{PidfdFlags, pidfd_open};
use scoreboard::Reader;

use super::PROGRAM;
use super::args::ASK_TIMEOUT;
use super::status::Status;
use crate::control::{answers_us, ask, dial, dial_path, readable};
use crate::files::Failed;
use crate::locate::Server;

pub use super::args::Where;

/// A manager that listens.
struct Line {
    fd: OwnedFd,
    /// `None` when it is in another pid namespace.
    pidfd: Option<OwnedFd>,
}

/// Connects to a manager; `task` is what is to be done with it, for the error.
fn connect(place: &Where, task: &str) -> Result<Line, Failed> {
    let (fd, pidfd, name) = if let Some(path) = &place.control {
        let fd = dial_path(path).map_err(|error| {
            Failed::io(format_args!("failed to connect to {}", path.display()), &error)
        })?;
        let manager = peer(&fd).ok().and_then(|peer| rustix::process::Pid::from_raw(peer.pid));
        let pidfd = manager.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        (fd, pidfd, format!("at {}", path.display()))
    } else if let Some(path) = &place.pid_file {
        let server = Server::find(path, task)?;
        let fd = dial(PROGRAM, server.pid).ok_or_else(|| no_line(server.pid))?;
        (fd, Some(server.pidfd), server.pid.to_string())
    } else {
        let text = format!("to {task} a manager, its control socket or pid file must be named");
        return Err(Failed::new(text, 2));
    };
    if !answers_us(&fd) {
        let text = format!("the manager {name} answers only its own user and root");
        return Err(Failed::new(text, 1));
    }
    Ok(Line { fd, pidfd })
}

fn no_line(pid: Pid) -> Failed {
    let text = format!(
        "the process {pid} listens to no commands here: it is no {PROGRAM}, \
         or in another network namespace, where only its --control socket is of use"
    );
    Failed::new(text, 1)
}

/// Asks a pool for its state, or reads it from its scoreboard.
///
/// # Errors
/// When neither manager nor scoreboard is there.
pub fn status(place: &Where) -> Result<Status, Failed> {
    status_within(place, Some(ASK_TIMEOUT))
}

fn status_within(place: &Where, timeout: Option<Duration>) -> Result<Status, Failed> {
    let managed = place.control.is_some() || place.pid_file.is_some();
    let mut status = match (&place.scoreboard, managed) {
        (Some(_), false) => of_board(place)?,
        (Some(_), true) => match of_manager(place, timeout) {
            Ok(status) => status,
            Err(failed) => of_board(place).map_err(|_| failed)?,
        },
        (None, _) => of_manager(place, timeout)?,
    };
    status.measure();
    Ok(status)
}

fn of_manager(place: &Where, timeout: Option<Duration>) -> Result<Status, Failed> {
    let line = connect(place, "ask")?;
    let answer = ask(&line.fd, "status", timeout).map_err(silent)?;
    let answer = answer.ok_or_else(|| {
        let secs = timeout.unwrap_or_default().as_secs_f64();
        Failed::new(format!("the manager does not answer within {secs} seconds"), 1)
    })?;
    Status::decode(&answer).ok_or_else(|| Failed::new("the manager went away", 1))
}

fn of_board(place: &Where) -> Result<Status, Failed> {
    let path = place.scoreboard.as_deref().unwrap_or_else(|| "".as_ref());
    let reader = Reader::open(path).map_err(|error| {
        Failed::new(format!("failed to read the scoreboard {}: {error}", path.display()), 1)
    })?;
    Ok(Status::of_board(&reader))
}

fn silent(error: std::io::Error) -> Failed {
    Failed::new(format!("the manager does not answer: {error}"), 1)
}

/// Has a manager do something and waits until it is done: `reload`, `stop`, `add N`, `remove N`,
/// `signal SIG`. `stop` is done when the manager has gone. The text says what came of it.
///
/// # Errors
/// When no manager is there, it refuses or fails, or the time is over.
pub fn command(place: &Where, request: &str, timeout: Option<Duration>) -> Result<String, Failed> {
    let begun = Instant::now();
    let line = connect(place, request.split(' ').next().unwrap_or_default())?;
    let late = || {
        let secs = timeout.unwrap_or_default().as_secs_f64();
        Failed::new(format!("{request}: not done within {secs} seconds; it goes on"), 1)
    };
    let answer = ask(&line.fd, request, timeout).map_err(silent)?.ok_or_else(late)?;
    let text = match answer.split_once('\n') {
        Some(("done", text)) => text.trim_end().to_owned(),
        Some(("failed", text)) => return Err(Failed::new(text.trim_end(), 1)),
        _ => {
            let text = format!("{request}: the manager went away before it was done");
            return Err(Failed::new(text, 1));
        }
    };
    let Some(pidfd) = line.pidfd.filter(|_| request == "stop") else { return Ok(text) };
    loop {
        let left = timeout.map(|limit| limit.saturating_sub(begun.elapsed()));
        let seen = readable(&[pidfd.as_fd()], left)
            .map_err(|error| Failed::io("failed to wait for the manager", &error))?;
        if !seen {
            return Err(late());
        }
        if readable(&[pidfd.as_fd()], Some(Duration::ZERO)).unwrap_or(true) {
            return Ok("stopped".to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
