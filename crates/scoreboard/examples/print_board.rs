//! Prints a board: `print_board PATH`, where PATH is a board's file, `/proc/PID/fd/N` of a manager's
//! board file or of a slots file, or a directory of Parallel::Scoreboard. With `--prefork` or
//! `--spare-workers` before it, PATH is a file of Proc::Daemon::Prefork or of Parallel::Prefork.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use scoreboard::legacy::{parallel, prefork, spare_workers};
use scoreboard::{Reader, SlotView, Text};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let printed = match words.as_slice() {
        [path] if Path::new(path).is_dir() => directory(Path::new(path)),
        [path] => board(Path::new(path)),
        [kind, path] if kind == "--prefork" => old_prefork(Path::new(path)),
        [kind, path] if kind == "--spare-workers" => old_spare_workers(Path::new(path)),
        _ => Err("usage: print_board [--prefork | --spare-workers] PATH".into()),
    };
    let Err(error) = printed else {
        return ExitCode::SUCCESS;
    };
    let _ = writeln!(io::stderr(), "print_board: {error}");
    ExitCode::FAILURE
}

fn board(path: &Path) -> Result<(), Box<dyn Error>> {
    let reader = Reader::open(path)?;
    let mut out = io::stdout().lock();
    if let Some(manager) = reader.manager() {
        let stale = if reader.is_stale() { ", which has gone" } else { "" };
        writeln!(out, "{} slots of process {}{stale}", reader.slots(), manager.pid)?;
    }
    writeln!(
        out,
        "{:>5} {:1} {:>7} {:>4} {:>8} {:>9} {:>9} {:>8} {:>8} {:>10} TEXT",
        "SLOT", "S", "PID", "GEN", "AGE", "REQUESTS", "BUSY", "REQUEST", "BEAT", "BYTES"
    )?;
    for slot in reader.snapshot().iter() {
        row(&mut out, &slot)?;
    }
    Ok(())
}

fn row(out: &mut impl Write, slot: &SlotView<'_>) -> io::Result<()> {
    let dash = || "-".to_owned();
    let worker = slot.worker();
    let text = match slot.text() {
        Some(text) => text.to_string(),
        None if slot.is_unsteady() => "(cannot be read)".to_owned(),
        None => String::new(),
    };
    let line = format!(
        "{:>5} {} {:>7} {:>4} {:>8} {:>9} {:>9} {:>8} {:>8} {:>10} {text}",
        slot.number(),
        slot.state(),
        worker.map_or_else(dash, |worker| worker.pid.to_string()),
        worker.map_or_else(dash, |worker| worker.generation.to_string()),
        worker.map_or_else(dash, |worker| seconds(worker.age)),
        slot.requests(),
        seconds(slot.busy()),
        slot.in_request().map_or_else(dash, seconds),
        slot.last_beat().map_or_else(dash, seconds),
        slot.bytes(),
    );
    writeln!(out, "{}", line.trim_end())
}

fn seconds(time: Duration) -> String {
    format!("{}.{:02}", time.as_secs(), time.subsec_millis() / 10)
}

fn directory(path: &Path) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    for entry in parallel::read_all(path)? {
        let id = entry.id.as_encoded_bytes();
        match &entry.text {
            Ok(text) => writeln!(out, "{} {}", Text::new(id), Text::new(text))?,
            Err(why) => writeln!(out, "{} ({why})", Text::new(id))?,
        }
    }
    Ok(())
}

fn old_prefork(path: &Path) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    for record in prefork::read(path)?.iter().filter(|record| !record.is_free()) {
        writeln!(out, "{:>7} {} {:>9}", record.pid, record.state(), record.requests)?;
    }
    Ok(())
}

fn old_spare_workers(path: &Path) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    for slot in spare_workers::read(path)? {
        if let Some(pid) = slot.pid() {
            writeln!(out, "{pid:>7} {}", slot.state())?;
        }
    }
    Ok(())
}
