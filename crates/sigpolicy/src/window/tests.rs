//! Real signals, aimed at the thread that waits. Each test has signals of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::pipe::{PipeFlags, pipe_with};

use super::*;
use crate::caught::tests::{raise, send};
use crate::{Disposition, action};

fn signal(number: i32) -> Signal {
    Signal::from_raw(number).unwrap()
}

fn listening() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn connections_signals_and_the_end_of_the_pipe() {
    let signal = signal(41);
    let mut window = Window::new(&[signal]).unwrap();
    let listeners = [listening(), listening()];
    for (index, listener) in listeners.iter().enumerate() {
        assert_eq!(window.listen(listener).unwrap(), index);
        assert!(window.listener(index).is_some());
    }
    let (life, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    window.watch_life(life).unwrap();
    window.watch_parent().unwrap();
    assert_eq!(window.asked(), None);
    for index in [1, 0, 1] {
        let client = TcpStream::connect(listeners[index].local_addr().unwrap()).unwrap();
        assert_eq!(window.wait().unwrap(), Waited::Ready(index));
        listeners[index].accept().unwrap();
        drop(client);
    }
    let error = listeners[0].accept().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    raise(signal);
    assert_eq!(window.wait().unwrap(), Waited::Signal(signal));
    assert_eq!(window.asked(), None, "each one once");
    drop(writer);
    assert_eq!(window.wait().unwrap(), Waited::Gone);
}

/// Who was woken for a connection must look at it before leaving: nobody else was.
#[test]
fn a_connection_comes_before_a_signal_of_the_same_moment() {
    let signal = signal(42);
    let listener = listening();
    let mut window = Window::new(&[signal]).unwrap();
    window.listen(&listener).unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    raise(signal);
    assert_eq!(window.look().unwrap(), Waited::Ready(0));
    assert_eq!(window.wait().unwrap(), Waited::Signal(signal));
    assert_eq!(window.wait().unwrap(), Waited::Ready(0));
}

#[test]
fn a_signal_from_before_is_told() {
    let signal = signal(43);
    thread::spawn(move || {
        mask::set(SignalSet::new().with(signal));
        raise(signal);
        let mut window = Window::new(&[signal]).unwrap();
        assert_eq!(window.asked(), Some(Waited::Signal(signal)));
        assert_eq!(mask::current(), SignalSet::new());
    })
    .join()
    .unwrap();
}

/// Signals aimed at the moment between the check and the system call: with a check of a flag before
/// epoll_wait, or with a mask that is changed before it, some would be forgotten.
#[test]
fn no_wake_up_is_lost() {
    const ROUNDS: u64 = 100_000;
    let signal = signal(44);
    let (life, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let round = std::sync::Arc::new(AtomicU64::new(0));
    let begun = std::sync::Arc::clone(&round);
    let (ready, started) = mpsc::channel();
    let thread = thread::spawn(move || {
        let mut window = Window::new(&[signal]).unwrap();
        window.watch_life(life).unwrap();
        ready.send(()).unwrap();
        loop {
            let number = begun.fetch_add(1, Ordering::SeqCst);
            // The round's number is the go: the signal comes before, in, or after the check.
            match window.wait().unwrap() {
                Waited::Signal(_) => {}
                _ => return number,
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
        for _ in 0..sent % 400 {
            std::hint::spin_loop();
        }
        send(&thread, signal);
        sent += 1;
    }
    drop(writer);
    assert_eq!(thread.join().unwrap(), sent, "a signal woke nobody");
    assert!(sent >= 1000);
}

/// What a request sees of signals: its errors, whether its poll lasted, and what comes after it.
fn request_under_signals(signal: Signal, hold: bool) -> (Vec<Errno>, bool, Waited) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let (report, reports) = mpsc::channel();
    let thread = thread::spawn(move || {
        let mut window = Window::new(&[signal]).unwrap();
        window.hold(hold);
        let restarts = action::disposition(signal).unwrap();
        assert_eq!(restarts, Disposition::Handled { restarts: true });
        let serving = window.serving();
        report.send(place()).unwrap();
        let mut errors = Vec::new();
        // A read that the signal hits, then a sleep.
        let mut byte = [0];
        errors.extend(rustix::io::read(&reader, &mut byte).err());
        report.send(place()).unwrap();
        let short = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };
        let begun = Instant::now();
        errors.extend(rustix::event::poll(&mut [], Some(&short)).err());
        let whole = begun.elapsed() >= Duration::from_millis(300);
        drop(serving);
        (errors, whole, window.wait().unwrap())
    });
    until_asleep(&reports.recv().unwrap());
    for _ in 0..5 {
        send(&thread, signal);
    }
    rustix::io::write(&writer, b"!").unwrap();
    until_asleep(&reports.recv().unwrap());
    send(&thread, signal);
    thread.join().unwrap()
}

/// Where /proc tells of this thread.
pub(crate) fn place() -> PathBuf {
    Path::new("/proc").join(std::fs::read_link("/proc/thread-self").unwrap()).join("stat")
}

/// Waits until a thread sleeps in the kernel.
pub(crate) fn until_asleep(place: &Path) {
    let end = Instant::now() + Duration::from_secs(10);
    let asleep = || std::fs::read_to_string(place).is_ok_and(|stat| stat.contains(") S "));
    while !asleep() {
        assert!(Instant::now() < end, "it never sleeps");
        thread::yield_now();
    }
}

#[test]
fn a_request_is_not_interrupted_but_poll_is() {
    let (errors, whole, waited) = request_under_signals(signal(45), false);
    assert_eq!(errors, [Errno::INTR], "the read went on, poll did not");
    assert!(!whole);
    assert_eq!(waited, Waited::Signal(signal(45)));
}

#[test]
fn held_signals_interrupt_nothing_at_all() {
    let (errors, whole, waited) = request_under_signals(signal(46), true);
    assert_eq!(errors, []);
    assert!(whole);
    assert_eq!(waited, Waited::Signal(signal(46)));
}

/// A TERM in mid-request: the answer is whole, then the worker leaves.
#[test]
fn the_answer_comes_before_the_leaving() {
    let signal = signal(47);
    let listener = listening();
    let address = listener.local_addr().unwrap();
    let (report, reports) = mpsc::channel();
    let thread = thread::spawn(move || {
        let mut window = Window::new(&[signal]).unwrap();
        window.listen(&listener).unwrap();
        let mut served = 0;
        while let Waited::Ready(_) = window.wait().unwrap() {
            let (mut client, _) = listener.accept().unwrap();
            client.set_nonblocking(false).unwrap();
            let serving = window.serving();
            let mut request = [0; 3];
            client.read_exact(&mut request[..1]).unwrap();
            report.send(place()).unwrap();
            client.read_exact(&mut request[1..]).unwrap();
            client.write_all(&request).unwrap();
            drop(serving);
            served += 1;
        }
        served
    });
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    client.write_all(b"a").unwrap();
    until_asleep(&reports.recv().unwrap());
    send(&thread, signal);
    client.write_all(b"bc").unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"abc");
    assert_eq!(thread.join().unwrap(), 1);
}

#[test]
fn the_parent_is_asked_for_seldom_when_a_signal_announces_its_end() {
    let mut window = Window::new(&[signal(48)]).unwrap();
    window.watch_parent().unwrap();
    assert!(!window.announced, "nothing has been asked of the kernel");
    // Not the parent, as if it had ended.
    window.parent = Some((rustix::process::getpid(), None));
    assert_eq!(window.asked(), Some(Waited::Gone));
    window.announced = true;
    for _ in 0..2 {
        for _ in 1..SELDOM {
            assert_eq!(window.asked(), None);
        }
        assert_eq!(window.asked(), Some(Waited::Gone));
    }
}
