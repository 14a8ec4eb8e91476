//! kill -9 of the manager under load: the worker goes on, and a new manager takes over only when
//! nobody is there any more.

use std::os::unix::fs::MetadataExt;

use sigpolicy::Signal;

use crate::peers::{example, installed, program, python};
use crate::peers_load::{Load, Mode, Pace, Target, get};
use crate::sandbox::{DEADLINE, Launch, Sandbox, Server, eventually, free_port, kill, wait_pid};

const FILES: [&str; 2] = ["--pid-file=pid", "--status-file=status"];

/// A server whose manager was killed while clients were being served: the orphan, and the clients.
struct Orphan {
    dead: i32,
    worker: i32,
    load: Load,
}

impl Orphan {
    fn make(server: &mut Server, sandbox: &Sandbox, target: &Target) -> Self {
        let worker = server.wait_line("starting new worker").number();
        let load =
            Load::start(std::slice::from_ref(target), &[Mode::KeepAlive, Mode::Close], Pace::Fast);
        eventually("the status file", || sandbox.exists("status").then_some(()));
        eventually("an answer", || load.newest());
        server.signal(Signal::KILL);
        server.wait_exit();
        let orphan = Self { dead: server.pid(), worker, load };
        orphan.serves();
        orphan
    }

    /// Clients are being answered now, also new ones.
    fn serves(&self) {
        let so_far = self.load.requests();
        eventually("more answers", || (self.load.requests() > so_far + 100).then_some(()));
    }

    /// The end of it: until here not one request has failed.
    fn end(self, what: &str) {
        self.load.finish(what).expect_no_failure();
        kill(self.worker, Signal::KILL);
        assert!(wait_pid(self.worker, DEADLINE));
    }
}

/// The next start, while the orphan serves: refused with one line, and nothing is changed.
fn refused(sandbox: &Sandbox, orphan: &Orphan, launch: Launch, line: &str) {
    let status = sandbox.read("status");
    let finished = launch.output();
    assert_eq!(finished.code, Some(98), "{finished:?}");
    let told: Vec<&str> = finished.stderr.lines().skip(1).collect();
    assert!(matches!(told[..], [only] if only.contains(line)), "{finished:?}");
    assert_eq!(sandbox.read("status"), status);
    assert_eq!(status, format!("1:{}\n", orphan.worker));
    assert_eq!(sandbox.read("pid"), format!("{}\n", orphan.dead));
    orphan.serves();
}

#[test]
fn on_a_path() {
    if !installed("python3", program("python3")) {
        return;
    }
    let sandbox = Sandbox::new("orphan-path");
    let target = Target::Unix(sandbox.path("socket"));
    let launch = || {
        let launch = sandbox.start_server().args(FILES).args(["--path=socket", "--interval=600"]);
        launch.program([python().into(), example("http_worker.py")])
    };
    let mut server = launch().spawn();
    let orphan = Orphan::make(&mut server, &sandbox, &target);
    let inode = sandbox.path("socket").metadata().unwrap().ino();
    refused(&sandbox, &orphan, launch(), "socket: another process is serving this socket");
    assert_eq!(sandbox.path("socket").metadata().unwrap().ino(), inode);
    orphan.end("orphan on a path");
    let mut server = launch().spawn();
    server.wait_line("removing existing socket file:socket");
    let worker = server.wait_line("starting new worker").number();
    assert_eq!(get(&target, Mode::Close).unwrap(), 1);
    assert_eq!(sandbox.read("pid"), format!("{}\n", server.pid()));
    eventually("the status file", || {
        (sandbox.read("status") == format!("1:{worker}\n")).then_some(())
    });
    server.stop();
    assert_eq!(sandbox.names(), [] as [&str; 0]);
}

#[test]
fn on_a_port() {
    let sandbox = Sandbox::new("orphan-port");
    let port = free_port();
    let launch = || {
        let launch = sandbox.start_server().args(FILES).arg("--interval=600");
        launch.arg(format!("--port=127.0.0.1:{port}")).program([example("http_worker")])
    };
    let mut server = launch().spawn();
    let orphan = Orphan::make(&mut server, &sandbox, &Target::Tcp(port));
    let line = format!("127.0.0.1:{port}: Address already in use");
    refused(&sandbox, &orphan, launch(), &line);
    orphan.end("orphan on a port");
    let mut server = launch().spawn();
    server.wait_line("starting new worker");
    assert_eq!(get(&Target::Tcp(port), Mode::Close).unwrap(), 1);
    server.stop();
    assert_eq!(sandbox.names(), [] as [&str; 0]);
}

/// The files that the dead manager left: its pid names nobody, and is not taken for a living one.
#[test]
fn helpers_after_the_death() {
    let sandbox = Sandbox::new("orphan-helpers");
    let script = sandbox.script("worker", "serve\nsay up $PID\nready");
    let launch = sandbox.start_server().args(FILES).arg("--path=socket").worker(script);
    let mut server = launch.spawn();
    let worker = server.wait_line("up ").number();
    eventually("the status file", || sandbox.exists("status").then_some(()));
    server.signal(Signal::KILL);
    server.wait_exit();
    let pid = format!("{}\n", server.pid());
    for (words, task) in [
        (&["--stop"][..], "send SIGTERM to"),
        (&["--restart"], "send SIGHUP to"),
        (&["--status"], "ask"),
    ] {
        let finished = sandbox.start_server().args(words).args(FILES).output();
        assert_eq!(finished.code, Some(3), "{finished:?}");
        let line = format!("failed to {task} the server process:No such process");
        assert!(finished.stderr.contains(&line), "{finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
        assert_eq!(sandbox.read("pid"), pid);
        assert_eq!(sandbox.read("status"), format!("1:{worker}\n"));
    }
    assert_eq!(crate::sandbox::ask(&sandbox.path("socket")).unwrap(), format!("1 {worker}"));
}
