//! `[supervisord]`, and what the command line says instead.

use super::around::{Surroundings, suffix};
use super::environment;
use super::expand::expand;
use super::ini::Section;
use super::load::World;
use super::model::{Daemon, ExitOn, Level, Note, Weight};
use super::{paths, python, user, value};
use crate::supervise::args::Overrides;

/// Reads the section; what it exports is known to `around` afterwards.
///
/// # Errors
///
/// supervisord's line for the first thing that is wrong.
pub(super) fn read(
    section: &Section,
    around: &mut Surroundings<'_>,
    notes: &mut Vec<Note>,
) -> Result<Daemon, String> {
    let world = around.world;
    let reader = around.reader(section);
    let directory = |text: &str| paths::existing_directory(text, world);
    let parent = |text: &str| paths::existing_parent(text, world);
    let minfds = reader.get("minfds", 1024, value::integer)?;
    let minprocs = reader.get("minprocs", 200, value::integer)?;
    let home = reader.given("directory", directory)?;
    let user_name = reader.text("user")?;
    let umask = reader.get("umask", 0o022, value::octal)?;
    let logfile = reader.get("logfile", "supervisord.log".to_owned(), parent)?;
    let logfile_maxbytes = reader.get("logfile_maxbytes", 50 << 20, value::byte_size)?;
    let logfile_backups = reader.get("logfile_backups", 10, value::integer)?;
    let loglevel = reader.get("loglevel", Level::Info, value::level)?;
    let pidfile = reader.get("pidfile", "supervisord.pid".to_owned(), parent)?;
    let identifier = reader.text("identifier")?.unwrap_or_else(|| "supervisor".to_owned());
    let nodaemon = reader.get("nodaemon", false, value::boolean)?;
    let silent = reader.get("silent", false, value::boolean)?;
    let childlogdir = match reader.given("childlogdir", directory)? {
        Some(directory) => directory,
        None => paths::temporary(world),
    };
    let nocleanup = reader.get("nocleanup", false, value::boolean)?;
    let strip_ansi = reader.get("strip_ansi", false, value::boolean)?;
    let mut names = reader.names.clone();
    names.insert("host_node_name", world.host_node_name.as_str());
    let text = expand(reader.raw("environment").unwrap_or_default(), &names, "environment")?;
    let found = environment::pairs(&text)?;
    for lost in found.advice {
        let text =
            format!("environment of [supervisord]: {lost} ({})", reader.place("environment"));
        notes.push(Note { weight: Weight::Advice, text });
    }
    let in_section = |error: String| format!("{error}{}", suffix(section));
    let exit_on = reader.get("exit_on", ExitOn::Never, exit_on).map_err(in_section)?;
    let shutdown_timeout = reader.given("shutdown_timeout", value::duration).map_err(in_section)?;
    // As with all other times, 0 sets none.
    let shutdown_timeout = shutdown_timeout.filter(|time| !time.is_zero());
    for (name, value) in &found.pairs {
        around.export(name, value);
    }
    around.environment.clone_from(&found.pairs);
    Ok(Daemon {
        nodaemon,
        silent,
        user: None,
        user_name,
        umask,
        umask_given: reader.raw("umask").is_some(),
        directory: home,
        logfile,
        logfile_maxbytes,
        logfile_backups,
        loglevel,
        pidfile,
        identifier,
        childlogdir,
        minfds,
        minprocs,
        nocleanup,
        strip_ansi,
        environment: found.pairs,
        serverurl: None,
        exit_on,
        shutdown_timeout,
    })
}

fn exit_on(text: &str) -> Result<ExitOn, String> {
    match text.to_ascii_lowercase().as_str() {
        "never" => Ok(ExitOn::Never),
        "fatal" => Ok(ExitOn::Fatal),
        "exit" | "any-exit" => Ok(ExitOn::Exit),
        "all" => Ok(ExitOn::All),
        _ => Err(format!(
            "invalid 'exit_on' value {}: give never, fatal, exit or all",
            python::repr(text)
        )),
    }
}

/// Puts the command line over the file, then looks up the user and makes the paths absolute.
///
/// # Errors
///
/// A text that means nothing, or a user that does not exist.
pub(super) fn settle(
    daemon: &mut Daemon,
    overrides: &Overrides,
    world: &World,
) -> Result<(), String> {
    let text = |text: &str| Ok(text.to_owned());
    let directory = |text: &str| paths::existing_directory(text, world);
    let parent = |text: &str| paths::existing_parent(text, world);
    let o = overrides;
    daemon.umask_given |= o.umask.is_some();
    over(&mut daemon.umask, "umask", o.umask.as_ref(), value::octal)?;
    over(&mut daemon.logfile, "logfile", o.logfile.as_ref(), parent)?;
    let (bytes, backups) = (o.logfile_maxbytes.as_ref(), o.logfile_backups.as_ref());
    over(&mut daemon.logfile_maxbytes, "logfile_maxbytes", bytes, value::byte_size)?;
    over(&mut daemon.logfile_backups, "logfile_backups", backups, value::integer)?;
    over(&mut daemon.loglevel, "loglevel", o.loglevel.as_ref(), value::level)?;
    over(&mut daemon.pidfile, "pidfile", o.pidfile.as_ref(), parent)?;
    over(&mut daemon.identifier, "identifier", o.identifier.as_ref(), text)?;
    over(&mut daemon.childlogdir, "childlogdir", o.childlogdir.as_ref(), directory)?;
    over(&mut daemon.minfds, "minfds", o.minfds.as_ref(), value::integer)?;
    over(&mut daemon.minprocs, "minprocs", o.minprocs.as_ref(), value::integer)?;
    let some = |text: &str| directory(text).map(Some);
    over(&mut daemon.directory, "directory", o.directory.as_ref(), some)?;
    for (flag, given) in [
        (&mut daemon.nodaemon, o.nodaemon),
        (&mut daemon.silent, o.silent),
        (&mut daemon.nocleanup, o.nocleanup),
        (&mut daemon.strip_ansi, o.strip_ansi),
    ] {
        *flag = given.unwrap_or(*flag);
    }
    if let Some(user) = &o.user {
        daemon.user_name = Some(user.clone());
    }
    daemon.user = daemon.user_name.as_deref().map(user::user).transpose()?;
    if daemon.logfile != "syslog" {
        daemon.logfile = paths::normalize(&daemon.logfile, world);
    }
    daemon.pidfile = paths::normalize(&daemon.pidfile, world);
    Ok(())
}

fn over<T>(
    value: &mut T,
    option: &str,
    given: Option<&String>,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<(), String> {
    if let Some(text) = given {
        let wrong = |why| format!("invalid value for --{option} {}: {why}", python::repr(text));
        *value = read(text).map_err(wrong)?;
    }
    Ok(())
}
