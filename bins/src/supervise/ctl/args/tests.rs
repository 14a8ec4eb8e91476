use super::*;
use crate::cli::UsageError;

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn run(line: &str) -> (Options, Vec<String>) {
    match parse(words(line)).unwrap() {
        Command::Run(options, words) => (*options, words),
        Command::Help => panic!("help: {line}"),
    }
}

fn request(line: &str) -> Result<Request, Misuse> {
    let (options, words) = run(line);
    read_words(&options, words)
}

fn action(line: &str) -> Action {
    request(line).unwrap_or_else(|misuse| panic!("{line}: {misuse:?}")).action
}

fn refused(line: &str) -> UsageError {
    parse(words(line)).unwrap_err()
}

fn names(of: &[&str]) -> Vec<String> {
    of.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_spelling_of_supervisorctl_is_understood() {
    let all = "-c a.conf -s unix:///s -u me -p secret -i -r hist";
    let long = "--configuration=a.conf --serverurl unix:///s --username=me --password secret \
                --interactive --history_file=hist";
    let short = "--conf a.conf --s unix:///s --u me --p=secret --int --hist hist";
    let clusters = "-ica.conf -sunix:///s -ume -psecret --history-file=hist";
    for line in [all, long, short, clusters] {
        let (options, words) = run(&format!("{line} status -x"));
        let expected = Options {
            configuration: Some("a.conf".into()),
            serverurl: Some("unix:///s".to_owned()),
            username: Some("me".to_owned()),
            password: Some("secret".to_owned()),
            interactive: true,
            ..Options::default()
        };
        assert_eq!((options, words), (expected, names(&["status", "-x"])), "{line}");
    }
    for line in ["-h", "-?", "--help", "-ih", "status --help", "--help status"] {
        assert_eq!(parse(words(line)), Ok(Command::Help), "{line}");
    }
    assert_eq!(run(""), (Options::default(), Vec::new()));
}

#[test]
fn long_options_may_follow_the_action() {
    let (options, left) = run("tail --json -f web --color=never -- --odd");
    assert!(options.json && options.color == When::Never);
    assert_eq!(left, names(&["tail", "-f", "web", "--odd"]));
    // An action in one word, as supervisorctl has it.
    let quoted = vec!["--verbose".into(), " stop  a b ".into()];
    let Ok(Command::Run(options, left)) = parse(quoted) else { panic!() };
    assert!(options.verbose);
    assert_eq!(left, names(&["stop", "a", "b"]));
    let request = request("restart --hot web --colour always --rolling").unwrap();
    let all = Action::Restart { names: names(&["web"]), rolling: true, hot: true };
    assert_eq!(request.action, all);
    assert_eq!(request.options, Options { color: When::Always, ..Options::default() });
}

#[test]
fn bad_options_are_refused_in_the_words_of_supervisorctl() {
    for (line, said) in [
        ("--nope", "option --nope not recognized"),
        ("-z status", "option -z not recognized"),
        ("-s", "option -s requires argument"),
        ("status --json=1", "option --json must not have an argument"),
        ("status --no-such", "option --no-such not recognized"),
        ("-i -i", "conflicting command line option '-i'"),
        (
            "-s unix:///a status --serverurl=unix:///b",
            "conflicting command line option '--serverurl'",
        ),
        (
            "-s ftp://x",
            "invalid value for -s 'ftp://x': unix:///PATH or http://HOST:PORT is expected",
        ),
        ("--color=blue", "invalid value for --color 'blue': auto, always or never is expected"),
        (
            "watch --interval=-1",
            "invalid value for --interval '-1': a number of seconds from 0, such as 2 or 0.5, is \
             expected",
        ),
        ("--rolling", "option --rolling belongs to the action restart"),
    ] {
        let UsageError { lines, code } = refused(line);
        let help = "For help, use supervise ctl -h".to_owned();
        assert_eq!((lines, code), (vec![format!("Error: {said}"), help], 2), "{line}");
    }
}

#[test]
fn each_action_takes_its_operands() {
    let all = |of: &[&str]| names(of);
    for (line, expected) in [
        ("status", Action::Status(vec![])),
        ("status a b:*", Action::Status(all(&["a", "b:*"]))),
        ("start all", Action::Start(all(&["all"]))),
        ("restart a", Action::Restart { names: all(&["a"]), rolling: false, hot: false }),
        ("reload", Action::Reload(vec![])),
        ("reload a", Action::Reload(all(&["a"]))),
        ("signal HUP a b", Action::Signal { signal: "HUP".to_owned(), names: all(&["a", "b"]) }),
        ("kill a", Action::Kill(all(&["a"]))),
        ("killme a", Action::Kill(all(&["a"]))),
        ("stat a", Action::Stat(all(&["a"]))),
        ("pid all", Action::Pid(all(&["all"]))),
        ("clear a", Action::Clear(all(&["a"]))),
        ("update", Action::Update(vec![])),
        ("add", Action::Add(vec![])),
        ("remove g", Action::Remove(all(&["g"]))),
        ("reread", Action::Reread),
        ("avail", Action::Avail),
        ("shutdown", Action::Shutdown),
        ("version", Action::Version),
        ("fg a", Action::Fg("a".to_owned())),
        ("open HTTP://h:1", Action::Open("HTTP://h:1".to_owned())),
        ("help", Action::Help(None)),
        ("?start", Action::Help(Some("start".to_owned()))),
        ("help no such", Action::Help(Some("no such".to_owned()))),
        ("completions fish", Action::Completions(Shell::Fish)),
        ("exit", Action::Exit),
        ("quit now", Action::Exit),
    ] {
        assert_eq!(action(line), expected, "{line}");
    }
}

#[test]
fn tails_are_read_as_supervisorctl_reads_them() {
    let tail = |name: &str, stream, amount| Action::Tail { name: name.to_owned(), stream, amount };
    for (line, expected) in [
        ("tail a", tail("a", Stream::Stdout, Amount::Last(1600))),
        ("tail a STDERR", tail("a", Stream::Stderr, Amount::Last(1600))),
        ("tail -100 a stdout", tail("a", Stream::Stdout, Amount::Last(100))),
        ("tail -f a stderr", tail("a", Stream::Stderr, Amount::Follow)),
        ("tail a b stderr", tail("a", Stream::Stderr, Amount::Last(1600))),
        ("maintail", Action::MainTail(Amount::Last(1600))),
        ("maintail -f", Action::MainTail(Amount::Follow)),
        ("maintail -7", Action::MainTail(Amount::Last(7))),
    ] {
        assert_eq!(action(line), expected, "{line}");
    }
}

#[test]
fn watch_takes_a_time() {
    for (line, of, milliseconds) in [
        ("watch", &[][..], 1_000),
        ("watch -n 2 a b", &["a", "b"], 2_000),
        ("watch -n.5 a", &["a"], 500),
        ("watch a --interval 0.25", &["a"], 250),
        ("watch a -n", &["a", "-n"], 1_000),
    ] {
        let interval = Duration::from_millis(milliseconds);
        assert_eq!(action(line), Action::Watch { names: names(of), interval }, "{line}");
    }
    let misuse = request("watch -n x").unwrap_err();
    assert_eq!(misuse.lines[0], "Error: watch -n takes a number of seconds, not 'x'");
    assert_eq!((misuse.code, misuse.asks_first), (2, false));
}

/// The first line, the number of lines of help behind it, the code, whether the server is asked first.
#[test]
fn missing_and_odd_operands_have_the_texts_and_codes_of_supervisorctl() {
    for (line, said, help, code, asks_first) in [
        ("start", "Error: start requires a process name", 4, 2, true),
        ("stop", "Error: stop requires a process name", 4, 1, true),
        ("restart", "Error: restart requires a process name", 9, 1, true),
        ("clear", "Error: clear requires a process name", 3, 1, true),
        ("stat", "Error: stat requires a process name", 1, 2, true),
        ("signal HUP", "Error: signal requires a signal name and a process name", 4, 1, true),
        ("tail", "Error: too few arguments", 6, 1, true),
        ("tail a b c d", "Error: too many arguments", 6, 1, true),
        ("tail -f", "Error: tail requires process name", 0, 1, true),
        ("tail a foo", "Error: bad channel 'foo'", 0, 1, true),
        ("tail -x a", "Error: bad argument -x", 0, 1, true),
        ("tail - a", "Error: bad argument -", 0, 1, true),
        ("maintail x", "Error: bad argument x", 0, 1, true),
        ("maintail -1 -2", "Error: too many arguments", 4, 1, true),
        ("reread x", "Error: reread accepts no arguments", 1, 1, false),
        ("avail x", "Error: avail accepts no arguments", 1, 1, false),
        ("version x", "Error: version accepts no arguments", 1, 1, false),
        ("shutdown x", "Error: shutdown accepts no arguments", 1, 1, false),
        ("fg", "ERROR: no process name supplied", 2, 1, true),
        ("fg a b", "ERROR: too many process names supplied", 0, 1, true),
        ("open", "ERROR: url must be http:// or unix://", 0, 1, false),
        ("open ftp://x", "ERROR: url must be http:// or unix://", 0, 1, false),
        ("completions", "Error: completions requires bash, zsh or fish", 0, 2, false),
        ("status --rolling", "Error: option --rolling belongs to the action restart", 0, 2, false),
    ] {
        let misuse = request(line).unwrap_err();
        assert_eq!(misuse.lines[0], said, "{line}");
        assert_eq!(misuse.lines.len(), help + 1, "{line}: {:?}", misuse.lines);
        assert_eq!((misuse.code, misuse.asks_first), (code, asks_first), "{line}");
        assert_eq!(misuse.advice, None, "{line}");
    }
}

#[test]
fn an_unknown_action_gets_a_word_of_advice() {
    for (line, advice) in [
        ("frobnicate x", "supervise ctl: \"help\" lists the actions"),
        ("statsu x", "supervise ctl: is status meant?"),
        ("Start x", "supervise ctl: is start meant?"),
    ] {
        let misuse = request(line).unwrap_err();
        assert_eq!(misuse.lines, [format!("*** Unknown syntax: {line}")]);
        assert_eq!(misuse.advice.as_deref(), Some(advice), "{line}");
        assert_eq!((misuse.code, misuse.asks_first), (1, false));
    }
}

#[test]
fn a_line_at_the_prompt_has_options_of_its_own() {
    let (always, _) = run("-s unix:///s --color=always");
    let read = |line| read_line(&always, line);
    assert_eq!(read("  "), Ok(None));
    let json = read("restart a --rolling --json").unwrap().unwrap();
    assert_eq!(json.options, Options { json: true, ..always.clone() });
    let expected = Action::Restart { names: names(&["a"]), rolling: true, hot: false };
    assert_eq!(json.action, expected);
    assert_eq!(read("status").unwrap().unwrap().options, always, "the line before does not count");
    let never = read("status --color never").unwrap().unwrap();
    assert_eq!(never.options.color, When::Never);
    for (line, said) in [
        ("status --serverurl=unix:///t", "Error: option --serverurl not recognized"),
        ("status --password x", "Error: option --password not recognized"),
        ("status --color", "Error: option --color requires argument"),
        ("--json", "Error: an action is missing"),
    ] {
        let misuse = read(line).map(|request| assert_eq!(request, None)).unwrap_err();
        assert_eq!((misuse.lines[0].as_str(), misuse.code), (said, 2), "{line}");
    }
}

#[test]
fn the_table_of_actions_is_sorted_and_complete() {
    assert!(ACTIONS.is_sorted_by(|one, next| one.name < next.name));
    for info in ACTIONS {
        // None of them is taken for `watch`, which is the last one looked for.
        let line = format!("{} --interval=1", info.name);
        assert_eq!(request(&line).is_ok(), info.name == "watch", "{line}");
        assert!(!info.help.is_empty() && !info.about.ends_with('.'), "{}", info.name);
        for option in info.options {
            assert!(option_table().iter().any(|known| known.name == *option), "{option}");
        }
        let first = info.help[0];
        assert!(first.starts_with(info.name) || info.name == "killme", "{first}");
    }
}
