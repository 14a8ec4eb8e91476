//! Whole lines with the time and a prefix. Pure.

use std::time::SystemTime;

use super::clock;

/// A line that is longer is split.
pub(super) const LONGEST: usize = 64 * 1024;

/// Keeps the last, unfinished line until its end has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    /// What stands before each line, after the time.
    prefix: String,
    timestamp: bool,
    unfinished: Vec<u8>,
}

impl Lines {
    /// A prefix that does not end in a blank gets one.
    pub(super) fn new(prefix: &str, timestamp: bool) -> Self {
        let mut prefix = prefix.to_owned();
        if prefix.ends_with(|last: char| !last.is_whitespace()) {
            prefix.push(' ');
        }
        Self { prefix, timestamp, unfinished: Vec::new() }
    }

    /// Appends the lines that are complete now.
    pub(super) fn feed(&mut self, bytes: &[u8], now: SystemTime, out: &mut Vec<u8>) {
        let head = self.head(now);
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = LONGEST.saturating_sub(self.unfinished.len());
            let within = rest.get(..room).unwrap_or(rest);
            let end = within.iter().position(|byte| *byte == b'\n');
            let (piece, after) =
                rest.split_at_checked(end.unwrap_or(within.len())).unwrap_or((rest, &[]));
            rest = match end {
                Some(_) => after.get(1..).unwrap_or_default(),
                None if after.is_empty() => {
                    self.unfinished.extend_from_slice(piece);
                    return;
                }
                // A newline that comes just here ends this line, not an empty one.
                None => after.strip_prefix(b"\n").unwrap_or(after),
            };
            self.line(&head, piece, out);
        }
    }

    /// The stream is over: the unfinished line gets its end.
    pub(super) fn end(&mut self, now: SystemTime, out: &mut Vec<u8>) {
        if !self.unfinished.is_empty() {
            self.line(&self.head(now), &[], out);
        }
    }

    fn head(&self, now: SystemTime) -> String {
        match self.timestamp {
            true => format!("{} {}", clock::local(now), self.prefix),
            false => self.prefix.clone(),
        }
    }

    fn line(&mut self, head: &str, piece: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(head.as_bytes());
        out.append(&mut self.unfinished);
        out.extend_from_slice(piece);
        out.push(b'\n');
        self.unfinished = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(prefix: &str, pieces: &[&[u8]]) -> Vec<u8> {
        let mut lines = Lines::new(prefix, false);
        let mut out = Vec::new();
        for piece in pieces {
            lines.feed(piece, SystemTime::UNIX_EPOCH, &mut out);
        }
        lines.end(SystemTime::UNIX_EPOCH, &mut out);
        out
    }

    #[test]
    fn each_line_gets_its_prefix_wherever_it_is_cut() {
        let text = b"one\n\ntwo\r\nthree";
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(lines("[p]", &pieces), b"[p] one\n[p] \n[p] two\r\n[p] three\n");
                assert_eq!(lines("p\t", &pieces), b"p\tone\np\t\np\ttwo\r\np\tthree\n");
                assert_eq!(lines("", &pieces), b"one\n\ntwo\r\nthree\n");
            }
        }
        assert_eq!(lines("p", &[b"done\n"]), b"p done\n", "no empty line at the end");
        assert_eq!(lines("p", &[]), b"");
    }

    #[test]
    fn a_line_waits_for_its_end_but_not_for_ever() {
        let mut held = Lines::new("", false);
        let mut out = Vec::new();
        held.feed(b"wait", SystemTime::UNIX_EPOCH, &mut out);
        assert!(out.is_empty());
        held.feed(b"ed\nagain", SystemTime::UNIX_EPOCH, &mut out);
        assert_eq!(out, b"waited\n");

        let long = vec![b'x'; LONGEST];
        let split = [long.as_slice(), b"\nyy\n"].concat();
        let text = [long.as_slice(), b"yy"].concat();
        for cut in [0, 1, 2, LONGEST - 1, LONGEST, LONGEST + 1, LONGEST + 2] {
            let (first, second) = text.split_at(cut);
            assert_eq!(lines("", &[first, second]), split, "cut at {cut}");
        }
        let exact = [long.as_slice(), b"\n"].concat();
        for cut in [0, 1, LONGEST - 1, LONGEST, LONGEST + 1] {
            let (first, second) = exact.split_at(cut);
            assert_eq!(lines("", &[first, second]), exact, "the longest line is one line");
        }
    }

    #[test]
    fn the_time_stands_first() {
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_700_000_000_042);
        let mut lines = Lines::new("web:", true);
        let mut out = Vec::new();
        lines.feed(b"up\n", now, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, format!("{} web: up\n", clock::local(now)));
        assert!(text.contains(",042 web: "), "{text}");
    }
}
