//! The scoreboard file of Perl's Parallel::Prefork::SpareWorkers (0.18).
//!
//! Slots of 16 bytes, which a terminal shows as lines: the state, one character; the pid in decimal,
//! filled up with blanks to 14 characters; a newline. A slot without worker has blanks for the pid,
//! and as a rule the state `.`. Workers write their slots without a lock.
//!
//! ```
//! use scoreboard::{State, legacy::spare_workers};
//!
//! let board = b"A4711          \n.              \n";
//! let slots: Vec<_> = spare_workers::parse(board).collect();
//! assert_eq!(slots[0].pid(), Some(4711));
//! assert_eq!(slots[0].state().letter(), 'A');
//! assert_eq!(slots[1].state(), State::FREE);
//! ```

use std::io;
use std::path::Path;

use crate::State;

/// Bytes of a slot.
pub const SLOT_SIZE: usize = 16;

/// One slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// There is no worker.
    Free,
    /// A worker.
    Worker {
        /// As it stands in the file: nobody has checked that there is such a process.
        pid: u32,
        /// The state as it stands in the file; [`Slot::state`] is fit to be shown. `_` is a worker
        /// that waits, all other states are the application's own.
        letter: u8,
    },
    /// Bytes that are no slot.
    Broken,
}

impl Slot {
    /// What the worker is doing; [`State::UNKNOWN`] for a broken slot.
    #[must_use]
    pub fn state(&self) -> State {
        match *self {
            Slot::Free => State::FREE,
            Slot::Worker { letter, .. } => State::from_byte(letter),
            Slot::Broken => State::UNKNOWN,
        }
    }

    /// The pid of the worker, if there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match *self {
            Slot::Worker { pid, .. } => Some(pid),
            Slot::Free | Slot::Broken => None,
        }
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let [letter, pid @ .., b'\n'] = bytes else { return Slot::Broken };
        match pid.trim_ascii_end() {
            [] if pid.iter().all(|byte| *byte == b' ') => Slot::Free,
            digits => match number(digits) {
                Some(number) if pid.iter().skip(digits.len()).all(|byte| *byte == b' ') => {
                    Slot::Worker { pid: number, letter: *letter }
                }
                _ => Slot::Broken,
            },
        }
    }
}

/// A pid in decimal, as printf writes it.
fn number(digits: &[u8]) -> Option<u32> {
    if !matches!(digits, [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit)) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The slots of a board in their order, the free ones too. An incomplete one at the end is left out.
pub fn parse(board: &[u8]) -> impl Iterator<Item = Slot> {
    board.chunks_exact(SLOT_SIZE).map(Slot::from_bytes)
}

/// The slots in a file.
///
/// # Errors
///
/// `InvalidData` for what is no regular file (symbolic links are not followed) and for more than
/// [`MAX_BOARD`](super::MAX_BOARD) bytes; otherwise those of open(2) and read(2). The message does
/// not repeat the path.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<Slot>> {
    Ok(parse(&super::read_board(path.as_ref())?).collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scratch;
    use super::*;

    fn one(slot: &[u8]) -> Slot {
        assert_eq!(slot.len(), SLOT_SIZE, "{}", slot.escape_ascii());
        parse(slot).next().unwrap()
    }

    #[test]
    fn workers() {
        for (letter, state) in [(b'_', State::IDLE), (b'A', State::from_byte(b'A'))] {
            for pid in [1, 42, 4_194_304, u32::MAX] {
                let slot = one(format!("{}{pid:<14}\n", char::from(letter)).as_bytes());
                assert_eq!(slot, Slot::Worker { pid, letter });
                assert_eq!((slot.state(), slot.pid()), (state, Some(pid)));
            }
        }
        for letter in [b'\n', 0, 0x1b, 0xff, b'<'] {
            let slot = one(&[&[letter][..], b"42            \n"].concat());
            assert_eq!(slot, Slot::Worker { pid: 42, letter });
            assert_eq!(slot.state(), State::UNKNOWN);
        }
    }

    #[test]
    fn no_worker() {
        // The module takes a slot for free by its blanks, whatever the state.
        for slot in [b".              \n", b"A              \n"] {
            assert_eq!(
                (one(slot), one(slot).state(), one(slot).pid()),
                (Slot::Free, State::FREE, None)
            );
        }
    }

    #[test]
    fn what_is_no_slot() {
        for broken in [
            b"_42             ",
            b"_42            \0",
            b"_0             \n",
            b"_042           \n",
            b"_-42           \n",
            b"_+42           \n",
            b"_ 42           \n",
            b"_4 2           \n",
            b"_42\t           \n",
            b"_              \r",
            b"_\t\t\t\t\t\t\t\t\t\t\t\t\t\t\n",
            b"_99999999999999\n",
            b"_4294967296    \n",
            &[0; SLOT_SIZE],
            &[0xff; SLOT_SIZE],
        ] {
            let slot = one(broken);
            assert_eq!((slot, slot.state(), slot.pid()), (Slot::Broken, State::UNKNOWN, None));
        }
    }

    #[test]
    fn an_incomplete_slot_is_left_out() {
        let scratch = Scratch::new();
        let board = b"_42            \n.              \nA43  ";
        let expected = [Slot::Worker { pid: 42, letter: b'_' }, Slot::Free];
        assert_eq!(read(scratch.file("board", board)).unwrap(), expected);
        assert_eq!(read(scratch.file("empty", b"")).unwrap(), []);
        assert_eq!(read(scratch.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
