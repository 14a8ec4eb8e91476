//! No pool: this process runs the closure itself, with the same sockets, logs and identity.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use reaper::{Moment, Pid};

use crate::birth::Birth;
use crate::daemonize::{Launcher, Role, daemonize};
use crate::files::{Failed, PidFile};
use crate::log::{self, Log};
use crate::prefork::callbacks::Callbacks;
use crate::prefork::config::Config;
use crate::prefork::maker::Order;
use crate::prefork::worker::{Forker, Terms, work};
use crate::report::complain;
use crate::sockets::{Sockets, bind_options};

/// Runs the closure until it is told to stop; its exit code.
pub(super) fn run(
    config: Config,
    birth: Birth,
    mut forker: Forker,
    mut callbacks: Callbacks,
) -> Result<u8, Failed> {
    if config.require_root && !rustix::process::geteuid().is_root() {
        return Err(Failed::new("only root may start this worker", 255));
    }
    let bind = bind_options(config.backlog, config.path_mode, config.path_owner.as_deref())?;
    if let (true, Some(callback)) = (config.daemonize, &mut callbacks.before_daemonize) {
        callback().map_err(|why| Failed::new(format!("before-daemonize failed: {why}"), 255))?;
    }
    let mut log = Log::open(config.error_log.as_ref(), &birth.variables)?;
    let access_log = config.access_log.as_deref().map(open_access_log).transpose()?;
    let mut pid_file = config.pid_file.as_deref().map(PidFile::lock).transpose()?;
    let Birth { inherited, passing, ignored, mask, .. } = birth;
    let opened = Sockets::open(&config.listeners, &bind, inherited, &passing);
    let (sockets, notes) = match opened {
        Ok(opened) => opened,
        Err(failed) => {
            pid_file.into_iter().for_each(PidFile::remove);
            return Err(failed);
        }
    };
    complain(&notes);
    let launcher = match go_to_the_background(&config) {
        Ok(Place::Here(launcher)) => launcher,
        Ok(Place::Launched(code)) => return Ok(code),
        Err(failed) => {
            clean_up(&sockets, pid_file);
            return Err(failed);
        }
    };
    let order = Order {
        id: 1,
        slot: 0,
        generation: 1,
        sockets: &sockets,
        notify: None,
        board: None,
        life: None,
        access_log: access_log.as_ref().map(AsFd::as_fd),
        ignored,
        mask,
        open_files: None,
    };
    let settled = settle(&config, &forker, &order, &mut log, pid_file.as_mut(), &mut callbacks);
    if let Err(failed) = settled {
        clean_up(&sockets, pid_file);
        return match launcher {
            None => Err(failed),
            Some(launcher) => {
                launcher.report(failed.code(), &format!("{failed}\n"));
                Ok(failed.code())
            }
        };
    }
    if let Some(launcher) = launcher {
        launcher.report(0, "");
    }
    let terms = Terms {
        order: &order,
        signals: &forker.signals,
        hold: forker.hold,
        max_requests: forker.max_requests(),
        watches_parent: false,
    };
    let code = work(&terms, &mut forker.main_loop);
    if let Some(callback) = &mut callbacks.before_shutdown {
        callback();
    }
    clean_up(&sockets, pid_file);
    Ok(code)
}

fn settle(
    config: &Config,
    forker: &Forker,
    order: &Order<'_>,
    log: &mut Log,
    pid_file: Option<&mut PidFile>,
    callbacks: &mut Callbacks,
) -> Result<(), Failed> {
    if let Some(pid_file) = pid_file {
        pid_file.write(Pid::own())?;
    }
    let reopen = |error| Failed::io("reopen failed", &error);
    if config.daemonize {
        let null = File::open("/dev/null").map_err(reopen)?;
        rustix::stdio::dup2_stdin(null).map_err(|error| reopen(error.into()))?;
    }
    if let Some(logger) = log.logger() {
        // Nobody is there to start it again.
        drop(logger.start(Moment::ZERO)?);
    }
    log.install().map_err(|error| Failed::io("failed to dup STDERR to the log", &error))?;
    if let Some(callback) = &mut callbacks.after_init {
        callback().map_err(|why| Failed::new(format!("after-init failed: {why}"), 255))?;
    }
    let setup = forker.setup(order).map_err(|text| Failed::new(text, 255))?;
    reaper::settle(&setup)
        .map_err(|error| Failed::new(error.to_string(), u8::try_from(error.errno()).unwrap_or(255)))
}

enum Place {
    Here(Option<Launcher>),
    Launched(u8),
}

fn go_to_the_background(config: &Config) -> Result<Place, Failed> {
    if !config.daemonize {
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

fn open_access_log(path: &Path) -> Result<File, Failed> {
    log::append(path)
        .map_err(|error| Failed::io(format_args!("failed to open {}", path.display()), &error))
}

fn clean_up(sockets: &Sockets, pid_file: Option<PidFile>) {
    sockets.unlink();
    if let Some(pid_file) = pid_file {
        pid_file.remove();
    }
}
