//! The three example workers, each replaced twenty times while clients ask them: not one request
//! may fail, on kept connections neither.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::peers::{example, hups, installed, program, python, restart_under_load};
use crate::peers_load::{Load, Mode, Pace, Target};
use crate::sandbox::{Sandbox, free_port};

/// One after another: the clients take all of the machine that they can get.
static ALONE: Mutex<()> = Mutex::new(());

fn hot_deploy(topic: &str, words: &[&Path]) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let sandbox = Sandbox::new(topic);
    let port = free_port();
    // They say READY=1: an interval that would end the test shows that nothing waits for it.
    let launch = sandbox.start_server().arg("--interval=600");
    let launch = launch.arg(format!("--port=127.0.0.1:{port}")).program(words);
    let mut server = launch.spawn();
    server.wait_line("starting new worker");
    let load = Load::start(&[Target::Tcp(port)], &[Mode::KeepAlive, Mode::Close], Pace::Fast);
    let count = hups(20);
    restart_under_load(&server, &load, count);
    let tally = load.finish(topic);
    tally.expect_no_failure();
    assert!(tally.generations.iter().copied().eq(1..=u64::from(count) + 1), "{tally:?}");
    server.stop();
    assert_eq!(server.count("failed to start"), 0, "{}", server.transcript());
    assert_eq!(server.count("died unexpectedly"), 0, "{}", server.transcript());
    let unclean = |line: &String| line.contains("worker ") && line.contains("status:");
    let unclean: Vec<String> = server.lines().into_iter().filter(unclean).collect();
    assert!(unclean.iter().all(|line| line.ends_with("status:0")), "{unclean:#?}");
}

#[test]
fn rust() {
    hot_deploy("http_worker.rs", &[&example("http_worker")]);
}

#[test]
fn python3() {
    if installed("python3", Path::new(python()).exists() || program(python())) {
        hot_deploy("http_worker.py", &[Path::new(python()), &example("http_worker.py")]);
    }
}

#[test]
fn perl() {
    if installed("perl", program("perl")) {
        hot_deploy("http_worker.pl", &[Path::new("perl"), &example("http_worker.pl")]);
    }
}
