//! Real workers. They are forked by a process of one thread: this test binary again, told to run one
//! test, forked there.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::process::{Pid as SysPid, PidfdFlags, WaitOptions, getpgrp, pidfd_open, waitpid};
use sigpolicy::{Disposition, Policy, Signal, SignalSet, action};

use super::*;
use crate::{Limit, Resource, spawn};

const ALONE: &str = "REAPER_TEST_ALONE";

/// The exit code says that the body has run, which code 0 would not.
const PASSED: u8 = 42;

/// Runs the body in a process of one thread.
fn alone(test: &str, body: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        // SAFETY: the copy has one thread; the other one of the original only waits for this test, so
        // that it holds no lock.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let passed = catch_unwind(AssertUnwindSafe(body)).is_ok();
            child::leave(if passed { PASSED } else { 101 });
        }
        let code = outcome(Pid::from_raw(pid).unwrap(), nothing()).unwrap().wait().unwrap().code();
        child::leave(u8::try_from(code.unwrap()).unwrap());
    }
    let program = std::env::current_exe().unwrap();
    let path = module_path!().split_once("::").unwrap().1;
    let args = [&format!("{path}::{test}"), "--exact", "--nocapture"];
    let env = std::env::vars_os().chain([(ALONE.into(), "1".into())]);
    let image = Image::new(program.as_os_str(), args.map(OsString::from), env).unwrap();
    let mut child = spawn(&image, &Setup::new().session()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(PASSED.into()));
}

fn nothing() -> OwnedFd {
    fs::File::open("/dev/null").unwrap().into()
}

/// What the worker writes into a pipe, and how it ends.
fn told(setup: &Setup<'_>, body: impl FnOnce(&mut fs::File)) -> (String, crate::Exit) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let mut writer = fs::File::from(writer);
    let mut child = fork_worker(setup, || {
        body(&mut writer);
        0
    })
    .unwrap();
    drop(writer);
    let text = io::read_to_string(fs::File::from(reader)).unwrap();
    (text, child.wait().unwrap())
}

fn field(status: &str, name: &str) -> String {
    let line = status.lines().find(|line| line.split(':').next() == Some(name)).unwrap();
    line.split_once(':').unwrap().1.trim().to_owned()
}

#[test]
fn it_is_a_process_of_its_own_with_its_own_code() {
    alone("it_is_a_process_of_its_own_with_its_own_code", || {
        let manager = Pid::own();
        for code in [0, 1, 7, 255] {
            let mut child = fork_worker(&Setup::new(), || code).unwrap();
            assert!(child.pidfd().is_some());
            assert_ne!(child.pid(), manager);
            assert_eq!(child.wait().unwrap().code(), Some(i32::from(code)));
        }
        let (text, exit) = told(&Setup::new(), |to| {
            write!(to, "{} {:?}", Pid::own(), getppid().map(|pid| pid.as_raw_nonzero())).unwrap();
        });
        assert!(exit.success());
        let (own, parent) = text.split_once(' ').unwrap();
        assert_ne!(own, manager.to_string());
        assert_eq!(parent, format!("Some({manager})"));
    });
}

#[test]
fn signals_are_clean() {
    alone("signals_are_clean", || {
        let _signals = Policy::new().catch(&[Signal::HUP, Signal::TERM]).install().unwrap();
        action::set_ignored(Signal::USR2).unwrap();
        mask::set(SignalSet::new().with(Signal::USR1));
        let (text, _) = told(&Setup::new(), |to| {
            to.write_all(&fs::read("/proc/self/status").unwrap()).unwrap();
        });
        for name in ["SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"] {
            assert_eq!(field(&text, name), "0000000000000000", "{name}");
        }
        let asked = Setup::new()
            .ignored(SignalSet::new().with(Signal::PIPE))
            .mask(SignalSet::new().with(Signal::TERM));
        let (text, _) = told(&asked, |to| {
            to.write_all(&fs::read("/proc/self/status").unwrap()).unwrap();
        });
        assert_eq!(field(&text, "SigIgn"), "0000000000001000");
        assert_eq!(field(&text, "SigBlk"), "0000000000004000");
        let before = SignalSet::new().with(Signal::USR1);
        assert_eq!(mask::current(), before, "the manager's mask is as it was");
        // A worker can catch signals again that the manager catches.
        let (text, _) = told(&Setup::new(), |to| {
            let mut signals = Policy::new().catch(&[Signal::TERM]).install().unwrap();
            // SAFETY: no memory is involved, and the signal is caught.
            unsafe { libc::raise(Signal::TERM.as_raw()) };
            let mut arrived = Vec::new();
            signals.drain(&mut arrived);
            write!(to, "{arrived:?} {:?}", action::disposition(Signal::HUP).unwrap()).unwrap();
        });
        assert_eq!(text, format!("{:?} {:?}", [Signal::TERM], Disposition::Default));
    });
}

#[test]
fn a_signal_at_birth_runs_no_handler() {
    alone("a_signal_at_birth_runs_no_handler", || {
        let mut signals = Policy::new().catch(&[Signal::TERM]).install().unwrap();
        for _ in 0..50 {
            let mut child = fork_worker(&Setup::new(), || {
                loop {
                    rustix::thread::sched_yield();
                }
            })
            .unwrap();
            child.signal(Signal::TERM).unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(Signal::TERM));
        }
        let mut arrived = Vec::new();
        signals.drain(&mut arrived);
        assert_eq!(arrived, []);
    });
}

#[test]
fn what_the_setup_says() {
    alone("what_the_setup_says", || {
        let limit = Limit { soft: Some(50), hard: Some(60) };
        let setup = Setup::new()
            .process_group()
            .umask(0o027)
            .nice(3)
            .rlimit(Resource::OpenFiles, limit)
            .no_new_privs()
            .dir(Path::new("/proc"))
            .unwrap();
        let (text, _) = told(&setup, |to| {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let dir = std::env::current_dir().unwrap();
            let stat = fs::read_to_string("/proc/self/stat").unwrap();
            let nice = stat.rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap().to_owned();
            write!(
                to,
                "{} {} {} {} {:?} {}",
                getpgrp() == getpid(),
                field(&status, "Umask"),
                field(&status, "NoNewPrivs"),
                dir.display(),
                Limit::of(Resource::OpenFiles).soft,
                nice
            )
            .unwrap();
        });
        assert_eq!(text, "true 0027 1 /proc Some(50) 3");
    });
}

#[test]
fn descriptors_stay_unless_only_some_are_kept() {
    alone("descriptors_stay_unless_only_some_are_kept", || {
        let (kept, other) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let (kept, other) = (kept.as_raw_fd(), other.as_raw_fd());
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let numbers = [kept, 1, writer.as_raw_fd(), -1, kept];
        for (setup, expected) in
            [(Setup::new(), [true; 3]), (Setup::new().fork_keeps(&numbers), [true, false, true])]
        {
            let mut child = fork_worker(&setup, || {
                let open = |fd| Path::new(&format!("/proc/self/fd/{fd}")).exists();
                u8::from([open(kept), open(other), open(2)] == expected)
            })
            .unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(1), "{expected:?}");
        }
        drop((reader, writer));
    });
}

#[test]
fn gaps_between_what_stays() {
    assert_eq!(gaps(&[], 3), [(4, u32::MAX)]);
    assert_eq!(gaps(&[-1, 0, 2, 9, 7, 7, 8], 5), [(3, 4), (6, 6), (10, u32::MAX)]);
}

#[test]
fn a_panic_ends_it_by_abort() {
    alone("a_panic_ends_it_by_abort", || {
        let setup = Setup::new().rlimit(Resource::Core, Limit { soft: Some(0), hard: Some(0) });
        let mut child = fork_worker(&setup, || panic!("meant to be")).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::ABRT));
    });
}

#[test]
fn failures_name_their_step_and_leave_nothing() {
    alone("failures_name_their_step_and_leave_nothing", || {
        let setup = Setup::new().dir(Path::new("/no/such")).unwrap();
        let error = fork_worker(&setup, || 0).unwrap_err();
        assert_eq!((error.stage(), error.errno()), (Stage::Chdir, libc::ENOENT));
        let text = "failed to change directory to /no/such: No such file or directory (os error 2)";
        assert_eq!(error.to_string(), text);
        let pid = error.pid().and_then(|pid| SysPid::from_raw(pid.as_raw()));
        assert!(pid.is_some());
        assert_eq!(waitpid(pid, WaitOptions::NOHANG).err(), Some(Errno::CHILD));
    });
}

#[test]
fn two_threads_are_refused() {
    alone("two_threads_are_refused", || {
        let (leave, left) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || left.recv().is_err());
        let error = fork_worker(&Setup::new(), || 0).unwrap_err();
        assert_eq!((error.stage(), error.pid()), (Stage::Threads, None));
        assert_eq!(settle(&Setup::new()).unwrap_err().stage(), Stage::Threads);
        // Without /proc the kernel is asked in another way.
        // SAFETY: no memory is involved; the flag changes nothing.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_THREAD) }, -1);
        drop(leave);
        assert!(thread.join().unwrap());
    });
}

/// A manager that is killed: its worker gets the signal, and the pipe that it holds ends.
#[test]
fn a_killed_manager_takes_the_worker_with_it() {
    alone("a_killed_manager_takes_the_worker_with_it", || {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut manager = fork_worker(&Setup::new(), || {
            let setup = Setup::new().process_group().death_signal(Signal::TERM);
            let worker = fork_worker(&setup, || {
                loop {
                    let _ = rustix::event::poll(&mut [], None);
                }
            });
            let pid = worker.map_or(0, |worker| worker.pid().as_raw());
            (&writer).write_all(&pid.to_ne_bytes()).unwrap();
            loop {
                let _ = rustix::event::poll(&mut [], None);
            }
        })
        .unwrap();
        drop(writer);
        let mut pid = [0; 4];
        reader.read_exact(&mut pid).unwrap();
        let pid = SysPid::from_raw(i32::from_ne_bytes(pid)).unwrap();
        let worker = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        manager.signal(Signal::KILL).unwrap();
        manager.wait().unwrap();
        let timeout = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
        let fd = worker.as_fd();
        let mut waiting =
            [rustix::event::PollFd::from_borrowed_fd(fd, rustix::event::PollFlags::IN)];
        assert_eq!(rustix::event::poll(&mut waiting, Some(&timeout)), Ok(1));
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "nobody holds the pipe any more");
    });
}

#[test]
fn settling_changes_this_process() {
    alone("settling_changes_this_process", || {
        let _signals = Policy::new().catch(&[Signal::TERM]).install().unwrap();
        let mask = SignalSet::new().with(Signal::HUP);
        // It leads a session already, which is no reason to fail.
        let setup = Setup::new().session().mask(mask).dir(Path::new("/")).unwrap();
        settle(&setup).unwrap();
        assert_eq!(std::env::current_dir().unwrap(), Path::new("/"));
        assert_eq!(mask::current(), mask);
        assert_eq!(action::disposition(Signal::TERM).unwrap(), Disposition::Default);
        let error = settle(&Setup::new().dir(Path::new("/no/such")).unwrap()).unwrap_err();
        assert_eq!((error.stage(), error.pid()), (Stage::Chdir, None));
    });
}

#[test]
fn replacing_keeps_the_pid() {
    alone("replacing_keeps_the_pid", || {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let script = ["-c", "echo $$ $P; exit 9"].map(OsString::from);
        let image = Image::new("/bin/sh".as_ref(), script, []).unwrap().env_own_pid("P");
        let mut child = fork_worker(&Setup::new(), || {
            let mut plan = fdpass::FdPlan::new();
            plan.pass(writer.as_fd(), 1).unwrap();
            let _error = replace(&image, &Setup::new().process_group().fds(plan));
            99
        })
        .unwrap();
        drop(writer);
        let text = io::read_to_string(fs::File::from(reader)).unwrap();
        assert_eq!(text, format!("{0} {0}\n", child.pid()));
        assert_eq!(child.wait().unwrap().code(), Some(9));
        let missing = Image::new("/no/such/program".as_ref(), [], []).unwrap();
        let error = replace(&missing, &Setup::new());
        assert_eq!((error.stage(), error.errno()), (Stage::Exec, libc::ENOENT));
        let setup = Setup::new().keep_open(&[987]);
        assert_eq!(replace(&missing, &setup).stage(), Stage::Fds);
    });
}

/// The first process of a pid namespace: its session and group are outside, and have the number 0.
#[test]
fn leaders_outside_are_not_oneself() {
    alone("leaders_outside_are_not_oneself", || {
        let setups = [(Setup::new().session(), [1, 1]), (Setup::new().process_group(), [1, 0])];
        for (setup, leaders) in setups {
            let mut outer = fork_worker(&Setup::new(), || {
                // SAFETY: no memory is involved, and there is one thread.
                if unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) } != 0 {
                    // Not allowed everywhere.
                    return 0;
                }
                let inner = fork_worker(&Setup::new(), || {
                    let settled = settle(&setup).is_ok();
                    // SAFETY: no memory is involved.
                    let found = unsafe { [libc::getpgid(0), libc::getsid(0)] };
                    u8::from(!settled || found != leaders)
                });
                let exit = inner.map(|mut inner| inner.wait());
                u8::from(!matches!(exit, Ok(Ok(exit)) if exit.success()))
            })
            .unwrap();
            assert!(outer.wait().unwrap().success(), "{leaders:?}");
        }
    });
}
