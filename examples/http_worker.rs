//! A worker to copy: an HTTP/1.1 server that starts and leaves without losing a request.
//!
//! ```text
//! start_server --port=127.0.0.1:8080 -- target/release/examples/http_worker
//! ```
//!
//! It answers every request with its generation and pid. What matters is around that:
//!
//! * the listening socket comes from the manager, which keeps it open: a connection that nobody has accepted
//!   yet waits for the next generation instead of being refused;
//! * `READY=1` is sent when requests can be served, so the manager need not guess by time;
//! * signals arrive as bytes in a pipe that the one `epoll_wait` also watches, so a signal that comes just
//!   before the wait still ends it: a flag that is tested before the wait would lose it now and then;
//! * after TERM nothing is accepted any more, every connection gets its next answer with `Connection: close`,
//!   and the process leaves with the last of them.
//!
//! Request bodies are read and dropped. Timeouts for slow clients are left to the proxy in front.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use sigpolicy::{Policy, Signal, Signals};

/// How long a connection without a request is kept after TERM.
const IDLE_LIMIT: Duration = Duration::from_secs(5);
/// After this time the process leaves, even in the middle of an answer to a client that does not read.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
/// The longest request head that is accepted, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;

const LISTENER: u64 = u64::MAX;
const SIGNALS: u64 = u64::MAX - 1;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // In one piece: others write to the same log.
            let _ = io::stderr().write_all(format!("http_worker: {error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    // SAFETY: this is the first thing that the process does, so nothing else owns or has closed the
    // descriptors that the environment names.
    #[allow(unsafe_code)]
    let mut inherited = unsafe { fdpass::Inherited::from_env()? };
    let listener = inherited.take_tcp()?;
    let generation = std::env::var("SERVER_STARTER_GENERATION").unwrap_or_else(|_| "-".to_owned());

    // Before READY: from then on no signal may end the process at once.
    let signals = Policy::new().catch(&[Signal::TERM, Signal::INT]).install()?;
    let body = format!("generation {generation} pid {}\n", std::process::id());
    let mut server = Server::new(listener, signals, body)?;
    fdpass::notify::ready()?;
    server.serve()?;
    Ok(())
}

struct Server {
    epoll: OwnedFd,
    listener: TcpListener,
    signals: Signals,
    body: String,
    /// By descriptor number, which is also the epoll key. A number used again within one batch of events
    /// gets an event that is not its own; reading then finds nothing, which does no harm.
    connections: HashMap<u64, Connection>,
    accepting: bool,
    /// When TERM came.
    draining: Option<Instant>,
}

impl Server {
    fn new(listener: TcpListener, signals: Signals, body: String) -> io::Result<Server> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        // Two generations wait on one socket: who comes second must not block in accept. The flag belongs to
        // the socket, not to this process, so every program that shares the socket has to expect it.
        listener.set_nonblocking(true)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        epoll::add(&epoll, &signals, EventData::new_u64(SIGNALS), EventFlags::IN)?;
        let connections = HashMap::new();
        Ok(Server { epoll, listener, signals, body, connections, accepting: true, draining: None })
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(256);
        while self.draining.is_none() || !self.connections.is_empty() {
            // While draining, look at the clock once a second; otherwise sleep until something happens.
            let tick = self.draining.map(|_| Timespec { tv_sec: 1, tv_nsec: 0 });
            match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                tick.as_ref(),
            ) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let quiet = events.is_empty();
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept(64)?,
                    SIGNALS => self.drain()?,
                    key => self.advance(key)?,
                }
            }
            if let Some(since) = self.draining {
                if since.elapsed() >= DRAIN_LIMIT {
                    break;
                }
                // Only when nothing has arrived: a request that is already here is served, not cut off.
                if quiet && since.elapsed() >= IDLE_LIMIT {
                    self.connections.retain(|_, connection| !connection.is_idle());
                }
            }
        }
        Ok(())
    }

    /// Accepts what waits, at most `limit` connections, so that no one connection waits for ever.
    fn accept(&mut self, limit: usize) -> io::Result<()> {
        for _ in 0..limit {
            match accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => {
                    let stream = TcpStream::from(socket);
                    let key = u64::try_from(stream.as_raw_fd()).unwrap_or_default();
                    epoll::add(&self.epoll, &stream, EventData::new_u64(key), EventFlags::IN)?;
                    self.connections.insert(key, Connection::new(stream));
                }
                Err(Errno::AGAIN) => break,
                // No descriptor to spare: leave the queue alone until a connection ends, or epoll spins.
                Err(Errno::MFILE | Errno::NFILE) if !self.connections.is_empty() => {
                    self.listen(false)?;
                    break;
                }
                Err(error @ (Errno::BADF | Errno::INVAL | Errno::NOTSOCK)) => {
                    return Err(error.into());
                }
                // The client has gone before it was accepted (accept(2) lists many errors of that kind).
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn listen(&mut self, accepting: bool) -> io::Result<()> {
        if accepting && !self.accepting {
            epoll::add(&self.epoll, &self.listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        } else if !accepting && self.accepting {
            epoll::delete(&self.epoll, &self.listener)?;
        }
        self.accepting = accepting;
        Ok(())
    }

    /// Stops accepting. What waits at this moment is still taken: when the whole service is being stopped
    /// there is nobody else to answer it, and should several workers share the listener with
    /// `EPOLLEXCLUSIVE`, this one may have been the only one told of it.
    fn drain(&mut self) -> io::Result<()> {
        self.signals.drain(&mut Vec::new());
        if self.draining.is_none() {
            self.listen(false)?;
            self.accept(1024)?;
            self.draining = Some(Instant::now());
        }
        Ok(())
    }

    fn advance(&mut self, key: u64) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(&key) else { return Ok(()) };
        let writing = !connection.output.is_empty();
        match connection.advance(self.draining.is_some(), &self.body) {
            Ok(Next::Keep) => {
                if writing == connection.output.is_empty() {
                    let flags = if writing { EventFlags::IN } else { EventFlags::OUT };
                    epoll::modify(&self.epoll, &connection.stream, EventData::new_u64(key), flags)?;
                }
            }
            Ok(Next::Close) | Err(_) => {
                self.connections.remove(&key); // closing takes it out of the epoll set
                if self.draining.is_none() && !self.accepting {
                    self.listen(true)?;
                }
            }
        }
        Ok(())
    }
}

enum Next {
    Keep,
    Close,
}

enum Phase {
    Open,
    /// The last answer is being written; `linger` when more may be under way from the client.
    Last {
        linger: bool,
    },
    /// Everything is written and our direction is shut. A close with unread input would send a reset, and that
    /// can overtake the answer: so read, and drop, until the client closes.
    Lingering,
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Bytes of a request body still to come, to be dropped.
    skip: u64,
    phase: Phase,
}

impl Connection {
    fn new(stream: TcpStream) -> Connection {
        Connection { stream, input: Vec::new(), output: Vec::new(), skip: 0, phase: Phase::Open }
    }

    fn is_idle(&self) -> bool {
        let quiet = self.input.is_empty() && self.output.is_empty() && self.skip == 0;
        quiet || matches!(self.phase, Phase::Lingering)
    }

    /// Does what can be done without waiting.
    fn advance(&mut self, draining: bool, body: &str) -> io::Result<Next> {
        if self.output.is_empty() {
            let mut chunk = [0; 8192];
            let got = match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(Next::Close),
                Ok(got) => chunk.get(..got).unwrap_or_default(),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
                {
                    return Ok(Next::Keep);
                }
                Err(error) => return Err(error),
            };
            if matches!(self.phase, Phase::Lingering) {
                return Ok(Next::Keep);
            }
            self.input.extend_from_slice(got);
            self.answer(draining, body);
        }
        self.flush()
    }

    /// Answers every request that has arrived whole (its body may still be coming).
    fn answer(&mut self, draining: bool, body: &str) {
        while matches!(self.phase, Phase::Open) {
            self.drop_body();
            let Some(end) = head_end(&self.input) else {
                if self.input.len() > HEAD_LIMIT {
                    self.input.clear();
                    let head = Head {
                        close: true,
                        ..Head::refused("431 Request Header Fields Too Large")
                    };
                    self.respond(&head, body);
                    self.phase = Phase::Last { linger: true };
                }
                return;
            };
            let mut head = Head::parse(self.input.get(..end).unwrap_or_default());
            self.input.drain(..end);
            self.skip = head.length;
            self.drop_body();
            let asked = head.close;
            // While draining, requests sent ahead of this answer are answered too: the last one ends it.
            head.close |= draining && head_end(&self.input).is_none();
            self.respond(&head, body);
            if head.close {
                let more = self.skip > 0 || !self.input.is_empty();
                self.phase = Phase::Last { linger: more || !asked || head.status != OK };
            }
        }
    }

    fn drop_body(&mut self) {
        let here = usize::try_from(self.skip).unwrap_or(usize::MAX).min(self.input.len());
        self.input.drain(..here);
        self.skip = self.skip.saturating_sub(here as u64);
    }

    fn respond(&mut self, head: &Head, body: &str) {
        let (status, connection) = (head.status, if head.close { "close" } else { "keep-alive" });
        let body = if head.status == OK { body } else { "" };
        // Writing to a Vec cannot fail.
        let _ = write!(
            self.output,
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: {connection}\r\n\r\n",
            body.len()
        );
        if !head.without_body {
            self.output.extend_from_slice(body.as_bytes());
        }
    }

    fn flush(&mut self) -> io::Result<Next> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(written) => drop(self.output.drain(..written.min(self.output.len()))),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Next::Keep),
                Err(error) => return Err(error),
            }
        }
        match self.phase {
            Phase::Last { linger: false } => return Ok(Next::Close),
            Phase::Last { linger: true } => {
                self.stream.shutdown(Shutdown::Write)?;
                self.phase = Phase::Lingering;
            }
            Phase::Open | Phase::Lingering => {}
        }
        Ok(Next::Keep)
    }
}

const OK: &str = "200 OK";

/// What this server wants to know of a request.
struct Head {
    status: &'static str,
    close: bool,
    /// The answer carries no body (the method is HEAD).
    without_body: bool,
    length: u64,
}

impl Head {
    fn refused(status: &'static str) -> Head {
        Head { status, close: true, without_body: false, length: 0 }
    }

    fn parse(text: &[u8]) -> Head {
        let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let mut words = lines.next().unwrap_or_default().split(|&byte| byte == b' ');
        let (method, _target, version) = (words.next(), words.next(), words.next());
        let mut head = match version {
            Some(b"HTTP/1.1") => Head { close: false, ..Head::refused(OK) },
            Some(b"HTTP/1.0") => Head::refused(OK),
            Some(_) => return Head::refused("505 HTTP Version Not Supported"),
            None => return Head::refused("400 Bad Request"),
        };
        head.without_body = method == Some(b"HEAD");
        for line in lines.filter(|line| !line.is_empty()) {
            let mut halves = line.splitn(2, |&byte| byte == b':');
            let (Some(name), Some(value)) = (halves.next(), halves.next()) else {
                return Head::refused("400 Bad Request");
            };
            let value = value.trim_ascii();
            if name.eq_ignore_ascii_case(b"connection") {
                let mut tokens = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
                head.close |= tokens.any(|token| token.eq_ignore_ascii_case(b"close"));
            } else if name.eq_ignore_ascii_case(b"content-length") {
                let digits = std::str::from_utf8(value).unwrap_or_default();
                match digits.parse() {
                    Ok(length) if !digits.starts_with('+') => head.length = length,
                    _ => return Head::refused("400 Bad Request"),
                }
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                return Head::refused("501 Not Implemented");
            } else if name.eq_ignore_ascii_case(b"expect") {
                // The client may or may not send the body after this answer: nothing can follow it.
                head.close = true;
            }
        }
        head
    }
}

/// Where the first request head ends, behind its empty line.
fn head_end(input: &[u8]) -> Option<usize> {
    input.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at.saturating_add(4))
}
