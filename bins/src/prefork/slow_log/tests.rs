use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use super::*;

struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn facts() -> SlowFacts {
    SlowFacts {
        time: UNIX_EPOCH + Duration::from_millis(1_709_164_799_005),
        id: 9,
        slot: 2,
        generation: 3,
        took: Duration::from_millis(5_021),
        letter: Some('W'),
        text: Some(b"GET /\x1b[2J".to_vec()),
        requests: Some(11),
    }
}

/// Waits until the record says so: a process that has spoken may not stand in its next call yet.
fn describe_until(worker: &Worker, facts: &SlowFacts, call: &str) -> String {
    let pid = Pid::from_raw(worker.0.id().try_into().unwrap()).unwrap();
    let begun = std::time::Instant::now();
    loop {
        let record = describe(pid, facts);
        if record.contains(call) {
            return record;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{call} is not in\n{record}");
        std::thread::yield_now();
    }
}

#[test]
fn a_worker_that_waits_for_its_client() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = "use Socket; socket my $s, AF_INET, SOCK_STREAM, 0; \
                  connect $s, pack_sockaddr_in($ARGV[0], inet_aton('127.0.0.1')) or die; \
                  $| = 1; print fileno($s), qq(\\n); sysread $s, my $x, 1";
    let mut perl = Command::new("perl");
    perl.args(["-e", script, &address.port().to_string()]).stdout(Stdio::piped());
    let mut worker = Worker(perl.spawn().unwrap());
    let (_peer, from) = listener.accept().unwrap();
    let mut fd = String::new();
    BufReader::new(worker.0.stdout.take().unwrap()).read_line(&mut fd).unwrap();
    let call = format!("system call: read({})", fd.trim_end());
    let record = describe_until(&worker, &facts(), &call);
    let head = format!(
        "2024-02-28T23:59:59.005Z worker {} (slot 2, generation 3, start 9) serves a request for 5.021 s\n  \
         says: W \"GET /\\u{{1b}}[2J\", after 11 requests\n  process: ",
        worker.0.id()
    );
    assert!(record.starts_with(&head), "{record}");
    assert!(record.contains(&format!("{from} <- {address}\n")), "{record}");
    assert!(record.contains(&format!("  connection: tcp {from} <- {address}\n")), "{record}");
    assert!(record.lines().skip(1).all(|line| line.starts_with("  ")), "{record}");
    assert!(!record.chars().any(|c| c.is_control() && c != '\n'));
    if rustix::process::geteuid().is_root() {
        assert!(record.contains("  kernel stack:\n    "), "{record}");
    }
}

#[test]
fn a_worker_that_sleeps_or_computes_or_is_gone() {
    let bare = SlowFacts { letter: None, text: None, requests: None, ..facts() };
    let mut worker = Worker(Command::new("sleep").arg("1000").spawn().unwrap());
    let record = describe_until(&worker, &bare, "system call: clock_nanosleep\n");
    assert!(record.contains("process: S (waiting)"), "{record}");
    assert!(!record.contains("says:"), "{record}");
    let busy = Worker(Command::new("perl").args(["-e", "1 while 1"]).spawn().unwrap());
    describe_until(&busy, &bare, "system call: none, it computes\n");
    let pid = Pid::from_raw(worker.0.id().try_into().unwrap()).unwrap();
    worker.0.kill().unwrap();
    worker.0.wait().unwrap();
    assert_eq!(describe(pid, &bare).lines().count(), 1);
}

#[test]
fn a_record_is_bounded() {
    let long = SlowFacts { text: Some(b"\x1b\n".repeat(5_000)), ..facts() };
    let record = describe(Pid::own(), &long);
    assert!(record.len() <= LONGEST && record.ends_with('\n'));
    assert!(cut("x".repeat(LONGEST + 1)).is_empty());
    assert_eq!(cut("x\n".repeat(LONGEST)).len(), LONGEST);
    assert_eq!(cut("x\n".repeat(3)), "x\nx\nx\n");
}

#[test]
fn times() {
    let at = |seconds| Utc(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
    assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(at(951_782_400), "2000-02-29T00:00:00.000Z");
    assert_eq!(at(951_868_800), "2000-03-01T00:00:00.000Z");
    assert_eq!(at(1_735_689_599), "2024-12-31T23:59:59.000Z");
    assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00.000Z");
    assert_eq!(Utc(UNIX_EPOCH - Duration::from_secs(1)).to_string(), at(0));
}

fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("superdaemon-slow-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

#[test]
fn a_file_is_appended_to_and_opened_again() {
    let dir = scratch("file");
    let path = dir.join("slow.log");
    let mut log = SlowLog::open(&path).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    log.write("one\n").unwrap();
    log.torn = true;
    log.write("two\n").unwrap();
    std::fs::rename(&path, dir.join("old")).unwrap();
    log.write("three\n").unwrap();
    log = SlowLog::open(&path).unwrap();
    log.write("four\n").unwrap();
    assert_eq!(std::fs::read_to_string(dir.join("old")).unwrap(), "one\n\ntwo\nthree\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "four\n");
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(SlowLog::open(&path).is_err());
}

#[test]
fn a_full_disk_is_told_of_once() {
    let mut log = SlowLog::open(Path::new("/dev/full")).unwrap();
    let told = log.write("one\n").unwrap_err();
    assert!(told.contains("/dev/full: No space left"), "{told}");
    log.write("two\n").unwrap();
    log.file = append(Path::new("/dev/null")).unwrap();
    let told = log.write("three\n").unwrap_err();
    assert!(told.contains("again, 2 records were lost"), "{told}");
    log.write("four\n").unwrap();
}

#[test]
fn a_fifo_never_blocks() {
    let dir = scratch("fifo");
    let path = dir.join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let error = SlowLog::open(&path).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENXIO), "nobody reads it");
    let mut reader =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
    let mut log = SlowLog::open(&path).unwrap();
    let record = format!("{}\n", "x".repeat(LONGEST - 1));
    let taken = (0..10_000).take_while(|_| log.write(&record).is_ok()).count();
    assert!(taken > 0 && taken < 10_000);
    let mut all = Vec::new();
    let _ = reader.read_to_end(&mut all);
    assert_eq!(all.len(), taken * LONGEST, "whole records only");
    std::fs::remove_dir_all(&dir).unwrap();
}
