//! Logs that are no regular files, or not ours.

use super::*;

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
         error 28); its programs wait for that, but not for long"]
    );
    assert_eq!(sink.fd_to_wait_for().is_none(), sink.retry_after().is_some());
    assert_eq!(sink.flush(), Written { blocked: true, troubles: vec![] }, "said once");
    assert_eq!(sink.backlog(), 4);
    for _ in 0..1000 {
        assert_eq!(sink.flush(), Written { blocked: true, troubles: vec![] });
    }
    sink.since = std::time::Instant::now().checked_sub(PATIENCE);
    let written = sink.flush();
    assert!(!written.blocked && texts(&written)[0].contains("is lost until it can be"));
    assert_eq!((sink.write(b"more"), sink.backlog(), sink.lost), (quiet(), 0, 8));

    let mut sink = Sink::open(&SinkTarget::Path("/dev/full".into()), 0, 0).unwrap();
    assert!(sink.write(b"text").blocked);
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
