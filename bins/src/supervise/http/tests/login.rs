//! Who is let in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

fn get(headers: &str) -> Head {
    only(format!("GET / HTTP/1.1\r\n{headers}\r\n").as_bytes()).head
}

fn basic(pair: &str) -> Head {
    get(&format!("Authorization: Basic {}\r\n", STANDARD.encode(pair)))
}

fn may(login: &Login, head: &Head) -> bool {
    authorized(Some(login), head)
}

#[test]
fn plain_passwords() {
    let login = Login::new("u", "the:pass");
    assert!(may(&login, &basic("u:the:pass")));
    for wrong in [
        "u:the",
        "u:the:pass ",
        "u:the:pas",
        "u:THE:pass",
        "u:",
        "u",
        "",
        ":",
        "U:the:pass",
        ":the:pass",
        "u:the:pass\0",
        "uthe:pass",
        "v:the:pass",
    ] {
        assert!(!may(&login, &basic(wrong)), "{wrong}");
    }
    let german = Login::new("j\u{fc}rgen", "\u{20ac}");
    assert!(may(&german, &basic("j\u{fc}rgen:\u{20ac}")));
    let latin = STANDARD.encode(b"j\xfcrgen:\x80");
    assert!(!may(&german, &get(&format!("Authorization: Basic {latin}\r\n"))));
    assert!(may(&Login::new("u", ""), &basic("u:")));
}

#[test]
fn hashed_passwords() {
    // The SHA-1 of "thepassword".
    let hash = "82ab876d1387bfafe46cc1c8a2ef074eae50cb1d";
    for text in [format!("{{SHA}}{hash}"), format!("{{SHA}}{}", hash.to_uppercase())] {
        let login = Login::new("u", &text);
        assert!(may(&login, &basic("u:thepassword")), "{text}");
        for wrong in ["u:thepassworD", "v:thepassword", &format!("u:{hash}"), &format!("u:{text}")]
        {
            assert!(!may(&login, &basic(wrong)), "{wrong}");
        }
    }
    for bad in ["", "82ab", &format!("{hash}0"), &hash.replace('a', "g"), &format!(" {hash}")] {
        let login = Login::new("u", &format!("{{SHA}}{bad}"));
        for guess in ["u:thepassword", "u:", &format!("u:{bad}"), &format!("u:{{SHA}}{bad}")] {
            assert!(!may(&login, &basic(guess)), "{bad}: {guess}");
        }
    }
    // Only so written.
    assert!(may(&Login::new("u", &format!("{{sha}}{hash}")), &basic(&format!("u:{{sha}}{hash}"))));
}

#[test]
fn the_header() {
    let login = Login::new("u", "thepassword");
    let encoded = "dTp0aGVwYXNzd29yZA";
    for right in [
        "Authorization: Basic dTp0aGVwYXNzd29yZA==",
        "authorization:basic dTp0aGVwYXNzd29yZA",
        "AUTHORIZATION: BASIC   dTp0aGVwYXNzd29yZA==  ",
    ] {
        assert!(may(&login, &get(&format!("{right}\r\n"))), "{right}");
    }
    for wrong in [
        "",
        "Basic",
        "Basic ",
        &format!("Basic{encoded}"),
        &format!("Basic\t{encoded}"),
        &format!("Bearer {encoded}"),
        encoded,
        &format!("Basic {encoded} x"),
        &format!("Basic \u{fc}{encoded}"),
        &format!("Basic {encoded}==="),
        // Two, of which somebody else may have looked at the other.
        &format!("Basic {encoded}\r\nAuthorization: Basic {encoded}"),
    ] {
        assert!(!may(&login, &get(&format!("Authorization: {wrong}\r\n"))), "{wrong}");
    }
    assert!(!may(&login, &get("Proxy-Authorization: Basic dTp0aGVwYXNzd29yZA==\r\n")));
    assert!(!may(&login, &get("")));
    assert!(authorized(None, &get("")) && authorized(None, &get("Authorization: x\r\n")));
}

#[test]
fn recorded_logins() {
    let login = Login::new("u", "thepassword");
    let mut seen = Vec::new();
    for (name, _, bytes) in recorded() {
        for request in feed(Limits::default(), [bytes.as_slice()]).0 {
            if request.head.header("authorization").is_some() {
                assert_eq!(may(&login, &request.head), name != "23c-auth-bad", "{name}");
                seen.push(name);
            } else {
                assert!(!may(&login, &request.head), "{name}");
            }
        }
    }
    assert_eq!(seen, ["23b-auth-ok", "23b-auth-ok", "23c-auth-bad", "23e-auth-tail-ok"]);
}

#[test]
fn who_may_not_is_asked_for_a_password() {
    let answer = String::from_utf8(unauthorized().bytes()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{answer}");
    assert!(answer.contains("\r\nWWW-Authenticate: Basic realm=\"default\"\r\n"), "{answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
}

#[test]
fn nothing_secret_is_shown() {
    let login = Login::new("somebody", "thepassword");
    let head = basic("u:thepassword");
    let mut parser = Parser::new(LIMITS);
    parser.feed(b"POST /?thetoken HTTP/1.1\r\nContent-Length: 9\r\n\r\nthesecret");
    let before = format!("{parser:?}");
    let shown = format!("{login:?} {head:?} {before} {:?}", parser.next(&mut all));
    assert_eq!(
        shown,
        "Login GET \"/\" HTTP/1.1, 1 headers Parser, 56 bytes Ok(Some(POST \"/\" HTTP/1.1, 1 headers, 9 bytes))"
    );
}
