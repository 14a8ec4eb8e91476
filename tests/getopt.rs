//! Command lines recorded from Perl's program, with our program and, where it is installed, Perl's.

use std::ffi::OsString;
use std::path::Path;
use std::thread;

use crate::bad_case::bytes;
use crate::sandbox::{Finished, Launch, Sandbox};

const RECORDED: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/getopt_cases.txt"));

/// `--status` is a flag of ours, hence no longer Perl's `--status-file` without a value.
const CHANGED: [&str; 2] = ["$ --Status", "P$ --status=F --version"];

/// Starts of Perl cost 45 ms and more.
const OF_PERL: usize = 60;

#[derive(Debug, Default)]
struct Case {
    /// The line of the file.
    title: String,
    words: Vec<OsString>,
    posix: bool,
    code: i32,
    /// Lines of standard error.
    errors: Vec<String>,
    /// `version`, `help` or nothing.
    printed: String,
}

/// Replaces the escapes that the head of the file explains.
fn plain(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match rest.next().unwrap() {
            b'e' => {}
            b's' => out.push(b' '),
            b'n' => out.push(b'\n'),
            b'\\' => out.push(b'\\'),
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                let digits = std::str::from_utf8(&digits).unwrap();
                out.push(u8::from_str_radix(digits, 16).unwrap());
            }
            other => panic!("{text}: escape {other}"),
        }
    }
    out
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in RECORDED.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        if mark == "$" || mark == "P$" {
            let words = rest.split(' ').filter(|word| !word.is_empty());
            cases.push(Case {
                title: line.to_owned(),
                words: words.map(|word| bytes(&plain(word))).collect(),
                posix: mark == "P$",
                ..Case::default()
            });
            continue;
        }
        let case = cases.last_mut().unwrap();
        match mark {
            "=" => case.code = rest.parse().unwrap(),
            "|" => {
                case.errors.push(String::from_utf8_lossy(&plain(rest)).into_owned());
            }
            ">" => case.printed = rest.to_owned(),
            other => panic!("{line}: mark {other}"),
        }
    }
    assert!(cases.len() >= 150, "{} cases", cases.len());
    cases
}

/// As our messages show control characters.
fn shown(line: &str) -> String {
    let escaped = line.chars().map(|c| match c {
        '\t' => c.to_string(),
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    });
    escaped.collect()
}

fn run(case: &Case, launch: Launch) -> Finished {
    let launch = launch.args(&case.words);
    let launch = if case.posix {
        launch.env("POSIXLY_CORRECT", "1")
    } else {
        launch.env_remove("POSIXLY_CORRECT")
    };
    launch.output()
}

/// Does the same for all cases, on two threads: the programs do the work.
fn with_each(cases: &[Case], check: impl Fn(&Case) + Sync) {
    let (check, half) = (&check, cases.len() / 2);
    thread::scope(|scope| {
        let halves = cases.split_at(half);
        for part in [halves.0, halves.1] {
            scope.spawn(move || part.iter().for_each(check));
        }
    });
}

#[test]
fn getopt_of_ours_says_what_perl_said() {
    let sandbox = Sandbox::new("getopt");
    with_each(&cases(), |case| {
        if CHANGED.contains(&case.title.as_str()) {
            return;
        }
        let finished = run(case, sandbox.start_server());
        let title = &case.title;
        assert_eq!(finished.code, Some(case.code), "{title}: {finished:?}");
        let mut lines: Vec<&str> = finished.stderr.lines().collect();
        // What Perl does not say: how such words are passed to the program.
        lines.retain(|line| !line.starts_with("start_server: to pass options"));
        // A message of ours is one line, whatever a word contains.
        let mut text = lines.join("\n");
        if title.contains("\\n") {
            text = text.replace("\\n", "\n");
        }
        let recorded: Vec<String> = case.errors.iter().map(|line| shown(line)).collect();
        assert_eq!(text, recorded.join("\n"), "{title}: left: ours, right: Perl's");
        match case.printed.as_str() {
            "version" => {
                assert_eq!(finished.stdout, concat!(env!("CARGO_PKG_VERSION"), "\n"), "{title}");
            }
            "help" => assert!(finished.stdout.contains("--port"), "{title}: {finished:?}"),
            _ => assert_eq!(finished.stdout, "", "{title}"),
        }
    });
    assert!(sandbox.names().is_empty(), "{:?}", sandbox.names());
}

#[test]
fn getopt_of_ours_where_it_differs() {
    let sandbox = Sandbox::new("getopt-changed");
    let cases = cases();
    let changed = |title: &str| cases.iter().find(|case| case.title == title).unwrap();
    let finished = run(changed(CHANGED[0]), sandbox.start_server());
    assert_eq!(finished.code, Some(255), "{finished:?}");
    assert!(finished.stderr.starts_with("--status option requires --pid-file"), "{finished:?}");
    let finished = run(changed(CHANGED[1]), sandbox.start_server());
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(finished.stderr, "Option status does not take an argument\n", "{finished:?}");
}

/// The record is true: a sample of it, another one each time.
#[test]
fn getopt_of_perl_says_what_was_recorded() {
    if !Path::new("/usr/bin/start_server").exists() {
        eprintln!("skipped: no /usr/bin/start_server (libserver-starter-perl)");
        return;
    }
    let sandbox = Sandbox::new("getopt-perl");
    let seed = fastrand::u64(..);
    let mut cases = cases();
    fastrand::Rng::with_seed(seed).shuffle(&mut cases);
    with_each(&cases[..OF_PERL], |case| {
        let finished = run(case, sandbox.perl_start_server());
        let title = format!("{} (seed {seed})", case.title);
        assert_eq!(finished.code, Some(case.code), "{title}: {finished:?}");
        let lines: Vec<&str> = finished.stderr.lines().collect();
        assert_eq!(lines, case.errors, "{title}: left: Perl's, right: recorded");
        match case.printed.as_str() {
            "version" => assert_eq!(finished.stdout, "0.35\n", "{title}"),
            "help" => assert!(finished.stdout.contains("--port"), "{title}: {finished:?}"),
            _ => assert_eq!(finished.stdout, "", "{title}"),
        }
    });
    assert!(sandbox.names().is_empty(), "{:?}", sandbox.names());
}
