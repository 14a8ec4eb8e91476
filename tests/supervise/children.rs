//! What a program gets from its supervisor, and what it does not.

use std::fs;

use super::harness::{Config, environ, executes, status_field};
use crate::sandbox::{Sandbox, stat_field};

/// The variables of `SUPERVISOR_*`, sorted.
fn supervisor_variables(pid: i32) -> Vec<String> {
    let mut found: Vec<String> =
        environ(pid).into_iter().filter(|line| line.starts_with("SUPERVISOR_")).collect();
    found.sort();
    found
}

#[test]
fn the_environment_is_ours_with_the_names_and_the_file_on_top() {
    let sandbox = Sandbox::new("sv-environment");
    let config = Config::new(&sandbox)
        .daemon("environment=A=\"daemon\",B=\"daemon\",C=\"%(here)s\"")
        .idle("single", "environment=B=\"program\",D=\"%(ENV_OUTER)s\"")
        .idle("many", "numprocs=2\nprocess_name=%(program_name)s_%(process_num)02d\nenvironment=N=\"%(process_num)d\"\nstdout_logfile=NONE\nstderr_logfile=NONE")
        .section("[group:pair]\nprograms=many");
    let launch = config.launch().env("OUTER", "from outside").env("A", "outside");
    let mut ours = super::harness::Supervisor::new(&sandbox, launch.spawn());
    let single = ours.starts("single");
    executes(single, "sleep");
    assert_eq!(
        supervisor_variables(single),
        ["SUPERVISOR_ENABLED=1", "SUPERVISOR_GROUP_NAME=single", "SUPERVISOR_PROCESS_NAME=single"]
    );
    let variables = environ(single);
    for wanted in ["A=daemon", "B=program", "D=from outside", "OUTER=from outside"] {
        assert!(variables.contains(&wanted.to_owned()), "{wanted} in {variables:?}");
    }
    assert!(
        variables
            .iter()
            .any(|v| *v == format!("C={}", sandbox.path("").display()).trim_end_matches('/'))
    );
    for number in 0..2 {
        let pid = ours.spawned(&format!("many_{number:02}"));
        executes(pid, "sleep");
        assert_eq!(
            supervisor_variables(pid),
            [
                "SUPERVISOR_ENABLED=1".to_owned(),
                "SUPERVISOR_GROUP_NAME=pair".to_owned(),
                format!("SUPERVISOR_PROCESS_NAME=many_{number:02}"),
            ]
        );
        assert!(environ(pid).contains(&format!("N={number}")));
    }
    ours.stop();
}

#[test]
fn the_server_url_is_told_where_there_is_one() {
    let sandbox = Sandbox::new("sv-serverurl");
    let config = Config::new(&sandbox)
        .section("[unix_http_server]\nfile=%(here)s/sock")
        .idle("auto", "")
        .idle("own", "serverurl=http://example:1");
    let mut ours = config.spawn();
    for (name, wanted) in [
        ("auto", format!("unix://{}", sandbox.path("sock").display())),
        ("own", "http://example:1".to_owned()),
    ] {
        let pid = ours.starts(name);
        executes(pid, "sleep");
        let wanted = format!("SUPERVISOR_SERVER_URL={wanted}");
        assert!(supervisor_variables(pid).contains(&wanted), "{wanted} {:?}", environ(pid));
    }
    ours.stop();
}

#[test]
fn exactly_three_descriptors_whatever_the_supervisor_was_given() {
    let sandbox = Sandbox::new("sv-descriptors");
    let config = Config::new(&sandbox)
        .puppet("p", "fds\nsay up", "")
        .idle("none", "stdout_logfile=NONE\nstderr_logfile=NONE");
    let launch = config.launch();
    let launch = launch.through_shell("exec 7</dev/null 8</dev/zero 9<>/dev/null; exec \"$@\"");
    let mut ours = super::harness::Supervisor::new(&sandbox, launch.spawn());
    let text = sandbox.wait_text("p.out", "up\n");
    let line = text.lines().find(|line| line.starts_with("fds ")).unwrap();
    let numbers: Vec<&str> =
        line.split(' ').skip(1).map(|word| word.split_once('=').unwrap().0).collect();
    assert_eq!(numbers, ["0", "1", "2"], "{text}");
    let pid = ours.starts("none");
    executes(pid, "sleep");
    let numbers = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    assert_eq!(numbers, 3);
    ours.stop();
}

/// With Python in between SIGPIPE and SIGXFSZ are ignored in every program.
#[test]
fn no_signal_is_blocked_or_ignored() {
    let sandbox = Sandbox::new("sv-signals");
    let config = Config::new(&sandbox).idle("p", "");
    let perl = "use POSIX; $SIG{$_} = 'IGNORE' for qw(PIPE USR1 HUP XFSZ); \
                sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGUSR2, SIGTERM, 28)); exec @ARGV or die";
    let launch = config.launch().through(["perl", "-e", perl]);
    let mut ours = super::harness::Supervisor::new(&sandbox, launch.spawn());
    let pid = ours.starts("p");
    executes(pid, "sleep");
    for field in ["SigBlk", "SigIgn"] {
        assert_eq!(status_field(pid, field), "0000000000000000", "{field}");
    }
    ours.stop();
}

#[test]
fn each_program_leads_a_process_group() {
    let sandbox = Sandbox::new("sv-group");
    let mut ours = Config::new(&sandbox).idle("a", "").idle("b", "").spawn();
    for name in ["a", "b"] {
        let pid = ours.starts(name);
        executes(pid, "sleep");
        assert_eq!(stat_field(pid, 5), Some(pid.to_string()));
        assert_eq!(stat_field(pid, 4), Some(ours.pid().to_string()));
        assert_eq!(stat_field(pid, 6), stat_field(ours.pid(), 6), "no session of its own");
    }
    ours.stop();
}

#[test]
fn directory_and_umask() {
    let sandbox = Sandbox::new("sv-directory");
    fs::create_dir(sandbox.path("inside")).unwrap();
    let config = Config::new(&sandbox)
        .script(
            "p",
            "pwd -P\numask\necho up\nexec sleep 1000",
            "directory=%(here)s/inside\numask=027",
        )
        .script("plain", "pwd -P\numask\necho up\nexec sleep 1000", "");
    let launch = config.launch().through_shell("umask 022; exec \"$@\"");
    let mut ours = super::harness::Supervisor::new(&sandbox, launch.spawn());
    let root = sandbox.path("").canonicalize().unwrap();
    let text = sandbox.wait_text("p.out", "up\n");
    assert_eq!(text, format!("{}\n0027\nup\n", root.join("inside").display()));
    let text = sandbox.wait_text("plain.out", "up\n");
    assert_eq!(text, format!("{}\n0022\nup\n", root.display()));
    ours.stop();
}

/// The reason is in the program's own log, as supervisord writes it, and the rest runs.
#[test]
fn a_directory_that_is_missing_is_fatal_with_its_reason() {
    let sandbox = Sandbox::new("sv-nodirectory");
    let keys = "directory=/no/such/dir\nstartsecs=1\nstartretries=0";
    let mut ours = Config::new(&sandbox).idle("p", keys).idle("good", "").spawn();
    ours.wait_line("gave up: p entered FATAL state");
    let text = sandbox.wait_text("p.err", "chdir");
    assert!(text.contains("supervisor: couldn't chdir to /no/such/dir: ENOENT\n"), "{text:?}");
    assert!(text.contains("supervisor: child process was not spawned\n"), "{text:?}");
    ours.starts("good");
    ours.stop();
}

/// exec itself fails: there, executable, but no program of this machine.
#[test]
fn garbage_is_not_run_by_a_shell() {
    let sandbox = Sandbox::new("sv-garbage");
    let path = sandbox.shell("garbage", "");
    fs::write(&path, "touch %(here)s/was-run\n").unwrap();
    let keys = "startsecs=1\nstartretries=0";
    let command = path.display().to_string();
    let mut ours = Config::new(&sandbox).program("p", &command, keys).spawn();
    ours.wait_line("gave up: p entered FATAL state");
    let text = sandbox.wait_text("p.err", "exec");
    let wanted = format!("supervisor: couldn't exec {command}: ENOEXEC\n");
    assert!(text.contains(&wanted), "{text:?}");
    assert!(!sandbox.exists("was-run"));
    ours.stop();
}

#[test]
fn nice_limits_and_privileges_of_ours() {
    let sandbox = Sandbox::new("sv-extra");
    let keys = "nice=5\nrlimit_nofile=123:456\nrlimit_core=0\noom_score_adjust=500\n\
                no_new_privileges=true";
    let mut ours = Config::new(&sandbox).idle("p", keys).idle("plain", "").spawn();
    let (pid, plain) = (ours.spawned("p"), ours.spawned("plain"));
    executes(pid, "sleep");
    executes(plain, "sleep");
    let usual: i32 = stat_field(ours.pid(), 19).unwrap().parse().unwrap();
    assert_eq!(stat_field(pid, 19), Some((usual + 5).to_string()));
    assert_eq!(stat_field(plain, 19), Some(usual.to_string()));
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = |name: &str| -> Vec<String> {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(line("Max open files")[..2], ["123", "456"], "{limits}");
    assert_eq!(line("Max core file size")[..2], ["0", "0"], "{limits}");
    let score = |pid: i32| fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
    assert_eq!(score(pid), "500\n");
    assert_ne!(score(plain), "500\n");
    assert_eq!(status_field(pid, "NoNewPrivs"), "1");
    assert_eq!(status_field(plain, "NoNewPrivs"), "0");
    ours.stop();
}

/// Read at each start: a secret that is changed counts from the next one.
#[test]
fn environment_file_is_read_at_each_start() {
    let sandbox = Sandbox::new("sv-envfile");
    let secret = |value: &str| {
        let path =
            sandbox.write("secret", format!("# comment\nTOKEN={value}\nexport OTHER='a b'\n"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(path, mode).unwrap();
    };
    secret("one");
    let keys = "environment_file=%(here)s/secret\nenvironment=TOKEN=\"file of less weight\"\n\
                autorestart=true\nstartsecs=1";
    let config = Config::new(&sandbox).puppet("p", "env TOKEN\nenv OTHER\nsay up", keys);
    let mut ours = config.spawn();
    let pid = ours.starts("p");
    let text = sandbox.wait_text("p.out", "up\n");
    assert!(text.contains("OTHER=a b\n"), "{text}");
    let first = text.lines().next().unwrap().to_owned();
    assert!(["TOKEN=one", "TOKEN=file of less weight"].contains(&first.as_str()), "{text}");
    secret("two");
    crate::sandbox::kill(pid, sigpolicy::Signal::KILL);
    ours.starts("p");
    if first == "TOKEN=one" {
        sandbox.wait_text("p.out", "TOKEN=two\n");
    }
    ours.stop();
}

#[test]
fn environment_file_that_is_missing_is_fatal_unless_it_may_be() {
    let sandbox = Sandbox::new("sv-noenvfile");
    let config = Config::new(&sandbox)
        .idle("must", "environment_file=%(here)s/nosuch\nstartretries=0\nstartsecs=1")
        .idle("may", "environment_file=-%(here)s/nosuch");
    let mut ours = config.spawn();
    ours.wait_line("gave up: must entered FATAL state");
    ours.starts("may");
    let log = ours.lines().join("\n");
    assert!(log.contains("nosuch"), "the file is named\n{log}");
    ours.stop();
}
