//! A configuration in a sandbox, and what can be seen of the supervisor that runs it.

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use sigpolicy::Signal;

use crate::sandbox::{DEADLINE, Launch, Sandbox, Server, eventually, puppet, wait_pid};

/// The name of the configuration in its sandbox.
pub const FILE: &str = "supervise.conf";

impl Sandbox {
    pub fn supervise(&self) -> Launch {
        self.run(env!("CARGO_BIN_EXE_supervise"))
    }

    /// The text of a file once this is in it.
    pub fn wait_text(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        let mut last = String::new();
        let until = std::time::Instant::now() + DEADLINE;
        loop {
            if let Ok(bytes) = fs::read(&path) {
                last = String::from_utf8_lossy(&bytes).into_owned();
            }
            if last.contains(text) {
                return last;
            }
            assert!(std::time::Instant::now() < until, "no {text:?} in {name}: {last:?}");
            crate::sandbox::pause();
        }
    }

    /// A program of its own that the sandbox holds.
    pub fn shell(&self, name: &str, lines: &str) -> PathBuf {
        let path = self.write(name, format!("#!/bin/sh\n{lines}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A configuration in the making.
pub struct Config<'s> {
    sandbox: &'s Sandbox,
    daemon: String,
    sections: String,
}

impl<'s> Config<'s> {
    pub fn new(sandbox: &'s Sandbox) -> Self {
        let daemon = "logfile=%(here)s/main.log\npidfile=%(here)s/pid\nchildlogdir=%(here)s\n";
        Self { sandbox, daemon: daemon.to_owned(), sections: String::new() }
    }

    /// Keys of `[supervisord]`, one a line.
    pub fn daemon(mut self, keys: &str) -> Self {
        self.daemon.push_str(keys);
        self.daemon.push('\n');
        self
    }

    /// Whole sections.
    pub fn section(mut self, text: &str) -> Self {
        self.sections.push_str(text);
        self.sections.push('\n');
        self
    }

    /// A program with logs `NAME.out` and `NAME.err` and `startsecs=0`, unless the keys say other.
    pub fn program(self, name: &str, command: &str, keys: &str) -> Self {
        self.special(&format!("program:{name}"), name, command, keys)
    }

    /// The same with another kind of section.
    pub fn special(self, section: &str, name: &str, command: &str, keys: &str) -> Self {
        self.section(&format!(
            "[{section}]\ncommand={command}\nstartsecs=0\nstdout_logfile=%(here)s/{name}.out\n\
             stderr_logfile=%(here)s/{name}.err\n{keys}\n"
        ))
    }

    /// The scripted program, with `NAME.steps` for its script.
    pub fn puppet(self, name: &str, steps: &str, keys: &str) -> Self {
        let script = self.sandbox.script(&format!("{name}.steps"), steps);
        let command = format!("{} {}", puppet().display(), script.display());
        self.program(name, &command, keys)
    }

    /// A program that does nothing until TERM, which ends it at once.
    pub fn idle(self, name: &str, keys: &str) -> Self {
        self.program(name, "sleep 1000", keys)
    }

    /// A shell script, `NAME.sh`.
    pub fn script(self, name: &str, lines: &str, keys: &str) -> Self {
        let path = self.sandbox.shell(&format!("{name}.sh"), lines);
        self.program(name, &path.display().to_string(), keys)
    }

    /// Puts the file where it is read.
    pub fn write(&self) -> PathBuf {
        let text = format!("[supervisord]\n{}\n{}", self.daemon, self.sections);
        self.sandbox.write(FILE, text)
    }

    /// In the foreground, about to be started.
    pub fn launch(&self) -> Launch {
        self.sandbox.supervise().arg("-n").arg("-c").arg(self.write())
    }

    pub fn spawn(&self) -> Supervisor<'s> {
        Supervisor::new(self.sandbox, self.launch().spawn())
    }
}

/// A running supervisor whose log comes through its standard output.
pub struct Supervisor<'s> {
    pub server: Server,
    pub sandbox: &'s Sandbox,
}

impl Deref for Supervisor<'_> {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl<'s> Supervisor<'s> {
    pub fn new(sandbox: &'s Sandbox, server: Server) -> Self {
        Self { server, sandbox }
    }

    /// The pid in the next `spawned` line of a process.
    pub fn spawned(&self, name: &str) -> i32 {
        self.wait_line(&format!(" INFO spawned: '{name}' with pid ")).number_after("with pid")
    }

    /// Waits for the line of success.
    pub fn succeeds(&self, name: &str) {
        self.wait_line(&format!(" INFO success: {name} entered RUNNING state, process has "));
    }

    /// Both of them.
    pub fn starts(&self, name: &str) -> i32 {
        let pid = self.spawned(name);
        self.succeeds(name);
        pid
    }

    pub fn count_spawned(&self, name: &str) -> usize {
        self.count(&format!("spawned: '{name}' with pid"))
    }

    /// The place of the first line with this text among all lines so far.
    pub fn place(&self, text: &str) -> usize {
        let lines = self.lines();
        let found = lines.iter().position(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("no {text:?}\n{}", self.transcript()))
    }

    /// Asserts that lines with these texts came in this order.
    pub fn in_order(&self, texts: &[&str]) {
        let places: Vec<usize> = texts.iter().map(|text| self.place(text)).collect();
        assert!(places.is_sorted(), "{texts:?} at {places:?}\n{}", self.transcript());
    }

    /// TERM; then exit code 0 and no process of the sandbox is left.
    pub fn stop(&mut self) {
        self.server.stop();
        self.nobody();
    }

    /// The end that is on its way, with this code.
    pub fn ends(&mut self, code: i32) {
        let status = self.server.wait_exit();
        assert_eq!(status.code(), Some(code), "{status}\n{}", self.transcript());
        self.nobody();
    }

    fn nobody(&self) {
        let left = self.sandbox.processes();
        assert!(left.is_empty(), "{left:?} are left\n{}", self.transcript());
    }

    pub fn hup(&self) {
        self.signal(Signal::HUP);
    }
}

/// Waits until a process is gone.
pub fn gone(pid: i32) {
    assert!(wait_pid(pid, DEADLINE), "{pid} lives on");
}

pub fn alive(pid: i32) -> bool {
    !wait_pid(pid, Duration::ZERO)
}

/// All variables that a process was started with.
pub fn environ(pid: i32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let of = |variable: &[u8]| String::from_utf8_lossy(variable).into_owned();
    bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty()).map(of).collect()
}

/// A line of `/proc/PID/status`.
pub fn status_field(pid: i32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.unwrap_or_else(|| panic!("{field} of {pid}")).trim().to_owned()
}

/// Waits until a process runs this program: until then it is the supervisor's copy.
pub fn executes(pid: i32, name: &str) {
    eventually(&format!("{pid} runs {name}"), || {
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        // The name comes first, then what the program is given.
        (comm.trim_end() == name && !environ(pid).is_empty()).then_some(())
    });
}
