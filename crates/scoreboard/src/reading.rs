//! The loop over a board's slots: what a status page or a manager's tick pays for.

use std::sync::atomic::Ordering::{Acquire, Relaxed};

use crate::cell::{self, Outcome, Patience};
use crate::file::Positioned;
use crate::header::record_at;
use crate::layout::{Geometry, HEADER, Place, WORD, record};
use crate::memory::Source;
use crate::passes::{Passes, slots_in_block};
use crate::region::Region;
use crate::snapshot::{Facts, Row, SlotView};
use crate::span::Span;
use crate::store::Store;
use crate::texts::Texts;

/// Readings of one slot whose worker changes each time.
const CHANGES: u32 = 4;

/// How many slots ahead the text of a slot is fetched, and the slot itself.
const TEXT_AHEAD: usize = 2;
const SLOT_AHEAD: usize = 4;

/// A record of nobody, where there is no board file.
const NOBODY: Span<'static> = Span(&[]);

/// Where the slots that are read go, one after the other.
pub(crate) trait Sink {
    /// Whether the texts are wanted, too.
    const TEXTS: bool;

    /// What the next slot is to be read into; `None` when no more is wanted.
    fn next(&mut self, number: u32) -> Option<(&mut Row, &mut Texts)>;

    /// The slot has been read.
    fn done(&mut self);
}

/// One file's slots, and what the manager knows of them.
#[derive(Clone, Copy)]
pub(crate) struct File<'b> {
    pub(crate) facts: Option<&'b Store>,
    pub(crate) slots: &'b Store,
    pub(crate) geometry: Geometry,
}

impl File<'_> {
    /// Reads all slots.
    pub(crate) fn read<S: Sink>(&self, sink: &mut S, patience: &mut Patience) {
        match (self.facts, self.slots) {
            (Some(Store::Mapped(facts)), Store::Mapped(slots)) => {
                self.read_mapped(Some(facts), slots, sink, patience);
            }
            (None, Store::Mapped(slots)) => self.read_mapped(None, slots, sink, patience),
            (Some(Store::File(facts)), Store::File(slots)) => {
                self.read_passes(Some(facts), slots, sink, patience);
            }
            (None, Store::File(slots)) => self.read_passes(None, slots, sink, patience),
            (facts, slots) => self.read_any(facts, slots, sink, patience),
        }
    }

    fn read_any<S: Sink>(
        &self,
        facts: Option<&Store>,
        slots: &Store,
        sink: &mut S,
        patience: &mut Patience,
    ) {
        for number in (self.geometry.first()..).take(self.geometry.count() as usize) {
            let (Some(place), Some(into)) = (self.geometry.place(number), sink.next(number)) else {
                return;
            };
            match facts {
                Some(facts) => {
                    read_slot::<S>((facts, record_at(number)), slots, place, into, patience)
                }
                None => read_slot::<S>((&NOBODY, 0), slots, place, into, patience),
            }
            sink.done();
        }
    }

    /// Many slots with each system call.
    fn read_passes<S: Sink>(
        &self,
        facts: Option<&Positioned>,
        slots: &Positioned,
        sink: &mut S,
        patience: &mut Patience,
    ) {
        let mut passes = Passes::default();
        let block = slots_in_block(self.geometry);
        let end = self.geometry.first().saturating_add(self.geometry.count());
        let alone = Place::alone(self.geometry);
        for first in (self.geometry.first()..end).step_by(block as usize) {
            let count = end.saturating_sub(first).min(block);
            passes.read(facts, slots, self.geometry, (first, count), S::TEXTS);
            for (number, index) in (first..).zip(0..count as usize) {
                let (Some(place), Some((row, texts))) =
                    (self.geometry.place(number), sink.next(number))
                else {
                    return;
                };
                let seen = (&passes.record(index), 0);
                let slot = &passes.slot(index, self.geometry);
                let start = texts.end();
                let mut none = Patience::NONE;
                let steady = try_slot::<S>(seen, slot, alone, (row, texts), &mut none);
                let whole = row.text != Outcome::Unsteady || patience.is_spent();
                if !(steady && whole) {
                    texts.cut(start);
                    match facts {
                        Some(facts) => {
                            let facts = (facts, record_at(number));
                            read_slot::<S>(facts, slots, place, (row, texts), patience);
                        }
                        None => read_slot::<S>((&NOBODY, 0), slots, place, (row, texts), patience),
                    }
                }
                sink.done();
            }
        }
    }

    /// Without looking for each slot anew.
    fn read_mapped<S: Sink>(
        &self,
        facts: Option<&Region>,
        slots: &Region,
        sink: &mut S,
        patience: &mut Patience,
    ) {
        let size = self.geometry.slot_size() / WORD;
        let (first, count) = (self.geometry.first(), self.geometry.count() as usize);
        let Some(slots) = slots.span(HEADER / WORD, count.saturating_mul(size)) else {
            return;
        };
        let records = facts
            .and_then(|facts| facts.span(record_at(first), count.saturating_mul(record::WORDS)));
        let mut records = records.unwrap_or(NOBODY).parts(record::WORDS);
        let place = Place::alone(self.geometry);
        let mut ahead = slots.parts(size).skip(TEXT_AHEAD);
        for (number, slot) in (first..).zip(slots.parts(size)) {
            slot.prefetch(size.wrapping_mul(SLOT_AHEAD));
            if let Some(slot) = ahead.next() {
                if S::TEXTS {
                    cell::prefetch_text(slot, place);
                }
            }
            let record = records.next().unwrap_or(NOBODY);
            let Some(into) = sink.next(number) else {
                return;
            };
            read_slot::<S>((&record, 0), &slot, place, into, patience);
            sink.done();
        }
    }
}

/// Reads one slot; again, if the worker in it changed meanwhile.
#[inline]
fn read_slot<S: Sink>(
    facts: (&impl Source, usize),
    slots: &impl Source,
    place: Place,
    (row, texts): (&mut Row, &mut Texts),
    patience: &mut Patience,
) {
    if !try_slot::<S>(facts, slots, place, (row, texts), patience) {
        try_again::<S>(facts, slots, place, (row, texts), patience);
    }
}

/// Whether it was the same worker's all the time.
#[inline]
fn try_slot<S: Sink>(
    (facts, at): (&impl Source, usize),
    slots: &impl Source,
    place: Place,
    (row, texts): (&mut Row, &mut Texts),
    patience: &mut Patience,
) -> bool {
    let [pid, pidfd_inode, generation, started, forced] = facts.words(at);
    row.facts = Facts { pid, pidfd_inode, generation, started };
    row.forced = forced;
    row.said = slots.line(place.word(0));
    row.text_start = texts.end();
    row.text =
        if S::TEXTS { cell::read_text(slots, place, patience, texts) } else { Outcome::None };
    facts.fence(Acquire);
    facts.load(at.wrapping_add(record::PID), Relaxed) == pid
}

#[cold]
fn try_again<S: Sink>(
    facts: (&impl Source, usize),
    slots: &impl Source,
    place: Place,
    (row, texts): (&mut Row, &mut Texts),
    patience: &mut Patience,
) {
    // What was read is the last text.
    let number = row.number;
    for _ in 1..CHANGES {
        texts.cut(row.text_start);
        if try_slot::<S>(facts, slots, place, (row, texts), patience) {
            return;
        }
    }
    // Its workers come and go faster than it can be read.
    texts.cut(row.text_start);
    *row = Row { number, text: Outcome::Unsteady, ..Row::default() };
}

/// A row for each slot, and all texts.
pub(crate) struct All<'s> {
    pub(crate) rows: std::slice::IterMut<'s, Row>,
    pub(crate) texts: &'s mut Texts,
}

impl Sink for All<'_> {
    const TEXTS: bool = true;

    #[inline]
    fn next(&mut self, number: u32) -> Option<(&mut Row, &mut Texts)> {
        let row = self.rows.next()?;
        row.number = number;
        Some((row, self.texts))
    }

    #[inline]
    fn done(&mut self) {}
}

/// One row after the other, in the same place.
pub(crate) struct Each<'v, const TEXTS: bool> {
    pub(crate) row: Row,
    pub(crate) texts: Texts,
    pub(crate) taken: u64,
    pub(crate) visit: &'v mut dyn FnMut(SlotView<'_>),
}

impl<const TEXTS: bool> Sink for Each<'_, TEXTS> {
    const TEXTS: bool = TEXTS;

    #[inline]
    fn next(&mut self, number: u32) -> Option<(&mut Row, &mut Texts)> {
        self.row.number = number;
        self.texts.cut(0);
        Some((&mut self.row, &mut self.texts))
    }

    #[inline]
    fn done(&mut self) {
        (self.visit)(SlotView::new(self.taken, &self.row, &self.texts));
    }
}
