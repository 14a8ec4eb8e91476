//! Bad configurations and command lines: the same text, the same exit code.

use std::fs;
use std::path::Path;
use std::thread;

use super::pair::{Differences, REAL, ours, supervisord};
use crate::sandbox::{Finished, Sandbox};

/// A program without fault, to be followed by more keys.
const PROGRAM: &str = "[supervisord]\nlogfile=/dev/null\n[program:p]\ncommand=/bin/cat\n";
/// The main section alone, to be followed by more keys or sections.
const MAIN: &str = "[supervisord]\nlogfile=/dev/null\n";
/// A listener, to be followed by more keys.
const LISTENER: &str = "[supervisord]\nlogfile=/dev/null\n[eventlistener:e]\ncommand=/bin/cat\n";
/// A program on a socket, to be followed by more keys.
const FCGI: &str = "[supervisord]\nlogfile=/dev/null\n[fcgi-program:f]\ncommand=/bin/cat\n";

/// The beginning of a file, and lines after it.
const FILES: &[(&str, &str)] = &[
    ("", "[program:p]\ncommand=/bin/cat\n"),
    ("", ""),
    ("", "x=1\n"),
    ("", "[supervisord\nlogfile=/dev/null\n"),
    (MAIN, "[program:p]\ncommand\n"),
    (MAIN, "[program:p]\n"),
    (MAIN, "[program:a b]\ncommand=/bin/cat\n"),
    (MAIN, "[program:a/b]\ncommand=/bin/cat\n"),
    (MAIN, "[program:a:b]\ncommand=/bin/cat\n"),
    (MAIN, "loglevel=bogus\n"),
    (MAIN, "loglevel=warning\n"),
    (MAIN, "nodaemon=maybe\n"),
    (MAIN, "silent=2\n"),
    (MAIN, "umask=9\n"),
    (MAIN, "minfds=many\n"),
    (MAIN, "minprocs=1.5\n"),
    (MAIN, "logfile_maxbytes=1x\n"),
    (MAIN, "logfile_backups=few\n"),
    (MAIN, "logfile=/no/such/directory/log\n"),
    (MAIN, "pidfile=/no/such/directory/pid\n"),
    (MAIN, "childlogdir=/no/such/directory\n"),
    (MAIN, "directory=/no/such/directory\n"),
    (MAIN, "user=no_such_user\n"),
    (MAIN, "user=4294967\n"),
    (MAIN, "strip_ansi=t\n"),
    (MAIN, "logfile=%(nothing)s\n"),
    (MAIN, "[include]\n"),
    (MAIN, "[group:g]\nprograms=nobody\n"),
    (MAIN, "[group:a b]\nprograms=\n"),
    (PROGRAM, "[group:g]\nprograms=p\npriority=high\n"),
    (PROGRAM, "autostart=t\n"),
    (PROGRAM, "autostart=\n"),
    (PROGRAM, "autorestart=always\n"),
    (PROGRAM, "autorestart=\n"),
    (PROGRAM, "startsecs=1.5\n"),
    (PROGRAM, "startretries=three\n"),
    (PROGRAM, "priority=x\n"),
    (PROGRAM, "exitcodes=256\n"),
    (PROGRAM, "exitcodes=-1\n"),
    (PROGRAM, "exitcodes=0;1\n"),
    (PROGRAM, "stopsignal=BOGUS\n"),
    (PROGRAM, "stopsignal=99\n"),
    (PROGRAM, "stopsignal=\n"),
    (PROGRAM, "stopwaitsecs=soon\n"),
    (PROGRAM, "stopasgroup=true\nkillasgroup=false\n"),
    (PROGRAM, "umask=abc\n"),
    (PROGRAM, "user=root:root\n"),
    (PROGRAM, "user=\n"),
    (PROGRAM, "user=99999\n"),
    (PROGRAM, "numprocs=2\n"),
    (PROGRAM, "numprocs=two\n"),
    (PROGRAM, "numprocs_start=x\n"),
    (PROGRAM, "process_name=a b\n"),
    (PROGRAM, "process_name=%(bogus)s\n"),
    (PROGRAM, "command=/bin/echo %(ENV_NO_SUCH_NAME)s\n"),
    (PROGRAM, "command=/bin/echo 100%\n"),
    (PROGRAM, "command=/bin/echo %d\n"),
    (PROGRAM, "command=/bin/echo %(program_name)\n"),
    (PROGRAM, "directory=%(nothing)s\n"),
    (PROGRAM, "redirect_stderr=y\n"),
    (PROGRAM, "stdout_logfile=/no/such/directory/log\n"),
    (PROGRAM, "stdout_logfile_maxbytes=1m\n"),
    (PROGRAM, "stderr_logfile_maxbytes=\n"),
    (PROGRAM, "stdout_logfile_backups=x\n"),
    (PROGRAM, "stdout_capture_maxbytes=1.5MB\n"),
    (PROGRAM, "stdout_events_enabled=2\n"),
    (PROGRAM, "environment=A=\n"),
    (PROGRAM, "environment=A\n"),
    (PROGRAM, "environment=A=\"open\n"),
    (PROGRAM, "environment=A=%(nothing)s\n"),
    (LISTENER, ""),
    (LISTENER, "events=BOGUS\n"),
    (LISTENER, "events=TICK_5\nbuffer_size=0\n"),
    (LISTENER, "events=TICK_5\nbuffer_size=x\n"),
    (LISTENER, "events=TICK_5\nredirect_stderr=true\n"),
    (FCGI, ""),
    (FCGI, "socket=bogus\n"),
    (FCGI, "socket=unix://tmp/f.sock\n"),
    (FCGI, "socket=tcp://localhost:high\n"),
    (FCGI, "socket=tcp://localhost:9999\nsocket_mode=0700\n"),
    (FCGI, "socket=unix:///tmp/f.sock\nsocket_mode=rw\n"),
    (FCGI, "socket=unix:///tmp/f.sock\nsocket_owner=no_such_user\n"),
    (FCGI, "socket=unix:///tmp/f.sock\nsocket_backlog=0\n"),
    (MAIN, "[unix_http_server]\n"),
    (MAIN, "[unix_http_server]\nfile=/tmp/s.sock\nchmod=rw\n"),
    (MAIN, "[unix_http_server]\nfile=/tmp/s.sock\nchown=no_such_user\n"),
    (MAIN, "[unix_http_server]\nfile=/tmp/s.sock\nusername=u\n"),
    (MAIN, "[inet_http_server]\n"),
    (MAIN, "[inet_http_server]\nport=70000\n"),
    (MAIN, "[inet_http_server]\nport=\n"),
    (MAIN, "[inet_http_server]\nport=9001\npassword=p\n"),
];

/// Refused by both; in other words, for these reasons.
const OTHER_WORDS: &[(&str, &str, &str)] = &[
    (MAIN, "[rpcinterface:x]\n", "no Python in ours"),
    (
        MAIN,
        "[rpcinterface:x]\nsupervisor.rpcinterface_factory=no.such:thing\n",
        "no Python in ours",
    ),
    (LISTENER, "events=TICK_5\nresult_handler=no.such:thing\n", "no Python in ours"),
];

/// Command lines with a file `good.conf`.
const LINES: &[&[&str]] = &[
    &["-c", "missing.conf"],
    &["-c", "good.conf", "-e", "bogus"],
    &["-c", "good.conf", "-u", "no_such_user"],
    &["-c", "good.conf", "-m", "9"],
    &["-c", "good.conf", "-d", "/no/such/directory"],
    &["-c", "good.conf", "-l", "/no/such/directory/log"],
    &["-c", "good.conf", "-j", "/no/such/directory/pid"],
    &["-c", "good.conf", "-q", "/no/such/directory"],
    &["-c", "good.conf", "-y", "1x"],
    &["-c", "good.conf", "-z", "few"],
    &["-c", "good.conf", "-a", "many"],
    &["-c", "good.conf", "--minprocs", "many"],
    &["-c", "good.conf", "--no-such-option"],
    &["-c", "good.conf", "-x"],
    &["-c"],
    &["-c", "good.conf", "--loglevel"],
    &["-c", "good.conf", "surplus"],
    &["-c", "good.conf", "--nodaemon=1"],
    &["-c", "."],
];

/// What one of the programs says to a command line, with what differs by name alone masked.
fn said(sandbox: &Sandbox, program: &str, words: &[&str]) -> (Option<i32>, String) {
    let Finished { code, stdout, stderr } =
        sandbox.run(program).env_clear().env("LC_ALL", "C.UTF-8").args(words).output();
    let dir = sandbox.path("");
    let mut text = format!("{stdout}{stderr}");
    text = text.replace(dir.to_str().unwrap().trim_end_matches('/'), "<DIR>");
    text = text.replace(program, "<PROGRAM>");
    (code, text)
}

/// Runs `look` for every entry under both programs, in two threads.
fn compare<T: Sync>(
    entries: &[T],
    words: impl Fn(&Sandbox, usize, &T) -> Vec<String> + Sync,
    mut judge: impl FnMut(&T, [(Option<i32>, String); 2]),
) {
    let run = |program: &'static str, name: &str| {
        let sandbox = Sandbox::new(&format!("errors-{name}"));
        let one = |(index, entry)| {
            let words = words(&sandbox, index, entry);
            said(&sandbox, program, &words.iter().map(String::as_str).collect::<Vec<_>>())
        };
        entries.iter().enumerate().map(one).collect::<Vec<_>>()
    };
    let (real, mine) = thread::scope(|scope| {
        let real = scope.spawn(|| run(REAL, "real"));
        let mine = run(ours(), "ours");
        (real.join().unwrap(), mine)
    });
    let answers = real.into_iter().zip(mine).map(|(real, mine)| [real, mine]);
    entries.iter().zip(answers).for_each(|(entry, answers)| judge(entry, answers));
}

/// Writes a file, and the words that have it read; should it be taken, it ends at once all the same.
fn file(sandbox: &Sandbox, index: usize, text: &str) -> Vec<String> {
    let path = sandbox.write(&format!("{index}.conf"), text);
    ["-n", "-c", path.to_str().unwrap()].map(str::to_owned).to_vec()
}

#[test]
fn bad_files() {
    if !supervisord() {
        return;
    }
    assert!(FILES.len() >= 60);
    let mut differences = Differences::default();
    compare(
        FILES,
        |sandbox, index, (head, text)| file(sandbox, index, &format!("{head}{text}")),
        |(_, text), answers| {
            assert_eq!(answers[0].0, Some(2), "supervisord takes {text:?}");
            differences.equal(&format!("{text:?}"), answers);
        },
    );
    differences.none("");
}

#[test]
fn refused_in_other_words() {
    if !supervisord() {
        return;
    }
    compare(
        OTHER_WORDS,
        |sandbox, index, (head, text, _)| file(sandbox, index, &format!("{head}{text}")),
        |(_, text, why), answers| {
            for (code, said) in answers {
                assert_eq!(code, Some(2), "{text:?} ({why}): {said}");
                assert!(said.starts_with("Error: "), "{text:?}: {said}");
            }
        },
    );
}

#[test]
fn bad_command_lines() {
    if !supervisord() {
        return;
    }
    let mut differences = Differences::default();
    compare(
        LINES,
        |sandbox, _, words| {
            if !sandbox.exists("good.conf") {
                sandbox.write("good.conf", PROGRAM);
            }
            words.iter().map(|word| (*word).to_owned()).collect()
        },
        |words, answers| {
            assert_eq!(answers[0].0, Some(2), "supervisord takes {words:?}: {}", answers[0].1);
            differences.equal(&format!("{words:?}"), answers);
        },
    );
    differences.none("");
}

/// A file that nobody may read, as far as root can be kept from it: a directory in its place, too.
#[test]
fn unreadable_files() {
    if !supervisord() || rustix::process::geteuid().is_root() {
        return;
    }
    let sandbox = Sandbox::new("errors-unreadable");
    let path = sandbox.write("closed.conf", PROGRAM);
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    let words = ["-n", "-c", path.to_str().unwrap()];
    assert!(Path::new(REAL).exists());
    let mut differences = Differences::default();
    let answers = [REAL, ours()].map(|program| said(&sandbox, program, &words));
    differences.equal("unreadable", answers);
    differences.none("");
}
