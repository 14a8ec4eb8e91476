//! Workers that write anything anywhere at any time, and what they can do by that: nothing to the
//! reader, nothing to what the manager says, nothing to the slots that they were not given.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout)]

mod common;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use common::vandal::{self, CAPACITY, HEADER, SLOT, TEXT, Vandal};
use common::{DEADLINE, Directory, Process, cpu_time, play_worker, role, say};
use rustix::fs::{FallocateFlags, SealFlags, fallocate, fcntl_add_seals};
use rustix::io::Errno;
use scoreboard::{Board, Occupant, Order, Reader, Shape, SlotView, Snapshot, State, Text};

const SLOTS: u32 = 150;

/// The processor time that one reading may take. A millisecond is promised; a build that is not
/// optimised needs some twenty times as much.
const STALL: Duration = Duration::from_millis(if cfg!(debug_assertions) { 20 } else { 1 });

/// Readings in a test, and thousands of a vandal's deeds meanwhile; showing everything that was read
/// takes an unoptimised build the longest.
const READINGS: usize = if cfg!(debug_assertions) { 300 } else { 3000 };
const DEEDS: usize = 5;

/// The variable that tells a vandal the path.
const PATH: &str = "VANDAL_PATH";

fn harmless(text: &str) {
    let harmful = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}');
    assert!(!text.contains(harmful), "{text:?}");
}

/// Whatever a slot says, it can be shown.
fn inspect(slot: &SlotView<'_>) {
    assert!(slot.state().letter().is_ascii_graphic());
    assert!(slot.said_state().is_none_or(|state| state.letter().is_ascii_graphic()));
    let text = slot.text();
    assert!(!(text.is_some() && slot.is_unsteady()));
    if let Some(text) = text {
        assert!(text.as_bytes().len() <= CAPACITY);
        let html = text.html().to_string();
        harmless(&html);
        assert!(!html.contains(['<', '>', '"']), "{html}");
    }
    // Of these, any value is as good as any other.
    let _ = (slot.requests(), slot.busy(), slot.bytes(), slot.is_valid());
    let _ = (slot.in_request(), slot.last_beat());
    // Has the text as it is displayed.
    harmless(&format!("{slot:?}"));
}

fn pid(slot: u32) -> u32 {
    1_000_000 + slot
}

fn forced(slot: u32) -> Option<State> {
    (slot % 5 == 0).then_some(State::TIMING_OUT)
}

fn occupy(board: &mut Board, slot: u32) {
    board.prepare(slot).unwrap();
    board.occupy(slot, &Occupant::new(pid(slot)).generation(slot.into())).unwrap();
    board.force(slot, forced(slot)).unwrap();
}

/// What the manager says is as [`occupy`] has left it in all slots.
fn check_facts(snapshot: &Snapshot) {
    assert_eq!(snapshot.len(), SLOTS as usize);
    for (number, slot) in (0..).zip(snapshot.iter()) {
        let worker = slot.worker().expect("a worker");
        assert_eq!(slot.number(), number);
        assert_eq!((worker.pid, worker.generation), (pid(number), number.into()));
        assert!(worker.age < Duration::from_secs(600), "{worker:?}");
        assert!(forced(number).is_none_or(|state| slot.state() == state));
    }
}

/// Readings, and how long they took.
struct Readings {
    began: Instant,
    snapshot: Snapshot,
    times: Vec<Duration>,
    unsteady: usize,
}

impl Readings {
    fn new() -> Readings {
        let (snapshot, times) = (Snapshot::default(), Vec::new());
        Readings { began: Instant::now(), snapshot, times, unsteady: 0 }
    }

    fn count(&self) -> usize {
        self.times.len()
    }

    fn read(&mut self, reader: &Reader) {
        assert!(self.began.elapsed() < 4 * DEADLINE, "the vandals are late");
        let start = cpu_time();
        reader.read(&mut self.snapshot);
        self.times.push(cpu_time() - start);
        self.unsteady += self.snapshot.iter().filter(SlotView::is_unsteady).count();
        for slot in self.snapshot.iter() {
            inspect(&slot);
        }
    }

    /// Compares the time of so many readings in a thousand with the limit. What the machine does for
    /// itself (interrupts, the neighbours of a virtual one) is in a thread's time, too: of the rest,
    /// only what nothing but an endless loop would take is too much.
    fn judge(mut self, what: &str, judged: usize, limit: Duration) {
        self.times.sort_unstable();
        let part = |thousandth: usize| self.times[(self.count() - 1) * thousandth / 1000];
        println!(
            "{what}: {} readings, {} unsteady texts; CPU time: least {:?}, median {:?}, \
             99.9 % {:?}, most {:?}",
            self.count(),
            self.unsteady,
            part(0),
            part(500),
            part(999),
            part(1000)
        );
        assert!(part(judged) <= limit, "{what}: {:?}", part(judged));
        assert!(part(1000) <= 50 * limit, "{what}: {:?}", part(1000));
    }
}

#[test]
fn scribbled_memory() {
    const TEST: &str = "scribbled_memory";
    if role().is_some() {
        Vandal::new().forever(Vandal::scribble_memory);
    }
    let mut board = Board::create(Shape::new(SLOTS)).unwrap();
    (0..SLOTS).for_each(|slot| occupy(&mut board, slot));
    let path = format!("/proc/self/fd/{}", board.board_fd().as_raw_fd());
    let readers = [board.reader(), Reader::open(&path).unwrap()];
    let slots = board.slots_fd(0).unwrap().try_clone_to_owned().unwrap();
    let mut vandals = [1, 2].map(|seed| vandal::start(TEST, &slots, SLOTS, seed));
    let (mut readings, mut done) = (Readings::new(), [0, 0]);
    while readings.count() < READINGS || done.into_iter().min() < Some(DEEDS) {
        let round = readings.count();
        readings.read(&readers[round % 2]);
        check_facts(&readings.snapshot);
        for (done, vandal) in done.iter_mut().zip(&mut vandals) {
            *done += vandal.news();
        }
        if round % 10 != 0 {
            continue;
        }
        board.order((round % 150) as u32, Order::Leave).unwrap();
        // Who comes now finds the board.
        check_facts(&Reader::open(&path).unwrap().snapshot());
        // The slots file alone says nothing that can be relied on, not even that it is one.
        match Reader::from_fd(slots.try_clone().unwrap()) {
            Ok(reader) => reader.snapshot().iter().for_each(|slot| inspect(&slot)),
            Err(error) => harmless(&error.to_string()),
        }
    }
    readings.judge("scribbled memory", 990, STALL);
    vandals.iter_mut().for_each(Process::kill);
    // The next worker has a slot that is in order.
    board.prepare(7).unwrap();
    let mut writer = board.writer(7).unwrap();
    writer.text("in order");
    assert_eq!(writer.order(), Order::Nothing);
    let snapshot = Reader::from_fd(slots).unwrap().snapshot();
    let slot = snapshot.get(7).unwrap();
    assert_eq!((slot.state(), slot.requests(), slot.bytes()), (State::STARTING, 0, 0));
    assert_eq!(slot.text(), Some(Text::new(b"in order")));
}

#[test]
fn spoilt_files() {
    const TEST: &str = "spoilt_files";
    if role().is_some() {
        let path = std::env::var(PATH).unwrap();
        Vandal::new().forever(|vandal| vandal.spoil_file(path.as_ref()));
    }
    // A file system on a disk has work of its own with a file whose size changes all the time.
    spoil_files(TEST, &Directory::new(), 5 * STALL);
    if Path::new("/dev/shm").is_dir() {
        spoil_files(TEST, &Directory::below(Path::new("/dev/shm")), STALL);
    }
}

fn spoil_files(test: &str, directory: &Directory, limit: Duration) {
    let path = directory.path("board");
    let slots_path = directory.path("board.slots");
    let mut board = Board::create_file(&path, Shape::new(SLOTS)).unwrap();
    (0..SLOTS).for_each(|slot| occupy(&mut board, slot));
    let readers = [board.reader(), Reader::open(&path).unwrap()];
    let slots = board.slots_fd(0).unwrap().try_clone_to_owned().unwrap();
    let mut vandals = [3, 4].map(|seed| {
        let mut command = vandal::command(test, &slots, SLOTS, seed);
        command.env(PATH, &slots_path);
        Process::spawn(command)
    });
    let (mut readings, mut done) = (Readings::new(), [0, 0]);
    while readings.count() < READINGS / 3 || done.into_iter().min() < Some(1) {
        let round = readings.count();
        readings.read(&readers[round % 2]);
        check_facts(&readings.snapshot);
        for (done, vandal) in done.iter_mut().zip(&mut vandals) {
            *done += vandal.news();
        }
        // The manager goes on.
        let slot = (round % 150) as u32;
        board.order(slot, Order::Leave).unwrap();
        board.release(slot).unwrap();
        occupy(&mut board, slot);
        for path in [&path, &slots_path] {
            match Reader::open(path) {
                Ok(reader) => drop(reader.snapshot()),
                Err(error) => harmless(&error.to_string()),
            }
        }
    }
    readings.judge(&format!("spoilt files in {}", directory.path("").display()), 990, limit);
    vandals.iter_mut().for_each(Process::kill);
    drop(board);
    assert!(!path.exists(), "the board file is removed");
}

/// The worst that a board can be to its reader: each text has its full length, and is damaged.
#[test]
fn boards_of_damaged_texts() {
    let directory = Directory::new();
    let boards = [
        ("memory", Board::create(Shape::new(SLOTS)).unwrap()),
        ("file", Board::create_file(directory.path("board"), Shape::new(SLOTS)).unwrap()),
    ];
    for (kind, mut board) in boards {
        (0..SLOTS).for_each(|slot| occupy(&mut board, slot));
        let slots = File::from(board.slots_fd(0).unwrap().try_clone_to_owned().unwrap());
        for slot in 0..u64::from(SLOTS) {
            let word = (slot << 16) | 0xffff;
            slots.write_all_at(&word.to_ne_bytes(), HEADER + slot * SLOT + TEXT).unwrap();
        }
        let (reader, mut readings) = (board.reader(), Readings::new());
        for _ in 0..50 {
            readings.read(&reader);
            assert!(readings.snapshot.iter().skip(1).all(|slot| slot.is_unsteady()));
            check_facts(&readings.snapshot);
        }
        // All readings are the same work: one that nothing disturbed tells how long it takes.
        readings.judge(&format!("damaged texts in {kind}"), 0, STALL);
    }
}

/// Who was given one slot's file has no way to another's.
#[test]
fn separate_slots() {
    const TEST: &str = "separate_slots";
    if role().is_some() {
        Vandal::new().forever(Vandal::scribble_memory);
    }
    let mut board = Board::create_separate(Shape::new(8)).unwrap();
    let mut writers = Vec::new();
    for slot in (0..8).filter(|slot| *slot != 3) {
        board.prepare(slot).unwrap();
        let mut writer = board.writer(slot).unwrap();
        writer.set(State::PARKED);
        writer.text(format!("slot {slot}"));
        writers.push(writer);
    }
    occupy(&mut board, 3);
    let mut vandal = vandal::start(TEST, board.slots_fd(3).unwrap(), 1, 5);
    let path = format!("/proc/self/fd/{}", board.board_fd().as_raw_fd());
    let (mut readings, mut done) = (Readings::new(), 0);
    while readings.count() < READINGS || done < DEEDS {
        readings.read(&Reader::open(&path).unwrap());
        for slot in readings.snapshot.iter().filter(|slot| slot.number() != 3) {
            assert_eq!((slot.state(), slot.requests()), (State::PARKED, 0));
            assert_eq!(slot.text().unwrap().to_string(), format!("slot {}", slot.number()));
        }
        let theirs = readings.snapshot.get(3).unwrap().worker().unwrap();
        assert_eq!((theirs.pid, theirs.generation), (pid(3), 3));
        done += vandal.news();
    }
    readings.judge("separate slots", 990, STALL);
}

/// What the manager says is for reading, also for who has its descriptor.
#[test]
fn a_board_file_in_strange_hands() {
    const TEST: &str = "a_board_file_in_strange_hands";
    if role().is_some() {
        let given = File::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
        try_everything(&given);
        // May be opened by the same user, which is of no use.
        if let Ok(again) = File::options().read(true).write(true).open("/proc/self/fd/0") {
            try_everything(&again);
        }
        return say("tried");
    }
    for create in [Board::create, Board::create_separate] {
        let mut board = create(Shape::new(SLOTS)).unwrap();
        (0..SLOTS).for_each(|slot| occupy(&mut board, slot));
        let worker = Process::spawn(play_worker(TEST, "thief", board.board_fd(), 0));
        assert_eq!(worker.finish(), ["tried"]);
        check_facts(&board.reader().snapshot());
        // And the manager goes on.
        board.occupy(0, &Occupant::new(7)).unwrap();
        assert_eq!(board.reader().snapshot().get(0).unwrap().worker().unwrap().pid, 7);
    }
}

fn try_everything(file: &File) {
    let length = file.metadata().unwrap().len();
    for at in [0, 48, HEADER, HEADER + 8, length - 8, length] {
        assert!(file.write_at(&[0xff; 8], at).is_err(), "at {at}");
    }
    for size in [0, 4096, length - 1, length + 1] {
        assert!(file.set_len(size).is_err(), "to {size}");
    }
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    for (how, size) in [(hole, length), (hole, 8), (FallocateFlags::empty(), length * 2)] {
        assert!(fallocate(file, how, 0, size).is_err(), "{how:?} {size}");
    }
    assert!(memmap2::MmapOptions::new().map_raw(file).is_err(), "a mapping for writing");
    memmap2::MmapOptions::new().map_raw_read_only(file).expect("a mapping for reading");
    assert_eq!(fcntl_add_seals(file, SealFlags::WRITE), Err(Errno::PERM));
}
