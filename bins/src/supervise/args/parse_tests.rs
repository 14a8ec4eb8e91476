use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::*;

fn world() -> World {
    World {
        env: vec![("HOME".to_owned(), "/usr".to_owned())],
        cwd: "/tmp".into(),
        host_node_name: "vm".to_owned(),
        uid: 0,
    }
}

fn run(words: &[&str]) -> Result<Command, UsageError> {
    parse("/usr/bin/supervise", words.iter().map(OsString::from).collect(), &world())
}

fn options(words: &[&str]) -> Options {
    match run(words) {
        Ok(Command::Run(options)) => *options,
        other => panic!("{words:?}: {other:?}"),
    }
}

fn own(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn nothing_asks_for_nothing() {
    assert_eq!(options(&[]), Options::default());
    assert_eq!(options(&["--"]), Options::default());
}

#[test]
fn every_option_sets_what_it_names() {
    let all = Overrides {
        nodaemon: Some(true),
        silent: Some(true),
        user: own("nobody"),
        umask: own("0o27"),
        directory: own("~/bin"),
        logfile: own("main.log"),
        logfile_maxbytes: own("10 mb"),
        logfile_backups: own(" 3 "),
        loglevel: own("WARN"),
        pidfile: own("/tmp/x.pid"),
        identifier: own("%(x)s"),
        childlogdir: own("."),
        minfds: own("1_024"),
        minprocs: own("-1"),
        nocleanup: Some(true),
        strip_ansi: Some(true),
    };
    let short = [
        "-ns",
        "-unobody",
        "-m",
        "0o27",
        "-d~/bin",
        "-l",
        "main.log",
        "-y10 mb",
        "-z",
        " 3 ",
        "-eWARN",
        "-j",
        "/tmp/x.pid",
        "-i%(x)s",
        "-q.",
        "-a",
        "1_024",
        "--minprocs",
        "-1",
        "-kt",
        "-cx.conf",
    ];
    let long = [
        "--nodaemon",
        "--silent",
        "--user=nobody",
        "--umask=0o27",
        "--directory=~/bin",
        "--logfile=main.log",
        "--logfile_maxbytes=10 mb",
        "--logfile_backups= 3 ",
        "--loglevel=WARN",
        "--pidfile=/tmp/x.pid",
        "--identifier=%(x)s",
        "--childlogdir=.",
        "--minfds=1_024",
        "--minprocs=-1",
        "--nocleanup",
        "--strip_ansi",
        "--configuration=x.conf",
    ];
    let file = Some("x.conf".into());
    let expected = Options { file, overrides: all, ..Options::default() };
    assert_eq!(options(&short), expected);
    assert_eq!(options(&long), expected);
}

#[test]
fn ours_and_those_of_the_perl_original() {
    let asked =
        options(&["--state", "kept", "--dump-config", "--format=perl", "--config", "s.ini"]);
    assert_eq!(
        asked,
        Options {
            file: Some("s.ini".into()),
            format: Some(Format::Perl),
            dump_config: true,
            state: Some("kept".into()),
            ..Options::default()
        }
    );
    assert_eq!(options(&["--format=supervisord"]).format, Some(Format::Supervisord));
    assert_eq!(options(&["--debug"]).overrides.loglevel, own("debug"));
    let bytes = vec!["-c".into(), OsString::from_vec(b"\xff".to_vec())];
    let Ok(Command::Run(asked)) = parse("x", bytes.clone(), &world()) else { panic!() };
    assert_eq!(asked.file.as_deref(), Some(Path::new(&bytes[1])));
}

#[test]
fn help_and_version_count_where_they_stand() {
    for words in
        [&["-h"][..], &["-?"], &["--help"], &["--he"], &["-nh", "-m7"], &["-h", "-v"], &["-hnn"]]
    {
        assert_eq!(run(words), Ok(Command::Help), "{words:?}");
    }
    for words in [&["-v"][..], &["--version"], &["-nv"], &["-v", "-h"], &["-v", "-m8"], &["-vnn"]] {
        assert_eq!(run(words), Ok(Command::Version), "{words:?}");
    }
}

/// Each line below was typed behind `supervisord` 4.2.5, too, but for those of our own options.
#[test]
fn refusals_have_supervisords_words_and_exit_code() {
    for (words, error) in [
        (&["--nope"][..], "option --nope not recognized"),
        (&["-c"], "option -c requires argument"),
        (&["x"], "positional arguments are not supported: ['x']"),
        (&["-n", "it's", "a\tb"], "positional arguments are not supported: [\"it's\", 'a\\tb']"),
        (&["-h", "x"], "positional arguments are not supported: ['x']"),
        (&["-", "-h"], "positional arguments are not supported: ['-', '-h']"),
        (&["--", "-h"], "positional arguments are not supported: ['-h']"),
        (&["-v", "--nope"], "option --nope not recognized"),
        (&["-nn"], "conflicting command line option '-n'"),
        (&["-n", "--nodaemon"], "conflicting command line option '--nodaemon'"),
        (&["--nod", "--nod"], "conflicting command line option '--nodaemon'"),
        (&["-c", "a", "--conf=b"], "conflicting command line option '--configuration'"),
        (&["-u", "", "-u", "x"], "conflicting command line option '-u'"),
        (&["-e", "info", "--debug"], "conflicting command line option '--debug'"),
        (&["-e", "info", "-e", "x"], "invalid value for -e 'x': bad logging level name 'x'"),
        (&["-nn", "-h"], "conflicting command line option '-n'"),
        (&["-m", "8"], "invalid value for -m '8': 8 can not be converted to an octal type"),
        (&["--um="], "invalid value for --umask '':  can not be converted to an octal type"),
        (
            &["-d", "/no/such"],
            "invalid value for -d '/no/such': /no/such is not an existing directory",
        ),
        (&["-d", "~/nope"], "invalid value for -d '~/nope': ~/nope is not an existing directory"),
        (&["-q", ""], "invalid value for -q '':  is not an existing directory"),
        (
            &["-l", "/no/such/x.log"],
            "invalid value for -l '/no/such/x.log': The directory named as part of the path \
             /no/such/x.log does not exist",
        ),
        (
            &["--pidfile=/no/such/x.pid"],
            "invalid value for --pidfile '/no/such/x.pid': The directory named as part of the path \
             /no/such/x.pid does not exist",
        ),
        (&["-y", "1m"], "invalid value for -y '1m': invalid literal for int() with base 10: '1m'"),
        (
            &["-y", "1.5MB"],
            "invalid value for -y '1.5MB': invalid literal for int() with base 10: '1.5'",
        ),
        (&["-z", "x"], "invalid value for -z 'x': invalid literal for int() with base 10: 'x'"),
        (&["-a", ""], "invalid value for -a '': invalid literal for int() with base 10: ''"),
        (
            &["--minprocs=1.5"],
            "invalid value for --minprocs '1.5': invalid literal for int() with base 10: '1.5'",
        ),
        (&["-e", "warning"], "invalid value for -e 'warning': bad logging level name 'warning'"),
        (&["-n", "-e", "", "-h"], "invalid value for -e '': bad logging level name ''"),
        (&["--format=toml"], "invalid value for --format 'toml': supervisord or perl is expected"),
        (&["--state="], "invalid value for --state '': the name of a file is expected"),
        (
            &["--port=9505"],
            "option --port is not supported: the JSON-RPC port of CPAN Supervisor is not served",
        ),
        (
            &["--addr", "127.0.0.1"],
            "option --address is not supported: the JSON-RPC port of CPAN Supervisor is not served",
        ),
        (
            &["--profile_options=calls"],
            "option --profile_options is not supported: it is for supervisord's Python profiler",
        ),
    ] {
        let refused = run(words).unwrap_err();
        let lines = [format!("Error: {error}"), "For help, use /usr/bin/supervise -h".to_owned()];
        assert_eq!((refused.lines.as_slice(), refused.code), (&lines[..], 2), "{words:?}");
    }
    let bytes = vec!["-i".into(), OsString::from_vec(b"a\xff".to_vec())];
    let refused = parse("x", bytes, &world()).unwrap_err();
    assert_eq!(refused.lines[0], "Error: invalid value for -i 'a\u{fffd}': it is not UTF-8");
}

#[test]
fn a_refusal_keeps_its_lines_apart() {
    let refused = refusal("s", "one\n\t[line  5]: 'x'");
    assert_eq!(refused.lines, ["Error: one", "\t[line  5]: 'x'", "For help, use s -h"]);
}
