//! A pool of the scripted Perl worker, and what can be seen of it from outside.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::net::sockopt::socket_acceptconn;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use sigpolicy::Signal;

use super::http::{Answer, get};
use crate::peers_load::Target;
use crate::sandbox::{
    DEADLINE, Finished, Launch, Sandbox, Server, eventually, free_port, stat_field, wait_pid,
};

/// What `worker.pl` is told to be.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Kind {
    Plain,
    Managed,
    Cooperating,
    Notifying,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Managed => "managed",
            Self::Cooperating => "cooperating",
            Self::Notifying => "notifying",
        }
    }
}

impl Sandbox {
    pub fn prefork_run(&self) -> Launch {
        self.run(env!("CARGO_BIN_EXE_prefork-run"))
    }

    /// A release: the worker's program in the sandbox.
    pub fn release(&self) -> PathBuf {
        let slot = include_str!("../../examples/scoreboard_worker.pl");
        let package = slot.split_once("\npackage main;").unwrap().0;
        let worker = include_str!("worker.pl");
        self.write("worker.pl", format!("{package}\npackage main;\n{worker}"))
    }

    /// A release that ends at once.
    pub fn broken_release(&self) {
        self.write("worker.pl", "die qq(no such table: users\\n);\n");
    }

    /// A verb of prefork-run, to its end.
    pub fn tell(&self, words: &[&str]) -> Finished {
        self.prefork_run().args(words).output()
    }
}

/// A running prefork-run with its first listener.
pub struct Pool {
    pub server: Server,
    pub target: Target,
}

/// A pool about to be started, on a port of its own.
pub fn launch(sandbox: &Sandbox, kind: Kind, options: &[&str]) -> (Launch, u16) {
    sandbox.release();
    let port = free_port();
    let launch = sandbox.prefork_run().arg(format!("--port=127.0.0.1:{port}")).args(options);
    (launch.program(["perl", "worker.pl", kind.word(), "{fd}"]), port)
}

/// A pool that listens; its workers may not be there yet.
pub fn pool(sandbox: &Sandbox, kind: Kind, options: &[&str]) -> Pool {
    let (launch, port) = launch(sandbox, kind, options);
    Pool::new(launch.spawn(), port)
}

/// The same on a unix socket.
pub fn unix_pool(sandbox: &Sandbox, kind: Kind, options: &[&str]) -> Pool {
    sandbox.release();
    let launch = sandbox.prefork_run().arg("--path=sock").args(options);
    let server = launch.program(["perl", "worker.pl", kind.word(), "{fd}"]).spawn();
    eventually("the unix socket", || sandbox.exists("sock").then_some(()));
    Pool { server, target: Target::Unix(sandbox.path("sock")) }
}

impl Pool {
    pub fn new(server: Server, port: u16) -> Self {
        eventually("a listener", || listens(server.pid()).then_some(()));
        Self { server, target: Target::Tcp(port) }
    }

    pub fn get(&self, path: &str) -> Answer {
        get(&self.target, path)
            .unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.server.transcript()))
    }

    /// The manager's living children, oldest pid first.
    pub fn workers(&self) -> Vec<i32> {
        children(self.server.pid())
    }

    /// Waits until there are as many workers and all stand in accept.
    pub fn wait_workers(&self, count: usize) -> Vec<i32> {
        self.wait_until(&format!("{count} workers"), |pids| pids.len() == count)
    }

    /// Waits until the workers are such and all stand in accept.
    pub fn wait_until(&self, what: &str, wanted: impl Fn(&[i32]) -> bool) -> Vec<i32> {
        let until = Instant::now() + DEADLINE;
        loop {
            let pids = self.workers();
            if wanted(&pids) && pids.iter().all(|pid| accepting(*pid)) {
                return pids;
            }
            let log = || self.server.transcript();
            assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}: {pids:?}\n{}", log());
            crate::sandbox::pause();
        }
    }

    /// Waits until none of these is left and as many others stand in accept.
    pub fn wait_replaced(&self, old: &[i32], count: usize) -> Vec<i32> {
        let gone = |pids: &[i32]| !pids.iter().any(|pid| old.contains(pid));
        self.wait_until("other workers", |pids| pids.len() == count && gone(pids))
    }

    /// How many workers were started so far.
    pub fn starts(&self) -> usize {
        self.server.count("starting worker ")
    }

    pub fn signal(&self, signal: Signal) {
        self.server.signal(signal);
    }

    /// The exit code after TERM, with no process of the sandbox left.
    pub fn stop(&mut self, sandbox: &Sandbox) {
        self.server.stop();
        let left = sandbox.processes();
        assert!(left.is_empty(), "{left:?} are left\n{}", self.server.transcript());
    }

    /// The end by itself or by a signal already sent.
    pub fn ends(&mut self, code: i32) {
        let status = self.server.wait_exit();
        assert_eq!(status.code(), Some(code), "{status}\n{}", self.server.transcript());
    }
}

/// Whether a process has a socket that listens. Nobody is connected to find out, and the table of
/// all connections is not read: with those of other tests it is long.
pub fn listens(pid: i32) -> bool {
    let Some(pidfd) = Pid::from_raw(pid).map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
        return false;
    };
    let Ok(pidfd) = pidfd else { return false };
    let numbers = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers.any(|number| {
        let copy = pidfd_getfd(&pidfd, number, PidfdGetfdFlags::empty());
        copy.is_ok_and(|copy| socket_acceptconn(copy) == Ok(true))
    })
}

fn children_in_state(parent: i32, wanted: impl Fn(&str) -> bool) -> Vec<i32> {
    let parent = parent.to_string();
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let mut found: Vec<i32> = pids
        .filter(|pid| stat_field(*pid, 4).is_some_and(|of| of == parent))
        .filter(|pid| stat_field(*pid, 3).is_some_and(|state| wanted(&state)))
        .collect();
    found.sort_unstable();
    found
}

/// Children that live.
pub fn children(parent: i32) -> Vec<i32> {
    children_in_state(parent, |state| state != "Z" && state != "X")
}

/// Children that ended and were not reaped.
pub fn zombies(parent: i32) -> Vec<i32> {
    children_in_state(parent, |state| state == "Z")
}

/// The system call in which a process waits; none while it runs.
fn waits_in(pid: i32) -> Option<i64> {
    let call = fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
    call.split(' ').next()?.parse().ok().filter(|number| *number >= 0)
}

/// Whether a process stands in accept(2) or accept4(2).
pub fn accepting(pid: i32) -> bool {
    waits_in(pid).is_some_and(|call| [libc::SYS_accept, libc::SYS_accept4].contains(&call))
}

/// Whether a worker waits within a request; one that only is not in accept may just be waking up for nothing.
pub fn busy(pid: i32) -> bool {
    waits_in(pid).is_some() && !accepting(pid)
}

/// The pids of answers, each once.
pub fn pids(answers: &[Answer]) -> BTreeSet<i32> {
    answers.iter().map(|answer| answer.pid).collect()
}

/// How long a process lives on from now.
pub fn time_to_exit(pid: i32) -> Duration {
    let begun = Instant::now();
    assert!(wait_pid(pid, DEADLINE), "{pid} does not leave");
    begun.elapsed()
}

/// Waits until a process does not wake up for so long.
pub fn quiet(pid: i32, long: Duration) {
    let wakes = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches:"));
        line.unwrap().to_owned()
    };
    let (mut last, mut since) = (wakes(), Instant::now());
    eventually("a process that does not wake up", || {
        let now = wakes();
        if now != last {
            (last, since) = (now, Instant::now());
        }
        (since.elapsed() >= long).then_some(())
    });
}
