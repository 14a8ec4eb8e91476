//! Command lines of prefork-run, the words between NULs. Never a panic; an error has lines that a
//! terminal can be shown; the program and its arguments end the command line; and a pool that is
//! accepted can be run: its numbers fit together.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use sigpolicy::Signal;
use superdaemon::prefork::args::{Ask, Command, USAGE, parse};
use superdaemon::prefork::config::{Conduct, Config, Limits, PoolRules, Reload, Size};
use superdaemon::prefork::pool::Pool;

/// Valid inputs, and some that nearly are.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"httpd\0-v",
    b"--listen=8080\0--workers\x004\0--\0httpd\0--fd\0{fd}",
    b"--port=127.0.0.1:80=5\0--path=/run/app.sock\0--fcgi\0--min-spare=2\0php-cgi",
    b"--min-spare=2\0--max-spare=4\0--start-workers=3\0--max-workers=20\0--max-extra=6\0x",
    b"--on-demand\0--start-workers=1\0--idle-timeout=2.5\0--max-spawn-rate=32\0--path=s\0x",
    b"--max-pool-memory=2G\0--max-pressure=50\0--max-rss=300M\0--min-shared=10K\0--memory-every=7\0x",
    b"--max-requests=9\0--max-requests-jitter=5\0--max-lifetime=3600\0--request-timeout=30:2\0x",
    b"--request-timeout=1\0--request-signal=ABRT\0--slow-after=.5\0--slow-log=slow\0x",
    b"--start-delay=0.1\0--respawn-interval=0\0--error-respawn-interval=3\0--backoff-max=9\0x",
    b"--give-up=8\0--start-timeout=0\0--ready-after=0.5\0--die-timeout=0\0--orphans=stay\0x",
    b"--reload=rolling\0--reload-interval=4\0--trap=HUP=QUIT:0.5\0--trap\0USR2=none\0x",
    b"--stop-signal=QUIT\0--title=a b\0--user=nobody\0--group=0\0--umask=027\0--chdir=/\0x",
    b"--daemonize\0--error-log=| cat\0--access-log=a\0--pid-file=p\0--control=c\0--scoreboard=s\0x",
    b"--workers=0\0--no-new-privs\0--require-root\0--path-mode=0660\0--path-owner=a:b\0x",
    b"--before-fork=a\0--on-reap=b\0--before-shutdown=c\0--after-init=d\0--separate-slots\0x",
    b"--auto-reload=lib\0--auto-reload-every=3\0--auto-reload-command=c\0--backlog=5\0x",
    b"--on-client-disconnect=signal:USR1\0--n-processes=3\0--max-children\x007\0x",
    b"--pid-file=a\nb\0--scoreboard=a\nb\0--control=\x1b[2J\0--path=\x1b[2J\0x",
    b"status\0--json\0--pid-file=/run/app.pid",
    b"status\0--openmetrics\0--scoreboard\0s\0--control=c",
    b"top\0--interval=0.5\0--control=c",
    b"reload\0--pid-file\0p\0--timeout=0",
    b"add\x003\0--control=c",
    b"remove\0--control=c\x001",
    b"signal\0USR2\0--pid-file=p",
    b"stop\0--pid-file=p",
    b"--help",
    b"--version",
    b"--\0status",
    b"--work=1\0--no\0-\0--workers=x\0--min-spare=99999999999",
];

/// As many slots as a scoreboard can have.
const MOST_SLOTS: u32 = 1 << 20;

/// One input.
pub fn run(data: &[u8]) {
    let words: Vec<OsString> =
        data.split(|byte| *byte == 0).map(|word| OsStr::from_bytes(word).to_owned()).collect();
    match parse(words.clone()) {
        Ok(Command::Run(config)) => {
            let start = words.len().checked_sub(config.args.len() + 1).expect("more than given");
            assert_eq!(words[start], config.program, "{words:?} gives {config:?}");
            assert_eq!(words[start + 1..], config.args, "{words:?} gives {config:?}");
            check(&config);
        }
        Ok(Command::Help | Command::Version) => {}
        Ok(Command::Status(ask, _)) => assert!(has_place(&ask) || ask.place.scoreboard.is_some()),
        Ok(Command::Top(ask, interval)) => {
            assert!(has_place(&ask) || ask.place.scoreboard.is_some());
            assert!(!interval.is_zero(), "{words:?}");
        }
        Ok(Command::Reload(ask) | Command::Stop(ask) | Command::Signal(ask, _)) => {
            assert!(has_place(&ask), "{ask:?}");
        }
        Ok(Command::Add(ask, count) | Command::Remove(ask, count)) => {
            assert!(has_place(&ask) && count > 0, "{ask:?}");
        }
        Err(error) => {
            assert_eq!(error.code, USAGE, "{error:?}");
            assert!(!error.lines.is_empty(), "{words:?}");
            for line in &error.lines {
                assert!(line.strip_prefix("prefork-run: ").is_some_and(|it| !it.is_empty()));
                assert!(!line.contains(char::is_control), "{line:?}");
            }
        }
    }
}

/// Who is asked can be found in one way.
fn has_place(ask: &Ask) -> bool {
    ask.place.control.is_some() != ask.place.pid_file.is_some()
}

fn check(config: &Config) {
    assert!(!config.program.is_empty(), "{config:?}");
    assert!(config.listeners.iter().all(|spec| !spec.name().is_empty()), "{config:?}");
    assert!(!config.title.iter().any(|title| title.contains(char::is_control)), "{config:?}");
    assert!(!config.daemonize || config.error_log.is_some(), "{config:?}");
    assert!(!config.separate_slots || config.scoreboard.is_none(), "{config:?}");
    assert!(!config.auto_reload.paths.is_empty() || config.auto_reload.every.is_none());
    let manager = [&config.pid_file, &config.control, &config.scoreboard];
    if config.pool.size == Size::Fixed(0) {
        assert!(!config.daemonize && manager.iter().all(|file| file.is_none()), "{config:?}");
    }
    let mut own: Vec<_> = manager.into_iter().flatten().collect();
    own.sort();
    own.dedup();
    assert_eq!(own.len(), manager.iter().filter(|file| file.is_some()).count(), "{config:?}");
    check_pool(&config.pool, &config.conduct);
    check_limits(&config.limits);
}

fn check_pool(pool: &PoolRules, conduct: &Conduct) {
    let most = pool.max_workers;
    assert!(most > 0 && pool.start_workers <= most && pool.max_pressure <= 100, "{pool:?}");
    assert!(most.checked_add(conduct.max_extra).is_some_and(|slots| slots <= MOST_SLOTS));
    match pool.size {
        Size::Fixed(workers) => assert!(workers <= most && pool.start_workers == workers),
        Size::Spare { min, max } => assert!(0 < min && min <= max && min <= most, "{pool:?}"),
        Size::OnDemand => {}
    }
    assert!(Pool::new(pool.clone()).target() <= most, "{pool:?}");
    let rolling = conduct.reload == Reload::Rolling;
    assert!(rolling || conduct.reload_interval.is_zero(), "{conduct:?}");
    let stay = [Signal::STOP, Signal::CONT, Signal::CHLD, Signal::WINCH, Signal::URG];
    assert!(!stay.contains(&conduct.stop_signal), "{conduct:?}");
    let mut received: Vec<Signal> = conduct.traps.iter().map(|trap| trap.received).collect();
    assert!(!received.contains(&Signal::KILL) && !received.contains(&Signal::STOP), "{received:?}");
    received.sort_unstable();
    received.dedup();
    assert_eq!(received.len(), conduct.traps.len(), "{conduct:?}");
}

fn check_limits(limits: &Limits) {
    let zero = [limits.max_requests, limits.max_rss, limits.max_pss, limits.max_unshared];
    assert!(!zero.contains(&Some(0)), "{limits:?}");
    assert!(limits.max_requests_jitter == 0 || limits.max_requests.is_some(), "{limits:?}");
    assert!(limits.request_signal.is_none() || limits.request_timeout.is_some(), "{limits:?}");
    assert!(limits.memory_every >= Duration::from_millis(100), "{limits:?}");
    let times = [limits.max_lifetime, limits.request_timeout, limits.slow_after];
    assert!(!times.contains(&Some(Duration::ZERO)), "{limits:?}");
}
