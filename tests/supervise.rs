//! supervise with real programs, one module per topic.

mod bad_config;
mod children;
pub mod ctl;
pub mod ctl_completions;
mod deploy;
mod exit;
mod faults;
mod fcgi;
mod harness;
mod identity;
mod lifecycle;
mod listener;
mod order;
mod output;
mod output_special;
mod own_process;
mod pid1;
mod readiness;
mod reload;
mod stopping;
mod under_systemd;
mod web;
