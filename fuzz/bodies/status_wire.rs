//! The status on the control socket: never a panic; what is accepted is written again as it was
//! understood, and shown without a character that drives a terminal.

use superdaemon::start_server::Status;

/// Valid inputs, and some that nearly are.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"server\t10\t0.1.0\tserving\t3\t0\t\t5000\t\n",
    b"server\t10\t0.1.0\twaiting\t3\t2\t1500\t90061000\tit said \"no\"\\tand\\nleft\n\
      worker\t1\t11\told\t61000\tback\\\\slash\n\
      worker\t2\t12\tcurrent\t5\t\n\
      listener\t8080\t3\ttcp\t0.0.0.0:8080\n",
    b"server\t\t\t\t18446744073709551615\t1\t18446744073709551615\t18446744073709551615\t\n",
    b"worker\t1\t-11\told\t\t\x1b[31m\n",
    b"listener\t\xc3\xa9\t3\n",
    b"later\tx\nserver\tx\ty\tz\t+1\t+0",
    b"server",
];

/// One input.
pub fn run(data: &[u8]) {
    let Some(status) = Status::decode(&String::from_utf8_lossy(data)) else { return };
    assert_eq!(Status::decode(&status.encode()).as_ref(), Some(&status));
    let table = status.table();
    assert!(!table.contains(|c: char| c.is_control() && c != '\n'), "{table:?}");
    let json = status.json();
    assert!(json.ends_with("}\n") && json.lines().count() == 1, "{json:?}");
    assert!(!json.trim_end().contains(|c: char| c < ' '), "{json:?}");
    assert!(balanced(&json), "{json:?}");
}

/// Whether strings end and brackets close, as JSON wants it.
fn balanced(json: &str) -> bool {
    let mut open = Vec::new();
    let mut characters = json.chars();
    let mut in_string = false;
    while let Some(character) = characters.next() {
        match (in_string, character) {
            (true, '\\') => drop(characters.next()),
            (_, '"') => in_string = !in_string,
            (false, '{' | '[') => open.push(character),
            (false, '}') if open.pop() != Some('{') => return false,
            (false, ']') if open.pop() != Some('[') => return false,
            _ => {}
        }
    }
    !in_string && open.is_empty()
}
