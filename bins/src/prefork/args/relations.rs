//! How options go together, looked at when each of them is right by itself.

use std::ffi::OsStr;
use std::path::Path;

use super::options::Options;
use super::verbs::Verb;
use crate::cli::{At, Values, one_line};
use crate::log::LogTarget;
use crate::prefork::config::{Config, Reload, Size};

/// As many slots as a scoreboard can have.
const MOST: u32 = 1 << 20;

pub(super) fn program(program: Option<&OsStr>, marked: bool, problems: &mut Vec<String>) {
    let verb = program.and_then(|word| word.to_str()).and_then(Verb::of);
    if program.is_none_or(OsStr::is_empty) {
        problems
            .push("no program given: prefork-run [options] -- program [argument ...]".to_owned());
    } else if let (Some(verb), false) = (verb, marked) {
        let verb = verb.name();
        problems.push(format!(
            "\"{verb}\" must be the first word: prefork-run {verb} --pid-file=FILE; for a program \
             of that name write: -- {verb}"
        ));
    }
}

pub(super) fn all(config: &Config, options: &Options, values: &Values, problems: &mut Vec<String>) {
    size(options, values, problems);
    if problems.is_empty() {
        numbers(config, options, problems);
    }
    if config.pool.size == Size::Fixed(0) {
        alone(config, problems);
    }
    needs(config, options, problems);
    descriptors(config, problems);
    files(config, problems);
}

/// Which of the three kinds of pool it is to be.
fn size(options: &Options, values: &Values, problems: &mut Vec<String>) {
    let given = |at: Option<At>| at.is_some();
    let kinds = [
        ("--workers", given(options.workers)),
        ("--min-spare", given(options.min_spare)),
        ("--on-demand", options.on_demand),
    ];
    let chosen: Vec<_> = kinds.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    if chosen.len() > 1 {
        problems.push(format!(
            "{} exclude each other: a pool is of a fixed size, has spare workers, or starts them \
             on demand",
            chosen.join(" and ")
        ));
        return;
    }
    if given(options.max_spare) && !given(options.min_spare) {
        problems.push("--max-spare needs --min-spare".to_owned());
    }
    if given(options.start_workers) && !given(options.min_spare) && !options.on_demand {
        problems.push(
            "--start-workers needs --min-spare or --on-demand; a fixed pool starts --workers"
                .to_owned(),
        );
    }
    if values.count(options.min_spare) == Some(0) {
        problems.push(
            "--min-spare takes 1 or more; --on-demand starts workers when somebody connects"
                .to_owned(),
        );
    }
    if values.count(options.max_workers) == Some(0) {
        problems.push(
            "--max-workers takes 1 or more; --workers=0 runs one worker without a pool".to_owned(),
        );
    }
}

fn numbers(config: &Config, options: &Options, problems: &mut Vec<String>) {
    let pool = &config.pool;
    let most = pool.max_workers;
    let mut below = |option: &str, number: u32| {
        if number > most {
            problems.push(format!("--{option}={number} is more than --max-workers={most}"));
        }
    };
    match pool.size {
        Size::Fixed(n) => below("workers", n),
        Size::OnDemand => below("start-workers", pool.start_workers),
        Size::Spare { min, max } => {
            below("min-spare", min);
            if options.start_workers.is_some() {
                below("start-workers", pool.start_workers);
            }
            if min > max {
                problems.push(format!("--min-spare={min} is more than --max-spare={max}"));
            }
        }
    }
    if most.saturating_add(config.conduct.max_extra) > MOST {
        problems.push(format!(
            "{most} workers (--max-workers) and {} extra ones (--max-extra) are more than the \
             {MOST} that a scoreboard has room for",
            config.conduct.max_extra
        ));
    }
}

/// Without a manager there is nobody who could answer, hold a file, or stay behind.
fn alone(config: &Config, problems: &mut Vec<String>) {
    let refused = [
        ("--daemonize", config.daemonize),
        ("--pid-file", config.pid_file.is_some()),
        ("--control", config.control.is_some()),
        ("--scoreboard", config.scoreboard.is_some()),
    ];
    for (name, given) in refused {
        if given {
            problems.push(format!(
                "{name} needs a manager, and --workers=0 leaves none; --workers=1 has one"
            ));
        }
    }
}

/// Options that say something about others, which must be there.
fn needs(config: &Config, options: &Options, problems: &mut Vec<String>) {
    let limits = &config.limits;
    let timed = limits.request_timeout.is_some() || limits.slow_after.is_some();
    let watched = !config.auto_reload.paths.is_empty();
    let rolling = config.conduct.reload == Reload::Rolling;
    let pairs = [
        (
            options.max_requests_jitter,
            "--max-requests-jitter",
            limits.max_requests.is_some(),
            "--max-requests",
        ),
        (
            options.request_signal,
            "--request-signal",
            limits.request_timeout.is_some(),
            "--request-timeout",
        ),
        (options.slow_log, "--slow-log", timed, "--slow-after or --request-timeout"),
        (options.reload_interval, "--reload-interval", rolling, "--reload=rolling"),
        (options.auto_reload_every, "--auto-reload-every", watched, "--auto-reload"),
        (options.auto_reload_command, "--auto-reload-command", watched, "--auto-reload"),
    ];
    for (given, name, there, needed) in pairs {
        if given.is_some() && !there {
            problems.push(format!("{name} needs {needed}"));
        }
    }
    if config.separate_slots && config.scoreboard.is_some() {
        problems.push(
            "--separate-slots and --scoreboard exclude each other: a file is in one piece"
                .to_owned(),
        );
    }
    if config.daemonize && config.error_log.is_none() {
        problems.push(
            "--daemonize needs --error-log (a file, \"|command\" or /dev/null): nobody would see \
             what is wrong"
                .to_owned(),
        );
    }
}

/// What FastCGI finds on descriptor 0.
fn descriptors(config: &Config, problems: &mut Vec<String>) {
    if !config.fcgi {
        return;
    }
    if let Some(first) = config.listeners.first().filter(|spec| spec.is_udp()) {
        problems.push(format!(
            "--fcgi needs a stream socket, and the first listener, {}, is UDP",
            first.name().to_string_lossy()
        ));
    }
    if config.listeners.iter().skip(1).any(|spec| spec.fd() == Some(0)) {
        problems.push(
            "--fcgi makes the first listener descriptor 0, and another one asks for it by \"=0\""
                .to_owned(),
        );
    }
}

/// Each of these files is somebody's own.
fn files(config: &Config, problems: &mut Vec<String>) {
    let error_log = match &config.error_log {
        Some(LogTarget::File(path)) => Some(path.as_path()),
        Some(LogTarget::Command(_)) | None => None,
    };
    let own = [
        ("--pid-file", config.pid_file.as_deref()),
        ("--control", config.control.as_deref()),
        ("--scoreboard", config.scoreboard.as_deref()),
    ];
    let others = [
        ("--error-log", error_log),
        ("--access-log", config.access_log.as_deref()),
        ("--slow-log", config.slow_log.as_deref()),
    ];
    let sockets = config.listeners.iter().filter_map(|spec| Some(("--path", spec.path()?)));
    let all: Vec<(&str, Option<&Path>)> = own
        .into_iter()
        .chain(others)
        .chain(sockets.map(|(name, path)| (name, Some(path))))
        .collect();
    for (at, (name, path)) in all.iter().enumerate() {
        let Some(path) = path else { continue };
        let single = own.iter().any(|(other, _)| other == name);
        for (other, second) in all.iter().skip(at.saturating_add(1)) {
            if single && *second == Some(*path) {
                let path = one_line(path.as_os_str());
                problems.push(format!("{name} and {other} name the same file, {path}"));
            }
        }
    }
}
