//! Recorded commands of supervisorctl, played again with real supervisord and with ours.

pub mod script;
mod session;

use std::collections::BTreeMap;
use std::io::Write;

use script::{Recorded, mask};
use session::{Outcome, Played, both, files, play};

use super::pair::{Pair, supervisord};

/// The commands whose outcome differs, and why it may.
const JUSTIFIED: &[(&str, &str)] = &[(
    "11c-clear-all",
    "among groups of equal priority ours go by name, supervisord's by when they were added",
)];

/// Commands whose real outcome is not the recorded one: what programs log is other text, or the
/// session was recorded at another moment of a program's life.
const NOT_AS_RECORDED: &[&str] = &[
    "02-status",
    "04k-start-all",
    "09-tail",
    "09b-tail-bytes",
    "09g-tail-follow",
    "10-maintail",
    "10b-maintail-follow",
    "18-fg",
    "23e-auth-tail-ok",
];

/// What both sides came to, against the table and the recording: faults by the names of commands.
fn judge(what: &str, played: &[Played]) -> BTreeMap<String, String> {
    let mut faults = BTreeMap::new();
    let mut fault = |name: &str, text: String| drop(faults.insert(name.to_owned(), text));
    let mut as_recorded = 0;
    let mut justified = 0;
    for step in played {
        let Played { recorded, outcomes: [real, ours] } = step;
        let name = recorded.name.as_str();
        let reason = JUSTIFIED.iter().find(|(known, _)| *known == name);
        match reason {
            Some(_) if !step.is_alike() => justified += 1,
            Some((_, reason)) => fault(name, format!("does not differ: {reason}")),
            None if !step.is_alike() => {
                let shown = format!("supervisord: {real:#?}\nours: {ours:#?}");
                fault(name, format!("supervisorctl {:?}\n{shown}", recorded.words));
            }
            None => {}
        }
        if is_recorded(recorded, real) {
            as_recorded += 1;
        } else if !NOT_AS_RECORDED.contains(&name) {
            fault(name, format!("is not as recorded: {recorded:#?}\nreal: {real:#?}"));
        }
    }
    let count = played.len();
    // Past the capture of the test's output: a line for who reads the results of all tests.
    let line = format!(
        "\n= {what}: {count} commands of supervisorctl, {} identical, {justified} justified, {} not; {as_recorded} as recorded\n",
        count - justified - faults.len().min(count - justified),
        faults.len()
    );
    std::io::stdout().write_all(line.as_bytes()).unwrap();
    faults
}

/// Plays a file on a fresh pair, and once more if anything differs: under load one of two daemons may
/// be late for a moment that was recorded, but what they do otherwise they do again.
fn compare(what: &str, mut start: impl FnMut() -> Pair, text: &str) {
    let once = |pair: &mut Pair| judge(what, &play(pair, text));
    let first = once(&mut start());
    if first.is_empty() {
        return;
    }
    let mut line = format!("= differs: {first:?}");
    line = line.chars().take(2000).collect();
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
    let mut pair = start();
    let again = once(&mut pair);
    let both: Vec<_> = again.iter().filter(|(name, _)| first.contains_key(*name)).collect();
    assert!(both.is_empty(), "{both:#?}\n{}", pair.transcript());
}

fn is_recorded(recorded: &Recorded, real: &Outcome) -> bool {
    let plain = |text: &str| {
        // The names of all variables of the environment.
        let names = text
            .split_once("Available names: ")
            .and_then(|(head, tail)| Some(format!("{head}{}", tail.split_once("group_name")?.1)));
        let mut text = names.unwrap_or_else(|| text.to_owned());
        // The places in the client's source.
        while let Some((head, tail)) = text.split_once(": file: ") {
            let rest = tail.split_once('\n').map_or("", |(_, rest)| rest);
            text = format!("{head}\n{rest}");
        }
        text
    };
    let printed = format!("{}{}", real.printed, real.complained);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = plain(text).lines().map(str::to_owned).collect();
        if recorded.is_several() {
            lines.sort();
        }
        lines
    };
    real.status == recorded.status && sorted(&printed) == sorted(&mask(&recorded.printed))
}

#[test]
fn a_recorded_session() {
    if !supervisord() {
        return;
    }
    let body = include_str!("../data/xmlrpc/session.conf");
    let start = || Pair::start("session", "loglevel=debug", body, &files());
    compare("a session", start, include_str!("../data/xmlrpc/session.txt"));
}

#[test]
fn a_recorded_session_with_a_password() {
    if !supervisord() {
        return;
    }
    let body = include_str!("../data/xmlrpc/session.conf");
    let server = "file=<DIR>/sup.sock\n";
    let body = body.replacen(server, &format!("{server}username=u\npassword=thepassword\n"), 1);
    let start = || Pair::start("password", "", &body, &files());
    compare("with a password", start, include_str!("../data/xmlrpc/auth.txt"));
}

/// What a program writes is not always XML: supervisord's own answer breaks supervisorctl then.
#[test]
fn a_log_of_any_bytes() {
    if !supervisord() {
        return;
    }
    // What a program prints, as printf(1) has it, and what is seen of it.
    let logs = [
        ("esc", r"\033[31mred\033[0m", Some("\u{241b}[31mred\u{241b}[0m\n")),
        ("nul", r"a\000b", Some("a\u{2400}b\n")),
        ("bad", r"a\377b", Some("a\u{fffd}b\n")),
        ("utf", r"h\303\251llo \342\202\254\n", None),
        ("amp", r"<a>&\nb\n", None),
    ];
    let head = include_str!("../data/xmlrpc/session.conf");
    let (mut body, _) =
        head.split_once("[include]").map(|(head, rest)| (head.to_owned(), rest)).unwrap();
    for (name, text, _) in logs {
        body.push_str(&format!(
            "[program:{name}]\ncommand=/bin/sh -c \"printf '{text}'; exec sleep 1000\"\n\
             stdout_logfile=<DIR>/{name}.out\n"
        ));
    }
    let mut pair = Pair::start("bytes", "", &body, &[]);
    pair.wait_log("success: utf entered RUNNING");
    for (name, _, mended) in logs {
        let [real, ours] = both(&pair, &["tail", name], None);
        match mended {
            None => assert_eq!(real, ours, "{name}"),
            Some(text) => {
                assert_eq!((real.status, ours.status), (1, 0), "{name}: {real:?} {ours:?}");
                assert_eq!(ours.printed, text, "{name}");
            }
        }
    }
    pair.stop_by(sigpolicy::Signal::TERM);
}

/// Without its section supervisord serves nothing; ours has no other interface, and serves it.
#[test]
fn without_an_rpcinterface() {
    if !supervisord() {
        return;
    }
    let head = include_str!("../data/xmlrpc/session.conf");
    let (server, rest) = head.split_once("[rpcinterface:supervisor]\n").unwrap();
    let (_, rest) = rest.split_once("\n\n").unwrap();
    let (client, _) = rest.split_once("[include]").unwrap();
    let body = format!("{server}{client}[program:a]\ncommand=/bin/sleep 1000\n");
    let mut pair = Pair::start("bare", "", &body, &[]);
    pair.wait_log("success: a entered RUNNING");
    let [real, ours] = both(&pair, &["status"], None);
    assert!(real.printed.starts_with("Sorry, supervisord responded"), "{real:?}");
    assert_eq!((real.status, ours.status), (4, 0));
    assert_eq!(ours.printed, "a                                RUNNING   pid N, uptime T\n");
    pair.stop_by(sigpolicy::Signal::TERM);
}

/// Names that a URL, a shell or XML have an opinion on.
#[test]
fn names_of_any_kind() {
    if !supervisord() {
        return;
    }
    let names = ["a.b-c+d", "a&b'<c>", "\u{e9}", "~a=b,c", "a?b", "a#b"];
    let head = include_str!("../data/xmlrpc/session.conf");
    let (mut body, _) =
        head.split_once("[include]").map(|(head, rest)| (head.to_owned(), rest)).unwrap();
    for (number, name) in names.iter().enumerate() {
        body.push_str(&format!(
            "[program:{name}]\ncommand=/bin/sh -c \"echo here; exec sleep 1000\"\n\
             stdout_logfile=<DIR>/{number}.out\nstderr_logfile=NONE\n"
        ));
    }
    let mut pair = Pair::start("names", "", &body, &[]);
    pair.wait("all of them", |side| {
        let started = side.log().iter().filter(|line| line.contains("entered RUNNING")).count();
        (started < names.len()).then(|| format!("{started} run")).into_iter().collect()
    });
    let mut differences = super::pair::Differences::default();
    differences.equal("status", both(&pair, &["status"], None));
    for name in names {
        for words in ["pid", "tail", "restart", "signal WINCH", "clear"] {
            let words: Vec<&str> = words.split(' ').chain([name]).collect();
            differences.equal(&format!("{words:?}"), both(&pair, &words, None));
        }
        // The client does not escape it: for either server the name ends there.
        let until = (!name.contains(['?', '#'])).then_some("here");
        differences.equal(name, both(&pair, &["restart", name], None));
        differences.equal(name, both(&pair, &["tail", "-f", name], until));
    }
    pair.stop_by(sigpolicy::Signal::TERM);
    differences.none(&pair.transcript());
}
