//! What browsers, probes and scrapers get from a running supervisor.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use super::harness::{Config, Supervisor};
use crate::peers::{installed, program, python};
use crate::pypi::pypi;
use crate::sandbox::{DEADLINE, Sandbox, eventually, free_port};

/// `ops:secret`
const LOGIN: &str = "Authorization: Basic b3BzOnNlY3JldA==\r\n";

/// The section for a server with a password.
fn server(port: u16) -> String {
    format!("[inet_http_server]\nport=127.0.0.1:{port}\nusername=ops\npassword=secret\n")
}

/// An answer: the status, the head and the body. None while nobody listens.
fn try_get(port: u16, path: &str, headers: &str) -> Option<(u16, String, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let host = format!("Host: 127.0.0.1:{port}\r\nConnection: close\r\n");
    write!(stream, "GET {path} HTTP/1.1\r\n{host}{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some((status, head.to_owned(), body.to_owned()))
}

fn get(port: u16, path: &str, headers: &str) -> (u16, String, String) {
    eventually("a server", || try_get(port, path, headers))
}

/// Status and body of a probe, with and without the password.
fn probe(port: u16, path: &str) -> [(u16, String); 2] {
    [LOGIN, ""].map(|login| {
        let (status, _, body) = get(port, path, login);
        (status, body)
    })
}

fn both(status: u16, full: &str, word: &str) -> [(u16, String); 2] {
    [full, word].map(|body| (status, format!("{body}\n")))
}

#[test]
fn probes_follow_what_happens() {
    let sandbox = Sandbox::new("web-probes");
    let port = free_port();
    let mut supervisor = Config::new(&sandbox)
        .section(&server(port))
        .idle("good", "")
        .script("gate", "while [ ! -e open ]; do sleep 0.02; done", "startsecs=600\ntype=oneshot")
        .script("fails", "[ ! -e fail ] && exec sleep 1000; exit 3", "startretries=0\nstartsecs=1")
        .spawn();
    supervisor.starts("good");
    supervisor.starts("fails");
    assert_eq!(probe(port, "/health"), both(200, "ok", "ok"));
    assert_eq!(probe(port, "/ready"), both(503, "unready: gate STARTING", "unavailable"));
    sandbox.write("open", "");
    supervisor.wait_line("exited: gate (exit status 0; expected)");
    assert_eq!(probe(port, "/ready"), both(200, "ready", "ok"));

    // What fails for good is neither healthy nor ready.
    sandbox.write("fail", "");
    let json = format!("{LOGIN}Accept: application/json\r\n");
    press(port, "restart", "fails");
    supervisor.wait_line("gave up: fails entered FATAL state");
    assert_eq!(probe(port, "/health"), both(503, "failed: fails FATAL", "unavailable"));
    assert_eq!(probe(port, "/ready"), both(503, "unready: fails FATAL", "unavailable"));
    let (status, head, body) = get(port, "/health", &json);
    assert!(status == 503 && head.contains("application/json"), "{head}");
    let parsed: tinyjson::JsonValue = body.parse().unwrap();
    assert_eq!(parsed["processes"][0]["name"].get::<String>().unwrap(), "fails");

    // What is stopped by hand is meant to be.
    fs::remove_file(sandbox.path("fail")).unwrap();
    press(port, "start", "fails");
    supervisor.succeeds("fails");
    press(port, "stop", "good");
    supervisor.wait_line("stopped: good");
    assert_eq!(probe(port, "/health"), both(200, "ok", "ok"));
    assert_eq!(probe(port, "/ready"), both(200, "ready", "ok"));
    // Nothing else is told without the password.
    for path in ["/", "/metrics", "/tail?process=good", "/logtail/good"] {
        let (status, head, body) = get(port, path, "");
        assert!(status == 401 && head.contains("Basic realm"), "{path}: {head}");
        assert!(!body.contains("good"), "{body}");
    }
    supervisor.stop();
}

/// Presses a button of the page.
fn press(port: u16, action: &str, name: &str) {
    let (_, _, page) = get(port, "/", LOGIN);
    let (_, rest) = page.split_once("name=\"token\" value=\"").unwrap();
    let token = rest.split('"').next().unwrap();
    let body = format!("token={token}&{action}={name}");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = "Connection: close\r\nContent-Type: application/x-www-form-urlencoded";
    let length = body.len();
    let host = format!("Host: 127.0.0.1:{port}\r\n{LOGIN}{head}\r\nContent-Length: {length}");
    write!(stream, "POST /control HTTP/1.1\r\n{host}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    let place = format!("Location: /?did={action}&of={name}:{name}&came=ok");
    assert!(answer.contains(&place), "{answer}");
}

#[test]
fn metrics_for_prometheus() {
    let Some(library) = pypi("prometheus_client==0.26.0") else {
        return;
    };
    let sandbox = Sandbox::new("web-metrics");
    let port = free_port();
    let mut supervisor = Config::new(&sandbox)
        .daemon("identifier=it's \"mine\" \\ all")
        .section(&server(port))
        .idle("good", "")
        .script("done", "exit 7", "exitcodes=7")
        .idle("later", "autostart=false")
        .spawn();
    supervisor.starts("good");
    supervisor.wait_line("exited: done (exit status 7; expected)");
    let accept =
        format!("{LOGIN}Accept: application/openmetrics-text;version=1.0.0;q=0.9,*/*;q=0.1\r\n");
    let also = "/metrics?also=supervisord_exporter&also=node_exporter";
    let (_, head, open) = get(port, also, &accept);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.contains(kind), "{head}");
    let (_, head, classic) = get(port, "/metrics", LOGIN);
    assert!(head.contains("text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let script = "\
        import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as open\n\
        from prometheus_client.parser import text_string_to_metric_families as classic\n\
        parse = open if sys.argv[1] == 'open' else classic\n\
        for family in parse(sys.stdin.read()):\n    \
            for sample in family.samples:\n        \
                print(family.type, sample.name, sorted(sample.labels.items()), float(sample.value))\n";
    let read = |format: &str, text: &str| {
        let file = sandbox.write(format, text);
        let mut command = Command::new(python());
        command.args(["-c", script, format]).env("PYTHONPATH", &library);
        let output = command.stdin(fs::File::open(file).unwrap()).output().unwrap();
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{why}\n{text}");
        String::from_utf8(output.stdout).unwrap()
    };
    for (format, text) in [("open", &open), ("classic", &classic)] {
        let samples = read(format, text);
        let has =
            |line: &str| assert!(samples.lines().any(|other| other == line), "{line}\n{samples}");
        let of = |name: &str| format!("[('group', '{name}'), ('name', '{name}')]");
        has(&format!("gauge supervise_process_state {} 20.0", of("good")));
        has(&format!("gauge supervise_process_up {} 0.0", of("done")));
        has(&format!("gauge supervise_process_exit_status {} 7.0", of("done")));
        has(&format!("counter supervise_process_starts_total {} 1.0", of("good")));
        has(&format!("counter supervise_process_starts_total {} 0.0", of("later")));
        has("gauge supervise_mood [] 1.0");
        has("gauge supervise_processes [('state', 'RUNNING')] 1.0");
        assert!(samples.contains(r#"('identifier', 'it\'s "mine" \\ all')"#), "{samples}");
        assert!(samples.contains("gauge supervise_start_time_seconds [] 1"), "{samples}");
        assert!(!samples.contains("supervise_process_exit_status [('group', 'good')"), "{samples}");
    }
    let exporters = read("open", &open);
    assert!(
        exporters.contains("gauge node_supervisord_up [('group', 'good'), ('name', 'good')] 1.0")
    );
    assert!(exporters.contains("('name', 'good'), ('state', 'RUNNING')] 1.0"));
    supervisor.stop();
}

#[test]
fn the_page_in_a_browser() {
    let there = program("chromium") && program("chromedriver");
    if !installed("chromium", there) {
        return;
    }
    let sandbox = Sandbox::new("web-browser");
    let port = free_port();
    let says = |name: &str, then: &str| {
        let script =
            sandbox.shell(name, &format!("echo \"hello <b>$SUPERVISOR_PROCESS_NAME</b>\"\n{then}"));
        script.display().to_string()
    };
    let logs = "stdout_logfile=%(here)s/%(process_num)s.out\nstderr_logfile=NONE";
    let mut supervisor: Supervisor<'_> = Config::new(&sandbox)
        .daemon("identifier=shop")
        .section(&server(port))
        .program(
            "web",
            &says("web.sh", "exec sleep 1000"),
            &format!("numprocs=2\nprocess_name=web-%(process_num)d\nstartsecs=1\n{logs}"),
        )
        .idle("cron", "")
        .program("broken", "%(here)s/not-there", "startretries=0")
        .section(
            "[program:o<i>&\"dd']\ncommand=sleep 1000\nautostart=false\nstartsecs=0\n\
             stdout_logfile=%(here)s/odd.out\nstderr_logfile=NONE",
        )
        .spawn();
    supervisor.wait_lines(&["success: web-0", "success: web-1", "gave up: broken"]);
    // Here they can be looked at.
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&pictures).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/browser.py");
    let mut command = Command::new("timeout");
    command.args(["--kill-after=10", "240", python()]).arg(script);
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("TMPDIR", env::temp_dir());
    command.arg(format!("127.0.0.1:{port}")).args(["ops", "secret"]).arg(&pictures);
    let output = command.output().unwrap();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (done, why) = (shown(&output.stdout), shown(&output.stderr));
    assert!(output.status.success(), "after {done}: {why}\n{}", supervisor.transcript());
    assert!(done.ends_with("looks\n"), "{done}");
    supervisor.stop();
}
