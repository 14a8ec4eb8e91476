//! A command line that makes no sense, or a program that cannot be run.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::bad_case::{
    Case, FILES, all_refused, bytes, closed_directory, is_clear, refused, unprivileged,
};
use crate::sandbox::Sandbox;

#[test]
fn bad_options_and_values() {
    let sandbox = Sandbox::new("bad-options");
    let cases: &[Case<'_>] = &[
        ("unknown option", &["--frob"], 1, "Unknown option: frob"),
        ("unknown option with a value", &["--frob=1"], 1, "Unknown option: frob"),
        ("flag with a value", &["--daemonize=1"], 1, "Option daemonize does not take an argument"),
        ("ambiguous prefix", &["--e"], 1, "Option e is ambiguous ("),
        ("empty value", &["--port="], 1, "Option port requires an argument"),
        ("word for a number", &["--interval=x"], 1, "Value \"x\" invalid for option interval"),
        ("fraction", &["--interval=1.5"], 1, "Value \"1.5\" invalid for option interval"),
        ("hexadecimal", &["--backlog=0x10"], 1, "Value \"0x10\" invalid for option backlog"),
        ("blank number", &["--kill-old-delay", " "], 1, "Value \" \" invalid for option kill-old"),
        ("bad seconds", &["--kill-timeout=x"], 1, "Value \"x\" invalid for option kill-timeout"),
        ("negative", &["--start-timeout=-1"], 1, "Value \"-1\" invalid for option start-timeout"),
        ("not a number", &["--backoff-max=nan"], 1, "Value \"nan\" invalid for option backoff-max"),
        ("endless", &["--backoff-max=inf"], 1, "Value \"inf\" invalid for option backoff-max"),
        ("bad count", &["--max-generations=-1"], 1, "Value \"-1\" invalid for option max-gen"),
        ("bad mode", &["--path-mode=9"], 1, "Value \"9\" invalid for option path-mode"),
        ("mode too large", &["--path-mode=77777"], 1, "invalid for option path-mode"),
        ("escape sequence", &["--interval=\u{1b}[31m"], 1, "invalid for option interval"),
        ("unknown signal", &["--signal-on-hup=FOO"], 255, "--signal-on-hup: FOO"),
        ("process group", &["--signal-on-term=-TERM"], 255, "--signal-on-term: -TERM"),
        ("signal number", &["--signal-on-term=999"], 255, "--signal-on-term: 999"),
        ("unknown user", &["--user=no-such-user"], 255, "unknown user \"no-such-user\""),
        ("unknown group", &["--group=no-such-group"], 255, "unknown group \"no-such-group\""),
        ("user that means none", &["--user=4294967295"], 255, "4294967295"),
        ("group that means none", &["--group=4294967295"], 255, "4294967295"),
        ("user beyond all numbers", &["--user=4294967296"], 255, "4294967296"),
        ("unknown owner", &["--path-owner=no-such-user"], 255, "unknown user \"no-such-user\""),
        ("unknown owning group", &["--path-owner=:no-such"], 255, "unknown group \"no-such\""),
        ("owner of three parts", &["--path-owner=a:b:c"], 255, "USER:GROUP or :GROUP"),
        ("owner without a group", &["--path-owner=root:"], 255, "USER:GROUP or :GROUP"),
        ("no log command", &["--log-file=|"], 255, "a command must follow the \"|\""),
        ("daemon without a log", &["--daemonize"], 255, "--log-file option must be specified"),
        ("stop without a file", &["--stop", "--pid-file=0"], 255, "requires --pid-file"),
    ];
    all_refused(&sandbox, &FILES, cases);
}

#[test]
fn bad_bytes_in_options() {
    let sandbox = Sandbox::new("bad-bytes");
    let odd = |option: &str| bytes(&[option.as_bytes(), b"=\xff\xfe\n\x07"].concat());
    for option in ["--port", "--signal-on-hup", "--user", "--group", "--path-owner"] {
        let launch = sandbox.start_server().arg(odd(option)).program(["true"]);
        refused(&sandbox, option, launch, 255, option.trim_start_matches('-'));
    }
    for option in ["--interval", "--kill-timeout", "--path-mode", "--frob"] {
        let launch = sandbox.start_server().arg(odd(option)).program(["true"]);
        refused(&sandbox, option, launch, 1, option.trim_start_matches('-'));
    }
}

#[test]
fn bad_helpers_without_their_options() {
    let sandbox = Sandbox::new("bad-helpers");
    let cases: &[Case<'_>] = &[
        ("stop", &["--stop"], 255, "--stop option requires --pid-file to be set"),
        ("restart", &["--restart"], 255, "--restart option requires --pid-file and --status-file"),
        ("restart, pid", &["--restart", "--pid-file=p"], 255, "requires --pid-file and --status"),
        ("restart, status", &["--restart", "--status-file=s"], 255, "requires --pid-file and"),
        ("restart-timeout", &["--restart", "--restart-timeout=x"], 1, "option restart-timeout"),
        ("status", &["--status"], 255, "--status option requires --pid-file or --status-file"),
        ("missing program", &["--path=new.sock"], 255, "server program not specified"),
        ("missing program after --", &["--path=new.sock", "--"], 255, "server program not spec"),
        ("missing value", &["--port"], 1, "Option port requires an argument"),
        ("missing number", &["--interval"], 1, "Option interval requires an argument"),
    ];
    for (name, options, code, says) in cases {
        refused(&sandbox, name, sandbox.start_server().args(*options), *code, says);
    }
}

#[test]
fn bad_options_of_the_program_are_told_how_to_be_passed() {
    let sandbox = Sandbox::new("bad-order");
    let finished = sandbox.start_server().args(["--path=s", "my_httpd", "--frob"]).output();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let lines: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "Unknown option: frob"), "{finished:?}");
    assert!(lines[1].contains("\"--\"") && lines[1].contains("program"), "{finished:?}");
    is_clear("advice", lines[1]);
    assert!(sandbox.names().is_empty());
}

/// Several wrong values at once: a line for each, so that one run shows everything.
#[test]
fn bad_values_are_told_together() {
    let sandbox = Sandbox::new("bad-together");
    let options = ["--port=x", "--port=80=2", "--path=a;b", "--signal-on-hup=FOO", "--user="];
    let finished = sandbox.start_server().args(&options[..4]).program(["true"]).output();
    assert_eq!(finished.code, Some(255), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 4, "{finished:?}");
    finished.stderr.lines().for_each(|line| is_clear("together", line));
    assert!(sandbox.names().is_empty());
}

#[test]
fn bad_programs() {
    let sandbox = Sandbox::new("bad-programs");
    let executable = |name: &str, text: &str, mode| {
        let path = sandbox.write(name, text);
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    executable("plain", "#!/bin/sh\n>proof\n", 0o644);
    // A shell would run this; execvp(3) would hand it to one.
    executable("text", ">proof\n", 0o755);
    executable("empty", "", 0o755);
    executable("lost", "#!/no/such/interpreter\n", 0o755);
    fs::create_dir(sandbox.path("directory")).unwrap();
    std::os::unix::fs::symlink("loop", sandbox.path("loop")).unwrap();
    let long = "x".repeat(300);
    let cases: &[(&str, &str, i32)] = &[
        ("missing", "./no-such-program", 2),
        ("missing in PATH", "no-such-program-anywhere", 2),
        ("missing with a non-ASCII name", "./gr\u{fc}n", 2),
        ("not executable", "./plain", 13),
        ("directory", "./directory", 13),
        ("text without #!", "./text", 8),
        ("empty file", "./empty", 8),
        ("interpreter missing", "./lost", 2),
        ("file as a directory", "./plain/program", 20),
        ("symbolic links in a circle", "./loop", 40),
        ("name too long", &long, 36),
    ];
    for (name, program, code) in cases {
        let launch = sandbox.start_server().args(FILES).arg("--port=127.0.0.1:0");
        let line = refused(&sandbox, name, launch.program([program]), *code, program);
        assert!(line.starts_with("failed to exec "), "{name}: {line}");
    }
    // A word can be empty, a name cannot.
    let launch = sandbox.start_server().args(FILES).program([""]);
    let finished = launch.output();
    assert!(matches!(finished.code, Some(1..)), "{finished:?}");
    assert!(finished.stderr.contains("program"), "{finished:?}");
    assert!(!sandbox.exists("new.pid") && !sandbox.exists("new.sock"), "{:?}", sandbox.names());
}

#[test]
fn bad_directories() {
    let sandbox = Sandbox::new("bad-dirs");
    sandbox.write("file", "content");
    let cases: &[Case<'_>] = &[
        ("missing", &["--dir=no-such-dir"], 2, "failed to change directory to no-such-dir: No"),
        ("file", &["--dir=file"], 20, "failed to change directory to file: Not a directory"),
        ("below a file", &["--dir=file/x"], 20, "directory to file/x: Not a directory"),
    ];
    all_refused(&sandbox, &FILES, cases);
    closed_directory(&sandbox, "secret");
    fs::set_permissions(sandbox.path("secret"), Permissions::from_mode(0o700)).unwrap();
    if rustix::process::geteuid().is_root() {
        let launch = sandbox.start_server().arg("--dir=secret").program(["true"]);
        let Some(launch) = unprivileged(launch) else { return };
        refused(&sandbox, "no permission", launch, 13, "to secret: Permission denied");
    }
}

#[test]
fn bad_rights_for_another_user() {
    if !rustix::process::geteuid().is_root() {
        // Anybody else cannot become root: the case itself.
        let sandbox = Sandbox::new("bad-user");
        let launch = sandbox.start_server().arg("--user=root").program(["true"]);
        refused(&sandbox, "user", launch, 1, "Operation not permitted");
        return;
    }
    let sandbox = Sandbox::new("bad-user");
    for option in ["--user=root", "--group=root"] {
        let launch = sandbox.start_server().arg(option).program(["true"]);
        let Some(launch) = unprivileged(launch) else { return };
        let line = refused(&sandbox, option, launch, 1, "Operation not permitted");
        assert!(line.starts_with("failed to take on user and groups for true"), "{line}");
    }
}
