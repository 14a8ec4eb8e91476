//! Command lines, the words between NULs; a first word of `P` sets POSIXLY_CORRECT. Never a panic;
//! an error has lines and a known code; the program and its arguments are words of the input.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use superdaemon::start_server::args::{Command, parse};

/// Valid inputs, and some that nearly are.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"--port=8080\0--\0httpd\0-v",
    b"--port\x00127.0.0.1:80=5\0--path=/run/app.sock\0--interval\x003\0--\0httpd",
    b"P\0-port=8080\0--dir\0/srv\0httpd\0--port=1",
    b"--signal-on-hup=USR1\0--signal-on-term\0QUIT\0--kill-old-delay=5\0prog",
    b"--pid-file=/run/app.pid\0--status-file=/run/app.status\0--restart",
    b"--restart-timeout=0.5\0--stop\0--pid-file\0x",
    b"--status\0--json\0--status-file=x",
    b"--log-file=| cat\0--daemonize\0--envdir=env\0--\0httpd",
    b"--enable-auto-restart\0--auto-restart-int=10\0--backlog=-1\0--\0httpd",
    b"--user=nobody\0--group=65534\0--path-mode=0660\0--path-owner=a:b\0--no-new-privs\0x",
    b"--start-timeout=1e3\0--restart-attempts=3\0--backoff-max=0\0--kill-timeout=.5\0x",
    b"--max-generations=2\0--listen=[::1]:0\0--port=u53\0+d=/\0x\0--\0y",
    b"--help",
    b"--version",
    b"--p\0--int\0--=\0-\0--no",
];

/// One input.
pub fn run(data: &[u8]) {
    let mut words: Vec<OsString> =
        data.split(|byte| *byte == 0).map(|word| OsStr::from_bytes(word).to_owned()).collect();
    let posixly_correct = words.first().is_some_and(|word| word == "P");
    if posixly_correct {
        words.remove(0);
    }
    match parse(words.clone(), posixly_correct) {
        Ok(Command::Start(options)) => {
            let mut rest = words.iter();
            let mut found = |wanted: &OsString| rest.any(|word| word == wanted);
            assert!(found(&options.program), "{words:?} gives {options:?}");
            assert!(options.args.iter().all(found), "{words:?} gives {options:?}");
            let mut names = options.listeners.iter().map(fdpass::ListenSpec::name);
            assert!(names.all(|name| !name.is_empty()));
        }
        Ok(_) => {}
        Err(error) => {
            assert!(matches!(error.code, 1 | 255), "{error:?}");
            assert!(!error.lines.is_empty() && !error.lines.contains(&String::new()), "{error:?}");
        }
    }
}
