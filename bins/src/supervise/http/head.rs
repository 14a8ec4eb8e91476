//! The head of a request: its line and its headers.

use std::fmt;

use httparse::{EMPTY_HEADER, Error, Status};

use super::refusal::Refusal;

/// The request line and the headers.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    /// `GET`
    pub method: String,
    /// As it was sent: `/RPC2`, `/tail.html?processname=x`, sometimes `http://host/RPC2`.
    pub target: String,
    /// HTTP/1.1 rather than 1.0.
    pub http11: bool,
    /// Names as they were sent, values without the space around them.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// How an answer to a request is to be sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Manner {
    /// Chunks are understood.
    pub http11: bool,
    /// The connection stays open.
    pub keep: bool,
    /// A body follows; not after HEAD.
    pub body: bool,
}

impl Manner {
    /// To whom nothing more is sent.
    pub const LAST: Self = Self { http11: true, keep: false, body: true };
}

impl Head {
    /// The value of the only header of this name; of several, the first.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The values of all headers of this name.
    pub(super) fn all<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s [u8]> {
        let named = move |(it, _): &&(String, Vec<u8>)| it.eq_ignore_ascii_case(name);
        self.headers.iter().filter(named).map(|(_, value)| value.as_slice())
    }

    /// Whether a header of this name has `word` in its list.
    pub(super) fn lists(&self, name: &str, word: &str) -> bool {
        let mut words = self.all(name).flat_map(|value| value.split(|byte| *byte == b','));
        words.any(|it| it.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    }

    /// What was asked for, escaped as it was sent: `/logtail/web%3Aa/stdout`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.split().1
    }

    /// What follows the question mark, escaped as it was sent; empty if nothing does.
    #[must_use]
    pub fn query(&self) -> &str {
        self.split().2
    }

    /// The host, and with a colon the port, that the client means; empty if it did not say.
    #[must_use]
    pub fn host(&self) -> &[u8] {
        // RFC 9112, 3.2.2: the target counts for more.
        match self.split().0 {
            Some(authority) => authority.as_bytes(),
            None => self.header("host").unwrap_or_default(),
        }
    }

    /// Authority, path and query.
    fn split(&self) -> (Option<&str>, &str, &str) {
        let target = self.target.split('#').next().unwrap_or_default();
        let (before, query) = target.split_once('?').unwrap_or((target, ""));
        if before.starts_with('/') {
            return (None, before, query);
        }
        let Some((_, rest)) = before.split_once("://") else { return (None, before, query) };
        match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
            Some((authority, path)) => (Some(authority), path, query),
            None => (Some(rest), "/", query),
        }
    }

    /// Whether the client goes on after the answer.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        !self.lists("connection", "close")
            && (self.http11 || self.lists("connection", "keep-alive"))
    }

    /// How it is to be answered.
    #[must_use]
    pub fn manner(&self) -> Manner {
        Manner { http11: self.http11, keep: self.keep_alive(), body: self.method != "HEAD" }
    }

    /// Whether it asks for nothing but information.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }

    /// Reads a head that ends with its empty line.
    pub(super) fn read(bytes: &[u8], most: usize) -> Result<Self, Refusal> {
        let mut slots = vec![EMPTY_HEADER; most];
        let mut request = httparse::Request::new(&mut slots);
        match request.parse(bytes) {
            Ok(Status::Complete(length)) if length == bytes.len() => {}
            Ok(_) => return Err(Refusal::malformed("the headers end before their empty line")),
            Err(error) => return Err(refusal(error, bytes)),
        }
        let (Some(method), Some(target)) = (request.method, request.path) else {
            return Err(Refusal::malformed(BAD_LINE));
        };
        let own = |header: &httparse::Header<'_>| (header.name.to_owned(), header.value.to_vec());
        let head = Self {
            method: method.to_owned(),
            target: target.to_owned(),
            http11: request.version == Some(1),
            headers: request.headers.iter().map(own).collect(),
        };
        if head.all("host").nth(1).is_some() {
            return Err(Refusal::malformed("there are several Host headers"));
        }
        Ok(head)
    }
}

const BAD_LINE: &str = "the first line is no request of HTTP";

fn refusal(error: Error, bytes: &[u8]) -> Refusal {
    match error {
        Error::TooManyHeaders => Refusal::new(431, "there are too many headers"),
        Error::Version if names_a_version(bytes) => {
            Refusal::new(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
        }
        Error::HeaderName => Refusal::malformed("the name of a header has an illegal character"),
        Error::HeaderValue => Refusal::malformed("the value of a header has an illegal character"),
        _ => Refusal::malformed(BAD_LINE),
    }
}

/// Whether the first line ends like `HTTP/2.0`.
fn names_a_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let word = line.trim_ascii_end().rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    let Some(number) = word.strip_prefix(b"HTTP/") else { return false };
    // With one of ours it is not the version that is wrong.
    !matches!(number, b"" | b"1.0" | b"1.1")
        && number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// Headers may hold a password.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = if self.http11 { "HTTP/1.1" } else { "HTTP/1.0" };
        write!(f, "{} {:?} {version}, {} headers", self.method, self.path(), self.headers.len())
    }
}
