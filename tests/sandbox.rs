//! A directory of its own for each test, and an end for everything that was started in it.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

pub use crate::sandbox_launch::{Finished, Launch};
pub use crate::sandbox_server::{Server, kill, normalise, own_session, stat_field, wait_pid};

/// How long anything may take before a test fails; the machine may be busy.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// The variable by which the processes of a sandbox are known.
pub const MARK: &str = "SUPERDAEMON_TEST_SANDBOX";

pub struct Sandbox {
    root: PathBuf,
}

impl Sandbox {
    pub fn new(topic: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // A shell that starts the tests in the background has it ignored, by all that they start.
        let _ = sigpolicy::action::set_default(sigpolicy::Signal::INT);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sdt-{}-{number}-{topic}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        Self { root }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes a file, as a whole: a reader sees the former content or this one.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let temporary = self.path(".being-written");
        fs::write(&temporary, text).unwrap();
        fs::rename(&temporary, &path).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn exists(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// The names in the directory, sorted: what was left behind.
    pub fn names(&self) -> Vec<String> {
        let entry = |entry: std::io::Result<fs::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        let mut names: Vec<String> = fs::read_dir(&self.root).unwrap().map(entry).collect();
        names.sort();
        names
    }

    /// A script for the puppet, one step a line; see `puppet/src/main.rs`.
    pub fn script(&self, name: &str, steps: &str) -> PathBuf {
        self.write(name, steps)
    }

    /// Our start_server.
    pub fn start_server(&self) -> Launch {
        self.run(env!("CARGO_BIN_EXE_start_server"))
    }

    /// Server::Starter's own, from the package libserver-starter-perl.
    pub fn perl_start_server(&self) -> Launch {
        let program = "/usr/bin/start_server";
        assert!(Path::new(program).exists(), "{program}: install libserver-starter-perl");
        self.run(program)
    }

    /// Copies a program to here, by another process: what is open for writing in this one, a fork of
    /// another test keeps open for a moment, and such a file cannot be executed.
    pub fn install(&self, from: impl AsRef<std::ffi::OsStr>, name: &str) -> PathBuf {
        let to = self.path(name);
        assert!(Command::new("install").arg(from).arg(&to).status().unwrap().success());
        to
    }

    /// Any program, with this directory as its current one.
    pub fn run(&self, program: impl AsRef<std::ffi::OsStr>) -> Launch {
        Launch::new(&self.root, program.as_ref())
    }

    /// The live processes of this sandbox, whoever their parent is.
    pub fn processes(&self) -> Vec<i32> {
        let mark = [MARK.as_bytes(), b"=", self.root.as_os_str().as_bytes()].concat();
        let marked = |pid: &i32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.split(|byte| *byte == 0).any(|variable| variable == mark)
        };
        all_pids().into_iter().filter(marked).collect()
    }

    /// Kills everything; again, because a server that was not reached yet may have started more.
    fn kill_everything(&self) {
        let until = Instant::now() + DEADLINE;
        while Instant::now() < until {
            // A pidfd first: what it stands for cannot change between the look and the signal.
            let pidfds: Vec<_> = self
                .processes()
                .into_iter()
                .filter_map(|pid| {
                    Some((pid, pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?))
                })
                .collect();
            let still = self.processes();
            let mut found = false;
            for (pid, pidfd) in pidfds {
                if still.contains(&pid) {
                    found = true;
                    let _ = pidfd_send_signal(&pidfd, Signal::KILL);
                }
            }
            if !found && still.is_empty() {
                return;
            }
            pause();
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.kill_everything();
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn all_pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The one place where tests wait without an event to wait for.
pub fn pause() {
    let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 5_000_000 }));
}

/// Asks `f` until it has an answer.
///
/// # Panics
/// When it has none within [`DEADLINE`].
pub fn eventually<T>(what: &str, mut f: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = f() {
            return value;
        }
        assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}");
        pause();
    }
}

/// A port on which nothing listens, TCP and UDP, never given out twice.
///
/// It lies below the ephemeral range: a port that the kernel picks could become the
/// source port of another test's connection before it is bound.
pub fn free_port() -> u16 {
    static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut taken = TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let taken = taken.get_or_insert_default();
    loop {
        let port = fastrand::u16(10_000..32_000);
        let free = TcpListener::bind(("0.0.0.0", port)).is_ok()
            && TcpListener::bind(("::", port)).is_ok()
            && UdpSocket::bind(("0.0.0.0", port)).is_ok();
        if free && taken.insert(port) {
            return port;
        }
    }
}

/// What a puppet with the step `serve` answers on a unix socket: `GENERATION PID`.
pub fn ask(path: &Path) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

/// Runs a measurement until one result is below `limit`.
///
/// One of five is enough: the machine may be busy with something else, but what waits
/// for a timer never comes below.
///
/// # Panics
/// When none is.
pub fn promptly(what: &str, limit: Duration, mut measure: impl FnMut() -> Duration) {
    let results: Vec<Duration> =
        (0..5).map(|_| measure()).take_while(|took| *took >= limit).collect();
    assert!(results.len() < 5, "{what} took {results:?}, at most {limit:?} is allowed");
}

/// The scripted worker, built once for each run of the tests.
pub fn puppet() -> &'static Path {
    static PUPPET: OnceLock<PathBuf> = OnceLock::new();
    PUPPET.get_or_init(|| build(&["-p", "superdaemon-puppet"]).join("puppet"))
}

/// Builds what cargo is told in the profile of the server; the directory that it is put in.
pub fn build(what: &[&str]) -> &'static Path {
    let directory = Path::new(env!("CARGO_BIN_EXE_start_server")).parent().unwrap();
    let profile = match directory.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--profile", profile])
        .args(what)
        .arg("--target-dir")
        .arg(directory.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    directory
}
