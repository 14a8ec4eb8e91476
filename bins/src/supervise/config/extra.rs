//! The keys that supervisord passes over.

use std::time::Duration;

use fdpass::wire::LISTEN_FDS_START;
use sigpolicy::Signal;

use super::load::World;
use super::model::{Extra, Health, Note, Type, Weight};
use super::reader::Reader;
use super::{depend, limits, paths, python, socket, user, value, words};

/// The kind of section that a key stands in.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Program,
    /// An `[fcgi-program:x]` in a group of its own.
    Fcgi,
    Listener,
}

/// The new keys of a section, with the names of one of its processes.
///
/// # Errors
///
/// A value is none of its kind, or two keys exclude each other.
pub(super) fn read(
    reader: &Reader<'_>,
    place: Place,
    world: &World,
    notes: &mut Vec<Note>,
) -> Result<Extra, String> {
    let ready_fd = reader.given("ready_fd", |text| range("ready_fd", text, 3, 1023))?;
    let (hot, socket) = hot(reader, place, world, notes)?;
    if hot && ready_fd == Some(LISTEN_FDS_START.into()) {
        return Err("ready_fd=3 is the socket of a hot program: take another number".to_owned());
    }
    let stopretries = reader.given("stopretries", |text| range("stopretries", text, 1, 1000))?;
    let stopsignals = stopsignals(reader)?;
    if stopretries.is_some() && !stopsignals.is_empty() {
        return Err("stopretries and stopsignals exclude each other".to_owned());
    }
    let mut rlimits = Vec::new();
    for (key, resource) in limits::keys() {
        if let Some(limit) = reader.given(&key, |text| limits::limit(resource, text))? {
            rlimits.push((resource, limit));
        }
    }
    let oom_score_adjust =
        reader.given("oom_score_adjust", |text| range("oom_score_adjust", text, -1000, 1000))?;
    Ok(Extra {
        backoff_min: None,
        kind: kind(reader, ready_fd.is_some())?,
        essential: flag(reader, "essential")?,
        depends_on: reader.get("depends_on", Vec::new(), depend::parse)?,
        ready_fd: ready_fd.map(clamped),
        ready_timeout: duration(reader, "ready_timeout")?,
        watchdog: duration(reader, "watchdog_secs")?,
        health: health(reader, notes)?,
        kill_orphans: flag(reader, "kill_orphans")?,
        environment_files: environment_files(reader, world)?,
        backoff_max: duration(reader, "backoff_max")?,
        restart_pause: reader.get("restart_pause", Duration::ZERO, value::duration)?,
        reloadsignal: reader.given("reloadsignal", signal)?,
        stopretries: stopretries.and_then(|number| u32::try_from(number).ok()),
        stop_command: command(reader, "stop_command")?,
        stopsignals,
        gid: reader.given("group", user::group)?,
        nice: reader.given("nice", |text| range("nice", text, -20, 19))?.map(clamped),
        rlimits,
        oom_score_adjust: oom_score_adjust.map(clamped),
        no_new_privileges: flag(reader, "no_new_privileges")?,
        user_environment: flag(reader, "user_environment")?,
        hot,
        socket,
        shell: false,
    })
}

fn flag(reader: &Reader<'_>, key: &str) -> Result<bool, String> {
    reader.get(key, false, value::boolean)
}

/// A time of no length is as none.
fn duration(reader: &Reader<'_>, key: &str) -> Result<Option<Duration>, String> {
    Ok(reader.given(key, value::duration)?.filter(|time| !time.is_zero()))
}

/// An integer between two others, both included.
pub(super) fn range(key: &str, text: &str, low: i64, high: i64) -> Result<i64, String> {
    let number = value::integer(text)?;
    if (low..=high).contains(&number) {
        return Ok(number);
    }
    Err(format!("invalid '{key}' value {number}: give a number from {low} to {high}"))
}

/// What [`range`] has made small.
fn clamped(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn kind(reader: &Reader<'_>, ready_fd: bool) -> Result<Type, String> {
    let given = reader.given("type", |text| match text.to_ascii_lowercase().as_str() {
        "simple" => Ok(Type::Simple),
        "notify" => Ok(Type::Notify),
        "oneshot" => Ok(Type::Oneshot),
        _ => Err(format!(
            "invalid 'type' value {}: give simple, notify or oneshot",
            python::repr(text)
        )),
    })?;
    match given {
        Some(Type::Oneshot) if ready_fd => {
            Err("ready_fd and type=oneshot exclude each other".to_owned())
        }
        Some(Type::Oneshot) => Ok(Type::Oneshot),
        // Who has a descriptor to announce on, announces.
        Some(kind) if !ready_fd => Ok(kind),
        None if !ready_fd => Ok(Type::Simple),
        _ => Ok(Type::Notify),
    }
}

/// A signal that can be sent: unlike `stopsignal`, not 0.
fn signal(text: &str) -> Result<Signal, String> {
    let raw = value::signal(text)?;
    Signal::from_raw(raw)
        .ok_or_else(|| format!("value {} is not a valid signal number", python::repr(text)))
}

/// `TERM:5, INT:2`; without a number the wait is `stopwaitsecs`.
fn stopsignals(reader: &Reader<'_>) -> Result<Vec<(Signal, Duration)>, String> {
    let Some(text) = reader.text("stopsignals")? else { return Ok(Vec::new()) };
    let wait = reader.get("stopwaitsecs", 10, value::integer)?;
    let wait = Duration::from_secs(u64::try_from(wait).unwrap_or(0));
    let mut found = Vec::new();
    for item in text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()) {
        found.push(match item.split_once(':') {
            Some((name, time)) => (signal(name.trim())?, value::duration(time.trim())?),
            None => (signal(item)?, wait),
        });
    }
    if found.is_empty() {
        return Err("invalid 'stopsignals' value: no signal is named".to_owned());
    }
    Ok(found)
}

/// A command that will be split into words: one that cannot be is refused now.
fn command(reader: &Reader<'_>, key: &str) -> Result<Option<String>, String> {
    reader.given(key, |text| match words::split(text) {
        Ok(words) if words.is_empty() => Err(format!("invalid '{key}' value: it is empty")),
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("invalid '{key}' value {}: {error}", python::repr(text))),
    })
}

fn health(reader: &Reader<'_>, notes: &mut Vec<Note>) -> Result<Option<Health>, String> {
    let positive = |key: &str, default: u64| {
        let given = reader.get(key, Duration::from_secs(default), value::duration)?;
        if given.is_zero() {
            return Err(format!("invalid '{key}' value: it must be more than 0"));
        }
        Ok(given)
    };
    let interval = positive("health_interval", 30)?;
    let timeout = positive("health_timeout", 30)?;
    let retries = reader.get("health_retries", 3, |text| range("health_retries", text, 1, 1000))?;
    let command = command(reader, "health_command")?;
    if command.is_none() {
        for key in ["health_interval", "health_timeout", "health_retries"] {
            if reader.raw(key).is_some() {
                let section = &reader.section.name;
                let place = reader.place(key);
                let text = format!("{key} of [{section}] has no health_command ({place})");
                notes.push(Note { weight: Weight::Advice, text });
            }
        }
    }
    let retries = u32::try_from(retries).unwrap_or(u32::MAX);
    Ok(command.map(|command| Health { command, interval, timeout, retries }))
}

/// Names of files, separated by commas or lines; a `-` before one lets it be missing.
fn environment_files(reader: &Reader<'_>, world: &World) -> Result<Vec<String>, String> {
    let text = reader.text("environment_file")?.unwrap_or_default();
    let names = text.split([',', '\n']).map(str::trim);
    let mut files = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        let (mark, path) = name.strip_prefix('-').map_or(("", name), |path| ("-", path.trim()));
        if path.is_empty() {
            return Err(format!("invalid 'environment_file' value '{name}': a file is missing"));
        }
        files.push(format!("{mark}{}", paths::normalize(path, world)));
    }
    Ok(files)
}

type Hot = (bool, Option<super::model::Socket>);

fn hot(
    reader: &Reader<'_>,
    place: Place,
    world: &World,
    notes: &mut Vec<Note>,
) -> Result<Hot, String> {
    let hot = flag(reader, "hot")?;
    let has_socket = reader.raw("socket").is_some();
    let section = &reader.section.name;
    match (place, hot) {
        (Place::Fcgi, _) => return Ok((hot, None)),
        (Place::Listener, true) => return Err("hot=true is not for event listeners".to_owned()),
        (Place::Program, true) if has_socket => {
            return Ok((true, Some(socket::read(reader, world)?)));
        }
        (Place::Program, true) => return Err("hot=true needs socket=".to_owned()),
        // Of an `[fcgi-program:x]` in a group, too; that one is told elsewhere.
        (Place::Program, false) if has_socket && section.starts_with("program:") => {
            let place = reader.place("socket");
            let text = format!("socket of [{section}] means nothing without hot=true ({place})");
            notes.push(Note { weight: Weight::Advice, text });
        }
        _ => {}
    }
    Ok((false, None))
}
