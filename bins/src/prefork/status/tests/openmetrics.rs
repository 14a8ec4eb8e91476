use super::*;
use std::collections::{BTreeMap, BTreeSet};

/// A sample: its name, its labels, its value.
type Sample = (String, BTreeMap<String, String>, f64);

/// Reads OpenMetrics text as strictly as the standard wants it written, and no more of it than what
/// is used here: gauges, counters, infos, no timestamps.
fn read(text: &str) -> Vec<Sample> {
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    let (mut families, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let (mut name, mut kind) = (String::new(), String::new());
    let (mut described, mut samples) = (BTreeSet::new(), Vec::new());
    for line in body.split_terminator('\n') {
        assert!(!line.is_empty() && !line.chars().any(char::is_control), "{line:?}");
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let mut next = || words.next().expect(line);
            let (what, family, rest) = (next(), next(), next());
            if what == "TYPE" {
                (name, kind) = (family.to_owned(), rest.to_owned());
                assert!(families.insert(name.clone()), "{name} comes twice");
                assert!(["gauge", "counter", "info"].contains(&rest), "{rest}");
                described.clear();
            }
            assert_eq!(family, name, "metadata stays with its family");
            assert!(described.insert(what.to_owned()), "{what} twice: {line}");
            match what {
                "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "{line}"),
                "TYPE" | "HELP" => {}
                _ => panic!("{line}"),
            }
            continue;
        }
        assert!(described.contains("HELP"), "help comes before samples: {line}");
        let sample = sample(line);
        let suffix = match kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        assert_eq!(sample.0, format!("{name}{suffix}"), "{line}");
        assert!(kind == "gauge" || sample.2 >= 0.0, "{line}");
        assert!(kind != "info" || sample.2 == 1.0, "{line}");
        assert!(seen.insert(format!("{}{:?}", sample.0, sample.1)), "twice: {line}");
        samples.push(sample);
    }
    samples
}

fn is_name(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(letter) && text.chars().all(|c| letter(c) || c.is_ascii_digit())
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").expect(line);
            assert!(is_name(label), "{line}");
            let mut characters = after.chars();
            let mut value = String::new();
            loop {
                match characters.next().expect(line) {
                    '"' => break,
                    '\\' => value.push(match characters.next().expect(line) {
                        'n' => '\n',
                        plain @ ('"' | '\\') => plain,
                        other => panic!("\\{other} in {line}"),
                    }),
                    plain => value.push(plain),
                }
            }
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            rest = characters.as_str();
            match rest.strip_prefix(',') {
                Some(after) => rest = after,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').expect(line);
    }
    let value = rest.strip_prefix(' ').expect(line);
    assert!(value.chars().all(|c| c.is_ascii_digit() || c == '.'), "{line}");
    (name.to_owned(), labels, value.parse().expect(line))
}

#[test]
fn metrics_are_openmetrics() {
    let mut status = example();
    status.machine.cpu = Some(Cpu { user: Duration::from_millis(1500), ..Cpu::default() });
    let text = status.openmetrics();
    let samples = read(&text);
    let value = |name: &str, label: &str| {
        let name = format!("superdaemon_prefork_{name}");
        let found = samples.iter().find(|(found, labels, _)| {
            *found == name && (label.is_empty() || labels.values().any(|value| value == label))
        });
        found.unwrap_or_else(|| panic!("{name} {label}: {text}")).2
    };
    assert_eq!(value("workers", "unknown"), 1.0);
    assert_eq!(value("workers", "draining"), 2.0);
    assert_eq!(value("workers_limit", ""), 8.0);
    assert_eq!(value("requests_total", ""), 100.0);
    assert_eq!(value("busy_seconds_total", ""), 12.500_001);
    assert_eq!(value("cpu_pressure_ratio", ""), 0.37);
    assert_eq!(value("cpu_seconds_total", "user"), 1.5);
    assert_eq!(value("start_time_seconds", ""), 1_795_287_000.0);
    assert_eq!(value("listener_queue", "3"), 5.0);
    assert_eq!(value("worker_requests_total", "0"), 10.0);
    assert_eq!(value("worker_age_seconds", "6"), 61.0);
    assert_eq!(value("worker_resident_bytes", "0"), f64::from(34 << 20));
    assert_eq!(value("up", ""), 1.0);
    let title = samples.iter().find_map(|(_, labels, _)| labels.get("title")).unwrap();
    assert!(title.starts_with("\\u{1b}[2J\\u{7}back\\\\slash \"quoted\""), "{title}");
}

#[test]
fn what_is_not_known_has_no_metric() {
    let text = Status::default().openmetrics();
    let names: BTreeSet<String> = read(&text).into_iter().map(|(name, ..)| name).collect();
    for absent in ["requests_total", "start_time_seconds", "listener_queue", "worker_age_seconds"] {
        assert!(!names.contains(&format!("superdaemon_prefork_{absent}")), "{text}");
    }
    assert!(names.contains("superdaemon_prefork_spawned_total"), "{text}");
    assert!(text.contains("superdaemon_prefork_manager_info 1\n"), "{text}");
}

#[test]
fn the_reader_of_these_tests_is_strict() {
    let refused = |text: &str| std::panic::catch_unwind(|| read(text)).is_err();
    let good = "# TYPE a counter\n# HELP a b c\na_total{x=\"\\\"\\\\\"} 1\n# EOF\n";
    assert_eq!(read(good).len(), 1);
    for (from, to) in [
        ("# EOF\n", ""),
        ("a_total", "a"),
        ("\\\"", "\""),
        (" 1\n", " 1\n\n"),
        ("} 1\n", "} one\n"),
        ("# HELP", "# HOLP"),
        ("TYPE a", "TYPE b"),
        ("} 1\n", "} 1\n# UNIT a seconds\n"),
        ("} 1\n", "} 1\na_total{x=\"\\\"\\\\\"} 2\n"),
    ] {
        assert!(refused(&good.replacen(from, to, 1)), "{from:?} as {to:?}");
    }
}
