//! Users, groups and permissions.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::sandbox::{Sandbox, puppet};

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn workers_run_as_another_user_and_the_server_does_not() {
    let sandbox = Sandbox::new("user");
    let steps = "ids\nproc NoNewPrivs\nenv HOME\nenv USER\nenv LOGNAME\nproc CapEff\nsay here I am";
    let script = sandbox.script("worker", steps);
    let program = sandbox.install(puppet(), "program");
    let launch = |options: &[&str]| {
        let launch = sandbox.start_server().args(options).arg("--interval=0").env("HOME", "/h");
        launch.program([&program, &script])
    };
    if !is_root() {
        let refused = launch(&["--user=root"]).output();
        assert!(matches!(refused.code, Some(1..)), "{refused:?}");
        assert!(!refused.stdout.contains("here"), "{refused:?}");
        return;
    }
    let lines = |options: &[&str]| {
        let mut server = launch(options).spawn();
        server.wait_line("here I am");
        let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        assert!(status.contains("\nUid:\t0\t0\t0\t0\n"), "the server itself stays root");
        server.stop();
        server.lines()
    };
    let has = |lines: &[String], line: &str| {
        assert!(lines.iter().any(|l| l == line), "{line:?} in {lines:#?}");
    };
    let nobody = lines(&["--user=nobody"]);
    has(&nobody, "ids uid=65534 65534 65534 65534 gid=65534 65534 65534 65534 groups=65534");
    has(&nobody, "CapEff: 0000000000000000");
    has(&nobody, "NoNewPrivs: 0");
    for line in ["USER=nobody", "LOGNAME=nobody"] {
        has(&nobody, line);
    }
    assert!(!nobody.contains(&"HOME=/h".to_owned()), "{nobody:#?}");
    let daemon = lines(&["--user=65534", "--group=daemon", "--no-new-privs"]);
    assert!(
        daemon.iter().any(|l| l.starts_with("ids uid=65534 65534 65534 65534 gid=1 1 1 1 ")),
        "{daemon:#?}"
    );
    has(&daemon, "NoNewPrivs: 1");
    let same = lines(&[]);
    has(&same, "HOME=/h");
    has(&same, "NoNewPrivs: 0");
}

#[test]
fn an_unknown_user_is_an_error_before_anything_starts() {
    let sandbox = Sandbox::new("unknown-user");
    let script = sandbox.script("worker", "say up");
    for option in
        ["--user=no-such-user-here", "--group=no-such-group-here", "--path-owner=no-such-user-here"]
    {
        let refused = sandbox.start_server().args([option, "--path=sock", "--pid-file=pid"]);
        let refused = refused.worker(&script).output();
        assert!(matches!(refused.code, Some(1..)), "{refused:?}");
        assert!(refused.stderr.contains("no-such-"), "{refused:?}");
        assert_eq!(refused.stderr.lines().count(), 1, "one line: {refused:?}");
    }
    assert_eq!(sandbox.names(), ["worker"]);
}

#[test]
fn mode_and_owner_of_unix_sockets() {
    let sandbox = Sandbox::new("path-mode");
    let script = sandbox.script("worker", "say up");
    let mut options = vec!["--path=sock", "--path-mode=0640", "--interval=0"];
    if is_root() {
        options.push("--path-owner=nobody:daemon");
    }
    let launch = sandbox.start_server().args(options).through_shell("umask 077; exec \"$@\"");
    let mut server = launch.worker(script).spawn();
    server.wait_line("up");
    let meta = fs::metadata(sandbox.path("sock")).unwrap();
    assert_eq!(meta.mode() & 0o7777, 0o640);
    if is_root() {
        assert_eq!((meta.uid(), meta.gid()), (65534, 1));
    }
    server.stop();
    assert!(!sandbox.exists("sock"));
}
