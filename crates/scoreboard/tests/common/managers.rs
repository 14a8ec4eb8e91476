//! Processes that make boards with a path.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use scoreboard::{Board, Error, Occupant, Reader, Shape};

use super::{Process, play, say};

/// The variable with the path of the board.
pub const PATH: &str = "BOARD_PATH";

/// A board with a worker in slot 1.
pub fn create(path: &Path) -> Result<Board, Error> {
    let mut board = Board::create_file(path, Shape::new(3))?;
    board.prepare(1)?;
    board.occupy(1, &Occupant::new(4711).generation(2))?;
    board.writer(1)?.text(format!("of {}", std::process::id()));
    Ok(board)
}

/// What that worker says: who made the board.
pub fn text(reader: &Reader) -> String {
    reader.snapshot().get(1).unwrap().text().unwrap().to_string()
}

/// The time by which [`manage`] goes.
pub fn now() -> Duration {
    clock_gettime(ClockId::Monotonic).try_into().unwrap()
}

/// The role that makes a board at the time that a line tells, in nanoseconds, and drops it when it
/// gets any other line.
pub fn manage() {
    let path = PathBuf::from(std::env::var_os(PATH).unwrap());
    let mut board = None;
    for line in std::io::stdin().lock().lines() {
        if let Ok(at) = line.unwrap().parse() {
            while now() < Duration::from_nanos(at) {}
            match create(&path) {
                Ok(made) => {
                    board = Some(made);
                    say("made");
                }
                Err(error) => say(error.to_string()),
            }
        } else {
            board = None;
            say("dropped");
        }
    }
    drop(board);
}

/// Starts a role that is told what to do by lines.
pub fn play_at(test: &str, role: &str, path: &Path) -> Process {
    let mut command = play(test, role);
    command.env(PATH, path).stdin(Stdio::piped());
    Process::spawn(command)
}

/// One that [`manage`]s, and has made its board.
pub fn manager(test: &str, path: &Path) -> Process {
    let mut manager = play_at(test, "manage", path);
    manager.tell("0");
    assert_eq!(manager.line(), "made");
    manager
}

/// What is said to who wants it too.
pub fn in_use(path: &Path, pid: u32) -> String {
    format!("{}: the board of process {pid}, which is alive", path.display())
}
