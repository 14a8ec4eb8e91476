use super::*;
use crate::legacy::parallel::{Owner, Unread, read_all};
use crate::legacy::testing::Scratch;
use std::os::unix::fs::{MetadataExt, symlink};

fn bytes(length: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(length).collect()
}

/// The only text in a directory, by its length; it must be one of [`bytes`].
fn read(scratch: &Scratch) -> usize {
    let entries = read_all(scratch.path()).unwrap();
    let [only] = &entries[..] else { panic!("{entries:?}") };
    let text = only.text.as_ref().unwrap();
    assert!(*text == bytes(text.len()));
    assert_eq!(only.owner, Owner::Alive);
    text.len()
}

#[test]
fn longer_and_shorter() {
    let scratch = Scratch::new();
    let mut text = LongText::create(scratch.path(), "x").unwrap();
    for length in [0, 1, 439, 100_000, 439, 5000, 0, LongText::MAX, 1] {
        text.write(&bytes(length)).unwrap();
        assert_eq!(read(&scratch), length);
        let file = std::fs::metadata(scratch.path().join("status_x")).unwrap();
        assert_eq!(file.len(), length as u64 + 20, "nothing follows it");
    }
    let error = text.write(&bytes(LongText::MAX + 1)).unwrap_err();
    assert_eq!(error.to_string(), "a text of 16777217 bytes; 16777216 can be read");
    assert_eq!(read(&scratch), 1, "the former text stays");
}

#[test]
fn nothing_written_yet() {
    let scratch = Scratch::new();
    let text = LongText::create(scratch.path(), "x").unwrap();
    let entries = read_all(scratch.path()).unwrap();
    assert_eq!((entries.len(), entries[0].owner), (1, Owner::Alive));
    assert_eq!(entries[0].text.as_ref().unwrap_err().to_string(), "nothing has been written yet");
    assert_eq!(text.file.metadata().unwrap().mode() & 0o777, 0o600);
    assert!(rustix::io::fcntl_getfd(&text.file).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
}

#[test]
fn ids() {
    let scratch = Scratch::new();
    for wrong in ["", "a/b", "..", "/", "x.tmp", ".tmp", "a\0", "a\nb", "\u{85}"] {
        let made = LongText::create(scratch.path(), wrong);
        if wrong == ".." {
            assert!(made.is_ok(), "status_.. is a name like any other");
            continue;
        }
        assert_eq!(made.unwrap_err().kind(), ErrorKind::InvalidInput, "{wrong:?}");
    }
    let long = LongText::create(scratch.path(), &"x".repeat(250)).unwrap_err();
    assert_eq!(long.raw_os_error(), Some(Errno::NAMETOOLONG.raw_os_error()));
    let error = LongText::create(scratch.path(), "a/b").unwrap_err().to_string();
    assert!(error.starts_with("\"a/b\" cannot be an id: "), "{error}");
    let nowhere = LongText::create(scratch.path().join("nowhere"), "x").unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::NotFound);
    let no_dir = LongText::create(scratch.file("file", b""), "x").unwrap_err();
    assert_eq!(no_dir.kind(), ErrorKind::NotADirectory);
    assert_eq!(scratch.names(), ["file"]);
}

/// Whatever stands in the way at the place of the new file or of the temporary one.
#[test]
fn what_is_there_already() {
    let scratch = Scratch::new();
    let victim = scratch.file("victim", b"precious");
    let in_dir = |name: &str| scratch.path().join(name);
    for name in ["status_x", "status_x.tmp"] {
        symlink(&victim, in_dir(name)).unwrap();
        drop(LongText::create(scratch.path(), "x").unwrap());
        std::fs::hard_link(&victim, in_dir(name)).unwrap();
        LongText::create(scratch.path(), "x").unwrap().write(b"text").unwrap();
        rustix::fs::mkfifoat(CWD, in_dir(name), Mode::RUSR).unwrap();
        drop(LongText::create(scratch.path(), "x").unwrap());
        assert_eq!(scratch.names(), ["victim"]);
        std::fs::create_dir(in_dir(name)).unwrap();
        LongText::create(scratch.path(), "x").unwrap_err();
        std::fs::remove_dir(in_dir(name)).unwrap();
        assert_eq!(scratch.names(), ["victim"], "nothing half-made stays");
    }
    assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
}

#[test]
fn only_the_own_file_is_removed() {
    let scratch = Scratch::new();
    let mut first = LongText::create(scratch.path(), "x").unwrap();
    first.write(&bytes(10)).unwrap();
    let mut second = LongText::create(scratch.path(), "x").unwrap();
    second.write(&bytes(20)).unwrap();
    first.write(&bytes(30)).unwrap();
    assert_eq!(read(&scratch), 20);
    drop(first);
    assert_eq!(read(&scratch), 20);
    drop(second);
    assert!(scratch.names().is_empty());
    let third = LongText::create(scratch.path(), "x").unwrap();
    std::fs::remove_file(scratch.path().join("status_x")).unwrap();
    drop(third);
}

/// What a forked process has is a copy with the pid of its parent.
#[test]
fn a_forked_process_leaves_it_alone() {
    let scratch = Scratch::new();
    let mut text = LongText::create(scratch.path(), "x").unwrap();
    text.write(&bytes(10)).unwrap();
    let copy = LongText {
        dir: text.dir.try_clone().unwrap(),
        name: text.name.clone(),
        file: text.file.try_clone().unwrap(),
        owner: Origin::NONE,
        pid: rustix::process::getppid().unwrap().as_raw_nonzero().get().unsigned_abs(),
        record: Vec::new(),
        length: text.length,
    };
    let mut copy = copy;
    let error = copy.write(b"mine").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let parent = copy.pid;
    assert_eq!(
        error.to_string(),
        format!("the text belongs to process {parent}; a forked process creates its own")
    );
    drop(copy);
    assert_eq!(read(&scratch), 10, "it is there, and locked");
}

/// Two that insist on one id: each that succeeds was the owner of the file at some time, no
/// temporary file stays, and nothing waits for ever.
#[test]
fn many_with_one_id() {
    let scratch = Scratch::new();
    let made: usize = std::thread::scope(|scope| {
        let create = || (0..200).filter(|_| LongText::create(scratch.path(), "x").is_ok()).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(create)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(made >= 100, "{made} of 800");
    assert!(scratch.names().iter().all(|name| !name.ends_with(".tmp")), "{:?}", scratch.names());
}

/// A reader never sees a text that was never written.
#[test]
fn read_while_written() {
    const LENGTHS: [usize; 5] = [30_000, 439, 0, 70_000, 5000];
    let scratch = Scratch::new();
    let mut text = LongText::create(scratch.path(), "x").unwrap();
    text.write(&bytes(0)).unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut whole, mut torn) = (0, 0);
            for entry in (0..200).flat_map(|_| read_all(scratch.path()).unwrap()) {
                assert_eq!(entry.owner, Owner::Alive);
                match entry.text {
                    Ok(text) => {
                        assert!(LENGTHS.contains(&text.len()) && text == bytes(text.len()));
                        whole += 1;
                    }
                    Err(Unread::Torn) => torn += 1,
                    Err(other) => panic!("{other}"),
                }
            }
            assert_eq!(whole + torn, 200);
            assert!(whole >= 100, "{whole} whole, {torn} torn");
        });
        for length in LENGTHS.into_iter().cycle().take_while(|_| !reader.is_finished()) {
            text.write(&bytes(length)).unwrap();
        }
    });
}
