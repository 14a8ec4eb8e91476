//! Answers of an HTTP server, taken apart as they come.

use std::io;

use super::server::CallError;

/// No head of an answer is longer.
const HEAD: usize = 64 * 1024;
/// No answer has more header lines.
const HEADERS: usize = 64;
/// No line with the size of a chunk is longer.
const SIZE_LINE: usize = 1024;

/// What stands before the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) reason: String,
    /// The server keeps the connection.
    pub(crate) keeps: bool,
    pub(crate) body: Body,
}

/// How a body ends, and how much of it is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// After so many bytes.
    Length(u64),
    /// After a chunk of no bytes.
    Chunked(Chunk),
    /// With the connection.
    UntilClose,
}

/// What comes next in a body that comes in chunks.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// The line with a chunk's size.
    Size,
    /// So many bytes.
    Bytes(u64),
    /// The end of the line behind them.
    End,
    /// Lines behind the last chunk, up to an empty one.
    Trailer,
}

impl Head {
    /// Takes a head out of what has come; `None`: it is not complete yet.
    pub(crate) fn take(buffer: &mut Vec<u8>) -> Result<Option<Self>, CallError> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS];
            let mut answer = httparse::Response::new(&mut headers);
            let read = answer.parse(buffer).map_err(|error| {
                CallError::Garbled(format!("no HTTP ({})", error.to_string().to_lowercase()))
            })?;
            let httparse::Status::Complete(length) = read else {
                return if buffer.len() > HEAD {
                    Err(CallError::Garbled("its head does not end".to_owned()))
                } else {
                    Ok(None)
                };
            };
            let status = answer.code.unwrap_or_default();
            // 100 Continue, and whatever else comes before the answer itself.
            let head = if (100..200).contains(&status) { None } else { Some(Self::of(&answer)?) };
            buffer.drain(..length);
            if head.is_some() {
                return Ok(head);
            }
        }
    }

    fn of(answer: &httparse::Response<'_, '_>) -> Result<Self, CallError> {
        let mut keeps = answer.version == Some(1);
        let (mut length, mut chunked) = (None, false);
        for header in answer.headers.iter() {
            let value = String::from_utf8_lossy(header.value).trim().to_ascii_lowercase();
            match header.name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    let bytes = value.parse().map_err(|_| {
                        CallError::Garbled("its Content-Length is no number".to_owned())
                    })?;
                    length = Some(bytes);
                }
                "transfer-encoding" => chunked = value.ends_with("chunked"),
                "connection" => {
                    let words = || value.split(',').map(str::trim);
                    keeps = (keeps || words().any(|word| word == "keep-alive"))
                        && !words().any(|word| word == "close");
                }
                _ => {}
            }
        }
        let status = answer.code.unwrap_or_default();
        let body = match length {
            _ if matches!(status, 204 | 304) => Body::Length(0),
            _ if chunked => Body::Chunked(Chunk::Size),
            Some(bytes) => Body::Length(bytes),
            None => Body::UntilClose,
        };
        Ok(Self {
            status,
            reason: answer.reason.unwrap_or_default().to_owned(),
            keeps: keeps && body != Body::UntilClose,
            body,
        })
    }
}

impl Body {
    /// Moves what has come of the body to `taken`; true: it is complete.
    pub(crate) fn take(
        &mut self,
        buffer: &mut Vec<u8>,
        taken: &mut Vec<u8>,
    ) -> Result<bool, CallError> {
        match self {
            Body::UntilClose => {
                taken.append(buffer);
                Ok(false)
            }
            Body::Length(left) => {
                move_some(buffer, taken, left);
                Ok(*left == 0)
            }
            Body::Chunked(chunk) => loop {
                match chunk.step(buffer, taken)? {
                    Step::Next(next) => *chunk = next,
                    Step::More(same) => {
                        *chunk = same;
                        return Ok(false);
                    }
                    Step::Complete => return Ok(true),
                }
            },
        }
    }

    /// The connection is at its end.
    pub(crate) fn closed(&self) -> Result<(), CallError> {
        match self {
            Body::UntilClose | Body::Length(0) => Ok(()),
            _ => Err(CallError::Io(cut())),
        }
    }
}

/// The error of a connection that ends before the answer does.
pub(crate) fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")
}

/// Where that leads to.
enum Step {
    /// There may be enough for this already.
    Next(Chunk),
    /// More must come.
    More(Chunk),
    Complete,
}

impl Chunk {
    fn step(self, buffer: &mut Vec<u8>, taken: &mut Vec<u8>) -> Result<Step, CallError> {
        match self {
            Chunk::Bytes(mut left) => {
                move_some(buffer, taken, &mut left);
                Ok(match left {
                    0 => Step::Next(Chunk::End),
                    left => Step::More(Chunk::Bytes(left)),
                })
            }
            Chunk::Size | Chunk::End | Chunk::Trailer => {
                let Some(line) = take_line(buffer)? else { return Ok(Step::More(self)) };
                match self {
                    Chunk::Size => Ok(Step::Next(match size(&line)? {
                        0 => Chunk::Trailer,
                        size => Chunk::Bytes(size),
                    })),
                    Chunk::Trailer if line.is_empty() => Ok(Step::Complete),
                    Chunk::End if !line.is_empty() => Err(bad_chunk()),
                    Chunk::End => Ok(Step::Next(Chunk::Size)),
                    _ => Ok(Step::Next(self)),
                }
            }
        }
    }
}

fn move_some(buffer: &mut Vec<u8>, taken: &mut Vec<u8>, left: &mut u64) {
    let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
    taken.extend(buffer.drain(..wanted));
    *left = left.saturating_sub(wanted as u64);
}

/// A line without its end.
fn take_line(buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, CallError> {
    let Some(end) = buffer.iter().position(|byte| *byte == b'\n') else {
        return if buffer.len() > SIZE_LINE { Err(bad_chunk()) } else { Ok(None) };
    };
    let mut line: Vec<u8> = buffer.drain(..=end).collect();
    line.pop();
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(line))
}

/// The size of a chunk, which something may follow.
fn size(line: &[u8]) -> Result<u64, CallError> {
    let line = std::str::from_utf8(line).map_err(|_| bad_chunk())?;
    let digits = line.split(';').next().unwrap_or_default().trim();
    // from_str_radix would take a sign.
    if !digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return Err(bad_chunk());
    }
    u64::from_str_radix(digits, 16).map_err(|_| bad_chunk())
}

fn bad_chunk() -> CallError {
    CallError::Garbled("its chunks have no size".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Head and body of an answer that comes in pieces of this size; the body may be cut.
    fn read(answer: &[u8], piece: usize) -> Result<(Head, Vec<u8>, Vec<u8>), String> {
        let (mut buffer, mut body) = (Vec::new(), Vec::new());
        let mut pieces = answer.chunks(piece);
        let show = |error: CallError| error.to_string();
        let mut head = loop {
            match Head::take(&mut buffer).map_err(show)? {
                Some(head) => break head,
                None => buffer.extend(pieces.next().ok_or("no head")?),
            }
        };
        let mut whole = head.clone();
        while !head.body.take(&mut buffer, &mut body).map_err(show)? {
            let Some(piece) = pieces.next() else {
                head.body.closed().map_err(show)?;
                break;
            };
            buffer.extend(piece);
        }
        pieces.for_each(|piece| buffer.extend(piece));
        whole.reason = head.reason;
        Ok((whole, body, buffer))
    }

    #[test]
    fn bodies_end_by_length_by_chunks_or_with_the_connection() {
        for (answer, keeps, rest) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP", true, "HTTP"),
            ("HTTP/1.1 200 OK\r\nconnection: Close\r\ncontent-length:5\r\n\r\nhello", false, ""),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, ""),
            (
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
                true,
                "",
            ),
            ("HTTP/1.1 200 OK\r\n\r\nhello", false, ""),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                 2\r\nhe\r\n003;x=y\r\nllo\r\n0\r\nTrailer: x\r\n\r\nrest",
                true,
                "rest",
            ),
            ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n", true, ""),
        ] {
            for piece in [1, 2, 3, 7, 1000] {
                let (head, body, left) = read(answer.as_bytes(), piece).unwrap();
                assert_eq!((head.status, head.reason.as_str()), (200, "OK"));
                let left = String::from_utf8(left).unwrap();
                let body = String::from_utf8(body).unwrap();
                assert_eq!((body.as_str(), head.keeps, left.as_str()), ("hello", keeps, rest));
            }
        }
    }

    #[test]
    fn what_is_cut_or_no_answer_is_refused() {
        let close = "the server closed the connection";
        let chunks = "the answer cannot be understood: its chunks have no size";
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (answer, error) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell".to_owned(), close),
            (format!("{chunked}5\r\nhell"), close),
            (format!("{chunked}5\r\nhello"), close),
            (format!("{chunked}5\r\nhello\r\n0\r\n"), close),
            (format!("{chunked}5\r\nhellooo\r\n"), chunks),
            (format!("{chunked}x\r\n"), chunks),
            (format!("{chunked}+5\r\n"), chunks),
            (format!("{chunked}11111111111111111\r\n"), chunks),
            (format!("{chunked}{}", "1".repeat(2000)), chunks),
            (
                "hello\r\n\r\n".to_owned(),
                "the answer cannot be understood: no HTTP (invalid http version)",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n".to_owned(),
                "the answer cannot be understood: its Content-Length is no number",
            ),
            (
                format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD)),
                "the answer cannot be understood: its head does not end",
            ),
        ] {
            assert_eq!(read(answer.as_bytes(), 50_000).unwrap_err(), error, "{answer:.80}");
        }
    }
}
