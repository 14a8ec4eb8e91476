use super::*;

fn refused(words: &[&str]) -> Vec<String> {
    let error = parse(words.iter().map(OsString::from).collect()).expect_err(&format!("{words:?}"));
    assert_eq!(error.code, 2, "{words:?}");
    let line = |line: &String| {
        assert!(!line.contains('\n'), "{line}");
        line.strip_prefix("prefork-run: ").unwrap().to_owned()
    };
    error.lines.iter().map(line).collect()
}

/// One wrong thing, one line.
fn says(table: &[(&str, &str)]) {
    for (line, said) in table {
        let mut words: Vec<_> = line.split(' ').filter(|word| !word.is_empty()).collect();
        words.push("prog");
        assert_eq!(refused(&words), [*said], "{line}");
    }
}

#[test]
fn values() {
    says(&[
        ("--listen=70000", "invalid ``port'' value:70000: the highest port is 65535"),
        ("--workers=-1", "--workers takes a whole number from 0, such as 3, not \"-1\""),
        ("--max-rss=1.5G", "--max-rss takes a number of bytes, such as 512M, not \"1.5G\""),
        ("--umask=9", "--umask takes an octal file mode, such as 0660, not \"9\""),
        ("--max-pressure=101", "--max-pressure takes a percentage from 0 to 100, not 101"),
        ("--memory-every=0", "--memory-every takes 0.1 seconds or more, not 0"),
        ("--reload=fast", "--reload takes all, rolling or replace, not \"fast\""),
        ("--orphans=kill", "--orphans takes leave or stay, not \"kill\""),
        (
            "--stop-signal=TURM",
            "--stop-signal takes a signal's name, such as TERM or RTMIN+3, or its number, 1 to 64, \
             not \"TURM\"",
        ),
        (
            "--stop-signal=STOP",
            "--stop-signal=STOP would not make a worker leave: take TERM, QUIT, INT, USR1 or \
             whatever it leaves on",
        ),
        (
            "--request-timeout=5:x",
            "--request-timeout takes seconds, and perhaps more seconds until KILL, such as 30 or \
             30:5, not \"5:x\"",
        ),
        ("--user=a:b", "--user takes a user name or number, not \"a:b\""),
        ("--path-owner=a:", "--path-owner takes USER, USER:GROUP or :GROUP, not \"a:\""),
        ("--error-log=|", "--error-log takes a file, or a command after \"|\", not \"|\""),
        (
            "--on-client-disconnect=signal:X",
            "--on-client-disconnect takes log, signal:SIG (a name such as USR1) or a shell command, \
             not \"signal:X\"",
        ),
    ]);
    assert_eq!(refused(&["--title=a\nb", "prog"]), ["--title takes one line of text, not \"a?b\""]);
}

#[test]
fn traps() {
    let form = |text| {
        format!(
            "--trap takes SIG=SIG, SIG=SIG:SECONDS or SIG=none, such as HUP=TERM:0.5, not \"{text}\""
        )
    };
    for text in ["HUP", "HUP=", "=TERM", "HUP=NO", "HUP=TERM:", "HUP=TERM:x", "HUP=none:1"] {
        assert_eq!(refused(&["--trap", text, "prog"]), [form(text)], "{text}");
    }
    says(&[
        (
            "--trap=KILL=TERM",
            "--trap: a manager cannot be told anything by KILL: take HUP, USR2 or the like",
        ),
        (
            "--trap=TERM=none",
            "--trap=TERM=none would leave no way to stop: name the signal that workers get",
        ),
        ("--trap=HUP=TERM --trap=1=QUIT", "--trap says twice what HUP does: leave one"),
    ]);
}

#[test]
fn what_does_not_go_together() {
    says(&[
        (
            "--workers=3 --min-spare=1",
            "--workers and --min-spare exclude each other: a pool is of a fixed size, has spare \
             workers, or starts them on demand",
        ),
        (
            "--workers=0 --on-demand --min-spare=1",
            "--workers and --min-spare and --on-demand exclude each other: a pool is of a fixed \
             size, has spare workers, or starts them on demand",
        ),
        ("--max-spare=4", "--max-spare needs --min-spare"),
        (
            "--start-workers=4",
            "--start-workers needs --min-spare or --on-demand; a fixed pool starts --workers",
        ),
        (
            "--min-spare=0",
            "--min-spare takes 1 or more; --on-demand starts workers when somebody connects",
        ),
        (
            "--max-workers=0",
            "--max-workers takes 1 or more; --workers=0 runs one worker without a pool",
        ),
        ("--min-spare=5 --max-spare=4", "--min-spare=5 is more than --max-spare=4"),
        ("--min-spare=5 --max-workers=4", "--min-spare=5 is more than --max-workers=4"),
        ("--workers=5 --max-workers=4", "--workers=5 is more than --max-workers=4"),
        (
            "--on-demand --start-workers=5 --max-workers=4",
            "--start-workers=5 is more than --max-workers=4",
        ),
        (
            "--workers=1000000 --max-extra=99999",
            "1000000 workers (--max-workers) and 99999 extra ones (--max-extra) are more than the \
             1048576 that a scoreboard has room for",
        ),
        ("--max-requests-jitter=4", "--max-requests-jitter needs --max-requests"),
        ("--request-signal=INT", "--request-signal needs --request-timeout"),
        ("--slow-log=f", "--slow-log needs --slow-after or --request-timeout"),
        ("--reload=replace --reload-interval=1", "--reload-interval needs --reload=rolling"),
        ("--auto-reload-command=x", "--auto-reload-command needs --auto-reload"),
        (
            "--daemonize",
            "--daemonize needs --error-log (a file, \"|command\" or /dev/null): nobody would see \
             what is wrong",
        ),
        ("--fcgi --listen=u53", "--fcgi needs a stream socket, and the first listener, 53, is UDP"),
        (
            "--fcgi --listen=81 --listen=82=0",
            "--fcgi makes the first listener descriptor 0, and another one asks for it by \"=0\"",
        ),
        (
            "--scoreboard=f --separate-slots",
            "--separate-slots and --scoreboard exclude each other: a file is in one piece",
        ),
        ("--pid-file=f --control=f", "--pid-file and --control name the same file, f"),
        ("--path=/s --scoreboard=/s", "--scoreboard and --path name the same file, /s"),
        (
            "--workers=0 --pid-file=f",
            "--pid-file needs a manager, and --workers=0 leaves none; --workers=1 has one",
        ),
    ]);
    assert_eq!(
        parse(vec![
            "--slow-log=f".into(),
            "--error-log=f".into(),
            "--slow-after=1".into(),
            "x".into()
        ])
        .map(|_| ()),
        Ok(())
    );
    assert_eq!(
        parse(vec!["--fcgi".into(), "--listen=81=0".into(), "x".into()]).map(|_| ()),
        Ok(())
    );
}

#[test]
fn programs() {
    let none = "no program given: prefork-run [options] -- program [argument ...]";
    for words in [&[][..], &["--fcgi"], &["--"], &[""]] {
        assert_eq!(refused(words), [none], "{words:?}");
    }
    assert_eq!(
        refused(&["--pid-file=p", "status"]),
        ["\"status\" must be the first word: prefork-run status --pid-file=FILE; for a program \
             of that name write: -- status"]
    );
}

#[test]
fn one_run_shows_everything() {
    let said =
        refused(&["--nonsense", "--workers=x", "--reload=y", "--trap=z", "--min-spare=0", "a"]);
    let begins = ["unknown option --nonsense", "--workers takes", "--reload takes", "--trap takes"];
    assert_eq!(said.len(), begins.len(), "what goes together comes later: {said:#?}");
    for (line, begin) in said.iter().zip(begins) {
        assert!(line.starts_with(begin), "{line}");
    }
    let said = refused(&["--max-spare=1", "--daemonize", "--slow-log=s", "--pid-file=s", "a"]);
    assert_eq!(said.len(), 4, "{said:#?}");
}
