use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{Mode, OFlags, fcntl_setfl, mknodat, open};
use rustix::pipe::pipe;

use super::*;

/// A directory for one test.
pub(in crate::supervise::logs) struct Dir(pub(in crate::supervise::logs) PathBuf);

impl Dir {
    pub(in crate::supervise::logs) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("supervise-logs-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(in crate::supervise::logs) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(in crate::supervise::logs) fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        String::from_utf8(bytes).unwrap()
    }

    pub(in crate::supervise::logs) fn fifo(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let kind = rustix::fs::FileType::Fifo;
        mknodat(rustix::fs::CWD, &path, kind, Mode::from_raw_mode(0o600), 0).unwrap();
        path
    }

    /// What a FIFO holds.
    pub(in crate::supervise::logs) fn drain(&self, fifo: &Path) -> String {
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
    fs::create_dir(dir.path("logs")).unwrap();
    assert_eq!(sink.write(b"89"), quiet());
    assert_eq!(dir.read("logs/log"), "89");
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

#[test]
fn a_fifo_that_nobody_reads_blocks_and_loses_nothing() {
    let dir = Dir::new();
    let fifo = dir.fifo("fifo");
    assert!(SinkTarget::Path(fifo.clone()).is_device());
    let mut sink = dir.sink("fifo", 10, 3);
    assert!(!sink.can_pump());
    let text: String = (0..30_000).map(|n| format!("line {n}\n")).collect();
    let mut pieces = text.as_bytes().chunks(READ);
    assert_eq!(sink.write(b"begin\n"), quiet(), "before there is a reader");
    let written = sink.write(pieces.next().unwrap());
    assert_eq!(written, Written { blocked: true, troubles: vec![] });
    assert!(sink.is_blocked() && sink.fd_to_wait_for().is_some());
    assert_eq!(sink.retry_after(), None);
    assert!(sink.write(pieces.next().unwrap()).blocked, "one more was already read");
    let mut all = String::new();
    while sink.is_blocked() {
        all += &dir.drain(&fifo);
        let _ = sink.flush();
    }
    assert_eq!((sink.fd_to_wait_for().is_none(), sink.backlog()), (true, 0));
    for piece in pieces {
        assert_eq!(sink.write(piece), quiet());
        all += &dir.drain(&fifo);
    }
    all += &dir.drain(&fifo);
    assert!(all == format!("begin\n{text}"), "{} bytes of {}", all.len(), text.len() + 6);
    assert_eq!(dir.names(), ["fifo"], "never rotated");
    sink.clear().unwrap();
    assert_eq!(dir.names(), ["fifo"], "never removed");
}

#[test]
fn a_full_device_is_said_once_and_tried_again() {
    let mut sink = Sink::open(&SinkTarget::Path("/dev/full".into()), 0, 0).unwrap();
    let written = sink.write(b"text");
    assert!(written.blocked);
    assert_eq!(
        texts(&written),
        ["could not write to log /dev/full: No space left on device (os \
         error 28); its programs wait until it can be"]
    );
    assert_eq!(sink.fd_to_wait_for().is_none(), sink.retry_after().is_some());
    assert_eq!(sink.flush(), Written { blocked: true, troubles: vec![] }, "said once");
    assert_eq!(sink.backlog(), 4);
    assert_eq!(sink.close()[0].to_string(), "4 bytes for log /dev/full are lost");
}

#[test]
fn a_device_whose_reader_has_gone_keeps_nobody_waiting() {
    let (from, into) = pipe().unwrap();
    for shared in [false, true] {
        let mut device =
            Device::adopt(Path::new("/dev/stdout"), into.try_clone().unwrap()).unwrap();
        assert!(device.is_own(), "a pipe can be opened once more");
        if shared {
            device = Device::share(Path::new("/dev/stdout"), into.try_clone().unwrap());
        }
        let mut sink = Sink::on(device);
        assert_eq!(sink.write(b"read"), quiet());
        let big = vec![b'x'; 100_000];
        assert!(sink.write(&big).blocked, "never waits: shared {shared}");
        let flags = rustix::fs::fcntl_getfl(&into).unwrap();
        assert!(!flags.contains(OFlags::NONBLOCK), "what others share is as it was");
        let mut buffer = [0; 4096];
        let mut total = 0;
        while sink.is_blocked() || total < 100_004 {
            total += read(&from, &mut buffer).unwrap();
            let _ = sink.flush();
        }
        assert_eq!(total, 100_004);
    }
    let mut sink = Sink::on(Device::adopt(Path::new("/dev/stdout"), into).unwrap());
    drop(from);
    let written = sink.write(b"to nobody");
    assert!(!written.blocked);
    assert_eq!(
        texts(&written),
        ["could not write to log /dev/stdout: Broken pipe (os error 32); \
         what programs write is lost until it can be"]
    );
    assert_eq!(sink.write(b"more"), quiet());
    assert_eq!(sink.close(), []);
}

#[test]
fn a_socket_is_written_without_waiting() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let device = Device::adopt(Path::new("/dev/stdout"), OwnedFd::from(ours)).unwrap();
    let mut sink = Sink::on(device);
    let text = vec![b'x'; 4 << 20];
    assert!(sink.write(&text).blocked);
    assert!(sink.fd_to_wait_for().is_some());
    theirs.set_nonblocking(true).unwrap();
    let theirs = OwnedFd::from(theirs);
    let mut total = 0;
    while sink.is_blocked() {
        total += take(&theirs).len();
        let _ = sink.flush();
    }
    assert_eq!(total + take(&theirs).len(), text.len());
}

#[test]
fn standard_output_is_no_file_of_ours_even_if_it_is_one() {
    let dir = Dir::new();
    let path = dir.path("stdout");
    let fd = OwnedFd::from(File::create(&path).unwrap());
    let mut sink = Sink::on(Device::adopt(Path::new("/dev/stdout"), fd).unwrap());
    sink.limit(1, 1);
    assert_eq!(sink.write(b"text"), quiet());
    assert_eq!(sink.reopen(), None);
    sink.clear().unwrap();
    assert_eq!((dir.read("stdout").as_str(), sink.file()), ("text", None));
    assert_eq!(dir.names(), ["stdout"]);
    for name in ["/dev/stdout", "/dev/stderr", "/dev/fd/7", "/proc/self/fd/1", "/dev/null"] {
        assert!(SinkTarget::Path(name.into()).is_device(), "{name}");
    }
    assert!(!SinkTarget::Path(path).is_device());
    assert!(!SinkTarget::Path(dir.path("new")).is_device());
    let error = Sink::open(&SinkTarget::Path(dir.0.clone()), 0, 0).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EISDIR));
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
