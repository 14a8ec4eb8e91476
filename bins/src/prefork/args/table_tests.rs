use std::collections::HashSet;

use super::*;
use crate::cli::{Kind, split_gnu};

#[test]
fn the_table_is_sound() {
    let table = option_table();
    let names: HashSet<_> = table.iter().map(|option| option.name).collect();
    assert_eq!(names.len(), table.len());
    let repeatable: Vec<_> =
        table.iter().filter(|option| option.repeatable).map(|option| option.name).collect();
    assert_eq!(repeatable, ["listen", "port", "path", "trap", "auto-reload"]);
    for option in &table {
        assert_eq!(option.value.is_none(), option.kind == Kind::Flag, "{}", option.name);
        let default = option.description.contains("(default: ");
        let without = ["help", "version"].contains(&option.name)
            || option.name == "port"
            || option.repeatable;
        assert!(default != without, "{}: {}", option.name, option.description);
    }
    for (alias, name) in aliases() {
        assert!(names.contains(name) && !names.contains(alias), "{alias}");
        let (split, problems) =
            split_gnu(&options::table(), vec![format!("--{alias}=1").into()], true);
        assert_eq!((split.options[0].name, problems.len()), (name, 0));
    }
    for option in asking_table() {
        let here = table.iter().find(|other| other.name == option.name);
        assert!(here.is_none_or(|other| other.value == option.value), "{}", option.name);
    }
}

#[test]
fn values_of_numbers_have_a_kind() {
    for option in option_table().iter().chain(&asking_table()) {
        let kind = match option.value {
            None => Kind::Flag,
            Some("N" | "PERCENT") => Kind::Count,
            Some("SECONDS") => Kind::Seconds,
            Some("SIZE") => Kind::Size,
            Some("OCTAL") => Kind::Mode,
            Some(_) => Kind::Text,
        };
        assert_eq!(option.kind, kind, "{}", option.name);
    }
}

#[test]
fn defaults_are_those_of_the_help() {
    let seconds = |time: Duration| time.as_secs().to_string();
    for (name, default) in [
        ("workers", WORKERS.to_string()),
        ("max-workers", MAX_WORKERS.to_string()),
        ("max-pressure", MAX_PRESSURE.to_string()),
        ("idle-timeout", seconds(IDLE_TIMEOUT)),
        ("memory-every", seconds(MEMORY_EVERY)),
        ("backoff-max", seconds(BACKOFF_MAX)),
        ("start-timeout", seconds(START_TIMEOUT)),
        ("ready-after", seconds(READY_AFTER)),
        ("die-timeout", seconds(DIE_TIMEOUT)),
        ("timeout", seconds(CHANGE_TIMEOUT)),
        ("interval", seconds(TOP_INTERVAL)),
    ] {
        let all = option_table().into_iter().chain(asking_table());
        let option = all.into_iter().find(|option| option.name == name).unwrap();
        let text = option.description.split("(default: ").nth(1).unwrap();
        let word = text.split([' ', ')', ',']).next().unwrap();
        assert_eq!(word, default, "{name}");
    }
    let grace = format!("GRACE: {})", REQUEST_GRACE.as_secs());
    assert!(help().replace("\n                          ", " ").contains(&grace));
}

#[test]
fn help_has_every_option_once_below_its_heading() {
    let help = help();
    assert!(help.starts_with("Usage: prefork-run [options] [--] program [argument ...]\n"));
    assert!(help.lines().all(|line| line.chars().count() <= 80 && line.trim_end() == line));
    for (first, heading) in options::HEADINGS {
        assert!(help.contains(&format!("\n{heading}:\n  --{first}")), "{heading}");
    }
    let (run, ask) = help.split_once("\nWHERE, and ").unwrap();
    let count = |text: &str, option: &OptionInfo| {
        let shown = match option.value {
            Some(value) => format!("--{}={value}", option.name),
            None => format!("--{}", option.name),
        };
        text.lines().filter(|line| line.split_whitespace().next() == Some(&shown)).count()
    };
    assert!(option_table().iter().all(|option| count(run, option) == 1));
    let asking = asking_table();
    assert!(asking.iter().filter(|o| o.name != "help").all(|option| count(ask, option) == 1));
    assert!(asking.iter().any(|option| option.name == "help"));
}
