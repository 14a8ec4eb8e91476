//! Bytes that are no UTF-8: in the environment, in names of files, in what workers are told.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use sigpolicy::Signal;

use crate::bad_case::{bytes, is_clear};
use crate::sandbox::{Sandbox, ask, eventually};

/// The variables of a process as it was started.
fn environment(pid: i32) -> Vec<Vec<u8>> {
    let text = fs::read(format!("/proc/{pid}/environ")).unwrap();
    text.split(|byte| *byte == 0).filter(|text| !text.is_empty()).map(<[u8]>::to_vec).collect()
}

#[test]
fn bad_bytes_in_the_environment_reach_the_worker_unchanged() {
    let sandbox = Sandbox::new("bad-env");
    let odd: &[(&[u8], &[u8])] = &[
        (b"VALUE", b"\xff\xfe\x80"),
        (b"NA\xc3ME", b"half a character"),
        (b"\xf0\x9f", b"\xf0\x9f"),
        (b"with blank", b" and more "),
        (b"LINES", b"first\nsecond\n"),
        (b"ESCAPE", b"\x1b[2J\x07"),
        (b"EMPTY", b""),
        (b"EQUAL", b"a=b=c"),
        (b"()", b"() { :;}; echo no"),
    ];
    fs::create_dir(sandbox.path("vars")).unwrap();
    fs::write(sandbox.path("vars").join(bytes(b"DIR\xff")), b"from a file \xfe\n").unwrap();
    fs::write(sandbox.path("vars").join(bytes(b"a=b")), b"no name of a variable\n").unwrap();
    let script = sandbox.script("worker", "on TERM exit 0\nsay up $GEN $PID");
    let mut launch = sandbox.start_server().args(["--interval=0", "--envdir=vars"]);
    for (name, value) in odd {
        launch = launch.env(bytes(name), bytes(value));
    }
    let mut server = launch.worker(script).spawn();
    for generation in 1..=2 {
        let worker = server.wait_line(&format!("up {generation} ")).number();
        let environment = environment(worker);
        for (name, value) in odd.iter().chain([&(&b"DIR\xff"[..], &b"from a file \xfe"[..])]) {
            let wanted = [name, &b"="[..], value].concat();
            let shown = wanted.escape_ascii();
            assert_eq!(environment.iter().filter(|text| **text == wanted).count(), 1, "{shown}");
        }
        server.signal(Signal::HUP);
    }
    server.wait_line("up 3 ");
    server.stop();
}

/// Values for the server's own settings that make no sense: a warning, and the default.
#[test]
fn bad_settings_in_the_environment() {
    let sandbox = Sandbox::new("bad-settings");
    let script = sandbox.script("worker", "on TERM exit 0\nsay up $GEN $PID");
    for value in [&b"garbage"[..], b"\xff", b"-5", b"1e999", b"99999999999999999999999999", b"nan"]
    {
        let launch = sandbox.start_server().arg("--interval=0").separate();
        let launch = launch.env("KILL_OLD_DELAY", bytes(value));
        let launch = launch.env("AUTO_RESTART_INTERVAL", bytes(value));
        let mut server = launch.env("WATCHDOG_USEC", bytes(value)).worker(&script).spawn();
        server.wait_line("up 1 ");
        server.stop();
        let (_, stderr) = server.texts();
        for line in stderr.lines() {
            is_clear(&value.escape_ascii().to_string(), line);
        }
        assert!(stderr.lines().count() < 12, "{stderr}");
    }
}

/// Every file that an option names, at once.
#[test]
fn bad_bytes_in_names_of_files() {
    let sandbox = Sandbox::new("bad-names");
    let name = |name: &str| -> PathBuf { bytes(&[b"\xff\xfe ", name.as_bytes()].concat()).into() };
    let path = |file: &str| sandbox.path("").join(name(file));
    fs::create_dir(path("dir")).unwrap();
    let script = sandbox.script("worker", "on TERM exit 0\nserve\nsay up $GEN $PID\ncwd");
    let files = |option: &str, file: &str| {
        bytes(&[option.as_bytes(), b"=", name(file).as_os_str().as_bytes()].concat())
    };
    let options = [
        files("--pid-file", "pid"),
        files("--status-file", "status"),
        files("--path", "sock"),
        files("--log-file", "log"),
        files("--dir", "dir"),
    ];
    let mut server =
        sandbox.start_server().args(&options).arg("--interval=0").worker(script).spawn();
    let worker = eventually("the status file", || fs::read_to_string(path("status")).ok());
    assert_eq!(fs::read_to_string(path("pid")).unwrap(), format!("{}\n", server.pid()));
    let answer = eventually("an answer", || ask(&path("sock")).ok());
    assert_eq!(format!("{}\n", answer.replace(' ', ":")), worker);
    let pid = answer.split_once(' ').unwrap().1.parse().unwrap();
    let port = [b"SERVER_STARTER_PORT=", name("sock").as_os_str().as_bytes(), b"="].concat();
    assert!(environment(pid).iter().any(|text| text.starts_with(&port)));

    let status = sandbox.start_server().args(["--status", "--json"]).arg(&options[0]).output();
    assert_eq!(status.code, Some(0), "{status:?}");
    assert!(status.stdout.starts_with('{') && status.stdout.contains("sock"), "{status:?}");
    let restart = sandbox.start_server().arg("--restart").args(&options[..2]).output();
    assert_eq!((restart.code, restart.stderr.as_str()), (Some(0), ""), "{restart:?}");
    let stop = sandbox.start_server().arg("--stop").arg(&options[0]).output();
    assert_eq!(stop.code, Some(0), "{stop:?}");
    assert_eq!(server.wait_exit().code(), Some(0), "{}", server.transcript());
    for file in ["pid", "status", "sock"] {
        assert!(path(file).symlink_metadata().is_err(), "{file}");
    }
    let log = String::from_utf8_lossy(&fs::read(path("log")).unwrap()).into_owned();
    assert!(log.contains("/\u{fffd}\u{fffd} dir\n") && log.ends_with("exiting\n"), "{log}");
}

/// Lines that name such files stay one line each, without control characters.
#[test]
fn bad_bytes_in_names_are_escaped_in_messages() {
    let sandbox = Sandbox::new("bad-shown");
    let odd = b"no\n\x1b[2J\xff/x";
    for option in ["--pid-file", "--status-file", "--log-file", "--path", "--dir"] {
        let launch = sandbox.start_server().arg(option).arg(bytes(odd)).program(["true"]);
        let finished = launch.output();
        assert!(matches!(finished.code, Some(2 | 255)), "{option}: {finished:?}");
        let last = finished.stderr.lines().last().unwrap();
        is_clear(option, last);
        assert!(last.contains("[2J") && last.contains("/x"), "{option}: {finished:?}");
    }
    let launch = sandbox.start_server().program([bytes(odd)]);
    let finished = launch.output();
    assert_eq!(finished.code, Some(2), "{finished:?}");
    is_clear("program", finished.stderr.lines().last().unwrap());
    assert!(sandbox.names().is_empty());
}
