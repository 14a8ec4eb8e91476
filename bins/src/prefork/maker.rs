//! What makes a worker's process: a program is executed, a Rust closure forked.

use std::os::fd::BorrowedFd;

use reaper::{Child, Limit};
use sigpolicy::SignalSet;

use super::machine::StartError;
use super::view::Id;
use crate::sockets::Sockets;

/// One worker to be made; everything is borrowed from the manager.
#[derive(Debug)]
pub struct Order<'m> {
    /// Its start's number, from 1.
    pub id: Id,
    /// Its slot, from 0.
    pub slot: u32,
    /// Its generation, from 1.
    pub generation: u64,
    /// The listeners and their numbers.
    pub sockets: &'m Sockets,
    /// Where it may say that it is ready.
    pub notify: Option<&'m str>,
    /// The memory of the slots on the board; its slot there is `slot`.
    pub board: Option<BorrowedFd<'m>>,
    /// The read end of a pipe that ends when the manager is gone.
    pub life: Option<BorrowedFd<'m>>,
    /// The access log.
    pub access_log: Option<BorrowedFd<'m>>,
    /// Signals that were ignored when the manager was started.
    pub ignored: SignalSet,
    /// Signals that were blocked when the manager was started.
    pub mask: SignalSet,
    /// The limit on open files that the manager was started with; it raised its own.
    pub open_files: Option<Limit>,
}

/// Makes workers. They lead a process group of their own.
pub trait Maker {
    /// Starts one; it runs when this returns.
    ///
    /// # Errors
    /// Why it does not run; nothing is left of it then.
    fn make(&mut self, order: &Order<'_>) -> Result<Child, StartError>;

    /// Whether a worker that gets the stop signal always ends its request first, and loses none that
    /// it has not begun.
    fn finishes_requests(&self) -> bool {
        false
    }
}
