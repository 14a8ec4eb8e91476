//! Output that is no plain file: devices and pipes, and what is made of the bytes on their way.

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use sigpolicy::Signal;

use super::harness::{Config, Supervisor};
use crate::sandbox::{Sandbox, eventually, kill};

/// As in a container. supervisord stops at the first rotation: Illegal seek.
#[test]
fn dev_stdout_is_the_output_of_the_supervisor() {
    let sandbox = Sandbox::new("sv-devstdout");
    let keys =
        "stdout_logfile=/dev/stdout\nstderr_logfile=/dev/stderr\nstdout_logfile_maxbytes=1KB";
    let config = Config::new(&sandbox)
        .daemon("silent=true\nlogfile=/dev/null\nlogfile_maxbytes=0")
        .puppet("p", "count 1 3000\nerr a word\nwait go\nsay still there", keys);
    let mut ours = Supervisor::new(&sandbox, config.launch().separate().spawn());
    ours.wait_lines(&["line 3000", "a word"]);
    sandbox.write("go", "");
    ours.wait_line("still there");
    ours.stop();
    let (out, err) = ours.texts();
    let lines: String = (1..=3000).map(|number| format!("line {number}\n")).collect();
    // A puppet says goodbye.
    let out: String =
        out.lines().filter(|line| !line.starts_with("bye")).map(|l| format!("{l}\n")).collect();
    assert!(out == lines + "still there\n", "{} bytes", out.len());
    assert_eq!(err, "a word\n");
}

/// Two programs into one pipe, whole lines of each.
#[test]
fn lines_of_two_programs_are_not_mixed() {
    let sandbox = Sandbox::new("sv-whole");
    let keys = |name: &str| {
        format!("stdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0\nstdout_prefix={name}:")
    };
    // A line in three pieces.
    let script = "i=0\nwhile [ $i -lt 200 ]; do printf one; printf ' two '; echo three; i=$((i+1)); done\nexec sleep 1000";
    let config = Config::new(&sandbox)
        .daemon("silent=true")
        .script("a", script, &keys("a"))
        .script("b", script, &keys("b"));
    let mut ours = config.spawn();
    eventually("all lines", || (ours.count("three") == 400).then_some(()));
    ours.stop();
    for line in ours.lines() {
        let after = line.strip_prefix("a:").or_else(|| line.strip_prefix("b:"));
        assert_eq!(after.map(str::trim_start), Some("one two three"), "{line:?}");
    }
}

#[test]
fn prefix_and_time_stand_before_each_line() {
    let sandbox = Sandbox::new("sv-prefix");
    let config = Config::new(&sandbox)
        .puppet("p", "say one\nsay two", "stdout_prefix=[%(program_name)s] ")
        .puppet("t", "say one", "stdout_timestamp=true")
        .puppet("both", "say one", "stdout_prefix=x \nstdout_timestamp=true");
    let mut ours = config.spawn();
    let text = sandbox.wait_text("p.out", "two\n");
    let expected = ["[p] one\n[p] two\n", "[p]one\n[p]two\n"];
    assert!(expected.contains(&text.as_str()), "{text:?}");
    for name in ["t", "both"] {
        let text = sandbox.wait_text(&format!("{name}.out"), "one\n");
        let year = text.trim_start_matches(['x', ' ']).get(..2);
        assert_eq!(year, Some("20"), "a time: {text:?}");
        assert_eq!(text.lines().count(), 1, "{text:?}");
    }
    ours.stop();
}

#[test]
fn strip_ansi_takes_colours_out() {
    let sandbox = Sandbox::new("sv-ansi");
    let script = "printf '\\033[31mred\\033[0m plain\\n\\033[1;2Hmoved\\n'\nexec sleep 1000";
    let mut ours = Config::new(&sandbox).daemon("strip_ansi=true").script("p", script, "").spawn();
    let text = sandbox.wait_text("p.out", "moved\n");
    assert_eq!(text, "red plain\nmoved\n");
    ours.stop();
    let mut ours = Config::new(&sandbox).script("q", script, "").spawn();
    assert!(sandbox.wait_text("q.out", "moved\n").contains("\x1b[31mred\x1b[0m plain"));
    ours.stop();
}

/// A reader of the supervisor's own output that does not read holds up nothing but that output.
#[test]
fn a_stuck_reader_does_not_hold_up_the_supervisor() {
    let sandbox = Sandbox::new("sv-stuck");
    let keys = "stdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0";
    let config = Config::new(&sandbox)
        .daemon("silent=true")
        .puppet("noisy", "count 1 200000", keys)
        .puppet("p", "wait go\nsay one", "autorestart=true");
    // Whoever has the other end keeps it and reads nothing until it is told to.
    let fifo = sandbox.path("fifo");
    let made = sandbox.run("mkfifo").arg(&fifo).output();
    assert_eq!(made.code, Some(0));
    let reader = fs::File::options().read(true).write(true).open(&fifo).unwrap();
    let launch = config.launch().through_shell("exec \"$@\" >fifo");
    let mut ours = Supervisor::new(&sandbox, launch.spawn());
    sandbox.wait_text("main.log", "success: noisy");
    sandbox.write("go", "");
    sandbox.wait_text("p.out", "one\n");
    let log = sandbox.wait_text("main.log", "spawned: 'p' with pid ");
    let pid = log.split("spawned: 'p' with pid ").nth(1).unwrap().lines().next().unwrap();
    kill(pid.parse().unwrap(), Signal::KILL);
    sandbox.wait_text("main.log", "exited: p (terminated by SIGKILL");
    sandbox.wait_text("p.out", "one\none\n");
    ours.signal(Signal::TERM);
    assert_eq!(ours.server.wait_exit().code(), Some(0), "{}", sandbox.read("main.log"));
    drop(reader);
}

/// It is read to its end: what a slow reader has not taken yet is not lost while it lives.
#[test]
fn a_slow_reader_gets_everything() {
    let sandbox = Sandbox::new("sv-slow");
    let keys = "stdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0\nautorestart=false";
    let config = Config::new(&sandbox).daemon("silent=true").puppet(
        "p",
        "count 1 100000\nsay end\nexit 0",
        keys,
    );
    let fifo = sandbox.path("fifo");
    assert_eq!(sandbox.run("mkfifo").arg(&fifo).output().code, Some(0));
    let launch = config.launch().through_shell("exec \"$@\" >fifo");
    let mut reader = fs::File::options().read(true).write(true).open(&fifo).unwrap();
    let mut ours = Supervisor::new(&sandbox, launch.spawn());
    let mut got = Vec::new();
    let mut part = [0; 4096];
    while !got.ends_with(b"end\n") {
        let count = reader.read(&mut part).unwrap();
        got.extend_from_slice(&part[..count]);
        assert!(got.len() < 2_000_000);
    }
    let lines: String = (1..=100_000).map(|number| format!("line {number}\n")).collect();
    assert!(String::from_utf8(got).unwrap() == lines + "end\n", "lines are missing");
    ours.stop();
}

/// `stdout_syslog`, heard on a /dev/log of its own.
#[test]
fn syslog_gets_the_lines() {
    let sandbox = Sandbox::new("sv-syslog");
    if !super::harness::is_root() {
        return;
    }
    let may = sandbox.run("unshare").args(["-m", "--", "true"]).output();
    if may.code != Some(0) {
        return;
    }
    let socket = UnixDatagram::bind(sandbox.path("log")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let config = Config::new(&sandbox).puppet("p", "say to the syslog", "stdout_syslog=true");
    // A /dev of its own in a mount namespace of its own.
    let line = "mount -t tmpfs none /dev && mknod /dev/null c 1 3 && chmod 666 /dev/null && \
                ln -s \"$PWD/log\" /dev/log && exec \"$@\"";
    let launch = config.launch().through_shell(line).through(["unshare", "-m", "--"]);
    let mut ours = Supervisor::new(&sandbox, launch.spawn());
    let mut datagram = [0; 4096];
    let found = (0..50).find_map(|_| {
        let count = socket.recv(&mut datagram).unwrap();
        let text = String::from_utf8_lossy(&datagram[..count]).into_owned();
        text.contains("to the syslog").then_some(text)
    });
    let text = found.unwrap();
    assert!(text.starts_with('<') && text.contains('p'), "{text:?}");
    ours.stop();
}
