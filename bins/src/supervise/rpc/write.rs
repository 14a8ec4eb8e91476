//! Calls and answers as bytes, laid out as Python's `xmlrpc.client` lays them out.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::clean::{is_legal, legal};
use super::value::{Fault, Value};

/// An answer. All text in it is [`clean`](super::clean()).
#[must_use]
pub fn write_answer(answer: &Result<Value, Fault>) -> Vec<u8> {
    let mut out = Writer { out: Vec::with_capacity(256), exact: false };
    out.push("<?xml version='1.0'?>\n<methodResponse>\n");
    match answer {
        Ok(value) => {
            out.push("<params>\n<param>\n");
            out.value(value);
            out.push("</param>\n</params>\n");
        }
        Err(fault) => {
            out.push("<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n");
            out.int(i64::from(fault.code));
            out.push("</member>\n<member>\n<name>faultString</name>\n");
            out.text(&fault.text);
            out.push("</member>\n</struct></value>\n</fault>\n");
        }
    }
    out.push("</methodResponse>\n");
    out.out
}

/// A call. Text that XML cannot hold goes as base64, which supervisord takes as text as well.
#[must_use]
pub fn write_call(method: &str, params: &[Value]) -> Vec<u8> {
    let mut out = Writer { out: Vec::with_capacity(256), exact: true };
    out.push("<?xml version='1.0'?>\n<methodCall>\n<methodName>");
    out.escaped(method);
    out.push("</methodName>\n<params>\n");
    for param in params {
        out.push("<param>\n");
        out.value(param);
        out.push("</param>\n");
    }
    out.push("</params>\n</methodCall>\n");
    out.out
}

struct Writer {
    out: Vec<u8>,
    /// Text must arrive as it is.
    exact: bool,
}

impl Writer {
    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Int(number) => self.int(*number),
            Value::Bool(true) => self.push("<value><boolean>1</boolean></value>\n"),
            Value::Bool(false) => self.push("<value><boolean>0</boolean></value>\n"),
            Value::Double(number) => {
                self.shown("<value><double>", format_args!("{number:?}"), "</double></value>\n");
            }
            Value::Text(text) => self.text(text),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::Date(date) => {
                self.push("<value><dateTime.iso8601>");
                self.escaped(date);
                self.push("</dateTime.iso8601></value>\n");
            }
            Value::Nil => self.push("<value><nil/></value>\n"),
            Value::Array(values) => {
                self.push("<value><array><data>\n");
                values.iter().for_each(|value| self.value(value));
                self.push("</data></array></value>\n");
            }
            Value::Struct(members) => {
                self.push("<value><struct>\n");
                for (name, value) in members {
                    self.push("<member>\n<name>");
                    self.escaped(name);
                    self.push("</name>\n");
                    self.value(value);
                    self.push("</member>\n");
                }
                self.push("</struct></value>\n");
            }
        }
    }

    /// Beyond 32 bits as well, where Python refuses to write one but reads it.
    fn int(&mut self, number: i64) {
        self.shown("<value><int>", format_args!("{number}"), "</int></value>\n");
    }

    fn shown(&mut self, before: &str, what: std::fmt::Arguments<'_>, after: &str) {
        self.push(before);
        // A vector takes everything.
        let _ = self.out.write_fmt(what);
        self.push(after);
    }

    fn text(&mut self, text: &str) {
        if self.exact && !text.chars().all(is_legal) {
            return self.bytes(text.as_bytes());
        }
        self.push("<value><string>");
        self.escaped(text);
        self.push("</string></value>\n");
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.push("<value><base64>\n");
        let encoded = STANDARD.encode(bytes);
        self.push(&encoded);
        self.push("\n</base64></value>\n");
    }

    /// Text with what XML has a meaning for written as entities. Carriage returns too: a reader takes a
    /// plain one for a newline.
    fn escaped(&mut self, text: &str) {
        let mut rest = text;
        while let Some((plain, tail)) =
            rest.bytes().position(special).and_then(|at| rest.split_at_checked(at))
        {
            self.push(plain);
            let mut chars = tail.chars();
            match chars.next() {
                Some('&') => self.push("&amp;"),
                Some('<') => self.push("&lt;"),
                Some('>') => self.push("&gt;"),
                Some('\r') => self.push("&#13;"),
                Some(c) => self.push(legal(c).encode_utf8(&mut [0; 4])),
                None => {}
            }
            rest = chars.as_str();
        }
        self.push(rest);
    }
}

/// Whether a character that begins with this byte may have to be written in another way.
const fn special(byte: u8) -> bool {
    // U+FFFE and U+FFFF begin with 0xEF.
    matches!(byte, 0..=8 | 0x0b..=0x1f | b'&' | b'<' | b'>' | 0xef)
}
