//! The program itself: from the words of the command line to the exit code.

#![allow(unsafe_code)]

use std::ffi::OsString;
use std::process::ExitCode;

use fdpass::Inherited;
use reaper::Pid;

use super::args::{self, Command, UsageError};
use super::{Birth, restart, start, status, stop};
use crate::files::Failed;
use crate::report::{complain, print};

/// Runs `start_server` with this process's arguments, environment and descriptors.
#[must_use]
pub fn main() -> ExitCode {
    let mut words = std::env::args_os();
    words.next();
    ExitCode::from(run(words.collect()))
}

fn run(words: Vec<OsString>) -> u8 {
    let posixly_correct = std::env::var_os("POSIXLY_CORRECT").is_some();
    match args::parse(words, posixly_correct) {
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
        Command::Help => output(&args::help())?,
        Command::Version => output(concat!(env!("CARGO_PKG_VERSION"), "\n"))?,
        Command::Restart(options) => {
            restart(&options)?;
        }
        Command::Stop(options) => stop(&options, |server| {
            let own = Pid::own();
            complain(&[format!("stop_server (pid:{own}) stopping now (pid:{server})...")]);
        })?,
        Command::Status(options) => {
            let state = status(&options)?;
            output(&if options.json { state.json() } else { state.table() })?;
        }
        Command::Start(options) => return start(*options, Birth::observe(inherited()?)),
    }
    Ok(0)
}

fn output(text: &str) -> Result<(), Failed> {
    print(text).map_err(|error| Failed::io("failed to write to standard output", &error))
}

fn inherited() -> Result<Inherited, Failed> {
    // SAFETY: this is the start of the program: there is one thread, and nothing but the standard
    // streams has been opened, so the descriptors named by LISTEN_FDS are nobody else's.
    unsafe { Inherited::from_systemd() }.map_err(|error| Failed::new(error.to_string(), 255))
}
