use super::*;

#[test]
fn the_wire_form_returns_what_went_in() {
    assert_eq!(Status::decode(&example().encode()), Some(example()));
    let nothing = Status::default();
    assert_eq!(Status::decode(&nothing.encode()), Some(nothing));
    let mut every = example();
    for byte in 0..=u8::MAX {
        every.workers[1].text = Some(vec![byte, b'\\', byte, b'x', byte]);
        assert_eq!(Status::decode(&every.encode()).as_ref(), Some(&every), "{byte}");
    }
}

#[test]
fn what_is_cut_off_is_not_believed() {
    let whole = example().encode();
    let end = whole.strip_suffix("end\n").unwrap().len();
    for length in 0..end {
        if let Some(start) = whole.get(..length) {
            assert_eq!(Status::decode(start), None, "{start}");
        }
    }
    for nonsense in ["end\n", "worker\tslot=1\nend", "manager=1\nend", "failed\nno\n"] {
        assert_eq!(Status::decode(nonsense), None, "{nonsense}");
    }
    // A later version may know more.
    let more = "manager\tpid=5\tmood=good\ncolour\tred=1\nworker\tslot=x\tage=-1\ttext=a\\\nend\n";
    let status = Status::decode(more).unwrap();
    assert_eq!(status.manager.pid, Some(5));
    let worker = WorkerStatus { text: Some(b"a".to_vec()), ..WorkerStatus::default() };
    assert_eq!(status.workers, [worker]);
}

#[test]
fn a_long_text_is_cut_between_characters() {
    let mut status = example();
    status.workers[0].text = Some("x".repeat(4095).into_bytes());
    status.workers[0].text.as_mut().unwrap().extend("€€".bytes());
    let sent = Status::decode(&status.encode()).unwrap();
    assert_eq!(sent.workers[0].text.as_deref(), Some("x".repeat(4095).as_bytes()));
    status.workers[0].text = Some(vec![0xff; 9000]);
    let sent = Status::decode(&status.encode()).unwrap();
    assert_eq!(sent.workers[0].text.as_ref().unwrap().len(), 4096);
}

/// Neither controls nor what turns the writing round.
fn harmless(text: &str) -> bool {
    !text.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}'))
}

#[test]
fn a_table_is_aligned_and_harmless() {
    let table = example().table();
    assert!(harmless(&table), "{table}");
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].ends_with(" 10: reloading, generation 2, up 1d01h"), "{table}");
    assert_eq!(
        lines[2],
        "pool: 1 to 3 idle, 8 at most; 4 workers: 1 idle, 1 busy, 1 unknown, 1 starting, \
         2 draining besides; most 9"
    );
    assert_eq!(
        lines[3],
        "since the start: 100 requests; 12 started, 6 ended, 1 failed; \
         held back by the limit 4 times; CPU pressure 37%"
    );
    assert_eq!(lines.len(), 4 + 3 + 7, "{table}");
    let head = lines[7];
    for (title, cell) in [("PID", "1000"), ("STATE", "K busy"), ("NOW", "1.2s"), ("RSS", "34.0M")] {
        let column = head.find(title).unwrap();
        assert!(lines[8].split_at(column).1.starts_with(cell), "{cell}: {table}");
    }
    assert!(lines[8].contains("5.0M") && lines[8].contains("1m01s"), "{table}");
    assert!(lines[9].contains("_ idle") && lines[9].ends_with('-'), "{table}");
    assert!(Status::default().table().starts_with("prefork-run: serving, generation 0\n"));
}

#[test]
fn times_and_sizes_are_short() {
    let age = |millis| Age(Duration::from_millis(millis)).to_string();
    let ages = [0, 999, 59_999, 60_000, 3_600_000, 90_061_000].map(age);
    assert_eq!(ages, ["0.0s", "0.9s", "59.9s", "1m00s", "1h00m", "1d01h"]);
    let size = |bytes| Bytes(bytes).to_string();
    let sizes = [0, 1023, 1024, 35_328, 1 << 20, (1 << 30) - 1, u64::MAX].map(size);
    assert_eq!(sizes, ["0B", "1023B", "1.0K", "34.5K", "1.0M", "1023.9M", "15.9E"]);
}

/// Reads one JSON value; what follows it.
fn value(json: &str) -> &str {
    if let Some(inside) = json.strip_prefix('{') {
        return items(inside, '}', |item| {
            assert!(item.starts_with('"'), "a key: {item}");
            value(value(item).strip_prefix(':').expect("a colon"))
        });
    }
    if let Some(inside) = json.strip_prefix('[') {
        return items(inside, ']', value);
    }
    if let Some(inside) = json.strip_prefix('"') {
        return string(inside);
    }
    let (word, rest) = json.split_at(json.find([',', '}', ']', '\n']).expect("an end"));
    let number = word.starts_with(|c: char| c.is_ascii_digit()) && word.parse::<f64>().is_ok();
    assert!(number || ["null", "true", "false"].contains(&word), "{word}");
    rest
}

fn items<'j>(inside: &'j str, close: char, item: impl Fn(&'j str) -> &'j str) -> &'j str {
    if let Some(rest) = inside.strip_prefix(close) {
        return rest;
    }
    let mut rest = item(inside);
    while let Some(next) = rest.strip_prefix(',') {
        rest = item(next);
    }
    rest.strip_prefix(close).expect("an end")
}

fn string(inside: &str) -> &str {
    let mut rest = inside.chars();
    loop {
        match rest.next().expect("the end of a string") {
            '"' => return rest.as_str(),
            '\\' => match rest.next().expect("an escape") {
                'u' => {
                    let digits: String = rest.by_ref().take(4).collect();
                    u16::from_str_radix(&digits, 16).unwrap();
                }
                escaped => assert!("\"\\/bfnrt".contains(escaped), "{escaped}"),
            },
            plain => assert!(plain >= ' '),
        }
    }
}

#[test]
fn json_is_json() {
    for mut status in [example(), Status::default()] {
        status.measure();
        let json = status.json();
        assert_eq!(value(&json), "\n", "{json}");
        assert!(harmless(&json), "{json}");
    }
    let json = example().json();
    for part in [
        r#"{"manager":{"pid":10,"version":"0.1.0","title":"#,
        r#""phase":"reloading","started":1795287000,"uptime":90061.25,"generation":2,"#,
        r#""busy":2.500001,"in_request":1.234,"last_beat":0.000007,"bytes":5242880,"age":61,"#,
        r#"back\\slash \"quoted\"\t\n\r# EOF\n} 1"#,
        r#""source":"syscall","letter":null,"requests":null"#,
        r#""queue":5,"queue_limit":511"#,
    ] {
        assert!(json.contains(part), "{part}: {json}");
    }
}
