use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use argh::{ArgsInfo, FromArgs};

use super::*;

/// a program
#[derive(FromArgs, ArgsInfo)]
#[allow(dead_code)]
struct Demo {
    /// repeats
    #[argh(option, arg_name = "SPEC")]
    port: Vec<At>,
    /// count
    #[argh(option, arg_name = "N")]
    max_spare: Option<At>,
    /// bytes
    #[argh(option, arg_name = "SIZE")]
    max_size: Option<At>,
    /// flag
    #[argh(switch)]
    fcgi: bool,
}

fn table() -> Table {
    Table::of::<Demo>("demo", &[], &[("max-spare", Kind::Count), ("max-size", Kind::Size)])
        .with_aliases(&[("children", "max-spare")])
}

fn cut(line: &str, posix: bool) -> (Vec<&'static str>, String, Vec<String>) {
    let words = line.split_whitespace().map(OsString::from).collect();
    let (split, problems) = split_gnu(&table(), words, posix);
    let operands: Vec<_> = split.operands.iter().map(|word| word.to_str().unwrap()).collect();
    (split.options.iter().map(|given| given.name).collect(), operands.join(" "), problems)
}

#[test]
fn the_first_operand_ends_the_options_or_not() {
    let line = "--port=1 --fcgi prog --port 2 -- --fcgi";
    assert_eq!(
        cut(line, true),
        (vec!["port", "fcgi"], "prog --port 2 -- --fcgi".to_owned(), vec![])
    );
    assert_eq!(cut(line, false), (vec!["port", "fcgi", "port"], "prog --fcgi".to_owned(), vec![]));
    let words = vec![OsString::from("--"), "-".into(), "--fcgi".into()];
    let (split, problems) = split_gnu(&table(), words, true);
    assert!(split.marked && problems.is_empty() && split.options.is_empty());
    assert_eq!(split.operands, ["-", "--fcgi"]);
    assert!(!split_gnu(&table(), vec!["-".into(), "--".into()], true).0.marked);
}

#[test]
fn abbreviations_aliases_and_values() {
    for (line, name) in [
        ("--p 1", "port"),
        ("--max-sp=1", "max-spare"),
        ("--max-size 1M", "max-size"),
        ("--children=3", "max-spare"),
        ("--f", "fcgi"),
        ("--port -1", "port"),
        ("--port - ", "port"),
    ] {
        assert_eq!(cut(line, true), (vec![name], String::new(), vec![]), "{line}");
    }
    let (split, _) = split_gnu(&table(), vec!["--max-si=2k".into()], true);
    assert_eq!(split.options[0].value, Some(Value::Size(2048)));
    let odd = vec![OsStr::from_bytes(b"--port=\xff=").to_owned()];
    let (split, _) = split_gnu(&table(), odd, true);
    let value = Value::Text(OsStr::from_bytes(b"\xff=").to_owned());
    assert_eq!(split.options[0].value, Some(value));
}

#[test]
fn every_problem_has_a_line_of_its_own() {
    for (line, said) in [
        ("--nothing-like-it", "unknown option --nothing-like-it"),
        ("--max_spare=3", "unknown option --max_spare; is --max-spare meant?"),
        ("--Max-Spares=3", "unknown option --Max-Spares; is --max-spare meant?"),
        ("--childen=3", "unknown option --childen; is --max-spare meant?"),
        ("--xy", "unknown option --xy"),
        ("--max-s=1", "option --max-s is ambiguous: --max-size, --max-spare"),
        ("--fcgi=1", "option --fcgi takes no value"),
        ("--port", "option --port needs a value: --port=SPEC"),
        ("--port --fcgi", "option --port needs a value: --port=SPEC"),
        ("--port=", "the value of --port is empty: --port=SPEC"),
        ("--max-spare=x", "--max-spare takes a whole number from 0, such as 3, not \"x\""),
        ("--max-size=x", "--max-size takes a number of bytes, such as 512M, not \"x\""),
        (
            "-h",
            "unknown option -h: options have two dashes, and a program whose name begins with \
             one comes after \"--\"",
        ),
    ] {
        assert_eq!(cut(line, true).2, [said], "{line}");
    }
    let (names, operands, problems) = cut("--max-spare=x --fcgi --bad --port=1 prog --bad", true);
    assert_eq!((names, operands.as_str()), (vec!["fcgi", "port"], "prog --bad"));
    assert_eq!(problems.len(), 2, "{problems:?}");
    let odd = vec![OsStr::from_bytes(b"--po\x1brt\n\xff=1").to_owned()];
    let problems = split_gnu(&table(), odd, true).1;
    assert!(problems[0].starts_with("unknown option --po?rt?\u{fffd}"), "{problems:?}");
}
