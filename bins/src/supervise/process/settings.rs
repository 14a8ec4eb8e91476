//! How a process is run: the builder's part of [`Process`].

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fdpass::FdPlan;
use reaper::{Credentials, Image, Setup};
use sigpolicy::Signal;

use super::ending::Ending;
use super::streams::{Pipes, Streams};
use super::{Input, Output, Process, ProcessError};

/// From a stop to KILL.
const GRACE: Duration = Duration::from_secs(10);

pub(super) struct Settings {
    program: OsString,
    args: Vec<OsString>,
    env_clear: bool,
    /// In the order of the calls; without a value: to be taken away.
    env: Vec<(OsString, Option<OsString>)>,
    dir: Option<PathBuf>,
    user: Option<String>,
    group: Option<String>,
    umask: Option<u32>,
    nice: Option<i32>,
    stop: Vec<(Signal, Duration)>,
    stop_group: bool,
    pub(super) reload: Signal,
    death_signal: Option<Signal>,
    pub(super) streams: Streams,
}

impl Settings {
    pub(super) fn image(&self) -> Result<Image, ProcessError> {
        let inherited = (!self.env_clear).then(std::env::vars_os);
        let mut env: Vec<(OsString, OsString)> = inherited.into_iter().flatten().collect();
        for (name, value) in &self.env {
            env.retain(|(other, _)| other != name);
            env.extend(value.iter().map(|value| (name.clone(), value.clone())));
        }
        Ok(Image::new(&self.program, self.args.iter().cloned(), env)?)
    }

    pub(super) fn setup<'fd>(&self, plan: FdPlan<'fd>) -> Result<Setup<'fd>, ProcessError> {
        let mut setup = Setup::new().fds(plan).process_group();
        if let Some(dir) = &self.dir {
            setup = setup.dir(dir)?;
        }
        if self.user.is_some() || self.group.is_some() {
            let (user, group) = (self.user.as_deref(), self.group.as_deref());
            setup = setup.credentials(Credentials::lookup(user, group)?);
        }
        if let Some(mask) = self.umask {
            setup = setup.umask(mask);
        }
        if let Some(nice) = self.nice {
            setup = setup.nice(nice);
        }
        if let Some(signal) = self.death_signal {
            setup = setup.death_signal(signal);
        }
        Ok(setup)
    }

    pub(super) fn ending(&self) -> Ending {
        Ending::new(&self.stop, self.stop_group)
    }

    pub(super) fn longest_stop(&self) -> Duration {
        self.stop.iter().fold(Duration::ZERO, |sum, (_, wait)| sum.saturating_add(*wait))
    }
}

impl fmt::Debug for Settings {
    /// Arguments and environment may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("program", &self.program)
            .field("args", &self.args.len())
            .field("env", &self.env.len())
            .finish_non_exhaustive()
    }
}

/// Settings; what is changed while the program runs counts from its next start, those of a stop from
/// the next stop.
impl Process {
    /// A program that does not run. It is looked for in the PATH of its own environment if the name
    /// has no slash.
    pub fn new(program: impl AsRef<OsStr>) -> Process {
        let settings = Settings {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env_clear: false,
            env: Vec::new(),
            dir: None,
            user: None,
            group: None,
            umask: None,
            nice: None,
            stop: vec![(Signal::TERM, GRACE)],
            stop_group: false,
            reload: Signal::HUP,
            death_signal: None,
            streams: Streams::default(),
        };
        Process { settings, child: None, ending: None, pipes: Pipes::default() }
    }

    /// One more argument. It reaches the program as it is; nothing is split or expanded.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Process {
        self.settings.args.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Process {
        self.settings.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// A variable of the environment, beside those that the owner has when it starts the program.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Process {
        let value = value.as_ref().to_owned();
        self.settings.env.push((name.as_ref().to_owned(), Some(value)));
        self
    }

    /// A variable that the program is not to have.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Process {
        self.settings.env.push((name.as_ref().to_owned(), None));
        self
    }

    /// Nothing of the owner's environment, and nothing of what was set before this call. Without PATH
    /// the program is looked for in `/bin` and `/usr/bin`.
    pub fn env_clear(mut self) -> Process {
        self.settings.env_clear = true;
        self.settings.env.clear();
        self
    }

    /// The working directory; the owner's by default.
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Process {
        self.settings.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// The user, by name or number, with the groups of that user. It is looked up at each start; one
    /// that there is not makes the start fail. HOME, USER and the like stay the owner's.
    pub fn user(mut self, user: &str) -> Process {
        self.settings.user = Some(user.to_owned());
        self
    }

    /// The group in place of the user's own, by name or number.
    pub fn group(mut self, group: &str) -> Process {
        self.settings.group = Some(group.to_owned());
        self
    }

    /// The file mode creation mask, for example `0o022`; the owner's by default.
    pub fn umask(mut self, mask: u32) -> Process {
        self.settings.umask = Some(mask);
        self
    }

    /// The nice value, from -20 (favoured, needs privileges) to 19.
    pub fn nice(mut self, nice: i32) -> Process {
        self.settings.nice = Some(nice);
        self
    }

    /// The signal that asks the program to end, and the time before KILL. TERM and ten seconds by
    /// default.
    pub fn stop_signal(self, signal: Signal, wait: Duration) -> Process {
        self.stop_signals([(signal, wait)])
    }

    /// Several signals, each with the time before the next; KILL is the last by itself. `[(TERM, 10 s);
    /// 5]` is `StopRetries => 5`. Without any, KILL is the first.
    pub fn stop_signals(
        mut self,
        signals: impl IntoIterator<Item = (Signal, Duration)>,
    ) -> Process {
        self.settings.stop = signals.into_iter().collect();
        self
    }

    /// Send the signals of a stop to the whole process group, and wait until the last of it has gone.
    /// For shells and others that do not hand on signals. Who else is in the group gets its signal at
    /// the same time as the program.
    pub fn stop_group(mut self, whole: bool) -> Process {
        self.settings.stop_group = whole;
        self
    }

    /// The signal of [`reload`](Process::reload); HUP by default.
    pub fn reload_signal(mut self, signal: Signal) -> Process {
        self.settings.reload = signal;
        self
    }

    /// The signal that the kernel sends to the program when the owner ends however it does; to be
    /// exact, when the *thread* that called [`start`](Process::start) ends (`prctl(2)`,
    /// PR_SET_PDEATHSIG).
    pub fn death_signal(mut self, signal: Signal) -> Process {
        self.settings.death_signal = Some(signal);
        self
    }

    /// The standard input.
    pub fn stdin(mut self, input: Input) -> Process {
        self.settings.streams.stdin = input;
        self
    }

    /// The standard output.
    pub fn stdout(mut self, output: Output) -> Process {
        self.settings.streams.stdout = output;
        self
    }

    /// The standard error.
    pub fn stderr(mut self, output: Output) -> Process {
        self.settings.streams.stderr = output;
        self.settings.streams.joined = false;
        self
    }

    /// The standard error goes where the standard output goes.
    pub fn stderr_to_stdout(mut self) -> Process {
        self.settings.streams.joined = true;
        self
    }
}
