use super::*;
use crate::prefork::status::auto::date;

/// As collectors read it: a line is a key, a colon and a value.
fn pairs(text: &str) -> Vec<(&str, &str)> {
    text.lines().map(|line| line.split_once(": ").expect(line)).collect()
}

#[test]
fn keys_come_as_from_mod_status() {
    let mut status = example();
    status.machine = MachineStatus {
        load: Some([8, 1222, 141]),
        cpu: Some(Cpu {
            user: Duration::from_millis(103_500),
            system: Duration::from_millis(10),
            children_user: Duration::from_millis(500),
            children_system: Duration::ZERO,
        }),
    };
    let text = status.auto();
    let expected = [
        ("ServerVersion", "prefork-run/0.1.0"),
        ("ServerMPM", "prefork"),
        ("CurrentTime", "Sunday, 22-Nov-2026 19:51:01 UTC"),
        ("RestartTime", "Saturday, 21-Nov-2026 18:50:00 UTC"),
        ("ParentServerConfigGeneration", "2"),
        ("ParentServerMPMGeneration", "1"),
        ("ServerUptimeSeconds", "90061"),
        ("ServerUptime", "1 day 1 hour 1 minute 1 second"),
        ("Load1", "0.08"),
        ("Load5", "12.22"),
        ("Load15", "1.41"),
        ("Total Accesses", "100"),
        ("Total kBytes", "6144"),
        ("Total Duration", "12500"),
        ("CPUUser", "103.5"),
        ("CPUSystem", "0.01"),
        ("CPUChildrenUser", "0.5"),
        ("CPUChildrenSystem", "0"),
        ("CPULoad", "0.115488"),
        ("Uptime", "90061"),
        ("ReqPerSec", "0.00111"),
        ("BytesPerSec", "69.857525"),
        ("BytesPerReq", "62914.56"),
        ("DurationPerReq", "125.00001"),
        ("BusyWorkers", "3"),
        ("GracefulWorkers", "2"),
        ("IdleWorkers", "1"),
        ("Scoreboard", "K_W.SGG."),
    ];
    assert_eq!(pairs(&text), expected);
    // collectd splits lines at blanks and wants as many fields as these.
    let fields = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().count()
    };
    let counted = ["Total Accesses:", "Total kBytes:", "BusyWorkers:", "IdleWorkers:"].map(fields);
    assert_eq!((counted, fields("Scoreboard:")), ([3, 3, 2, 2], 2));
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut status = Status::default();
    status.manager.version = Some("1.0\nBusyWorkers: 9".into());
    status.pool.max_workers = 3;
    let text = status.auto();
    let keys: Vec<&str> = pairs(&text).iter().map(|(key, _)| *key).collect();
    let expected = [
        "ServerVersion",
        "ServerMPM",
        "ParentServerConfigGeneration",
        "ParentServerMPMGeneration",
        "BusyWorkers",
        "GracefulWorkers",
        "IdleWorkers",
        "Scoreboard",
    ];
    assert_eq!(keys, expected);
    assert_eq!(pairs(&text)[0].1, "prefork-run/0.0.0", "exporters want three numbers");
    assert!(text.ends_with("Scoreboard: ...\n"));
    // In the first second nothing is divided by it.
    let mut young = example();
    young.manager.uptime = Some(Duration::from_millis(900));
    assert!(!young.auto().contains("PerSec"));
}

#[test]
fn a_hostile_scoreboard_has_an_end() {
    let mut status = Status::default();
    status.pool.max_workers = u32::MAX;
    status.workers = vec![WorkerStatus { slot: u32::MAX, ..WorkerStatus::default() }];
    assert!(status.auto().len() < 2 << 20);
}

#[test]
fn dates_are_those_of_the_calendar() {
    for (time, shown) in [
        (0, "Thursday, 01-Jan-1970 00:00:00 UTC"),
        (951_782_399, "Monday, 28-Feb-2000 23:59:59 UTC"),
        (951_782_400, "Tuesday, 29-Feb-2000 00:00:00 UTC"),
        (1_735_689_599, "Tuesday, 31-Dec-2024 23:59:59 UTC"),
        (4_107_542_400, "Monday, 01-Mar-2100 00:00:00 UTC"),
        (u64::MAX, "Friday, 31-Dec-9999 23:59:59 UTC"),
    ] {
        assert_eq!(date(time), shown);
    }
}
