//! The first process of a pid namespace: every orphan is its child.

use std::fs;

use sigpolicy::Signal;

use super::harness::{Config, is_root};
use crate::sandbox::{Sandbox, Server, eventually};

/// A namespace needs root, or users who may make one.
pub(super) fn unshare(sandbox: &Sandbox) -> Option<Vec<&'static str>> {
    let words = ["unshare", "-p", "-f", "--mount-proc", "--kill-child"];
    let mut with_user = words.to_vec();
    with_user.extend(["-U", "-r"]);
    [words.to_vec(), with_user].into_iter().find(|words| {
        let made = sandbox.run(words[0]).args(&words[1..]).args(["--", "true"]).output();
        if is_root() && std::env::var_os("CI").is_some() {
            assert_eq!(made.code, Some(0), "{made:?}");
        }
        made.code == Some(0)
    })
}

/// The supervisor itself: the child of `unshare`.
pub(super) fn inner(server: &Server) -> i32 {
    let path = format!("/proc/{0}/task/{0}/children", server.pid());
    eventually("the first process", || {
        fs::read_to_string(&path).ok()?.split_whitespace().next()?.parse().ok()
    })
}

fn children(pid: i32) -> Vec<(i32, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let pids = text.split_whitespace().map(|pid| pid.parse::<i32>().unwrap());
    pids.filter_map(|pid| Some((pid, crate::sandbox::stat_field(pid, 3)?))).collect()
}

struct Container<'s> {
    server: Server,
    sandbox: &'s Sandbox,
    first: i32,
}

impl<'s> Container<'s> {
    fn start(config: &Config<'_>, sandbox: &'s Sandbox) -> Option<Self> {
        let mut words = unshare(sandbox)?;
        words.push("--");
        config.write();
        // Nobody says -n: who is first in a container stays in the foreground.
        let launch = sandbox.supervise().arg("-c").arg(sandbox.path(super::harness::FILE));
        let server = launch.through(words).spawn();
        let first = inner(&server);
        Some(Self { server, sandbox, first })
    }

    fn ends(&mut self, code: i32) {
        let status = self.server.wait_exit();
        assert_eq!(status.code(), Some(code), "{status}\n{}", self.server.transcript());
        let left = self.sandbox.processes();
        assert!(left.is_empty(), "{left:?}\n{}", self.server.transcript());
    }
}

/// Processes that lost their parent, again and again: named in the log, never zombies.
#[test]
fn orphans_are_reaped_and_named() {
    let sandbox = Sandbox::new("sv-pid1");
    let script = "i=0\nwhile [ $i -lt 20 ]; do (sh -c 'exit 3' &); i=$((i+1)); done\necho up\n\
                  (sleep 0.1; exit 0) &\nexec sleep 1000";
    let config = Config::new(&sandbox).script("p", script, "");
    let Some(mut container) = Container::start(&config, &sandbox) else { return };
    sandbox.wait_text("p.out", "up");
    eventually("all are named", || {
        (container.server.count("reaped unknown pid") >= 20).then_some(())
    });
    assert!(container.server.count("(exit status 3)") >= 20, "{}", container.server.transcript());
    eventually("no zombie", || {
        let zombie = children(container.first).iter().any(|(_, state)| state == "Z");
        (!zombie).then_some(())
    });
    crate::sandbox::kill(container.first, Signal::TERM);
    container.ends(0);
    assert_eq!(container.server.count("stopped: p (terminated by SIGTERM)"), 1);
}

/// A program that goes into the background by itself: its daemon is found and stopped.
#[test]
fn a_double_forking_program_leaves_no_survivor() {
    let sandbox = Sandbox::new("sv-doublefork");
    let daemon = "use POSIX; exit if fork; POSIX::setsid(); exit if fork; $SIG{TERM} = sub { \
                  open(my $f, '>', 'told'); exit }; open(my $f, '>', 'far'); print $f $$; close $f; \
                  sleep 1 while 1;";
    sandbox.write("daemon.pl", daemon);
    let config =
        Config::new(&sandbox).program("p", "perl daemon.pl", "autorestart=false").idle("other", "");
    let Some(mut container) = Container::start(&config, &sandbox) else { return };
    container.server.wait_line("exited: p (exit status 0; expected)");
    eventually("the daemon", || sandbox.exists("far").then_some(()));
    eventually("the daemon is ours now", || (children(container.first).len() == 2).then_some(()));
    crate::sandbox::kill(container.first, Signal::TERM);
    container.ends(0);
}

/// In a container with everything: a dependency, a program that fails for good, and its code.
#[test]
fn a_container_ends_with_the_code_of_its_essential_program() {
    let sandbox = Sandbox::new("sv-container");
    let config = Config::new(&sandbox)
        .puppet("db", "ready\nsay up", "type=notify")
        .puppet("api", "exit 42", "depends_on=db\nessential=true\nstartsecs=1\nstartretries=1")
        .idle("log", "priority=1");
    let Some(mut container) = Container::start(&config, &sandbox) else { return };
    container.server.wait_line("gave up: api entered FATAL state");
    container.ends(42);
    let count = |text| container.server.count(text);
    assert_eq!((count("spawned: 'api'"), count("stopped: db"), count("stopped: log")), (2, 1, 1));
}

/// Docker sends TERM to PID 1, and to it alone.
#[test]
fn every_signal_that_stops_works_for_the_first_process() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let sandbox = Sandbox::new("sv-pid1-signal");
        let config = Config::new(&sandbox).idle("p", "");
        let Some(mut container) = Container::start(&config, &sandbox) else { return };
        container.server.wait_line("success: p");
        crate::sandbox::kill(container.first, signal);
        container.ends(0);
    }
}

/// Not first, but a subreaper: the same.
#[test]
fn orphans_come_to_the_supervisor_anywhere() {
    let sandbox = Sandbox::new("sv-subreaper");
    let script = "(sh -c 'echo orphan $$; while [ ! -e go ]; do sleep 0.01; done; exit 6' &)\nexec sleep 1000";
    let mut ours = Config::new(&sandbox).script("p", script, "").spawn();
    let text = sandbox.wait_text("p.out", "orphan ");
    let orphan: i32 = text.trim().rsplit(' ').next().unwrap().parse().unwrap();
    eventually("a new parent", || {
        (crate::sandbox::stat_field(orphan, 4)? == ours.pid().to_string()).then_some(())
    });
    sandbox.write("go", "");
    ours.wait_line(&format!("reaped unknown pid {orphan} (exit status 6)"));
    ours.stop();
}
