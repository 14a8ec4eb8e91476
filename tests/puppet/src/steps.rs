//! The steps of a script.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::event::{Timespec, poll};

use crate::serve::serve;

/// What the process got, taken down before it opens or changes anything.
pub struct Birth {
    fds: BTreeMap<i32, String>,
    status: String,
}

impl Birth {
    pub fn observe() -> Self {
        let mut fds = BTreeMap::new();
        for entry in fs::read_dir("/proc/self/fd").into_iter().flatten().flatten() {
            let number = entry.file_name().to_string_lossy().parse();
            let target = fs::read_link(entry.path()).unwrap_or_default();
            let target = target.to_string_lossy().replace(' ', "_");
            // Not the descriptor that reads this directory.
            if let (Ok(number), false) =
                (number, target.starts_with("/proc/") && target.ends_with("/fd"))
            {
                fds.insert(number, target);
            }
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self { fds, status }
    }

    fn field(&self, name: &str) -> String {
        let found = self.status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found.unwrap_or("absent").split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Runs one line of the script.
pub fn perform(line: &str, birth: &Birth) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "say" => write_line(1, &expand(rest)),
        "err" => write_line(2, &expand(rest)),
        "raw" => write(1, expand(rest).replace("\\n", "\n").as_bytes()),
        "count" => count(rest),
        "ready" => notify("READY=1"),
        "notify" => notify(&expand(rest).replace("\\n", "\n")),
        "exit" => exit(rest.parse().unwrap_or(0)),
        "die" => die(rest),
        "on" => {}
        "env" => write_line(1, &environment(rest)),
        "args" => {
            let words: Vec<String> =
                std::env::args_os().map(|word| format!("[{}]", word.to_string_lossy())).collect();
            write_line(1, &format!("args {}", words.get(2..).unwrap_or_default().join(" ")));
        }
        "cwd" => {
            write_line(1, &format!("cwd {}", std::env::current_dir().unwrap_or_default().display()))
        }
        "ids" => {
            let of = |name| birth.field(name);
            write_line(
                1,
                &format!("ids uid={} gid={} groups={}", of("Uid"), of("Gid"), of("Groups")),
            );
        }
        "session" => {
            write_line(1, &format!("session {} group {}", stat_field(6), stat_field(5)));
        }
        "stdin" => {
            let mut text = String::new();
            let _ = std::io::stdin().read_to_string(&mut text);
            write_line(1, &format!("stdin {text:?}"));
        }
        "fds" => {
            let list: Vec<String> =
                birth.fds.iter().map(|(fd, kind)| format!("{fd}={kind}")).collect();
            write_line(1, &format!("fds {}", list.join(" ")));
        }
        "proc" => write_line(1, &format!("{rest}: {}", birth.field(rest))),
        "serve" => serve(),
        "wait" => wait(Path::new(rest)),
        "touch" => append(rest, ""),
        "append" => {
            let (file, text) = rest.split_once(' ').unwrap_or((rest, ""));
            append(file, &format!("{}\n", expand(text)));
        }
        "child" => child(rest),
        _ => fail(&format!("puppet: unknown step: {line}")),
    }
}

/// Replaces `$PID`, `$PPID`, `$GEN` and `$START`.
pub fn expand(text: &str) -> String {
    let parent = std::os::unix::process::parent_id();
    let generation = std::env::var("SERVER_STARTER_GENERATION").unwrap_or_else(|_| "-".into());
    text.replace("$START", &start())
        .replace("$PPID", &parent.to_string())
        .replace("$PID", &std::process::id().to_string())
        .replace("$GEN", &generation)
}

/// When this process was forked, in clock ticks since boot.
fn start() -> String {
    stat_field(22)
}

/// A field of `/proc/self/stat`, counted as in proc_pid_stat(5). The session and the group are 0
/// where they were made outside of this pid namespace (rustix's calls take that for impossible).
fn stat_field(number: usize) -> String {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace());
    let field = number.checked_sub(3).and_then(|index| after_name?.nth(index));
    field.unwrap_or("0").to_owned()
}

/// One line in one `write(2)`.
pub fn write_line(fd: i32, text: &str) {
    write(fd, format!("{text}\n").as_bytes());
}

fn write(fd: i32, mut bytes: &[u8]) {
    let stream = if fd == 1 { rustix::stdio::stdout() } else { rustix::stdio::stderr() };
    while !bytes.is_empty() {
        match rustix::io::write(stream, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// Ends the puppet with a message: the script or its circumstances are wrong.
pub fn fail(message: &str) -> ! {
    write_line(2, message);
    exit(70)
}

/// The one way out.
#[allow(clippy::exit)]
pub fn exit(code: i32) -> ! {
    std::process::exit(code)
}

fn count(range: &str) {
    let (from, to) = range.split_once(' ').unwrap_or(("1", range));
    for number in from.parse::<u64>().unwrap_or(1)..=to.parse::<u64>().unwrap_or(0) {
        write_line(1, &format!("line {number}"));
    }
}

fn notify(text: &str) {
    if let Err(error) = fdpass::notify::send(text) {
        fail(&format!("puppet: {error}"));
    }
}

fn die(name: &str) -> ! {
    let own = rustix::process::getpid();
    if let Ok(signal) = name.parse::<sigpolicy::Signal>() {
        let _ = sigpolicy::action::set_default(signal);
        let named = rustix::process::Signal::from_named_raw(signal.as_raw());
        let _ = named.map(|signal| rustix::process::kill_process(own, signal));
    }
    fail(&format!("puppet: {name} did not end it"))
}

fn environment(name: &str) -> String {
    if name == "*" {
        let mut names: Vec<String> =
            std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
        names.sort();
        return format!("env {}", names.join(" "));
    }
    match std::env::var_os(name) {
        Some(value) => format!("{name}={}", value.to_string_lossy()),
        None => format!("{name} unset"),
    }
}

fn wait(path: &Path) {
    while !path.exists() {
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 5_000_000 }));
    }
}

fn append(path: &str, text: &str) {
    let file = fs::OpenOptions::new().create(true).append(true).open(path);
    if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
        fail(&format!("puppet: {path}: {error}"));
    }
}

fn child(script: &str) {
    let own = std::env::current_exe().unwrap_or_default();
    match Command::new(own).arg(script).stdin(Stdio::null()).spawn() {
        Ok(child) => write_line(1, &format!("child {}", child.id())),
        Err(error) => fail(&format!("puppet: {error}")),
    }
}
