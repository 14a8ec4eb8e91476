use std::collections::HashSet;
use std::ffi::OsString;

use super::*;
use crate::cli::{Kind, split};

/// What Perl's program declares, written down again: name and whether it takes a value.
const PERL: [(&str, bool); 19] = [
    ("auto-restart-interval", true),
    ("backlog", true),
    ("daemonize", false),
    ("dir", true),
    ("enable-auto-restart", false),
    ("envdir", true),
    ("help", false),
    ("interval", true),
    ("kill-old-delay", true),
    ("log-file", true),
    ("path", true),
    ("pid-file", true),
    ("port", true),
    ("restart", false),
    ("signal-on-hup", true),
    ("signal-on-term", true),
    ("status-file", true),
    ("stop", false),
    ("version", false),
];

const NEW: [&str; 14] = [
    "listen",
    "path-mode",
    "path-owner",
    "user",
    "group",
    "no-new-privs",
    "start-timeout",
    "backoff-max",
    "kill-timeout",
    "max-generations",
    "restart-attempts",
    "restart-timeout",
    "status",
    "json",
];

#[test]
fn the_table_has_perls_options_and_ours() {
    let table = option_table();
    for (name, valued) in PERL {
        let option = table.iter().find(|option| option.name == name).expect(name);
        assert!(option.perl, "{name}");
        assert_eq!(option.value.is_some(), valued, "{name}");
    }
    let ours: HashSet<_> =
        table.iter().filter(|option| !option.perl).map(|option| option.name).collect();
    assert_eq!(ours, NEW.into_iter().collect());
    assert_eq!(table.len(), PERL.len() + ours.len());
    for option in &table {
        assert_eq!(option.repeatable, ["port", "listen", "path"].contains(&option.name));
        assert_eq!(option.value.is_none(), option.kind == Kind::Flag, "{}", option.name);
        assert!(!option.description.is_empty());
    }
}

/// Every beginning of every option of Perl's has the meaning that Perl gives it.
#[test]
fn every_abbreviation_of_perls_keeps_its_meaning() {
    let table = options::table();
    let mut seen = HashSet::new();
    for (full, _) in PERL {
        for end in 1..=full.len() {
            let typed = full.get(..end).unwrap();
            if !seen.insert(typed) {
                continue;
            }
            let mut hits: Vec<_> =
                PERL.iter().filter(|(name, _)| name.starts_with(typed)).collect();
            hits.retain(|(name, _)| {
                *name == typed || !PERL.iter().any(|(exact, _)| *exact == typed)
            });
            let result = split(&table, vec![format!("--{typed}=7").into()], false);
            match hits.as_slice() {
                [(name, true)] => assert_eq!(result.unwrap().options[0].name, *name, "{typed}"),
                [(name, false)] => assert_eq!(
                    result.unwrap_err().lines,
                    [format!("Option {name} does not take an argument")]
                ),
                several => {
                    let names: Vec<_> = several.iter().map(|(name, _)| *name).collect();
                    assert_eq!(
                        result.unwrap_err().lines,
                        [format!("Option {typed} is ambiguous ({})", names.join(", "))]
                    );
                }
            }
            if let ([(name, true)], false) = (hits.as_slice(), typed == "status") {
                let apart = vec![OsString::from(format!("--{typed}")), "7".into()];
                assert_eq!(split(&table, apart, false).unwrap().options[0].name, *name, "{typed}");
            }
        }
    }
    assert!(seen.len() > 150, "{}", seen.len());
}

#[test]
fn new_options_may_be_abbreviated_where_perls_leave_room() {
    let table = options::table();
    for (typed, name) in [
        ("--li=1", "listen"),
        ("--u=1", "user"),
        ("--g=1", "group"),
        ("--n", "no-new-privs"),
        ("--j", "json"),
        ("--m=1", "max-generations"),
        ("--star=1", "start-timeout"),
        ("--backo=1", "backoff-max"),
        ("--kill-t=1", "kill-timeout"),
        ("--restart-t=1", "restart-timeout"),
        ("--path-m=1", "path-mode"),
    ] {
        let split = split(&table, vec![typed.into()], false).expect(typed);
        assert_eq!(split.options[0].name, name);
    }
    let error = split(&table, vec!["--restart-".into()], false).unwrap_err();
    assert_eq!(error.lines, ["Option restart- is ambiguous (restart-attempts, restart-timeout)"]);
}

#[test]
fn help_shows_every_option_with_its_default() {
    let help = help();
    assert!(help.starts_with("Usage: start_server [options] -- program [argument ...]\n"));
    assert!(help.lines().all(|line| line.chars().count() <= 80 && line.trim_end() == line));
    for option in option_table() {
        let shown = match option.value {
            Some(value) => format!("\n  --{}={value}", option.name),
            None => format!("\n  --{}", option.name),
        };
        let end = |at: usize| help.get(at + shown.len()..).unwrap().starts_with([' ', '\n']);
        assert_eq!(help.match_indices(&shown).filter(|(at, _)| end(*at)).count(), 1, "{shown}");
        let action = ["help", "version", "restart", "stop", "status", "json", "listen", "port"];
        if !action.contains(&option.name) && option.name != "path" {
            assert!(option.description.contains("(default: "), "{}", option.name);
        }
    }
    for (name, default) in [
        ("start-timeout", START_TIMEOUT),
        ("backoff-max", BACKOFF_MAX),
        ("restart-timeout", RESTART_TIMEOUT),
    ] {
        let option = option_table().into_iter().find(|option| option.name == name).unwrap();
        let text = format!("(default: {})", default.as_secs());
        assert!(option.description.ends_with(&text), "{name}");
    }
    assert!(help.trim_end().lines().last().unwrap().starts_with("  --help "));
}
