//! A manager, its workers and readers, over memfds and files alike.
#![allow(clippy::unwrap_used)] // tests, helpers included

use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use scoreboard::{Board, ErrorKind, Occupant, Order, Reader, Shape, State, Writer};

/// A path that is free again afterwards.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("scoreboard-{name}-{}-{number}", std::process::id());
        Place(std::env::temp_dir().join(name))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn proc_path(fd: impl AsFd) -> PathBuf {
    format!("/proc/{}/fd/{}", std::process::id(), fd.as_fd().as_raw_fd()).into()
}

/// The same for each kind of board: what a worker says and a manager knows is what all readers see.
fn every_kind(test: impl Fn(&mut Board, Vec<Reader>, &dyn Fn(u32) -> Writer)) {
    for mut board in
        [Board::create(Shape::new(3)).unwrap(), Board::create_separate(Shape::new(3)).unwrap()]
    {
        let readers = || {
            let given = board.board_fd().try_clone_to_owned().unwrap();
            vec![
                board.reader(),
                Reader::open(proc_path(board.board_fd())).unwrap(),
                Reader::from_fd(given).unwrap(),
            ]
        };
        let readers = readers();
        let fds: Vec<_> = (0..3)
            .map(|slot| board.slots_fd(slot).unwrap().try_clone_to_owned().unwrap())
            .collect();
        test(&mut board, readers, &|slot| {
            Writer::open(fds.get(slot as usize).unwrap(), slot).unwrap()
        });
    }
    let place = Place::new("every-kind");
    let mut board = Board::create_file(&place.0, Shape::new(3)).unwrap();
    let given = board.board_fd().try_clone_to_owned().unwrap();
    let readers =
        vec![board.reader(), Reader::open(&place.0).unwrap(), Reader::from_fd(given).unwrap()];
    test(&mut board, readers, &|slot| Writer::open_path(&place.0, slot).unwrap());
    drop(board);
    assert!(!place.0.exists() && !place.0.with_extension("slots").exists());
}

#[test]
fn a_new_board_is_free() {
    every_kind(|board, readers, _| {
        assert_eq!(board.slots(), 3);
        for reader in readers {
            assert_eq!(reader.slots(), 3);
            assert_eq!(reader.manager().unwrap().pid, std::process::id());
            assert!(!reader.is_stale());
            let snapshot = reader.snapshot();
            assert_eq!(snapshot.iter().map(|slot| slot.number()).collect::<Vec<_>>(), [0, 1, 2]);
            for slot in snapshot.iter() {
                assert!(slot.is_valid() && slot.text().is_none() && !slot.is_unsteady());
                assert_eq!((slot.state(), slot.worker(), slot.requests()), (State::FREE, None, 0));
            }
        }
    });
}

#[test]
fn the_life_of_a_worker() {
    every_kind(|board, readers, writer| {
        board.prepare(1).unwrap();
        board.occupy(1, &Occupant::new(77).generation(5)).unwrap();
        let mut worker = writer(1);
        assert_eq!((worker.slot(), worker.capacity(), worker.order()), (1, 440, Order::Nothing));
        let see = |check: &dyn Fn(&Reader, scoreboard::SlotView<'_>)| {
            for reader in &readers {
                check(reader, reader.snapshot().get(1).unwrap());
            }
        };
        see(&|_, slot| {
            assert_eq!(slot.state(), State::STARTING);
            let facts = slot.worker().unwrap();
            assert_eq!((facts.pid, facts.generation, facts.pidfd_inode), (77, 5, None));
            assert!(facts.age < Duration::from_secs(60));
        });
        worker.begin(State::READING);
        worker.text("GET /");
        worker.add_bytes(10);
        see(&|_, slot| {
            assert_eq!((slot.state(), slot.requests(), slot.bytes()), (State::READING, 0, 10));
            assert!(slot.in_request().unwrap() < Duration::from_secs(60));
            assert!(slot.last_beat().is_some());
            assert_eq!(slot.text().unwrap().as_bytes(), b"GET /");
        });
        worker.end();
        worker.add_bytes(5);
        worker.text(b"\xff\n");
        see(&|_, slot| {
            assert_eq!((slot.state(), slot.requests(), slot.bytes()), (State::IDLE, 1, 15));
            assert_eq!(slot.in_request(), None);
            assert_eq!(slot.text().unwrap().to_string(), "\\xff\\n");
        });
        board.force(1, Some(State::TIMING_OUT)).unwrap();
        board.order(1, Order::Leave).unwrap();
        assert_eq!(worker.order(), Order::Leave);
        see(&|_, slot| {
            assert_eq!((slot.state(), slot.said_state()), (State::TIMING_OUT, Some(State::IDLE)));
        });
        board.force(1, None).unwrap();
        board.order(1, Order::Nothing).unwrap();
        assert_eq!(worker.order(), Order::Nothing);
        drop(worker);
        board.release(1).unwrap();
        see(&|_, slot| {
            assert_eq!((slot.state(), slot.worker()), (State::FREE, None));
            assert_eq!(slot.text().unwrap().as_bytes(), b"\xff\n", "its last words");
            assert_eq!(slot.requests(), 1);
        });
        board.prepare(1).unwrap();
        see(&|_, slot| {
            assert_eq!((slot.state(), slot.requests(), slot.bytes()), (State::STARTING, 0, 0));
            assert_eq!((slot.text().unwrap().as_bytes(), slot.busy()), (&b""[..], Duration::ZERO));
        });
    });
}

#[test]
fn slot_by_slot_with_and_without_texts() {
    every_kind(|board, readers, writer| {
        board.prepare(1).unwrap();
        board.occupy(1, &Occupant::new(5)).unwrap();
        writer(1).text("text");
        for reader in readers {
            let mut seen = Vec::new();
            reader.each(&mut |slot| {
                let text = slot.text().map(|text| text.to_string());
                seen.push((slot.number(), slot.state(), slot.worker().map(|w| w.pid), text));
            });
            let text = Some("text".to_owned());
            let second = (1, State::STARTING, Some(5), text);
            let free = |number| (number, State::FREE, None, None);
            assert_eq!(seen, [free(0), second, free(2)]);
            let mut states = Vec::new();
            reader.each_state(&mut |slot| {
                assert!(slot.text().is_none() && !slot.is_unsteady());
                states.push((slot.number(), slot.state(), slot.worker().map(|w| w.pid)));
            });
            assert_eq!(
                states,
                [(0, State::FREE, None), (1, State::STARTING, Some(5)), (2, State::FREE, None)]
            );
        }
    });
}

/// A slot whose text cannot be read is no reason to say so of others.
#[test]
fn one_damaged_file_of_separate_slots_is_one_slot() {
    let board = Board::create_separate(Shape::new(3)).unwrap();
    board.writer(2).unwrap().set(State::IDLE);
    if rustix::process::geteuid().is_root() {
        board.set_owner(1, 65_534, 65_534).unwrap();
    }
    let slots = std::fs::File::from(board.slots_fd(1).unwrap().try_clone_to_owned().unwrap());
    std::os::unix::fs::FileExt::write_all_at(&slots, &[0; 4096 + 1024], 0).unwrap();
    for reader in [board.reader(), Reader::open(proc_path(board.board_fd())).unwrap()] {
        let snapshot = reader.snapshot();
        let valid: Vec<_> = snapshot.iter().map(|slot| slot.is_valid()).collect();
        assert_eq!(valid, [true, false, true]);
    }
    assert!(board.set_owner(1, u32::MAX, 0).is_err());
}

#[test]
fn one_damaged_text_is_one_slots() {
    every_kind(|board, readers, writer| {
        for slot in 0..3 {
            writer(slot).text("text");
        }
        let slots = std::fs::File::from(board.slots_fd(0).unwrap().try_clone_to_owned().unwrap());
        let text = 4096 + 48;
        std::os::unix::fs::FileExt::write_all_at(&slots, &[0xff; 8], text).unwrap();
        for reader in readers {
            let unsteady = |unsteady: &[bool]| assert_eq!(unsteady, [true, false, false]);
            unsteady(&reader.snapshot().iter().map(|slot| slot.is_unsteady()).collect::<Vec<_>>());
            let mut seen = Vec::new();
            reader.each(&mut |slot| seen.push(slot.is_unsteady()));
            unsteady(&seen);
            reader.each_state(&mut |slot| assert!(!slot.is_unsteady()));
        }
    });
}

#[test]
fn slots_that_are_not_there() {
    every_kind(|board, readers, _| {
        for slot in [3, u32::MAX] {
            let told = [
                board.prepare(slot).unwrap_err(),
                board.occupy(slot, &Occupant::new(1)).unwrap_err(),
                board.force(slot, None).unwrap_err(),
                board.order(slot, Order::Leave).unwrap_err(),
                board.release(slot).unwrap_err(),
                board.slots_fd(slot).unwrap_err(),
                board.writer(slot).unwrap_err(),
            ];
            for error in told {
                assert_eq!(error.kind(), ErrorKind::NoSuchSlot);
                assert_eq!(error.to_string(), format!("no slot {slot}: there are 0 to 2"));
            }
            assert!(readers[0].snapshot().get(slot).is_none());
        }
    });
}

#[test]
fn one_writer_for_a_slot() {
    every_kind(|board, _, writer| {
        let first = writer(2);
        let error = board.writer(2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Claimed);
        let own = std::process::id();
        assert_eq!(error.to_string(), format!("slot 2 is being written by process {own}"));
        writer(1);
        drop(first);
        writer(2);
    });
}

#[test]
fn counters_go_on_when_a_writer_is_attached_again() {
    every_kind(|board, readers, writer| {
        board.prepare(0).unwrap();
        for round in 1..=3 {
            let mut worker = writer(0);
            worker.begin(State::WRITING);
            worker.end_as(State::KEEP_ALIVE);
            worker.end();
            worker.text(format!("round {round}"));
            drop(worker);
            let snapshot = readers[1].snapshot();
            let slot = snapshot.get(0).unwrap();
            assert_eq!(slot.requests(), round, "an end without a beginning counts nothing");
            assert_eq!(slot.text().unwrap().to_string(), format!("round {round}"));
        }
    });
}

#[test]
fn long_texts_are_cut_and_shapes_are_kept() {
    let board = Board::create(Shape::new(2).text_capacity(1000)).unwrap();
    let mut worker = board.writer(1).unwrap();
    assert_eq!(worker.capacity(), 1976);
    worker.text("€".repeat(1000));
    let snapshot = board.reader().snapshot();
    assert_eq!(snapshot.get(1).unwrap().text().unwrap().to_string(), "€".repeat(658));
    let by_path = Reader::open(proc_path(board.board_fd())).unwrap().snapshot();
    assert_eq!(by_path.get(1).unwrap().text(), snapshot.get(1).unwrap().text());
}

#[test]
fn a_slots_file_alone_tells_what_workers_say() {
    let mut board = Board::create_separate(Shape::new(4)).unwrap();
    board.prepare(2).unwrap();
    board.occupy(2, &Occupant::new(9)).unwrap();
    board.writer(2).unwrap().text("here");
    let reader = Reader::open(proc_path(board.slots_fd(2).unwrap())).unwrap();
    assert_eq!((reader.slots(), reader.manager(), reader.is_stale()), (1, None, false));
    let snapshot = reader.snapshot();
    assert!(snapshot.get(0).is_none() && snapshot.get(3).is_none());
    let slot = snapshot.get(2).unwrap();
    assert_eq!((slot.number(), slot.state(), slot.worker()), (2, State::STARTING, None));
    assert_eq!(slot.text().unwrap().to_string(), "here");
}

#[test]
fn a_pidfd_tells_processes_apart() {
    let mut board = Board::create(Shape::new(1)).unwrap();
    let own = rustix::process::getpid();
    let pidfd = rustix::process::pidfd_open(own, rustix::process::PidfdFlags::empty()).unwrap();
    board.occupy(0, &Occupant::new(std::process::id()).pidfd(&pidfd)).unwrap();
    let worker = board.reader().snapshot().get(0).unwrap().worker().unwrap();
    let inode = rustix::fs::fstat(&pidfd).unwrap().st_ino;
    assert!(worker.pidfd_inode.is_none_or(|of_board| of_board == inode));
}

#[test]
fn what_is_no_board_is_told() {
    let place = Place::new("no-board");
    let told = |what: &str| {
        let error = Reader::open(&place.0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotABoard, "{error}");
        let line = error.to_string();
        assert!(line.contains(what) && line.contains("scoreboard-no-board"), "{line}");
    };
    assert_eq!(Reader::open(&place.0).unwrap_err().kind(), ErrorKind::System);
    std::fs::write(&place.0, "").unwrap();
    told("neither SCBOARD nor SCSLOTS");
    let slots = |size: u64, first: u64, count: u64, length: usize| {
        let mut bytes = b"SCSLOTS\n".to_vec();
        for word in [1, size, first, count] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.resize(length, 0);
        std::fs::write(&place.0, bytes).unwrap();
    };
    slots(1024, 0, 1, 4096);
    told("shorter than its header says");
    slots(1024, 0, u64::MAX, 8192);
    told("numbers that cannot be");
    slots(1000, 0, 1, 8192);
    told("numbers that cannot be");
    slots(1024, 0, 1, 4096 + 1024);
    let slot = Reader::open(&place.0).unwrap().snapshot();
    let slot = slot.get(0).unwrap();
    assert!(!slot.is_valid(), "zeros are nothing valid");
    assert_eq!((slot.state(), slot.text().is_none()), (State::UNKNOWN, true));
    assert_eq!(Reader::open("/").unwrap_err().kind(), ErrorKind::NotABoard);
    assert_eq!(Reader::open("/dev/zero").unwrap_err().kind(), ErrorKind::NotABoard);
}

/// A user who makes a board must not have root's status page show what only root may read.
#[test]
fn a_file_of_another_user_must_be_a_slots_file() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::new("foreign");
    let board = Board::create_file(&place.0, Shape::new(1)).unwrap();
    board.set_owner(0, 65_534, 65_534).unwrap();
    assert!(Reader::open(&place.0).unwrap().snapshot().get(0).unwrap().is_valid());
    let slots = std::fs::File::from(board.slots_fd(0).unwrap().try_clone_to_owned().unwrap());
    std::os::unix::fs::FileExt::write_all_at(&slots, b"secret\n\n", 0).unwrap();
    let error = Reader::open(&place.0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotABoard);
    assert!(error.to_string().ends_with("it is another user's, and no slots file"), "{error}");
    board.set_owner(0, 0, 0).unwrap();
    Reader::open(&place.0).unwrap();
}

/// Where it is exceeded, the kernel would end the process.
#[test]
fn a_limit_on_the_size_of_files_is_an_error() {
    const ROLE: &str = "SCOREBOARD_TEST_LIMITED";
    let place = Place::new("limited");
    if std::env::var_os(ROLE).is_none() {
        let mut itself = std::process::Command::new(std::env::current_exe().unwrap());
        itself.args(["--exact", "a_limit_on_the_size_of_files_is_an_error"]).env(ROLE, "yes");
        assert!(itself.output().unwrap().status.success());
        return;
    }
    let limit = rustix::process::Rlimit { current: Some(8192), maximum: None };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
    for made in [Board::create(Shape::new(100)), Board::create_file(&place.0, Shape::new(100))] {
        let error = made.unwrap_err().to_string();
        assert!(error.ends_with("File too large (os error 27)"), "{error}");
    }
    assert!(!place.0.exists());
}
