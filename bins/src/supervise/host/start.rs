//! From a configuration to a supervisor that runs, and from one run to the next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::Path;

use reaper::orphans::{become_subreaper, is_init};
use reaper::{Credentials, EventLoop, Limit, Pid, Resource, Setup, settle};
use rustix::process::{Resource as Limited, Rlimit, getrlimit, setrlimit};

use super::checks::Checks;
use super::control::Control;
use super::environment::inherited;
use super::listeners::Listeners;
use super::low::Low;
use super::plan::general;
use super::process::since_1970;
use super::reread::Reread;
use super::sockets::Sockets;
use super::state_file::StateFile;
use super::streams::Outputs;
use super::{Host, OWN_SIGNALS, State};
use crate::birth::{Birth, catch_signals};
use crate::daemonize::{Launcher, Place, background, leave_stdin, tell};
use crate::files::{Failed, PidFile};
use crate::footprint::forget_what_is_free;
use crate::supervise::args::Options;
use crate::supervise::config::format;
use crate::supervise::config::load::World;
use crate::supervise::config::model::{Config, Daemon, Level, Note, Weight};
use crate::supervise::lines::Line;
use crate::supervise::logs::auto_names;
use crate::supervise::logs::{MainLog, MainLogOptions};
use crate::supervise::machine::Machine;
use crate::supervise::machine::types::{After, Input};

/// What supervisord ends with when it cannot start.
const USAGE: u8 = 2;

/// Runs the programs until the supervisor is told to stop; the exit code.
///
/// The process must have one thread: it may fork, and it waits for all its children.
///
/// # Errors
/// Whatever keeps the supervisor from starting; no program runs then.
pub fn run(options: Options, config: Config, birth: Birth) -> Result<u8, Failed> {
    let usage = |text: String| Failed::new(format!("Error: {text}"), USAGE);
    // Relative paths count from where we were started, also after `directory=`.
    let world = World::of_this_process().map_err(usage)?;
    let Config { mut daemon, servers, groups, notes, .. } = config;
    // PID 1 has nobody to leave its programs to.
    daemon.nodaemon |= is_init();
    drop_privileges(&daemon).map_err(usage)?;
    let nofile = raise_limits(&daemon).map_err(usage)?;
    let state = options.state.as_ref().map(|path| world.cwd.join(path));
    let state_file = state.as_deref().map(StateFile::open).transpose().map_err(usage)?;
    let stopped = state_file.as_ref().map(|file| file.stopped().clone()).unwrap_or_default();
    let launcher = match background(!daemon.nodaemon)? {
        Place::Here(launcher) => launcher,
        Place::Launched(code) => return Ok(code),
    };
    let settled = settle_in(&daemon, launcher.is_some());
    let (events, null) = match settled {
        Ok(settled) => settled,
        Err(failed) => return tell(launcher, failed),
    };
    let mut log = MainLog::open(MainLogOptions::of(&daemon));
    if launcher.is_some() && !log.is_open() {
        let text = format!("could not open the log file {}", daemon.logfile);
        return tell(launcher, usage(text));
    }
    // Both before anything that belongs to the run of another supervisor is touched.
    let control = match Control::open(servers) {
        Ok(control) => control,
        Err(text) => return tell(launcher, usage(text)),
    };
    let pid_file = match write_pid(&daemon, &mut log) {
        Ok(pid_file) => pid_file,
        Err(failed) => {
            control.close();
            return tell(launcher, failed);
        }
    };
    preamble(&mut log, &daemon, &notes);
    if launcher.is_some() {
        log.say(&Line::Daemonizing);
        if let Some(path) = daemon.directory.clone() {
            log.say(&Line::Directory { path });
        }
    }
    let mut host = Host {
        events,
        machine: Machine::new(general(&daemon)),
        processes: BTreeMap::new(),
        present: BTreeMap::new(),
        reread: Reread::default(),
        members: BTreeMap::new(),
        sources: HashMap::new(),
        sockets: Sockets::default(),
        outputs: Outputs::new(),
        listeners: Listeners::new(&daemon),
        checks: Checks::default(),
        control,
        log,
        load: Box::new(move || again(&options, &world)),
        variables: inherited(birth.variables),
        nofile,
        descriptors: Limit::of(Resource::OpenFiles).soft,
        null,
        low: Low::default(),
        began: since_1970(),
        pid_file,
        state_file,
        next: 0,
        state: State::default(),
        daemon,
    };
    host.events.reap_orphans(true);
    host.open_doors();
    host.log.say(&Line::Started { pid: Pid::own() });
    host.begin(groups, &stopped);
    if let Some(launcher) = launcher {
        Launcher::report(launcher, 0, "");
    }
    forget_what_is_free();
    Ok(host.live())
}

impl Host {
    /// One life after the other, until one is the last.
    fn live(mut self) -> u8 {
        loop {
            match self.serve() {
                After::Leave(code) => {
                    self.finish();
                    return code;
                }
                After::Again => self.again(),
            }
        }
    }

    /// The same supervisor with the configuration as it is now.
    fn again(&mut self) {
        for process in std::mem::take(&mut self.processes).into_values() {
            self.release_targets(&process);
        }
        self.present.clear();
        self.members.clear();
        self.state.additions = None;
        self.sockets.close();
        self.checks = Checks::default();
        let groups = match (self.load)() {
            Ok(config) => {
                let Config { daemon, servers, groups, notes, .. } = config;
                tell_notes(&mut self.log, &notes);
                self.change_servers(servers);
                self.reconfigure(daemon);
                clean_up(&mut self.log, &self.daemon);
                groups
            }
            Err(text) => {
                // Nothing runs and nothing can be run: that is for somebody to see at once.
                self.line(Level::Critical, format!("cannot read the configuration: {text}"));
                self.state.finished = Some(After::Leave(USAGE));
                Vec::new()
            }
        };
        self.listeners = Listeners::new(&self.daemon);
        self.machine = Machine::new(general(&self.daemon));
        self.log.say(&Line::Started { pid: Pid::own() });
        let stopped = self.state_file.as_ref().map(|file| file.stopped().clone());
        self.begin(groups, &stopped.unwrap_or_default());
    }

    /// Everything has stopped: files go, logs are written out.
    fn finish(mut self) {
        self.kill_stop_commands();
        self.bury();
        self.sockets.close();
        self.keep_state();
        self.close_doors();
        self.drain_outputs();
        if let Some(pid_file) = self.pid_file.take() {
            pid_file.remove();
        }
        self.log.close();
    }

    /// Adds all programs and starts those that start by themselves.
    fn begin(
        &mut self,
        groups: Vec<crate::supervise::config::model::Group>,
        stopped: &BTreeSet<String>,
    ) {
        self.apply(groups);
        self.hold(stopped);
        self.feed(Input::Begin);
    }
}

/// Reads the configuration as it is now.
fn again(options: &Options, world: &World) -> Result<Config, String> {
    let file = options.file.as_deref().ok_or("no file is named")?;
    format::read(file, options.format, &options.overrides, world)
}

/// Becomes the user of `[supervisord]`, if one is named.
fn drop_privileges(daemon: &Daemon) -> Result<(), String> {
    let own = rustix::process::getuid();
    let Some(uid) = daemon.user.filter(|uid| *uid != own.as_raw()) else { return Ok(()) };
    if !own.is_root() {
        return Err("Can't drop privilege as nonroot user".to_owned());
    }
    let user = Credentials::lookup(Some(&uid.to_string()), None);
    let user = user.map_err(|error| error.to_string())?;
    settle(&Setup::new().credentials(user)).map_err(|error| error.to_string())
}

/// Makes as many files and processes possible as the file asks for, and more files for ourselves;
/// what programs get.
fn raise_limits(daemon: &Daemon) -> Result<Limit, String> {
    let wanted = [
        (Limited::Nofile, daemon.minfds, "minfds", ["file descriptors"; 2], ["process", "start"]),
        (
            Limited::Nproc,
            daemon.minprocs,
            "minprocs",
            ["available processes", "processes"],
            ["program", "start"],
        ),
    ];
    for (resource, least, key, [what, kind], [process, verb]) in wanted {
        let least = u64::try_from(least).unwrap_or(0);
        let limit = getrlimit(resource);
        if limit.current.is_none_or(|soft| soft >= least) {
            continue;
        }
        let maximum = limit.maximum.map(|hard| hard.max(least));
        if setrlimit(resource, Rlimit { current: Some(least), maximum }).is_err() {
            let most = limit.maximum.unwrap_or(u64::MAX);
            return Err(format!(
                "The minimum number of {what} required to run this {process} is {least} as per the \
                 \"{key}\" command-line argument or config file setting. The current environment \
                 will only allow you to open {most} {kind}.  Either raise the number of usable \
                 {kind} in your environment (see README.rst) or lower the {key} setting in the \
                 config file to allow the {process} to {verb}."
            ));
        }
    }
    let programs = Limit::of(Resource::OpenFiles);
    // Ten thousand programs need many descriptors here; that it may fail is no reason not to start.
    let _ = Limit::raise_open_files();
    Ok(programs)
}

/// What is to be done after the last fork and before the first program.
fn settle_in(daemon: &Daemon, daemonized: bool) -> Result<(EventLoop, File), Failed> {
    if let Some(directory) = &daemon.directory {
        let changed = std::env::set_current_dir(directory);
        changed.map_err(|error| Failed::io(format!("can't chdir into '{directory}'"), &error))?;
    }
    // In the foreground a mask that nobody names is the caller's.
    let wanted = daemonized || daemon.umask_given;
    if let (true, Ok(mask)) = (wanted, u32::try_from(daemon.umask)) {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask & 0o777));
    }
    // Not before the forks of a daemon: a handler belongs to one process.
    let signals = catch_signals(&OWN_SIGNALS)?;
    let events = EventLoop::new(signals).map_err(|error| Failed::io("no event loop", &error))?;
    let null = File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(|error| Failed::io("cannot open /dev/null", &error))?;
    if daemonized {
        leave_stdin()?;
        let quiet =
            rustix::stdio::dup2_stdout(&null).and_then(|()| rustix::stdio::dup2_stderr(&null));
        quiet.map_err(|error| Failed::io("cannot leave the terminal", &error.into()))?;
    }
    Ok((events, null))
}

/// The first lines of the log, as supervisord has them.
fn preamble(log: &mut MainLog, daemon: &Daemon, notes: &[Note]) {
    if let Some(uid) = daemon.user {
        log.say(&Line::SetUid { uid });
    } else if rustix::process::getuid().is_root() && !is_init() {
        log.say(&Line::Root);
    }
    tell_notes(log, notes);
    if let Err(error) = become_subreaper() {
        log.log(Level::Warn, &format!("orphans of programs cannot be reaped: {error}"));
    }
    clean_up(log, daemon);
}

/// Removes the automatic logs of an earlier life.
fn clean_up(log: &mut MainLog, daemon: &Daemon) {
    if !daemon.nocleanup {
        for text in auto_names::clean(Path::new(&daemon.childlogdir), &daemon.identifier) {
            log.log(Level::Warn, &text);
        }
    }
}

/// What was noticed in the configuration.
pub(super) fn tell_notes(log: &mut MainLog, notes: &[Note]) {
    for note in notes {
        let level = match note.weight {
            Weight::Warning | Weight::Advice => Level::Warn,
            Weight::Info => Level::Info,
            Weight::Debug => Level::Debug,
        };
        // Names and values may hold anything, and a line is a line.
        let text: String =
            note.text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        log.log(level, &text);
    }
}

/// The pid file. That it cannot be written is no reason not to run; that another supervisor holds it
/// is: everything would run twice.
fn write_pid(daemon: &Daemon, log: &mut MainLog) -> Result<Option<PidFile>, Failed> {
    let path = Path::new(&daemon.pidfile);
    if daemon.pidfile.is_empty() || path == Path::new("/dev/null") {
        return Ok(None);
    }
    let written = PidFile::lock(path).and_then(|mut file| file.write(Pid::own()).map(|()| file));
    match written {
        Ok(file) => Ok(Some(file)),
        Err(failed) if failed.code() == HELD => Err(Failed::new(failed.to_string(), USAGE)),
        Err(failed) => {
            log.log(
                Level::Critical,
                &format!("could not write pidfile {}: {failed}", daemon.pidfile),
            );
            Ok(None)
        }
    }
}

/// What [`PidFile::lock`] fails with when somebody else has it.
const HELD: u8 = 11;
