//! What the crate `scoreboard` costs a worker and a reader.
//!
//! ```text
//! scoreboard_bench state|request|text BATCHES                a worker, in nanoseconds per call
//! scoreboard_bench read BATCHES SLOTS                        a reader of a memfd board, per snapshot of all slots
//! scoreboard_bench read-states BATCHES SLOTS                 the same without texts, by `Reader::each_state`
//! scoreboard_bench read-file BATCHES SLOTS PATH              the same of a file board made at PATH
//! ```
//!
//! Prints one line of JSON; see `bench/README.md`. The counterpart in C is `bench/floor/board_store.c`.

use std::error::Error;
use std::hint::black_box;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use scoreboard::{Board, Occupant, Reader, Shape, Snapshot, State, Writer};

const TEXT: usize = 240;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "scoreboard_bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["state", batches] => worker("state", batches, |writer, turn| {
            writer.set(if turn % 2 == 0 { State::IDLE } else { State::WRITING });
        }),
        ["request", batches] => worker("request", batches, |writer, _| {
            writer.begin(State::WRITING);
            writer.end();
        }),
        ["text", batches] => {
            // Of a length that the compiler does not know.
            let texts = black_box((vec![b'a'; TEXT], vec![b'b'; TEXT]));
            worker("text", batches, |writer, turn| {
                writer.text(if turn % 2 == 0 { &texts.0 } else { &texts.1 });
            })
        }
        ["read", batches, slots] => {
            let mut board = Board::create(Shape::new(slots.parse()?))?;
            let reader = board.reader();
            scan("read", batches, 200_000, &mut board, &reader)
        }
        ["read-states", batches, slots] => {
            let mut board = Board::create(Shape::new(slots.parse()?))?;
            let reader = board.reader();
            states("read-states", batches, &mut board, &reader)
        }
        ["read-file", batches, slots, path] => {
            let mut board = Board::create_file(path, Shape::new(slots.parse()?))?;
            let reader = Reader::open(path)?;
            scan("read-file", batches, 10_000, &mut board, &reader)
        }
        _ => {
            Err("usage: scoreboard_bench state|request|text|read|read-states|read-file BATCHES [SLOTS [PATH]]"
                .into())
        }
    }
}

/// Measures calls of a worker. Each is told its number.
fn worker(what: &str, batches: &str, mut call: impl FnMut(&mut Writer, usize)) -> Result<()> {
    let mut board = Board::create(Shape::new(1))?;
    let mut writer = occupied(&mut board, 0)?;
    measure(what, batches, 1, 200_000, |ops| {
        for turn in 0..ops {
            call(&mut writer, turn);
        }
        Ok(())
    })
}

/// Measures snapshots of all slots, each of which has a worker and a whole text; in one batch, so
/// many slots or a few more.
fn scan(
    what: &str,
    batches: &str,
    in_batch: usize,
    board: &mut Board,
    reader: &Reader,
) -> Result<()> {
    let slots = fill(board)?;
    let mut snapshot = Snapshot::default();
    let scans = in_batch / slots.max(1) as usize + 1;
    measure(what, batches, slots, scans, |ops| {
        for _ in 0..ops {
            reader.read(black_box(&mut snapshot));
            // What a reader does with it at the least; the states are in the figure too.
            let busy = snapshot.iter().filter(|slot| slot.state() == State::WRITING).count();
            if black_box(busy) != slots as usize {
                return Err(format!("{busy} of {slots} slots read").into());
            }
        }
        Ok(())
    })?;
    let whole = |text: scoreboard::Text<'_>| text.as_bytes() == [b'a'; TEXT];
    if !snapshot.iter().all(|slot| slot.text().is_some_and(whole)) {
        return Err("not every text was read".into());
    }
    Ok(())
}

/// Measures looking at all slots, the same ones as for [`scan`].
fn states(what: &str, batches: &str, board: &mut Board, reader: &Reader) -> Result<()> {
    let slots = fill(board)?;
    measure(what, batches, slots, 200_000 / slots.max(1) as usize + 1, |ops| {
        for _ in 0..ops {
            let mut busy = 0;
            reader.each_state(&mut |slot| busy += usize::from(slot.state() == State::WRITING));
            if black_box(busy) != slots as usize {
                return Err(format!("{busy} of {slots} slots read").into());
            }
        }
        Ok(())
    })
}

/// Gives each slot a worker, a state and a text.
fn fill(board: &mut Board) -> Result<u32> {
    for slot in 0..board.slots() {
        let mut writer = occupied(board, slot)?;
        writer.set(State::WRITING);
        writer.text([b'a'; TEXT].as_slice());
    }
    Ok(board.slots())
}

/// The writer of a slot whose worker is this process.
fn occupied(board: &mut Board, slot: u32) -> Result<Writer> {
    board.prepare(slot)?;
    board.occupy(slot, &Occupant::new(std::process::id()))?;
    Ok(board.writer(slot)?)
}

/// Calls `work` for `ops` operations, as often as `batches` says after one time to warm up.
fn measure(
    what: &str,
    batches: &str,
    slots: u32,
    ops: usize,
    mut work: impl FnMut(usize) -> Result<()>,
) -> Result<()> {
    let batches = batches.parse::<usize>()?;
    work(ops)?;
    let mut each = Vec::with_capacity(batches);
    for _ in 0..batches {
        let start = Instant::now();
        work(black_box(ops))?;
        each.push(start.elapsed().as_secs_f64() * 1e9 / ops as f64);
    }
    each.sort_by(f64::total_cmp);
    let (best, median) = (each.first(), each.get(each.len() / 2));
    let (Some(best), Some(median)) = (best, median) else {
        return Err("no batches".into());
    };
    writeln!(
        io::stdout(),
        "{{\"what\": \"{what}\", \"slots\": {slots}, \"ops\": {ops}, \"best_ns\": {best:.3}, \"median_ns\": {median:.3}}}"
    )?;
    Ok(())
}
