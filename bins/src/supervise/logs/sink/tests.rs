use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{Mode, OFlags, fcntl_setfl, mknodat, open};
use rustix::pipe::pipe;

use super::*;

mod devices;

/// A directory for one test.
pub(in crate::supervise) struct Dir(pub(in crate::supervise) PathBuf);

impl Dir {
    pub(in crate::supervise) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("supervise-logs-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(in crate::supervise) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(in crate::supervise) fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        String::from_utf8(bytes).unwrap()
    }

    pub(in crate::supervise) fn fifo(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let kind = rustix::fs::FileType::Fifo;
        mknodat(rustix::fs::CWD, &path, kind, Mode::from_raw_mode(0o600), 0).unwrap();
        path
    }

    /// What a FIFO holds.
    pub(in crate::supervise) fn drain(&self, fifo: &Path) -> String {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        take(&open(fifo, flags, Mode::empty()).unwrap())
    }

    fn sink(&self, name: &str, maxbytes: i64, backups: i64) -> Sink {
        Sink::open(&SinkTarget::Path(self.path(name)), maxbytes, backups).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entry = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = fs::read_dir(&self.0).unwrap().map(entry).collect();
        names.sort();
        names.into_iter().map(|name| name.into_string().unwrap()).collect()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a pipe holds whose read end does not wait.
fn take(from: &OwnedFd) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65536];
    while let Ok(count @ 1..) = read(from, &mut buffer) {
        bytes.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(bytes).unwrap()
}

fn quiet() -> Written {
    Written::default()
}

fn texts(written: &Written) -> Vec<String> {
    written.troubles.iter().map(ToString::to_string).collect()
}

/// A program's pipe: our end does not wait.
fn stream() -> (OwnedFd, File) {
    let (from, into) = pipe().unwrap();
    fcntl_setfl(&from, OFlags::NONBLOCK).unwrap();
    (from, File::from(into))
}

#[test]
fn a_file_rotates_after_the_write_that_fills_it() {
    let dir = Dir::new();
    let mut sink = dir.sink("log", 10, 2);
    for text in ["12345", "6789", "0", "second", "second", "third", "third", "fourth"] {
        assert_eq!(sink.write(text.as_bytes()), quiet());
    }
    assert_eq!(dir.names(), ["log", "log.1", "log.2"]);
    assert_eq!(dir.read("log"), "fourth");
    assert_eq!(dir.read("log.1"), "thirdthird");
    assert_eq!(dir.read("log.2"), "secondsecond", "the oldest is gone");
    assert_eq!(sink.write(b"a write is never cut in two"), quiet());
    assert_eq!(dir.read("log.1"), "fourtha write is never cut in two");
    assert_eq!(dir.read("log"), "");
}

#[test]
fn the_size_goes_on_from_what_is_there() {
    let dir = Dir::new();
    fs::write(dir.path("log"), "12345678").unwrap();
    let mut sink = dir.sink("log", 10, 1);
    assert_eq!(dir.read("log"), "12345678", "nothing happens before a write");
    assert_eq!(sink.write(b"9"), quiet());
    assert_eq!(sink.write(b"0"), quiet());
    assert_eq!(dir.read("log.1"), "1234567890");
    // Cut from outside, as by logrotate's copytruncate, and written by another.
    assert_eq!(sink.write(b"12345"), quiet());
    File::create(dir.path("log")).unwrap();
    assert_eq!(sink.write(b"12345"), quiet());
    let mut other = File::options().append(true).open(dir.path("log")).unwrap();
    other.write_all(b"ab").unwrap();
    assert_eq!(sink.write(b"67"), quiet());
    assert_eq!(dir.read("log"), "12345ab67");
}

#[test]
fn limits_have_their_special_values() {
    let dir = Dir::new();
    for maxbytes in [0, -1] {
        let name = format!("log{maxbytes}");
        let mut sink = dir.sink(&name, maxbytes, 3);
        assert_eq!(sink.write(&[b'x'; 100_000]), quiet());
        assert_eq!(dir.read(&name).len(), 100_000);
    }
    for backups in [0, -1] {
        let name = format!("cut{backups}");
        let mut sink = dir.sink(&name, 4, backups);
        assert_eq!(sink.write(b"12345"), quiet());
        assert_eq!(dir.read(&name), "");
        assert_eq!(sink.write(b"67"), quiet());
        assert_eq!(dir.read(&name), "67");
    }
    let mut endless = dir.sink("log", 1, i64::MAX);
    assert_eq!(endless.write(b"a"), quiet());
    assert_eq!(dir.names(), ["cut-1", "cut0", "log", "log-1", "log.1", "log0"]);
}

#[test]
fn gaps_and_modes_survive() {
    let dir = Dir::new();
    fs::write(dir.path("log.2"), "two").unwrap();
    fs::write(dir.path("log.4"), "four").unwrap();
    let mut sink = dir.sink("log", 1, 4);
    let mode = |name: &str| fs::metadata(dir.path(name)).unwrap().permissions().mode() & 0o777;
    fs::set_permissions(dir.path("log"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(sink.write(b"one"), quiet());
    assert_eq!(dir.names(), ["log", "log.1", "log.3", "log.4"]);
    assert_eq!(dir.read("log.3"), "two");
    assert_eq!(dir.read("log.4"), "four");
    assert_eq!((mode("log.1"), mode("log")), (0o600, 0o600), "an automatic log stays private");
}

#[test]
fn clearing_and_reopening() {
    let dir = Dir::new();
    let mut sink = dir.sink("log", 5, 2);
    assert_eq!(sink.write(b"first"), quiet());
    assert_eq!(sink.write(b"two"), quiet());
    sink.clear().unwrap();
    assert_eq!((dir.read("log").as_str(), dir.read("log.1").as_str()), ("", "first"));
    fs::rename(dir.path("log"), dir.path("moved")).unwrap();
    assert_eq!(sink.write(b"a"), quiet());
    assert_eq!(sink.reopen(), None);
    assert_eq!(sink.write(b"b"), quiet());
    assert_eq!((dir.read("moved").as_str(), dir.read("log").as_str()), ("a", "b"));
    assert_eq!(sink.renew(), None);
    assert_eq!(sink.file(), Some(dir.path("log").as_path()));
}

#[test]
fn a_directory_that_vanished_is_used_again_when_it_is_back() {
    let dir = Dir::new();
    fs::create_dir(dir.path("logs")).unwrap();
    let mut sink = dir.sink("logs/log", 4, 1);
    fs::remove_dir_all(dir.path("logs")).unwrap();
    let troubles = sink.renew();
    assert!(troubles.unwrap().to_string().contains("could not reopen log "), "it is said");
    let written = sink.write(b"12345");
    assert!(!written.blocked, "the program is not made to wait");
    assert!(texts(&written)[0].starts_with("could not rotate log file "), "{written:?}");
    assert_eq!(sink.write(b"67"), quiet(), "said once");
    assert_eq!(sink.renew(), None, "said once");
    fs::create_dir(dir.path("logs")).unwrap();
    let written = sink.write(b"89");
    assert!(texts(&written)[0].ends_with("logs/log could be opened again"), "{written:?}");
    assert_eq!(sink.write(b"ab"), quiet());
    assert_eq!(dir.read("logs/log.1"), "89ab", "rotated as if nothing had been");
}

#[test]
fn a_file_that_cannot_be_rotated_goes_on() {
    let dir = Dir::new();
    let mut sink = dir.sink("log", 4, 1);
    fs::create_dir(dir.path("log.1")).unwrap();
    let written = sink.write(b"12345");
    assert_eq!(texts(&written).len(), 1, "{written:?}");
    assert!(!written.blocked);
    assert_eq!(sink.write(b"678"), quiet(), "said once");
    assert_eq!(dir.read("log"), "12345678");
    fs::remove_dir(dir.path("log.1")).unwrap();
    let written = sink.write(&vec![b'x'; READ]);
    assert!(texts(&written)[0].ends_with("could be rotated again"), "{written:?}");
    assert_eq!(dir.read("log.1").len(), 8 + READ);
    assert_eq!(dir.read("log"), "");
}

#[test]
fn what_is_pumped_is_rotated_like_what_is_written() {
    let dir = Dir::new();
    let text: Vec<u8> = (0..100_000_u32).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    let mut pumped = dir.sink("pumped", 300_000, 9);
    let mut buffer = vec![0; READ];
    let (from, mut into) = stream();
    assert_eq!(pumped.pump(from.as_fd(), &mut buffer).unwrap(), Pumped::default(), "empty");
    let mut written = dir.sink("written", 300_000, 9);
    for piece in text.chunks(65536) {
        into.write_all(piece).unwrap();
        let done = pumped.pump(from.as_fd(), &mut buffer).unwrap();
        assert_eq!((done.bytes, done.end, done.written), (piece.len(), false, quiet()));
        assert_eq!(written.write(piece), quiet());
    }
    drop(into);
    let end = pumped.pump(from.as_fd(), &mut buffer).unwrap();
    assert_eq!((end.bytes, end.end), (0, true));
    let Target::File(file) = &pumped.target else { panic!("{pumped:?}") };
    assert!(file.can_splice(), "this test is of splice(2)");
    assert_eq!(dir.names().len(), 2 * 4);
    for number in ["", ".1", ".2", ".3"] {
        let (a, b) = (dir.read(&format!("pumped{number}")), dir.read(&format!("written{number}")));
        assert!(a == b, "pumped{number} differs: {} and {} bytes", a.len(), b.len());
    }
}

#[test]
fn pumping_finds_the_end_of_the_file_and_does_without_splice() {
    let dir = Dir::new();
    let mut sink = dir.sink("log", 0, 0);
    let (from, mut into) = stream();
    let mut buffer = vec![0; READ];
    let mut pump = |sink: &mut Sink, text: &[u8]| {
        into.write_all(text).unwrap();
        assert_eq!(sink.pump(from.as_fd(), &mut buffer).unwrap().bytes, text.len());
    };
    pump(&mut sink, b"one ");
    assert_eq!(sink.write(b"two "), quiet());
    pump(&mut sink, b"three ");
    let mut other = File::options().append(true).open(dir.path("log")).unwrap();
    other.write_all(b"other ").unwrap();
    pump(&mut sink, b"four");
    assert_eq!(dir.read("log"), "one two three other four");
    other.set_len(0).unwrap();
    pump(&mut sink, b"cut");
    assert_eq!(dir.read("log"), "cut");

    let (Target::File(file), append) = (&mut sink.target, OFlags::APPEND) else { panic!() };
    fcntl_setfl(file.fd(), append).unwrap();
    pump(&mut sink, b" and copied");
    assert_eq!(dir.read("log"), "cut and copied");
    let mut nowhere = Sink::open(&SinkTarget::Nothing, 0, 0).unwrap();
    assert!(nowhere.can_pump());
    pump(&mut nowhere, b"gone");
}

/// In a process of its own, as the limit is one of the process.
#[test]
fn a_file_that_may_not_grow_makes_its_programs_wait_and_recovers() {
    const INSIDE: &str = "SUPERVISE_LOGS_LIMITED";
    if std::env::var_os(INSIDE).is_none() {
        let name = "supervise::logs::sink::tests::\
                    a_file_that_may_not_grow_makes_its_programs_wait_and_recovers";
        let script = "trap '' XFSZ; ulimit -S -f 8; exec \"$0\" --exact \"$1\" --nocapture";
        let output = std::process::Command::new("sh")
            .args(["-c", script])
            .arg(std::env::current_exe().unwrap())
            .arg(name)
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text} {output:?}");
        return;
    }
    let dir = Dir::new();
    let mut sink = dir.sink("log", 0, 0);
    let text: String = (0..1000).map(|n| format!("line {n:04}\n")).collect();
    let written = sink.write(text.as_bytes());
    assert!(written.blocked);
    assert!(texts(&written)[0].contains("File too large"), "{written:?}");
    let size = fs::metadata(dir.path("log")).unwrap().size();
    assert_eq!(size + sink.backlog() as u64, 10_000, "nothing is lost");
    assert!(size > 0 && sink.retry_after().is_some() && sink.fd_to_wait_for().is_none());
    let (from, mut into) = stream();
    let mut buffer = vec![0; READ];
    into.write_all(b"in the pipe\n").unwrap();
    let pumped = sink.pump(from.as_fd(), &mut buffer).unwrap();
    assert_eq!((pumped.bytes, pumped.written.blocked), (0, true), "it stays in the pipe");
    assert_eq!(sink.write(b""), Written { blocked: true, troubles: vec![] });

    let none = rustix::process::Rlimit { current: None, maximum: None };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, none).unwrap();
    let written = sink.flush();
    assert_eq!((written.blocked, texts(&written).len()), (false, 1));
    assert!(texts(&written)[0].ends_with("can be written again"), "{written:?}");
    assert_eq!(sink.pump(from.as_fd(), &mut buffer).unwrap().bytes, 12);
    assert_eq!(dir.read("log"), format!("{text}in the pipe\n"));

    // Full for splice(2), too.
    let here = rustix::process::Rlimit { current: Some(10_012), maximum: None };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, here).unwrap();
    into.write_all(b"later\n").unwrap();
    let pumped = sink.pump(from.as_fd(), &mut buffer).unwrap();
    assert_eq!((pumped.bytes, pumped.end, pumped.written.blocked), (0, false, true));
    assert_eq!(pumped.written.troubles.len(), 1, "{pumped:?}");
    rustix::process::setrlimit(rustix::process::Resource::Fsize, none).unwrap();
    assert_eq!(sink.flush(), quiet(), "the host may read again");
    let pumped = sink.pump(from.as_fd(), &mut buffer).unwrap();
    assert_eq!((pumped.bytes, pumped.written.troubles.len()), (6, 1));
    assert_eq!(dir.read("log"), format!("{text}in the pipe\nlater\n"));
}
