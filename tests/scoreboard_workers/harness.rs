//! An example worker as a child of the test, told what to do by lines on its standard input.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use fdpass::FdPlan;
use reaper::{Child, Exit, Image, Limit, Resource, Setup, spawn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use scoreboard::{Board, Occupant, SlotView, State};
use sigpolicy::Signal;

use crate::peers::{example, installed, program, python};
use crate::sandbox::{DEADLINE, eventually};

/// A language and the number at which its worker finds the slots file.
#[derive(Clone, Copy)]
pub struct Language {
    pub program: &'static str,
    pub extension: &'static str,
    pub at: i32,
}

/// Those whose interpreter is there: Python and Perl must be in CI.
pub fn languages() -> Vec<Language> {
    let mut found = Vec::new();
    let mut add = |present: bool, program, extension, at| {
        if present {
            found.push(Language { program, extension, at });
        }
    };
    let optional = |name: &str| {
        let present = program(name);
        if !present {
            eprintln!("skipped: {name} is not installed");
        }
        present
    };
    let has_python = Path::new(python()).exists() || program(python());
    add(installed("python3", has_python), python(), "py", 3);
    add(installed("perl", program("perl")), "perl", "pl", 9);
    add(optional("ruby"), "ruby", "rb", 12);
    add(optional("php") && has_ffi(), "php", "php", 40);
    add(optional("node"), "node", "js", 17);
    found
}

fn has_ffi() -> bool {
    let asked = Command::new("php").args(["-r", "exit((int) !class_exists('FFI'));"]).output();
    let present = asked.is_ok_and(|output| output.status.success());
    if !present {
        eprintln!("skipped: php has no FFI");
    }
    present
}

pub fn each(check: impl Fn(Language)) {
    for language in languages() {
        eprintln!("{}", language.program);
        check(language);
    }
}

/// Where a worker is told that its slot is.
#[derive(Clone, Copy)]
pub struct Place<'b> {
    pub fd: &'b OwnedFd,
    pub slot: u32,
}

/// A worker that was started; killed when dropped.
pub struct Worker {
    child: Child,
    commands: Option<File>,
    out: File,
    unread: Vec<u8>,
    err: File,
}

impl Worker {
    /// With the board's slot, which is made ready for it and occupied.
    pub fn start(language: Language, board: &mut Board, slot: u32) -> Self {
        Self::occupying(language, board, slot, Setup::new())
    }

    /// As [`start`](Self::start); it can write no file beyond so many bytes.
    pub fn limited(language: Language, board: &mut Board, slot: u32, size: u64) -> Self {
        let limit = |size| Limit { soft: Some(size), hard: Some(size) };
        let setup = Setup::new().rlimit(Resource::FileSize, limit(size));
        Self::occupying(language, board, slot, setup.rlimit(Resource::Core, limit(0)))
    }

    fn occupying(language: Language, board: &mut Board, slot: u32, setup: Setup<'_>) -> Self {
        board.prepare(slot).unwrap();
        let fd = board.slots_fd(slot).unwrap().try_clone_to_owned().unwrap();
        let worker = Self::new(language, Some(Place { fd: &fd, slot }), setup);
        let occupant = Occupant::new(worker.pid()).generation(7);
        board.occupy(slot, &occupant).unwrap();
        worker
    }

    /// With any descriptor as its slots file, or with none.
    pub fn bare(language: Language, place: Option<Place<'_>>) -> Self {
        Self::new(language, place, Setup::new())
    }

    fn new<'fd>(language: Language, place: Option<Place<'fd>>, setup: Setup<'fd>) -> Self {
        let pipe = || pipe_with(PipeFlags::CLOEXEC).unwrap();
        let ((stdin, commands), (out, stdout), (err, stderr)) = (pipe(), pipe(), pipe());
        let mut plan = FdPlan::new();
        for (fd, at) in [(&stdin, 0), (&stdout, 1), (&stderr, 2)] {
            plan.pass(fd.as_fd(), at).unwrap();
        }
        let mut env: Vec<(OsString, OsString)> = vec![("LC_ALL".into(), "C.UTF-8".into())];
        env.extend(std::env::var_os("PATH").map(|path| ("PATH".into(), path)));
        if let Some(Place { fd, slot }) = place {
            plan.pass(fd.as_fd(), language.at).unwrap();
            env.push(("SCOREBOARD_FD".into(), language.at.to_string().into()));
            env.push(("SCOREBOARD_SLOT".into(), slot.to_string().into()));
        }
        let script = example(&format!("scoreboard_worker.{}", language.extension));
        let image = Image::new(language.program.as_ref(), [script.into()], env).unwrap();
        let child = spawn(&image, &setup.fds(plan)).unwrap();
        let commands = Some(File::from(commands));
        Self { child, commands, out: out.into(), unread: Vec::new(), err: err.into() }
    }

    pub fn pid(&self) -> u32 {
        self.child.pid().as_raw().unsigned_abs()
    }

    pub fn send(&mut self, line: impl AsRef<[u8]>) {
        let line = [line.as_ref(), b"\n"].concat();
        self.commands.as_mut().unwrap().write_all(&line).unwrap();
    }

    /// The next line of its output.
    pub fn line(&mut self) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return String::from_utf8(line).unwrap().trim_end().to_owned();
            }
            let left = Timespec::try_from(until.saturating_duration_since(Instant::now()));
            let ready = poll(&mut [PollFd::new(&self.out, PollFlags::IN)], left.ok().as_ref());
            assert_eq!(ready, Ok(1), "no line from {}", self.pid());
            let mut bytes = [0; 4096];
            let count = self.out.read(&mut bytes).unwrap();
            assert_ne!(count, 0, "no more lines from {}: {}", self.pid(), self.errors());
            self.unread.extend_from_slice(&bytes[..count]);
        }
    }

    /// One request to its end.
    pub fn request(&mut self, line: impl AsRef<[u8]>) {
        self.send(line);
        assert_eq!(self.line(), "done");
    }

    /// Everything on its standard error; to be asked when it has ended.
    fn errors(&mut self) -> String {
        let mut text = String::new();
        self.err.read_to_string(&mut text).unwrap();
        text
    }

    pub fn kill(&self) {
        self.child.signal(Signal::KILL).unwrap();
    }

    pub fn wait(&mut self) -> Exit {
        eventually("the worker's end", || self.child.try_wait().unwrap())
    }

    /// Tells it to leave in its own way; what it has written to standard error.
    pub fn quit(mut self) -> String {
        self.send("quit");
        assert!(self.wait().success());
        self.errors()
    }

    /// The worker's descriptors of a slots file.
    pub fn slots_fds(&self) -> Vec<i32> {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        let links = entries.map(|entry| entry.unwrap().path()).filter(|path| {
            let link = fs::read_link(path).unwrap_or_default();
            link.to_string_lossy().starts_with("/memfd:scoreboard-slots")
        });
        links.map(|path| path.file_name().unwrap().to_str().unwrap().parse().unwrap()).collect()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.child.exit().is_none() {
            let _ = self.child.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// What the reader sees in a slot.
pub fn see<T>(board: &Board, slot: u32, f: impl FnOnce(SlotView<'_>) -> T) -> T {
    f(board.reader().snapshot().get(slot).unwrap())
}

pub fn text(board: &Board, slot: u32) -> Option<Vec<u8>> {
    see(board, slot, |slot| slot.text().map(|text| text.as_bytes().to_vec()))
}

/// A word of a slot in the one file of a board of 1 KiB slots.
pub fn word(board: &Board, slot: u32, offset: u64) -> u64 {
    let mut bytes = [0; 8];
    let at = 4096 + u64::from(slot) * 1024 + offset;
    let count = rustix::io::pread(board.slots_fd(slot).unwrap(), &mut bytes[..], at);
    assert_eq!(count, Ok(8));
    u64::from_ne_bytes(bytes)
}

/// Where the word `text` is.
pub const TEXT: u64 = 48;

/// Where the stamp is that belongs to a value of that word; the buffer follows it.
pub fn stamp(text: u64) -> u64 {
    if (text >> 16) % 2 == 0 { 128 } else { 576 }
}

/// The worker waits, after so many requests: it writes the reply before it says so.
pub fn idle_after(board: &Board, slot: u32, requests: u64) {
    let idle = || see(board, slot, |slot| (slot.state(), slot.requests()));
    eventually("an idle worker", || (idle() == (State::IDLE, requests)).then_some(()));
}
