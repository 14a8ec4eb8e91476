//! Every interleaving, and every order in which stores may become visible, of the cell's protocols.

use ::loom::sync::Arc;
use ::loom::sync::atomic::{AtomicU64, Ordering, fence};
use ::loom::thread;

use crate::cell::{Outcome, Patience, TextWriter, claim, read_text};
use crate::layout::{Geometry, Place, slot};
use crate::memory::{Memory, Source};
use crate::texts::Texts;

/// The words of one slot that matter here: the text word, the writer, and a stamp and two words of
/// text for each buffer.
struct Model {
    words: [AtomicU64; 8],
}

impl Model {
    fn new() -> Model {
        Model { words: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// `None` for the rest of the lines that a reader copies.
    fn word(&self, at: usize) -> Option<&AtomicU64> {
        let place = place();
        let index = match at {
            at if at == place.word(slot::TEXT) => 0,
            at if at == place.word(slot::WRITER) => 1,
            at if at == place.stamp(0) => 2,
            at if at == place.stamp(0) + 1 => 3,
            at if at == place.stamp(0) + 2 => 4,
            at if at == place.stamp(1) => 5,
            at if at == place.stamp(1) + 1 => 6,
            at if at == place.stamp(1) + 2 => 7,
            _ => return None,
        };
        Some(&self.words[index])
    }
}

impl Source for Model {
    fn load(&self, word: usize, order: Ordering) -> u64 {
        self.word(word).map_or(0, |word| word.load(order))
    }

    fn fence(&self, order: Ordering) {
        fence(order);
    }
}

impl Memory for Model {
    fn store(&self, word: usize, value: u64, order: Ordering) {
        self.word(word).unwrap().store(value, order);
    }

    fn exchange(&self, word: usize, old: u64, new: u64) -> Result<(), u64> {
        let done = self.word(word).unwrap().compare_exchange(
            old,
            new,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        done.map(drop)
    }
}

fn place() -> Place {
    Geometry::new(1024, 0, 1).unwrap().place(0).unwrap()
}

/// A writer that is killed after some stores.
struct Dying<'m> {
    model: &'m Model,
    left: std::cell::Cell<u32>,
}

impl Source for Dying<'_> {
    fn load(&self, word: usize, order: Ordering) -> u64 {
        self.model.load(word, order)
    }

    fn fence(&self, order: Ordering) {
        self.model.fence(order);
    }
}

impl Memory for Dying<'_> {
    fn store(&self, word: usize, value: u64, order: Ordering) {
        if self.left.get() > 0 {
            self.left.set(self.left.get() - 1);
            self.model.store(word, value, order);
        }
    }

    fn exchange(&self, word: usize, old: u64, new: u64) -> Result<(), u64> {
        self.model.exchange(word, old, new)
    }
}

/// Two words, so that a torn one shows.
fn text(number: u8) -> [u8; 16] {
    [b'0' + number; 16]
}

/// The text, if there is one.
fn read(model: &Model) -> Result<Vec<u8>, Outcome> {
    let mut texts = Texts::default();
    match read_text(model, place(), &mut Patience::of(2), &mut texts) {
        Outcome::Whole { length } => Ok(texts.text(0, length as usize).to_vec()),
        other => Err(other),
    }
}

/// One of the texts up to `newest`, whole; or none at all. Whether there is one.
fn check(model: &Model, newest: u8) -> bool {
    let Ok(read) = read(model) else {
        return false;
    };
    assert!((1..=newest).any(|number| read == text(number)), "{read:?}");
    true
}

fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

fn write(memory: &impl Memory, numbers: std::ops::RangeInclusive<u8>) {
    let mut writer = TextWriter::attach(memory, place());
    for number in numbers {
        writer.write(memory, place(), &text(number));
    }
}

#[test]
fn no_reader_sees_a_torn_text() {
    explore(3, || {
        let model = Arc::new(Model::new());
        write(&*model, 1..=1);
        let shared = model.clone();
        let writer = thread::spawn(move || write(&*shared, 2..=4));
        check(&model, 4);
        writer.join().unwrap();
        assert!(check(&model, 4));
    });
}

#[test]
fn many_readers_do_not_disturb_each_other() {
    explore(2, || {
        let model = Arc::new(Model::new());
        let shared = [model.clone(), model.clone()];
        let [of_writer, of_reader] = shared;
        let writer = thread::spawn(move || write(&*of_writer, 1..=3));
        let reader = thread::spawn(move || check(&of_reader, 3));
        check(&model, 3);
        writer.join().unwrap();
        reader.join().unwrap();
        assert!(check(&model, 3));
    });
}

/// A text needs five stores here: stamp, two words, stamp, text.
#[test]
fn a_writer_killed_at_any_step_leaves_a_text() {
    for stores in 0..=5 {
        explore(3, move || {
            let model = Arc::new(Model::new());
            write(&*model, 1..=1);
            let shared = model.clone();
            let writer = thread::spawn(move || {
                let left = std::cell::Cell::new(stores);
                write(&Dying { model: &shared, left }, 2..=2);
            });
            assert!(check(&model, 2));
            writer.join().unwrap();
            assert!(check(&model, 2));
            // The next worker of the slot.
            write(&*model, 3..=3);
            assert_eq!(read(&model), Ok(text(3).to_vec()));
        });
    }
}

/// Also when both find that the former writer has gone.
#[test]
fn one_of_two_heirs_is_refused() {
    ::loom::model(|| {
        let model = Arc::new(Model::new());
        claim(&*model, place(), 9, |_| false).unwrap();
        let shared = model.clone();
        let other = thread::spawn(move || claim(&*shared, place(), 1, |writer| writer == 9));
        let mine = claim(&*model, place(), 2, |writer| writer == 9);
        let other = other.join().unwrap();
        assert!(matches!((mine, other), (Ok(()), Err(2)) | (Err(1), Ok(()))), "{mine:?} {other:?}");
    });
}

#[test]
fn one_of_two_writers_is_refused() {
    ::loom::model(|| {
        let model = Arc::new(Model::new());
        let shared = model.clone();
        let other = thread::spawn(move || claim(&*shared, place(), 1, |_| false));
        let mine = claim(&*model, place(), 2, |_| false);
        let other = other.join().unwrap();
        assert!(matches!((mine, other), (Ok(()), Err(2)) | (Err(1), Ok(()))), "{mine:?} {other:?}");
    });
}
