//! One program for each way to start, to fail, to end and to be stopped, all at once.

use sigpolicy::Signal;

use super::pair::{Differences, Pair, Side, WATCH, supervisord};

/// How much of a program's life is compared.
#[derive(Clone, Copy, PartialEq)]
enum Life {
    /// This many events until it has come to rest, and all that follows at the stop.
    Rests(usize),
    /// It goes on for ever: the first events.
    Endless(usize),
}
use Life::{Endless, Rests};

/// A program: name, keys, its life.
type Case = (&'static str, &'static str, Life);

/// Its end counts as early however busy the machine is, and however late supervisord sees it.
const EARLY: &str = "startsecs=60\ncommand=";
/// Lives long enough, also where supervisord takes a second to look.
const LATE: &str = "command=/bin/sh -c \"sleep 2.3; exit ";

const CASES: &[Case] = &[
    ("fine_sleeper", "command=/bin/sleep 1000", Rests(2)),
    ("instant_runner", "command=/bin/sleep 1000\nstartsecs=0", Rests(2)),
    ("never_started", "command=/bin/sleep 1000\nautostart=false", Rests(0)),
    ("early_zero", "<EARLY>/bin/sh -c \"exit 0\"\nstartretries=2", Rests(7)),
    ("early_three", "<EARLY>/bin/sh -c \"exit 3\"\nstartretries=0", Rests(3)),
    ("early_false", "<EARLY>/bin/false\nautorestart=false\nstartretries=1", Rests(5)),
    ("early_known", "<EARLY>/bin/sh -c \"exit 4\"\nexitcodes=4\nstartretries=1", Rests(5)),
    ("early_always", "<EARLY>/bin/true\nautorestart=true\nstartretries=1", Rests(5)),
    ("early_signal", "<EARLY>/bin/sh -c \"kill -9 $$\"\nstartretries=0", Rests(3)),
    ("late_zero", "<LATE>0\"", Rests(3)),
    ("late_two", "<LATE>2\"\nexitcodes=0,2", Rests(3)),
    ("late_never", "<LATE>7\"\nautorestart=false", Rests(3)),
    ("late_false", "<LATE>0\"\nautorestart=false\nexitcodes=1", Rests(3)),
    ("late_seven", "<LATE>7\"", Endless(6)),
    ("late_always", "<LATE>0\"\nautorestart=true", Endless(6)),
    ("late_signal", "<LATE>0 & wait; kill -9 $$\"\nautorestart=false", Rests(3)),
    ("late_signals", "<LATE>0 & wait; kill -15 $$\"\nautorestart=unexpected", Endless(6)),
    ("zero_exit_zero", "command=/bin/true\nstartsecs=0\nautorestart=false", Rests(3)),
    ("zero_exit_one", "command=/bin/false\nstartsecs=0\nautorestart=false", Rests(3)),
    ("zero_expected", "command=/bin/true\nstartsecs=0", Rests(3)),
    ("zero_storm", "command=/bin/false\nstartsecs=0\nautorestart=true", Endless(9)),
    ("no_such_file", "command=/no/such/program\nstartretries=1", Rests(5)),
    ("not_in_path", "command=no_such_program_at_all\nstartretries=0", Rests(3)),
    ("not_executable", "command=<DIR>/plain\nstartretries=0", Rests(3)),
    ("a_directory", "command=/usr/lib\nstartretries=0", Rests(3)),
    ("no_format", "<EARLY><DIR>/format.x\nstartretries=0", Rests(3)),
    ("no_interpreter", "<EARLY><DIR>/interpreter\nstartretries=0", Rests(3)),
    ("no_directory", "<EARLY>/bin/true\ndirectory=/no/such\nstartretries=0", Rests(3)),
    ("no_log", "command=/bin/true\nstdout_logfile=<DIR>/folder\nstartretries=0", Rests(3)),
    ("stop_by_int", "command=<TRAP>'exit 5' INT<LOOP>\nstopsignal=INT", Rests(2)),
    ("stop_by_usr1", "command=/bin/sleep 1000\nstopsignal=USR1", Rests(2)),
    ("stop_by_ten", "command=<TRAP>'exit 6' USR1<LOOP>\nstopsignal=10", Rests(2)),
    ("stop_by_kill", "command=/bin/sleep 1000\nstopsignal=KILL", Rests(2)),
    ("stop_expected", "command=<TRAP>'exit 0' TERM<LOOP>", Rests(2)),
    ("stop_known", "command=<TRAP>'exit 3' TERM<LOOP>\nexitcodes=3", Rests(2)),
    ("stubborn_one", "command=<TRAP>'' TERM; exec sleep 1000\"\nstopwaitsecs=1", Rests(2)),
    (
        "stubborn_group",
        "command=<TRAP>'' TERM; exec sleep 1000\"\nstopwaitsecs=1\nstopasgroup=true",
        Rests(2),
    ),
    (
        "stubborn_kill",
        "command=<TRAP>'' TERM; exec sleep 1000\"\nstopwaitsecs=1\nkillasgroup=true",
        Rests(2),
    ),
    (
        "redirected",
        "command=/bin/sh -c \"echo out; echo err >&2; exec sleep 1000\"\nredirect_stderr=true",
        Rests(2),
    ),
    (
        "talkative",
        "command=/bin/sh -c \"echo out; echo err >&2; printf end; exec sleep 1000\"",
        Rests(2),
    ),
    ("quoted", "<EARLY>/bin/echo 'a  b' \"c 'd'\" e\\ f \"\" $HOME ~ *\nstartretries=0", Rests(3)),
    (
        "expanded",
        "<EARLY>/bin/echo %(program_name)s %(group_name)s 100%%\nstartretries=0",
        Rests(3),
    ),
    ("own_path", "<EARLY>here.x a\nenvironment=PATH=\"<DIR>/bin:/bin\"\nstartretries=0", Rests(3)),
];

/// As root only.
const AS_ROOT: &[Case] = &[
    ("as_nobody", "<EARLY>/usr/bin/id\nuser=nobody\nstartretries=0", Rests(3)),
    ("as_uid", "<EARLY>/usr/bin/id\nuser=65534\nstartretries=0", Rests(3)),
    (
        "closed_directory",
        "<EARLY>/bin/true\nuser=nobody\ndirectory=<DIR>/closed\nstartretries=0",
        Rests(3),
    ),
    ("closed_file", "<EARLY><DIR>/closed.sh\nuser=nobody\nstartretries=0", Rests(3)),
];

/// Groups, and programs of several processes: the section, `group:name` of each process.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "[program:numbered]\ncommand=/bin/sleep 1000\nnumprocs=3\nnumprocs_start=5\n\
         process_name=%(program_name)s_%(process_num)02d",
        &["numbered:numbered_05", "numbered:numbered_06", "numbered:numbered_07"],
    ),
    (
        "[program:left]\ncommand=/bin/sleep 1000\n[program:right]\ncommand=/bin/sleep 1000\n\
         process_name=%(group_name)s_%(program_name)s\n[group:couple]\nprograms=left,right",
        &["couple:left", "couple:couple_right"],
    ),
    (
        "[program:renamed]\ncommand=/bin/sleep 1000\nprocess_name=another\nstartsecs=0",
        &["renamed:another"],
    ),
];

const FILES: &[(&str, &str)] = &[
    ("plain", "no program\n"),
    ("format.x", "echo no interpreter named\n"),
    ("interpreter", "#!/no/such/interpreter\n"),
    ("folder/file", ""),
    ("closed/file", ""),
    ("closed.sh", "#!/bin/sh\nexit 0\n"),
    ("bin/here.x", "#!/bin/sh\necho found \"$@\"\n"),
];

fn section((name, keys, _): &Case) -> String {
    let keys = keys
        .replace("<LATE>", LATE)
        .replace("<EARLY>", EARLY)
        .replace("<TRAP>", "/bin/sh -c \"trap ")
        .replace("<LOOP>", "; while :; do sleep 0.1; done\"");
    let logs =
        ["stdout", "stderr"].map(|stream| match keys.contains(&format!("{stream}_logfile")) {
            true => String::new(),
            false => format!("{stream}_logfile=<DIR>/{name}.{stream}\n"),
        });
    format!("[program:{name}]\n{keys}\n{}", logs.concat())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Those whose own process cannot become the program. supervisord takes that for an exit with 127,
/// ours for a failed start; the reason is in the program's log with both.
const FAILED_STEPS: &[&str] =
    &["no_format", "no_interpreter", "no_directory", "closed_directory", "closed_file"];

/// The end is the same; ours says why in its main log.
fn spawn_error(name: &str, [real, ours]: &mut [Vec<String>; 2], side: &Side) {
    let exited = format!("WARN exited: {name} (exit status 127; not expected)");
    assert_eq!(real.get(1), Some(&exited), "{real:?}");
    let log = side.file(&format!("{name}.stderr"));
    let reason = log.lines().next().and_then(|line| line.strip_prefix("supervisor: "));
    let reason = format!("spawnerr: {}", reason.unwrap_or_else(|| panic!("{name}: {log:?}")));
    assert!(side.log().iter().any(|line| line.contains(&reason)), "{reason}: {:#?}", side.log());
    for log in [real, ours] {
        log.retain(|line| line.starts_with("INFO gave up"));
    }
}

#[test]
fn every_kind_of_program() {
    if !supervisord() {
        return;
    }
    let mut cases = CASES.to_vec();
    if is_root() {
        cases.extend(AS_ROOT);
    }
    let groups: Vec<&str> = GROUPS.iter().map(|(text, _)| *text).collect();
    let body: String = cases.iter().map(section).collect();
    let body = format!("{WATCH}{body}{}\n", groups.join("\n"));
    let mut pair = Pair::start("programs", "", &body, FILES);
    let mut wanted: Vec<(&str, usize)> = cases
        .iter()
        .map(|&(name, _, life)| match life {
            Rests(count) | Endless(count) => (name, count),
        })
        .collect();
    wanted.extend(GROUPS.iter().flat_map(|(_, names)| names.iter().map(|name| (*name, 2))));
    pair.wait("the states of all programs", |side| {
        let lacks = |&&(name, count): &&(&str, usize)| side.states_of(name).len() < count;
        let shown = |(name, _): &(&str, usize)| format!("{name}: {:?}", side.states_of(name));
        wanted.iter().filter(lacks).map(shown).collect()
    });
    pair.stop_by(Signal::TERM);

    let mut differences = Differences::default();
    for &(name, _, life) in &cases {
        let mut states = pair.both(|side| side.states_of(name));
        let mut texts = pair.both(|side| side.log_of(name));
        // supervisord may see its end first.
        if name.starts_with("zero_") || name.starts_with("late_") {
            texts.iter_mut().for_each(|log| log.retain(|line| !line.starts_with("INFO success")));
        }
        if let Endless(count) = life {
            let least = texts.iter().map(Vec::len).min().unwrap_or_default();
            assert!(least >= 3, "{name}: {texts:#?}");
            states.iter_mut().for_each(|states| states.truncate(count));
            // What comes last may be the stop.
            texts.iter_mut().for_each(|log| log.truncate(least.min(count / 3 * 2)));
        } else {
            for stream in ["stdout", "stderr"] {
                let file = format!("{name}.{stream}");
                differences.equal(&file, pair.both(|side| side.file(&file)));
            }
        }
        if FAILED_STEPS.contains(&name) {
            spawn_error(name, &mut texts, &pair.sides[1]);
        }
        differences.equal(&format!("states of {name}"), states);
        differences.equal(&format!("log of {name}"), texts);
    }
    for name in GROUPS.iter().flat_map(|(_, names)| *names) {
        differences.equal(&format!("states of {name}"), pair.both(|side| side.states_of(name)));
        let (_, own) = name.split_once(':').unwrap();
        differences.equal(&format!("log of {own}"), pair.both(|side| side.log_of(own)));
    }
    differences.none("");
}
