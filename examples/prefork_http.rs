//! A preforking HTTP/1.1 server: each request says which worker answered it. One request for each
//! connection.
//!
//! `prefork_http LISTEN [WORD=VALUE ...]`, with the words of `configure` below. With the word `plain`
//! the same loop runs in as many processes without manager, signals and scoreboard: what the pool
//! costs is what lies between the two.
//!
//! `GET /sleep/MILLISECONDS` takes that long; everything else is answered at once.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use reaper::{Setup, fork_worker};
use scoreboard::State;
use superdaemon::prefork::config::Reload;
use superdaemon::prefork::{Prefork, Worker};

/// A longer head is refused.
const HEAD: usize = 8192;
/// A client that sends nothing holds up one worker for so long.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = io::stderr().write_all(format!("prefork_http: {error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run(words: Vec<String>) -> Result<u8, Box<dyn Error>> {
    let (listen, settings) = words.split_first().ok_or("prefork_http LISTEN [WORD=VALUE ...]")?;
    if settings.first().is_some_and(|word| word == "plain") {
        return plain(listen, settings);
    }
    let mut prefork = Prefork::new(serve).listen(listen).name("prefork_http");
    for setting in settings {
        prefork = configure(prefork, setting)?;
    }
    Ok(prefork.run()?)
}

fn configure(prefork: Prefork, setting: &str) -> Result<Prefork, Box<dyn Error>> {
    let (word, value) = setting.split_once('=').unwrap_or((setting, ""));
    Ok(match word {
        "listen" => prefork.listen(value),
        "workers" => prefork.prefork(value.parse()?),
        "spare" => {
            let (min, max) = value.split_once(':').ok_or("spare=MIN:MAX")?;
            prefork.spare(min.parse()?, max.parse()?)
        }
        "on-demand" => prefork.on_demand(Duration::from_secs(value.parse()?)),
        "max-workers" => prefork.max_children(value.parse()?),
        "max-requests" => prefork.max_requests(value.parse()?),
        "jitter" => prefork.max_requests_jitter(value.parse()?),
        "die-timeout" => prefork.die_timeout(Duration::from_secs(value.parse()?)),
        "reload" if value == "rolling" => prefork.reload(Reload::Rolling),
        "reload" if value == "replace" => prefork.reload(Reload::Replace),
        "pid-file" => prefork.pid_path(Path::new(value)),
        "scoreboard" => prefork.scoreboard_path(Path::new(value)),
        "error-log" => prefork.error_log_path(Path::new(value)),
        "user" => prefork.user(value),
        "daemonize" => prefork.daemonize(),
        _ => return Err(format!("no such setting: {setting}").into()),
    })
}

/// What a worker does.
fn serve(worker: &mut Worker) -> Result<(), Box<dyn Error>> {
    let (pid, slot, generation) = (std::process::id(), worker.slot(), worker.generation());
    let body = format!("worker {pid} slot {slot} generation {generation}\n");
    let mut buffer = Vec::with_capacity(HEAD);
    while let Some(mut request) = worker.accept()? {
        // A client that goes away or talks nonsense is no reason for the worker to go.
        if let Ok(path) = read_head(request.stream(), &mut buffer) {
            request.status(path);
            request.state(State::WRITING);
            if let Ok(sent) = answer(request.stream(), path, &body) {
                request.add_bytes(sent);
            }
        }
    }
    Ok(())
}

/// The same without a manager.
fn plain(listen: &str, settings: &[String]) -> Result<u8, Box<dyn Error>> {
    let workers = settings.iter().find_map(|word| word.strip_prefix("workers="));
    let listener = TcpListener::bind(listen)?;
    let mut children = Vec::new();
    for _ in 0..workers.unwrap_or("3").parse()? {
        children.push(fork_worker(&Setup::new(), || {
            let body = format!("worker {}\n", std::process::id());
            let mut buffer = Vec::with_capacity(HEAD);
            while let Ok((mut stream, _)) = listener.accept() {
                if let Ok(path) = read_head(&mut stream, &mut buffer) {
                    let _ = answer(&mut stream, path, &body);
                }
            }
            1
        })?);
    }
    for mut child in children {
        child.wait()?;
    }
    Ok(0)
}

/// Reads the head of a request; its path.
fn read_head<'b>(stream: &mut impl Read, buffer: &'b mut Vec<u8>) -> io::Result<&'b str> {
    buffer.clear();
    let begun = Instant::now();
    while !buffer.ends_with(b"\r\n\r\n") {
        let mut chunk = [0; HEAD];
        let got = match stream.read(&mut chunk) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(got) => got,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        buffer.extend_from_slice(chunk.get(..got).unwrap_or_default());
        if buffer.len() > HEAD || begun.elapsed() > PATIENCE {
            return Err(ErrorKind::InvalidData.into());
        }
    }
    let line = buffer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| ErrorKind::InvalidData)?;
    line.split(' ').nth(1).ok_or(ErrorKind::InvalidData.into())
}

/// Answers; how many bytes that took.
fn answer(stream: &mut impl Write, path: &str, body: &str) -> io::Result<u64> {
    if let Some(milliseconds) = path.strip_prefix("/sleep/").and_then(|text| text.parse().ok()) {
        rest(Duration::from_millis(milliseconds));
    }
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes())?;
    Ok(answer.len() as u64)
}

/// Work that takes a while.
fn rest(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::thread::park_timeout(time.saturating_sub(begun.elapsed()));
    }
}
