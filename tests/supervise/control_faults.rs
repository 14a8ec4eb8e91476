//! Sockets that are taken, stale, swept away, changed; and what happens without descriptors.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use sigpolicy::Signal;

use super::control_client::{Http, SERVER, SOCKET};
use super::harness::{Config, Supervisor, alive};
use crate::sandbox::{DEADLINE, Sandbox, eventually, free_port, kill, wait_pid};

fn tcp(port: u16) -> Http {
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    eventually("a connection", || Http::tcp(address).ok())
}

fn inet(port: u16) -> String {
    format!("[inet_http_server]\nport=127.0.0.1:{port}")
}

/// Its end with code 2, and one line that says why.
fn refused(ours: &mut Supervisor<'_>, words: &[&str]) {
    let status = ours.server.wait_exit();
    assert_eq!(status.code(), Some(2), "{}", ours.transcript());
    let lines = ours.lines();
    let why: Vec<&String> = lines.iter().filter(|line| line.contains(words[0])).collect();
    assert_eq!(why.len(), 1, "{}", ours.transcript());
    for word in words {
        assert!(why[0].contains(word), "no {word:?} in {}", why[0]);
    }
}

/// Nobody listens any more: the file is replaced without a word being needed.
#[test]
fn a_stale_socket() {
    let sandbox = Sandbox::new("sv-stale");
    let config = Config::new(&sandbox).control().program("p", "sleep 1000", "");
    let mut dead = config.spawn();
    let orphan = dead.starts("p");
    dead.call("supervisor.getVersion", &[]).says("3.0");
    dead.server.signal(Signal::KILL);
    dead.server.wait_exit();
    assert!(sandbox.exists(SOCKET), "there is nothing to replace");
    let mut ours = config.spawn();
    ours.starts("p");
    ours.call("supervisor.getPID", &[]).says(&ours.pid().to_string());
    if alive(orphan) {
        kill(orphan, Signal::KILL);
    }
    let left = |sandbox: &Sandbox| {
        let ours = |name: &String| name.starts_with(SOCKET) || name == "pid";
        sandbox.names().into_iter().filter(ours).collect::<Vec<_>>()
    };
    ours.stop();
    assert_eq!(left(&sandbox), Vec::<String>::new());
    // The same with one that somebody else has left.
    drop(UnixListener::bind(sandbox.path(SOCKET)).unwrap());
    let mut ours = config.spawn();
    ours.starts("p");
    ours.call("supervisor.getPID", &[]).says(&ours.pid().to_string());
    ours.stop();
}

/// One that serves is never replaced.
#[test]
fn a_live_socket() {
    let sandbox = Sandbox::new("sv-live");
    let mut first = Config::new(&sandbox).control().idle("p", "").spawn();
    let pid = first.starts("p");
    let other = Sandbox::new("sv-live-other");
    let file = sandbox.path(SOCKET);
    let server = SERVER.replace("%(here)s/sup.sock", file.to_str().unwrap());
    let mut second = Config::new(&other).section(&server).idle("q", "").spawn();
    refused(&mut second, &["already listening", SOCKET]);
    assert_eq!(second.count_spawned("q"), 0, "{}", second.transcript());
    first.call("supervisor.getPID", &[]).says(&first.pid().to_string());
    assert!(alive(pid));
    first.stop();
}

/// Many want the same path at once: one gets it, and serves.
#[test]
fn a_race_for_a_socket() {
    const RUNNERS: usize = 6;
    let place = Sandbox::new("sv-race");
    let file = place.path(SOCKET);
    let server = SERVER.replace("%(here)s/sup.sock", file.to_str().unwrap());
    // A stale file is there, too: nobody may take another's new one for it.
    drop(UnixListener::bind(&file).unwrap());
    let sandboxes: Vec<Sandbox> =
        (0..RUNNERS).map(|number| Sandbox::new(&format!("sv-racer{number}"))).collect();
    let mut runners: Vec<Supervisor<'_>> = sandboxes
        .iter()
        .map(|sandbox| Config::new(sandbox).section(&server).idle("p", "").spawn())
        .collect();
    eventually("all but one have given up", || {
        let left = runners.iter_mut().filter_map(|one| one.server.alive().then_some(())).count();
        (left <= 1).then_some(())
    });
    let mut winner = None;
    for mut one in runners {
        if one.server.alive() {
            assert!(winner.replace(one).is_none(), "two");
        } else {
            refused(&mut one, &["already listening"]);
        }
    }
    let mut winner = winner.expect("one of them");
    winner.starts("p");
    let mut http = Http::unix(&file).unwrap();
    http.call("supervisor.getPID", &[]).says(&winner.pid().to_string());
    winner.stop();
}

/// Whatever sweeps through /tmp: the socket is there again, and what hangs on it goes on.
#[test]
fn a_socket_that_is_swept_away() {
    let sandbox = Sandbox::new("sv-swept");
    let mut ours = Config::new(&sandbox).control().idle("p", "").spawn();
    ours.starts("p");
    let mut before = ours.http();
    before.call("supervisor.getVersion", &[]).says("3.0");
    for _ in 0..3 {
        sandbox.remove(SOCKET);
        // A lock beside it goes the same way.
        for name in sandbox.names().iter().filter(|name| name.contains(".lock")) {
            sandbox.remove(name);
        }
        eventually("a new socket", || Http::unix(&sandbox.path(SOCKET)).ok());
        ours.call("supervisor.getPID", &[]).says(&ours.pid().to_string());
        assert_eq!(sandbox.path(SOCKET).metadata().unwrap().mode() & 0o7777, 0o700);
    }
    before.call("supervisor.getVersion", &[]).says("3.0");
    // It is held as before.
    let other = Sandbox::new("sv-swept-other");
    let server = SERVER.replace("%(here)s/sup.sock", sandbox.path(SOCKET).to_str().unwrap());
    let mut second = Config::new(&other).section(&server).idle("q", "").spawn();
    refused(&mut second, &["already listening"]);
    ours.stop();
    assert!(!sandbox.exists(SOCKET));
}

/// Who knocked while it was there, and was not heard before it went, is heard all the same.
#[test]
fn clients_of_a_socket_that_is_swept_away() {
    let sandbox = Sandbox::new("sv-knocks");
    let mut ours = Config::new(&sandbox).control().idle("p", "").spawn();
    ours.starts("p");
    for _ in 0..3 {
        let before = sandbox.path(SOCKET).metadata().unwrap().ino();
        ours.signal(Signal::STOP);
        let mut waits: Vec<Http> = (0..10).map(|_| ours.http()).collect();
        for http in &mut waits {
            http.begin("supervisor.getPID", &[]);
        }
        sandbox.remove(SOCKET);
        ours.signal(Signal::CONT);
        for http in &mut waits {
            http.answer().expect("an answer").says(&ours.pid().to_string());
        }
        eventually("a new socket", || {
            let now = sandbox.path(SOCKET).metadata().ok()?.ino();
            (now != before).then_some(())
        });
    }
    ours.stop();
}

/// Somebody takes the lock when its file has gone: the socket is still there, and serves.
#[test]
fn a_lock_that_is_taken_away() {
    let sandbox = Sandbox::new("sv-robbed");
    let mut ours = Config::new(&sandbox).control().idle("p", "").spawn();
    ours.starts("p");
    let name = format!("{SOCKET}.lock");
    ours.signal(Signal::STOP);
    sandbox.remove(&name);
    let robber = fs::File::create(sandbox.path(&name)).unwrap();
    robber.lock().unwrap();
    ours.signal(Signal::CONT);
    ours.wait_line("cannot make a socket again");
    let began = Instant::now();
    ours.call("supervisor.getPID", &[]).says(&ours.pid().to_string());
    assert!(began.elapsed() < Duration::from_secs(4), "only when the lock was tried again");
    drop(robber);
    ours.stop();
}

/// The whole directory goes, as when somebody cleans up /run.
#[test]
fn a_directory_that_is_swept_away() {
    let sandbox = Sandbox::new("sv-directory");
    fs::create_dir(sandbox.path("run")).unwrap();
    let server = SERVER.replace("sup.sock", "run/sock");
    let mut ours = Config::new(&sandbox).section(&server).idle("p", "").spawn();
    let pid = ours.starts("p");
    let path = sandbox.path("run/sock");
    for _ in 0..2 {
        eventually("a connection", || Http::unix(&path).ok());
        fs::remove_dir_all(sandbox.path("run")).unwrap();
        fs::create_dir(sandbox.path("run")).unwrap();
        let mut http = eventually("a new socket", || Http::unix(&path).ok());
        http.call("supervisor.getPID", &[]).says(&ours.pid().to_string());
    }
    assert!(alive(pid));
    assert!(ours.lines().len() < 30, "{}", ours.transcript());
    ours.stop();
}

/// What is in the place of the socket is another's: it is neither followed nor removed.
#[test]
fn a_link_in_the_place_of_a_socket() {
    let sandbox = Sandbox::new("sv-link");
    sandbox.write("file", "precious");
    std::os::unix::fs::symlink("file", sandbox.path(SOCKET)).unwrap();
    let config = Config::new(&sandbox).control().idle("p", "");
    let mut ours = config.spawn();
    let status = ours.server.wait_exit();
    assert_eq!(status.code(), Some(2), "{}", ours.transcript());
    assert_eq!(sandbox.read(SOCKET), "precious");
    sandbox.remove(SOCKET);
    let mut ours = config.spawn();
    ours.starts("p");
    // Put there later.
    sandbox.remove(SOCKET);
    eventually("a new socket", || Http::unix(&sandbox.path(SOCKET)).ok());
    sandbox.remove(SOCKET);
    let linked = std::os::unix::fs::symlink("file", sandbox.path(SOCKET));
    ours.server.stop();
    assert_eq!(sandbox.read("file"), "precious", "{linked:?}");
}

#[test]
fn a_port_that_is_taken() {
    let sandbox = Sandbox::new("sv-taken");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = Config::new(&sandbox).control().section(&inet(port)).idle("p", "");
    let mut ours = config.spawn();
    refused(&mut ours, &["already listening", &port.to_string()]);
    assert_eq!(ours.count_spawned("p"), 0);
    assert!(!sandbox.exists(SOCKET), "what was bound before is left");
    drop(taken);
    let mut ours = config.spawn();
    ours.starts("p");
    tcp(port).call("supervisor.getVersion", &[]).says("3.0");
    ours.stop();
}

/// HUP with other sections: what is new is bound, what has gone is closed, what stays is not touched.
#[test]
fn other_servers_after_a_hup() {
    let sandbox = Sandbox::new("sv-rebind");
    let (one, two) = (free_port(), free_port());
    let config = |more: &str| Config::new(&sandbox).control().section(more).idle("p", "");
    let mut ours = config(&inet(one)).spawn();
    let pid = ours.starts("p");
    let inode = || sandbox.path(SOCKET).metadata().unwrap().ino();
    let socket = inode();
    tcp(one).call("supervisor.getVersion", &[]).says("3.0");
    let mut kept = ours.http();
    config(&inet(two)).write();
    ours.hup();
    tcp(two).call("supervisor.getVersion", &[]).says("3.0");
    eventually("the old port is closed", || {
        Http::tcp(format!("127.0.0.1:{one}").parse().unwrap()).is_err().then_some(())
    });
    kept.call("supervisor.getVersion", &[]).says("3.0");
    assert_eq!(inode(), socket);
    // Nothing of it concerns a program.
    assert!(alive(pid), "{}", ours.transcript());
    // One that cannot be had is a line, and tried no further than that.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    config(&inet(port)).write();
    ours.hup();
    ours.wait_line(&port.to_string());
    kept.call("supervisor.getVersion", &[]).says("3.0");
    assert!(alive(pid), "{}", ours.transcript());
    // And a password that is new counts at once.
    let login = "[inet_http_server]\nusername=u\npassword=secret\n";
    config(&format!("{login}port=127.0.0.1:{two}")).write();
    ours.hup();
    eventually("a password is asked for", || {
        let mut http = Http::tcp(format!("127.0.0.1:{two}").parse().unwrap()).ok()?;
        http.begin("supervisor.getVersion", &[]);
        (http.answer()?.status == 401).then_some(())
    });
    assert_eq!(ours.count("secret"), 0, "{}", ours.transcript());
    ours.stop();
}

/// There is no descriptor for one more client: who asks is served all the same, in the place of one
/// who is silent, and programs that die are started again.
#[test]
fn no_descriptors_left() {
    let sandbox = Sandbox::new("sv-emfile");
    let config = Config::new(&sandbox).daemon("minfds=40").control().idle("p", "autorestart=true");
    let launch = config.launch().through_shell("ulimit -n 40; exec \"$@\"");
    let mut ours = Supervisor::new(&sandbox, launch.spawn());
    let pid = ours.starts("p");
    ours.call("supervisor.getVersion", &[]).says("3.0");
    let mut crowd: Vec<Http> = Vec::new();
    for _ in 0..100 {
        crowd.push(ours.http());
    }
    for _ in 0..20 {
        assert_eq!(ours.asked("p", "statename"), "RUNNING");
    }
    // Enough come at every moment to take what becomes free.
    kill(pid, Signal::KILL);
    assert!(wait_pid(pid, DEADLINE));
    for _ in 0..100 {
        crowd.push(ours.http());
    }
    ours.starts("p");
    assert_eq!(ours.asked("p", "statename"), "RUNNING");
    assert!(ours.lines().len() < 100, "it fills the log: {}", ours.transcript());
    drop(crowd);
    ours.stop();
}

/// A directory that cannot be written, a path that is too long, a file that is no socket.
#[test]
fn where_no_socket_can_be() {
    let sandbox = Sandbox::new("sv-nowhere");
    let long = format!("%(here)s/{}/sock", "x".repeat(120));
    fs::create_dir(sandbox.path("x".repeat(120).as_str())).unwrap();
    sandbox.write("file", "precious");
    for file in ["%(here)s/none/sock", &long, "%(here)s/file/sock"] {
        let server = SERVER.replace("%(here)s/sup.sock", file);
        let mut ours = Config::new(&sandbox).section(&server).idle("p", "").spawn();
        let status = ours.server.wait_exit();
        assert_eq!(status.code(), Some(2), "{file}\n{}", ours.transcript());
        assert_eq!(ours.count_spawned("p"), 0);
    }
    let server = SERVER.replace("sup.sock", "file");
    let mut ours = Config::new(&sandbox).section(&server).idle("p", "").spawn();
    let status = ours.server.wait_exit();
    assert_eq!(status.code(), Some(2), "{}", ours.transcript());
    assert_eq!(sandbox.read("file"), "precious");
}
