//! The forms of Perl's `start_server`, and what is refused.

use super::*;
use crate::testing::Random;

fn port(text: &str) -> ListenSpec {
    ListenSpec::from_port(text).unwrap_or_else(|error| panic!("{error}"))
}

fn path(text: &str) -> ListenSpec {
    ListenSpec::from_path(OsStr::new(text)).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_form_and_its_name() {
    // specification, name in SERVER_STARTER_PORT, display
    let cases = [
        ("8080", "8080", "8080"),
        ("  8080\t", "8080", "8080"),
        ("08080", "08080", "08080"),
        ("0", "0", "0"),
        ("65535", "65535", "65535"),
        ("u53", "53", "u53"),
        ("u53=3", "53", "u53=3"),
        ("8080=7", "8080", "8080=7"),
        ("8080 \t=7 ", "8080", "8080=7"),
        ("8080=0", "8080", "8080=0"),
        ("8080=01", "8080", "8080=1"),
        ("8080=1048575", "8080", "8080=1048575"),
        ("127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1:8080"),
        ("127.1:8080", "127.1:8080", "127.1:8080"),
        ("localhost:8080=9", "localhost:8080", "localhost:8080=9"),
        ("my_host-1.example:u53", "my_host-1.example:53", "my_host-1.example:u53"),
        ("[127.0.0.1]:8080", "127.0.0.1:8080", "127.0.0.1:8080"),
        ("[localhost]:u8080", "localhost:8080", "localhost:u8080"),
        (" [ ::1 ] : 8080 ", "[::1]:8080", "[::1]:8080"),
        ("[::1]:8080", "[::1]:8080", "[::1]:8080"),
        ("::1:8080", "[::1]:8080", "[::1]:8080"),
        (":::8080", "[::]:8080", "[::]:8080"),
        ("[0:0::1]:u80 =5", "[0:0::1]:80", "[0:0::1]:u80=5"),
        ("[::FFFF:127.0.0.1]:80", "[::FFFF:127.0.0.1]:80", "[::FFFF:127.0.0.1]:80"),
        ("[fe80::1%lo]:80", "[fe80::1%lo]:80", "[fe80::1%lo]:80"),
        ("fe80::1%eth0.100:80", "[fe80::1%eth0.100]:80", "[fe80::1%eth0.100]:80"),
        ("unix:80", "unix:80", "[unix]:80"),
    ];
    for (text, name, display) in cases {
        let spec = port(text);
        assert_eq!(spec.name(), OsStr::new(name), "{text:?}");
        assert_eq!(spec.to_string(), display, "{text:?}");
        assert_eq!(display.parse(), Ok(spec.clone()), "{text:?}");
        assert_eq!(spec.is_udp(), display.contains(":u") || display.starts_with('u'), "{text:?}");
        assert!(!spec.is_unix() && spec.path().is_none());
    }
    assert_eq!((port("8080 =7").fd(), port("8080").fd()), (Some(7), None));
    assert_eq!((port("08080").port(), path("/x").port()), (Some(8080), None));
}

#[test]
fn what_is_refused_and_why() {
    let cases = [
        ("", "expected PORT"),
        (" ", "expected PORT"),
        ("http", "expected PORT"),
        ("80 80", "expected PORT"),
        ("+80", "expected PORT"),
        ("U53", "expected PORT"),
        ("uu53", "expected PORT"),
        ("u 53", "expected PORT"),
        ("localhost", "expected PORT"),
        ("localhost:http", "expected PORT"),
        ("/run/app.sock", "--path"),
        ("./app.sock", "--path"),
        ("65536", "65535"),
        ("70000", "65535"),
        ("99999999999999999999", "65535"),
        ("8080=", "after `='"),
        ("8080=x", "after `='"),
        ("8080=-1", "after `='"),
        ("8080= 7", "after `='"),
        ("8080=2", "standard error"),
        ("8080=002", "standard error"),
        ("8080=1048576", "1048575"),
        ("8080=99999999999", "1048575"),
        (":8080", "PORT alone"),
        ("*:8080", "PORT alone"),
        ("[]:8080", "PORT alone"),
        ("[::1:8080", "`]' is missing"),
        ("[::1]8080", "`]' is missing"),
        ("::8080", "not an IPv6 address"),
        ("::1", "not an IPv6 address"),
        ("localhost:80:80", "not an IPv6 address"),
        ("[::g]:80", "not an IPv6 address"),
        ("[fe80::1%]:80", "zone"),
        ("[fe80::1%averyverylongname]:80", "zone"),
        ("[fe80::1%a b]:80", "zone"),
        ("a b:80", "` ' cannot be part"),
        ("a;b:80", "`;' cannot be part"),
        ("a=b:80", "after `='"),
        ("@a:80", "`@' cannot be part"),
        ("a\u{1}:80", "`\\u{1}' cannot be part"),
        ("1.2.3.4%lo:80", "`%' cannot be part"),
    ];
    for (text, reason) in cases {
        let line = ListenSpec::from_port(text).expect_err(text).to_string();
        assert!(line.contains(reason), "{text:?}: {line}");
        assert!(line.starts_with("invalid ``port'' value:"), "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    let line = ListenSpec::from_port("70000").unwrap_err().to_string();
    assert_eq!(line, "invalid ``port'' value:70000: the highest port is 65535");
}

#[test]
fn paths() {
    let longest = format!("/{}", "x".repeat(MAX_PATH_BYTES - 1));
    for (text, display) in [
        ("/run/app.sock", "/run/app.sock"),
        ("./app.sock", "./app.sock"),
        ("../app.sock", "../app.sock"),
        ("app.sock", "unix:app.sock"),
        ("unix:app", "unix:unix:app"),
        ("8080", "unix:8080"),
        ("/a=b c:d", "/a=b c:d"),
        ("/a=7", "/a=7"),
        ("@name", "@name"),
        ("./@name", "./@name"),
        (" x ", "unix: x "),
        (&longest, &longest),
    ] {
        let spec = path(text);
        assert_eq!(spec.name(), OsStr::new(text));
        assert_eq!(spec.to_string(), display);
        assert_eq!(display.parse(), Ok(spec.clone()));
        assert!(spec.is_unix() && !spec.is_udp() && spec.fd().is_none());
        assert_eq!(spec.path().is_none(), text.starts_with('@'));
    }
    for (text, reason) in [
        ("", "the path is empty"),
        ("@", "the abstract name is empty"),
        ("/a;b", "a semicolon"),
        ("/a\nb", "a newline"),
        ("@a\0b", "a NUL byte"),
        (&format!("{longest}x"), "has 108 bytes"),
        (&format!("@{longest}x"), "has 108 bytes"),
    ] {
        let line = ListenSpec::from_path(OsStr::new(text)).expect_err(text).to_string();
        assert!(line.starts_with("invalid ``path'' value:") && line.contains(reason), "{line}");
        assert!(!line.contains('\n'));
    }
    let raw = OsStr::from_bytes(b"/a\xff");
    assert_eq!(ListenSpec::from_path(raw).unwrap().name(), raw);
}

/// Joins pieces of the grammar at random, so that much of it is nearly or entirely right.
fn scrap(random: &mut Random) -> String {
    const PIECES: [&str; 36] = [
        "8080",
        "0",
        "65536",
        "u",
        "u53",
        ":",
        ":",
        ":",
        "[",
        "]",
        "::1",
        "[::1]",
        "::",
        "fe80::1",
        "%lo",
        "%",
        "127.0.0.1",
        "localhost",
        "=",
        "=7",
        "=2",
        " ",
        "\t",
        "unix:",
        "unix",
        "/",
        "./",
        "../",
        "@",
        "a",
        ";",
        "\n",
        "\0",
        "é",
        "*",
        "=1048576",
    ];
    let count = random.below(7);
    (0..count).map(|_| PIECES[random.below(PIECES.len() as u64) as usize]).collect()
}

#[test]
fn whatever_is_accepted_round_trips() {
    let mut random = Random(1);
    let (mut ports, mut paths) = (0, 0);
    for _ in 0..50_000 {
        let text = scrap(&mut random);
        let parsed = text.parse::<ListenSpec>();
        for spec in [ListenSpec::from_port(&text), ListenSpec::from_path(text.as_ref()), parsed] {
            let spec = match spec {
                Ok(spec) => spec,
                Err(error) => {
                    assert!(!error.to_string().contains('\n'), "{error}");
                    continue;
                }
            };
            let shown = spec.to_string();
            assert_eq!(shown.parse(), Ok(spec.clone()), "{text:?} shown as {shown:?}");
            let name = spec.name();
            assert!(!name.as_bytes().iter().any(|b| b";\n\0".contains(b)), "{text:?}");
            let entry = crate::wire::encode_server_starter(&[(&name, 7)]);
            let back = crate::wire::parse_server_starter(&entry).unwrap();
            assert_eq!(back, [crate::wire::Entry { name, fd: 7 }]);
            *(if spec.is_unix() { &mut paths } else { &mut ports }) += 1;
        }
    }
    assert!(ports > 1_000 && paths > 10_000, "{ports} ports, {paths} paths");
}
