//! What the pool does next: no clock, no descriptor, no process in here.

mod types;

pub use types::*;
