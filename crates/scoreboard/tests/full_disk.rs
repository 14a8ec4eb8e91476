//! Boards for which there is no room: on the disk, of inodes, of descriptors. Each time a clear error,
//! and nothing is left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;

use common::{Directory, Process, descriptors, names, play, role, say};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use scoreboard::{Board, Error, ErrorKind, Reader, Shape, Writer};

const SLOTS: u32 = 64;
/// What the board file and the slots file have: a page for the header each, then 64 bytes and 1 KiB
/// for each slot.
const PAGES: u32 = (4096 + SLOTS * 64 + 4096 + SLOTS * 1024) / 4096;

/// The variable with the path of the board to be made.
const PATH: &str = "BOARD_PATH";
/// Set when its file system is the test's own.
const OWN: &str = "BOARD_OWN_DISK";

/// Makes a board and tells what came of it: the error, if there was one, and the names that are there
/// then. Afterwards nothing is in use that was not before.
fn make() {
    let path = std::env::var(PATH).unwrap();
    let directory = Path::new(&path).parent().unwrap();
    let used = || {
        // Of a file system that nobody else uses.
        let own = std::env::var_os(OWN).map(|_| rustix::fs::statvfs(directory).unwrap());
        own.map(|stat| (stat.f_blocks - stat.f_bfree, stat.f_files - stat.f_ffree))
    };
    let before = (descriptors(), used());
    let made = Board::create_file(&path, Shape::new(SLOTS));
    match &made {
        Ok(_) => say("made"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::System);
            say(error.to_string());
        }
    }
    say(names(directory).join(" "));
    drop(made);
    assert_eq!(names(directory), [""; 0]);
    assert_eq!((descriptors(), used()), before, "descriptors, blocks and inodes");
}

/// Has a board made by a process that a shell's script has prepared: the error, if there was one, and
/// the names of the files.
fn after(script: &str, shell: &[&str], test: &str, directory: &Directory) -> (String, String) {
    let role = play(test, "make");
    let [program, words @ ..] = shell else {
        panic!("no shell");
    };
    let mut command = Command::new(program);
    command.args(words).args(["-c", &format!("{script} && exec \"$@\""), "sh"]);
    command.arg(role.get_program()).args(role.get_args());
    command.envs(role.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env(PATH, directory.path("board"));
    let [made, names] = Process::spawn(command).finish().try_into().unwrap();
    (made, names)
}

fn may_mount() -> bool {
    let line = "mount -t tmpfs none /mnt";
    let probe = Command::new("unshare").args(["-m", "sh", "-c", line]).output();
    let may = probe.is_ok_and(|output| output.status.success());
    if !may {
        eprintln!("skipped: no private mount is permitted here");
    }
    may
}

/// On a new, empty file system. "full" for the error of a full one.
fn on_tmpfs(test: &str, options: &str) -> (String, String) {
    let directory = Directory::new();
    let place = directory.path("");
    let script = format!("mount -t tmpfs -o {options} none {} && export {OWN}=1", place.display());
    let (made, names) = after(&script, &["unshare", "-m", "sh"], test, &directory);
    let is_full = |file| {
        let path = directory.path(file);
        made == format!("{}: No space left on device (os error 28)", path.display())
    };
    let full = is_full("board") || is_full("board.slots");
    (if full { "full".to_owned() } else { made }, names)
}

#[test]
fn a_full_file_system() {
    const TEST: &str = "a_full_file_system";
    if role().is_some() {
        return make();
    }
    if !may_mount() {
        return;
    }
    // For the board file there is room from 2 pages on; for the slots file much later.
    for pages in [1, 2, 3, PAGES / 2, PAGES - 1, PAGES] {
        let (made, names) = on_tmpfs(TEST, &format!("size={}k", pages * 4));
        if pages < PAGES {
            assert_eq!((&*made, &*names), ("full", ""), "{pages} pages");
        } else {
            assert_eq!((&*made, &*names), ("made", "board board.slots"), "{pages} pages");
        }
    }
}

#[test]
fn a_file_system_without_inodes() {
    const TEST: &str = "a_file_system_without_inodes";
    if role().is_some() {
        return make();
    }
    if !may_mount() {
        return;
    }
    // The directory itself is one.
    for inodes in 1..=3 {
        let (made, names) = on_tmpfs(TEST, &format!("nr_inodes={inodes}"));
        if inodes < 3 {
            assert_eq!((&*made, &*names), ("full", ""), "{inodes} inodes");
        } else {
            assert_eq!((&*made, &*names), ("made", "board board.slots"), "{inodes} inodes");
        }
    }
}

#[test]
fn a_file_system_for_reading_only() {
    const TEST: &str = "a_file_system_for_reading_only";
    if role().is_some() {
        return make();
    }
    if !may_mount() {
        return;
    }
    let (made, names) = on_tmpfs(TEST, "ro");
    assert!(made.ends_with("board: Read-only file system (os error 30)"), "{made}");
    assert_eq!(names, "");
}

/// By `ulimit -f`, in units of 512 bytes (dash) or 1024 (bash): too little for the slots file in
/// either.
#[test]
fn a_limit_of_file_sizes() {
    const TEST: &str = "a_limit_of_file_sizes";
    if role().is_some() {
        return make();
    }
    let directory = Directory::new();
    let (made, names) = after("trap '' XFSZ && ulimit -f 40", &["sh"], TEST, &directory);
    let slots = directory.path("board.slots");
    assert_eq!(made, format!("{}: File too large (os error 27)", slots.display()));
    assert_eq!(names, "");
}

/// With any number of descriptors: either there is a board or an error, and no descriptor is lost.
#[test]
fn too_few_descriptors() {
    const TEST: &str = "too_few_descriptors";
    if role().is_none() {
        assert_eq!(Process::spawn(play(TEST, "alone")).finish(), ["done"]);
        return;
    }
    let directory = Directory::new();
    let path = directory.path("board");
    let (kept, before) = (Board::create_separate(Shape::new(16)).unwrap(), descriptors());
    let kept_path = format!("/proc/self/fd/{}", kept.board_fd().as_raw_fd());
    type Attempt<'a> = (&'a str, Box<dyn Fn() -> Result<(), Error> + 'a>);
    let attempts: [Attempt<'_>; 5] = [
        ("create", Box::new(|| Board::create(Shape::new(2)).map(drop))),
        ("create_separate", Box::new(|| Board::create_separate(Shape::new(16)).map(drop))),
        ("create_file", Box::new(|| Board::create_file(&path, Shape::new(2)).map(drop))),
        ("writer", Box::new(|| Writer::open(kept.slots_fd(0)?, 0).map(drop))),
        ("open", Box::new(|| Reader::open(&kept_path).map(drop))),
    ];
    for (name, attempt) in &attempts {
        let (mut refused, mut done) = (0, false);
        for limit in 4..200 {
            let former = getrlimit(Resource::Nofile);
            setrlimit(Resource::Nofile, Rlimit { current: Some(limit), ..former }).unwrap();
            let result = attempt();
            setrlimit(Resource::Nofile, former).unwrap();
            assert_eq!(descriptors(), before, "{name} with {limit}");
            assert_eq!(directory.names(), [""; 0], "{name} with {limit}");
            done = result.is_ok();
            if let Err(error) = result {
                refused += 1;
                assert_eq!(error.kind(), ErrorKind::System, "{name} with {limit}: {error}");
                let line = error.to_string();
                assert!(line.ends_with(": Too many open files (os error 24)"), "{line}");
            }
        }
        assert!(refused > 0 && done, "{name}: {refused}");
    }
    say("done");
}
