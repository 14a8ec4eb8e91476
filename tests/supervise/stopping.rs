//! How a program is made to end.

use std::time::{Duration, Instant};

use sigpolicy::Signal;

use super::harness::{Config, alive, gone};
use crate::sandbox::{Sandbox, Server, eventually, kill};

fn number_in(sandbox: &Sandbox, file: &str, word: &str) -> i32 {
    let text = sandbox.wait_text(file, word);
    let rest = text.split_once(word).unwrap().1.trim_start();
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// Without "say ready" the puppet might not have its handler yet.
fn up(sandbox: &Sandbox, names: &[&str]) {
    for name in names {
        sandbox.wait_text(&format!("{name}.out"), "up");
    }
}

#[test]
fn the_stop_signal_is_what_the_file_says() {
    let sandbox = Sandbox::new("sv-stopsignal");
    let names = ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM"];
    let mut config = Config::new(&sandbox);
    for (number, name) in names.iter().enumerate() {
        let steps = format!("on {name} exit {}\nsay up", 10 + number);
        config = config.puppet(&name.to_lowercase(), &steps, &format!("stopsignal={name}"));
    }
    config = config.puppet("kill", "say up", "stopsignal=9");
    let mut ours = config.spawn();
    up(&sandbox, &["hup", "int", "quit", "usr1", "usr2", "term", "kill"]);
    ours.stop();
    for (number, name) in names.iter().enumerate() {
        let line = format!("stopped: {} (exit status {})", name.to_lowercase(), 10 + number);
        assert_eq!(ours.count(&line), 1, "{line}\n{}", ours.transcript());
    }
    assert_eq!(ours.count("stopped: kill (terminated by SIGKILL)"), 1);
}

#[test]
fn what_does_not_leave_is_killed_after_stopwaitsecs() {
    let sandbox = Sandbox::new("sv-stubborn");
    let keys = "stopwaitsecs=1";
    let mut ours = Config::new(&sandbox).puppet("p", "on TERM ignore\nsay up", keys).spawn();
    let pid = ours.starts("p");
    up(&sandbox, &["p"]);
    let begun = Instant::now();
    ours.stop();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    ours.in_order(&[
        "WARN received SIGTERM indicating exit request",
        "INFO waiting for p to die",
        &format!("WARN killing 'p' ({pid}) with SIGKILL"),
        "WARN stopped: p (terminated by SIGKILL)",
    ]);
}

#[test]
fn int_and_quit_stop_everything_too() {
    for (signal, name) in [(Signal::INT, "SIGINT"), (Signal::QUIT, "SIGQUIT")] {
        let sandbox = Sandbox::new("sv-int");
        let mut ours = Config::new(&sandbox).idle("p", "").spawn();
        ours.starts("p");
        ours.signal(signal);
        ours.ends(0);
        ours.in_order(&[
            &format!("WARN received {name} indicating exit request"),
            "stopped: p (terminated by SIGTERM)",
        ]);
        assert!(!sandbox.exists("pid"), "the pid file is removed");
    }
}

const PARENT: &str = "child kid\nsay up";

/// The program and its child, each with its pid; both lines are in the program's log.
fn family(sandbox: &Sandbox, ours: &Server, name: &str) -> (i32, i32) {
    let parent = ours.wait_line(&format!("spawned: '{name}'")).number_after("with pid");
    let child = number_in(sandbox, &format!("{name}.out"), "child ");
    sandbox.wait_text(&format!("{name}.out"), "kid up");
    (parent, child)
}

#[test]
fn stopasgroup_signals_the_children_as_well() {
    let sandbox = Sandbox::new("sv-asgroup");
    sandbox.script("kid", "on TERM exit 0\nsay kid up");
    let mut ours = Config::new(&sandbox).puppet("p", PARENT, "stopasgroup=true").spawn();
    let (_, child) = family(&sandbox, &ours, "p");
    ours.signal(Signal::TERM);
    gone(child);
    ours.ends(0);
}

#[test]
fn killasgroup_kills_the_children_as_well() {
    let sandbox = Sandbox::new("sv-killgroup");
    sandbox.script("kid", "on TERM ignore\nsay kid up");
    let keys = "killasgroup=true\nstopwaitsecs=1";
    let steps = format!("on TERM ignore\n{PARENT}");
    let mut ours = Config::new(&sandbox).puppet("p", &steps, keys).spawn();
    let (_, child) = family(&sandbox, &ours, "p");
    ours.signal(Signal::TERM);
    gone(child);
    ours.ends(0);
}

/// Without either the signal is for the program alone.
#[test]
fn a_signal_goes_to_the_program_alone() {
    let sandbox = Sandbox::new("sv-alone");
    sandbox.script("kid", "on TERM say kid got it\nsay kid up");
    let mut ours = Config::new(&sandbox)
        .puppet("p", PARENT, "stopasgroup=false\nautorestart=false")
        .idle("other", "")
        .spawn();
    let (parent, child) = family(&sandbox, &ours, "p");
    kill(parent, Signal::TERM);
    ours.wait_line("exited: p");
    ours.starts("other");
    assert!(alive(child), "{}", ours.transcript());
    assert!(!sandbox.read("p.out").contains("got it"));
    kill(child, Signal::KILL);
    ours.stop();
}

/// Ours: `kill_orphans`, whatever the end was.
#[test]
fn kill_orphans_leaves_no_descendant() {
    let sandbox = Sandbox::new("sv-orphans");
    // In a session of its own: neither group nor terminal connects it with the program.
    let script = "setsid sh -c 'echo far $$; exec sleep 1000' &\necho up\nexec sleep 1001";
    let keys = "kill_orphans=true\nautorestart=false";
    let mut ours = Config::new(&sandbox).script("p", script, keys).spawn();
    let pid = ours.spawned("p");
    up(&sandbox, &["p"]);
    let far = number_in(&sandbox, "p.out", "far ");
    kill(pid, Signal::KILL);
    ours.wait_line("exited: p (terminated by SIGKILL");
    gone(far);
    ours.stop();
}

/// Ours: a sequence with waits instead of one signal.
#[test]
fn stopsignals_is_a_sequence_with_waits() {
    let sandbox = Sandbox::new("sv-sequence");
    let steps = "on TERM say got TERM\non INT say got INT\non QUIT say got QUIT\nsay up";
    let keys = "stopsignals=TERM:0.3, INT:0.3, QUIT:0.3";
    let mut ours = Config::new(&sandbox).puppet("p", steps, keys).spawn();
    up(&sandbox, &["p"]);
    ours.stop();
    let got: Vec<String> = sandbox.read("p.out").lines().map(str::to_owned).collect();
    assert_eq!(got, ["up", "got TERM", "got INT", "got QUIT"]);
    assert_eq!(ours.count("stopped: p (terminated by SIGKILL)"), 1, "{}", ours.transcript());
}

/// Ours: CPAN Supervisor sends it again and again.
#[test]
fn stopretries_sends_the_signal_again() {
    let sandbox = Sandbox::new("sv-stopretries");
    let steps = "on TERM say got TERM\nsay up";
    let keys = "stopretries=3\nstopwaitsecs=1";
    let mut ours = Config::new(&sandbox).puppet("p", steps, keys).spawn();
    up(&sandbox, &["p"]);
    ours.stop();
    assert_eq!(sandbox.read("p.out").matches("got TERM").count(), 3, "{}", ours.transcript());
}

/// Ours: a command in place of the signal, which finds the pid in its environment or by itself.
#[test]
fn stop_command_takes_the_place_of_the_signal() {
    let sandbox = Sandbox::new("sv-stopcommand");
    sandbox.shell("leave", "echo asked >asked\ntouch go");
    let keys = "stop_command=%(here)s/leave\nstopwaitsecs=15";
    let steps = "on TERM say a signal\nsay up\nwait go\nexit 0";
    let mut ours = Config::new(&sandbox).puppet("p", steps, keys).spawn();
    up(&sandbox, &["p"]);
    let begun = Instant::now();
    ours.stop();
    assert!(begun.elapsed() < Duration::from_secs(10), "{}", ours.transcript());
    assert_eq!(sandbox.read("asked"), "asked\n");
    assert_eq!(sandbox.read("p.out"), "up\n");
    assert_eq!(ours.count("stopped: p (exit status 0)"), 1, "{}", ours.transcript());
}

/// Ours: what a stop of everything may take.
#[test]
fn shutdown_timeout_kills_what_is_left() {
    let sandbox = Sandbox::new("sv-timeout");
    let steps = "on TERM ignore\nsay up";
    let config = Config::new(&sandbox)
        .daemon("shutdown_timeout=1")
        .puppet("a", steps, "stopwaitsecs=600\npriority=2")
        .puppet("b", steps, "stopwaitsecs=600\npriority=1");
    let mut ours = config.spawn();
    up(&sandbox, &["a", "b"]);
    let begun = Instant::now();
    ours.stop();
    let took = begun.elapsed();
    assert!((1..15).contains(&took.as_secs()), "{took:?}\n{}", ours.transcript());
}

/// Who asks twice is not answered with KILL, as supervisord does not.
#[test]
fn a_second_term_changes_nothing() {
    let sandbox = Sandbox::new("sv-twice");
    let steps = "on TERM say got it\nsay up\nwait go\nexit 0";
    let mut ours = Config::new(&sandbox).puppet("p", steps, "stopwaitsecs=600").spawn();
    let pid = ours.spawned("p");
    up(&sandbox, &["p"]);
    ours.signal(Signal::TERM);
    ours.signal(Signal::TERM);
    sandbox.wait_text("p.out", "got it");
    ours.hup();
    eventually("the supervisor has heard it", || {
        (ours.count("SIGHUP") > 0 || ours.count("indicating") > 1).then_some(())
    });
    assert!(alive(pid), "{}", ours.transcript());
    sandbox.write("go", "");
    ours.ends(0);
    assert_eq!(ours.count("stopped: p (exit status 0)"), 1, "{}", ours.transcript());
    assert_eq!(ours.count_spawned("p"), 1);
}
