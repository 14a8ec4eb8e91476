//! What a configuration means, whichever grammar it was written in.

mod extra;

use std::rc::Rc;
use std::time::Duration;

pub use extra::{Dependency, Extra, Health, Type, Until};

/// A whole configuration, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `[supervisord]`.
    pub daemon: Daemon,
    /// The sockets to be controlled by, in the order of supervisord: inet before unix, by section.
    pub servers: Vec<Server>,
    /// `[supervisorctl]`, which only the client reads.
    pub client: Client,
    /// In the order in which they start: by priority, then by name.
    pub groups: Vec<Group>,
    /// What the reader of the log should know.
    pub notes: Vec<Note>,
}

/// Something noticed in a configuration that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// How serious it is.
    pub weight: Weight,
    /// One line, with section and, as `FILE:LINE`, the place where it helps.
    pub text: String,
}

/// How serious a [`Note`] is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Weight {
    /// What supervisord itself says: `warnings` in the dump, WARN in the log.
    Warning,
    /// A warning of our own, WARN in the log: a value kept that supervisord would have damaged, a
    /// misspelt key.
    Advice,
    /// INFO in the log: `Included extra file "F" during parsing`.
    Info,
    /// DEBG in the log: a key or section that nobody knows.
    Debug,
}

/// How much the log tells; the numbers are supervisord's.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// `blather`, BLAT.
    Blather = 3,
    /// `trace`, TRAC.
    Trace = 5,
    /// `debug`, DEBG.
    Debug = 10,
    /// `info`, INFO.
    Info = 20,
    /// `warn`, WARN.
    Warn = 30,
    /// `error`, ERRO.
    Error = 40,
    /// `critical`, CRIT.
    Critical = 50,
}

/// `[supervisord]`, with what the command line said instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Stay in the foreground.
    pub nodaemon: bool,
    /// Do not copy the log to standard output in the foreground.
    pub silent: bool,
    /// The user to become, as a number; names are looked up when the file is read.
    pub user: Option<u32>,
    /// The same as it was written.
    pub user_name: Option<String>,
    /// The creation mask; -1 is accepted, as by supervisord, and leaves it alone.
    pub umask: i64,
    /// Somebody said so, rather than nobody.
    pub umask_given: bool,
    /// Where to go before anything runs.
    pub directory: Option<String>,
    /// The main log: a path, absolute unless it is `syslog`.
    pub logfile: String,
    /// Bytes after which the log rotates; 0 never.
    pub logfile_maxbytes: i64,
    /// Rotated logs that are kept.
    pub logfile_backups: i64,
    /// What is logged.
    pub loglevel: Level,
    /// The pid file, absolute; empty for none, as CPAN Supervisor has it by default.
    pub pidfile: String,
    /// The name in events and in the names of automatic logs.
    pub identifier: String,
    /// Where automatic logs go.
    pub childlogdir: String,
    /// Open files that must be possible.
    pub minfds: i64,
    /// Processes that must be possible.
    pub minprocs: i64,
    /// Keep the automatic logs of a former run.
    pub nocleanup: bool,
    /// Take escape sequences out of child logs.
    pub strip_ansi: bool,
    /// For every program.
    pub environment: Vec<(String, String)>,
    /// What programs are told as SUPERVISOR_SERVER_URL; `None` where no server gives one.
    pub serverurl: Option<String>,
    /// `exit_on=` (ours): when the supervisor itself leaves.
    pub exit_on: ExitOn,
    /// `shutdown_timeout=` (ours): what a stop of everything may take before all that is left is
    /// killed.
    pub shutdown_timeout: Option<Duration>,
}

/// What one program's end means to the supervisor.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum ExitOn {
    /// Nothing, as in supervisord.
    #[default]
    Never,
    /// `fatal`: leave when a program became FATAL.
    Fatal,
    /// `exit`: leave when a program exited and is not restarted, or became FATAL.
    Exit,
    /// `all`: leave when nothing runs any more and nothing will be restarted.
    All,
}

/// A socket of the control protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The section it stands in.
    pub section: String,
    /// What follows the colon in the section's name.
    pub name: Option<String>,
    /// Where it listens.
    pub address: Address,
    /// Who may speak; both or neither are given.
    pub username: Option<String>,
    /// As written, or `{SHA}` and a hash.
    pub password: Option<String>,
}

/// Where a [`Server`] listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `[inet_http_server]`; an empty host is every address.
    Inet {
        /// A name, an address, or nothing.
        host: String,
        /// The TCP port.
        port: u16,
    },
    /// `[unix_http_server]`; -1 leaves an owner alone.
    Unix {
        /// The path.
        file: String,
        /// Its mode.
        chmod: i64,
        /// User and group.
        chown: (i64, i64),
    },
}

/// `[supervisorctl]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// `http://host:port` or `unix:///path`.
    pub serverurl: Option<String>,
    /// For Basic authentication.
    pub username: Option<String>,
    /// The same.
    pub password: Option<String>,
    /// What the interactive client shows.
    pub prompt: Option<String>,
    /// Where it keeps what was typed.
    pub history_file: Option<String>,
}

/// Processes that are named and ordered together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name of the section, or of what is in the group.
    pub name: String,
    /// Groups of a lower number start before and stop after others.
    pub priority: i64,
    /// What its processes are.
    pub kind: Kind,
    /// In the order in which they start: by priority, then by name.
    pub processes: Vec<Process>,
}

/// What is special about a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `[program:x]` or `[group:x]`.
    Program,
    /// `[fcgi-program:x]`: one listening socket on descriptor 0.
    Fcgi(Socket),
    /// `[eventlistener:x]`.
    Listener(Subscription),
}

/// The socket of an `[fcgi-program:x]`, or of a hot program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Where it listens.
    pub address: SocketAddress,
    /// Connections that may wait; SOMAXCONN unless given.
    pub backlog: Option<i64>,
    /// Uid and gid of a unix socket.
    pub owner: Option<(u32, u32)>,
    /// Mode of a unix socket; 0700 unless given.
    pub mode: Option<i64>,
}

/// Where a [`Socket`] listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketAddress {
    /// An address of this machine.
    Tcp {
        /// A name or an address.
        host: String,
        /// The TCP port.
        port: u16,
    },
    /// The absolute path of a unix socket.
    Unix(String),
}

/// What an event listener asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Names of event types, in capitals, in the order of the file without repetitions.
    pub events: Vec<String>,
    /// Events kept while every listener of the pool is busy; at least 1.
    pub buffer_size: i64,
    /// The Python name of the result handler; only supervisord's own is accepted.
    pub result_handler: String,
}

/// One process: all keys, expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// `process_name=`, expanded.
    pub name: String,
    /// After expansion, before it is split into words.
    pub command: String,
    /// Where it is started.
    pub directory: Option<String>,
    /// Its creation mask.
    pub umask: Option<i64>,
    /// `user=` as a number.
    pub uid: Option<u32>,
    /// A lower number starts before others of the group.
    pub priority: i64,
    /// Start it when the supervisor starts.
    pub autostart: bool,
    /// Start it again when it has exited.
    pub autorestart: AutoRestart,
    /// Seconds; it may be negative, which is as 0.
    pub startsecs: i64,
    /// -1 (ours) tries for ever.
    pub startretries: i64,
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub stderr: Output,
    /// Standard error goes where standard output goes.
    pub redirect_stderr: bool,
    /// A number as kill(2) takes it; supervisord accepts 0 and 1 for SIG_DFL and SIG_IGN, too.
    pub stopsignal: i32,
    /// Seconds from the stop signal to KILL.
    pub stopwaitsecs: i64,
    /// The stop signal goes to its process group.
    pub stopasgroup: bool,
    /// So does KILL.
    pub killasgroup: bool,
    /// Exits that are no failure.
    pub exitcodes: Vec<u8>,
    /// The supervisor's `environment=` with the program's own over it.
    pub environment: Vec<(String, String)>,
    /// Its own SUPERVISOR_SERVER_URL.
    pub serverurl: Option<String>,
    /// What supervisord does not know.
    pub extra: Rc<Extra>,
}

/// Whether a program that exited is started again.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum AutoRestart {
    /// `false`.
    Never,
    /// Unless the code is in `exitcodes`.
    Unexpected,
    /// `true`.
    Always,
    /// Only if the code is in `exitcodes`: CPAN Supervisor's rule.
    Listed,
}

/// Where one stream of a process goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The file.
    pub logfile: LogFile,
    /// Bytes after which it rotates; 0 never.
    pub maxbytes: i64,
    /// Rotated files that are kept.
    pub backups: i64,
    /// Bytes kept of what is written between the capture marks; 0 does not look for them.
    pub capture_maxbytes: i64,
    /// What is written becomes PROCESS_LOG events.
    pub events_enabled: bool,
    /// What is written goes to the system's log, too.
    pub syslog: bool,
    /// `stdout_prefix=` (ours), expanded: written before each line.
    pub prefix: Option<String>,
    /// `stdout_timestamp=` (ours): the time before each line.
    pub timestamp: bool,
}

/// The file of an [`Output`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFile {
    /// `NONE`, `off`, or nothing.
    None,
    /// `AUTO`: made in `childlogdir`, removed by the next run.
    Auto,
    /// `syslog`, the old way of saying `stdout_syslog=true`; a supervisord.conf becomes `None` with
    /// `syslog` set.
    Syslog,
    /// As written, with `~` expanded. Empty is as `None`, as in supervisord.
    Path(String),
}
