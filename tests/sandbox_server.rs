//! A started program: its lines, its signals, its end.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, kill_process, pidfd_open};
use sigpolicy::Signal;

use crate::sandbox::DEADLINE;

/// One line of output.
#[derive(Clone, Debug)]
pub struct Line {
    pub text: String,
    /// When the test's reader got it.
    pub at: Instant,
    /// Always true when both streams share a pipe.
    pub is_stdout: bool,
    taken: bool,
}

impl Line {
    /// The last number of the line: the pid in `starting new worker 17`.
    pub fn number(&self) -> i32 {
        let digits = |text: &&str| !text.is_empty();
        let mut numbers = self.text.split(|c: char| !c.is_ascii_digit()).filter(digits);
        numbers
            .next_back()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("{:?}", self.text))
    }

    /// The number that follows `word`.
    pub fn number_after(&self, word: &str) -> i32 {
        let rest = self.text.split_once(word).map(|(_, rest)| rest.trim_start());
        let digits = rest.map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap());
        digits
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("{:?} {word}", self.text))
    }
}

#[derive(Default)]
struct Output {
    lines: Mutex<Vec<Line>>,
    more: Condvar,
}

/// A program that was started; killed with its sandbox.
pub struct Server {
    child: Child,
    command: String,
    output: Arc<Output>,
    readers: Vec<JoinHandle<()>>,
    status: Option<ExitStatus>,
}

impl Server {
    pub fn new(child: Child, command: String, out: Option<OwnedFd>, err: Option<OwnedFd>) -> Self {
        let output = Arc::new(Output::default());
        let readers = [(out, true), (err, false)]
            .into_iter()
            .filter_map(|(fd, is_stdout)| fd.map(|fd| read(fd, is_stdout, &output)))
            .collect();
        Self { child, command, output, readers, status: None }
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Line>> {
        self.output.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The first line with this text that no wait has returned before.
    ///
    /// # Panics
    /// When it does not come within [`DEADLINE`]; the message holds all lines.
    pub fn wait_line(&self, text: &str) -> Line {
        self.wait_lines(&[text]).remove(0)
    }

    /// A line for each of these texts, in any order of arrival.
    pub fn wait_lines(&self, texts: &[&str]) -> Vec<Line> {
        let until = Instant::now() + DEADLINE;
        let mut found = Vec::new();
        for text in texts {
            let mut lines = self.locked();
            loop {
                if let Some(line) =
                    lines.iter_mut().find(|line| !line.taken && line.text.contains(text))
                {
                    line.taken = true;
                    found.push(line.clone());
                    break;
                }
                let left = until.saturating_duration_since(Instant::now());
                if left == Duration::ZERO {
                    drop(lines);
                    panic!("no line with {text:?} within {DEADLINE:?}\n{}", self.transcript());
                }
                let waited = self.output.more.wait_timeout(lines, left);
                lines = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
            }
        }
        found
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.locked().iter().map(|line| line.text.clone()).collect()
    }

    /// All lines so far with their time and stream.
    pub fn stamped(&self) -> Vec<Line> {
        self.locked().clone()
    }

    /// How many lines so far have this text in them.
    pub fn count(&self, text: &str) -> usize {
        self.locked().iter().filter(|line| line.text.contains(text)).count()
    }

    /// Everything for a person who looks at a failed test.
    pub fn transcript(&self) -> String {
        let lines = self.locked();
        let start = lines.first().map(|line| line.at);
        let mut text = format!("--- {} (pid {})\n", self.command, self.child.id());
        for line in lines.iter() {
            let at = start.map_or(0.0, |start| (line.at - start).as_secs_f64());
            text.push_str(&format!("{at:8.3} {}\n", line.text));
        }
        text
    }

    /// Waits until the program itself sleeps: it has done all that it wanted to do after its last
    /// line, and has taken every signal that was sent. Perl's program serves a signal that comes
    /// earlier with the state of before.
    pub fn settle(&self) {
        let sleeps = || (stat_field(self.pid(), 3)? == "S").then_some(());
        for _ in 0..2 {
            crate::sandbox::eventually("the program is idle", sleeps);
            crate::sandbox::pause();
        }
    }

    /// Sends a signal to the program itself.
    pub fn signal(&self, signal: Signal) {
        assert!(
            self.status.is_none(),
            "signal for a program that has ended\n{}",
            self.transcript()
        );
        kill(self.pid(), signal);
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        self.status.is_none() && {
            self.status = self.child.try_wait().unwrap();
            self.status.is_none()
        }
    }

    /// Waits for its end and for the end of its output.
    ///
    /// # Panics
    /// When it still runs after [`DEADLINE`]; the message holds all lines.
    pub fn wait_exit(&mut self) -> ExitStatus {
        let status = match self.status {
            Some(status) => status,
            None => {
                assert!(wait_pid(self.pid(), DEADLINE), "it does not end\n{}", self.transcript());
                self.child.wait().unwrap()
            }
        };
        self.status = Some(status);
        // A worker or a logger that lives on may hold the pipe: its output is not waited for.
        let until = Instant::now() + Duration::from_secs(2);
        while self.readers.iter().any(|reader| !reader.is_finished()) && Instant::now() < until {
            crate::sandbox::pause();
        }
        status
    }

    /// TERM, and the end with exit code 0.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.wait_exit();
        assert_eq!(status.code(), Some(0), "{status} {:?}\n{}", status.signal(), self.transcript());
    }

    /// What it wrote to each stream.
    pub fn texts(&self) -> (String, String) {
        let lines = self.locked();
        let of = |is_stdout| -> String {
            let lines = lines.iter().filter(|line| line.is_stdout == is_stdout);
            lines.map(|line| format!("{}\n", line.text)).collect()
        };
        (of(true), of(false))
    }
}

/// Sends a signal to any process of the test.
pub fn kill(pid: i32, signal: Signal) {
    let signal = rustix::process::Signal::from_named_raw(signal.as_raw()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), signal)
        .unwrap_or_else(|error| panic!("{pid}: {error}"));
}

/// Waits for the end of any process, a child or not; false when it lives on after `limit`.
pub fn wait_pid(pid: i32, limit: Duration) -> bool {
    let Ok(pidfd) = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) else {
        return true;
    };
    let until = Instant::now() + limit;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(_) => {}
        }
    }
}

fn read(fd: OwnedFd, is_stdout: bool, output: &Arc<Output>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut reader = BufReader::new(File::from(fd));
        let mut bytes = Vec::new();
        while let Ok(1..) = reader.read_until(b'\n', &mut bytes) {
            let text =
                String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(&bytes)).into_owned();
            bytes.clear();
            let line = Line { text, at: Instant::now(), is_stdout, taken: false };
            let mut lines = output.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            lines.push(line);
            output.more.notify_all();
        }
    })
}

/// The lines with pids replaced by `P1`, `P2`, ... in the order of their appearance.
///
/// Lists of pids are sorted anew: their order depends on the numbers alone.
pub fn normalise(lines: &[String]) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    let mut name = |digits: &str| {
        let index = seen.iter().position(|pid| pid == digits).unwrap_or_else(|| {
            seen.push(digits.to_owned());
            seen.len() - 1
        });
        format!("P{}", index + 1)
    };
    lines
        .iter()
        .map(|line| {
            for before in ["(pid:", "worker ", "workers:", "bye "] {
                let Some((head, tail)) = line.split_once(before) else { continue };
                let end =
                    tail.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(tail.len());
                let (pids, rest) = tail.split_at(end);
                if pids.is_empty() {
                    continue;
                }
                let mut names: Vec<String> = pids.split(',').map(&mut name).collect();
                names.sort();
                return format!("{head}{before}{}{rest}", names.join(","));
            }
            line.clone()
        })
        .collect()
}

/// A field of `/proc/PID/stat`, counted as in proc_pid_stat(5).
pub fn stat_field(pid: i32, number: usize) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.split(' ').nth(number - 3)?.to_owned())
}

/// The session of the tests themselves: 0 where it was made outside of this pid namespace.
pub fn own_session() -> String {
    stat_field(i32::try_from(std::process::id()).unwrap(), 6).unwrap()
}
