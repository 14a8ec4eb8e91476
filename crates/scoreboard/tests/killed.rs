//! Workers that are killed in the middle of what they write, that write without a pause, and that
//! want the slot of another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout)]

mod common;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::time::Instant;

use common::{
    DEADLINE, Process, counter, eventually, play, play_worker, role, say, sentence,
    wait_for_the_end,
};
use fastrand::Rng;
use scoreboard::{Board, ErrorKind, Occupant, Reader, Shape, Snapshot, State, Writer};

/// The variable with the first counter of a worker's texts.
const FIRST: &str = "FIRST_COUNTER";

/// A worker that says one text after the other, as fast as it can.
fn spin() -> ! {
    let mut writer = Writer::from_env().unwrap().unwrap();
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let mut text = Vec::new();
    writer.set(State::WRITING);
    for number in first.. {
        sentence(writer.slot(), number, &mut text);
        writer.text(&text);
    }
    unreachable!("numbers do not end");
}

fn spinner(test: &str, board: &Board, slot: u32, first: u64) -> Process {
    let mut command = play_worker(test, "spin", board.slots_fd(slot).unwrap(), slot);
    command.env(FIRST, first.to_string());
    Process::spawn(command)
}

/// The counters of all texts: each has to be whole.
fn counters(snapshot: &Snapshot) -> Vec<u64> {
    snapshot.iter().map(|view| counter(&view).expect("a whole text")).collect()
}

/// Whether a slot's text is just being written: the stamp of the buffer that is not current is 0.
fn is_half_written(slots: &File, slot: u32) -> bool {
    let word = |at: u64| {
        let mut bytes = [0; 8];
        slots.read_exact_at(&mut bytes, 4096 + u64::from(slot) * 1024 + at).unwrap();
        u64::from_ne_bytes(bytes)
    };
    let sequence = word(48) >> 16;
    word([128, 64 + 512][(sequence as usize + 1) % 2]) == 0
}

#[test]
fn killed_a_thousand_times() {
    const TEST: &str = "killed_a_thousand_times";
    const SLOTS: u32 = 10;
    if role().is_some() {
        spin();
    }
    let mut board = Board::create(Shape::new(SLOTS)).unwrap();
    let reader = board.reader();
    let slots = File::from(board.slots_fd(0).unwrap().try_clone_to_owned().unwrap());
    let (mut random, mut snapshot) = (Rng::with_seed(3), Snapshot::default());
    let (mut kills, mut half_written) = (0, 0);
    for round in 1..=100_u64 {
        let first = round << 32;
        let mut workers: Vec<_> = (0..SLOTS)
            .map(|slot| {
                // Without it the worker has to find out by itself that the former one has gone.
                if round % 4 != 0 {
                    board.prepare(slot).unwrap();
                }
                let worker = spinner(TEST, &board, slot, first);
                board.occupy(slot, &Occupant::new(worker.pid()).generation(round)).unwrap();
                worker
            })
            .collect();
        eventually("texts of this round", || {
            reader.read(&mut snapshot);
            let counters = snapshot.iter().map(|view| counter(&view));
            counters.into_iter().all(|counter| counter > Some(first)).then_some(())
        });
        random.shuffle(&mut workers);
        for worker in &mut workers {
            for _ in 0..random.u32(..20) {
                reader.read(&mut snapshot);
            }
            worker.send_kill();
        }
        let seen = counters(&snapshot);
        for worker in &mut workers {
            worker.kill();
            kills += 1;
        }
        reader.read(&mut snapshot);
        for (view, seen) in snapshot.iter().zip(seen) {
            let last = counter(&view).expect("the last text, whole");
            assert!(last >= seen && last >> 32 == round, "{last} after {seen} in round {round}");
            assert_eq!(view.state(), State::WRITING);
            half_written += usize::from(is_half_written(&slots, view.number()));
        }
    }
    println!("{kills} kills, {half_written} of them in the middle of a text");
    assert!(kills == 1000 && half_written > 0);
}

#[test]
fn a_busy_writer_does_not_starve_the_reader() {
    const TEST: &str = "a_busy_writer_does_not_starve_the_reader";
    if role().is_some() {
        spin();
    }
    let mut board = Board::create(Shape::new(1)).unwrap();
    board.prepare(0).unwrap();
    let worker = spinner(TEST, &board, 0, 1);
    board.occupy(0, &Occupant::new(worker.pid())).unwrap();
    let path = format!("/proc/self/fd/{}", board.board_fd().as_raw_fd());
    let readers = [board.reader(), Reader::open(path).unwrap()];
    let mut snapshot = Snapshot::default();
    let mut next = |round: usize| {
        readers[round % 2].read(&mut snapshot);
        let view = snapshot.get(0).unwrap();
        (!view.is_unsteady()).then(|| counter(&view))
    };
    eventually("a text", || next(0)??.checked_sub(1));
    let (mut last, mut different, mut unsteady, mut readings) = (0, 0, 0, 0);
    let until = Instant::now() + DEADLINE;
    // And until the writer, too, has had its share of the processors.
    while readings < 200_000 || different < 1000 {
        assert!(Instant::now() < until, "{different} different texts within {DEADLINE:?}");
        readings += 1;
        let Some(read) = next(readings) else {
            unsteady += 1;
            continue;
        };
        let read = read.expect("a text");
        assert!(read >= last, "{read} after {last}");
        different += usize::from(read > last);
        last = read;
    }
    println!("{readings} readings, {different} texts of {last}, {unsteady} unsteady");
    assert_eq!(unsteady, 0);
}

#[test]
fn two_processes_and_ten_thousand_slots() {
    const TEST: &str = "two_processes_and_ten_thousand_slots";
    const SLOTS: u32 = 10_000;
    if role().is_some() {
        write_all(SLOTS);
    }
    let manager = Process::spawn(play(TEST, "manager"));
    let pid = manager.pid();
    let reader = Reader::open(format!("/proc/{pid}/fd/{}", manager.line())).unwrap();
    assert_eq!((reader.slots(), reader.manager().map(|manager| manager.pid)), (SLOTS, Some(pid)));
    let mut snapshot = reader.snapshot();
    let (first, mut last) = (counters(&snapshot), counters(&snapshot));
    let mut readings = 0;
    while readings < 20 || last.iter().zip(&first).any(|(last, first)| last < &(first + 3)) {
        reader.read(&mut snapshot);
        let now = counters(&snapshot);
        assert_eq!(now.len(), SLOTS as usize);
        for ((view, now), last) in snapshot.iter().zip(&now).zip(&last) {
            assert!(now >= last, "slot {}: {now} after {last}", view.number());
            assert_eq!(view.worker().unwrap().generation, view.number().into());
            assert!([State::WRITING, State::IDLE].contains(&view.state()), "{view:?}");
            // Read a little later or earlier than the text.
            assert!(view.requests() <= now + 1 && view.bytes() % 7 == 0, "{view:?}");
        }
        last = now;
        readings += 1;
        assert!(!reader.is_stale());
    }
    println!("{readings} readings while {} texts came into each slot", last[0] - first[0]);
}

/// A manager with one busy worker for all slots.
fn write_all(slots: u32) -> ! {
    let mut board = Board::create(Shape::new(slots)).unwrap();
    let mut text = Vec::new();
    let mut writers: Vec<_> = (0..slots)
        .map(|slot| {
            board.prepare(slot).unwrap();
            board.occupy(slot, &Occupant::new(1).generation(slot.into())).unwrap();
            board.writer(slot).unwrap()
        })
        .collect();
    for number in 0.. {
        for writer in &mut writers {
            writer.begin(State::WRITING);
            sentence(writer.slot(), number, &mut text);
            writer.text(&text);
            writer.add_bytes(7);
            writer.end();
        }
        if number == 0 {
            say(board.board_fd().as_raw_fd().to_string());
        }
    }
    unreachable!("numbers do not end");
}

/// Opens the slot of its environment; tells what came of that.
fn claim() {
    // Not by `from_env`, which would close standard input for the next program.
    let slot = std::env::var("SCOREBOARD_SLOT").unwrap().parse().unwrap();
    let mut writer = match Writer::open(std::io::stdin(), slot) {
        Ok(writer) => writer,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Claimed);
            return say(error.to_string());
        }
    };
    writer.text(format!("of {}", std::process::id()));
    say("claimed");
    wait_for_the_end();
}

#[test]
fn a_slot_has_one_writer_of_all_processes() {
    const TEST: &str = "a_slot_has_one_writer_of_all_processes";
    if role().is_some() {
        return claim();
    }
    for create in [Board::create, Board::create_separate] {
        let mut board = create(Shape::new(2)).unwrap();
        board.prepare(1).unwrap();
        let claimant = |board: &Board| {
            Process::spawn(play_worker(TEST, "claim", board.slots_fd(1).unwrap(), 1))
        };
        let text =
            |board: &Board| board.reader().snapshot().get(1).unwrap().text().unwrap().to_string();
        let mut first = claimant(&board);
        assert_eq!(first.line(), "claimed");
        let refused = format!("slot 1 is being written by process {}", first.pid());
        assert_eq!(claimant(&board).finish(), [&*refused]);
        assert_eq!(board.writer(1).unwrap_err().to_string(), refused);
        // Its neighbour is free.
        drop(board.writer(0).unwrap());
        assert_eq!(text(&board), format!("of {}", first.pid()));

        first.kill();
        let second = claimant(&board);
        assert_eq!(second.line(), "claimed");
        assert_eq!(text(&board), format!("of {}", second.pid()));
        assert_eq!(board.writer(1).unwrap_err().kind(), ErrorKind::Claimed);

        // When the manager says that the worker has gone, it needs no proof.
        board.release(1).unwrap();
        drop(board.writer(1).unwrap());
    }
}

#[test]
fn one_of_many_heirs_wins() {
    const TEST: &str = "one_of_many_heirs_wins";
    if role().is_some() {
        return claim();
    }
    let mut board = Board::create(Shape::new(1)).unwrap();
    for _ in 0..20 {
        board.prepare(0).unwrap();
        let claimant = || Process::spawn(play_worker(TEST, "claim", board.slots_fd(0).unwrap(), 0));
        let mut former = claimant();
        assert_eq!(former.line(), "claimed");
        former.kill();
        let heirs = [claimant(), claimant(), claimant()];
        let said = heirs.each_ref().map(Process::line);
        let winner = said.iter().position(|line| line == "claimed").expect("a winner");
        let refused = format!("slot 0 is being written by process {}", heirs[winner].pid());
        let losers = said.iter().filter(|line| **line == refused).count();
        assert_eq!(losers, 2, "{said:?}");
    }
}

#[test]
fn the_next_program_of_a_process_has_its_slot() {
    const TEST: &str = "the_next_program_of_a_process_has_its_slot";
    match role().as_deref() {
        None => {}
        Some("first") => {
            let mut writer = Writer::open(std::io::stdin(), 0).unwrap();
            writer.begin(State::WRITING);
            writer.add_bytes(5);
            writer.end();
            writer.text("of the first program");
            let error = play(TEST, "second").exec();
            panic!("{error}");
        }
        Some(_) => {
            let mut writer = Writer::open(std::io::stdin(), 0).unwrap();
            assert_eq!(Writer::open(std::io::stdin(), 0).unwrap_err().kind(), ErrorKind::Claimed);
            writer.add_bytes(6);
            say("has it");
            wait_for_the_end();
        }
    }
    if role().is_some() {
        return;
    }
    let mut board = Board::create(Shape::new(1)).unwrap();
    board.prepare(0).unwrap();
    let worker = Process::spawn(play_worker(TEST, "first", board.slots_fd(0).unwrap(), 0));
    assert_eq!(worker.line(), "has it");
    let refused = format!("slot 0 is being written by process {}", worker.pid());
    assert_eq!(board.writer(0).unwrap_err().to_string(), refused);
    let snapshot = board.reader().snapshot();
    let view = snapshot.get(0).unwrap();
    assert_eq!((view.requests(), view.bytes(), view.state()), (1, 11, State::IDLE));
    assert_eq!(view.text().unwrap().to_string(), "of the first program");
}
