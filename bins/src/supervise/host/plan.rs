//! From a configuration to what the machine is told, and from two to their difference. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sigpolicy::Signal;

use crate::supervise::config::model::{Daemon, Extra, Group, Kind, Process, Type};
use crate::supervise::machine::types::{Change, General, Policy, ProcId};

/// One process with all that is needed to start it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) group: Rc<str>,
    pub(super) group_priority: i64,
    pub(super) kind: Rc<Kind>,
    pub(super) process: Process,
    /// Of `[supervisord]`, for every program.
    pub(super) environment: Rc<[(String, String)]>,
}

/// Group and name of a process.
pub(super) type Name = (Rc<str>, String);

/// What is running, by group and name.
pub(super) type Present = BTreeMap<Name, (ProcId, Rc<Spec>)>;

/// The way from one configuration to the next.
#[derive(Default)]
pub(super) struct Difference {
    pub(super) changes: Vec<Change>,
    /// The processes that are new or have new keys, by their new number.
    pub(super) specs: Vec<(ProcId, Rc<Spec>)>,
    /// Names that are no longer in the configuration.
    pub(super) gone: Vec<Name>,
    /// Groups that are new.
    pub(super) added: Vec<String>,
}

/// All processes of a configuration, which is used up: ten thousand of them are kept once.
pub(super) fn specs(daemon: &Daemon, groups: Vec<Group>) -> impl Iterator<Item = Rc<Spec>> {
    let environment: Rc<[(String, String)]> = daemon.environment.clone().into();
    let mut shared = Rc::new(Extra::default());
    groups.into_iter().flat_map(move |group| {
        let Group { name, priority, kind, mut processes } = group;
        let (name, kind) = (Rc::<str>::from(name), Rc::new(kind));
        let environment = Rc::clone(&environment);
        // Most programs have the same of it as the one before.
        for process in &mut processes {
            if process.extra == shared {
                process.extra = Rc::clone(&shared);
            } else {
                shared = Rc::clone(&process.extra);
            }
        }
        processes.into_iter().map(move |process| {
            Rc::new(Spec {
                group: Rc::clone(&name),
                group_priority: priority,
                kind: Rc::clone(&kind),
                environment: Rc::clone(&environment),
                process,
            })
        })
    })
}

/// What is true of the supervisor as a whole.
pub(super) fn general(daemon: &Daemon) -> General {
    General { exit_on: daemon.exit_on, shutdown_timeout: daemon.shutdown_timeout }
}

/// What has to be done to get from what is present, all of it or one group, to the configuration.
pub(super) fn difference<'a>(
    present: impl Iterator<Item = (&'a Name, &'a (ProcId, Rc<Spec>))>,
    specs: impl Iterator<Item = Rc<Spec>>,
    next: &mut u32,
) -> Difference {
    let mut difference = Difference::default();
    let mut left: BTreeMap<_, _> = present.collect();
    let before: BTreeSet<Rc<str>> = left.keys().map(|(group, _)| Rc::clone(group)).collect();
    let mut number = || {
        let id = ProcId(*next);
        *next = next.saturating_add(1);
        id
    };
    for spec in specs {
        let key = (Rc::clone(&spec.group), spec.process.name.clone());
        let old = left.remove(&key);
        if old.is_some_and(|(_, old)| *old == spec) {
            continue;
        }
        let (new, policy) = (number(), Arc::new(policy(&spec)));
        difference.changes.push(match old {
            Some((id, _)) => Change::Replace(*id, new, policy),
            None => Change::Add(new, policy),
        });
        if !before.contains(&spec.group) {
            difference.added.push(spec.group.to_string());
        }
        difference.specs.push((new, spec));
    }
    for (key, (id, _)) in left {
        difference.changes.push(Change::Remove(*id));
        difference.gone.push(key.clone());
    }
    difference.added.sort();
    difference.added.dedup();
    difference
}

/// What the machine must know of a process.
pub(super) fn policy(spec: &Spec) -> Policy {
    let process = &spec.process;
    let extra = &process.extra;
    let stopwait = seconds(process.stopwaitsecs);
    Policy {
        name: process.name.clone(),
        group: spec.group.to_string(),
        group_priority: spec.group_priority,
        priority: process.priority,
        autostart: process.autostart,
        autorestart: process.autorestart,
        kind: extra.kind,
        startsecs: seconds(process.startsecs),
        startretries: match process.startretries {
            -1 => None,
            tries => Some(u32::try_from(tries.max(0)).unwrap_or(u32::MAX)),
        },
        exitcodes: process.exitcodes.clone(),
        stop: stop(process, stopwait),
        kill_wait: stopwait.max(SHORTEST_KILL_WAIT),
        stop_command: extra.stop_command.is_some(),
        stop_as_group: process.stopasgroup,
        kill_as_group: process.killasgroup,
        reload: extra.reloadsignal,
        announces: extra.kind == Type::Notify || extra.ready_fd.is_some(),
        ready_timeout: extra.ready_timeout,
        watchdog: extra.watchdog,
        backoff_min: extra.backoff_min,
        backoff_max: extra.backoff_max,
        restart_pause: extra.restart_pause,
        essential: extra.essential,
        depends_on: extra.depends_on.clone(),
        hot: extra.hot,
    }
}

/// A process that cannot be killed at once is not killed faster by trying all the time.
const SHORTEST_KILL_WAIT: Duration = Duration::from_secs(1);

fn stop(process: &Process, wait: Duration) -> Vec<(Signal, Duration)> {
    let extra = &process.extra;
    let mut stop = if extra.stopsignals.is_empty() {
        // 0 is SIG_DFL to Python and a mere question to kill(2): CONT does as little to what runs.
        let signal = Signal::from_raw(process.stopsignal).unwrap_or(Signal::CONT);
        let times = usize::try_from(extra.stopretries.unwrap_or(1).max(1)).unwrap_or(1);
        vec![(signal, wait); times]
    } else {
        extra.stopsignals.clone()
    };
    if extra.stop_command.is_some() {
        // The command has its time, and what it did not achieve is for the signals, as in systemd.
        let first = stop.first().map_or(Signal::TERM, |(signal, _)| *signal);
        stop.insert(0, (first, wait));
    }
    stop
}

fn seconds(number: i64) -> Duration {
    Duration::from_secs(u64::try_from(number).unwrap_or(0))
}
