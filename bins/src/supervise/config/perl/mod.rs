//! The configuration of CPAN's Supervisor: one `[program:...]` section a process, with the
//! parameters of Supervisor::Process as keys (`StartWaitSecs` is `start-wait-secs`).
//!
//! Each parameter has the meaning that its documentation gives it:
//!
//! * `name` is what the process is called, whatever its section is called.
//! * `command` goes to a shell if it has something for one.
//! * `user` and `group` must exist.
//! * `environment` (`A=1;;B=2`) comes on top of the supervisor's own.
//! * `priority` is a nice value; 0 leaves it alone.
//! * A process that lives for `start-wait-secs` has started. One that does not is tried
//!   `start-retries` times more, so many seconds apart.
//! * With `auto-restart`, a process that exits with one of `exit-codes` is started again; after any
//!   other code, or a signal, it is left alone.
//! * `stop-signal` is sent `stop-retries` times, `stop-wait-secs` apart, to the whole process group;
//!   KILL follows.
//! * `logfile` gets both streams, a line as `TIME [name] info: text` (`error` for standard error).
//!   It is never rotated.
//! * `supervisor` names the supervisor itself: it is the identifier.
//!
//! The supervisor itself was set up by options alone: here it stays in the foreground, logs to
//! standard output, and writes no pid file, unless the command line says otherwise; `--logfile` is
//! for its own log and for that of every program without a `logfile`.

mod ini;
mod program;

#[cfg(test)]
mod tests;

use std::path::Path;

use super::daemon::settle;
use super::load::World;
use super::model::{Client, Config, Daemon, ExitOn, Group, Kind, Level, LogFile, Note, Weight};
use super::paths;
use crate::supervise::args::Overrides;
use ini::{Entry, Section};
use program::{PRIORITY, Reader};

/// What the original calls its controller.
const IDENTIFIER: &str = "Supervisor";

/// Where output goes that nothing else is said of.
const STDOUT: &str = "/dev/stdout";

/// What begins the name of a section of a program. The original looks for it anywhere in the name.
const PROGRAM: &str = "program:";

/// Sections by which supervisord's files are known.
const FOREIGN: [&str; 12] = [
    "supervisord",
    "supervisorctl",
    "include",
    "unix_http_server",
    "inet_http_server",
    "unix_http_server:",
    "inet_http_server:",
    "rpcinterface:",
    "ctlplugin:",
    "group:",
    "fcgi-program:",
    "eventlistener:",
];

/// Whether a text is a configuration of CPAN's Supervisor beyond doubt: it has programs and none of
/// supervisord's other sections, without which supervisord would refuse it, and either a key that
/// only the original has, such as `exit-codes`, or a `name` and a `command` in each of its programs.
///
/// ```
/// use superdaemon::supervise::config::perl::looks_like;
///
/// assert!(looks_like("[program:x]\nname = x\ncommand = sleep 5\n"));
/// assert!(!looks_like("[supervisord]\n[program:x]\ncommand = sleep 5\n"));
/// assert!(!looks_like("[program:x]\ncommand = sleep 5\n"));
/// ```
#[must_use]
pub fn looks_like(text: &str) -> bool {
    let Ok(sections) = ini::sections(text) else { return false };
    let foreign = |name: &str| {
        FOREIGN.iter().any(|known| match known.strip_suffix(':') {
            Some(_) => name.starts_with(known),
            None => name == *known,
        })
    };
    if sections.iter().any(|section| foreign(&section.name)) {
        return false;
    }
    let programs = || sections.iter().filter(|section| section.name.starts_with(PROGRAM));
    let dashed = |entry: &Entry| {
        entry.key.contains('-') && program::KEYS.iter().any(|(key, _)| *key == entry.key)
    };
    let named =
        |section: &Section| section.get("name").is_some() && section.get("command").is_some();
    programs().next().is_some()
        && (programs().any(|section| section.entries.iter().any(dashed)) || programs().all(named))
}

/// Reads the text of a configuration; `file` is where it comes from.
///
/// # Errors
///
/// One line that names section and place: a line that is no part of the grammar, a program without
/// a name or a command, two of the same name, a value that makes no sense, an unknown user or
/// group; or, in supervisord's words, a user on the command line who does not exist.
pub fn load(
    text: &str,
    file: &Path,
    overrides: &Overrides,
    world: &World,
) -> Result<Config, String> {
    let shown = file.display();
    let sections =
        ini::sections(text).map_err(|(line, what)| format!("{what} ({shown}:{line})"))?;
    let mut notes = Vec::new();
    let mut groups: Vec<(Group, usize)> = Vec::new();
    let mut supervisor: Option<&Entry> = None;
    let mut daemon = daemon(overrides, world)?;
    let log = match &overrides.logfile {
        None => LogFile::Path(STDOUT.to_owned()),
        Some(_) if daemon.logfile == "syslog" => LogFile::Syslog,
        Some(_) => LogFile::Path(daemon.logfile.clone()),
    };
    for section in &sections {
        if !section.name.contains(PROGRAM) {
            let (name, line) = (&section.name, section.line);
            let near = name.to_lowercase().replace(' ', "").contains(PROGRAM);
            notes.push(Note {
                weight: if near { Weight::Advice } else { Weight::Debug },
                text: format!(
                    "section [{name}] is no [program:...] and means nothing ({shown}:{line})"
                ),
            });
            continue;
        }
        let mut reader = Reader { section, file, world, notes: &mut notes };
        let process = reader.process(&log)?;
        let named = section.get("supervisor").filter(|entry| !entry.value.trim().is_empty());
        match (supervisor, named) {
            (Some(first), Some(other)) if first.value.trim() != other.value.trim() => {
                return Err(format!(
                    "one supervisor is expected, not {} (line {}) and {} ({shown}:{})",
                    first.value.trim(),
                    first.line,
                    other.value.trim(),
                    other.line
                ));
            }
            (known, found) => supervisor = known.or(found),
        }
        let name = process.name.clone();
        if let Some((_, line)) = groups.iter().find(|(group, _)| group.name == name) {
            return Err(format!(
                "two programs have the name {name}: in lines {line} and {} ({shown})",
                section.line
            ));
        }
        let processes = vec![process];
        groups.push((
            Group { name, priority: PRIORITY, kind: Kind::Program, processes },
            section.line,
        ));
    }
    if groups.is_empty() {
        return Err(format!("no [program:...] section ({shown})"));
    }
    let mut groups: Vec<Group> = groups.into_iter().map(|(group, _)| group).collect();
    groups.sort_by(|one, other| one.name.cmp(&other.name));
    if let (Some(entry), None) = (supervisor, &overrides.identifier) {
        entry.value.trim().clone_into(&mut daemon.identifier);
    }
    Ok(Config { daemon, servers: Vec::new(), client: Client::default(), groups, notes })
}

/// The supervisor as `bin/supervisor` ran it, and the command line over that.
fn daemon(overrides: &Overrides, world: &World) -> Result<Daemon, String> {
    let mut daemon = Daemon {
        nodaemon: true,
        silent: false,
        user: None,
        user_name: None,
        // Left alone.
        umask: -1,
        umask_given: false,
        directory: None,
        logfile: "/dev/null".to_owned(),
        logfile_maxbytes: 0,
        logfile_backups: 0,
        loglevel: Level::Info,
        pidfile: String::new(),
        identifier: IDENTIFIER.to_owned(),
        childlogdir: paths::temporary(world),
        minfds: 0,
        minprocs: 0,
        nocleanup: false,
        strip_ansi: false,
        environment: Vec::new(),
        serverurl: None,
        exit_on: ExitOn::Never,
        shutdown_timeout: None,
    };
    settle(&mut daemon, overrides, world)?;
    if overrides.pidfile.is_none() {
        // An empty path became the working directory.
        daemon.pidfile.clear();
    }
    Ok(daemon)
}
