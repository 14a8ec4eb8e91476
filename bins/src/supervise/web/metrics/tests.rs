//! A reader that accepts OpenMetrics 1.0 text and nothing else, as far as it is used here.

use std::collections::{BTreeMap, HashSet};

use super::super::fake::{Fake, NOW};
use super::*;

type Labels = Vec<(String, String)>;

#[derive(Debug, Default)]
struct Family {
    kind: String,
    unit: String,
    help: Option<String>,
    samples: Vec<(Labels, f64)>,
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    bytes.next().is_some_and(first) && bytes.all(|byte| first(byte) || byte.is_ascii_digit())
}

/// The labels of `{a="b",c="d"}`, and what follows.
fn labels(text: &str) -> (Labels, &str) {
    let mut labels = Labels::new();
    let Some(mut rest) = text.strip_prefix('{') else {
        return (labels, text);
    };
    loop {
        let (name, value) = rest.split_once("=\"").expect("a label");
        assert!(is_name(name), "{name}");
        assert!(labels.iter().all(|(other, _)| other != name), "twice {name}");
        let mut text = String::new();
        let mut characters = value.chars();
        loop {
            match characters.next().expect("the end of a value") {
                '"' => break,
                '\\' => text.push(match characters.next() {
                    Some('n') => '\n',
                    Some(other @ ('\\' | '"')) => other,
                    other => panic!("escaped {other:?}"),
                }),
                other => text.push(other),
            }
        }
        labels.push((name.to_owned(), text));
        rest = characters.as_str();
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return (labels, rest.strip_prefix('}').expect("a brace")),
        }
    }
}

fn read(text: &str) -> BTreeMap<String, Family> {
    let body = text.strip_suffix("# EOF\n").expect("the end");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut present = String::new();
    let mut series = HashSet::new();
    for line in body.lines() {
        if let Some(meta) = line.strip_prefix("# ") {
            let mut words = meta.splitn(3, ' ');
            let [key, name, value] = [(); 3].map(|()| words.next().expect("three words"));
            assert!(is_name(name), "{name}");
            if name != present {
                assert!(!families.contains_key(name), "{name} begins twice");
                present = name.to_owned();
            }
            let family = families.entry(present.clone()).or_default();
            assert!(family.samples.is_empty(), "{line} comes late");
            match key {
                "TYPE" if family.kind.is_empty() => family.kind = value.to_owned(),
                "UNIT" if family.unit.is_empty() => family.unit = value.to_owned(),
                "HELP" if family.help.is_none() => family.help = Some(value.to_owned()),
                _ => panic!("{line}"),
            }
            continue;
        }
        let family = families.get_mut(&present).expect("a family");
        let suffix = match family.kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            "gauge" => "",
            other => panic!("kind {other}"),
        };
        let rest = line.strip_prefix(&format!("{present}{suffix}")).expect(line);
        let (labels, rest) = labels(rest);
        let value: f64 = rest.strip_prefix(' ').expect(line).parse().expect(line);
        assert!(value.is_finite() && (suffix.is_empty() || value >= 0.0), "{line}");
        assert!(suffix != "_info" || value == 1.0, "{line}");
        let mut sorted = labels.clone();
        sorted.sort();
        assert!(series.insert((present.clone(), sorted)), "{line} comes twice");
        family.samples.push((labels, value));
    }
    let names: Vec<&String> = families.keys().collect();
    for (name, family) in &families {
        assert!(!family.kind.is_empty() && family.help.is_some(), "{name}");
        assert!(family.unit.is_empty() || name.ends_with(&format!("_{}", family.unit)), "{name}");
        // What a suffix makes of a name must not be another's.
        for suffix in ["_total", "_created", "_info"] {
            let taken = |other: &&String| **other == format!("{name}{suffix}");
            assert!(family.kind == "gauge" || !names.iter().any(taken), "{name}{suffix}");
        }
    }
    families
}

fn crowd() -> Fake {
    let mut world = Fake::new();
    for state in STATES {
        let id = world.add("web", &state.name().to_lowercase(), state);
        world.of(id).starts = 3;
    }
    let id = world.add("a\"b\\c\nd", "é<&>", State::Exited);
    world.of(id).exitstatus = -1;
    world.of(id).tries = 2;
    world.identifier = "it's \"me\"".to_owned();
    world
}

fn open(world: &Fake, also: &[&str]) -> String {
    let query: Vec<_> = also.iter().map(|name| ("also".to_owned(), (*name).to_owned())).collect();
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
    let reply = metrics(world, Some(accept), &query);
    assert_eq!((reply.status, reply.content_type), (200, OPEN));
    reply.body
}

/// The value for one process of the group `web`.
fn of(families: &BTreeMap<String, Family>, family: &str, name: &str) -> Option<f64> {
    let is = |labels: &Labels| labels.iter().any(|(key, value)| key == "name" && value == name);
    families[family].samples.iter().find(|(labels, _)| is(labels)).map(|(_, value)| *value)
}

#[test]
#[allow(clippy::float_cmp, clippy::cast_precision_loss)]
fn it_is_openmetrics() {
    let families = read(&open(&crowd(), &[]));
    let info = &families["supervise"];
    assert_eq!(info.kind, "info");
    assert_eq!(info.samples[0].0[0], ("version".to_owned(), VERSION.to_owned()));
    assert_eq!(info.samples[0].0[1], ("identifier".to_owned(), "it's \"me\"".to_owned()));
    let begin = &families["supervise_start_time_seconds"];
    assert_eq!((begin.unit.as_str(), begin.samples[0].1), ("seconds", (NOW - 4000) as f64));
    assert_eq!(families["supervise_mood"].samples[0].1, 1.0);
    let state = |name| of(&families, "supervise_process_state", name);
    assert_eq!((state("running"), state("unknown")), (Some(20.0), Some(1000.0)));
    let up = |name| of(&families, "supervise_process_up", name);
    assert_eq!((up("running"), up("starting")), (Some(1.0), Some(0.0)));
    let start = |name| of(&families, "supervise_process_start_time_seconds", name);
    assert_eq!((start("running"), start("stopped")), (Some((NOW - 3725) as f64), None));
    let exit = |name| of(&families, "supervise_process_exit_status", name);
    assert_eq!((exit("é<&>"), exit("exited"), exit("running")), (Some(-1.0), Some(0.0), None));
    let starts = &families["supervise_process_starts"];
    assert_eq!((starts.kind.as_str(), starts.samples[0].1), ("counter", 3.0));
    assert_eq!(of(&families, "supervise_process_failed_starts", "é<&>"), Some(2.0));
    assert_eq!(starts.samples.len(), 9);
    let odd = &starts.samples[8].0[1];
    assert_eq!((odd.0.as_str(), odd.1.as_str()), ("group", "a\"b\\c\nd"));
    let counts = &families["supervise_processes"].samples;
    assert_eq!(counts.len(), STATES.len());
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<f64>(), 9.0);
    assert!(!families.contains_key("supervisord_up"));
}

#[test]
fn the_older_format() {
    let world = crowd();
    let refused = Some("application/openmetrics-text;version=1.0.0;q=0,text/plain");
    for accept in [None, Some("*/*"), Some("text/plain;version=0.0.4"), refused] {
        let reply = metrics(&world, accept, &[]);
        assert_eq!(reply.content_type, CLASSIC);
        let has = |line: &str| reply.body.lines().any(|other| other == line);
        assert!(has("# TYPE supervise_process_starts_total counter"));
        assert!(has("supervise_process_starts_total{name=\"fatal\",group=\"web\"} 3"));
        assert!(has("# TYPE supervise_info gauge"));
        assert!(!reply.body.contains("# UNIT") && !reply.body.contains("# EOF"));
    }
}

#[test]
#[allow(clippy::float_cmp)]
fn the_names_of_others() {
    let families = read(&open(&crowd(), &["supervisord_exporter", "node_exporter"]));
    let others = ["supervisord_up", "supervisor_process_uptime", "node_supervisord_up"];
    assert!(others.iter().all(|name| families.contains_key(*name)));
    let (labels, value) = &families["supervisor_process_info"].samples[0];
    let names: Vec<&str> = labels.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names.as_slice(), *value), (&["name", "group", "state", "exit_status"][..], 1.0));
    assert_eq!(of(&families, "supervisor_process_uptime", "running"), Some(3725.0));
    assert_eq!(of(&families, "supervisor_process_uptime", "stopping"), None);
    assert_eq!(of(&families, "node_supervisord_state", "fatal"), Some(200.0));
}

#[test]
fn a_hot_replacement_makes_no_series_twice() {
    let mut world = crowd();
    world.add("web", "running", State::Starting);
    read(&open(&world, &["supervisord_exporter"]));
}

#[test]
fn moods() {
    for (mood, number) in [(Mood::Running, 1), (Mood::Restarting, 0), (Mood::ShuttingDown, -1)] {
        let mut world = Fake::new();
        world.mood = mood;
        let line = format!("\nsupervise_mood {number}\n");
        assert!(open(&world, &[]).contains(&line));
    }
}

#[test]
fn time_that_is_not_known_is_not_told() {
    let mut world = Fake::new();
    let id = world.add("web", "a", State::Running);
    world.of(id).start = -5;
    assert_eq!(of(&read(&open(&world, &[])), "supervise_process_start_time_seconds", "a"), None);
}
