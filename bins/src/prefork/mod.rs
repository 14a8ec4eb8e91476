//! Prefork: N workers of any program, or of a Rust closure, on shared sockets,
//! scaled by what they do, replaced without losing a request.
//!
//! What FCGI::ProcManager, FCGI::Engine::ProcManager, Proc::Daemon::Prefork and
//! Parallel::Prefork do; `docs/differences.md` lists where it is not so.

pub mod args;
mod builder;
mod callbacks;
pub mod client;
mod client_gone;
pub mod config;
mod control;
pub mod entry;
mod hooks;
mod host;
pub mod lines;
pub mod machine;
pub mod maker;
mod observe;
pub mod pool;
mod program;
mod slow_log;
pub mod status;
mod title;
pub mod top;
pub mod view;
mod watch;
mod worker;

pub use builder::Prefork;
pub use callbacks::Disconnect;
pub use worker::{Idle, Listening, Request, Serving, Slate, Stream, Worker};

/// What messages, the command line and the control socket call the program.
pub(crate) const PROGRAM: &str = "prefork-run";
