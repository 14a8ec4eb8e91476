//! prefork-run with real workers, one module per topic.

mod changes;
mod conventions;
mod crash;
mod daemon;
pub mod fastcgi;
pub mod harness;
pub mod http;
mod json;
mod library;
mod limits;
mod pool;
mod reload;
mod scarce;
mod signals;
mod status;
mod stop;
mod wakeup;
