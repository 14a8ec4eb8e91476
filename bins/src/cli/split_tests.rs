use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};

use super::*;

/// a program
#[derive(FromArgs, ArgsInfo)]
struct Demo {
    /// repeats
    #[argh(option)]
    port: Vec<At>,
    /// text of Perl's
    #[argh(option)]
    state_file: Option<At>,
    /// integer
    #[argh(option)]
    depth: Option<At>,
    /// seconds
    #[argh(option)]
    wait: Option<At>,
    /// count
    #[argh(option)]
    tries: Option<At>,
    /// mode
    #[argh(option)]
    mode: Option<At>,
    /// new flag that begins an older name
    #[argh(switch)]
    state: bool,
    /// new name that an older one begins
    #[argh(option)]
    port_range: Option<At>,
    /// another
    #[argh(option)]
    port_real: Option<At>,
}

fn table() -> Table {
    let kinds = [
        ("depth", Kind::Integer),
        ("wait", Kind::Seconds),
        ("tries", Kind::Count),
        ("mode", Kind::Mode),
    ];
    Table::of::<Demo>("demo", &["port", "state-file", "help"], &kinds)
}

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn names(line: &str) -> Vec<&'static str> {
    let split = split(&table(), words(line), false).unwrap();
    split.options.iter().map(|given| given.name).collect()
}

fn refused(line: &str) -> Vec<String> {
    let error = split(&table(), words(line), false).unwrap_err();
    assert_eq!(error.code, 1);
    error.lines
}

#[test]
fn older_names_keep_their_abbreviations() {
    for (line, name) in [
        ("--p 1", "port"),
        ("--port 1", "port"),
        ("--port-ra 1", "port-range"),
        ("--sta 1", "state-file"),
        ("--stat=1", "state-file"),
        ("--state=1", "state-file"),
        ("--STATE=1", "state-file"),
        ("--state-file=1", "state-file"),
        ("--state", "state"),
        ("--w 1", "wait"),
        ("--h", "help"),
    ] {
        assert_eq!(names(line), [name], "{line}");
    }
    assert_eq!(refused("--port-r"), ["Option port-r is ambiguous (port-range, port-real)"]);
    assert_eq!(refused("--state="), ["Option state-file requires an argument"]);
}

#[test]
fn new_kinds_say_what_they_want() {
    for (line, said) in [
        (
            "--wait=-1",
            "Value \"-1\" invalid for option wait \
             (a number of seconds from 0, such as 10 or 0.5, expected)",
        ),
        (
            "--TRIES 1.5",
            "Value \"1.5\" invalid for option tries (a whole number from 0, such as 3, expected)",
        ),
        (
            "--mode=rw",
            "Value \"rw\" invalid for option mode (an octal file mode, such as 0660, expected)",
        ),
    ] {
        assert_eq!(refused(line), [said], "{line}");
    }
}

#[test]
fn a_number_that_is_not_text_is_one_error() {
    let argv = vec!["--wait".into(), OsStr::from_bytes(b"1\xff").to_owned()];
    let error = split(&table(), argv, false).unwrap_err();
    assert_eq!(error.lines.len(), 1);
    assert!(error.lines[0].starts_with("Value \"1\u{fffd}\" invalid for option wait ("));
}

#[test]
fn an_error_after_an_operand_adds_advice_once() {
    let advice = "demo: to pass options to the program, write \"--\" before it: \
                  demo [options] -- prog --foo=1";
    assert_eq!(
        refused("prog --foo=1 --bar"),
        ["Unknown option: foo", "Unknown option: bar", advice]
    );
    assert_eq!(refused("--foo prog"), ["Unknown option: foo"]);
    let odd = vec!["a\nb".into(), "--\u{1b}[2J".into()];
    let lines = split(&table(), odd, false).unwrap_err().lines;
    assert!(lines[1].ends_with("-- a?b --?[2J"), "{lines:?}");
}

#[test]
fn values_and_operands_keep_every_byte() {
    let bytes: Vec<u8> = (1..=255).collect();
    let odd = OsStr::from_bytes(&bytes);
    let mut attached = OsString::from("-PORT=");
    attached.push(odd);
    let argv = vec![attached, "--port".into(), odd.to_owned(), odd.to_owned()];
    let split = split(&table(), argv, false).unwrap();
    assert_eq!(split.operands, [odd]);
    let args: Arguments<Demo> = split.into_args(&table()).unwrap();
    let ports: Vec<_> = args.options.port.iter().map(|&at| args.values.text(Some(at))).collect();
    assert_eq!(ports, [Some(odd), Some(odd)]);
}

#[test]
fn the_last_one_counts_unless_all_do() {
    let line = "--port 1 --depth=1 --help x --port=help --depth -2_0 --wait .5 --tries=3 --mode=644 \
                --state --state --port-range=-- -- --port 3";
    let split = split(&table(), words(line), false).unwrap();
    assert!(split.gave("help") && !split.gave("state-file"));
    let args: Arguments<Demo> = split.into_args(&table()).unwrap();
    let Arguments { options, values, operands } = args;
    let ports: Vec<_> = options.port.iter().filter_map(|&at| values.text(Some(at))).collect();
    assert_eq!(ports, ["1", "help"]);
    assert!(options.port.is_sorted());
    assert_eq!(values.integer(options.depth), Some(-20));
    assert_eq!(values.seconds(options.wait), Some(Duration::from_millis(500)));
    assert_eq!(values.count(options.tries), Some(3));
    assert_eq!(values.mode(options.mode), Some(0o644));
    assert!(options.state);
    assert_eq!(values.text(options.port_range), Some(OsStr::new("--")));
    assert_eq!((options.state_file, options.port_real), (None, None));
    assert_eq!(values.text(options.depth), None, "asked for as another kind");
    assert_eq!(operands, ["x", "--port", "3"]);
}

#[test]
fn posix_stops_at_the_first_operand() {
    let split = split(&table(), words("--PORT 1 +port --port 2 -- x"), true).unwrap();
    assert_eq!(split.options.len(), 1);
    assert_eq!(split.operands, words("+port --port 2 -- x"));
}

#[test]
fn a_required_option_is_left_to_argh() {
    /// strict
    #[derive(FromArgs, ArgsInfo, Debug)]
    #[allow(dead_code)]
    struct Strict {
        /// needed
        #[argh(option)]
        name: At,
    }
    let table = Table::of::<Strict>("strict", &[], &[]);
    let error = Split::default().into_args::<Strict>(&table).unwrap_err();
    assert_eq!(error.code, 1);
    assert!(error.to_string().contains("--name"), "{error}");
    assert_eq!(table.get("name").map(|option| option.perl), Some(false));
}
