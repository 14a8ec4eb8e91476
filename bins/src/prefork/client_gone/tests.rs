use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fdpass::{BindOptions, FdPlan, Listener, bind};
use reaper::{Image, Limit, Resource, Setup, spawn};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use sigpolicy::Signal;

use super::*;

mod many;

/// Accepts one connection after the other; says so, and does with it what the next line says.
const WORKER: &str = r#"
use Socket; $| = 1; $SIG{PIPE} = 'IGNORE';
if ($ENV{OUTWARD}) { socket my $o, AF_INET, SOCK_STREAM, 0; connect $o, pack_sockaddr_in($ENV{OUTWARD}, inet_aton('127.0.0.1')) or die; $keep = $o }
if ($ENV{NOBODY}) { $( = $) = "65534 65534"; $< = $> = 65534 }
open my $l, '+<&=', 3 or die;
while (accept my $c, $l) {
    if ($ENV{MANY}) { my @c = $c; while (@c < $ENV{MANY}) { accept my $n, $l or die; push @c, $n } $c = \@c }
    print "accepted\n";
    while (my $word = <STDIN>) {
        chomp $word;
        syswrite $c, "reply\n" if $word eq 'reply';
        shutdown $c, $1 if $word =~ /^shutdown (\d)/;
        sysread $c, my $x, 100 if $word eq 'read';
        if ($word eq 'move') { open my $d, '+<&', $c or die; close $c; $c = $d }
        last if $word eq 'close';
        print "done\n";
    }
    close $_ for ref $c eq 'ARRAY' ? @$c : $c;
    print "closed\n";
}
"#;

struct Scene {
    watch: ClientWatch,
    listener: Listener,
    child: Child,
    to: File,
    from: BufReader<File>,
    dir: PathBuf,
}

impl Scene {
    fn new(name: &str, spec: &str, env: &[(&str, &str)]) -> Self {
        let dir =
            std::env::temp_dir().join(format!("superdaemon-gone-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let spec = spec.replace("DIR", dir.to_str().unwrap());
        let listener = bind(&spec.parse().unwrap(), &BindOptions::default()).unwrap();
        let pipe = || pipe_with(PipeFlags::CLOEXEC).unwrap();
        let (in_read, in_write) = pipe();
        let (out_read, out_write) = pipe();
        let mut plan = FdPlan::new();
        plan.pass(listener.as_fd(), 3).unwrap();
        plan.pass(in_read.as_fd(), 0).unwrap();
        plan.pass(out_write.as_fd(), 1).unwrap();
        let env = env.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let image =
            Image::new("/usr/bin/perl".as_ref(), ["-e".into(), WORKER.into()], env).unwrap();
        let hard = Limit::of(Resource::OpenFiles).hard;
        let highest = Limit { soft: hard, hard };
        let child =
            spawn(&image, &Setup::new().fds(plan).process_group().restore_nofile(highest)).unwrap();
        let place = (listener.kind(), listener.local_addr().clone());
        let watch = ClientWatch::through(vec![place]).unwrap();
        let from = BufReader::new(File::from(out_read));
        Self { watch, listener, child, to: File::from(in_write), from, dir }
    }

    fn tcp(name: &str) -> Self {
        Self::new(name, "127.0.0.1:0", &[])
    }

    fn unix(name: &str) -> Self {
        Self::new(name, "DIR/sock", &[])
    }

    fn address(&self) -> String {
        self.listener.local_addr().to_string()
    }

    /// A client whose connection the worker has accepted, and that is watched.
    fn client<C>(&mut self, connect: impl Fn(&str) -> C) -> C {
        let client = connect(&self.address());
        self.expect("accepted");
        self.look();
        assert_eq!((self.watch.watched.by_token.len(), self.watch.notes()), (1, vec![]));
        client
    }

    fn tcp_client(&mut self) -> TcpStream {
        self.client(|address| TcpStream::connect(address).unwrap())
    }

    fn unix_client(&mut self) -> UnixStream {
        self.client(|address| UnixStream::connect(address).unwrap())
    }

    fn look(&mut self) {
        self.watch.look(&[(7, &self.child)]);
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.to, "{word}").unwrap();
        self.expect(if word == "close" { "closed" } else { "done" });
    }

    fn expect(&mut self, word: &str) {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), word);
    }

    fn wait(&self, milliseconds: i64) -> bool {
        let mut fds = [PollFd::new(&self.watch, PollFlags::IN)];
        let timeout = Timespec { tv_sec: 0, tv_nsec: milliseconds * 1_000_000 };
        poll(&mut fds, Some(&timeout)).unwrap() == 1
    }

    /// The one client that goes now, within the time that is promised.
    fn gone(&mut self) -> Gone {
        let begun = Instant::now();
        assert!(self.wait(900), "no event");
        let mut gone = self.watch.events();
        assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
        assert_eq!(gone.len(), 1, "{gone:?}");
        self.quiet();
        gone.remove(0)
    }

    /// Nothing is reported, and nothing is left to report.
    fn quiet(&mut self) {
        assert_eq!(self.watch.events(), []);
        assert!(!self.wait(0), "readable for no reason");
    }

    /// Descriptors in the epoll set, by what the kernel says.
    fn entries(&self) -> usize {
        let info = format!("/proc/self/fdinfo/{}", self.watch.epoll.as_raw_fd());
        std::fs::read_to_string(info).unwrap().lines().filter(|l| l.starts_with("tfd")).count()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.child.signal(Signal::KILL);
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn a_tcp_client_closes() {
    let mut scene = Scene::tcp("tcp");
    let client = scene.tcp_client();
    scene.quiet();
    let peer = client.local_addr().unwrap().to_string();
    drop(client);
    let gone = scene.gone();
    let (id, pid, local) = (7, scene.child.pid(), scene.address());
    assert_eq!(gone, Gone { id, pid, proto: "tcp", local, peer, half: true });
    scene.look();
    scene.quiet();
    assert!(scene.watch.watched.by_token.is_empty(), "once is enough");
}

#[test]
fn a_tcp_client_resets() {
    let mut scene = Scene::tcp("reset");
    let mut client = scene.tcp_client();
    scene.tell("reply");
    client.read_exact(&mut [0]).unwrap();
    // With something unread a close is a reset.
    drop(client);
    assert!(!scene.gone().half);
}

#[test]
fn a_half_close_of_tcp_is_marked() {
    let mut scene = Scene::tcp("half");
    let mut client = scene.tcp_client();
    client.shutdown(Shutdown::Write).unwrap();
    assert!(scene.gone().half);
    scene.tell("reply");
    let mut reply = [0; 6];
    client.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"reply\n");
}

#[test]
fn a_unix_client_closes() {
    let mut scene = Scene::unix("unix");
    let client = scene.unix_client();
    client.shutdown(Shutdown::Write).unwrap();
    scene.tell("reply");
    scene.quiet();
    drop(client);
    let gone = scene.gone();
    let (id, pid, local) = (7, scene.child.pid(), scene.address());
    let peer = format!("pid {}", Pid::own());
    assert_eq!(gone, Gone { id, pid, proto: "unix", local, peer, half: false });
}

#[test]
fn a_unix_client_leaves_what_it_never_read() {
    let mut scene = Scene::unix("unread");
    let mut client = scene.unix_client();
    client.write_all(b"request").unwrap();
    scene.tell("reply");
    drop(client);
    assert_eq!(scene.gone().proto, "unix");
}

#[test]
fn a_client_that_left_before_the_look() {
    let mut scene = Scene::tcp("early");
    drop(TcpStream::connect(scene.address()).unwrap());
    scene.expect("accepted");
    scene.look();
    assert_eq!(scene.gone().proto, "tcp");
}

#[test]
fn what_the_worker_closes_itself_is_not_reported() {
    for how in ["1", "2"] {
        let mut scene = Scene::tcp(&format!("own-{how}"));
        let mut client = scene.tcp_client();
        scene.tell(&format!("shutdown {how}"));
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
        drop(client);
        // The worker reads the client's end, so that has arrived.
        scene.tell("read");
        assert_eq!(scene.watch.events(), [], "shutdown {how}");
        scene.tell("close");
        scene.quiet();
    }
    let mut scene = Scene::unix("own-unix");
    let client = scene.unix_client();
    scene.tell("close");
    drop(client);
    scene.quiet();
}

#[test]
fn a_worker_that_moves_its_descriptor() {
    for looked in [true, false] {
        let mut scene = Scene::tcp("moved");
        let client = scene.tcp_client();
        scene.tell("move");
        if looked {
            scene.look();
        }
        drop(client);
        if !looked {
            assert!(scene.wait(900));
            assert_eq!(scene.watch.events(), [], "it is not where it was");
            scene.look();
        }
        assert_eq!(scene.gone().proto, "tcp");
        scene.look();
        scene.quiet();
    }
}

#[test]
fn a_worker_that_is_forgotten_or_dead() {
    let mut scene = Scene::tcp("forgotten");
    let client = scene.tcp_client();
    scene.watch.look(&[]);
    assert!(scene.watch.known.is_empty() && scene.watch.watched.by_token.is_empty());
    drop(client);
    assert!(scene.wait(900));
    scene.quiet();
    scene.tell("close");
    let client = scene.tcp_client();
    scene.child.signal(Signal::KILL).unwrap();
    scene.child.wait().unwrap();
    drop(client);
    scene.quiet();
    assert_eq!(scene.entries(), 0);
}

#[test]
fn other_sockets_of_a_worker_are_left_alone() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port().to_string();
    let mut scene = Scene::new("outward", "127.0.0.1:0", &[("OUTWARD", &port)]);
    let (upstream, _) = server.accept().unwrap();
    let client = scene.tcp_client();
    drop(upstream);
    scene.tell("reply");
    scene.quiet();
    drop(client);
    scene.gone();
}

#[test]
fn a_thousand_connections_leave_nothing_behind() {
    let mut scene = Scene::tcp("many");
    for round in 0..1000 {
        let mut client = scene.tcp_client();
        assert_eq!(scene.entries(), 1, "round {round}");
        // The worker closes: the client must see it at once, and nobody reports it.
        writeln!(scene.to, "close").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 0, "round {round}");
        scene.expect("closed");
        drop(client);
        scene.quiet();
    }
    assert_eq!(scene.entries(), 0);
    scene.look();
    assert_eq!(scene.watch.watched.by_token.len(), 0);
    assert_eq!(scene.watch.known.get(&7).map(|seen| seen.sockets.len()), Some(1), "the listener");
}

#[test]
fn a_worker_that_hides_is_told_of_once() {
    // Root may look into everything.
    if rustix::process::geteuid().is_root() {
        let mut scene = Scene::new("nobody", "127.0.0.1:0", &[("NOBODY", "1")]);
        drop(scene.tcp_client());
        scene.gone();
    }
    let mut scene = Scene::tcp("hidden");
    let error = io::Error::from(Errno::PERM);
    let pid = scene.child.pid();
    scene.watch.refuse(pid, &error);
    scene.watch.refuse(pid, &error);
    let notes = scene.watch.notes();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("cannot be watched"), "{notes:?}");
    assert!(scene.watch.notes().is_empty());
}

#[test]
fn an_abstract_name_and_every_address() {
    let name = format!("@superdaemon-gone-{}", std::process::id());
    let mut scene = Scene::new("abstract", &name, &[]);
    let client = scene.client(|address| {
        use std::os::linux::net::SocketAddrExt;
        let name = address.trim_start_matches('@');
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
        UnixStream::connect_addr(&address).unwrap()
    });
    drop(client);
    assert_eq!(scene.gone().local, name);
    let mut scene = Scene::new("any", "0.0.0.0:0", &[]);
    let port = scene.address().rsplit(':').next().unwrap().to_owned();
    let client = scene.client(|_| TcpStream::connect(format!("127.0.0.1:{port}")).unwrap());
    drop(client);
    assert_eq!(scene.gone().local, format!("127.0.0.1:{port}"));
}
