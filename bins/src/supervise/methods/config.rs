//! The settings of processes.

use super::Supervisor;
use super::world::Configured;
use crate::supervise::config::model::{AutoRestart, LogFile, Output};
use crate::supervise::rpc::Value;

/// `supervisor.getAllConfigInfo`: as supervisord 4.2.5 has it, with `autorestart` of 4.3 and later.
pub(super) fn all(world: &dyn Supervisor) -> Value {
    let mut rows = Vec::new();
    world.configured(&mut |each| rows.push(one(&each)));
    rows.into()
}

fn one(each: &Configured<'_>) -> Value {
    let process = each.process;
    let (stdout, stderr) = (&process.stdout, &process.stderr);
    let exitcodes: Vec<Value> =
        process.exitcodes.iter().map(|code| Value::Int(i64::from(*code))).collect();
    Value::of_members([
        ("autostart", process.autostart.into()),
        ("autorestart", autorestart(process.autorestart)),
        ("directory", or_none(process.directory.as_deref())),
        ("uid", process.uid.map_or_else(none, |uid| Value::Int(i64::from(uid)))),
        ("command", process.command.as_str().into()),
        ("exitcodes", exitcodes.into()),
        ("group", each.group.into()),
        ("group_prio", each.group_priority.into()),
        ("inuse", each.inuse.into()),
        ("killasgroup", process.killasgroup.into()),
        ("name", process.name.as_str().into()),
        ("process_prio", process.priority.into()),
        ("redirect_stderr", process.redirect_stderr.into()),
        ("startretries", process.startretries.into()),
        ("startsecs", process.startsecs.into()),
        ("stdout_capture_maxbytes", stdout.capture_maxbytes.into()),
        ("stdout_events_enabled", stdout.events_enabled.into()),
        ("stdout_logfile", logfile(stdout)),
        ("stdout_logfile_backups", stdout.backups.into()),
        ("stdout_logfile_maxbytes", stdout.maxbytes.into()),
        ("stdout_syslog", stdout.syslog.into()),
        ("stopsignal", process.stopsignal.into()),
        ("stopwaitsecs", process.stopwaitsecs.into()),
        ("stderr_capture_maxbytes", stderr.capture_maxbytes.into()),
        ("stderr_events_enabled", stderr.events_enabled.into()),
        ("stderr_logfile", logfile(stderr)),
        ("stderr_logfile_backups", stderr.backups.into()),
        ("stderr_logfile_maxbytes", stderr.maxbytes.into()),
        ("stderr_syslog", stderr.syslog.into()),
        ("serverurl", or_none(process.serverurl.as_deref())),
    ])
}

fn none() -> Value {
    "none".into()
}

fn or_none(text: Option<&str>) -> Value {
    text.unwrap_or("none").into()
}

fn autorestart(when: AutoRestart) -> Value {
    match when {
        AutoRestart::Never => false.into(),
        AutoRestart::Always => true.into(),
        AutoRestart::Unexpected => "unexpected".into(),
        AutoRestart::Listed => "listed".into(),
    }
}

fn logfile(output: &Output) -> Value {
    match &output.logfile {
        LogFile::None | LogFile::Syslog => none(),
        LogFile::Auto => "auto".into(),
        LogFile::Path(path) => path.as_str().into(),
    }
}
