//! The unit of the examples, run by a real systemd.

use std::path::PathBuf;

use super::harness::is_root;
use crate::peers::{installed, program};
use crate::sandbox::Sandbox;

fn example(name: &str) -> String {
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(package.parent().unwrap().join("examples").join(name)).unwrap()
}

/// The unit with the program and the file of the sandbox in place of installed ones.
fn unit(sandbox: &Sandbox) -> PathBuf {
    let text = example("supervise.service");
    let line = "ExecStart=/usr/bin/supervise -n -c /etc/supervisor/supervisord.conf\n";
    assert!(text.contains(line), "{text}");
    let program = env!("CARGO_BIN_EXE_supervise");
    let ours = format!("ExecStart={program} -n -c {}\n", sandbox.path("s.conf").display());
    sandbox.write("supervise.service", text.replace(line, &ours))
}

#[test]
fn the_unit_is_well_formed() {
    if !installed("systemd", program("systemd-analyze")) {
        return;
    }
    let sandbox = Sandbox::new("sv-unit");
    // The manual is not installed where the tests run.
    let unit = unit(&sandbox);
    let text = std::fs::read_to_string(&unit).unwrap();
    let text = text.replace("Documentation=man:supervise(1)\n", "");
    let unit = sandbox.write("checked.service", text);
    let made = sandbox.run("systemd-analyze").arg("verify").arg(&unit).output();
    let about_us = |text: &str| {
        text.lines().filter(|line| line.contains("checked.service")).map(str::to_owned).collect()
    };
    let told: Vec<String> = about_us(&made.stderr);
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(made.code, Some(0), "{made:?}");
    // A key that does not exist is told, and so there is something to be told.
    let wrong = std::fs::read_to_string(&unit).unwrap().replace("KillMode=", "KilMode=");
    sandbox.write("checked.service", wrong);
    let made = sandbox.run("systemd-analyze").arg("verify").arg(&unit).output();
    assert!(made.stderr.contains("KilMode"), "{made:?}");
}

/// start, reload, a death of supervise, stop, and a file that is wrong.
#[test]
fn the_unit_under_systemd() {
    let there = std::path::Path::new("/lib/systemd/systemd").exists();
    if !is_root() || !installed("systemd", there && program("systemctl")) {
        return;
    }
    let sandbox = Sandbox::new("sv-systemd");
    let daemon = "logfile=%(here)s/main.log\npidfile=%(here)s/pid\nchildlogdir=%(here)s\nuser=root";
    let a = "command=/bin/sh -c \"echo $$ >a.pid; exec sleep 1001\"\ndirectory=%(here)s";
    sandbox.write("s.conf", format!("[supervisord]\n{daemon}\n[program:a]\n{a}\n"));
    let script = sandbox.write("under_systemd.sh", include_str!("under_systemd.sh"));
    let unit = unit(&sandbox);
    // A cgroup of its own, which the namespace then shows as the root: the manager makes others below.
    let line = "umount -R /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup || exit 99; \
                own=/sys/fs/cgroup/$1; mkdir -p $own && echo $$ >$own/cgroup.procs || exit 99; shift; \
                unshare -C -m -p -f --kill-child sh \"$@\"; code=$?; \
                echo $$ >/sys/fs/cgroup/cgroup.procs; find $own -depth -type d -exec rmdir {} +; \
                exit $code";
    let name = sandbox.path("").file_name().unwrap().to_owned();
    let made = sandbox.run("unshare").args(["-m", "sh", "-c", line, "sh"]).arg(name);
    let made = made.arg(script).arg(unit).output();
    if made.code == Some(99) {
        assert!(std::env::var_os("CI").is_none(), "{made:?}");
        eprintln!("skipped: no namespaces for a systemd\n{}", made.stderr);
        return;
    }
    let manager = std::fs::read_to_string(sandbox.path("manager.log")).unwrap_or_default();
    let lines: Vec<&str> = made.stdout.lines().map(str::trim_end).collect();
    let expected = [
        "start 0",
        "ActiveState=active Type=exec KillMode=mixed NRestarts=0",
        "reload 0",
        "a goes on",
        "NRestarts=1",
        "copies of a: 1",
        "stop 0",
        "ActiveState=inactive Result=success ExecMainStatus=0",
        "left: 0",
        "Result=exit-code ExecMainStatus=2 NRestarts=0",
    ];
    assert_eq!(lines, expected, "{}\n{manager}\n{}", made.stderr, sandbox.read("main.log"));
}
