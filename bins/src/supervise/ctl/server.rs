//! What commands see of a server: calls, and logs to follow. The network has one, tests another.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use crate::supervise::rpc::{Fault, FaultCode, Value};

/// A server that can be called.
pub trait Server {
    /// Its address, as it may be shown: `unix:///run/supervisor.sock`; a password is not in it.
    fn url(&self) -> &str;

    /// Calls a method and waits for the answer, however long that takes.
    ///
    /// # Errors
    ///
    /// A fault of the method, or why there is no answer.
    fn call(&mut self, method: &str, params: &[Value]) -> Result<Value, CallError>;

    /// Says what the calls from now on wait for, `web:w1 to start`: should one take longer than a
    /// second, whoever looks at a terminal is told. Empty: nothing worth a word.
    fn announce(&mut self, what: &str);

    /// Asks for a path whose answer never ends, as `/logtail/web:w1/stdout`, on a connection of its
    /// own.
    ///
    /// # Errors
    ///
    /// Nobody can be asked. What the answer is tells [`Follow::read`].
    fn follow(&mut self, path: &str) -> Result<Box<dyn Follow>, CallError>;

    /// Who calls from now on.
    fn login(&mut self, username: String, password: String);

    /// Speaks to another server from now on.
    ///
    /// # Errors
    ///
    /// It is no address that could be spoken to: one line.
    fn open(&mut self, url: &str) -> Result<(), String>;
}

/// An answer that never ends.
pub trait Follow {
    /// What to wait on until there is something to [`read`](Follow::read); `None` when there always
    /// is.
    fn fd(&self) -> Option<BorrowedFd<'_>>;

    /// What has come since the last time, which may be nothing; `None` at the end. Blocks while
    /// nothing comes.
    ///
    /// # Errors
    ///
    /// [`CallError::Status`] for an answer other than 200, and why there is none, or no more.
    fn read(&mut self) -> Result<Option<Vec<u8>>, CallError>;
}

/// Why a call brought no value.
#[derive(Debug)]
pub enum CallError {
    /// The method said no.
    Fault(Fault),
    /// Nobody listens there: ECONNREFUSED.
    Refused,
    /// There is no such socket: ENOENT.
    NoSocket,
    /// The connection could not be made, or broke.
    Io(io::Error),
    /// 401: username and password are wanted, or wrong.
    Unauthorized,
    /// Another answer than 200, with its reason phrase.
    Status(u16, String),
    /// An answer that cannot be understood; one line.
    Garbled(String),
}

impl CallError {
    /// Which fault it is, of those that supervisord has.
    #[must_use]
    pub fn fault(&self) -> Option<FaultCode> {
        match self {
            CallError::Fault(fault) => FaultCode::from_number(fault.code),
            _ => None,
        }
    }
}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => CallError::Refused,
            io::ErrorKind::NotFound => CallError::NoSocket,
            _ => CallError::Io(error),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Fault(fault) => match FaultCode::from_number(fault.code) {
                Some(FaultCode::ShutdownState) => f.write_str("the server is shutting down"),
                Some(FaultCode::UnknownMethod) => {
                    f.write_str("the server does not know this method (UNKNOWN_METHOD)")
                }
                _ => fault.fmt(f),
            },
            CallError::Refused => f.write_str("connection refused"),
            CallError::NoSocket => f.write_str("no such file"),
            CallError::Io(error) => error.fmt(f),
            CallError::Unauthorized => f.write_str("the server requires authentication"),
            CallError::Status(code, reason) => {
                write!(f, "the server answered {code} {reason}")
            }
            CallError::Garbled(why) => write!(f, "the answer cannot be understood: {why}"),
        }
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CallError::Io(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_one_clear_line() {
        let fault = |code, text: &str| CallError::Fault(Fault::new(code, text));
        for (error, line) in [
            (fault(6, "SHUTDOWN_STATE"), "the server is shutting down"),
            (fault(92, "CANT_REREAD: x"), "CANT_REREAD: x"),
            (fault(1, "UNKNOWN_METHOD"), "the server does not know this method (UNKNOWN_METHOD)"),
            (io::Error::from_raw_os_error(111).into(), "connection refused"),
            (io::Error::from_raw_os_error(2).into(), "no such file"),
            (io::Error::from_raw_os_error(13).into(), "Permission denied (os error 13)"),
            (CallError::Status(500, "Oops".to_owned()), "the server answered 500 Oops"),
            (CallError::Garbled("x".to_owned()), "the answer cannot be understood: x"),
        ] {
            assert_eq!(error.to_string(), line);
        }
        assert_eq!(fault(70, "NOT_RUNNING").fault(), Some(FaultCode::NotRunning));
        assert_eq!(CallError::Refused.fault(), None);
    }
}
