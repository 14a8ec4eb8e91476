//! `tail -f` over HTTP: what follows, through rotations, for readers fast and slow.

use std::fs;
use std::io::Write;

use super::control_client::{Http, string};
use super::harness::{Config, Supervisor, gone};
use crate::sandbox::{Sandbox, eventually};

/// The log of a program that writes what it is told.
const LOG: &str = "/logtail/copy/stdout";

/// A program whose output is what is sent to it.
fn copy<'s>(sandbox: &'s Sandbox, keys: &str) -> Config<'s> {
    Config::new(sandbox).control().program("copy", "/bin/cat", keys)
}

fn write(ours: &Supervisor<'_>, text: &str) {
    ours.call("supervisor.sendProcessStdin", &["copy", text]).says("1");
}

/// Reads until this has come; all that came.
fn read_until(http: &mut Http, end: &str) -> String {
    let mut all = Vec::new();
    loop {
        let shown = String::from_utf8_lossy(&all);
        if shown.contains(end) {
            return shown.into_owned();
        }
        let more = http.chunk().unwrap_or_else(|| panic!("it ends before {end:?}: {shown}"));
        all.extend(more);
    }
}

fn line(number: usize) -> String {
    format!("line {number} of the log\n")
}

#[test]
fn from_the_last_kilobyte_on() {
    let sandbox = Sandbox::new("sv-tail");
    let mut ours = copy(&sandbox, "").idle("silent", "stdout_logfile=NONE\n").spawn();
    ours.starts("copy");
    let text: String = (0..200).map(line).collect();
    write(&ours, &text);
    sandbox.wait_text("copy.out", &line(199));
    let mut http = ours.http();
    http.follow(LOG);
    let seen = read_until(&mut http, &line(199));
    assert_eq!(seen, text[text.len() - 1024..]);
    write(&ours, "more\n");
    assert_eq!(read_until(&mut http, "more\n"), "more\n");
    // Names of any form, and the other stream.
    for target in ["/logtail/copy", "/logtail/copy:copy/stdout", "/logtail/copy%3Acopy"] {
        let mut http = ours.http();
        http.follow(target);
        read_until(&mut http, "more\n");
    }
    ours.http().follow("/logtail/copy/stderr");
    for target in [
        "/logtail/nope/stdout",
        "/logtail/silent",
        "/logtail/copy/stdlog",
        "/logtail/",
        "/logtail/copy:*",
    ] {
        assert_eq!(ours.http().get(target).status, 404, "{target}");
    }
    ours.stop();
}

/// Whoever reads along sees each line once, over many files, also when several came between two looks.
#[test]
fn through_rotations() {
    const ROUNDS: usize = 100;
    const LINES: usize = 40;
    let sandbox = Sandbox::new("sv-tail-rotation");
    // A round is more than a file holds.
    let keys = "stdout_logfile_maxbytes=300\nstdout_logfile_backups=9";
    let mut ours = copy(&sandbox, keys).spawn();
    ours.starts("copy");
    let mut followers = [ours.http(), ours.http()];
    followers.iter_mut().for_each(|http| http.follow(LOG));
    let mut seen = [String::new(), String::new()];
    for round in 0..ROUNDS {
        let lines: String = (round * LINES..(round + 1) * LINES).map(line).collect();
        write(&ours, &lines);
        for (http, seen) in followers.iter_mut().zip(&mut seen) {
            seen.push_str(&read_until(http, &line((round + 1) * LINES - 1)));
        }
    }
    let expected: String = (0..ROUNDS * LINES).map(line).collect();
    assert!(sandbox.exists("copy.out.5"), "it is not rotated: {:?}", sandbox.names());
    for seen in seen {
        let wrong = seen.lines().zip(expected.lines()).find(|(seen, line)| seen != line);
        assert_eq!(wrong, None, "what came is not what was written");
        assert_eq!(seen.len(), expected.len());
    }
    ours.stop();
}

/// The log is emptied while somebody reads it.
#[test]
fn through_a_truncation() {
    let sandbox = Sandbox::new("sv-tail-truncated");
    let mut ours = copy(&sandbox, "").spawn();
    ours.starts("copy");
    let mut http = ours.http();
    http.follow(LOG);
    write(&ours, "before\n");
    assert_eq!(read_until(&mut http, "before\n"), "before\n");
    // By somebody else.
    fs::File::options().write(true).open(sandbox.path("copy.out")).unwrap().set_len(0).unwrap();
    write(&ours, "after\n");
    let seen = read_until(&mut http, "after\n");
    assert_eq!(seen, "==> File truncated <==\nafter\n");
    // By order: either way, what comes next is read from the beginning.
    ours.call("supervisor.clearProcessLogs", &["copy"]).says("1");
    write(&ours, "cleared\n");
    let seen = read_until(&mut http, "cleared\n");
    assert!(
        ["cleared\n", "==> File truncated <==\ncleared\n"].contains(&seen.as_str()),
        "{seen:?}"
    );
    ours.stop();
}

/// What a program writes comes as it was written.
#[test]
fn any_bytes() {
    let sandbox = Sandbox::new("sv-tail-binary");
    let config = Config::new(&sandbox).control().program(
        "bytes",
        "/usr/bin/perl -e 'print map({ chr } 0 .. 255), \"END\"; sleep 1000'",
        "",
    );
    let mut ours = config.spawn();
    ours.starts("bytes");
    // Perl writes when it has much to write, or ends.
    ours.call("supervisor.stopProcess", &["bytes"]).says("1");
    let config = Config::new(&sandbox).control().program(
        "bytes",
        "/usr/bin/perl -e '$| = 1; print map({ chr } 0 .. 255), \"END\"; sleep 1000'",
        "",
    );
    config.write();
    ours.call("supervisor.restart", &[]).says("1");
    ours.starts("bytes");
    eventually("the program has written", || {
        fs::read(sandbox.path("bytes.out")).unwrap_or_default().ends_with(b"END").then_some(())
    });
    let mut http = ours.http();
    http.follow("/logtail/bytes/stdout");
    let mut seen = Vec::new();
    while !seen.ends_with(b"END") {
        seen.extend(http.chunk().expect("a stream"));
    }
    let expected: Vec<u8> = (0..=255).chain(*b"END").collect();
    assert_eq!(seen, expected);
    // As a string of XML-RPC it is legible at least.
    let text = ours.call("supervisor.readProcessStdoutLog", &["bytes"]);
    text.fails(2, "INCORRECT_PARAMETERS");
    let parameters = [string("bytes"), "<int>0</int>".to_owned(), "<int>0</int>".to_owned()];
    let answer = ours.http().call("supervisor.readProcessStdoutLog", &parameters);
    assert!(answer.text().contains("0123456789"), "{}", answer.text());
    let illegal =
        |c: char| c < ' ' && !"\t\n\r".contains(c) || matches!(c, '\u{fffe}' | '\u{ffff}');
    assert!(!answer.text().contains(illegal), "{:?}", answer.text());
    ours.stop();
}

/// One who does not read what he asked for costs no memory, and keeps nobody waiting.
#[test]
fn a_slow_reader() {
    const BLOCKS: usize = 40;
    let sandbox = Sandbox::new("sv-tail-slow");
    let steps = "use strict; $| = 1; my $n = 0; while (my $wish = <STDIN>) {\n\
                 print sprintf('%07d', $n++) . ('.' x 92) . qq(\\n) for 1 .. 10_000 }\n";
    let script = sandbox.write("flood.pl", steps);
    let command = format!("/usr/bin/perl {}", script.display());
    let config =
        Config::new(&sandbox).control().program("flood", &command, "stdout_logfile_maxbytes=0");
    let mut ours = config.idle("quick", "").spawn();
    ours.starts("flood");
    ours.starts("quick");
    let mut slow = ours.http();
    slow.follow("/logtail/flood/stdout");
    let before = ours.memory();
    for block in 1..=BLOCKS {
        ours.call("supervisor.sendProcessStdin", &["flood", "more\n"]).says("1");
        eventually("a block of a megabyte is in the log", || {
            let length = sandbox.path("flood.out").metadata().ok()?.len();
            (length == block as u64 * 1_000_000 + length % 1_000_000
                && length >= block as u64 * 1_000_000)
                .then_some(())
        });
    }
    let after = ours.memory();
    assert!(
        after < before + 8 * 1024,
        "{before} KiB, then {after}: {BLOCKS} MB for one who does not read"
    );
    // He gets all of it, when he wants to.
    let last = BLOCKS * 10_000 - 1;
    let mut expected = 0;
    let mut rest = String::new();
    while expected <= last {
        rest.push_str(&String::from_utf8(slow.chunk().expect("a stream")).unwrap());
        while let Some((line, tail)) = rest.split_once('\n') {
            assert_eq!(line.trim_end_matches('.'), format!("{expected:07}"));
            expected += 1;
            rest = tail.to_owned();
        }
        assert!(ours.memory() < before + 8 * 1024);
    }
    ours.stop();
}

/// He makes room between two attempts to send, when nothing else is going to happen.
#[test]
fn a_reader_as_fast_as_the_supervisor() {
    let sandbox = Sandbox::new("sv-tail-fast");
    let mut ours = copy(&sandbox, "stdout_logfile_maxbytes=0").spawn();
    ours.starts("copy");
    let mut http = ours.http();
    http.follow(LOG);
    let block = [&[b'.'; 4 << 20][..], b"\n"].concat();
    for _ in 0..20 {
        let mut log = fs::OpenOptions::new().append(true).open(sandbox.path("copy.out")).unwrap();
        log.write_all(&block).unwrap();
        write(&ours, "end\n");
        let (mut come, all) = (0, block.len() + "end\n".len());
        while come < all {
            come += http.chunk().expect("a stream").len();
        }
        assert_eq!(come, all);
    }
    ours.stop();
}

#[test]
fn readers_come_and_go() {
    let sandbox = Sandbox::new("sv-tail-many");
    let mut ours = copy(&sandbox, "").spawn();
    let pid = ours.starts("copy");
    write(&ours, "one\n");
    sandbox.wait_text("copy.out", "one");
    ours.http().call("supervisor.getVersion", &[]).says("3.0");
    let before = ours.descriptors();
    for _ in 0..5 {
        let mut readers: Vec<Http> = (0..20).map(|_| ours.http()).collect();
        for http in &mut readers {
            http.follow(LOG);
            read_until(http, "one\n");
        }
        let mut main = ours.http();
        main.follow("/mainlogtail");
        read_until(&mut main, "success: copy");
        assert!(ours.descriptors() > before + 20);
        drop((readers, main));
        eventually("nothing is left of them", || (ours.descriptors() <= before).then_some(()));
    }
    // A reader does not keep the supervisor, and sees the end of the program.
    let mut http = ours.http();
    http.follow(LOG);
    read_until(&mut http, "one\n");
    ours.call("supervisor.stopProcess", &["copy"]).says("1");
    gone(pid);
    ours.call("supervisor.startProcess", &["copy"]).says("1");
    write(&ours, "two\n");
    read_until(&mut http, "two\n");
    ours.stop();
    assert_eq!(http.chunk(), None);
}

/// A log that is a device or a pipe cannot be read again: nobody waits for that.
#[test]
fn a_log_that_is_no_file() {
    let sandbox = Sandbox::new("sv-tail-device");
    let fifo = sandbox.path("fifo");
    assert_eq!(sandbox.run("mkfifo").arg(&fifo).output().code, Some(0));
    let reader = fs::File::options().read(true).write(true).open(&fifo).unwrap();
    let keys = |log: &str| format!("stdout_logfile={log}\nstdout_logfile_maxbytes=0");
    let mut config = Config::new(&sandbox).control().idle("device", &keys("/dev/stdout"));
    config = config.idle("pipe", &keys("%(here)s/fifo")).idle("null", &keys("/dev/null"));
    let mut ours = config.idle("zero", &keys("/dev/zero")).spawn();
    for name in ["device", "pipe", "null", "zero"] {
        ours.starts(name);
        assert_eq!(ours.http().get(&format!("/logtail/{name}")).status, 404, "{name}");
        for method in ["readProcessStdoutLog", "tailProcessStdoutLog"] {
            let numbers = [string(name), "<int>-10</int>".to_owned(), "<int>0</int>".to_owned()];
            let answer = ours.http().call(&format!("supervisor.{method}"), &numbers);
            assert_eq!(answer.status, 200, "{name}");
            assert!(!answer.text().contains("\u{2400}"), "{name} {method}: {}", answer.text());
        }
        ours.call("supervisor.clearProcessLogs", &[name]);
        ours.call("supervisor.getVersion", &[]).says("3.0");
    }
    assert_eq!(ours.http().get("/").status, 200);
    drop(reader);
    ours.stop();
}

/// A log of any size: what one client asks for does not become the supervisor's memory.
#[test]
fn a_very_large_log() {
    let sandbox = Sandbox::new("sv-tail-large");
    let mut ours = copy(&sandbox, "stdout_logfile_maxbytes=0").spawn();
    ours.starts("copy");
    write(&ours, "first\n");
    sandbox.wait_text("copy.out", "first");
    let log = fs::File::options().write(true).open(sandbox.path("copy.out")).unwrap();
    log.set_len(4 << 30).unwrap();
    let before = ours.memory();
    for (offset, length) in [(0, 0), (0, i64::from(i32::MAX)), (i64::from(i32::MIN), 0), (100, 0)] {
        for method in ["readProcessStdoutLog", "tailProcessStdoutLog"] {
            let numbers =
                [string("copy"), format!("<int>{offset}</int>"), format!("<int>{length}</int>")];
            let mut http = ours.http();
            let answer = http.call(&format!("supervisor.{method}"), &numbers);
            assert_eq!(answer.status, 200, "{method} {offset} {length}");
            assert!(
                answer.body.len() < 64 << 20,
                "{method} {offset} {length}: {}",
                answer.body.len()
            );
        }
    }
    let after = ours.memory();
    assert!(after < before + 64 * 1024, "{before} KiB, then {after} KiB");
    // The end of it is what everybody wants.
    let mut http = ours.http();
    http.follow(LOG);
    write(&ours, "last\n");
    read_until(&mut http, "last\n");
    ours.stop();
}
