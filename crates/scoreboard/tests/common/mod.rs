//! What the tests with real processes share. A test starts its own binary again, in a role that it
//! gives by a variable; the role's code is in the same test.
#![allow(dead_code)] // each test program uses its part
#![allow(clippy::indexing_slicing)]

pub mod managers;
pub mod vandal;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use scoreboard::{SlotView, Text};

/// How long a test waits for anything.
pub const DEADLINE: Duration = Duration::from_secs(60);

const ROLE: &str = "SCOREBOARD_TEST_ROLE";

/// The role in which this process was started; `None` for the test itself.
pub fn role() -> Option<String> {
    let role = std::env::var(ROLE).ok()?;
    // Many roles end only by a signal.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).unwrap();
    Some(role)
}

/// This binary, to be started in a role of that test.
pub fn play(test: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--quiet", "--test-threads=1"]).env(ROLE, role);
    command.env_remove("SCOREBOARD_FD").env_remove("SCOREBOARD_SLOT");
    command
}

/// As [`play`], as the worker of a slot.
pub fn play_worker(test: &str, role: &str, slots: impl AsFd, slot: u32) -> Command {
    let mut command = play(test, role);
    command.env("SCOREBOARD_FD", "0").env("SCOREBOARD_SLOT", slot.to_string());
    command.stdin(slots.as_fd().try_clone_to_owned().unwrap());
    command
}

/// What a role tells its test.
pub fn say(line: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "> {}", line.as_ref()).and_then(|()| out.flush()).unwrap();
}

/// Until this process is killed.
pub fn wait_for_the_end() -> ! {
    loop {
        std::thread::park();
    }
}

/// A process in a role; killed when dropped.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    said: Receiver<String>,
}

impl Process {
    pub fn spawn(mut command: Command) -> Process {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        let (send, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The test harness may have begun the line.
                if let Some((_, line)) = line.split_once("> ") {
                    let _ = send.send(line.to_owned());
                }
            }
        });
        Process { child, stdin, said }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it says.
    pub fn line(&self) -> String {
        self.said.recv_timeout(DEADLINE).expect("a line of the other process")
    }

    /// What it has said by now, if it is still there.
    pub fn news(&mut self) -> usize {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "{ended:?}");
        self.said.try_iter().count()
    }

    /// Writes a line to its standard input, which must be a pipe.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    pub fn send_kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Kills it, and waits until it has gone.
    pub fn kill(&mut self) {
        self.send_kill();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself: its last lines.
    pub fn finish(mut self) -> Vec<String> {
        drop(self.stdin.take());
        let until = Instant::now() + DEADLINE;
        let mut lines = Vec::new();
        // Its standard output is closed when it ends.
        while let Ok(line) = self.said.recv_timeout(until - Instant::now()) {
            lines.push(line);
        }
        assert!(Instant::now() < until, "it has not ended: {lines:?}");
        assert!(self.child.wait().unwrap().success(), "{lines:?}");
        lines
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until there is an answer.
pub fn eventually<T>(what: &str, mut f: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = f() {
            return value;
        }
        assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}");
        std::thread::yield_now();
    }
}

/// An empty directory, removed when dropped.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Directory {
        Directory::below(&std::env::temp_dir())
    }

    pub fn below(parent: &Path) -> Directory {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("scoreboard-test-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Directory(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What is in it.
    pub fn names(&self) -> Vec<String> {
        names(&self.0)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What is in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// How many descriptors this process has open.
pub fn descriptors() -> usize {
    names(Path::new("/proc/self/fd")).len()
}

/// The processor time that this thread has had.
pub fn cpu_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

/// A text that says what it is: the counter, the slot, then words of both, cut anywhere.
pub fn sentence(slot: u32, counter: u64, into: &mut Vec<u8>) {
    let length = 16 + (counter.wrapping_mul(37) % 425) as usize;
    let fill = (counter ^ u64::from(slot).rotate_right(16)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    into.clear();
    into.resize(length.next_multiple_of(8), 0);
    for (at, word) in into.chunks_exact_mut(8).enumerate() {
        let value = match at {
            0 => counter,
            1 => slot.into(),
            _ => fill,
        };
        word.copy_from_slice(&value.to_ne_bytes());
    }
    into.truncate(length);
}

/// The counter of the [`sentence`] that is the slot's text, to the last byte.
pub fn counter(view: &SlotView<'_>) -> Option<u64> {
    let text = view.text()?;
    let counter = u64::from_ne_bytes(*text.as_bytes().first_chunk()?);
    let mut whole = Vec::new();
    sentence(view.number(), counter, &mut whole);
    assert_eq!(text, Text::new(&whole), "slot {}, counter {counter}", view.number());
    Some(counter)
}
