//! XML-RPC: never a panic, never without bounds; what is read can be written and is read as the same; what is
//! written can be held by XML 1.0.

use superdaemon::supervise::rpc::{
    Fault, ReadError, Value, clean, clean_bytes, read_answer, read_call, write_answer, write_call,
};

/// Valid documents, and some that nearly are.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"<?xml version='1.0'?>\n<methodCall>\n<methodName>supervisor.startProcess</methodName>\n<params>\n<param>\n\
      <value><string>manual</string></value>\n</param>\n</params>\n</methodCall>\n",
    b"<methodCall><methodName>system.multicall</methodName><params><param><value><array><data><value><struct><member>\
      <name>methodName</name><value>supervisor.getPID</value></member><member><name>params</name><value><array><data>\
      <value><int>1</int></value><value><boolean>0</boolean></value></data></array></value></member></struct></value>\
      </data></array></value></param></params></methodCall>",
    b"<methodCall><methodName>a.b</methodName><params><param><value><i8>-9223372036854775808</i8></value></param><param>\
      <value><double>-1.5e300</double></value></param><param><value><base64>Y2F0</base64></value></param><param><value>\
      <nil/></value></param><param><value><dateTime.iso8601>20261121T09:55:30</dateTime.iso8601></value></param></params>\
      </methodCall>",
    b"<methodCall><methodName>a.b</methodName><params><param><value>a&#13;&#x1b;&amp;<![CDATA[<&]]><!-- x --><?x y?>\
      </value></param></params></methodCall>",
    b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><methodCall><methodName>&a;</methodName></methodCall>",
    b"<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n\
      <value><int>20</int></value>\n</member>\n<member>\n<name>faultString</name>\n<value><string>NO_FILE: can't find \
      command '/no/such/file'</string></value>\n</member>\n</struct></value>\n</fault>\n</methodResponse>\n",
    b"<methodResponse><params><param><value><array><data><value><string>log\r\n\x1b[31m</string></value><value><int>389\
      </int></value><value><boolean>1</boolean></value></data></array></value></param></params></methodResponse>",
    b"<methodResponse><params><param><value><struct><member><name>a</name><value/></member></struct></value></param>\
      </params></methodResponse>",
    b"\xef\xbb\xbf<methodResponse><params><param><value>w\xc3\xb6rt\xef\xbf\xbf</value></param></params></methodResponse>",
    b"<html><head><title>Error response</title></head>\n<body>\n<h1>Error response</h1>\n</body></html>\n",
];

/// One input.
pub fn run(data: &[u8]) {
    match read_call(data) {
        Ok(call) => {
            assert!(!call.method.is_empty());
            let again = read_call(&write_call(&call.method, &call.params)).unwrap();
            // In the name there is nothing that would be sent in another way.
            assert_eq!(again.method, clean(&call.method));
            assert_eq!(again.params.len(), call.params.len());
            for (again, param) in again.params.iter().zip(&call.params) {
                assert_same(again, &sent(param));
            }
        }
        Err(error) => one_line(&error),
    }
    match read_answer(data) {
        Ok(answer) => assert_answer(&answer),
        Err(error) => one_line(&error),
    }
    let text = clean_bytes(data);
    assert_eq!(clean(&text), text);
    assert_answer(&Ok(Value::Text(String::from_utf8_lossy(data).into_owned())));
    assert_answer(&Ok(Value::Bytes(data.to_vec())));
    assert_answer(&Err(Fault::new(30, text)));
}

fn assert_answer(answer: &Result<Value, Fault>) {
    let written = write_answer(answer);
    let text = std::str::from_utf8(&written).unwrap();
    assert_eq!(clean(text), text);
    assert!(!text.contains('\r'), "a reader would take it for a newline");
    match (read_answer(&written).unwrap(), answer) {
        (Ok(again), Ok(value)) => assert_same(&again, &shown(value)),
        (Err(again), Err(fault)) => assert_eq!(again, Fault::new(fault.code, clean(&fault.text))),
        (again, _) => panic!("{again:?} of {answer:?}"),
    }
}

/// Equal, where no number is equal to no number.
fn assert_same(a: &Value, b: &Value) {
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
}

/// A value as an answer carries it.
fn shown(value: &Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(clean(text).into_owned()),
        other => inner(other, shown),
    }
}

/// A value as a call carries it: every text complete.
fn sent(value: &Value) -> Value {
    match value {
        Value::Text(text) if clean(text) != *text => Value::Bytes(text.as_bytes().to_vec()),
        other => inner(other, sent),
    }
}

fn inner(value: &Value, each: fn(&Value) -> Value) -> Value {
    match value {
        Value::Date(date) => Value::Date(clean(date).into_owned()),
        Value::Array(values) => Value::Array(values.iter().map(each).collect()),
        Value::Struct(members) => Value::Struct(
            members.iter().map(|(name, value)| (clean(name).into_owned(), each(value))).collect(),
        ),
        other => other.clone(),
    }
}

fn one_line(error: &ReadError) {
    let line = error.to_string();
    assert!(line.len() < 1_000 && !line.contains(char::is_control), "{line:?}");
}
