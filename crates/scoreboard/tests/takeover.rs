//! Boards with a path whose manager is killed, and managers that want the same one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::managers::{PATH, create, in_use, manage, manager, now, play_at, text};
use common::{Directory, Process, role, say};
use scoreboard::Reader;

/// Offset of the word that says that a board is complete.
const READY: u64 = 104;

/// What the example prints about a board.
fn printed(path: &Path) -> String {
    let own = std::env::current_exe().unwrap();
    let program = own.ancestors().nth(2).unwrap().join("examples/print_board");
    if !program.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "-q", "-p", "superdaemon-scoreboard", "--example", "print_board"]);
        build.args(own.ancestors().any(|at| at.ends_with("release")).then_some("--release"));
        assert!(build.status().unwrap().success());
    }
    let output = Command::new(program).arg(path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_board_of_a_killed_manager() {
    const TEST: &str = "the_board_of_a_killed_manager";
    if role().is_some() {
        return manage();
    }
    let directory = Directory::new();
    let path = directory.path("board");
    let mut manager = manager(TEST, &path);
    let reader = Reader::open(&path).unwrap();
    let head = format!("3 slots of process {}", manager.pid());
    assert_eq!(printed(&path).lines().next(), Some(&*head));
    manager.kill();
    for reader in [&reader, &Reader::open(&path).unwrap()] {
        assert!(reader.is_stale());
        assert_eq!(text(reader), format!("of {}", manager.pid()));
    }
    let printed = printed(&path);
    assert_eq!(printed.lines().next(), Some(&*format!("{head}, which has gone")));
    assert!(printed.contains(&format!(" of {}\n", manager.pid())), "{printed}");

    let board = create(&path).unwrap();
    assert_eq!(directory.names(), ["board", "board.slots"]);
    let new = Reader::open(&path).unwrap();
    assert!(!new.is_stale() && reader.is_stale());
    assert_eq!(new.manager().map(|manager| manager.pid), Some(std::process::id()));
    assert_eq!(text(&new), format!("of {}", std::process::id()));
    assert_eq!(text(&reader), format!("of {}", manager.pid()), "as long as it is open");
    drop(board);
    assert_eq!(directory.names(), [""; 0]);
}

/// A child of the manager has the descriptor, and by that the lock, and lives on.
#[test]
fn a_lock_that_outlives_its_manager() {
    const TEST: &str = "a_lock_that_outlives_its_manager";
    if role().is_some() {
        let board = create(&PathBuf::from(std::env::var_os(PATH).unwrap())).unwrap();
        // It ends when the test closes the pipe that is its standard input and ours.
        let lent = board.board_fd().try_clone_to_owned().unwrap();
        let mut child = Command::new("cat").stdout(lent).spawn().unwrap();
        say(child.id().to_string());
        child.wait().unwrap();
        return;
    }
    let directory = Directory::new();
    let path = directory.path("board");
    let mut manager = play_at(TEST, "lend", &path);
    let child = manager.line();
    let reader = Reader::open(&path).unwrap();
    assert!(!reader.is_stale());
    manager.kill();
    assert!(Path::new("/proc").join(&child).exists(), "the child is still there");
    assert!(reader.is_stale() && Reader::open(&path).unwrap().is_stale());
    let board = create(&path).unwrap();
    assert!(!Reader::open(&path).unwrap().is_stale());
    assert_eq!(text(&board.reader()), format!("of {}", std::process::id()));
    assert!(Path::new("/proc").join(&child).exists(), "the child is still there");
    drop(board);
    assert_eq!(directory.names(), [""; 0]);
}

/// Two at once, fifty times at each kind of place: one has the board, and the other is told.
#[test]
fn one_of_two_managers_wins() {
    const TEST: &str = "one_of_two_managers_wins";
    if role().is_some() {
        return manage();
    }
    let directory = Directory::new();
    let path = directory.path("board");
    let mut former = manager(TEST, &path);
    former.kill();
    let stale = fs::read(&path).unwrap();
    fs::remove_file(directory.path("board.slots")).unwrap();
    let mut incomplete = stale.clone();
    incomplete[READY as usize] = 0;
    let mut managers = [(); 2].map(|()| play_at(TEST, "manage", &path));
    let pids = managers.each_ref().map(Process::pid);
    for (kind, content) in [
        ("none", None),
        ("empty", Some(Vec::new())),
        ("stale", Some(stale)),
        ("incomplete", Some(incomplete)),
    ] {
        let _ = fs::remove_file(&path);
        for round in 0..50 {
            if let Some(content) = &content {
                fs::write(&path, content).unwrap();
            }
            let at = (now() + Duration::from_millis(2)).as_nanos().to_string();
            managers.iter_mut().for_each(|manager| manager.tell(&at));
            let said = managers.each_ref().map(Process::line);
            let winner = said.iter().position(|line| line == "made");
            let winner = winner.unwrap_or_else(|| panic!("{kind}, round {round}: {said:?}"));
            let other = &said[1 - winner];
            let taking = format!("{}: another process is taking it at this moment", path.display());
            assert!([in_use(&path, pids[winner]), taking].contains(other), "{kind}: {said:?}");
            assert_eq!(directory.names(), ["board", "board.slots"], "{kind}: {said:?}");
            let reader = Reader::open(&path).unwrap();
            assert!(!reader.is_stale(), "{kind}, round {round}");
            assert_eq!(text(&reader), format!("of {}", pids[winner]));
            managers[winner].tell("drop");
            assert_eq!(managers[winner].line(), "dropped");
            assert_eq!(directory.names(), [""; 0]);
        }
    }
}

/// Managers that are killed while they make or remove a board: whatever they leave is taken over.
#[test]
fn managers_killed_at_any_moment() {
    const TEST: &str = "managers_killed_at_any_moment";
    if role().is_some() {
        let path = PathBuf::from(std::env::var_os(PATH).unwrap());
        say("begins");
        loop {
            drop(create(&path).unwrap());
        }
    }
    let directory = Directory::new();
    let path = directory.path("board");
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..100 {
        let mut manager = play_at(TEST, "haste", &path);
        assert_eq!(manager.line(), "begins");
        for _ in 0..random.u32(..200) {
            // Complete or not there: nothing in between is shown as a board.
            if let Ok(reader) = Reader::open(&path) {
                assert_eq!(reader.snapshot().len(), 3);
            }
        }
        manager.kill();
        if let Ok(reader) = Reader::open(&path) {
            assert!(reader.is_stale());
        }
        drop(create(&path).unwrap());
        let left = directory.names();
        assert!(
            left.iter().all(|name| name.starts_with('.') && name.ends_with(".new")),
            "{left:?}"
        );
    }
}
