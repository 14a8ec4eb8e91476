//! What is no request, or is none that is served.

use super::*;

fn refused(input: &str) -> (u16, String) {
    let (requests, refusal) = whole(input.as_bytes());
    assert_eq!(requests, [], "{input:?} is served");
    let refusal = refusal.unwrap_or_else(|| panic!("{input:?} is waited for"));
    let answer = String::from_utf8(refusal.bytes()).unwrap();
    assert!(answer.starts_with(&format!("HTTP/1.1 {} ", refusal.status)), "{answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    (refusal.status, refusal.text.into_owned())
}

#[track_caller]
fn all_refused(status: u16, word: &str, inputs: &[&str]) {
    for input in inputs {
        let (code, text) = refused(input);
        assert_eq!(code, status, "{input:?}: {text}");
        assert!(text.contains(word), "{input:?}: {text}");
    }
}

#[test]
fn malformed_heads() {
    all_refused(
        400,
        "",
        &[
            "GET /\r\n\r\n",
            "GET\r\n\r\n",
            "GET / HTTP/1.1 x\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "GET / x HTTP/1.1\r\n\r\n",
            "GET /\0 HTTP/1.1\r\n\r\n",
            "GE\u{fc}T / HTTP/1.1\r\n\r\n",
            "GET / http/1.1\r\n\r\n",
            " GET / HTTP/1.1\r\n\r\n",
            "\rGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\nA : b\r\n\r\n",
            "GET / HTTP/1.1\r\n: b\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\0\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n\tfolded\r\n\r\n",
            "GET / HTTP/1.1\r\n folded: first\r\n\r\n",
        ],
    );
    all_refused(400, "several Host", &["GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"]);
    // What never comes to an empty line is not waited for.
    all_refused(400, "TLS", &["\x16\x03\x01"]);
    all_refused(400, "", &["\0", "{\"jsonrpc\"", "<?xml"]);
}

#[test]
fn lengths_that_leave_doubts() {
    let post = |rest: &str| format!("POST / HTTP/1.1\r\n{rest}\r\n\r\n0\r\n\r\n");
    for (rest, word) in [
        ("Content-Length: 5\r\nContent-Length: 6", "several"),
        ("Content-Length: 5, 6", "several"),
        ("Content-Length: 5\r\nX: y\r\ncontent-length: 05, 4", "several"),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", "both"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", "both"),
        ("Transfer-Encoding: x\r\nContent-Length: 5", "both"),
        ("Content-Length: +5", "no number"),
        ("Content-Length: -5", "no number"),
        ("Content-Length: 5 5", "no number"),
        ("Content-Length: 0x5", "no number"),
        ("Content-Length: 5,", "no number"),
        ("Content-Length:", "no number"),
        ("Content-Length: \u{b2}", "no number"),
    ] {
        all_refused(400, word, &[&post(rest)]);
    }
    all_refused(400, "HTTP/1.0", &["POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"]);
    for coding in [
        "gzip, chunked",
        "chunked, chunked",
        "identity",
        "",
        "xchunked",
        "chunked\r\nTransfer-Encoding: chunked",
    ] {
        all_refused(501, "chunked", &[&post(&format!("Transfer-Encoding: {coding}"))]);
    }
    assert_eq!(
        only(b"POST / HTTP/1.1\r\nContent-Length: 1, 01\r\nContent-Length: 1\r\n\r\nx").body,
        b"x"
    );
}

#[test]
fn chunks_that_leave_doubts() {
    let chunked =
        |rest: &str| format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{rest}");
    for rest in [
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        " 1\r\n",
        "1 1\r\n",
        "1x\r\n",
        "1\n",
        "1;a\n",
        "1;a\rb\r\n",
        "1\r\r\n",
        "00000000000000001\r\n",
        "1\r\nab\r\n",
        "1\r\na\n",
        "1\r\na\r\r\n",
        "1\r\na0\r\n",
        "0\r\n\n",
        "0\r\nA: b\n",
        "0\r\nA: b\rC\r\n",
    ] {
        all_refused(400, "chunk", &[&chunked(rest)]);
    }
    let many = "1;aaaaaaaaaaaa\r\nx\r\n".repeat(60);
    all_refused(400, "chunk", &[&chunked(&format!("1;{}", "a".repeat(540))), &chunked(&many)]);
    let trailers = format!("0\r\n{}", "A: b\r\n".repeat(100));
    all_refused(
        431,
        "trailers",
        &[&chunked(&trailers), &chunked(&format!("0\r\n{trailers:>600}"))],
    );
}

#[test]
fn too_large() {
    let long = "x".repeat(LIMITS.head);
    let lots = |count: usize| "A: b\r\n".repeat(count);
    all_refused(
        431,
        "headers",
        &[
            &format!("GET /{long}"),
            &format!("GET /{long} HTTP/1.1\r\n\r\n"),
            &format!("GET / HTTP/1.1\r\nA: {long}\r\n\r\n"),
            &format!("GET / HTTP/1.1\r\n{}\r\n", lots(LIMITS.headers + 1)),
        ],
    );
    // Just as large as may be.
    let fixed = "GET / HTTP/1.1\r\n\r\n".len();
    let longest = "x".repeat(LIMITS.head - fixed);
    only(format!("GET /{longest} HTTP/1.1\r\n\r\n").as_bytes());
    only(format!("GET / HTTP/1.1\r\n{}\r\n", lots(LIMITS.headers)).as_bytes());

    all_refused(
        413,
        "body",
        &[
            "POST / HTTP/1.1\r\nContent-Length: 401\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999999\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 401\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            &format!(
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n190\r\n{:400}\r\n1\r\n",
                ""
            ),
        ],
    );
    let body =
        only(format!("POST / HTTP/1.1\r\nContent-Length: 400\r\n\r\n{:400}", "").as_bytes()).body;
    assert_eq!(body.len(), 400);
}

#[test]
fn other_refusals() {
    all_refused(411, "Content-Length", &["POST / HTTP/1.1\r\n\r\n", "PUT / HTTP/1.0\r\n\r\n"]);
    all_refused(
        505,
        "HTTP/1.1",
        &[
            "GET / HTTP/2.0\r\n\r\n",
            "GET / HTTP/1.2\r\n\r\n",
            "GET / HTTP/0.9\n\n",
            "PRI * HTTP/2\r\n\r\nSM\r\n\r\n",
        ],
    );
    all_refused(
        417,
        "100-continue",
        &["POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: tea\r\n\r\nx"],
    );
    assert_eq!(
        Refusal::timeout().to_string(),
        "408 Request Timeout: the request took too long to come"
    );
    let allowed = String::from_utf8(Refusal::method("GET, HEAD").bytes()).unwrap();
    assert!(allowed.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{allowed}");
    assert!(allowed.contains("\r\nAllow: GET, HEAD\r\n"), "{allowed}");
    assert_eq!((Refusal::busy().status, Refusal::not_found().status), (503, 404));
}
