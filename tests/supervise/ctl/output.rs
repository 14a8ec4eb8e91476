//! `supervise ctl`: what it writes, and who reads it.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use super::{OURS, Served};

const WILD: &str = "\u{1b}[2J\u{9b}31mcleared \u{1b}[31mred\u{1b}[0m\n";

#[test]
fn a_reader_that_has_enough_ends_what_goes_on() {
    let served = Served::start("ctl-readers", OURS, "");
    let client = format!("{OURS} ctl -c supervisord.conf");
    // The next look would be in an hour, and the logs say nothing more.
    for (line, reader, shown) in [
        ("watch -n 3600 cat", "grep -m1 RUNNING", "RUNNING"),
        ("watch --json -n 3600 cat", "grep -m1 RUNNING", "\"statename\":\"RUNNING\""),
        ("tail -f talker", "head -1", "==> Press Ctrl-C to exit <=="),
        ("maintail -f", "head -1", "==> Press Ctrl-C to exit <=="),
        ("fg talker", "head -1", "==> Press Ctrl-C to exit <=="),
    ] {
        let (stdin, _open) = UnixStream::pair().unwrap();
        let line = format!("{client} {line} | {reader}");
        let shell = served.sandbox.run("sh").args(["-c", line.as_str()]);
        let mut shell = shell.stdin(OwnedFd::from(stdin)).spawn();
        assert_eq!(shell.wait_exit().code(), Some(0), "{line}: {}", shell.transcript());
        assert!(shell.lines().iter().any(|text| text.contains(shown)), "{line}");
    }
}

#[test]
fn logs_are_no_orders_to_a_terminal() {
    let wild = "[program:wild]\ncommand=/bin/cat\nstartsecs=0\nstdout_logfile=<DIR>/wild.log\n";
    let served = Served::start("ctl-wild", OURS, wild);
    served.sandbox.write("wild.log", WILD);
    let pipe = served.client().args(["tail", "-f", "wild"]).spawn();
    pipe.wait_line(WILD.trim_end());
    for action in ["tail -f wild", "fg wild"] {
        // A shell that stayed in between would be ended by Ctrl-C itself.
        let command = format!("exec {OURS} ctl -c supervisord.conf {action}");
        let (reader, mut writer) = UnixStream::pair().unwrap();
        let stage = served.sandbox.run("script").args(["-qefc", command.as_str(), "/dev/null"]);
        let mut terminal = stage.stdin(OwnedFd::from(reader)).spawn();
        terminal.wait_line("␛[2J\u{fffd}31mcleared \u{1b}[31mred\u{1b}[0m");
        writer.write_all(b"\x03").unwrap();
        assert_eq!(terminal.wait_exit().code(), Some(0), "{}", terminal.transcript());
        assert_eq!(terminal.count("\u{1b}[2J"), 0, "{}", terminal.transcript());
    }
}

#[test]
fn a_password_in_an_address_is_never_shown() {
    let sandbox = crate::sandbox::Sandbox::new("ctl-secret");
    let none = "[supervisorctl]\nserverurl=https://u:secret@h\n";
    sandbox.write("wrong.conf", none);
    let refused = "-s http://u:secret@127.0.0.1:1";
    for (line, told) in [
        (format!("{refused} pid"), "http://***@127.0.0.1:1 refused connection\n"),
        (format!("{refused} --verbose pid"), "http://***@127.0.0.1:1: supervisor.getVersion: "),
        (format!("{refused} pid --json"), "{\"error\":\"http://***@127.0.0.1:1 refused"),
        (format!("{refused} watch"), "http://***@127.0.0.1:1 refused connection\n"),
        (format!("{refused} shutdown"), "http://***@127.0.0.1:1 refused connection"),
        (format!("{refused} reload"), "error: http://***@127.0.0.1:1 refused connection\n"),
        ("-s https://u:secret@h pid".to_owned(), "https://***@h"),
        ("-s http://u:secret@h:port pid".to_owned(), "http://***@h:port"),
        ("-c wrong.conf pid".to_owned(), "https://***@h"),
        ("-c wrong.conf open http://u:secret@127.0.0.1:1".to_owned(), "https://***@h"),
        (format!("{refused} open http://v:secret@127.0.0.1:2"), "http://***@127.0.0.1:2 refused"),
    ] {
        let done = sandbox.run(OURS).arg("ctl").args(line.split(' ')).output();
        let both = format!("{}{}", done.stdout, done.stderr);
        assert!(both.contains(told) && !both.contains("secret"), "{line}: {done:?}");
    }
}

#[test]
fn a_release_that_dies_is_not_rolled_out() {
    let more = "[program:bad]\ncommand=/bin/sh -c \"exit 3\"\nstartsecs=0\nautorestart=false\n\
                autostart=false\nnumprocs=3\nprocess_name=b_%(process_num)d\n\
                [program:once]\ncommand=/bin/sh -c \"exit 2\"\nstartsecs=0\nautorestart=false\n\
                autostart=false\nexitcodes=2\n";
    let served = Served::start("ctl-dies", OURS, more);
    let once = "once: ERROR (not running)\nonce: started\n".to_owned();
    assert_eq!(served.said("restart --rolling once"), (Some(0), once), "its work is done");
    let bad = "bad:b_0: ERROR (not running)\nbad:b_0: started\nbad:b_0: ERROR (it has exited)\n\
               not restarted: bad:b_1, bad:b_2\n";
    assert_eq!(served.said("restart --rolling bad:*"), (Some(7), bad.to_owned()));
    let (_, text) = served.said("status bad:b_1 bad:b_2");
    assert_eq!(text.lines().filter(|line| line.ends_with("STOPPED   Not started")).count(), 2);
}
