//! `--restart`, `--stop` and `--status`: talking to a server that runs.
//!
//! A server of ours answers on its control socket. Perl's Server::Starter is
//! served too: HUP, and a watch on the status file instead of a question.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use reaper::Pid;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use rustix::process::Signal as RawSignal;

use super::PROGRAM;
use super::args::{RestartOptions, StatusOptions, StopOptions};
use super::lines::Seconds;
use super::status::{Status, WorkerStatus};
use crate::control::{answers_us, ask, dial, readable};
use crate::files::{Failed, parse_status};
use crate::locate::Server;

/// What a restart led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restarted {
    /// One line on the new generation.
    pub text: String,
}

/// Sends TERM to the holder of the pid file and waits until it has gone, without limit.
///
/// `announce` is called with its pid just before the signal.
///
/// # Errors
/// When nobody holds the file, or the signal is not permitted.
pub fn stop(options: &StopOptions, announce: impl FnOnce(Pid)) -> Result<(), Failed> {
    let server = Server::find(&options.pid_file, "send SIGTERM to")?;
    announce(server.pid);
    server.signal(RawSignal::TERM, "TERM")?;
    while !server.gone() {
        readable(&[server.pidfd.as_fd()], None)
            .map_err(|error| Failed::io("failed to wait for the server", &error))?;
    }
    Ok(())
}

/// Restarts the workers and waits for the outcome: the new generation alone is left.
///
/// # Errors
/// When the new generation fails, the time is over, or no server is there; the
/// text tells why, with the failed worker's last lines.
pub fn restart(options: &RestartOptions) -> Result<Restarted, Failed> {
    let server = Server::find(&options.pid_file, "send SIGHUP to")?;
    let Some(line) = dial(PROGRAM, server.pid) else {
        return restart_by_signal(&server, options);
    };
    if !answers_us(&line) {
        let text = format!("restarting the server {} is not permitted to this user", server.pid);
        return Err(Failed::new(text, 1));
    }
    let answer = ask(&line, "restart", options.timeout)
        .map_err(|error| Failed::new(format!("the server does not answer: {error}"), 1))?;
    let Some(answer) = answer else { return Err(timed_out(options)) };
    match answer.split_once('\n') {
        Some(("done", text)) => Ok(Restarted { text: text.trim_end().to_owned() }),
        Some(("failed", text)) => Err(Failed::new(text.trim_end(), 1)),
        _ => Err(Failed::new("the server went away before the restart was complete", 1)),
    }
}

fn timed_out(options: &RestartOptions) -> Failed {
    let limit = Seconds(options.timeout.unwrap_or_default());
    let generations = read_generations(&options.status_file).unwrap_or_default();
    let list: Vec<String> = generations.iter().map(|(g, pid)| format!("{g}:{pid}")).collect();
    let text = format!(
        "the restart was not complete within {limit} secs; the status file lists: {}",
        if list.is_empty() { "none".to_owned() } else { list.join(" ") }
    );
    Failed::new(text, 1)
}

fn read_generations(path: &Path) -> Result<Vec<(u64, Pid)>, Failed> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failed::io(format_args!("failed to open file:{}", path.display()), &error)
    })?;
    let mut generations = parse_status(&text);
    generations.sort_unstable();
    Ok(generations)
}

/// The way that works with every Server::Starter: HUP, then wait for a status file that holds one
/// newer generation and nothing else.
fn restart_by_signal(server: &Server, options: &RestartOptions) -> Result<Restarted, Failed> {
    let newest = |generations: &[(u64, Pid)]| generations.last().map(|entry| entry.0);
    let before = read_generations(&options.status_file)?;
    let Some(former) = newest(&before) else {
        return Err(Failed::new("no active process found in the status file", 255));
    };
    let fail = |errno: Errno| Failed::io("cannot watch the status file", &errno.into());
    let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(fail)?;
    let dir = options.status_file.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = dir.unwrap_or(Path::new("."));
    let events = WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE | WatchFlags::DELETE;
    inotify::add_watch(&watch, dir, events).map_err(fail)?;
    server.signal(RawSignal::HUP, "HUP")?;
    let begun = Instant::now();
    loop {
        let generations = read_generations(&options.status_file)?;
        if let [(generation, pid)] = generations.as_slice() {
            if *generation > former {
                let text = format!("generation {generation} serves with worker {pid}");
                return Ok(Restarted { text });
            }
        }
        if server.gone() {
            return Err(Failed::new("the server went away before the restart was complete", 1));
        }
        let left = options.timeout.map(|limit| limit.saturating_sub(begun.elapsed()));
        let seen = readable(&[watch.as_fd(), server.pidfd.as_fd()], left)
            .map_err(|error| Failed::io("cannot watch the status file", &error))?;
        if !seen {
            return Err(timed_out(options));
        }
        let mut events = [0_u8; 4096];
        while rustix::io::read(&watch, &mut events).is_ok_and(|count| count > 0) {}
    }
}

/// Asks for the state; of a server without a control socket what its files tell.
///
/// # Errors
/// When no server is there.
pub fn status(options: &StatusOptions) -> Result<Status, Failed> {
    let by_file = options.pid_file.as_deref().map(|path| Server::find(path, "ask")).transpose()?;
    let mut workers = Vec::new();
    if let Some(path) = &options.status_file {
        match read_generations(path) {
            Ok(generations) => workers = generations,
            // The pid file alone is enough: the status file is absent until a worker is proven.
            Err(_) if by_file.is_some() => {}
            Err(failed) => return Err(failed),
        }
    }
    let pid = by_file.map(|server| server.pid);
    let pid = pid.or_else(|| workers.iter().find_map(|(_, pid)| parent(*pid)));
    if let Some(line) = pid.and_then(|pid| dial(PROGRAM, pid)).filter(answers_us) {
        let answer = ask(&line, "status", Some(Duration::from_secs(10)))
            .map_err(|error| Failed::new(format!("the server does not answer: {error}"), 1))?;
        if let Some(status) = answer.and_then(|text| Status::decode(&text)) {
            return Ok(status);
        }
    }
    let worker = |(generation, pid): &(u64, Pid)| WorkerStatus {
        generation: *generation,
        pid: pid.as_raw(),
        ..WorkerStatus::default()
    };
    Ok(Status {
        pid: pid.map(Pid::as_raw),
        generation: workers.last().map_or(0, |entry| entry.0),
        workers: workers.iter().map(worker).collect(),
        ..Status::default()
    })
}

/// The parent of a worker: the server.
fn parent(worker: Pid) -> Option<Pid> {
    let text = fs::read_to_string(format!("/proc/{worker}/status")).ok()?;
    let parent = text.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    Pid::from_raw(parent.trim().parse().ok()?)
}
