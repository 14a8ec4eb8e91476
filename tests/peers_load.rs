//! Clients that ask without a break, and count every request that is not answered.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::sandbox::{DEADLINE, pause};

/// Where a server listens.
#[derive(Clone)]
pub enum Target {
    Tcp(u16),
    Unix(PathBuf),
}

/// How a client treats its connection.
#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    /// One request for each connection.
    Close,
    /// The same connection until the server says `Connection: close`.
    KeepAlive,
}

/// How fast the clients are, by pairs.
#[derive(Clone, Copy, PartialEq)]
pub enum Pace {
    /// One asks again at once, and one waits a little in between, so that its connection is idle
    /// when the server is told to go.
    Fast,
    /// Both wait.
    Slow,
}

trait Stream: Read + Write + Send {}
impl Stream for TcpStream {}
impl Stream for UnixStream {}

/// What came of all requests.
#[derive(Default)]
struct Counts {
    requests: u64,
    failures: Vec<String>,
    /// Answers of each generation.
    generations: BTreeMap<u64, u64>,
}

struct Shared {
    stop: AtomicBool,
    counts: Mutex<Counts>,
}

/// Clients at work.
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
    begun: Instant,
}

/// The figures of a load that has ended.
#[derive(Debug)]
pub struct Tally {
    pub requests: u64,
    pub failures: Vec<String>,
    pub generations: Vec<u64>,
}

impl Load {
    /// For each target and mode two clients.
    pub fn start(targets: &[Target], modes: &[Mode], pace: Pace) -> Self {
        let counts = Mutex::new(Counts::default());
        let shared = Arc::new(Shared { stop: AtomicBool::new(false), counts });
        let mut clients = Vec::new();
        for target in targets {
            for mode in modes {
                for patient in [pace == Pace::Slow, true] {
                    let (shared, target, mode) = (Arc::clone(&shared), target.clone(), *mode);
                    clients.push(thread::spawn(move || client(&shared, &target, mode, patient)));
                }
            }
        }
        Self { shared, clients, begun: Instant::now() }
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest generation that has answered, and how many requests.
    pub fn newest(&self) -> Option<(u64, u64)> {
        self.counts()
            .generations
            .last_key_value()
            .map(|(generation, answers)| (*generation, *answers))
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.counts().requests
    }

    /// Lets every client finish the request it is at; the figures, shown by `-- --nocapture`.
    pub fn finish(mut self, what: &str) -> Tally {
        self.shared.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client.join().expect("a client");
        }
        let elapsed = self.begun.elapsed().as_secs_f64();
        let mut counts = self.counts();
        let (requests, failures) = (counts.requests, std::mem::take(&mut counts.failures));
        let generations: Vec<u64> = counts.generations.keys().copied().collect();
        let restarts = generations.len().saturating_sub(1);
        let failed = failures.len();
        eprintln!(
            "{what}: {restarts} restarts, {requests} requests, {failed} failed, {elapsed:.1} s"
        );
        Tally { requests, failures, generations }
    }
}

impl Tally {
    pub fn expect_no_failure(&self) {
        assert!(self.failures.is_empty(), "{self:#?}");
        assert!(self.requests > 0);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

fn client(shared: &Shared, target: &Target, mode: Mode, patient: bool) {
    let mut kept = None;
    while !shared.stop.load(Ordering::Relaxed) {
        let answer = exchange(&mut kept, target, mode);
        let failed = answer.is_err();
        let mut counts = shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.requests += 1;
        match answer {
            Ok(generation) => *counts.generations.entry(generation).or_default() += 1,
            Err(error) => counts.failures.push(format!("{error} ({:?})", error.kind())),
        }
        drop(counts);
        if patient || failed {
            pause();
        }
    }
}

/// A connection, read through a buffer.
type Connection = BufReader<Box<dyn Stream>>;

fn connect(target: &Target) -> io::Result<Connection> {
    let stream: Box<dyn Stream> = match target {
        Target::Tcp(port) => {
            let stream = TcpStream::connect(("127.0.0.1", *port))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            Box::new(stream)
        }
        Target::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            Box::new(stream)
        }
    };
    Ok(BufReader::new(stream))
}

/// One request: the generation that answered it.
fn exchange(kept: &mut Option<Connection>, target: &Target, mode: Mode) -> io::Result<u64> {
    let (mut connection, again) = match kept.take() {
        Some(connection) => (connection, true),
        None => (connect(target).map_err(|error| at("connect", &error))?, false),
    };
    let word = if mode == Mode::Close { "close" } else { "keep-alive" };
    let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: {word}\r\n\r\n");
    let place =
        |step: &str| format!("{step} on a {} connection", if again { "kept" } else { "new" });
    connection
        .get_mut()
        .write_all(request.as_bytes())
        .map_err(|error| at(&place("write"), &error))?;
    let (body, closing) = answer(&mut connection).map_err(|error| at(&place("read"), &error))?;
    let generation = body.strip_prefix("generation ").and_then(|rest| rest.split(' ').next());
    let generation = generation.and_then(|text| text.parse().ok());
    if mode == Mode::KeepAlive && !closing {
        *kept = Some(connection);
    }
    generation.ok_or_else(|| io::Error::other(format!("unexpected body {body:?}")))
}

fn at(step: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{step}: {error}"))
}

/// Reads one answer: its body, and whether the server closes after it.
fn answer(connection: &mut Connection) -> io::Result<(String, bool)> {
    let (mut length, mut closing, mut first) = (None, false, true);
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        if std::mem::take(&mut first) {
            if !line.starts_with("HTTP/1.1 200 ") {
                return Err(io::Error::other(format!("status line {line:?}")));
            }
            continue;
        }
        let Some((name, value)) = line.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok(),
            "connection" => closing = value.trim().eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    let length = length.ok_or_else(|| io::Error::other("no Content-Length"))?;
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok((String::from_utf8_lossy(&body).into_owned(), closing))
}

/// One request outside any load.
pub fn get(target: &Target, mode: Mode) -> io::Result<u64> {
    exchange(&mut None, target, mode)
}
