//! Hot deploy: binds the sockets, runs a program that serves them, and replaces
//! it by a new one on SIGHUP without refusing a connection.
//!
//! What Perl's Server::Starter 0.35 does, letter for letter where scripts and
//! servers depend on it; `docs/differences.md` lists where it is not so.
//!
//! A Rust program can be the server or speak to one:
//!
//! ```no_run
//! use superdaemon::start_server::{args, restart};
//!
//! let words = ["--restart", "--pid-file=/run/app.pid", "--status-file=/run/app.status"];
//! if let args::Command::Restart(options) = args::parse(words.map(Into::into).to_vec(), false)? {
//!     println!("{}", restart(&options)?.text);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod args;
mod capture;
mod client;
pub mod entry;
pub mod environment;
mod host;
pub mod lines;
pub mod machine;
mod status;

use std::ffi::OsString;
use std::time::Duration;

use reaper::{Credentials, EventLoop, Pid};
use sigpolicy::{Signal, SignalSet, Signals};

pub use crate::birth::Birth;
use crate::birth::{catch_signals, credentials};
use crate::daemonize::{Place, background, leave_stdin, tell};
use crate::files::{Failed, PidFile, StatusFile};
use crate::log::Log;
use crate::report::{Outlet, Stream, complain};
use crate::sockets::{Sockets, bind_options};
use args::StartOptions;
use environment::{Environment, OptionVariables};
use host::{Files, Host, Launch, OWN_SIGNALS, State};
use machine::{Machine, Policy};

pub use client::{Restarted, restart, status, stop};
pub use status::{ListenerStatus, Status, WorkerStatus};

/// What the control socket is named after.
const PROGRAM: &str = "start_server";

/// Binds, spawns and serves until the server is told to stop; the exit code.
///
/// The process must have one thread: it may fork, and it waits for all its children.
///
/// # Errors
/// Whatever keeps the server from starting; nothing is left behind then.
pub fn start(options: StartOptions, birth: Birth) -> Result<u8, Failed> {
    let credentials = credentials(options.user.as_deref(), options.group.as_deref())?;
    let path_owner = options.path_owner.as_deref();
    let bind_options = bind_options(options.backlog, options.path_mode, path_owner)?;
    let mut environment = environment(&options, birth.variables.clone(), credentials.as_ref());
    let mut log = Log::open(options.log.as_ref(), &birth.variables)?;
    complain(&[format!("start_server (pid:{}) starting now...", Pid::own())]);
    // Not before the forks of a daemon: a handler belongs to one process.
    let signals = if options.daemonize { None } else { Some(catch_signals(&OWN_SIGNALS)?) };
    let pid_file = options.pid_file.as_deref().map(PidFile::lock).transpose()?;
    let mut files = Files { pid: pid_file, status: None };
    let opened = Sockets::open(&options.listeners, &bind_options, birth.inherited, &birth.passing);
    let (sockets, notes) = opened.inspect_err(|_| files.remove())?;
    complain(&notes);
    let launcher = match background(options.daemonize) {
        Ok(Place::Here(launcher)) => launcher,
        Ok(Place::Launched(code)) => return Ok(code),
        Err(failed) => {
            sockets.unlink();
            files.remove();
            return Err(failed);
        }
    };
    let (settings, warnings) = environment.settings();
    let events = match settle_in(&options, &mut files, &mut log, signals) {
        Ok(events) => events,
        Err(failed) => {
            sockets.unlink();
            files.remove();
            return tell(launcher, failed);
        }
    };
    complain(&warnings);
    let service_manager =
        variable(&birth.variables, "NOTIFY_SOCKET").filter(|socket| !socket.is_empty());
    let watchdog = watchdog(&birth.variables).filter(|_| service_manager.is_some());
    let perls_own = [Signal::HUP, Signal::TERM, Signal::INT, Signal::ALRM, Signal::CHLD];
    let host = Host {
        machine: Machine::new(policy(&options, watchdog), settings.clone()),
        events,
        environment,
        settings,
        sockets,
        launch: Launch {
            program: options.program,
            args: options.args,
            dir: options.dir,
            credentials,
            no_new_privs: options.no_new_privs,
            ignored: perls_own.into_iter().fold(birth.ignored, SignalSet::without),
            mask: birth.mask,
        },
        log,
        files,
        launcher,
        service_manager,
        out: Outlet::new(Stream::Out),
        err: Outlet::new(Stream::Err),
        state: State::default(),
    };
    Ok(host.run())
}

/// What is to be done after the last fork and before the first worker.
fn settle_in(
    options: &StartOptions,
    files: &mut Files,
    log: &mut Log,
    signals: Option<Signals>,
) -> Result<EventLoop, Failed> {
    files.status =
        options.status_file.as_deref().map(|path| StatusFile::new(path, Pid::own())).transpose()?;
    if let Some(pid) = &mut files.pid {
        pid.write(Pid::own())?;
    }
    let signals = signals.map_or_else(|| catch_signals(&OWN_SIGNALS), Ok)?;
    let events = EventLoop::new(signals).map_err(|error| Failed::io("no event loop", &error))?;
    if options.daemonize {
        if let Some(logger) = log.logger() {
            logger.detach();
        }
        leave_stdin()?;
    }
    log.install().map_err(|error| Failed::io("failed to dup STDERR to the log", &error))?;
    Ok(events)
}

fn environment(
    options: &StartOptions,
    mut own: Vec<(OsString, OsString)>,
    credentials: Option<&Credentials>,
) -> Environment {
    let variables = OptionVariables {
        envdir: options.envdir.clone(),
        enable_auto_restart: options.auto_restart,
        auto_restart_interval: options.auto_restart_interval,
        kill_old_delay: options.kill_old_delay,
    };
    // As systemd does for User=: a worker of another user has no use for our home.
    if let (Some(_), Some(credentials)) = (&options.user, credentials) {
        let name = credentials.name().map(OsString::from);
        let home = credentials.home().map(OsString::from);
        own.extend(home.map(|home| ("HOME".into(), home)));
        own.extend(name.clone().map(|name| ("USER".into(), name)));
        own.extend(name.map(|name| ("LOGNAME".into(), name)));
    }
    Environment::new(own, &variables)
}

fn policy(options: &StartOptions, watchdog: Option<Duration>) -> Policy {
    Policy {
        interval: options.interval,
        start_timeout: options.start_timeout,
        signal_on_hup: options.signal_on_hup,
        signal_on_term: options.signal_on_term,
        restart_attempts: options.restart_attempts,
        first_attempts: options.daemonize.then_some(options.restart_attempts.unwrap_or(1)),
        backoff_max: options.backoff_max,
        kill_timeout: options.kill_timeout,
        max_generations: options.max_generations,
        watchdog,
        jitter_seed: fastrand::u32(..),
    }
}

fn variable(variables: &[(OsString, OsString)], name: &str) -> Option<OsString> {
    variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

/// Half of what sd_watchdog_enabled(3) tells, as that page advises.
fn watchdog(variables: &[(OsString, OsString)]) -> Option<Duration> {
    let number = |name| variable(variables, name)?.to_str()?.parse::<u64>().ok();
    let for_us = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    let usec = number("WATCHDOG_USEC").filter(|usec| for_us && *usec > 0)?;
    Some(Duration::from_micros(usec / 2).max(Duration::from_millis(1)))
}
