//! The options of a pool, from words to settings.

use std::time::Duration;

use sigpolicy::Signal;

use super::options::Options;
use super::values::Reader;
use super::{
    BACKOFF_MAX, DIE_TIMEOUT, IDLE_TIMEOUT, MAX_PRESSURE, MAX_WORKERS, MEMORY_EVERY, READY_AFTER,
    START_TIMEOUT, WORKERS, relations,
};
use crate::cli::{Arguments, At};
use crate::prefork::config::{AutoReload, Conduct, Config, Hooks, Limits, PoolRules, Size};

/// The settings, or a line for everything that is wrong. `problems` are those found so far; `marked`
/// tells whether the program stood behind a `--`.
pub(super) fn run(
    arguments: Arguments<Options>,
    marked: bool,
    problems: Vec<String>,
) -> Result<Config, Vec<String>> {
    let Arguments { options, values, operands } = arguments;
    let mut read = Reader { values: &values, problems };
    let mut operands = operands.into_iter();
    let program = operands.next();
    // A word that was no option may have been one that should have taken the program's place.
    if read.problems.is_empty() {
        relations::program(program.as_deref(), marked, &mut read.problems);
    }
    let pool = pool(&mut read, &options);
    let listeners = read.listeners(&both(&options.listen, &options.port), &options.path);
    let (request_timeout, request_grace) = read.request_timeout(options.request_timeout);
    let config = Config {
        title: read.title(options.title),
        listeners,
        backlog: backlog(values.count(options.backlog)),
        path_mode: values.mode(options.path_mode),
        path_owner: read.owner(options.path_owner),
        fcgi: options.fcgi,
        conduct: conduct(&mut read, &options, pool.max_workers),
        pool,
        limits: Limits {
            max_requests: values.count(options.max_requests).filter(|n| *n > 0).map(u64::from),
            max_requests_jitter: values.count(options.max_requests_jitter).map_or(0, u64::from),
            max_lifetime: read.limit(options.max_lifetime),
            max_rss: read.size(options.max_rss),
            max_pss: read.size(options.max_pss),
            max_unshared: read.size(options.max_unshared),
            min_shared: read.size(options.min_shared),
            memory_every: read
                .interval("memory-every", options.memory_every)
                .unwrap_or(MEMORY_EVERY),
            request_timeout,
            request_grace,
            request_signal: read.signal("request-signal", options.request_signal),
            slow_after: read.limit(options.slow_after),
        },
        daemonize: options.daemonize,
        pid_file: read.file(options.pid_file),
        error_log: read.log("error-log", options.error_log),
        access_log: read.file(options.access_log),
        slow_log: read.file(options.slow_log),
        require_root: options.require_root,
        user: read.name("user", options.user),
        group: read.name("group", options.group),
        chdir: read.file(options.chdir),
        umask: values.mode(options.umask),
        no_new_privs: options.no_new_privs,
        hooks: Hooks {
            before_daemonize: read.command(options.before_daemonize),
            after_init: read.command(options.after_init),
            before_fork: read.command(options.before_fork),
            on_reap: read.command(options.on_reap),
            before_shutdown: read.command(options.before_shutdown),
        },
        auto_reload: AutoReload {
            paths: options.auto_reload.iter().filter_map(|at| read.file(Some(*at))).collect(),
            every: read.interval("auto-reload-every", options.auto_reload_every),
            command: read.command(options.auto_reload_command),
        },
        on_client_disconnect: read.client_gone(options.on_client_disconnect),
        control: read.file(options.control),
        scoreboard: read.file(options.scoreboard),
        separate_slots: options.separate_slots,
        program: program.unwrap_or_default(),
        args: operands.collect(),
    };
    // How values go together is only worth saying when each of them is right.
    if read.problems.is_empty() {
        relations::all(&config, &options, &values, &mut read.problems);
    }
    if read.problems.is_empty() { Ok(config) } else { Err(read.problems) }
}

fn both(one: &[At], other: &[At]) -> Vec<At> {
    one.iter().chain(other).copied().collect()
}

/// 0 is the system's maximum.
fn backlog(number: Option<u32>) -> Option<i32> {
    number.filter(|n| *n > 0).map(|n| i32::try_from(n).unwrap_or(i32::MAX))
}

fn pool(read: &mut Reader<'_>, options: &Options) -> PoolRules {
    let count = |at| read.values.count(at);
    let size = if options.on_demand {
        Size::OnDemand
    } else if let Some(min) = count(options.min_spare) {
        let by_default = min.saturating_add(5).max(min.saturating_mul(2));
        Size::Spare { min, max: count(options.max_spare).unwrap_or(by_default) }
    } else {
        Size::Fixed(count(options.workers).unwrap_or(WORKERS))
    };
    let start = match size {
        Size::Fixed(n) => n,
        Size::Spare { min, .. } => count(options.start_workers).unwrap_or(min),
        Size::OnDemand => count(options.start_workers).unwrap_or(0),
    };
    let floor = match size {
        Size::Spare { min, .. } => min,
        Size::Fixed(_) | Size::OnDemand => 0,
    };
    let by_default = MAX_WORKERS.max(start).max(floor);
    PoolRules {
        size,
        start_workers: start,
        max_workers: count(options.max_workers).unwrap_or(by_default),
        max_spawn_rate: count(options.max_spawn_rate).unwrap_or(0),
        idle_timeout: read.values.seconds(options.idle_timeout).unwrap_or(IDLE_TIMEOUT),
        max_memory: read.size(options.max_pool_memory),
        max_pressure: read.percent("max-pressure", options.max_pressure).unwrap_or(MAX_PRESSURE),
    }
}

fn conduct(read: &mut Reader<'_>, options: &Options, max_workers: u32) -> Conduct {
    let values = read.values;
    let time = |at| values.seconds(at).unwrap_or(Duration::ZERO);
    Conduct {
        reload: read.reload(options.reload),
        reload_interval: time(options.reload_interval),
        stop_signal: read.leaving("stop-signal", options.stop_signal).unwrap_or(Signal::TERM),
        traps: read.traps(&options.trap),
        die_timeout: read.patience(options.die_timeout, DIE_TIMEOUT),
        start_timeout: read.patience(options.start_timeout, START_TIMEOUT),
        ready_after: values.seconds(options.ready_after).unwrap_or(READY_AFTER),
        start_delay: time(options.start_delay),
        respawn_interval: time(options.respawn_interval),
        error_respawn_interval: time(options.error_respawn_interval),
        backoff_max: values.seconds(options.backoff_max).unwrap_or(BACKOFF_MAX),
        give_up: values.count(options.give_up).unwrap_or(0),
        max_extra: values.count(options.max_extra).unwrap_or(max_workers),
        orphans: read.orphans(options.orphans),
    }
}
