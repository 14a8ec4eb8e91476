//! The program itself: from the words of the command line to the exit code.

#![allow(unsafe_code)]

use std::ffi::OsString;
use std::process::ExitCode;

use fdpass::Inherited;
use sigpolicy::Signal;

use super::args::{self, Ask, Command, Format, UsageError};
use super::callbacks::Callbacks;
use super::config::{Config, Orphans, Size};
use super::program::Program;
use super::{client, host, top};
use crate::birth::{Birth, credentials};
use crate::files::Failed;
use crate::report::{complain, print};

/// Runs `prefork-run` with this process's arguments, environment and descriptors.
#[must_use]
pub fn main() -> ExitCode {
    let mut words = std::env::args_os();
    words.next();
    ExitCode::from(run(words.collect()))
}

fn run(words: Vec<OsString>) -> u8 {
    match args::parse(words) {
        Ok(command) => perform(command).unwrap_or_else(|failed| {
            complain(&failed.to_string().lines().map(str::to_owned).collect::<Vec<_>>());
            failed.code()
        }),
        Err(UsageError { lines, code }) => {
            complain(&lines);
            code
        }
    }
}

fn perform(command: Command) -> Result<u8, Failed> {
    match command {
        Command::Help => output(&args::help()),
        Command::Version => output(concat!(env!("CARGO_PKG_VERSION"), "\n")),
        Command::Run(config) => start(*config),
        Command::Status(ask, format) => {
            let status = client::status(&ask.place)?;
            output(&match format {
                Format::Table => status.table(),
                Format::Auto => status.auto(),
                Format::Json => status.json(),
                Format::OpenMetrics => status.openmetrics(),
            })
        }
        Command::Top(ask, interval) => top::run(&ask.place, interval),
        Command::Reload(ask) => order(&ask, "reload"),
        Command::Stop(ask) => order(&ask, "stop"),
        Command::Add(ask, count) => order(&ask, &format!("add {count}")),
        Command::Remove(ask, count) => order(&ask, &format!("remove {count}")),
        Command::Signal(ask, signal) => order(&ask, &format!("signal {signal}")),
    }
}

fn order(ask: &Ask, request: &str) -> Result<u8, Failed> {
    let answer = client::command(&ask.place, request, ask.timeout)?;
    output(&format!("{answer}\n"))
}

fn start(config: Config) -> Result<u8, Failed> {
    let birth = Birth::observe(inherited()?);
    let program = Program {
        program: config.program.clone(),
        args: config.args.clone(),
        dir: config.chdir.clone(),
        umask: config.umask,
        credentials: credentials(config.user.as_deref(), config.group.as_deref())?,
        no_new_privs: config.no_new_privs,
        fcgi: config.fcgi,
        death_signal: match config.conduct.orphans {
            Orphans::Leave => Some(Signal::TERM),
            Orphans::Stay => None,
        },
        variables: birth.variables.clone(),
        as_user: config.user.is_some(),
    };
    if config.pool.size == Size::Fixed(0) {
        return host::run_single(config, birth, program);
    }
    host::run(config, birth, Box::new(program), Callbacks::default())
}

fn output(text: &str) -> Result<u8, Failed> {
    print(text)
        .map(|()| 0)
        .map_err(|error| Failed::io("failed to write to standard output", &error))
}

fn inherited() -> Result<Inherited, Failed> {
    // SAFETY: this is the start of the program: there is one thread, and nothing but the standard
    // streams has been opened, so the descriptors named by the environment are nobody else's.
    unsafe { Inherited::from_env() }.map_err(|error| Failed::new(error.to_string(), 255))
}
