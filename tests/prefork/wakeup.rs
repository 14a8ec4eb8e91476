//! A signal at any point of a worker's life: it leaves in time, and a request does not notice.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use sigpolicy::Signal;

use super::harness::{Kind, busy, launch, pids, pool, time_to_exit};
use super::http::{answer, answers, ask, ask_many, connect};
use crate::sandbox::{Sandbox, eventually, promptly};

const SOON: Duration = Duration::from_millis(50);

/// The worker's own loop is check, 300 ms, accept. A signal within these is noted and then slept
/// over; FCGI::ProcManager's workers stand in accept until the next request or the next signal.
fn a_signal_before_accept(topic: &str, signal: Signal, options: &[&str]) {
    promptly(topic, SOON, || {
        let sandbox = Sandbox::new(topic);
        let options = [&["--workers=1", "--ready-after=0.01"], options].concat();
        let (launch, port) = launch(&sandbox, Kind::Managed, &options);
        let server = launch.env("WINDOW", "300").spawn();
        let mut pool = super::harness::Pool::new(server, port);
        let pid = pool.server.wait_line("window").number();
        pool.signal(signal);
        pool.server.wait_line("received ");
        let at_accept = pool.server.wait_line("accepting").at;
        let took = at_accept.elapsed() + time_to_exit(pid);
        if took >= SOON {
            eprintln!("{took:?}\n{}", pool.server.transcript());
        }
        assert_eq!(pool.server.count("died with status:9"), 0);
        if signal == Signal::HUP {
            pool.server.wait_line("window");
            pool.server.wait_line("accepting");
            pool.wait_until("a new one", |pids| pids.len() == 1 && pids != [pid]);
            pool.stop(&sandbox);
        } else {
            pool.ends(0);
        }
        took
    });
}

#[test]
fn a_stop_between_check_and_accept_is_not_slept_over() {
    a_signal_before_accept("wakeup-term", Signal::TERM, &[]);
}

#[test]
fn a_reload_between_check_and_accept_is_not_slept_over() {
    a_signal_before_accept("wakeup-hup", Signal::HUP, &[]);
}

#[test]
fn a_stop_without_a_time_limit_is_not_slept_over() {
    a_signal_before_accept("wakeup-quit", Signal::QUIT, &[]);
}

/// Again and again just after an answer, where the window of every prefork worker is.
#[test]
fn reloads_just_after_a_response_never_leave_a_worker_behind() {
    let sandbox = Sandbox::new("wakeup-often");
    let mut pool = pool(&sandbox, Kind::Managed, &["--workers=2"]);
    let mut old = pool.wait_workers(2);
    let mut longest = Duration::ZERO;
    for round in 0..25 {
        answers(ask_many(&pool.target, "/", 1 + round % 3));
        pool.signal(Signal::HUP);
        let begun = Instant::now();
        for pid in &old {
            time_to_exit(*pid);
        }
        longest = longest.max(begun.elapsed());
        old = pool.wait_replaced(&old, 2);
    }
    // Not a limit for a busy machine, but far below "until the next request".
    assert!(longest < Duration::from_secs(2), "{longest:?}\n{}", pool.server.transcript());
    pool.stop(&sandbox);
}

/// The same without anybody's help: libfcgi and unmanaged loops have no check at all.
#[test]
fn a_worker_that_only_notes_the_signal_leaves_when_it_is_idle() {
    let sandbox = Sandbox::new("wakeup-idle");
    let mut pool = pool(&sandbox, Kind::Managed, &["--workers=3"]);
    let old = pool.wait_workers(3);
    promptly("an idle worker", SOON, || {
        let now = pool.wait_workers(3);
        let begun = Instant::now();
        pool.signal(Signal::HUP);
        for pid in now {
            time_to_exit(pid);
        }
        begun.elapsed()
    });
    pool.wait_replaced(&old, 3);
    pool.stop(&sandbox);
}

/// recv in a request is restarted: the body comes late, and the answer is whole.
#[test]
fn a_request_that_reads_does_not_notice_the_signal() {
    for signal in [Signal::TERM, Signal::HUP] {
        let sandbox = Sandbox::new("wakeup-recv");
        let mut pool = pool(&sandbox, Kind::Managed, &["--workers=1"]);
        let old = pool.wait_workers(1);
        let begun = Instant::now();
        let mut stream = connect(&pool.target).unwrap();
        let head = "POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n01234";
        stream.write_all(head.as_bytes()).unwrap();
        pool.server.wait_line("reading");
        pool.signal(signal);
        pool.server.wait_line("received ");
        // Whatever is connected now is for another one.
        let other = (signal == Signal::HUP).then(|| ask(&pool.target, "/"));
        if let Some(other) = other {
            assert!(!old.contains(&answers(vec![other])[0].pid));
        }
        // Told twice and more often: only in accept.
        let told = Instant::now();
        eventually("some time", || (told.elapsed() > Duration::from_millis(400)).then_some(()));
        stream.write_all(b"56789").unwrap();
        let answer = answer(stream, begun).unwrap();
        assert_eq!((answer.text.as_str(), answer.pid), ("body 0123456789", old[0]));
        if signal == Signal::HUP {
            pool.wait_replaced(&old, 1);
            pool.stop(&sandbox);
        } else {
            pool.ends(0);
        }
    }
}

/// select is cut short in spite of SA_RESTART, but once only: nobody signals a worker at work again.
#[test]
fn a_request_that_waits_is_interrupted_at_most_once() {
    let sandbox = Sandbox::new("wakeup-select");
    let mut pool = pool(&sandbox, Kind::Managed, &["--workers=1"]);
    pool.wait_workers(1);
    let asked = ask(&pool.target, "/select/2");
    eventually("a busy one", || busy(pool.workers()[0]).then_some(()));
    pool.signal(Signal::TERM);
    let answer = answers(vec![asked]).remove(0);
    assert!(answer.text.starts_with("slept "), "{answer:?}");
    pool.ends(0);
}

/// What an executed worker inherits: nothing ignored, nothing blocked, nothing pending.
#[test]
fn a_worker_begins_with_clean_signals() {
    let sandbox = Sandbox::new("wakeup-clean");
    let mut pool = pool(&sandbox, Kind::Plain, &["--workers=1"]);
    let none = "0000000000000000";
    let text = pool.get("/status").text;
    for word in [format!("SigBlk:={none}"), format!("SigPnd:={none}"), format!("ShdPnd:={none}")] {
        assert!(text.contains(&word), "{word}: {text}");
    }
    let field = |name: &str| {
        let word = text.split(' ').find_map(|word| word.strip_prefix(name)).unwrap();
        u64::from_str_radix(word.trim_start_matches(":="), 16).unwrap()
    };
    // FPE is perl's own; what was ignored before the manager stays ignored, as by nohup.
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let own = u64::from_str_radix(own.trim(), 16).unwrap();
    assert_eq!(field("SigIgn") & 0x7fff_ffff & !own & !(1 << 7), 0, "{text}");
    assert_eq!(field("SigCgt"), 0, "{text}");
    pool.stop(&sandbox);
}

/// A worker that was just born never runs a handler of the manager.
#[test]
fn a_newborn_worker_that_is_signalled_harms_nobody() {
    let sandbox = Sandbox::new("wakeup-newborn");
    let mut pool = pool(&sandbox, Kind::Managed, &["--workers=4", "--pid-file=pid"]);
    let mut all = std::collections::BTreeSet::from_iter(pool.wait_workers(4));
    for _ in 0..10 {
        pool.signal(Signal::HUP);
        for pid in pool.workers() {
            // Those that were just born get it before they are themselves, too.
            if all.insert(pid) {
                let _ = rustix::process::kill_process(
                    rustix::process::Pid::from_raw(pid).unwrap(),
                    rustix::process::Signal::TERM,
                );
            }
        }
    }
    pool.wait_until("four", |pids| pids.len() == 4);
    assert!(all.len() >= 4);
    assert_eq!(sandbox.read("pid"), format!("{}\n", pool.server.pid()));
    let served = pids(&answers(ask_many(&pool.target, "/sleep/0.1", 4)));
    assert!(!served.is_empty());
    pool.stop(&sandbox);
}

/// A signal while the client is still sending: no byte of the answer is lost.
#[test]
fn an_accepted_connection_is_answered_before_the_worker_leaves() {
    let sandbox = Sandbox::new("wakeup-accepted");
    let mut pool = pool(&sandbox, Kind::Managed, &["--workers=1"]);
    let worker = pool.wait_workers(1)[0];
    let begun = Instant::now();
    let mut stream = connect(&pool.target).unwrap();
    eventually("it is accepted", || busy(worker).then_some(()));
    pool.signal(Signal::TERM);
    pool.server.wait_line("received TERM");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(answer(&mut stream, begun).unwrap().pid, worker);
    let mut rest = Vec::new();
    assert_eq!(stream.read_to_end(&mut rest).unwrap(), 0);
    pool.ends(0);
}
