use std::io::{BufRead, BufReader, Read, Write};
use std::time::Duration;

use rustix::process::{WaitId, WaitIdOptions, test_kill_process, waitid};

use super::rest::Rest;
use super::*;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

fn number(pid: Pid) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(pid.as_raw()).unwrap()
}

/// A shell whose standard output is a pipe.
fn shell(script: &str) -> Process {
    Process::new("sh").args(["-c", script]).stdout(Output::Pipe)
}

/// Starts it and waits for its first line.
fn up(process: &mut Process) -> (Pid, BufReader<File>, String) {
    let pid = process.start().unwrap();
    let mut out = BufReader::new(process.take_stdout().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    (pid, out, line.trim().to_owned())
}

/// Waits for the end of the pipe: all who had it have gone.
fn rest(mut out: BufReader<File>) -> String {
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn start_stat_stop_and_again() {
    let mut process = Process::new("sleep").arg("1000").stop_signal(Signal::TERM, LONG);
    assert_eq!(process.stat(), Stat::Dead(None));
    assert!(process.pidfd().is_none());
    for _ in 0..2 {
        let pid = process.start().unwrap();
        assert_eq!(process.stat(), Stat::Alive(pid));
        let again = process.start().unwrap_err();
        assert!(matches!(again, ProcessError::Alive(other) if other == pid), "{again}");
        let ended = process.stop().unwrap();
        assert_eq!(ended.exit.unwrap().signal(), Some(Signal::TERM));
        assert!(!ended.killed);
        assert_eq!(process.stat(), Stat::Dead(ended.exit));
        assert!(process.pidfd().is_none());
        assert_eq!(process.stop().unwrap().exit, ended.exit, "stopped already");
        assert!(test_kill_process(number(pid)).is_err(), "reaped");
    }
}

#[test]
fn nothing_to_signal() {
    let mut process = Process::new("true");
    assert!(matches!(process.reload(), Err(ProcessError::Dead)));
    assert!(matches!(process.killme(), Err(ProcessError::Dead)));
    assert_eq!(
        process.stop().unwrap(),
        Ended { exit: None, killed: false, waited: Duration::ZERO }
    );
    process.start().unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
    assert!(matches!(process.reload(), Err(ProcessError::Dead)));
    let ended = process.stop().unwrap();
    assert_eq!((ended.exit.unwrap().code(), ended.waited), (Some(0), Duration::ZERO));
    assert!(process.release().is_none());
}

#[test]
fn stat_reaps_what_has_ended() {
    let mut process = Process::new("sh").args(["-c", "exit 7"]);
    let pid = process.start().unwrap();
    let fd = process.pidfd().unwrap().try_clone_to_owned().unwrap();
    pause(Some(std::os::fd::AsFd::as_fd(&fd)), LONG);
    assert!(test_kill_process(number(pid)).is_ok(), "a zombie");
    assert_eq!(process.stat(), Stat::Dead(Some(Exit::from_code(7))));
    assert!(test_kill_process(number(pid)).is_err());
}

#[test]
fn reload_sends_its_signal() {
    let script = "trap 'echo again' USR1; echo up; while :; do sleep 0.01; done";
    let mut process = shell(script).reload_signal(Signal::USR1).stop_group(true);
    let (_, mut out, _) = up(&mut process);
    process.reload().unwrap();
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "again\n");
    assert!(!process.stop().unwrap().killed);
}

/// Each signal has its time, in order.
#[test]
fn the_signals_of_a_stop() {
    let script = "trap 'echo int' INT; trap 'echo term' TERM; echo up; \
                  while :; do read line <&3 || :; done 3<>\"$0\"";
    let fifo = std::env::temp_dir().join(format!("own-process-{}", std::process::id()));
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let mut process = shell(script).arg(&fifo);
    // However late the shell is, it is not killed before it has answered both.
    process = process.stop_signals([(Signal::INT, SHORT), (Signal::TERM, LONG)]);
    let (_, mut out, _) = up(&mut process);
    std::fs::remove_file(fifo).unwrap();
    let mut next = || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line
    };
    let begun = Instant::now();
    assert!(matches!(process.stopping().unwrap(), Stopping::Wait(left) if left <= SHORT));
    assert_eq!(next(), "int\n");
    // The time of the second is the longer one: from then on it has been sent.
    while matches!(process.stopping().unwrap(), Stopping::Wait(left) if left <= SHORT) {
        pause(process.pidfd(), SHORT);
    }
    assert!(begun.elapsed() >= SHORT);
    assert_eq!(next(), "term\n");
    process.killme().unwrap();
    assert_eq!(process.stop().unwrap().exit.unwrap().signal(), Some(Signal::KILL));
    assert_eq!(rest(out), "");
}

/// After the times of all of them, and not before.
#[test]
fn kill_is_the_last_signal() {
    let mut process = shell("trap '' INT TERM; echo up; exec sleep 1000");
    process = process.stop_signals([(Signal::INT, SHORT), (Signal::TERM, SHORT)]);
    let (_, out, _) = up(&mut process);
    let ended = process.stop().unwrap();
    assert!(ended.killed && ended.waited >= SHORT * 2, "{ended:?}");
    assert_eq!(ended.exit.unwrap().signal(), Some(Signal::KILL));
    assert_eq!(rest(out), "");
}

/// The shell dies of TERM at once, what it had started is not asked: it is killed, and gone before
/// the stop is over.
#[test]
fn nothing_of_the_group_survives_a_stop() {
    let mut process = shell("sh -c 'trap \"\" TERM; echo up; sleep 1000' & wait");
    process = process.stop_signal(Signal::TERM, LONG);
    let (pid, out, _) = up(&mut process);
    let ended = process.stop().unwrap();
    assert!(!ended.killed && ended.waited < LONG, "{ended:?}");
    assert_eq!(rest(out), "");
    assert!(!Rest::default().lives(pid));
}

/// With the whole group the rest may take its time, and a stop is over when the last has gone.
#[test]
fn a_whole_group_is_waited_for() {
    let script =
        "sh -c 'trap \"echo drained; exit\" TERM; echo up; while :; do sleep 0.01; done' & wait";
    let mut process = shell(script).stop_group(true).stop_signal(Signal::TERM, LONG);
    let (pid, out, _) = up(&mut process);
    let ended = process.stop().unwrap();
    assert_eq!(ended.exit.unwrap().signal(), Some(Signal::TERM));
    assert!(!ended.killed);
    assert!(!Rest::default().lives(pid));
    assert_eq!(rest(out), "drained\n");
}

#[test]
fn a_whole_group_that_does_not_go_is_killed() {
    let wait = Duration::from_millis(400);
    let script = "sh -c 'trap \"\" TERM; echo up; sleep 1000' & wait";
    let mut process = shell(script).stop_group(true).stop_signal(Signal::TERM, wait);
    let (pid, out, _) = up(&mut process);
    let begun = Instant::now();
    assert!(matches!(process.stopping().unwrap(), Stopping::Wait(_)));
    while test_kill_process(number(pid)).is_ok() && begun.elapsed() < LONG {
        process.stat();
    }
    // The program has gone, the rest has not: that is not dead, and no second one may start.
    if process.stat() == Stat::Alive(pid) {
        assert!(matches!(process.start(), Err(ProcessError::Alive(_))));
        assert!(process.pidfd().is_none(), "it would be readable for ever");
    } else {
        assert!(begun.elapsed() >= wait);
    }
    let ended = process.stop().unwrap();
    assert_eq!((ended.exit.unwrap().signal(), ended.killed), (Some(Signal::TERM), false));
    assert!(ended.waited >= wait);
    assert_eq!(rest(out), "");
}

#[test]
fn an_own_loop() {
    let mut process = shell("trap '' TERM; echo up; exec sleep 1000");
    process = process.stop_signal(Signal::TERM, SHORT);
    let (pid, _out, _) = up(&mut process);
    let mut rounds = 0;
    let ended = loop {
        match process.stopping().unwrap() {
            Stopping::Gone(ended) => break ended,
            Stopping::Wait(most) => {
                assert_eq!(process.stat(), Stat::Alive(pid));
                pause(process.pidfd(), most);
            }
        }
        rounds += 1;
    };
    assert!(ended.killed);
    // TERM, KILL, and the end that the descriptor tells; a machine under load may add a look or two.
    assert!((2..20).contains(&rounds), "{rounds}");
}

#[test]
fn killme_takes_the_group() {
    let mut process = shell("sh -c 'echo up; sleep 1000' & wait").stop_signal(Signal::TERM, LONG);
    let (pid, out, _) = up(&mut process);
    process.killme().unwrap();
    assert_eq!(process.wait().unwrap().signal(), Some(Signal::KILL));
    assert_eq!(rest(out), "");
    assert_eq!(process.stat(), Stat::Dead(Some(Exit::from_raw(9))));
    assert!(!Rest::default().lives(pid));
}

#[test]
fn killme_cuts_a_stop_short() {
    let mut process = shell("trap '' TERM; echo up; exec sleep 1000");
    process = process.stop_signal(Signal::TERM, LONG);
    let (_, _out, _) = up(&mut process);
    assert!(matches!(process.stopping().unwrap(), Stopping::Wait(left) if left <= LONG));
    process.killme().unwrap();
    let ended = process.stop().unwrap();
    assert!(ended.killed && ended.waited < LONG, "{ended:?}");
}

#[test]
fn a_time_to_live() {
    let mut process = Process::new("sleep").arg("1000");
    let pid = process.start().unwrap();
    let begun = Instant::now();
    assert_eq!(process.wait_within(SHORT), Stat::Alive(pid));
    assert!(begun.elapsed() >= SHORT);
    process.signal(Signal::INT).unwrap();
    assert_eq!(process.wait_within(LONG), Stat::Dead(Some(Exit::from_raw(2))));
}

#[test]
fn dropped_is_killed_and_released_is_not() {
    let mut process = shell("sh -c 'echo up; sleep 1000' & wait");
    let (pid, out, _) = up(&mut process);
    drop(process);
    assert!(test_kill_process(number(pid)).is_err(), "reaped");
    assert_eq!(rest(out), "");

    let mut process = Process::new("sleep").arg("1000");
    let pid = process.start().unwrap();
    let mut child = process.release().unwrap();
    assert_eq!((child.pid(), child.try_wait().unwrap()), (pid, None));
    child.signal(Signal::KILL).unwrap();
    child.wait().unwrap();
}

#[test]
fn reaped_by_somebody_else() {
    for stop in [false, true] {
        let mut process = Process::new("true");
        let pid = process.start().unwrap();
        waitid(WaitId::Pid(number(pid)), WaitIdOptions::EXITED).unwrap();
        if stop {
            assert_eq!(process.stop().unwrap().exit, None);
        }
        assert_eq!(process.stat(), Stat::Dead(None));
        assert!(matches!(process.killme(), Err(ProcessError::Dead)));
    }
    // In the middle of a stop.
    let mut process = shell("trap '' TERM; echo up; exec sleep 1000");
    let (pid, _out, _) = up(&mut process);
    process.stopping().unwrap();
    process.signal(Signal::KILL).unwrap();
    waitid(WaitId::Pid(number(pid)), WaitIdOptions::EXITED).unwrap();
    assert_eq!(process.stop().unwrap().exit, None);
}

#[test]
fn surroundings() {
    let script =
        "pwd; umask; echo $A-$B-${HOME-none}; nice; read word; echo $word >&2; ps -o pgid= $$";
    let mut process = Process::new("sh").args(["-c", script]).env("LOST", "1").env_clear();
    process = process.env("PATH", std::env::var_os("PATH").unwrap()).env("A", "1").env("A", "2");
    process = process.env("B", "3").env_remove("B").dir("/usr").umask(0o27).nice(3);
    process = process.stdin(Input::Pipe).stdout(Output::Pipe).stderr_to_stdout();
    let pid = process.start().unwrap();
    process.take_stdin().unwrap().write_all(b"in\n").unwrap();
    let mut out = String::new();
    process.take_stdout().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0), "{out}");
    let lines: Vec<&str> = out.lines().map(str::trim).collect();
    let own_group = pid.to_string();
    let own_nice = String::from_utf8(std::process::Command::new("nice").output().unwrap().stdout);
    let nice = (own_nice.unwrap().trim().parse::<i32>().unwrap().max(3)).to_string();
    assert_eq!(lines[..3], ["/usr", "0027", "2--none"]);
    assert_eq!((lines[4], lines[5]), ("in", own_group.as_str()));
    assert_eq!(lines[3], nice);
}

#[test]
fn output_to_a_file_is_added_to_it() {
    let path = std::env::temp_dir().join(format!("own-process-log-{}", std::process::id()));
    let script = "echo out; echo err >&2";
    let mut process = Process::new("sh").args(["-c", script]);
    process = process.stdout(Output::Null).stderr(Output::File(path.clone()));
    for _ in 0..2 {
        process.start().unwrap();
        process.wait();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(text, "err\nerr\n");
}

/// What cannot be had is said, and nothing runs.
#[test]
fn what_cannot_start() {
    let text = |mut process: Process| {
        let error = process.start().unwrap_err();
        assert_eq!(process.stat(), Stat::Dead(None));
        error.to_string()
    };
    let gone = "No such file or directory (os error 2)";
    assert_eq!(text(Process::new("/no/such")), format!("failed to exec /no/such: {gone}"));
    assert_eq!(
        text(Process::new("true").dir("/no/such")),
        format!("failed to change directory to /no/such: {gone}")
    );
    assert_eq!(
        text(Process::new("true").stdout(Output::File("/no/such/log".into()))),
        format!("cannot open /no/such/log for the output: {gone}")
    );
    let unknown = text(Process::new("true").user("no-such-user"));
    assert!(unknown.contains("no-such-user"), "{unknown}");
    assert_eq!(text(Process::new("")), "the program name is empty");
    assert!(text(Process::new("true").dir("a\0b")).contains("NUL"));
    assert!(text(Process::new("true").env("A=B", "")).contains("A=B"));
}

/// A user that there is; the test needs root for any other than its own.
#[test]
fn another_user() {
    let root = rustix::process::geteuid().is_root();
    let (user, expected) = if root {
        ("nobody".to_owned(), "nobody")
    } else {
        (rustix::process::geteuid().as_raw().to_string(), "")
    };
    let mut process = Process::new("id").arg("-un").stdout(Output::Pipe).user(&user);
    process.start().unwrap();
    let mut out = String::new();
    process.take_stdout().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
    assert!(!root || out.trim() == expected, "{out}");
}

#[test]
fn secrets_are_not_shown_and_it_can_be_sent() {
    let process = Process::new("x").arg("secret").env("KEY", "secret");
    assert!(!format!("{process:?}").contains("secret"));
    fn sent<T: Send>(_: &T) {}
    sent(&process);
}
