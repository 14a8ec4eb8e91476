//! Start, restart and stop, line by line beside Perl's own program.
//!
//! Each scenario runs with both programs at the same time. Workers speak on
//! stdout, which is a pipe of its own: Perl writes some lines in pieces.

use std::thread;

use sigpolicy::Signal;

use crate::sandbox::{Launch, Sandbox, Server, eventually, kill, normalise};

/// One of the two programs in the middle of a scenario.
pub struct Actor {
    pub sandbox: Sandbox,
    pub server: Server,
}

impl Actor {
    fn stop(&mut self) {
        self.server.settle();
        self.server.stop();
    }

    /// Waits until worker and server agree that this generation serves.
    fn proven(&self, generation: u32) -> i32 {
        let pid = self.server.wait_line(&format!("up {generation} ")).number();
        eventually("the generation in the status file", || {
            let status = std::fs::read_to_string(self.sandbox.path("status")).ok()?;
            status.lines().any(|line| line == format!("{generation}:{pid}")).then_some(())
        });
        pid
    }

    fn hup(&self) {
        self.server.settle();
        self.server.signal(Signal::HUP);
    }
}

/// Runs a scenario with Perl's program and ours; both must write the same lines.
///
/// `upto`: the last line that counts, where the rest is a matter of time.
fn same_lines(
    topic: &str,
    scripts: &[(&str, &str)],
    options: &[&str],
    upto: Option<&str>,
    scenario: impl Fn(&mut Actor) + Sync,
) -> Vec<String> {
    let play = |perl: bool| {
        let sandbox = Sandbox::new(topic);
        for (name, steps) in scripts {
            sandbox.script(name, steps);
        }
        let launch = if perl { sandbox.perl_start_server() } else { sandbox.start_server() };
        let launch: Launch = launch.arg("--status-file=status").args(options);
        let server = launch.worker(sandbox.path("worker")).separate().spawn();
        let mut actor = Actor { sandbox, server };
        scenario(&mut actor);
        let lines: Vec<String> = actor.server.texts().1.lines().map(str::to_owned).collect();
        let lines = normalise(&lines);
        match upto.map(|text| lines.iter().position(|line| line.contains(text))) {
            Some(Some(last)) => lines[..=last].to_vec(),
            Some(None) => panic!("no line with {upto:?}\n{}", actor.server.transcript()),
            None => lines,
        }
    };
    let (perl, ours) = thread::scope(|scope| {
        let perl = scope.spawn(|| play(true));
        let ours = scope.spawn(|| play(false));
        (perl.join(), ours.join())
    });
    let (perl, ours) = (perl.expect("Perl's run"), ours.expect("our run"));
    assert_eq!(ours, perl, "left: ours, right: Perl's");
    ours
}

const UP: &str = "on TERM exit 0\nsay up $GEN $PID";

#[test]
fn plain_life() {
    let lines = same_lines("plain", &[("worker", UP)], &[], None, |actor| {
        actor.proven(1);
        actor.stop();
    });
    let expected = [
        "start_server (pid:P1) starting now...",
        "starting new worker P2",
        "received TERM, sending TERM to all workers:P2",
        "worker P2 died, status:0",
        "exiting",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn failing_first_starts_then_success() {
    let scripts = [("worker", UP), ("worker.1", "exit 3"), ("worker.2", "die KILL")];
    let lines = same_lines("first-fails", &scripts, &[], None, |actor| {
        actor.proven(3);
        actor.stop();
    });
    assert_eq!(lines[2], "new worker P2 seems to have failed to start, exit status:768");
    assert_eq!(lines[4], "new worker P3 seems to have failed to start, exit status:9");
}

#[test]
fn hup_with_a_good_release() {
    let lines = same_lines("hup", &[("worker", UP)], &[], None, |actor| {
        actor.proven(1);
        actor.hup();
        actor.proven(2);
        actor.server.wait_line("died, status");
        actor.stop();
    });
    let expected = [
        "received HUP, spawning a new worker",
        "starting new worker P3",
        "new worker is now running, sending TERM to old workers:P2",
        "killing old workers",
        "old worker P2 died, status:0",
    ];
    assert_eq!(lines[2..7], expected);
}

#[test]
fn hup_with_a_bad_release() {
    let scripts = [("worker", UP), ("worker.2", "exit 1"), ("worker.3", "die TERM")];
    let lines = same_lines("bad-release", &scripts, &[], None, |actor| {
        actor.proven(1);
        actor.hup();
        actor.proven(4);
        actor.server.wait_line("died, status");
        actor.stop();
    });
    assert_eq!(lines[4], "new worker P3 seems to have failed to start, exit status:256");
    assert_eq!(lines[6], "new worker P4 seems to have failed to start, exit status:15");
}

#[test]
fn kill_old_delay() {
    let options = ["--interval=0", "--kill-old-delay=1"];
    let lines = same_lines("delay", &[("worker", UP)], &options, None, |actor| {
        actor.proven(1);
        actor.hup();
        actor.proven(2);
        actor.server.wait_line("died, status");
        actor.stop();
    });
    assert_eq!(lines[5], "sleeping 1 secs before killing old workers");
    assert_eq!(lines[6], "killing old workers");
}

#[test]
fn auto_restart() {
    let options = [
        "--interval=0",
        "--enable-auto-restart",
        "--auto-restart-interval=2",
        "--kill-old-delay=1",
    ];
    let lines =
        same_lines("auto", &[("worker", UP)], &options, Some("old worker P2 died"), |actor| {
            actor.proven(1);
            actor.server.wait_line("died, status");
        });
    assert_eq!(lines[2], "autorestart triggered (interval=2)");
    assert_eq!(lines[5], "sleeping 1 secs before killing old workers");
}

#[test]
fn auto_restart_is_forced_when_old_workers_stay() {
    let options = [
        "--interval=0",
        "--enable-auto-restart",
        "--auto-restart-interval=1",
        "--kill-old-delay=0",
    ];
    let scripts = [("worker", UP), ("worker.1", "on TERM ignore\nsay up $GEN $PID")];
    let lines = same_lines("forced", &scripts, &options, Some("to old workers:P2,P3"), |actor| {
        actor.proven(1);
        actor.server.wait_line("autorestart triggered (forced");
        actor.server.wait_line("to old workers:");
        actor.server.wait_line("to old workers:");
    });
    assert!(lines.contains(&"autorestart triggered (forced, interval=1)".to_owned()));
}

#[test]
fn signals_of_choice() {
    let options = ["--interval=0", "--signal-on-hup=sigusr1", "--signal-on-term=QUIT"];
    let steps = "on USR1 exit 5\non QUIT exit 6\non TERM exit 7\nsay up $GEN $PID";
    let lines = same_lines("signals", &[("worker", steps)], &options, None, |actor| {
        actor.proven(1);
        actor.hup();
        actor.proven(2);
        actor.server.wait_line("died, status");
        actor.stop();
    });
    assert!(lines.contains(&"old worker P2 died, status:1280".to_owned()));
    assert!(lines.contains(&"received TERM, sending QUIT to all workers:P3".to_owned()));
    assert!(lines.contains(&"worker P3 died, status:1536".to_owned()));
}

#[test]
fn int_always_sends_term() {
    let steps = "on QUIT exit 6\non TERM default\nsay up $GEN $PID";
    let options = ["--interval=0", "--signal-on-term=QUIT"];
    let lines = same_lines("int", &[("worker", steps)], &options, None, |actor| {
        actor.proven(1);
        actor.server.signal(Signal::INT);
        assert_eq!(actor.server.wait_exit().code(), Some(0));
    });
    assert_eq!(lines[2], "received INT, sending TERM to all workers:P2");
    assert_eq!(lines[3], "worker P2 died, status:15");
}

#[test]
fn a_dead_worker_is_replaced() {
    let lines = same_lines("died", &[("worker", UP)], &["--interval=0"], None, |actor| {
        let first = actor.proven(1);
        kill(first, Signal::KILL);
        actor.proven(2);
        actor.stop();
    });
    assert_eq!(lines[2], "worker P2 died unexpectedly with status:9, restarting");
}

#[test]
fn several_old_generations() {
    let stays = "on TERM ignore\nsay up $GEN $PID";
    let options = ["--interval=0"];
    let lines = same_lines("generations", &[("worker", stays)], &options, None, |actor| {
        let first = actor.proven(1);
        actor.hup();
        let second = actor.proven(2);
        actor.server.wait_line("killing old workers");
        actor.hup();
        let third = actor.proven(3);
        actor.server.wait_line("killing old workers");
        let status = actor.sandbox.read("status");
        assert_eq!(status, format!("1:{first}\n2:{second}\n3:{third}\n"));
        kill(first, Signal::KILL);
        actor.server.wait_line("died, status");
        actor.server.signal(Signal::TERM);
        actor.server.wait_line("received TERM");
        // Served once, and further requests change nothing.
        actor.server.signal(Signal::TERM);
        actor.server.signal(Signal::INT);
        actor.hup();
        kill(second, Signal::KILL);
        actor.server.wait_line("died, status:9");
        kill(third, Signal::KILL);
        assert_eq!(actor.server.wait_exit().code(), Some(0));
        assert!(!actor.sandbox.exists("status"));
    });
    assert!(
        lines.contains(&"new worker is now running, sending TERM to old workers:P2,P3".to_owned())
    );
}

#[test]
fn status_file_and_pid_file_live_as_long_as_the_server() {
    let options = ["--pid-file=pid", "--path=sock"];
    same_lines("files", &[("worker", UP)], &options, None, |actor| {
        actor.server.wait_line("starting new worker");
        assert_eq!(actor.sandbox.read("pid"), format!("{}\n", actor.server.pid()));
        assert!(!actor.sandbox.exists("status"), "no status before the interval is over");
        let first = actor.proven(1);
        assert_eq!(actor.sandbox.read("status"), format!("1:{first}\n"));
        actor.hup();
        actor.server.wait_line("received HUP");
        actor.server.wait_line("up 2");
        assert_eq!(actor.sandbox.read("status"), format!("1:{first}\n"), "not yet proven");
        actor.server.wait_line("died, status");
        actor.stop();
        assert_eq!(actor.sandbox.names(), ["worker"]);
    });
}

#[test]
fn stop_from_outside() {
    let sandbox = Sandbox::new("stop");
    sandbox.script("worker", UP);
    for (server_is_perl, client_is_perl) in [(false, false), (false, true), (true, false)] {
        let launch = |perl: bool| {
            if perl { sandbox.perl_start_server() } else { sandbox.start_server() }
        };
        let server = launch(server_is_perl).args(["--interval=0", "--pid-file=pid", "--path=sock"]);
        let mut server = server.worker(sandbox.path("worker")).spawn();
        server.wait_line("up 1");
        let stopped = launch(client_is_perl).args(["--stop", "--pid-file=pid"]).output();
        assert_eq!(stopped.code, Some(0), "{stopped:?}");
        let line = normalise(&[stopped.stderr.trim_end().to_owned()]).remove(0);
        assert!(line.starts_with("stop_server (pid:P1) stopping now (pid:"), "{line}");
        assert!(stopped.stderr.contains(&format!("(pid:{})...", server.pid())), "{stopped:?}");
        assert_eq!(sandbox.names(), ["worker"], "all gone when --stop returns");
        assert_eq!(server.wait_exit().code(), Some(0));
    }
}
