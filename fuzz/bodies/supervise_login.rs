//! Any `Authorization` for any name and password. Never a panic; who has both is let in, and whoever
//! is let in has both.

use superdaemon::supervise::http::{Head, Limits, Login, Parser, authorized};

/// A name, a password and the header, each in a line.
#[allow(dead_code, reason = "the fuzzer finds its own")]
pub const EXAMPLES: &[&[u8]] = &[
    b"u\nthepassword\nBasic dTp0aGVwYXNzd29yZA==",
    b"u\n{SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d\nBasic dTp0aGVwYXNzd29yZA==",
    b"u\n{SHA}82AB876D1387BFAFE46CC1C8A2EF074EAE50CB1D\nbasic  dTp0aGVwYXNzd29yZA",
    b"u\nthe:password\nBasic dTp0aGU6cGFzc3dvcmQ=",
    b"u\nthepassword\nBasic dTp3cm9uZw==",
    b"\xc3\xbc\n\xe2\x82\xac\nBasic w7w64oKs",
    b"u\n{SHA}\nBasic dTo=",
    b"\n\nBasic Og==",
    b"u\nthepassword\nBearer dTp0aGVwYXNzd29yZA==\r\nAuthorization: Basic dTp0aGVwYXNzd29yZA==",
];

const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// One input.
pub fn run(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let (username, password, value) = (next(), next(), next());
    let (username, password) =
        (String::from_utf8_lossy(username), String::from_utf8_lossy(password));
    let login = Login::new(&username, &password);
    assert_eq!(format!("{login:?}"), "Login", "secrets are shown");

    let pair = format!("{username}:{password}");
    let hashed = password.starts_with("{SHA}");
    let right = head(format!("Basic {}", encoded(pair.as_bytes())).as_bytes()).expect("a head");
    // A name with a colon cannot be sent, and a hash is no password.
    let may = !hashed && !username.contains(':');
    assert_eq!(authorized(Some(&login), &right), may, "{pair:?}");

    let Some(head) = head(value) else { return };
    assert!(authorized(None, &head));
    if !authorized(Some(&login), &head) {
        return;
    }
    assert_eq!(head.headers.len(), 1, "it had a choice");
    let (scheme, digits) = head.headers[0].1.split_at(6);
    assert!(scheme.eq_ignore_ascii_case(b"basic "));
    let sent = decoded(digits.trim_ascii());
    if hashed {
        assert!(sent.starts_with(format!("{username}:").as_bytes()));
    } else {
        assert_eq!(sent, pair.as_bytes());
    }
}

fn head(value: &[u8]) -> Option<Head> {
    let mut parser = Parser::new(Limits { head: 1 << 20, ..Limits::default() });
    parser.feed(&[b"GET / HTTP/1.1\r\nAuthorization: ", value, b"\r\n\r\n"].concat());
    let request = parser.next(&mut |_| Ok(())).ok()??;
    let named = |(name, _): &(String, Vec<u8>)| name.eq_ignore_ascii_case("authorization");
    let mut head = request.head;
    head.headers.retain(named);
    Some(head)
}

fn encoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..=three.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize]));
        }
        text.push_str(&"=="[three.len() - 1..]);
    }
    text
}

fn decoded(digits: &[u8]) -> Vec<u8> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in digits.iter().filter(|digit| **digit != b'=') {
        let value = DIGITS.iter().position(|it| it == digit).expect("a digit");
        (bits, count) = (bits << 6 | value as u32, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
