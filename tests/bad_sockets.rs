//! Ports and paths that cannot be listened on; whoever has them goes on as before.

use std::fs;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::Command;

use sigpolicy::Signal;

use crate::bad_case::{
    Case, FILES, all_refused, bytes, closed_directory, is_clear, refused, unprivileged,
};
use crate::sandbox::{Sandbox, Server, ask, eventually, free_port};

/// Stands where nothing but the pid file and the status file may be left behind.
const NO_PATH: [&str; 2] = ["--pid-file=new.pid", "--status-file=new.status"];

#[test]
fn bad_port_specs() {
    let sandbox = Sandbox::new("bad-ports");
    let cases: &[(&str, &str)] = &[
        ("70000", "65535"),
        ("65536", "65535"),
        ("99999999999999999999", "65535"),
        ("x", "expected PORT"),
        ("http", "expected PORT"),
        (" ", "expected PORT"),
        ("u", "expected PORT"),
        ("-80", "expected PORT"),
        ("+80", "expected PORT"),
        ("0x50", "expected PORT"),
        ("80,81", "expected PORT"),
        ("localhost", "expected PORT"),
        ("localhost:", "expected PORT"),
        ("/run/sock", "--path"),
        ("./sock", "--path"),
        (":80", "write PORT alone"),
        ("*:80", "write PORT alone"),
        ("[]:80", "write PORT alone"),
        ("1:2:3", "IPv6"),
        ("[::g]:80", "IPv6"),
        ("[::1", "`]'"),
        ("[::1%]:80", "zone"),
        ("a/b:80", "`/'"),
        ("a b:80", "` '"),
        ("a;b:80", "`;'"),
        ("80=", "descriptor number"),
        ("80=x", "descriptor number"),
        ("80=-1", "descriptor number"),
        ("80=2", "standard error"),
        ("80=1048576", "1048575"),
        ("80=99999999999", "1048575"),
        ("\u{1b}[2J", "expected PORT"),
    ];
    let begin = "invalid ``port'' value:";
    for (index, (spec, says)) in cases.iter().enumerate() {
        let option = ["--port", "--listen"][index % 2];
        let launch = sandbox.start_server().args(FILES).args([option, *spec]).program(["true"]);
        let line = refused(&sandbox, &format!("{option} {spec}"), launch, 255, begin);
        assert!(line.contains(says), "{line}");
    }
}

#[test]
fn bad_hosts() {
    let sandbox = Sandbox::new("bad-hosts");
    let port = free_port();
    let long = format!("{}:{port}", "x".repeat(300));
    let cases: &[(&str, &str, i32, &str)] = &[
        ("unresolvable", "name.invalid:80", 255, "failed to resolve host:name.invalid"),
        ("too long", &long, 255, "failed to resolve host:xxx"),
        ("no such interface", "[fe80::1%no-such-if]:80", 255, "no interface named no-such-if"),
    ];
    for (name, spec, code, says) in cases {
        // A resolver that is far away must not make the test wait.
        let launch = sandbox.start_server().env("RES_OPTIONS", "timeout:1 attempts:1");
        let launch = launch.args(FILES).args(["--port", *spec]).program(["true"]);
        refused(&sandbox, name, launch, *code, says);
    }
    let nonlocal = fs::read_to_string("/proc/sys/net/ipv4/ip_nonlocal_bind");
    if nonlocal.is_ok_and(|text| text.trim() == "0") {
        let spec = format!("192.0.2.1:{port}");
        let launch = sandbox.start_server().args(FILES).args(["--port", &spec]).program(["true"]);
        let says = format!("failed to bind to {spec}: ");
        refused(&sandbox, "address of another machine", launch, 99, &says);
    }
}

/// A server with a TCP port, a UDP port and a path, and how to see that it serves.
struct Other {
    server: Server,
    tcp: u16,
    udp: u16,
}

impl Other {
    fn start(sandbox: &Sandbox) -> Self {
        let (tcp, udp) = (free_port(), free_port());
        let script = sandbox.script("worker", "serve\nsay up");
        let ports = [format!("--port=127.0.0.1:{tcp}"), format!("--port=127.0.0.1:u{udp}")];
        let launch = sandbox.start_server().args(ports).arg("--interval=0");
        let launch = launch.args(["--path=sock", "--pid-file=pid", "--status-file=status"]);
        let server = launch.worker(script).spawn();
        server.wait_line("up");
        eventually("the status file", || sandbox.exists("status").then_some(()));
        Self { server, tcp, udp }
    }

    fn serves(&self, sandbox: &Sandbox, name: &str) {
        let answer = ask(&sandbox.path("sock")).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut text = String::new();
        let mut stream = TcpStream::connect(("127.0.0.1", self.tcp)).unwrap();
        std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
        assert_eq!(text.trim_end(), answer, "{name}");
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(crate::sandbox::DEADLINE)).unwrap();
        socket.send_to(b"?", ("127.0.0.1", self.udp)).unwrap();
        let mut buffer = [0; 64];
        let (count, _) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], format!("{answer}\n").as_bytes(), "{name}");
    }
}

#[test]
fn bad_ports_and_paths_that_another_server_has() {
    let sandbox = Sandbox::new("bad-in-use");
    let mut other = Other::start(&sandbox);
    std::os::unix::fs::symlink("sock", sandbox.path("link")).unwrap();
    let free = free_port();
    let tcp = format!("--port=127.0.0.1:{}", other.tcp);
    let any = format!("--port={}", other.tcp);
    let udp = format!("--port=127.0.0.1:u{}", other.udp);
    let fresh = format!("--port=127.0.0.1:{free}");
    let cases: &[Case<'_>] = &[
        ("TCP port", &[&tcp], 98, "Address already in use"),
        ("TCP port for all addresses", &[&any], 98, "Address already in use"),
        ("UDP port", &[&udp], 98, "(udp): Address already in use"),
        ("path", &["--path=sock"], 98, "another process is serving this socket"),
        ("path by another name", &["--path=./sock"], 98, "./sock: another process is serving"),
        ("symbolic link to the path", &["--path=link"], 17, "a symbolic link is in the way"),
        ("after a free port and path", &[&fresh, "--path=a", "--path=sock"], 98, "in use"),
        ("the same port twice", &[&fresh, &fresh], 98, "Address already in use"),
        ("the same path twice", &["--path=a", "--path=./a"], 98, "./a: another process is"),
    ];
    for files in [&NO_PATH[..], &FILES[..]] {
        all_refused(&sandbox, files, cases);
        other.serves(&sandbox, "after all cases");
    }
    let absolute = sandbox.path("sock");
    let launch = sandbox.start_server().arg("--path").arg(&absolute).program(["true"]);
    refused(&sandbox, "absolute path", launch, 98, "is serving this socket");
    other.serves(&sandbox, "absolute path");
    assert!(other.server.alive());
    other.server.signal(Signal::TERM);
    assert_eq!(other.server.wait_exit().code(), Some(0));
    assert_eq!(sandbox.names(), ["link", "worker"]);
}

#[test]
fn bad_paths_where_something_else_is() {
    let sandbox = Sandbox::new("bad-paths");
    sandbox.write("file", "do not touch");
    sandbox.write("nothing", "");
    fs::create_dir(sandbox.path("directory")).unwrap();
    std::os::unix::fs::symlink("nowhere", sandbox.path("dangling")).unwrap();
    std::os::unix::fs::symlink("file", sandbox.path("link")).unwrap();
    let fifo = Command::new("mkfifo").arg(sandbox.path("fifo")).status().unwrap();
    assert!(fifo.success());
    // Nobody accepts here; one has a full queue, one is no stream.
    let foreign = UnixListener::bind(sandbox.path("foreign")).unwrap();
    let datagrams = UnixDatagram::bind(sandbox.path("datagrams")).unwrap();
    let long = format!("--path={}", "x".repeat(108));
    let cases: &[Case<'_>] = &[
        ("file", &["--path=file"], 17, "a regular file is in the way and will not be removed"),
        ("empty file", &["--path=nothing"], 17, "a regular file is in the way"),
        ("directory", &["--path=directory"], 17, "a directory is in the way"),
        ("this directory", &["--path=."], 17, "a directory is in the way"),
        ("FIFO", &["--path=fifo"], 17, "a fifo is in the way"),
        ("dangling link", &["--path=dangling"], 17, "a symbolic link is in the way"),
        ("link to a file", &["--path=link"], 17, "a symbolic link is in the way"),
        ("device", &["--path=/dev/null"], 17, "in the way and will not be removed"),
        ("foreign socket", &["--path=foreign"], 98, "another process is serving this socket"),
        ("datagram socket", &["--path=datagrams"], 98, "another process is serving this socket"),
        ("missing directory", &["--path=no/sock"], 2, "file no/sock: No such file or directory"),
        ("below a file", &["--path=file/sock"], 20, "file file/sock: Not a directory"),
        ("slash at the end", &["--path=new/"], 2, "No such file or directory"),
        ("too long", &[&long], 255, "has 108 bytes, a unix socket's may have 107"),
        ("semicolon", &["--path=a;b"], 255, "a semicolon"),
        ("newline", &["--path=a\nb"], 255, "a newline"),
        ("empty", &["--path="], 1, "Option path requires an argument"),
        ("nameless abstract", &["--path=@"], 255, "the abstract name is empty"),
        ("later of two", &["--path=new1", "--path=file"], 17, "a regular file is in the way"),
    ];
    all_refused(&sandbox, &NO_PATH, cases);
    let _connected = fill(&foreign, &sandbox);
    let launch = sandbox.start_server().arg("--path=foreign").program(["true"]);
    refused(&sandbox, "full queue", launch, 98, "another process is serving this socket");
    assert!(foreign.accept().is_ok());
    let asking = UnixDatagram::unbound().unwrap();
    asking.send_to(b"still there", sandbox.path("datagrams")).unwrap();
    let mut buffer = [0; 64];
    assert_eq!(datagrams.recv(&mut buffer).unwrap(), 11);
}

/// Connects until the queue of `listener` is full.
fn fill(listener: &UnixListener, sandbox: &Sandbox) -> Vec<UnixStream> {
    rustix::net::listen(listener, 0).unwrap();
    let flags = rustix::net::SocketFlags::NONBLOCK | rustix::net::SocketFlags::CLOEXEC;
    let address = rustix::net::SocketAddrUnix::new(sandbox.path("foreign")).unwrap();
    let mut connected = Vec::new();
    loop {
        let family = rustix::net::AddressFamily::UNIX;
        let kind = rustix::net::SocketType::STREAM;
        let socket = rustix::net::socket_with(family, kind, flags, None).unwrap();
        if rustix::net::connect(&socket, &address).is_err() {
            return connected;
        }
        connected.push(UnixStream::from(socket));
        assert!(connected.len() < 10_000, "the queue has no end");
    }
}

#[test]
fn bad_abstract_names_in_use() {
    let sandbox = Sandbox::new("bad-abstract");
    let name = format!("superdaemon-test-{}-{}", std::process::id(), free_port());
    let address = rustix::net::SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap();
    let family = rustix::net::AddressFamily::UNIX;
    let holder = rustix::net::socket(family, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&holder, &address).unwrap();
    let launch = sandbox.start_server().arg(format!("--path=@{name}")).program(["true"]);
    refused(&sandbox, "abstract name", launch, 98, "Address already in use");
}

#[test]
fn bad_permissions() {
    let sandbox = Sandbox::new("bad-rights");
    closed_directory(&sandbox, "closed");
    let launch =
        |options: &[&str]| unprivileged(sandbox.start_server().args(options).program(["true"]));
    let lowest = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if lowest.is_ok_and(|text| text.trim().parse::<u16>().is_ok_and(|lowest| lowest > 80)) {
        for (name, spec) in [("TCP", "127.0.0.1:80"), ("UDP", "127.0.0.1:u80"), ("all", "80")] {
            let Some(launch) = launch(&["--port", spec]) else { return };
            refused(&sandbox, name, launch, 13, "Permission denied");
        }
    } else {
        eprintln!("skipped: everybody may bind to port 80 here");
    }
    let Some(launch) = launch(&["--path=closed/sock"]) else { return };
    let says = "failed to listen to file closed/sock: Permission denied";
    refused(&sandbox, "path in a closed directory", launch, 13, says);
}

/// The socket is made in a directory where everybody may, so that only the change of owner fails.
#[test]
fn bad_owner_of_a_path() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new("bad-owner");
    fs::create_dir(sandbox.path("open")).unwrap();
    fs::set_permissions(sandbox.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    let launch = sandbox.start_server().args(["--path=open/sock", "--path-owner=root"]);
    let Some(launch) = unprivileged(launch.program(["true"])) else { return };
    refused(&sandbox, "owner", launch, 1, "file open/sock: Operation not permitted");
}

/// A name that is not UTF-8 is as good as any.
#[test]
fn bad_names_of_paths_are_served() {
    let sandbox = Sandbox::new("bad-path-names");
    let script = sandbox.script("worker", "serve\nsay up");
    for name in [&b"s\xff\xfe"[..], b"blank and\ttab", b"a=b", b"\x1b[31m", b"-path"] {
        let path = sandbox.path("").join(bytes(name));
        let launch = sandbox.start_server().arg("--interval=0").arg("--path").arg(bytes(name));
        let mut server = launch.worker(&script).separate().spawn();
        server.wait_line("up");
        assert!(ask(&path).is_ok_and(|answer| answer.starts_with("1 ")), "{}", path.display());
        // Twice the same, as a message has to show the name.
        let second = sandbox.start_server().arg("--path").arg(bytes(name)).program(["true"]);
        let second = second.output();
        assert_eq!(second.code, Some(98), "{second:?}");
        let last = second.stderr.lines().last().unwrap();
        is_clear("the name in a message", last);
        server.stop();
        assert!(path.symlink_metadata().is_err(), "{}", path.display());
    }
    assert_eq!(sandbox.names(), ["worker"]);
}
