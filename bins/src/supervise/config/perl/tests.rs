use std::path::Path;
use std::time::Duration;

use sigpolicy::Signal;

use super::super::model::{AutoRestart, Extra, LogFile, Output, Process};
use super::*;

/// The file that comes with the distribution, but for its paths, users and groups.
const SAMPLE: &str = "\
;
; File: supervisor.ini
; By  : Kevin Esteb
;

[program:test1]
command = /opt/test.sh
name = sleep
user = nobody
group = nogroup
umask = 0002
environment = junk=test;;junk2=test2;;junk3=test3

[program:test2]
command = /opt/sleeper.sh
name = sleeper
user = nobody
group = nogroup
";

fn world() -> World {
    World {
        env: vec![("TMPDIR".to_owned(), "/tmp".to_owned())],
        cwd: "/tmp".into(),
        host_node_name: "vm".to_owned(),
        uid: 0,
    }
}

fn read(text: &str) -> Result<Config, String> {
    load(text, Path::new("s.ini"), &Overrides::default(), &world())
}

/// One program with these lines.
fn program(lines: &str) -> Result<Process, String> {
    let text = format!("[program:p]\nname = p\ncommand = true\nuser = root\n{lines}\n");
    read(&text).map(|config| config.groups.into_iter().next().unwrap().processes.pop().unwrap())
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn output(file: &str, prefix: &str) -> Output {
    Output {
        logfile: LogFile::Path(file.to_owned()),
        maxbytes: 0,
        backups: 0,
        capture_maxbytes: 0,
        events_enabled: false,
        syslog: false,
        prefix: Some(prefix.to_owned()),
        timestamp: true,
    }
}

#[test]
fn the_sample_of_the_distribution() {
    assert!(looks_like(SAMPLE));
    let config = read(SAMPLE).unwrap();
    assert_eq!(config.notes, []);
    let names: Vec<_> = config.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["sleep", "sleeper"]);
    let [sleep] = config.groups[0].processes.as_slice() else { panic!() };
    assert_eq!(
        *sleep,
        Process {
            name: "sleep".to_owned(),
            command: "/opt/test.sh".to_owned(),
            directory: Some("/".to_owned()),
            umask: Some(0o002),
            uid: Some(65534),
            priority: 999,
            autostart: true,
            autorestart: AutoRestart::Listed,
            startsecs: 10,
            startretries: 5,
            stdout: output("/dev/stdout", "[sleep] info: "),
            stderr: output("/dev/stdout", "[sleep] error: "),
            redirect_stderr: false,
            stopsignal: 15,
            stopwaitsecs: 10,
            stopasgroup: true,
            killasgroup: true,
            exitcodes: vec![0, 1],
            environment: vec![pair("junk", "test"), pair("junk2", "test2"), pair("junk3", "test3")],
            serverurl: None,
            extra: Extra {
                backoff_min: Some(Duration::from_secs(10)),
                backoff_max: Some(Duration::from_secs(10)),
                reloadsignal: Some(Signal::HUP),
                stopretries: Some(5),
                gid: Some(65534),
                shell: true,
                ..Extra::default()
            }
            .into(),
        }
    );
    let [sleeper] = config.groups[1].processes.as_slice() else { panic!() };
    assert_eq!((sleeper.umask, sleeper.environment.len()), (Some(0o022), 0));
}

#[test]
fn every_parameter_has_its_meaning() {
    let all = program(
        "directory = /tmp\nenvironment = A=1=2;;;;B= x ;; C=;D=;;A=3\numask=77\nexit-codes = 3, 0 ,255\n\
         priority = -5\nauto-start = 0\nauto-restart = no\nstop-signal = SIGQUIT\nstop-retries = 2\n\
         stop-wait-secs = 7\nstart-retries = 0\nstart-wait-secs=3\nreload-signal = 10\n\
         logfile = /tmp/p.log\nsupervisor = Main\ndebug = 1\ngroup = 0",
    )
    .unwrap();
    assert_eq!(all.directory.as_deref(), Some("/tmp"));
    assert_eq!(all.environment, [pair("B", " x "), pair("C", ";D="), pair("A", "3")]);
    assert_eq!((all.umask, all.uid, all.extra.gid), (Some(0o77), Some(0), Some(0)));
    assert_eq!(all.exitcodes, [3, 0, 255]);
    assert_eq!(all.extra.nice, Some(-5));
    assert_eq!((all.autostart, all.autorestart), (false, AutoRestart::Never));
    assert_eq!((all.stopsignal, all.stopwaitsecs, all.extra.stopretries), (3, 7, Some(2)));
    assert_eq!((all.startsecs, all.startretries), (3, 0));
    let three = Some(Duration::from_secs(3));
    assert_eq!((all.extra.backoff_min, all.extra.backoff_max), (three, three));
    assert_eq!(all.extra.reloadsignal, Some(Signal::USR1));
    assert_eq!(all.stdout, output("/tmp/p.log", "[p] info: "));
    assert_eq!(all.stderr, output("/tmp/p.log", "[p] error: "));

    let relative = program("logfile = ../p.log").unwrap();
    assert_eq!(relative.stdout.logfile, LogFile::Path("/p.log".to_owned()));

    let plain = program("priority = 0\nexit-codes =\nenvironment =\ngroup=\nauto-start =").unwrap();
    assert_eq!((plain.extra.nice, plain.extra.gid), (None, None));
    assert_eq!(plain.exitcodes, [0_u8; 0]);
    assert_eq!((plain.environment.len(), plain.autostart), (0, false));
    assert!(all.extra.shell && plain.extra.shell);
}

#[test]
fn the_command_line_says_what_the_supervisor_is() {
    let plain = read(SAMPLE).unwrap().daemon;
    assert!(plain.nodaemon && !plain.silent);
    assert_eq!((plain.logfile.as_str(), plain.pidfile.as_str()), ("/dev/null", ""));
    assert_eq!((plain.identifier.as_str(), plain.umask, plain.user), ("Supervisor", -1, None));
    assert_eq!((plain.loglevel, plain.logfile_maxbytes), (Level::Info, 0));
    assert_eq!((plain.minfds, plain.minprocs, plain.directory), (0, 0, None));

    let overrides = Overrides {
        nodaemon: Some(false),
        silent: Some(true),
        logfile: Some("all.log".to_owned()),
        pidfile: Some("./x.pid".to_owned()),
        loglevel: Some("debug".to_owned()),
        user: Some("nobody".to_owned()),
        umask: Some("027".to_owned()),
        identifier: Some("mine".to_owned()),
        ..Overrides::default()
    };
    let text = SAMPLE.replace("umask", "supervisor = Main\numask");
    let config = load(&text, Path::new("s.ini"), &overrides, &world()).unwrap();
    let daemon = config.daemon;
    assert!(!daemon.nodaemon && daemon.silent);
    assert_eq!((daemon.logfile.as_str(), daemon.pidfile.as_str()), ("/tmp/all.log", "/tmp/x.pid"));
    assert_eq!((daemon.loglevel, daemon.user, daemon.umask), (Level::Debug, Some(65534), 0o27));
    assert_eq!(daemon.identifier, "mine");
    let [process] = config.groups[0].processes.as_slice() else { panic!() };
    assert_eq!(process.stdout.logfile, LogFile::Path("/tmp/all.log".to_owned()));
    let main = load(&text, Path::new("s.ini"), &Overrides::default(), &world()).unwrap();
    assert_eq!(main.daemon.identifier, "Main");

    let syslog = Overrides { logfile: Some("syslog".to_owned()), ..Overrides::default() };
    let config = load(SAMPLE, Path::new("s.ini"), &syslog, &world()).unwrap();
    assert_eq!(config.daemon.logfile, "syslog");
    assert_eq!(config.groups[0].processes[0].stderr.logfile, LogFile::Syslog);

    let nobody = Overrides { user: Some("nosuch".to_owned()), ..Overrides::default() };
    let error = load(SAMPLE, Path::new("s.ini"), &nobody, &world()).unwrap_err();
    assert_eq!(error, "Invalid user name nosuch");
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (lines, error) in [
        ("exit-codes = 0,256", "exit-codes: 0 to 255 is expected, not \"256\""),
        ("exit-codes = 0,,1", "exit-codes: 0 to 255 is expected, not \"\""),
        ("exit-codes = -1", "exit-codes: 0 to 255 is expected, not \"-1\""),
        ("umask = 8", "umask: an octal number to 0777 is expected, not \"8\""),
        ("umask = 0x12", "umask: an octal number to 0777 is expected, not \"0x12\""),
        ("umask = 1777", "umask: an octal number to 0777 is expected, not \"1777\""),
        ("group = nosuch", "group: Invalid group name nosuch"),
        ("priority = 20", "priority: -20 to 19 is expected, not \"20\""),
        ("priority = high", "priority: -20 to 19 is expected, not \"high\""),
        ("auto-start = maybe", "auto-start: 1 or 0 is expected, not \"maybe\""),
        ("auto-restart = 2", "auto-restart: 1 or 0 is expected, not \"2\""),
        ("start-wait-secs = -1", "start-wait-secs: a whole number from 0 is expected, not \"-1\""),
        (
            "start-wait-secs = 0.5",
            "start-wait-secs: a whole number from 0 is expected, not \"0.5\"",
        ),
        ("start-retries = +1", "start-retries: a whole number from 0 is expected, not \"+1\""),
        ("stop-wait-secs = 10s", "stop-wait-secs: a whole number from 0 is expected, not \"10s\""),
        (
            "stop-retries = 99999999999",
            "stop-retries: a whole number from 0 is expected, not \"99999999999\"",
        ),
        (
            "logfile = /no/such/x.log",
            "logfile: The directory named as part of the path /no/such/x.log does not exist",
        ),
        (
            "stop-signal = SIGNOPE",
            "stop-signal: unknown signal \"SIGNOPE\": give a name such as TERM or RTMIN+3, or 1 to 64",
        ),
        (
            "reload-signal = 0",
            "reload-signal: unknown signal \"0\": give a name such as TERM or RTMIN+3, or 1 to 64",
        ),
        ("environment = A=1;;SECRET", "environment: NAME=VALUE;;NAME=VALUE is expected"),
        ("environment = =1", "environment: NAME=VALUE;;NAME=VALUE is expected"),
    ] {
        assert_eq!(program(lines).unwrap_err(), format!("[program:p]: {error} (s.ini:5)"));
    }
    for (text, error) in [
        ("", "no [program:...] section (s.ini)"),
        ("[other]\nx = 1\n", "no [program:...] section (s.ini)"),
        ("[program:p]\ncommand = x\n", "[program:p]: it has no name (s.ini:1)"),
        ("\n[program:p]\nname = x\n", "[program:p]: it has no command (s.ini:2)"),
        ("[program:p]\nName = x\ncommand=x\n", "[program:p]: it has no name (s.ini:1)"),
        ("[program:p]\nname =\ncommand=x\n", "[program:p]: it has no name (s.ini:1)"),
        (
            "[program:p]\nname = a b\ncommand = x\n",
            "[program:p]: name: Invalid name: 'a b' because of character: ' ' (s.ini:2)",
        ),
        (
            "[program:p]\nname=x\ncommand=y\nuser = nosuch\n",
            "[program:p]: user: Invalid user name nosuch (s.ini:4)",
        ),
        (
            "[program:a]\nname=x\ncommand=y\n[program:b]\nname=x\ncommand=y\n",
            "two programs have the name x: in lines 1 and 4 (s.ini)",
        ),
        (
            "[program:a]\nname=x\ncommand=y\nsupervisor=A\n[program:b]\nname=y\ncommand=y\nsupervisor=B\n",
            "one supervisor is expected, not A (line 4) and B (s.ini:8)",
        ),
        ("[program:a]\nname x\n", "\"key = value\" is expected (s.ini:2)"),
    ] {
        assert_eq!(read(text).unwrap_err(), error, "{text:?}");
    }
}

#[test]
fn what_means_nothing_is_noticed() {
    let config = read(
        "[Program:q]\nx=1\n[options]\n[program:p]\nname=p\ncommand=x\nautostart=0\nStopSignal=TERM\ncolour=red\n",
    )
    .unwrap();
    let notes: Vec<_> = config.notes.iter().map(|note| (note.weight, note.text.as_str())).collect();
    assert_eq!(
        notes,
        [
            (Weight::Advice, "section [Program:q] is no [program:...] and means nothing (s.ini:1)"),
            (Weight::Debug, "section [options] is no [program:...] and means nothing (s.ini:3)"),
            (
                Weight::Advice,
                "[program:p]: autostart means nothing; is auto-start meant? (s.ini:7)"
            ),
            (
                Weight::Advice,
                "[program:p]: StopSignal means nothing; is stop-signal meant? (s.ini:8)"
            ),
            (Weight::Debug, "[program:p]: colour means nothing (s.ini:9)"),
            (Weight::Advice, "[program:p]: no user: it runs as supervise itself does (s.ini:4)"),
        ]
    );
    assert!(config.groups[0].processes[0].autostart);
    assert_eq!(config.groups[0].processes[0].uid, None);
}

#[test]
fn the_original_is_told_beyond_doubt_or_not_at_all() {
    for text in [
        SAMPLE,
        "[program:p]\nname = p\ncommand = x\n",
        "[program:p]\ncommand = x\nexit-codes = 0\n",
        "[program:p]\ncommand = x\nauto-start = 0\n[other]\n",
        "[program:p]\nname=a\ncommand = x\n[program:q]\ncommand = x\nstart-wait-secs = 1\n",
    ] {
        assert!(looks_like(text), "{text:?}");
        assert!(!looks_like(&format!("{text}[supervisord]\n")), "{text:?}");
        assert!(!looks_like(&format!("[include]\nfiles = x\n{text}")), "{text:?}");
        assert!(!looks_like(&format!("[unix_http_server:x]\n{text}")), "{text:?}");
        assert!(!looks_like(&format!("{text}[eventlistener:x]\n")), "{text:?}");
    }
    for text in [
        "",
        "[program:p]\ncommand = x\n",
        "[program:p]\nname = p\n",
        "[program:p]\nName = p\nCommand = x\nExit-Codes = 0\n",
        "[program:p]\ncommand = x\nmy-key = 1\n",
        "[program:p]\nname=a\ncommand = x\n[program:q]\ncommand = x\n",
        "[other]\nname=a\ncommand=x\nexit-codes = 0\n",
        "[fcgi-program:p]\nname=a\ncommand=x\nexit-codes = 0\n",
        "[program:p]\nname: p\ncommand: x\n",
        "[program:p]\nname = p\ncommand = x\n    more\n",
    ] {
        assert!(!looks_like(text), "{text:?}");
    }
}
