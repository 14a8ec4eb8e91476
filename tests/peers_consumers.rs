//! Programs that take the sockets by every convention there is, in the languages they are used from.

use std::io::Read;
use std::net::{TcpStream, UdpSocket};
use std::path::Path;

use sigpolicy::Signal;

use crate::peers::{example, installed, perl_modules, program, python};
use crate::peers_load::{Mode, Target, get};
use crate::sandbox::{DEADLINE, Launch, Sandbox, ask, free_port};

/// Lists what the real Server::Starter finds, then answers on each socket.
const SERVER_PORTS: &str = r#"
use strict;
use warnings;
use Server::Starter qw(server_ports);
use Socket qw(:all getnameinfo);
$| = 1;
my $ports = server_ports();
my %socket;
for my $name (sort keys %$ports) {
    open my $socket, '+<&=', $ports->{$name} or die "$name: $!";
    my $address = getsockname $socket or die "$name: $!";
    my $family = sockaddr_family $address;
    my @place = $family == AF_UNIX ? unpack_sockaddr_un $address
        : (getnameinfo $address, NI_NUMERICHOST | NI_NUMERICSERV)[1, 2];
    my $listens = unpack 'i', getsockopt $socket, SOL_SOCKET, SO_ACCEPTCONN;
    print "found $name: @place $listens\n";
    $socket{$ports->{$name}} = $socket;
}
print "up $ENV{SERVER_STARTER_GENERATION} $$\n";
while (1) {
    my $in = '';
    vec($in, $_, 1) = 1 for keys %socket;
    select $in, undef, undef, undef or next;
    for my $fd (grep { vec $in, $_, 1 } keys %socket) {
        accept my $client, $socket{$fd} or next;
        syswrite $client, "$ENV{SERVER_STARTER_GENERATION} $$\n";
    }
}
"#;

fn tcp_answer(host: &str, port: u16) -> String {
    let mut stream = TcpStream::connect((host, port)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.trim_end().to_owned()
}

/// The same worker under both programs finds the same names for the same addresses.
#[test]
fn server_ports_of_perl() {
    if !installed("libserver-starter-perl", perl_modules(&["Server::Starter"])) {
        return;
    }
    let sandbox = Sandbox::new("server-ports");
    sandbox.write("worker.pl", SERVER_PORTS);
    let (bare, v4, v6) = (free_port(), free_port(), free_port());
    let run = |launch: Launch| -> Vec<String> {
        let ports = [format!("--port={bare}"), format!("--port=localhost:{v4}=9")];
        let launch = launch.args(ports).arg(format!("--port=[::1]:{v6}")).arg("--path=socket");
        let mut server = launch.arg("--interval=0").program(["perl", "worker.pl"]).spawn();
        let pid = server.wait_line("up 1").number();
        let expected = format!("1 {pid}");
        assert_eq!(tcp_answer("127.0.0.1", bare), expected);
        assert_eq!(tcp_answer("127.0.0.1", v4), expected);
        assert_eq!(tcp_answer("::1", v6), expected);
        assert_eq!(ask(&sandbox.path("socket")).unwrap(), expected);
        server.signal(Signal::HUP);
        let pid = server.wait_line("up 2").number();
        server.wait_line("old worker ");
        assert_eq!(ask(&sandbox.path("socket")).unwrap(), format!("2 {pid}"));
        server.signal(Signal::TERM);
        server.wait_exit();
        server.lines().into_iter().filter(|line| line.starts_with("found ")).collect()
    };
    let perls = run(sandbox.perl_start_server());
    let ours = run(sandbox.start_server());
    assert_eq!(ours, perls, "left: ours, right: Perl's");
    assert_eq!(ours.len(), 8, "{ours:#?}");
    assert!(ours.contains(&format!("found [::1]:{v6}: ::1 {v6} 1")), "{ours:#?}");
}

/// A server of the Net::Server family, by the module that all of them use.
#[test]
fn net_server() {
    let modules = ["Net::Server::SS::PreFork"];
    if !installed("libnet-server-ss-prefork-perl", perl_modules(&modules)) {
        return;
    }
    let sandbox = Sandbox::new("net-server");
    let code = r#"
package Answer;
use base 'Net::Server::SS::PreFork';
sub process_request { print "$ENV{SERVER_STARTER_GENERATION} of two ports\n" }
sub pre_loop_hook { print STDERR "up $ENV{SERVER_STARTER_GENERATION} $$\n" }
Answer->run(port => 1, min_servers => 2, max_servers => 3, min_spare_servers => 1,
    max_spare_servers => 2, log_level => 0);
"#;
    sandbox.write("worker.pl", code);
    let (first, second) = (free_port(), free_port());
    let ports = [format!("--port={first}"), format!("--port=127.0.0.1:{second}")];
    let launch = sandbox.start_server().args(ports).arg("--interval=1");
    let mut server = launch.program(["perl", "worker.pl"]).spawn();
    server.wait_line("up 1");
    assert_eq!(tcp_answer("127.0.0.1", first), "1 of two ports");
    assert_eq!(tcp_answer("127.0.0.1", second), "1 of two ports");
    server.signal(Signal::HUP);
    server.wait_lines(&["up 2", "old worker "]);
    assert_eq!(tcp_answer("127.0.0.1", first), "2 of two ports");
    assert_eq!(tcp_answer("127.0.0.1", second), "2 of two ports");
    server.stop();
}

/// The rules of sd_listen_fds(3), as listenfd and Go's activation packages apply them.
const LISTEN_FDS: &str = "
import os, signal, socket, sys
own = os.getpid()
def say(*words):
    os.write(1, (' '.join(map(str, words)) + '\\n').encode())
if os.environ.pop('LISTEN_PID') != str(own):
    sys.exit('LISTEN_PID is not mine')
count = int(os.environ.pop('LISTEN_FDS'))
names = os.environ.pop('LISTEN_FDNAMES').split(':')
if len(names) != count:
    sys.exit('names and descriptors differ in number')
for fd, name in zip(range(3, 3 + count), names):
    s = socket.socket(fileno=fd)
    os.set_inheritable(fd, False)
    kind = {socket.SOCK_STREAM: 'stream', socket.SOCK_DGRAM: 'datagram'}[s.type]
    place = s.getsockname()
    place = place if isinstance(place, str) else '%s %d' % place[:2]
    say('found', fd, name, s.family.name, kind, place)
    s.detach()
try:
    os.fstat(3 + count)
    say('one more descriptor is open')
except OSError:
    pass
say('up', os.environ['SERVER_STARTER_GENERATION'], own)
udp = socket.socket(fileno=4)
while True:
    data, peer = udp.recvfrom(100)
    udp.sendto(data + b' from %d' % own, peer)
";

#[test]
fn listen_fds_in_python() {
    if !installed("python3", Path::new(python()).exists() || program(python())) {
        return;
    }
    let sandbox = Sandbox::new("listen-fds");
    sandbox.write("worker.py", LISTEN_FDS);
    let (tcp, udp) = (free_port(), free_port());
    let options = [
        format!("--port=127.0.0.1:{tcp}"),
        format!("--port=127.0.0.1:u{udp}"),
        format!("--port=[::1]:{tcp}"),
        "--path=a socket:file".to_owned(),
    ];
    let launch = sandbox.start_server().args(options).arg("--interval=0");
    let mut server = launch.program([python(), "worker.py"]).bare().spawn();
    let mut first = None;
    for generation in 1..=2 {
        let pid = server.wait_line(&format!("up {generation}")).number();
        assert_eq!(pid, server.wait_line("starting new worker").number());
        assert!(Some(pid) != first);
        let expected = [
            format!("found 3 127.0.0.1-{tcp} AF_INET stream 127.0.0.1 {tcp}"),
            format!("found 4 127.0.0.1-{udp} AF_INET datagram 127.0.0.1 {udp}"),
            format!("found 5 [--1]-{tcp} AF_INET6 stream ::1 {tcp}"),
            "found 6 a-socket-file AF_UNIX stream a socket:file".to_owned(),
        ];
        let found: Vec<String> =
            (0..expected.len()).map(|_| server.wait_line("found ").text).collect();
        assert_eq!(found, expected);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        if generation == 1 {
            client.send_to(b"hello", ("127.0.0.1", udp)).unwrap();
            let mut buffer = [0; 100];
            let (count, _) = client.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..count], format!("hello from {pid}").as_bytes());
            server.signal(Signal::HUP);
            server.wait_line("old worker ");
        }
        first = Some(pid);
    }
    assert_eq!(server.count("one more descriptor"), 0, "{}", server.transcript());
    server.stop();
}

/// The examples, with nothing but LISTEN_FDS, and behind a shell whose pid LISTEN_PID is.
#[test]
fn examples_by_either_convention() {
    let only_systemd = ["env", "-u", "SERVER_STARTER_PORT", "-u", "SUPERDAEMON_SOCKETS"];
    let behind_a_shell =
        ["/bin/sh", "-c", "trap 'kill $!; wait $!; exit 0' TERM; \"$@\" & wait", "sh"];
    let rust = vec![example("http_worker")];
    let perl = vec!["perl".into(), example("http_worker.pl")];
    let python = vec![python().into(), example("http_worker.py")];
    for stage in [&only_systemd[..], &behind_a_shell[..]] {
        for worker in [&rust, &perl, &python] {
            let sandbox = Sandbox::new("convention");
            let port = free_port();
            let words = stage.iter().map(Path::new).chain(worker.iter().map(AsRef::as_ref));
            let launch = sandbox.start_server().arg("--interval=600");
            let launch = launch.arg(format!("--port=127.0.0.1:{port}"));
            let mut server = launch.program(words).spawn();
            server.wait_line("starting new worker");
            assert_eq!(get(&Target::Tcp(port), Mode::Close).unwrap(), 1);
            server.signal(Signal::HUP);
            server.wait_lines(&["new worker is now running", "old worker "]);
            assert_eq!(get(&Target::Tcp(port), Mode::KeepAlive).unwrap(), 2);
            server.stop();
        }
    }
}

/// A worker that is told of no socket says so in one line and does not come up.
#[test]
fn examples_without_a_socket() {
    let sandbox = Sandbox::new("no-socket");
    let workers = [
        vec![example("http_worker")],
        vec!["perl".into(), example("http_worker.pl")],
        vec![python().into(), example("http_worker.py")],
    ];
    for words in workers {
        let launch = sandbox.start_server().arg("--interval=600").program(words);
        let mut server = launch.spawn();
        server.wait_line("socket was passed");
        server.wait_line("seems to have failed to start");
        server.stop();
    }
}
