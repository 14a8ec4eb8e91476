//! Not enough descriptors, processes or disk; files that go away.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use sigpolicy::Signal;

use super::harness::{Config, Supervisor, alive, is_root};
use crate::sandbox::{Sandbox, eventually, kill};

fn limit(pid: i32, resource: Resource, current: Option<u64>) {
    let maximum = getrlimit(resource).maximum;
    prlimit(Pid::from_raw(pid), resource, Rlimit { current, maximum }).unwrap();
}

/// It says so, tries again, and needs nobody's help once there are some.
#[test]
fn no_more_descriptors() {
    let sandbox = Sandbox::new("sv-emfile");
    let keys = "startretries=20\nbackoff_max=0.2\nautorestart=true\nstartsecs=1";
    let config = Config::new(&sandbox).idle("p", keys).puppet("q", "wait go\nsay still there", "");
    let mut ours = config.spawn();
    let first = ours.starts("p");
    ours.succeeds("q");
    let used = fs::read_dir(format!("/proc/{}/fd", ours.pid())).unwrap().count();
    let used = u64::try_from(used).unwrap();
    // What p gives back is for something else: fewer than are in use now.
    limit(ours.pid(), Resource::Nofile, Some(used.saturating_sub(4)));
    kill(first, Signal::KILL);
    ours.wait_line("exited: p (terminated by SIGKILL");
    ours.wait_line("spawnerr: too many open files to spawn 'p'");
    sandbox.write("go", "");
    sandbox.wait_text("q.out", "still there");
    limit(ours.pid(), Resource::Nofile, getrlimit(Resource::Nofile).current);
    ours.starts("p");
    ours.stop();
}

/// A user of no account has room for a few processes only.
#[test]
fn no_more_processes() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new("sv-eagain");
    fs::set_permissions(sandbox.path(""), fs::Permissions::from_mode(0o777)).unwrap();
    let binary = sandbox.install(env!("CARGO_BIN_EXE_supervise"), "supervise");
    let keys = "startretries=100\nbackoff_max=0.2\nstdout_logfile=NONE\nstderr_logfile=NONE";
    let mut config = Config::new(&sandbox).daemon("minprocs=1");
    for name in ["a", "b", "c", "d", "e"] {
        config = config.idle(name, keys);
    }
    // Nobody else in the tests is this one.
    let words = ["prlimit", "--nproc=4:200", "setpriv", "--reuid=64998", "--clear-groups"];
    let launch = sandbox.run(&binary).arg("-n").arg("-c").arg(config.write()).through(words);
    let mut ours = Supervisor::new(&sandbox, launch.spawn());
    // The supervisor and three.
    for name in ["a", "b", "c"] {
        ours.starts(name);
    }
    ours.wait_line("spawnerr: Too many processes in process table to spawn 'd'");
    ours.wait_line("spawnerr: Too many processes in process table to spawn 'e'");
    let more = sandbox.run("setpriv").args(["--reuid=64998", "--clear-groups", "prlimit"]);
    let more = more.arg("--nproc=100:").arg(format!("--pid={}", ours.pid())).output();
    assert_eq!(more.code, Some(0), "{more:?}");
    ours.starts("d");
    ours.starts("e");
    ours.stop();
}

/// Said once. Its program waits a while for room; no other does, nor the end of everything.
#[test]
fn a_full_disk_holds_up_one_program() {
    let sandbox = Sandbox::new("sv-full");
    let steps = "count 1 50000\ntouch done\nwait go";
    let keys = "stdout_logfile=/dev/full\nstdout_logfile_maxbytes=0";
    let config = Config::new(&sandbox).puppet("p", steps, keys).puppet("q", "say fine", "");
    let mut ours = config.spawn();
    ours.wait_line("/dev/full");
    sandbox.wait_text("q.out", "fine");
    let pid = ours.starts("p");
    assert!(alive(pid));
    eventually("a program that goes on without", || sandbox.exists("done").then_some(()));
    assert!(ours.count("/dev/full") <= 3, "{}", ours.transcript());
    ours.stop();
}

/// A disk that fills up and is emptied: what was held back is there, and what comes after.
#[test]
fn a_disk_with_room_again_is_written_again() {
    let sandbox = Sandbox::new("sv-enospc");
    let may = sandbox.run("unshare").args(["-m", "--", "sh", "-c"]);
    let may = may.arg("mount -t tmpfs none /mnt").output();
    if !is_root() || may.code != Some(0) {
        return;
    }
    fs::create_dir(sandbox.path("small")).unwrap();
    let keys = "stdout_logfile=small/p.out\nstdout_logfile_maxbytes=0\nstderr_logfile=NONE";
    let steps = "count 1 40000\ntouch filled\nwait go\nsay room again\ntouch told";
    let config = Config::new(&sandbox).puppet("p", steps, keys).idle("q", "");
    let mount = "mount -t tmpfs -o size=128k none small && exec \"$@\"";
    let launch = config.launch().through_shell(mount).through(["unshare", "-m", "--"]);
    let mut ours = Supervisor::new(&sandbox, launch.spawn());
    ours.starts("p");
    ours.wait_line("No space left on device");
    let inside = |name: &str| format!("/proc/{}/root{}", ours.pid(), sandbox.path(name).display());
    let empty =
        || fs::File::options().write(true).open(inside("small/p.out")).unwrap().set_len(0).unwrap();
    sandbox.write("go", "");
    assert!(!sandbox.exists("filled"), "it waits");
    empty();
    eventually("its word", || {
        // The device is small: it is emptied as often as it is full.
        let text = fs::read_to_string(inside("small/p.out")).ok()?;
        if text.len() > 60_000 {
            empty();
        }
        text.contains("room again").then_some(())
    });
    assert!(ours.count("No space left") <= 3, "{}", ours.transcript());
    ours.stop();
}

/// Only a line: a read-only container runs as well.
#[test]
fn a_pid_file_that_cannot_be_written() {
    let sandbox = Sandbox::new("sv-pidfile");
    fs::create_dir(sandbox.path("taken")).unwrap();
    let config = Config::new(&sandbox).daemon("pidfile=%(here)s/taken").idle("p", "");
    let mut ours = config.spawn();
    ours.wait_line(&format!("CRIT could not write pidfile {}", sandbox.path("taken").display()));
    ours.starts("p");
    ours.stop();
}

/// The directory of the logs is taken away and put back.
#[test]
fn a_log_directory_that_goes_away() {
    let sandbox = Sandbox::new("sv-logdir");
    fs::create_dir(sandbox.path("logs")).unwrap();
    let keys = "stdout_logfile=%(here)s/logs/p.out\nstdout_logfile_maxbytes=2KB\n\
                stdout_logfile_backups=2";
    let steps = "say first\nwait go\ncount 1 2000\ntouch done\nwait again\nsay last";
    let mut ours = Config::new(&sandbox).puppet("p", steps, keys).idle("q", "").spawn();
    sandbox.wait_text("logs/p.out", "first\n");
    fs::remove_dir_all(sandbox.path("logs")).unwrap();
    sandbox.write("go", "");
    eventually("a program that is not held up", || sandbox.exists("done").then_some(()));
    assert!(ours.server.alive());
    fs::create_dir(sandbox.path("logs")).unwrap();
    ours.signal(Signal::USR2);
    eventually("the file is there again", || sandbox.exists("logs/p.out").then_some(()));
    sandbox.write("again", "");
    sandbox.wait_text("logs/p.out", "last\n");
    ours.stop();
}

/// The main log on a full device: the programs run, the supervisor stops as always.
#[test]
fn a_main_log_that_is_full() {
    let sandbox = Sandbox::new("sv-fullmain");
    let keys = "logfile=/dev/full\nlogfile_maxbytes=0";
    let mut ours = Config::new(&sandbox).daemon(keys).puppet("p", "say up", "").spawn();
    sandbox.wait_text("p.out", "up");
    ours.starts("p");
    ours.stop();
}

/// Its own output is closed: nothing to write to, nothing to die of.
#[test]
fn no_output_at_all() {
    let sandbox = Sandbox::new("sv-closed");
    let config = Config::new(&sandbox).puppet("p", "say up", "");
    let launch = config.launch().through_shell("exec \"$@\" 0<&- 1>&- 2>&-");
    let mut ours = Supervisor::new(&sandbox, launch.spawn());
    sandbox.wait_text("p.out", "up");
    sandbox.wait_text("main.log", "success: p");
    ours.signal(Signal::TERM);
    ours.ends(0);
}

/// A log that may not be opened: the program that wanted it says so and is given up; others run.
#[test]
fn a_log_that_cannot_be_opened() {
    let sandbox = Sandbox::new("sv-nolog");
    fs::create_dir(sandbox.path("taken")).unwrap();
    let config = Config::new(&sandbox)
        .idle("p", "stdout_logfile=%(here)s/taken\nstartretries=0")
        .idle("q", "");
    let mut ours = config.spawn();
    ours.starts("q");
    ours.wait_line("spawnerr: unknown error making dispatchers for 'p': EISDIR");
    ours.wait_line("gave up: p entered FATAL state");
    ours.stop();
}
