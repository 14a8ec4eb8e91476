#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod action;
mod caught;
mod gate;
pub mod mask;
mod policy;
mod set;
mod signal;
mod window;

pub use action::Disposition;
pub use caught::Signals;
pub use gate::{Gate, Waiting};
pub use mask::Blocked;
pub use policy::{Policy, PolicyError};
pub use set::{Iter, SignalSet};
pub use signal::{Signal, UnknownSignal};
pub use window::{Serving, Waited, Window};
