//! What is accepted, and what it becomes, where no recorded vector says so.

use super::load::load;
use super::model::{Config, Group, Kind, Level, LogFile, Socket, SocketAddress, Weight};
use super::testing::{BASE, Directory, only, program, read, world};
use crate::supervise::args::Overrides;

fn names(config: &Config) -> Vec<String> {
    let of = |group: &Group| -> Vec<String> {
        let members = group.processes.iter().map(|process| process.name.as_str());
        vec![format!("{}: {}", group.name, members.collect::<Vec<_>>().join(" "))]
    };
    config.groups.iter().flat_map(of).collect()
}

#[test]
fn groups_and_processes_stand_in_the_order_in_which_they_start() {
    let (config, _dir) = read(
        "[program:z]\ncommand=x\npriority=1\n[program:a]\ncommand=x\n[program:m]\ncommand=x\n\
         priority=5\n[program:n]\ncommand=x\npriority=-5\n[group:g]\nprograms=m,a,n\n\
         [eventlistener:l]\ncommand=x\nevents=EVENT\n[program:none]\ncommand=x\nnumprocs=0\n",
    );
    assert_eq!(names(&config), ["l: l", "z: z", "g: n m a", "none: "]);
}

#[test]
fn names_that_would_hide_each_other_are_advised_of() {
    let (config, dir) = read(
        "[program:a]\ncommand=one\n[program:b]\ncommand=two\nprocess_name=a\n[group:g]\n\
         programs=a,b\n[program:g]\ncommand=x\n",
    );
    assert_eq!(names(&config), ["g: a"]);
    assert_eq!(config.groups[0].processes[0].command, "two");
    assert_eq!(
        dir.notes(&config, Weight::Advice),
        [
            "two processes of group g are named a: only the last one is kept",
            "two groups are named g: only the first one is kept"
        ]
    );
}

#[test]
fn sockets_have_an_owner_that_can_reach_them() {
    let (config, _dir) = read(
        "[fcgi-program:a]\ncommand=x\nuser=nobody\nsocket=unix:///tmp/../tmp/%(program_name)s\n\
         [fcgi-program:b]\ncommand=x\nsocket=unix:///b\nsocket_owner=nobody\nsocket_mode=0770\n\
         hot=true\n",
    );
    let sockets: Vec<_> = config.groups.iter().map(|group| &group.kind).collect();
    let socket = |path: &str, owner, mode| {
        Kind::Fcgi(Socket {
            address: SocketAddress::Unix(path.to_owned()),
            backlog: None,
            owner,
            mode: Some(mode),
        })
    };
    assert_eq!(sockets[0], &socket("/tmp/a", Some((65534, 65534)), 0o700));
    assert_eq!(sockets[1], &socket("/b", Some((65534, u32::MAX)), 0o770));
    let hot = &config.groups[1].processes[0].extra;
    assert_eq!((hot.hot, &hot.socket), (true, &None));
}

#[test]
fn what_would_be_lost_in_silence_is_advised_of() {
    for (lines, advice) in [
        (
            "command=sh -c 'a ; b'",
            "command of [program:p] cannot be split into words: No closing quotation; a ';' or '#' \
             after a blank begins a comment, within quotes, too (<DIR>/s.conf:6)",
        ),
        (
            "socket=tcp://:1",
            "socket of [program:p] means nothing without hot=true (<DIR>/s.conf:6)",
        ),
        (
            "health_retries=1",
            "health_retries of [program:p] has no health_command (<DIR>/s.conf:6)",
        ),
    ] {
        let dir = Directory::new();
        let config = dir.load(&program(lines), &world()).unwrap();
        assert_eq!(dir.notes(&config, Weight::Advice), [advice], "{lines}");
        assert_eq!(dir.notes(&config, Weight::Warning), [""; 0], "{lines}");
    }
    let (config, dir) =
        read("environment=A=http://h/?q=1\n[program:p]\ncommand=x\nenvironment=B=$C");
    let advice = dir.notes(&config, Weight::Advice);
    assert!(advice[0].starts_with("environment of [supervisord]: A ends before '?'"), "{advice:?}");
    assert!(advice[0].ends_with("(<DIR>/s.conf:4)"), "{advice:?}");
    assert!(advice[1].starts_with("environment of [program:p]: B "), "{advice:?}");
    assert!(advice[1].ends_with("(<DIR>/s.conf:7)"), "{advice:?}");
}

#[test]
fn percent_signs_of_log_files_survive() {
    for (value, expected) in [
        ("/tmp/50%%.log", "/tmp/50%.log"),
        ("/tmp/%(ENV_PCT)s", "/tmp/50%"),
        ("/tmp/%%(process_num)02d", "/tmp/00"),
    ] {
        let logfile = only(&format!("stdout_logfile={value}")).stdout.logfile;
        assert_eq!(logfile, LogFile::Path(expected.to_owned()), "{value}");
    }
}

#[test]
fn syslog_as_a_file_is_the_old_way() {
    let dir = Directory::new();
    let config = dir.load(&program("stdout_logfile=syslog"), &world()).unwrap();
    let output = &config.groups[0].processes[0].stdout;
    assert_eq!((&output.logfile, output.syslog), (&LogFile::None, true));
    assert_eq!(
        dir.notes(&config, Weight::Warning),
        [
            "For [program:p], stdout_logfile=syslog but this is deprecated and will be removed.  Use \
          stdout_syslog=true to enable syslog instead."
        ]
    );
}

#[test]
fn environments_lie_over_one_another() {
    let (config, _dir) = read(
        "environment=A=1,B=2\n[program:p]\ncommand=%(ENV_A)s %(ENV_B)s %(ENV_C)s\n\
         environment=C=\"%(ENV_A)s\",B=3",
    );
    let process = &config.groups[0].processes[0];
    assert_eq!(process.command, "1 3 1");
    let pairs: Vec<_> =
        process.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(pairs, ["A=1", "B=3", "C=1"]);
}

#[test]
fn the_command_line_counts_more_than_the_file() {
    let dir = Directory::new();
    let text = "[supervisord]\nuser=nosuch\nlogfile=/dev/null\numask=077\nloglevel=error\n";
    let file = dir.write("s.conf", text);
    let given = |text: &str| Some(text.to_owned());
    let overrides = Overrides {
        nodaemon: Some(true),
        user: given("nobody"),
        umask: given("02"),
        directory: given("/"),
        logfile: given("a.log"),
        logfile_maxbytes: given("1KB"),
        logfile_backups: given("3"),
        loglevel: given("DEBUG"),
        identifier: given("me"),
        minfds: given("9"),
        ..Overrides::default()
    };
    let daemon = load(&file, &overrides, &world()).unwrap().daemon;
    assert_eq!((daemon.nodaemon, daemon.silent), (true, false));
    assert_eq!((daemon.user, daemon.user_name.as_deref()), (Some(65534), Some("nobody")));
    assert_eq!((daemon.umask, daemon.minfds, daemon.minprocs), (2, 9, 200));
    assert_eq!((daemon.logfile_maxbytes, daemon.logfile_backups), (1024, 3));
    assert_eq!((daemon.loglevel, daemon.identifier.as_str()), (Level::Debug, "me"));
    assert_eq!(
        (daemon.logfile.as_str(), daemon.pidfile.as_str()),
        ("/tmp/a.log", "/tmp/supervisord.pid")
    );
    assert_eq!(daemon.directory.as_deref(), Some("/"));
    let wrong = Overrides { umask: given("8"), ..Overrides::default() };
    assert_eq!(
        load(&file, &wrong, &world()).unwrap_err(),
        "invalid value for --umask '8': 8 can not be converted to an octal type"
    );
}

#[test]
fn the_url_is_the_first_socket_or_the_last_port() {
    for (text, expected) in [
        ("", None),
        ("[inet_http_server]\nport=1", Some("http://localhost:1")),
        ("[inet_http_server]\nport=1\n[inet_http_server:b]\nport=H:2", Some("http://h:2")),
        (
            "[inet_http_server]\nport=1\n[unix_http_server:b]\nfile=/b\n[unix_http_server]\nfile=/a",
            Some("unix:///b"),
        ),
    ] {
        assert_eq!(read(text).0.daemon.serverurl.as_deref(), expected, "{text}");
    }
}

#[test]
fn the_client_section_never_stops_the_daemon() {
    let (config, dir) = read(
        "[supervisorctl]\nserverurl=unix://~daemon/s\nusername=%(ENV_FOO)s\npassword=%\nhistory_file=h\n",
    );
    let client = &config.client;
    assert_eq!(client.serverurl.as_deref(), Some("unix:///usr/sbin/s"));
    assert_eq!((client.username.as_deref(), client.password.as_deref()), (Some("foo"), None));
    assert_eq!(client.history_file.as_deref(), Some("/tmp/h"));
    assert_eq!(
        dir.notes(&config, Weight::Advice),
        ["Format string '%' for 'supervisorctl.password' is badly formatted: incomplete format \
          (<DIR>/s.conf:7)"]
    );
}

#[test]
fn includes_are_told_of() {
    let dir = Directory::new();
    dir.write("c/a.conf", "[program:a]\ncommand=%(here)s\n[include]\nfiles=never.conf\n");
    dir.write("c/d/x", "");
    let text = format!("{BASE}[include]\nfiles = c/* %(here)s/none\n");
    let config = dir.load(&text, &world()).unwrap();
    assert_eq!(config.groups[0].processes[0].command, format!("{}/c", dir.path().display()));
    assert_eq!(
        dir.notes(&config, Weight::Info),
        [
            "Included extra file \"<DIR>/c/a.conf\" during parsing",
            "Included extra file \"<DIR>/c/d\" during parsing"
        ]
    );
    let warnings = dir.notes(&config, Weight::Warning);
    assert_eq!(warnings, ["No file matches via include \"<DIR>/none\""]);
    let advice = dir.notes(&config, Weight::Advice);
    assert_eq!(advice[0], "[include] of an included file is not followed (<DIR>/c/a.conf:3)");
    assert!(advice[1].starts_with("could not read included file \"<DIR>/c/d\": "), "{advice:?}");
}

#[test]
fn a_warning_for_many_processes_is_said_once() {
    let lines = "numprocs=3\nprocess_name=%(process_num)d\nstdout_logfile_maxbytes=0";
    let dir = Directory::new();
    let config = dir.load(&program(lines), &world()).unwrap();
    assert_eq!(dir.notes(&config, Weight::Warning).len(), 1);
}
