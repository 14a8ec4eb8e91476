//! Requests as clients send them, whole and in pieces.

mod answers;
mod login;
mod refusals;
mod sites;

use fastrand::Rng;

use super::*;

/// What came of a connection.
type Outcome = (Vec<Request>, Option<Refusal>);

pub(super) fn all(_: &Head) -> Result<(), Refusal> {
    Ok(())
}

/// Small ones, so that inputs come near to them.
const LIMITS: Limits = Limits { head: 512, headers: 8, body: 400 };

/// Feeds the pieces and takes what is there after each.
pub(super) fn feed<'p>(limits: Limits, pieces: impl IntoIterator<Item = &'p [u8]>) -> Outcome {
    let mut parser = Parser::new(limits);
    let mut requests = Vec::new();
    for piece in pieces {
        parser.feed(piece);
        loop {
            match parser.next(&mut all) {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => break,
                Err(refusal) => return (requests, Some(refusal)),
            }
        }
    }
    (requests, None)
}

pub(super) fn whole(input: &[u8]) -> Outcome {
    feed(LIMITS, [input])
}

/// The only request in there.
pub(super) fn only(input: &[u8]) -> Request {
    let (mut requests, refusal) = whole(input);
    assert_eq!((requests.len(), refusal), (1, None), "{}", input.escape_ascii());
    requests.remove(0)
}

/// Connections of supervisorctl that were recorded: a name, how many requests, and the bytes.
fn recorded() -> Vec<(&'static str, usize, Vec<u8>)> {
    let connection = |line: &'static str| {
        let mut parts = line.splitn(4, ' ');
        let (name, _, count) = (parts.next().unwrap(), parts.next(), parts.next().unwrap());
        let text = parts.next().unwrap().replace("\\r", "\r").replace("\\n", "\n");
        (name, count.parse().unwrap(), text.replace("\\\\", "\\").into_bytes())
    };
    include_str!("tests/recorded.txt").lines().map(connection).collect()
}

#[test]
fn recorded_connections() {
    let recorded = recorded();
    assert_eq!(recorded.len(), 66);
    for (name, count, bytes) in recorded {
        let (requests, refusal) = feed(Limits::default(), [bytes.as_slice()]);
        assert_eq!((requests.len(), refusal), (count, None), "{name}");
        for Request { head, body } in requests {
            assert!(head.http11 && head.keep_alive(), "{name}");
            if head.method == "GET" {
                // Its Host is empty, and an empty line too many follows.
                let path = head.path();
                assert!(path.starts_with("/logtail/") || path == "/mainlogtail", "{path}");
                assert_eq!((body.len(), head.host(), count), (0, &b""[..], 1));
            } else {
                assert_eq!((head.method.as_str(), head.target.as_str()), ("POST", "/RPC2"));
                assert_eq!(head.host(), b"localhost");
                assert_eq!(head.header("CONTENT-TYPE"), Some(&b"text/xml"[..]));
                let text = String::from_utf8(body).unwrap();
                assert!(text.starts_with("<?xml") && text.ends_with("</methodCall>\n"), "{text}");
            }
            assert_eq!(same_site(&head, true), Ok(()), "{name}");
        }
    }
}

#[test]
fn a_client_goes_on_after_a_request() {
    for (name, _, bytes) in recorded() {
        let mut parser = Parser::new(Limits::default());
        assert!(parser.is_idle());
        parser.feed(&bytes);
        assert!(!parser.is_idle(), "{name}");
        while parser.next(&mut all).unwrap().is_some() {}
        assert!(parser.is_idle() && parser.buffered() <= 2, "{name} leaves {}", parser.buffered());
    }
}

/// Everything that a parser has to tell apart.
const INPUTS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\r\n\n\r\nGET / HTTP/1.0\r\n\r\n\r\n\r\nHEAD /x?y#z HTTP/1.1\nHost:\n\n",
    b"GET / HTTP/1.0\n\r\nGET / HTTP/1.0\r\n\nPOST / HTTP/1.0\r\nContent-Length:0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloPOST /b HTTP/1.1\r\nContent-Length: 2, 2\r\n\r\n\r\n\r\nGET /c HTTP/1.1\r\n\r\n",
    b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00A ; x=\"y\"\r\n, and more\r\n0\r\nA: b\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
    b"POST /a HTTP/1.1\r\nTransfer-Encoding: CHUNKED\r\nExpect: 100-Continue\r\n\r\n1\r\n\n\r\n2;\r\n\r\n\r\n000\r\n\r\n\r\n",
    b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n191\r\n",
    b"POST /a HTTP/1.1\r\nContent-Length: 400\r\n\r\n",
    b"POST /a HTTP/1.1\r\nContent-Length: 401\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
    b"GET / HTTP/2.0\r\n\r\n",
    b"GET /\r\n\r\n",
    b"\x16\x03\x01\x02",
    b"\rGET / HTTP/1.1\r\n\r\n",
];

#[test]
fn pieces_do_not_matter() {
    let recorded = recorded();
    let all = INPUTS.iter().copied().chain(recorded.iter().map(|(_, _, bytes)| bytes.as_slice()));
    for input in all {
        let expected = feed(LIMITS, [input]);
        for at in 0..=input.len() {
            let (one, other) = input.split_at(at);
            assert_eq!(feed(LIMITS, [one, other]), expected, "{at} of {}", input.escape_ascii());
        }
        assert_eq!(feed(LIMITS, input.chunks(1)), expected, "{}", input.escape_ascii());
    }
}

#[test]
fn pieces_of_what_is_wrong_do_not_matter_either() {
    let mut random = Rng::with_seed(9110);
    let special = b"\r\n\0 :;,0159aAfF/?#%\t\x80";
    let (mut served, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut input = random.choice(INPUTS).unwrap().to_vec();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..=input.len());
            let end = random.usize(at..=input.len());
            match random.u8(..4) {
                0 => drop(input.drain(at..end)),
                1 => input.extend_from_within(at..end),
                2 => input.insert(at, *random.choice(special).unwrap()),
                _ => drop(input.splice(at..end, random.choice(INPUTS).unwrap().iter().copied())),
            }
        }
        let expected = feed(LIMITS, [input.as_slice()]);
        let pieces = input.chunks(random.usize(1..20));
        assert_eq!(feed(LIMITS, pieces), expected, "{}", input.escape_ascii());
        served += expected.0.len();
        refused += usize::from(expected.1.is_some());
    }
    assert!(served > 5000 && refused > 5000, "{served} served, {refused} refused");
}

#[test]
fn chunks_are_put_together() {
    let request = only(INPUTS[5]);
    assert_eq!(request.body, b"\n\r\n");
    let (requests, refusal) = whole(INPUTS[4]);
    assert_eq!((requests.len(), refusal), (2, None));
    assert_eq!(requests[0].body, b"hello, and more");
    assert_eq!(requests[1].head.path(), "/b");
}

#[test]
fn what_was_sent_early_waits() {
    let mut parser = Parser::new(LIMITS);
    parser.feed(INPUTS[3]);
    let mut asked = Vec::new();
    for path in ["/a", "/b", "/c"] {
        let gate = &mut |head: &Head| -> Result<(), Refusal> {
            asked.push(head.path().to_owned());
            Ok(())
        };
        assert_eq!(parser.next(gate).unwrap().unwrap().head.path(), path);
        assert_eq!(parser.is_idle(), path == "/c");
        assert_eq!(asked.last().unwrap(), path, "one at a time");
    }
    assert_eq!(asked.len(), 3);
}

#[test]
fn the_gate_is_asked_once_and_before_the_body() {
    let mut parser = Parser::new(LIMITS);
    let mut asked = 0;
    let mut gate = |_: &Head| -> Result<(), Refusal> {
        asked += 1;
        Ok(())
    };
    for byte in b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab" {
        parser.feed(&[*byte]);
        assert_eq!(parser.next(&mut gate), Ok(None));
    }
    parser.feed(b"c");
    assert_eq!(parser.next(&mut gate).unwrap().unwrap().body, b"abc");
    assert_eq!(asked, 1);

    // Who may not speak is not told that what he says is too long, or is waited for.
    let mut parser = Parser::new(LIMITS);
    parser.feed(b"POST / HTTP/1.1\r\nContent-Length: 999\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(parser.next(&mut |_| Err(unauthorized())), Err(unauthorized()));
    assert!(!parser.wants_continue());
    parser.feed(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!((parser.next(&mut all), parser.buffered()), (Ok(None), 0), "nothing comes after");
}

#[test]
fn a_client_that_waits_is_told_to_go_on() {
    let head = b"POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    let mut parser = Parser::new(LIMITS);
    parser.feed(head);
    assert_eq!(parser.next(&mut all), Ok(None));
    assert!(parser.wants_continue());
    assert!(!parser.wants_continue(), "once");
    parser.feed(b"abc");
    assert_eq!(parser.next(&mut all).unwrap().unwrap().body, b"abc");

    // It did not wait.
    parser.feed(&[head, &b"a"[..]].concat());
    assert_eq!(parser.next(&mut all), Ok(None));
    assert!(!parser.wants_continue());
    // Nor do clients of HTTP/1.0, or of a body that is empty.
    for head in ["1.0\r\nContent-Length: 3", "1.1\r\nContent-Length: 0"] {
        let mut parser = Parser::new(LIMITS);
        parser.feed(format!("POST / HTTP/{head}\r\nExpect: 100-continue\r\n\r\n").as_bytes());
        parser.next(&mut all).unwrap();
        assert!(!parser.wants_continue(), "{head}");
    }
}

#[test]
fn a_byte_at_a_time_costs_no_more() {
    // Anything quadratic would take many minutes.
    let limits = Limits { head: 8 << 20, headers: 8, body: 8 << 20 };
    let long = "x".repeat(1 << 20);
    let input = format!("POST /{long} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{long}", long.len());
    let (requests, refusal) = feed(limits, input.as_bytes().chunks(1));
    assert_eq!((requests[0].body.len(), refusal), (1 << 20, None));

    let chunks = "1;x\r\ny\r\n".repeat(1 << 18);
    let input = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    let (requests, refusal) = feed(limits, [input.as_bytes()]);
    assert_eq!((requests[0].body.len(), refusal), (1 << 18, None));

    let many = "\r\nGET / HTTP/1.1\r\n\r\n".repeat(1 << 17);
    assert_eq!(feed(limits, [many.as_bytes()]).0.len(), 1 << 17);
}

#[test]
fn memory_grows_with_what_has_come() {
    let mut parser = Parser::new(Limits { body: 1 << 40, ..LIMITS });
    parser.feed(b"POST / HTTP/1.1\r\nContent-Length: 1000000000000\r\n\r\nabc");
    assert_eq!(parser.next(&mut all), Ok(None));
    assert_eq!(parser.buffered(), 3);
}
