//! `supervise ctl`: the client of the control protocol, for us and for supervisord.
//!
//! Commands are functions over a [`Session`]: a [`Server`](server::Server), which is
//! a socket or a test's, an output, and the exit code so far. Texts and [exit codes](outcome) are
//! supervisorctl's wherever it has the command.

pub mod args;
pub mod ask;
pub mod avail;
pub mod clear;
pub mod client;
pub mod completions;
pub mod connect;
pub mod fg;
pub mod groups;
pub mod help;
mod http;
pub mod input;
pub mod interactive;
pub mod interrupt;
pub mod json;
pub mod lifecycle;
pub mod names;
pub mod outcome;
pub mod perform;
pub mod pid;
mod plain;
mod progress;
pub mod rolling;
pub mod server;
pub mod server_url;
pub mod session;
pub mod signal;
pub mod start_stop;
pub mod status;
pub mod style;
pub mod tail;
#[cfg(test)]
pub(crate) mod testing;
pub mod watch;
mod wire;

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use self::args::{Command, Misuse, Options, Request};
use self::connect::Settings;
use self::input::Input;
use self::session::Session;
use self::style::Style;
use super::args::{UsageError, refusal};
use super::config::load::World;

/// What `startsecs=` is where nobody says otherwise.
const SETTLE: Duration = Duration::from_secs(1);

/// Runs the client; `words` are those behind `ctl`, `program` is where we are.
///
/// # Errors
///
/// A command line or configuration that cannot be carried out.
pub fn run(program: &Path, words: Vec<OsString>) -> Result<u8, UsageError> {
    let refuse = |message: String| refusal(args::PROGRAM, &message);
    let mut out = Output;
    let (options, words) = match args::parse(words)? {
        Command::Help => {
            let written = out.write_all(help::text().as_bytes());
            return Ok(if written.is_ok() { outcome::OK } else { outcome::FAILED });
        }
        Command::Run(options, words) => (*options, words),
    };
    let world = World::of_this_process().map_err(refuse)?;
    let mut settings = Settings::read(program, &options, &world).map_err(refuse)?;
    // As other clients do that are told a name alone.
    if options.username.is_some() && settings.password.is_none() && ask::at_terminal() {
        settings.password = ask::ask("Password:", true);
    }
    let mut client = settings.client(options.verbose).map_err(refuse)?;
    let input = RefCell::new(Input::new(rustix::stdio::stdin()));
    let dialogue = options.interactive || words.is_empty();
    let mut one = |line: Result<Request, Misuse>, out: &mut dyn Write| {
        let mut ask = |question: &str| {
            Output.write_all(question.as_bytes()).ok()?;
            input.borrow_mut().line()
        };
        let mut session = Session::new(&mut client, out);
        session.interruptible = true;
        session.descriptor = Some(rustix::stdio::stdout());
        session.settle = SETTLE;
        session.ask = if dialogue { Some(&mut ask) } else { None };
        match line {
            Ok(request) => {
                session.style = style(&request.options);
                perform::perform(&mut session, &request, &input);
            }
            Err(misuse) => perform::misused(&mut session, &misuse, options.json),
        }
        session.exit
    };
    if words.is_empty() {
        let prompt = format!("{}> ", settings.prompt.as_deref().unwrap_or("supervisor"));
        let mut next = || input.borrow_mut().line();
        interactive::run(&options, &prompt, &mut next, &mut out, &mut |line, out| {
            one(line, out);
        });
        return Ok(outcome::OK);
    }
    Ok(one(args::read_words(&options, words), &mut out))
}

fn style(options: &Options) -> Style {
    let terminal = rustix::termios::isatty(rustix::stdio::stdout());
    Style::choose(options.color, terminal, |name| std::env::var(name).ok())
}

/// Standard output, unbuffered.
struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
