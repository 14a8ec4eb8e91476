//! `supervise ctl`: what supervisorctl does not have. The scenarios run with any server; here it is ours,
//! in `peers_supervise` it is supervisord.

mod output;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use sigpolicy::Signal;
use tinyjson::JsonValue;

use super::harness::{alive, gone};
use crate::sandbox::{Finished, Launch, Sandbox, Server, eventually};

const OURS: &str = env!("CARGO_BIN_EXE_supervise");

const PROGRAMS: &str = "\
[program:cat]\ncommand=/bin/cat\nstartsecs=0\n\
[program:talker]\nstartsecs=0\n\
command=/bin/sh -c \"while read line; do echo got $line; echo bad $line >&2; done\"\n\
[program:pool]\nnumprocs=3\nprocess_name=p_%(process_num)d\nstartretries=0\n\
command=/bin/sh -c \"test ! -e <DIR>/broken-%(process_num)d && exec cat\"\n\
[program:manual]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\n";

/// A server, and the client that it is spoken to with.
pub struct Served {
    pub sandbox: Sandbox,
    pub server: Server,
}

impl Served {
    /// Starts a server and waits until everything runs that starts by itself.
    pub fn start(topic: &str, program: &str, more: &str) -> Self {
        let sandbox = Sandbox::new(topic);
        let dir = sandbox.path("").to_str().unwrap().trim_end_matches('/').to_owned();
        let text = format!(
            "[unix_http_server]\nfile=<DIR>/s.sock\n\
             [supervisord]\nnodaemon=true\nlogfile=<DIR>/main.log\npidfile=<DIR>/pid\n\
             childlogdir=<DIR>\n\
             [rpcinterface:supervisor]\n\
             supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
             [supervisorctl]\nserverurl=unix://<DIR>/s.sock\n{PROGRAMS}{more}"
        );
        sandbox.write("supervisord.conf", text.replace("<DIR>", &dir));
        let server = sandbox.run(program).args(["-c", "supervisord.conf"]).spawn();
        let served = Self { sandbox, server };
        eventually("everything runs", || {
            let stdout = served.ctl("status").stdout;
            let runs = |line: &str| line.contains("RUNNING") || line.contains("STOPPED");
            (stdout.lines().count() > 5 && stdout.lines().all(runs)).then_some(())
        });
        served
    }

    pub fn client(&self) -> Launch {
        self.sandbox.run(OURS).args(["ctl", "-c", "supervisord.conf"]).env_remove("NO_COLOR")
    }

    /// A command of words.
    pub fn ctl(&self, line: &str) -> Finished {
        self.client().args(line.split(' ')).output()
    }

    /// Exit code and output.
    pub fn said(&self, line: &str) -> (Option<i32>, String) {
        let Finished { code, stdout, .. } = self.ctl(line);
        (code, stdout)
    }

    /// Exit code and JSON.
    fn json(&self, line: &str) -> (Option<i32>, JsonValue) {
        let (code, text) = self.said(&format!("{line} --json"));
        assert_eq!(text.lines().count(), 1, "{line}: {text}");
        (code, text.parse().unwrap_or_else(|error| panic!("{line}: {error}: {text}")))
    }

    fn pid(&self, name: &str) -> i32 {
        self.said(&format!("pid {name}")).1.trim().parse().unwrap()
    }

    fn pool(&self) -> [i32; 3] {
        [0, 1, 2].map(|at| self.pid(&format!("pool:p_{at}")))
    }
}

fn object(value: &JsonValue) -> &HashMap<String, JsonValue> {
    value.get().unwrap_or_else(|| panic!("no object: {value:?}"))
}

fn array(value: &JsonValue) -> &[JsonValue] {
    value.get::<Vec<_>>().unwrap_or_else(|| panic!("no array: {value:?}"))
}

fn text<'v>(value: &'v JsonValue, name: &str) -> &'v str {
    let member = object(value).get(name).unwrap_or_else(|| panic!("no {name}: {value:?}"));
    member.get::<String>().unwrap_or_else(|| panic!("{name} is no text: {value:?}"))
}

/// The members of each element that are texts, joined by blanks.
fn rows(value: &JsonValue, members: &[&str]) -> Vec<String> {
    let row = |value| members.iter().map(|name| text(value, name)).collect::<Vec<_>>().join(" ");
    array(value).iter().map(row).collect()
}

pub fn a_rolling_restart_stops_at_the_first_failure(served: &Served) {
    let before = served.pool();
    let done = |name| format!("pool:p_{name}: stopped\npool:p_{name}: started\n");
    let all = [2, 0, 1].map(done).concat();
    let line = "restart --rolling pool:p_2 pool:*";
    assert_eq!(served.said(line), (Some(0), all));
    let between = served.pool();
    assert!(before.iter().zip(&between).all(|(before, after)| before != after));
    before.iter().for_each(|pid| gone(*pid));

    served.sandbox.write("broken-1", "");
    let (code, text) = served.said("restart pool:* cat --rolling");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..3], ["pool:p_0: stopped", "pool:p_0: started", "pool:p_1: stopped"]);
    assert!(lines[3].starts_with("pool:p_1: ERROR ("), "{text}");
    assert_eq!(lines[4..], ["not restarted: pool:p_2, cat"]);
    assert_eq!(code, Some(7));
    assert_eq!(served.pid("pool:p_2"), between[2]);

    served.sandbox.remove("broken-1");
    assert_eq!(served.said("start pool:p_1").0, Some(0));
    let unknown = "nosuch: ERROR (no such process)\n".to_owned();
    let now = served.pool();
    assert_eq!(served.said("restart --rolling pool:* nosuch"), (Some(1), unknown));
    assert_eq!(served.pool(), now);
}

pub fn every_action_has_its_json(served: &Served) {
    let (code, all) = served.json("status");
    assert_eq!(code, Some(3));
    let expected =
        ["cat cat RUNNING", "manual manual STOPPED", "p_0 pool RUNNING", "p_1 pool RUNNING"];
    assert_eq!(rows(&all, &["name", "group", "statename"])[..4], expected);
    for member in ["state", "pid", "start", "stop", "now", "exitstatus"] {
        assert!(object(&array(&all)[0])[member].get::<f64>().is_some(), "{member}");
    }
    let (code, some) = served.json("status pool:* no");
    assert_eq!((code, array(&some).len()), (Some(4), 4));
    assert_eq!(text(&array(&some)[3], "error"), "no: ERROR (no such process)");

    let results = |line| {
        let (code, value) = served.json(line);
        (code, rows(&value, &["action", "group", "name", "status"]))
    };
    let one = |row: &str| vec![row.to_owned()];
    assert_eq!(results("start manual"), (Some(0), one("start manual manual SUCCESS")));
    assert_eq!(results("start manual"), (Some(0), one("start manual manual ALREADY_STARTED")));
    let both =
        vec!["stop manual manual SUCCESS".to_owned(), "start manual manual SUCCESS".to_owned()];
    assert_eq!(results("restart manual"), (Some(0), both));
    let former = served.pid("manual");
    assert_eq!(results("kill manual"), (Some(0), one("kill manual manual SUCCESS")));
    gone(former);
    // supervisord starts it again, whenever it looks.
    eventually("it is stopped", || {
        served.ctl("stop manual");
        served.ctl("status manual").stdout.contains("STOPPED").then_some(())
    });
    assert_eq!(results("stop no"), (Some(1), one("stop no no BAD_NAME")));
    assert_eq!(results("clear cat"), (Some(0), one("clear cat cat SUCCESS")));
    assert_eq!(results("signal CONT cat"), (Some(0), one("signal cat cat SUCCESS")));

    let pid = |line| object(&served.json(line).1)["pid"].get::<f64>().copied();
    assert_eq!(pid("pid"), Some(f64::from(served.server.pid())));
    let (code, pids) = served.json("pid cat");
    assert_eq!((code, rows(&pids, &["name", "group"])), (Some(0), one("cat cat")));
    let (_, alive) = served.json("stat cat");
    assert_eq!(object(&array(&alive)[0])["alive"].get(), Some(&true));
    assert!(!text(&served.json("version").1, "version").is_empty());
    assert_eq!(text(&served.json("tail -9 cat stderr").1, "stream"), "stderr");
    assert!(text(&served.json("maintail -100000").1, "log").contains("spawned: 'cat'"));
    for name in ["added", "changed", "removed"] {
        assert!(array(&object(&served.json("reread").1)[name]).is_empty(), "{name}");
    }
    assert!(array(&object(&served.json("update").1)["results"]).is_empty());
    let (_, configured) = served.json("avail");
    assert_eq!(rows(&configured, &["name"])[..2], ["cat", "manual"]);
    let wrong = served.ctl("fg cat --json");
    assert_eq!(
        (wrong.code, wrong.stdout.as_str()),
        (Some(2), "{\"error\":\"Error: this has no JSON\"}\n")
    );
    let wrong = served.ctl("statsu --json");
    assert_eq!(wrong.stdout, "{\"error\":\"*** Unknown syntax: statsu\"}\n");
    assert!(wrong.stderr.contains("is status meant?"), "{wrong:?}");
}

pub fn a_dialogue_asks_before_it_stops_everything(served: &Served) {
    let lines =
        "manual\nstatus cat --json\nstop cat\nshutdown\nn\nreload\n\nhelp stop\nexit\nstop all\n";
    let typed = File::open(served.sandbox.write("typed", lines)).unwrap();
    let Finished { code, stdout, stderr } = served.client().stdin(typed).output();
    assert_eq!(code, Some(0));
    let (status, rest) = stdout.split_once("supervisor> ").unwrap();
    assert_eq!(status.lines().count(), 6, "{stdout}");
    let parts: Vec<&str> = rest.split("supervisor> ").collect();
    assert_eq!(parts[0], "*** Unknown syntax: manual\n");
    assert!(parts[1].starts_with("[{\"") && parts[1].ends_with("}]\n"), "{stdout}");
    assert_eq!(parts[2], "cat: stopped\n");
    assert_eq!(parts[3], "Really shut the remote supervisord process down y/N? ");
    assert_eq!(parts[4], "Really restart the remote supervisord process y/N? ");
    assert!(parts[5].starts_with("stop <name>\t\tStop a process\n"), "{stdout}");
    assert_eq!(parts[6..], ["\n"], "nothing is done after exit");
    assert!(stderr.contains("\"help\" lists the actions"), "{stderr}");
    assert!(alive(served.server.pid()));
    assert_eq!(served.said("start cat").0, Some(0));
}

pub fn watching_tells_of_changes(served: &Served) {
    let mut text = served.client().args(["watch", "-n", "0.1", "cat"]).spawn();
    let mut json = served.client().args(["watch", "--json", "--interval=.1", "cat"]).spawn();
    text.wait_line("cat                              RUNNING   pid ");
    json.wait_line("\"statename\":\"RUNNING\"");
    served.ctl("stop cat");
    text.wait_line("cat                              STOPPED   ");
    json.wait_line("\"statename\":\"STOPPED\"");
    served.ctl("start cat");
    text.wait_line("cat                              RUNNING   pid ");
    json.wait_line("\"statename\":\"RUNNING\"");
    for watch in [&mut text, &mut json] {
        watch.signal(Signal::INT);
        assert_eq!(watch.wait_exit().code(), Some(0), "{}", watch.transcript());
    }
    // Between the lines that changed there are no others.
    assert!(text.count("RUNNING") + text.count("STOPPED") + text.count("STARTING") <= 5);
    for line in json.lines() {
        assert_eq!(super::ctl::text(&line.parse().unwrap(), "name"), "cat");
    }
}

pub fn a_terminal_shows_states_in_place(served: &Served) {
    let command = format!("exec {OURS} ctl -c supervisord.conf watch -n 0.1");
    let (reader, mut writer) = UnixStream::pair().unwrap();
    let stage = served.sandbox.run("script").args(["-qefc", command.as_str(), "/dev/null"]);
    let stage = stage.env("TERM", "xterm").env_remove("NO_COLOR");
    let mut watch = stage.stdin(OwnedFd::from(reader)).spawn();
    watch.wait_line("5 RUNNING, 1 STOPPED");
    watch.wait_line("\u{1b}[32mRUNNING   \u{1b}[0mpid ");
    served.ctl("start manual");
    watch.wait_line("6 RUNNING");
    writer.write_all(b"q").unwrap();
    assert_eq!(watch.wait_exit().code(), Some(0), "{}", watch.transcript());
    served.ctl("stop manual");
}

pub fn a_program_in_the_foreground_is_talked_to(served: &Served) {
    let (reader, mut writer) = UnixStream::pair().unwrap();
    let stdin = OwnedFd::from(reader);
    let mut client = served.client().args(["fg", "talker"]).stdin(stdin).spawn();
    client.wait_line("==> Press Ctrl-C to exit <==");
    writer.write_all(b"hello\n").unwrap();
    client.wait_line("got hello");
    client.wait_line("bad hello");
    served.ctl("stop talker");
    // Nobody has to type anything for it to be seen.
    client.wait_line("Process got killed");
    client.wait_line("Exiting foreground");
    assert_eq!(client.wait_exit().code(), Some(0));
    served.ctl("start talker");

    let (reader, _writer) = UnixStream::pair().unwrap();
    let stdin = OwnedFd::from(reader);
    let mut client = served.client().args(["fg", "cat"]).stdin(stdin).spawn();
    client.wait_line("==> Press Ctrl-C to exit <==");
    client.signal(Signal::INT);
    client.wait_line("Exiting foreground");
    assert_eq!(client.wait_exit().code(), Some(0));

    for (line, said) in [
        ("fg manual", "ERROR: process not running\n"),
        ("fg nosuch", "ERROR: bad process name supplied\n"),
        ("fg cat talker", "ERROR: too many process names supplied\n"),
    ] {
        assert_eq!(served.said(line), (Some(1), said.to_owned()), "{line}");
    }
}

pub fn colour_is_for_terminals(served: &Served) {
    let green = "\u{1b}[32mRUNNING   \u{1b}[0m";
    assert!(served.said("status cat --color=always").1.contains(green));
    assert!(!served.said("status cat").1.contains('\u{1b}'));
    let never = served.client().env("NO_COLOR", "1").args(["--color", "never", "status"]).output();
    assert!(!never.stdout.contains('\u{1b}'));
}

/// All that any server must do.
pub fn everything(served: &Served) {
    every_action_has_its_json(served);
    a_rolling_restart_stops_at_the_first_failure(served);
    a_dialogue_asks_before_it_stops_everything(served);
    watching_tells_of_changes(served);
    a_program_in_the_foreground_is_talked_to(served);
    colour_is_for_terminals(served);
    a_terminal_shows_states_in_place(served);
}

#[test]
fn the_client_does_what_supervisorctl_does_not() {
    everything(&Served::start("ctl-more", OURS, ""));
}

#[test]
fn hot_programs_are_replaced_while_they_serve() {
    let hot = "[program:api]\ncommand=/bin/cat\nhot=true\nnumprocs=2\n\
               process_name=a_%(process_num)d\nstartsecs=0\n\
               socket=unix://<DIR>/api-%(process_num)d.sock\n";
    let served = Served::start("ctl-hot", OURS, hot);
    let before = ["api:a_0", "api:a_1"].map(|name| served.pid(name));
    let text = "api:a_0: replaced\napi:a_1: replaced\n".to_owned();
    assert_eq!(served.said("restart --hot --rolling api:*"), (Some(0), text));
    let after = ["api:a_0", "api:a_1"].map(|name| served.pid(name));
    assert!(before.iter().zip(&after).all(|(before, after)| before != after));
    before.iter().for_each(|pid| gone(*pid));

    let cat = served.pid("cat");
    let (code, text) = served.said("restart --hot --rolling cat api:a_0");
    assert_eq!(code, Some(7));
    assert!(text.starts_with("cat: ERROR (is not a hot program"), "{text}");
    assert!(text.ends_with(")\nnot restarted: api:a_0\n"), "{text}");
    let (code, value) = served.json("restart --hot cat api:a_0");
    assert_eq!(code, Some(7));
    assert_eq!(
        rows(&value, &["action", "name", "status"]),
        ["replace cat FAILED", "replace a_0 SUCCESS"]
    );
    assert_eq!(served.pid("cat"), cat);
    let (_, all) = served.json("status api:*");
    assert!(array(&all).iter().all(|info| object(info)["hot"].get() == Some(&true)), "{all:?}");
}
