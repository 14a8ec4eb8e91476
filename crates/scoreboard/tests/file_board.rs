//! Boards with a path: made, found in use, in the way of something else, removed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;

use common::managers::{create, in_use, manage, manager, text};
use common::{Directory, role};
use rustix::fs::{CWD, Mode, mkfifoat};
use scoreboard::{ErrorKind, Reader, State, Writer};

/// Offset of the word that says that a board is complete.
const READY: u64 = 104;

#[test]
fn a_board_in_use_is_left_alone() {
    const TEST: &str = "a_board_in_use_is_left_alone";
    if role().is_some() {
        return manage();
    }
    let directory = Directory::new();
    let path = directory.path("board");
    let mut manager = manager(TEST, &path);
    let stats = || {
        ["board", "board.slots"].map(|name| {
            let stat = fs::symlink_metadata(directory.path(name)).unwrap();
            (stat.ino(), stat.mode(), stat.len(), stat.modified().unwrap())
        })
    };
    let before = stats();
    assert!(before.iter().all(|(_, mode, ..)| *mode == 0o100_600), "{before:?}");
    let reader = Reader::open(&path).unwrap();
    for _ in 0..3 {
        let error = create(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InUse);
        assert_eq!(error.to_string(), in_use(&path, manager.pid()));
        assert_eq!(stats(), before);
        assert_eq!(directory.names(), ["board", "board.slots"]);
    }
    for reader in [&reader, &Reader::open(&path).unwrap()] {
        assert!(!reader.is_stale());
        assert_eq!(reader.manager().map(|manager| manager.pid), Some(manager.pid()));
        assert_eq!(text(reader), format!("of {}", manager.pid()));
    }
    manager.tell("drop");
    assert_eq!(manager.line(), "dropped");
    assert_eq!(directory.names(), [""; 0]);
    assert!(reader.is_stale(), "who has it open sees that it has gone");

    // In one process as well.
    let board = create(&path).unwrap();
    assert_eq!(create(&path).unwrap_err().to_string(), in_use(&path, std::process::id()));
    assert!(!Reader::open(&path).unwrap().is_stale());
    drop(board);
    assert_eq!(directory.names(), [""; 0]);
}

#[test]
fn other_things_at_the_path() {
    let directory = Directory::new();
    let (path, slots) = (directory.path("board"), directory.path("board.slots"));
    // A board that nobody manages, to be linked to.
    let old = directory.path("old");
    drop(left_behind(&old));
    let names = directory.names();
    let refused = |at: &Path, kind: ErrorKind, says: &str| {
        let mut with = names.clone();
        with.push(at.file_name().unwrap().to_str().unwrap().to_owned());
        with.sort();
        assert_eq!(directory.names(), with);
        let error = create(&path).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.to_string(), format!("{}: {says}", at.display()));
        assert_eq!(directory.names(), with, "{says}");
    };
    let other = "not a scoreboard: it is something else, and is left alone";
    for (at, target) in [(&path, &old), (&slots, &directory.path("old.slots"))] {
        let content = fs::read(target).unwrap();
        for target in [target, Path::new("nothing")] {
            symlink(target, at).unwrap();
            refused(at, ErrorKind::NotABoard, "not a scoreboard: it is a symbolic link");
            assert_eq!(fs::read_link(at).unwrap(), target);
            fs::remove_file(at).unwrap();
        }
        assert_eq!(fs::read(target).unwrap(), content);

        let wrong_kind = if at == &path { b"SCSLOTS\n" } else { b"SCBOARD\n" };
        for content in [&b"x"[..], b"SCBOARD", b"root:x:0:0\n", &[0; 8192], wrong_kind] {
            fs::write(at, content).unwrap();
            refused(at, ErrorKind::NotABoard, other);
            assert_eq!(fs::read(at).unwrap(), content);
            fs::remove_file(at).unwrap();
        }
        fs::create_dir(at).unwrap();
        refused(at, ErrorKind::System, "Is a directory (os error 21)");
        fs::remove_dir(at).unwrap();
        mkfifoat(CWD, at, Mode::RUSR | Mode::WUSR).unwrap();
        refused(at, ErrorKind::NotABoard, other);
        fs::remove_file(at).unwrap();

        // Somebody has reserved the name.
        fs::write(at, "").unwrap();
        drop(create(&path).unwrap());
        assert_eq!(directory.names(), names);
    }
}

#[test]
fn places_where_no_board_can_be() {
    let directory = Directory::new();
    fs::write(directory.path("file"), "content").unwrap();
    let long = "x".repeat(250);
    for (name, says) in [
        ("missing/board", "No such file or directory (os error 2)"),
        ("file/board", "Not a directory (os error 20)"),
        (&long, "File name too long (os error 36)"),
        ("..", "Is a directory (os error 21)"),
        ("nul\0byte", "Invalid argument (os error 22)"),
    ] {
        let error = create(&directory.path(name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::System, "{error}");
        let line = error.to_string();
        assert!(line.ends_with(&format!(": {says}")), "{line}");
        assert!(line.contains(&*directory.path("").to_string_lossy()), "{line}");
        assert_eq!(directory.names(), ["file"], "{line}");
        assert!(!Path::new(&format!("{}.slots", directory.path("").display())).exists());
    }
}

/// Leaves a board without a manager.
fn left_behind(path: &Path) -> Vec<u8> {
    let board = create(path).unwrap();
    // Other files of the same content: nobody has a lock of them.
    let copies = [path.with_extension("copy"), path.with_extension("slots.copy")];
    let files = [path.to_owned(), path.with_extension("slots")];
    for (file, copy) in files.iter().zip(&copies) {
        fs::copy(file, copy).unwrap();
    }
    drop(board);
    for (file, copy) in files.iter().zip(&copies) {
        fs::rename(copy, file).unwrap();
    }
    fs::read(path).unwrap()
}

#[test]
fn incomplete_boards() {
    let directory = Directory::new();
    let path = directory.path("board");
    let refused = |says: &str| {
        let line = Reader::open(&path).unwrap_err().to_string();
        assert!(line.ends_with(says), "{line}");
        drop(create(&path).unwrap());
        assert_eq!(directory.names(), [""; 0]);
    };
    left_behind(&path);
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[0; 8], READY).unwrap();
    refused("not a scoreboard: its manager has not completed it");

    left_behind(&path);
    refused("not a scoreboard: it is not the file that the board names");

    left_behind(&path);
    fs::remove_file(directory.path("board.slots")).unwrap();
    refused("board.slots: No such file or directory (os error 2)");

    for size in [8, 100, 4096, 4096 + 64] {
        left_behind(&path);
        File::options().write(true).open(&path).unwrap().set_len(size).unwrap();
        let says = if size < READY { "not completed it" } else { "shorter than its header says" };
        refused(says);
    }
}

/// Who has taken the names since keeps them.
#[test]
fn only_own_files_are_removed() {
    let directory = Directory::new();
    let path = directory.path("board");
    let first = create(&path).unwrap();
    for name in directory.names() {
        fs::remove_file(directory.path(&name)).unwrap();
    }
    let second = create(&path).unwrap();
    drop(first);
    assert_eq!(directory.names(), ["board", "board.slots"]);
    assert!(!Reader::open(&path).unwrap().is_stale());
    fs::rename(directory.path("board.slots"), directory.path("elsewhere")).unwrap();
    fs::write(directory.path("board.slots"), "of somebody else").unwrap();
    drop(second);
    assert_eq!(directory.names(), ["board.slots", "elsewhere"]);
    assert_eq!(fs::read(directory.path("board.slots")).unwrap(), b"of somebody else");
}

#[test]
fn writers_find_it_by_either_name() {
    let directory = Directory::new();
    let (path, slots) = (directory.path("board"), directory.path("board.slots"));
    let mut board = create(&path).unwrap();
    for (slot, name) in [(0, &path), (2, &slots)] {
        board.prepare(slot).unwrap();
        let mut writer = Writer::open_path(name, slot).unwrap();
        writer.begin(State::WRITING);
        writer.text(format!("by {}", name.display()));
        let again = Writer::open_path(name, slot).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Claimed);
        assert_eq!(Writer::open_path(name, 3).unwrap_err().kind(), ErrorKind::NoSuchSlot);
        for reader in [board.reader(), Reader::open(&path).unwrap(), Reader::open(&slots).unwrap()]
        {
            let snapshot = reader.snapshot();
            let view = snapshot.get(slot).unwrap();
            assert_eq!(view.state(), State::WRITING);
            assert_eq!(view.text().unwrap().to_string(), format!("by {}", name.display()));
        }
    }
    let alone = Reader::open(&slots).unwrap();
    assert!(alone.manager().is_none() && !alone.is_stale());
    symlink(&path, directory.path("link")).unwrap();
    Writer::open_path(directory.path("link"), 1).unwrap_err();
    drop(board);
    let error = Writer::open_path(&path, 0).unwrap_err().to_string();
    assert_eq!(error, format!("{}: No such file or directory (os error 2)", path.display()));
}
