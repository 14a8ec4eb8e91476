use super::*;
use crate::legacy::testing::Scratch;
use rustix::fs::{CWD, FlockOperation, Mode, flock, mkfifoat};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, symlink};
use std::os::unix::net::UnixListener;
use std::thread;

/// A file with an owner: this process.
fn owned(scratch: &Scratch, name: &str, content: &[u8]) -> File {
    let path = scratch.file(name, content);
    let file = File::options().read(true).write(true).open(path).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    file
}

fn only(scratch: &Scratch) -> Entry {
    let mut entries = read_all(scratch.path()).unwrap();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

#[test]
fn owners_alive_and_dead() {
    let scratch = Scratch::new();
    let _alive = owned(&scratch, "status_11", &encode(b"alive"));
    scratch.file("status_12", &encode(b"dead"));
    let _beginning = owned(&scratch, "status_13", b"");
    let _next = owned(&scratch, "status_14.tmp", &encode(b"not yet"));
    scratch.file("other", &encode(b"no status"));
    let entries = read_all(scratch.path()).unwrap();
    let shown: Vec<String> = entries
        .iter()
        .map(|entry| match &entry.text {
            Ok(text) => format!("{:?} {:?} {}", entry.pid(), entry.owner, text.escape_ascii()),
            Err(unread) => format!("{:?} {:?} ({unread})", entry.pid(), entry.owner),
        })
        .collect();
    assert_eq!(
        shown,
        [
            "Some(11) Alive alive",
            "Some(12) Dead dead",
            "Some(13) Alive (nothing has been written yet)"
        ]
    );
    let names = ["other", "status_11", "status_12", "status_13", "status_14.tmp"];
    assert_eq!(scratch.names(), names, "nothing is removed");
}

/// A duplicate of the descriptor, as a forked process has it.
#[test]
fn whoever_keeps_the_file_open_holds_the_lock() {
    let scratch = Scratch::new();
    let file = owned(&scratch, "status_x", &encode(b""));
    let copy = file.try_clone().unwrap();
    drop(file);
    assert_eq!(only(&scratch).owner, Owner::Alive);
    drop(copy);
    assert_eq!(only(&scratch).owner, Owner::Dead);
}

/// Readers ask for the lock all the time, and do not take each other for the owner.
#[test]
fn readers_do_not_disturb_each_other() {
    let scratch = Scratch::new();
    scratch.file("status_x", &encode(b"dead"));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|_| assert_eq!(only(&scratch).owner, Owner::Dead)));
        }
    });
}

/// The Perl module's reader locks the file of a dead owner before it removes it.
#[test]
fn a_file_that_is_being_removed() {
    let scratch = Scratch::new();
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for entry in (0..500).flat_map(|_| read_all(scratch.path()).unwrap()) {
                assert_eq!(entry.text.unwrap(), b"text");
            }
        });
        while !reader.is_finished() {
            drop(owned(&scratch, "status_x.tmp", &encode(b"text")));
            let path = scratch.path().join("status_x");
            std::fs::rename(scratch.path().join("status_x.tmp"), &path).unwrap();
            let file = File::open(&path).unwrap();
            let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
            drop(file);
            std::fs::remove_file(&path).unwrap();
        }
    });
}

#[test]
fn ids_that_are_pids() {
    let cases =
        [("1", Some(1)), ("4194304", Some(4_194_304)), ("2147483647", Some(i32::MAX as u32))];
    for (id, expected) in cases {
        assert_eq!(pid(OsStr::new(id)), expected);
    }
    for other in ["", "0", "01", "+1", "-1", " 1", "1 ", "1.tmp", "2147483648", "x", "١"] {
        assert_eq!(pid(OsStr::new(other)), None, "{other:?}");
    }
}

#[test]
fn ids_are_any_bytes() {
    let scratch = Scratch::new();
    let wild: [&[u8]; 5] = [b"", b"\x1b[31m\n", b"tmp", b"x.tmp.1", b"\xff\xfe"];
    for id in wild {
        let name = [b"status_", id].concat();
        std::fs::write(scratch.path().join(OsStr::from_bytes(&name)), encode(id)).unwrap();
    }
    let entries = read_all(scratch.path()).unwrap();
    let ids: Vec<&[u8]> = entries.iter().map(|entry| entry.id.as_bytes()).collect();
    assert_eq!(ids, wild, "in their order");
    for entry in &entries {
        assert_eq!(entry.text.as_deref().unwrap(), entry.id.as_bytes());
        assert_eq!(entry.pid(), None);
    }
}

#[test]
fn what_is_no_file_is_not_opened() {
    let scratch = Scratch::new();
    let in_dir = |name: &str| scratch.path().join(name);
    let target = scratch.file("target", &encode(b"elsewhere"));
    symlink(&target, in_dir("status_link")).unwrap();
    symlink("status_loop", in_dir("status_loop")).unwrap();
    symlink("/dev/zero", in_dir("status_device")).unwrap();
    mkfifoat(CWD, in_dir("status_fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    std::fs::create_dir(in_dir("status_dir")).unwrap();
    let _listener = UnixListener::bind(in_dir("status_socket")).unwrap();
    let _good = owned(&scratch, "status_good", &encode(b"good"));
    let entries = read_all(scratch.path()).unwrap();
    assert_eq!(entries.len(), 7);
    for entry in entries {
        if entry.id == "good" {
            assert_eq!(entry.text.unwrap(), b"good");
        } else {
            assert!(matches!(entry.text, Err(Unread::NoFile)), "{entry:?}");
            assert_eq!(entry.owner, Owner::Unknown);
        }
    }
}

#[test]
fn records_that_are_not_whole() {
    let scratch = Scratch::new();
    let record = encode(&[b'x'; 10_000]);
    let mut other = record.clone();
    other[5000] ^= 1;
    let long = [&[0; 16][..], &((MAX_TEXT + 1) as u32).to_be_bytes(), &[0; 10_000]].concat();
    let cases: [(&[u8], &str); 7] = [
        (&record[..19], "no whole record in 10 attempts"),
        (&record[..4096], "no whole record in 10 attempts"),
        (&record[..9999], "no whole record in 10 attempts"),
        (&other, "no whole record in 10 attempts"),
        (&[0; 100], "no whole record in 10 attempts"),
        (&long, "a text of more than 16777216 bytes"),
        (&[0xff; 5000], "a text of more than 16777216 bytes"),
    ];
    for (content, expected) in cases {
        let file = owned(&scratch, "status_x", content);
        assert_eq!(only(&scratch).text.unwrap_err().to_string(), expected);
        drop(file);
        let dead = only(&scratch);
        assert_eq!(dead.text.unwrap_err().to_string(), expected);
        assert_eq!(dead.owner, Owner::Dead);
    }
}

#[test]
fn sizes_have_limits() {
    let scratch = Scratch::new();
    let text = vec![b'x'; MAX_TEXT];
    let file = owned(&scratch, "status_x", &encode(&text));
    assert!(only(&scratch).text.unwrap() == text, "the longest");
    file.set_len(1 << 40).unwrap();
    assert!(only(&scratch).text.unwrap() == text, "what follows is not read");
    file.write_at(&[0xff; 20], 0).unwrap();
    assert!(matches!(only(&scratch).text, Err(Unread::TooLong)));
    // One file says that it is long, and is not.
    file.write_at(&[0, 0xff, 0xff, 0xff], 16).unwrap();
    file.set_len(5000).unwrap();
    assert!(matches!(only(&scratch).text, Err(Unread::Torn)));
}

#[test]
fn the_whole_has_a_limit() {
    let scratch = Scratch::new();
    // They announce the longest text, and memory is had for it, but there is less.
    let announced = [&[0; 16][..], &(MAX_TEXT as u32).to_be_bytes(), &[0; 5000]].concat();
    let first = scratch.file("status_00", &announced);
    let last = 20;
    for number in 1..last {
        let name = format!("status_{number:02}");
        std::fs::hard_link(&first, scratch.path().join(name)).unwrap();
    }
    scratch.file(&format!("status_{last}"), &encode(b"short"));
    let entries = read_all(scratch.path()).unwrap();
    let torn = entries.iter().filter(|entry| matches!(entry.text, Err(Unread::Torn)));
    assert_eq!(torn.count(), 15, "of 256 MiB");
    let too_much = entries.iter().filter(|entry| matches!(entry.text, Err(Unread::TooMuch)));
    assert_eq!(too_much.count(), 5);
    assert_eq!(entries.last().unwrap().text.as_deref().unwrap(), b"short", "there is room for it");
}

#[test]
fn a_directory_must_be_one_and_not_too_large() {
    let scratch = Scratch::new();
    let kind = |path: &Path| read_all(path).unwrap_err().kind();
    assert_eq!(kind(&scratch.path().join("nowhere")), io::ErrorKind::NotFound);
    assert_eq!(kind(&scratch.file("file", b"")), io::ErrorKind::NotADirectory);
    assert!(read_all(scratch.path()).unwrap().is_empty());
    for name in ["status_1", "other", "status_2", "status_3.tmp"] {
        scratch.file(name, b"");
    }
    let dir = File::open(scratch.path()).unwrap();
    assert_eq!(walk::names(dir.as_fd(), 2).unwrap(), [c"status_1", c"status_2"]);
    let error = walk::names(dir.as_fd(), 1).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(error.to_string(), "more than 1 status files");
}

/// An owner that follows no rules: it cuts and grows its file, and replaces it by others
/// and by what is none, all the time.
#[test]
fn files_that_change_while_they_are_read() {
    let scratch = Scratch::new();
    let texts = [vec![b'a'; 50], vec![b'b'; 4076], vec![b'c'; 4077], vec![b'd'; 60_000]];
    let records: Vec<Vec<u8>> = texts.iter().map(|text| encode(text)).collect();
    let mut file = owned(&scratch, "status_x", &records[0]);
    let mut random = fastrand::Rng::with_seed(7);
    let (path, next) = (scratch.path().join("status_x"), scratch.path().join("status_x.tmp"));
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            // None at all when the name changes its file again and again during the walk.
            for entry in (0..300).flat_map(|_| read_all(scratch.path()).unwrap()) {
                match entry.text {
                    Ok(text) => assert!(texts.contains(&text), "{} bytes", text.len()),
                    Err(Unread::Torn | Unread::Empty | Unread::NoFile) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
        });
        while !reader.is_finished() {
            let record = random.choice(&records).unwrap();
            match random.u8(..6) {
                0 => file.set_len(random.u64(..70_000)).unwrap(),
                1 => {
                    file = owned(&scratch, "status_x.tmp", b"");
                    file.write_all(record).unwrap();
                    std::fs::rename(&next, &path).unwrap();
                }
                2 => {
                    mkfifoat(CWD, &next, Mode::RUSR | Mode::WUSR).unwrap();
                    std::fs::rename(&next, &path).unwrap();
                }
                3 => {
                    symlink("/dev/zero", &next).unwrap();
                    std::fs::rename(&next, &path).unwrap();
                }
                _ => file.write_all_at(record, 0).unwrap(),
            }
        }
    });
}
