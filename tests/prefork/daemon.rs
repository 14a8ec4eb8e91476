//! The manager as a daemon: launcher, pid file, identity; and the commands around it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use sigpolicy::Signal;

use super::harness::{Kind, Pool, children, launch, pool};
use crate::sandbox::{DEADLINE, Sandbox, eventually, kill, stat_field, wait_pid};

fn daemon_pid(sandbox: &Sandbox) -> i32 {
    sandbox.read("pid").trim().parse().unwrap()
}

#[test]
fn daemonize_returns_when_a_worker_is_ready() {
    let sandbox = Sandbox::new("daemon");
    let options = ["--workers=2", "--daemonize", "--pid-file=pid", "--error-log=log"];
    let (launch, port) = launch(&sandbox, Kind::Plain, &options);
    let ended = launch.output();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let pid = daemon_pid(&sandbox);
    // It answers already, and it is nobody's child but init's or a reaper's, in its own session.
    let answer = super::http::get(&crate::peers_load::Target::Tcp(port), "/").unwrap();
    assert_eq!(answer.generation, 1);
    assert_ne!(stat_field(pid, 4), Some(std::process::id().to_string()));
    assert_ne!(stat_field(pid, 6), Some(crate::sandbox::own_session()));
    assert_eq!(fs::read_link(format!("/proc/{pid}/fd/0")).unwrap().to_str(), Some("/dev/null"));
    let stop = sandbox.tell(&["stop", "--pid-file=pid"]);
    assert_eq!(stop.code, Some(0), "{stop:?}");
    assert!(wait_pid(pid, DEADLINE));
    assert_eq!(sandbox.names(), ["log", "worker.pl"]);
    assert_eq!(sandbox.processes(), [0; 0]);
    assert!(sandbox.read("log").ends_with("exiting\n"), "{}", sandbox.read("log"));
}

#[test]
fn daemonize_tells_that_no_worker_came_up() {
    let sandbox = Sandbox::new("daemon-broken");
    let options = ["--workers=2", "--daemonize", "--pid-file=pid", "--error-log=log"];
    let (launch, _) = launch(&sandbox, Kind::Plain, &options);
    sandbox.broken_release();
    let ended = launch.output();
    assert!(matches!(ended.code, Some(1..)), "{ended:?}");
    eventually("nobody", || sandbox.processes().is_empty().then_some(()));
    assert_eq!(sandbox.names(), ["log", "worker.pl"]);
    assert!(sandbox.read("log").contains("no such table: users"));
}

#[test]
fn a_second_instance_is_refused_and_disturbs_nothing() {
    let sandbox = Sandbox::new("daemon-second");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=2", "--pid-file=pid"]);
    let workers = pool.wait_workers(2);
    let (second, _) = launch(&sandbox, Kind::Plain, &["--workers=2", "--pid-file=pid"]);
    let refused = second.output();
    assert!(matches!(refused.code, Some(1..)), "{refused:?}");
    assert!(refused.stderr.contains(&pool.server.pid().to_string()), "{refused:?}");
    assert_eq!(daemon_pid(&sandbox), pool.server.pid());
    assert_eq!(pool.wait_workers(2), workers);
    pool.stop(&sandbox);
    assert_eq!(sandbox.names(), ["worker.pl"]);
}

/// The pid in a file that nobody holds may be anybody's by now.
#[test]
fn a_stale_pid_file_with_a_recycled_pid_is_no_obstacle_and_no_target() {
    let sandbox = Sandbox::new("daemon-stale");
    let mut other = sandbox.run("perl").args(["-e", "print qq(up\\n); sleep 600"]).spawn();
    sandbox.write("pid", format!("{}\n", other.pid()));
    let told = sandbox.tell(&["stop", "--pid-file=pid"]);
    assert!(matches!(told.code, Some(1..)), "{told:?}");
    assert!(other.alive());
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=1", "--pid-file=pid"]);
    pool.wait_workers(1);
    assert_eq!(daemon_pid(&sandbox), pool.server.pid());
    pool.server.stop();
    assert!(other.alive());
}

#[test]
fn a_pool_that_only_root_may_start() {
    let sandbox = Sandbox::new("daemon-root");
    let (launch, _) = launch(&sandbox, Kind::Plain, &["--workers=1", "--require-root"]);
    if rustix::process::geteuid().is_root() {
        let mut server = launch.spawn();
        server.wait_line("up ");
        server.stop();
        return;
    }
    let refused = launch.output();
    assert!(matches!(refused.code, Some(1..)), "{refused:?}");
    assert!(refused.stderr.contains("root"), "{refused:?}");
}

#[test]
fn workers_are_another_user_in_another_directory() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let sandbox = Sandbox::new("daemon-user");
    let options = ["--workers=1", "--user=nobody", "--umask=027", "--no-new-privs", "--chdir=/"];
    let (launch, port) = launch(&sandbox, Kind::Cooperating, &options);
    // The worker's path is relative, and its directory is not.
    let script = sandbox.path("worker.pl");
    let launch = launch.program(["perl", script.to_str().unwrap(), "cooperating", "{fd}"]);
    let mut pool = Pool::new(launch.spawn(), port);
    let worker = pool.wait_workers(1)[0];
    let status = fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
    for line in ["\nUid:\t65534\t65534\t65534\t65534\n", "\nNoNewPrivs:\t1\n", "\nUmask:\t0027\n"] {
        assert!(status.contains(line), "{line:?} in {status}");
    }
    assert_eq!(fs::read_link(format!("/proc/{worker}/cwd")).unwrap().to_str(), Some("/"));
    assert_eq!(fs::metadata(format!("/proc/{}", pool.server.pid())).unwrap().uid(), 0);
    assert_eq!(pool.get("/").pid, worker);
    assert_eq!(pool.server.count("no scoreboard"), 0, "{}", pool.server.transcript());
    // The parent-death signal is not lost with the change of user.
    pool.signal(Signal::KILL);
    assert!(wait_pid(worker, DEADLINE));
    pool.server.wait_exit();
}

#[test]
fn mode_of_the_unix_socket_is_not_left_to_the_umask() {
    let sandbox = Sandbox::new("daemon-mode");
    let options = ["--workers=1", "--path-mode=0640"];
    let mut pool = super::harness::unix_pool(&sandbox, Kind::Plain, &options);
    let mode = fs::metadata(sandbox.path("sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    pool.get("/");
    pool.stop(&sandbox);
    assert!(!sandbox.exists("sock"));
}

#[test]
fn a_title_of_its_own() {
    let sandbox = Sandbox::new("daemon-title");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=1", "--title=bookshop"]);
    pool.wait_workers(1);
    let comm = fs::read_to_string(format!("/proc/{}/comm", pool.server.pid())).unwrap();
    let line = fs::read(format!("/proc/{}/cmdline", pool.server.pid())).unwrap();
    let line = String::from_utf8_lossy(&line).into_owned();
    assert!(comm.starts_with("bookshop") || line.contains("bookshop [parent]"), "{comm} {line}");
    // Who asks where it is, is answered all the same: its environment has not been overwritten.
    assert!(sandbox.processes().contains(&pool.server.pid()));
    pool.stop(&sandbox);
}

#[test]
fn an_error_log_command_gets_everything() {
    let sandbox = Sandbox::new("daemon-logger");
    let options = ["--workers=1", "--error-log=| cat >> log"];
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    eventually("the worker's line", || {
        fs::read_to_string(sandbox.path("log")).ok()?.contains("up ").then_some(())
    });
    assert_eq!(pool.get("/").generation, 1);
    pool.server.stop();
    eventually("the last line", || sandbox.read("log").ends_with("exiting\n").then_some(()));
}

#[test]
fn no_pool_for_no_workers() {
    let sandbox = Sandbox::new("daemon-zero");
    // FCGI::ProcManager's n_processes=0 swallows TERM for ever.
    let (launch, port) = launch(&sandbox, Kind::Managed, &["--workers=0"]);
    let mut pool = Pool::new(launch.spawn(), port);
    let answer = pool.get("/");
    assert_eq!(answer.pid, pool.server.pid(), "in place of the manager");
    assert_eq!(children(pool.server.pid()), [0; 0]);
    eventually("idle", || super::harness::accepting(pool.server.pid()).then_some(()));
    pool.signal(Signal::TERM);
    pool.ends(0);
}

#[test]
fn hooks_run_at_their_points_with_facts() {
    let sandbox = Sandbox::new("daemon-hooks");
    let note = |name: &str| {
        format!(
            "--{name}=echo $PREFORK_HOOK pid=$PREFORK_PID slot=$PREFORK_SLOT code=$PREFORK_EXIT_CODE >> hooks"
        )
    };
    let names = ["before-daemonize", "after-init", "before-fork", "on-reap", "before-shutdown"];
    let mut options: Vec<String> = names.iter().map(|name| note(name)).collect();
    options.extend(
        ["--workers=1", "--daemonize", "--error-log=log", "--pid-file=pid"].map(String::from),
    );
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let (launch, port) = launch(&sandbox, Kind::Plain, &options);
    let ended = launch.output();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let target = crate::peers_load::Target::Tcp(port);
    let first = super::http::get(&target, "/").unwrap().pid;
    assert!(super::http::get(&target, "/exit/7").is_err());
    let line = format!("on-reap pid={first} slot=0 code=7");
    eventually("the reap", || sandbox.read("hooks").contains(&line).then_some(()));
    super::http::get(&target, "/").unwrap();
    let pid = daemon_pid(&sandbox);
    kill(pid, Signal::TERM);
    assert!(wait_pid(pid, DEADLINE));
    eventually("nobody", || sandbox.processes().is_empty().then_some(()));
    let text = sandbox.read("hooks");
    let order: Vec<&str> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(order[..3], ["before-daemonize", "after-init", "before-fork"], "{text}");
    let at = order.iter().position(|name| *name == "before-shutdown").expect("before-shutdown");
    assert!(order[..at].iter().filter(|name| **name == "before-fork").count() >= 2, "{text}");
    assert!(order[at..].contains(&"on-reap"), "workers leave after it: {text}");
}

#[test]
fn a_hook_that_fails_ends_the_start() {
    for hook in ["before-daemonize", "after-init"] {
        let sandbox = Sandbox::new("daemon-hook-fails");
        let option = format!("--{hook}=echo out of order >&2; exit 3");
        let options = ["--daemonize", "--error-log=log", "--pid-file=pid", &option];
        let (launch, port) = launch(&sandbox, Kind::Plain, &options);
        let ended = launch.output();
        assert!(matches!(ended.code, Some(1..)), "{hook}: {ended:?}");
        assert!(ended.stderr.contains(hook), "{hook}: {ended:?}");
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
        assert!(!sandbox.exists("pid"), "{hook}");
        eventually("nobody", || sandbox.processes().is_empty().then_some(()));
    }
}

#[test]
fn a_hook_before_the_shutdown_is_waited_for_and_workers_serve_meanwhile() {
    let sandbox = Sandbox::new("daemon-before-shutdown");
    let hook = "--before-shutdown=touch begun; until test -e go; do :; done";
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=1", hook]);
    pool.wait_workers(1);
    pool.signal(Signal::TERM);
    eventually("the hook", || sandbox.exists("begun").then_some(()));
    pool.get("/");
    sandbox.write("go", "");
    pool.ends(0);
    assert_eq!(sandbox.processes(), [0; 0]);
}

/// A hook that hangs does not hold up the pool.
#[test]
fn a_hook_that_nobody_waits_for() {
    let sandbox = Sandbox::new("daemon-on-reap");
    let mut pool =
        pool(&sandbox, Kind::Plain, &["--workers=2", "--on-reap=touch reaped; exec sleep 600"]);
    let before = pool.wait_workers(2);
    kill(before[0], Signal::KILL);
    eventually("the hook", || sandbox.exists("reaped").then_some(()));
    let begun = std::time::Instant::now();
    eventually("two workers", || {
        let workers = pool.workers().into_iter().filter(|pid| super::harness::accepting(*pid));
        (workers.count() == 2).then_some(())
    });
    assert!(begun.elapsed() < Duration::from_secs(5));
    pool.signal(Signal::TERM);
    pool.ends(0);
    assert_eq!(sandbox.processes(), [0; 0], "nor does it outlive it");
}
