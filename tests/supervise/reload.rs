//! HUP: the file is read again, and only what differs is touched.

use std::fs;

use sigpolicy::Signal;

use super::harness::{Config, alive, executes, gone};
use crate::sandbox::{Sandbox, eventually, kill};

#[test]
fn what_did_not_change_is_left_alone() {
    let sandbox = Sandbox::new("sv-reload");
    let base = || Config::new(&sandbox).idle("same", "").idle("same2", "numprocs=1");
    let mut ours = base().idle("old", "").idle("other", "environment=A=\"1\"").spawn();
    let same = ours.starts("same");
    let same2 = ours.starts("same2");
    let old = ours.starts("old");
    let other = ours.starts("other");
    base().idle("new", "").idle("other", "environment=A=\"2\"").write();
    ours.hup();
    gone(old);
    gone(other);
    ours.starts("new");
    let again = ours.starts("other");
    executes(again, "sleep");
    assert!(super::harness::environ(again).contains(&"A=2".to_owned()));
    assert!(alive(same) && alive(same2), "{}", ours.transcript());
    assert_eq!((ours.count_spawned("same"), ours.count_spawned("same2")), (1, 1));
    assert_eq!(ours.count_spawned("old"), 1);
    ours.wait_line("stopped: old");
    ours.stop();
    assert_eq!(ours.count("stopped: old"), 1);
}

#[test]
fn nothing_changes_when_nothing_changed() {
    let sandbox = Sandbox::new("sv-reload-same");
    let config = Config::new(&sandbox).idle("p", "").idle("off", "autostart=false");
    let mut ours = config.spawn();
    let pid = ours.starts("p");
    for number in 1..=3 {
        ours.hup();
        eventually("the order was heard", || (ours.count("SIGHUP") >= number).then_some(()));
    }
    ours.server.settle();
    assert!(alive(pid), "{}", ours.transcript());
    ours.stop();
    assert_eq!(ours.count("spawned:"), 1, "{}", ours.transcript());
}

/// It says why, with file and line or section, and goes on as it was.
#[test]
fn a_broken_file_changes_nothing() {
    let sandbox = Sandbox::new("sv-reload-broken");
    let mut ours = Config::new(&sandbox).idle("p", "").spawn();
    let pid = ours.starts("p");
    let cases = [
        ("[supervisord\n", "supervise.conf"),
        ("[supervisord]\n[program:q]\n", "program:q"),
        ("[supervisord]\n[program:q]\ncommand=a\nautostart=perhaps\n", "perhaps"),
        ("", "supervisord section"),
    ];
    for (text, why) in cases {
        sandbox.write(super::harness::FILE, text);
        ours.hup();
        ours.wait_line(why);
        assert!(ours.server.alive() && alive(pid), "{}", ours.transcript());
    }
    sandbox.remove(super::harness::FILE);
    let errors = |ours: &super::harness::Supervisor<'_>| {
        ours.count(" ERRO ") + ours.count(" CRIT ") + ours.count(" WARN ")
    };
    let before = errors(&ours);
    ours.hup();
    eventually("a word about the missing file", || (errors(&ours) > before).then_some(()));
    assert!(alive(pid));
    Config::new(&sandbox).idle("p", "").idle("q", "").write();
    ours.hup();
    ours.starts("q");
    assert!(alive(pid), "{}", ours.transcript());
    ours.stop();
}

/// One process more or fewer: the others of the program stay.
#[test]
fn numprocs_touches_only_the_difference() {
    let sandbox = Sandbox::new("sv-reload-numprocs");
    let config = |count: u32| {
        let keys = format!(
            "numprocs={count}\nprocess_name=%(program_name)s_%(process_num)d\nstdout_logfile=NONE\nstderr_logfile=NONE"
        );
        Config::new(&sandbox).idle("w", &keys)
    };
    let mut ours = config(2).spawn();
    let (first, second) = (ours.starts("w_0"), ours.starts("w_1"));
    config(3).write();
    ours.hup();
    let third = ours.starts("w_2");
    assert!(alive(first) && alive(second), "{}", ours.transcript());
    config(1).write();
    ours.hup();
    gone(second);
    gone(third);
    ours.wait_lines(&["stopped: w_1", "stopped: w_2"]);
    assert!(alive(first), "{}", ours.transcript());
    ours.stop();
}

/// The new one waits until the old one has gone, however long that takes.
#[test]
fn a_changed_program_is_never_there_twice() {
    let sandbox = Sandbox::new("sv-reload-slow");
    let steps = "on TERM say asked\nsay up\nwait leave\nexit 0";
    let mut ours = Config::new(&sandbox).puppet("p", steps, "stopwaitsecs=600").spawn();
    let old = ours.starts("p");
    sandbox.wait_text("p.out", "up");
    Config::new(&sandbox).idle("p", "stopwaitsecs=600\npriority=5").write();
    ours.hup();
    sandbox.wait_text("p.out", "asked");
    // Asked again while it is under way: the last file counts.
    Config::new(&sandbox).idle("p", "stopwaitsecs=600\npriority=6").idle("q", "").write();
    ours.hup();
    ours.starts("q");
    assert!(alive(old));
    assert_eq!(ours.count_spawned("p"), 1, "{}", ours.transcript());
    sandbox.write("leave", "");
    gone(old);
    ours.spawned("p");
    ours.stop();
    assert_eq!(ours.count_spawned("p"), 2, "{}", ours.transcript());
}

/// Taken out and put back while it still stops: it is added, and must wait for itself.
#[test]
fn a_program_that_is_put_back_waits_for_its_former_process() {
    let sandbox = Sandbox::new("sv-reload-back");
    let steps = "on TERM say asked\nsay up\nwait leave\nexit 0";
    let keys = "stopwaitsecs=600";
    let with = || Config::new(&sandbox).idle("q", "").puppet("p", steps, keys);
    let mut ours = with().spawn();
    let old = ours.starts("p");
    sandbox.wait_text("p.out", "up");
    Config::new(&sandbox).idle("q", "").write();
    ours.hup();
    sandbox.wait_text("p.out", "asked");
    with().idle("r", "").write();
    ours.hup();
    ours.starts("r");
    assert!(alive(old));
    assert_eq!(ours.count_spawned("p"), 1, "{}", ours.transcript());
    sandbox.write("leave", "");
    gone(old);
    ours.spawned("p");
    ours.stop();
}

/// A FATAL program whose key is put right runs.
#[test]
fn a_repaired_program_starts() {
    let sandbox = Sandbox::new("sv-reload-repair");
    let broken = Config::new(&sandbox).program("p", "/no/such", "startretries=0").idle("q", "");
    let mut ours = broken.spawn();
    ours.wait_line("gave up: p entered FATAL");
    Config::new(&sandbox).idle("p", "startretries=0").idle("q", "").write();
    ours.hup();
    ours.starts("p");
    assert_eq!(ours.count_spawned("q"), 1);
    ours.stop();
}

#[test]
fn an_included_file_counts() {
    let sandbox = Sandbox::new("sv-reload-include");
    fs::create_dir(sandbox.path("conf.d")).unwrap();
    let config = Config::new(&sandbox).section("[include]\nfiles=conf.d/*.conf").idle("p", "");
    let mut ours = config.spawn();
    let pid = ours.starts("p");
    sandbox.write(
        "conf.d/q.conf",
        "[program:q]\ncommand=sleep 1000\nstartsecs=0\nstdout_logfile=NONE\nstderr_logfile=NONE\n",
    );
    ours.hup();
    let q = ours.starts("q");
    sandbox.remove("conf.d/q.conf");
    ours.hup();
    gone(q);
    assert!(alive(pid));
    ours.stop();
}

/// As start_server does it: a socket that is served all the time, the new one ready first.
#[test]
fn a_hot_program_is_replaced_by_one_that_is_ready() {
    let sandbox = Sandbox::new("sv-hot");
    let config = |steps: &str, key: &str| {
        let keys =
            format!("type=notify\nhot=true\nsocket=unix://%(here)s/sock\nstopwaitsecs=600\n{key}");
        Config::new(&sandbox).puppet("p", steps, &keys)
    };
    let first = "on TERM say asked\nready\nsay up\nwait leave\nexit 0";
    let mut ours = config(first, "").spawn();
    let old = ours.starts("p");
    config("say second\nwait go\nready\nsay up", "priority=5").write();
    ours.hup();
    let new = ours.spawned("p");
    sandbox.wait_text("p.out", "second\n");
    assert!(alive(old) && alive(new));
    assert!(!sandbox.read("p.out").contains("asked"), "{}", ours.transcript());
    sandbox.write("go", "");
    sandbox.wait_text("p.out", "asked\n");
    sandbox.write("leave", "");
    gone(old);
    ours.wait_line("stopped: p");
    assert!(alive(new));
    // A release that never becomes ready leaves the old one in its place.
    config("say third\nexit 1", "priority=6\nstartretries=0\nstartsecs=1").write();
    ours.hup();
    sandbox.wait_text("p.out", "third\n");
    ours.wait_line("gave up: p");
    assert!(alive(new), "{}", ours.transcript());
    kill(new, Signal::KILL);
    ours.signal(Signal::TERM);
    ours.ends(0);
}
