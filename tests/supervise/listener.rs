//! Event listeners: scripts that know supervisord's protocol and nothing else.

use super::harness::Config;
use crate::sandbox::{Sandbox, eventually, puppet};

/// Writes the header and payload of each event as one line.
const PYTHON: &str = r#"import sys
def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()
seen = open(sys.argv[1], 'a')
while True:
    say('READY\n')
    line = sys.stdin.readline()
    if not line:
        break
    header = dict(word.split(':', 1) for word in line.split())
    payload = sys.stdin.read(int(header['len']))
    seen.write('%s | %s\n' % (line.strip(), payload.replace('\n', '\\n')))
    seen.flush()
    say('RESULT 2\nOK')
"#;

/// The same, but it rejects the first event that names `picky` and takes it the second time.
const PERL: &str = r#"$| = 1;
open(my $seen, '>>', $ARGV[0]) or die; $seen->autoflush(1);
my $refused;
while (1) {
    print "READY\n";
    my $line = <STDIN> // last;
    my %h = map { split /:/, $_, 2 } split ' ', $line;
    my $payload = ''; read(STDIN, $payload, $h{len}) if $h{len};
    chomp $line; (my $flat = $payload) =~ s/\n/\\n/g;
    print $seen "$line | $flat\n";
    if ($payload =~ /picky/ && !$refused++) { print "RESULT 4\nFAIL" } else { print "RESULT 2\nOK" }
}
"#;

fn python() -> &'static str {
    let found = ["/usr/bin/python3", "/usr/local/bin/python3"];
    found.into_iter().find(|path| std::path::Path::new(path).exists()).expect("python3")
}

fn listener<'s>(config: Config<'s>, sandbox: &Sandbox, script: &str, keys: &str) -> Config<'s> {
    let (name, program) = match script {
        PYTHON => ("listen.py", python()),
        _ => ("listen.pl", "perl -MIO::Handle"),
    };
    let path = sandbox.write(name, script);
    let seen = sandbox.path("seen");
    let command = format!("{program} {} {}", path.display(), seen.display());
    config.section(&format!(
        "[eventlistener:l]\ncommand={command}\nstderr_logfile=%(here)s/l.err\n{keys}\n"
    ))
}

/// Headers and payloads of what was seen.
fn seen(sandbox: &Sandbox) -> Vec<(Vec<String>, String)> {
    let text = std::fs::read_to_string(sandbox.path("seen")).unwrap_or_default();
    let split = |line: &str| {
        let (header, payload) = line.split_once(" | ")?;
        Some((header.split(' ').map(str::to_owned).collect(), payload.to_owned()))
    };
    text.lines().filter_map(split).collect()
}

fn value<'h>(header: &'h [String], key: &str) -> &'h str {
    let found = header.iter().find_map(|word| word.strip_prefix(&format!("{key}:")));
    found.unwrap_or_else(|| panic!("{key} in {header:?}"))
}

#[test]
fn a_listener_in_python_hears_every_state() {
    let sandbox = Sandbox::new("sv-listener");
    let config = Config::new(&sandbox).daemon("identifier=me").puppet(
        "p",
        "wait go\nexit 3",
        "autorestart=false",
    );
    let slow =
        "trap 'sleep 0.5; kill $p; exit 0' TERM\nwhile :; do sleep 1000 & p=$!; wait $p; done";
    let config = config.script("slow", slow, "");
    let keys = "events=PROCESS_STATE,SUPERVISOR_STATE_CHANGE";
    let mut ours = listener(config, &sandbox, PYTHON, keys).spawn();
    ours.succeeds("p");
    sandbox.write("go", "");
    ours.wait_line("exited: p (exit status 3; not expected)");
    let of_p = || -> Vec<(String, String)> {
        let all = seen(&sandbox);
        let of_p = all.iter().filter(|(_, payload)| payload.starts_with("processname:p "));
        of_p.map(|(header, payload)| (value(header, "eventname").to_owned(), payload.clone()))
            .collect()
    };
    eventually("the end", || of_p().iter().any(|(name, _)| name.ends_with("EXITED")).then_some(()));
    let names: Vec<String> = of_p().into_iter().map(|(name, _)| name).collect();
    let wanted = ["PROCESS_STATE_STARTING", "PROCESS_STATE_RUNNING", "PROCESS_STATE_EXITED"];
    assert_eq!(names, wanted);
    let payloads: Vec<String> = of_p().into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(payloads[0], "processname:p groupname:p from_state:STOPPED tries:0");
    let rest = payloads[1].strip_prefix("processname:p groupname:p from_state:STARTING pid:");
    let pid: i32 = rest.unwrap().parse().unwrap();
    let wanted = format!("processname:p groupname:p from_state:RUNNING expected:0 pid:{pid}");
    assert_eq!(payloads[2], wanted);
    let all = seen(&sandbox);
    let (header, payload) = &all[0];
    assert_eq!(header[0], "ver:3.0");
    assert_eq!((value(header, "server"), value(header, "pool")), ("me", "l"));
    assert_eq!(value(header, "len"), payload.len().to_string());
    let numbers = |key: &str| -> Vec<u64> {
        all.iter().map(|(header, _)| value(header, key).parse().unwrap()).collect()
    };
    for key in ["serial", "poolserial"] {
        assert!(numbers(key).windows(2).all(|pair| pair[0] < pair[1]), "{key} {:?}", numbers(key));
    }
    ours.stop();
    let names: Vec<String> =
        seen(&sandbox).iter().map(|(header, _)| value(header, "eventname").to_owned()).collect();
    assert!(names.contains(&"SUPERVISOR_STATE_CHANGE_STOPPING".to_owned()), "{names:?}");
}

#[test]
fn a_rejected_event_comes_again() {
    let sandbox = Sandbox::new("sv-listener-perl");
    let config = Config::new(&sandbox).idle("picky", "").idle("other", "");
    let mut ours = listener(config, &sandbox, PERL, "events=PROCESS_STATE_RUNNING").spawn();
    ours.wait_line("l: event was rejected");
    let serials = || -> Vec<String> {
        let all = seen(&sandbox);
        let picky = all.iter().filter(|(_, payload)| payload.contains("picky"));
        picky.map(|(header, _)| value(header, "serial").to_owned()).collect()
    };
    eventually("the event again", || (serials().len() == 2).then_some(()));
    assert_eq!(serials()[0], serials()[1], "the same event");
    ours.stop();
}

/// What a program says between the marks is an event, and not in its log.
#[test]
fn capture_mode_makes_events_of_output() {
    let sandbox = Sandbox::new("sv-capture");
    let begin = "<!--XSUPERVISOR:BEGIN-->";
    let end = "<!--XSUPERVISOR:END-->";
    let steps = format!("say before\nraw {begin}secret\\nword{end}\nsay after");
    let config = Config::new(&sandbox).puppet("p", &steps, "stdout_capture_maxbytes=1MB");
    let mut ours =
        listener(config, &sandbox, PYTHON, "events=PROCESS_COMMUNICATION_STDOUT").spawn();
    let payload =
        eventually("the event", || seen(&sandbox).first().map(|(_, payload)| payload.clone()));
    let pid = ours.spawned("p");
    assert_eq!(payload, format!("processname:p groupname:p pid:{pid}\\nsecret\\nword"));
    assert_eq!(sandbox.wait_text("p.out", "after\n"), "before\nafter\n");
    ours.stop();
}

#[test]
fn output_is_an_event_where_the_file_says_so() {
    let sandbox = Sandbox::new("sv-logevent");
    let keys = "stdout_events_enabled=true\nstderr_events_enabled=true";
    let config = Config::new(&sandbox)
        .puppet("p", "say hello\nerr problem", keys)
        .puppet("q", "say not", "");
    let mut ours = listener(config, &sandbox, PYTHON, "events=PROCESS_LOG").spawn();
    eventually("two events", || (seen(&sandbox).len() >= 2).then_some(()));
    let mut payloads: Vec<String> = seen(&sandbox).into_iter().map(|(_, p)| p).collect();
    payloads.sort();
    let pid = ours.spawned("p");
    let wanted = [
        format!("processname:p groupname:p pid:{pid} channel:stderr\\nproblem\\n"),
        format!("processname:p groupname:p pid:{pid} channel:stdout\\nhello\\n"),
    ];
    assert_eq!(payloads, wanted);
    ours.stop();
}

#[test]
fn ticks_come_every_five_seconds() {
    let sandbox = Sandbox::new("sv-tick");
    let config = Config::new(&sandbox);
    let mut ours = listener(config, &sandbox, PYTHON, "events=TICK_5").spawn();
    eventually("a tick", || (!seen(&sandbox).is_empty()).then_some(()));
    let (header, payload) = seen(&sandbox).remove(0);
    assert_eq!(value(&header, "eventname"), "TICK_5");
    let when: u64 = payload.strip_prefix("when:").unwrap().parse().unwrap();
    assert_eq!(when % 5, 0, "{payload}");
    ours.stop();
}

/// Who breaks the protocol hears no more, and nobody else is held up.
#[test]
fn a_listener_that_talks_nonsense_is_left_alone() {
    let sandbox = Sandbox::new("sv-nonsense");
    let script = sandbox.script("nonsense", "say what is this\nsay up");
    let mut ours = Config::new(&sandbox)
        .section(&format!(
            "[eventlistener:bad]\ncommand={} {}\nevents=PROCESS_STATE\nstderr_logfile=NONE\n",
            puppet().display(),
            script.display()
        ))
        .idle("p", "startsecs=1")
        .spawn();
    ours.wait_line("bad: has entered the UNKNOWN state and will no longer receive events");
    ours.starts("p");
    ours.stop();
}

/// It is there before the others start, and after they have stopped.
#[test]
fn a_listener_starts_first_and_stops_last() {
    let sandbox = Sandbox::new("sv-listener-order");
    let config = Config::new(&sandbox).idle("p", "priority=1").idle("q", "");
    let mut ours = listener(config, &sandbox, PYTHON, "events=PROCESS_STATE").spawn();
    ours.wait_lines(&["success: p", "success: q", "success: l"]);
    // Python may need its time: what it has heard is no older than that.
    eventually("it listens", || (seen(&sandbox).len() >= 5).then_some(()));
    ours.stop();
    ours.in_order(&["spawned: 'l'", "spawned: 'p'", "spawned: 'q'"]);
    ours.in_order(&["stopped: q", "stopped: p", "stopped: l"]);
    let all = seen(&sandbox);
    let stopped = |name: &str| {
        all.iter().any(|(header, payload)| {
            value(header, "eventname") == "PROCESS_STATE_STOPPED"
                && payload.starts_with(&format!("processname:{name} "))
        })
    };
    // What p leaves comes at the moment in which the listener itself is told.
    assert!(stopped("q"), "{all:?}");
}
