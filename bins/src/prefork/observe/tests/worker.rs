//! Workers for the tests, in Perl.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fdpass::{BindOptions, FdPlan, Listener, bind};
use reaper::{Child, Image, Pid, Setup, spawn};
use sigpolicy::Signal;

use crate::sockets::Sockets;

/// A request is a word; "got" comes at once, and "done PID" when the request is over.
const SERVE: &str = r#"
use strict; use Socket; use POSIX ();
$SIG{ALRM} = sub { die "alarm\n" };
my $big = 'x' x 200;
sub serve {
    my ($c) = @_;
    sysread($c, my $what, 100) or return;
    eval {
        syswrite($c, "got\n");
        if ($what =~ /hold/) { sysread($c, my $more, 100) }
        elsif ($what =~ /poll/) {
            my $r = ''; vec($r, fileno($c), 1) = 1;
            select($r, undef, undef, undef); sysread($c, my $more, 100);
        }
        elsif ($what =~ /sleep/) { sleep 60 }
        elsif ($what =~ /spin/) { 1 while 1 }
    };
    for my $byte (split //, "done $$\n") { syswrite($c, $byte) }
    close $c;
}
my @l = map { open(my $l, '+<&=', $_) or die; $l } @ARGV;
"#;

/// Waits in accept, with the default action for TERM.
pub(super) const BLOCKING: &str = "while (1) { serve($_) if accept($_ = undef, $l[0]) }";
/// The same, but TERM is only noted, as FCGI::ProcManager's workers do; accept is restarted.
pub(super) const DEAF: &str = r#"
my $term = 0;
POSIX::sigaction(15, POSIX::SigAction->new(sub { $term++ }, POSIX::SigSet->new, &POSIX::SA_RESTART));
while (1) { serve($_) if accept($_ = undef, $l[0]); exit 0 if $term }
"#;
/// Waits in select for any listener.
pub(super) const POLLING: &str = r#"
while (1) {
    my $r = ''; vec($r, fileno($_), 1) = 1 for @l;
    next if select($r, undef, undef, undef) <= 0;
    for my $l (@l) { vec($r, fileno($l), 1) or next; accept(my $c, $l); serve($c) }
}
"#;
/// Waits for a datagram, and then for ever.
pub(super) const DATAGRAMS: &str = "recv($l[0], my $b, 100, 0); POSIX::pause() while 1;";
/// A second thread serves, the first waits for its end.
pub(super) const THREADED: &str = "use threads; threads->create(sub {
    while (1) { accept(my $c, $l[0]); serve($c) }
})->join;";

pub(super) struct Worker {
    pub(super) child: Child,
}

impl Worker {
    /// Starts it with these of the listeners, which it finds at 3 and following.
    pub(super) fn start(script: &str, sockets: &Sockets, which: &[usize]) -> Self {
        let mut plan = FdPlan::new();
        let all: Vec<&Listener> = sockets.listeners().map(|(listener, _)| listener).collect();
        let mut args: Vec<OsString> = vec!["-e".into(), format!("{SERVE}{script}").into()];
        for (at, index) in (3..).zip(which) {
            plan.pass(all[*index].as_fd(), at).unwrap();
            args.push(at.to_string().into());
        }
        let env = std::env::vars_os().filter(|(name, _)| name == "PATH");
        let image = Image::new("perl".as_ref(), args, env).unwrap();
        let setup = Setup::new().fds(plan).process_group();
        Self { child: spawn(&image, &setup).unwrap() }
    }

    pub(super) fn pid(&self) -> Pid {
        self.child.pid()
    }

    pub(super) fn signal(&self, signal: Signal) {
        self.child.signal(signal).unwrap();
    }

    /// Waits until it is a zombie.
    pub(super) fn until_dead(&self) {
        use rustix::event::{PollFd, PollFlags, poll};
        let pidfd = self.child.pidfd().unwrap();
        while poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None) != Ok(1) {}
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.signal_group(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// One side of a connection.
pub(super) struct Client {
    reader: BufReader<Box<dyn Read + Send>>,
    writer: Box<dyn Write + Send>,
    /// The worker waits for more.
    held: bool,
}

impl Client {
    /// Asks, and waits until the worker says that it has begun.
    #[track_caller]
    pub(super) fn begin(&mut self, command: &str) {
        self.writer.write_all(command.as_bytes()).unwrap();
        self.held = ["hold", "poll"].contains(&command);
        assert_eq!(self.line(), "got\n");
    }

    /// Lets the worker finish, and takes the rest of the answer: the worker's pid.
    #[track_caller]
    pub(super) fn end(&mut self) -> i32 {
        if self.held {
            self.writer.write_all(b"end").unwrap();
        }
        let line = self.line();
        line.strip_prefix("done ").and_then(|pid| pid.trim_end().parse().ok()).expect(&line)
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the answer breaks off: {line:?}");
        line
    }
}

pub(super) fn connect(sockets: &Sockets, which: usize) -> Client {
    let (listener, _) = sockets.listeners().nth(which).unwrap();
    let limit = Some(Duration::from_secs(20));
    match listener.local_addr() {
        fdpass::Address::Inet(at) => {
            let stream = TcpStream::connect(at).unwrap();
            stream.set_read_timeout(limit).unwrap();
            let reader: Box<dyn Read + Send> = Box::new(stream.try_clone().unwrap());
            Client { reader: BufReader::new(reader), writer: Box::new(stream), held: false }
        }
        fdpass::Address::Path(path) => {
            let stream = UnixStream::connect(path).unwrap();
            stream.set_read_timeout(limit).unwrap();
            let reader: Box<dyn Read + Send> = Box::new(stream.try_clone().unwrap());
            Client { reader: BufReader::new(reader), writer: Box::new(stream), held: false }
        }
        other => panic!("{other}"),
    }
}

/// A directory that goes with its user.
pub(super) struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("superdaemon-observe-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn listener(spec: &str) -> Listener {
    let spec = match spec.starts_with('/') {
        true => fdpass::ListenSpec::from_path(spec.as_ref()),
        false => fdpass::ListenSpec::from_port(spec),
    };
    bind(&spec.unwrap(), &BindOptions::default()).unwrap()
}

pub(super) fn tcp() -> Listener {
    listener("127.0.0.1:0")
}

/// A TCP and a unix listener.
pub(super) fn sockets() -> (Dir, Sockets) {
    let dir = Dir::new();
    let unix = listener(dir.path().join("socket").to_str().unwrap());
    (dir, Sockets::of(vec![tcp(), unix]))
}
