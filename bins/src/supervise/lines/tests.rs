//! supervisord's words, letter for letter.

use super::*;

fn pid(number: i32) -> Pid {
    Pid::from_raw(number).unwrap()
}

fn name() -> String {
    "web_1".into()
}

#[test]
fn lines_that_people_search_for() {
    let three = Exit::from_code(3);
    let (segv, term) = (Exit::from_raw(11 | 0x80), Exit::from_raw(15));
    for (line, level, text) in [
        (Line::Spawned { name: name(), pid: pid(7) }, Level::Info, "spawned: 'web_1' with pid 7"),
        (Line::SpawnError("can't find".into()), Level::Info, "spawnerr: can't find"),
        (
            Line::Success { name: name(), startsecs: Duration::from_secs(10) },
            Level::Info,
            "success: web_1 entered RUNNING state, process has stayed up for > than 10 seconds \
             (startsecs)",
        ),
        (
            Line::Exited { name: name(), exit: Exit::from_code(0), expected: true },
            Level::Info,
            "exited: web_1 (exit status 0; expected)",
        ),
        (
            Line::Exited { name: name(), exit: three, expected: false },
            Level::Warn,
            "exited: web_1 (exit status 3; not expected)",
        ),
        (
            Line::Exited { name: name(), exit: segv, expected: false },
            Level::Warn,
            "exited: web_1 (terminated by SIGSEGV (core dumped); not expected)",
        ),
        (
            Line::Stopped { name: name(), exit: term, expected: false },
            Level::Warn,
            "stopped: web_1 (terminated by SIGTERM)",
        ),
        (
            Line::Stopped { name: name(), exit: Exit::from_code(0), expected: true },
            Level::Info,
            "stopped: web_1 (exit status 0)",
        ),
        (
            Line::Stopped { name: name(), exit: Exit::from_raw(0x7f), expected: false },
            Level::Warn,
            "stopped: web_1 (unknown termination cause 0x007f)",
        ),
        (
            Line::GaveUp { name: name() },
            Level::Info,
            "gave up: web_1 entered FATAL state, too many start retries too quickly",
        ),
        (Line::WaitingToStop { name: name() }, Level::Info, "waiting for web_1 to stop"),
        (Line::WaitingToDie(vec!["a".into(), "b".into()]), Level::Info, "waiting for a, b to die"),
        (
            Line::KillingHard { name: name(), pid: pid(7) },
            Level::Warn,
            "killing 'web_1' (7) with SIGKILL",
        ),
        (
            Line::ReapedUnknown { pid: pid(9), exit: three },
            Level::Info,
            "reaped unknown pid 9 (exit status 3)",
        ),
        (Line::ExitRequest(Signal::TERM), Level::Warn, "received SIGTERM indicating exit request"),
        (
            Line::RestartRequest(Signal::HUP),
            Level::Warn,
            "received SIGHUP indicating restart request",
        ),
        (
            Line::RestartIgnored(Signal::HUP),
            Level::Warn,
            "ignored SIGHUP indicating restart request (shutdown in progress)",
        ),
        (
            Line::ReopenRequest(Signal::USR2),
            Level::Info,
            "received SIGUSR2 indicating log reopen request",
        ),
        (Line::Reopened, Level::Info, "supervisord logreopen"),
        (Line::Nothing(Signal::USR1), Level::Blather, "received SIGUSR1 indicating nothing"),
        (Line::Started { pid: pid(1) }, Level::Info, "supervisord started with pid 1"),
        (
            Line::PidFile { path: "/run/x".into() },
            Level::Critical,
            "could not write pidfile /run/x",
        ),
        (Line::Daemonizing, Level::Info, "daemonizing the supervisord process"),
        (Line::Directory { path: "/".into() }, Level::Info, "set current directory: '/'"),
        (
            Line::CannotChdir { path: "/x".into(), why: "no".into() },
            Level::Critical,
            "can't chdir into '/x': no",
        ),
        (Line::SetUid { uid: 33 }, Level::Info, "Set uid to user 33 succeeded"),
        (
            Line::UnableToSignal { name: name(), pid: pid(7), why: "gone".into() },
            Level::Debug,
            "unable to signal web_1 (pid 7), it probably just exited on its own: gone",
        ),
        (
            Line::UnknownProblem { name: name(), pid: pid(7), why: "EPERM".into() },
            Level::Critical,
            "unknown problem killing web_1 (7):EPERM",
        ),
        (Line::Text(Level::Trace, "as it is".into()), Level::Trace, "as it is"),
    ] {
        assert_eq!(line.to_string(), text);
        assert_eq!(line.level(), level, "{text}");
    }
}

#[test]
fn signals_as_python_names_them() {
    for (raw, text) in [
        (1, "SIGHUP"),
        (6, "SIGABRT"),
        (9, "SIGKILL"),
        (16, "SIGSTKFLT"),
        (17, "SIGCHLD"),
        (29, "SIGPOLL"),
        (31, "SIGSYS"),
        (32, "signal 32"),
        (33, "signal 33"),
        (34, "SIGRTMIN"),
        (35, "signal 35"),
        (63, "signal 63"),
        (64, "SIGRTMAX"),
    ] {
        assert_eq!(Named(Signal::from_raw(raw).unwrap()).to_string(), text);
    }
}

#[test]
fn seconds_have_no_idle_fraction() {
    for (millis, text) in [(0, "0"), (1000, "1"), (1500, "1.5"), (2010, "2.01"), (5, "0.005")] {
        assert_eq!(Seconds(Duration::from_millis(millis)).to_string(), text);
    }
}
