//! What a worker is doing, as one letter.

use std::fmt;

/// What a worker is doing: a letter, as in Apache's mod_status.
///
/// The named letters have the meanings below; every other ASCII letter or digit is the
/// application's own ([`State::user`]).
///
/// ```
/// use scoreboard::State;
///
/// assert_eq!(State::WRITING.letter(), 'W');
/// assert_eq!(State::from_byte(b'K'), State::KEEP_ALIVE);
/// assert_eq!(State::from_byte(0x1b), State::UNKNOWN);
/// assert_eq!(State::user(b'x').map(State::letter), Some('x'));
/// assert_eq!(State::user(b'W'), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct State(u8);

/// The letter of every byte.
static LETTERS: [u8; 256] = letters();

const fn letters() -> [u8; 256] {
    let mut letters = [b'?'; 256];
    let mut rest: &mut [u8] = &mut letters;
    let mut byte = 0_u8;
    while let Some((letter, others)) = rest.split_first_mut() {
        if matches!(byte, b'_' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z') {
            *letter = byte;
        }
        byte = byte.wrapping_add(1);
        rest = others;
    }
    letters
}

impl State {
    /// `_`: waits for a request.
    pub const IDLE: State = State(b'_');
    /// `S`: has been started and does not serve yet.
    pub const STARTING: State = State(b'S');
    /// `R`: reads a request.
    pub const READING: State = State(b'R');
    /// `W`: works on a request or writes the reply.
    pub const WRITING: State = State(b'W');
    /// `K`: waits for the next request of the same connection.
    pub const KEEP_ALIVE: State = State(b'K');
    /// `D`: looks up a name.
    pub const DNS: State = State(b'D');
    /// `C`: closes the connection.
    pub const CLOSING: State = State(b'C');
    /// `L`: writes its log.
    pub const LOGGING: State = State(b'L');
    /// `G`: finishes what it has begun, and leaves.
    pub const GRACEFUL: State = State(b'G');
    /// `I`: cleans up while there is nothing to do.
    pub const IDLE_CLEANUP: State = State(b'I');
    /// `.`: there is no worker.
    pub const FREE: State = State(b'.');
    /// `P`: is parked: there, but not to be given work.
    pub const PARKED: State = State(b'P');
    /// `T`: has been over its time limit and is being ended.
    pub const TIMING_OUT: State = State(b'T');
    /// `?`: nobody knows.
    pub const UNKNOWN: State = State(b'?');

    const NAMED: [(State, &'static str); 14] = [
        (State::IDLE, "waiting"),
        (State::STARTING, "starting"),
        (State::READING, "reading"),
        (State::WRITING, "writing"),
        (State::KEEP_ALIVE, "keepalive"),
        (State::DNS, "dns"),
        (State::CLOSING, "closing"),
        (State::LOGGING, "logging"),
        (State::GRACEFUL, "graceful"),
        (State::IDLE_CLEANUP, "idle-cleanup"),
        (State::FREE, "free"),
        (State::PARKED, "parked"),
        (State::TIMING_OUT, "timing-out"),
        (State::UNKNOWN, "unknown"),
    ];

    /// The state of a byte that anybody may have written: [`UNKNOWN`](Self::UNKNOWN) for all but
    /// ASCII letters, digits, `_` and `.`.
    #[must_use]
    #[inline]
    pub fn from_byte(byte: u8) -> State {
        LETTERS.get(usize::from(byte)).map_or(State::UNKNOWN, |letter| State(*letter))
    }

    /// A letter or digit with a meaning of the application's own; `None` when it has one already,
    /// or is neither.
    #[must_use]
    pub fn user(byte: u8) -> Option<State> {
        let state = State::from_byte(byte);
        state.name().is_none().then_some(state)
    }

    /// The letter.
    #[must_use]
    pub const fn letter(self) -> char {
        self.0 as char
    }

    /// A word for it; `None` for the application's own.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        State::NAMED.iter().find(|(state, _)| *state == self).map(|(_, name)| *name)
    }

    /// Whether the worker could take a request now.
    #[must_use]
    pub const fn is_idle(self) -> bool {
        matches!(self.0, b'_')
    }

    /// Whether the letter says that a request is being served: neither idle, free, starting,
    /// parked, cleaning up nor unknown.
    #[must_use]
    pub const fn is_busy(self) -> bool {
        !matches!(self.0, b'_' | b'.' | b'S' | b'P' | b'I' | b'?')
    }

    /// Eight bytes as they stand in a slot: the letter, then zeros.
    #[inline]
    pub(crate) const fn word(self) -> u64 {
        u64::from_ne_bytes([self.0, 0, 0, 0, 0, 0, 0, 0])
    }

    /// `None` for a word that nobody has ever set.
    #[inline]
    pub(crate) fn from_word(word: u64) -> Option<State> {
        match word.to_ne_bytes() {
            [0, ..] => None,
            [byte, ..] => Some(State::from_byte(byte)),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Write::write_char(f, self.letter())
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({})", self.letter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_a_printable_letter() {
        for byte in 0..=u8::MAX {
            let state = State::from_byte(byte);
            assert!(state.letter().is_ascii_graphic());
            assert_eq!(State::from_byte(state.letter() as u8), state);
            let own = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
            assert_eq!(own, state.letter() as u32 == u32::from(byte) && byte != b'?', "{byte}");
        }
    }

    #[test]
    fn words_go_round_and_zero_is_nothing() {
        for (state, name) in State::NAMED {
            assert_eq!(State::from_word(state.word()), Some(state));
            assert_eq!(state.name(), Some(name));
            assert_eq!(State::user(state.letter() as u8), None);
        }
        assert_eq!(State::from_word(0), None);
        assert_eq!(State::from_word(u64::from_ne_bytes([0, b'W', 0, 0, 0, 0, 0, 0])), None);
        assert_eq!(State::from_word(u64::MAX), Some(State::UNKNOWN));
    }

    #[test]
    fn users_have_the_other_letters() {
        let own = (0..=u8::MAX).filter(|byte| State::user(*byte).is_some()).count();
        assert_eq!(own, 26 + 26 + 10 - 11, "all but the eleven named letters");
    }

    #[test]
    fn idle_and_busy() {
        assert!(State::IDLE.is_idle() && !State::IDLE.is_busy());
        for busy in [State::READING, State::WRITING, State::KEEP_ALIVE, State::GRACEFUL] {
            assert!(busy.is_busy() && !busy.is_idle(), "{busy}");
        }
        for neither in [State::STARTING, State::FREE, State::PARKED, State::UNKNOWN] {
            assert!(!neither.is_busy() && !neither.is_idle(), "{neither}");
        }
    }
}
