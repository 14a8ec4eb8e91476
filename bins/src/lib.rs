//! Start, hot-deploy, prefork and supervise Unix server programs: the engines
//! behind the binaries of the same names, for programs that want them inside.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod birth;
pub mod cli;
mod control;
mod daemonize;
pub mod files;
mod footprint;
mod locate;
mod log;
pub mod prefork;
mod report;
pub mod sockets;
pub mod start_server;
pub mod supervise;
