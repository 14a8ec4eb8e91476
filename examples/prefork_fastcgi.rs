//! A preforking FastCGI responder, with its own few lines of the protocol.
//!
//! `prefork_fastcgi LISTEN [WORKERS]`, then for example in nginx:
//!
//! ```text
//! location / { include fastcgi_params; fastcgi_pass 127.0.0.1:9000; }
//! ```
//!
//! It answers with the request's parameters and the length of its body. One request for each
//! connection: a connection that a web server keeps would keep a worker, too.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write};
use std::process::ExitCode;

use scoreboard::State;
use superdaemon::prefork::{Prefork, Request, Worker};

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = io::stderr().write_all(format!("prefork_fastcgi: {error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run(words: Vec<String>) -> Result<u8, Box<dyn Error>> {
    let mut words = words.into_iter();
    let listen = words.next().ok_or("prefork_fastcgi LISTEN [WORKERS]")?;
    let mut prefork = Prefork::new(serve).listen(&listen).name("prefork_fastcgi");
    if let Some(workers) = words.next() {
        prefork = prefork.n_processes(workers.parse()?);
    }
    Ok(prefork.run()?)
}

fn serve(worker: &mut Worker) -> Result<(), Box<dyn Error>> {
    while let Some(mut request) = worker.accept()? {
        // A web server that goes away is no reason for the worker to go.
        let _ = respond(&mut request);
    }
    Ok(())
}

fn respond(request: &mut Request<'_>) -> io::Result<()> {
    let Some(call) = Call::read(request.stream())? else { return Ok(()) };
    let param = |name: &str| call.params.get(name).map(String::as_str).unwrap_or_default();
    let status = format!("{} {}", param("REQUEST_METHOD"), param("REQUEST_URI"));
    request.status(status);
    request.state(State::WRITING);
    let mut text = String::from("Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n");
    let (pid, slot) = (std::process::id(), request.slot());
    // Writing to a String cannot fail.
    let _ = writeln!(text, "worker {pid} slot {slot}, {} bytes of body", call.body.len());
    for (name, value) in &call.params {
        let _ = writeln!(text, "{name}={value}");
    }
    let stream = request.stream();
    write_stream(stream, STDOUT, call.id, text.as_bytes())?;
    write_record(stream, END_REQUEST, call.id, &[0; 8])?;
    stream.flush()?;
    request.add_bytes(text.len() as u64);
    Ok(())
}

const BEGIN_REQUEST: u8 = 1;
const ABORT_REQUEST: u8 = 2;
const END_REQUEST: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const GET_VALUES: u8 = 9;
const GET_VALUES_RESULT: u8 = 10;
const UNKNOWN_TYPE: u8 = 11;

const RESPONDER: [u8; 2] = [0, 1];
/// Protocol status of a refusal: the role is none that is played here.
const UNKNOWN_ROLE: u8 = 3;

/// Larger parameters or bodies are refused.
const MOST: usize = 16 << 20;

/// A request as it came.
#[derive(Debug, Default)]
struct Call {
    id: u16,
    params: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Call {
    /// `None` when the other side went away, gave up, or was refused.
    fn read(stream: &mut (impl Read + Write)) -> io::Result<Option<Call>> {
        let mut call: Option<Call> = None;
        let mut params = Vec::new();
        loop {
            let Some(record) = Record::read(stream)? else { return Ok(None) };
            match (record.kind, &mut call) {
                (GET_VALUES, _) => {
                    let values = pair("FCGI_MAX_CONNS", "1") + &pair("FCGI_MAX_REQS", "1");
                    let values = values + &pair("FCGI_MPXS_CONNS", "0");
                    write_record(stream, GET_VALUES_RESULT, 0, values.as_bytes())?;
                }
                (BEGIN_REQUEST, None) => {
                    if record.content.get(..2) != Some(&RESPONDER) {
                        let refusal = [0, 0, 0, 0, UNKNOWN_ROLE, 0, 0, 0];
                        write_record(stream, END_REQUEST, record.id, &refusal)?;
                        return Ok(None);
                    }
                    call = Some(Call { id: record.id, ..Call::default() });
                }
                (ABORT_REQUEST, Some(_)) => return Ok(None),
                (PARAMS, Some(call)) if record.id == call.id => {
                    if record.content.is_empty() {
                        call.params = pairs(&params).ok_or(ErrorKind::InvalidData)?;
                    }
                    extend(&mut params, &record.content)?;
                }
                (STDIN, Some(call)) if record.id == call.id => {
                    if record.content.is_empty() {
                        return Ok(Some(std::mem::take(call)));
                    }
                    extend(&mut call.body, &record.content)?;
                }
                (kind, _) if record.id == 0 => {
                    write_record(stream, UNKNOWN_TYPE, 0, &[kind, 0, 0, 0, 0, 0, 0, 0])?;
                }
                _ => return Err(ErrorKind::InvalidData.into()),
            }
        }
    }
}

fn extend(whole: &mut Vec<u8>, part: &[u8]) -> io::Result<()> {
    if whole.len().saturating_add(part.len()) > MOST {
        return Err(ErrorKind::InvalidData.into());
    }
    whole.extend_from_slice(part);
    Ok(())
}

/// The protocol's unit: at most 65,535 bytes of one stream of one request.
#[derive(Debug)]
struct Record {
    kind: u8,
    id: u16,
    content: Vec<u8>,
}

impl Record {
    /// `None` at the end of the connection.
    fn read(stream: &mut impl Read) -> io::Result<Option<Record>> {
        let mut header = [0; 8];
        match stream.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let [version, kind, id_high, id_low, length_high, length_low, padding, _] = header;
        if version != 1 {
            return Err(ErrorKind::InvalidData.into());
        }
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let mut content = vec![0; length.saturating_add(usize::from(padding))];
        stream.read_exact(&mut content)?;
        content.truncate(length);
        Ok(Some(Record { kind, id: u16::from_be_bytes([id_high, id_low]), content }))
    }
}

/// A whole stream: its records and the empty one that ends it.
fn write_stream(to: &mut impl Write, kind: u8, id: u16, bytes: &[u8]) -> io::Result<()> {
    for chunk in bytes.chunks(65_528) {
        write_record(to, kind, id, chunk)?;
    }
    write_record(to, kind, id, &[])
}

fn write_record(to: &mut impl Write, kind: u8, id: u16, content: &[u8]) -> io::Result<()> {
    let length = u16::try_from(content.len()).map_err(|_| ErrorKind::InvalidInput)?;
    let ([id_high, id_low], [high, low]) = (id.to_be_bytes(), length.to_be_bytes());
    let mut record = vec![1, kind, id_high, id_low, high, low, 0, 0];
    record.extend_from_slice(content);
    to.write_all(&record)
}

/// Name and value, each shorter than 128 bytes, with their lengths before them.
fn pair(name: &str, value: &str) -> String {
    let lengths = [name.len(), value.len()].map(|length| char::from(length as u8 & 0x7f));
    String::from_iter(lengths) + name + value
}

/// `None` when lengths and bytes do not agree.
fn pairs(mut bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    while !bytes.is_empty() {
        let name = length(&mut bytes)?;
        let value = length(&mut bytes)?;
        let (name, rest) = bytes.split_at_checked(name)?;
        let (value, rest) = rest.split_at_checked(value)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        pairs.insert(text(name), text(value));
        bytes = rest;
    }
    Some(pairs)
}

/// One byte, or four with the highest bit set.
fn length(bytes: &mut &[u8]) -> Option<usize> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        *bytes = rest;
        return Some(usize::from(first));
    }
    let (&word, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    usize::try_from(u32::from_be_bytes(word) & 0x7fff_ffff).ok()
}
