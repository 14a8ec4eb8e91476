//! `SUPERDAEMON_SOCKETS`: every socket with name, number, type and real address, as JSON.

use std::ffi::OsStr;
use std::fmt::Write;

use crate::address::{Address, SocketKind};

/// One socket as `SUPERDAEMON_SOCKETS` tells about it.
#[derive(Debug, Clone, Copy)]
pub struct SocketInfo<'a> {
    /// The name, as in `SERVER_STARTER_PORT`.
    pub name: &'a OsStr,
    /// The descriptor number in the worker.
    pub fd: i32,
    /// TCP, UDP or unix.
    pub kind: SocketKind,
    /// Where it is bound; tells the port behind `--port=0`.
    pub address: &'a Address,
}

/// Writes the value of `SUPERDAEMON_SOCKETS`: a JSON array on one line, without blanks.
///
/// Bytes of names that are not UTF-8 become U+FFFD; nothing else is lost, whatever names contain.
///
/// ```
/// use fdpass::{Address, SocketKind, wire};
/// let address = Address::Inet("0.0.0.0:8080".parse()?);
/// let socket =
///     wire::SocketInfo { name: "8080".as_ref(), fd: 3, kind: SocketKind::Tcp, address: &address };
/// assert_eq!(
///     wire::encode_sockets_json(&[socket]),
///     r#"[{"name":"8080","fd":3,"type":"tcp","address":"0.0.0.0:8080"}]"#
/// );
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn encode_sockets_json(sockets: &[SocketInfo<'_>]) -> String {
    let mut json = String::from("[");
    for socket in sockets {
        if json.len() > 1 {
            json.push(',');
        }
        json.push_str("{\"name\":");
        push_json_string(&mut json, &socket.name.to_string_lossy());
        // Writing to a String cannot fail.
        let _ = write!(json, ",\"fd\":{},\"type\":\"{}\",\"address\":", socket.fd, socket.kind);
        push_json_string(&mut json, &socket.address.to_string());
        json.push('}');
    }
    json.push(']');
    json
}

/// Appends `text` as a JSON string with its quotes.
pub fn push_json_string(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            // DEL need not be escaped but is no use to anybody raw.
            '\0'..='\u{1f}' | '\u{7f}' => {
                let _ = write!(json, "\\u{:04x}", u32::from(character));
            }
            _ => json.push(character),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn strings_are_escaped() {
        let mut json = String::new();
        push_json_string(&mut json, "a\"b\\c\n\r\t\u{1}\u{7f}é/\u{2028}");
        assert_eq!(json, "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u007fé/\u{2028}\"");
    }

    #[test]
    fn several_and_none() {
        assert_eq!(encode_sockets_json(&[]), "[]");
        let path = Address::Path("/a\"b".into());
        let name = OsStr::from_bytes(b"/a\xff");
        let one = SocketInfo { name, fd: 4, kind: SocketKind::Unix, address: &path };
        let item = "{\"name\":\"/a\u{fffd}\",\"fd\":4,\"type\":\"unix\",\"address\":\"/a\\\"b\"}";
        assert_eq!(encode_sockets_json(&[one, one]), format!("[{item},{item}]"));
    }
}
