//! A pool of Rust workers, put together: the arguments of Proc::Daemon::Prefork and
//! FCGI::ProcManager under their names, and those of `prefork-run`.

mod alone;
mod settings;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use fdpass::{Inherited, ListenSpec};
use reaper::{Exit, Pid};
use sigpolicy::Signal;

use super::callbacks::{Callbacks, Disconnect};
use super::config::{Config, Orphans, Reload, Size};
use super::host;
use super::worker::{Forker, MainLoop, Own, Worker, open_numbers};
use crate::birth::{Birth, credentials};
use crate::cli::LONGEST;
use crate::files::Failed;
use crate::log::LogTarget;

/// A pool of workers that are copies of this process and run a closure.
///
/// What is loaded before [`run`](Prefork::run) is shared by all of them. Every setting has the
/// default that the option of the same name has in `prefork-run`; [`configure`](Prefork::configure)
/// reaches those that have no method here.
///
/// ```no_run
/// use superdaemon::prefork::Prefork;
/// use std::io::Write;
///
/// let code = Prefork::new(|worker| {
///     while let Some(mut request) = worker.accept()? {
///         let peer = request.stream().peer();
///         request.status(&peer);
///         let _ = request.stream().write_all(b"hello\n");
///     }
///     Ok(())
/// })
/// .listen("127.0.0.1:8080")
/// .spare(2, 5)
/// .max_requests(10_000)
/// .run()?;
/// # Ok::<(), superdaemon::files::Failed>(())
/// ```
///
/// | Proc::Daemon::Prefork | here |
/// | --- | --- |
/// | `name` | [`name`](Prefork::name) |
/// | `require_root`, `daemonize`, `pid_path` | the same; `daemonize` is off by default |
/// | `error_log_path`, `access_log_path` | the same; [`Worker::access_log`] |
/// | `scoreboard_path` | the same, for readers outside; the pool itself has one in any case |
/// | `prefork`, `max_children` | the same; with [`spare`](Prefork::spare) the pool also shrinks |
/// | `auto_reload_check_every`, `auto_reload_handler` | [`auto_reload`](Prefork::auto_reload), [`auto_reload_handler`](Prefork::auto_reload_handler) |
/// | `before_daemonize`, `after_init`, `before_shutdown` | the same |
/// | `on_client_disconnect` | the same; unix clients, too |
/// | `main_loop` | the argument of [`new`](Prefork::new) |
///
/// | FCGI::ProcManager | here |
/// | --- | --- |
/// | `n_processes`, `die_timeout`, `start_delay`, `pid_fname` | [`n_processes`](Prefork::n_processes), [`die_timeout`](Prefork::die_timeout), [`start_delay`](Prefork::start_delay), [`pid_path`](Prefork::pid_path) |
/// | `pm_manage` | [`run`](Prefork::run): the closure is what follows it |
/// | `pm_pre_dispatch`, `pm_post_dispatch` | [`Worker::accept`] does both; [`Worker::waiting`] around an accept of one's own |
/// | `max_requests`, `max_size` | [`max_requests`](Prefork::max_requests), [`max_pss`](Prefork::max_pss) |
#[must_use = "nothing happens before run()"]
pub struct Prefork {
    pub(super) config: Config,
    main_loop: MainLoop,
    callbacks: Callbacks,
    inherited: Option<Inherited>,
    leave_on: Vec<Signal>,
    hold: bool,
    start: Option<u32>,
    most: Option<u32>,
    changes: Vec<Change>,
    problem: Option<String>,
}

type Change = Box<dyn FnOnce(&mut Config)>;

impl fmt::Debug for Prefork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefork").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Prefork {
    /// A pool whose workers run this; a worker ends when it returns. An error is written to the log,
    /// and the exit code is 1.
    pub fn new(
        main_loop: impl FnMut(&mut Worker) -> Result<(), Box<dyn Error>> + 'static,
    ) -> Prefork {
        Prefork {
            config: settings::defaults(),
            main_loop: Box::new(main_loop),
            callbacks: Callbacks::default(),
            inherited: None,
            leave_on: vec![Signal::TERM, Signal::HUP],
            hold: false,
            start: None,
            most: None,
            changes: Vec::new(),
            problem: None,
        }
    }

    /// What messages and the process title call the pool.
    pub fn name(mut self, name: &str) -> Prefork {
        self.config.title = Some(name.to_owned());
        self
    }

    /// Serve this address, in the forms that `--listen` takes: `8080`, `127.0.0.1:80`, `[::1]:80`, a
    /// path. May be called again for more.
    pub fn listen(mut self, address: &str) -> Prefork {
        match address.parse::<ListenSpec>() {
            Ok(spec) => self.config.listeners.push(spec),
            Err(error) => self.problem = Some(error.to_string()),
        }
        self
    }

    /// Take over the sockets of a service manager, or of `start_server`: what
    /// [`Inherited::from_env`] found.
    pub fn inherited(mut self, sockets: Inherited) -> Prefork {
        self.inherited = Some(sockets);
        self
    }

    /// Always so many workers; 3 by default. With 0 there is no pool: this process runs the closure
    /// itself, and leaves on the same signals.
    pub fn prefork(mut self, workers: u32) -> Prefork {
        self.config.pool.size = Size::Fixed(workers);
        self
    }

    /// [`prefork`](Prefork::prefork) under its name in FCGI::ProcManager.
    pub fn n_processes(self, workers: u32) -> Prefork {
        self.prefork(workers)
    }

    /// As many workers as keep at least `min` and at most `max` of them idle.
    pub fn spare(mut self, min: u32, max: u32) -> Prefork {
        self.config.pool.size = Size::Spare { min, max };
        self
    }

    /// No workers before somebody connects; an idle one leaves after this time.
    pub fn on_demand(mut self, idle_timeout: Duration) -> Prefork {
        self.config.pool.size = Size::OnDemand;
        self.config.pool.idle_timeout = idle_timeout;
        self
    }

    /// So many workers at the start, unless they are always the same number.
    pub fn start_workers(mut self, workers: u32) -> Prefork {
        self.start = Some(workers);
        self
    }

    /// Never more workers than that; 150 by default.
    pub fn max_children(mut self, workers: u32) -> Prefork {
        self.most = Some(workers);
        self
    }

    /// A worker leaves after so many requests, or up to `jitter` more, each after another number.
    pub fn max_requests(mut self, requests: u64) -> Prefork {
        self.config.limits.max_requests = Some(requests).filter(|most| *most > 0);
        self
    }

    /// See [`max_requests`](Prefork::max_requests).
    pub fn max_requests_jitter(mut self, requests: u64) -> Prefork {
        self.config.limits.max_requests_jitter = requests;
        self
    }

    /// A worker is replaced at this age.
    pub fn max_lifetime(mut self, age: Duration) -> Prefork {
        self.config.limits.max_lifetime = Some(age);
        self
    }

    /// A worker is replaced when its proportional share of memory is above this (bytes).
    pub fn max_pss(mut self, bytes: u64) -> Prefork {
        self.config.limits.max_pss = Some(bytes);
        self
    }

    /// A worker whose request takes longer gets `request_signal` (TERM), and KILL a while later.
    pub fn request_timeout(mut self, limit: Duration) -> Prefork {
        self.config.limits.request_timeout = Some(limit);
        self
    }

    /// From the stop signal to KILL; 60 seconds by default, zero is no limit.
    pub fn die_timeout(mut self, limit: Duration) -> Prefork {
        self.config.conduct.die_timeout = if limit.is_zero() { LONGEST } else { limit };
        self
    }

    /// Between the first starts.
    pub fn start_delay(mut self, pause: Duration) -> Prefork {
        self.config.conduct.start_delay = pause;
        self
    }

    /// What a reload (HUP) does.
    pub fn reload(mut self, reload: Reload) -> Prefork {
        self.config.conduct.reload = reload;
        self
    }

    /// Workers go on when the manager was killed, instead of leaving.
    pub fn orphans_stay(mut self) -> Prefork {
        self.config.conduct.orphans = Orphans::Stay;
        self
    }

    /// What workers leave on, besides the pool's stop signal; TERM and HUP by default.
    pub fn leave_on(mut self, signals: &[Signal]) -> Prefork {
        self.leave_on = signals.to_vec();
        self
    }

    /// Signals come after the request, and do not even end a sleep or poll in it; see
    /// [`sigpolicy::Window::hold`].
    pub fn hold_signals(mut self) -> Prefork {
        self.hold = true;
        self
    }

    /// Run in the background; [`run`](Prefork::run) returns in the launcher when the first worker is
    /// ready, or none will be.
    pub fn daemonize(mut self) -> Prefork {
        self.config.daemonize = true;
        self
    }

    /// Refuse to start as anybody but root.
    pub fn require_root(mut self) -> Prefork {
        self.config.require_root = true;
        self
    }

    /// Who the workers are: a name or number.
    pub fn user(mut self, user: &str) -> Prefork {
        self.config.user = Some(user.to_owned());
        self
    }

    /// The workers' group.
    pub fn group(mut self, group: &str) -> Prefork {
        self.config.group = Some(group.to_owned());
        self
    }

    /// Where the manager's pid goes; locked, so that there is one manager only.
    pub fn pid_path(mut self, path: &Path) -> Prefork {
        self.config.pid_file = Some(path.to_owned());
        self
    }

    /// Standard output and error of manager and workers are appended to this file.
    pub fn error_log_path(mut self, path: &Path) -> Prefork {
        self.config.error_log = Some(LogTarget::File(path.to_owned()));
        self
    }

    /// A file that workers find open: [`Worker::access_log`].
    pub fn access_log_path(mut self, path: &Path) -> Prefork {
        self.config.access_log = Some(path.to_owned());
        self
    }

    /// The scoreboard is a file here, which others can read.
    pub fn scoreboard_path(mut self, path: &Path) -> Prefork {
        self.config.scoreboard = Some(path.to_owned());
        self
    }

    /// Reload when one of these files, or what is below these directories, changes.
    pub fn auto_reload<P: Into<PathBuf>>(mut self, paths: impl IntoIterator<Item = P>) -> Prefork {
        self.config.auto_reload.paths.extend(paths.into_iter().map(Into::into));
        self
    }

    /// How often they are looked at, where the kernel does not tell.
    pub fn auto_reload_check_every(mut self, pause: Duration) -> Prefork {
        self.config.auto_reload.every = Some(pause);
        self
    }

    /// Runs in the manager instead of the reload. A forked worker has the manager's code: to run a
    /// new program, have a supervisor such as `start_server` start it.
    pub fn auto_reload_handler(mut self, handler: impl FnMut() + 'static) -> Prefork {
        self.callbacks.auto_reload = Some(Box::new(handler));
        self
    }

    /// Runs before the daemon is made; an error ends the start.
    pub fn before_daemonize(
        mut self,
        hook: impl FnMut() -> Result<(), String> + 'static,
    ) -> Prefork {
        self.callbacks.before_daemonize = Some(Box::new(hook));
        self
    }

    /// Runs when all is set up, before the first worker; an error ends the start.
    pub fn after_init(mut self, hook: impl FnMut() -> Result<(), String> + 'static) -> Prefork {
        self.callbacks.after_init = Some(Box::new(hook));
        self
    }

    /// Runs in the manager before each worker; an error counts as a failed start.
    pub fn before_fork(mut self, hook: impl FnMut() -> Result<(), String> + 'static) -> Prefork {
        self.callbacks.before_fork = Some(Box::new(hook));
        self
    }

    /// Runs in the manager after each worker's end.
    pub fn on_reap(mut self, hook: impl FnMut(Pid, Exit) + 'static) -> Prefork {
        self.callbacks.on_reap = Some(Box::new(hook));
        self
    }

    /// Runs in the manager before the workers are stopped for good.
    pub fn before_shutdown(mut self, hook: impl FnMut() + 'static) -> Prefork {
        self.callbacks.before_shutdown = Some(Box::new(hook));
        self
    }

    /// Runs in the manager when a client hangs up while its request is served.
    pub fn on_client_disconnect(mut self, hook: impl FnMut(&Disconnect) + 'static) -> Prefork {
        self.callbacks.on_client_disconnect = Some(Box::new(hook));
        self
    }

    /// Changes any setting, after all others and in the order of the calls. `fcgi`, `hooks`,
    /// `program` and `args` are for programs.
    pub fn configure(mut self, change: impl FnOnce(&mut Config) + 'static) -> Prefork {
        self.changes.push(Box::new(change));
        self
    }

    /// Runs the pool until it is told to stop; the exit code: 0 if all workers left in time, 1 if some
    /// had to be killed or the pool gave up.
    ///
    /// The process must have one thread. It may fork, catches signals, and waits for all its
    /// children.
    ///
    /// # Errors
    /// Settings that do not go together, and whatever keeps the pool from starting; nothing is left
    /// behind then. The code is what the process should exit with.
    pub fn run(mut self) -> Result<u8, Failed> {
        settings::settle(&mut self)?;
        let birth = Birth::observe(self.inherited.take().unwrap_or_else(Inherited::none));
        let own: Own = Rc::new(RefCell::new(open_numbers()));
        let (config, callbacks) = (self.config, settings::tracked(self.callbacks, &own));
        let signals = settings::leaving(&self.leave_on, &config.conduct);
        let forker = Forker {
            main_loop: self.main_loop,
            dir: config.chdir.clone(),
            umask: config.umask,
            credentials: credentials(config.user.as_deref(), config.group.as_deref())?,
            no_new_privs: config.no_new_privs,
            death_signal: match config.conduct.orphans {
                Orphans::Leave => Some(config.conduct.stop_signal),
                Orphans::Stay => None,
            },
            signals,
            hold: self.hold,
            max_requests: config.limits.max_requests,
            jitter: config.limits.max_requests_jitter,
            name: config.title.clone(),
            own,
        };
        if config.pool.size == Size::Fixed(0) {
            return alone::run(config, birth, forker, callbacks);
        }
        host::run(config, birth, Box::new(forker), callbacks)
    }
}
