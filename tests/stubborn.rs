//! What held up, blinded or bereft a server when descriptors, readers or files were not as they
//! should be; one test for each fault that was found by injecting it.

use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use sigpolicy::Signal;

use crate::sandbox::{Launch, Sandbox, Server, eventually, stat_field};

const FILES: [&str; 2] = ["--pid-file=pid", "--status-file=status"];

fn launch(sandbox: &Sandbox, options: &[&str]) -> Launch {
    let script = sandbox.script("worker", "on TERM exit 0\nsay up $GEN\nready");
    sandbox.start_server().args(FILES).args(options).worker(script)
}

fn serving(sandbox: &Sandbox, options: &[&str]) -> Server {
    let server = launch(sandbox, options).spawn();
    server.wait_line("up 1");
    eventually("the status file", || sandbox.exists("status").then_some(()));
    server
}

fn control(server: &Server) -> SocketAddr {
    let name = format!("superdaemon/start_server/{}", server.pid());
    SocketAddr::from_abstract_name(name).unwrap()
}

#[test]
fn a_dangling_link_as_pid_file_is_followed() {
    let sandbox = Sandbox::new("stubborn-link");
    std::os::unix::fs::symlink("elsewhere", sandbox.path("pid")).unwrap();
    let mut server = serving(&sandbox, &[]);
    assert_eq!(sandbox.read("elsewhere"), format!("{}\n", server.pid()));
    server.stop();
}

#[test]
fn a_pid_file_of_a_successor_is_left_to_it() {
    let sandbox = Sandbox::new("stubborn-successor");
    let mut first = serving(&sandbox, &[]);
    sandbox.remove("pid");
    sandbox.remove("status");
    let mut second = serving(&sandbox, &[]);
    first.stop();
    assert_eq!(sandbox.read("pid"), format!("{}\n", second.pid()));
    let stop = sandbox.start_server().args(["--stop", "--pid-file=pid"]).output();
    assert_eq!(stop.code, Some(0), "{stop:?}");
    assert_eq!(second.wait_exit().code(), Some(0));
}

#[test]
fn a_log_fifo_that_nobody_reads_any_more_holds_up_nobody() {
    let sandbox = Sandbox::new("stubborn-fifo");
    mknodat(CWD, sandbox.path("fifo"), FileType::Fifo, Mode::from(0o600), 0).unwrap();
    let refused = launch(&sandbox, &["--log-file=fifo"]).output();
    assert_eq!(refused.code, Some(6), "{refused:?}");
    let reader = std::fs::OpenOptions::new().read(true).write(true).open(sandbox.path("fifo"));
    let reader = reader.unwrap();
    let script = sandbox.script("worker", "on TERM exit 0\ntouch up\nready");
    let options = ["--log-file=fifo", "--pid-file=pid"];
    let mut server = sandbox.start_server().args(options).worker(script).spawn();
    eventually("the worker", || sandbox.exists("up").then_some(()));
    drop(reader);
    server.signal(Signal::USR1);
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit().code(), Some(0));
}

#[test]
fn silent_clients_keep_nobody_from_asking() {
    let sandbox = Sandbox::new("stubborn-silence");
    let mut server = serving(&sandbox, &[]);
    let address = control(&server);
    let silent: Vec<UnixStream> =
        (0..100).map(|_| UnixStream::connect_addr(&address).unwrap()).collect();
    for words in [&["--status"][..], &["--restart"]] {
        let asked = sandbox.start_server().args(words).args(FILES).output();
        assert_eq!(asked.code, Some(0), "{asked:?}");
    }
    drop(silent);
    server.stop();
}

/// A queued client for whom no descriptor is left must not keep the server awake.
#[test]
fn a_client_without_a_descriptor_does_not_spin_the_server() {
    let sandbox = Sandbox::new("stubborn-descriptors");
    let mut server = serving(&sandbox, &["--interval=0"]);
    server.settle();
    let pid = rustix::process::Pid::from_raw(server.pid());
    let lowest = (0..).find(|fd| !fd_open(server.pid(), *fd)).unwrap();
    // The server has our own limits.
    let former = getrlimit(Resource::Nofile);
    let none = Rlimit { current: Some(lowest), ..former };
    prlimit(pid, Resource::Nofile, none).unwrap();
    let client = UnixStream::connect_addr(&control(&server)).unwrap();
    // It goes to sleep again: nothing runs in a server that sleeps.
    server.settle();
    let before = ticks(server.pid());
    for _ in 0..20 {
        crate::sandbox::pause();
    }
    let used = ticks(server.pid()) - before;
    assert!(used <= 2, "{used} ticks in a tenth of a second of idleness");
    prlimit(pid, Resource::Nofile, former).unwrap();
    drop(client);
    server.signal(Signal::HUP);
    server.wait_line("old worker ");
    let asked = sandbox.start_server().args(["--status"]).args(FILES).output();
    assert_eq!(asked.code, Some(0), "{asked:?}");
    server.stop();
}

fn fd_open(pid: i32, fd: u64) -> bool {
    std::fs::symlink_metadata(format!("/proc/{pid}/fd/{fd}")).is_ok()
}

/// User and system time in ticks (proc_pid_stat(5)).
fn ticks(pid: i32) -> u64 {
    let field = |number| stat_field(pid, number).unwrap().parse::<u64>().unwrap();
    field(14) + field(15)
}

#[test]
fn a_socket_at_standard_output_does_not_keep_restart_from_working() {
    let sandbox = Sandbox::new("stubborn-output");
    let script = sandbox.script("worker", "on TERM exit 0\nerr up $GEN\nready");
    let launch = sandbox.start_server().args(FILES).arg("--port=127.0.0.1:0=1").worker(script);
    let mut server = launch.spawn();
    server.wait_line("up 1");
    eventually("the status file", || sandbox.exists("status").then_some(()));
    let restarted = sandbox.start_server().arg("--restart").args(FILES).output();
    assert_eq!(restarted.code, Some(0), "{restarted:?}");
    server.stop();
}

#[test]
fn hups_while_a_start_waits_are_one() {
    let sandbox = Sandbox::new("stubborn-hups");
    let script = sandbox.script("worker", "exit 1");
    let launch = sandbox.start_server().args(["--interval=3", "--pid-file=pid"]).worker(script);
    let mut server = launch.spawn();
    server.wait_line("failed to start");
    for _ in 0..20 {
        server.signal(Signal::HUP);
        server.settle();
    }
    assert_eq!(server.count("received HUP"), 1, "{}", server.transcript());
    server.stop();
}

#[test]
fn signals_that_were_blocked_at_the_start_are_served() {
    let sandbox = Sandbox::new("stubborn-mask");
    let blocked = "import os, signal, sys; \
                   signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD}); \
                   os.execvp(sys.argv[1], sys.argv[1:])";
    let script = sandbox.script("worker", "say up\nproc SigBlk");
    let launch = sandbox.start_server().arg("--interval=0").worker(script);
    let mut server = launch.through(["python3", "-c", blocked]).spawn();
    let line = server.wait_line("SigBlk");
    assert!(line.text.ends_with("14000"), "the worker has the mask as it was: {}", line.text);
    server.signal(Signal::TERM);
    server.wait_line("received TERM");
    server.signal(Signal::QUIT);
    let worker = server.wait_line("starting new worker ").number();
    crate::sandbox::kill(worker, Signal::KILL);
    assert_eq!(server.wait_exit().code(), Some(0));
}

/// A disk that is full for a while leaves a status file that is right in the end.
#[test]
fn a_status_file_that_could_not_be_written_is_written_later() {
    let sandbox = Sandbox::new("stubborn-status");
    std::fs::create_dir(sandbox.path("dir")).unwrap();
    let script = sandbox.script("worker", "on TERM exit 0\nsay up $GEN\nready");
    let launch = sandbox.start_server().args(["--status-file=dir/status"]).worker(script);
    let mut server = launch.spawn();
    server.wait_line("up 1");
    eventually("the status file", || sandbox.exists("dir/status").then_some(()));
    std::fs::rename(sandbox.path("dir"), sandbox.path("away")).unwrap();
    server.signal(Signal::HUP);
    server.wait_line("old worker ");
    server.wait_line("failed to write the status file");
    std::fs::rename(sandbox.path("away"), sandbox.path("dir")).unwrap();
    eventually("the new generation in it", || {
        sandbox.read("dir/status").starts_with("2:").then_some(())
    });
    server.stop();
}

#[test]
fn the_end_comes_although_nobody_reads() {
    let sandbox = Sandbox::new("stubborn-reader");
    let script = sandbox.script("worker", "on TERM exit 0\ntouch up\nready");
    let (read, write) = rustix::pipe::pipe().unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_start_server"))
        .args(["--interval=0", "--"])
        .args([crate::sandbox::puppet(), &script])
        .current_dir(sandbox.path(""))
        .env("SUPERDAEMON_TEST_SANDBOX", sandbox.path(""))
        .stdout(write.try_clone().unwrap())
        .stderr(write.try_clone().unwrap())
        .spawn()
        .unwrap();
    eventually("the worker", || sandbox.exists("up").then_some(()));
    fill(&write);
    let pid = i32::try_from(child.id()).unwrap();
    for _ in 0..10 {
        crate::sandbox::kill(pid, Signal::HUP);
    }
    crate::sandbox::kill(pid, Signal::TERM);
    assert!(crate::sandbox::wait_pid(pid, Duration::from_secs(20)));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(read);
}

/// Leaves no room in the pipe.
fn fill(pipe: &OwnedFd) {
    use rustix::io::{ReadWriteFlags, pwritev2};
    let block = [b'x'; 4096];
    for size in [4096, 1] {
        let slice = [std::io::IoSlice::new(&block[..size])];
        while pwritev2(pipe, &slice, u64::MAX, ReadWriteFlags::NOWAIT).is_ok() {}
    }
}
