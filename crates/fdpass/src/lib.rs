#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod address;
pub mod bind;
pub mod inherit;
pub mod listener;
pub mod notify;
pub mod pass;
pub mod peer;
pub mod plan;
pub mod spec;
#[cfg(test)]
mod testing;
mod text;
pub mod wire;

pub use address::{Address, SocketKind};
pub use bind::{BindError, BindOptions, bind};
pub use inherit::{InheritError, Inherited};
pub use listener::Listener;
pub use plan::{FdPlan, PlanError};
pub use spec::{ListenSpec, SpecError};
pub use wire::{Entry, WireError};
