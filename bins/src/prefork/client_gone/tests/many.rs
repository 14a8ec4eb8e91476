//! Many clients of one worker.

use std::process::{Command, Stdio};

use super::*;
use socket::READS;

const MANY: usize = 1000;
/// Connects that often, and holds the connections until its standard input ends.
const CLIENTS: &str = r#"
use Socket; $| = 1;
for (1 .. $ENV{MANY}) {
    socket my $c, AF_INET, SOCK_STREAM, 0 or die; connect $c, pack_sockaddr_in($ENV{PORT}, inet_aton('127.0.0.1')) or die; push @c, $c
}
print "connected\n";
<STDIN>;
"#;

fn reads() -> usize {
    READS.with(std::cell::Cell::get)
}

/// What happens, and how many descriptors are looked at for it.
fn reads_of(what: impl FnOnce()) -> usize {
    let before = reads();
    what();
    reads() - before
}

#[test]
fn a_thousand_clients_that_leave_at_once() {
    let mut scene = Scene::new("at-once", "127.0.0.1:0", &[("MANY", &MANY.to_string())]);
    let port = scene.address().rsplit(':').next().unwrap().to_owned();
    let mut clients = Command::new("/bin/sh")
        .args(["-c", "ulimit -n 4096 && exec perl -e \"$CLIENTS\""])
        .envs([("CLIENTS", CLIENTS), ("PORT", &port), ("MANY", &MANY.to_string())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(clients.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "connected\n");
    scene.expect("accepted");

    // Pipes, the listener and little else besides them.
    let all = MANY..MANY + 20;
    let first = reads_of(|| scene.look());
    assert!(all.contains(&first), "{first} descriptors looked at");
    assert_eq!(scene.watch.watched.by_token.len(), MANY);
    assert_eq!(reads_of(|| scene.look()), 0, "so many are looked at every other time only");
    assert!(all.contains(&reads_of(|| scene.look())));
    scene.quiet();

    // The end of a process closes all its descriptors.
    drop(clients.stdin.take());
    assert!(clients.wait().unwrap().success());
    let (mut peers, mut calls) = (HashSet::new(), 0);
    while peers.len() < MANY && scene.wait(900) {
        let mut gone = Vec::new();
        let looked_at = reads_of(|| gone = scene.watch.events());
        assert!(looked_at <= BATCH, "{looked_at} descriptors looked at in one call");
        assert_eq!(looked_at, gone.len());
        assert!(gone.iter().all(|gone| gone.id == 7 && gone.half));
        calls += 1;
        for gone in gone {
            assert!(peers.insert(gone.peer), "told twice");
        }
    }
    assert_eq!(peers.len(), MANY);
    assert!(calls >= MANY / BATCH, "{calls}");
    scene.quiet();
    assert!(scene.watch.watched.by_token.is_empty() && scene.watch.watched.inodes.is_empty());
    scene.look();
    scene.quiet();
    assert_eq!(scene.entries(), MANY, "the worker has them still");
    scene.tell("close");
    assert_eq!(scene.entries(), 0);
    for _ in 0..3 {
        scene.look();
    }
    assert_eq!(scene.watch.known.get(&7).map(|seen| seen.sockets.len()), Some(1), "the listener");
}

#[test]
fn a_worker_that_closes_before_the_events_are_taken() {
    let mut scene = Scene::new("first", "DIR/sock", &[("MANY", "200")]);
    let clients: Vec<_> = (0..200).map(|_| UnixStream::connect(scene.address()).unwrap()).collect();
    scene.expect("accepted");
    scene.look();
    assert_eq!(scene.watch.watched.inodes.len(), 200);
    drop(clients);
    // The events wait, and the worker is faster than whoever takes them.
    assert!(scene.wait(900));
    scene.tell("close");
    let mut gone = Vec::new();
    assert_eq!(reads_of(|| gone = scene.watch.events()), 0, "the kernel has dropped the events");
    assert_eq!(gone, []);
    scene.look();
    scene.quiet();
    assert!(scene.watch.watched.inodes.is_empty());
}

#[test]
fn more_new_ones_than_one_look_takes() {
    let mut scene = Scene::new("room", "DIR/sock", &[("MANY", "20")]);
    let clients: Vec<_> = (0..20).map(|_| UnixStream::connect(scene.address()).unwrap()).collect();
    scene.expect("accepted");
    let sockets = socket::sockets_of(scene.child.pid()).unwrap();
    let mut seen = Seen::default();
    for wanted in [8, 16] {
        let mut room = 8;
        scene.watch.compare(7, &scene.child, &mut seen, &sockets, &mut room);
        assert_eq!((room, seen.sockets.len()), (0, wanted));
    }
    let mut room = 8;
    scene.watch.compare(7, &scene.child, &mut seen, &sockets, &mut room);
    assert_eq!(seen.sockets.len(), 21, "with the listener");
    assert_eq!(room, 3);
    assert_eq!(scene.watch.watched.by_token.len(), 20);
    drop(clients);
}
