//! Answers whose end nobody knows, such as a log that is followed.

use super::head::Manner;
use super::response::{begin, header};

/// How an answer goes on that was begun. To a client of HTTP/1.1 it goes in chunks, to others until
/// the connection is closed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    manner: Manner,
}

impl Stream {
    /// Begins an answer with status 200; what is to be sent first.
    #[must_use]
    pub fn begin(kind: &'static str, asked: Manner) -> (Self, Vec<u8>) {
        let manner = Manner { keep: asked.keep && asked.http11, ..asked };
        let mut head = begin(200, &[("Content-Type", kind.into())], manner);
        if manner.http11 {
            header(&mut head, "Transfer-Encoding", "chunked");
        }
        head.extend_from_slice(b"\r\n");
        (Self { manner }, head)
    }

    /// What is to be sent for some more bytes; nothing for none, which would be the end.
    #[must_use]
    pub fn chunk(&self, bytes: &[u8]) -> Vec<u8> {
        match self.manner {
            Manner { body: false, .. } => Vec::new(),
            Manner { http11: false, .. } => bytes.to_vec(),
            _ if bytes.is_empty() => Vec::new(),
            _ => [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat(),
        }
    }

    /// What is to be sent last.
    #[must_use]
    pub fn end(&self) -> &'static [u8] {
        if self.manner.http11 && self.manner.body { b"0\r\n\r\n" } else { b"" }
    }

    /// Whether the connection stays open after the end. It does not where its closing is the end.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.manner.keep
    }

    /// Whether anything follows the head at all; not after HEAD.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.manner.body
    }
}
