use std::ffi::OsStr;

use fdpass::ListenSpec;

use super::*;
use crate::log::LogTarget;
use crate::prefork::config::*;

fn run(words: &[&str]) -> Config {
    match parse(words.iter().map(OsString::from).collect()) {
        Ok(Command::Run(config)) => *config,
        other => panic!("{words:?}: {other:?}"),
    }
}

fn with(options: &[&str]) -> Config {
    run(&[options, &["prog"]].concat())
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn path(name: &str) -> Option<PathBuf> {
    Some(PathBuf::from(name))
}

fn plain() -> Config {
    Config {
        title: None,
        listeners: vec![],
        backlog: None,
        path_mode: None,
        path_owner: None,
        fcgi: false,
        pool: PoolRules {
            size: Size::Fixed(3),
            start_workers: 3,
            max_workers: 150,
            max_spawn_rate: 0,
            idle_timeout: secs(10),
            max_memory: None,
            max_pressure: 90,
        },
        limits: Limits { memory_every: secs(10), request_grace: secs(5), ..Limits::default() },
        conduct: Conduct {
            reload: Reload::All,
            reload_interval: secs(0),
            stop_signal: Signal::TERM,
            traps: vec![],
            die_timeout: secs(60),
            start_timeout: secs(60),
            ready_after: secs(1),
            start_delay: secs(0),
            respawn_interval: secs(0),
            error_respawn_interval: secs(0),
            backoff_max: secs(30),
            give_up: 0,
            max_extra: 150,
            orphans: Orphans::Leave,
        },
        daemonize: false,
        pid_file: None,
        error_log: None,
        access_log: None,
        slow_log: None,
        require_root: false,
        user: None,
        group: None,
        chdir: None,
        umask: None,
        no_new_privs: false,
        hooks: Hooks::default(),
        auto_reload: AutoReload::default(),
        on_client_disconnect: None,
        control: None,
        scoreboard: None,
        separate_slots: false,
        program: "prog".into(),
        args: vec![],
    }
}

#[test]
fn nothing_but_a_program() {
    assert_eq!(run(&["prog"]), plain());
    assert_eq!(run(&["--", "prog"]), plain());
    let args = run(&["prog", "--workers=x", "--", "-v"]).args;
    assert_eq!(args, ["--workers=x", "--", "-v"], "all of them are the program's");
    assert_eq!(run(&["--", "status", "--json"]).program, "status");
    assert_eq!(run(&["--", "--help"]).program, "--help");
}

/// Each option differs from its default here, so that a kind declared wrongly shows.
#[test]
fn every_option() {
    let line = "--path=/b --listen=127.0.0.1:81 --port 8080=7 --path ./a --backlog=5 \
        --path-mode=0660 --path-owner=www:adm --fcgi --min-spare=2 --max-spare=4 --max-workers=20 \
        --start-workers=3 --idle-timeout=2.5 --max-spawn-rate=32 --max-pool-memory=2G \
        --max-pressure=50 --max-requests=1000 --max-requests-jitter=100 --max-lifetime=3600 \
        --max-rss=300M --max-pss=200M --max-unshared=100M --min-shared=10K --memory-every=7 \
        --request-timeout=30:2 --request-signal=ABRT --slow-after=5 --slow-log=slow \
        --start-delay=0.1 --respawn-interval=0.2 --error-respawn-interval=0.3 --backoff-max=9 \
        --give-up=8 --max-extra=6 --start-timeout=11 --ready-after=0.5 --reload=rolling \
        --reload-interval=4 --trap=HUP=QUIT:0.5 --trap SIGUSR2=none --stop-signal=QUIT \
        --die-timeout=12 --orphans=stay --daemonize --pid-file=p --error-log=e --access-log=a \
        --require-root --user=www --group=0 --chdir=d --umask=027 --no-new-privs --title=t \
        --before-daemonize=b1 --after-init=b2 --before-fork=b3 --on-reap=b4 --before-shutdown=b5 \
        --auto-reload=lib --auto-reload app.pl --auto-reload-every=3 --auto-reload-command=c \
        --on-client-disconnect=signal:USR1 --control=s --scoreboard=o prog {fd}";
    let words: Vec<_> = line.split_whitespace().collect();
    let given = |option: &OptionInfo| {
        let text = format!("--{}", option.name);
        words.iter().any(|word| *word == text || word.starts_with(&format!("{text}=")))
    };
    for option in option_table() {
        let elsewhere =
            ["help", "version", "workers", "on-demand", "separate-slots"].contains(&option.name);
        assert!(given(&option) || elsewhere, "{} is left out here", option.name);
    }
    let port = |text| ListenSpec::from_port(text).unwrap();
    let unix = |text: &str| ListenSpec::from_path(OsStr::new(text)).unwrap();
    let millis = Duration::from_millis;
    let expected = Config {
        title: Some("t".into()),
        listeners: vec![unix("/b"), port("127.0.0.1:81"), port("8080=7"), unix("./a")],
        backlog: Some(5),
        path_mode: Some(0o660),
        path_owner: Some("www:adm".into()),
        fcgi: true,
        pool: PoolRules {
            size: Size::Spare { min: 2, max: 4 },
            start_workers: 3,
            max_workers: 20,
            max_spawn_rate: 32,
            idle_timeout: millis(2500),
            max_memory: Some(2 << 30),
            max_pressure: 50,
        },
        limits: Limits {
            max_requests: Some(1000),
            max_requests_jitter: 100,
            max_lifetime: Some(secs(3600)),
            max_rss: Some(300 << 20),
            max_pss: Some(200 << 20),
            max_unshared: Some(100 << 20),
            min_shared: Some(10 << 10),
            memory_every: secs(7),
            request_timeout: Some(secs(30)),
            request_grace: secs(2),
            request_signal: Some(Signal::ABRT),
            slow_after: Some(secs(5)),
        },
        conduct: Conduct {
            reload: Reload::Rolling,
            reload_interval: secs(4),
            stop_signal: Signal::QUIT,
            traps: vec![
                Trap { received: Signal::HUP, sent: Some(Signal::QUIT), interval: millis(500) },
                Trap { received: Signal::USR2, sent: None, interval: secs(0) },
            ],
            die_timeout: secs(12),
            start_timeout: secs(11),
            ready_after: millis(500),
            start_delay: millis(100),
            respawn_interval: millis(200),
            error_respawn_interval: millis(300),
            backoff_max: secs(9),
            give_up: 8,
            max_extra: 6,
            orphans: Orphans::Stay,
        },
        daemonize: true,
        pid_file: path("p"),
        error_log: Some(LogTarget::File("e".into())),
        access_log: path("a"),
        slow_log: path("slow"),
        require_root: true,
        user: Some("www".into()),
        group: Some("0".into()),
        chdir: path("d"),
        umask: Some(0o27),
        no_new_privs: true,
        hooks: Hooks {
            before_daemonize: Some("b1".into()),
            after_init: Some("b2".into()),
            before_fork: Some("b3".into()),
            on_reap: Some("b4".into()),
            before_shutdown: Some("b5".into()),
        },
        auto_reload: AutoReload {
            paths: vec!["lib".into(), "app.pl".into()],
            every: Some(secs(3)),
            command: Some("c".into()),
        },
        on_client_disconnect: Some(ClientGone::Signal(Signal::USR1)),
        control: path("s"),
        scoreboard: path("o"),
        separate_slots: false,
        program: "prog".into(),
        args: vec!["{fd}".into()],
    };
    assert_eq!(run(&words), expected);
    assert!(with(&["--separate-slots"]).separate_slots);
}

#[test]
fn sizes_of_pools() {
    for (line, size, start, most) in [
        ("--workers=7", Size::Fixed(7), 7, 150),
        ("--workers=0", Size::Fixed(0), 0, 150),
        ("--workers=500", Size::Fixed(500), 500, 500),
        ("--workers=5 --max-workers=5", Size::Fixed(5), 5, 5),
        ("--n-processes=2", Size::Fixed(2), 2, 150),
        ("--prefork=2 --max-children=4", Size::Fixed(2), 2, 4),
        ("--max-workers=9", Size::Fixed(3), 3, 9),
        ("--min-spare=1", Size::Spare { min: 1, max: 6 }, 1, 150),
        ("--min-spare=8", Size::Spare { min: 8, max: 16 }, 8, 150),
        ("--min-spare=200", Size::Spare { min: 200, max: 400 }, 200, 200),
        ("--min-spare=2 --start-workers=160", Size::Spare { min: 2, max: 7 }, 160, 160),
        ("--min-spare=3 --max-workers=3", Size::Spare { min: 3, max: 8 }, 3, 3),
        (
            "--min-spare-workers=2 --max-spare-workers=2 --start-workers=0",
            Size::Spare { min: 2, max: 2 },
            0,
            150,
        ),
        ("--on-demand", Size::OnDemand, 0, 150),
        ("--on-demand --start-workers=1 --max-workers=4", Size::OnDemand, 1, 4),
    ] {
        let config = with(&line.split(' ').collect::<Vec<_>>());
        let pool = config.pool;
        assert_eq!(
            (pool.size, pool.start_workers, pool.max_workers),
            (size, start, most),
            "{line}"
        );
        assert_eq!(config.conduct.max_extra, most, "{line}");
    }
}

#[test]
fn zero_is_no_limit() {
    let none = with(&[
        "--max-requests=0",
        "--max-lifetime=0",
        "--max-rss=0",
        "--request-timeout=0:3",
        "--slow-after=0.0",
        "--backlog=0",
        "--max-pool-memory=0",
    ]);
    let rest = Config { limits: Limits { request_grace: secs(3), ..plain().limits }, ..plain() };
    assert_eq!(none, rest);
    let patient = with(&["--die-timeout=0", "--start-timeout=0"]).conduct;
    assert_eq!((patient.die_timeout, patient.start_timeout), (cli::LONGEST, cli::LONGEST));
}

#[test]
fn values_with_parts() {
    let limits = with(&["--request-timeout=.5"]).limits;
    assert_eq!(
        (limits.request_timeout, limits.request_grace),
        (Some(Duration::from_millis(500)), REQUEST_GRACE)
    );
    for (text, gone) in [
        ("log", ClientGone::Log),
        ("signal:sigusr2", ClientGone::Signal(Signal::USR2)),
        ("signal:10", ClientGone::Signal(Signal::USR1)),
        ("logger gone", ClientGone::Command("logger gone".into())),
    ] {
        let config = with(&["--on-client-disconnect", text]);
        assert_eq!(config.on_client_disconnect, Some(gone), "{text}");
    }
    for (text, target) in
        [("log", LogTarget::File("log".into())), ("| cat >x ", LogTarget::Command("cat >x".into()))]
    {
        assert_eq!(with(&["--error-log", text]).error_log, Some(target), "{text}");
    }
    let trap = |text| with(&["--trap", text]).conduct.traps[0];
    let term = Trap { received: Signal::TERM, sent: Some(Signal::QUIT), interval: secs(2) };
    assert_eq!(trap("TERM=QUIT:2"), term);
    assert_eq!(trap("15=3").interval, secs(0));
    assert_eq!(with(&["--path-owner=:www"]).path_owner.as_deref(), Some(":www"));
    assert_eq!(with(&["--path=@x", "--pid-file=@x"]).pid_file, path("@x"), "no file");
}

#[test]
fn the_last_one_counts_unless_all_do() {
    let config = with(&["--workers=4", "--workers=2"]);
    assert_eq!(config.pool.size, Size::Fixed(2));
    assert_eq!(with(&["--listen=1", "--listen=2", "--path=/c"]).listeners.len(), 3);
}
