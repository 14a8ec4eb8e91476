//! The status of a pool on the control socket: never a panic; what is accepted is written again as
//! it was understood; and no form in which it is shown has a character that drives a terminal, or
//! breaks the rules of that form.

use std::collections::BTreeSet;

use superdaemon::prefork::status::Status;

/// Valid inputs, and some that nearly are.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"manager\tpid=10\tversion=0.1.0\ttitle=a\\\\b\tstarted=1795287000\tuptime=90061250000\t\
      generation=2\treloading=true\tstopping=false\tgone=false\tcommand=./app \"x\" \\\\ \xc2\x9b\n\
      pool\trule=1 to 3 idle, 8 at most\tmembers=4\tidle=1\tbusy=1\tunknown=1\tstarting=1\t\
      draining=2\tmax_workers=8\tmost=9\tspawned=12\treaped=6\tfailed=1\theld_back=4\t\
      requests=100\tbytes=7340032\tbusy_time=12500001\tpressure=37\n\
      listener\tname=8080\taddress=0.0.0.0:8080\tfd=3\ttype=tcp\tqueue=5\tqueue_limit=511\n\
      worker\tid=100\tslot=0\tpid=1000\tgeneration=2\tstage=serving\tactivity=busy\t\
      source=scoreboard\tsaid=K\trequests=10\tbusy=2500001\tin_request=1234000\tlast_beat=7\t\
      bytes=5242880\tage=61000000\trss=35651584\ttext=GET /\\x80\\t\\\\\\n\n\
      end\n",
    b"manager\tgeneration=1\tgone=true\npool\trule=\nworker\tslot=2\tstage=starting\n\
      worker\tslot=0\tsaid=\\t\tactivity=idle\tsource=syscall\ttext=\x1b[2J\xe2\x80\xae\nend\n",
    b"manager\tversion=1.2.x\ttitle=\x1b]0;\x07\"} 1\\n# EOF\tcommand=\n\
      listener\tname=\\\\\"\\r\taddress=\xff\ttype=unix\tfd=-1\tqueue=4294967295\nend\n",
    b"manager\tuptime=18446744073709551615\tstarted=18446744073709551615\tgeneration=\
      18446744073709551615\npool\trequests=18446744073709551615\tbytes=18446744073709551615\t\
      busy_time=18446744073709551615\tbusy=4294967295\tunknown=4294967295\tmax_workers=40\n\
      worker\tslot=4294967295\tage=18446744073709551615\trss=18446744073709551615\tpid=-5\nend\n",
    b"later\tx=y\nmanager\tpid=+1\tpid=2\tx\t=\nworker\tstage=\\x6\tstage=\\\nend\nmanager",
    b"manager\nend",
    b"pool\nend\n",
];

/// What is sent of a worker's text.
const LONGEST_TEXT: usize = 4096;
/// More places are only more dots.
const ENOUGH_SLOTS: u32 = 10_000;

/// One input.
pub fn run(data: &[u8]) {
    let Some(status) = Status::decode(&String::from_utf8_lossy(data)) else { return };
    let again = Status::decode(&status.encode()).expect("cannot read what it wrote");
    let long = |text: &Vec<u8>| text.len() > LONGEST_TEXT;
    if !status.workers.iter().filter_map(|worker| worker.text.as_ref()).any(long) {
        assert_eq!(again, status);
    }
    assert_eq!(Status::decode(&again.encode()).as_ref(), Some(&again));

    harmless(&status.table());
    json(&status.json());
    metrics(&status.openmetrics());
    let highest = status.workers.iter().map(|worker| worker.slot).max().unwrap_or(0);
    if status.pool.max_workers.max(highest) < ENOUGH_SLOTS {
        auto(&status.auto());
    } else {
        let slots = status.workers.iter().filter(|worker| worker.slot < ENOUGH_SLOTS);
        let mut few = Status { workers: slots.cloned().collect(), ..status.clone() };
        few.pool.max_workers = 0;
        auto(&few.auto());
    }
}

fn harmless(text: &str) {
    assert!(text.ends_with('\n'), "{text:?}");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}

/// Each line is a key and its value, as collectors of mod_status's format read it.
fn auto(text: &str) {
    harmless(text);
    let mut keys = BTreeSet::new();
    for line in text.lines() {
        let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?}"));
        let plain = |c: char| c.is_ascii_alphanumeric() || c == ' ';
        assert!(!key.is_empty() && key.chars().all(plain) && keys.insert(key), "{line:?}");
        match key {
            "Scoreboard" => assert!(value.chars().all(|c| "_SRWKDCLGI.".contains(c)), "{line:?}"),
            "ServerVersion" | "ServerMPM" | "CurrentTime" | "RestartTime" | "ServerUptime" => {
                assert!(!value.is_empty() && value.is_ascii(), "{line:?}");
            }
            // No exponents, and nothing infinite.
            _ => {
                assert!(value.chars().all(|c| c.is_ascii_digit() || c == '.'), "{line:?}");
                assert!(value.parse::<f64>().is_ok(), "{line:?}");
            }
        }
    }
}

fn json(text: &str) {
    harmless(text);
    assert!(text.ends_with("}\n") && text.lines().count() == 1, "{text:?}");
    let mut open = Vec::new();
    let mut characters = text.chars();
    let mut in_string = false;
    while let Some(character) = characters.next() {
        match (in_string, character) {
            (true, '\\') => match characters.next() {
                Some('u') => {
                    let digits: String = characters.by_ref().take(4).collect();
                    assert!(u16::from_str_radix(&digits, 16).is_ok(), "{text:?}");
                }
                escape => assert!(escape.is_some_and(|c| "\"\\/bfnrt".contains(c)), "{text:?}"),
            },
            (_, '"') => in_string = !in_string,
            (false, '{' | '[') => open.push(character),
            (false, '}') => assert_eq!(open.pop(), Some('{'), "{text:?}"),
            (false, ']') => assert_eq!(open.pop(), Some('['), "{text:?}"),
            _ => {}
        }
    }
    assert!(!in_string && open.is_empty(), "{text:?}");
}

/// Families one after the other, each with its type first; then the end, once.
fn metrics(text: &str) {
    harmless(text);
    let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("{text:?}"));
    let mut families = BTreeSet::new();
    let mut family = "";
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (keyword, name) = (words.next(), words.next().unwrap_or_default());
            match keyword {
                Some("TYPE") => {
                    assert!(families.insert(name), "{line:?} comes twice");
                    family = name;
                }
                Some("UNIT" | "HELP") => assert_eq!(name, family, "{line:?}"),
                _ => panic!("{line:?}"),
            }
        } else {
            let rest = line.strip_prefix(family).filter(|_| !family.is_empty());
            sample(rest.unwrap_or_else(|| panic!("{line:?} in {family:?}")), line);
        }
    }
}

/// What follows the name of the family: its suffix, labels, the value.
fn sample(text: &str, line: &str) {
    let end = text.find(['{', ' ']).unwrap_or_else(|| panic!("{line:?}"));
    assert!(["", "_total", "_info"].contains(&&text[..end]), "{line:?}");
    let mut rest = &text[end..];
    while let Some(label) = rest.strip_prefix(['{', ',']) {
        let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line:?}"));
        assert!(name.chars().all(|c| c.is_ascii_lowercase()) && !name.is_empty(), "{line:?}");
        let mut escaped = false;
        let end = value.find(|c| {
            let ends = c == '"' && !escaped;
            assert!(!escaped || "\\\"n".contains(c), "{line:?}");
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = &value[end.unwrap_or_else(|| panic!("{line:?}")) + 1..];
        rest = rest.strip_prefix('}').unwrap_or(rest);
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line:?}"));
    assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line:?}");
}
