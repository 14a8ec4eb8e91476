//! What a pool is when nothing is said, and whether what was said goes together.

use std::ffi::OsString;
use std::rc::Rc;
use std::time::Duration;

use sigpolicy::Signal;

use super::Prefork;
use crate::files::Failed;
use crate::prefork::args;
use crate::prefork::callbacks::{Callbacks, Check};
use crate::prefork::config::{
    AutoReload, Conduct, Config, Hooks, Limits, Orphans, PoolRules, Reload, Size,
};
use crate::prefork::worker::{Own, as_application};

/// The defaults of `prefork-run`.
pub(super) fn defaults() -> Config {
    Config {
        title: None,
        listeners: Vec::new(),
        backlog: None,
        path_mode: None,
        path_owner: None,
        fcgi: false,
        pool: PoolRules {
            size: Size::Fixed(args::WORKERS),
            start_workers: args::WORKERS,
            max_workers: args::MAX_WORKERS,
            max_spawn_rate: 0,
            idle_timeout: args::IDLE_TIMEOUT,
            max_memory: None,
            max_pressure: args::MAX_PRESSURE,
        },
        limits: Limits {
            memory_every: args::MEMORY_EVERY,
            request_grace: args::REQUEST_GRACE,
            ..Limits::default()
        },
        conduct: Conduct {
            reload: Reload::All,
            reload_interval: Duration::ZERO,
            stop_signal: Signal::TERM,
            traps: Vec::new(),
            die_timeout: args::DIE_TIMEOUT,
            start_timeout: args::START_TIMEOUT,
            ready_after: args::READY_AFTER,
            start_delay: Duration::ZERO,
            respawn_interval: Duration::ZERO,
            error_respawn_interval: Duration::ZERO,
            backoff_max: args::BACKOFF_MAX,
            give_up: 0,
            max_extra: args::MAX_WORKERS,
            orphans: Orphans::Leave,
        },
        daemonize: false,
        pid_file: None,
        error_log: None,
        access_log: None,
        slow_log: None,
        require_root: false,
        user: None,
        group: None,
        chdir: None,
        umask: None,
        no_new_privs: false,
        hooks: Hooks::default(),
        auto_reload: AutoReload::default(),
        on_client_disconnect: None,
        control: None,
        scoreboard: None,
        separate_slots: false,
        program: OsString::new(),
        args: Vec::new(),
    }
}

/// Fills in what depends on other settings, and refuses what cannot be.
pub(super) fn settle(prefork: &mut Prefork) -> Result<(), Failed> {
    let failed = |text: String| Failed::new(text, 255);
    if let Some(problem) = prefork.problem.take() {
        return Err(failed(problem));
    }
    let pool = &mut prefork.config.pool;
    let (least, start) = match pool.size {
        Size::Fixed(workers) => (workers, workers),
        Size::Spare { min, .. } => (min, prefork.start.unwrap_or(min)),
        Size::OnDemand => (0, prefork.start.unwrap_or(0)),
    };
    pool.start_workers = start;
    pool.max_workers = prefork.most.unwrap_or_else(|| args::MAX_WORKERS.max(start).max(least));
    prefork.config.conduct.max_extra = pool.max_workers;
    for change in prefork.changes.drain(..) {
        change(&mut prefork.config);
    }
    let pool = &prefork.config.pool;
    if pool.max_workers == 0 {
        return Err(failed("max_children takes 1 or more; prefork(0) runs no pool".to_owned()));
    }
    match pool.size {
        Size::Spare { min: 0, .. } => {
            return Err(failed("spare takes a minimum of 1 or more, or else on_demand".to_owned()));
        }
        Size::Spare { min, max } if min > max => {
            return Err(failed(format!("spare: {min} at least is more than {max} at most")));
        }
        Size::Fixed(_) | Size::Spare { .. } | Size::OnDemand => {}
    }
    let most = pool.max_workers;
    for (what, count) in [("workers", least), ("start_workers", pool.start_workers)] {
        if count > most {
            return Err(failed(format!("{what} of {count} is more than max_children of {most}")));
        }
    }
    Ok(())
}

/// What workers leave on: whatever the manager sends to say so is among them.
pub(super) fn leaving(asked: &[Signal], conduct: &Conduct) -> Vec<Signal> {
    let mut signals = asked.to_vec();
    signals.push(conduct.stop_signal);
    signals.extend(conduct.traps.iter().filter_map(|trap| trap.sent));
    signals.retain(|signal| *signal != Signal::KILL && *signal != Signal::STOP);
    signals.sort_unstable();
    signals.dedup();
    signals
}

/// The callbacks again, but that what they open goes on to the workers.
pub(super) fn tracked(callbacks: Callbacks, own: &Own) -> Callbacks {
    let check = |callback: Option<Check>| {
        callback.map(|mut callback| {
            let own = Rc::clone(own);
            Box::new(move || as_application(&own, &mut callback)) as Check
        })
    };
    Callbacks {
        before_daemonize: check(callbacks.before_daemonize),
        after_init: check(callbacks.after_init),
        before_fork: check(callbacks.before_fork),
        on_reap: callbacks.on_reap.map(|mut callback| {
            let own = Rc::clone(own);
            Box::new(move |pid, exit| as_application(&own, || callback(pid, exit))) as _
        }),
        on_client_disconnect: callbacks.on_client_disconnect.map(|mut callback| {
            let own = Rc::clone(own);
            Box::new(move |gone: &_| as_application(&own, || callback(gone))) as _
        }),
        auto_reload: callbacks.auto_reload.map(|mut callback| {
            let own = Rc::clone(own);
            Box::new(move || as_application(&own, &mut callback)) as _
        }),
        // No worker is made after it.
        before_shutdown: callbacks.before_shutdown,
    }
}
