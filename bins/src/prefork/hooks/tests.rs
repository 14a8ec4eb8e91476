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
    let mut child = Hook::command(command.as_ref(), facts.into_vec(), &base(&dir), None).unwrap();
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
    let mut gone = Gone {
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
        ("PREFORK_HALF", "1"),
    ];
    assert_eq!(of(Facts::of("x").gone(&gone)), wanted.map(|(name, value)| text(name, value)));
    gone.half = false;
    assert_eq!(of(Facts::of("x").gone(&gone)).last(), Some(&text("PREFORK_HALF", "0")));
}

#[test]
fn failures_are_told() {
    let run = |command: &str| {
        let facts = Facts::of("after-init").into_vec();
        run_and_wait("after-init", command.as_ref(), facts, &[], None)
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
    let fifo = Fifo::new(&dir);
    let command = "sleep 1000 <$DIR/fifo >$DIR/fifo & wait";
    let limit = Duration::from_millis(200);
    let begun = Instant::now();
    let failed = run_within(limit, "x", command.as_ref(), vec![], &base(&dir), None).unwrap_err();
    assert!(failed.to_string().contains("took longer than 0 seconds"), "{failed}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    fifo.wait_until_nobody_holds_it();
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_command_gets_the_limit_of_open_files() {
    let dir = scratch("limit");
    let hard = Limit::of(reaper::Resource::OpenFiles).hard;
    let limit = Some(Limit { soft: Some(77), hard });
    let command = "ulimit -Sn > $DIR/limit";
    assert!(
        Hook::command(command.as_ref(), vec![], &base(&dir), limit)
            .unwrap()
            .wait()
            .unwrap()
            .success()
    );
    assert_eq!(fs::read_to_string(dir.join("limit")).unwrap(), "77\n");
    fs::remove_dir_all(&dir).unwrap();
}

/// Runs a command that says `x` in its FIFO when it is ready to be stopped, and stops it then.
fn stopped(dir: &std::path::Path, command: &str) -> (String, u8, Duration) {
    let fifo = Fifo::new(dir);
    let begun = Instant::now();
    let stop = Some(fifo.held.as_fd());
    let failed =
        run_within(LONGEST, "after-init", command.as_ref(), vec![], &base(dir), stop).unwrap_err();
    let took = begun.elapsed();
    fifo.wait_until_nobody_holds_it();
    (failed.to_string(), failed.code(), took)
}

#[test]
fn a_signal_to_the_manager_stops_the_command() {
    let dir = scratch("stop");
    // The shell ends at once, what it runs takes its time, and may.
    let command = "trap 'echo shell > $DIR/shell; exit' TERM; \
                   sh -c 'trap \"sleep 0.2; echo inner > $DIR/inner; exit\" TERM; sleep 1000 & \
                   echo x >&3; wait' 3>$DIR/fifo & wait";
    let (text, code, took) = stopped(&dir, command);
    assert_eq!((&*text, code), ("stopped by a signal during --after-init", 1));
    assert!(took < GRACE * 5, "{took:?}");
    for name in ["shell", "inner"] {
        assert_eq!(fs::read_to_string(dir.join(name)).unwrap(), format!("{name}\n"));
    }
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_command_that_ignores_term_is_killed() {
    let dir = scratch("ignores");
    let command = "exec 3>$DIR/fifo; trap '' TERM; echo x >&3; sleep 1000";
    let (text, _, took) = stopped(&dir, command);
    assert_eq!(text, "stopped by a signal during --after-init");
    assert!(took >= GRACE && took < GRACE * 5, "{took:?}");
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_descriptor_that_never_tells_does_no_harm() {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    drop(writer);
    let run = |command: &str| {
        run_and_wait("x", command.as_ref(), vec![], &base("/".as_ref()), Some(reader.as_fd()))
    };
    assert_eq!(run("sleep 0.05").map_err(|error| error.to_string()), Ok(()));
}

/// Tells who holds it.
struct Fifo {
    path: PathBuf,
    held: fs::File,
}

impl Fifo {
    fn new(dir: &std::path::Path) -> Self {
        let path = dir.join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        // Open for both at once, so that neither side waits for the other.
        let held = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        Self { path, held }
    }

    /// Without a writer left the reader sees the end.
    fn wait_until_nobody_holds_it(self) {
        let mut reader =
            OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&self.path).unwrap();
        drop(self.held);
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let mut ends = [PollFd::new(&reader, PollFlags::IN)];
            poll(&mut ends, Some(&Timespec { tv_sec: 5, tv_nsec: 0 })).unwrap();
            match std::io::Read::read(&mut reader, &mut [0; 8]) {
                Ok(0) => return,
                _ => assert!(Instant::now() < deadline, "somebody holds the FIFO"),
            }
        }
    }
}

use std::os::unix::fs::OpenOptionsExt;
