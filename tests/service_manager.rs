//! Both sides of systemd's protocols: notifications to it, sockets from it.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};

use rustix::time::{ClockId, clock_gettime};
use sigpolicy::Signal;

use crate::sandbox::{DEADLINE, Launch, Sandbox, ask};

const UP: &str = "on TERM exit 0\nserve\nsay up $GEN $PID\nready";
/// What a service manager does: the socket on stdin becomes descriptor 3.
const ACTIVATE: &str = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; \
     export LISTEN_PID LISTEN_FDS LISTEN_FDNAMES; exec \"$@\"";

struct Manager(UnixDatagram);

impl Manager {
    fn new(sandbox: &Sandbox) -> Self {
        let socket = UnixDatagram::bind(sandbox.path("manager")).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(socket)
    }

    /// The next message.
    fn hear(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let count = self.0.recv(&mut buffer).expect("a message to the service manager");
        String::from_utf8_lossy(&buffer[..count]).lines().map(str::to_owned).collect()
    }
}

fn micros() -> u128 {
    let now = clock_gettime(ClockId::Monotonic);
    u128::try_from(now.tv_sec).unwrap() * 1_000_000 + u128::try_from(now.tv_nsec).unwrap() / 1000
}

fn start(sandbox: &Sandbox, steps: &str) -> Launch {
    let script = sandbox.script("worker", steps);
    let launch = sandbox.start_server().env("NOTIFY_SOCKET", sandbox.path("manager"));
    launch.arg("--interval=600").worker(script)
}

#[test]
fn ready_reloading_stopping() {
    let sandbox = Sandbox::new("notify");
    let manager = Manager::new(&sandbox);
    let mut server = start(&sandbox, UP).spawn();
    let first = server.wait_line("up 1").number();
    let serving = |generation, pid| {
        vec![
            "READY=1".to_owned(),
            format!("STATUS=serving with worker {pid} (generation {generation})"),
        ]
    };
    assert_eq!(manager.hear(), serving(1, first));
    let before = micros();
    server.signal(Signal::HUP);
    let reloading = manager.hear();
    let after = micros();
    assert_eq!(reloading[0], "RELOADING=1");
    let stamp: u128 = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
    assert!(before <= stamp && stamp <= after, "{before} {stamp} {after}");
    let second = server.wait_line("up 2").number();
    assert_eq!(manager.hear(), serving(2, second));
    server.signal(Signal::TERM);
    assert_eq!(manager.hear()[0], "STOPPING=1");
    assert_eq!(server.wait_exit().code(), Some(0));
}

#[test]
fn not_ready_before_the_worker_is() {
    let sandbox = Sandbox::new("notify-late");
    let manager = Manager::new(&sandbox);
    sandbox.script("worker.1", "say tried\nexit 1");
    let launch = start(&sandbox, "say up\nwait go\nready");
    let mut server = launch.arg("--interval=1").arg("--start-timeout=600").spawn();
    server.wait_line("seems to have failed");
    server.wait_line("up");
    sandbox.write("go", "");
    // The first message is not about the worker that failed.
    loop {
        let message = manager.hear();
        if message[0] == "READY=1" {
            assert!(message[1].contains("(generation 2)"), "{message:?}");
            break;
        }
        assert!(message[0].starts_with("STATUS="), "{message:?}");
    }
    server.stop();
}

#[test]
fn a_failed_reload_ends_in_ready_with_the_reason() {
    let sandbox = Sandbox::new("notify-failed");
    let manager = Manager::new(&sandbox);
    sandbox.script("worker.2", "exit 9");
    let mut server = start(&sandbox, UP).arg("--restart-attempts=1").spawn();
    let first = server.wait_line("up 1").number();
    assert_eq!(manager.hear()[0], "READY=1");
    server.signal(Signal::HUP);
    assert_eq!(manager.hear()[0], "RELOADING=1");
    let message = manager.hear();
    assert_eq!(message[0], "READY=1");
    assert!(message[1].contains("exit code 9"), "{message:?}");
    assert!(message[1].contains(&format!("worker {first} still serves")), "{message:?}");
    server.stop();
}

#[test]
fn watchdog() {
    let sandbox = Sandbox::new("watchdog");
    let manager = Manager::new(&sandbox);
    let mut server = start(&sandbox, UP).env("WATCHDOG_USEC", "100000").spawn();
    for _ in 0..4 {
        while manager.hear()[0] != "WATCHDOG=1" {}
    }
    server.stop();
    let mut server =
        start(&sandbox, UP).env("WATCHDOG_USEC", "1000").env("WATCHDOG_PID", "1").spawn();
    server.wait_line("up 1");
    while manager.hear()[0] != "READY=1" {}
    server.stop();
    assert_eq!(manager.hear()[0], "STOPPING=1", "not a watchdog of ours");
}

/// Our server with this socket as descriptor 3, as a service manager would start it.
fn activated(sandbox: &Sandbox, socket: impl Into<OwnedFd>, stage: &str) -> Launch {
    let steps =
        format!("env SERVER_STARTER_PORT\nenv LISTEN_FDNAMES\nenv SUPERDAEMON_SOCKETS\nfds\n{UP}");
    let script = sandbox.script("worker", &steps);
    let launch = sandbox.start_server().arg("--interval=600").worker(script);
    launch.through_shell(stage).bare().stdin(socket.into())
}

#[test]
fn sockets_from_the_service_manager() {
    let sandbox = Sandbox::new("activated");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let own_name = format!("--port={address}");
    for options in [&[][..], &[own_name.as_str()]] {
        let copy = socket.try_clone().unwrap();
        let mut server = activated(&sandbox, copy, ACTIVATE).args(options).spawn();
        let pid = server.wait_line("up 1").number();
        let mut answer = String::new();
        TcpStream::connect(address).unwrap().read_to_string(&mut answer).unwrap();
        assert_eq!(answer, format!("1 {pid}\n"));
        server.wait_line(&format!("SERVER_STARTER_PORT={address}=3"));
        server.wait_line("LISTEN_FDNAMES=web");
        let fds = server.wait_line("fds ").text;
        assert!(fds.contains("3=socket:") && !fds.contains(" 4="), "{fds}");
        server.stop();
    }
}

#[test]
fn a_socket_from_the_service_manager_and_one_of_our_own() {
    let sandbox = Sandbox::new("activated-both");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut server = activated(&sandbox, socket, ACTIVATE).arg("--path=sock").spawn();
    let pid = server.wait_line("up 1").number();
    let variable = server.wait_line("SERVER_STARTER_PORT=").text;
    assert_eq!(variable, format!("SERVER_STARTER_PORT=sock=3;{address}=4"));
    assert_eq!(ask(&sandbox.path("sock")).unwrap(), format!("1 {pid}"));
    server.stop();
    assert!(!sandbox.exists("sock"));
}

#[test]
fn the_path_of_a_socket_from_the_service_manager_is_not_removed() {
    let sandbox = Sandbox::new("activated-unix");
    let path = sandbox.path("sock");
    let mut server = activated(&sandbox, UnixListener::bind(&path).unwrap(), ACTIVATE).spawn();
    let pid = server.wait_line("up 1").number();
    assert_eq!(ask(&path).unwrap(), format!("1 {pid}"));
    server.stop();
    assert!(path.exists());
}

#[test]
fn sockets_for_another_process_are_not_taken() {
    let sandbox = Sandbox::new("not-for-us");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let stage = ACTIVATE.replace("LISTEN_PID=$$", "LISTEN_PID=1");
    let mut server = activated(&sandbox, socket, &stage).spawn();
    server.wait_line("up 1");
    let variable = server.wait_line("SERVER_STARTER_PORT=").text;
    assert_eq!(variable, "SERVER_STARTER_PORT=");
    server.stop();
}
