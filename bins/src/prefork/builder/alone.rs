//! No pool: this process runs the closure itself, with the same sockets, logs and identity.

use std::os::fd::AsFd;

use reaper::{Moment, Pid};

use crate::birth::Birth;
use crate::daemonize::{Place, background, leave_stdin, tell};
use crate::files::{Failed, PidFile};
use crate::log::{Log, open_log};
use crate::prefork::callbacks::{Callbacks, check};
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
    if config.daemonize {
        check(&mut callbacks.before_daemonize, "before-daemonize")?;
    }
    let mut log = Log::open(config.error_log.as_ref(), &birth.variables)?;
    let access_log = config.access_log.as_deref().map(open_log).transpose()?;
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
    let launcher = match background(config.daemonize) {
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
        return tell(launcher, failed);
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
    if config.daemonize {
        leave_stdin()?;
    }
    if let Some(logger) = log.logger() {
        // Nobody is there to start it again.
        drop(logger.start(Moment::ZERO)?);
    }
    log.install().map_err(|error| Failed::io("failed to dup STDERR to the log", &error))?;
    check(&mut callbacks.after_init, "after-init")?;
    let setup = forker.setup(order).map_err(|text| Failed::new(text, 255))?;
    reaper::settle(&setup)
        .map_err(|error| Failed::new(error.to_string(), u8::try_from(error.errno()).unwrap_or(255)))
}

fn clean_up(sockets: &Sockets, pid_file: Option<PidFile>) {
    sockets.unlink();
    if let Some(pid_file) = pid_file {
        pid_file.remove();
    }
}
