//! What a listener writes, and the state it is in by that.

/// The state of a listener; the numbers are supervisord's.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Listening {
    /// It waits for an event.
    Ready = 10,
    /// It has an event and no answer was heard.
    Busy = 20,
    /// It has just been started, or has answered; READY is to come.
    #[default]
    Acknowledged = 30,
    /// It broke the protocol and is not listened to before it is started again.
    Unknown = 40,
}

impl Listening {
    /// As it stands in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "READY",
            Self::Busy => "BUSY",
            Self::Acknowledged => "ACKNOWLEDGED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// What a listener meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// `READY`.
    Ready,
    /// A result that is `OK`.
    Accepted,
    /// A result that is anything else.
    Rejected,
    /// Something that did not belong there, in this state. In BUSY it is a line that says no
    /// length; the beginning of it.
    Violation(Listening, Option<Vec<u8>>),
}

const READY: &[u8] = b"READY\n";
const ACCEPTED: &[u8] = b"OK";
/// The length stands behind `RESULT `, or any other seven bytes: supervisord looks at none of them.
const BEFORE_LENGTH: usize = 7;
/// A longer line, or so much without the end of a line, is none. supervisord waits for its end,
/// however long it gets.
const LONGEST_LINE: usize = 1024;
/// A longer result is taken for nonsense. supervisord waits for it.
const LONGEST_RESULT: u64 = 1 << 20;

/// One side of the conversation with one listener. What it keeps is bounded by the longest line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dialogue {
    state: Listening,
    /// The beginning of `READY`, or of the line with the length.
    text: Vec<u8>,
    result: Option<Answer>,
}

/// A result on its way. What it is matters only in so far as it is `OK`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Answer {
    length: u64,
    seen: u64,
    ok: bool,
}

impl Dialogue {
    /// Of a process that has just been started.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The state by what was said so far.
    #[must_use]
    pub const fn state(&self) -> Listening {
        self.state
    }

    /// It is sent an event. Only a READY one should be.
    pub fn sent(&mut self) {
        if self.state == Listening::Ready {
            self.state = Listening::Busy;
        }
    }

    /// The event did not get through: it is as ready as before.
    pub fn not_sent(&mut self) {
        if self.state == Listening::Busy {
            *self = Self { state: Listening::Ready, ..Self::default() };
        }
    }

    /// It wrote something: what that means, in order.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Vec<Heard> {
        let mut heard = Vec::new();
        loop {
            let more = match (self.state, self.result) {
                (Listening::Unknown, _) => false,
                (Listening::Acknowledged, _) => self.greeting(&mut bytes, &mut heard),
                // Whoever is ready has nothing to say.
                (Listening::Ready, _) if bytes.is_empty() => false,
                (Listening::Ready, _) => self.broken(None, &mut heard),
                (Listening::Busy, None) => self.length(&mut bytes, &mut heard),
                (Listening::Busy, Some(answer)) => self.answer(answer, &mut bytes, &mut heard),
            };
            if !more {
                return heard;
            }
        }
    }

    /// Until there are as many bytes as `READY` has, nothing is decided.
    fn greeting(&mut self, bytes: &mut &[u8], heard: &mut Vec<Heard>) -> bool {
        let missing = READY.len().saturating_sub(self.text.len());
        let all = *bytes;
        let (taken, rest) = all.split_at_checked(missing).unwrap_or((all, &[]));
        self.text.extend_from_slice(taken);
        *bytes = rest;
        if self.text.len() < READY.len() {
            return false;
        }
        if self.text != READY {
            return self.broken(None, heard);
        }
        self.text.clear();
        self.state = Listening::Ready;
        heard.push(Heard::Ready);
        true
    }

    /// The line before a result.
    fn length(&mut self, bytes: &mut &[u8], heard: &mut Vec<Heard>) -> bool {
        let all = *bytes;
        let mut parts = all.splitn(2, |byte| *byte == b'\n');
        let start = parts.next().unwrap_or_default();
        let rest = parts.next();
        let room = LONGEST_LINE.saturating_sub(self.text.len());
        let fits = start.len() <= room;
        self.text.extend(start.iter().take(room));
        let Some(rest) = rest.filter(|_| fits) else {
            if fits {
                *bytes = &[];
                return false;
            }
            let line = std::mem::take(&mut self.text);
            return self.broken(Some(line), heard);
        };
        *bytes = rest;
        let line = std::mem::take(&mut self.text);
        let number = line.get(BEFORE_LENGTH..).and_then(number);
        let Some(length) = number.filter(|length| *length <= LONGEST_RESULT) else {
            return self.broken(Some(line), heard);
        };
        self.result = Some(Answer { length, seen: 0, ok: true });
        true
    }

    /// The result itself; one of no length is complete at once.
    fn answer(&mut self, mut answer: Answer, bytes: &mut &[u8], heard: &mut Vec<Heard>) -> bool {
        let missing = usize::try_from(answer.length.saturating_sub(answer.seen));
        let missing = missing.unwrap_or(usize::MAX);
        let all = *bytes;
        let (taken, rest) = all.split_at_checked(missing).unwrap_or((all, &[]));
        *bytes = rest;
        let seen = usize::try_from(answer.seen).unwrap_or(usize::MAX);
        answer.ok &= ACCEPTED.get(seen..).is_some_and(|due| due.starts_with(taken));
        answer.seen = answer.seen.saturating_add(u64::try_from(taken.len()).unwrap_or(u64::MAX));
        if answer.seen < answer.length {
            self.result = Some(answer);
            return false;
        }
        self.result = None;
        self.state = Listening::Acknowledged;
        let ok = answer.ok && usize::try_from(answer.length) == Ok(ACCEPTED.len());
        heard.push(if ok { Heard::Accepted } else { Heard::Rejected });
        true
    }

    /// Nothing that follows matters.
    fn broken(&mut self, line: Option<Vec<u8>>, heard: &mut Vec<Heard>) -> bool {
        heard.push(Heard::Violation(self.state, line));
        *self = Self { state: Listening::Unknown, ..Self::default() };
        false
    }
}

/// What Python's `int` makes of bytes, where that is not negative: white space around, a sign,
/// single underscores between digits.
fn number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    // Python counts the vertical tab as white space, and Rust's trim_ascii does not.
    let text = text.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let (minus, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.split('_').any(|part| part.is_empty() || !part.bytes().all(|it| it.is_ascii_digit()))
    {
        return None;
    }
    let number = digits.replace('_', "").parse().ok()?;
    (!minus || number == 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> Dialogue {
        let mut dialogue = Dialogue::new();
        assert_eq!(dialogue.feed(b"READY\n"), [Heard::Ready]);
        dialogue.sent();
        assert_eq!(dialogue.state(), Listening::Busy);
        dialogue
    }

    /// What it means, in one piece and byte by byte, and the state after it.
    fn says(bytes: &[u8]) -> (Vec<Heard>, Listening) {
        let (mut whole, mut pieces) = (busy(), busy());
        let heard = whole.feed(bytes);
        let again: Vec<Heard> = bytes.chunks(1).flat_map(|byte| pieces.feed(byte)).collect();
        assert_eq!((&heard, &whole), (&again, &pieces), "{}", bytes.escape_ascii());
        (heard, whole.state())
    }

    #[test]
    fn results() {
        for bytes in ["RESULT 2\nOK", "RESULT  +0_2\t\nOK", "anyway 2\nOK", "RESULT:2\r\nOK"] {
            let expected = (vec![Heard::Accepted], Listening::Acknowledged);
            assert_eq!(says(bytes.as_bytes()), expected, "{bytes}");
        }
        for bytes in
            ["RESULT 4\nFAIL", "RESULT 2\nok", "RESULT 3\nOK\n", "RESULT 1\nO", "RESULT 0\n"]
        {
            let expected = (vec![Heard::Rejected], Listening::Acknowledged);
            assert_eq!(says(bytes.as_bytes()), expected, "{bytes}");
        }
        assert_eq!(says(b"RESULT 2\nO"), (vec![], Listening::Busy));
        assert_eq!(says(b"RESULT 2"), (vec![], Listening::Busy));
        let next = (vec![Heard::Accepted, Heard::Ready], Listening::Ready);
        assert_eq!(says(b"RESULT 2\nOKREADY\n"), next);
    }

    #[test]
    fn bad_lines() {
        let long = "9".repeat(40);
        for line in ["", "RESULT", "RESULT ", "RESULT -1", "RESULT two", "RESULT 1__0", "RESULT _1"]
        {
            let bytes = [line.as_bytes(), b"\nOK"].concat();
            let violation = Heard::Violation(Listening::Busy, Some(line.into()));
            assert_eq!(says(&bytes), (vec![violation], Listening::Unknown), "{line}");
        }
        for length in [long.as_str(), "1048577"] {
            let line = format!("RESULT {length}");
            let violation = Heard::Violation(Listening::Busy, Some(line.clone().into()));
            let bytes = format!("{line}\nOK");
            assert_eq!(says(bytes.as_bytes()), (vec![violation], Listening::Unknown));
        }
        assert_eq!(says(b"RESULT 1048576\nOK"), (vec![], Listening::Busy));
        assert_eq!(says(b"RESULT -0\n"), (vec![Heard::Rejected], Listening::Acknowledged));
    }

    #[test]
    fn out_of_turn() {
        let mut dialogue = Dialogue::new();
        assert_eq!(dialogue.feed(b"hello"), []);
        let violation = Heard::Violation(Listening::Acknowledged, None);
        assert_eq!(dialogue.feed(b"\n"), std::slice::from_ref(&violation));
        assert_eq!(dialogue.feed(b"READY\nRESULT 2\nOK"), []);
        assert_eq!(dialogue.state(), Listening::Unknown);

        let mut eager = Dialogue::new();
        let expected = [Heard::Ready, Heard::Violation(Listening::Ready, None)];
        assert_eq!(eager.feed(b"READY\nREADY\n"), expected);

        // A newline after the result belongs to the next word, which is then wrong.
        let (heard, state) = says(b"RESULT 2\nOK\nREADY");
        assert_eq!((heard, state), (vec![Heard::Accepted, violation], Listening::Unknown));
    }

    #[test]
    fn memory_is_bounded() {
        let mut endless = busy();
        let mut heard = Vec::new();
        for _ in 0..100 {
            heard.extend(endless.feed(&[b'x'; 4096]));
            assert!(endless.text.capacity() <= 2 * LONGEST_LINE);
        }
        let line = vec![b'x'; LONGEST_LINE];
        assert_eq!(heard, [Heard::Violation(Listening::Busy, Some(line.clone()))]);

        let mut longest = busy();
        let zeros = [b"RESULT 2".to_vec(), vec![b' '; LONGEST_LINE - 8], b"\nOK".to_vec()].concat();
        assert_eq!(longest.feed(&zeros), [Heard::Accepted]);

        let mut result = busy();
        assert_eq!(result.feed(b"RESULT 1048576\n"), []);
        for _ in 0..255 {
            assert_eq!(result.feed(&[b'x'; 4096]), []);
        }
        assert_eq!(result.text.capacity(), 0);
        assert_eq!(result.feed(&[b'x'; 4096]), [Heard::Rejected]);
    }

    #[test]
    fn what_was_not_sent_leaves_it_ready() {
        let mut dialogue = busy();
        assert_eq!(dialogue.feed(b"RESULT 5\nab"), []);
        dialogue.not_sent();
        assert_eq!(dialogue.state(), Listening::Ready);
        dialogue.sent();
        assert_eq!(dialogue.feed(b"RESULT 2\nOK"), [Heard::Accepted]);
        dialogue.sent();
        assert_eq!(dialogue.state(), Listening::Acknowledged);
    }
}
