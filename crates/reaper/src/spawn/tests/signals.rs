//! Mask and dispositions of the program, and a storm while it starts.

use std::sync::atomic::AtomicBool;

use sigpolicy::{Signal, SignalSet};

use super::*;

fn field(status: &str, name: &str) -> u64 {
    u64::from_str_radix(status_field(status, name), 16).unwrap()
}

#[test]
fn nothing_is_inherited() {
    isolated(module_path!(), "nothing_is_inherited", || {
        // Rust's start-up ignores SIGPIPE already.
        sigpolicy::action::set_ignored(Signal::USR2).unwrap();
        let before = mask::current();
        let blocked = mask::block_all();
        let all = mask::current();
        for tactic in TACTICS {
            let status = status(tactic, Setup::new());
            for name in ["SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"] {
                assert_eq!(field(&status, name), 0, "{name} by {tactic:?}");
            }
            assert!(mask::current() == all);
        }
        drop(blocked);
        assert!(mask::current() == before);
    });
}

#[test]
fn what_is_asked_for() {
    let realtime = Signal::from_raw(64).unwrap();
    let mask = SignalSet::new().with(Signal::HUP).with(Signal::CHLD).with(realtime);
    let ignored = SignalSet::new().with(Signal::PIPE).with(Signal::from_raw(40).unwrap());
    for tactic in TACTICS {
        let status = status(tactic, Setup::new().mask(mask).ignored(ignored));
        assert_eq!(field(&status, "SigBlk"), mask.bits());
        assert_eq!(field(&status, "SigIgn"), ignored.bits());
    }
}

static HOME: AtomicI32 = AtomicI32::new(0);
static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn handler(_: c_int) {
    // SAFETY: getpid and _exit are async-signal-safe.
    unsafe {
        if libc::getpid() != HOME.load(Ordering::Relaxed) {
            libc::_exit(99);
        }
    }
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

/// Lets the storm end also when the test fails.
struct EndOfStorm<'a>(&'a AtomicBool);

impl Drop for EndOfStorm<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_storm_runs_no_handler_in_a_child() {
    isolated(module_path!(), "a_storm_runs_no_handler_in_a_child", || {
        HOME.store(Pid::own().as_raw(), Ordering::Relaxed);
        // SAFETY: the handler is async-signal-safe, the struct plain integers.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            assert_eq!(libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()), 0);
        }
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // SAFETY: no memory is involved; the group is this session's.
                    unsafe { libc::kill(0, libc::SIGUSR1) };
                }
            });
            let _end = EndOfStorm(&done);
            let mut ends = [0, 0];
            for tactic in TACTICS {
                for _ in 0..100 {
                    let mut child = spawn_by(tactic, &image("/bin/true", &[]), &Setup::new())
                        .expect("a signal is no failure");
                    match child.wait().unwrap().raw() {
                        0 => ends[0] += 1,
                        libc::SIGUSR1 => ends[1] += 1,
                        other => panic!("wait status {other:#x} by {tactic:?}"),
                    }
                }
            }
            assert!(ends[1] > 0, "the storm reached no child: {ends:?}");
        });
        assert!(HANDLED.load(Ordering::Relaxed) > 0);
    });
}
