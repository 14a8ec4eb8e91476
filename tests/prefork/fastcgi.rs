//! A small FastCGI client, as much of the protocol as a responder needs.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use super::http::connect;
use crate::peers_load::Target;

const BEGIN: u8 = 1;
const END: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const STDERR: u8 = 7;

fn write_record(stream: &mut impl Write, kind: u8, content: &[u8]) -> io::Result<()> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    stream.write_all(&[&[1, kind, 0, 1, length[0], length[1], 0, 0], content].concat())
}

fn read_record(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut header = [0; 8];
    stream.read_exact(&mut header)?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let mut content = vec![0; length + usize::from(header[6])];
    stream.read_exact(&mut content)?;
    content.truncate(length);
    Ok((header[1], content))
}

/// Lengths from 128 on take four bytes.
fn length(value: usize) -> Vec<u8> {
    match u8::try_from(value) {
        Ok(short) if short < 128 => vec![short],
        _ => (u32::try_from(value).unwrap() | 1 << 31).to_be_bytes().to_vec(),
    }
}

/// One request: everything from the responder's standard output.
///
/// # Errors
/// A connection that ends before the end of the request, or a protocol status that is not 0.
pub fn request(
    target: &Target,
    script: &str,
    more: &[(&str, &str)],
    input: &[u8],
) -> io::Result<String> {
    let size = input.len().to_string();
    let mut all = vec![
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("REQUEST_METHOD", if input.is_empty() { "GET" } else { "POST" }),
        ("SCRIPT_NAME", script),
        ("REQUEST_URI", script),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("CONTENT_LENGTH", &size),
    ];
    all.extend_from_slice(more);
    let mut params = Vec::new();
    for (name, value) in all {
        params.extend(length(name.len()));
        params.extend(length(value.len()));
        params.extend_from_slice(name.as_bytes());
        params.extend_from_slice(value.as_bytes());
    }
    let mut stream = connect(target)?;
    write_request(&mut stream, &params, input)?;
    let mut output = Vec::new();
    loop {
        let (kind, content) = read_record(&mut stream)?;
        match kind {
            STDOUT => output.extend(content),
            STDERR => eprintln!("responder: {}", String::from_utf8_lossy(&content)),
            END if content.get(4) == Some(&0) => {
                return Ok(String::from_utf8_lossy(&output).into_owned());
            }
            _ => return Err(io::Error::other(format!("record {kind}: {content:?}"))),
        }
    }
}

fn write_request(stream: &mut impl Write, params: &[u8], input: &[u8]) -> io::Result<()> {
    // Responder, and the connection is closed after the answer.
    write_record(stream, BEGIN, &[0, 1, 0, 0, 0, 0, 0, 0])?;
    write_record(stream, PARAMS, params)?;
    write_record(stream, PARAMS, &[])?;
    for part in input.chunks(32_768) {
        write_record(stream, STDIN, part)?;
    }
    write_record(stream, STDIN, &[])
}

/// A request as it goes over the wire, for those who send it themselves.
pub fn whole_request(script: &str) -> Vec<u8> {
    let mut params = length("SCRIPT_NAME".len());
    params.extend(length(script.len()));
    params.extend(["SCRIPT_NAME", script].concat().into_bytes());
    let mut bytes = Vec::new();
    write_request(&mut bytes, &params, b"").unwrap();
    bytes
}

/// The responder's side of it: the parameters and the input.
pub fn read_request(stream: &mut impl Read) -> io::Result<(BTreeMap<String, String>, Vec<u8>)> {
    let (mut params, mut input) = (Vec::new(), Vec::new());
    loop {
        match read_record(stream)? {
            (PARAMS, content) => params.extend(content),
            (STDIN, content) if content.is_empty() => break,
            (STDIN, content) => input.extend(content),
            _ => {}
        }
    }
    let mut map = BTreeMap::new();
    let mut rest = &params[..];
    while !rest.is_empty() {
        let mut size = || {
            if rest[0] < 128 {
                let size = usize::from(rest[0]);
                rest = &rest[1..];
                return size;
            }
            let bytes = [rest[0] & 127, rest[1], rest[2], rest[3]];
            rest = &rest[4..];
            usize::try_from(u32::from_be_bytes(bytes)).unwrap()
        };
        let (name, value) = (size(), size());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        map.insert(text(&rest[..name]), text(&rest[name..name + value]));
        rest = &rest[name + value..];
    }
    Ok((map, input))
}

/// And the answer, in two records.
pub fn write_answer(stream: &mut impl Write, output: &[u8]) -> io::Result<()> {
    let (first, second) = output.split_at(output.len() / 2);
    write_record(stream, STDOUT, first)?;
    write_record(stream, STDOUT, second)?;
    write_record(stream, STDOUT, &[])?;
    write_record(stream, END, &[0; 8])
}
