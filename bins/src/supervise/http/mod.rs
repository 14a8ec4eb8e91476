//! HTTP/1.0 and 1.1 for the server of the control protocol. Pure: bytes in, requests and bytes out.
//!
//! A connection has a [`Parser`]. Whatever comes is fed to it, and whenever nothing is being answered
//! it is asked for the next [`Request`]; what was sent early waits in it. A [`Refusal`] is answered
//! and ends the connection.
//!
//! Rules are those of RFC 9110 and RFC 9112, and where these leave a choice that proxies and servers
//! have made differently, the request is refused: two lengths, a length and chunks, folded lines.

mod auth;
mod body;
mod form;
mod head;
mod input;
mod origin;
mod parser;
mod refusal;
mod response;
mod stream;
#[cfg(test)]
mod tests;

pub use auth::{Login, authorized, unauthorized};
pub use form::{form, unescape};
pub use head::{Head, Manner};
pub use origin::same_site;
pub use parser::{Limits, Parser, Request};
pub use refusal::Refusal;
pub use response::Response;
pub use stream::Stream;
