//! What is read and written, against what supervisord and its client sent.

mod python;
mod tolerance;

use std::fmt::Write as _;

use fastrand::Rng;

use super::*;

/// `supervisorctl start manual`, as it was recorded.
const START: &str = "<?xml version='1.0'?>
<methodCall>
<methodName>supervisor.startProcess</methodName>
<params>
<param>
<value><string>manual</string></value>
</param>
</params>
</methodCall>
";
/// supervisord's answer for a program that is not there.
const NO_FILE: &str = "<?xml version='1.0'?>
<methodResponse>
<fault>
<value><struct>
<member>
<name>faultCode</name>
<value><int>20</int></value>
</member>
<member>
<name>faultString</name>
<value><string>NO_FILE: can't find command '/no/such/file'</string></value>
</member>
</struct></value>
</fault>
</methodResponse>
";
/// supervisord's answer to a `system.multicall` of getPID and getProcessInfo('x').
const MULTICALL: &str = "<?xml version='1.0'?>
<methodResponse>
<params>
<param>
<value><array><data>
<value><int>14553</int></value>
<value><struct>
<member>
<name>faultCode</name>
<value><int>10</int></value>
</member>
<member>
<name>faultString</name>
<value><string>BAD_NAME: x</string></value>
</member>
</struct></value>
</data></array></value>
</param>
</params>
</methodResponse>
";
/// And to tailProcessStdoutLog.
const TAIL: &str = "<?xml version='1.0'?>
<methodResponse>
<params>
<param>
<value><array><data>
<value><string>a &lt;b&gt; &amp; c
</string></value>
<value><int>389</int></value>
<value><boolean>1</boolean></value>
</data></array></value>
</param>
</params>
</methodResponse>
";

pub(super) fn text(text: &str) -> Value {
    Value::from(text)
}

#[test]
fn recorded_bytes() {
    let start = Call { method: "supervisor.startProcess".to_owned(), params: vec![text("manual")] };
    assert_eq!(read_call(START.as_bytes()), Ok(start.clone()));
    assert_eq!(String::from_utf8(write_call(&start.method, &start.params)).unwrap(), START);

    let tail = Value::Array(vec![text("a <b> & c\n"), Value::Int(389), Value::Bool(true)]);
    let bad_name =
        Value::of_members([("faultCode", Value::Int(10)), ("faultString", text("BAD_NAME: x"))]);
    for (recorded, answer) in [
        (NO_FILE, Err(FaultCode::NoFile.with("can't find command '/no/such/file'"))),
        (MULTICALL, Ok(Value::Array(vec![Value::Int(14553), bad_name]))),
        (TAIL, Ok(tail)),
    ] {
        assert_eq!(String::from_utf8(write_answer(&answer)).unwrap(), recorded);
        assert_eq!(read_answer(recorded.as_bytes()), Ok(answer));
    }
    let none = "<?xml version='1.0'?>\n<methodCall>\n<methodName>supervisor.getVersion</methodName>\n<params>\n</params>\n</methodCall>\n";
    assert_eq!(String::from_utf8(write_call("supervisor.getVersion", &[])).unwrap(), none);
}

/// Text of anything: half of the time with what XML or XML-RPC has a meaning for.
fn any_text(random: &mut Rng) -> String {
    const PIECES: [&str; 16] = [
        "&",
        "<",
        ">",
        "]]>",
        "<![CDATA[",
        "&amp;",
        "\r",
        "\n",
        "\r\n",
        "\t",
        " ",
        "\u{1b}[31m",
        "\0",
        "\u{ffff}",
        "</value>",
        "ö",
    ];
    let mut made = String::new();
    for _ in 0..random.usize(..6) {
        if random.bool() {
            made.push_str(PIECES[random.usize(..PIECES.len())]);
        } else {
            made.push(random.char(..));
        }
    }
    made
}

pub(super) fn any_value(random: &mut Rng, depth: usize) -> Value {
    match random.u8(..if depth == 0 { 7 } else { 9 }) {
        0 => Value::Int(if random.bool() { random.i64(..) } else { random.i64(-5..5) }),
        1 => Value::Bool(random.bool()),
        2 => Value::Double(random.f64() * 10_f64.powi(random.i32(-300..300))),
        3 | 4 => Value::Text(any_text(random)),
        5 => Value::Bytes((0..random.usize(..100)).map(|_| random.u8(..)).collect()),
        6 => match random.bool() {
            true => Value::Nil,
            false => Value::Date("20261121T09:55:30".to_owned()),
        },
        7 => Value::Array((0..random.usize(..5)).map(|_| any_value(random, depth - 1)).collect()),
        _ => Value::Struct(
            (0..random.usize(..5))
                .map(|_| (any_text(random), any_value(random, depth - 1)))
                .collect(),
        ),
    }
}

/// What a value is when all its text was made clean.
pub(super) fn cleaned(value: &Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(clean(text).into_owned()),
        Value::Array(values) => Value::Array(values.iter().map(cleaned).collect()),
        Value::Struct(members) => Value::Struct(
            members
                .iter()
                .map(|(name, value)| (clean(name).into_owned(), cleaned(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn arriving(answer: &Result<Value, Fault>) -> Result<Value, Fault> {
    match answer {
        Ok(value) => Ok(cleaned(value)),
        Err(fault) => Err(Fault::new(fault.code, clean(&fault.text))),
    }
}

#[test]
fn answers_come_back() {
    let mut random = Rng::with_seed(1);
    for _ in 0..5_000 {
        let answer = if random.u8(..5) == 0 {
            Err(Fault::new(random.i32(..), any_text(&mut random)))
        } else {
            Ok(any_value(&mut random, 4))
        };
        assert_eq!(read_answer(&write_answer(&answer)), Ok(arriving(&answer)));
    }
}

#[test]
fn calls_come_back() {
    let mut random = Rng::with_seed(2);
    let mut as_bytes = 0;
    for _ in 0..5_000 {
        let param = Value::Text(any_text(&mut random));
        let read = read_call(&write_call("a.b", std::slice::from_ref(&param))).unwrap();
        assert_eq!(read.method, "a.b");
        // Nothing is lost, even where XML cannot hold it.
        match (&param, read.params.as_slice()) {
            (Value::Text(sent), [Value::Bytes(got)]) => {
                assert_eq!(sent.as_bytes(), got);
                as_bytes += 1;
            }
            _ => assert_eq!(read.params, [param]),
        }
    }
    assert!(as_bytes > 100, "{as_bytes}");
}

#[test]
fn changed_bytes_are_read_or_refused() {
    let mut random = Rng::with_seed(3);
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut bytes = MULTICALL.as_bytes().to_vec();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            match random.u8(..3) {
                0 => bytes[at] = random.u8(..),
                1 => drop(bytes.drain(at + 1..(at + 9).clamp(at + 1, bytes.len()))),
                _ => bytes.truncate(at.max(1)),
            }
        }
        match read_answer(&bytes) {
            // What was read can be written, and is then read as the same, but clean.
            Ok(answer) => assert_eq!(read_answer(&write_answer(&answer)), Ok(arriving(&answer))),
            Err(error) => {
                let line = error.to_string();
                assert!(!line.contains(['\n', '\r', '\0']) && line.len() < 400, "{line}");
                refused += 1;
            }
        }
    }
    assert!((10_000..20_000).contains(&refused), "{refused}");
}

/// 10,000 processes: every value of them arrives, and more than a call may have.
#[test]
fn large_answers() {
    let process = |number: i64| {
        Value::of_members(
            [
                "name",
                "group",
                "start",
                "stop",
                "now",
                "state",
                "statename",
                "spawnerr",
                "exitstatus",
                "logfile",
            ]
            .map(|name| {
                (
                    name,
                    if name == "name" { text(&format!("p{number}")) } else { Value::Int(number) },
                )
            }),
        )
    };
    let all = Ok(Value::Array((0..10_000).map(process).collect()));
    let bytes = write_answer(&all);
    assert_eq!(read_answer(&bytes), Ok(all));
    let mut call =
        String::from("<methodCall><methodName>a</methodName><params><param><value><array><data>");
    for number in 0..100_000 {
        write!(call, "<value>{number}</value>").unwrap();
    }
    let open = call.len();
    call.push_str("</data></array></value></param></params></methodCall>");
    assert!(
        read_call(call.as_bytes())
            .unwrap_err()
            .to_string()
            .starts_with("not XML-RPC: too many values at byte ")
    );
    call.replace_range(open - "<value>99999</value>".len()..open, "");
    assert_eq!(read_call(call.as_bytes()).unwrap().params[0].as_array().unwrap().len(), 99_999);
}
