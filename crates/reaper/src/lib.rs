#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod child;
mod exit;
mod fork;
mod handle;
mod image;
mod job;
mod kernel;
mod limits;
mod pid;
mod prepare;
mod setup;
mod spawn;
mod stack;
mod stage;
mod user;

pub mod backoff;
pub mod event;
pub mod machine;
pub mod orphans;
pub mod stop;

pub use exit::Exit;
pub use fork::{fork_worker, replace, settle};
pub use handle::Child;
pub use image::{Image, ImageError};
pub use limits::{Limit, Resource};
pub use pid::Pid;
pub use setup::{Method, Setup, SetupError};
pub use spawn::spawn;
pub use stage::{SpawnError, Stage};
pub use user::{Credentials, UserError, group_id, user_id};

pub use backoff::Backoff;
pub use event::{EventLoop, Interest, Key, Wakeup};
pub use machine::{Machine, Moment};
pub use stop::{Stop, StopInput, StopPolicy, Stopped};
