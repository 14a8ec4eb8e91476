//! Integration tests: the real binaries with real processes, one module per topic.
//!
//! `sandbox` is the harness; `puppet/` is the scripted worker that most tests run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    missing_docs
)]

mod bad_case;
mod bad_daemon;
mod bad_environment;
mod bad_files;
mod bad_helpers;
mod bad_input;
mod bad_numbers;
mod bad_sockets;
mod beyond;
mod clients;
mod faults;
mod fuzz_bodies;
mod getopt;
mod inherit;
mod lifecycle;
mod logging;
mod peers;
mod peers_consumers;
mod peers_examples;
mod peers_library;
mod peers_load;
mod peers_mixed;
mod peers_orphan;
mod peers_plack;
mod peers_prefork;
mod peers_scoreboard;
mod peers_supervise;
mod peers_systemd;
mod prefork;
mod privileges;
mod pypi;
mod sandbox;
mod sandbox_launch;
mod sandbox_server;
mod scoreboard_workers;
mod service_manager;
mod stubborn;
mod supervise;
mod tidy;
