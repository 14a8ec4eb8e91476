//! Documents of clients that are not Python's, and such that are refused. Where supervisord 4.2.5 answers
//! one of these, the values are those that it takes.

use super::text;
use crate::supervise::rpc::{Call, Fault, Value, read_answer, read_call};

/// The only parameter of a call, given as it stands between `<param>` and `</param>`.
fn param(written: &str) -> Result<Value, String> {
    let body = format!(
        "<methodCall><methodName>a.b</methodName><params><param>{written}</param></params></methodCall>"
    );
    let mut call = read_call(body.as_bytes()).map_err(|error| error.to_string())?;
    assert_eq!((call.method.as_str(), call.params.len()), ("a.b", 1));
    Ok(call.params.remove(0))
}

#[test]
fn text_of_all_kinds() {
    for (written, expected) in [
        ("<value>a</value>", "a"),
        ("<value> a\n</value>", " a\n"),
        ("<value/>", ""),
        ("<value></value>", ""),
        ("<value><string/></value>", ""),
        ("<value>\n <string> a </string>\n</value>\n", " a "),
        ("<value>a&#65;&#x42;&amp;&lt;&gt;&quot;&apos;b</value>", "aAB&<>\"'b"),
        ("<value><![CDATA[a<&b]]>c</value>", "a<&bc"),
        ("<value>a<!-- x -->b<?x y?>c</value>", "abc"),
        ("<value><string>a<!-- x -->b</string></value>", "ab"),
        ("<!-- x --><value><!-- y --> <string>a</string></value>", "a"),
        ("<value>abc<string>a</string>def</value>", "a"),
        ("<value><string>a</string><string>b</string></value>", "a"),
        ("<value><foo>a</foo></value>", "a"),
        ("<value a='1'><string b=\"2\">a</string></value >", "a"),
        ("<value>a\r\nb\rc&#13;d</value>", "a\nb\nc\rd"),
        // Python's client writes it so.
        ("<value><string>\u{3}\u{1b}&#27;</string></value>", "\u{3}\u{1b}\u{1b}"),
    ] {
        assert_eq!(param(written), Ok(text(expected)), "{written}");
    }
}

#[test]
fn types() {
    let date = Value::Date("20261121T09:55:30".to_owned());
    for (written, expected) in [
        ("<int> 7 </int>", Value::Int(7)),
        ("<int>+7</int>", Value::Int(7)),
        ("<i4>-7</i4>", Value::Int(-7)),
        ("<i8>9223372036854775807</i8>", Value::Int(i64::MAX)),
        ("<int>-9223372036854775808</int>", Value::Int(i64::MIN)),
        ("<int>7<!-- x --></int>", Value::Int(7)),
        ("<ex:i1 xmlns:ex='x'>7</ex:i1>", Value::Int(7)),
        ("<boolean> 1 </boolean>", Value::Bool(true)),
        ("<boolean>0</boolean>", Value::Bool(false)),
        ("<double>1.5e3</double>", Value::Double(1500.0)),
        ("<double> -0.25 </double>", Value::Double(-0.25)),
        ("<nil/>", Value::Nil),
        ("<ex:nil xmlns:ex='x'></ex:nil>", Value::Nil),
        ("<dateTime.iso8601> 20261121T09:55:30 </dateTime.iso8601>", date),
        ("<base64>Y2F0</base64>", Value::Bytes(b"cat".to_vec())),
        ("<base64>\nY 2\r\nE=\n</base64>", Value::Bytes(b"ca".to_vec())),
        ("<base64>Y2E</base64>", Value::Bytes(b"ca".to_vec())),
        ("<base64/>", Value::Bytes(Vec::new())),
        ("<array><data/></array>", Value::Array(Vec::new())),
        ("<array/>", Value::Array(Vec::new())),
        ("<array> <data> <value>a</value> x </data> </array>", Value::Array(vec![text("a")])),
        ("<struct/>", Value::Struct(Vec::new())),
        (
            "<struct> <member> <value>1</value> <name> a </name> </member> </struct>",
            Value::Struct(vec![(" a ".to_owned(), text("1"))]),
        ),
    ] {
        assert_eq!(param(&format!("<value>{written}</value>")), Ok(expected), "{written}");
    }
}

#[test]
fn documents() {
    let call = Ok(Call { method: "a.b".to_owned(), params: Vec::new() });
    for body in [
        "<methodCall><methodName>a.b</methodName></methodCall>",
        "\n <methodCall><methodName>a.b</methodName></methodCall>\n<!-- x -->\n",
        "\u{feff}<?xml version='1.0' encoding='ISO-8859-1'?><methodCall><methodName>a.b</methodName></methodCall>",
        "<?XML version='1.0'?><methodCall><methodName>a.b</methodName></methodCall>",
        "\r\n<?xml version=\"1.0\"?>\r\n<methodCall>\r\n<params/>\r\n<methodName>a.b</methodName>\r\n</methodCall>",
        "<methodCall x='1'>x<y><z/>z</y><methodName>a.<!-- x -->b</methodName><params></params></methodCall>",
        "<methodCall><methodName>x</methodName><methodName>a.b</methodName></methodCall>",
    ] {
        assert_eq!(read_call(body.as_bytes()), call, "{body}");
    }
    // A method's name is not trimmed: there is none of this name.
    let spaced = read_call(b"<methodCall><methodName> a.b\n</methodName></methodCall>").unwrap();
    assert_eq!(spaced.method, " a.b\n");
}

#[test]
fn refused_documents() {
    let with =
        |inner: &str| format!("<methodCall><methodName>a.b</methodName>{inner}</methodCall>");
    let params = |inner: &str| with(&format!("<params><param>{inner}</param></params>"));
    for (body, why) in [
        (String::new(), "nothing"),
        ("x".to_owned(), "something else than a methodCall"),
        ("<html>".to_owned(), "something else than a methodCall"),
        ("<methodcall/>".to_owned(), "something else than a methodCall"),
        ("<methodCall/>".to_owned(), "a call without methodName"),
        ("<methodCall><methodName/></methodCall>".to_owned(), "a call without methodName"),
        ("<methodCall><methodName>a".to_owned(), "an early end"),
        ("<methodCall><methodName>a</methodName>".to_owned(), "an early end"),
        ("<methodCall><x>".to_owned(), "an early end"),
        (with("") + "x", "something after its end"),
        (with("") + "<a/>", "something after its end"),
        (with("</a>"), "expected `</methodCall>`, but `</a>` was found"),
        (with("<!-- "), ""),
        (with("&"), ""),
        (with("&nbsp;"), "an entity that XML does not have"),
        (params("<value>&#0;</value>"), ""),
        (params("<value>&#xd800;</value>"), ""),
        (params(""), "a param without a value"),
        (params("<string>a</string>"), "something else than one value in a param"),
        (params("<value/><value/>"), "something else than one value in a param"),
        (with("<params><value/></params>"), "something else than a param in params"),
        (params("<value><value/></value>"), "a value directly in a value"),
        (params("<value><int/></value>"), "an int that is no number of 64 bits"),
        (params("<value><int>1.5</int></value>"), "an int that is no number of 64 bits"),
        (
            params("<value><int>9223372036854775808</int></value>"),
            "an int that is no number of 64 bits",
        ),
        (params("<value><int><i4>1</i4></int></value>"), "an element where only text can be"),
        (params("<value><boolean>yes</boolean></value>"), "a boolean that is neither 0 nor 1"),
        (params("<value><double>1,5</double></value>"), "a double that is no number"),
        (params("<value><base64>Y2F0Y</base64></value>"), "base64 that has been cut off"),
        (params("<value><array><value/></array></value>"), "something else than data in an array"),
        (
            params("<value><array><data><int>1</int></data></array></value>"),
            "something else than a value in an array",
        ),
        (
            params("<value><struct><name/></struct></value>"),
            "something else than a member in a struct",
        ),
        (
            params("<value><struct><member><name>a</name></member></struct></value>"),
            "a member without name and value",
        ),
    ] {
        let error = read_call(body.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("not XML-RPC: ") && error.contains(why), "{body}: {error}");
        assert!(error.contains(" at byte ") && !error.contains('\n'), "{body}: {error}");
    }
    let bytes = read_call(b"<methodCall>\xff").unwrap_err().to_string();
    assert_eq!(bytes, "not XML-RPC: bytes that are not UTF-8 at byte 12");
}

#[test]
fn no_dtd() {
    let call = "<methodCall><methodName>&a;</methodName></methodCall>";
    for dtd in [
        "<!DOCTYPE x>",
        "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>",
        "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>",
        "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;'>]>",
    ] {
        let error = read_call(format!("{dtd}{call}").as_bytes()).unwrap_err().to_string();
        assert!(error.contains("a DTD, which is not read"), "{dtd}: {error}");
    }
}

#[test]
fn bounded_depth() {
    let nested = |open: &str, close: &str, times: usize| {
        param(&format!("<value>{}<nil/>{}</value>", open.repeat(times), close.repeat(times)))
    };
    let arrays = ("<array><data><value>", "</value></data></array>");
    let structs = ("<struct><member><name>a</name><value>", "</value></member></struct>");
    for (open, close) in [arrays, structs] {
        assert!(nested(open, close, 63).is_ok());
        for times in [64, 10_000] {
            let error = nested(open, close, times).unwrap_err();
            assert!(error.contains("values nested deeper than 64"), "{error}");
        }
    }
    // What is passed over may be as deep as it likes.
    let deep = format!(
        "<methodCall>{}{}<methodName>a</methodName></methodCall>",
        "<x>".repeat(50_000),
        "</x>".repeat(50_000)
    );
    assert_eq!(read_call(deep.as_bytes()).unwrap().method, "a");
}

#[test]
fn answers() {
    let read =
        |inner: &str| read_answer(format!("<methodResponse>{inner}</methodResponse>").as_bytes());
    let one = "<params><param><value><int>1</int></value></param></params>";
    assert_eq!(read(one), Ok(Ok(Value::Int(1))));
    let name = "<member><name>faultString</name><value>X</value></member>";
    let code = "<member><name>faultCode</name><value><int>-32601</int></value></member>";
    let fault = format!("<fault><value><struct>{name}{code}</struct></value></fault>");
    assert_eq!(read(&fault), Ok(Err(Fault::new(-32601, "X"))));
    for (inner, why) in [
        ("", "an answer without a value"),
        ("<params/>", "an answer without a value"),
        ("<params><param/></params>", "a param without a value"),
        ("<fault><value>x</value></fault>", "a fault without faultCode and faultString"),
        ("<fault/>", "a fault without a value"),
    ] {
        assert!(read(inner).unwrap_err().to_string().contains(why), "{inner}");
    }
    let page = read_answer(b"<html><body>x</body></html>").unwrap_err().to_string();
    assert_eq!(page, "not XML-RPC: something else than a methodResponse at byte 6");
    assert!(read_answer(b"<methodCall/>").is_err());
}
