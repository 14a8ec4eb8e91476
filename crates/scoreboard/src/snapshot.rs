//! What a reader saw: plain values, already checked.

use std::fmt;
use std::time::Duration;

use crate::cell::Outcome;
use crate::escape::Escaped;
use crate::layout::slot;
use crate::reading::All;
use crate::state::State;
use crate::texts::Texts;

/// All slots of a board, as they were at one moment, or very nearly.
///
/// Filled by [`Reader::read`](crate::Reader::read), as often as one likes.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    taken: u64,
    rows: Vec<Row>,
    texts: Texts,
}

/// One slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) number: u32,
    pub(crate) facts: Facts,
    pub(crate) forced: u64,
    pub(crate) said: [u64; slot::HOT],
    pub(crate) text: Outcome,
    /// Where the text is among the texts.
    pub(crate) text_start: usize,
}

impl Default for Row {
    fn default() -> Row {
        let (facts, said) = (Facts::default(), [0; slot::HOT]);
        Row { number: 0, facts, forced: 0, said, text: Outcome::None, text_start: 0 }
    }
}

/// What the manager knows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) pid: u64,
    pub(crate) pidfd_inode: u64,
    pub(crate) generation: u64,
    pub(crate) started: u64,
}

impl Snapshot {
    /// When it was taken: nanoseconds of CLOCK_MONOTONIC.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// How many slots it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing was read into it yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The slots in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = SlotView<'_>> + '_ {
        self.rows.iter().map(|row| SlotView::new(self.taken, row, &self.texts))
    }

    /// The slot of that number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<SlotView<'_>> {
        let first = self.rows.first()?;
        let index = usize::try_from(number.checked_sub(first.number)?).ok()?;
        Some(SlotView::new(self.taken, self.rows.get(index)?, &self.texts))
    }

    /// As many rows as there are slots, to be filled, and where their texts go.
    pub(crate) fn begin(&mut self, now: u64, slots: usize) -> All<'_> {
        self.taken = now;
        self.rows.resize(slots, Row::default());
        self.texts.cut(0);
        All { rows: self.rows.iter_mut(), texts: &mut self.texts }
    }
}

/// One slot of a [`Snapshot`].
///
/// The values were read one after the other: each is whole, but a request may have ended between
/// two of them.
#[derive(Clone, Copy)]
pub struct SlotView<'s> {
    taken: u64,
    row: &'s Row,
    texts: &'s Texts,
}

/// The worker in a slot, by its manager's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Worker {
    /// Its pid.
    pub pid: u32,
    /// The inode of its pidfd, which no later process has; `None` where the kernel has no such.
    pub pidfd_inode: Option<u64>,
    /// The generation that it belongs to.
    pub generation: u64,
    /// How long ago it was started.
    pub age: Duration,
}

impl<'s> SlotView<'s> {
    pub(crate) fn new(taken: u64, row: &'s Row, texts: &'s Texts) -> SlotView<'s> {
        SlotView { taken, row, texts }
    }

    /// The slot's number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.row.number
    }

    /// Whether the slot has been set up. One that reads as zeros has not, or somebody has punched
    /// a hole into the file.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.said_state().is_some()
    }

    /// What the worker does: by its manager's account, if the manager has one, else by its own;
    /// [`State::UNKNOWN`] if the slot is not valid.
    #[must_use]
    pub fn state(&self) -> State {
        State::from_word(self.row.forced).or_else(|| self.said_state()).unwrap_or(State::UNKNOWN)
    }

    /// What the worker says that it does; `None` if the slot is not valid.
    #[must_use]
    pub fn said_state(&self) -> Option<State> {
        State::from_word(self.word(slot::STATE))
    }

    /// The worker in this slot; `None` if there is none, or only the workers' side is known.
    #[must_use]
    pub fn worker(&self) -> Option<Worker> {
        let facts = &self.row.facts;
        let pid = u32::try_from(facts.pid).ok().filter(|pid| *pid != 0)?;
        Some(Worker {
            pid,
            pidfd_inode: Some(facts.pidfd_inode).filter(|inode| *inode != 0),
            generation: facts.generation,
            age: self.since(facts.started),
        })
    }

    /// How many requests have ended.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.word(slot::REQUESTS)
    }

    /// How long the requests took that have ended.
    #[must_use]
    pub fn busy(&self) -> Duration {
        Duration::from_nanos(self.word(slot::BUSY))
    }

    /// How long the present request has taken so far; `None` if there is none.
    #[must_use]
    pub fn in_request(&self) -> Option<Duration> {
        self.when(slot::START)
    }

    /// How long ago the worker last said anything; `None` if it never did.
    #[must_use]
    pub fn last_beat(&self) -> Option<Duration> {
        self.when(slot::BEAT)
    }

    /// Bytes sent, or whatever the worker counts.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.word(slot::BYTES)
    }

    /// The worker's text. `None` if there never was one, or it could not be read whole.
    #[must_use]
    pub fn text(&self) -> Option<Text<'s>> {
        match self.row.text {
            Outcome::Whole { length } => {
                Some(Text(self.texts.text(self.row.text_start, length as usize)))
            }
            Outcome::None | Outcome::Unsteady => None,
        }
    }

    /// Whether the text changed under every attempt to read it, or is damaged: then somebody writes
    /// into the slot who does not keep to the format.
    #[must_use]
    pub fn is_unsteady(&self) -> bool {
        matches!(self.row.text, Outcome::Unsteady)
    }

    fn word(&self, word: usize) -> u64 {
        self.row.said.get(word).copied().unwrap_or(0)
    }

    fn when(&self, word: usize) -> Option<Duration> {
        Some(self.word(word)).filter(|time| *time != 0).map(|time| self.since(time))
    }

    /// 0 for times to come.
    fn since(&self, time: u64) -> Duration {
        Duration::from_nanos(self.taken.saturating_sub(time))
    }
}

impl fmt::Debug for SlotView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotView")
            .field("number", &self.number())
            .field("state", &self.state())
            .field("worker", &self.worker())
            .field("requests", &self.requests())
            .field("text", &self.text())
            .finish_non_exhaustive()
    }
}

/// What a worker says: any bytes.
///
/// `Display` shows it on one line of a terminal whatever it holds: control characters, what changes
/// the direction of writing, and bytes that are no UTF-8 are escaped.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text<'s>(&'s [u8]);

impl<'s> Text<'s> {
    /// Bytes of any origin, to be shown.
    #[must_use]
    pub fn new(bytes: &'s [u8]) -> Text<'s> {
        Text(bytes)
    }

    /// The bytes as they are. Not to be sent to a terminal, or into HTML.
    #[must_use]
    pub fn as_bytes(&self) -> &'s [u8] {
        self.0
    }

    /// For text and attribute values of HTML: as `Display`, and what means something there is
    /// replaced by its entity.
    #[must_use]
    pub fn html(&self) -> impl fmt::Display + 's {
        Escaped::html(self.0)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped::plain(self.0).fmt(f)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
