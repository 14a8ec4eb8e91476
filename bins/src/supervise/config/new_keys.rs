//! What the keys that supervisord passes over become.

use std::time::Duration;

use reaper::{Limit, Resource};
use sigpolicy::Signal;

use super::model::{Dependency, ExitOn, Extra, Health, Socket, SocketAddress, Type, Until};
use super::testing::{BASE, Directory, only, program, read, world};

#[test]
fn a_program_without_new_keys_has_none() {
    assert_eq!(*only("").extra, Extra::default());
}

#[test]
fn new_keys_become_what_they_say() {
    let seconds = Duration::from_secs;
    let health = |interval, timeout, retries| {
        Some(Health {
            command: "/bin/check p".to_owned(),
            interval: seconds(interval),
            timeout: seconds(timeout),
            retries,
        })
    };
    let none = Extra::default;
    for (lines, expected) in [
        ("type=Oneshot", Extra { kind: Type::Oneshot, ..none() }),
        ("type=notify", Extra { kind: Type::Notify, ..none() }),
        ("ready_fd=3", Extra { kind: Type::Notify, ready_fd: Some(3), ..none() }),
        ("type=simple\nready_fd=9", Extra { kind: Type::Notify, ready_fd: Some(9), ..none() }),
        ("ready_timeout=1.5", Extra { ready_timeout: Some(Duration::from_millis(1500)), ..none() }),
        ("ready_timeout=0", none()),
        ("watchdog_secs=2m", Extra { watchdog: Some(seconds(120)), ..none() }),
        ("essential=yes", Extra { essential: true, ..none() }),
        (
            "health_command=/bin/check %(program_name)s",
            Extra { health: health(30, 30, 3), ..none() },
        ),
        (
            "health_command=/bin/check p\nhealth_interval=5\nhealth_timeout=1h\nhealth_retries=1",
            Extra { health: health(5, 3600, 1), ..none() },
        ),
        ("kill_orphans=true", Extra { kill_orphans: true, ..none() }),
        (
            "environment_file=/etc/%(program_name)s.env, -~daemon/more\n  x",
            Extra {
                environment_files: ["/etc/p.env", "-/usr/sbin/more", "/tmp/x"]
                    .map(Into::into)
                    .to_vec(),
                ..none()
            },
        ),
        ("backoff_max=500ms", Extra { backoff_max: Some(Duration::from_millis(500)), ..none() }),
        ("restart_pause=3s", Extra { restart_pause: seconds(3), ..none() }),
        ("reloadsignal=usr1", Extra { reloadsignal: Some(Signal::USR1), ..none() }),
        ("stopretries=4", Extra { stopretries: Some(4), ..none() }),
        (
            "stop_command=/bin/kill '%(group_name)s'",
            Extra { stop_command: Some("/bin/kill 'p'".to_owned()), ..none() },
        ),
        (
            "stopwaitsecs=7\nstopsignals=TERM:5, SIGINT : 500ms ,QUIT",
            Extra {
                stopsignals: vec![
                    (Signal::TERM, seconds(5)),
                    (Signal::INT, Duration::from_millis(500)),
                    (Signal::QUIT, seconds(7)),
                ],
                ..none()
            },
        ),
        ("group=nogroup", Extra { gid: Some(65534), ..none() }),
        ("nice=-20", Extra { nice: Some(-20), ..none() }),
        (
            "rlimit_nofile=64:128\nrlimit_core=unlimited",
            Extra {
                rlimits: vec![
                    (Resource::Core, Limit { soft: None, hard: None }),
                    (Resource::OpenFiles, Limit { soft: Some(64), hard: Some(128) }),
                ],
                ..none()
            },
        ),
        ("oom_score_adjust=-1000", Extra { oom_score_adjust: Some(-1000), ..none() }),
        ("no_new_privileges=1", Extra { no_new_privileges: true, ..none() }),
        ("user_environment=on", Extra { user_environment: true, ..none() }),
        (
            "hot=true\nsocket=tcp://LocalHost:8080\nsocket_backlog=5",
            Extra {
                hot: true,
                socket: Some(Socket {
                    address: SocketAddress::Tcp { host: "localhost".to_owned(), port: 8080 },
                    backlog: Some(5),
                    owner: None,
                    mode: None,
                }),
                ..none()
            },
        ),
    ] {
        let config = Directory::new().load(&program(lines), &world());
        let config = config.unwrap_or_else(|error| panic!("{lines}: {error}"));
        assert_eq!(*config.groups[0].processes[0].extra, expected, "{lines}");
        assert_eq!(config.notes, [], "{lines}: every key is known");
    }
}

#[test]
fn prefixes_are_expanded_and_may_be_quoted() {
    let text = "numprocs=2\nprocess_name=p%(process_num)d\nstdout_timestamp=true\n\
                stdout_prefix=\"%(process_num)02d of %(numprocs)d: \"\nstderr_prefix=%(group_name)s";
    let config = Directory::new().load(&program(text), &world()).unwrap();
    let second = &config.groups[0].processes[1];
    assert_eq!(second.stdout.prefix.as_deref(), Some("01 of 2: "));
    assert_eq!(second.stderr.prefix.as_deref(), Some("p"));
    assert_eq!((second.stdout.timestamp, second.stderr.timestamp), (true, false));
}

#[test]
fn the_daemon_has_two_new_keys() {
    let (config, _dir) = read("exit_on=Fatal\nshutdown_timeout=1m");
    assert_eq!(config.daemon.exit_on, ExitOn::Fatal);
    assert_eq!(config.daemon.shutdown_timeout, Some(Duration::from_secs(60)));
    for (text, expected) in [("never", ExitOn::Never), ("exit", ExitOn::Exit), ("all", ExitOn::All)]
    {
        assert_eq!(read(&format!("exit_on={text}")).0.daemon.exit_on, expected);
    }
}

#[test]
fn dependencies_are_resolved() {
    let text = "[group:g]\nprograms=a,w\n[program:a]\ncommand=x\n[program:w]\ncommand=x\n\
                numprocs=2\nprocess_name=w%(process_num)d\n[program:b]\ncommand=x\n\
                [program:z]\ncommand=x\n";
    for (value, expected) in [
        ("b", vec![("b", Until::Ready)]),
        ("b:started, b:started", vec![("b", Until::Started)]),
        ("b:started, b:completed", vec![("b", Until::Started), ("b", Until::Completed)]),
        ("a", vec![("g:a", Until::Ready)]),
        ("g:completed", vec![("g", Until::Completed)]),
        ("g:*", vec![("g", Until::Ready)]),
        ("g:a:completed", vec![("g:a", Until::Completed)]),
        ("g:w1", vec![("g:w1", Until::Ready)]),
        ("w:started", vec![("g:w0", Until::Started), ("g:w1", Until::Started)]),
        ("", vec![]),
    ] {
        let (config, _dir) = read(&format!("{text}depends_on={value}"));
        let found = &config.groups.iter().find(|group| group.name == "z").unwrap().processes[0];
        let expected: Vec<Dependency> = expected
            .into_iter()
            .map(|(name, until)| Dependency { name: name.to_owned(), until })
            .collect();
        assert_eq!(found.extra.depends_on, expected, "{value}");
    }
}

#[test]
fn long_chains_of_dependencies_are_no_cycle_and_no_burden() {
    let chain = |last: &str| -> String {
        let link = |at| format!("[program:p{at}]\ncommand=x\ndepends_on=p{}\n", at + 1);
        let links: String = (0..3_000).map(link).collect();
        format!("{links}[program:p3000]\ncommand=x\n{last}")
    };
    assert_eq!(read(&chain("")).0.groups.len(), 3_001);
    let dir = Directory::new();
    let error = dir.load(&format!("{BASE}{}", chain("depends_on=p0\n")), &world()).unwrap_err();
    assert!(error.starts_with("depends_on makes a cycle: p0 -> p1 -> p2 "), "{error}");
    assert!(error.ends_with(" -> p0 in section 'program:p0' (file: '<DIR>/s.conf')"), "{error}");
}

#[test]
fn a_dump_shows_new_keys_as_extra() {
    let dir = Directory::new();
    let text = program("essential=true\nstopsignals=INT:1.5\nrlimit_core=0:unlimited\nready_fd=4");
    let dumped = super::dump::dump(&dir.load(&text, &world()).unwrap());
    let dumped: tinyjson::JsonValue = dumped.parse().unwrap();
    let extra: tinyjson::JsonValue = "{\"essential\": true, \"stopsignals\": [[2, 1.5]], \
        \"rlimit_core\": [0, \"unlimited\"], \"ready_fd\": 4, \"type\": \"notify\"}"
        .parse()
        .unwrap();
    assert_eq!(dumped["groups"][0]["processes"][0]["extra"], extra);
}
