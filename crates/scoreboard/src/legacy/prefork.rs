//! The scoreboard file of Perl's Proc::Daemon::Prefork (0.711).
//!
//! Records of 20 bytes, one for each child that there may be and one more:
//!
//! | offset | what |
//! | --- | --- |
//! | 0 | pid, 32 bits, most significant byte first; 0: the record is free |
//! | 4 | when the child started, seconds since 1970, 32 bits, most significant byte first |
//! | 8 | requests begun, 16 bits **in the byte order of the machine**; begins again at 0 after 65535 |
//! | 10 | when the present request began, like the start |
//! | 14 | when the record was last changed, like the start |
//! | 18 | state, one ASCII character |
//! | 19 | reserved |
//!
//! A child changes its record by reading and writing it without a lock, and a record whose child has
//! died stays until the parent comes across it: a pid in here need not be alive, nor be a child.
//!
//! ```
//! use scoreboard::{State, legacy::prefork};
//!
//! let board = [&[0, 0, 0x12, 0x67], &[0; 14][..], b"W\0", &[0; 20]].concat();
//! let records: Vec<_> = prefork::parse(&board).collect();
//! assert_eq!((records[0].pid, records[0].state()), (4711, State::WRITING));
//! assert!(records[1].is_free());
//! ```

use std::io;
use std::path::Path;

use crate::State;

/// Bytes of a record.
pub const RECORD_SIZE: usize = 20;

/// One record: what one child says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The child; 0 when the record is free. As it stands in the file: nobody has checked it.
    pub pid: u32,
    /// When the child started, in seconds since 1970.
    pub child_start: u32,
    /// Requests, modulo 65536.
    pub requests: u16,
    /// When its request began, in seconds since 1970.
    pub request_start: u32,
    /// When the child last changed the record, in seconds since 1970.
    pub changed: u32,
    /// The state as it stands in the file; [`state`](Self::state) is fit to be shown.
    pub letter: u8,
    /// The last byte.
    pub reserved: u8,
}

impl Record {
    /// Whether there is no child in this record.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.pid == 0
    }

    /// What the child is doing; [`State::FREE`] when there is none.
    ///
    /// With a pid, the parent takes both `_` and `.` for a child that waits for a request.
    #[must_use]
    pub fn state(&self) -> State {
        if self.is_free() { State::FREE } else { State::from_byte(self.letter) }
    }

    /// The bytes from which [`parse`] makes this record.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; RECORD_SIZE] {
        let [p0, p1, p2, p3] = self.pid.to_be_bytes();
        let [s0, s1, s2, s3] = self.child_start.to_be_bytes();
        let [n0, n1] = self.requests.to_ne_bytes();
        let [r0, r1, r2, r3] = self.request_start.to_be_bytes();
        let [c0, c1, c2, c3] = self.changed.to_be_bytes();
        let (letter, reserved) = (self.letter, self.reserved);
        [p0, p1, p2, p3, s0, s1, s2, s3, n0, n1, r0, r1, r2, r3, c0, c1, c2, c3, letter, reserved]
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (pid, rest) = bytes.split_first_chunk()?;
        let (child_start, rest) = rest.split_first_chunk()?;
        let (requests, rest) = rest.split_first_chunk()?;
        let (request_start, rest) = rest.split_first_chunk()?;
        let (changed, rest) = rest.split_first_chunk()?;
        let [letter, reserved] = rest else { return None };
        Some(Self {
            pid: u32::from_be_bytes(*pid),
            child_start: u32::from_be_bytes(*child_start),
            requests: u16::from_ne_bytes(*requests),
            request_start: u32::from_be_bytes(*request_start),
            changed: u32::from_be_bytes(*changed),
            letter: *letter,
            reserved: *reserved,
        })
    }
}

/// The records of a board in their order, the free ones too. An incomplete one at the end is left
/// out: the file is being made longer, or cut.
pub fn parse(board: &[u8]) -> impl Iterator<Item = Record> {
    board.chunks_exact(RECORD_SIZE).filter_map(Record::from_bytes)
}

/// The records in a file.
///
/// # Errors
///
/// `InvalidData` for what is no regular file (symbolic links are not followed) and for more than
/// [`MAX_BOARD`](super::MAX_BOARD) bytes; otherwise those of open(2) and read(2). The message does
/// not repeat the path.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<Record>> {
    Ok(parse(&super::read_board(path.as_ref())?).collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scratch;
    use super::*;

    /// Seen in a file: pid 4711, two requests (on a little-endian machine), in state W.
    #[cfg(target_endian = "little")]
    const SEEN: [u8; RECORD_SIZE] = [
        0x00, 0x00, 0x12, 0x67, 0x65, 0x53, 0xf1, 0x00, 0x02, 0x00, 0x65, 0x53, 0xf1, 0x0a, 0x65,
        0x53, 0xf1, 0x0b, b'W', 0x20,
    ];

    #[cfg(target_endian = "little")]
    #[test]
    fn bytes_and_fields() {
        let expected = Record {
            pid: 4711,
            child_start: 1_700_000_000,
            requests: 2,
            request_start: 1_700_000_010,
            changed: 1_700_000_011,
            letter: b'W',
            reserved: b' ',
        };
        assert_eq!(parse(&SEEN).collect::<Vec<_>>(), [expected]);
        assert_eq!(expected.to_bytes(), SEEN);
    }

    #[test]
    fn free_and_strange_records() {
        let mut board = [0; 3 * RECORD_SIZE];
        board[18] = b'W';
        board[20..24].fill(0xff);
        board[38] = 0x1b;
        board[43] = 1;
        board[58] = b'_';
        let records: Vec<Record> = parse(&board).collect();
        let states: Vec<State> = records.iter().map(Record::state).collect();
        assert_eq!(states, [State::FREE, State::UNKNOWN, State::IDLE]);
        assert_eq!(records.iter().map(|r| r.pid).collect::<Vec<_>>(), [0, u32::MAX, 1]);
        assert_eq!(records.iter().map(Record::is_free).collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn an_incomplete_record_is_left_out() {
        let scratch = Scratch::new();
        for length in 0..=3 * RECORD_SIZE {
            let bytes: Vec<u8> = (0..=255).take(length).collect();
            let whole: Vec<u8> = parse(&bytes).flat_map(|record| record.to_bytes()).collect();
            assert_eq!(whole, bytes[..length / RECORD_SIZE * RECORD_SIZE]);
        }
        let path = scratch.file("board", &[1; 59]);
        assert_eq!(read(&path).unwrap(), parse(&[1; 40]).collect::<Vec<_>>());
        assert_eq!(read(scratch.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
