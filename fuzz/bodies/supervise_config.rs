//! Whole configurations: never a panic; every entry has its place in the file; what is accepted is
//! in order, has each name once, and is the same when it is read again.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use superdaemon::supervise::args::Overrides;
use superdaemon::supervise::config::dump::dump;
use superdaemon::supervise::config::ini::Document;
use superdaemon::supervise::config::load::{World, load};
use superdaemon::supervise::config::model::{Config, Kind};
use superdaemon::supervise::events::Kinds;

/// Valid inputs, and some that nearly are.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"[supervisord]\nnodaemon=true\n\n[program:cat]\ncommand=/bin/cat\n",
    b"[supervisord]\nlogfile=/dev/null ; no log\nlogfile_maxbytes=0\nenvironment=A=1,B=\"x\"\n\
      [program:w]\ncommand=/bin/sh -c \"exec sleep %(process_num)d\"\nnumprocs=3\n\
      process_name=%(program_name)s_%(process_num)02d\nnumprocs_start=1\n",
    b"[supervisord]\n[group:g]\nprograms=a,b\npriority=5\n[program:a]\ncommand=a\n[program:b]\ncommand=b\n",
    b"[supervisord]\n[fcgi-program:f]\ncommand=f\nsocket=unix:///tmp/%(program_name)s.sock\n\
      socket_owner=root\nsocket_mode=0700\nsocket_backlog=9\n[fcgi-program:t]\ncommand=t\nsocket=tcp://localhost:9\n",
    b"[supervisord]\n[eventlistener:e]\ncommand=e\nevents=TICK_60, process_state\nbuffer_size=3\n",
    b"[unix_http_server]\nfile=/tmp/s.sock\nchmod=0700\nusername=a\npassword={SHA}82ab\n\
      [inet_http_server]\nport=127.0.0.1:9001\n[supervisorctl]\nserverurl=unix:///tmp/s.sock\n[supervisord]\n\
      [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n",
    b"[DEFAULT]\nstartsecs=2\nautorestart: unexpected\n[supervisord]\n[program:x]\ncommand=x\n  # no\n y\n\n  z\n\
      exitcodes=0,2\nstopsignal=INT\nstopasgroup=true\nstdout_logfile=NONE\nstderr_logfile=AUTO\n\
      stdout_logfile_maxbytes=1MB\nstdout_capture_maxbytes=1KB\nuser=root\numask=022\ndirectory=/tmp\n",
    b"[supervisord]\nexit_on=fatal\nshutdown_timeout=5\n[program:x]\ncommand=x\nessential=true\n\
      depends_on=y:started\nready_fd=3\nhealth_command=true\nhealth_interval=2\nrlimit_nofile=9:10\n\
      stopsignals=TERM:5, INT:2\nenvironment_file=-/none\nbackoff_max=9\nnice=3\n[program:y]\ncommand=y\n\
      type=oneshot\nstartretries=-1\nstdout_prefix=%(program_name)s: \n",
    b"[supervisord]\n[program:x]\ncommand=%(ENV_NOPE)s\n",
    b"[supervisord]\n[program:x]\ncommand=x\nautostrat=maybe\nstartsecs=1.5\n",
    b"command\n[supervisord\n]x=\n=y\n",
    b"[supervisord]\n[program:x]\ncommand=x\ndepends_on=x\n",
];

/// More processes than this show nothing new, and take their time.
const MANY: &[&str] = &["numprocs"];

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = std::env::temp_dir().join(format!("superdaemon-config-body-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory to work in");
    dir.join("supervisord.conf")
});

/// One input.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    check_document(text);
    let small = text.to_lowercase();
    // It may include any file there is, and have as many processes as fit into memory.
    let digits = |line: &str| line.bytes().filter(u8::is_ascii_digit).count();
    let many =
        small.lines().any(|line| MANY.iter().any(|it| line.contains(it)) && digits(line) > 2);
    if many || small.contains("include") {
        return;
    }
    fs::write(&*FILE, data).expect("a file to read");
    let world = World {
        env: vec![("HOME".to_owned(), "/root".to_owned()), ("EMPTY".to_owned(), String::new())],
        cwd: PathBuf::from("/tmp"),
        host_node_name: "node".to_owned(),
        uid: 0,
    };
    match load(&FILE, &Overrides::default(), &world) {
        Ok(config) => {
            check(&config);
            let again = load(&FILE, &Overrides::default(), &world).expect("as before");
            assert_eq!(again, config, "{text:?}");
            assert_eq!(dump(&again), dump(&config));
        }
        Err(error) => assert!(!error.trim().is_empty(), "{text:?}"),
    }
}

/// Removes the directory that [`run`] works in.
#[allow(dead_code, reason = "the fuzzer leaves one behind")]
pub fn clean_up() {
    if let Some(dir) = FILE.parent() {
        let _ = fs::remove_dir_all(dir);
    }
}

fn check_document(text: &str) {
    let Ok(document) = Document::parse(text, "f.conf") else { return };
    // A carriage return ends a line, too.
    let lines = text.replace("\r\n", "\n").replace('\r', "\n").lines().count().max(1);
    for section in document.sections() {
        assert!((1..=lines).contains(&section.place.line), "{:?}", section.place);
        for entry in section.entries() {
            assert!((1..=lines).contains(&entry.place.line), "{entry:?}");
            assert_eq!(entry.key, entry.key.to_lowercase(), "{entry:?}");
            assert_eq!(section.get(&entry.key), Some(entry), "the last one counts");
        }
        assert!(document.section(&section.name).is_some(), "{:?}", section.name);
    }
    let mut twice = document.clone();
    twice.merge(document.clone());
    for section in document.sections() {
        let same = twice.section(&section.name).expect("still there");
        for entry in section.entries() {
            assert_eq!(same.get(&entry.key).map(|it| &it.value), Some(&entry.value));
        }
    }
}

fn check(config: &Config) {
    let order = |name: &str, priority: i64| (priority, name.to_owned());
    let groups: Vec<_> = config.groups.iter().map(|it| order(&it.name, it.priority)).collect();
    assert!(groups.is_sorted(), "{groups:?}");
    for group in &config.groups {
        let mut names: Vec<&str> = group.processes.iter().map(|it| it.name.as_str()).collect();
        let priorities: Vec<i64> = group.processes.iter().map(|it| it.priority).collect();
        assert!(priorities.is_sorted(), "{group:?}");
        // That of a process is checked before it is expanded.
        assert!(!group.name.contains([' ', ':', '/']), "{:?}", group.name);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), group.processes.len(), "{group:?}");
        if let Kind::Listener(wish) = &group.kind {
            assert!(wish.buffer_size >= 1, "{wish:?}");
            assert!(!wish.events.is_empty(), "{wish:?}");
            assert!(wish.events.iter().all(|name| Kinds::named(name).is_some()), "{wish:?}");
        }
        for process in &group.processes {
            assert!(!process.stopasgroup || process.killasgroup, "{process:?}");
        }
    }
}
