//! The server that is reached over a socket.

use std::io::ErrorKind;
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::progress::{Progress, Watcher};
use super::server::{CallError, Follow, Server};
use super::server_url::{Address, BadUrl, shown};
use super::wire::Wire;
use crate::report::complain;
use crate::supervise::rpc::{Value, read_answer, write_call};

/// What we call ourselves in requests.
const AGENT: &str = concat!("supervise-ctl/", env!("CARGO_PKG_VERSION"));

/// A server at an address, and the connection to it.
pub struct Client {
    /// As it is shown.
    url: String,
    address: Address,
    login: Option<(String, String)>,
    /// What the last call left open.
    idle: Option<Wire>,
    progress: Progress,
    verbose: bool,
}

impl Client {
    /// A client that has not connected yet. With `verbose` calls are told on standard error.
    ///
    /// # Errors
    ///
    /// The address is none.
    pub fn new(url: &str, login: Option<(String, String)>, verbose: bool) -> Result<Self, BadUrl> {
        let progress = Progress::new(Watcher::of_stderr(verbose));
        let address = Address::parse(url)?;
        Ok(Self { url: shown(url), address, login, idle: None, progress, verbose })
    }

    /// A request as bytes.
    fn request(&self, line: &str, body: &[u8]) -> Vec<u8> {
        let mut head = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {AGENT}\r\nAccept: */*\r\n",
            self.address.host()
        );
        if let Some((username, password)) = &self.login {
            let encoded = BASE64_STANDARD.encode(format!("{username}:{password}"));
            head.push_str(&format!("Authorization: Basic {encoded}\r\n"));
        }
        if line.starts_with("POST") {
            let length = body.len();
            head.push_str(&format!("Content-Type: text/xml\r\nContent-Length: {length}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }

    /// A connection that has taken the request.
    fn send(&mut self, request: &[u8]) -> Result<Wire, CallError> {
        if let Some(mut wire) = self.idle.take().filter(Wire::is_quiet) {
            match wire.send(request) {
                Ok(()) => return Ok(wire),
                // The server closed it in the same instant, and has not seen the request.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(error) => return Err(broken(error)),
            }
        }
        let mut wire = Wire::connect(&self.address)?;
        wire.send(request).map_err(broken)?;
        Ok(wire)
    }

    fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>, CallError> {
        let mut wire = self.send(request)?;
        let progress = &mut self.progress;
        let mut tick = || progress.tick(Instant::now());
        let head = wire.head(&mut tick).map_err(unsocketed)?;
        refused(head.status, &head.reason)?;
        let body = wire.body(head.body, &mut tick).map_err(unsocketed)?;
        if head.keeps {
            self.idle = Some(wire);
        }
        Ok(body)
    }
}

impl Server for Client {
    fn url(&self) -> &str {
        &self.url
    }

    fn call(&mut self, method: &str, params: &[Value]) -> Result<Value, CallError> {
        let request = self.request("POST /RPC2", &write_call(method, params));
        let begun = Instant::now();
        self.progress.begin(begun);
        let answer = self.exchange(&request);
        self.progress.end();
        if self.verbose {
            let seconds = begun.elapsed().as_secs_f64();
            complain(&[format!("{}: {method}: {seconds:.3} s", self.url)]);
        }
        let answer = read_answer(&answer?);
        let answer = answer.map_err(|error| CallError::Garbled(error.to_string()))?;
        answer.map_err(CallError::Fault)
    }

    fn announce(&mut self, what: &str) {
        self.progress.announce(what);
    }

    fn follow(&mut self, path: &str) -> Result<Box<dyn Follow>, CallError> {
        let mut wire = Wire::connect(&self.address)?;
        wire.send(&self.request(&format!("GET {path}"), b"")).map_err(broken)?;
        Ok(Box::new(wire.follow()?))
    }

    fn login(&mut self, username: String, password: String) {
        self.login = Some((username, password));
        self.idle = None;
    }

    fn open(&mut self, url: &str) -> Result<(), String> {
        self.address = Address::parse(url).map_err(|error| error.to_string())?;
        self.url = shown(url);
        self.idle = None;
        Ok(())
    }
}

pub(super) fn refused(status: u16, reason: &str) -> Result<(), CallError> {
    match status {
        200 => Ok(()),
        401 => Err(CallError::Unauthorized),
        _ => Err(CallError::Status(status, reason.to_owned())),
    }
}

/// An error behind a connection that was made says nothing about whether somebody listens.
fn broken(error: std::io::Error) -> CallError {
    CallError::Io(error)
}

fn unsocketed(error: CallError) -> CallError {
    match error {
        CallError::Refused => CallError::Io(ErrorKind::ConnectionRefused.into()),
        CallError::NoSocket => CallError::Io(ErrorKind::NotFound.into()),
        error => error,
    }
}

#[cfg(test)]
mod tests;
