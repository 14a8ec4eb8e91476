//! `supervise ctl` and supervisorctl, each with a supervisord of its own, do the same.
//!
//! Output and exit code of every command must be the same, but for what depends on the second. Where
//! supervisorctl shows an error of its interpreter, ours has one line.

use std::thread;

use sigpolicy::Signal;

use super::pair::{REAL, ours, supervisord};
use crate::sandbox::{Finished, Launch, Sandbox, Server, eventually};

const CLIENT: &str = "/usr/bin/supervisorctl";

const PROGRAMS: &str = "\
[program:cat]\ncommand=/bin/cat\n\
[program:manual]\ncommand=/bin/cat\nautostart=false\npriority=5\n\
[program:talker]\ncommand=/bin/sh -c \"echo one; echo zwei ü; echo bad >&2; exec cat\"\n\
[program:nolog]\ncommand=/bin/cat\nstdout_logfile=NONE\n\
[program:crash]\ncommand=/bin/false\nautostart=false\nstartretries=0\n\
[program:nofile]\ncommand=/no/such/file\nautostart=false\n\
[program:notexec]\ncommand=<DIR>/supervisord.conf\nautostart=false\n\
[program:stubborn]\ncommand=/bin/sh -c \"trap '' TERM; echo ready; while :; do sleep 0.1; done\"\n\
stopwaitsecs=1\nstartsecs=0\n\
[program:w1]\ncommand=/bin/cat\nstartsecs=0\n[program:w2]\ncommand=/bin/cat\nstartsecs=0\n\
[group:web]\nprograms=w1,w2\npriority=50\n\
[program:pool]\ncommand=/bin/cat\nstartsecs=0\nnumprocs=2\nprocess_name=p_%(process_num)d\n\
[include]\nfiles=<DIR>/conf.d/*.conf\n";

/// What is done one after the other: a command, or `FILE=TEXT` to write a file.
#[rustfmt::skip]
const DIALOGUE: &[&str] = &[
    "version", "status cat manual web:* pool:p_1", "status nosuch nogroup:* cat:x",
    "status nosuch cat", "status web:w1 web:w1", "pid nosuch", "pid manual", "pid cat manual",
    "start manual", "start manual", "start nosuch", "start nofile", "start notexec", "start crash",
    "start nope:*", "start", "start nosuch crash manual", "start nosuch:x", "stop manual",
    "stop manual nosuch manual", "stop web:*", "stop web:*", "start web:*", "stop nope:*",
    "stop pool:p_1", "stop", "stop stubborn", "restart cat manual", "restart web:",
    "restart nosuch", "signal HUP", "signal", "signal WINCH cat", "signal 28 cat", "signal FOO cat",
    "signal WINCH stubborn nosuch", "signal WINCH stubborn", "signal WINCH web:*",
    "signal WINCH nope:*", "signal WINCH all", "avail", "avail x", "tail talker", "tail -4 talker",
    "tail talker stderr", "tail talker STDERR", "tail -0 talker", "tail nolog", "tail nosuch",
    "tail talker foo", "tail", "tail a b c d", "tail -f", "tail -x talker", "tail -f nosuch",
    "tail -f nolog", "maintail foo", "maintail -x", "maintail a b", "clear talker",
    "clear nosuch talker", "clear web:*", "clear", "tail talker", "reread", "reread x",
    "conf.d/a.conf=[program:newp]\ncommand=/bin/cat\nstartsecs=0\n", "reread", "avail", "add newp",
    "add newp nosuch", "add", "remove newp", "stop newp", "remove newp nosuch", "update nosuch",
    "update", "update",
    "conf.d/a.conf=[program:newp]\ncommand=/bin/cat -u\nstartsecs=0\n[program:b]\ncommand=/bin/cat\n",
    "update newp", "update all", "conf.d/a.conf=[program:broken]\n", "reread", "update",
    "conf.d/a.conf=\n", "update", "status", "stop all", "stop all", "start all", "foo bar",
    "open ftp://x", "shutdown x", "reload",
];

/// A supervisord, and the client that it is spoken to with.
struct Side {
    sandbox: Sandbox,
    server: Server,
    ours: bool,
}

impl Side {
    fn start(topic: &str, ours: bool, head: &str) -> Self {
        let sandbox = Sandbox::new(topic);
        let dir = sandbox.path("").to_str().unwrap().trim_end_matches('/').to_owned();
        let text = format!(
            "[unix_http_server]\nfile=<DIR>/s.sock\n{head}\n\
             [supervisord]\nnodaemon=true\nlogfile=<DIR>/main.log\npidfile=<DIR>/pid\n\
             childlogdir=<DIR>\n\
             [rpcinterface:supervisor]\n\
             supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
             [supervisorctl]\nserverurl=unix://<DIR>/s.sock\n{PROGRAMS}"
        );
        sandbox.write("supervisord.conf", text.replace("<DIR>", &dir));
        let server = sandbox.run(REAL).args(["-c", "supervisord.conf"]).spawn();
        let side = Self { sandbox, server, ours };
        eventually("a server", || side.sandbox.exists("s.sock").then_some(()));
        side
    }

    /// Waits until all that starts by itself runs.
    fn settle(&self, login: &[&str]) {
        eventually("everything runs", || {
            let words = [login, &["status"]].concat();
            let Finished { stdout, .. } = self.ctl(&words);
            let runs = |line: &str| line.contains("RUNNING") || line.contains("STOPPED");
            (stdout.lines().count() > 5 && stdout.lines().all(runs)).then_some(())
        });
        eventually("what stubborn says", || {
            let words = [login, &["tail", "stubborn"]].concat();
            self.ctl(&words).stdout.contains("ready").then_some(())
        });
    }

    fn ctl(&self, words: &[&str]) -> Finished {
        self.client().args(words).separate().output()
    }

    /// The client, with the file that says where the server is.
    fn client(&self) -> Launch {
        let launch = match self.ours {
            true => self.sandbox.run(ours()).arg("ctl"),
            false => self.sandbox.run(CLIENT),
        };
        launch.env("LC_ALL", "C.UTF-8").args(["-c", "supervisord.conf"])
    }

    fn mask(&self, text: &str) -> String {
        let dir = self.sandbox.path("");
        let text = text.replace(dir.to_str().unwrap().trim_end_matches('/'), "<DIR>");
        text.lines().map(|line| mask(line) + "\n").collect()
    }

    /// Exit code and output of a command; of an error of an interpreter only that it is one.
    fn said(&self, words: &[&str]) -> (Option<i32>, String) {
        let Finished { code, stdout, stderr } = self.ctl(words);
        let stderr: Vec<&str> =
            stderr.lines().filter(|line| !line.starts_with("supervise ctl: ")).collect();
        let text = self.mask(&format!("{stdout}{}", stderr.join("\n")));
        let error = |line: &str| {
            let interpreter = line.starts_with("error: <class");
            interpreter != self.ours && line.starts_with("error: ")
        };
        let lines = text.lines().map(|line| if error(line) { "error: ..." } else { line });
        (code, lines.collect::<Vec<_>>().join("\n"))
    }
}

/// Takes out what depends on the second: pids, uptimes and dates.
fn mask(line: &str) -> String {
    // A group that nothing can be done to is shown as Python shows nothing.
    if let Some((group, rest)) = line.split_once(":None: ") {
        return format!("{group}:*: {rest}");
    }
    if !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit()) && line != "0" {
        return "P".to_owned();
    }
    for (state, rest) in [("RUNNING   pid ", "pid P"), ("EXITED    ", "T"), ("STOPPED   ", "T")] {
        if let Some((before, after)) = line.split_once(state) {
            let state = state.split(' ').next().unwrap();
            let rest = if after == "Not started" { after } else { rest };
            return format!("{before}{state} {rest}");
        }
    }
    line.to_owned()
}

fn both(topic: &str, head: &str) -> [Side; 2] {
    thread::scope(|scope| {
        let real = scope.spawn(|| Side::start(&format!("{topic}-real"), false, head));
        let ours = Side::start(&format!("{topic}-ours"), true, head);
        [real.join().unwrap(), ours]
    })
}

/// Says what is not the same, all of it.
fn compare(sides: &[Side; 2], steps: &[Vec<&str>], run: impl Fn(&Side, &[&str]) -> String + Sync) {
    let answers = thread::scope(|scope| {
        let run = &run;
        let all = |side| {
            scope.spawn(move || steps.iter().map(|step| run(side, step)).collect::<Vec<_>>())
        };
        let threads = [all(&sides[0]), all(&sides[1])];
        threads.map(|thread| thread.join().unwrap())
    });
    let [real, ours] = answers;
    let mut differences = Vec::new();
    for (step, (real, ours)) in steps.iter().zip(real.iter().zip(&ours)) {
        if real != ours {
            differences.push(format!("{step:?}\nsupervisorctl: {real}\nours: {ours}\n"));
        }
    }
    assert!(differences.is_empty(), "{} differ\n{}", differences.len(), differences.join("\n"));
}

fn shown((code, text): (Option<i32>, String)) -> String {
    format!("{code:?}\n{text}")
}

#[test]
fn every_command_says_and_does_the_same() {
    if !supervisord() {
        return;
    }
    let sides = both("ctl", "");
    sides.iter().for_each(|side| side.settle(&[]));
    let steps: Vec<Vec<&str>> = DIALOGUE
        .iter()
        .map(|step| if step.contains('=') { vec![*step] } else { step.split(' ').collect() })
        .collect();
    compare(&sides, &steps, |side, words| match words {
        [file] if file.contains('=') => {
            let (name, text) = file.split_once('=').unwrap();
            side.sandbox.write(name, text);
            String::new()
        }
        // Many are told of in the order in which they are done, and the last failure gives the code.
        [_, name] if *name == "all" || name.ends_with(":*") || name.ends_with(':') => {
            let (code, text) = side.said(words);
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_unstable();
            let code = if *name == "all" { code.map(|code| code.min(1)) } else { code };
            shown((code, lines.join("\n")))
        }
        words => shown(side.said(words)),
    });
}

#[test]
fn a_server_that_is_not_there_is_the_same() {
    if !supervisord() {
        return;
    }
    let mut sides = both("ctl-gone", "");
    let commands: Vec<Vec<&str>> = [
        "status",
        "start a",
        "stop a",
        "restart a",
        "pid",
        "avail",
        "reread",
        "update",
        "add a",
        "remove a",
        "clear a",
        "signal HUP a",
        "tail a",
        "maintail",
        "tail -f a",
        "version",
        "start",
        "stop",
        "tail",
        "reload",
        "shutdown",
        "fg a",
    ]
    .iter()
    .map(|command| command.split(' ').collect())
    .collect();
    for side in &mut sides {
        side.settle(&[]);
        assert_eq!(side.said(&["shutdown"]), (Some(0), "Shut down".to_owned()));
        assert_eq!(side.server.wait_exit().code(), Some(0));
        assert!(!side.sandbox.exists("s.sock"));
    }
    compare(&sides, &commands, |side, words| shown(side.said(words)));
    // A file that is no socket refuses.
    sides.iter().for_each(|side| drop(side.sandbox.write("s.sock", "")));
    compare(&sides, &commands, |side, words| shown(side.said(words)));
    let port = crate::sandbox::free_port();
    let url = format!("http://127.0.0.1:{port}");
    let steps = [vec!["-s", &url, "status"], vec!["-s", &url, "pid"], vec!["-s", &url, "avail"]];
    compare(&sides, &steps, |side, words| shown(side.said(words)));
}

#[test]
fn a_password_is_given_or_wanted() {
    if !supervisord() {
        return;
    }
    let sides = both("ctl-password", "username=u\npassword=secret");
    let login = ["-u", "u", "-p", "secret"];
    sides.iter().for_each(|side| side.settle(&login));
    let [_, ours] = &sides;
    for words in [&["status"][..], &["-u", "u", "-p", "wrong", "pid"], &["tail", "-f", "cat"]] {
        let wanted = (Some(1), "Server requires authentication".to_owned());
        assert_eq!(ours.said(words), wanted, "{words:?}");
        let (code, text) = sides[0].said(words);
        assert!(code == Some(1) && text.starts_with(&wanted.1), "{text}");
    }
    let steps = [
        [&login[..], &["status", "cat"]].concat(),
        [&login[..], &["stop", "cat", "manual"]].concat(),
        vec!["-uu", "-psecret", "tail", "-f", "nosuch"],
    ];
    compare(&sides, &steps, |side, words| shown(side.said(words)));
    let variable = ours.sandbox.run(super::pair::ours()).env("SUPERVISE_PASSWORD", "secret");
    let Finished { code, stdout, stderr } =
        variable.args(["ctl", "-c", "supervisord.conf", "-u", "u", "start", "cat"]).output();
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "cat: started\n", ""));
}

#[test]
fn a_log_is_followed_until_ctrl_c() {
    if !supervisord() {
        return;
    }
    for side in both("ctl-tail", "") {
        side.settle(&[]);
        for what in [&["tail", "-f", "talker"][..], &["maintail", "-f"]] {
            let mut client = side.client().args(what).spawn();
            let marker = if what.len() == 3 { "zwei ü" } else { "RUNNING state" };
            eventually("what is in the log", || client.transcript().contains(marker).then_some(()));
            client.signal(Signal::INT);
            let status = client.wait_exit();
            let said = client.transcript();
            assert_eq!(status.code(), Some(0), "{said}");
            assert!(said.contains("==> Press Ctrl-C to exit <=="), "{said}");
        }
    }
}

/// What supervisorctl does not have, with the server that it has.
#[test]
fn our_own_commands_work_with_supervisord() {
    if !supervisord() {
        return;
    }
    let side = Side::start("ctl-own", true, "");
    side.settle(&[]);
    for (words, code, text) in [
        (&["stat", "cat"][..], 0, "alive"),
        (&["stat", "manual"], 3, "dead"),
        (&["stat", "nosuch"], 4, "unknown"),
        (&["stat", "web:*", "manual"], 3, "web:w1: alive\nweb:w2: alive\nmanual: dead"),
        (&["reload", "stubborn"], 0, "stubborn: reloaded"),
        (&["reload", "manual"], 7, "manual: ERROR (not running)"),
        (&["reload", "nosuch"], 1, "nosuch: ERROR (no such process)"),
        (&["kill", "talker", "nosuch"], 1, "talker: killed\nnosuch: ERROR (no such process)"),
        (&["killme", "web:*"], 0, "web:w1: killed\nweb:w2: killed"),
        (&["kill", "nope:*"], 1, "nope: ERROR (no such group)"),
    ] {
        assert_eq!(side.said(words), (Some(code), text.to_owned()), "{words:?}");
    }
    eventually("the end of a signal in the log", || {
        let log = side.sandbox.read("main.log");
        let ended = |line: &str| log.contains(line);
        (ended("exited: talker (terminated by SIGKILL; not expected)")
            && ended("exited: stubborn (terminated by SIGHUP; not expected)"))
        .then_some(())
    });
}
