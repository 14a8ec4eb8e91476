//! What is told about a pool, and what it can be told, from outside.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use sigpolicy::Signal;

use super::harness::{Kind, Pool, pids, pool};
use super::http::{answers, ask_many};
use super::json::Json;
use crate::sandbox::{Sandbox, eventually};

const FILES: [&str; 2] = ["--pid-file=pid", "--control=control"];

fn text(sandbox: &Sandbox, words: &[&str]) -> String {
    let told = sandbox.tell(words);
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""), "{words:?}: {told:?}");
    told.stdout
}

fn json(sandbox: &Sandbox) -> Json {
    Json::parse(&text(sandbox, &["status", "--pid-file=pid", "--json"]))
}

/// Waits until the status of the pool has these numbers of idle and busy workers.
fn wait_status(sandbox: &Sandbox, idle: i64, busy: i64) -> Json {
    let mut last = None;
    eventually("such a status", || {
        let status = json(sandbox);
        let found = (status.at("pool.idle").number(), status.at("pool.busy").number());
        if last != Some(found) {
            eprintln!("idle, busy: {found:?}");
            last = Some(found);
        }
        (found == (idle, busy)).then_some(status)
    })
}

#[test]
fn busy_and_idle_are_seen_without_cooperation() {
    let plain = &["syscall", "sockets"][..];
    for (kind, sources) in [(Kind::Plain, plain), (Kind::Cooperating, &["scoreboard"])] {
        let sandbox = Sandbox::new("status-json");
        let mut pool = pool(&sandbox, kind, &[&FILES[..], &["--workers=4"]].concat());
        let workers = pool.wait_workers(4);
        let asked = ask_many(&pool.target, "/sleep/4", 2);
        let status = wait_status(&sandbox, 2, 2);
        let manager = i64::from(pool.server.pid());
        assert_eq!(status.at("manager.pid").number(), manager);
        assert_eq!(status.at("manager.generation").number(), 1);
        assert_eq!(status.at("pool.members").number(), 4);
        let rows = status.at("workers").list();
        let mut seen: Vec<i32> =
            rows.iter().map(|row| i32::try_from(row.at("pid").number()).unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, workers);
        let served = pids(&answers(asked));
        for row in rows {
            let busy = served.contains(&i32::try_from(row.at("pid").number()).unwrap());
            let word = if busy { "busy" } else { "idle" };
            assert_eq!(row.at("activity").text(), word, "{row:?}");
            assert!(sources.contains(&row.at("source").text()), "{row:?}");
            assert_eq!(row.at("stage").text(), "serving", "{row:?}");
        }
        wait_status(&sandbox, 4, 0);
        pool.stop(&sandbox);
    }
}

#[test]
fn a_table_for_people() {
    let sandbox = Sandbox::new("status-table");
    let mut pool = pool(&sandbox, Kind::Cooperating, &[&FILES[..], &["--workers=2"]].concat());
    let workers = pool.wait_workers(2);
    answers(ask_many(&pool.target, "/text/caf%C3%A9/0", 4));
    let table = text(&sandbox, &["status", "--control=control"]);
    for word in workers.iter().map(ToString::to_string).chain(["GET /text/caf".to_owned()]) {
        assert!(table.contains(&word), "{word}: {table}");
    }
    assert!(!table.contains('\u{1b}'), "no control sequences: {table}");
    pool.stop(&sandbox);
}

#[test]
fn what_collectors_for_apache_read() {
    let sandbox = Sandbox::new("status-auto");
    let mut pool = pool(&sandbox, Kind::Cooperating, &[&FILES[..], &["--workers=3"]].concat());
    pool.wait_workers(3);
    answers(ask_many(&pool.target, "/", 7));
    pool.wait_workers(3);
    // There are no rates in the first second.
    let text = eventually("a second", || {
        let text = text(&sandbox, &["status", "--pid-file=pid", "--auto"]);
        (!text.contains("\nUptime: 0\n")).then_some(text)
    });
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key}: ")));
        line.unwrap_or_else(|| panic!("no {key} in {text}")).to_owned()
    };
    assert_eq!(value("ServerMPM"), "prefork");
    assert_eq!(value("Total Accesses"), "7");
    assert_eq!((value("BusyWorkers"), value("IdleWorkers")), ("0".into(), "3".into()));
    assert!(value("Scoreboard").starts_with("___"), "{text}");
    for key in ["Uptime", "ReqPerSec", "Total kBytes", "Load1"] {
        assert!(value(key).parse::<f64>().is_ok(), "{key} in {text}");
    }
    pool.stop(&sandbox);
}

#[test]
fn open_metrics() {
    let sandbox = Sandbox::new("status-metrics");
    let mut pool = pool(&sandbox, Kind::Cooperating, &[&FILES[..], &["--workers=2"]].concat());
    pool.wait_workers(2);
    answers(ask_many(&pool.target, "/", 5));
    let text = text(&sandbox, &["status", "--pid-file=pid", "--openmetrics"]);
    assert!(text.ends_with("# EOF\n"), "{text}");
    let mut known = std::collections::BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(known.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {line}");
        } else if !line.starts_with('#') {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let name = sample.split('{').next().unwrap();
            let family = known.keys().find(|family| name.starts_with(family.as_str()));
            let family = family.unwrap_or_else(|| panic!("no type before {line}"));
            let counter = known[family] == "counter";
            assert_eq!(name.ends_with("_total"), counter, "{line}");
        }
    }
    let requests = text.lines().find(|line| line.contains("requests_total"));
    assert!(requests.is_some_and(|line| line.ends_with(" 5")), "{text}");
    pool.stop(&sandbox);
}

#[test]
fn the_board_alone_tells_as_well() {
    let sandbox = Sandbox::new("status-board");
    let options = ["--workers=2", "--scoreboard=board"];
    let mut pool = pool(&sandbox, Kind::Cooperating, &options);
    let workers = pool.wait_workers(2);
    pool.get("/");
    let text = text(&sandbox, &["status", "--scoreboard=board", "--json"]);
    let status = Json::parse(&text);
    let mut seen: Vec<i32> = status
        .at("workers")
        .list()
        .iter()
        .map(|row| i32::try_from(row.at("pid").number()).unwrap())
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, workers, "{text}");
    pool.stop(&sandbox);
    assert!(!sandbox.exists("board"), "{:?}", sandbox.names());
}

#[test]
fn verbs() {
    let sandbox = Sandbox::new("status-verbs");
    let options = [&FILES[..], &["--workers=2", "--max-workers=6", "--reload=rolling"]].concat();
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    let first = pool.wait_workers(2);
    text(&sandbox, &["add", "2", "--pid-file=pid"]);
    pool.wait_workers(4);
    text(&sandbox, &["remove", "1", "--control=control"]);
    let now = pool.wait_workers(3);
    // It comes back when the old ones have left.
    text(&sandbox, &["reload", "--pid-file=pid"]);
    assert!(pool.workers().iter().all(|pid| !now.contains(pid)), "{}", pool.server.transcript());
    assert!(pool.workers().iter().all(|pid| !first.contains(pid)));
    let before = pool.wait_workers(3);
    text(&sandbox, &["signal", "KILL", "--pid-file=pid"]);
    pool.wait_replaced(&before, 3);
    text(&sandbox, &["stop", "--pid-file=pid"]);
    pool.ends(0);
    assert_eq!(sandbox.names(), ["worker.pl"]);
}

#[test]
fn a_reload_that_fails_is_told_to_who_asked() {
    let sandbox = Sandbox::new("status-fails");
    let options = [&FILES[..], &["--workers=2", "--reload=rolling"]].concat();
    let mut pool = pool(&sandbox, Kind::Plain, &options);
    let old = pool.wait_workers(2);
    sandbox.broken_release();
    let told = sandbox.tell(&["reload", "--pid-file=pid"]);
    assert!(matches!(told.code, Some(1..)), "{told:?}");
    assert!(!told.stderr.is_empty(), "{told:?}");
    assert_eq!(pool.wait_workers(2), old);
    pool.stop(&sandbox);
}

#[test]
fn nobody_there() {
    let sandbox = Sandbox::new("status-nobody");
    for verb in [&["status"][..], &["reload"], &["stop"], &["add", "1"], &["top"]] {
        for at in ["--pid-file=pid", "--control=control"] {
            let told = sandbox.tell(&[verb, &[at]].concat());
            assert!(matches!(told.code, Some(1..)), "{verb:?} {at}: {told:?}");
            assert!(!told.stderr.is_empty() && told.stdout.is_empty(), "{verb:?} {at}: {told:?}");
        }
    }
    assert!(sandbox.names().is_empty());
}

#[test]
fn the_control_socket_is_for_its_owner() {
    let sandbox = Sandbox::new("status-control");
    let (launch, port) =
        super::harness::launch(&sandbox, Kind::Plain, &["--control=control", "--workers=1"]);
    let server = launch.through_shell("umask 000; exec \"$@\"").spawn();
    let mut pool = Pool::new(server, port);
    pool.wait_workers(1);
    let mode = fs::metadata(sandbox.path("control")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Not even a world that may write to the file is let in.
    fs::set_permissions(sandbox.path("control"), fs::Permissions::from_mode(0o666)).unwrap();
    if rustix::process::geteuid().is_root() {
        let ours = env!("CARGO_BIN_EXE_prefork-run");
        let copy = sandbox.install(ours, "prefork-run");
        for verb in ["stop", "status"] {
            let other = sandbox.run("setpriv").args(["--reuid=65534", "--clear-groups"]);
            let told = other.arg(&copy).args([verb, "--control=control"]).output();
            assert!(matches!(told.code, Some(1..)), "{told:?}");
            assert!(!told.stdout.contains("worker"), "{told:?}");
        }
    }
    assert!(pool.server.alive());
    pool.stop(&sandbox);
    assert!(!sandbox.exists("control"));
}

#[test]
fn a_silent_client_of_the_control_socket_holds_up_nobody() {
    let sandbox = Sandbox::new("status-silent");
    let mut pool = pool(&sandbox, Kind::Plain, &[&FILES[..], &["--workers=1"]].concat());
    pool.wait_workers(1);
    let connect = || std::os::unix::net::UnixStream::connect(sandbox.path("control"));
    let silent: Vec<_> = (0..40).filter_map(|_| connect().ok()).collect();
    assert!(!silent.is_empty());
    json(&sandbox);
    text(&sandbox, &["status", "--control=control"]);
    pool.stop(&sandbox);
}

/// Not on a terminal: a frame for each interval.
#[test]
fn top_shows_frames() {
    let sandbox = Sandbox::new("status-top");
    let mut pool = pool(&sandbox, Kind::Cooperating, &[&FILES[..], &["--workers=2"]].concat());
    let workers = pool.wait_workers(2);
    let launch = sandbox.prefork_run().args(["top", "--pid-file=pid", "--interval=0.1"]);
    let mut top = launch.spawn();
    let word = workers[0].to_string();
    eventually("three frames", || (top.count(&word) >= 3).then_some(()));
    assert_eq!(top.count("\u{1b}"), 0, "{}", top.transcript());
    top.signal(Signal::INT);
    top.wait_exit();
    pool.stop(&sandbox);
}

/// The pool is not disturbed by being looked at, also while it is busy with a reload.
#[test]
fn the_status_is_told_at_any_time() {
    let sandbox = Sandbox::new("status-any");
    let options = [&FILES[..], &["--workers=3", "--reload=rolling", "--reload-interval=0.2"]];
    let mut pool = pool(&sandbox, Kind::Plain, &options.concat());
    let old = pool.wait_workers(3);
    pool.signal(Signal::HUP);
    let status = eventually("a reload in the status", || {
        let status = json(&sandbox);
        (status.at("manager.reloading") == &Json::Bool(true)).then_some(status)
    });
    assert_eq!(status.at("manager.generation").number(), 2);
    pool.wait_replaced(&old, 3);
    eventually("its end", || {
        (json(&sandbox).at("manager.reloading") == &Json::Bool(false)).then_some(())
    });
    crate::sandbox::promptly("a status", Duration::from_millis(200), || {
        let begun = std::time::Instant::now();
        json(&sandbox);
        begun.elapsed()
    });
    pool.stop(&sandbox);
}
