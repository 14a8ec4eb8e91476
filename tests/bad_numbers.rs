//! Descriptor numbers: taken, out of range, named by an environment that lies, or simply too few.

use crate::bad_case::{Case, FILES, all_refused, bytes, complaints, is_clear, refused, snapshot};
use crate::peers::example;
use crate::sandbox::{Launch, Sandbox, ask, free_port};

/// Nothing but the standard streams, and the lowest numbers as this line of shell opens them.
fn with(launch: Launch, line: &str) -> Launch {
    launch.through_shell(&format!("{line} exec \"$@\"")).bare()
}

#[test]
fn bad_numbers_for_sockets() {
    let sandbox = Sandbox::new("bad-fds");
    let port = |fd: &str| format!("--port=127.0.0.1:{}={fd}", free_port());
    let (seven, again, low) = (port("7"), port("7"), port("64"));
    let (two, high, beyond) = (port("2"), port("1048576"), port("99999999999999999999"));
    let cases: &[Case<'_>] = &[
        ("standard error", &[&two], 255, "descriptor 2 is standard error"),
        ("above all limits", &[&high], 255, "the highest descriptor number is 1048575"),
        ("no i32", &[&beyond], 255, "the highest descriptor number is 1048575"),
        ("another socket's", &[&seven, "--path=a", &again], 9, "descriptor 7 for 127.0.0.1:"),
    ];
    all_refused(&sandbox, &FILES, cases);
    let launch = || sandbox.start_server().args(FILES);
    let taken = with(launch().arg(&seven).program(["true"]), "exec 7</dev/null;");
    let line = refused(&sandbox, "inherited", taken, 9, "descriptor 7 for 127.0.0.1:");
    assert!(line.ends_with("is taken already: choose another"), "{line}");
    let limited = with(launch().arg(&low).program(["true"]), "ulimit -n 64;");
    let line =
        refused(&sandbox, "limit", limited, 9, "is out of range: the limit (ulimit -n) is 64");
    assert!(line.starts_with("descriptor 64 for 127.0.0.1:"), "{line}");
}

/// The numbers just below the limit: each is either usable or out of range.
#[test]
fn bad_numbers_below_the_limit() {
    let sandbox = Sandbox::new("bad-limit");
    let script = sandbox.script("worker", "serve\nsay up\nfds");
    for fd in 58..64 {
        let before = snapshot(&sandbox);
        let spec = format!("--port=127.0.0.1:{}={fd}", free_port());
        // The others change places with what the server itself has at 3 and above.
        let launch =
            sandbox.start_server().args([spec.as_str(), "--path=a", "--path=b", "--path=c"]);
        let launch = with(launch.arg("--interval=0").worker(&script), "ulimit -n 64;");
        let mut server = launch.spawn();
        let first = server.wait_line("");
        assert!(first.text.contains("starting now"), "{fd}: {}", server.transcript());
        let second = server.wait_lines(&[&format!("descriptor {fd}")]).remove(0).text;
        if second.contains("out of range") {
            assert_eq!(server.wait_exit().code(), Some(9), "{}", server.transcript());
        } else {
            server.wait_line("up");
            let fds = server.wait_line("fds ").text;
            assert!(fds.contains(&format!(" {fd}=socket:")), "{fds}");
            assert!(ask(&sandbox.path("c")).is_ok());
            server.stop();
        }
        assert_eq!(snapshot(&sandbox), before, "{fd}");
    }
}

/// However few descriptors there are: it serves, or says that they are too few and leaves nothing.
#[test]
fn bad_limits_on_open_files() {
    let sandbox = Sandbox::new("bad-nofile");
    let before = snapshot(&sandbox);
    let mut served = 0;
    for limit in 3..32 {
        let launch = sandbox.start_server().args(FILES).arg("--interval=0");
        let launch = launch.arg(format!("--port=127.0.0.1:{}", free_port()));
        // The worker ends the server, and then it is ended.
        let launch = launch.program(["/bin/sh", "-c", "kill -TERM $PPID; exec sleep 60"]);
        let finished = with(launch, &format!("ulimit -n {limit};")).output();
        if finished.code == Some(0) {
            served += 1;
            assert!(finished.stderr.ends_with("\nexiting\n"), "{limit}: {finished:?}");
        } else {
            // The last is the dynamic linker's word.
            let says = ["Too many open files", "(os error 24)", "Error 24"];
            let lines = complaints(&finished.stderr);
            let last = lines.last().unwrap_or_else(|| panic!("{limit}: {finished:?}"));
            assert!(says.iter().any(|text| last.contains(text)), "{limit}: {finished:?}");
            lines.iter().for_each(|line| is_clear(&format!("limit {limit}"), line));
            assert_eq!(served, 0, "{limit}: less was enough: {finished:?}");
        }
        assert_eq!(snapshot(&sandbox), before, "{limit}: {finished:?}");
    }
    assert!(served >= 10, "{served}");
}

/// Through a shell whose pid becomes the server's, so that LISTEN_PID is right.
fn activated(launch: Launch, open: &str, variables: &str) -> Launch {
    with(launch, &format!("{open} export LISTEN_PID=$$ {variables};"))
}

#[test]
fn bad_listen_fds() {
    let sandbox = Sandbox::new("bad-listen");
    sandbox.write("file", "content");
    let cases = [
        ("word", "", "LISTEN_FDS=x", "invalid LISTEN_FDS: `x'"),
        ("negative", "", "LISTEN_FDS=-1", "invalid LISTEN_FDS: `-1'"),
        ("fraction", "", "LISTEN_FDS=1.5", "invalid LISTEN_FDS: `1.5'"),
        ("blank", "", "LISTEN_FDS='1 '", "invalid LISTEN_FDS: `1 '"),
        ("too many", "", "LISTEN_FDS=1048576", "invalid LISTEN_FDS: `1048576'"),
        ("no i32", "", "LISTEN_FDS=99999999999", "invalid LISTEN_FDS: `99999999999'"),
        ("escape", "", "LISTEN_FDS=\"$(printf '\\033[2J')\"", "invalid LISTEN_FDS: `\\u{1b}[2J'"),
        ("pid", "", "LISTEN_FDS=1 LISTEN_PID=x", "invalid LISTEN_PID: `x'"),
        ("negative pid", "", "LISTEN_FDS=1 LISTEN_PID=-1", "invalid LISTEN_PID: `-1'"),
        ("names", "", "LISTEN_FDS=1 LISTEN_FDNAMES=a:b", "invalid LISTEN_FDNAMES: `a:b'"),
        ("closed", "", "LISTEN_FDS=1", "descriptor 3 (named unknown) from LISTEN_FDS is not open"),
        ("file", "exec 3<file;", "LISTEN_FDS=1", "from LISTEN_FDS is not a socket"),
        ("device", "exec 3</dev/null;", "LISTEN_FDS=1", "from LISTEN_FDS is not a socket"),
        ("named", "exec 3<file;", "LISTEN_FDS=1 LISTEN_FDNAMES=web", "descriptor 3 (named web)"),
        ("second", "exec 4<file;", "LISTEN_FDS=2", "descriptor 3 (named unknown) from"),
    ];
    for (name, open, variables, says) in cases {
        let launch = sandbox.start_server().args(FILES).program(["true"]);
        refused(&sandbox, name, activated(launch, open, variables), 255, says);
    }
    // Sockets that nobody can serve: connected, or bound to nothing.
    let socketpair = "use Socket; $^F = 9; socketpair(A, B, AF_UNIX, SOCK_STREAM, 0) or die; \
        $ENV{LISTEN_FDS} = 1; $ENV{LISTEN_PID} = $$; exec @ARGV or die";
    let launch = sandbox.start_server().args(FILES).program(["true"]);
    let launch = launch.through(["perl", "-e", socketpair]).bare();
    refused(&sandbox, "connected socket", launch, 255, "is a unix socket that is not listening");
}

/// What is meant for another process, or says that there is nothing, is no business of ours.
#[test]
fn bad_listen_fds_that_are_meant_for_nobody() {
    let sandbox = Sandbox::new("bad-listen-other");
    let script = sandbox.script("worker", "say up\nenv SERVER_STARTER_PORT");
    let cases = [
        ("empty", "LISTEN_FDS="),
        ("none", "LISTEN_FDS=0"),
        ("of another", "LISTEN_FDS=1 LISTEN_PID=1"),
        ("without a count", "LISTEN_FDNAMES=a:b"),
    ];
    for (name, variables) in cases {
        let launch = sandbox.start_server().arg("--interval=0").worker(&script);
        let mut server = activated(launch, "exec 3</dev/null;", variables).spawn();
        server.wait_line("up");
        assert_eq!(server.wait_line("SERVER_STARTER_PORT").text, "SERVER_STARTER_PORT=", "{name}");
        server.stop();
    }
}

/// What a worker in Rust says that got a wrong SERVER_STARTER_PORT.
#[test]
fn bad_server_starter_port_in_a_worker() {
    let sandbox = Sandbox::new("bad-worker");
    sandbox.write("file", "content");
    let worker = example("http_worker");
    let cases: &[(&str, &[u8], &str)] = &[
        ("word", b"x", "the entry `x' should be `NAME=FD'"),
        ("number", b"80", "the entry `80' should be `NAME=FD'"),
        ("no number", b"80=x", "the entry `80=x' has no valid descriptor number"),
        ("negative", b"80=-1", "the entry `80=-1' has no valid descriptor number"),
        ("huge", b"80=4294967300", "has no valid descriptor number"),
        ("no name", b"=3", "the entry `=3' should be `NAME=FD'"),
        ("separator", b";", "the entry `' should be `NAME=FD'"),
        ("separator at the end", b"80=3;", "the entry `' should be `NAME=FD'"),
        ("twice", b"80=3;81=3", "the entry `81=3' repeats"),
        ("not UTF-8", b"\xff\xfe", "invalid SERVER_STARTER_PORT: the entry `"),
        ("control characters", b"\x1b[2J\n", "invalid SERVER_STARTER_PORT: the entry `"),
        ("closed", b"80=99", "descriptor 99 (named 80) from SERVER_STARTER_PORT is not open"),
        ("file", b"80=3", "descriptor 3 (named 80) from SERVER_STARTER_PORT is not a socket"),
        ("standard error", b"80=2", "descriptor 2 (named 80) from SERVER_STARTER_PORT is not a"),
        ("nothing", b"", "no tcp socket was passed"),
    ];
    for (name, value, says) in cases {
        let launch = sandbox.run(&worker).env("SERVER_STARTER_PORT", bytes(value));
        let line = refused(&sandbox, name, with(launch, "exec 3<file;"), 1, says);
        assert!(line.starts_with("http_worker: "), "{name}: {line}");
    }
}

/// The same in the environment of the server: it is replaced, not read.
#[test]
fn bad_server_starter_port_before_the_start_is_nothing() {
    let sandbox = Sandbox::new("bad-port-env");
    let script =
        sandbox.script("worker", "say up\nenv SERVER_STARTER_PORT\nenv SERVER_STARTER_GENERATION");
    let launch = sandbox.start_server().args(["--interval=0", "--path=sock"]);
    let launch = launch.env("SERVER_STARTER_PORT", bytes(b"\xff;=x"));
    let launch = launch.env("SERVER_STARTER_GENERATION", "-7");
    let mut server = launch.worker(script).bare().spawn();
    server.wait_line("up");
    assert_eq!(server.wait_line("SERVER_STARTER_PORT=").text, "SERVER_STARTER_PORT=sock=3");
    assert_eq!(server.wait_line("GENERATION=").text, "SERVER_STARTER_GENERATION=1");
    server.stop();
}
