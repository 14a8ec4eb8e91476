#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod action;
mod caught;
pub mod mask;
mod policy;
mod set;
mod signal;

pub use action::Disposition;
pub use caught::Signals;
pub use mask::Blocked;
pub use policy::{Policy, PolicyError};
pub use set::{Iter, SignalSet};
pub use signal::{Signal, UnknownSignal};
