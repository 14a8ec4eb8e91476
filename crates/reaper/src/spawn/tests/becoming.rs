//! What the child has become when the program starts.

use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::*;
use crate::{Credentials, Limit, Resource};

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Fields of `/proc/self/stat`, counted as in `proc(5)`.
fn stat(tactic: Tactic, setup: Setup<'_>) -> impl Fn(usize) -> i64 {
    let (text, _) = output(tactic, &image("/bin/cat", &["/proc/self/stat"]), setup);
    let pid = text.split(' ').next().unwrap().to_owned();
    let rest = text.rsplit_once(") ").unwrap().1.to_owned();
    move |number| match number {
        PID => pid.parse().unwrap(),
        _ => rest.split(' ').nth(number - 3).unwrap().parse().unwrap(),
    }
}

const PID: usize = 1;
const PGRP: usize = 5;
const SESSION: usize = 6;
const NICE: usize = 19;

#[test]
fn session_and_group() {
    // SAFETY: no memory is involved. (Each can be 0: one made outside of this pid namespace.)
    let (group, session) = unsafe { (i64::from(libc::getpgrp()), i64::from(libc::getsid(0))) };
    for tactic in TACTICS {
        let plain = stat(tactic, Setup::new());
        assert_eq!((plain(PGRP), plain(SESSION)), (group, session));
        let grouped = stat(tactic, Setup::new().process_group());
        assert_eq!((grouped(PGRP), grouped(SESSION)), (grouped(PID), session));
        let leader = stat(tactic, Setup::new().session());
        assert_eq!((leader(PGRP), leader(SESSION)), (leader(PID), leader(PID)));
    }
}

#[test]
fn nice_and_umask() {
    for tactic in TACTICS {
        assert_eq!(stat(tactic, Setup::new().nice(5))(NICE), 5);
        let status = status(tactic, Setup::new().umask(0o027));
        assert_eq!(status_field(&status, "Umask"), "0027");
    }
}

#[test]
fn limits() {
    let limit = |soft, hard| Limit { soft: Some(soft), hard: Some(hard) };
    for tactic in TACTICS {
        let setup = Setup::new()
            .rlimit(Resource::Core, limit(0, 4096))
            .rlimit(Resource::FileSize, limit(1 << 40, 1 << 41))
            .restore_nofile(limit(17, 18));
        let (text, _) = output(tactic, &image("/bin/cat", &["/proc/self/limits"]), setup);
        let values = |name: &str| -> Vec<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().take(2).map(|value| value.parse().unwrap()).collect()
        };
        assert_eq!(values("Max core file size"), [0, 4096]);
        assert_eq!(values("Max file size"), [1 << 40, 1 << 41]);
        assert_eq!(values("Max open files"), [17, 18]);
    }
}

#[test]
fn the_limit_of_open_files_counts_after_the_map() {
    let null = fs::File::open("/dev/null").unwrap();
    for tactic in TACTICS {
        let mut plan = FdPlan::new();
        plan.pass(null.as_fd(), 100).unwrap();
        let setup = Setup::new().restore_nofile(Limit { soft: Some(20), hard: Some(20) });
        let (text, _) =
            output_with(tactic, &script("readlink /proc/$$/fd/100; ulimit -n"), setup, plan);
        assert_eq!(text, "/dev/null\n20\n");
    }
}

#[test]
fn directory_and_root() {
    let dir = Dir::new();
    for tactic in TACTICS {
        let (text, _) =
            output(tactic, &image("/bin/pwd", &["-P"]), Setup::new().dir(&dir.0).unwrap());
        assert_eq!(Path::new(text.trim_end()), dir.0);
        if !is_root() {
            continue;
        }
        // The new root is the old one under another name, so that /bin exists.
        let setup = Setup::new().chroot(Path::new("/proc/self/root/")).unwrap();
        let (text, _) = output(tactic, &image("/bin/pwd", &["-P"]), setup);
        assert_eq!(text, "/\n");
    }
}

#[test]
fn credentials() {
    if !is_root() {
        return;
    }
    let before = dumpable_behavior().unwrap();
    let wanted = Credentials::from_ids(54321, 54322);
    for tactic in TACTICS {
        let status = status(tactic, Setup::new().credentials(wanted.clone()));
        assert_eq!(status_field(&status, "Uid"), ["54321"; 4].join("\t"));
        assert_eq!(status_field(&status, "Gid"), ["54322"; 4].join("\t"));
        assert_eq!(status_field(&status, "Groups"), "54322");
        assert_eq!(u64::from_str_radix(status_field(&status, "CapEff"), 16), Ok(0));
    }
    assert_eq!(dumpable_behavior().unwrap(), before);
}

/// A process of its own, as other tests clear the flag for moments, too.
#[test]
fn the_manager_stays_dumpable() {
    isolated(module_path!(), "the_manager_stays_dumpable", || {
        if !is_root() {
            return;
        }
        let before = dumpable_behavior().unwrap();
        for tactic in TACTICS {
            for program in ["/bin/true", "/no/such"] {
                let setup = Setup::new().credentials(Credentials::from_ids(54321, 54322));
                let outcome = spawn_by(tactic, &image(program, &[]), &setup);
                assert_eq!(dumpable_behavior().unwrap(), before, "{program} by {tactic:?}");
                assert_eq!(outcome.is_ok(), program == "/bin/true");
            }
        }
    });
}

#[test]
fn the_directory_is_entered_as_the_new_user() {
    if !is_root() {
        return;
    }
    let dir = Dir::new();
    fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o700)).unwrap();
    for tactic in TACTICS {
        let setup =
            Setup::new().credentials(Credentials::from_ids(54321, 54322)).dir(&dir.0).unwrap();
        let error = spawn_by(tactic, &script("exit 0"), &setup).unwrap_err();
        assert_eq!((error.stage(), error.errno()), (Stage::Chdir, libc::EACCES));
    }
}

/// A manager without privileges that names its own user does not fail over
/// groups it has already.
#[test]
fn unprivileged_to_oneself() {
    isolated(module_path!(), "unprivileged_to_oneself", || {
        if !is_root() {
            return;
        }
        let (uid, gid) = (54321, 54322);
        // SAFETY: integers and one id to read.
        unsafe {
            assert_eq!(libc::setgroups(1, &gid), 0);
            assert_eq!(libc::setresgid(gid, gid, gid), 0);
            assert_eq!(libc::setresuid(uid, uid, uid), 0);
        }
        for tactic in TACTICS {
            let own = Setup::new().credentials(Credentials::from_ids(uid, gid));
            assert!(status_field(&status(tactic, own), "Uid").starts_with("54321"));
            let other = Setup::new().credentials(Credentials::from_ids(uid, 0));
            let error = spawn_by(tactic, &script("exit 0"), &other).unwrap_err();
            assert_eq!((error.stage(), error.errno()), (Stage::Credentials, libc::EPERM));
        }
    });
}

#[test]
fn no_new_privileges() {
    for tactic in TACTICS {
        assert_eq!(status_field(&status(tactic, Setup::new()), "NoNewPrivs"), "0");
        assert_eq!(status_field(&status(tactic, Setup::new().no_new_privs()), "NoNewPrivs"), "1");
    }
}

/// The only holders of the pipe are the manager and its children, which sleep
/// for much longer than the deadline: the end of file says that they died with it.
#[test]
fn children_die_with_their_parent() {
    const NAME: &str = "children_die_with_their_parent";
    const PIPE: i32 = 9;

    if std::env::var_os(ISOLATED).is_some() {
        for tactic in TACTICS {
            let mut setup = Setup::new().keep_open(&[PIPE]).death_signal(sigpolicy::Signal::KILL);
            if is_root() {
                // The change of user would clear a signal set before it.
                setup = setup.credentials(Credentials::from_ids(54321, 54322));
            }
            spawn_by(tactic, &image("/bin/sleep", &["60"]), &setup).unwrap();
        }
        end_isolated();
    }
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let mut plan = FdPlan::new();
    plan.pass(writer.as_fd(), PIPE).unwrap();
    let begin = Instant::now();
    let mut manager = spawn_isolated(module_path!(), NAME, Setup::new().fds(plan));
    drop(writer);
    assert_eq!(manager.wait().unwrap().code(), Some(PASSED));
    assert_eq!(io::read_to_string(fs::File::from(reader)).unwrap(), "");
    assert!(begin.elapsed() < Duration::from_secs(50));
}
