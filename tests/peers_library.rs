//! `superdaemon::start_server` as functions, on a server that the program started.

use std::thread;
use std::time::Duration;

use sigpolicy::Signal;
use superdaemon::start_server::args::{RestartOptions, StatusOptions, StopOptions};
use superdaemon::start_server::{Status, restart, status, stop};

use crate::sandbox::{Sandbox, Server, eventually};

const UP: &str = "on TERM exit 0\nnotify STATUS=warm\nsay up $GEN $PID\nready";

struct Handle {
    sandbox: Sandbox,
    server: Server,
}

impl Handle {
    /// A server with a worker that is up, and the worker's pid.
    fn start(topic: &str, options: &[&str]) -> (Self, i32) {
        let sandbox = Sandbox::new(topic);
        let script = sandbox.script("worker", UP);
        let launch = sandbox.start_server().args(["--pid-file=pid", "--status-file=status"]);
        let launch = launch.args(["--path=socket", "--interval=600"]).args(options);
        let server = launch.worker(script).spawn();
        let worker = server.wait_line("up 1").number();
        eventually("the status file", || sandbox.exists("status").then_some(()));
        (Self { sandbox, server }, worker)
    }

    fn restart_options(&self, timeout: Option<Duration>) -> RestartOptions {
        let (pid_file, status_file) = (self.sandbox.path("pid"), self.sandbox.path("status"));
        RestartOptions { pid_file, status_file, timeout }
    }

    fn stop_options(&self) -> StopOptions {
        StopOptions { pid_file: self.sandbox.path("pid") }
    }

    fn status(&self) -> Status {
        let pid_file = Some(self.sandbox.path("pid"));
        status(&StatusOptions { pid_file, status_file: None, json: false }).unwrap()
    }
}

#[test]
fn status_tells_what_there_is() {
    let (handle, worker) = Handle::start("library-status", &[]);
    let told = handle.status();
    assert_eq!(told.pid, Some(handle.server.pid()));
    assert_eq!((told.phase.as_str(), told.generation, told.failures), ("serving", 1, 0));
    let [only] = &told.workers[..] else { panic!("{told:?}") };
    assert_eq!((only.generation, only.pid, only.state.as_str()), (1, worker, "current"));
    assert_eq!(only.text.as_deref(), Some("warm"));
    let [listener] = &told.listeners[..] else { panic!("{told:?}") };
    let listener = (listener.name.as_str(), listener.kind.as_str(), listener.address.as_str());
    assert_eq!(listener, ("socket", "unix", "socket"));
    // Either file is enough to find the server.
    let by_status = StatusOptions {
        pid_file: None,
        status_file: Some(handle.sandbox.path("status")),
        json: false,
    };
    assert_eq!(status(&by_status).unwrap().pid, told.pid);
}

#[test]
fn restart_and_stop() {
    let (mut handle, first) = Handle::start("library-restart", &[]);
    let done = restart(&handle.restart_options(None)).unwrap();
    let second = handle.server.wait_line("up 2").number();
    assert_eq!(done.text, format!("generation 2 serves with worker {second}"));
    assert!(first != second);
    let told = handle.status();
    assert!(told.workers.iter().all(|worker| worker.pid != first), "it is gone: {told:?}");
    stop(&handle.stop_options(), |_| ()).unwrap();
    assert!(!handle.sandbox.exists("pid") && !handle.sandbox.exists("socket"));
    assert_eq!(handle.server.wait_exit().code(), Some(0));
    let again = stop(&handle.stop_options(), |_| ()).unwrap_err();
    assert_eq!(again.code(), 2, "{again}");
    assert!(again.to_string().contains("pid"), "{again}");
}

#[test]
fn a_restart_that_fails_brings_the_reason() {
    let (mut handle, first) = Handle::start("library-broken", &["--restart-attempts=1"]);
    handle.sandbox.script("worker.2", "err cannot read app.conf: no such file\nexit 7");
    let failed = restart(&handle.restart_options(None)).unwrap_err();
    assert_eq!(failed.code(), 1);
    let text = failed.to_string();
    assert!(text.contains("exit code 7"), "{text}");
    assert!(text.contains("cannot read app.conf: no such file"), "{text}");
    let told = handle.status();
    let [only] = &told.workers[..] else { panic!("{told:?}") };
    assert_eq!((only.pid, only.state.as_str()), (first, "current"));
    assert!(told.last_failure.is_some_and(|line| line.contains("status:1792")));
    restart(&handle.restart_options(None)).unwrap();
    assert_eq!(handle.status().generation, 3);
    handle.server.stop();
}

#[test]
fn a_restart_has_a_limit() {
    let (mut handle, first) = Handle::start("library-limit", &[]);
    handle.sandbox.script("worker.2", "say up 2\nwait go\nready");
    let limit = Some(Duration::from_millis(200));
    let failed = restart(&handle.restart_options(limit)).unwrap_err();
    assert_eq!(failed.code(), 1);
    let text = failed.to_string();
    assert!(text.contains("not complete within 0.2 secs"), "{text}");
    assert!(text.contains(&format!("1:{first}")), "{text}");
    // It goes on all the same.
    handle.sandbox.write("go", "");
    handle.server.wait_line("old worker ");
    assert_eq!(handle.status().generation, 2);
    handle.server.stop();
}

/// All are answered, the last of them by the newest generation.
#[test]
fn many_restarts_at_once() {
    let (mut handle, _) = Handle::start("library-many", &[]);
    let options = handle.restart_options(None);
    let all: Vec<String> = thread::scope(|scope| {
        let restarts: Vec<_> = (0..8).map(|_| scope.spawn(|| restart(&options))).collect();
        restarts.into_iter().map(|restart| restart.join().unwrap().unwrap().text).collect()
    });
    assert!(all.iter().all(|text| text.starts_with("generation ")), "{all:?}");
    let generation = handle.status().generation;
    assert!((2..=9).contains(&generation), "{generation}");
    let newest = format!("generation {generation} ");
    assert!(all.iter().any(|text| text.starts_with(&newest)), "{generation}: {all:?}");
    handle.server.stop();
}

/// The server goes away in the middle: an answer, not a wait for ever.
#[test]
fn a_restart_of_a_server_that_leaves() {
    let (mut handle, _) = Handle::start("library-leaves", &[]);
    handle.sandbox.script("worker.2", "say up 2\nwait go\nready");
    let options = handle.restart_options(None);
    let failed = thread::scope(|scope| {
        let restart = scope.spawn(|| restart(&options));
        handle.server.wait_line("up 2");
        handle.server.signal(Signal::TERM);
        restart.join().unwrap().unwrap_err()
    });
    assert_eq!(failed.code(), 1);
    assert!(failed.to_string().starts_with("restart failed: "), "{failed}");
    assert_eq!(handle.server.wait_exit().code(), Some(0));
}
