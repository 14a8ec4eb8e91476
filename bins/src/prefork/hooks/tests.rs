use std::fs;
use std::path::PathBuf;

use super::*;

fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("superdaemon-hooks-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn base(dir: &std::path::Path) -> Vec<(OsString, OsString)> {
    let mut base: Vec<(OsString, OsString)> =
        vec![("PATH".into(), "/usr/bin:/bin".into()), ("DIR".into(), dir.into())];
    for name in NOT_PASSED.iter().chain(&["EINHORN_FD_0", "PREFORK_SLOT", "PREFORK_OF_OUTER"]) {
        base.push((name.into(), "stale".into()));
    }
    base
}

#[test]
fn a_command_learns_the_facts() {
    let dir = scratch("facts");
    let pid = Pid::from_raw(77).unwrap();
    let facts = Facts::of("on-reap")
        .slot(2, 5)
        .worker(9, pid)
        .exit(Exit::from_raw(0x300))
        .requests(Some(41))
        .text(Some(b"GET /\x1b[2J\n"));
    let command = "env > $DIR/env; ls -l /proc/self/fd > $DIR/fds; read x || echo eof > $DIR/in; \
                   cut -d' ' -f1,5 /proc/self/stat > $DIR/group; echo $$ > $DIR/pid";
    let mut child = Hook::command(command.as_ref(), facts.into_vec(), &base(&dir)).unwrap();
    let pid_of_shell = child.pid().to_string();
    assert!(child.wait().unwrap().success());
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    let env = read("env");
    let own = format!("PREFORK_MANAGER_PID={}", Pid::own());
    let wanted = [
        "PREFORK_HOOK=on-reap",
        &own,
        "PREFORK_SLOT=2",
        "PREFORK_GENERATION=5",
        "PREFORK_WORKER=9",
        "PREFORK_PID=77",
        "PREFORK_STATUS=768",
        "PREFORK_EXIT_CODE=3",
        "PREFORK_EXIT_SIGNAL=",
        "PREFORK_REQUESTS=41",
        "PREFORK_TEXT=GET /\\u{1b}[2J\\n",
    ];
    for line in wanted {
        assert!(env.lines().any(|found| found == line), "{line} is not in\n{env}");
    }
    assert!(!env.contains("stale"), "{env}");
    assert_eq!(read("in"), "eof\n");
    // 0, 1, 2, and the directory that ls reads.
    assert_eq!(read("fds").matches(" -> ").count(), 4, "{}", read("fds"));
    assert!(read("group").trim_end().ends_with(&pid_of_shell), "leads its group");
    assert_eq!(read("pid").trim_end(), pid_of_shell);
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn facts_of_ends_and_clients() {
    let of = |facts: Facts| facts.into_vec().into_iter().skip(2).collect::<Vec<_>>();
    let text = |name, value: &str| (name, value.to_owned());
    let killed = of(Facts::of("x").exit(Exit::from_raw(9)).requests(None).text(None));
    let wanted =
        [("PREFORK_STATUS", "9"), ("PREFORK_EXIT_CODE", ""), ("PREFORK_EXIT_SIGNAL", "KILL")];
    assert_eq!(killed, wanted.map(|(name, value)| text(name, value)));
    let gone = Gone {
        id: 4,
        pid: Pid::from_raw(12).unwrap(),
        proto: "tcp",
        local: "127.0.0.1:80".into(),
        peer: "127.0.0.1:999".into(),
        half: true,
    };
    let wanted = [
        ("PREFORK_WORKER", "4"),
        ("PREFORK_PID", "12"),
        ("PREFORK_PROTO", "tcp"),
        ("PREFORK_LOCAL", "127.0.0.1:80"),
        ("PREFORK_PEER", "127.0.0.1:999"),
    ];
    assert_eq!(of(Facts::of("x").gone(&gone)), wanted.map(|(name, value)| text(name, value)));
}

#[test]
fn failures_are_told() {
    let run = |command: &str| {
        let facts = Facts::of("after-init").into_vec();
        run_and_wait("after-init", command.as_ref(), facts, &[])
            .map_err(|e| (e.to_string(), e.code()))
    };
    assert_eq!(run("true"), Ok(()));
    assert_eq!(run("test \"$PREFORK_HOOK\" = after-init"), Ok(()));
    let fail = |text: &str, code| Err((format!("the command of --after-init {text}"), code));
    assert_eq!(run("exit 3"), fail("failed with exit code 3: exit 3", 3));
    assert_eq!(run("no-such-program 2>/dev/null"), {
        fail("failed with exit code 127: no-such-program 2>/dev/null", 127)
    });
    assert_eq!(run("kill -9 $$"), fail("failed, killed by SIGKILL: kill -9 $$", 255));
    let (text, _) = run("a\0b").unwrap_err();
    assert!(text.starts_with("the command of --after-init cannot be started"), "{text}");
}

#[test]
fn a_command_that_hangs_is_killed_with_all_it_started() {
    let dir = scratch("hang");
    let fifo = dir.join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Open for both at once, so that neither side waits for the other.
    let held = OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let command = "sleep 1000 <$DIR/fifo >$DIR/fifo & wait";
    let limit = Duration::from_millis(200);
    let begun = Instant::now();
    let failed = run_within(limit, "x", command.as_ref(), vec![], &base(&dir)).unwrap_err();
    assert!(failed.to_string().contains("took longer than 0 seconds"), "{failed}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    // Without a writer left the reader sees the end.
    let mut reader =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&fifo).unwrap();
    drop(held);
    let mut ends = [PollFd::new(&reader, PollFlags::IN)];
    poll(&mut ends, Some(&Timespec { tv_sec: 5, tv_nsec: 0 })).unwrap();
    assert_eq!(std::io::Read::read(&mut reader, &mut [0; 8]).unwrap(), 0, "nobody holds the FIFO");
    fs::remove_dir_all(&dir).unwrap();
}

use std::os::unix::fs::OpenOptionsExt;
