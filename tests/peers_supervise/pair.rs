//! One configuration under the real program and under ours, each in a sandbox of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use sigpolicy::Signal;

use crate::peers::{installed, program};
use crate::sandbox::{Sandbox, Server, pause, wait_pid};

/// Debian's supervisord.
pub const REAL: &str = "/usr/bin/supervisord";
/// supervisord waits a second where ours does not, and lets its groups go one by one.
const PATIENCE: Duration = Duration::from_secs(90);

/// Our program.
pub fn ours() -> &'static str {
    env!("CARGO_BIN_EXE_supervise")
}

/// Whether there is a supervisord to compare with.
pub fn supervisord() -> bool {
    installed("supervisor", program("supervisord")) && installed("python3", program("python3"))
}

/// One of the two.
pub struct Side {
    pub name: &'static str,
    pub sandbox: Sandbox,
    pub server: Server,
}

/// Both, with the same configuration.
pub struct Pair {
    pub sides: [Side; 2],
}

/// The section of the listener that writes PROCESS_STATE events into the file `events`.
pub const WATCH: &str = "[eventlistener:watch]\n\
    command=/usr/bin/python3 -IS <DIR>/watch.py <DIR>/events\n\
    events=PROCESS_STATE\nbuffer_size=1000\nstderr_logfile=<DIR>/watch.err\n";

impl Pair {
    /// Starts both. `<DIR>` in any text is the directory of each; `more` belongs to `[supervisord]`,
    /// executable are files with a `#!` or whose name ends in `.x`, and those (with their directory)
    /// whose name begins with `closed` are for their owner only.
    pub fn start(topic: &str, more: &str, body: &str, files: &[(&str, &str)]) -> Self {
        let side = |name: &'static str, program: &str| {
            let sandbox = Sandbox::new(&format!("{topic}-{name}"));
            let dir = sandbox.path("").to_str().unwrap().trim_end_matches('/').to_owned();
            let write = |file: &str, text: &str| {
                let path = sandbox.write(file, text.replace("<DIR>", &dir));
                let executable = text.starts_with("#!") || file.ends_with(".x");
                let mode = if executable { 0o755 } else { 0o644 };
                let closed = file.starts_with("closed");
                let mode = if closed { mode & 0o700 } else { mode };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                if closed && file.contains('/') {
                    let parent = path.parent().unwrap();
                    fs::set_permissions(parent, fs::Permissions::from_mode(0o700)).unwrap();
                }
            };
            write("watch.py", include_str!("watch.py"));
            write("events", "");
            files.iter().for_each(|(file, text)| write(file, text));
            let head = "[supervisord]\nnodaemon=true\nlogfile=<DIR>/main.log\n\
                        pidfile=<DIR>/pid\nchildlogdir=<DIR>\n";
            write("supervisord.conf", &format!("{head}{more}\n{body}"));
            let conf = sandbox.path("supervisord.conf");
            let server = sandbox.run(program).arg("-c").arg(conf).spawn();
            Side { name, sandbox, server }
        };
        Self { sides: [side("real", REAL), side("ours", ours())] }
    }

    /// Waits until nothing is missing any more on either side.
    pub fn wait(&self, what: &str, missing: impl Fn(&Side) -> Vec<String>) {
        let until = Instant::now() + PATIENCE;
        loop {
            let missing: Vec<String> = self
                .sides
                .iter()
                .flat_map(|side| {
                    missing(side).into_iter().map(move |m| format!("{}: {m}", side.name))
                })
                .collect();
            if missing.is_empty() {
                return;
            }
            if Instant::now() > until {
                panic!("{what}: not within {PATIENCE:?}: {missing:#?}\n{}", self.transcript());
            }
            pause();
        }
    }

    /// Waits until this stands in both main logs.
    pub fn wait_log(&self, text: &str) {
        self.wait("a line of the main log", |side| {
            let there = side.log().iter().any(|line| line.contains(text));
            (!there).then(|| text.to_owned()).into_iter().collect()
        });
    }

    pub fn signal(&self, signal: Signal) {
        self.sides.iter().for_each(|side| side.server.signal(signal));
    }

    /// This signal, and the end of both with exit code 0.
    pub fn stop_by(&mut self, signal: Signal) {
        self.signal(signal);
        self.wait_end();
    }

    /// The end of both with exit code 0.
    pub fn wait_end(&mut self) {
        for side in &mut self.sides {
            let ended = wait_pid(side.server.pid(), PATIENCE);
            assert!(ended, "{} does not end\n{}", side.name, side.server.transcript());
            let status = side.server.wait_exit();
            let shown = side.server.transcript();
            assert_eq!(status.code(), Some(0), "{}: {status}\n{shown}", side.name);
        }
    }

    pub fn transcript(&self) -> String {
        self.sides.iter().map(|side| side.server.transcript()).collect()
    }

    /// What `look` finds on each side, the real one first.
    pub fn both<T>(&self, look: impl Fn(&Side) -> T) -> [T; 2] {
        self.sides.each_ref().map(look)
    }
}

impl Side {
    /// The main log without times; pids are `P`, the directory is `<DIR>`.
    pub fn log(&self) -> Vec<String> {
        let log = fs::read(self.sandbox.path("main.log")).unwrap_or_default();
        let log = self.mask(&String::from_utf8_lossy(&log));
        // "2026-11-21 10:04:16,202 INFO text"
        once(log.lines().map(|line| line.get(24..).unwrap_or(line).to_owned()).collect())
    }

    /// The lines of the main log that name this process, but for those that depend on the second.
    pub fn log_of(&self, process: &str) -> Vec<String> {
        let part = |c: char| !(c.is_alphanumeric() || c == '_');
        let names = |line: &String| line.split(part).any(|word| word == process);
        let counts = |line: &String| !line.starts_with("INFO waiting for ");
        once(self.log().into_iter().filter(|line| names(line) && counts(line)).collect())
    }

    /// What the listener wrote down.
    pub fn events(&self) -> Vec<String> {
        self.mask(&self.sandbox.read("events")).lines().map(str::to_owned).collect()
    }

    /// The states of one process, `group:name`, each with what its event says.
    pub fn states_of(&self, process: &str) -> Vec<String> {
        let (group, name) = process.split_once(':').unwrap_or((process, process));
        let head = format!("processname:{name} groupname:{group} ");
        let state = |line: &String| {
            let (header, payload) = line.split_once(" | ")?;
            let (_, state) = header.split_once("eventname:PROCESS_STATE_")?;
            Some(format!("{state} {}", payload.strip_prefix(&head)?))
        };
        self.events().iter().filter_map(state).collect()
    }

    /// A file of the sandbox, with pids and directory masked; empty when there is none.
    pub fn file(&self, name: &str) -> String {
        let text = fs::read(self.sandbox.path(name)).unwrap_or_default();
        self.mask(&String::from_utf8_lossy(&text))
    }

    pub fn mask(&self, text: &str) -> String {
        let dir = self.sandbox.path("");
        let text = text.replace(dir.to_str().unwrap().trim_end_matches('/'), "<DIR>");
        ["with pid ", "pid:", "' (", "(pid "]
            .iter()
            .fold(text, |text, before| mask_number(&text, before))
    }
}

/// On a busy machine a process dies so late of its KILL that supervisord sends another.
fn once(mut lines: Vec<String>) -> Vec<String> {
    lines.dedup_by(|next, line| next.starts_with("WARN killing ") && next == line);
    lines
}

/// Puts `P` where a number other than 0 follows `before`.
fn mask_number(text: &str, before: &str) -> String {
    let mut parts = text.split(before);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = &part[..part.len() - rest.len()];
        masked.push_str(before);
        masked.push_str(if matches!(number, "" | "0") { number } else { "P" });
        masked.push_str(rest);
    }
    masked
}

/// What is not the same, all of it before the test fails.
#[derive(Default)]
pub struct Differences(Vec<String>);

impl Differences {
    pub fn equal<T: std::fmt::Debug + PartialEq>(&mut self, what: &str, [real, ours]: [T; 2]) {
        if real != ours {
            self.0.push(format!("{what}\n  supervisord: {real:#?}\n  ours: {ours:#?}"));
        }
    }

    pub fn none(self, transcript: &str) {
        let count = self.0.len();
        assert!(self.0.is_empty(), "{count} differences\n{}\n{transcript}", self.0.join("\n"));
    }
}
