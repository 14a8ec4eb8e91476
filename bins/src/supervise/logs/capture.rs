//! What stands between supervisord's tokens, apart from what does not. Pure.

/// Begins a message to the listeners.
pub(super) const BEGIN: &[u8] = b"<!--XSUPERVISOR:BEGIN-->";
/// Ends it.
pub(super) const END: &[u8] = b"<!--XSUPERVISOR:END-->";

/// A stretch of the stream.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Outside of the tokens.
    Outside(&'a [u8]),
    /// Between them.
    Inside(&'a [u8]),
    /// The end token.
    Closed,
}

/// Finds the tokens, wherever the stream is cut.
#[derive(Clone, Debug, Default)]
pub(super) struct Splitter {
    inside: bool,
    /// The beginning of a token at the end of what came.
    held: Vec<u8>,
}

impl Splitter {
    /// Tells `each` the parts of the bytes that came, in order; none of them is empty.
    pub(super) fn feed(&mut self, bytes: &[u8], each: &mut dyn FnMut(Part<'_>)) {
        let joined;
        let mut rest = bytes;
        if !self.held.is_empty() {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(bytes);
            joined = held;
            rest = &joined;
        }
        loop {
            let token = if self.inside { END } else { BEGIN };
            let (at, whole) = find(rest, token);
            let (before, found) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            self.tell(before, each);
            if !whole {
                self.held = found.to_vec();
                return;
            }
            if self.inside {
                each(Part::Closed);
            }
            self.inside = !self.inside;
            rest = found.get(token.len()..).unwrap_or_default();
        }
    }

    /// The stream is over: what began like a token was none. Whether the end token is missing.
    pub(super) fn end(&mut self, each: &mut dyn FnMut(Part<'_>)) -> bool {
        let held = std::mem::take(&mut self.held);
        self.tell(&held, each);
        std::mem::take(&mut self.inside)
    }

    fn tell(&self, bytes: &[u8], each: &mut dyn FnMut(Part<'_>)) {
        match bytes {
            [] => {}
            _ if self.inside => each(Part::Inside(bytes)),
            _ => each(Part::Outside(bytes)),
        }
    }
}

/// Where the token begins and whether it is whole; the end if it is not even begun.
fn find(bytes: &[u8], token: &[u8]) -> (usize, bool) {
    let mut from = 0;
    while let Some(rest) = bytes.get(from..) {
        // The first byte of both tokens; there is no other in them.
        let Some(at) = rest.iter().position(|byte| *byte == b'<') else {
            break;
        };
        let candidate = rest.get(at..).unwrap_or_default();
        let at = from.saturating_add(at);
        if candidate.starts_with(token) {
            return (at, true);
        }
        if token.starts_with(candidate) {
            return (at, false);
        }
        from = at.saturating_add(1);
    }
    (bytes.len(), false)
}

/// What was captured, within `capture_maxbytes`.
#[derive(Clone, Debug, Default)]
pub(super) struct Bound {
    bytes: Vec<u8>,
    most: usize,
}

impl Bound {
    pub(super) fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), most }
    }

    /// Adds a piece. As supervisord: if it does not fit, as many of the oldest bytes go as come,
    /// and the piece is kept whole however long it is.
    pub(super) fn push(&mut self, piece: &[u8]) {
        if self.bytes.len().saturating_add(piece.len()) > self.most {
            self.bytes.drain(..piece.len().min(self.bytes.len()));
        }
        self.bytes.extend_from_slice(piece);
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> (Vec<u8>, Vec<Vec<u8>>, bool) {
        let (mut outside, mut inside) = (Vec::new(), vec![Vec::new()]);
        let mut splitter = Splitter::default();
        let mut each = |part: Part<'_>| match part {
            Part::Outside(bytes) => outside.extend_from_slice(bytes),
            Part::Inside(bytes) => inside.last_mut().unwrap().extend_from_slice(bytes),
            Part::Closed => inside.push(Vec::new()),
        };
        for piece in pieces {
            splitter.feed(piece, &mut each);
        }
        let open = splitter.end(&mut each);
        (outside, inside, open)
    }

    #[test]
    fn tokens_are_found_wherever_the_stream_is_cut() {
        let text = [
            b"a<!--".as_slice(),
            BEGIN,
            b"one<!--XSUPERVISOR:BEGIN-->still",
            END,
            END,
            BEGIN,
            END,
            b"<<",
            BEGIN,
            b"two<",
            END,
            b"z<!--XSUPERVISOR:BEGIN--",
        ]
        .concat();
        let outside = b"a<!--<!--XSUPERVISOR:END--><<z<!--XSUPERVISOR:BEGIN--".to_vec();
        let inside: Vec<Vec<u8>> =
            [b"one<!--XSUPERVISOR:BEGIN-->still".as_slice(), b"", b"two<", b""]
                .map(<[u8]>::to_vec)
                .to_vec();
        let expected = (outside, inside, false);
        for first in 0..=text.len() {
            let pieces = [&text[..first], &text[first..]];
            assert_eq!(split(&pieces), expected, "cut at {first}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(split(&bytes), expected);
    }

    #[test]
    fn only_the_beginning_of_a_token_waits() {
        let mut splitter = Splitter::default();
        let mut parts = Vec::new();
        let mut each = |part: Part<'_>| {
            if let Part::Outside(bytes) = part {
                parts.push(bytes.to_vec());
            }
        };
        splitter.feed(b"x", &mut each);
        splitter.feed(b"prompt> <!-", &mut each);
        splitter.feed(b"x", &mut each);
        assert_eq!(parts, [b"x".to_vec(), b"prompt> ".to_vec(), b"<!-x".to_vec()]);
    }

    #[test]
    fn what_is_captured_is_bounded_as_by_supervisord() {
        let mut bound = Bound::new(10);
        bound.push(b"12345678");
        bound.push(b"90");
        bound.push(b"abc");
        assert_eq!(bound.take(), b"4567890abc");
        bound.push(b"1234");
        bound.push(b"longer than ten");
        assert_eq!(bound.take(), b"longer than ten");
        assert_eq!(bound.take(), b"");
    }
}
