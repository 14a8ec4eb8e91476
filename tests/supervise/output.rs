//! Where the output of programs goes: files, their rotation, and what is left of a stream.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use sigpolicy::Signal;

use super::harness::{Config, Supervisor, gone};
use crate::sandbox::{Sandbox, eventually};

#[test]
fn each_stream_has_its_file_byte_by_byte() {
    let sandbox = Sandbox::new("sv-bytes");
    let bytes: Vec<u8> = (0..=255_u8).cycle().take(70_000).collect();
    sandbox.write("bytes", &bytes);
    let script = "cat bytes\necho problem >&2\nprintf 'no newline'\nprintf 'at the end' >&2";
    let mut ours = Config::new(&sandbox).script("p", script, "autorestart=false").spawn();
    ours.wait_line("exited: p");
    eventually("the last words", || {
        fs::read(sandbox.path("p.out")).ok()?.ends_with(b"no newline").then_some(())
    });
    let out = fs::read(sandbox.path("p.out")).unwrap();
    assert_eq!(out, [&bytes[..], b"no newline"].concat());
    sandbox.wait_text("p.err", "at the end");
    assert_eq!(sandbox.read("p.err"), "problem\nat the end");
    ours.stop();
}

/// All that was written before the end, however much that is.
#[test]
fn nothing_written_before_the_exit_is_lost() {
    let sandbox = Sandbox::new("sv-last-words");
    let steps = "count 1 20000\nsay last words\nexit 0";
    let mut ours = Config::new(&sandbox).puppet("p", steps, "autorestart=false").spawn();
    ours.wait_line("exited: p");
    let text = sandbox.wait_text("p.out", "last words\n");
    assert_eq!(text.lines().count(), 20_001);
    assert!(text.starts_with("line 1\nline 2\n"));
    ours.stop();
    assert_eq!(sandbox.read("p.out"), text);
}

/// What comes between the signal to the supervisor and the end of the program.
#[test]
fn what_is_said_while_it_stops_is_kept() {
    let sandbox = Sandbox::new("sv-while-stopping");
    let script =
        "trap 'seq 5000; echo bye; exit 0' TERM\necho up\nwhile :; do sleep 1000 & wait $!; done";
    let mut ours = Config::new(&sandbox).script("p", script, "stopasgroup=false").spawn();
    sandbox.wait_text("p.out", "up\n");
    ours.signal(Signal::TERM);
    assert_eq!(ours.server.wait_exit().code(), Some(0));
    let text = sandbox.read("p.out");
    assert!(text.ends_with("5000\nbye\n"), "{:?}", &text[text.len().saturating_sub(40)..]);
}

#[test]
fn redirect_stderr_joins_the_streams() {
    let sandbox = Sandbox::new("sv-redirect");
    let config = Config::new(&sandbox).puppet(
        "p",
        "say one\nerr two\nsay three",
        "redirect_stderr=true\nstderr_logfile=NONE",
    );
    let mut ours = config.spawn();
    assert_eq!(sandbox.wait_text("p.out", "three\n"), "one\ntwo\nthree\n");
    assert!(!sandbox.exists("p.err"));
    ours.stop();
}

#[test]
fn none_is_no_file_and_the_program_can_write() {
    let sandbox = Sandbox::new("sv-none");
    let steps = "count 1 30000\nerr more\ntouch done";
    let keys = "stdout_logfile=NONE\nstderr_logfile=NONE";
    let mut ours = Config::new(&sandbox).puppet("p", steps, keys).spawn();
    eventually("a program that is not held up", || sandbox.exists("done").then_some(()));
    ours.stop();
    let names = sandbox.names();
    assert!(!names.iter().any(|name| name.contains(".out") || name.contains("---")), "{names:?}");
}

/// The files of a rotated log, oldest first, joined; and their names.
fn rotated(sandbox: &Sandbox, base: &str) -> (String, Vec<String>) {
    let mut names: Vec<String> =
        sandbox.names().into_iter().filter(|name| name.starts_with(base)).collect();
    let number = |name: &String| name[base.len()..].trim_start_matches('.').parse().unwrap_or(0);
    names.sort_by_key(|name| std::cmp::Reverse::<u32>(number(name)));
    (names.iter().map(|name| sandbox.read(name)).collect(), names)
}

fn lines_to(last: u32) -> String {
    (1..=last).map(|number| format!("line {number}\n")).collect()
}

#[test]
fn a_log_rotates_and_keeps_its_backups() {
    let sandbox = Sandbox::new("sv-rotate");
    let keys = "stdout_logfile_maxbytes=4KB\nstdout_logfile_backups=3\nautorestart=false";
    // In pieces: a file is as long as its maximum and the piece that passed it.
    let script = "seq -f 'line %%g' 1 5000 | while read l; do echo \"$l\"; done\necho >&2 done";
    let script = script.replace("%%", "%");
    let mut ours = Config::new(&sandbox).script("p", &script, keys).spawn();
    ours.wait_line("exited: p");
    eventually("the end", || rotated(&sandbox, "p.out").0.ends_with("line 5000\n").then_some(()));
    let (text, names) = rotated(&sandbox, "p.out");
    assert_eq!(names, ["p.out.3", "p.out.2", "p.out.1", "p.out"]);
    assert!(lines_to(5000).ends_with(&text), "a gap in {} bytes", text.len());
    for name in &names[..3] {
        let size = fs::metadata(sandbox.path(name)).unwrap().len();
        assert!((4096..4096 + 70_000).contains(&size), "{name}: {size}");
    }
    ours.stop();
}

/// Every byte is in one of the files, in order, when there are enough of them.
#[test]
fn rotation_loses_nothing() {
    let sandbox = Sandbox::new("sv-lossless");
    let keys = "stdout_logfile_maxbytes=64KB\nstdout_logfile_backups=100\nautorestart=false";
    let config = Config::new(&sandbox).puppet("p", "count 1 100000\nsay end\nexit 0", keys);
    let mut ours = config.spawn();
    ours.wait_line("exited: p");
    eventually("the end", || rotated(&sandbox, "p.out").0.ends_with("end\n").then_some(()));
    let (text, names) = rotated(&sandbox, "p.out");
    assert!(names.len() > 3, "{names:?}");
    assert!(text == lines_to(100_000) + "end\n", "{} bytes in {names:?}", text.len());
    ours.stop();
}

#[test]
fn no_backups_begin_the_file_anew() {
    let sandbox = Sandbox::new("sv-nobackups");
    let keys = "stdout_logfile_maxbytes=10KB\nstdout_logfile_backups=0\nautorestart=false";
    let mut ours =
        Config::new(&sandbox).puppet("p", "count 1 20000\nsay end\nexit 0", keys).spawn();
    ours.wait_line("exited: p");
    ours.stop();
    let (text, names) = rotated(&sandbox, "p.out");
    assert_eq!(names, ["p.out"]);
    assert!((lines_to(20_000) + "end\n").ends_with(&text), "{} bytes", text.len());
    assert!(text.len() < 200_000, "{}", text.len());
}

#[test]
fn maxbytes_zero_never_rotates() {
    let sandbox = Sandbox::new("sv-norotation");
    let keys = "stdout_logfile_maxbytes=0\nautorestart=false";
    let mut ours = Config::new(&sandbox).puppet("p", "count 1 50000\nexit 0", keys).spawn();
    ours.wait_line("exited: p");
    ours.stop();
    assert_eq!(rotated(&sandbox, "p.out").1, ["p.out"]);
    assert!(sandbox.read("p.out") == lines_to(50_000));
}

/// AUTO: a name nobody else has, for its owner only, and the next run clears it away.
#[test]
fn automatic_logs() {
    let sandbox = Sandbox::new("sv-auto");
    fs::create_dir(sandbox.path("logs")).unwrap();
    let auto = |more: &str| {
        Config::new(&sandbox)
            .daemon(&format!("childlogdir=%(here)s/logs\nidentifier=me\n{more}"))
            .puppet("p", "say hello", "stdout_logfile=AUTO\nstderr_logfile=AUTO")
    };
    let logs = || -> Vec<String> {
        let entries = fs::read_dir(sandbox.path("logs")).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let said = || {
        eventually("its word", || {
            let said = |name: &String| sandbox.read(&format!("logs/{name}")) == "hello\n";
            logs().iter().any(said).then_some(())
        });
    };
    let mut ours = auto("").spawn();
    ours.starts("p");
    said();
    let first = logs();
    assert_eq!(first.len(), 2, "{first:?}");
    for (name, stream) in first.iter().zip(["stderr", "stdout"]) {
        let rest = name.strip_prefix(&format!("p-{stream}---me-"));
        let random = rest.and_then(|rest| rest.strip_suffix(".log"));
        assert!(random.is_some_and(|random| random.len() == 8), "{name}");
        let mode = fs::metadata(sandbox.path("logs").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
    fs::write(sandbox.path("logs/p-stdout---other-abcdefgh.log"), "").unwrap();
    ours.stop();
    let mut ours = auto("").spawn();
    ours.starts("p");
    let second = logs();
    assert!(!first.iter().any(|name| second.contains(name)), "{first:?} {second:?}");
    assert!(second.contains(&"p-stdout---other-abcdefgh.log".to_owned()), "not ours: {second:?}");
    said();
    ours.stop();
    let mut ours = auto("nocleanup=true").spawn();
    ours.starts("p");
    assert!(second.iter().all(|name| logs().contains(name)), "{second:?} {:?}", logs());
    ours.stop();
}

/// What logrotate does: another name, then USR2.
#[test]
fn usr2_opens_the_logs_again() {
    let sandbox = Sandbox::new("sv-usr2");
    let steps = "say before\nwait go\nsay after\nwait again";
    let mut ours = Config::new(&sandbox).puppet("p", steps, "").spawn();
    sandbox.wait_text("p.out", "before\n");
    for name in ["p.out", "main.log"] {
        fs::rename(sandbox.path(name), sandbox.path(&format!("{name}.old"))).unwrap();
    }
    ours.signal(Signal::USR2);
    ours.wait_line("received SIGUSR2 indicating log reopen request");
    eventually("the new file", || sandbox.exists("p.out").then_some(()));
    sandbox.write("go", "");
    assert_eq!(sandbox.wait_text("p.out", "after\n"), "after\n");
    assert_eq!(sandbox.read("p.out.old"), "before\n");
    ours.stop();
    let old = sandbox.read("main.log.old");
    assert!(old.contains("spawned: 'p'") && !old.contains("stopped: p"), "{old}");
    assert!(sandbox.read("main.log").contains("stopped: p"));
}

/// Who goes on writing after the program's end is not cut off, nor does it hold up the stop.
#[test]
fn a_descendant_that_keeps_the_pipe_does_not_hold_up_anything() {
    let sandbox = Sandbox::new("sv-pipe");
    let script = "setsid sh -c 'echo $$ >far; while :; do echo again; sleep 0.1; done' &\n\
                  while [ ! -s far ]; do sleep 0.01; done\nexit 0";
    let config = Config::new(&sandbox).script("p", script, "autorestart=false").idle("other", "");
    let mut ours = config.spawn();
    ours.wait_line("exited: p (exit status 0; expected)");
    let far = sandbox.read("far").trim().parse().unwrap();
    ours.signal(Signal::TERM);
    assert_eq!(ours.server.wait_exit().code(), Some(0), "{}", ours.transcript());
    if super::harness::alive(far) {
        crate::sandbox::kill(far, Signal::KILL);
    }
    gone(far);
}

/// The main log: to its file, and to standard output unless it is to be silent.
#[test]
fn the_main_log_has_file_and_level() {
    let sandbox = Sandbox::new("sv-mainlog");
    let config = |keys: &str| Config::new(&sandbox).daemon(keys).puppet("p", "say hello", "");
    let mut ours = config("silent=true\nloglevel=debug").spawn();
    sandbox.wait_text("main.log", "success: p");
    sandbox.wait_text("p.out", "hello");
    sandbox.wait_text("main.log", "hello");
    ours.stop();
    assert!(!ours.lines().iter().any(|line| line.contains("spawned")), "{}", ours.transcript());
    let log = sandbox.read("main.log");
    assert!(log.contains("DEBG 'p' stdout output:\nhello\n"), "{log}");
    let stamp = log.lines().find(|line| line.contains(" INFO spawned: 'p'")).unwrap();
    let shape: String =
        stamp.chars().take(24).map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "9999-99-99 99:99:99,999 ", "{stamp}");
    sandbox.remove("main.log");
    let mut ours = Supervisor::new(&sandbox, config("loglevel=warn").launch().spawn());
    eventually("its word", || (sandbox.read("p.out").matches("hello").count() == 2).then_some(()));
    ours.stop();
    let log = sandbox.read("main.log");
    assert!(!log.contains("INFO") && log.contains("WARN received SIGTERM"), "{log}");
}
