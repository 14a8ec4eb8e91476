//! What is refused, and with which words.

use super::testing::{BASE, Directory, program, world};

/// Lines of `[program:p]`, and the error without section and file.
const PROGRAM: &[(&str, &str)] = &[
    // supervisord's keys, its words.
    ("stopwaitsecs=1.5", "invalid literal for int() with base 10: '1.5'"),
    ("autostart=", "not a valid boolean value: ''"),
    ("autorestart=on-failure", "invalid 'autorestart' value 'on-failure'"),
    ("startsecs=5s", "invalid literal for int() with base 10: '5s'"),
    ("startretries=x", "invalid literal for int() with base 10: 'x'"),
    ("stopsignal=NOPE", "value 'NOPE' is not a valid signal name"),
    ("stopsignal=65", "value '65' is not a valid signal number"),
    ("stopwaitsecs=1h", "invalid literal for int() with base 10: '1h'"),
    ("stopasgroup=maybe", "not a valid boolean value: 'maybe'"),
    ("killasgroup=-1", "not a valid boolean value: '-1'"),
    ("stopasgroup=1\nkillasgroup=0", "Cannot set stopasgroup=true and killasgroup=false"),
    ("exitcodes=0,,1", "not a valid list of exit codes: '0,,1'"),
    ("redirect_stderr=stdout", "not a valid boolean value: 'stdout'"),
    ("numprocs=two", "invalid literal for int() with base 10: 'two'"),
    ("numprocs_start=a", "invalid literal for int() with base 10: 'a'"),
    ("numprocs=2", "%(process_num) must be present within process_name when numprocs > 1"),
    ("numprocs=100001\nprocess_name=%(process_num)d", "numprocs is 100001, more than 100000"),
    ("process_name=a/b", "Invalid name: 'a/b' because of character: '/'"),
    (
        "process_name=%(nope)s",
        "Format string '%(nope)s' for 'process_name' contains names \
      ('nope') which cannot be expanded. Available names: ENV_FOO, ENV_HOME, ENV_LANG, ENV_PATH, \
      ENV_PCT, ENV_SP, group_name, here, host_node_name, numprocs, process_num, program_name",
    ),
    (
        "autostart=%(process_num)d",
        "Format string '%(process_num)d' for 'program:p.autostart' contains names \
         ('process_num') which cannot be expanded. Available names: ENV_FOO, ENV_HOME, ENV_LANG, \
         ENV_PATH, ENV_PCT, ENV_SP, group_name, here, host_node_name, program_name",
    ),
    (
        "directory=%z",
        "Format string '%z' for 'program:p.directory' is badly formatted: \
      unsupported format character 'z' (0x7a) at index 1",
    ),
    ("environment=A", "Unexpected end of key/value pairs in value 'A'"),
    ("environment=A='x", "No closing quotation"),
    (
        "environment=A=%(B)s",
        "Format string 'A=%(B)s' for 'environment' contains names ('B') \
      which cannot be expanded. Available names: ENV_FOO, ENV_HOME, ENV_LANG, ENV_PATH, ENV_PCT, \
      ENV_SP, group_name, here, host_node_name, numprocs, process_num, program_name",
    ),
    (
        "stdout_logfile=/no/such/x.log",
        "The directory named as part of the path /no/such/x.log does not exist",
    ),
    (
        "stderr_logfile=/no/such/y.log",
        "The directory named as part of the path /no/such/y.log does not exist",
    ),
    ("stdout_logfile_backups=many", "invalid literal for int() with base 10: 'many'"),
    ("stderr_logfile_maxbytes=1.5MB", "invalid literal for int() with base 10: '1.5'"),
    ("stdout_capture_maxbytes=1TB", "invalid literal for int() with base 10: '1tb'"),
    ("stdout_events_enabled=2", "not a valid boolean value: '2'"),
    ("stderr_syslog=local0", "not a valid boolean value: 'local0'"),
    ("user=nosuch", "Invalid user name nosuch"),
    ("user=-1", "Invalid user id -1"),
    ("umask=9", "9 can not be converted to an octal type"),
    // Of several faults the first in supervisord's order is named, not the first in the file.
    ("umask=9\nstartsecs=a", "invalid literal for int() with base 10: 'a'"),
    ("user=nosuch\nexitcodes=x", "not a valid list of exit codes: 'x'"),
    ("nice=99\nstdout_syslog=x", "not a valid boolean value: 'x'"),
    // Our own keys.
    ("type=forking", "invalid 'type' value 'forking': give simple, notify or oneshot"),
    ("type=oneshot\nready_fd=3", "ready_fd and type=oneshot exclude each other"),
    ("essential=very", "not a valid boolean value: 'very'"),
    ("ready_fd=2", "invalid 'ready_fd' value 2: give a number from 3 to 1023"),
    ("ready_fd=x", "invalid literal for int() with base 10: 'x'"),
    ("ready_timeout=-1", "not a valid duration: '-1' (such as 10, 1.5, 500ms or 2m)"),
    ("watchdog_secs=2 weeks", "not a valid duration: '2 weeks' (such as 10, 1.5, 500ms or 2m)"),
    ("health_command=", "invalid 'health_command' value: it is empty"),
    (
        "health_command=sh -c 'x",
        "invalid 'health_command' value \"sh -c 'x\": No closing quotation",
    ),
    (
        "health_command=x\nhealth_interval=0",
        "invalid 'health_interval' value: it must be more than 0",
    ),
    (
        "health_command=x\nhealth_retries=0",
        "invalid 'health_retries' value 0: give a number from 1 to 1000",
    ),
    ("kill_orphans=x", "not a valid boolean value: 'x'"),
    ("environment_file=/a,-", "invalid 'environment_file' value '-': a file is missing"),
    ("backoff_max=soon", "not a valid duration: 'soon' (such as 10, 1.5, 500ms or 2m)"),
    ("restart_pause=1d2h", "not a valid duration: '1d2h' (such as 10, 1.5, 500ms or 2m)"),
    ("reloadsignal=0", "value '0' is not a valid signal number"),
    ("reloadsignal=NOPE", "value 'NOPE' is not a valid signal name"),
    ("stopretries=0", "invalid 'stopretries' value 0: give a number from 1 to 1000"),
    ("stop_command=\"", "invalid 'stop_command' value '\"': No closing quotation"),
    ("stopsignals=TERM:x", "not a valid duration: 'x' (such as 10, 1.5, 500ms or 2m)"),
    ("stopsignals=TERM:5, NOPE", "value 'NOPE' is not a valid signal name"),
    ("stopsignals=,", "invalid 'stopsignals' value: no signal is named"),
    ("stopsignals=INT\nstopretries=2", "stopretries and stopsignals exclude each other"),
    ("group=nosuch", "Invalid group name nosuch"),
    ("nice=20", "invalid 'nice' value 20: give a number from -20 to 19"),
    ("nice=-21", "invalid 'nice' value -21: give a number from -20 to 19"),
    (
        "rlimit_nofile=lots",
        "invalid 'rlimit_nofile' value 'lots': give soft:hard or one limit for \
      both, each a number or 'unlimited'",
    ),
    ("rlimit_core=2:1", "invalid 'rlimit_core' value '2:1': the soft limit is above the hard one"),
    (
        "oom_score_adjust=1001",
        "invalid 'oom_score_adjust' value 1001: give a number from -1000 to 1000",
    ),
    ("no_new_privileges=x", "not a valid boolean value: 'x'"),
    ("user_environment=x", "not a valid boolean value: 'x'"),
    ("hot=true", "hot=true needs socket="),
    ("hot=true\nsocket=tcp://:1", "('Bad socket format %s', 'tcp://:1') in [program:p] socket"),
    ("stdout_timestamp=iso", "not a valid boolean value: 'iso'"),
    (
        "stderr_prefix=%(here)",
        "Format string '%(here)' for 'program:p.stderr_prefix' is badly formatted: \
      incomplete format",
    ),
    ("depends_on=:ready", "invalid 'depends_on' value ':ready': a name is missing"),
    ("depends_on=nope", "depends_on names unknown program or group nope"),
    ("depends_on=p:nope", "depends_on names unknown program or group p:nope"),
    ("depends_on=p", "depends_on makes a cycle: p -> p"),
];

#[test]
fn programs_are_refused_with_section_and_file() {
    for (lines, error) in PROGRAM {
        let dir = Directory::new();
        let expected = format!("{error} in section 'program:p' (file: '<DIR>/s.conf')");
        assert_eq!(dir.load(&program(lines), &world()).unwrap_err(), expected, "{lines}");
    }
    assert!(PROGRAM.len() > 60);
}

/// What follows `[supervisord]` and its two paths, and the whole error.
const FILES: &[(&str, &str)] = &[
    ("minfds=x", "invalid literal for int() with base 10: 'x'"),
    ("minprocs=", "invalid literal for int() with base 10: ''"),
    ("umask=999", "999 can not be converted to an octal type"),
    ("directory=", " is not an existing directory"),
    ("logfile_maxbytes=5B", "invalid literal for int() with base 10: '5b'"),
    ("logfile_backups=x", "invalid literal for int() with base 10: 'x'"),
    ("loglevel=warning", "bad logging level name 'warning'"),
    ("silent=2", "not a valid boolean value: '2'"),
    ("nocleanup=x", "not a valid boolean value: 'x'"),
    ("strip_ansi=x", "not a valid boolean value: 'x'"),
    ("user=", "Invalid user name "),
    ("environment=A", "Unexpected end of key/value pairs in value 'A'"),
    (
        "identifier=%(host_node_name)s",
        "Format string '%(host_node_name)s' for 'supervisord.identifier' contains names \
         ('host_node_name') which cannot be expanded. Available names: ENV_FOO, ENV_HOME, \
         ENV_LANG, ENV_PATH, ENV_PCT, ENV_SP, here",
    ),
    (
        "exit_on=crash",
        "invalid 'exit_on' value 'crash': give never, fatal, exit or all in section \
         'supervisord' (file: '<DIR>/s.conf')",
    ),
    (
        "shutdown_timeout=x",
        "not a valid duration: 'x' (such as 10, 1.5, 500ms or 2m) in section 'supervisord' \
         (file: '<DIR>/s.conf')",
    ),
    (
        "[program:p]",
        "program section program:p does not specify a command in section 'program:p' (file: \
         '<DIR>/s.conf')",
    ),
    (
        "[include]\nfiles=%(nope)s",
        "Format string '%(nope)s' for 'include.files' contains names \
      ('nope') which cannot be expanded. Available names: ENV_FOO, ENV_HOME, ENV_LANG, ENV_PATH, \
      ENV_PCT, ENV_SP, here, host_node_name",
    ),
    (
        "[group:g]\nprograms=p,\n[program:p]\ncommand=x",
        "[group:g] names unknown program or fcgi-program ",
    ),
    (
        "[group:g]\nprograms=p\n[program:p]\ncommand=x\n[fcgi-program:p]\ncommand=x",
        "[group:g] name p is ambiguous (exists as program and fcgi-program)",
    ),
    ("[group:a b]\nprograms=", "Invalid name: 'a b' because of character: ' '"),
    ("[group:g]\npriority=x", "invalid literal for int() with base 10: 'x'"),
    (
        "[eventlistener:e]\ncommand=x\nevents=TICK_7",
        "Unknown event type TICK_7 in [eventlistener:e] events",
    ),
    (
        "[eventlistener:e]\ncommand=x\nevents=TICK_5\nbuffer_size=0",
        "[eventlistener:e] section sets invalid buffer_size (0)",
    ),
    (
        "[eventlistener:e]\ncommand=x\nevents=TICK_5\nresult_handler=my.module:handler",
        "my.module:handler cannot be resolved within [eventlistener:e]: Python plugins cannot be \
       loaded; only supervisor.dispatchers:default_handler is known",
    ),
    (
        "[eventlistener:e]\ncommand=x\nevents=TICK_5\nhot=true",
        "hot=true is not for event listeners in section 'eventlistener:e' (file: '<DIR>/s.conf')",
    ),
    (
        "[fcgi-program:f]\ncommand=x\nsocket=tcp://h:0",
        "0 is below lower bound (1) in [fcgi-program:f] socket",
    ),
    (
        "[fcgi-program:f]\ncommand=x\nsocket=udp://h:1",
        "('Bad socket format %s', 'udp://h:1') in [fcgi-program:f] socket",
    ),
    ("[fcgi-program:f]\ncommand=x\nsocket_backlog=0", "Invalid socket_backlog value 0"),
    ("[fcgi-program:f]\ncommand=x\nsocket_owner=nosuch", "Invalid socket_owner value nosuch"),
    ("[fcgi-program:f]\ncommand=x\nsocket_mode=rwx", "Invalid socket_mode value rwx"),
    ("[fcgi-program:f]\ncommand=x\nuser=nosuch", "Invalid user name nosuch"),
    (
        "[fcgi-program:f]\nsocket=unix:///tmp/x",
        "program section fcgi-program:f does not specify a command in section 'fcgi-program:f' \
       (file: '<DIR>/s.conf')",
    ),
    ("[inet_http_server]\nport=localhost:", "no port number specified in ''"),
    ("[inet_http_server]\nport=h:70000", "70000 is above upper bound (65535)"),
    ("[unix_http_server]\nfile=/tmp/x\nchmod=x", "Invalid chmod value x"),
    (
        "[unix_http_server]\nfile=/tmp/x\npassword=x",
        "Section [unix_http_server] contains incomplete authentication: If a username or a password \
       is specified, both the username and password must be specified",
    ),
    (
        "[rpcinterface:x]",
        "section [rpcinterface:x] does not specify a supervisor.rpcinterface_factory",
    ),
    (
        "[rpcinterface:twiddler]\nsupervisor.rpcinterface_factory=twiddler:make",
        "twiddler:make cannot be resolved within [rpcinterface:twiddler]: Python plugins cannot be \
       loaded; only supervisor.rpcinterface:make_main_rpcinterface is known",
    ),
    (
        "[ctlplugin:x]\nsupervisor.ctl_factory=a:b",
        "a:b cannot be resolved within [ctlplugin:x]: Python plugins cannot be loaded",
    ),
    (
        "[program:a]\ncommand=x\ndepends_on=b\n[program:b]\ncommand=x\ndepends_on=c\n\
      [program:c]\ncommand=x\ndepends_on=a",
        "depends_on makes a cycle: a -> b -> c -> a in section 'program:a' (file: '<DIR>/s.conf')",
    ),
    (
        "[program:w]\ncommand=x\nnumprocs=2\nprocess_name=%(process_num)d\ndepends_on=w",
        "depends_on makes a cycle: w:0 -> w -> w:0 in section 'program:w' (file: '<DIR>/s.conf')",
    ),
    (
        "[group:g]\nprograms=a\n[group:h]\nprograms=a\n[program:a]\ncommand=x\n\
      [program:b]\ncommand=x\ndepends_on=a",
        "depends_on names a, which is ambiguous: g:a, h:a in section 'program:b' (file: \
       '<DIR>/s.conf')",
    ),
];

#[test]
fn files_are_refused() {
    for (text, error) in FILES {
        let dir = Directory::new();
        let ours = dir.load(&format!("{BASE}{text}\n"), &world());
        assert_eq!(ours.as_ref().map(drop), Err(&(*error).to_owned()), "{text}");
    }
    assert!(FILES.len() > 40);
}

#[test]
fn what_is_no_readable_file_is_refused() {
    let dir = Directory::new();
    let missing = dir.path().join("none.conf");
    let overrides = crate::supervise::args::Overrides::default();
    let refused = |file: &std::path::Path| {
        dir.hide(&super::load::load(file, &overrides, &world()).unwrap_err())
    };
    assert_eq!(refused(&missing), "could not find config file <DIR>/none.conf");
    assert_eq!(refused(dir.path()), "could not read config file <DIR>");
    let latin = dir.write("latin.conf", b"[supervisord]\nidentifier=caf\xe9\n");
    assert_eq!(refused(&latin), "could not read config file <DIR>/latin.conf: line 2 is not UTF-8");
    let broken = dir.write("broken.conf", "[supervisord]\nnothing\n");
    assert_eq!(
        refused(&broken),
        "Source contains parsing errors: '<DIR>/broken.conf'\n\t[line  2]: 'nothing\\n'"
    );
}

#[test]
fn an_error_names_the_included_file() {
    let dir = Directory::new();
    dir.write("c/a.conf", "[program:a]\ncommand=x\nstartsecs=x\n");
    let error = dir.load(&format!("{BASE}[include]\nfiles=c/*\n"), &world()).unwrap_err();
    assert_eq!(
        error,
        "invalid literal for int() with base 10: 'x' in section 'program:a' (file: '<DIR>/c/a.conf')"
    );
    dir.write("c/b.conf", "command=x\n");
    let error = dir.load(&format!("{BASE}[include]\nfiles=c/b*\n"), &world()).unwrap_err();
    assert_eq!(
        error,
        "File contains no section headers.\nfile: '<DIR>/c/b.conf', line: 1\n'command=x\\n'"
    );
}
