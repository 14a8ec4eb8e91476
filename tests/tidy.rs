//! What holds for the whole source tree and no compiler checks.

mod manual;
mod source;

use std::collections::BTreeSet;
use std::fs;

use source::{Source, all, root, running};

/// Everything that may contain `unsafe`; a new entry wants a reason that a reviewer accepts.
const UNSAFE: &[&str] = &[
    "bins/src/daemonize.rs",
    "bins/src/footprint.rs",
    "bins/src/prefork/entry.rs",
    "bins/src/prefork/observe/queue.rs",
    "bins/src/start_server/entry.rs",
    "bins/src/supervise/logs/clock.rs",
    "crates/fdpass/examples/hello.rs",
    "crates/fdpass/src/inherit/mod.rs",
    "crates/fdpass/src/notify/recvmsg.rs",
    "crates/fdpass/src/peer.rs",
    "crates/fdpass/tests/from_env.rs",
    "crates/reaper/src/child.rs",
    "crates/reaper/src/event/poller.rs",
    "crates/reaper/src/fork.rs",
    "crates/reaper/src/handle.rs",
    "crates/reaper/src/orphans.rs",
    "crates/reaper/src/spawn.rs",
    "crates/reaper/src/stack.rs",
    "crates/reaper/src/user.rs",
    "crates/scoreboard/src/environment.rs",
    "crates/scoreboard/src/line.rs",
    "crates/scoreboard/src/lock.rs",
    "crates/scoreboard/src/origin.rs",
    "crates/scoreboard/src/region.rs",
    "crates/sigpolicy/src/action.rs",
    "crates/sigpolicy/src/caught.rs",
    "crates/sigpolicy/src/gate.rs",
    "crates/sigpolicy/src/mask.rs",
    "examples/http_worker.rs",
];

/// What running code has no use for: every failure is handled or returned, and only `report` writes.
const FORBIDDEN: &[&str] = &[
    ".unwrap()",
    ".expect(",
    ".unwrap_err()",
    ".expect_err(",
    "panic!",
    "unreachable!",
    "todo!",
    "unimplemented!",
    "assert!",
    "assert_eq!",
    "assert_ne!",
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
    "dbg!",
    "thread::sleep",
    "process::exit",
];

const LONGEST: usize = 400;

/// Lines of code in which `word` stands by itself, as `path:line: text`.
fn find(sources: &[Source], word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for (number, (line, text)) in source.code.lines().zip(source.text.lines()).enumerate() {
            if has_word(line, word) {
                found.push(format!("{}:{}: {}", source.path, number + 1, text.trim()));
            }
        }
    }
    found
}

fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let joined_before = line[..at].ends_with(part) && word.starts_with(part);
        let joined_after = line[at + word.len()..].starts_with(part) && word.ends_with(part);
        !joined_before && !joined_after
    })
}

fn none(found: Vec<String>, why: &str) {
    assert!(found.is_empty(), "{why}:\n{}", found.join("\n"));
}

/// The files in whose code `word` stands.
fn holding<'s>(sources: &'s [Source], word: &str) -> BTreeSet<&'s str> {
    let has = |source: &&Source| source.code.lines().any(|line| has_word(line, word));
    sources.iter().filter(has).map(|source| source.path.as_str()).collect()
}

#[test]
fn unsafe_code_lives_in_named_modules() {
    let sources = all();
    let named = BTreeSet::from_iter(UNSAFE.iter().copied());
    assert_eq!(holding(&sources, "unsafe_code"), named, "files that allow it against the list");
    // The allowance reaches the modules inside, which is good for their tests only.
    let running = running(&sources);
    let outside = &holding(&running, "unsafe") - &named;
    assert!(outside.is_empty(), "unsafe code in {outside:?}");
}

#[test]
fn unsafe_code_gives_its_reason() {
    let mut found = Vec::new();
    for source in all() {
        let code: Vec<&str> = source.code.lines().collect();
        let text: Vec<&str> = source.text.lines().collect();
        for (number, line) in code.iter().enumerate() {
            let Some((_, after)) = line.split_once("unsafe").filter(|_| has_word(line, "unsafe"))
            else {
                continue;
            };
            let after = after.trim_start().trim_start_matches("extern").trim_start();
            // `unsafe fn(...)` is a type.
            if !after.starts_with("fn(") && !has_reason(&code, &text, number) {
                found.push(format!("{}:{}: {}", source.path, number + 1, text[number].trim()));
            }
        }
    }
    none(found, "no SAFETY comment above");
}

/// Whether a comment above the statement or item that has line `number` speaks of safety.
fn has_reason(code: &[&str], text: &[&str], number: usize) -> bool {
    for above in (0..=number).rev() {
        let comment = text[above].trim_start();
        if comment.contains("// SAFETY: ") || comment.starts_with("/// # Safety") {
            return true;
        }
        let ended = code[above].trim_end().ends_with([';', '{', '}']) || comment.is_empty();
        if above < number && ended {
            return false;
        }
    }
    false
}

#[test]
fn running_code_does_not_panic_print_or_sleep() {
    let sources = running(&all());
    let paths: Vec<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    assert!(paths.contains(&"crates/reaper/src/spawn.rs"), "{paths:?}");
    assert!(!paths.contains(&"crates/reaper/src/spawn/tests.rs"), "{paths:?}");
    let found = FORBIDDEN.iter().flat_map(|word| find(&sources, word)).collect();
    none(found, "not for running code");
}

#[test]
fn no_test_sleeps_or_is_left_out() {
    let mut sources = all();
    sources.retain(|source| !source.path.starts_with("bench/"));
    none(find(&sources, "#[ignore"), "a test that nobody runs");
    none(find(&sources, "sleep("), "wait for an event instead");
}

#[test]
fn files_are_short() {
    let lines = |source: &Source| source.text.lines().count();
    let long = all().into_iter().filter(|source| lines(source) > LONGEST);
    let shown = long.map(|source| format!("{}: {} lines", source.path, lines(&source))).collect();
    none(shown, "longer than 400 lines");
}

#[test]
fn every_crate_introduces_itself() {
    let mut crates = vec![root().join("bins")];
    let entries = fs::read_dir(root().join("crates")).unwrap();
    crates.extend(entries.map(|entry| entry.unwrap().path()));
    assert!(crates.len() > 3, "{crates:?}");
    for dir in crates {
        let manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap();
        let field = |name: &str| {
            let line =
                manifest.lines().find(|line| line.split([' ', '.', '=']).next() == Some(name));
            let line = line.unwrap_or_else(|| panic!("{} has no {name}", dir.display()));
            line.split('"').nth(1).unwrap_or_default()
        };
        assert!(field("description").len() > 20, "{}", dir.display());
        field("license");
        let readme = fs::read_to_string(dir.join(field("readme"))).unwrap_or_default();
        assert!(readme.lines().count() > 10, "{} has no README", dir.display());
        let library = fs::read_to_string(dir.join("src/lib.rs")).unwrap();
        let documented = library.starts_with("#![doc = include_str!") || library.starts_with("//!");
        assert!(documented, "{} has no crate documentation", dir.display());
    }
}
