//! Every key that has a meaning, by the kind of its section.

use super::limits;

pub(super) const DAEMON: &[&str] = &[
    "childlogdir",
    "directory",
    "environment",
    "identifier",
    "logfile",
    "logfile_backups",
    "logfile_maxbytes",
    "loglevel",
    "minfds",
    "minprocs",
    "nocleanup",
    "nodaemon",
    "pidfile",
    "silent",
    "strip_ansi",
    "umask",
    "user",
    "exit_on",
    "shutdown_timeout",
    // Of old releases; supervisord passes over them, too.
    "profile_options",
];

pub(super) const PROGRAM: &[&str] = &[
    "autorestart",
    "autostart",
    "command",
    "directory",
    "environment",
    "exitcodes",
    "killasgroup",
    "numprocs",
    "numprocs_start",
    "priority",
    "process_name",
    "redirect_stderr",
    "serverurl",
    "startretries",
    "startsecs",
    "stderr_capture_maxbytes",
    "stderr_events_enabled",
    "stderr_logfile",
    "stderr_logfile_backups",
    "stderr_logfile_maxbytes",
    "stderr_syslog",
    "stdout_capture_maxbytes",
    "stdout_events_enabled",
    "stdout_logfile",
    "stdout_logfile_backups",
    "stdout_logfile_maxbytes",
    "stdout_syslog",
    "stopasgroup",
    "stopsignal",
    "stopwaitsecs",
    "umask",
    "user",
    "backoff_max",
    "depends_on",
    "environment_file",
    "essential",
    "group",
    "health_command",
    "health_interval",
    "health_retries",
    "health_timeout",
    "hot",
    "kill_orphans",
    "nice",
    "no_new_privileges",
    "oom_score_adjust",
    "ready_fd",
    "ready_timeout",
    "reloadsignal",
    "restart_pause",
    "stderr_prefix",
    "stderr_timestamp",
    "stdout_prefix",
    "stdout_timestamp",
    "stop_command",
    "stopretries",
    "stopsignals",
    "type",
    "user_environment",
    "watchdog_secs",
];

const SOCKET: &[&str] = &["socket", "socket_backlog", "socket_mode", "socket_owner"];
const LISTENER: &[&str] = &["buffer_size", "events", "result_handler"];
const GROUP: &[&str] = &["priority", "programs"];
const INCLUDE: &[&str] = &["files"];
const INET: &[&str] = &["password", "port", "username"];
const UNIX: &[&str] = &["chmod", "chown", "file", "password", "username"];
const CLIENT: &[&str] = &["history_file", "password", "prompt", "serverurl", "username"];

/// A kind of section.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// What its name is, or begins with.
    pub name: &'static str,
    /// Whether a colon and a name of its own follow: `None` is "perhaps".
    pub named: Option<bool>,
    keys: &'static [&'static [&'static str]],
    limits: bool,
}

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "supervisord", named: Some(false), keys: &[DAEMON], limits: false },
    Kind { name: "supervisorctl", named: Some(false), keys: &[CLIENT], limits: false },
    Kind { name: "include", named: Some(false), keys: &[INCLUDE], limits: false },
    Kind { name: "inet_http_server", named: None, keys: &[INET], limits: false },
    Kind { name: "unix_http_server", named: None, keys: &[UNIX], limits: false },
    Kind { name: "program", named: Some(true), keys: &[PROGRAM, SOCKET], limits: true },
    Kind { name: "fcgi-program", named: Some(true), keys: &[PROGRAM, SOCKET], limits: true },
    Kind { name: "eventlistener", named: Some(true), keys: &[PROGRAM, LISTENER], limits: true },
    Kind { name: "group", named: Some(true), keys: &[GROUP], limits: false },
    // What else stands there is for the plugin.
    Kind { name: "rpcinterface", named: Some(true), keys: &[], limits: false },
    Kind { name: "ctlplugin", named: Some(true), keys: &[], limits: false },
];

impl Kind {
    /// The kind of a section by its name, as supervisord tells them.
    pub(super) fn of(section: &str) -> Option<&'static Kind> {
        KINDS.iter().find(|kind| match kind.named {
            Some(false) => section == kind.name,
            None => section.starts_with(kind.name),
            Some(true) => section.strip_prefix(kind.name).is_some_and(|rest| rest.starts_with(':')),
        })
    }

    /// Whether any key may stand in it.
    pub(super) fn is_open(&self) -> bool {
        self.keys.is_empty()
    }

    /// Its keys.
    pub(super) fn keys(&self) -> Vec<String> {
        let fixed = self.keys.iter().copied().flatten().map(|key| (*key).to_owned());
        let limits = limits::keys().map(|(key, _)| key).filter(|_| self.limits);
        fixed.chain(limits).collect()
    }
}
