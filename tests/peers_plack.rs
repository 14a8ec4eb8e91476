//! Starlet and Starman, hot-deployed while clients ask them.
//!
//! They send no READY=1, so each start lasts `--interval`, and 1 second is the least that proves
//! anything. Fifty restarts take minutes: few by default, all with `SUPERDAEMON_HUPS=50`.
//!
//! All requests are `Connection: close`: what becomes of an idle kept connection at TERM is the
//! server's own affair, and these two drop it.

use crate::peers::{hups, installed, perl_modules, program, restart_under_load};
use crate::peers_load::{Load, Mode, Pace, Tally, Target};
use crate::sandbox::{Sandbox, free_port};

const APP: &str = r#"
my $body = "generation $ENV{SERVER_STARTER_GENERATION} pid $$\n";
sub { [200, ['Content-Type' => 'text/plain', 'Content-Length' => length $body], [$body]] };
"#;

/// Three faults of Starman 0.4016 on Net::Server 2.013, under Perl's start_server as under ours. Two
/// lose a request at HUP, which is what QUIT sends to each of its processes: one that has accepted
/// a connection and not yet noted it exits (Net::Server::PreFork's handler), and one that is
/// interrupted while it reads a request takes that for an error. The third keeps it from ever
/// leaving under a heavy load: after QUIT its parent reads the pipe no more into which the others
/// write of each request, and they wait for room. These lines close all three gaps.
const MENDED: &str = r#"
package Starman::Server;
use POSIX qw(SIGHUP SA_RESTART);
sub accept {
    my $prop = shift->{server};
    my $told = $prop->{told} ||= do {
        pipe my $r, my $w or die $!;
        my $note = sub { $prop->{SigHUPed} = 1; syswrite $w, 'x' };
        my $action = POSIX::SigAction->new($note, POSIX::SigSet->new, SA_RESTART);
        $action->safe(1);
        $prop->{_WRITE}->blocking(0);
        POSIX::sigaction(SIGHUP, $action);
        [$r, $w];
    };
    my $sock = $prop->{sock}[0];
    $sock->blocking(0);
    until ($prop->{SigHUPed}) {
        my $in = '';
        vec($in, fileno $_, 1) = 1 for $sock, $told->[0];
        select $in, undef, undef, 0.5;
        return 1 if !$prop->{SigHUPed} and $prop->{client} = $sock->accept;
    }
    return 0;
}
package main;
"#;

const WORKERS: u32 = 4;

struct Peer<'a> {
    topic: &'a str,
    app: &'a str,
    options: &'a [&'a str],
    /// plackup's words; four workers and the app are added.
    server: [&'a str; 2],
    /// Whether it can serve a unix socket beside the port.
    unix: bool,
    pace: Pace,
}

impl Peer<'_> {
    /// Restarts it under load; the figures, and how many restarts there were.
    fn hot_deploy(&self) -> (Tally, u32) {
        let sandbox = Sandbox::new(self.topic);
        sandbox.write("app.psgi", self.app);
        let port = free_port();
        let mut targets = vec![Target::Tcp(port)];
        let launch = sandbox.start_server().args(["--interval=1"]).args(self.options);
        let mut launch = launch.arg(format!("--port=127.0.0.1:{port}"));
        if self.unix {
            launch = launch.arg("--path=socket");
            targets.push(Target::Unix(sandbox.path("socket")));
        }
        let [name, workers] = self.server;
        let workers = format!("{workers}={WORKERS}");
        // A process that renames itself, as Starman's do, loses the mark by which the sandbox knows
        // it.
        let words = ["plackup", "-s", name, &workers, "--disable-proctitle", "-E", "production"];
        let launch = launch.program(words).arg_after(["--no-default-middleware", "app.psgi"]);
        let mut server = launch.spawn();
        server.wait_line("starting new worker");
        let load = Load::start(&targets, &[Mode::Close, Mode::Close], self.pace);
        let count = hups(8);
        restart_under_load(&server, &load, count);
        let tally = load.finish(self.topic);
        assert!(tally.generations.iter().copied().eq(1..=u64::from(count) + 1), "{tally:?}");
        server.stop();
        assert_eq!(server.count("failed to start"), 0, "{}", server.transcript());
        assert_eq!(server.count("died unexpectedly"), 0, "{}", server.transcript());
        assert!(!sandbox.exists("socket"));
        (tally, count)
    }
}

#[test]
fn starlet() {
    let there = program("plackup") && perl_modules(&["Plack::Handler::Starlet"]);
    if installed("starlet", there) {
        let server = ["Starlet", "--max-workers"];
        let (topic, pace) = ("starlet", Pace::Fast);
        let peer = Peer { topic, app: APP, options: &[], server, unix: true, pace };
        peer.hot_deploy().0.expect_no_failure();
    }
}

fn starman(topic: &str, app: &str, pace: Pace) -> Option<(Tally, u32)> {
    let modules = ["Plack::Handler::Starman", "Net::Server::SS::PreFork"];
    let there = program("plackup") && perl_modules(&modules);
    // QUIT as its manual says: TERM cuts off what it is doing. No unix socket: the module through
    // which it takes sockets from a start_server, Net::Server::SS::PreFork, knows only TCP.
    let options = &["--signal-on-hup=QUIT", "--signal-on-term=QUIT"];
    let peer = Peer { topic, app, options, server: ["Starman", "--workers"], unix: false, pace };
    installed("starman and libnet-server-ss-prefork-perl", there).then(|| peer.hot_deploy())
}

#[test]
fn starman_with_its_gaps_closed() {
    let app = format!("{MENDED}{APP}");
    if let Some((tally, _)) = starman("starman-mended", &app, Pace::Fast) {
        tally.expect_no_failure();
    }
}

/// As it comes, and at a rate that does not fill the pipe: what it loses by itself is at most the
/// connection that each of its processes had just accepted. No connection is ever refused.
#[test]
fn starman_as_it_is() {
    if let Some((tally, restarts)) = starman("starman-as-it-is", APP, Pace::Slow) {
        let allowed = usize::try_from(restarts * WORKERS).unwrap();
        assert!(tally.failures.len() <= allowed, "{tally:#?}");
        let own = |failure: &String| {
            let kinds = ["(ConnectionReset)", "(UnexpectedEof)"];
            failure.starts_with("read on a new connection:")
                && kinds.iter().any(|kind| failure.ends_with(kind))
        };
        assert!(tally.failures.iter().all(own), "{tally:#?}");
    }
}
