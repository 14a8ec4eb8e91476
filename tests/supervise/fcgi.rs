//! `[fcgi-program:x]`: one listening socket for all processes of a group, on descriptor 0.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;

use sigpolicy::Signal;

use super::harness::{Config, gone};
use crate::sandbox::{DEADLINE, Sandbox, eventually, free_port, kill};

/// Answers every connection with its pid, from descriptor 0.
const WORKER: &str = "use Socket; $| = 1; open(my $l, '+<&=', 0) or die; print qq(up\\n); \
                      while (accept(my $c, $l)) { syswrite $c, qq($$\\n); close $c }";

const POOL: &str = "numprocs=3\nprocess_name=%(program_name)s_%(process_num)d\n\
                    stdout_logfile=NONE\nstderr_logfile=NONE\n";

fn answer(mut stream: impl Read + Write) -> Option<i32> {
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn unix(sandbox: &Sandbox) -> Option<i32> {
    let stream = UnixStream::connect(sandbox.path("sock")).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    answer(stream)
}

fn config<'s>(sandbox: &'s Sandbox, keys: &str) -> Config<'s> {
    sandbox.write("worker.pl", WORKER);
    Config::new(sandbox).special("fcgi-program:w", "w", "perl worker.pl", &format!("{POOL}{keys}"))
}

#[test]
fn the_workers_of_a_group_share_a_unix_socket() {
    let sandbox = Sandbox::new("sv-fcgi");
    let keys = "socket=unix://%(here)s/sock\nsocket_mode=0711\nsocket_backlog=77";
    let mut ours = config(&sandbox, keys).spawn();
    let mut pids: Vec<i32> = (0..3).map(|n| ours.starts(&format!("w_{n}"))).collect();
    let metadata = fs::metadata(sandbox.path("sock")).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o711);
    let inode = |pid: i32| fs::read_link(format!("/proc/{pid}/fd/0")).unwrap();
    assert!(pids.iter().all(|pid| inode(*pid) == inode(pids[0])), "one socket");
    for _ in 0..10 {
        let pid = unix(&sandbox).unwrap();
        assert!(pids.contains(&pid), "{pid} {pids:?}");
    }
    // All die at once; whoever connects meanwhile is answered by the next ones.
    let before = inode(pids[0]);
    for pid in &pids {
        kill(*pid, Signal::KILL);
    }
    pids.iter().for_each(|pid| gone(*pid));
    let served = unix(&sandbox).unwrap();
    assert!(!pids.contains(&served));
    pids = (0..3).map(|n| ours.spawned(&format!("w_{n}"))).collect();
    assert!(pids.contains(&served), "{served} {pids:?}");
    eventually("the same socket", || (inode(pids[0]) == before).then_some(()));
    ours.stop();
    assert!(!sandbox.exists("sock"), "the last one closes the door");
}

#[test]
fn a_tcp_socket_works_as_well() {
    let sandbox = Sandbox::new("sv-fcgi-tcp");
    let port = free_port();
    let mut ours = config(&sandbox, &format!("socket=tcp://127.0.0.1:{port}")).spawn();
    let pids: Vec<i32> = (0..3).map(|n| ours.starts(&format!("w_{n}"))).collect();
    let served = answer(TcpStream::connect(("127.0.0.1", port)).unwrap()).unwrap();
    assert!(pids.contains(&served));
    ours.stop();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

/// A path that is taken: the group cannot start, the rest can, and nothing is taken away.
#[test]
fn a_socket_that_cannot_be_made_is_fatal() {
    let sandbox = Sandbox::new("sv-fcgi-taken");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let keys = format!("socket=tcp://127.0.0.1:{port}\nstartretries=0\nnumprocs=1");
    let mut ours = config(&sandbox, &keys).idle("good", "").spawn();
    ours.wait_line("gave up: w_0 entered FATAL state");
    assert!(ours.count("in use") > 0, "{}", ours.transcript());
    ours.starts("good");
    ours.stop();
}

/// A stale file of a killed supervisor does not stop the next one.
#[test]
fn a_stale_socket_is_replaced() {
    let sandbox = Sandbox::new("sv-fcgi-stale");
    let keys = "socket=unix://%(here)s/sock";
    let config = config(&sandbox, keys);
    let mut ours = config.spawn();
    let pids: Vec<i32> = (0..3).map(|n| ours.starts(&format!("w_{n}"))).collect();
    ours.signal(Signal::KILL);
    ours.server.wait_exit();
    for pid in pids {
        if super::harness::alive(pid) {
            kill(pid, Signal::KILL);
        }
        gone(pid);
    }
    assert!(sandbox.exists("sock"));
    let mut ours = config.spawn();
    let pids: Vec<i32> = (0..3).map(|n| ours.starts(&format!("w_{n}"))).collect();
    assert!(pids.contains(&unix(&sandbox).unwrap()));
    ours.stop();
}

/// Held by the group, not by the file: a reload of something else leaves it alone.
#[test]
fn a_reload_keeps_the_socket() {
    let sandbox = Sandbox::new("sv-fcgi-reload");
    let keys = "socket=unix://%(here)s/sock";
    let mut ours = config(&sandbox, keys).spawn();
    let pids: Vec<i32> = (0..3).map(|n| ours.starts(&format!("w_{n}"))).collect();
    config(&sandbox, keys).idle("new", "").write();
    ours.hup();
    ours.starts("new");
    assert!(pids.contains(&unix(&sandbox).unwrap()));
    ours.stop();
}
