//! One HTTP request after the other, or many at a time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::peers_load::Target;
use crate::sandbox::DEADLINE;

/// What a worker said.
#[derive(Debug)]
pub struct Answer {
    pub generation: u64,
    pub pid: i32,
    /// What comes after the first line.
    pub text: String,
    pub took: Duration,
}

pub trait Stream: Read + Write + Send {}
impl Stream for TcpStream {}
impl Stream for UnixStream {}

pub fn connect(target: &Target) -> io::Result<Box<dyn Stream>> {
    Ok(match target {
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
    })
}

/// Asks and reads the whole answer.
pub fn get(target: &Target, path: &str) -> io::Result<Answer> {
    let begun = Instant::now();
    answer(send(target, path)?, begun)
}

/// The body of an answer.
pub fn fetch(target: &Target, path: &str) -> io::Result<String> {
    body(send(target, path)?)
}

fn send(target: &Target, path: &str) -> io::Result<Box<dyn Stream>> {
    let mut stream = connect(target)?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
    Ok(stream)
}

fn short(text: &str) -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, format!("answer {text:?}"))
}

/// Reads an answer to its end: nothing less than what it announced will do.
fn body(mut stream: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| short(&text))?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length: Option<usize> = length.and_then(|length| length.parse().ok());
    if !head.starts_with("HTTP/1.1 200 ") || length != Some(body.len()) {
        return Err(short(&text));
    }
    Ok(body.to_owned())
}

/// Reads the answer of a scripted worker.
pub fn answer(stream: impl Read, begun: Instant) -> io::Result<Answer> {
    let body = body(stream)?;
    let took = begun.elapsed();
    let short = || short(&body);
    let (first, rest) = body.split_once('\n').unwrap_or((&body, ""));
    let words: Vec<&str> = first.split(' ').collect();
    let ["generation", generation, "pid", pid] = words[..] else { return Err(short()) };
    match (generation.parse(), pid.parse()) {
        (Ok(generation), Ok(pid)) => Ok(Answer { generation, pid, text: rest.to_owned(), took }),
        _ => Err(short()),
    }
}

/// Asks in a thread of its own.
pub fn ask(target: &Target, path: &str) -> JoinHandle<io::Result<Answer>> {
    let (target, path) = (target.clone(), path.to_owned());
    thread::spawn(move || get(&target, &path))
}

/// Asks as often at a time.
pub fn ask_many(target: &Target, path: &str, count: usize) -> Vec<JoinHandle<io::Result<Answer>>> {
    (0..count).map(|_| ask(target, path)).collect()
}

/// Every one must have been answered.
pub fn answers(asked: Vec<JoinHandle<io::Result<Answer>>>) -> Vec<Answer> {
    let total = asked.len();
    let results: Vec<_> = asked.into_iter().map(|asked| asked.join().unwrap()).collect();
    let lost: Vec<String> =
        results.iter().filter_map(|result| Some(result.as_ref().err()?.to_string())).collect();
    assert!(lost.is_empty(), "{} of {total} requests lost: {lost:#?}", lost.len());
    results.into_iter().flatten().collect()
}
