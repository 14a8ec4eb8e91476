//! Supervision: the programs of a `supervisord.conf`, kept running by one small
//! event-driven process.
//!
//! What supervisord does, with its states, its timing rules and the texts of its
//! log; `docs/differences-supervise.md` lists where it is not so.

pub mod args;
pub mod config;
pub mod ctl;
pub mod entry;
pub mod events;
pub mod host;
pub mod http;
pub mod lines;
pub mod logs;
pub mod machine;
pub mod methods;
pub mod process;
pub mod rpc;
pub mod web;

pub use process::Process;
