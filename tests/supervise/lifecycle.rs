//! The states of a program, told by the lines of the log.

use std::time::{Duration, Instant};

use sigpolicy::Signal;

use super::harness::{Config, Supervisor};
use crate::sandbox::{Sandbox, kill};

#[test]
fn running_means_that_startsecs_have_passed() {
    let sandbox = Sandbox::new("sv-startsecs");
    let config = Config::new(&sandbox).idle("slow", "startsecs=1").idle("quick", "startsecs=0");
    let mut ours = config.spawn();
    let lines = ours.wait_lines(&["spawned: 'slow'", "success: slow entered", "success: quick"]);
    let text = "process has stayed up for > than 1 seconds (startsecs)";
    assert!(lines[1].text.ends_with(text), "{:?}", lines[1]);
    let text = "process has stayed up for > than 0 seconds (startsecs)";
    assert!(lines[2].text.ends_with(text), "{:?}", lines[2]);
    let took = lines[1].at - lines[0].at;
    assert!(took >= Duration::from_millis(900), "{took:?}");
    ours.in_order(&["supervisord started with pid", "spawned: 'slow'", "success: slow"]);
    ours.stop();
}

/// 1 s, 2 s, then no more: startretries counts what comes after the first.
#[test]
fn a_program_that_cannot_start_is_given_up_after_its_retries() {
    let sandbox = Sandbox::new("sv-backoff");
    let keys = "startsecs=1\nstartretries=2\nautorestart=false";
    let mut ours = Config::new(&sandbox).puppet("bad", "exit 3", keys).idle("good", "").spawn();
    let text = "gave up: bad entered FATAL state, too many start retries too quickly";
    ours.wait_line(text);
    let stamped = ours.stamped();
    let times = |text: &str| -> Vec<Instant> {
        stamped.iter().filter(|line| line.text.contains(text)).map(|line| line.at).collect()
    };
    let starts = times("spawned: 'bad'");
    let ends = times("WARN exited: bad (exit status 3; not expected)");
    assert_eq!((starts.len(), ends.len()), (3, 3), "{}", ours.transcript());
    for (retry, seconds) in [(1, 1), (2, 2)] {
        let wait = starts[retry] - ends[retry - 1];
        let wanted = Duration::from_secs(seconds);
        let fine = wanted.mul_f64(0.9)..wanted + Duration::from_secs(3);
        assert!(fine.contains(&wait), "{wait:?}\n{}", ours.transcript());
    }
    assert!(ours.server.alive());
    ours.stop();
    assert_eq!(ours.count("INFO gave up: bad"), 1);
}

/// Even with the code that is expected: before startsecs nothing is.
#[test]
fn an_end_before_startsecs_is_a_failed_start() {
    let sandbox = Sandbox::new("sv-early");
    let keys = "startsecs=2\nstartretries=0\nautorestart=false\nexitcodes=0";
    let mut ours = Config::new(&sandbox).puppet("early", "exit 0", keys).spawn();
    ours.wait_lines(&["exited: early (exit status 0; not expected)", "gave up: early"]);
    assert_eq!(ours.count_spawned("early"), 1);
    ours.stop();
}

#[test]
fn autorestart_and_exitcodes_say_who_comes_back() {
    let cases = [
        ("true0", "autorestart=true", 0, "expected", true),
        ("true3", "autorestart=true", 3, "not expected", true),
        ("false0", "autorestart=false", 0, "expected", false),
        ("false3", "autorestart=false", 3, "not expected", false),
        ("plain0", "", 0, "expected", false),
        ("plain2", "", 2, "not expected", true),
        ("listed3", "exitcodes=0,3", 3, "expected", false),
        ("listed4", "exitcodes=0,3", 4, "not expected", true),
        ("none0", "exitcodes=", 0, "not expected", true),
    ];
    let sandbox = Sandbox::new("sv-autorestart");
    let mut config = Config::new(&sandbox).idle("clock", "startsecs=3");
    for (name, keys, code, ..) in cases {
        config = config.puppet(name, &format!("exit {code}"), keys);
    }
    let mut ours = config.spawn();
    for (name, _, code, expected, _) in cases {
        ours.wait_line(&format!("exited: {name} (exit status {code}; {expected})"));
    }
    ours.succeeds("clock");
    for (name, _, _, _, comes_back) in cases {
        let starts = ours.count_spawned(name);
        assert_eq!(starts > 1, comes_back, "{name}: {starts} starts\n{}", ours.transcript());
    }
    ours.stop();
}

/// supervisord starts it as often as its loop turns.
#[test]
fn a_program_that_ends_at_once_starts_once_a_second() {
    let sandbox = Sandbox::new("sv-pace");
    let config = Config::new(&sandbox).puppet("storm", "exit 1", "autorestart=true");
    let mut ours = config.spawn();
    let starts: Vec<Instant> = (0..4).map(|_| ours.wait_line("spawned: 'storm'").at).collect();
    for pair in starts.windows(2) {
        let gap = pair[1] - pair[0];
        assert!(gap >= Duration::from_millis(900), "{gap:?}\n{}", ours.transcript());
        assert!(gap < Duration::from_secs(4), "{gap:?}\n{}", ours.transcript());
    }
    ours.stop();
}

#[test]
fn a_death_by_signal_is_unexpected_and_answered_at_once() {
    let sandbox = Sandbox::new("sv-signal");
    let mut ours = Config::new(&sandbox).idle("p", "startsecs=1\nexitcodes=0,9,11").spawn();
    let first = ours.starts("p");
    kill(first, Signal::KILL);
    let died = ours.wait_line("WARN exited: p (terminated by SIGKILL; not expected)").at;
    let again = ours.wait_line("spawned: 'p'");
    let took = again.at - died;
    assert!(took < Duration::from_millis(1500), "{took:?}\n{}", ours.transcript());
    ours.succeeds("p");
    kill(again.number_after("with pid"), Signal::SEGV);
    ours.wait_line("exited: p (terminated by SIGSEGV");
    ours.starts("p");
    ours.stop();
}

#[test]
fn autostart_false_waits() {
    let sandbox = Sandbox::new("sv-autostart");
    let config = Config::new(&sandbox).idle("off", "autostart=false").idle("on", "startsecs=1");
    let mut ours = config.spawn();
    ours.starts("on");
    assert_eq!(ours.count("'off'"), 0, "{}", ours.transcript());
    ours.stop();
}

/// Each way in which a command is none, with supervisord's words; the others run.
#[test]
fn a_command_that_is_none_is_fatal_with_its_reason() {
    let sandbox = Sandbox::new("sv-command");
    sandbox.write("text", "no program");
    std::fs::create_dir(sandbox.path("dir")).unwrap();
    let at = |name: &str| sandbox.path(name).display().to_string();
    let cases = [
        ("missing", at("nosuch"), format!("can't find command '{}'", at("nosuch"))),
        ("nowhere", "no-such-word-1x".into(), "can't find command 'no-such-word-1x'".into()),
        ("text", at("text"), format!("command at '{}' is not executable", at("text"))),
        ("dir", at("dir"), format!("command at '{}' is a directory", at("dir"))),
        ("quote", "echo 'a".into(), "can't parse command".into()),
    ];
    let mut config = Config::new(&sandbox).idle("good", "startsecs=1");
    for (name, command, _) in &cases {
        config = config.program(name, command, "startretries=0");
    }
    let mut ours = config.spawn();
    for (name, _, reason) in &cases {
        ours.wait_line(&format!("INFO spawnerr: {reason}"));
        ours.wait_line(&format!("gave up: {name} entered FATAL state"));
        assert_eq!(ours.count_spawned(name), 0, "{}", ours.transcript());
    }
    ours.starts("good");
    ours.stop();
}

/// What is repaired between two tries runs.
#[test]
fn a_command_that_appears_later_runs() {
    let sandbox = Sandbox::new("sv-later");
    let path = sandbox.path("later").display().to_string();
    let mut ours = Config::new(&sandbox).program("p", &path, "startretries=5").spawn();
    ours.wait_line("spawnerr: can't find command");
    sandbox.shell("later", "exec sleep 1000");
    ours.starts("p");
    ours.stop();
}

/// Ours: -1 is for ever, `backoff_max` is the longest wait.
#[test]
fn retries_without_end_and_with_a_ceiling() {
    let sandbox = Sandbox::new("sv-forever");
    let keys = "startsecs=5\nstartretries=-1\nbackoff_max=0.2";
    let mut ours = Config::new(&sandbox).puppet("p", "exit 1", keys).spawn();
    for _ in 0..8 {
        ours.spawned("p");
    }
    assert_eq!(ours.count("FATAL"), 0, "{}", ours.transcript());
    ours.stop();
}

#[test]
fn restart_pause_is_kept_between_exit_and_start() {
    let sandbox = Sandbox::new("sv-pause");
    let keys = "startsecs=0\nautorestart=true\nrestart_pause=2";
    let mut ours = Config::new(&sandbox).puppet("p", "wait go\nexit 0", keys).spawn();
    ours.spawned("p");
    sandbox.write("go", "");
    let ended = ours.wait_line("exited: p").at;
    let took = ours.wait_line("spawned: 'p'").at - ended;
    assert!(took >= Duration::from_millis(1900), "{took:?}");
    ours.stop();
}

/// Ours: what was stopped by hand in a former run is not started, whatever `autostart` says.
#[test]
fn a_state_file_keeps_programs_stopped() {
    let sandbox = Sandbox::new("sv-state");
    sandbox.write("state", "# stopped by hand; written by supervise\noff:off\n");
    let config = Config::new(&sandbox).idle("off", "").idle("on", "startsecs=1");
    let launch = config.launch().arg("--state").arg(sandbox.path("state"));
    let mut ours = Supervisor::new(&sandbox, launch.spawn());
    ours.starts("on");
    assert_eq!(ours.count_spawned("off"), 0, "{}", ours.transcript());
    ours.stop();
    assert!(sandbox.read("state").contains("off:off"), "{}", sandbox.read("state"));
    sandbox.write("state", "something else\n");
    let refused = config.launch().arg("--state").arg(sandbox.path("state")).output();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("is not a state file"), "{refused:?}");
    assert_eq!(sandbox.read("state"), "something else\n");
}
