//! Requests of any kind. Never a panic; how they are cut into pieces makes no difference; nothing is
//! larger than the limits; what is served leaves no doubt where it ends, and reads the same when it
//! is written down plainly; what is refused is answered.

use superdaemon::supervise::http::{
    Head, Limits, Manner, Parser, Refusal, Request, form, same_site, unescape,
};

/// The length of the pieces, then what the client sends.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"\x07POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: identity\r\nUser-Agent: Python-xmlrpc/3.11\r\nContent-Type: text/xml\r\nAccept: text/xml\r\nContent-Length: 21\r\n\r\n<?xml version='1.0'?>",
    b"\x30GET /logtail/echoer/stdout HTTP/1.1\r\nHost: \r\nAccept-Encoding: chunked\r\nAccept: */*\r\nUser-agent: Supervisor HTTP Client\r\n\r\n\r\n",
    b"\x05POST /control HTTP/1.1\r\nHost: [::1]:9001\r\nOrigin: http://[::1]:9001\r\nSec-Fetch-Site: same-origin\r\nTransfer-Encoding: chunked\r\n\r\n9;x=y\r\naction=%7\r\n6\r\n3top+a\r\n0\r\nA: b\r\n\r\nGET http://h/tail.html?processname=web%3Aa#x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"\x02PUT / HTTP/1.1\nExpect: 100-continue\nContent-Length: 2, 02\n\nxyPOST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"\x01GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
    b"\x01PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x01POST / HTTP/1.1\r\nContent-Length: 3000\r\n\r\n",
];

const LIMITS: Limits = Limits { head: 400, headers: 10, body: 200 };

/// One input.
pub fn run(data: &[u8]) {
    let Some((size, input)) = data.split_first() else { return };
    let (requests, refusal) = feed(LIMITS, [input]);
    let pieces = input.chunks(usize::from(*size).max(1));
    assert_eq!(feed(LIMITS, pieces), (requests.clone(), refusal.clone()), "pieces matter");
    assert!(requests.iter().map(|request| request.body.len()).sum::<usize>() <= input.len());
    for request in requests {
        served(&request);
    }
    if let Some(refusal) = refusal {
        refused(&refusal);
    }
}

fn feed<'p>(
    limits: Limits,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> (Vec<Request>, Option<Refusal>) {
    let mut parser = Parser::new(limits);
    let mut requests = Vec::new();
    for piece in pieces {
        parser.feed(piece);
        loop {
            let mut asked = 0;
            let next = parser.next(&mut |_| {
                asked += 1;
                Ok(())
            });
            assert!(asked < 2, "it is asked twice");
            match next {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => break,
                Err(refusal) => {
                    parser.feed(piece);
                    assert_eq!(
                        parser.next(&mut |_| Ok(())),
                        Ok(None),
                        "it goes on after a refusal"
                    );
                    assert!(parser.buffered() == 0 && !parser.wants_continue());
                    return (requests, Some(refusal));
                }
            }
        }
        // Whatever waits is one request that is not complete.
        assert!(parser.buffered() <= limits.head + limits.body + limits.head);
        assert!(!(parser.is_idle() && parser.wants_continue()));
    }
    (requests, None)
}

fn count(head: &Head, name: &str) -> usize {
    head.headers.iter().filter(|(it, _)| it.eq_ignore_ascii_case(name)).count()
}

fn served(Request { head, body }: &Request) {
    assert!(body.len() <= LIMITS.body && head.headers.len() <= LIMITS.headers);
    let chunked = count(head, "transfer-encoding");
    assert!(chunked == 0 || (chunked == 1 && count(head, "content-length") == 0 && head.http11));
    assert!(count(head, "host") < 2);
    let values = head.headers.iter().flat_map(|(_, value)| value);
    assert!(values.clone().all(|byte| !b"\r\n\0".contains(byte)), "{head:?}");
    assert!(head.manner().body == (head.method != "HEAD"));

    let refused = |open| same_site(head, open).is_err();
    assert!(refused(true) || !refused(false), "who wants no password takes less");
    if !refused(false) && !head.is_harmless() && count(head, "origin") > 0 {
        let origin = String::from_utf8_lossy(head.header("origin").unwrap_or_default());
        assert!(origin.starts_with("http"), "{origin}");
    }
    for escaped in [body, head.query().as_bytes()] {
        let length =
            |(name, value): &(String, String)| name.chars().count() + value.chars().count();
        assert!(form(escaped).iter().map(length).sum::<usize>() <= escaped.len());
    }
    let path = unescape(head.path());
    assert!(path == head.path() || head.path().contains('%'));
    plainly(head, body);
}

/// Nothing is lost and nothing is added.
fn plainly(head: &Head, body: &[u8]) {
    let framing = ["content-length", "transfer-encoding", "expect"];
    let kept =
        |(name, _): &&(String, Vec<u8>)| !framing.contains(&name.to_ascii_lowercase().as_str());
    let headers: Vec<_> = head.headers.iter().filter(kept).cloned().collect();
    let version = u8::from(head.http11);
    let mut bytes = format!("{} {} HTTP/1.{version}\r\n", head.method, head.target).into_bytes();
    for (name, value) in &headers {
        bytes.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    let limits = Limits { head: 2000, headers: 20, ..LIMITS };
    let (mut again, refusal) = feed(limits, [bytes.as_slice()]);
    assert_eq!((again.len(), refusal), (1, None), "{}", bytes.escape_ascii());
    let Some(mut again) = again.pop() else { return };
    again.head.headers.pop();
    assert_eq!((again.head.headers, again.body.as_slice()), (headers, body));
    assert_eq!(
        (again.head.method.as_str(), again.head.target.as_str()),
        (&*head.method, &*head.target)
    );
}

fn refused(refusal: &Refusal) {
    assert!((400..600).contains(&refusal.status) && !refusal.text.contains(char::is_control));
    let answer = refusal.bytes();
    assert_eq!(answer, refusal.response().bytes(Manner::LAST));
    let text = String::from_utf8(answer).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with(&format!("HTTP/1.1 {} ", refusal.status)), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{head}");
    assert!(head.contains("\r\nConnection: close"), "{head}");
}
