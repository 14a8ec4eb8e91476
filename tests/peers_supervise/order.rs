//! The order of starts and stops, and whole main logs.

use std::cell::RefCell;
use std::collections::BTreeSet;

use sigpolicy::Signal;

use super::pair::{Differences, Pair, Side, WATCH, supervisord};

/// Programs that start and stop in an order that does not depend on the second.
const DISTINCT: &str = "\
    [program:middle]\ncommand=/bin/sleep 1000\npriority=20\n\
    [program:last]\ncommand=/bin/sleep 1000\npriority=1000\n\
    [program:first]\ncommand=/bin/sleep 1000\npriority=-5\n\
    [program:stubborn]\ncommand=/bin/sh -c \"trap '' TERM; exec sleep 1000\"\n\
    priority=500\nstopwaitsecs=1\n";

/// Groups and their members, named so that no order of theirs is that of the file. (In a group
/// supervisord starts in the order of `programs=`, ours by priority: here that is the same.)
const GROUPS: &str = "\
    [program:zulu]\ncommand=/bin/sleep 1000\npriority=1\n\
    [program:mike]\ncommand=/bin/sleep 1000\npriority=999\n\
    [program:alpha]\ncommand=/bin/sleep 1000\npriority=50\n\
    [program:tango]\ncommand=/bin/sleep 1000\n\
    [program:bravo]\ncommand=/bin/sleep 1000\n\
    [program:many]\ncommand=/bin/sleep 1000\nnumprocs=4\npriority=7\n\
    process_name=%(program_name)s_%(process_num)d\n\
    [group:team]\nprograms=zulu,alpha,mike\npriority=300\n\
    [program:kilo]\ncommand=/bin/sleep 1000\npriority=300\n\
    [program:yankee]\ncommand=/bin/sleep 1000\npriority=299\n";

/// `waiting for` comes when a second begins.
fn without_waiting(side: &Side) -> Vec<String> {
    let mut log = side.log();
    log.retain(|line| !line.starts_with("INFO waiting for "));
    log
}

/// The processes of these lines: `INFO spawned: 'x' with pid P` and the like.
fn names(side: &Side, text: &str) -> Vec<String> {
    let name = |line: String| {
        let rest = line.split_once(text)?.1;
        let end = rest.find(['\'', ' ']).unwrap_or(rest.len());
        Some(rest[..end].to_owned())
    };
    side.log().into_iter().filter_map(name).collect()
}

/// What is there, with the random letters of automatic logs masked.
fn files(side: &Side) -> Vec<String> {
    let mask = |name: String| match name.rsplit_once("---supervisor-") {
        Some((head, tail)) if tail.len() == "12345678.log".len() => format!("{head} log"),
        _ => name,
    };
    side.sandbox.names().into_iter().map(mask).collect()
}

fn running(pair: &Pair, count: usize) {
    pair.wait("programs that run", |side| {
        let there = names(side, "success: ").len();
        (there < count).then(|| format!("{there} of {count}")).into_iter().collect()
    });
}

/// The whole main log from the first line to the last, for each signal that ends it.
#[test]
fn whole_logs() {
    if !supervisord() {
        return;
    }
    let mut differences = Differences::default();
    let signals = [Signal::TERM, Signal::INT, Signal::QUIT];
    let pairs = signals.map(|signal| (signal, Pair::start("log", "", DISTINCT, &[])));
    for (signal, pair) in &pairs {
        running(pair, 4);
        pair.signal(*signal);
    }
    for (signal, mut pair) in pairs {
        pair.wait_end();
        differences.equal(
            &format!("main log, {signal:?}"),
            pair.both(|side| {
                let mut log = without_waiting(side);
                // In which order programs are said to run depends on the second.
                let success = |line: &String| line.starts_with("INFO success");
                let end = log.iter().rposition(success).unwrap_or_default();
                let start = log.iter().position(success).unwrap_or_default();
                log[start..=end].sort();
                log
            }),
        );
        differences.equal("what stays", pair.both(files));
        let shown = pair.both(|side| {
            let (stdout, stderr) = side.server.texts();
            let log = side.sandbox.read("main.log");
            assert!(stdout == log || side.name == "real", "{stdout}\n{log}");
            let masked = side.mask(&stdout);
            let often = ["INFO waiting for ", "WARN killing "];
            let lines = masked.lines().filter(|line| !often.iter().any(|it| line.contains(it)));
            (lines.count(), side.mask(&stderr))
        });
        differences.equal("what it prints", shown);
    }
    differences.none("");
}

#[test]
fn order_of_starts_and_stops() {
    if !supervisord() {
        return;
    }
    let mut pair = Pair::start("order", "", GROUPS, &[]);
    running(&pair, 11);
    let mut differences = Differences::default();
    differences.equal("starts", pair.both(|side| names(side, "spawned: '")));
    pair.stop_by(Signal::TERM);
    // Groups go by priority (999, 300, 299, 7); those of one stop together in ours, in any order.
    let stages = pair.both(|side| {
        let mut stopped: Vec<String> = names(side, "stopped: ");
        assert_eq!(stopped.len(), 11, "{}: {stopped:?}", side.name);
        for stage in [0..2, 2..6, 6..7, 7..11] {
            stopped[stage].sort();
        }
        stopped
    });
    differences.equal("stops", stages);
    differences.none(&pair.transcript());
}

/// A stop while one waits for its next try, one starts, and one has ended.
#[test]
fn stop_in_every_state() {
    if !supervisord() {
        return;
    }
    let body = format!(
        "{WATCH}\
         [program:waits]\ncommand=/bin/false\nstartsecs=60\nstartretries=20\n\
         [program:starts]\ncommand=/bin/sleep 1000\nstartsecs=1000\n\
         [program:ended]\ncommand=/bin/true\nstartsecs=0\nautorestart=false\n\
         [program:failed]\ncommand=/bin/true\nstartsecs=60\nstartretries=0\n"
    );
    let mut pair = Pair::start("states", "", &body, &[]);
    // Three seconds remain until the fourth try, on each side since its own third.
    let told = RefCell::new(BTreeSet::new());
    pair.wait("the third try", |side| {
        let states = side.states_of("waits");
        let tries = states.iter().filter(|state| state.starts_with("BACKOFF")).count();
        let lacks = tries < 3 || side.states_of("failed").len() < 3;
        if !lacks && told.borrow_mut().insert(side.name) {
            side.server.signal(Signal::TERM);
        }
        lacks.then(|| format!("{states:?}")).into_iter().collect()
    });
    pair.wait_end();
    let mut differences = Differences::default();
    for name in ["waits", "starts", "ended", "failed"] {
        differences.equal(&format!("states of {name}"), pair.both(|side| side.states_of(name)));
        let log = |side: &Side| {
            let mut log = side.log_of(name);
            log.retain(|line| name != "ended" || !line.starts_with("INFO success"));
            log
        };
        differences.equal(&format!("log of {name}"), pair.both(log));
    }
    differences.none(&pair.transcript());
}

/// Logs are opened anew: what is written after goes to a new file.
#[test]
fn reopened_logs() {
    if !supervisord() {
        return;
    }
    let body = "[program:writer]\ncommand=/bin/sh -c \"while :; do echo x; sleep 0.05; done\"\n\
                stdout_logfile=<DIR>/writer.log\nstderr_logfile=NONE\n";
    let mut pair = Pair::start("reopen", "", body, &[]);
    running(&pair, 1);
    for side in &pair.sides {
        for log in ["main.log", "writer.log"] {
            let moved = side.sandbox.path(&format!("{log}.moved"));
            std::fs::rename(side.sandbox.path(log), moved).unwrap();
        }
    }
    pair.signal(Signal::USR2);
    pair.wait("new files", |side| {
        let there = side.sandbox.exists("main.log") && !side.file("writer.log").is_empty();
        (!there).then(|| format!("{:?}", side.sandbox.names())).into_iter().collect()
    });
    pair.stop_by(Signal::TERM);
    let mut differences = Differences::default();
    for file in ["main.log", "main.log.moved"] {
        let text = |side: &Side| {
            let text = side.file(file);
            let lines = text.lines().map(|line| line.get(24..).unwrap_or(line).to_owned());
            lines.filter(|line| !line.starts_with("INFO waiting for ")).collect::<Vec<_>>()
        };
        differences.equal(file, pair.both(text));
    }
    differences.equal("the files", pair.both(files));
    differences.none(&pair.transcript());
}

/// The levels and the places of `[supervisord]`, and an included file.
#[test]
fn other_logs() {
    if !supervisord() {
        return;
    }
    let mut differences = Differences::default();
    let program = "[program:one]\ncommand=/bin/sleep 1000\nstartsecs=0\n";
    let include = "[include]\nfiles = more/*.conf none/*.conf\n";
    let files = [
        ("more/b.conf", "[program:two]\ncommand=/bin/sleep 1000\nstartsecs=0\n"),
        ("more/a.conf", "[program:three]\ncommand=/bin/sleep 1000\nstartsecs=0\n[other]\n"),
        ("more/c.text", "[program:four]\ncommand=/bin/sleep 1000\n"),
    ];
    let configurations = [
        ("warnings only", "loglevel=warn", program.to_owned()),
        ("critical only", "loglevel=critical", program.to_owned()),
        ("as root by will", "user=root", program.to_owned()),
        ("by number", "user=0", program.to_owned()),
        ("included", "", format!("{program}{include}")),
        ("identifier", "identifier=another", program.to_owned()),
        (
            "redirected twice",
            "",
            format!("{program}redirect_stderr=true\nstderr_logfile=<DIR>/no\n"),
        ),
    ];
    let possible = |more: &str| is_root() || !more.starts_with("user");
    let pairs: Vec<_> = configurations
        .iter()
        .filter(|(_, more, _)| possible(more))
        .map(|(what, more, body)| (what, body, Pair::start("level", more, body, &files)))
        .collect();
    for (what, body, pair) in &pairs {
        let count = if body.contains("[include]") { 3 } else { 1 };
        pair.wait("programs", |side| {
            let there = sleepers(side);
            (there < count).then(|| format!("{what}: {there}")).into_iter().collect()
        });
        // Past the moment at which they count as running.
        pair.sides.iter().for_each(|side| side.server.settle());
        pair.signal(Signal::TERM);
    }
    for (what, _, mut pair) in pairs {
        pair.wait_end();
        differences.equal(
            what,
            pair.both(|side| {
                // With equal priorities the order is not that of the file.
                let mut log = without_waiting(side);
                log.sort();
                log
            }),
        );
    }
    differences.none("");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// How many programs have begun to sleep.
fn sleepers(side: &Side) -> usize {
    let sleeps = |pid: &i32| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.starts_with(b"/bin/sleep\0")
    };
    side.sandbox.processes().iter().filter(|pid| sleeps(pid)).count()
}
