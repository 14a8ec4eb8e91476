//! Real processes, made in each of the three ways.

mod becoming;
mod errors;
mod fds;
mod scarcity;
mod signals;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;

use fdpass::FdPlan;
use rustix::process::{Pid as SysPid, WaitOptions};

use super::*;
use crate::Exit;

const TACTICS: [Tactic; 3] =
    [Tactic::Share { table: false }, Tactic::Share { table: true }, Tactic::Fork];

/// A shell script as an image, with nothing in the environment.
fn script(text: &str) -> Image {
    image("/bin/sh", &["-c", text])
}

fn image(program: &str, args: &[&str]) -> Image {
    Image::new(program.as_ref(), args.iter().map(OsString::from), []).unwrap()
}

/// What the program writes to its standard output until nobody has that open
/// any more, and its end.
fn output(tactic: Tactic, image: &Image, setup: Setup<'_>) -> (String, Exit) {
    output_with(tactic, image, setup, FdPlan::new())
}

fn output_with<'fd>(
    tactic: Tactic,
    image: &Image,
    setup: Setup<'fd>,
    plan: FdPlan<'fd>,
) -> (String, Exit) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let mut child = {
        use std::os::fd::AsFd;
        let mut plan: FdPlan<'_> = plan;
        plan.pass(writer.as_fd(), 1).unwrap();
        let setup: Setup<'_> = setup;
        spawn_by(tactic, image, &setup.fds(plan)).unwrap()
    };
    drop(writer);
    let text = io::read_to_string(fs::File::from(reader)).unwrap();
    (text, child.wait().unwrap())
}

/// The value of one line of `/proc/self/status` as the child finds it.
fn status_field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find(|line| line.split(':').next() == Some(name)).unwrap();
    line.split_once(':').unwrap().1.trim()
}

fn status(tactic: Tactic, setup: Setup<'_>) -> String {
    let (text, exit) = output(tactic, &image("/bin/cat", &["/proc/self/status"]), setup);
    assert!(exit.success(), "{exit}");
    text
}

fn is_reaped(pid: Pid) -> bool {
    let pid = SysPid::from_raw(pid.as_raw());
    matches!(rustix::process::waitpid(pid, WaitOptions::NOHANG), Err(Errno::CHILD))
}

/// A directory that goes away with the value.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("reaper-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Dir(path.canonicalize().unwrap())
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// An empty file. Made without opening it, as a descriptor for writing in
    /// somebody's forked child would turn an exec into ETXTBSY.
    fn file(&self, name: &str, mode: u32) -> PathBuf {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let path = self.join(name);
        mknodat(CWD, &path, FileType::RegularFile, Mode::from(mode), 0).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const ISOLATED: &str = "REAPER_TEST_ISOLATED";

/// Runs the body in a process (and session) of its own, with this test binary
/// as the program: for what would disturb other tests.
fn isolated(module: &str, test: &str, body: impl FnOnce()) {
    if std::env::var_os(ISOLATED).is_some() {
        body();
        end_isolated();
    }
    let mut child = spawn_isolated(module, test, Setup::new());
    assert_eq!(child.wait().unwrap().code(), Some(PASSED));
}

/// The exit code says that the body has run, which code 0 would not: the test
/// runner also ends so when it finds no test of that name.
const PASSED: i32 = 42;

fn end_isolated() -> ! {
    // SAFETY: nothing of this process is needed any more.
    unsafe { libc::_exit(PASSED) }
}

fn spawn_isolated(module: &str, test: &str, setup: Setup<'_>) -> Child {
    let program = std::env::current_exe().unwrap();
    let path = module.split_once("::").unwrap().1;
    let args = [format!("{path}::{test}"), "--exact".into(), "--nocapture".into()];
    let env = std::env::vars_os().chain([(ISOLATED.into(), "1".into())]);
    let image = Image::new(program.as_os_str(), args.map(OsString::from), env).unwrap();
    spawn(&image, &setup.session()).unwrap()
}

#[test]
fn raw_exit_statuses() {
    for tactic in TACTICS {
        for (text, raw) in [
            ("exit 0", 0),
            ("exit 3", 0x300),
            ("exit 255", 0xff00),
            ("kill -TERM $$", 15),
            ("kill -KILL $$", 9),
            ("kill -35 $$", 35),
        ] {
            let (_, exit) = output(tactic, &script(text), Setup::new());
            assert_eq!(exit.raw(), raw, "{text:?} by {tactic:?}");
        }
    }
}

#[test]
fn arguments_and_environment_arrive() {
    let env = [("A", "1"), ("B", "x y\nz"), ("A", "2")];
    let env = env.map(|(key, value)| (OsString::from(key), OsString::from(value)));
    let args = ["-c", r#"printf '%s|' "$0" "$@"; env"#, "zero", "one two", ""];
    let args = args.map(OsString::from);
    let image = Image::new("sh".as_ref(), args, env).unwrap();
    for tactic in TACTICS {
        let (text, _) = output(tactic, &image, Setup::new());
        assert!(text.starts_with("zero|one two||"), "{text:?}");
        assert!(text.contains("A=2\n") && text.contains("B=x y\nz\n"), "{text:?}");
        assert!(!text.contains("A=1"), "{text:?}");
    }
}

#[test]
fn the_child_knows_its_own_pid() {
    let env = [(OsString::from("LISTEN_PID"), OsString::from("1"))];
    let args = ["-c", "echo $LISTEN_PID $OTHER $$"].map(OsString::from);
    let image = Image::new("/bin/sh".as_ref(), args, env).unwrap();
    let image = image.env_own_pid("LISTEN_PID").env_own_pid("OTHER");
    for tactic in TACTICS {
        for _ in 0..20 {
            let (text, _) = output(tactic, &image, Setup::new());
            let pids: Vec<i32> =
                text.split_whitespace().map(|word| word.parse().unwrap()).collect();
            assert!(pids.len() == 3 && pids[0] == pids[2] && pids[1] == pids[2], "{text:?}");
        }
    }
}

#[test]
fn several_threads_spawn_at_once() {
    let image = script("exit 7").env_own_pid("P");
    std::thread::scope(|scope| {
        for tactic in TACTICS.into_iter().cycle().take(6) {
            let image = &image;
            scope.spawn(move || {
                for _ in 0..50 {
                    let mut child = spawn_by(tactic, image, &Setup::new()).unwrap();
                    assert_eq!(child.wait().unwrap(), Exit::from_code(7));
                }
            });
        }
    });
}
