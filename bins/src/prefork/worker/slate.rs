//! What a worker tells of itself: on the scoreboard, and once that it is ready.

use std::ffi::OsStr;

use scoreboard::{Order as Wish, State, Writer};

use crate::prefork::maker::Order;
use crate::prefork::view::Id;

/// What a worker tells of itself, and what it has been told.
///
/// [`Worker`](super::Worker), [`Request`](super::Request) and [`Serving`](super::Serving) all lead
/// here. Where there is no scoreboard nothing is told, and everything else works.
#[derive(Debug)]
pub struct Slate {
    writer: Option<Writer>,
    id: Id,
    slot: u32,
    generation: u64,
    served: u64,
    exit_code: u8,
    /// Whom to tell that it is ready; `None` when that is done.
    notify: Option<String>,
    idle: bool,
}

impl Slate {
    pub(super) fn new(order: &Order<'_>) -> Result<Slate, scoreboard::Error> {
        let writer = order.board.map(|board| Writer::open(board, order.slot)).transpose()?;
        Ok(Slate {
            writer,
            id: order.id,
            slot: order.slot,
            generation: order.generation,
            served: 0,
            exit_code: 0,
            notify: order.notify.map(str::to_owned),
            idle: false,
        })
    }

    /// Says something about the request, or anything else; the manager's status shows it. It stays
    /// until the next one, and that of a worker that died can still be read.
    #[inline]
    pub fn status(&mut self, text: impl AsRef<[u8]>) {
        if let Some(writer) = &mut self.writer {
            writer.text(text);
        }
    }

    /// Says by a letter what the worker is doing: mod_status's, or one of the application's own.
    #[inline]
    pub fn state(&mut self, state: State) {
        if let Some(writer) = &mut self.writer {
            writer.set(state);
        }
    }

    /// Adds to the bytes sent.
    #[inline]
    pub fn add_bytes(&mut self, count: u64) {
        if let Some(writer) = &mut self.writer {
            writer.add_bytes(count);
        }
    }

    /// The number of this worker's start, from 1.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// Its place in the pool, from 0: no other living worker has it.
    #[must_use]
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// Which reload it came from, from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Requests so far.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.served
    }

    /// The exit code for when the closure returns without an error; 0 if this is never called.
    pub fn set_exit_code(&mut self, code: u8) {
        self.exit_code = code;
    }

    pub(super) fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// Says that the worker can serve. The first wait for a request does so by itself; to be called
    /// where that is too late or never comes.
    pub fn ready(&mut self) {
        if let Some(address) = self.notify.take() {
            // Nobody there: the manager has gone, which is noticed elsewhere.
            let _ = fdpass::notify::send_to(OsStr::new(&address), "READY=1");
        }
    }

    #[inline]
    pub(super) fn wait(&mut self) {
        if !self.idle {
            self.idle = true;
            self.state(State::IDLE);
            self.ready();
        }
    }

    #[inline]
    pub(super) fn begin(&mut self) {
        if let Some(writer) = &mut self.writer {
            writer.begin(State::READING);
        }
    }

    #[inline]
    pub(super) fn end(&mut self) {
        self.served = self.served.saturating_add(1);
        if let Some(writer) = &mut self.writer {
            writer.end();
        }
    }

    pub(super) fn leave(&mut self) {
        self.state(State::GRACEFUL);
    }

    #[inline]
    pub(super) fn is_dismissed(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.order() == Wish::Leave)
    }
}
