//! Prefork: N workers of any program, or of a Rust closure, on shared sockets,
//! scaled by what they do, replaced without losing a request.
//!
//! What FCGI::ProcManager, FCGI::Engine::ProcManager, Proc::Daemon::Prefork and
//! Parallel::Prefork do; `docs/differences.md` lists where it is not so.

pub mod config;
pub mod lines;
pub mod machine;
pub mod maker;
pub mod view;
