//! Answers, as a client reads them.

use super::*;

/// Status and headers as a parser of others sees them, and the body.
fn read(bytes: &[u8]) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut slots = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut slots);
    let length = response.parse(bytes).unwrap().unwrap();
    assert!(response.reason.is_some_and(|reason| !reason.is_empty()), "supervisorctl needs it");
    let own = |header: &httparse::Header<'_>| {
        (header.name.to_ascii_lowercase(), String::from_utf8(header.value.to_vec()).unwrap())
    };
    let headers = response.headers.iter().map(own).collect();
    (response.code.unwrap(), headers, bytes[length..].to_vec())
}

fn value<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    let mut named = headers.iter().filter(|(it, _)| it == name).map(|(_, value)| value.as_str());
    let value = named.next();
    assert_eq!(named.next(), None, "{name} is there twice");
    value
}

fn manner(request: &str) -> Manner {
    only(request.as_bytes()).head.manner()
}

#[test]
fn an_answer() {
    let asked = manner("GET / HTTP/1.1\r\n\r\n");
    let (status, headers, body) = read(&Response::xml(b"<x/>".to_vec()).bytes(asked));
    assert_eq!((status, body.as_slice()), (200, &b"<x/>"[..]));
    let is = |name| value(&headers, name);
    assert_eq!((is("content-length"), is("content-type")), (Some("4"), Some("text/xml")));
    assert_eq!(is("server"), Some(concat!("supervise/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(
        (is("x-content-type-options"), is("cache-control")),
        (Some("nosniff"), Some("no-store"))
    );
    assert_eq!((is("connection"), is("transfer-encoding")), (None, None));
}

#[test]
fn a_page_is_told_what_it_may() {
    let (status, headers, _) = read(&Response::page(200, "<!doctype html>").bytes(Manner::LAST));
    let policy = value(&headers, "content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.split("; ").any(|it| it == part), "{part}: {policy}");
    }
    assert_eq!((status, value(&headers, "content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(value(&headers, "referrer-policy"), Some("same-origin"));
    let (status, headers, body) = read(&Response::see("/?a=b\r\nX: y").bytes(Manner::LAST));
    assert_eq!((status, body.len()), (303, 0));
    assert_eq!(value(&headers, "location"), Some("/?a=b  X: y"), "one header and no other");
}

#[test]
fn who_stays_connected() {
    for (request, keep, said) in [
        ("GET / HTTP/1.1\r\n\r\n", true, None),
        ("GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", true, None),
        ("GET / HTTP/1.1\r\nConnection: x, Close\r\n\r\n", false, Some("close")),
        (
            "GET / HTTP/1.1\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
            false,
            Some("close"),
        ),
        ("GET / HTTP/1.0\r\n\r\n", false, Some("close")),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, Some("keep-alive")),
        ("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false, Some("close")),
    ] {
        let manner = manner(request);
        assert_eq!(manner.keep, keep, "{request}");
        let (_, headers, _) = read(&Response::text(200, "x").bytes(manner));
        assert_eq!(value(&headers, "connection"), said, "{request}");
    }
}

#[test]
fn answers_without_a_body() {
    let head = manner("HEAD / HTTP/1.1\r\n\r\n");
    let (_, headers, body) = read(&Response::text(200, "hello").bytes(head));
    assert_eq!((value(&headers, "content-length"), body.len()), (Some("5"), 0));
    let empty = Response { status: 204, headers: Vec::new(), body: Vec::new() };
    let (_, headers, _) = read(&empty.bytes(Manner::LAST));
    assert_eq!(value(&headers, "content-length"), None, "RFC 9110, 8.6");
    assert_eq!(read(Response::CONTINUE).0, 100);
}

#[test]
fn every_status_has_words() {
    for status in 100..700 {
        assert_eq!(read(&Response::text(status, "").bytes(Manner::LAST)).0, status);
    }
}

#[test]
fn a_stream_in_chunks() {
    let asked = manner("GET /mainlogtail HTTP/1.1\r\n\r\n");
    let (stream, head) = Stream::begin("text/plain; charset=utf-8", asked);
    let (status, headers, body) = read(&head);
    assert_eq!((status, body.len()), (200, 0));
    assert_eq!(value(&headers, "transfer-encoding"), Some("chunked"));
    assert_eq!((value(&headers, "content-length"), value(&headers, "connection")), (None, None));
    let long = [b'x'; 300];
    let sent =
        [stream.chunk(b"a\r\n"), stream.chunk(b""), stream.chunk(&long), stream.end().to_vec()]
            .concat();
    // Requests are read so as well.
    let request = [&b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &sent].concat();
    assert_eq!(only(&request).body, [&b"a\r\n"[..], &long].concat());
    assert!(stream.keeps() && stream.has_body());
}

#[test]
fn a_stream_for_others() {
    for old in ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"] {
        let (stream, head) = Stream::begin("text/plain", manner(old));
        let (_, headers, _) = read(&head);
        assert_eq!(value(&headers, "transfer-encoding"), None);
        assert_eq!(value(&headers, "connection"), Some("close"), "where else would it end");
        assert_eq!(
            (stream.chunk(b"ab"), stream.end(), stream.keeps()),
            (b"ab".to_vec(), &b""[..], false)
        );
    }
    let (stream, head) = Stream::begin("text/plain", manner("HEAD / HTTP/1.1\r\n\r\n"));
    assert_eq!(value(&read(&head).1, "transfer-encoding"), Some("chunked"));
    assert_eq!((stream.chunk(b"ab"), stream.end(), stream.has_body()), (vec![], &b""[..], false));
    let (stream, head) =
        Stream::begin("text/plain", manner("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"));
    assert_eq!(value(&read(&head).1, "connection"), Some("close"));
    assert_eq!((stream.end(), stream.keeps()), (&b"0\r\n\r\n"[..], false));
}
