//! From the settings to a running pool.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use reaper::{Credentials, EventLoop, Limit, Pid, orphans};
use rustix::pipe::{PipeFlags, pipe_with};
use scoreboard::{Board, Reader, Shape};
use sigpolicy::{Policy as SignalPolicy, Signal, SignalSet, Signals};

use super::{Host, State};
use crate::birth::{Birth, catch_signals, credentials};
use crate::control::PathSocket;
use crate::daemonize::{Launcher, Place, background, leave_stdin, tell};
use crate::files::{Failed, PidFile};
use crate::log::{Log, open_log};
use crate::prefork::callbacks::{Callbacks, check};
use crate::prefork::config::{Config, Size};
use crate::prefork::hooks::{Facts, run_and_wait};
use crate::prefork::machine::{Machine, Policy};
use crate::prefork::maker::Maker;
use crate::prefork::observe::Observer;
use crate::prefork::title;
use crate::report::{Outlet, Stream, complain};
use crate::sockets::{Sockets, bind_options};

/// The signals that the manager takes for itself; a worker gets their defaults.
const OWN_SIGNALS: [Signal; 8] = [
    Signal::HUP,
    Signal::TERM,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::TTIN,
    Signal::TTOU,
];
/// Bytes of text for each worker on the board.
const TEXT: u32 = 440;

/// Runs a pool until it is told to stop; the exit code.
///
/// The process must have one thread: it may fork, and it waits for all its children.
///
/// # Errors
/// Whatever keeps the pool from starting; nothing is left behind then.
pub(crate) fn run(
    config: Config,
    birth: Birth,
    maker: Box<dyn Maker>,
    mut callbacks: Callbacks,
) -> Result<u8, Failed> {
    if config.require_root && !rustix::process::geteuid().is_root() {
        return Err(Failed::new("--require-root: only root may start this pool", 255));
    }
    let credentials = credentials(config.user.as_deref(), config.group.as_deref())?;
    let bind = bind_options(config.backlog, config.path_mode, config.path_owner.as_deref())?;
    if config.daemonize {
        check(&mut callbacks.before_daemonize, "before-daemonize")?;
        if let Some(command) = &config.hooks.before_daemonize {
            let facts = Facts::of("before-daemonize").into_vec();
            run_and_wait("before-daemonize", command, facts, &birth.variables, None)?;
        }
    }
    let log = Log::open(config.error_log.as_ref(), &birth.variables)?;
    let access_log = config.access_log.as_deref().map(open_log).transpose()?;
    // Not before the forks of a daemon: a handler belongs to one process.
    let signals = if config.daemonize { None } else { Some(catch(&config)?) };
    let pid_file = config.pid_file.as_deref().map(PidFile::lock).transpose()?;
    let Birth { inherited, passing, ignored, mask, variables } = birth;
    let opened = Sockets::open(&config.listeners, &bind, inherited, &passing);
    let (sockets, notes) = match opened {
        Ok(opened) => opened,
        Err(failed) => return Err(undo(None, pid_file, failed)),
    };
    let needs = match config.pool.size {
        Size::OnDemand => Some("--on-demand"),
        _ if config.fcgi => Some("--fcgi"),
        Size::Fixed(_) | Size::Spare { .. } => None,
    };
    if let Some(option) = needs.filter(|_| sockets.listeners().next().is_none()) {
        let text = format!("{option} needs a listener: give --listen or --path");
        return Err(undo(Some(&sockets), pid_file, Failed::new(text, 255)));
    }
    complain(&notes);
    let launcher = match background(config.daemonize) {
        Ok(Place::Here(launcher)) => launcher,
        Ok(Place::Launched(code)) => return Ok(code),
        Err(failed) => return Err(undo(Some(&sockets), pid_file, failed)),
    };
    let service_manager = variables
        .iter()
        .find(|(name, value)| name == "NOTIFY_SOCKET" && !value.is_empty())
        .map(|(_, value)| value.clone());
    // Ignored by Rust programs from their start on; servers in other languages count on the signal.
    let ignored = OWN_SIGNALS.into_iter().fold(ignored, SignalSet::without).without(Signal::PIPE);
    let base = Base {
        config,
        log,
        pid_file,
        sockets,
        access_log,
        maker,
        service_manager,
        variables,
        ignored,
        mask,
    };
    base.settle(callbacks, credentials, signals, launcher)
}

/// What only the daemon can have.
type Prepared = (EventLoop, Option<(Board, Reader)>, Option<PathSocket>);

/// What exists before the daemon does.
struct Base {
    config: Config,
    log: Log,
    pid_file: Option<PidFile>,
    sockets: Sockets,
    access_log: Option<File>,
    maker: Box<dyn Maker>,
    service_manager: Option<OsString>,
    variables: Vec<(OsString, OsString)>,
    ignored: SignalSet,
    mask: SignalSet,
}

impl Base {
    /// What is to be done after the last fork and before the first worker.
    fn settle(
        mut self,
        mut callbacks: Callbacks,
        credentials: Option<Credentials>,
        signals: Option<Signals>,
        launcher: Option<Launcher>,
    ) -> Result<u8, Failed> {
        let prepared = self.prepare(credentials.as_ref(), signals, &mut callbacks);
        let (events, board, control) = match prepared {
            Ok(prepared) => prepared,
            Err(failed) => {
                let failed = undo(Some(&self.sockets), self.pid_file.take(), failed);
                return tell(launcher, failed);
            }
        };
        let policy = Policy {
            pool: self.config.pool.clone(),
            limits: self.config.limits.clone(),
            conduct: self.config.conduct.clone(),
            launcher: launcher.is_some(),
            before_shutdown: self.config.hooks.before_shutdown.is_some()
                || callbacks.before_shutdown.is_some(),
            jitter_seed: fastrand::u32(..),
        };
        let observer = Observer::new(&self.sockets);
        let host = Host {
            events,
            machine: Machine::new(policy),
            maker: self.maker,
            callbacks,
            board,
            observer,
            log: self.log,
            err: Outlet::new(Stream::Err),
            pid_file: self.pid_file,
            access_log: self.access_log,
            launcher,
            service_manager: self.service_manager,
            ignored: self.ignored,
            mask: self.mask,
            open_files: Limit::raise_open_files().ok(),
            variables: self.variables,
            worker_uid: credentials.as_ref().map(Credentials::uid),
            control_path: control,
            life: life(),
            sockets: self.sockets,
            config: self.config,
            state: State::default(),
        };
        Ok(host.serve())
    }

    fn prepare(
        &mut self,
        credentials: Option<&Credentials>,
        signals: Option<Signals>,
        callbacks: &mut Callbacks,
    ) -> Result<Prepared, Failed> {
        if let Some(pid) = &mut self.pid_file {
            pid.write(Pid::own())?;
        }
        let signals = signals.map_or_else(|| catch(&self.config), Ok)?;
        if self.config.daemonize {
            if let Some(logger) = self.log.logger() {
                logger.detach();
            }
            leave_stdin()?;
        }
        self.log
            .install()
            .map_err(|error| Failed::io("failed to dup STDERR to the log", &error))?;
        if let Some(name) = &self.config.title {
            title::set(&title::parent(name));
        }
        if let Err(error) = orphans::become_subreaper() {
            complain(&[format!("orphans of workers will not be seen: {error}")]);
        }
        let board = self.board(credentials)?;
        let control = self.config.control.as_deref().map(PathSocket::open).transpose()?;
        let done = self.after_init(callbacks).and_then(|()| {
            EventLoop::new(signals).map_err(|error| Failed::io("no event loop", &error))
        });
        match (done, control) {
            (Ok(events), control) => Ok((events, board, control)),
            (Err(failed), control) => {
                if let Some(control) = control {
                    control.remove();
                }
                Err(failed)
            }
        }
    }

    fn after_init(&self, callbacks: &mut Callbacks) -> Result<(), Failed> {
        check(&mut callbacks.after_init, "after-init")?;
        let Some(command) = &self.config.hooks.after_init else { return Ok(()) };
        // The loop hears of them, too, when there is one.
        let stop = SignalPolicy::new()
            .catch(&[Signal::TERM, Signal::INT, Signal::QUIT])
            .interrupt_syscalls(true)
            .install()
            .map_err(|error| Failed::new(error.to_string(), 255))?;
        let facts = Facts::of("after-init").into_vec();
        run_and_wait("after-init", command, facts, &self.variables, Some(stop.as_fd()))
    }

    /// A board at a path is what the user asked for; without one in memory the pool can do.
    fn board(&self, credentials: Option<&Credentials>) -> Result<Option<(Board, Reader)>, Failed> {
        let slots = slots(&self.config);
        let shape = Shape::new(slots).text_capacity(TEXT);
        let created = match &self.config.scoreboard {
            Some(path) => {
                let failed = |error| {
                    let path = path.display();
                    Failed::new(format!("--scoreboard={path}: {error}"), 255)
                };
                Board::create_file(path, shape).map_err(failed)?
            }
            None => {
                let created = if self.config.separate_slots {
                    Board::create_separate(shape)
                } else {
                    Board::create(shape)
                };
                match created {
                    Ok(board) => board,
                    Err(error) => {
                        complain(&[format!("no scoreboard: {error}")]);
                        return Ok(None);
                    }
                }
            }
        };
        if let Some(credentials) = credentials {
            let all = if self.config.separate_slots { 0..slots } else { 0..1 };
            for slot in all {
                if let Err(error) = created.set_owner(slot, credentials.uid(), credentials.gid()) {
                    complain(&[format!("workers may not be able to open the scoreboard: {error}")]);
                    break;
                }
            }
        }
        let reader = created.reader();
        Ok(Some((created, reader)))
    }
}

/// One for each worker of a full pool, and for those that drain meanwhile.
pub(super) fn slots(config: &Config) -> u32 {
    let fixed = if let Size::Fixed(count) = config.pool.size { count } else { 0 };
    config.pool.max_workers.max(fixed).saturating_add(config.conduct.max_extra).max(1)
}

/// Signals with a `--trap` reach the machine, too.
fn catch(config: &Config) -> Result<Signals, Failed> {
    let mut own = OWN_SIGNALS.to_vec();
    own.extend(config.conduct.traps.iter().map(|trap| trap.received));
    own.sort_unstable();
    own.dedup();
    catch_signals(&own)
}

fn life() -> Option<(OwnedFd, OwnedFd)> {
    match pipe_with(PipeFlags::CLOEXEC) {
        Ok(pipe) => Some(pipe),
        Err(error) => {
            complain(&[format!("workers get no LIFE_FD: {error}")]);
            None
        }
    }
}

fn undo(sockets: Option<&Sockets>, pid_file: Option<PidFile>, failed: Failed) -> Failed {
    if let Some(sockets) = sockets {
        sockets.unlink();
    }
    if let Some(pid_file) = pid_file {
        pid_file.remove();
    }
    failed
}
