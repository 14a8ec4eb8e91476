//! Too many descriptors, too few, and system calls that are forbidden.

use std::os::fd::AsFd;

use rustix::process::{self as sys, Resource as SysResource, Rlimit};
use sigpolicy::Signal;

use super::fds::listing;
use super::*;
use crate::{Limit, Resource};

fn null() -> io::Result<fs::File> {
    fs::File::open("/dev/null")
}

#[test]
fn ten_thousand_descriptors() {
    isolated(module_path!(), "ten_thousand_descriptors", || {
        Limit::raise_open_files().unwrap();
        let room = Limit::of(Resource::OpenFiles).soft.unwrap_or(u64::MAX);
        let count = room.saturating_sub(100).min(10_000) as usize;
        let mut files: Vec<fs::File> = (0..count).map(|_| null().unwrap()).collect();
        let highest = files.pop().unwrap();
        let hole = files.swap_remove(count / 2);
        let number = hole.as_raw_fd();
        drop(hole);

        let mut first = spawn(&script("exit 0"), &Setup::new()).unwrap();
        // The pidfd fills the hole, below the number that the others keep.
        assert_eq!(first.pidfd().unwrap().as_raw_fd(), number);
        assert_eq!(LAST_PIDFD.load(Ordering::Relaxed), number);
        first.wait().unwrap();
        for tactic in TACTICS {
            let mut plan = FdPlan::new();
            plan.pass(highest.as_fd(), 5).unwrap();
            let setup = Setup::new().keep_open(&[highest.as_raw_fd()]);
            let numbers: Vec<i32> = listing(tactic, setup, plan).into_keys().collect();
            assert_eq!(numbers, [5, highest.as_raw_fd()], "{tactic:?}");
            assert!(listing(tactic, Setup::new(), FdPlan::new()).is_empty(), "{tactic:?}");
        }
    });
}

/// Uses up all descriptors below a low limit.
fn exhaust() -> Vec<fs::File> {
    let before = sys::getrlimit(SysResource::Nofile);
    let low = Rlimit { current: Some(64), maximum: before.maximum };
    sys::setrlimit(SysResource::Nofile, low).unwrap();
    std::iter::from_fn(|| null().ok()).collect()
}

#[test]
fn without_a_descriptor_to_spare() {
    isolated(module_path!(), "without_a_descriptor_to_spare", || {
        let files = exhaust();
        assert!(files.len() < 64);
        for table in [false, true] {
            let tactic = Tactic::Share { table };
            let mut child = spawn_by(tactic, &image("/bin/sleep", &["60"]), &Setup::new()).unwrap();
            assert!(child.pidfd().is_none() && child.pidfd_inode().is_none());
            assert_eq!(child.try_wait().unwrap(), None);
            child.signal(Signal::TERM).unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(Signal::TERM));
            assert_eq!(child.try_wait().unwrap().unwrap().raw(), 15);
            let gone = child.signal(Signal::TERM).unwrap_err();
            assert_eq!(gone.raw_os_error(), Some(libc::ESRCH));
            // A failure is still told apart, and its child reaped.
            let error = spawn_by(tactic, &image("/no/such", &[]), &Setup::new()).unwrap_err();
            assert_eq!((error.stage(), error.errno()), (Stage::Exec, libc::ENOENT));
            assert!(is_reaped(error.pid().unwrap()));
        }
        // The report of a copied child needs a pipe.
        let error = spawn_by(Tactic::Fork, &script("exit 0"), &Setup::new()).unwrap_err();
        assert_eq!((error.stage(), error.errno()), (Stage::Clone, libc::EMFILE));
        assert_eq!(error.pid(), None);
    });
}

/// The report pipe keeps out of the way of the numbers that the child fills.
#[test]
fn the_pipe_avoids_the_targets() {
    isolated(module_path!(), "the_pipe_avoids_the_targets", || {
        let file = null().unwrap();
        let mut plan = FdPlan::new();
        for at in 3..40 {
            plan.pass(file.as_fd(), at).unwrap();
        }
        let setup = Setup::new().fds(plan);
        let error = spawn_by(Tactic::Fork, &image("/no/such", &[]), &setup).unwrap_err();
        assert_eq!((error.stage(), error.errno()), (Stage::Exec, libc::ENOENT));
        let mut child = spawn_by(Tactic::Fork, &script("test -e /proc/$$/fd/39"), &setup).unwrap();
        assert!(child.wait().unwrap().success());
    });
}

/// Lets one system call fail, if the low half of its first argument has one of
/// the given bits. False where seccomp itself is not to be had.
fn forbid(call: libc::c_long, bits: libc::c_int, errno: libc::c_int) -> bool {
    let [load, jump_if_equal, jump_if_bits, answer]: [u32; 4] = [
        libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
        libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
        libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K,
        libc::BPF_RET | libc::BPF_K,
    ];
    let line = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let first_argument = if cfg!(target_endian = "big") { 20 } else { 16 };
    let mut lines = [
        line(load, 0, 0, 0),
        line(jump_if_equal, 0, 3, call as u32),
        line(load, 0, 0, first_argument),
        line(jump_if_bits, 0, 1, bits as u32),
        line(answer, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        line(answer, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: lines.len() as u16, filter: lines.as_mut_ptr() };
    // SAFETY: the program and its lines live through the call.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    }
}

#[test]
fn a_forbidden_vfork_becomes_a_fork() {
    isolated(module_path!(), "a_forbidden_vfork_becomes_a_fork", || {
        for errno in [libc::ENOSYS, libc::EPERM] {
            if !forbid(libc::SYS_clone, libc::CLONE_VFORK, errno) {
                return;
            }
            for tactic in TACTICS {
                let mut child = spawn_by(tactic, &script("exit 4"), &Setup::new()).unwrap();
                assert!(child.pidfd().is_some());
                assert_eq!(child.wait().unwrap().code(), Some(4));
                let error = spawn_by(tactic, &image("/no/such", &[]), &Setup::new()).unwrap_err();
                assert_eq!(error.stage(), Stage::Exec);
            }
        }
    });
}

#[test]
fn an_unknown_pidfd_flag_costs_only_the_pidfd() {
    isolated(module_path!(), "an_unknown_pidfd_flag_costs_only_the_pidfd", || {
        if !forbid(libc::SYS_clone, libc::CLONE_PIDFD, libc::EINVAL) {
            return;
        }
        let tactic = Tactic::Share { table: true };
        let mut child = spawn_by(tactic, &script("exit 4"), &Setup::new()).unwrap();
        assert!(child.pidfd().is_none());
        assert_eq!(child.wait().unwrap().code(), Some(4));
    });
}

#[test]
fn without_close_range() {
    isolated(module_path!(), "without_close_range", || {
        // The first argument is never without bits.
        if !forbid(libc::SYS_close_range, -1, libc::ENOSYS) {
            return;
        }
        let file = null().unwrap();
        for tactic in TACTICS {
            let mut plan = FdPlan::new();
            plan.pass(file.as_fd(), 7).unwrap();
            let found = listing(tactic, Setup::new(), plan);
            // What this process itself inherited passes; its own descriptors do not.
            assert_eq!(found.get(&7).map(String::as_str), Some("/dev/null"), "{tactic:?}");
            assert!(!found.contains_key(&file.as_raw_fd()), "{tactic:?}");
        }
    });
}

#[test]
fn no_more_processes() {
    isolated(module_path!(), "no_more_processes", || {
        if !forbid(libc::SYS_clone, -1, libc::EAGAIN) {
            return;
        }
        for tactic in TACTICS {
            let error = spawn_by(tactic, &script("exit 0"), &Setup::new()).unwrap_err();
            assert_eq!((error.stage(), error.errno()), (Stage::Clone, libc::EAGAIN));
            assert_eq!(error.pid(), None);
            assert!(error.to_string().starts_with("failed to make a process for /bin/sh: "));
        }
    });
}
