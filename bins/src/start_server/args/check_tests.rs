use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::*;

fn run(words: &[&str]) -> Result<Command, UsageError> {
    parse(words.iter().map(OsString::from).collect(), false)
}

fn start(words: &[&str]) -> StartOptions {
    match run(&[words, &["--", "prog"]].concat()) {
        Ok(Command::Start(options)) => *options,
        other => panic!("{words:?}: {other:?}"),
    }
}

fn refused(words: &[&str]) -> Vec<String> {
    let error = run(&[words, &["--", "prog"]].concat()).expect_err(&format!("{words:?}"));
    assert_eq!(error.code, 255, "{words:?}");
    error.lines
}

fn file(name: &str) -> Option<PathBuf> {
    Some(PathBuf::from(name))
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn nothing_but_a_program() {
    assert_eq!(
        start(&[]),
        StartOptions {
            listeners: vec![],
            program: "prog".into(),
            args: vec![],
            dir: None,
            interval: secs(1),
            signal_on_hup: Signal::TERM,
            signal_on_term: Signal::TERM,
            pid_file: None,
            status_file: None,
            log: None,
            envdir: None,
            daemonize: false,
            auto_restart: false,
            auto_restart_interval: None,
            kill_old_delay: None,
            backlog: None,
            start_timeout: START_TIMEOUT,
            restart_attempts: None,
            backoff_max: BACKOFF_MAX,
            kill_timeout: None,
            max_generations: None,
            user: None,
            group: None,
            path_mode: None,
            path_owner: None,
            no_new_privs: false,
        }
    );
}

/// Each option differs from its default here, so that a kind declared wrongly shows.
#[test]
fn every_option() {
    let words = "prog --path=/b --port=8080 --listen=127.0.0.1:81 a --path ./a --port u53 \
        --dir=d --interval=2 --signal-on-hup=sigusr1 --signal-on-term=3 --pid-file=p \
        --status-file=s --log-file=l --envdir=e --daemonize --enable-auto-restart \
        --auto-restart-interval=-4 --kill-old-delay=+1_0 --backlog=5 --start-timeout=0.25 \
        --restart-attempts=6 --backoff-max=7 --kill-timeout=8 --max-generations=9 --user=www \
        --group=0 --path-mode=0660 --path-owner=www:adm --no-new-privs --json \
        --restart-timeout=1 -- --port=9 --";
    let words: Vec<_> = words.split_whitespace().collect();
    let Ok(Command::Start(options)) = run(&words) else { panic!() };
    let port = |text| ListenSpec::from_port(text).unwrap();
    let path = |text: &str| ListenSpec::from_path(OsStr::new(text)).unwrap();
    assert_eq!(
        *options,
        StartOptions {
            listeners: vec![
                port("8080"),
                port("127.0.0.1:81"),
                port("u53"),
                path("/b"),
                path("./a")
            ],
            program: "prog".into(),
            args: vec!["a".into(), "--port=9".into(), "--".into()],
            dir: file("d"),
            interval: secs(2),
            signal_on_hup: Signal::USR1,
            signal_on_term: Signal::QUIT,
            pid_file: file("p"),
            status_file: file("s"),
            log: Some(LogTarget::File("l".into())),
            envdir: file("e"),
            daemonize: true,
            auto_restart: true,
            auto_restart_interval: Some(-4),
            kill_old_delay: Some(10),
            backlog: Some(5),
            start_timeout: Duration::from_millis(250),
            restart_attempts: Some(6),
            backoff_max: secs(7),
            kill_timeout: Some(secs(8)),
            max_generations: Some(9),
            user: Some("www".into()),
            group: Some("0".into()),
            path_mode: Some(0o660),
            path_owner: Some("www:adm".into()),
            no_new_privs: true,
        }
    );
}

#[test]
fn zeros_and_extremes() {
    assert_eq!(start(&["--interval=-3"]).interval, Duration::ZERO);
    assert_eq!(start(&["--interval=0"]).interval, Duration::ZERO);
    assert_eq!(start(&["--interval=99999999999999999999"]).interval, crate::cli::LONGEST);
    for (text, backlog) in [
        ("0", None),
        ("-1", Some(-1)),
        ("4294967296", Some(i32::MAX)),
        ("-4294967296", Some(i32::MIN)),
    ] {
        assert_eq!(start(&["--backlog", text]).backlog, backlog, "{text}");
    }
    let none = start(&[
        "--restart-attempts=0",
        "--max-generations=0",
        "--kill-timeout=0.0",
        "--start-timeout=0",
        "--backoff-max=0",
    ]);
    assert_eq!(
        (none.restart_attempts, none.max_generations, none.kill_timeout),
        (None, None, None)
    );
    assert_eq!((none.start_timeout, none.backoff_max), (Duration::ZERO, Duration::ZERO));
}

#[test]
fn names_that_perl_takes_for_none() {
    for empty in ["", "0"] {
        let options = start(&[
            "--pid-file",
            empty,
            "--status-file",
            empty,
            "--log-file",
            empty,
            "--signal-on-hup",
            empty,
            "--signal-on-term",
            empty,
            "--envdir",
            empty,
            "--dir",
            empty,
            "--daemonize",
        ]);
        assert_eq!((options.pid_file, options.status_file, options.log), (None, None, None));
        assert_eq!((options.signal_on_hup, options.signal_on_term), (Signal::TERM, Signal::TERM));
        assert_eq!((options.envdir, options.dir), (file(empty), file(empty)));
    }
}

#[test]
fn signals() {
    for (text, signal) in [
        ("hup", Signal::HUP),
        ("SIGINT", Signal::INT),
        ("sigQuit", Signal::QUIT),
        ("10", Signal::USR1),
        ("SIG12", Signal::USR2),
        ("KILL", Signal::KILL),
    ] {
        assert_eq!(start(&["--signal-on-hup", text]).signal_on_hup, signal, "{text}");
    }
    for text in ["FOO", "-TERM", " TERM", "SIGSIGTERM", "SIG", "SIG0", "00", "65", "€UR"] {
        let line = format!("unknown signal name for --signal-on-term: {text}");
        assert_eq!(refused(&["--signal-on-term", text]), [line]);
    }
    let line = "unknown signal name for --signal-on-hup: A?B";
    assert_eq!(refused(&["--signal-on-hup=A\nB"]), [line]);
}

#[test]
fn log_files_and_commands() {
    let command = |text: &str| Some(LogTarget::Command(text.into()));
    for (text, log) in [
        ("a.log", Some(LogTarget::File("a.log".into()))),
        (" a|b", Some(LogTarget::File(" a|b".into()))),
        ("00", Some(LogTarget::File("00".into()))),
        ("|cat", command("cat")),
        (" \t\n|\x0b\x0c exec cat | tee b ", command("exec cat | tee b ")),
        ("||x", command("|x")),
    ] {
        assert_eq!(start(&["--log-file", text]).log, log, "{text:?}");
    }
    assert_eq!(refused(&["--log-file= | "]), ["--log-file: a command must follow the \"|\""]);
}

#[test]
fn all_bad_values_are_told_at_once() {
    let lines = refused(&[
        "--port=x",
        "--path",
        "",
        "--port=80",
        "--signal-on-hup=A",
        "--user",
        "",
        "--group",
        "",
        "--path-owner=:",
    ]);
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert!(lines[0].starts_with("invalid ``port'' value:x"), "{lines:?}");
    assert!(lines[1].starts_with("invalid ``path'' value:"), "{lines:?}");
    assert_eq!(
        lines[2..],
        [
            "unknown signal name for --signal-on-hup: A",
            "--user takes a user name or number, not \"\"",
            "--group takes a group name or number, not \"\"",
            "--path-owner takes USER, USER:GROUP or :GROUP, not \":\"",
        ]
    );
    for owner in ["", "a:", "a:b:c", ":"] {
        assert_eq!(refused(&["--path-owner", owner]).len(), 1, "{owner}");
    }
    for owner in ["a", "0", "a:b", ":b", "-"] {
        assert_eq!(start(&["--path-owner", owner]).path_owner.as_deref(), Some(owner));
    }
}

#[test]
fn file_names_keep_every_byte_and_names_must_be_text() {
    let odd = OsStr::from_bytes(b"/tmp/\xff\xfe");
    let given = |option: &str| {
        let argv = vec![option.into(), odd.to_owned(), odd.to_owned(), odd.to_owned()];
        parse(argv, false)
    };
    let options = |option| match given(option) {
        Ok(Command::Start(options)) => {
            assert_eq!(
                (options.program.as_os_str(), options.args.as_slice()),
                (odd, &[odd.into()][..])
            );
            *options
        }
        other => panic!("{option}: {other:?}"),
    };
    assert_eq!(options("--dir").dir, Some(odd.into()));
    assert_eq!(options("--pid-file").pid_file, Some(odd.into()));
    assert_eq!(options("--status-file").status_file, Some(odd.into()));
    assert_eq!(options("--envdir").envdir, Some(odd.into()));
    assert_eq!(options("--log-file").log, Some(LogTarget::File(odd.into())));
    assert_eq!(options("--path").listeners, [ListenSpec::from_path(odd).unwrap()]);
    for option in ["--port", "--listen", "--signal-on-hup", "--user", "--group", "--path-owner"] {
        let error = given(option).unwrap_err();
        assert_eq!((error.lines.len(), error.code), (1, 255), "{option}");
    }
    for option in ["--interval", "--kill-timeout", "--max-generations", "--path-mode"] {
        let error = given(option).unwrap_err();
        assert_eq!((error.lines.len(), error.code), (1, 1), "{option}");
    }
}

#[test]
fn helpers_and_what_they_need() {
    let files = ["--pid-file=p", "--status-file=s", "--port=junk", "--json", "prog"];
    let with = |words: &[&str]| run(&[&files, words].concat()).unwrap();
    let restart = |timeout| {
        Command::Restart(RestartOptions { pid_file: "p".into(), status_file: "s".into(), timeout })
    };
    assert_eq!(with(&["--stop", "--restart"]), restart(Some(RESTART_TIMEOUT)));
    assert_eq!(with(&["--restart", "--restart-timeout=1.5"]), {
        restart(Some(Duration::from_millis(1500)))
    });
    assert_eq!(with(&["--restart", "--restart-timeout=0"]), restart(None));
    assert_eq!(with(&["--status", "--stop"]), Command::Stop(StopOptions { pid_file: "p".into() }));
    let status = StatusOptions { pid_file: file("p"), status_file: file("s"), json: true };
    let asked = run(&[&files[..4], &["--status", "--daemonize", "--"]].concat());
    assert_eq!(asked, Ok(Command::Status(status)));
    assert_eq!(with(&["--status", "--version"]), Command::Version);
    assert_eq!(with(&["--version", "--stop", "--help"]), Command::Help);
    for one in ["--pid-file=f", "--status-file=f", "--status=f"] {
        let Ok(Command::Status(options)) = run(&["--status", one]) else { panic!("{one}") };
        let pid_file = if one == "--pid-file=f" { file("f") } else { None };
        let status_file = if one == "--pid-file=f" { None } else { file("f") };
        assert_eq!(options, StatusOptions { pid_file, status_file, json: false });
    }
    let error = run(&["--status", "--pid-file=0"]).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.code),
        ("--status option requires --pid-file or --status-file to be set as well", 255)
    );
    // Perl's --status FILE.
    let error = run(&["--status", "s", "--pid-file=p", "--", "prog"]).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.code),
        ("--status option takes no program; the file is named by --status-file=FILE", 255)
    );
}
