//! Taking escape sequences out of a stream, wherever it is cut. Pure.

/// Where in a sequence the stream was cut.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Text,
    /// After an ESC.
    Escape,
    /// After ESC and `[`, with the bytes that may still come.
    Sequence(u8),
}

/// The longest control sequence; what goes on longer is none.
const LONGEST: u8 = 64;
const ESC: u8 = 0x1b;

/// Removes control sequences (ECMA-48: `ESC [`, parameters, one final byte), such as colours.
///
/// supervisord knows some final bytes only and swallows text up to the next of these; here a
/// sequence ends where the standard ends it, and a byte that cannot be in one ends it as well and
/// is kept.
///
/// ```
/// let mut strip = superdaemon::supervise::logs::ansi::Strip::default();
/// let mut plain = Vec::new();
/// strip.feed(b"\x1b[1;3", &mut plain);
/// strip.feed(b"1mred\x1b[0m", &mut plain);
/// strip.end(&mut plain);
/// assert_eq!(plain, b"red");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Strip(At);

impl Strip {
    /// Appends what is text of `bytes`.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            match self.0 {
                At::Text => {
                    let text = rest.iter().position(|byte| *byte == ESC).unwrap_or(rest.len());
                    let (text, after) = rest.split_at(text);
                    out.extend_from_slice(text);
                    rest = match after.split_first() {
                        Some((_, after)) => {
                            self.0 = At::Escape;
                            after
                        }
                        None => after,
                    };
                    continue;
                }
                At::Escape if byte == b'[' => self.0 = At::Sequence(LONGEST),
                At::Escape => {
                    // Some other sequence, or none: the byte is looked at again as text.
                    out.push(ESC);
                    self.0 = At::Text;
                    continue;
                }
                At::Sequence(left) => match byte {
                    0x20..=0x3f if left > 0 => self.0 = At::Sequence(left.saturating_sub(1)),
                    0x40..=0x7e => self.0 = At::Text,
                    _ => {
                        self.0 = At::Text;
                        continue;
                    }
                },
            }
            rest = after;
        }
    }

    /// The stream is over: an ESC that nothing followed was text.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.0) == At::Escape {
            out.push(ESC);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(pieces: &[&[u8]]) -> Vec<u8> {
        let mut strip = Strip::default();
        let mut out = Vec::new();
        for piece in pieces {
            strip.feed(piece, &mut out);
        }
        strip.end(&mut out);
        out
    }

    #[test]
    fn sequences_go_and_text_stays() {
        let table: [(&[u8], &[u8]); 11] = [
            (b"plain \xff\0 bytes\n", b"plain \xff\0 bytes\n"),
            (b"\x1b[31mred\x1b[0m\n", b"red\n"),
            (b"a\x1b[2J\x1b[1;1Hb\x1b[Kc\x1b[?25hd", b"abcd"),
            (b"\x1b[2Ghello \x1b[38;2;1;2;3mmore", b"hello more"),
            (b"\x1b]0;title\x07x", b"\x1b]0;title\x07x"),
            (b"\x1b\x1b[1mx", b"\x1bx"),
            (b"\x1b[1\nnext", b"\nnext"),
            (b"\x1b[1\x1b[1mx", b"x"),
            (b"end\x1b", b"end\x1b"),
            (b"end\x1b[", b"end"),
            (b"", b""),
        ];
        for (input, output) in table {
            assert_eq!(strip(&[input]), output, "{:?}", input.escape_ascii().to_string());
        }
        let endless = [b"\x1b[".as_slice(), &[b'1'; 65], b"x"].concat();
        assert_eq!(strip(&[&endless]), b"1x", "what is too long for a sequence is text");
    }

    #[test]
    fn it_does_not_matter_where_the_stream_is_cut() {
        let text = b"a\x1b[1;31mb\x1b[0m\x1b\x1b[Kc\x1b]d\x1b[\ne\x1b";
        let whole = strip(&[text]);
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(strip(&pieces), whole, "cut at {first} and {second}");
            }
        }
    }
}
