//! What a worker finds when it starts: environment, signals, directory, descriptors.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;

use sigpolicy::Signal;

use crate::sandbox::{Launch, Sandbox, Server, free_port, own_session};

/// Starts a worker with these steps, waits for its last line, and returns all of its lines.
fn worker_says(sandbox: &Sandbox, launch: Launch, steps: &str) -> Vec<String> {
    let (_server, lines) = server_and_lines(sandbox, launch, steps);
    lines
}

fn server_and_lines(sandbox: &Sandbox, launch: Launch, steps: &str) -> (Server, Vec<String>) {
    let script = sandbox.script("says", &format!("{steps}\nsay end-of-steps"));
    let server = launch.arg("--interval=0").worker(script).bare().spawn();
    server.wait_line("end-of-steps");
    let lines = server.lines();
    (server, lines)
}

fn contains(lines: &[String], line: &str) {
    assert!(lines.iter().any(|l| l == line), "no line {line:?} in {lines:#?}");
}

/// The descriptors of a `fds` line.
fn fds(lines: &[String]) -> Vec<(i32, String)> {
    let line = lines.iter().find_map(|line| line.strip_prefix("fds ")).unwrap();
    let entry = |word: &str| {
        let (fd, kind) = word.split_once('=').unwrap();
        (fd.parse().unwrap(), kind.to_owned())
    };
    line.split(' ').map(entry).collect()
}

fn numbers(lines: &[String]) -> Vec<i32> {
    fds(lines).into_iter().map(|(fd, _)| fd).collect()
}

#[test]
fn environment_and_option_variables() {
    let sandbox = Sandbox::new("env");
    sandbox.write("vars/FROM_DIR", "dir\n");
    let options = [
        "--envdir=vars",
        "--enable-auto-restart",
        "--auto-restart-interval=77",
        "--kill-old-delay=3",
    ];
    let launch = sandbox.start_server().args(options).env("OURS", "a=b c");
    let names = [
        "OURS",
        "FROM_DIR",
        "ENVDIR",
        "ENABLE_AUTO_RESTART",
        "AUTO_RESTART_INTERVAL",
        "KILL_OLD_DELAY",
        "SERVER_STARTER_PORT",
        "SERVER_STARTER_GENERATION",
        "LISTEN_FDS",
        "LISTEN_PID",
    ];
    let steps: String = names.iter().map(|name| format!("env {name}\n")).collect();
    let lines = worker_says(&sandbox, launch, &steps);
    for expected in [
        "OURS=a=b c",
        "FROM_DIR=dir",
        "ENVDIR=vars",
        "ENABLE_AUTO_RESTART=1",
        "AUTO_RESTART_INTERVAL=77",
        "KILL_OLD_DELAY=3",
        "SERVER_STARTER_PORT=",
        "SERVER_STARTER_GENERATION=1",
        "LISTEN_FDS unset",
        "LISTEN_PID unset",
    ] {
        contains(&lines, expected);
    }
}

#[test]
fn nothing_is_added_to_the_environment_that_is_not_documented() {
    let sandbox = Sandbox::new("env-names");
    let names = |launch: Launch| {
        let lines = worker_says(&sandbox, launch.arg("--port=127.0.0.1:0").env_clear(), "env *");
        lines.iter().find_map(|line| Some(line.strip_prefix("env ")?.to_owned())).unwrap()
    };
    let perl = names(sandbox.perl_start_server());
    assert_eq!(perl, "SERVER_STARTER_GENERATION SERVER_STARTER_PORT SUPERDAEMON_TEST_SANDBOX");
    assert_eq!(
        names(sandbox.start_server()),
        "LISTEN_FDNAMES LISTEN_FDS LISTEN_PID NOTIFY_SOCKET SERVER_STARTER_GENERATION \
         SERVER_STARTER_PORT SUPERDAEMON_SOCKETS SUPERDAEMON_TEST_SANDBOX"
    );
}

#[test]
fn envdir_is_read_again_for_each_worker_as_perl_reads_it() {
    let steps = "on TERM exit 0\nsay w:$GEN\nenv KEPT\nenv CHANGED\nenv REMOVED\nenv ADDED\nenv .HIDDEN\nsay w:end";
    let play = |sandbox: &Sandbox, launch: Launch| {
        for (name, value) in [
            ("KEPT", "  blanks \nsecond"),
            ("CHANGED", "old"),
            ("REMOVED", "start"),
            (".HIDDEN", "x"),
        ] {
            sandbox.write(&format!("vars/{name}"), value);
        }
        let script = sandbox.script("worker", steps);
        let server =
            launch.args(["--interval=0", "--envdir=vars"]).worker(script).separate().spawn();
        let mut seen = Vec::new();
        for generation in 1..=4 {
            let first = server.wait_line(&format!("w:{generation}")).at;
            let last = server.wait_line("w:end").at;
            let own = server.stamped().into_iter().filter(|l| l.at >= first && l.at <= last);
            seen.push(
                own.map(|l| l.text)
                    .filter(|l| l.contains('=') || l.contains("unset"))
                    .collect::<Vec<_>>(),
            );
            match generation {
                1 => {
                    sandbox.write("vars/CHANGED", "new\n");
                    sandbox.write("vars/ADDED", "later");
                }
                2 => {
                    sandbox.remove("vars/REMOVED");
                    sandbox.remove("vars/ADDED");
                }
                3 => fs::remove_dir_all(sandbox.path("vars")).unwrap(),
                _ => {}
            }
            if generation > 1 {
                server.wait_line("died, status");
            }
            server.settle();
            server.signal(Signal::HUP);
        }
        seen
    };
    let (perls, ours) = (Sandbox::new("envdir-perl"), Sandbox::new("envdir"));
    let seen = play(&ours, ours.start_server());
    assert_eq!(seen, play(&perls, perls.perl_start_server()), "left: ours, right: Perl's");
    assert_eq!(
        seen[0],
        ["KEPT=  blanks ", "CHANGED=old", "REMOVED=start", "ADDED unset", ".HIDDEN unset"]
    );
    assert_eq!(seen[1][1..4], ["CHANGED=new", "REMOVED=start", "ADDED=later"]);
    assert_eq!(seen[2][1..4], ["CHANGED=new", "REMOVED=start", "ADDED unset"], "back to the start");
    assert_eq!(seen[3][1..4], ["CHANGED=old", "REMOVED=start", "ADDED unset"]);
}

#[test]
fn sockets_under_every_convention() {
    let sandbox = Sandbox::new("conventions");
    let port = free_port();
    let (tcp, udp) = (format!("--port=127.0.0.1:{port}"), format!("--port=127.0.0.1:u{port}"));
    let launch = sandbox.start_server().args([tcp.as_str(), udp.as_str(), "--path=sock"]);
    let steps = "say pid $PID\nenv SERVER_STARTER_PORT\nenv LISTEN_FDS\nenv LISTEN_PID\n\
                 env LISTEN_FDNAMES\nenv SUPERDAEMON_SOCKETS\nfds";
    let lines = worker_says(&sandbox, launch, steps);
    let pid = lines.iter().find_map(|line| line.strip_prefix("pid ")).unwrap();
    let name = format!("127.0.0.1:{port}");
    contains(&lines, &format!("SERVER_STARTER_PORT={name}=3;{name}=4;sock=5"));
    contains(&lines, "LISTEN_FDS=3");
    contains(&lines, &format!("LISTEN_PID={pid}"));
    let names = lines.iter().find_map(|line| line.strip_prefix("LISTEN_FDNAMES=")).unwrap();
    assert_eq!(names.split(':').count(), 3, "one name for each socket, no colon in it: {names}");
    let json = lines.iter().find_map(|line| line.strip_prefix("SUPERDAEMON_SOCKETS=")).unwrap();
    for part in [
        format!(r#"{{"name":"{name}","fd":3,"type":"tcp","address":"{name}"}}"#),
        format!(r#"{{"name":"{name}","fd":4,"type":"udp","address":"{name}"}}"#),
        r#""fd":5,"type":"unix""#.to_owned(),
    ] {
        assert!(json.contains(&part), "{part} in {json}");
    }
    assert_eq!(numbers(&lines), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn the_real_port_of_port_zero_is_told() {
    let sandbox = Sandbox::new("port-zero");
    let launch = sandbox.start_server().arg("--port=127.0.0.1:0");
    let steps = "serve\nenv SERVER_STARTER_PORT\nenv SUPERDAEMON_SOCKETS";
    let (_server, lines) = server_and_lines(&sandbox, launch, steps);
    contains(&lines, "SERVER_STARTER_PORT=127.0.0.1:0=3");
    let json = lines.iter().find_map(|line| line.strip_prefix("SUPERDAEMON_SOCKETS=")).unwrap();
    let address = json.split("\"address\":\"").nth(1).unwrap().split('"').next().unwrap();
    let mut answer = String::new();
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    std::io::Read::read_to_string(&mut connection, &mut answer).unwrap();
    assert!(answer.starts_with("1 "), "{answer:?} from {address}");
}

#[test]
fn no_descriptor_of_the_manager_leaks() {
    let sandbox = Sandbox::new("leak");
    let options = [
        "--port=127.0.0.1:0",
        "--pid-file=pid",
        "--status-file=status",
        "--envdir=vars",
        "--log-file=|cat > log",
    ];
    let launch = sandbox.start_server().args(options);
    let script = sandbox.script("worker", "fds\nsay up $GEN");
    let server = launch.arg("--interval=0").worker(script).bare().spawn();
    let logged = |text: &str| {
        crate::sandbox::eventually(text, || {
            let log = fs::read_to_string(sandbox.path("log")).ok()?;
            log.lines().any(|line| line == text).then_some(log)
        })
    };
    logged("up 1");
    // A client that waits, too, adds descriptors to the server and none to the worker.
    let restarted = sandbox
        .start_server()
        .args(["--restart", "--pid-file=pid", "--status-file=status"])
        .output();
    assert_eq!(restarted.code, Some(0), "{restarted:?}");
    let log: Vec<String> = logged("up 2").lines().map(str::to_owned).collect();
    let worlds: Vec<&String> = log.iter().filter(|line| line.starts_with("fds ")).collect();
    assert_eq!(worlds.len(), 2);
    for world in worlds {
        let fds = fds(std::slice::from_ref(world));
        let [stdin, stdout, stderr, socket] = fds.as_slice() else { panic!("{fds:?}") };
        assert_eq!((stdin.0, stdin.1.as_str()), (0, "/dev/null"));
        assert!(stdout.1.starts_with("pipe:") && stdout.1 == stderr.1, "{fds:?}");
        assert!(socket.0 == 3 && socket.1.starts_with("socket:"), "{fds:?}");
    }
    drop(server);
}

#[test]
fn inherited_descriptors_pass_through() {
    let sandbox = Sandbox::new("through");
    let file = sandbox.write("five", "text");
    let launch =
        sandbox.start_server().arg("--port=127.0.0.1:0").through_shell("exec 5<five; exec \"$@\"");
    let lines = worker_says(&sandbox, launch, "fds\nenv SERVER_STARTER_PORT");
    assert_eq!(numbers(&lines), [0, 1, 2, 3, 5]);
    let five = fds(&lines).remove(4).1;
    assert_eq!(five, file.display().to_string());
    // One that stands where the first socket would go is not overwritten.
    let launch =
        sandbox.start_server().arg("--port=127.0.0.1:0").through_shell("exec 3<five; exec \"$@\"");
    let lines = worker_says(&sandbox, launch, "fds\nenv SERVER_STARTER_PORT");
    contains(&lines, "SERVER_STARTER_PORT=127.0.0.1:0=4");
    assert_eq!(numbers(&lines), [0, 1, 2, 3, 4]);
    assert_eq!(fds(&lines).remove(3).1, file.display().to_string());
}

#[test]
fn sockets_stand_at_the_descriptors_that_were_asked_for() {
    let sandbox = Sandbox::new("numbers");
    let options = ["--port=127.0.0.1:0=7", "--port=127.0.0.1:0", "--port=127.0.0.1:0=0"];
    let launch = sandbox.start_server().args(options);
    let (server, lines) = server_and_lines(&sandbox, launch, "fds\nenv SERVER_STARTER_PORT");
    contains(&lines, "SERVER_STARTER_PORT=127.0.0.1:0=7;127.0.0.1:0=3;127.0.0.1:0=0");
    assert_eq!(numbers(&lines), [0, 1, 2, 3, 7]);
    let kinds = fds(&lines);
    for at in [0, 3, 4] {
        assert!(kinds[at].1.starts_with("socket:"), "{kinds:?}");
    }
    server.wait_line("socket is duplicated to file descriptor 7");
    server.wait_line("socket is duplicated to file descriptor 0");
}

#[test]
fn sockets_block_and_are_shared_by_generations() {
    let sandbox = Sandbox::new("shared");
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    drop(probe);
    let script = sandbox.script("worker", "fds\nsay up $GEN");
    let server =
        sandbox.start_server().args(["--interval=0", "--port=127.0.0.1:0"]).worker(script).spawn();
    server.wait_line("up 1");
    server.signal(Signal::HUP);
    let pid = server.wait_line("starting new worker").number();
    assert!(pid > 0);
    server.wait_line("up 2");
    let lines = server.lines();
    let worlds: Vec<&String> = lines.iter().filter(|line| line.starts_with("fds ")).collect();
    assert_eq!(worlds[0], worlds[1], "the same socket at the same number");
    let second =
        server.stamped().iter().rfind(|l| l.text.starts_with("starting")).unwrap().number();
    let info = fs::read_to_string(format!("/proc/{second}/fdinfo/3")).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
    assert_eq!(flags & libc::O_NONBLOCK, 0, "sockets are blocking");
}

/// Mask and dispositions that a stage sets before the server starts.
const BLOCKS_USR1_IGNORES_USR2: &str = "use POSIX; \
    sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGUSR1, SIGTERM)); \
    $SIG{USR2} = $SIG{HUP} = 'IGNORE'; exec @ARGV or die";

#[test]
fn signals_ignored_and_blocked() {
    let steps = "proc SigBlk\nproc SigIgn\nproc SigCgt";
    let sandbox = Sandbox::new("sig");
    let stage = |launch: Launch| launch.through(["perl", "-e", BLOCKS_USR1_IGNORES_USR2]);
    let field = |lines: &[String], name: &str| {
        let line = lines.iter().find_map(|line| line.strip_prefix(name)).unwrap();
        // Without 32 and 33, which belong to the C library.
        u64::from_str_radix(line, 16).unwrap() & !(3 << 31)
    };
    for staged in [false, true] {
        let play = |launch: Launch| {
            worker_says(&sandbox, if staged { stage(launch) } else { launch }, steps)
        };
        let (ours, perls) = (play(sandbox.start_server()), play(sandbox.perl_start_server()));
        for name in ["SigBlk: ", "SigIgn: "] {
            let (ours, perls) = (field(&ours, name), field(&perls, name));
            assert_eq!(format!("{ours:016x}"), format!("{perls:016x}"), "{name}ours, then Perl's");
        }
        let blocked = if staged { 0x4200 } else { 0 };
        assert_eq!(field(&ours, "SigBlk: "), blocked, "as the server got them");
        let ignored = if staged { 0x1800 } else { 0x1000 };
        assert_eq!(
            field(&ours, "SigIgn: ") & 0x1801,
            ignored,
            "PIPE always, USR2 as it was, HUP never"
        );
    }
}

#[test]
fn directory_umask_and_stdin() {
    let sandbox = Sandbox::new("dir");
    sandbox.write("inside/input", "from the file");
    let steps = "cwd\nproc Umask\nstdin";
    let launch = sandbox.start_server().through_shell("umask 027; exec \"$@\" < inside/input");
    let lines = worker_says(&sandbox, launch, steps);
    contains(&lines, &format!("cwd {}", sandbox.path("inside").parent().unwrap().display()));
    contains(&lines, "Umask: 0027");
    contains(&lines, "stdin \"from the file\"");
    let launch = sandbox.start_server().args(["--dir=inside", "--pid-file=pid", "--path=sock"]);
    let (_server, lines) = server_and_lines(&sandbox, launch, steps);
    contains(&lines, &format!("cwd {}", sandbox.path("inside").display()));
    assert!(sandbox.exists("pid") && sandbox.exists("sock"), "the server stays where it was");
    assert_eq!(fs::metadata(sandbox.path("sock")).unwrap().mode() & 0o777, 0o777);
}

#[test]
fn the_program_is_looked_up_in_the_directory_of_the_worker() {
    let sandbox = Sandbox::new("dir-lookup");
    let program = sandbox.write("inside/tool", "#!/bin/sh\necho tool \"$@\"\nexec cat\n");
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (stdin, _open) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let launch = sandbox.start_server().args(["--interval=0", "--dir=inside"]).stdin(stdin);
    let server = launch.program(["./tool", "a b", "--", "--port=1", ""]).spawn();
    server.wait_line("tool a b -- --port=1 ");
}

#[test]
fn arguments_arrive_unchanged() {
    let sandbox = Sandbox::new("args");
    let script = sandbox.script("worker", "args\nsay end");
    let words = [crate::sandbox::puppet().as_os_str(), script.as_os_str()];
    let server = sandbox.start_server().arg("--interval=0").program(words);
    let server = server.arg_after(["a b", "", "--x", "--", "$HOME", "ü"]).spawn();
    server.wait_line("args [a b] [] [--x] [--] [$HOME] [ü]");
}

#[test]
fn session_and_group_are_the_servers() {
    let sandbox = Sandbox::new("session");
    let (server, lines) = server_and_lines(&sandbox, sandbox.start_server().own_group(), "session");
    contains(&lines, &format!("session {} group {}", own_session(), server.pid()));
}

#[test]
fn the_servers_own_notify_socket_is_not_the_workers() {
    let sandbox = Sandbox::new("notify-private");
    let socket = std::os::unix::net::UnixDatagram::bind(sandbox.path("manager")).unwrap();
    let launch = sandbox.start_server().env("NOTIFY_SOCKET", sandbox.path("manager"));
    let launch = launch.env("WATCHDOG_USEC", "60000000");
    let lines = worker_says(&sandbox, launch, "env NOTIFY_SOCKET\nenv WATCHDOG_USEC");
    let address = lines.iter().find_map(|line| line.strip_prefix("NOTIFY_SOCKET=")).unwrap();
    assert!(address.starts_with('@'), "{address}");
    contains(&lines, "WATCHDOG_USEC unset");
    drop(socket);
}
