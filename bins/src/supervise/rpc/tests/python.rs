//! Python's `xmlrpc.client` reads what is written here, and the other way round.

use std::io::Write as _;
use std::process::{Command, Stdio};

use fastrand::Rng;

use super::{any_value, cleaned};
use crate::supervise::rpc::{Fault, Value, read_answer, read_call, write_answer, write_call};

/// Reads documents, each after a line with its length, and writes them again in the same way: answers as
/// answers, calls as calls, faults as faults.
const ECHO: &str = "
import sys, xmlrpc.client as x
i, o = sys.stdin.buffer, sys.stdout.buffer
while line := i.readline():
    body = i.read(int(line))
    try:
        params, method = x.loads(body)
        assert all(type(p) in (int, bool, float, str, list, dict, type(None), x.Binary, x.DateTime) for p in params)
        again = x.dumps(params, method, methodresponse=method is None, allow_none=True)
    except x.Fault as fault:
        again = x.dumps(fault)
    again = again.encode()
    o.write(b'%d\\n' % len(again) + again)
";

fn through_python(documents: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut python = Command::new("python3")
        .args(["-c", ECHO])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    let sent = documents.to_vec();
    let writer = std::thread::spawn(move || {
        for document in sent {
            stdin.write_all(format!("{}\n", document.len()).as_bytes()).unwrap();
            stdin.write_all(&document).unwrap();
        }
    });
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let mut rest = output.stdout.as_slice();
    let mut read = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let length: usize = std::str::from_utf8(&rest[..end]).unwrap().parse().unwrap();
        let (document, more) = rest[end + 1..].split_at(length);
        read.push(document.to_vec());
        rest = more;
    }
    read
}

/// What Python makes of a value when it writes it again: carriage returns are lost in its writer, members of
/// the same name are one, and it refuses to write beyond 32 bits.
fn plain(value: Value) -> Value {
    match value {
        Value::Int(number) => Value::Int(number % (1 << 31)),
        Value::Text(text) => Value::Text(text.replace('\r', "")),
        Value::Array(values) => Value::Array(values.into_iter().map(plain).collect()),
        Value::Struct(members) => {
            let mut kept: Vec<(String, Value)> = Vec::new();
            for (name, value) in members {
                let name = name.replace('\r', "");
                if kept.iter().all(|(other, _)| *other != name) {
                    kept.push((name, plain(value)));
                }
            }
            Value::Struct(kept)
        }
        other => other,
    }
}

#[test]
fn both_directions() {
    let mut random = Rng::with_seed(4);
    let mut documents = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..500 {
        let value = plain(cleaned(&any_value(&mut random, 3)));
        documents.push(write_answer(&Ok(value.clone())));
        answers.push(Ok(value));
    }
    let fault = Fault::new(10, "BAD_NAME: <ö>\u{241b}");
    documents.push(write_answer(&Err(fault.clone())));
    answers.push(Err(fault));
    let params: Vec<Value> = answers.iter().filter_map(|answer| answer.clone().ok()).collect();
    documents.push(write_call("supervisor.x", &params));

    let mut again = through_python(&documents);
    assert_eq!(again.len(), documents.len());
    let call = read_call(&again.pop().unwrap()).unwrap();
    assert_eq!((call.method.as_str(), call.params), ("supervisor.x", params));
    for ((again, answer), written) in again.iter().zip(answers).zip(&documents) {
        let shown = String::from_utf8_lossy(written);
        assert_eq!(read_answer(again), Ok(answer), "{shown}");
    }
}

/// What Python reads but cannot write.
#[test]
fn more_than_python_writes() {
    const CHECK: &str = "
import sys, xmlrpc.client as x
(value,), _ = x.loads(sys.stdin.buffer.read())
assert value == [2**63 - 1, -2**63, 'a\\r\\nb\\r', '\\u241b[31m\\u2400\\ufffd'], value
";
    let value = Value::Array(vec![
        Value::Int(i64::MAX),
        Value::Int(i64::MIN),
        "a\r\nb\r".into(),
        "\u{1b}[31m\0\u{fffe}".into(),
    ]);
    let mut python =
        Command::new("python3").args(["-c", CHECK]).stdin(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(&write_answer(&Ok(value))).unwrap();
    assert!(python.wait().unwrap().success());
}
