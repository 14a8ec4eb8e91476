//! How workers are told of their sockets, and under which other managers the pool itself runs.

use std::time::Duration;

use sigpolicy::Signal;

use super::fastcgi;
use super::harness::{Kind, Pool, launch, pool};
use super::http::get;
use crate::peers::{installed, program};
use crate::peers_load::{Load, Mode, Pace, Target};
use crate::sandbox::{MARK, Sandbox, eventually, free_port};

/// A worker on a port and a path of its own that shows what it got; the lines, its pid, both names.
fn shown(topic: &str, words: &[&str]) -> (Vec<String>, i32, String, String) {
    let sandbox = Sandbox::new(topic);
    let (port, path) = (free_port(), sandbox.path("sock"));
    let names = [
        "SERVER_STARTER_PORT",
        "LISTEN_FDS",
        "LISTEN_PID",
        "EINHORN_FDS",
        "EINHORN_FD_COUNT",
        "EINHORN_FD_0",
        "EINHORN_FD_1",
        "PREFORK_SLOT",
        "PREFORK_GENERATION",
        "SCOREBOARD_SLOT",
    ];
    let steps: String = names.iter().map(|name| format!("env {name}\n")).collect();
    let script = sandbox.script("worker", &format!("{steps}fds\nargs\nstdin\nsay up $PID\n"));
    let launch = sandbox.prefork_run().arg("--workers=1").arg(format!("--port=127.0.0.1:{port}"));
    let launch = launch.arg(format!("--path={}", path.display())).worker(script);
    let mut server = launch.arg_after(words).bare().spawn();
    let pid = server.wait_line("up ").number();
    server.stop();
    (server.lines(), pid, port.to_string(), path.display().to_string())
}

fn has(lines: &[String], expected: &[String]) {
    for line in expected {
        assert!(lines.contains(line), "no {line:?} in {lines:#?}");
    }
}

#[test]
fn every_convention_at_once() {
    let (lines, pid, port, path) = shown("convention-all", &["{port}", "{slot}", "plain"]);
    let expected = [
        format!("SERVER_STARTER_PORT=127.0.0.1:{port}=3;{path}=4"),
        "LISTEN_FDS=2".to_owned(),
        format!("LISTEN_PID={pid}"),
        "EINHORN_FD_COUNT=2".to_owned(),
        "EINHORN_FD_0=3".to_owned(),
        "EINHORN_FD_1=4".to_owned(),
        "EINHORN_FDS=3 4".to_owned(),
        "PREFORK_SLOT=0".to_owned(),
        "PREFORK_GENERATION=1".to_owned(),
        "SCOREBOARD_SLOT=0".to_owned(),
        format!("args [{port}] [0] [plain]"),
        "stdin \"\"".to_owned(),
    ];
    has(&lines, &expected);
    let fds = lines.iter().find(|line| line.starts_with("fds ")).unwrap();
    assert!(fds.contains(" 3=socket:") && fds.contains(" 4=socket:"), "{fds}");
}

/// gunicorn takes a descriptor twice that it is told of twice.
#[test]
fn a_descriptor_in_the_arguments_is_not_told_in_systemds_way_as_well() {
    let words = ["{fd}", "{fd1}", "--x={fd}:{slot}", "{{fd}}"];
    let (lines, _, port, path) = shown("convention-words", &words);
    let expected = [
        format!("SERVER_STARTER_PORT=127.0.0.1:{port}=3;{path}=4"),
        "LISTEN_FDS unset".to_owned(),
        "LISTEN_PID unset".to_owned(),
        "args [3] [4] [--x=3:0] [{fd}]".to_owned(),
    ];
    has(&lines, &expected);
}

/// Slots are numbered from 0 and used again.
#[test]
fn each_worker_has_a_slot_of_its_own() {
    let sandbox = Sandbox::new("convention-slot");
    let mut pool = pool(&sandbox, Kind::Managed, &["--workers=3"]);
    let old = pool.wait_workers(3);
    let slots = || {
        let slot = |pid: &i32| {
            let line = eventually("its first line", || {
                let up = format!("up {pid} ");
                pool.server.lines().into_iter().find(|line| line.starts_with(&up))
            });
            line.rsplit(' ').next().unwrap().parse::<u32>().unwrap()
        };
        let mut slots: Vec<u32> = pool.workers().iter().map(slot).collect();
        slots.sort_unstable();
        slots
    };
    assert_eq!(slots(), [0, 1, 2]);
    crate::sandbox::kill(old[1], Signal::KILL);
    pool.wait_until("three", |pids| pids.len() == 3 && pids != old);
    assert_eq!(slots(), [0, 1, 2]);
    pool.stop(&sandbox);
}

#[test]
fn the_first_listener_is_standard_input() {
    let sandbox = Sandbox::new("convention-fcgi");
    sandbox.release();
    let port = free_port();
    let launch = sandbox.prefork_run().args(["--workers=2", "--fcgi"]);
    let launch = launch.arg(format!("--port=127.0.0.1:{port}"));
    let server = launch.program(["perl", "worker.pl", "plain", "0"]).spawn();
    let mut pool = Pool::new(server, port);
    pool.wait_workers(2);
    pool.get("/");
    pool.stop(&sandbox);
}

/// Deployed anew by start_server while clients ask: the old pool drains, nothing is lost.
#[test]
fn below_start_server() {
    let sandbox = Sandbox::new("convention-starter");
    sandbox.release();
    let port = free_port();
    let launch = sandbox.start_server().arg(format!("--port=127.0.0.1:{port}"));
    let launch = launch.arg("--interval=600").program([
        env!("CARGO_BIN_EXE_prefork-run"),
        "--workers=2",
        "--",
        "perl",
        "worker.pl",
        "managed",
        "{fd}",
    ]);
    let mut server = launch.spawn();
    server.wait_line("starting new worker");
    let target = Target::Tcp(port);
    eventually("answers", || get(&target, "/").ok());
    let load = Load::start(std::slice::from_ref(&target), &[Mode::Close; 2], Pace::Fast);
    for _ in 0..3 {
        let seen = load.requests();
        eventually("more answers", || (load.requests() > seen + 50).then_some(()));
        server.signal(Signal::HUP);
        // READY=1 is passed up: ten minutes are not waited for.
        server.wait_lines(&["starting new worker", "new worker is now running", "old worker "]);
    }
    let tally = load.finish("below start_server");
    tally.expect_no_failure();
    server.stop();
    assert_eq!(sandbox.processes(), [0; 0]);
}

#[test]
fn a_socket_from_systemd_is_served() {
    if !installed("systemd", program("systemd-socket-activate")) {
        return;
    }
    let sandbox = Sandbox::new("convention-activated");
    sandbox.release();
    let port = free_port();
    let mut stage = vec!["systemd-socket-activate".to_owned(), "--fdname=web".to_owned()];
    for word in [MARK, "PATH"] {
        stage.extend(["-E".to_owned(), word.to_owned()]);
    }
    stage.extend(["-l".to_owned(), format!("127.0.0.1:{port}")]);
    let launch = sandbox.prefork_run().arg("--workers=2");
    let launch = launch.program(["perl", "worker.pl", "plain", "{fd}"]);
    let server = launch.through(stage).spawn();
    server.wait_line("Listening on");
    let mut pool = Pool { server, target: Target::Tcp(port) };
    let first = pool.get("/");
    pool.wait_workers(2);
    pool.signal(Signal::HUP);
    pool.wait_until("new ones", |pids| pids.len() == 2 && !pids.contains(&first.pid));
    assert_eq!(pool.get("/").generation, 2);
    pool.stop(&sandbox);
}

/// A service manager hears that the first worker is ready, of a reload, and of the end.
#[test]
fn a_service_manager_is_kept_informed() {
    let sandbox = Sandbox::new("convention-notify");
    let manager = std::os::unix::net::UnixDatagram::bind(sandbox.path("manager")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let hear = |wanted: &str| loop {
        let mut buffer = [0; 2048];
        let count = manager.recv(&mut buffer).unwrap_or_else(|error| panic!("{wanted}: {error}"));
        let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
        if text.lines().any(|line| line == wanted) {
            return text;
        }
    };
    let (launch, port) = launch(&sandbox, Kind::Plain, &["--workers=2"]);
    let server = launch.env("NOTIFY_SOCKET", sandbox.path("manager")).spawn();
    let mut pool = Pool::new(server, port);
    hear("READY=1");
    let old = pool.wait_workers(2);
    pool.signal(Signal::HUP);
    assert!(hear("RELOADING=1").contains("MONOTONIC_USEC="));
    hear("READY=1");
    pool.wait_replaced(&old, 2);
    pool.signal(Signal::TERM);
    hear("STOPPING=1");
    pool.ends(0);
}

/// The FastCGI client against a responder that is nothing but this module's own server side.
#[test]
fn the_fastcgi_client_reads_what_a_responder_writes() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let responder = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (params, input) = fastcgi::read_request(&mut stream).unwrap();
        let body = format!("Status: 200 OK\r\n\r\n{} {}", params["SCRIPT_NAME"], input.len());
        fastcgi::write_answer(&mut stream, body.as_bytes()).unwrap();
    });
    let body = "x".repeat(100_000);
    let answer = fastcgi::request(&Target::Tcp(port), "/a", &[], body.as_bytes()).unwrap();
    assert_eq!(answer, "Status: 200 OK\r\n\r\n/a 100000");
    responder.join().unwrap();
}
