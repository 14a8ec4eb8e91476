//! Formats written and read, and that nothing makes the readers panic.

use super::*;
use crate::testing::Random;

fn entries(list: &[(&str, i32)]) -> Vec<Entry> {
    list.iter().map(|(name, fd)| Entry { name: name.into(), fd: *fd }).collect()
}

fn line(result: Result<Vec<Entry>, WireError>) -> String {
    result.expect_err("should be refused").to_string()
}

#[test]
fn server_starter() {
    let parse = |text: &str| parse_server_starter(OsStr::new(text));
    for list in [
        &[][..],
        &[("8080", 4)],
        &[("127.0.0.1:80", 0), ("[::1]:80", 5), ("/a=b=c", 1_048_575), ("@x", 1)],
        &[("53", 4), ("53", 5)],
    ] {
        let pairs: Vec<(&OsStr, i32)> = list.iter().map(|(n, fd)| (OsStr::new(n), *fd)).collect();
        assert_eq!(parse_server_starter(&encode_server_starter(&pairs)), Ok(entries(list)));
    }
    assert_eq!(encode_server_starter(&[]), "");
    let spoilt = [(OsStr::new("a;b"), 3), (OsStr::new("c\0"), 4), (OsStr::new("d"), 5)];
    assert_eq!(encode_server_starter(&spoilt), "d=5");
    assert_eq!(parse("2=2"), Ok(entries(&[("2", 2)])));

    for (text, entry, reason) in [
        ("8080", "8080", "NAME=FD"),
        ("=4", "=4", "NAME=FD"),
        ("80=4;", "", "NAME=FD"),
        (";80=4", "", "NAME=FD"),
        ("80=4;81=x", "81=x", "descriptor number"),
        ("80=", "80=", "descriptor number"),
        ("80=-1", "80=-1", "descriptor number"),
        ("80=+4", "80=+4", "descriptor number"),
        ("80= 4", "80= 4", "descriptor number"),
        ("80=1048576", "80=1048576", "descriptor number"),
        ("80=99999999999999999999", "80=99999999999999999999", "descriptor number"),
        ("80=4;81=4", "81=4", "repeats"),
    ] {
        let line = line(parse(text));
        let named = format!("invalid SERVER_STARTER_PORT: the entry `{entry}' ");
        assert!(line.starts_with(&named) && line.contains(reason), "{text}: {line}");
    }
    let line = line(parse_server_starter(OsStr::from_bytes(b"a\n\xff=x")));
    assert!(line.contains("`a\\n\u{fffd}=x'"), "{line}");
}

#[test]
fn listen_fds() {
    let parse = |fds: &str, pid: Option<&str>, names: Option<&str>| {
        parse_listen_fds(fds.as_ref(), pid.map(OsStr::new), names.map(OsStr::new), 42)
    };
    let two = entries(&[("unknown", 3), ("unknown", 4)]);
    assert_eq!(parse("2", Some("42"), None), Ok(two.clone()));
    assert_eq!(parse("2", None, None), Ok(two.clone()));
    assert_eq!(parse("2", Some(""), None), Ok(two));
    assert_eq!(parse("2", Some("43"), None), Ok(vec![]));
    assert_eq!(parse("0", Some("42"), None), Ok(vec![]));
    assert_eq!(parse("0", Some("42"), Some("")), Ok(vec![]));
    assert_eq!(parse("2", None, Some("web:dns")), Ok(entries(&[("web", 3), ("dns", 4)])));
    assert_eq!(parse("2", None, Some(":")), Ok(entries(&[("", 3), ("", 4)])));
    assert_eq!(parse("1", None, Some("")), Ok(entries(&[("", 3)])));
    assert_eq!(parse("1048573", None, None).unwrap().last().unwrap().fd, 1_048_575);

    for (fds, pid, names, wanted) in [
        ("x", None, None, "invalid LISTEN_FDS: `x' should be the number of sockets"),
        ("", None, None, "invalid LISTEN_FDS: `' should be the number of sockets"),
        ("-1", None, None, "invalid LISTEN_FDS: `-1' should be the number of sockets"),
        ("1048574", None, None, "invalid LISTEN_FDS: `1048574' should be the number of sockets"),
        ("2", Some("x"), None, "invalid LISTEN_PID: `x' should be a process id"),
        ("2", Some("-42"), None, "invalid LISTEN_PID: `-42' should be a process id"),
        ("2", None, Some("a"), "invalid LISTEN_FDNAMES: `a' has 1 names for 2 sockets"),
        ("2", None, Some(""), "invalid LISTEN_FDNAMES: `' has 0 names for 2 sockets"),
        ("1", None, Some("a:b"), "invalid LISTEN_FDNAMES: `a:b' has 2 names for 1 sockets"),
    ] {
        assert_eq!(line(parse(fds, pid, names)), wanted);
    }
}

#[test]
fn einhorn() {
    let parse = |text: &str| parse_einhorn_fds(OsStr::new(text));
    assert_eq!(parse("3 5  4 "), Ok(entries(&[("", 3), ("", 5), ("", 4)])));
    assert_eq!(parse(""), Ok(vec![]));
    assert!(line(parse("3 x")).contains("`x'"));
    assert!(line(parse("3 3")).contains("`3' repeats"));

    let lookup = |name: &str| match name {
        "EINHORN_FD_0" => Some("6".into()),
        "EINHORN_FD_1" => Some("3".into()),
        "EINHORN_FD_2" => Some("6".into()),
        _ => None,
    };
    let count = |text: &str| parse_einhorn_count(OsStr::new(text), lookup);
    assert_eq!(count("2"), Ok(entries(&[("", 6), ("", 3)])));
    assert!(line(count("3")).starts_with("invalid EINHORN_FD_2: the entry `6' repeats"));
    assert!(line(parse_einhorn_count("1".as_ref(), |_| None)).contains("EINHORN_FD_0"));
    // A monstrous count ends at the first variable that is missing.
    assert!(line(count("99999999999")).contains("EINHORN_FD_COUNT"));
    assert!(line(parse_einhorn_count("1048575".as_ref(), |_| None)).contains("EINHORN_FD_0"));
}

#[test]
fn no_bytes_make_a_reader_panic() {
    const BYTES: &[u8] = b"0123456789==;;: \n\t-+ua\0\xff\xc3";
    let mut random = Random(7);
    let mut text = |most: u64| -> OsString {
        let length = random.below(most);
        let byte = |_| BYTES[random.below(BYTES.len() as u64) as usize];
        OsString::from_vec((0..length).map(byte).collect())
    };
    let mut accepted = 0;
    for _ in 0..40_000 {
        let (a, b, c) = (text(12), text(4), text(6));
        for result in [
            parse_server_starter(&a),
            parse_einhorn_fds(&a),
            parse_listen_fds(&b, None, Some(&a), 1),
            parse_listen_fds(&c, Some(&b), None, 1),
            parse_einhorn_count(&b, |_| Some(a.clone())),
        ] {
            match result {
                Ok(entries) => accepted += usize::from(!entries.is_empty()),
                Err(error) => assert!(!error.to_string().contains(char::is_control), "{error}"),
            }
        }
    }
    assert!(accepted > 400, "only {accepted} were right: the generator is no good");
}
