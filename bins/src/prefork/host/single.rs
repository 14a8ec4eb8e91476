//! `--workers=0`: no pool. The worker takes the manager's place, with the same
//! sockets, environment and identity, and gets the signals itself. What needs a
//! manager (pid file, control socket, scoreboard) the command line refuses.

use std::os::fd::AsFd;

use sigpolicy::Signal;

use crate::birth::Birth;
use crate::files::Failed;
use crate::log::{Log, open_log};
use crate::prefork::config::Config;
use crate::prefork::hooks::{Facts, run_and_wait};
use crate::prefork::maker::Order;
use crate::prefork::program::Program;
use crate::report::complain;
use crate::sockets::{Sockets, bind_options};

/// Becomes the worker.
///
/// # Errors
/// Whatever keeps it from starting; nothing is left behind then.
pub(crate) fn run_single(config: Config, birth: Birth, program: Program) -> Result<u8, Failed> {
    if config.require_root && !rustix::process::geteuid().is_root() {
        return Err(Failed::new("--require-root: only root may start this worker", 255));
    }
    let bind = bind_options(config.backlog, config.path_mode, config.path_owner.as_deref())?;
    let log = Log::open(config.error_log.as_ref(), &birth.variables)?;
    let access_log = config.access_log.as_deref().map(open_log).transpose()?;
    let Birth { inherited, passing, ignored, mask, variables } = birth;
    let (sockets, notes) = Sockets::open(&config.listeners, &bind, inherited, &passing)?;
    complain(&notes);
    let order = Order {
        id: 1,
        slot: 0,
        generation: 1,
        sockets: &sockets,
        // A service manager that waits for readiness waits for the worker's word.
        notify: None,
        board: None,
        life: None,
        access_log: access_log.as_ref().map(AsFd::as_fd),
        ignored: ignored.without(Signal::PIPE),
        mask,
        open_files: None,
    };
    let become_worker = || -> Result<u8, Failed> {
        log.install().map_err(|error| Failed::io("failed to dup STDERR to the log", &error))?;
        if let Some(command) = &config.hooks.after_init {
            let facts = Facts::of("after-init").into_vec();
            run_and_wait("after-init", command, facts, &variables, None)?;
        }
        let (image, setup) = program.prepare(&order).map_err(|reason| Failed::new(reason, 255))?;
        let error = reaper::replace(&image, &setup);
        let code = u8::try_from(error.errno()).unwrap_or(255);
        Err(Failed::new(error.to_string(), code))
    };
    become_worker().inspect_err(|_| sockets.unlink())
}
