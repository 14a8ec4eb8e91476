//! What commands work with: a server, an output, and the exit code so far.

use std::io::{ErrorKind, Write};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::termios::isatty;

use super::outcome;
use super::plain::{self, Sifter};
use super::server::{CallError, Server};
use super::style::Style;
use crate::supervise::rpc::{FaultCode, Value};

/// The version of the protocol that is spoken here and by every supervisord since 3.0.
const PROTOCOL: &str = "3.0";

/// Asks whoever sits at the terminal; `None` when nobody answers.
pub type Ask<'a> = &'a mut dyn FnMut(&str) -> Option<String>;

/// One client at work.
pub struct Session<'a> {
    /// Who is spoken to.
    pub server: &'a mut dyn Server,
    /// Where answers go.
    pub out: &'a mut dyn Write,
    /// What `out` writes to, where that is known: it is waited for its end, and a terminal is spared
    /// the control characters of logs.
    pub descriptor: Option<BorrowedFd<'a>>,
    /// Colour or none.
    pub style: Style,
    /// Whom to ask before everything is stopped; `None` outside of a dialogue.
    pub ask: Option<Ask<'a>>,
    /// Ctrl-C ends what has no end of its own, rather than the process.
    pub interruptible: bool,
    /// For how long a process that was started must not end, where a start waits for nothing.
    pub settle: Duration,
    /// The exit code so far; see [`outcome`].
    pub exit: u8,
    /// The output broke: nothing is written any more.
    pub deaf: bool,
}

impl<'a> Session<'a> {
    /// A session without colour or anybody to ask.
    pub fn new(server: &'a mut dyn Server, out: &'a mut dyn Write) -> Self {
        Self {
            server,
            out,
            descriptor: None,
            style: Style::default(),
            ask: None,
            interruptible: false,
            settle: Duration::ZERO,
            exit: outcome::OK,
            deaf: false,
        }
    }

    /// Writes a line; control characters in it are shown as pictures. What was ordered is carried out
    /// even if nobody reads of it, so that a broken output is no error; it is remembered.
    pub fn say(&mut self, line: &str) {
        self.say_as_it_is(&plain::line(line));
    }

    /// The same of a text that may have several lines.
    pub fn say_lines(&mut self, text: &str) {
        self.say_as_it_is(&plain::lines(text));
    }

    /// Writes a line that is all our own, colours included.
    pub fn say_as_it_is(&mut self, line: &str) {
        self.write(line.as_bytes());
        self.write(b"\n");
    }

    /// Whether somebody looks at the output.
    #[must_use]
    pub fn at_terminal(&self) -> bool {
        self.descriptor.is_some_and(isatty)
    }

    /// Writes a piece of a log: as it is to a file or a pipe, without what would be orders to a
    /// terminal.
    pub(crate) fn pass(&mut self, sifter: &mut Sifter, bytes: &[u8]) {
        if self.at_terminal() {
            self.write(&sifter.sift(bytes));
        } else {
            self.write(bytes);
        }
    }

    /// Writes bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.deaf {
            return;
        }
        if let Err(error) = self.out.write_all(bytes).and_then(|()| self.out.flush()) {
            self.deaf = true;
            // Whoever closed the pipe has read enough; a full disk is another matter.
            if error.kind() != ErrorKind::BrokenPipe {
                crate::report::complain(&[format!("failed to write: {error}")]);
                self.exit = outcome::FAILED;
            }
        }
    }

    /// Says that something was not done.
    pub fn fail(&mut self, line: &str, exit: u8) {
        self.say(line);
        self.exit = exit;
    }

    /// Says in a line what supervisorctl shows as the error of its interpreter.
    pub fn fail_by(&mut self, error: &CallError) {
        let url = self.server.url();
        let line = match error {
            CallError::Unauthorized => "Server requires authentication".to_owned(),
            CallError::Refused => format!("error: {url} refused connection"),
            CallError::NoSocket => format!("error: {url} no such file"),
            CallError::Io(error) => format!("error: {url}: {error}"),
            _ => format!("error: {error}"),
        };
        // A fault about a configuration may have several lines.
        self.say_lines(&line);
        self.exit = outcome::FAILED;
    }

    /// Calls `supervisor.METHOD`.
    ///
    /// # Errors
    ///
    /// The server's.
    pub fn call(&mut self, method: &str, params: &[Value]) -> Result<Value, CallError> {
        self.server.call(&format!("supervisor.{method}"), params)
    }

    /// Whether a server is there that speaks our protocol; says so if not.
    ///
    /// # Errors
    ///
    /// Anything but what is expected of a server that is not there.
    pub fn upcheck(&mut self) -> Result<bool, CallError> {
        let url = self.server.url().to_owned();
        match self.call("getVersion", &[]) {
            Ok(Value::Text(version)) if version == PROTOCOL => return Ok(true),
            Ok(version) => {
                let version = match version {
                    Value::Text(version) => version,
                    _ => return Err(CallError::Garbled("getVersion gave no text".to_owned())),
                };
                let line = format!(
                    "Sorry, this version of supervisorctl expects to talk to a server with API \
                     version {PROTOCOL}, but the remote version is {version}."
                );
                self.fail(&line, outcome::OTHER_VERSION);
            }
            Err(error) if error.fault() == Some(FaultCode::UnknownMethod) => {
                self.fail(NO_NAMESPACE, outcome::NOT_RUNNING);
            }
            Err(CallError::Refused) => {
                self.fail(&format!("{url} refused connection"), outcome::UNKNOWN);
            }
            Err(CallError::NoSocket) => {
                self.fail(&format!("{url} no such file"), outcome::DEAD);
            }
            Err(error) => return Err(error),
        }
        Ok(false)
    }
}

/// What supervisorctl says to a supervisord without `[rpcinterface:supervisor]`.
const NO_NAMESPACE: &str = "Sorry, supervisord responded but did not recognize the supervisor \
    namespace commands that supervisorctl uses to control it.  Please check that the \
    [rpcinterface:supervisor] section is enabled in the configuration file (see sample.conf).";
