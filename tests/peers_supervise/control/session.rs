//! Plays the steps of a session on both sides at once.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};
use sigpolicy::Signal;

use super::script::{Recorded, Step, mask, read, said};
use crate::peers_supervise::pair::{Pair, Side};
use crate::sandbox::{eventually, wait_pid};

/// Debian's client.
const CLIENT: &str = "/usr/bin/supervisorctl";
/// The socket of a session.
const SOCKET: &str = "sup.sock";

/// What a command came to on one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub printed: String,
    pub complained: String,
    pub status: i32,
}

/// A command, and what it came to: real, ours.
pub struct Played {
    pub recorded: Recorded,
    pub outcomes: [Outcome; 2],
}

impl Played {
    /// Whether both sides did the same. Of several processes, who comes to an end first comes first, and
    /// the exit status is that of the last one that failed: neither is up to the server.
    pub fn is_alike(&self) -> bool {
        let [real, ours] = &self.outcomes;
        let sorted = |outcome: &Outcome| {
            let mut lines: Vec<String> = outcome.printed.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            (lines, outcome.complained.clone(), outcome.status == 0)
        };
        real == ours || (self.recorded.is_several() && sorted(real) == sorted(ours))
    }
}

/// What the next command is given.
#[derive(Default)]
struct Around {
    until: Option<String>,
    typed: Vec<(String, bool)>,
}

/// The programs of a session, as files of a [`Pair`].
pub fn files() -> Vec<(&'static str, &'static str)> {
    vec![
        ("echoer.x", include_str!("../../data/xmlrpc/echoer.pl")),
        ("stubborn.x", "#!/usr/bin/perl\n$SIG{TERM} = 'IGNORE';\nsleep 1 while 1;\n"),
        ("notexec", "true\n"),
        ("conf.d/a.conf", BEFORE),
    ]
}

const BEFORE: &str = "[program:manual]\ncommand=/bin/sleep 1000\nautostart=false\n\
                      [program:notexec]\ncommand=<DIR>/notexec\nautostart=false\n";
const AFTER: &str = "[program:manual]\ncommand=/bin/sleep 1000\nautostart=false\nstartretries=5\n";
const NEW: &str = "[program:newp]\ncommand=/bin/sleep 500\n";

/// The files of a change by this name.
fn change(name: &str) -> [(&'static str, String); 2] {
    let new = |more: &str| ("conf.d/b.conf", format!("{NEW}{more}"));
    let second = match name {
        "changes" => new(""),
        "no command" => new("[program:broken]\nautostart=true\n"),
        "no boolean" => new("autostart=perhaps\n"),
        "no variable" => new("environment=A=\"%(ENV_NOPE)s\"\n"),
        "one" => new("priority=1000\n"),
        _ => panic!("{name}"),
    };
    [("conf.d/a.conf", AFTER.to_owned()), second]
}

/// Plays a file on a pair that has just been started.
pub fn play(pair: &mut Pair, text: &str) -> Vec<Played> {
    let mut played = Vec::new();
    let mut around = Around::default();
    let mut marks = [0, 0];
    let mut kept: Vec<UnixListener> = Vec::new();
    for step in read(text) {
        match step {
            Step::Command(recorded) => {
                marks = pair.both(log_length);
                let around = std::mem::take(&mut around);
                let outcomes = at_once(pair, &recorded, &around);
                played.push(Played { recorded, outcomes });
            }
            Step::Log(text) => pair.wait("a line of the main log", |side| {
                let mark = marks[usize::from(side.name == "ours")];
                let log = std::fs::read(side.sandbox.path("main.log")).unwrap_or_default();
                let there = String::from_utf8_lossy(log.get(mark..).unwrap_or_default())
                    .lines()
                    .any(|line| line.contains(&text));
                (!there).then(|| text.clone()).into_iter().collect()
            }),
            Step::Say(name) => {
                pair.sides.iter().for_each(|side| {
                    say(side, &name);
                });
                let said = said(&name);
                let last = said.lines().last().unwrap_or_default();
                pair.wait("what echoer says", |side| {
                    let log = std::fs::read(side.sandbox.path("main.log")).unwrap_or_default();
                    let there = String::from_utf8_lossy(&log).contains(&format!("{last}\n\n"));
                    (!there).then(|| last.to_owned()).into_iter().collect()
                });
            }
            Step::Until(text) => around.until = Some(text),
            Step::Type(line) => around.typed.push((line, false)),
            Step::Talk(line) => around.typed.push((line, true)),
            Step::Change(name) => pair.sides.iter().for_each(|side| {
                for (file, text) in change(&name) {
                    side.sandbox.write(file, text);
                }
            }),
            Step::Ctl(words) => pair.sides.iter().for_each(|side| {
                let done = client(side).args(words.split(' ')).output();
                assert_eq!(done.code, Some(0), "{}: {words}: {done:?}", side.name);
            }),
            Step::Hold => pair.sides.iter().for_each(|side| {
                side.sandbox.write("hold", "");
            }),
            Step::Release => pair.sides.iter().for_each(|side| side.sandbox.remove("hold")),
            Step::End => pair.wait_end(),
            Step::Stale => pair.sides.iter().for_each(|side| {
                drop(UnixListener::bind(side.sandbox.path(SOCKET)).unwrap());
            }),
            Step::Reset => pair.sides.iter().for_each(|side| {
                side.sandbox.remove(SOCKET);
                let listener = UnixListener::bind(side.sandbox.path(SOCKET)).unwrap();
                kept.push(listener.try_clone().unwrap());
                thread::spawn(move || hang_up(&listener));
            }),
        }
    }
    played
}

/// Takes each client's request but for its last byte, and closes: that is a reset.
fn hang_up(listener: &UnixListener) {
    for mut client in listener.incoming().flatten() {
        let (mut request, mut byte) = (String::new(), [0]);
        while !request.ends_with("</methodCall>") && client.read_exact(&mut byte).is_ok() {
            request.push(char::from(byte[0]));
        }
    }
}

fn log_length(side: &Side) -> usize {
    std::fs::metadata(side.sandbox.path("main.log")).map_or(0, |file| file.len() as usize)
}

fn say(side: &Side, name: &str) {
    side.sandbox.write("say", said(name));
    eventually("echoer takes what it is to say", || (!side.sandbox.exists("say")).then_some(()));
}

/// A command without anything around it, on both sides; with `until` it is ended when that has come.
pub fn both(pair: &Pair, words: &[&str], until: Option<&str>) -> [Outcome; 2] {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    let recorded = Recorded { name: String::new(), words, printed: String::new(), status: 0 };
    let around = Around { until: until.map(str::to_owned), typed: Vec::new() };
    at_once(pair, &recorded, &around)
}

fn at_once(pair: &Pair, recorded: &Recorded, around: &Around) -> [Outcome; 2] {
    let [real, ours] = &pair.sides;
    thread::scope(|scope| {
        let other = scope.spawn(|| run(real, recorded, around));
        let outcome = run(ours, recorded, around);
        [other.join().unwrap_or_else(|_| panic!("{recorded:?}")), outcome]
    })
}

/// The client with the configuration of this side, about to be given words.
fn client(side: &Side) -> crate::sandbox::Launch {
    let client = side.sandbox.run(CLIENT).separate();
    // What it prints is ASCII, or UTF-8.
    client.env("LC_ALL", "C.UTF-8").args(["-c", "supervisord.conf"])
}

fn run(side: &Side, recorded: &Recorded, around: &Around) -> Outcome {
    let dir = side.sandbox.path("");
    let dir = dir.to_str().unwrap().trim_end_matches('/');
    let words = recorded.words.iter().map(|word| word.replace("<DIR>", dir));
    let mut client = client(side).args(words);
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    if !around.typed.is_empty() {
        client = client.stdin(reader);
    }
    let mut server = client.spawn();
    talk(&server, writer, &around.typed);
    if recorded.words.first().is_some_and(|word| word == "fg") && !around.typed.is_empty() {
        // Its other thread takes note of the end when something comes from the server.
        server.wait_line("Exiting foreground");
        let log = side.sandbox.read("main.log");
        let (_, pid) = log.rsplit_once("spawned: 'cat' with pid ").unwrap();
        let pid = pid.lines().next().unwrap_or_default();
        eventually("the end of fg", || {
            std::fs::write(format!("/proc/{pid}/fd/0"), "wake\n").unwrap();
            wait_pid(server.pid(), Duration::from_millis(50)).then_some(())
        });
    }
    if let Some(text) = &around.until {
        // Only what follows is what it followed.
        server.wait_line("==> Press Ctrl-C to exit <==");
        if text.starts_with("one more") || text.starts_with("another") {
            // What is said before the log is opened moves the place where its last bytes begin.
            eventually("what is there", || (server.lines().len() > 1).then_some(()));
            say(side, text);
        }
        server.wait_line(text);
        server.signal(Signal::TERM);
    }
    let status = server.wait_exit().code();
    let (printed, complained) = server.texts();
    let printed = printed.replace("wake\n", "");
    // What its thread in between two looks makes of its own end.
    let complained = complained.lines().filter(|line| !line.starts_with("CLOSED "));
    let complained: String = complained.map(|line| format!("{line}\n")).collect();
    let masked = |text: String| mask(&side.mask(&text));
    // 124 is what timeout(1) makes of a command that it has ended.
    Outcome {
        printed: masked(printed),
        complained: masked(complained),
        status: status.unwrap_or(124),
    }
}

fn talk(server: &crate::sandbox::Server, writer: OwnedFd, typed: &[(String, bool)]) {
    let mut writer = std::fs::File::from(writer);
    for (line, answered) in typed {
        writeln!(writer, "{line}").unwrap();
        if *answered {
            server.wait_line(line);
        }
    }
}
