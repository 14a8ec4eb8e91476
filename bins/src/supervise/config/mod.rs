//! The configuration: supervisord's grammar, CPAN Supervisor's, and what both become.

mod around;
pub(crate) mod asked;
pub mod client;
mod daemon;
mod depend;
pub mod dump;
pub mod environment;
pub mod expand;
mod extra;
pub mod format;
mod glob;
mod group;
mod include;
pub mod ini;
mod json;
mod keys;
mod limits;
mod listener;
pub mod load;
#[cfg(test)]
mod meanings;
pub mod model;
#[cfg(test)]
mod new_keys;
mod output;
mod paths;
pub mod perl;
mod program;
pub(crate) mod python;
mod reader;
#[cfg(test)]
mod refusals;
mod server;
mod socket;
pub(crate) mod suggest;
#[cfg(test)]
mod testing;
mod user;
pub mod value;
#[cfg(test)]
mod vectors;
pub mod words;
