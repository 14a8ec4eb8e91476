use super::*;

fn ask(line: &str) -> Result<Command, Vec<String>> {
    let words = line.split_whitespace().map(OsString::from).collect();
    parse(words).map_err(|error| {
        assert_eq!(error.code, 2, "{line}");
        error.lines
    })
}

fn at(place: Where, seconds: u64) -> Ask {
    Ask { place, timeout: Some(Duration::from_secs(seconds)) }
}

fn pid_file(seconds: u64) -> Ask {
    at(Where { pid_file: Some("p".into()), ..Where::default() }, seconds)
}

#[test]
fn every_verb() {
    let control = |seconds| at(Where { control: Some("c".into()), ..Where::default() }, seconds);
    let board = |seconds| at(Where { scoreboard: Some("b".into()), ..Where::default() }, seconds);
    let mut both = pid_file(10);
    both.place.scoreboard = Some("b".into());
    for (line, command) in [
        ("status --pid-file=p", Command::Status(pid_file(10), Format::Table)),
        ("status --pid-path p --auto", Command::Status(pid_file(10), Format::Auto)),
        ("status --json --control=c", Command::Status(control(10), Format::Json)),
        ("status --openm --scoreb=b", Command::Status(board(10), Format::OpenMetrics)),
        ("top --scoreboard-path b", Command::Top(board(10), Duration::from_secs(1))),
        ("top --control c --interval=.5", Command::Top(control(10), Duration::from_millis(500))),
        ("status --scoreboard b --pid-file p", Command::Status(both, Format::Table)),
        ("reload --pid-file=p", Command::Reload(pid_file(300))),
        ("stop --pid-file=p --timeout=7", Command::Stop(pid_file(7))),
        ("add 2 --pid-file=p", Command::Add(pid_file(10), 2)),
        ("remove --pid-file=p 1", Command::Remove(pid_file(10), 1)),
        ("signal --pid-file=p -- usr2", Command::Signal(pid_file(10), Signal::USR2)),
        ("signal 15 --pid-file=p", Command::Signal(pid_file(10), Signal::TERM)),
        ("stop --bad --help", Command::Help),
    ] {
        assert_eq!(ask(line), Ok(command), "{line}");
    }
    let Ok(Command::Reload(patient)) = ask("reload --timeout=0 --pid-file=p") else { panic!() };
    assert_eq!(patient.timeout, None);
}

#[test]
fn wrong_questions() {
    for (line, said) in [
        ("status", "status needs --pid-file=FILE or --control=FILE or --scoreboard=FILE"),
        ("reload", "reload needs --pid-file=FILE or --control=FILE"),
        (
            "stop --scoreboard=b",
            "stop needs --pid-file or --control; a scoreboard can only be read",
        ),
        ("top --pid-file=p --control=c", "--pid-file and --control each name a pool: give one"),
        ("reload --pid-file=p --json --auto", "--auto and --json is for status, not for reload"),
        ("status --pid-file=p --json --auto", "--auto and --json exclude each other"),
        ("status --pid-file=p --interval=2", "--interval is for top, not for status"),
        ("top --pid-file=p --timeout=2", "--timeout is for commands, not for top"),
        ("top --pid-file=p --interval=0", "--interval takes 0.1 seconds or more, not 0"),
        ("add --pid-file=p", "add N takes a number of workers from 1, not nothing"),
        ("add 0 --pid-file=p", "add N takes a number of workers from 1, not \"0\""),
        ("remove 1 2 --pid-file=p", "remove N takes a number of workers from 1, not \"1 2\""),
        (
            "signal TURM --pid-file=p",
            "signal SIG takes a signal's name or number, such as USR2, not \"TURM\"",
        ),
        (
            "stop now --pid-file=p",
            "stop takes options only, not \"now\"; for a program of the name stop write: \
             prefork-run [options] -- stop now",
        ),
        ("stop --pid-fil", "option --pid-file needs a value: --pid-file=FILE"),
        ("status --pid-file=p --workers=3", "unknown option --workers"),
    ] {
        assert_eq!(ask(line), Err(vec![format!("prefork-run: {said}")]), "{line}");
    }
    let several = ask("add x --json --timeout=x --pid-file=p --control=c").unwrap_err();
    assert_eq!(several.len(), 4, "{several:#?}");
}
