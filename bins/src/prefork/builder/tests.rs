//! What settings become, before anything runs.

use std::os::fd::AsRawFd;

use super::*;
use crate::prefork::args::{Command, parse};
use crate::prefork::config::Trap;
use crate::prefork::worker::as_application;

fn pool() -> Prefork {
    Prefork::new(|_| Ok(()))
}

/// The settings, or what is wrong with them.
fn settled(mut prefork: Prefork) -> Result<Config, String> {
    settings::settle(&mut prefork).map_err(|failed| failed.to_string())?;
    Ok(prefork.config)
}

fn of_the_command(words: &[&str]) -> Config {
    let words = words.iter().chain(&["worker"]).map(|word| (*word).into()).collect();
    let Command::Run(config) = parse(words).unwrap() else { panic!("not a run") };
    Config { program: Default::default(), ..*config }
}

#[test]
fn defaults_are_those_of_the_command() {
    assert_eq!(settled(pool()).unwrap(), of_the_command(&[]));
    let prefork = pool().listen("127.0.0.1:8080").listen("/run/s").spare(3, 9).max_children(20);
    let words = ["--listen=127.0.0.1:8080", "--path=/run/s", "--min-spare=3", "--max-spare=9"];
    let words = [&words[..], &["--max-workers=20"]].concat();
    assert_eq!(settled(prefork).unwrap(), of_the_command(&words));
    let prefork = pool().n_processes(200).max_requests(5).die_timeout(Duration::from_secs(3));
    let words = ["--workers=200", "--max-requests=5", "--die-timeout=3"];
    assert_eq!(settled(prefork).unwrap(), of_the_command(&words));
    let prefork = pool().on_demand(Duration::from_secs(7)).start_workers(2).name("x");
    let words = ["--on-demand", "--idle-timeout=7", "--start-workers=2", "--title=x"];
    assert_eq!(settled(prefork).unwrap(), of_the_command(&words));
}

#[test]
fn changes_come_last() {
    let prefork = pool().configure(|config| config.pool.max_workers = 9).max_children(5).prefork(2);
    let config = settled(prefork).unwrap();
    assert_eq!((config.pool.max_workers, config.conduct.max_extra), (9, 5));
}

#[test]
fn what_does_not_go_together_is_said() {
    for (prefork, text) in [
        (pool().spare(5, 2), "spare: 5 at least is more than 2 at most"),
        (pool().spare(0, 2), "spare takes a minimum of 1 or more, or else on_demand"),
        (pool().prefork(8).max_children(4), "workers of 8 is more than max_children of 4"),
        (pool().max_children(0), "max_children takes 1 or more; prefork(0) runs no pool"),
        (
            pool().on_demand(Duration::ZERO).start_workers(3).max_children(2),
            "start_workers of 3 is more than max_children of 2",
        ),
    ] {
        assert_eq!(settled(prefork).unwrap_err(), text);
    }
    assert!(settled(pool().listen("nonsense:port:")).is_err());
    assert_eq!(pool().listen("nonsense:port:").run().unwrap_err().code(), 255);
}

#[test]
fn workers_leave_on_whatever_the_manager_sends() {
    let mut conduct = settings::defaults().conduct;
    conduct.stop_signal = Signal::QUIT;
    let trap = |sent| Trap { received: Signal::USR1, sent, interval: Duration::ZERO };
    conduct.traps = vec![trap(Some(Signal::USR2)), trap(None), trap(Some(Signal::KILL))];
    let signals = settings::leaving(&[Signal::TERM, Signal::HUP, Signal::TERM], &conduct);
    assert_eq!(signals, [Signal::HUP, Signal::QUIT, Signal::USR2, Signal::TERM]);
}

#[test]
fn what_a_callback_opens_is_the_applications() {
    let own: Own = Rc::new(RefCell::new(open_numbers()));
    // A number that no other test has had.
    let before = std::fs::File::open("/dev/null").unwrap();
    let before = rustix::io::fcntl_dupfd_cloexec(before, 900).unwrap();
    let kept = as_application(&own, || std::fs::File::open("/dev/null").unwrap());
    let own = own.borrow();
    let own = own.as_ref().unwrap();
    assert!(own.contains(&0) && own.contains(&2));
    assert!(own.contains(&kept.as_raw_fd()));
    assert!(!own.contains(&before.as_raw_fd()));
}

#[test]
fn a_fifo_that_nobody_reads_is_no_access_log() {
    let path = std::env::temp_dir().join(format!("superdaemon-alone-{}", std::process::id()));
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &path, kind, 0o600.into(), 0).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let log = path.clone();
    std::thread::spawn(move || {
        let failed = pool().n_processes(0).access_log_path(&log).run().unwrap_err();
        tell.send(failed.to_string()).unwrap();
    });
    let text = told.recv_timeout(Duration::from_secs(20));
    std::fs::remove_file(&path).unwrap();
    assert!(text.expect("it waits for a reader").contains("No such device or address"));
}
