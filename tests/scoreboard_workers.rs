//! The example workers that keep a scoreboard slot: each language's, seen by the Rust reader.

mod harness;

use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use scoreboard::{Board, Order, Shape, SlotView, State};
use sigpolicy::Signal;

use crate::peers::example;
use crate::sandbox::{Sandbox, build, eventually};
use harness::{Language, Place, TEXT, Worker, each, idle_after, languages, see, stamp, text, word};

#[test]
fn state_times_and_counters() {
    each(|language| {
        let mut board = Board::create(Shape::new(3)).unwrap();
        let begun = Instant::now();
        let mut worker = Worker::start(language, &mut board, 1);
        idle_after(&board, 1, 0);
        see(&board, 1, |slot| {
            assert!(slot.text().is_none_or(|text| text.as_bytes().is_empty()));
            assert_eq!((slot.in_request(), slot.busy()), (None, Duration::ZERO));
        });
        worker.request("GET /");
        idle_after(&board, 1, 1);
        let first = see(&board, 1, |slot| slot.busy());
        assert!(first > Duration::ZERO && first < begun.elapsed(), "{first:?}");

        let sent = Instant::now();
        worker.send("hold");
        assert_eq!(worker.line(), "holding");
        let long = Duration::from_millis(20);
        // A time of another clock would be too long ago, or never.
        eventually("a long request", || {
            see(&board, 1, |slot| {
                assert_eq!((slot.state(), slot.requests()), (State::WRITING, 1));
                assert_eq!(slot.text().unwrap().as_bytes(), b"hold");
                let (request, beat) = (slot.in_request().unwrap(), slot.last_beat().unwrap());
                assert!(beat <= request && request <= sent.elapsed(), "{beat:?} {request:?}");
                (beat >= long).then_some(())
            })
        });
        worker.send("go on");
        idle_after(&board, 1, 2);
        see(&board, 1, |slot| {
            assert_eq!((slot.in_request(), slot.bytes()), (None, 0));
            let busy = slot.busy();
            assert!(busy >= first + long && busy <= first + sent.elapsed(), "{busy:?}");
            assert_eq!(slot.worker().unwrap().pid, worker.pid());
        });
        assert_eq!(worker.quit(), "");
    });
}

#[test]
fn texts_are_cut_between_characters() {
    for shape in [Shape::new(2), Shape::new(2).text_capacity(32_696)] {
        each(|language| {
            let mut board = Board::create(shape).unwrap();
            let room = board.writer(0).unwrap().capacity();
            let mut worker = Worker::start(language, &mut board, 1);
            let long = "x".repeat(40_000);
            let mut texts = vec![String::new(), "x".into(), long[..10_000].into(), long.clone()];
            texts.extend((room - 1..=room + 1).map(|length| long[..length].to_owned()));
            for character in ["é", "€", "𝄞"] {
                // Every position in the character at which the room can end.
                texts.extend((0..character.len()).map(|at| {
                    format!("{}{}", &long[..at], character.repeat(room / character.len() + 2))
                }));
            }
            texts.push("grüße, 日本".into());
            for (requests, given) in (1..).zip(&texts) {
                worker.request(given);
                idle_after(&board, 1, requests);
                let end =
                    (0..=room.min(given.len())).rev().find(|end| given.is_char_boundary(*end));
                let seen = text(&board, 1).unwrap();
                let seen = String::from_utf8(seen).unwrap();
                assert!(seen == given[..end.unwrap()], "{} of {}", seen.len(), given.len());
            }
            assert_eq!(worker.quit(), "");
        });
    }
}

#[test]
fn a_worker_leaves_when_told() {
    each(|language| {
        let mut board = Board::create(Shape::new(2)).unwrap();
        let mut worker = Worker::start(language, &mut board, 1);
        board.order(0, Order::Leave).unwrap(); // not for this one
        worker.request("first");
        worker.send("hold");
        assert_eq!(worker.line(), "holding");
        board.order(1, Order::Leave).unwrap();
        worker.send("go on");
        assert_eq!(worker.line(), "leaving");
        assert!(worker.wait().success());
        idle_after(&board, 1, 2);

        // The next one in this slot begins anew, but for the sequence of texts.
        let mut next = Worker::start(language, &mut board, 1);
        idle_after(&board, 1, 0);
        assert_eq!(text(&board, 1).unwrap_or_default(), b"");
        let mut last = word(&board, 1, TEXT);
        assert!(last >> 16 > 2, "{last:x}");
        for requests in 1..4 {
            next.request("x".repeat(requests));
            idle_after(&board, 1, requests as u64);
            assert_eq!(text(&board, 1), Some("x".repeat(requests).into_bytes()));
            // In one buffer this text, in the other still the one before.
            let text = word(&board, 1, TEXT);
            assert_eq!(text, ((last >> 16) + 1) << 16 | requests as u64);
            assert_eq!([text, last].map(|text| word(&board, 1, stamp(text))), [text, last]);
            last = text;
        }
        assert_eq!(next.quit(), "");
    });
}

#[test]
fn two_workers_do_not_disturb_each_other() {
    const REQUESTS: usize = 400;
    each(|language| {
        let mut board = Board::create(Shape::new(4)).unwrap();
        let mut workers = [1, 2].map(|slot| Worker::start(language, &mut board, slot));
        for (worker, letter) in workers.iter_mut().zip(["a", "b"]) {
            let lines: Vec<String> = (0..REQUESTS).map(|at| letter.repeat(1 + at % 100)).collect();
            worker.send(lines.join("\n"));
        }
        let reader = board.reader();
        let mut snapshot = reader.snapshot();
        eventually("the end of all requests", || {
            reader.read(&mut snapshot);
            for (slot, letter) in [(1, b'a'), (2, b'b')].map(|(n, l)| (snapshot.get(n).unwrap(), l))
            {
                assert!(!slot.is_unsteady());
                let text = slot.text().map_or(&[][..], |text| text.as_bytes());
                assert!(text.iter().all(|byte| *byte == letter), "{slot:?}");
                let states = [State::STARTING, State::IDLE, State::WRITING];
                assert!(states.contains(&slot.state()), "{slot:?}");
            }
            let done = |slot: &SlotView<'_>| slot.requests() == REQUESTS as u64;
            (snapshot.iter().filter(done).count() == 2).then_some(())
        });
        for worker in &mut workers {
            for _ in 0..REQUESTS {
                assert_eq!(worker.line(), "done");
            }
        }
        for slot in [0, 3] {
            see(&board, slot, |slot| {
                assert_eq!((slot.state(), slot.requests(), slot.text()), (State::FREE, 0, None));
            });
        }
        assert_eq!(rustix::fs::tell(board.slots_fd(1).unwrap()), Ok(0), "the shared offset");
        assert_eq!(workers.map(Worker::quit), ["", ""]);
    });
}

#[test]
fn what_a_worker_starts_is_not_given_the_slots_file() {
    // Node has no call for it.
    for language in languages().into_iter().filter(|language| language.extension != "js") {
        let mut board = Board::create(Shape::new(1)).unwrap();
        let worker = Worker::start(language, &mut board, 0);
        idle_after(&board, 0, 0);
        let fds = worker.slots_fds();
        assert!(!fds.is_empty());
        for fd in fds {
            let info = format!("/proc/{}/fdinfo/{fd}", worker.pid());
            let info = fs::read_to_string(info).unwrap();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
            let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
            assert_ne!(flags & OFlags::CLOEXEC.bits(), 0, "{} {fd}: {info}", language.program);
        }
        assert_eq!(worker.quit(), "");
    }
}

#[test]
fn boards_of_other_kinds() {
    let sandbox = Sandbox::new("workers");
    each(|language| {
        let separate = Board::create_separate(Shape::new(4)).unwrap();
        let file = Board::create_file(sandbox.path("board"), Shape::new(4)).unwrap();
        for mut board in [separate, file] {
            let mut workers = [3, 2].map(|slot| Worker::start(language, &mut board, slot));
            for (worker, slot) in workers.iter_mut().zip([3, 2]) {
                worker.request(format!("I am in {slot}"));
                idle_after(&board, slot, 1);
            }
            assert_eq!(text(&board, 3), Some(b"I am in 3".into()));
            assert_eq!(text(&board, 2), Some(b"I am in 2".into()));
            assert_eq!(workers.map(Worker::quit), ["", ""]);
        }
    });
}

#[test]
fn a_killed_worker_leaves_its_last_text() {
    each(|language| {
        let mut board = Board::create(Shape::new(2)).unwrap();
        let mut worker = Worker::start(language, &mut board, 1);
        worker.request("before");
        worker.send("hold");
        assert_eq!(worker.line(), "holding");
        worker.kill();
        assert_eq!(worker.wait().signal(), Some(Signal::KILL));
        assert_eq!(see(&board, 1, |slot| (slot.state(), slot.requests())), (State::WRITING, 1));
        board.release(1).unwrap();
        assert_eq!(see(&board, 1, |slot| slot.state()), State::FREE);
        assert_eq!(text(&board, 1), Some(b"hold".into()));
    });
}

#[test]
fn killed_before_any_store_a_worker_leaves_a_whole_text() {
    each(|language| {
        // What it cannot do within its limit of file sizes ends it: one buffer's stamp, or its bytes.
        for (buffer, stamped) in [(0, 128), (1, 576)] {
            for reached in [stamped, stamped + 8] {
                let mut board = Board::create(Shape::new(1)).unwrap();
                board.prepare(0).unwrap();
                if (word(&board, 0, TEXT) >> 16) % 2 != buffer {
                    board.prepare(0).unwrap(); // once more comes with the start
                }
                let mut worker = Worker::limited(language, &mut board, 0, 4096 + reached);
                idle_after(&board, 0, 0);
                let before = word(&board, 0, TEXT);
                assert_ne!(before >> 16 & 1, buffer, "the next text is for the other");
                let stamps = || [128, 576].map(|at| word(&board, 0, at));
                let mut expected = stamps();
                assert!(!expected.contains(&0));
                worker.send("never told");
                assert!(!worker.wait().success());
                if reached > stamped {
                    expected[usize::try_from(buffer).unwrap()] = 0;
                }
                assert_eq!((stamps(), word(&board, 0, TEXT)), (expected, before), "{reached}");
                assert_eq!(text(&board, 0), Some(Vec::new()));
                assert_eq!(see(&board, 0, |slot| slot.state()), State::WRITING);
            }
        }
    });
}

#[test]
fn killed_while_it_writes_a_worker_leaves_a_whole_text() {
    each(|language| {
        let mut board = Board::create(Shape::new(1)).unwrap();
        let line = |at: usize| ["a", "b", "c"][at % 3].repeat(440 - at % 7);
        let lines: Vec<String> = (0..140).map(line).collect();
        for round in 0..5 {
            let mut worker = Worker::start(language, &mut board, 0);
            worker.send(lines.join("\n"));
            let requests = || see(&board, 0, |slot| slot.requests() > round * 20).then_some(());
            eventually("some requests", requests);
            worker.kill();
            worker.wait();
            let text = text(&board, 0).unwrap();
            assert!(lines.iter().any(|line| line.as_bytes() == text), "{text:?}");
        }
    });
}

#[test]
fn without_a_board_a_worker_serves_all_the_same() {
    each(|language| {
        let mut worker = Worker::bare(language, None);
        worker.request("x".repeat(10_000));
        worker.send("hold");
        assert_eq!(worker.line(), "holding");
        worker.send("go on");
        worker.request("last");
        assert_eq!(worker.quit(), "");
    });
}

#[test]
fn a_board_that_is_none_is_said_and_left_alone() {
    let board = Board::create(Shape::new(2)).unwrap();
    let slots = board.slots_fd(0).unwrap().try_clone_to_owned().unwrap();
    let separate = Board::create_separate(Shape::new(3)).unwrap();
    let other = separate.slots_fd(2).unwrap().try_clone_to_owned().unwrap();
    let memfd = |bytes: &[u8]| {
        let fd = rustix::fs::memfd_create("board", MemfdFlags::CLOEXEC).unwrap();
        rustix::io::pwrite(&fd, bytes, 0).unwrap();
        fd
    };
    let mut real = vec![0; 4096 + 2048];
    rustix::io::pread(&slots, &mut real[..], 0).unwrap();
    let with = |at: usize, word: u64| {
        let mut bytes = real.clone();
        bytes[at..at + 8].copy_from_slice(&word.to_ne_bytes());
        memfd(&bytes)
    };
    let (_closed, pipe) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let null: OwnedFd = File::options().read(true).write(true).open("/dev/null").unwrap().into();
    let wrong: Vec<(OwnedFd, u32)> = vec![
        (with(0, 0), 0),                  // magic
        (with(8, 1 << 56), 0),            // version, in the other byte order
        (with(16, 0), 1),                 // size of a slot
        (with(16, 65_536), 1),            // the file is shorter
        (with(32, u64::MAX), 1),          // count
        (with(24, 1), 0),                 // before the first slot
        (memfd(&real[..4096 + 2047]), 0), // cut short
        (memfd(b""), 0),
        (slots, 2), // after the last
        (other, 0), // before the first
        (pipe, 0),
        (null, 0),
    ];
    each(|language| {
        for (at, (fd, slot)) in wrong.iter().enumerate() {
            let content = || {
                let mut bytes = vec![0; 8192];
                let count = rustix::io::pread(fd, &mut bytes[..], 0).unwrap_or(0);
                bytes.truncate(count);
                bytes
            };
            let before = content();
            let mut worker = Worker::bare(language, Some(Place { fd, slot: *slot }));
            worker.request("served");
            let told = worker.quit();
            let number = format!("descriptor {}", language.at);
            let good = told.starts_with("no scoreboard: ") && told.contains(&number);
            assert!(good && told.lines().count() == 1, "case {at}: {told:?}");
            assert!(content() == before, "case {at}: something was written");
        }
    });
}

/// The crate's example, which prints a board, sees those that it is given the paths of.
fn printed(language: Language) {
    let sandbox = Sandbox::new("print-board");
    let mut board = Board::create(Shape::new(3)).unwrap();
    let mut worker = Worker::start(language, &mut board, 2);
    worker.request("first");
    worker.send("hold");
    assert_eq!(worker.line(), "holding");
    let built = build(&["-p", "superdaemon-scoreboard", "--example", "print_board"]);
    let print = |path: String| {
        let printed = sandbox.run(built.join("examples/print_board")).arg(path).output();
        assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
        let line = printed.stdout.lines().find(|line| line.trim_start().starts_with("2 "));
        line.unwrap_or_else(|| panic!("{}", printed.stdout)).to_owned()
    };
    let number = board.board_fd().as_raw_fd();
    let line = print(format!("/proc/{}/fd/{number}", std::process::id()));
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[..4], ["2", "W", worker.pid().to_string().as_str(), "7"], "{line}");
    assert_eq!((words[5], words.last()), ("1", Some(&"hold")), "{line}");
    // By itself, the slots file tells what the workers say.
    let line = print(format!("/proc/{}/fd/{}", worker.pid(), worker.slots_fds()[0]));
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!((&words[..4], words.last()), (&["2", "W", "-", "-"][..], Some(&"hold")), "{line}");
    worker.send("go on");
    assert_eq!(worker.quit(), "");
}

#[test]
fn python_is_printed() {
    languages().into_iter().filter(|language| language.extension == "py").for_each(printed);
}

#[test]
fn perl_is_printed() {
    languages().into_iter().filter(|language| language.extension == "pl").for_each(printed);
}

#[test]
fn short_enough_to_copy() {
    for extension in ["py", "pl", "rb", "php", "js"] {
        let text = fs::read_to_string(example(&format!("scoreboard_worker.{extension}"))).unwrap();
        assert!(text.lines().count() <= 40, "{extension}: {} lines", text.lines().count());
        let width = text.lines().map(|line| line.chars().count()).max();
        assert!(width <= Some(140), "{extension}: {width:?} columns");
    }
}
