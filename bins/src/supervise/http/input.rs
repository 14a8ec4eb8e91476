//! What came from a connection and was not taken yet.

/// A queue of bytes that is looked at from its front.
#[derive(Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    /// Before it everything was taken.
    start: usize,
    /// Up to here, counted from the start, there is no end of what is looked for.
    scanned: usize,
}

impl Input {
    /// An empty queue keeps no more than this.
    const SPARE: usize = 64 << 10;

    pub fn feed(&mut self, bytes: &[u8]) {
        // Every byte is moved once for each that was taken before, not once for each feeding.
        if self.start > 0 && self.start >= self.bytes.len() / 2 {
            drop(self.bytes.drain(..self.start));
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.start)
    }

    /// The first bytes, of which there may be fewer.
    pub fn front(&self, count: usize) -> &[u8] {
        let rest = self.rest();
        rest.get(..count).unwrap_or(rest)
    }

    pub fn take(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.bytes.len());
        self.scanned = 0;
        if self.start == self.bytes.len() {
            self.clear();
        }
    }

    pub fn clear(&mut self) {
        (self.start, self.scanned) = (0, 0);
        self.bytes.clear();
        self.bytes.shrink_to(Self::SPARE);
    }

    /// The length of the first line with its newline.
    pub fn line(&mut self) -> Option<usize> {
        let fresh = self.rest().get(self.scanned..).unwrap_or_default();
        if let Some(at) = fresh.iter().position(|byte| *byte == b'\n') {
            return Some(self.scanned.saturating_add(at).saturating_add(1));
        }
        self.scanned = self.len();
        None
    }

    /// The length of everything up to the first empty line and with it.
    pub fn paragraph(&mut self) -> Option<usize> {
        let fresh = self.rest().get(self.scanned..).unwrap_or_default();
        for (at, byte) in fresh.iter().enumerate() {
            if *byte != b'\n' {
                continue;
            }
            let at = self.scanned.saturating_add(at);
            let next = at.saturating_add(1);
            let after = self.rest().get(next..).unwrap_or_default();
            if after.starts_with(b"\n") {
                return Some(next.saturating_add(1));
            }
            if after.starts_with(b"\r\n") {
                return Some(next.saturating_add(2));
            }
            if after.is_empty() || after == b"\r" {
                // Whether this one ends it is still to come.
                self.scanned = at;
                return None;
            }
        }
        self.scanned = self.len();
        None
    }
}
