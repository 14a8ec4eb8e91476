use std::collections::{BTreeMap, HashSet};

use super::options::known;
use super::*;

/// What `supervisord --help` lists, written down again: letter, name, the name of its value.
const PEER: [(Option<char>, &str, Option<&str>); 19] = [
    (Some('c'), "configuration", Some("FILENAME")),
    (Some('n'), "nodaemon", None),
    (Some('s'), "silent", None),
    (Some('h'), "help", None),
    (Some('v'), "version", None),
    (Some('u'), "user", Some("USER")),
    (Some('m'), "umask", Some("UMASK")),
    (Some('d'), "directory", Some("DIRECTORY")),
    (Some('l'), "logfile", Some("FILENAME")),
    (Some('y'), "logfile_maxbytes", Some("BYTES")),
    (Some('z'), "logfile_backups", Some("NUM")),
    (Some('e'), "loglevel", Some("LEVEL")),
    (Some('j'), "pidfile", Some("FILENAME")),
    (Some('i'), "identifier", Some("STR")),
    (Some('q'), "childlogdir", Some("DIRECTORY")),
    (Some('k'), "nocleanup", None),
    (Some('a'), "minfds", Some("NUM")),
    (Some('t'), "strip_ansi", None),
    (None, "minprocs", Some("NUM")),
];

const NEW: [(&str, Option<&str>); 4] =
    [("state", Some("FILE")), ("format", Some("FORMAT")), ("dump-config", None), ("debug", None)];

#[test]
fn the_table_has_supervisords_options_and_ours() {
    let table: BTreeMap<_, _> =
        option_table().into_iter().map(|option| (option.name, option)).collect();
    let known = known();
    let find = |name: &str| known.iter().find(|known| known.name == name).unwrap();
    for (letter, name, value) in PEER {
        let option = &table[name];
        assert!(option.perl, "{name}");
        assert_eq!(option.value, value, "{name}");
        assert_eq!((find(name).letter, find(name).valued), (letter, value.is_some()), "{name}");
    }
    for (name, value) in NEW {
        assert_eq!((table[name].value, table[name].perl), (value, false), "{name}");
        assert_eq!((find(name).letter, find(name).valued), (None, value.is_some()), "{name}");
    }
    assert_eq!(table.len(), PEER.len() + NEW.len());
    let letters: HashSet<_> = known.iter().filter_map(|known| known.letter).collect();
    assert_eq!(letters.len(), known.iter().filter(|known| known.letter.is_some()).count());
}

/// Every beginning of every option of supervisord's has the meaning that supervisord gives it.
#[test]
fn every_abbreviation_of_supervisords_keeps_its_meaning() {
    let known = known();
    let mut peers: Vec<_> = PEER.iter().map(|(_, name, value)| (*name, value.is_some())).collect();
    peers.push(("profile_options", true));
    let mut seen = HashSet::new();
    for (full, _) in &peers {
        for end in 1..=full.len() {
            let typed = full.get(..end).unwrap();
            let exact = peers.iter().filter(|(name, _)| *name == typed).count() == 1;
            let fits = |(name, _): &&(&str, bool)| {
                if exact { *name == typed } else { name.starts_with(typed) }
            };
            let hits: Vec<_> = peers.iter().filter(fits).collect();
            let words = vec![format!("--{typed}").into(), "7".into()];
            let result = getopt::getopt(&known, words);
            match hits.as_slice() {
                [(name, valued)] => {
                    let (options, rest) = result.unwrap();
                    assert_eq!((options[0].option.name, rest.is_empty()), (*name, *valued));
                }
                _ => {
                    let error = format!("option --{typed} not a unique prefix");
                    assert_eq!(result.unwrap_err(), error);
                }
            }
            seen.insert(typed);
        }
    }
    assert!(seen.len() > 100, "{}", seen.len());
}

#[test]
fn help_shows_every_option_once_with_its_letter_and_default() {
    let help = help();
    assert!(help.starts_with("Usage: supervise [options]\n"));
    assert!(
        help.lines().all(|line| line.chars().count() <= 80 && line.trim_end() == line),
        "{help}"
    );
    let known = known();
    for option in option_table() {
        let letter = known.iter().find(|known| known.name == option.name).unwrap().letter;
        let lead = letter.map_or_else(|| "  ".to_owned(), |letter| format!("  -{letter}, "));
        let value = option.value.map_or_else(String::new, |value| format!("={value}"));
        let shown = format!("{lead}--{}{value}", option.name);
        let whole = |line: &&str| {
            line.strip_prefix(&shown).is_some_and(|rest| rest.is_empty() || rest.starts_with("  "))
        };
        assert_eq!(help.lines().filter(whole).count(), 1, "{shown}");
        let action = ["help", "version", "dump-config", "debug"].contains(&option.name);
        assert!(option.description.contains("(default: ") != action, "{}", option.name);
    }
    let words: Vec<_> = help.split_whitespace().collect();
    for option in option_table() {
        let text: Vec<_> = option.description.split_whitespace().collect();
        assert!(words.windows(text.len()).any(|window| window == text), "{}", option.name);
    }
    assert!(help.contains("\n  -n, --nodaemon          stay in the foreground "));
    assert!(
        help.contains("\n  -c, --configuration=FILENAME\n                          file to read ")
    );
    assert!(!help.contains("--port") && !help.contains("profile"));
    for (alias, name) in aliases() {
        let words = vec![format!("--{alias}=x").into()];
        let (options, _) = getopt::getopt(&known, words).unwrap();
        assert_eq!(options[0].option.name, name);
    }
}
