use super::*;
use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixStream;

use rustix::termios::{LocalModes, tcgetattr};
use sigpolicy::Policy;

use crate::prefork::machine::Stage;
use crate::prefork::status::{ListenerStatus, Totals, WorkerStatus};
use crate::prefork::view::Activity;

fn worker(slot: u32, activity: Activity, requests: u64) -> WorkerStatus {
    WorkerStatus {
        slot,
        pid: Some(100 + i32::try_from(slot).unwrap()),
        stage: Some(Stage::Serving),
        activity,
        requests: Some(requests),
        busy: Some(Duration::from_millis(requests * 10)),
        ..WorkerStatus::default()
    }
}

fn state(uptime: u64, workers: Vec<WorkerStatus>) -> Status {
    let mut status = Status { workers, ..Status::default() };
    status.manager.pid = Some(1);
    status.manager.uptime = Some(Duration::from_secs(uptime));
    status.count(&Totals::default());
    status
}

fn slots(frame: &str) -> Vec<&str> {
    let rows = frame.lines().skip_while(|line| !line.starts_with("SLOT")).skip(1);
    rows.filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn busy_ones_come_first_and_the_longest_request_before_others() {
    let mut workers = vec![
        worker(0, Activity::Idle, 1),
        worker(1, Activity::Unknown, 1),
        worker(2, Activity::Busy, 1),
        worker(3, Activity::Busy, 1),
        worker(4, Activity::Busy, 1),
        worker(5, Activity::Idle, 1),
    ];
    workers[2].in_request = Some(Duration::from_secs(1));
    workers[4].in_request = Some(Duration::from_secs(9));
    workers[5].stage = Some(Stage::Draining);
    let shown = frame(&state(10, workers), None, Window::ENDLESS);
    assert_eq!(slots(&shown), ["4", "2", "3", "1", "5", "0"], "{shown}");
}

#[test]
fn rates_are_what_happened_between_two_states() {
    let before = state(10, vec![worker(0, Activity::Idle, 100), worker(1, Activity::Idle, 5)]);
    let mut now = state(12, vec![worker(0, Activity::Idle, 150), worker(1, Activity::Idle, 7)]);
    now.listeners = vec![ListenerStatus { queue: Some(3), ..ListenerStatus::default() }];
    let shown = frame(&now, Some(&before), Window::ENDLESS);
    assert!(shown.contains("now: 26.0 requests/s; 3 connections waiting\n"), "{shown}");
    let row = |slot: &str| {
        let line = shown.lines().rfind(|line| line.starts_with(slot)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(row("0")[6..8], ["25.0", "25%"], "{shown}");
    assert_eq!(row("1")[6..8], ["1.0", "1%"], "{shown}");
    // A scoreboard alone has no totals; another worker in the slot begins anew.
    now.pool.totals = None;
    now.workers[1].pid = Some(999);
    let shown = frame(&now, Some(&before), Window::ENDLESS);
    assert!(shown.contains("now: 28.5 requests/s"), "{shown}");
    // No rates over a change of managers, or back in time.
    for (pid, uptime) in [(2, 12), (1, 10), (1, 9)] {
        now.manager.pid = Some(pid);
        now.manager.uptime = Some(Duration::from_secs(uptime));
        let shown = frame(&now, Some(&before), Window::ENDLESS);
        assert!(!shown.contains("requests/s"), "{shown}");
    }
}

#[test]
fn a_frame_fits_its_window() {
    let mut workers: Vec<WorkerStatus> =
        (0..40).map(|slot| worker(slot, Activity::Busy, 1)).collect();
    for worker in &mut workers {
        worker.text = Some("日本語\u{1b}[2J".repeat(50).into_bytes());
    }
    let status = state(10, workers);
    for columns in [0, 1, 7, 80, 200] {
        for rows in [0, 1, 2, 5, 24, 60] {
            let shown = frame(&status, Some(&status), Window { columns, rows });
            assert!(shown.lines().count() <= rows.saturating_sub(1).max(1), "{rows}: {shown}");
            for line in shown.lines() {
                let wide = line.chars().filter(|c| *c >= '\u{1100}').count();
                assert!(line.chars().count() + wide <= columns, "{columns}: {line}");
            }
        }
    }
    let shown = frame(&status, None, Window { columns: 80, rows: 24 });
    assert!(shown.ends_with(" more\n"), "{shown}");
    let listed = slots(&shown).len() - 1;
    assert!(shown.ends_with(&format!("\n{} more\n", 40 - listed)), "{shown}");
    assert!(!frame(&status, None, Window::ENDLESS).contains('\u{1b}'));
}

#[test]
fn only_a_terminal_gets_control_sequences() {
    assert_eq!(listed("a\n", true), "a\n");
    assert_eq!(listed("a\n", false), "\na\n");
    assert_eq!(drawn("a\nb\n", true), "\x1b[2J\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
    assert_eq!(drawn("a\n", false), "\x1b[Ha\x1b[K\n\x1b[J");
}

#[test]
fn the_terminal_is_as_it_was_when_it_is_over() {
    let terminal = File::options().read(true).write(true).open("/dev/ptmx").unwrap();
    let modes = || tcgetattr(&terminal).unwrap();
    let (before, both) = (modes(), LocalModes::ICANON | LocalModes::ECHO);
    assert!(before.local_modes.contains(both));
    let keys = Keys::take(terminal.as_fd()).unwrap();
    assert!(!modes().local_modes.intersects(both));
    assert!(modes().local_modes.contains(LocalModes::ISIG), "control-C works");
    drop(keys);
    assert_eq!(modes().local_modes, before.local_modes);
    assert!(Keys::take(File::open("/dev/null").unwrap().as_fd()).is_none());
}

#[test]
fn keys_and_their_end_are_heard_and_others_are_not() {
    let mut signals = Policy::new().install().unwrap();
    let (keys, mut hand) = UnixStream::pair().unwrap();
    let mut wait = |due: Option<Instant>| terminal::wait(&mut signals, Some(keys.as_fd()), due);
    let later = Instant::now().checked_add(Duration::from_secs(60));
    hand.write_all(b"x").unwrap();
    assert_eq!(wait(Instant::now().checked_add(Duration::from_millis(1))), Next::Frame);
    for end in [b"q", b"Q", b"\x04"] {
        hand.write_all(end).unwrap();
        assert_eq!(wait(later), Next::Quit);
    }
    drop(hand);
    assert_eq!(wait(later), Next::Quit);
    assert_eq!(terminal::wait(&mut signals, None, Some(Instant::now())), Next::Frame);
}
