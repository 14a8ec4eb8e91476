#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod at_path;
mod board;
mod cell;
mod clock;
mod create;
mod environment;
mod error;
mod escape;
mod file;
mod header;
mod layout;
pub mod legacy;
mod line;
mod lock;
mod long_text;
mod memfd;
mod memory;
mod origin;
mod passes;
mod process;
mod reader;
mod reading;
mod region;
mod shape;
mod snapshot;
mod span;
mod state;
mod store;
mod texts;
mod writer;

pub use board::{Board, Occupant, Order};
pub use error::{Error, ErrorKind};
pub use long_text::LongText;
pub use reader::{Manager, Reader};
pub use shape::Shape;
pub use snapshot::{SlotView, Snapshot, Text, Worker};
pub use state::State;
pub use writer::Writer;
