//! What is refused before anything runs: exit code 2, the reason on standard error, nothing else.

use super::harness::{Config, FILE};
use crate::sandbox::{Finished, Sandbox};

fn refused(sandbox: &Sandbox, text: &str) -> Finished {
    let path = sandbox.write(FILE, text);
    let finished = sandbox.supervise().arg("-n").arg("-c").arg(path).output();
    assert_eq!(finished.code, Some(2), "{text:?}\n{finished:?}");
    assert_eq!(finished.stdout, "", "{text:?}");
    let lines: Vec<&str> = finished.stderr.lines().collect();
    let help = lines.last().copied().unwrap_or_default();
    assert!(lines.first().is_some_and(|line| line.starts_with("Error: ")), "{finished:?}");
    assert!(help.starts_with("For help, use ") && help.ends_with(" -h"), "{finished:?}");
    finished
}

/// A line of a program's section that is wrong, and words of the reason.
const KEYS: &[(&str, &str)] = &[
    ("autostart=perhaps", "not a valid boolean value"),
    ("autorestart=always", "invalid 'autorestart' value"),
    ("startsecs=soon", "invalid literal for int"),
    ("startsecs=1.5", "invalid literal for int"),
    ("startretries=", "invalid literal for int"),
    ("exitcodes=256", "not a valid list of exit codes"),
    ("exitcodes=a", "not a valid list of exit codes"),
    ("stopsignal=TREM", "not a valid signal name"),
    ("stopsignal=99", "not a valid signal number"),
    ("stopwaitsecs=x", "invalid literal for int"),
    ("umask=8", "can not be converted to an octal type"),
    ("user=no-such-user-x", "Invalid user name"),
    ("numprocs=2", "%(process_num)"),
    ("numprocs=x", "invalid literal for int"),
    ("process_name=a b", "Invalid name"),
    ("process_name=a/b", "Invalid name"),
    ("stdout_logfile=/no/such/dir/x", "does not exist"),
    ("stdout_logfile_maxbytes=1m", "invalid literal for int"),
    ("stdout_logfile_backups=x", "invalid literal for int"),
    ("environment=A=", "Unexpected end of key/value pairs"),
    ("environment=A", "Unexpected end of key/value pairs"),
    ("command=%(ENV_NOPE_X)s", "cannot be expanded"),
    ("command=date +%Y", "badly formatted"),
    ("stopasgroup=true\nkillasgroup=false", "stopasgroup=true and killasgroup=false"),
    ("depends_on=nobody", "nobody"),
    ("depends_on=p", "p"),
    ("depends_on=q:finished", "finished"),
    ("type=daemon", "type"),
    ("nice=100", "nice"),
    ("rlimit_nofile=x", "rlimit_nofile"),
    ("oom_score_adjust=2000", "oom_score_adjust"),
    ("stopsignals=TERM:x", "x"),
    ("reloadsignal=NOPE", "NOPE"),
    ("ready_fd=1", "ready_fd"),
    ("watchdog_secs=often", "often"),
    ("backoff_max=-1", "-1"),
    ("health_command=test 'a", "health_command"),
    ("essential=sometimes", "sometimes"),
];

#[test]
fn keys_of_a_program() {
    let sandbox = Sandbox::new("sv-bad-keys");
    for (keys, why) in KEYS {
        let text = format!(
            "[supervisord]\npidfile=%(here)s/pid\nlogfile=%(here)s/main.log\n\
             [program:q]\ncommand=sleep 1000\n[program:p]\ncommand=sleep 1000\n{keys}\n"
        );
        let finished = refused(&sandbox, &text);
        assert!(finished.stderr.contains(why), "{keys}: {why:?} in {}", finished.stderr);
        assert!(finished.stderr.contains("program:p"), "{keys}: {}", finished.stderr);
        assert!(!sandbox.exists("pid"), "{keys}");
    }
}

#[test]
fn whole_files() {
    let sandbox = Sandbox::new("sv-bad-files");
    let cases = [
        ("", "does not include supervisord section"),
        ("[program:p]\ncommand=a\n", "does not include supervisord section"),
        ("key=value\n", "no section headers"),
        ("[supervisord]\nnovalue\n", "parsing errors"),
        ("[supervisord]\n[program:p]\n", "command"),
        ("[supervisord]\n[program:a b]\ncommand=x\n", "Invalid name"),
        ("[supervisord]\n[group:g]\nprograms=nobody\n", "nobody"),
        ("[supervisord]\nloglevel=warning\n", "warning"),
        ("[supervisord]\nlogfile=/no/such/dir/log\n", "does not exist"),
        ("[supervisord]\ndirectory=/no/such\n", "/no/such"),
        ("[supervisord]\nexit_on=never-ever\n", "exit_on"),
        ("[supervisord]\nshutdown_timeout=x\n", "not a valid duration"),
        ("[supervisord]\nminfds=x\n", "invalid literal for int"),
        ("[supervisord]\nuser=no-such-user-x\n", "no-such-user-x"),
        ("[supervisord]\n[fcgi-program:f]\ncommand=x\n", "socket"),
        ("[supervisord]\n[fcgi-program:f]\ncommand=x\nsocket=udp://a\n", "socket"),
        ("[supervisord]\n[eventlistener:l]\ncommand=x\n", "events"),
        ("[supervisord]\n[eventlistener:l]\ncommand=x\nevents=NOPE\n", "NOPE"),
        (
            "[supervisord]\n[eventlistener:l]\ncommand=x\nevents=TICK_5\nbuffer_size=0\n",
            "buffer_size",
        ),
        ("[supervisord]\n[unix_http_server]\n", "file"),
        ("[supervisord]\n[unix_http_server]\nfile=/tmp/x\nusername=a\n", "password"),
        ("[supervisord]\n[inet_http_server]\nport=x\n", "port"),
        ("[supervisord]\n[rpcinterface:x]\nsupervisor.rpcinterface_factory=a:b\n", "rpcinterface"),
    ];
    for (text, why) in cases {
        let finished = refused(&sandbox, text);
        assert!(finished.stderr.contains(why), "{text:?}: {why:?} in {}", finished.stderr);
    }
}

#[test]
fn the_command_line() {
    let sandbox = Sandbox::new("sv-bad-options");
    Config::new(&sandbox).write();
    let cases: [(&[&str], &str); 9] = [
        (&["-c", "/no/such/file"], "/no/such/file"),
        (&["-c", FILE, "extra"], "positional arguments"),
        (&["-c", FILE, "--nope"], "nope"),
        (&["-c", FILE, "-Z"], "-Z"),
        (&["-c"], "-c"),
        (&["-c", FILE, "-e", "loud"], "loud"),
        (&["-c", FILE, "-y", "many"], "many"),
        (&["-c", FILE, "-m", "9"], "9"),
        (&["-c", FILE, "-u", "no-such-user-x"], "no-such-user-x"),
    ];
    for (words, why) in cases {
        let finished = sandbox.supervise().arg("-n").args(words).output();
        assert_eq!(finished.code, Some(2), "{words:?} {finished:?}");
        assert!(finished.stderr.contains(why), "{words:?}: {why:?} in {}", finished.stderr);
        assert!(finished.stderr.starts_with("Error: "), "{words:?} {finished:?}");
    }
}

#[test]
fn help_and_version_need_no_file() {
    let sandbox = Sandbox::new("sv-help");
    let help = sandbox.supervise().arg("-h").output();
    assert_eq!(help.code, Some(0), "{help:?}");
    assert!(help.stdout.contains("-c") && help.stdout.contains("--nodaemon"), "{help:?}");
    let version = sandbox.supervise().arg("-v").output();
    assert_eq!(version.code, Some(0), "{version:?}");
    assert!(version.stdout.starts_with(|c: char| c.is_ascii_digit()), "{version:?}");
}

/// A second supervisor would run everything twice.
#[test]
fn a_socket_that_somebody_listens_on() {
    let sandbox = Sandbox::new("sv-second");
    let config =
        Config::new(&sandbox).section("[unix_http_server]\nfile=%(here)s/sock").idle("p", "");
    let mut ours = config.spawn();
    ours.starts("p");
    let second = config.launch().output();
    assert_eq!(second.code, Some(2), "{second:?}");
    assert!(second.stderr.contains("Another program is already listening"), "{second:?}");
    ours.stop();
}
