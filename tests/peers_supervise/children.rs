//! What a child finds: environment, user, directory, signals, descriptors.

use std::collections::BTreeMap;

use sigpolicy::Signal;

use super::pair::{Differences, Pair, Side, supervisord};

/// Tells everything that a program inherits, a line for each.
const PROBE: &str = "#!/bin/sh
echo cwd $(pwd -P)
echo umask $(umask)
echo ids $(id -u) $(id -g) $(id -G)
for name in SigBlk SigIgn NoNewPrivs Groups; do echo $(grep ^$name: /proc/$$/status); done
set -- $(cut -d' ' -f1,5,6 /proc/$$/stat)
test $1 = $2 && echo leads its group
test $1 = $3 && echo leads its session
for fd in 0 1 2 3 4 5 6 7 8 9; do
    test -e /proc/$$/fd/$fd && echo fd $fd $(readlink /proc/$$/fd/$fd | sed 's/[0-9]*//g')
done
echo files $(ulimit -Sn)
echo nice $(nice)
/usr/bin/env | sed 's/^/env /'
echo complete
exec sleep 1000
";

/// The programs: name, keys.
const PROGRAMS: &[(&str, &str)] = &[
    ("plain", ""),
    ("placed", "directory=/usr/lib\numask=027"),
    ("masked", "umask=0"),
    ("told", "environment=A=\"1\",B=\"x,y\",PATH=\"/usr/bin:/bin\",SUPERVISOR_ENABLED=\"no\""),
    (
        "expanded",
        "environment=WHO=\"%(program_name)s\",NUMBER=\"%(process_num)d\",X=\"%(ENV_FROM_MAIN)s\"",
    ),
    ("server", "serverurl=http://localhost:1234"),
    ("joined", "redirect_stderr=true"),
    ("silent", "stderr_logfile=NONE"),
];

const AS_ROOT: &[(&str, &str)] = &[
    ("nobody", "user=nobody"),
    ("daemon", "user=daemon\ndirectory=/usr\numask=077"),
    ("numbered", "user=65534"),
];

/// The lines, and how often each is there: `env` has no order.
fn told(side: &Side, name: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    for line in side.file(&format!("{name}.log")).lines() {
        // supervisord leaves SIGPIPE, SIGXFSZ and what it inherited ignored, and reads what it
        // throws away.
        let line = match line.strip_prefix("SigIgn: ") {
            Some(ignored) => {
                assert!(side.name == "real" || ignored == "0000000000000000", "{line}");
                "SigIgn"
            }
            None if name == "silent" && line.starts_with("fd 2 ") => "fd 2",
            None => line,
        };
        *lines.entry(line.to_owned()).or_default() += 1;
    }
    lines
}

#[test]
fn what_a_child_inherits() {
    if !supervisord() {
        return;
    }
    let mut programs = PROGRAMS.to_vec();
    if rustix::process::geteuid().is_root() {
        programs.extend(AS_ROOT);
    }
    let section = |(name, keys): &(&str, &str)| {
        format!("[program:{name}]\ncommand=<DIR>/probe\nstdout_logfile=<DIR>/{name}.log\n{keys}\n")
    };
    let body: String = programs.iter().map(section).collect();
    let more = "environment=FROM_MAIN=\"yes\",B=\"main\"";
    let mut pair = Pair::start("children", more, &body, &[("probe", PROBE)]);
    pair.wait("all answers", |side| {
        let lacks = |(name, _): &&(&str, &str)| {
            !side.file(&format!("{name}.log")).lines().any(|line| line == "complete")
        };
        programs.iter().filter(lacks).map(|(name, _)| (*name).to_owned()).collect()
    });
    pair.stop_by(Signal::TERM);
    let mut differences = Differences::default();
    for (name, _) in &programs {
        let [real, ours] = pair.both(|side| told(side, name));
        let only = |a: &BTreeMap<String, usize>, b: &BTreeMap<String, usize>| -> Vec<String> {
            a.keys().filter(|line| a.get(*line) != b.get(*line)).cloned().collect()
        };
        assert!(real.len() > 20, "{name}: {real:?}");
        differences.equal(&format!("of {name}"), [only(&real, &ours), only(&ours, &real)]);
    }
    differences.none("");
}
