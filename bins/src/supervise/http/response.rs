//! Answers, as bytes.

use std::borrow::Cow;
use std::fmt;

use super::head::Manner;

/// An answer whose body is there.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// 200 and others.
    pub status: u16,
    /// Beside those that every answer has.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// What follows the headers.
    pub body: Vec<u8>,
}

/// What the page may do: show itself in its own style, and send its forms to where it came from.
const PAGE_MAY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                        form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

impl Response {
    /// A body of a type.
    #[must_use]
    pub fn new(status: u16, kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("Content-Type", kind.into())], body: body.into() }
    }

    /// Text to read.
    #[must_use]
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text.into())
    }

    /// The answer to a call. Its client looks for nothing but the status 200.
    #[must_use]
    pub fn xml(body: Vec<u8>) -> Self {
        Self::new(200, "text/xml", body)
    }

    /// A page, which is told what it may load and where it may be shown: nothing and nowhere.
    #[must_use]
    pub fn page(status: u16, page: impl Into<String>) -> Self {
        Self::new(status, "text/html; charset=utf-8", page.into())
            .with("Content-Security-Policy", PAGE_MAY)
            // With `no-referrer` browsers send `Origin: null` with the page's own forms.
            .with("Referrer-Policy", "same-origin")
    }

    /// The browser is to get `place` now, so that a reload does not do again what a form did.
    #[must_use]
    pub fn see(place: impl Into<Cow<'static, str>>) -> Self {
        Self { status: 303, headers: Vec::new(), body: Vec::new() }.with("Location", place)
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Everything that is sent. The connection is to be closed after it unless `manner.keep`.
    #[must_use]
    pub fn bytes(&self, manner: Manner) -> Vec<u8> {
        let mut bytes = begin(self.status, &self.headers, manner);
        if self.status >= 200 && self.status != 204 && self.status != 304 {
            header(&mut bytes, "Content-Length", &self.body.len().to_string());
        }
        bytes.extend_from_slice(b"\r\n");
        if manner.body {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }

    /// What a client that waits before it sends its body is told.
    pub const CONTINUE: &'static [u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
}

/// The status line, the headers that every answer has, and `headers`.
pub(super) fn begin(
    status: u16,
    headers: &[(&'static str, Cow<'static, str>)],
    manner: Manner,
) -> Vec<u8> {
    // supervisorctl takes no status line for one that has no reason.
    let mut bytes = format!("HTTP/1.1 {status} {}\r\n", reason(status)).into_bytes();
    header(&mut bytes, "Server", concat!("supervise/", env!("CARGO_PKG_VERSION")));
    header(&mut bytes, "X-Content-Type-Options", "nosniff");
    header(&mut bytes, "Cache-Control", "no-store");
    for (name, value) in headers {
        header(&mut bytes, name, value);
    }
    match (manner.keep, manner.http11) {
        (false, _) => header(&mut bytes, "Connection", "close"),
        (true, false) => header(&mut bytes, "Connection", "keep-alive"),
        (true, true) => {}
    }
    bytes
}

/// A value never becomes two headers.
pub(super) fn header(bytes: &mut Vec<u8>, name: &str, value: &str) {
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b": ");
    bytes.extend(value.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
    bytes.extend_from_slice(b"\r\n");
}

/// The words of a status.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        204 => "No Content",
        303 => "See Other",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => match status / 100 {
            1 => "Information",
            2 => "Success",
            3 => "Redirection",
            4 => "Client Error",
            _ => "Server Error",
        },
    }
}

/// The body may be a log.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, {} bytes", self.status, reason(self.status), self.body.len())
    }
}
