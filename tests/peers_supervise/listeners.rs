//! The protocol of event listeners, kept and broken.

use std::collections::BTreeMap;

use sigpolicy::Signal;

use super::pair::{Differences, Pair, Side, supervisord};

/// A listener that behaves in this way, with a file of its own.
fn listener(mode: &str, events: &str) -> String {
    format!(
        "[eventlistener:{mode}_one]\ncommand=/usr/bin/python3 -IS <DIR>/watch.py <DIR>/{mode} {mode}\n\
         events={events}\nbuffer_size=100\nstderr_logfile=<DIR>/{mode}.err\n"
    )
}

/// Fails for good at once: STARTING, BACKOFF, FATAL.
const QUICK: &str = "[program:quick]\ncommand=/bin/false\nstartsecs=60\nstartretries=0\n";

/// The words of the headers with this key.
fn words(side: &Side, file: &str, key: &str) -> Vec<String> {
    let word = |line: &str| {
        let header = line.split_once(" | ")?.0;
        header.split(' ').find_map(|word| Some(word.strip_prefix(key)?.to_owned()))
    };
    side.file(file).lines().filter_map(word).collect()
}

/// Which events of `quick` came, again and again if so.
fn of_quick(side: &Side, file: &str) -> Vec<String> {
    let event = |line: &str| {
        let (header, payload) = line.split_once(" | ")?;
        let payload = payload.strip_prefix("processname:quick groupname:quick ")?;
        let (_, name) = header.split_once("eventname:")?;
        Some(format!("{name} {payload}"))
    };
    side.file(file).lines().filter_map(event).collect()
}

/// One that refuses, one that dies over an event, and one without fault beside them.
#[test]
fn refused_events_come_again() {
    if !supervisord() {
        return;
    }
    let modes = ["ok", "fail", "die"];
    // supervisord gives a refused event again to all pools of the same priority.
    let listener = |(mode, priority): (&&str, i32)| {
        format!("{}priority={priority}\n", listener(mode, "PROCESS_STATE"))
    };
    let listeners: String = modes.iter().zip(-9..).map(listener).collect();
    let files = modes.map(|mode| (mode, ""));
    let mut pair = Pair::start("listeners", "", &format!("{listeners}{QUICK}"), &files);
    pair.wait("all events", |side| {
        let lacks =
            |mode: &&&str| of_quick(side, mode).iter().all(|event| !event.contains("FATAL"));
        modes.iter().filter(lacks).map(|mode| side.file(mode)).collect()
    });
    pair.stop_by(Signal::TERM);
    let mut differences = Differences::default();
    for mode in modes {
        let sorted = |side: &Side| {
            let mut events = of_quick(side, mode);
            // What was refused comes before or after what came meanwhile.
            events.sort();
            events
        };
        differences.equal(&format!("{mode}: of quick"), pair.both(sorted));
        // The first is refused by one, and dropped dead over by another.
        let serials = |side: &Side| {
            let mut serials = words(side, mode, "poolserial:");
            serials.truncate(3);
            serials
        };
        differences.equal(&format!("{mode}: numbers"), pair.both(serials));
        for key in ["ver:", "server:", "pool:"] {
            let mut all = pair.both(|side| words(side, mode, key));
            all.iter_mut().for_each(Vec::dedup);
            differences.equal(&format!("{mode}: {key}"), all);
        }
        let name = format!("{mode}_one");
        differences.equal(&format!("log of {name}"), pair.both(|side| side.log_of(&name)));
    }
    for side in &pair.sides {
        let serials: Vec<u64> =
            words(side, "ok", "poolserial:").iter().map(|serial| serial.parse().unwrap()).collect();
        let wanted: Vec<u64> = (0..).take(serials.len()).collect();
        assert_eq!(serials, wanted, "{}: {}", side.name, side.file("ok"));
    }
    differences.none(&pair.transcript());
}

/// Nonsense, too early or instead of an answer: no events any more, and a line that says so.
#[test]
fn broken_protocol() {
    if !supervisord() {
        return;
    }
    let modes = ["garbage", "early"];
    let listeners: String = modes.iter().map(|mode| listener(mode, "PROCESS_STATE")).collect();
    let files = modes.map(|mode| (mode, ""));
    let mut pair = Pair::start("nonsense", "", &format!("{listeners}{QUICK}"), &files);
    pair.wait_log("gave up: quick");
    for mode in modes {
        pair.wait_log(&format!("success: {mode}_one"));
        pair.wait_log(&format!("{mode}_one: has entered the UNKNOWN state"));
    }
    pair.stop_by(Signal::TERM);
    let mut differences = Differences::default();
    for mode in modes {
        let log = |side: &Side| {
            let mut log = side.log_of(&format!("{mode}_one"));
            log.sort();
            log
        };
        differences.equal(&format!("log of {mode}"), pair.both(log));
        differences
            .equal(&format!("events, {mode}"), pair.both(|side| side.file(mode).lines().count()));
    }
    differences.none(&pair.transcript());
}

/// More events than the buffer holds, for a listener that is never ready.
#[test]
fn full_buffer() {
    if !supervisord() {
        return;
    }
    let listener = listener("never", "PROCESS_STATE").replace("buffer_size=100", "buffer_size=2");
    let mut pair = Pair::start("buffer", "", &format!("{listener}{QUICK}"), &[("never", "")]);
    pair.wait_log("gave up: quick");
    pair.wait_log("success: never_one");
    let overflow = |side: &Side| -> Vec<String> {
        let number = |line: String| {
            let (text, number) = line.rsplit_once(' ')?;
            line.contains("overflow").then(|| format!("{text} {}", number.parse::<u64>().is_ok()))
        };
        side.log().into_iter().filter_map(number).collect()
    };
    let mut differences = Differences::default();
    differences.equal("lines", pair.both(overflow));
    pair.stop_by(Signal::TERM);
    differences.none(&pair.transcript());
}

/// Every other kind of event, but for those that the control protocol brings.
#[test]
fn kinds_of_events() {
    if !supervisord() {
        return;
    }
    let events = "PROCESS_COMMUNICATION,PROCESS_LOG,SUPERVISOR_STATE_CHANGE,PROCESS_GROUP,TICK_5";
    let body = format!(
        "{}\
         [program:captured]\ncommand=<DIR>/captured\nstdout_capture_maxbytes=1KB\n\
         stderr_capture_maxbytes=10\nstdout_logfile=<DIR>/captured.out\nstderr_logfile=<DIR>/captured.err\n\
         [program:logged]\ncommand=<DIR>/logged\nstdout_events_enabled=true\n\
         stderr_events_enabled=true\nstdout_logfile=<DIR>/logged.out\nstderr_logfile=<DIR>/logged.err\n\
         [program:joined]\ncommand=<DIR>/logged\nredirect_stderr=true\nstdout_events_enabled=true\n\
         stdout_logfile=NONE\n",
        listener("ok", events)
    );
    let captured = "#!/bin/sh\n\
        printf 'before<!--XSUPERVISOR:BEGIN-->told\\nin lines<!--XSUPERVISOR:END-->after\\n'\n\
        printf '<!--XSUPERVISOR:BEGIN-->0123456789abcdef<!--XSUPERVISOR:END-->' >&2\n\
        exec sleep 1000\n";
    let logged = "#!/bin/sh\nprintf 'to stdout'\nsleep 0.2\necho to stderr >&2\nexec sleep 1000\n";
    let files = [("captured", captured), ("logged", logged), ("ok", "")];
    let mut pair = Pair::start("kinds", "", &body, &files);
    pair.wait("an event of each kind", |side| {
        let there = words(side, "ok", "eventname:");
        let lacks = |(name, count): &&(&str, usize)| {
            there.iter().filter(|event| event.starts_with(name)).count() < *count
        };
        let wanted = [("TICK_5", 1), ("PROCESS_COMM", 2), ("PROCESS_LOG", 4), ("SUPERVISOR", 1)];
        wanted.iter().filter(lacks).map(|(name, _)| format!("{name} in {there:?}")).collect()
    });
    pair.stop_by(Signal::TERM);
    let by_name = |side: &Side| {
        let mut events: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in side.file("ok").lines() {
            let (header, payload) = line.split_once(" | ").unwrap();
            let name = header.split_once("eventname:").unwrap().1;
            let (key, value) = payload.split_once(':').unwrap_or_default();
            let time = key == "when" && value.parse::<u64>().is_ok_and(|when| when % 5 == 0);
            let payload = if time { "when" } else { payload };
            events.entry(name.into()).or_default().push(payload.into());
        }
        events.values_mut().for_each(|payloads| payloads.sort());
        if let Some(ticks) = events.get_mut("TICK_5") {
            ticks.dedup();
        }
        events
    };
    let mut differences = Differences::default();
    differences.equal("events", pair.both(by_name));
    for name in ["captured.err", "logged.out", "logged.err"] {
        differences.equal(name, pair.both(|side| side.file(name)));
    }
    // supervisord loses what may be the beginning of a tag when the program ends.
    let [real, ours] = pair.both(|side| side.file("captured.out"));
    assert!("beforeafter\n".starts_with(&real) && ours == "beforeafter\n", "{real:?} {ours:?}");
    differences.none(&pair.transcript());
}
