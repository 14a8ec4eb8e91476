//! Escape sequences taken out of output: never a panic; the same however the stream is cut; plain
//! text is untouched and nothing is added.

use superdaemon::supervise::logs::ansi::Strip;

/// Valid inputs, and some that nearly are.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"plain text\n",
    b"\x1b[1;31mred\x1b[0m and \x1b[32mgreen\x1b[m\n",
    b"\x1b[2J\x1b[1;1H\x1b[?25l\x1b[38;2;1;2;3m",
    b"\x1b]0;title\x07text\x1b\\",
    b"\x1b",
    b"\x1b[",
    b"a\x1b[12",
    b"\x1b\x1b[1m\x1b[\x1b[2mx",
    b"\x1b[99999999999999999999999999999999999999999999999999999999999999999999999999mx",
    b"\x1b[\xffm\x1b[\nm",
    b"1\x1bcx\x1b(B",
];

/// One input; the first byte says where it is cut.
pub fn run(data: &[u8]) {
    let whole = strip(&[data]);
    assert!(whole.len() <= data.len(), "longer than before");
    if !data.contains(&0x1b) {
        assert_eq!(whole, data);
    }
    let cut = data.first().map_or(0, |first| usize::from(*first) % data.len());
    let (first, second) = data.split_at(cut);
    assert_eq!(strip(&[first, second]), whole, "cut at {cut}");
    let bytes: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!(strip(&bytes), whole, "byte by byte");
    // What is left is in the order in which it came.
    let mut rest = data.iter();
    assert!(whole.iter().all(|byte| rest.any(|other| other == byte)), "something was added");
}

fn strip(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut strip, mut out) = (Strip::default(), Vec::new());
    for piece in pieces {
        strip.feed(piece, &mut out);
    }
    strip.end(&mut out);
    out
}
