//! systemd's own programs beside the server: systemd-socket-activate before it, systemd-notify
//! below it, and what a service manager hears while real workers are restarted under load.

use std::io::Read;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::time::{ClockId, clock_gettime};
use sigpolicy::Signal;

use crate::peers::{example, installed, program, python, restart_under_load};
use crate::peers_load::{Load, Mode, Pace, Target};
use crate::sandbox::{DEADLINE, Launch, MARK, Sandbox, ask, eventually, free_port};

/// The service manager's end of NOTIFY_SOCKET.
struct Manager(UnixDatagram);

impl Manager {
    fn new(sandbox: &Sandbox) -> Self {
        let socket = UnixDatagram::bind(sandbox.path("manager")).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(socket)
    }

    /// The next message that is not just a STATUS=, whole.
    fn hear(&self) -> String {
        loop {
            let mut buffer = [0; 4096];
            let count = self.0.recv(&mut buffer).expect("a message to the service manager");
            let message = String::from_utf8_lossy(&buffer[..count]).into_owned();
            if !message.starts_with("STATUS=") {
                return message;
            }
        }
    }

    fn expect(&self, first: &str) -> String {
        let message = self.hear();
        assert_eq!(message.lines().next(), Some(first), "{message}");
        message
    }

    /// RELOADING=1 with the time that systemd compares with that of its HUP, then READY=1.
    fn expect_reload(&self, hup: u64) {
        let message = self.expect("RELOADING=1");
        let stamp = message.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        let stamp: u64 = stamp.expect("MONOTONIC_USEC").parse().unwrap();
        assert!(hup <= stamp && stamp <= micros(), "{hup} {message}");
        self.expect("READY=1");
    }
}

fn micros() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000 + now.tv_nsec / 1000).unwrap()
}

/// systemd-socket-activate before our server. It clears the environment, but for what is named.
fn activated(launch: Launch, addresses: &[String], names: &str) -> Launch {
    let mut stage = vec!["systemd-socket-activate".to_owned(), format!("--fdname={names}")];
    for word in [MARK, "NOTIFY_SOCKET", "PATH"] {
        stage.extend(["-E".to_owned(), word.to_owned()]);
    }
    for address in addresses {
        stage.extend(["-l".to_owned(), address.clone()]);
    }
    launch.through(stage)
}

fn activator_installed() -> bool {
    installed("systemd", program("systemd-socket-activate"))
}

#[test]
fn socket_activate_hands_over_a_port_and_a_path() {
    if !activator_installed() {
        return;
    }
    let sandbox = Sandbox::new("socket-activate");
    let (port, path) = (free_port(), sandbox.path("socket"));
    let steps = "env SERVER_STARTER_PORT\nenv LISTEN_FDS\nenv LISTEN_PID\nenv LISTEN_FDNAMES\n\
                 serve\nsay up $GEN $PID\nready";
    let script = sandbox.script("worker", steps);
    let address = format!("127.0.0.1:{port}");
    let shown = path.to_str().unwrap();
    // In the order of the options, not of descriptors: the path was opened second.
    let launch = sandbox.start_server().arg("--interval=600").arg(format!("--path={shown}"));
    let launch = launch.arg(format!("--port={address}")).worker(script).env("NOTIFY_SOCKET", "");
    let addresses = [address.clone(), shown.to_owned()];
    let mut server = activated(launch, &addresses, "web:local").spawn();
    server.wait_line(&format!("Listening on {shown}"));
    // The first connection is what starts the server; it waits until a worker takes it.
    let mut first = TcpStream::connect(("127.0.0.1", port)).unwrap();
    first.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).unwrap();
    let worker = server.wait_line("up 1").number();
    assert_eq!(answer, format!("1 {worker}\n"));
    assert_eq!(ask(&path).unwrap(), format!("1 {worker}"));
    let lines = server.lines();
    let expected = [
        format!("SERVER_STARTER_PORT={address}=3;{shown}=4"),
        "LISTEN_FDS=2".to_owned(),
        format!("LISTEN_PID={worker}"),
        "LISTEN_FDNAMES=web:local".to_owned(),
    ];
    for line in expected {
        assert!(lines.contains(&line), "no {line}\n{}", server.transcript());
    }
    server.signal(Signal::HUP);
    let second = server.wait_line("up 2").number();
    server.wait_line("old worker ");
    assert_eq!(ask(&path).unwrap(), format!("2 {second}"));
    server.stop();
    assert!(sandbox.exists("socket"), "the socket file is not ours to remove");
}

#[test]
fn socket_activated_and_restarted_under_load() {
    if !activator_installed() {
        return;
    }
    let sandbox = Sandbox::new("activate-load");
    let manager = Manager::new(&sandbox);
    let port = free_port();
    let launch = sandbox.start_server().arg("--interval=600");
    let launch = launch.program([example("http_worker")]);
    let launch = launch.env("NOTIFY_SOCKET", sandbox.path("manager"));
    let mut server = activated(launch, &[format!("127.0.0.1:{port}")], "web").spawn();
    server.wait_line("Listening on");
    let load = Load::start(&[Target::Tcp(port)], &[Mode::KeepAlive, Mode::Close], Pace::Fast);
    manager.expect("READY=1");
    for _ in 0..5 {
        let hup = micros();
        restart_under_load(&server, &load, 1);
        manager.expect_reload(hup);
    }
    let tally = load.finish("socket-activated");
    tally.expect_no_failure();
    assert_eq!(tally.generations, [1, 2, 3, 4, 5, 6]);
    server.signal(Signal::TERM);
    manager.expect("STOPPING=1");
    assert_eq!(server.wait_exit().code(), Some(0), "{}", server.transcript());
}

/// `systemctl reload` while a reload runs: the second HUP gets its own RELOADING=1, later than it.
#[test]
fn a_reload_during_a_reload_is_announced_too() {
    let sandbox = Sandbox::new("reload-twice");
    let manager = Manager::new(&sandbox);
    sandbox.script("worker.2", "say up 2\nwait go\nready");
    let script = sandbox.script("worker", "say up $GEN\nready");
    let launch = sandbox.start_server().env("NOTIFY_SOCKET", sandbox.path("manager"));
    let mut server = launch.arg("--interval=600").worker(script).spawn();
    manager.expect("READY=1");
    let first = micros();
    server.signal(Signal::HUP);
    server.wait_line("up 2");
    let second = micros();
    server.signal(Signal::HUP);
    server.wait_line("one more restart will follow");
    sandbox.write("go", "");
    server.wait_line("up 3");
    server.wait_lines(&["old worker ", "old worker "]);
    server.signal(Signal::TERM);
    let mut messages = Vec::new();
    while messages.last().is_none_or(|message: &String| !message.starts_with("STOPPING=1")) {
        messages.push(manager.hear());
    }
    let stamp = |message: &String| -> Option<u64> {
        message.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="))?.parse().ok()
    };
    let stamps: Vec<u64> = messages.iter().filter_map(stamp).collect();
    assert!(stamps.first().is_some_and(|stamp| (first..second).contains(stamp)), "{messages:#?}");
    assert!(stamps.last().is_some_and(|stamp| *stamp >= second), "{messages:#?}");
    let ready = messages.iter().rposition(|message| message.starts_with("READY=1"));
    let reloading = messages.iter().rposition(|message| message.starts_with("RELOADING=1"));
    assert!(ready > reloading, "systemd would wait for ever: {messages:#?}");
    assert_eq!(server.wait_exit().code(), Some(0));
}

/// Workers that tell of themselves by other people's programs; each is ready within `--interval`.
fn ready_by(topic: &str, words: &[&str], status: &str) {
    let sandbox = Sandbox::new(topic);
    let manager = Manager::new(&sandbox);
    let launch = sandbox.start_server().args(["--interval=600", "--pid-file=pid"]);
    let launch = launch.env("NOTIFY_SOCKET", sandbox.path("manager")).program(words);
    let mut server = launch.spawn();
    server.wait_line("notified");
    manager.expect("READY=1");
    server.signal(Signal::HUP);
    manager.expect("RELOADING=1");
    server.wait_lines(&["notified", "new worker is now running", "old worker "]);
    manager.expect("READY=1");
    eventually("the worker's own words in the status", || {
        let shown = sandbox.start_server().args(["--status", "--pid-file=pid"]).output();
        shown.stdout.contains(status).then_some(())
    });
    server.signal(Signal::TERM);
    // What a worker says of itself goes no further.
    manager.expect("STOPPING=1");
    assert_eq!(server.wait_exit().code(), Some(0), "{}", server.transcript());
}

/// It passes a pipe with BARRIER=1 and waits until the receiver has closed it.
#[test]
fn systemd_notify() {
    if installed("systemd", program("systemd-notify")) {
        let line = "systemd-notify --ready --status='all caches warm' && echo notified \
                    && systemd-notify STOPPING=1 && exec tail -f /dev/null";
        ready_by("systemd-notify", &["/bin/sh", "-c", line], "all caches warm");
    }
}

#[test]
fn datagrams_from_python() {
    let code = "import os, signal, socket
address = os.environ['NOTIFY_SOCKET']
if address.startswith('@'):
    address = '\\0' + address[1:]
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.connect(address)
    s.sendall(b'STATUS=python is up\\nREADY=1\\nMAINPID=1')
os.write(1, b'notified\\n')
signal.pause()
";
    if installed("python3", Path::new(python()).exists() || program(python())) {
        ready_by("notify-python", &[python(), "-c", code], "python is up");
    }
}

#[test]
fn datagrams_from_perl() {
    let code = r#"
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);
(my $path = $ENV{NOTIFY_SOCKET}) =~ s/^@/\0/;
my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $path) or die $!;
$socket->send("READY=1\nSTATUS=perl is up\n") or die $!;
$| = 1;
print "notified\n";
sleep;
"#;
    if installed("perl", program("perl")) {
        ready_by("notify-perl", &["perl", "-e", code], "perl is up");
    }
}
