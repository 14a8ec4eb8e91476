use super::*;
use scoreboard::{Board, Occupant, Shape, State};

mod auto;
mod forms;
mod openmetrics;

/// What a hostile worker might say.
const HOSTILE: &[u8] =
    b"\x1b[2J\x07back\\slash \"quoted\"\t\n\r# EOF\n} 1\xff\xc3 \xe2\x80\xae \xc2\x9b end\\";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn secs(secs: u64) -> Option<Duration> {
    Some(Duration::from_secs(secs))
}

/// A pool in which everything is known, and every text is hostile.
fn example() -> Status {
    let worker = |slot: u32, stage, activity| WorkerStatus {
        id: Some(u64::from(slot) + 100),
        slot,
        pid: Some(1000 + i32::try_from(slot).unwrap()),
        generation: Some(2),
        stage: Some(stage),
        activity,
        source: Source::Syscall,
        age: secs(61),
        ..WorkerStatus::default()
    };
    let busy = WorkerStatus {
        source: Source::Scoreboard,
        said: Some('K'),
        requests: Some(10),
        busy: Some(Duration::from_micros(2_500_001)),
        in_request: Some(Duration::from_millis(1234)),
        last_beat: Some(Duration::from_micros(7)),
        bytes: Some(5 << 20),
        rss: Some(34 << 20),
        text: Some(HOSTILE.to_vec()),
        ..worker(0, Stage::Serving, Activity::Busy)
    };
    let mut status = Status {
        manager: ManagerStatus {
            pid: Some(10),
            version: Some("0.1.0".into()),
            title: Some(text(HOSTILE)),
            started: Some(1_795_287_000),
            uptime: Some(Duration::from_millis(90_061_250)),
            generation: 2,
            reloading: true,
            stopping: false,
            gone: false,
            command: Some(text(HOSTILE)),
        },
        pool: PoolStatus {
            rule: "1 to 3 idle, 8 at most".into(),
            max_workers: 8,
            most: 9,
            spawned: 12,
            reaped: 6,
            failed: 1,
            held_back: 4,
            pressure: Some(37),
            ..PoolStatus::default()
        },
        listeners: vec![
            ListenerStatus {
                name: text(HOSTILE),
                address: "0.0.0.0:8080".into(),
                fd: 3,
                kind: "tcp".into(),
                queue: Some(5),
                queue_limit: Some(511),
            },
            ListenerStatus {
                name: "8081".into(),
                address: text(HOSTILE),
                fd: 4,
                kind: "unix".into(),
                queue: None,
                queue_limit: None,
            },
        ],
        workers: vec![
            busy,
            worker(1, Stage::Serving, Activity::Idle),
            worker(2, Stage::Serving, Activity::Unknown),
            worker(4, Stage::Starting, Activity::Unknown),
            worker(5, Stage::Draining, Activity::Busy),
            worker(6, Stage::Killed, Activity::Busy),
        ],
        ..Status::default()
    };
    let gone = Totals { requests: 90, bytes: 1 << 20, busy: Duration::from_secs(10) };
    status.count(&gone);
    status
}

#[test]
fn workers_are_counted_by_what_they_do() {
    let pool = example().pool;
    assert_eq!((pool.members, pool.idle, pool.busy, pool.unknown), (4, 1, 1, 1));
    assert_eq!((pool.starting, pool.draining), (1, 2));
    let totals = pool.totals.unwrap();
    assert_eq!((totals.requests, totals.bytes), (100, 6 << 20));
    assert_eq!(totals.busy, Duration::from_micros(12_500_001));
    let mut nothing = Status::default();
    nothing.count(&Totals::default());
    assert_eq!(nothing, Status::default(), "nobody counts requests");
}

#[test]
fn letters_are_those_of_mod_status() {
    let letter = |stage, activity, said| {
        WorkerStatus { stage, activity, said, ..WorkerStatus::default() }.letter()
    };
    let serving = Some(Stage::Serving);
    assert_eq!(letter(serving, Activity::Idle, None), '_');
    assert_eq!(letter(serving, Activity::Busy, None), 'W');
    assert_eq!(letter(serving, Activity::Unknown, None), 'W');
    assert_eq!(letter(serving, Activity::Busy, Some('K')), 'K');
    assert_eq!(letter(serving, Activity::Busy, Some('x')), 'W', "the application's own");
    assert_eq!(letter(serving, Activity::Idle, Some('\n')), '_');
    assert_eq!(letter(Some(Stage::Starting), Activity::Unknown, Some('W')), 'S');
    assert_eq!(letter(Some(Stage::Draining), Activity::Busy, Some('W')), 'G');
    assert_eq!(letter(Some(Stage::Killed), Activity::Busy, None), 'G');
    assert_eq!(letter(None, Activity::Unknown, Some('P')), 'I');
    for letter in (0..=u8::MAX).map(|said| letter(serving, Activity::Idle, Some(char::from(said))))
    {
        assert!("_SRWKDCLGI".contains(letter), "{letter:?}");
    }
}

#[test]
fn rules_in_words() {
    let rules = |size| PoolRules {
        size,
        start_workers: 1,
        max_workers: 150,
        max_spawn_rate: 0,
        idle_timeout: Duration::ZERO,
        max_memory: None,
        max_pressure: 90,
    };
    assert_eq!(rules(Size::Fixed(1)).text(), "1 worker");
    assert_eq!(rules(Size::Fixed(3)).text(), "3 workers");
    assert_eq!(rules(Size::Spare { min: 5, max: 10 }).text(), "5 to 10 idle, 150 at most");
    assert_eq!(rules(Size::OnDemand).text(), "on demand, 150 at most");
}

#[test]
fn a_scoreboard_tells_of_those_who_write_on_it() {
    let mut board = Board::create(Shape::new(4)).unwrap();
    for slot in 0..3 {
        board.prepare(slot).unwrap();
        board.occupy(slot, &Occupant::new(500 + slot).generation(3)).unwrap();
    }
    let mut busy = board.writer(0).unwrap();
    busy.set(State::IDLE);
    for _ in 0..3 {
        busy.begin(State::READING);
        busy.end();
    }
    busy.begin(State::WRITING);
    busy.add_bytes(77);
    busy.text(HOSTILE);
    let mut idle = board.writer(1).unwrap();
    idle.set(State::IDLE);
    let reader = board.reader();
    let status = Status::of_board(&reader);
    assert_eq!(status.workers.len(), 3, "one slot is free");
    let of = |slot: usize| &status.workers[slot];
    assert_eq!((of(0).pid, of(0).generation, of(0).said), (Some(500), Some(3), Some('W')));
    assert_eq!((of(0).activity, of(0).source), (Activity::Busy, Source::Scoreboard));
    assert_eq!((of(0).requests, of(0).bytes), (Some(3), Some(77)));
    assert!(of(0).in_request.is_some() && of(0).age.is_some() && of(0).last_beat.is_some());
    assert_eq!(of(0).text.as_deref(), Some(HOSTILE));
    assert_eq!((of(1).activity, of(1).text.as_deref()), (Activity::Idle, None));
    let silent = of(2);
    assert_eq!((silent.activity, silent.source), (Activity::Unknown, Source::Nothing));
    assert_eq!((silent.said, silent.requests, silent.last_beat), (None, None, None));
    assert_eq!((status.pool.busy, status.pool.idle, status.pool.unknown), (1, 1, 1));
    assert_eq!((status.pool.max_workers, status.pool.totals), (4, None));
    assert_eq!(status.manager.pid, Some(i32::try_from(std::process::id()).unwrap()));
    assert!(!status.manager.gone && status.manager.uptime.is_some());
    assert_eq!(status.manager.generation, 3);

    // What the machine knows is not lost where the board is silent.
    let known = WorkerStatus { requests: Some(9), ..silent.clone() };
    let mut told = Status { workers: vec![of(0).clone(), known.clone()], ..Status::default() };
    told.workers[0].requests = None;
    told.note(&reader.snapshot());
    assert_eq!(told.workers[0].requests, Some(3));
    assert_eq!(told.workers[1], known);
    told.workers[1].slot = 99;
    told.note(&reader.snapshot());

    board.release(0).unwrap();
    assert_eq!(Status::of_board(&reader).workers.len(), 2);
}

#[test]
fn proc_is_read_whatever_the_process_is_called() {
    let stat = "7 (a) R 1 (b) S 1 7 7 0 -1 4194560 100 0 0 0 150 25 3 4 20 0 1 0 99 1 2";
    let cpu = measure::cpu(stat).unwrap();
    assert_eq!(cpu.user, Duration::from_millis(1500));
    assert_eq!(cpu.system, Duration::from_millis(250));
    assert_eq!(cpu.children_user, Duration::from_millis(30));
    assert_eq!(cpu.total(), Duration::from_millis(1820));
    assert_eq!(measure::cpu("7 (a) S 1"), None);
    assert_eq!(measure::rss("Name:\tx\nVmRSS:\t    1024 kB\n"), Some(1 << 20));
    assert_eq!(measure::rss("Name:\tx\n"), None);
    assert_eq!(measure::load_averages("0.08 12.22 1.41 2/345 678\n"), Some([8, 1222, 141]));
    assert_eq!(measure::load_averages("0.08 12.22"), None);

    let own = i32::try_from(std::process::id()).unwrap();
    let worker = WorkerStatus { pid: Some(own), ..WorkerStatus::default() };
    let mut status = Status { workers: vec![worker], ..Status::default() };
    status.measure();
    assert!(status.machine.load.is_some() && status.machine.cpu.is_some());
    assert!(status.workers[0].rss.is_some_and(|rss| rss > 4096));
}
