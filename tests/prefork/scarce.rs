//! Not enough processes, descriptors or disk, and a worker that means harm.

use std::fs;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use sigpolicy::Signal;

use super::harness::{Kind, Pool, launch, pool};
use super::http::{answers, ask_many};
use crate::peers_load::{Load, Mode, Pace};
use crate::sandbox::{Sandbox, eventually, kill};

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn limit(pid: i32, resource: Resource, current: Option<u64>) {
    let pid = Pid::from_raw(pid);
    let maximum = getrlimit(resource).maximum;
    prlimit(pid, resource, Rlimit { current, maximum }).unwrap();
}

/// A user of no account has room for a few processes only: the pool is smaller for a while.
#[test]
fn no_more_processes() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new("scarce-processes");
    // The limit counts processes of the user; nobody else in the tests is this one.
    let user = "--reuid=64999";
    sandbox.release();
    let ours = sandbox.install(env!("CARGO_BIN_EXE_prefork-run"), "prefork-run");
    let port = crate::sandbox::free_port();
    let launch = sandbox.run("setpriv").args([user, "--clear-groups"]).arg(&ours);
    let launch = launch.args(["--workers=6", "--backoff-max=0.3"]);
    let launch = launch.arg(format!("--port=127.0.0.1:{port}"));
    let launch = launch.program(["perl", "worker.pl", "plain", "{fd}"]);
    let server = launch.through(["prlimit", "--nproc=4:200"]).spawn();
    let mut pool = Pool::new(server, port);
    // The manager and three.
    pool.wait_workers(3);
    let load = Load::start(std::slice::from_ref(&pool.target), &[Mode::Close], Pace::Slow);
    let text = "Resource temporarily unavailable";
    pool.server.wait_line(text);
    eventually("a hundred answers", || (load.requests() > 100).then_some(()));
    assert!(pool.server.count(text) <= 3, "told, and not again and again");
    assert_eq!(pool.workers().len(), 3);
    // Even root may lack the right to raise another's limit; the same user does not need it.
    let more = sandbox.run("setpriv").args([user, "--clear-groups", "prlimit", "--nproc=100:"]);
    let more = more.arg(format!("--pid={}", pool.server.pid())).output();
    assert_eq!(more.code, Some(0), "{more:?}");
    pool.wait_workers(6);
    load.finish("no more processes").expect_no_failure();
    pool.stop(&sandbox);
}

/// The manager cannot open anything more: it serves, reloads and stops all the same, later.
#[test]
fn no_more_descriptors() {
    let sandbox = Sandbox::new("scarce-descriptors");
    let mut pool = pool(&sandbox, Kind::Managed, &["--workers=2", "--pid-file=pid"]);
    let old = pool.wait_workers(2);
    let before = getrlimit(Resource::Nofile).current;
    let used = fs::read_dir(format!("/proc/{}/fd", pool.server.pid())).unwrap().count();
    limit(pool.server.pid(), Resource::Nofile, Some(u64::try_from(used).unwrap()));
    let load = Load::start(std::slice::from_ref(&pool.target), &[Mode::Close], Pace::Slow);
    kill(old[0], Signal::KILL);
    eventually("answers", || (load.requests() > 50).then_some(()));
    limit(pool.server.pid(), Resource::Nofile, before);
    pool.wait_until("two", |pids| pids.len() == 2 && !pids.contains(&old[0]));
    load.finish("no more descriptors");
    pool.signal(Signal::HUP);
    pool.wait_until("two new ones", |pids| pids.len() == 2 && !pids.contains(&old[1]));
    pool.stop(&sandbox);
}

/// A board on a full disk is refused at the start, in one line, and leaves nothing.
#[test]
fn no_room_for_the_board() {
    let sandbox = Sandbox::new("scarce-disk");
    let line = "mount -t tmpfs none /mnt 2>/dev/null";
    let may = sandbox.run("unshare").args(["-m", "--", "sh", "-c", line]).output();
    if !is_root() || may.code != Some(0) {
        return;
    }
    fs::create_dir(sandbox.path("full")).unwrap();
    let (launch, port) = launch(&sandbox, Kind::Cooperating, &["--scoreboard=full/board"]);
    let mount = "mount -t tmpfs -o size=16k none full && exec \"$@\"";
    let refused = launch.through_shell(mount).through(["unshare", "-m", "--"]).output();
    assert!(matches!(refused.code, Some(1..)), "{refused:?}");
    assert!(refused.stderr.contains("No space left on device"), "{refused:?}");
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

/// It can make a fool of itself, but the manager neither dies nor believes it about others.
#[test]
fn a_worker_that_scribbles_over_the_board() {
    for separate in [&[][..], &["--separate-slots"]] {
        let sandbox = Sandbox::new("scarce-scribble");
        let options = ["--min-spare=2", "--max-spare=4", "--idle-timeout=0.2", "--pid-file=pid"];
        let options = [&options[..], separate, &["--max-requests=1000000", "--slow-after=1"]];
        let mut pool = pool(&sandbox, Kind::Cooperating, &options.concat());
        pool.wait_until("some", |pids| pids.len() >= 2);
        for byte in [0, 1, 0x5f, 0x7f, 0x80, 0xff] {
            let answer = pool.get(&format!("/scribble/{byte}"));
            assert!(answer.text.starts_with("wrote ") || answer.text.starts_with("no slots"));
            for form in ["--json", "--auto", "--openmetrics"] {
                let told = sandbox.tell(&["status", "--pid-file=pid", form]);
                assert_eq!(told.code, Some(0), "{told:?}");
                let bad = |c: char| c.is_control() && c != '\n';
                assert!(!told.stdout.contains(bad), "{told:?}");
            }
            answers(ask_many(&pool.target, "/", 3));
        }
        assert!(pool.server.alive(), "{}", pool.server.transcript());
        pool.signal(Signal::HUP);
        pool.get("/");
        pool.stop(&sandbox);
    }
}

/// Its text is for a terminal and a log that others read.
#[test]
fn a_text_with_control_characters_is_escaped_everywhere() {
    let sandbox = Sandbox::new("scarce-text");
    let options = ["--workers=1", "--pid-file=pid", "--slow-after=0.1", "--slow-log=slow"];
    let mut pool = pool(&sandbox, Kind::Cooperating, &options);
    pool.wait_workers(1);
    let asked = ask_many(&pool.target, "/text/\u{1b}[2J\u{7}/2", 1);
    let json = eventually("the text", || {
        let told = sandbox.tell(&["status", "--pid-file=pid", "--json"]);
        told.stdout.contains("GET /text").then_some(told.stdout)
    });
    let table = sandbox.tell(&["status", "--pid-file=pid"]).stdout;
    let slow = eventually("the slow log", || {
        let text = fs::read_to_string(sandbox.path("slow")).ok()?;
        text.contains("GET /text").then_some(text)
    });
    for text in [json, table, slow] {
        assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
    }
    answers(asked);
    pool.stop(&sandbox);
}

/// It cannot take the signal; KILL reaches it all the same.
#[test]
fn a_worker_that_stopped_itself_is_ended() {
    let sandbox = Sandbox::new("scarce-stopped");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=2", "--die-timeout=0.5"]);
    let workers = pool.wait_workers(2);
    kill(workers[0], Signal::STOP);
    eventually("stopped", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", workers[0])).unwrap();
        stat.contains(") T ").then_some(())
    });
    pool.get("/");
    pool.signal(Signal::TERM);
    let status = pool.server.wait_exit();
    // 0 where the manager makes it go on, so that it can leave.
    assert!(matches!(status.code(), Some(0 | 1)), "{}", pool.server.transcript());
    assert_eq!(sandbox.processes(), [0; 0]);
}
