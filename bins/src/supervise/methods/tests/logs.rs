//! Logs are read and emptied.

use super::*;
use crate::supervise::events::Stream;
use crate::supervise::methods::world::LogPlace;

const TWO: &str = "[program:a]\ncommand=/a\n[program:b]\ncommand=/b\n";

/// The standard output of `a` is such a log.
fn session(bytes: &[u8]) -> Session {
    let mut session = Session::running(TWO);
    let log = LogPlace::File(session.fake.file("a.log", bytes));
    session.fake.set_log("a", Stream::Stdout, log.clone());
    session.fake.main_log = log;
    session
}

fn part(offset: i64, length: i64) -> Vec<Value> {
    vec!["a".into(), offset.into(), length.into()]
}

#[test]
fn parts_are_those_of_supervisord() {
    let mut session = session(b"0123456789");
    for (offset, length, shown) in [
        (0, 0, "\"0123456789\""),
        (0, 3, "\"012\""),
        (4, 3, "\"456\""),
        (4, 0, "\"456789\""),
        (8, 100, "\"89\""),
        (10, 5, "\"\""),
        (100, 0, "\"\""),
        (-3, 0, "\"789\""),
        (-100, 0, "\"0123456789\""),
        (-3, 1, "3 BAD_ARGUMENTS"),
        (-3, -1, "3 BAD_ARGUMENTS"),
        (0, -1, "3 BAD_ARGUMENTS"),
        (i64::MIN, 0, "\"0123456789\""),
        (i64::MAX, 0, "30 FAILED"),
        (1, i64::MAX, "\"123456789\""),
    ] {
        let at = format!("{offset} {length}");
        for method in ["readProcessStdoutLog", "readProcessLog"] {
            assert_eq!(session.say(method, part(offset, length)), shown, "{at}");
        }
        for method in ["readLog", "readMainLog"] {
            let params = vec![offset.into(), length.into()];
            assert_eq!(session.say(method, params), shown, "{at}");
        }
    }
}

#[test]
fn tails_are_those_of_supervisord() {
    let mut session = session(b"0123456789");
    // What supervisord 4.2.5 answered.
    for (offset, length, shown) in TAILS {
        let at = format!("{offset} {length}");
        for method in ["tailProcessStdoutLog", "tailProcessLog"] {
            assert_eq!(session.say(method, part(*offset, *length)), *shown, "{at}");
        }
    }
}

const TAILS: &[(i64, i64, &str)] = &[
    (0, 4, "[\"6789\", 10, true]"),
    (0, 10, "[\"0123456789\", 10, false]"),
    (0, 100, "[\"0123456789\", 10, false]"),
    (5, 5, "[\"56789\", 10, false]"),
    (5, 2, "[\"89\", 10, true]"),
    (8, 5, "[\"56789\", 10, false]"),
    (9, 1, "[\"9\", 10, false]"),
    (10, 5, "[\"\", 10, false]"),
    (50, 5, "[\"\", 10, false]"),
    (0, 1, "[\"9\", 10, true]"),
    (0, 0, "[\"\", 10, true]"),
    (10, 0, "[\"\", 10, false]"),
    (0, -5, "[\"\", 10, true]"),
    (20, -5, "[\"\", 10, false]"),
    (-3, 5, "[\"56789\", 10, true]"),
    (-5, 0, "[\"\", 10, true]"),
    (-5, 100, "[\"0123456789\", 10, false]"),
];

#[test]
fn a_log_that_is_not_there() {
    let mut session = session(b"x");
    let mut with_log = |place: LogPlace, read: &str, tail: &str| {
        session.fake.set_log("a", Stream::Stdout, place.clone());
        session.fake.main_log = place;
        assert_eq!(session.say("readProcessStdoutLog", part(0, 0)), read);
        assert_eq!(session.say("readLog", vec![0.into(), 0.into()]), read);
        assert_eq!(session.say("tailProcessStdoutLog", part(7, 5)), tail);
    };
    with_log(LogPlace::Nowhere, "20 NO_FILE", "[\"\", 0, false]");
    with_log(LogPlace::Unborn, "\"\"", "[\"\", 0, false]");
    with_log(LogPlace::File("/dev/null".into()), "\"\"", "[\"\", 0, false]");
    for odd in ["/no/such/file", "/dev/zero", "/tmp"] {
        with_log(LogPlace::File(odd.into()), &format!("20 NO_FILE: {odd}"), "[\"\", 0, false]");
    }
    // Its place is looked at before the numbers.
    assert_eq!(session.say("readProcessStderrLog", part(-1, 5)), "20 NO_FILE");
    for method in ["readProcessStderrLog", "readProcessLog", "tailProcessStderrLog"] {
        let params = vec!["nope".into(), "x".into(), 0.into()];
        assert_eq!(session.say(method, params), "10 BAD_NAME: nope");
        let params = vec!["a:*".into(), 0.into(), 0.into()];
        assert_eq!(session.say(method, params), "10 BAD_NAME: a:*");
    }
}

#[test]
fn a_pipe_does_not_hold_anybody_up() {
    let mut session = session(b"");
    let path = session.fake.file("pipe", b"");
    std::fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    session.fake.set_log("a", Stream::Stdout, LogPlace::File(path.clone()));
    let fault = format!("20 NO_FILE: {}", path.display());
    assert_eq!(session.say("readProcessLog", part(0, 0)), fault);
    assert_eq!(session.say("tailProcessLog", part(0, 5)), "[\"\", 0, false]");
}

#[test]
fn no_answer_is_larger_than_it_may_be() {
    const MIB: usize = 1024 * 1024;
    let mut bytes = vec![b'm'; 10 * MIB];
    bytes[0] = b'F';
    *bytes.last_mut().unwrap() = b'L';
    let mut session = session(&bytes);
    let text = |value: &Value| value.as_text().unwrap().to_owned();
    let read = text(&session.ask("readProcessLog", part(0, i64::MAX)).unwrap());
    assert_eq!((read.len(), read.starts_with('F'), read.ends_with('m')), (4 * MIB, true, true));
    let read = text(&session.ask("readProcessLog", part(-9 * 1024 * 1024, 0)).unwrap());
    assert_eq!((read.len(), read.ends_with('L')), (4 * MIB, true));
    let tail = session.ask("tailProcessLog", part(0, 20 * 1024 * 1024)).unwrap();
    let Some([read, Value::Int(size), Value::Bool(false)]) = tail.as_array() else { panic!() };
    assert_eq!((text(read).len(), text(read).ends_with('L')), (4 * MIB, true));
    assert_eq!(*size, 10 * 1024 * 1024);
}

#[test]
fn what_is_no_text_is_made_one() {
    let mut session = session(b"a\x00\x1b[31mred\xff\xfe\tend\n");
    let Ok(Value::Text(text)) = session.ask("readProcessLog", part(0, 0)) else { panic!() };
    assert!(text.starts_with('a') && text.ends_with("\tend\n"), "{text:?}");
    assert!(text.chars().all(|c| c >= ' ' || c == '\t' || c == '\n'), "{text:?}");
    let tail = session.ask("tailProcessLog", part(0, 100)).unwrap();
    assert_eq!(tail.as_array().unwrap()[0], Value::Text(text));
}

#[test]
fn logs_are_emptied() {
    let mut session = session(b"x");
    assert_eq!(session.say("clearProcessLogs", name("a")), "true");
    assert_eq!(session.say("clearProcessLog", name("b:b")), "true");
    assert_eq!(session.say("clearAllProcessLogs", vec![]), "[a OK, b OK]");
    assert_eq!(session.say("clearLog", vec![]), "true");
    assert_eq!(session.fake.cleared, ["a", "b", "a", "b", "main"]);
    for unknown in ["c", "a:*"] {
        let fault = format!("10 BAD_NAME: {unknown}");
        assert_eq!(session.say("clearProcessLogs", name(unknown)), fault);
    }
    session.fake.stuck = true;
    assert_eq!(session.say("clearProcessLogs", name("b:b")), "30 FAILED: b:b");
    assert_eq!(session.say("clearAllProcessLogs", vec![]), "[a 30 FAILED: a, b 30 FAILED: b]");
    assert_eq!(session.say("clearLog", vec![]), "30 FAILED");
    for place in [LogPlace::Nowhere, LogPlace::File("/dev/null".into())] {
        session.fake.main_log = place;
        assert_eq!(session.say("clearLog", vec![]), "20 NO_FILE");
    }
}
