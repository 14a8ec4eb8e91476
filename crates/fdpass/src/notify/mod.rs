//! Readiness and status datagrams: both ends of sd_notify(3).
//!
//! A worker calls [`ready`] once it serves. A manager gives each worker the address of a
//! [`Receiver`] in `NOTIFY_SOCKET` and reads [`Message`]s from it.

mod message;
mod receiver;
mod recvmsg;
mod send;
#[cfg(test)]
mod tests;

pub use message::{Message, parse};
pub use receiver::{Receiver, Sender};
pub use send::{NotifyError, ready, send, send_to};

/// The environment variable with the receiver's address.
pub const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
