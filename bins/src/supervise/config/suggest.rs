//! Keys and sections that mean nothing: a note, and a word of advice where one looks like another
//! that does.

use std::collections::{BTreeMap, BTreeSet};

use super::ini::{Document, Entry, Section};
use super::keys::{KINDS, Kind};
use super::model::{Note, Weight};

/// Longer names than this are no slips of the pen.
const LONGEST: usize = 40;

/// Adds a note for each key and section that is not known.
pub(super) fn notes(document: &Document, notes: &mut Vec<Note>) {
    let mut known: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for kind in KINDS {
        known.insert(kind.name, kind.keys());
    }
    let everywhere: Vec<String> =
        known.values().flatten().collect::<BTreeSet<_>>().into_iter().cloned().collect();
    for entry in document.defaults() {
        key("DEFAULT", entry, &everywhere, notes);
    }
    let defaults: BTreeMap<&str, &Entry> =
        document.defaults().map(|entry| (entry.key.as_str(), entry)).collect();
    for one in document.sections() {
        let Some(kind) = Kind::of(&one.name) else {
            section(one, notes);
            continue;
        };
        let inherited = |entry: &&Entry| {
            defaults.get(entry.key.as_str()).is_some_and(|default| default.place == entry.place)
        };
        let keys = known.get(kind.name).map_or(&[][..], Vec::as_slice);
        for entry in one.entries().filter(|entry| !kind.is_open() && !inherited(entry)) {
            key(&one.name, entry, keys, notes);
        }
    }
}

fn key(section: &str, entry: &Entry, known: &[String], notes: &mut Vec<Note>) {
    let Entry { key, place, .. } = entry;
    if known.contains(key) {
        return;
    }
    let meant = nearest(key, known.iter().map(String::as_str));
    notes.push(match meant {
        Some(meant) => Note {
            weight: Weight::Advice,
            text: format!("key {key} of [{section}] is not known; is {meant} meant? ({place})"),
        },
        None => Note {
            weight: Weight::Debug,
            text: format!("key {key} of [{section}] is not known ({place})"),
        },
    });
}

fn section(section: &Section, notes: &mut Vec<Note>) {
    let Section { name, place, .. } = section;
    let (kind, own) = name
        .split_once(':')
        .map_or((name.trim(), None), |(kind, own)| (kind.trim(), Some(own.trim())));
    let kinds = KINDS.iter().filter(|known| match own {
        Some(_) => known.named != Some(false),
        None => true,
    });
    let meant = nearest(kind, kinds.map(|known| known.name));
    let named = |kind: &str| KINDS.iter().any(|one| one.name == kind && one.named == Some(true));
    notes.push(match meant {
        Some(meant) => {
            let own = own.or(named(meant).then_some("NAME"));
            let own = own.map_or_else(String::new, |own| format!(":{own}"));
            Note {
                weight: Weight::Advice,
                text: format!("section [{name}] is not known; is [{meant}{own}] meant? ({place})"),
            }
        }
        None => {
            Note { weight: Weight::Debug, text: format!("section [{name}] is not known ({place})") }
        }
    });
}

/// The known name that is closest to another one, if it is close: the same but for case, dashes,
/// underscores and blanks, or one slip in four letters, three at most.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let letters = |name: &str| -> Vec<char> {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let name = letters(name);
    let allowed = (name.len() / 4).min(3);
    known
        .map(|known| (distance(&name, &letters(known)), known))
        .filter(|(distance, _)| *distance <= allowed && !name.is_empty())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many letters must be added, taken away, changed or exchanged with their neighbour to make
/// one word of another.
fn distance(a: &[char], b: &[char]) -> usize {
    // Three rows of the matrix: the one before last is for the exchanges.
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX);
    for (i, &left) in a.iter().enumerate() {
        let mut row = vec![i.saturating_add(1)];
        for (j, &right) in b.iter().enumerate() {
            let changed = at(&above, j).saturating_add(usize::from(left != right));
            let added = at(&row, j).saturating_add(1);
            let removed = at(&above, j.saturating_add(1)).saturating_add(1);
            let mut least = changed.min(added).min(removed);
            if let (Some(i), Some(j)) = (i.checked_sub(1), j.checked_sub(1)) {
                if a.get(i) == Some(&right) && b.get(j) == Some(&left) {
                    least = least.min(at(&before, j).saturating_add(1));
                }
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::config::testing::{Directory, program, world};

    #[test]
    fn distances_of_words() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("logflie", "logfile", 1),
            ("ab", "ba", 1),
            ("kitten", "sitting", 3),
            ("abc", "", 3),
        ] {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(distance(&letters(a), &letters(b)), expected, "{a} {b}");
        }
    }

    #[test]
    fn slips_are_named_with_their_place() {
        for (line, text) in [
            ("start_secs=1", "key start_secs of [program:p] is not known; is startsecs meant?"),
            (
                "auto-restart=1",
                "key auto-restart of [program:p] is not known; is autorestart meant?",
            ),
            (
                "stdout_logflie=/x",
                "key stdout_logflie of [program:p] is not known; is stdout_logfile meant?",
            ),
            ("comand=/x", "key comand of [program:p] is not known; is command meant?"),
            ("usr=root", ""),
            (
                "rlimit_nofiles=1",
                "key rlimit_nofiles of [program:p] is not known; is rlimit_nofile meant?",
            ),
            ("depend_on=x", "key depend_on of [program:p] is not known; is depends_on meant?"),
        ] {
            let dir = Directory::new();
            let config = dir.load(&program(line), &world()).unwrap();
            let (advice, debug) =
                (dir.notes(&config, Weight::Advice), dir.notes(&config, Weight::Debug));
            if text.is_empty() {
                assert_eq!(advice, [""; 0], "{line}");
                assert_eq!(debug, ["key usr of [program:p] is not known (<DIR>/s.conf:6)"]);
            } else {
                assert_eq!(advice, [format!("{text} (<DIR>/s.conf:6)")], "{line}");
                assert_eq!(debug, [""; 0], "{line}");
            }
        }
    }

    #[test]
    fn sections_are_named_too() {
        for (header, meant) in [
            ("programm:x", Some("program:x")),
            (" program:x ", Some("program:x")),
            ("Program:x", Some("program:x")),
            ("program", Some("program:NAME")),
            ("fcgi_program:x", Some("fcgi-program:x")),
            ("event-listener:x", Some("eventlistener:x")),
            ("supervisor", Some("supervisord")),
            ("Supervisord", Some("supervisord")),
            ("unix-http-server", Some("unix_http_server")),
            ("includes", Some("include")),
            ("app", None),
            ("x", None),
            ("", None),
        ] {
            let dir = Directory::new();
            let config = dir.load(&format!("{}[{header} ]\n", program("")), &world());
            let Ok(config) = config else { panic!("{header}: {config:?}") };
            let (advice, debug) =
                (dir.notes(&config, Weight::Advice), dir.notes(&config, Weight::Debug));
            let place = "(<DIR>/s.conf:7)";
            match meant {
                Some(meant) => assert_eq!(
                    advice,
                    [format!("section [{header} ] is not known; is [{meant}] meant? {place}")]
                ),
                None => assert_eq!(debug, [format!("section [{header} ] is not known {place}")]),
            }
        }
    }

    #[test]
    fn defaults_are_judged_once_and_for_all_sections() {
        let dir = Directory::new();
        let text = format!("{}[DEFAULT]\nautostart=false\nautostrt=1\n", program(""));
        let config = dir.load(&text, &world()).unwrap();
        let advice = dir.notes(&config, Weight::Advice);
        let place = "(<DIR>/s.conf:9)";
        assert_eq!(
            advice,
            [format!("key autostrt of [DEFAULT] is not known; is autostart meant? {place}")]
        );
        assert_eq!(dir.notes(&config, Weight::Debug), [""; 0]);
    }

    #[test]
    fn what_is_known_is_not_judged() {
        let dir = Directory::new();
        let text = format!(
            "{}rlimit_core=0\nhot=false\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory\
             =supervisor.rpcinterface:make_main_rpcinterface\nwhatever=1\n[supervisorctl]\n\
             prompt=x\n[unix_http_server:a]\nfile=/tmp/x\n",
            program("")
        );
        let config = dir.load(&text, &world()).unwrap();
        assert_eq!(dir.notes(&config, Weight::Advice), [""; 0]);
        assert_eq!(dir.notes(&config, Weight::Debug), [""; 0]);
    }
}
