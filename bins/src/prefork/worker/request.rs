//! One request, from accept to close.

use std::ops::{Deref, DerefMut};

use super::{Slate, Stream};

/// A connection that is being served. The request is over, and the connection closed, when this is
/// dropped; [`Worker::accept`](super::Worker::accept) then has the next.
#[derive(Debug)]
pub struct Request<'w> {
    slate: &'w mut Slate,
    stream: Stream,
    listener: usize,
    /// Holds signals back, if that was asked for.
    _serving: sigpolicy::Serving,
}

impl<'w> Request<'w> {
    pub(super) fn new(
        slate: &'w mut Slate,
        stream: Stream,
        listener: usize,
        serving: sigpolicy::Serving,
    ) -> Request<'w> {
        slate.begin();
        Request { slate, stream, listener, _serving: serving }
    }

    /// The connection.
    #[inline]
    pub fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// The place of the listener that it came through among [`Worker::listeners`](super::Worker::listeners).
    #[must_use]
    pub fn listener(&self) -> usize {
        self.listener
    }
}

impl Deref for Request<'_> {
    type Target = Slate;

    fn deref(&self) -> &Slate {
        self.slate
    }
}

impl DerefMut for Request<'_> {
    fn deref_mut(&mut self) -> &mut Slate {
        self.slate
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.slate.end();
    }
}
