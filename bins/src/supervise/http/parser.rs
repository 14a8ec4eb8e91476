//! Requests, from the bytes of a connection.

use std::fmt;

use super::body::{Body, Framing};
use super::head::Head;
use super::input::Input;
use super::refusal::Refusal;

/// How large a request may be.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the request line with the headers; as many for what chunks carry beside the body.
    pub head: usize,
    /// Headers.
    pub headers: usize,
    /// Bytes of the body.
    pub body: usize,
}

/// 16 KiB and 64 headers, which no client comes near, and a body of 2 MiB.
impl Default for Limits {
    fn default() -> Self {
        Self { head: 16 << 10, headers: 64, body: 2 << 20 }
    }
}

/// A whole request.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Its line and its headers.
    pub head: Head,
    /// Without chunks.
    pub body: Vec<u8>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} bytes", self.head, self.body.len())
    }
}

/// Finds the requests in what a connection sends. The work is linear in that, however it is cut.
///
/// It keeps whatever it is fed. A server does not read while it answers, or looks at
/// [`Parser::buffered`] if it wants to see that the client has gone.
pub struct Parser {
    limits: Limits,
    input: Input,
    at: At,
    /// The client waits before it sends the body.
    hesitates: bool,
}

enum At {
    Head,
    Body(Box<(Head, Body)>),
    /// Nothing more is understood.
    Refused,
}

impl Parser {
    /// For a new connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, input: Input::default(), at: At::Head, hesitates: false }
    }

    /// Takes what has come.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !matches!(self.at, At::Refused) {
            self.input.feed(bytes);
        }
    }

    /// The next request, if it has come. `gate` is asked as soon as its head has, once, before
    /// anything of the body is taken.
    ///
    /// # Errors
    /// What the gate says, or why it is no request; the same connection gives no others.
    pub fn next(
        &mut self,
        gate: &mut dyn FnMut(&Head) -> Result<(), Refusal>,
    ) -> Result<Option<Request>, Refusal> {
        let next = self.advance(gate);
        if next.is_err() {
            (self.at, self.hesitates) = (At::Refused, false);
            self.input.clear();
        }
        next
    }

    fn advance(
        &mut self,
        gate: &mut dyn FnMut(&Head) -> Result<(), Refusal>,
    ) -> Result<Option<Request>, Refusal> {
        if matches!(self.at, At::Head) {
            let Some(head) = self.head()? else { return Ok(None) };
            let framing = Framing::of(&head)?;
            gate(&head)?;
            if framing == Framing::Absent && wants_body(&head.method) {
                return Err(Refusal::new(411, "it has no Content-Length"));
            }
            let body = Body::new(framing, self.limits.body, self.limits.head)?;
            self.hesitates = hesitates(&head)?;
            self.at = At::Body(Box::new((head, body)));
        }
        let At::Body(request) = &mut self.at else { return Ok(None) };
        self.hesitates &= self.input.len() == 0;
        if !request.1.read(&mut self.input)? {
            return Ok(None);
        }
        self.hesitates = false;
        let At::Body(request) = std::mem::replace(&mut self.at, At::Head) else { return Ok(None) };
        let (head, body) = *request;
        Ok(Some(Request { head, body: body.into_bytes() }))
    }

    /// The next head, which is only looked at when its empty line is there.
    fn head(&mut self) -> Result<Option<Head>, Refusal> {
        let empty = empty_lines(self.input.rest());
        if empty > 0 {
            self.input.take(empty);
        }
        match self.input.front(2) {
            [] | [b'\r'] => return Ok(None),
            [first, ..] if first.is_ascii_alphanumeric() => {}
            // An empty line would never come.
            [0x16, ..] => return Err(Refusal::malformed("this is TLS, and HTTP is spoken here")),
            _ => return Err(Refusal::malformed("this is no request of HTTP")),
        }
        let length = self.input.paragraph();
        if length.unwrap_or(self.input.len()) > self.limits.head {
            return Err(Refusal::new(431, "the headers are too large"));
        }
        let Some(length) = length else { return Ok(None) };
        let head = Head::read(self.input.front(length), self.limits.headers);
        self.input.take(length);
        head.map(Some)
    }

    /// Whether nothing of a request has come since the last one, so that the client may take its time.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let rest = self.input.rest();
        matches!(self.at, At::Head)
            && matches!(rest.get(empty_lines(rest)..), None | Some([] | [b'\r']))
    }

    /// Whether the client waits for `100 Continue`; true once for a request.
    #[must_use]
    pub fn wants_continue(&mut self) -> bool {
        std::mem::take(&mut self.hesitates)
    }

    /// Bytes that are kept: of the request that comes, and of those that were sent early.
    #[must_use]
    pub fn buffered(&self) -> usize {
        let body = if let At::Body(request) = &self.at { request.1.len() } else { 0 };
        self.input.len().saturating_add(body)
    }
}

/// How long the empty lines at the front are. RFC 9112, 2.2: some clients send one after a request.
fn empty_lines(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some(after) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
        rest = after;
    }
    bytes.len().saturating_sub(rest.len())
}

fn wants_body(method: &str) -> bool {
    matches!(method, "POST" | "PUT" | "PATCH")
}

/// Whether the client waits to be told to go on. RFC 9110, 10.1.1: one of HTTP/1.0 does not.
fn hesitates(head: &Head) -> Result<bool, Refusal> {
    let Some(expected) = head.header("expect").filter(|_| head.http11) else { return Ok(false) };
    if !expected.eq_ignore_ascii_case(b"100-continue") {
        return Err(Refusal::new(417, "nothing can be expected but 100-continue"));
    }
    Ok(true)
}

impl fmt::Debug for Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parser, {} bytes", self.buffered())
    }
}
