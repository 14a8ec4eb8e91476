//! A configuration as JSON, for `--dump-config`: what supervisord's own parser would have made of
//! the file, and under `extra` what only this supervisor understands.

use reaper::Limit;
use sigpolicy::Signal;

use super::json::Json;
use super::limits;
use super::model::{
    Address, AutoRestart, Config, Daemon, Dependency, ExitOn, Extra, Group, Health, Kind, LogFile,
    Note, Output, Process, Server, Socket, SocketAddress, Type, Until, Weight,
};

/// The configuration as JSON, with a line feed at its end.
///
/// Its members are `groups` (each with its `processes`), `supervisord`, `environment`, `servers`
/// and `warnings`. Signals, sizes and masks are numbers, an automatic log file is `AUTO`, and what
/// is not set is null.
#[must_use]
pub fn dump(config: &Config) -> String {
    let warnings = config.notes.iter().filter(|note| note.weight == Weight::Warning);
    let whole = Json::object([
        ("groups", config.groups.iter().map(group).collect()),
        ("supervisord", daemon(&config.daemon)),
        ("environment", environment(&config.daemon.environment)),
        ("servers", config.servers.iter().map(server).collect()),
        ("warnings", warnings.map(|Note { text, .. }| text).collect()),
    ]);
    format!("{whole}\n")
}

fn group(group: &Group) -> Json {
    let kind = match group.kind {
        Kind::Program => "program",
        Kind::Fcgi(_) => "fcgi-program",
        Kind::Listener(_) => "eventlistener",
    };
    Json::object([
        ("name", Json::from(&group.name)),
        ("priority", group.priority.into()),
        ("kind", kind.into()),
        ("processes", group.processes.iter().map(process).collect()),
    ])
}

fn environment(pairs: &[(String, String)]) -> Json {
    Json::Object(pairs.iter().map(|(name, value)| (name.clone(), Json::from(value))).collect())
}

fn daemon(daemon: &Daemon) -> Json {
    let mut members = Members::default();
    members.set("nodaemon", daemon.nodaemon);
    members.set("silent", daemon.silent);
    members.set("user", daemon.user_name.as_ref());
    members.set("umask", daemon.umask);
    members.set("directory", daemon.directory.as_ref());
    members.set("logfile", &daemon.logfile);
    members.set("logfile_maxbytes", daemon.logfile_maxbytes);
    members.set("logfile_backups", daemon.logfile_backups);
    members.set("loglevel", i64::from(daemon.loglevel as u8));
    members.set("pidfile", &daemon.pidfile);
    members.set("identifier", &daemon.identifier);
    members.set("childlogdir", &daemon.childlogdir);
    members.set("minfds", daemon.minfds);
    members.set("minprocs", daemon.minprocs);
    members.set("nocleanup", daemon.nocleanup);
    members.set("strip_ansi", daemon.strip_ansi);
    members.set("serverurl", daemon.serverurl.as_ref());
    let mut extra = Members::default();
    match daemon.exit_on {
        ExitOn::Never => {}
        ExitOn::Fatal => extra.set("exit_on", "fatal"),
        ExitOn::Exit => extra.set("exit_on", "exit"),
        ExitOn::All => extra.set("exit_on", "all"),
    }
    extra.given("shutdown_timeout", daemon.shutdown_timeout);
    members.with_extra(extra)
}

fn server(server: &Server) -> Json {
    let mut members = Members::default();
    members.set("name", server.name.as_ref());
    members.set("section", &server.section);
    members.set("username", server.username.as_ref());
    members.set("password", server.password.as_ref());
    match &server.address {
        Address::Inet { host, port } => {
            members.set("family", "inet");
            members.set("host", host);
            members.set("port", i64::from(*port));
        }
        Address::Unix { file, chmod, chown } => {
            members.set("family", "unix");
            members.set("file", file);
            members.set("chmod", *chmod);
            members.put("chown", [chown.0, chown.1].into_iter().collect());
        }
    }
    Json::Object(members.0)
}

fn process(process: &Process) -> Json {
    let mut members = Members::default();
    members.set("name", &process.name);
    members.set("uid", process.uid);
    members.set("command", &process.command);
    members.set("directory", process.directory.as_ref());
    members.set("umask", process.umask);
    members.set("priority", process.priority);
    members.set("autostart", process.autostart);
    match process.autorestart {
        AutoRestart::Never => members.set("autorestart", false),
        AutoRestart::Always => members.set("autorestart", true),
        AutoRestart::Unexpected => members.set("autorestart", "unexpected"),
        AutoRestart::Listed => members.set("autorestart", "listed"),
    }
    members.set("startsecs", process.startsecs);
    members.set("startretries", process.startretries);
    output(&mut members, "stdout", &process.stdout);
    output(&mut members, "stderr", &process.stderr);
    members.set("stopsignal", process.stopsignal);
    members.set("stopwaitsecs", process.stopwaitsecs);
    members.set("stopasgroup", process.stopasgroup);
    members.set("killasgroup", process.killasgroup);
    members.put("exitcodes", process.exitcodes.iter().map(|code| i64::from(*code)).collect());
    members.set("redirect_stderr", process.redirect_stderr);
    members.put("environment", environment(&process.environment));
    members.set("serverurl", process.serverurl.as_ref());
    let mut extra = Members::default();
    new_keys(&mut extra, &process.extra);
    for (name, output) in [("stdout", &process.stdout), ("stderr", &process.stderr)] {
        extra.given(&format!("{name}_prefix"), output.prefix.as_ref());
        extra.flag(&format!("{name}_timestamp"), output.timestamp);
    }
    members.with_extra(extra)
}

fn output(members: &mut Members, name: &str, output: &Output) {
    let logfile = match &output.logfile {
        LogFile::None => Json::Null,
        LogFile::Auto => "AUTO".into(),
        LogFile::Syslog => "syslog".into(),
        LogFile::Path(path) => path.into(),
    };
    members.put(&format!("{name}_logfile"), logfile);
    members.set(&format!("{name}_capture_maxbytes"), output.capture_maxbytes);
    members.set(&format!("{name}_events_enabled"), output.events_enabled);
    members.set(&format!("{name}_syslog"), output.syslog);
    members.set(&format!("{name}_logfile_backups"), output.backups);
    members.set(&format!("{name}_logfile_maxbytes"), output.maxbytes);
}

fn new_keys(members: &mut Members, extra: &Extra) {
    match extra.kind {
        Type::Simple => {}
        Type::Notify => members.set("type", "notify"),
        Type::Oneshot => members.set("type", "oneshot"),
    }
    members.flag("essential", extra.essential);
    members.list("depends_on", &extra.depends_on, dependency);
    members.given("ready_fd", extra.ready_fd);
    members.given("ready_timeout", extra.ready_timeout);
    members.given("watchdog_secs", extra.watchdog);
    if let Some(Health { command, interval, timeout, retries }) = &extra.health {
        members.set("health_command", command);
        members.set("health_interval", *interval);
        members.set("health_timeout", *timeout);
        members.set("health_retries", *retries);
    }
    members.flag("kill_orphans", extra.kill_orphans);
    members.list("environment_file", &extra.environment_files, |file| file.into());
    members.given("backoff_min", extra.backoff_min);
    members.given("backoff_min", extra.backoff_min);
    members.given("backoff_max", extra.backoff_max);
    members.given("restart_pause", Some(extra.restart_pause).filter(|pause| !pause.is_zero()));
    members.given("reloadsignal", extra.reloadsignal.map(Signal::as_raw));
    members.given("stopretries", extra.stopretries);
    members.given("stop_command", extra.stop_command.as_ref());
    members.list("stopsignals", &extra.stopsignals, |(signal, wait)| {
        Json::List(vec![signal.as_raw().into(), (*wait).into()])
    });
    members.given("gid", extra.gid);
    members.given("nice", extra.nice);
    for (resource, limit) in &extra.rlimits {
        members.put(&limits::key(*resource), rlimit(*limit));
    }
    members.given("oom_score_adjust", extra.oom_score_adjust);
    members.flag("no_new_privileges", extra.no_new_privileges);
    members.flag("user_environment", extra.user_environment);
    members.flag("hot", extra.hot);
    members.given("socket", extra.socket.as_ref().map(socket));
    members.flag("shell", extra.shell);
}

fn dependency(dependency: &Dependency) -> Json {
    let until = match dependency.until {
        Until::Started => "started",
        Until::Ready => "ready",
        Until::Completed => "completed",
    };
    Json::Text(format!("{}:{until}", dependency.name))
}

fn rlimit(limit: Limit) -> Json {
    let side = |value: Option<u64>| match value {
        None => Json::from("unlimited"),
        Some(value) => Json::Int(i64::try_from(value).unwrap_or(i64::MAX)),
    };
    Json::List(vec![side(limit.soft), side(limit.hard)])
}

fn socket(socket: &Socket) -> Json {
    let address = match &socket.address {
        SocketAddress::Tcp { host, port } => format!("tcp://{host}:{port}"),
        SocketAddress::Unix(path) => format!("unix://{path}"),
    };
    let owner = socket.owner.map(|(uid, gid)| Json::List(vec![uid.into(), gid.into()]));
    let mut members = Members::default();
    members.set("address", &address);
    members.given("backlog", socket.backlog);
    members.given("owner", owner);
    members.given("mode", socket.mode);
    Json::Object(members.0)
}

/// The members of an object, in the order in which they are set.
#[derive(Default)]
struct Members(Vec<(String, Json)>);

impl Members {
    fn put(&mut self, key: &str, value: Json) {
        self.0.push((key.to_owned(), value));
    }

    fn set(&mut self, key: &str, value: impl Into<Json>) {
        self.put(key, value.into());
    }

    /// Leaves out what is not there.
    fn given(&mut self, key: &str, value: Option<impl Into<Json>>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// Leaves out what is false.
    fn flag(&mut self, key: &str, value: bool) {
        self.given(key, value.then_some(true));
    }

    /// Leaves out what is empty.
    fn list<T>(&mut self, key: &str, items: &[T], each: impl FnMut(&T) -> Json) {
        if !items.is_empty() {
            self.put(key, items.iter().map(each).collect());
        }
    }

    fn with_extra(mut self, extra: Members) -> Json {
        if !extra.0.is_empty() {
            self.put("extra", Json::Object(extra.0));
        }
        Json::Object(self.0)
    }
}
