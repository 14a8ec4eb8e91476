//! Methods over HTTP, and how connections are kept: what supervisord's own clients never do.

use std::time::{Duration, Instant};

use sigpolicy::Signal;

use super::control_client::{Http, SOCKET, boolean, request, string};
use super::harness::{Config, alive, gone};
use crate::sandbox::{Sandbox, eventually};

/// A program that runs when it has been up for a while, and one that takes its time to stop.
fn slow<'s>(sandbox: &'s Sandbox) -> Config<'s> {
    let steps = "on TERM say asked\nsay up\nwait leave\nexit 0";
    Config::new(sandbox)
        .control()
        .idle("quick", "")
        .idle("later", "startsecs=30\nautostart=false")
        .puppet("stays", steps, "stopwaitsecs=600")
}

/// Three requests in one write, the middle one waits: the answers come in the order of the requests.
#[test]
fn requests_in_a_row() {
    let sandbox = Sandbox::new("sv-pipelined");
    let config = Config::new(&sandbox).control().idle("p", "startsecs=1\nautostart=false");
    let mut ours = config.idle("q", "").spawn();
    ours.starts("q");
    let mut http = ours.http();
    let pid = request("supervisor.getPID", &[], "");
    let start = request("supervisor.startProcess", &[string("p")], "");
    let began = Instant::now();
    http.send(&[pid.as_slice(), &start, &pid].concat()).unwrap();
    http.answer().unwrap().says(&ours.pid().to_string());
    http.answer().unwrap().says("1");
    assert!(began.elapsed() > Duration::from_millis(900), "{:?}", began.elapsed());
    http.answer().unwrap().says(&ours.pid().to_string());
    assert_eq!(ours.asked("p", "statename"), "RUNNING");
    ours.stop();
}

/// A byte at a time is a request, too; and a connection serves as many as one likes.
#[test]
fn one_byte_at_a_time() {
    let sandbox = Sandbox::new("sv-bytes");
    let mut ours = Config::new(&sandbox).control().idle("p", "").spawn();
    ours.starts("p");
    let mut http = ours.http();
    for byte in request("supervisor.getVersion", &[], "") {
        http.send(&[byte]).unwrap();
    }
    http.answer().unwrap().says("3.0");
    for _ in 0..500 {
        http.call("supervisor.getVersion", &[]).says("3.0");
    }
    ours.stop();
}

#[test]
fn how_a_connection_ends() {
    let sandbox = Sandbox::new("sv-connection");
    let mut ours = Config::new(&sandbox).control().idle("p", "").spawn();
    ours.starts("p");
    let with = |extra: &str| request("supervisor.getVersion", &[], extra);
    let old = |extra: &str| {
        let text = String::from_utf8(with(extra)).unwrap();
        text.replace("HTTP/1.1", "HTTP/1.0").into_bytes()
    };
    // What is sent, and whether the connection stays.
    let cases = [
        (with(""), true),
        (with("Connection: keep-alive\r\n"), true),
        (with("Connection: close\r\n"), false),
        (old(""), false),
        (old("Connection: keep-alive\r\n"), true),
    ];
    for (bytes, stays) in cases {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let mut http = ours.http();
        http.send(&bytes).unwrap();
        let answer = http.answer().unwrap();
        answer.says("3.0");
        if stays {
            http.call("supervisor.getVersion", &[]).says("3.0");
        } else {
            assert!(http.closed(), "{shown}");
            let said = answer.header("connection").map(str::to_ascii_lowercase);
            assert!(
                shown.contains("HTTP/1.0") || said.as_deref() == Some("close"),
                "{}",
                answer.head
            );
        }
    }
    // Half closed: the answer comes before the other half is.
    let mut http = ours.http();
    http.send(&with("")).unwrap();
    http.shut();
    http.answer().unwrap().says("3.0");
    assert!(http.closed());
    ours.stop();
}

#[test]
fn what_is_not_served() {
    let sandbox = Sandbox::new("sv-refused");
    let mut ours = Config::new(&sandbox).control().idle("p", "").spawn();
    ours.starts("p");
    let post = |head: &str, body: &str| {
        format!("POST /RPC2 HTTP/1.1\r\nHost: localhost\r\n{head}\r\n{body}")
    };
    let many = "X: y\r\n".repeat(1000);
    let long = "x".repeat(100_000);
    let cases = [
        ("nonsense\r\n\r\n".to_owned(), &[400][..]),
        ("\0\0\0\0\r\n\r\n".to_owned(), &[400]),
        ("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), &[404]),
        ("GET /logtail/nope/stdout HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), &[404]),
        ("DELETE /RPC2 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), &[400, 405, 501]),
        (post("", ""), &[411]),
        (post("Content-Length: x\r\n", ""), &[400]),
        (post("Content-Length: 5\r\nContent-Length: 6\r\n", "<a/>  "), &[400]),
        (post("Content-Length: 4\r\n", "nope"), &[400]),
        (post("Content-Length: 4\r\n", "<a/>"), &[400]),
        (post("Content-Length: 99999999999\r\n", ""), &[413]),
        (post(&many, ""), &[400, 431]),
        (post(&format!("X: {long}\r\n"), ""), &[400, 431]),
        (format!("GET /{long} HTTP/1.1\r\n\r\n"), &[400, 414, 431]),
    ];
    for (text, statuses) in cases {
        let shown: String = text.chars().take(100).collect();
        let mut http = ours.http();
        // It may have answered and closed before all has been sent.
        let _ = http.send(text.as_bytes());
        let answer = http.answer().unwrap_or_else(|| panic!("no answer to {shown}"));
        assert!(statuses.contains(&answer.status), "{shown}: {}", answer.head);
    }
    ours.call("supervisor.getVersion", &[]).says("3.0");
    ours.stop();
}

/// The client that asked has gone: what it asked for is done all the same.
#[test]
fn a_client_leaves_in_the_middle() {
    let sandbox = Sandbox::new("sv-leaves");
    let mut ours = slow(&sandbox).spawn();
    let stays = ours.starts("stays");
    sandbox.wait_text("stays.out", "up");
    let before = ours.sockets();
    let mut http = ours.http();
    http.begin("supervisor.startProcess", &[string("later")]);
    let later = ours.spawned("later");
    drop(http);
    let mut http = ours.http();
    http.begin("supervisor.stopProcess", &[string("stays")]);
    sandbox.wait_text("stays.out", "asked");
    drop(http);
    ours.call("supervisor.getVersion", &[]).says("3.0");
    assert_eq!(ours.asked("later", "statename"), "STARTING");
    assert_eq!(ours.asked("stays", "statename"), "STOPPING");
    assert!(alive(later) && alive(stays));
    sandbox.write("leave", "");
    gone(stays);
    ours.becomes("stays", "STOPPED");
    eventually("nothing is left of the clients", || (ours.sockets() == before).then_some(()));
    ours.stop();
}

/// Two who wait for the same, and one who ends what the other waits for.
#[test]
fn clients_in_each_others_way() {
    let sandbox = Sandbox::new("sv-both");
    let mut ours = slow(&sandbox).spawn();
    ours.starts("quick");
    let mut starter = ours.http();
    starter.begin("supervisor.startProcess", &[string("later")]);
    ours.spawned("later");
    ours.call("supervisor.startProcess", &["later"]).fails(60, "ALREADY_STARTED: later");
    ours.call("supervisor.stopProcess", &["later"]).says("1");
    starter.answer().unwrap().fails(40, "ABNORMAL_TERMINATION: later");
    sandbox.write("leave", "");
    ours.stop();
}

#[test]
fn the_answer_comes_when_it_is_so() {
    let sandbox = Sandbox::new("sv-answers");
    let mut ours = slow(&sandbox).spawn();
    ours.starts("stays");
    sandbox.wait_text("stays.out", "up");
    let mut http = ours.http();
    http.begin("supervisor.stopProcess", &[string("stays")]);
    sandbox.wait_text("stays.out", "asked");
    let began = Instant::now();
    sandbox.write("leave", "");
    http.answer().unwrap().says("1");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    http.call("supervisor.stopProcess", &[string("stays"), boolean(false)])
        .fails(70, "NOT_RUNNING: stays");
    let quick = http.call("supervisor.startProcess", &[string("later"), boolean(false)]);
    quick.says("1");
    assert_eq!(ours.asked("later", "statename"), "STARTING");
    ours.stop();
}

/// While everything is being stopped every method has one answer.
#[test]
fn a_supervisor_that_stops() {
    let sandbox = Sandbox::new("sv-stopping");
    let mut ours = slow(&sandbox).spawn();
    ours.starts("stays");
    sandbox.wait_text("stays.out", "up");
    let mut http = ours.http();
    http.call("supervisor.shutdown", &[]).says("1");
    sandbox.wait_text("stays.out", "asked");
    for method in
        ["getVersion", "getState", "getAllProcessInfo", "shutdown", "restart", "reloadConfig"]
    {
        http.call(&format!("supervisor.{method}"), &[]).fails(6, "SHUTDOWN_STATE");
    }
    http.call("supervisor.startProcess", &[string("nope")]).fails(6, "SHUTDOWN_STATE");
    let mut waits = ours.http();
    waits.send(b"POST /RPC2 HTTP/1.1\r\n").unwrap();
    sandbox.write("leave", "");
    // Somebody's half a request keeps nobody.
    ours.ends(0);
    assert!(!sandbox.exists(SOCKET), "the socket is left");
    assert!(Http::unix(&sandbox.path(SOCKET)).is_err());
}

/// Who waits is told, whatever becomes of what he waits for.
#[test]
fn what_is_waited_for_goes_away() {
    let sandbox = Sandbox::new("sv-vanishes");
    let mut ours = slow(&sandbox).spawn();
    ours.starts("stays");
    sandbox.wait_text("stays.out", "up");
    let mut starter = ours.http();
    starter.begin("supervisor.startProcess", &[string("later")]);
    let later = ours.spawned("later");
    let mut stopper = ours.http();
    stopper.begin("supervisor.stopProcess", &[string("stays")]);
    sandbox.wait_text("stays.out", "asked");
    // Neither is in the file any more.
    Config::new(&sandbox).control().idle("quick", "").write();
    ours.hup();
    gone(later);
    starter.answer().unwrap().fails(40, "ABNORMAL_TERMINATION: later");
    sandbox.write("leave", "");
    stopper.answer().unwrap().says("1");
    // And when the supervisor itself goes.
    slow(&sandbox).write();
    sandbox.remove("leave");
    ours.hup();
    ours.starts("stays");
    let said = |text: &str, count| {
        (sandbox.read("stays.out").matches(text).count() == count).then_some(())
    };
    eventually("it can be stopped", || said("up\n", 2));
    let mut starter = ours.http();
    starter.begin("supervisor.startProcess", &[string("later")]);
    ours.spawned("later");
    let mut stopper = ours.http();
    stopper.begin("supervisor.stopAllProcesses", &[]);
    eventually("it is being stopped", || said("asked\n", 2));
    ours.server.signal(Signal::TERM);
    starter.answer().expect("an answer before the end").fails(40, "ABNORMAL_TERMINATION: later");
    sandbox.write("leave", "");
    let words = stopper.answer().expect("an answer before the end").words();
    assert_eq!(words.matches("status 80").count(), 3, "{words}");
    ours.ends(0);
}

/// A new life of the same process: programs start anew, with the file as it is now.
#[test]
fn a_restart() {
    let sandbox = Sandbox::new("sv-restart");
    let mut ours = Config::new(&sandbox).control().idle("p", "").spawn();
    let pid = ours.starts("p");
    Config::new(&sandbox).control().idle("p", "").idle("q", "").write();
    let mut http = ours.http();
    http.call("supervisor.restart", &[]).says("1");
    gone(pid);
    let again = ours.starts("p");
    assert_ne!(pid, again);
    ours.starts("q");
    ours.call("supervisor.getPID", &[]).says(&ours.pid().to_string());
    assert_eq!(ours.asked("p", "pid"), again.to_string());
    assert_eq!(ours.call("supervisor.getState", &[]).member("statename"), "RUNNING");
    ours.stop();
}

#[test]
fn standard_input() {
    let sandbox = Sandbox::new("sv-stdin");
    let config = Config::new(&sandbox).control().program("copy", "/bin/cat", "");
    let mut ours = config.idle("deaf", "").spawn();
    ours.starts("copy");
    ours.starts("deaf");
    ours.call("supervisor.sendProcessStdin", &["copy", "gr\u{fc}n &lt;1&gt;\n"]).says("1");
    sandbox.wait_text("copy.out", "gr\u{fc}n <1>\n");
    // More than a pipe holds, for one who reads.
    let line = format!("{}\n", "x".repeat(999));
    for _ in 0..500 {
        ours.call("supervisor.sendProcessStdin", &["copy", &line]).says("1");
    }
    eventually("all of it", || {
        let length = sandbox.path("copy.out").metadata().unwrap().len();
        (length == 500_000 + "gr\u{fc}n <1>\n".len() as u64).then_some(())
    });
    // One who does not read is not given more and more: somewhere that ends, with a fault.
    let before = ours.memory();
    let block = "y".repeat(100_000);
    let mut http = ours.http();
    let refused = (0..100)
        .map(|_| http.call("supervisor.sendProcessStdin", &[string("deaf"), string(&block)]));
    let refused = refused.map(|answer| answer.words()).find(|words| words.starts_with("faultCode"));
    assert!(refused.is_some(), "10 MB for a program that does not read");
    let after = ours.memory();
    assert!(after < before + 8 * 1024, "{before} KiB, then {after}");
    ours.stop();
}

/// With `--state` a program that was stopped by hand stays so in the next run.
#[test]
fn stopped_by_hand() {
    let sandbox = Sandbox::new("sv-by-hand");
    let state = sandbox.path("state");
    let launch = || {
        let config = Config::new(&sandbox).control().idle("p", "").idle("q", "");
        let server = config.launch().arg("--state").arg(&state).spawn();
        super::harness::Supervisor::new(&sandbox, server)
    };
    let mut ours = launch();
    ours.starts("p");
    ours.starts("q");
    ours.call("supervisor.stopProcess", &["p"]).says("1");
    ours.stop();
    let mut ours = launch();
    ours.starts("q");
    assert_eq!(ours.asked("p", "statename"), "STOPPED");
    ours.call("supervisor.startProcess", &["p"]).says("1");
    ours.server.signal(Signal::TERM);
    ours.ends(0);
    let mut ours = launch();
    ours.starts("p");
    ours.stop();
}

/// What a probe of a container asks for.
#[test]
fn health_and_metrics() {
    let sandbox = Sandbox::new("sv-probes");
    let config =
        Config::new(&sandbox).control().puppet("p", "wait go\nready\nsay up", "type=notify");
    let mut ours = config.spawn();
    ours.spawned("p");
    let mut http = ours.http();
    assert_eq!(http.get("/health").status, 200);
    assert_eq!(http.get("/ready").status, 503);
    sandbox.write("go", "");
    ours.succeeds("p");
    assert_eq!(http.get("/ready").status, 200);
    assert!(http.get("/metrics").text().contains("supervise_process_up"));
    http.extra = "Accept: application/openmetrics-text; version=1.0.0\r\n".to_owned();
    let metrics = http.get("/metrics");
    assert!(metrics.text().ends_with("# EOF\n"), "{}", metrics.text());
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    ours.stop();
}
