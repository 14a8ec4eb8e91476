//! The protocol over a plain vector, and over one whose writer dies.

mod loom;

use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering;

use super::*;
use crate::layout::{Geometry, HEADER, WORD};
use crate::memory::Source;

/// A memory of one process whose stores end after some time, as those of a killed writer do.
struct Mortal {
    words: RefCell<Vec<u64>>,
    left: Cell<u32>,
}

impl Mortal {
    fn new() -> Mortal {
        Mortal { words: RefCell::new(vec![0; (HEADER + 1024) / WORD]), left: Cell::new(u32::MAX) }
    }
}

impl Source for Mortal {
    fn load(&self, word: usize, _: Ordering) -> u64 {
        self.words.borrow().get(word).copied().unwrap_or(0)
    }

    fn fence(&self, _: Ordering) {}
}

impl Memory for Mortal {
    fn store(&self, word: usize, value: u64, _: Ordering) {
        if self.left.get() > 0 {
            self.left.set(self.left.get() - 1);
            self.words.borrow_mut()[word] = value;
        }
    }

    fn exchange(&self, word: usize, old: u64, new: u64) -> Result<(), u64> {
        let present = self.load(word, Ordering::Relaxed);
        if present == old {
            self.store(word, new, Ordering::Relaxed);
            return Ok(());
        }
        Err(present)
    }
}

fn place() -> Place {
    Geometry::new(1024, 0, 1).unwrap().place(0).unwrap()
}

/// The text, if there is one.
fn read(memory: &Mortal) -> Result<Vec<u8>, Outcome> {
    let mut texts = Texts::default();
    texts.keep(3);
    let start = texts.end();
    match read_text(memory, place(), &mut Patience::of(3), &mut texts) {
        Outcome::Whole { length } => Ok(texts.text(start, length as usize).to_vec()),
        other => Err(other),
    }
}

#[test]
fn texts_of_every_length() {
    let memory = Mortal::new();
    assert_eq!(read(&memory), Err(Outcome::None));
    let mut writer = TextWriter::attach(&memory, place());
    for length in (0..=440).chain([441, 1000]) {
        let text: Vec<u8> = (0..length).map(|at| (at % 251) as u8 | 1).collect();
        writer.write(&memory, place(), &text);
        assert_eq!(read(&memory), Ok(cut(&text, 440).to_vec()), "{length}");
    }
}

#[test]
fn killed_at_every_step() {
    let texts =
        [&b"the text of before"[..], b"another, which is longer than it by a few words", b""];
    for old in texts {
        for new in texts {
            for steps in 0..12 {
                let memory = Mortal::new();
                let mut writer = TextWriter::attach(&memory, place());
                writer.write(&memory, place(), b"the first");
                writer.write(&memory, place(), old);
                memory.left.set(steps);
                writer.write(&memory, place(), new);
                let text = read(&memory).unwrap();
                assert!(text == old || text == new, "after {steps} stores: {text:?}");
                // Who gets the slot next writes on.
                memory.left.set(u32::MAX);
                TextWriter::attach(&memory, place()).write(&memory, place(), b"next");
                assert_eq!(read(&memory), Ok(b"next".to_vec()));
            }
        }
    }
}

#[test]
fn what_was_written_by_force_is_bounded() {
    let memory = Mortal::new();
    let mut writer = TextWriter::attach(&memory, place());
    writer.write(&memory, place(), b"text");
    let text = place().word(slot::TEXT);
    // A length beyond the buffer, with a stamp that agrees.
    let huge = (8 << 16) | 0xffff;
    memory.store(text, huge, Ordering::Relaxed);
    memory.store(place().stamp(8), huge, Ordering::Relaxed);
    assert_eq!(read(&memory).unwrap().len(), 440);
    // A stamp that never agrees.
    memory.store(text, u64::MAX, Ordering::Relaxed);
    assert_eq!(read(&memory), Err(Outcome::Unsteady));
    // The last sequence number of all.
    memory.store(text, u64::MAX << 16, Ordering::Relaxed);
    let mut writer = TextWriter::attach(&memory, place());
    for round in 0..4 {
        writer.write(&memory, place(), &[b'a' + round]);
        assert_eq!(read(&memory), Ok(vec![b'a' + round]));
    }
}

#[test]
fn text_is_cut_between_characters() {
    let cuts = |text: &str, capacity| {
        String::from_utf8(cut(text.as_bytes(), capacity).to_vec()).expect("no half character")
    };
    for text in ["abcdefgh", "äöüäöü", "€€€€", "a€b𝄞c𝄞d", "𝄞𝄞𝄞"] {
        for capacity in 0..=text.len() + 1 {
            let cut = cuts(text, capacity);
            assert!(text.starts_with(&cut) && cut.len() <= capacity);
            assert!(cut.len() + 4 > capacity.min(text.len()), "no more than needed: {cut}");
        }
    }
    assert_eq!(cut(&[0x80; 9], 5), [0x80; 5]);
    assert_eq!(cut(&[0xff; 9], 5), [0xff; 5]);
}

#[test]
fn one_claim() {
    let memory = Mortal::new();
    assert_eq!(claim(&memory, place(), 7, |_| true), Ok(()));
    assert_eq!(claim(&memory, place(), 8, |_| false), Err(7));
    assert_eq!(claim(&memory, place(), 8, |writer| writer == 7), Ok(()));
    assert_eq!(claim(&memory, place(), 9, |writer| writer == 7), Err(8));
}
