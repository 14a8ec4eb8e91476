//! Command lines whose outcome was recorded from Perl's program.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::*;

const RECORDED: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/getopt_cases.txt"));

/// `--status` is a flag of ours, hence no longer Perl's `--status-file` without a value.
const CHANGED: [&str; 2] = ["$ --Status", "P$ --status=F --version"];

#[derive(Debug, Default)]
struct Case {
    title: String,
    argv: Vec<OsString>,
    posix: bool,
    code: u8,
    errors: Vec<u8>,
    printed: String,
}

fn plain(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next().unwrap() {
            b'e' => {}
            b's' => out.push(b' '),
            b'n' => out.push(b'\n'),
            b'\\' => out.push(b'\\'),
            b'x' => {
                let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
            }
            other => panic!("escape {other}"),
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
                argv: words.map(|word| OsString::from_vec(plain(word))).collect(),
                posix: mark == "P$",
                ..Case::default()
            });
            continue;
        }
        let case = cases.last_mut().unwrap();
        match mark {
            "=" => case.code = rest.parse().unwrap(),
            "|" => case.errors.extend(plain(rest).into_iter().chain([b'\n'])),
            ">" => case.printed = rest.to_owned(),
            other => panic!("mark {other}"),
        }
    }
    cases
}

#[test]
fn says_what_perl_says() {
    let cases = cases();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let mut advised = 0;
    for case in cases {
        if CHANGED.contains(&case.title.as_str()) {
            continue;
        }
        let result = parse(case.argv, case.posix);
        let printed = match &result {
            Ok(Command::Help) => "help",
            Ok(Command::Version) => "version",
            Ok(other) => panic!("{}: {other:?}", case.title),
            Err(_) => "",
        };
        assert_eq!(printed, case.printed, "{}", case.title);
        let Err(mut error) = result else { continue };
        assert_eq!(error.code, case.code, "{}", case.title);
        if error.lines.last().unwrap().starts_with("start_server: to pass options") {
            error.lines.pop();
            advised += 1;
        }
        let expected = String::from_utf8_lossy(&case.errors);
        assert_eq!(format!("{error}\n"), expected, "{}", case.title);
    }
    assert!(advised >= 6, "{advised} with advice");
}

#[test]
fn the_changed_cases_are_recorded() {
    let titles: Vec<String> = cases().into_iter().map(|case| case.title).collect();
    for changed in CHANGED {
        assert!(titles.iter().any(|title| title == changed), "{changed}");
    }
    let argv = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let error = parse(argv(&["--Status"]), false).unwrap_err();
    assert_eq!(
        error.lines,
        ["--status option requires --pid-file or --status-file to be set as well"]
    );
    let error = parse(argv(&["--status=F", "--version"]), true).unwrap_err();
    assert_eq!(error.lines, ["Option status does not take an argument"]);
}
