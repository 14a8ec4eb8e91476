//! Real signals and blocking accepts. Each test has signals of its own.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicU64;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::Disposition;
use crate::caught::tests::{raise, send};

fn signal(number: i32) -> Signal {
    Signal::from_raw(number).unwrap()
}

/// accept(2) as C code calls it.
fn accept(fd: BorrowedFd<'_>) -> Result<OwnedFd, i32> {
    use std::os::fd::FromRawFd;
    let none = std::ptr::null_mut::<libc::sockaddr>;
    // SAFETY: no address is asked for, and a new descriptor belongs to nobody else.
    unsafe {
        match libc::accept4(fd.as_raw_fd(), none(), std::ptr::null_mut(), libc::SOCK_CLOEXEC) {
            -1 => Err(io::Error::last_os_error().raw_os_error().unwrap()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

fn flags(signal: Signal) -> Disposition {
    action::disposition(signal).unwrap()
}

#[test]
fn the_flags_follow_the_phase() {
    let signal = signal(50);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let mut gate = Gate::new(&[signal], vec![listener.into()]).unwrap();
    assert_eq!(flags(signal), Disposition::Handled { restarts: true });
    let waiting = gate.waiting().unwrap();
    assert_eq!(flags(signal), Disposition::Handled { restarts: false });
    let _client = TcpStream::connect(address).unwrap();
    accept(waiting.listener(0).unwrap()).unwrap();
    drop(waiting);
    assert_eq!(flags(signal), Disposition::Handled { restarts: true });
    assert!(Gate::new(&[Signal::KILL], Vec::new()).is_err());
}

#[test]
fn a_signal_in_the_hole_makes_every_accept_fail_and_the_listener_comes_back() {
    let signal = signal(51);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut gate = Gate::new(&[signal], vec![listener.into()]).unwrap();
    for _ in 0..3 {
        let waiting = gate.waiting().unwrap();
        // After the check, before accept.
        raise(signal);
        for _ in 0..2 {
            assert_eq!(accept(waiting.listener(0).unwrap()).unwrap_err(), libc::EINVAL);
        }
        drop(waiting);
        assert_eq!(gate.waiting().unwrap_err(), signal);
        let waiting = gate.waiting().unwrap();
        let _client = TcpStream::connect(address).unwrap();
        accept(waiting.listener(0).unwrap()).unwrap();
        drop(waiting);
        // In a request: told once, and the listener is untouched.
        raise(signal);
        assert_eq!((gate.asked(), gate.asked()), (Some(signal), None));
        // After accept, before the request: the same.
        let waiting = gate.waiting().unwrap();
        raise(signal);
        drop(waiting);
        assert_eq!(gate.asked(), Some(signal));
    }
}

#[test]
fn a_quiet_wait_ends_whichever_thread_the_signal_meets() {
    let signal = signal(53);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut gate = Gate::new(&[signal], vec![listener.into()]).unwrap();
    let (place, places) = mpsc::channel();
    let thread = thread::spawn(move || {
        let waiting = gate.waiting_quietly().unwrap();
        assert_eq!(flags(signal), Disposition::Handled { restarts: true });
        place.send(crate::window::tests::place()).unwrap();
        let error = accept(waiting.listener(0).unwrap()).unwrap_err();
        drop(waiting);
        (error, gate.waiting_quietly().err())
    });
    crate::window::tests::until_asleep(&places.recv().unwrap());
    // In this thread: the other one is asleep.
    raise(signal);
    assert_eq!(thread.join().unwrap(), (libc::EINVAL, Some(signal)));
}

/// Signals aimed at a thread that checks and calls a blocking accept; a connection would release it.
#[test]
fn no_wake_up_is_lost() {
    const ROUNDS: u64 = 100_000;
    let signal = signal(52);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let round = Arc::new(AtomicU64::new(0));
    let begun = Arc::clone(&round);
    let (ready, started) = mpsc::channel();
    let thread = thread::spawn(move || {
        let mut gate = Gate::new(&[signal], vec![listener.into()]).unwrap();
        ready.send(()).unwrap();
        let mut told = 0;
        loop {
            let number = begun.load(Ordering::SeqCst);
            if told == number {
                begun.fetch_add(1, Ordering::SeqCst);
            }
            match gate.waiting() {
                Err(_) => told += 1,
                Ok(waiting) => {
                    if accept(waiting.listener(0).unwrap()).is_ok() {
                        return told;
                    }
                }
            }
        }
    });
    started.recv().unwrap();
    let end = Instant::now() + Duration::from_secs(2);
    let mut sent = 0;
    while sent < ROUNDS && (sent < 1000 || Instant::now() < end) {
        let limit = Instant::now() + Duration::from_secs(10);
        while round.load(Ordering::SeqCst) <= sent && Instant::now() < limit {
            std::hint::spin_loop();
        }
        if round.load(Ordering::SeqCst) <= sent {
            break;
        }
        for _ in 0..sent % 1000 {
            std::hint::spin_loop();
        }
        send(&thread, signal);
        sent += 1;
    }
    // Only when the last signal has been told: its dead socket would hide the connection.
    let limit = Instant::now() + Duration::from_secs(10);
    while round.load(Ordering::SeqCst) <= sent && Instant::now() < limit {
        thread::yield_now();
    }
    let _client = TcpStream::connect(address).unwrap();
    assert_eq!(thread.join().unwrap(), sent, "a signal released nobody");
    assert!(sent >= 1000);
}
