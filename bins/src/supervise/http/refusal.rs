//! Requests that are not served.

use std::borrow::Cow;
use std::fmt;

use super::head::Manner;
use super::response::{Response, reason};

/// What is answered to a request that is not served. The connection is closed after it, for what
/// follows cannot be understood or is not wanted.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// 400 and more.
    pub status: u16,
    /// What is wrong, in a line.
    pub text: Cow<'static, str>,
    /// Headers that belong to the status.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
}

impl Refusal {
    /// A refusal.
    #[must_use]
    pub fn new(status: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, text: text.into(), headers: Vec::new() }
    }

    /// With a header of its own.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// There is nothing at that path.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(404, "there is nothing here")
    }

    /// There is something at that path, but only for `methods`: `GET, HEAD`.
    #[must_use]
    pub fn method(methods: &'static str) -> Self {
        Self::new(405, format!("this is for {methods}")).with("Allow", methods)
    }

    /// A request was begun and did not come.
    #[must_use]
    pub fn timeout() -> Self {
        Self::new(408, "the request took too long to come")
    }

    /// There are as many connections as there may be.
    #[must_use]
    pub fn busy() -> Self {
        Self::new(503, "there are too many connections").with("Retry-After", "1")
    }

    pub(super) fn malformed(text: &'static str) -> Self {
        Self::new(400, text)
    }

    /// As an answer.
    #[must_use]
    pub fn response(&self) -> Response {
        let mut response = Response::text(self.status, format!("{self}\n"));
        response.headers.extend(self.headers.iter().cloned());
        response
    }

    /// As an answer in bytes, which says that the connection is closed. It has a body even for a
    /// HEAD, which is read by nobody.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.response().bytes(Manner::LAST)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, reason(self.status), self.text)
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Refusal {}
