//! Clients that send more than is answered at once, or nothing more at all.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use super::control_client::{request, string};
use super::harness::Config;
use crate::sandbox::{Sandbox, promptly};

/// Requests in one go, and the end of what is to be said: each is answered, then comes our end.
#[test]
fn half_a_connection() {
    let sandbox = Sandbox::new("sv-half");
    let mut ours = Config::new(&sandbox).control().idle("p", "").spawn();
    ours.starts("p");
    let pid = request("supervisor.getPID", &[], "");
    let info = request("supervisor.getAllConfigInfo", &[], "");
    for (many, whole) in [(1, &pid), (2, &pid), (9, &pid), (100, &pid), (500, &info)] {
        let mut http = ours.http();
        let all = whole.repeat(many);
        // As much as goes in; the rest when there is room.
        let mut sender = http.sender();
        let sending = thread::spawn(move || {
            sender.write_all(&all).unwrap();
            sender.shut();
        });
        for number in 0..many {
            let answer = http.answer();
            let answer = answer.unwrap_or_else(|| panic!("{number} of {many} answers"));
            assert_eq!(answer.status, 200);
        }
        assert!(http.closed());
        sending.join().unwrap();
    }
    // What breaks off is no request, and keeps nobody.
    let mut http = ours.http();
    http.send(&[pid.as_slice(), &pid[..pid.len() / 2]].concat()).unwrap();
    http.shut();
    http.answer().unwrap().says(&ours.pid().to_string());
    assert!(http.closed());
    ours.stop();
}

/// One who sends requests as fast as they are read, and takes all answers, is one among others: what
/// is sent early stays in the kernel.
#[test]
fn requests_without_an_end() {
    const MANY: usize = 60_000;
    let sandbox = Sandbox::new("sv-endless");
    let mut ours = Config::new(&sandbox).control().idle("p", "").spawn();
    ours.starts("p");
    ours.call("supervisor.getVersion", &[]).says("3.0");
    let mut greedy = ours.http();
    for _ in 0..1000 {
        assert_eq!(greedy.get("/health").status, 200);
    }
    let before = ours.memory();
    let mut sender = greedy.sender();
    thread::scope(|scope| {
        let sending =
            scope.spawn(move || sender.write_all(&b"GET /health HTTP/1.1\r\n\r\n".repeat(MANY)));
        let taking = scope.spawn(move || {
            for number in 0..MANY {
                let answer = greedy.answer();
                assert_eq!(answer.map(|answer| answer.status), Some(200), "number {number}");
            }
        });
        let mut most = before;
        while !taking.is_finished() {
            promptly("an answer to somebody else", Duration::from_millis(500), || {
                let began = Instant::now();
                ours.call("supervisor.getVersion", &[]).says("3.0");
                began.elapsed()
            });
            most = most.max(ours.memory());
        }
        sending.join().unwrap().unwrap();
        taking.join().unwrap();
        assert!(most < before + 1024, "{before} KiB, then {most} KiB");
    });
    ours.stop();
}

/// A start that waits for what has failed is answered, and made good when that is.
#[test]
fn a_start_that_is_held() {
    let sandbox = Sandbox::new("sv-held");
    let mut ours = Config::new(&sandbox)
        .control()
        .script(
            "db",
            "[ -e healthy ] || exit 1\nexec sleep 1000",
            "startsecs=3\nstartretries=0\nautostart=false",
        )
        .idle("api", "depends_on=db\nautostart=false")
        .idle("ui", "depends_on=api\nautostart=false")
        .spawn();
    let mut http = ours.http();
    http.call("supervisor.startProcess", &[string("ui")]).fails(40, "ABNORMAL_TERMINATION: ui");
    ours.wait_line("not started: ui depends on api, which is STOPPED");
    let words = http.call("supervisor.startAllProcesses", &[]).words();
    for failed in ["SPAWN_ERROR: db", "ABNORMAL_TERMINATION: api", "ABNORMAL_TERMINATION: ui"] {
        assert!(words.contains(failed), "{words}");
    }
    sandbox.write("healthy", "");
    http.call("supervisor.startProcess", &[string("db")]).says("1");
    ours.starts("ui");
    assert_eq!(ours.asked("api", "statename"), "RUNNING");
    ours.stop();
}
